//! Rows that are held while they are worked on: copies in one buffer, and beside them the rows of other tables that belong to them.

use super::context::QueryContext;
use super::evaluate::{Values, misplaced, refine};
use super::groups::{Aggregation, GroupRows};
use super::stored::StoredRow;
use crate::tables::codec::Row;
use crate::tables::query::bound::{AggregateCall, Expression};
use crate::tables::schema::Table;
use crate::tables::types::Value;
use crate::tables::{Environment, TableResult};

/// What a row weighs besides its bytes.
const ROW_BYTES: usize = size_of::<Place>();

/// Where a row is in the buffer: its key, and behind it its bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    key_bytes: usize,
    row_bytes: usize,
    version: u64,
}

/// Rows of one table. They count as held until they are dropped.
pub(super) struct HeldRows<'c> {
    context: &'c QueryContext<'c>,
    buffer: Vec<u8>,
    places: Vec<Place>,
    held_bytes: usize,
}

impl<'c> HeldRows<'c> {
    pub(super) fn new(context: &'c QueryContext<'c>) -> Self {
        Self { context, buffer: Vec::new(), places: Vec::new(), held_bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of all rows.
    pub(super) fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Copies a row; its place is the number of rows so far.
    pub(super) fn push(&mut self, row: StoredRow<'_>) -> TableResult<()> {
        let bytes = row.key.len() + row.bytes.len() + ROW_BYTES;
        self.context.hold(bytes)?;
        self.held_bytes += bytes;
        let start = self.buffer.len();
        self.buffer.extend_from_slice(row.key);
        self.buffer.extend_from_slice(row.bytes);
        let (key_bytes, row_bytes) = (row.key.len(), row.bytes.len());
        self.places.push(Place { start, key_bytes, row_bytes, version: row.version });
        Ok(())
    }

    pub(super) fn get(&self, place: usize) -> StoredRow<'_> {
        let Place { start, key_bytes, row_bytes, version } = self.places[place];
        let (key, bytes) = self.buffer[start..start + key_bytes + row_bytes].split_at(key_bytes);
        StoredRow { key, version, bytes }
    }

    /// Keeps those of `places`, in that order; each is named once. The bytes of the others stay until all go.
    pub(super) fn keep(&mut self, places: &[usize]) {
        self.places = places.iter().map(|&place| self.places[place]).collect();
    }

    /// The first half of the rows, and the rest.
    pub(super) fn halves(self) -> TableResult<(Self, Self)> {
        let part = |places: std::ops::Range<usize>| -> TableResult<Self> {
            let mut part = Self::new(self.context);
            for place in places {
                part.push(self.get(place))?;
            }
            Ok(part)
        };
        let middle = self.len() / 2;
        Ok((part(0..middle)?, part(middle..self.len())?))
    }
}

impl Drop for HeldRows<'_> {
    fn drop(&mut self) {
        self.context.release(self.held_bytes);
    }
}

/// Rows of one table, and what belongs to them.
pub(super) struct Family<'c> {
    pub(super) table: &'c Table,
    pub(super) rows: HeldRows<'c>,
    /// By the place of the embed in the select; none where nothing of it was wanted.
    pub(super) related: Vec<Option<Related<'c>>>,
}

/// The rows that belong to the rows of another table. Rows of that table with the same values in the columns that join the two are one
/// owner.
pub(super) struct Related<'c> {
    pub(super) family: Family<'c>,
    /// The owner that each row of the other table is.
    pub(super) owners: Vec<usize>,
    /// For each owner the places of its rows in `family`, in their order.
    pub(super) lists: Lists,
    /// For each owner its groups, where the embed is grouped.
    pub(super) groups: Option<Vec<GroupRows<'c>>>,
}

impl<'c> Related<'c> {
    /// The places of the rows that belong to the row at `place` of the other table.
    pub(super) fn of(&self, place: usize) -> &[usize] {
        self.lists.of(self.owners[place])
    }

    /// The groups of the row at `place` of the other table, where the embed is grouped.
    pub(super) fn groups_of(&self, place: usize) -> Option<&GroupRows<'c>> {
        self.groups.as_ref().map(|groups| &groups[self.owners[place]])
    }

    /// Whether anything belongs to the row at `place` of the other table.
    pub(super) fn has_any(&self, place: usize) -> bool {
        self.groups_of(place).map_or_else(|| !self.of(place).is_empty(), |groups| !groups.rows.is_empty())
    }
}

/// A list of places for each of several owners, in one piece.
#[derive(Debug, Default)]
pub(super) struct Lists {
    ends: Vec<usize>,
    places: Vec<usize>,
}

impl FromIterator<Vec<usize>> for Lists {
    fn from_iter<I: IntoIterator<Item = Vec<usize>>>(lists: I) -> Self {
        let mut all = Self::default();
        for list in lists {
            all.places.extend(list);
            all.ends.push(all.places.len());
        }
        all
    }
}

impl Lists {
    pub(super) fn of(&self, owner: usize) -> &[usize] {
        let start = owner.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start..self.ends[owner]]
    }
}

impl<'c> Family<'c> {
    pub(super) fn new(table: &'c Table, rows: HeldRows<'c>) -> Self {
        Self { table, rows, related: Vec::new() }
    }

    pub(super) fn environment(&self) -> &Environment {
        self.rows.context.environment
    }

    /// What belongs to the rows by the embed at this place.
    pub(super) fn related(&self, embed: usize) -> TableResult<&Related<'c>> {
        self.related.get(embed).and_then(Option::as_ref).ok_or_else(|| misplaced("an embedded table"))
    }

    pub(super) fn row(&self, place: usize) -> TableResult<Member<'_>> {
        Ok(Member { family: self, place, row: self.table.reader.open(self.rows.get(place).bytes)? })
    }
}

/// A row of a family.
pub(super) struct Member<'f> {
    pub(super) family: &'f Family<'f>,
    pub(super) place: usize,
    row: Row<'f>,
}

impl<'f> Member<'f> {
    /// The row that to-one embeds lead to, if there is one.
    pub(super) fn through(&self, embeds: &[usize]) -> TableResult<Option<(&'f Family<'f>, usize)>> {
        let (mut family, mut place) = (self.family, self.place);
        for &embed in embeds {
            let related = family.related(embed)?;
            let Some(&next) = related.of(place).first() else {
                return Ok(None);
            };
            (family, place) = (&related.family, next);
        }
        Ok(Some((family, place)))
    }
}

impl Values for Member<'_> {
    fn value(&self, expression: &Expression) -> TableResult<Value<'_>> {
        let (family, value) = match expression.through.as_slice() {
            [] => (self.family, self.row.column(expression.column)?),
            embeds => match self.through(embeds)? {
                None => return Ok(Value::Null),
                Some((family, place)) => {
                    let bytes = family.rows.get(place).bytes;
                    (family, family.table.reader.open(bytes)?.column(expression.column)?)
                }
            },
        };
        let column = family.table.schema.columns[expression.column].r#type;
        refine(value, column, expression, family.rows.context.environment)
    }

    fn go_on(&self) -> TableResult<()> {
        self.family.rows.context.go_on()
    }

    fn borrow(&self, bytes: usize) -> TableResult<()> {
        self.family.rows.context.borrow(bytes)
    }

    fn exists(&self, embed: usize) -> TableResult<bool> {
        Ok(self.family.related(embed)?.has_any(self.place))
    }

    fn aggregate_of(&self, embed: usize, call: &AggregateCall) -> TableResult<Value<'_>> {
        let related = self.family.related(embed)?;
        let mut aggregation = Aggregation::new(call);
        for &place in related.of(self.place) {
            aggregation.add(&related.family.row(place)?)?;
        }
        aggregation.finish(self.family.rows.context.environment)
    }
}

/// A row by itself, where it is stored.
pub(super) struct Alone<'r> {
    table: &'r Table,
    row: Row<'r>,
    context: &'r QueryContext<'r>,
}

impl<'r> Alone<'r> {
    pub(super) fn new(table: &'r Table, stored: StoredRow<'r>, context: &'r QueryContext<'r>) -> TableResult<Self> {
        Ok(Self { table, row: table.reader.open(stored.bytes)?, context })
    }
}

impl Values for Alone<'_> {
    fn go_on(&self) -> TableResult<()> {
        self.context.go_on()
    }

    fn borrow(&self, bytes: usize) -> TableResult<()> {
        self.context.borrow(bytes)
    }

    fn value(&self, expression: &Expression) -> TableResult<Value<'_>> {
        debug_assert!(expression.through.is_empty(), "nothing belongs to a row by itself");
        let value = self.row.column(expression.column)?;
        if expression.path.is_empty() && expression.cast.is_none() {
            return Ok(value);
        }
        let column = self.table.schema.columns[expression.column].r#type;
        refine(value, column, expression, self.context.environment)
    }
}
