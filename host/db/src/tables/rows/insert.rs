//! Inserts, upserts, and the single upsert by primary key.

use std::collections::HashSet;
use std::sync::Arc;

use mantis_dialect::{Condition, Name, Operand, Operator, Query};

use super::batch::Resolution;
use super::input::{Values, default_value};
use super::statement::{ChangedRow, Statement, check_versions};
use super::target::Target;
use super::violation;
use crate::engine::mutant;
use crate::keyspace::{EncodedKey, space_prefix};
use crate::tables::query::execute::StoredRow;
use crate::tables::types::{self, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// The unique key by which an upsert meets rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arbiter {
    /// The primary key that rows are kept by.
    Primary,
    /// The index at this place.
    Index(usize),
}

/// What an insert does about rows that are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conflict {
    arbiter: Arbiter,
    merges: bool,
    /// Whether columns that the batch does not name become what they would be in a new row.
    replaces: bool,
    /// The version that the row must have.
    if_version: Option<u64>,
}

/// Whole rows to insert: drawn and defaulted once, however often the statement starts over.
#[derive(Debug)]
pub(crate) struct NewRows<'v> {
    /// The columns that the batch names.
    columns: Vec<usize>,
    /// A value for each column of the table, row by row.
    values: Vec<Value<'v>>,
    rows: usize,
    /// The hidden id of the first row.
    first_id: Option<i64>,
}

impl Conflict {
    /// Where the rows meet others, by the primary key if no columns are named; none where that is not asked for, and where there is no key
    /// that it could be about.
    ///
    /// # Errors
    /// 42703 where there is no such column, 42P10 where no unique key has exactly these columns.
    pub(crate) fn new(
        target: &Target,
        on_conflict: Option<&[Name]>,
        resolution: Resolution,
    ) -> TableResult<Option<Self>> {
        if resolution == Resolution::Fail {
            return Ok(None);
        }
        let arbiter = match on_conflict {
            Some(names) => Some(arbiter_on(target, names)?),
            None => Arbiter::of_primary_key(target),
        };
        let merges = resolution == Resolution::Merge;
        Ok(arbiter.map(|arbiter| Self { arbiter, merges, replaces: false, if_version: None }))
    }

    /// That of a PUT, on a table with a primary key. If it `replaces`, columns that are not given become what they would be in a new row.
    pub(crate) fn of_put(target: &Target, replaces: bool, if_version: Option<u64>) -> Self {
        let arbiter = Arbiter::of_primary_key(target).unwrap_or(Arbiter::Primary);
        Self { arbiter, merges: true, replaces, if_version }
    }
}

impl Arbiter {
    fn of_primary_key(target: &Target) -> Option<Self> {
        let schema = &target.table.schema;
        schema.clustering().map(|_| Self::Primary).or_else(|| schema.primary_index().map(Self::Index))
    }
}

fn arbiter_on(target: &Target, names: &[Name]) -> TableResult<Arbiter> {
    let schema = &target.table.schema;
    let columns = names.iter().map(|name| {
        schema
            .columns
            .iter()
            .position(|column| *column.name == **name)
            .ok_or_else(|| TableError::new(code::COLUMN_UNDEFINED, format!("column \"{name}\" does not exist")))
    });
    let columns = columns.collect::<TableResult<HashSet<_>>>()?;
    let is_all = |key: &mut dyn Iterator<Item = usize>| key.collect::<HashSet<_>>() == columns;
    if schema.clustering().is_some_and(|key| is_all(&mut key.columns.iter().copied())) {
        return Ok(Arbiter::Primary);
    }
    let index = schema.indexes.iter().position(|index| {
        index.is_unique
            && index.filter.is_none()
            && !index.is_building
            && index.keys.iter().all(|key| key.path.is_empty())
            && is_all(&mut index.keys.iter().map(|key| key.column))
    });
    index.map(Arbiter::Index).ok_or_else(|| {
        let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        TableError::new(code::NO_CONFLICT_KEY, message)
    })
}

impl<'v> NewRows<'v> {
    /// Fills in what was not given: defaults of columns that the batch does not name, and of missing values where that is asked for.
    ///
    /// # Errors
    /// 54000 beyond the limits; those of drawing numbers and of casts.
    pub(crate) fn new(
        statement: &mut Statement<'_>,
        target: &Arc<Target>,
        given: &Values<'v>,
        missing_is_default: bool,
    ) -> TableResult<Self> {
        let columns = &target.table.schema.columns;
        // Before room is made: a row of the batch may be as good as empty, and becomes one of all columns.
        statement.check_room(given.rows, columns.len())?;
        let mut places = vec![None; columns.len()];
        for (place, &column) in given.columns.iter().enumerate() {
            places[column] = Some(place);
        }
        let mut values = Vec::with_capacity(columns.len() * given.rows);
        // Where numbers are to be drawn: a table has at most one column that counts.
        let mut drawn = Vec::new();
        for row in 0..given.rows {
            let row = given.row(row);
            for (column, place) in places.iter().enumerate() {
                let value = match place.map(|place| &row[place]) {
                    Some(Some(value)) => value.clone(),
                    Some(None) if !missing_is_default => Value::Null,
                    _ if columns[column].identity => {
                        drawn.push(values.len());
                        Value::Null
                    }
                    _ => default_value(&columns[column], statement.environment)?,
                };
                values.push(value);
            }
        }
        if !drawn.is_empty() {
            let count = u32::try_from(drawn.len()).unwrap_or(u32::MAX);
            for (&place, number) in drawn.iter().zip(statement.draw_identities(target, count)?..) {
                values[place] = Value::Integer(number);
            }
        }
        let draws = target.has_row_ids() && given.rows > 0;
        let first_id = draws.then(|| statement.draw_row_ids(target, given.rows)).transpose()?;
        Ok(Self { columns: given.columns.clone(), values, rows: given.rows, first_id })
    }

    fn row(&self, row: usize) -> &[Value<'v>] {
        let stride = self.values.len() / self.rows;
        &self.values[row * stride..][..stride]
    }
}

impl Statement<'_> {
    /// Inserts rows, or meets those that are there.
    ///
    /// # Errors
    /// Those of constraints and limits; 21000 where two rows meet the same one.
    pub(crate) fn insert(
        &mut self,
        target: &Arc<Target>,
        rows: &NewRows<'_>,
        conflict: Option<Conflict>,
    ) -> TableResult<()> {
        // Keys of the rows that this statement wrote, to see which of them is met again.
        let mut written = HashSet::new();
        for row in 0..rows.rows {
            let values = rows.row(row);
            let id = rows.first_id.and_then(|first| first.checked_add(i64::try_from(row).ok()?));
            let key = target.row_key(values, id)?;
            let Some(conflict) = conflict else {
                let added = self.add_row(target, &key, values)?;
                self.note_inserted(added);
                continue;
            };
            let bytes = self.checked(target, &key, values)?;
            let met = self.met(target, conflict.arbiter, &key, &bytes, values)?;
            if let Some(version) = conflict.if_version {
                check_versions(met.as_slice(), version)?;
            }
            let changed = match met {
                Some(_) if !conflict.merges => continue,
                Some(met) if written.contains(&met.key) => return Err(violation::twice()),
                Some(met) => {
                    let columns = if conflict.replaces { None } else { Some(&rows.columns) };
                    let changed = self.merge(target, &met, values, columns)?;
                    self.note(changed.clone());
                    changed
                }
                None => {
                    if conflict.arbiter != Arbiter::Primary {
                        self.check_key_is_free(target, &key, values)?;
                    }
                    let added = self.add_checked(target, &key, bytes, values)?;
                    self.note_inserted(added.clone());
                    added
                }
            };
            if conflict.merges {
                written.insert(changed.key);
            }
        }
        Ok(())
    }

    /// The row that the entry of a unique key leads to.
    pub(super) fn row_of_entry(&mut self, target: &Target, entry: &[u8]) -> TableResult<Option<ChangedRow>> {
        let Some(found) = self.stored_row(entry)? else { return Ok(None) };
        let row_key = [&space_prefix(target.table.schema.rows.0)[..], &found.bytes].concat();
        self.stored_row(&row_key)?.map_or_else(|| Err(super::change::vanished()), |row| Ok(Some(row)))
    }

    fn note_inserted(&mut self, row: ChangedRow) {
        self.changed.inserted += 1;
        self.note(row);
    }

    /// Gives a row that is there the values of these columns; of all if none are named.
    fn merge(
        &mut self,
        target: &Arc<Target>,
        met: &ChangedRow,
        values: &[Value<'_>],
        columns: Option<&Vec<usize>>,
    ) -> TableResult<ChangedRow> {
        match columns {
            Some(columns) if !mutant!("merge-replaces") => {
                let changes = columns.iter().map(|&column| (column, values[column].clone()));
                self.change_row(target, met, changes)
            }
            _ => self.change_row(target, met, values.iter().cloned().enumerate()),
        }
    }

    /// The row that is there with the same key.
    fn met(
        &mut self,
        target: &Target,
        arbiter: Arbiter,
        key: &EncodedKey,
        bytes: &[u8],
        values: &[Value<'_>],
    ) -> TableResult<Option<ChangedRow>> {
        let Arbiter::Index(index) = arbiter else { return self.stored_row(key) };
        let row = StoredRow { key, version: 0, bytes };
        let entry = target.entry(index, row, values, &self.context)?;
        // Keys with a null in them are all different.
        let Some(entry) = entry.filter(|entry| entry.is_alone) else { return Ok(None) };
        self.row_of_entry(target, &entry.key)
    }
}

/// The values that the filters of a PUT give the primary key, by its columns.
///
/// # Errors
/// PGRST105 where they are not `eq` on exactly these columns; those of reading them.
pub(crate) fn put_key(
    target: &Target,
    query: &Query,
    arguments: &[Value<'static>],
    environment: &Environment,
) -> TableResult<Vec<Value<'static>>> {
    let refused = || {
        let message = "Filters must include all and only primary key columns with 'eq' operators";
        TableError::new(code::UPSERT_FILTERS, message)
    };
    let (columns, filters) = (target.key_columns(), &query.root.filter);
    if columns.is_empty() || filters.len() != columns.len() {
        return Err(refused());
    }
    let value = |&column: &usize| {
        let definition = &target.table.schema.columns[column];
        let operand = filters.iter().find_map(|filter| match filter {
            Condition::Compare(comparison)
                if comparison.operator == Operator::Equal
                    && comparison.quantifier.is_none()
                    && comparison.subject.aggregate.is_none()
                    && comparison.subject.field.path.is_empty()
                    && *comparison.subject.field.name == *definition.name =>
            {
                Some(&comparison.operand)
            }
            _ => None,
        });
        match operand.ok_or_else(refused)? {
            Operand::Text(text) => types::from_text(text, definition.r#type, environment).map(Value::into_owned),
            Operand::Argument(number) => {
                let value = usize::from(*number).checked_sub(1).and_then(|place| arguments.get(place));
                value.cloned().ok_or_else(|| TableError::new(code::PARSE, format!("there is no argument ${number}")))
            }
            Operand::List(_) | Operand::Is(_) => Err(refused()),
        }
    };
    columns.iter().map(value).collect()
}

impl Values<'_> {
    /// Keeps the one row of a PUT that has this primary key.
    ///
    /// # Errors
    /// PGRST115 where there is none, or several.
    pub(crate) fn only_with_key(&mut self, target: &Target, key: &[Value<'static>]) -> TableResult<()> {
        let places = target.key_columns().iter().map(|column| self.columns.iter().position(|named| named == column));
        let places: Option<Vec<_>> = places.collect();
        let has_key = |row: &usize| {
            let row = self.row(*row);
            places.as_ref().is_some_and(|places| {
                places.iter().zip(key).all(|(&place, wanted)| {
                    row[place].as_ref().is_some_and(|v| !v.is_null() && types::equal(v, wanted))
                })
            })
        };
        let mut with_key = (0..self.rows).filter(has_key);
        let (Some(row), None) = (with_key.next(), with_key.next()) else {
            let message = "Payload values do not match URL in primary key column(s)";
            return Err(TableError::new(code::UPSERT_KEYS, message));
        };
        self.keep(row);
        Ok(())
    }
}
