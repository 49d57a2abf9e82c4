//! A table as statements use it: its schema, and what is derived from that once.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::Version;
use crate::tables::TableResult;
use crate::tables::codec::{EntryShape, KeyShape, RowReader};
use crate::tables::schema::alter::completed;
use crate::tables::schema::cast::{cast, cast_whole};
use crate::tables::table::{Index, Pending, TableSchema};
use crate::tables::types::Value;

/// A table as statements use it: its schema, and what is derived from that once.
#[derive(Debug)]
pub struct Table {
    /// The schema.
    pub schema: TableSchema,
    /// The commit that made this schema; 0 in the transaction that makes it.
    pub schema_version: Version,
    /// Reads its rows, whatever layout they have, and says how they are written.
    pub reader: RowReader,
    /// The keys of its rows.
    pub row_key: KeyShape,
    /// The entries of each index, by its place in the schema.
    pub entries: Vec<EntryShape>,
    /// For each foreign key the primary key that rows are kept by, or else the index, that finds the rows that reference one parent.
    pub foreign_key_indexes: Vec<Option<ServingKey>>,
    /// The table as it is once a change of its types is done: what is built meanwhile is of that.
    pub after: Option<Arc<Table>>,
    columns: HashMap<Box<str>, usize>,
    identity: Option<usize>,
    /// The bytes of the schema that it was made of.
    pub(super) stored: Bytes,
}

/// What finds rows by some columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServingKey {
    /// The primary key that rows are kept by.
    Primary,
    /// The index at this place.
    Index(usize),
}

impl Table {
    /// A table of this schema.
    #[must_use]
    pub fn new(schema: TableSchema, schema_version: Version) -> Self {
        Self::from_stored(schema, schema_version, Bytes::new())
    }

    pub(super) fn from_stored(schema: TableSchema, schema_version: Version, stored: Bytes) -> Self {
        let columns = schema.columns.iter().enumerate().map(|(place, column)| (column.name.as_str().into(), place));
        let serving = schema.foreign_keys.iter().map(|key| serving_key(&schema, &key.columns));
        let changes_types = schema.pending.as_ref().is_some_and(|pending| !pending.casts.is_empty());
        let after = changes_types.then(|| completed(&schema).ok()).flatten();
        Self {
            after: after.map(|after| Arc::new(Self::new(after, schema_version))),
            schema_version,
            reader: RowReader::new(&schema, cast),
            row_key: KeyShape::of_rows(&schema),
            entries: schema.indexes.iter().map(|index| EntryShape::new(&schema, index)).collect(),
            foreign_key_indexes: serving.collect(),
            columns: columns.collect(),
            identity: schema.columns.iter().position(|column| column.identity),
            stored,
            schema,
        }
    }

    /// The place of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.get(name).copied()
    }

    /// The place of the column that counts.
    #[must_use]
    pub fn identity(&self) -> Option<usize> {
        self.identity
    }

    /// Refuses a row that a change of the table's types, which is under way, could not cast. Every row that is written asks; `value` gives the
    /// value at a column's place.
    ///
    /// # Errors
    /// Those of casts; 22001.
    pub fn check_pending<'v>(&self, value: impl Fn(usize) -> &'v Value<'v>) -> TableResult<()> {
        let Some(Pending { casts, .. }) = &self.schema.pending else { return Ok(()) };
        for (id, to) in casts {
            let Some(place) = self.schema.columns.iter().position(|column| column.id == *id) else { continue };
            let value = value(place);
            if !value.is_null() {
                cast_whole(value, self.schema.columns[place].r#type, *to)?;
            }
        }
        Ok(())
    }
}

/// What finds the rows whose columns `columns` have given values: the primary key or an index of all rows that begins with them, in any
/// order.
fn serving_key(schema: &TableSchema, columns: &[usize]) -> Option<ServingKey> {
    let begins = |key: &[usize]| {
        key.get(..columns.len()).is_some_and(|first| first.iter().all(|column| columns.contains(column)))
    };
    if schema.clustering().is_some_and(|key| begins(&key.columns)) {
        return Some(ServingKey::Primary);
    }
    let serves = |index: &Index| {
        let whole = index.keys.iter().take_while(|key| key.path.is_empty()).map(|key| key.column);
        index.filter.is_none() && !index.is_building && begins(&whole.collect::<Vec<_>>())
    };
    schema.indexes.iter().position(serves).map(ServingKey::Index)
}
