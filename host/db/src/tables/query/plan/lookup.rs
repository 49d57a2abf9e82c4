//! The way to rows by equality on columns whose values come later: the rows that belong to rows of another table.

use smallvec::SmallVec;

use super::conditions::Field;
use super::path::{Path, walk};
use crate::engine::{Direction, KeyRange};
use crate::keyspace::EncodedKey;
use crate::tables::codec::{KeyPart, KeyPrefix};
use crate::tables::query::bound::Order;
use crate::tables::schema::Table;
use crate::tables::table::SpaceId;
use crate::tables::types::Value;

/// A key whose first parts are the columns.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Its place in the schema's indexes; none for the primary key.
    pub(crate) index: Option<usize>,
    space: SpaceId,
    /// For each of these parts which of the columns it is.
    parts: SmallVec<[(usize, KeyPart); 2]>,
    /// Whether there is at most one row for the columns' values, and these are the whole key of its entry.
    pub(crate) is_unique: bool,
    /// The direction in which the rows are in the order; none where they are not.
    pub(crate) direction: Option<Direction>,
}

impl Lookup {
    /// The best key for these columns; none where all rows must be read. Unique keys come first, then those with the order.
    pub(crate) fn of(table: &Table, columns: &[usize], order: &[Order]) -> Option<Self> {
        let primary = Self::by(&Path::primary(table), columns, order);
        let indexes = table.schema.indexes.iter().enumerate();
        let indexes = indexes.filter(|(_, index)| !index.is_building && index.filter.is_none());
        let others = indexes.filter_map(|(place, index)| Self::by(&Path::index(table, place, index), columns, order));
        primary
            .into_iter()
            .chain(others)
            .min_by_key(|lookup| (!lookup.is_unique, lookup.direction.is_none(), lookup.index.is_some()))
    }

    fn by(path: &Path<'_>, columns: &[usize], order: &[Order]) -> Option<Self> {
        let first = path.parts.get(..columns.len()).filter(|parts| !parts.is_empty())?;
        let parts = first.iter().map(|part| {
            let is_whole = part.field.path.is_empty();
            let place = columns.iter().position(|&column| is_whole && column == part.field.column)?;
            Some((place, part.key))
        });
        let parts: SmallVec<[(usize, KeyPart); 2]> = parts.collect::<Option<_>>()?;
        // Each column once.
        if (0..columns.len()).any(|column| !parts.iter().any(|&(place, _)| place == column)) {
            return None;
        }
        let is_constant = |field: Field<'_>| field.path.is_empty() && columns.contains(&field.column);
        Some(Self {
            index: path.index,
            space: path.space,
            is_unique: path.is_unique && path.parts.len() == columns.len(),
            direction: walk(path, order, is_constant, |_| false),
            parts,
        })
    }

    fn prefix(&self, values: &[Value<'_>]) -> KeyPrefix {
        let start = KeyPrefix::of_space(self.space);
        self.parts.iter().fold(start, |prefix, &(place, part)| prefix.with(part, &values[place]))
    }

    /// The key of the entry with these values, none of them null, of a unique key.
    pub(crate) fn key(&self, values: &[Value<'_>]) -> EncodedKey {
        EncodedKey::from_slice(self.prefix(values).bytes())
    }

    /// Where the entries with these values are.
    pub(crate) fn range(&self, values: &[Value<'_>]) -> KeyRange {
        self.prefix(values).all()
    }
}
