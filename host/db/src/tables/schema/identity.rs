//! The numbers that identity columns get: one past the largest that was ever there.
//!
//! A counter is in memory, so that inserts draw numbers without a conflict. After a start it is the largest value that is stored, or the
//! mark if that is larger. The mark is written in the commit that removes the largest value: until then that value is the mark.
//!
//! | who | asks |
//! |---|---|
//! | a row without a value | [`Identities::draw`] |
//! | a row with a value of its own | [`Identities::note`], before its commit |
//! | a commit that has stored values | [`Identities::committed`], after it |
//! | a commit that removes or replaces values | [`Identities::mark_write`], before it |

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::engine::{Direction, Engine, KeyRange, Mutex, View};
use crate::keyspace::{EncodedKey, SpaceId, tables as sections};
use crate::tables::schema::ready::Table;
use crate::tables::types::{Scalar, Value};
use crate::tables::{TableError, TableResult, code};

/// The counters of all tables, by the space of their rows. Each is loaded when it is first asked for.
#[derive(Default)]
pub(crate) struct Identities(Mutex<HashMap<SpaceId, Arc<Slot>>>);

#[derive(Default)]
struct Slot(Mutex<Option<Arc<Counter>>>);

#[derive(Debug)]
struct Counter {
    /// The id of the column.
    column: u32,
    /// The version of the schema since which it counts. While it did not, values were stored that the counter does not know.
    since: u32,
    /// The largest value that was drawn, noted or stored; at least 0.
    largest: AtomicI64,
    /// A value that is stored or marked, or was larger than all that were when it went: the removal of smaller ones needs no mark.
    held: AtomicI64,
}

impl Identities {
    /// Draws `count` numbers in a row, and returns the first.
    ///
    /// # Errors
    /// 2200H where the column's type has none left; those of reading the rows.
    pub(crate) fn draw(&self, engine: &Engine, table: &Table, count: u32) -> TableResult<i64> {
        let Some(place) = table.identity() else {
            return Err(TableError::new(code::INTERNAL, format!("table \"{}\" does not count", table.schema.name)));
        };
        let max = largest_of(table.schema.columns[place].r#type.scalar);
        let more = |largest: i64| largest.checked_add(i64::from(count)).filter(|&last| last <= max);
        let counter = self.counter(engine, table)?;
        let before = counter.largest.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        before.map(|before| before + 1).map_err(|_| {
            let (table, column) = (&table.schema.name, &table.schema.columns[place].name);
            let message = format!("nextval: reached maximum value of sequence \"{table}_{column}_seq\" ({max})");
            TableError::new(code::SEQUENCE_EXHAUSTED, message)
        })
    }

    /// Counts on from a value that a row brings.
    ///
    /// # Errors
    /// Those of reading the rows.
    pub(crate) fn note(&self, engine: &Engine, table: &Table, value: i64) -> TableResult<()> {
        self.counter(engine, table)?.largest.fetch_max(value, Ordering::AcqRel);
        Ok(())
    }

    /// Remembers that a value has been stored: while it or a larger one is there, removals of smaller ones write no mark.
    pub(crate) fn committed(&self, table: &Table, value: i64) {
        if let Some(counter) = self.loaded(table.schema.rows).filter(|counter| counter.counts(table)) {
            counter.held.fetch_max(value, Ordering::AcqRel);
        }
    }

    /// What a commit writes that removes or replaces `removed`, the largest of those that it removes: the mark, unless a larger value is held.
    /// Two such commits conflict, as both write the mark.
    ///
    /// # Errors
    /// Those of reading the rows.
    pub(crate) fn mark_write(
        &self,
        engine: &Engine,
        table: &Table,
        removed: i64,
    ) -> TableResult<Option<(EncodedKey, Vec<u8>)>> {
        let counter = self.counter(engine, table)?;
        let held = counter.held.fetch_max(removed, Ordering::AcqRel);
        let mark = || [&removed.to_be_bytes()[..], &counter.column.to_be_bytes()].concat();
        Ok((removed >= held).then(|| (mark_key(table.schema.rows), mark())))
    }

    /// Forgets the counter of a table that is dropped.
    pub(crate) fn forget(&self, rows: SpaceId) {
        self.0.lock().remove(&rows);
    }

    fn loaded(&self, rows: SpaceId) -> Option<Arc<Counter>> {
        let slot = self.0.lock().get(&rows).cloned()?;
        slot.0.lock().clone()
    }

    /// The counter of a table. Only the first call since its column counts reads rows; others of the same table wait for it.
    fn counter(&self, engine: &Engine, table: &Table) -> TableResult<Arc<Counter>> {
        let slot = Arc::clone(self.0.lock().entry(table.schema.rows).or_default());
        let mut loaded = slot.0.lock();
        // A statement under an older schema cannot commit any more, whatever it draws.
        if let Some(counter) = loaded.as_ref().filter(|counter| counter.since >= table.schema.counts_since) {
            return Ok(Arc::clone(counter));
        }
        let column = table.identity().map_or(0, |place| table.schema.columns[place].id);
        let snapshot = engine.snapshot();
        let mut view = &snapshot;
        let mark = match View::get(&mut view, &mark_key(table.schema.rows))? {
            Some(stored) => mark_of(&stored.value, column)?,
            None => 0,
        };
        // Rows get their first values in a column that is being filled: all of them are drawn or noted here.
        let is_new = table.schema.pending.as_ref().is_some_and(|pending| pending.filled.contains(&column));
        let stored = if is_new { None } else { largest_stored(&mut view, table)? };
        let held = stored.map_or(mark, |stored| stored.max(mark)).max(0);
        let before = loaded.as_ref().filter(|before| before.column == column);
        let largest = before.map_or(held, |before| before.largest.load(Ordering::Acquire).max(held));
        let counter = Arc::new(Counter {
            column,
            since: table.schema.counts_since,
            largest: AtomicI64::new(largest),
            held: AtomicI64::new(held),
        });
        *loaded = Some(Arc::clone(&counter));
        Ok(counter)
    }
}

impl Counter {
    /// Whether it is what the table counts by.
    fn counts(&self, table: &Table) -> bool {
        table.identity().is_some_and(|place| table.schema.columns[place].id == self.column)
            && table.schema.counts_since == self.since
    }
}

/// The largest value that was removed from the column, as the mark has it: of another column, it says nothing.
fn mark_of(mark: &[u8], column: u32) -> TableResult<i64> {
    let (value, of) = mark.split_at_checked(8).ok_or_else(damaged)?;
    let value = i64::from_be_bytes(value.try_into().map_err(|_| damaged())?);
    match of.try_into().map(u32::from_be_bytes) {
        Ok(of) => Ok(if of == column { value } else { 0 }),
        // The form before, of a table whose column has always been the same.
        Err(_) if of.is_empty() => Ok(value),
        Err(_) => Err(damaged()),
    }
}

/// Holds the mark of the table whose rows are in this space.
pub(crate) fn mark_key(rows: SpaceId) -> EncodedKey {
    rows.catalog_key(sections::IDENTITY_MARKS)
}

fn damaged() -> TableError {
    TableError::new(code::DATA_CORRUPTED, "the mark of an identity column cannot be read")
}

fn largest_of(scalar: Scalar) -> i64 {
    match scalar {
        Scalar::SmallInt => i64::from(i16::MAX),
        Scalar::Integer => i64::from(i32::MAX),
        _ => i64::MAX,
    }
}

/// The largest value of the identity column that is stored: at the end of the primary key or of an index that begins with it, or else among
/// all rows.
fn largest_stored(view: &mut dyn View, table: &Table) -> TableResult<Option<i64>> {
    let Some(place) = table.identity() else { return Ok(None) };
    let schema = &table.schema;
    if schema.clustering().is_some_and(|key| key.columns[0] == place) {
        let end = end_of(view, schema.rows, Direction::Reverse)?;
        return end.map(|key| integer(table.row_key.decode(&key)?.0.first())).transpose();
    }
    for (index, entries) in schema.indexes.iter().zip(&table.entries) {
        let first = &index.keys[0];
        if first.column == place && first.path.is_empty() && index.filter.is_none() && !index.is_building {
            let direction = if first.is_descending { Direction::Forward } else { Direction::Reverse };
            let end = end_of(view, index.space, direction)?;
            return end.map(|key| integer(entries.key().decode(&key)?.0.first())).transpose();
        }
    }
    let (mut largest, mut failed) = (None, Ok(()));
    view.visit(&KeyRange::prefix(&schema.rows.prefix()), Direction::Forward, &mut |_, _, row| {
        match table.reader.open(row).and_then(|row| integer(Some(&row.column(place)?))) {
            Ok(value) => largest = largest.max(Some(value)),
            Err(error) => failed = Err(error),
        }
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed.map(|()| largest)
}

/// The first key of a space in a direction, without the space.
fn end_of(view: &mut dyn View, space: SpaceId, direction: Direction) -> TableResult<Option<Vec<u8>>> {
    let prefix = space.prefix();
    let mut end = None;
    view.visit(&KeyRange::prefix(&prefix), direction, &mut |key, _, _| {
        end = Some(key[prefix.len()..].to_vec());
        ControlFlow::Break(())
    })?;
    Ok(end)
}

fn integer(value: Option<&Value<'_>>) -> TableResult<i64> {
    match value {
        Some(Value::Integer(value)) => Ok(*value),
        // A row that is older than the column may have none.
        Some(Value::Null) => Ok(0),
        _ => Err(damaged()),
    }
}
