//! A table as writes see it: how its keys and index entries are made, and what is checked of its rows.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::engine::mutant;
use crate::keyspace::{EncodedKey, SPACE_PREFIX_BYTES};
use crate::tables::codec::KeyPart;
use crate::tables::query::bind;
use crate::tables::query::bound::Predicate;
use crate::tables::query::execute::{QueryContext, StoredRow, row_satisfies};
use crate::tables::schema::Table;
use crate::tables::schema::cast::cast;
use crate::tables::sort::sort_by;
use crate::tables::table::{Check, Column, IndexKey, RowKeys};
use crate::tables::time_zone::TimeZone;
use crate::tables::types::{self, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// A table as writes see it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) table: Arc<Table>,
    /// Which rows each index has.
    filters: Vec<Option<Predicate>>,
    /// In the order of their names, in which PostgreSQL checks them.
    checks: Vec<(String, Predicate)>,
    /// Of each column of today's layout, its place in the schema.
    layout: Vec<usize>,
    /// The columns that foreign keys may reference.
    referenced: Vec<usize>,
    /// The table as it is once a change of its types is done.
    after: Option<Box<Target>>,
}

/// An index entry that belongs to a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) key: EncodedKey,
    /// Whether no other row may have this key; its value is the row's key then.
    pub(super) is_alone: bool,
}

impl Target {
    /// The table as writes see it.
    ///
    /// # Errors
    /// Those of binding its checks and filters.
    pub(super) fn new(table: &Arc<Table>, environment: &Environment) -> TableResult<Self> {
        let schema = &table.schema;
        // A check means the same to every statement, whatever that's time zone is.
        let environment = Environment { time_zone: TimeZone::UTC, ..environment.clone() };
        let after = table.after.as_ref().map(|after| Self::new(after, &environment).map(Box::new)).transpose()?;
        // What is built for the types to come is of that table, and new checks too.
        let is_new = |check: &&Check| {
            let before = schema.pending.as_ref().map(|pending| &pending.before.checks);
            before.is_some_and(|before| before.iter().all(|other| other.name != check.name))
        };
        let filters = schema.indexes.iter().map(|index| {
            let filter = index.filter.as_ref().filter(|_| after.is_none() || !index.is_building);
            filter.map(|filter| bind::predicate(&filter.conditions, table, &environment)).transpose()
        });
        let filters = filters.collect::<TableResult<_>>()?;
        let checks = schema
            .checks
            .iter()
            .filter(|check| after.is_none() || !is_new(check))
            .map(|check| Ok((check.name.clone(), bind::predicate(&check.filter.conditions, table, &environment)?)));
        let mut checks = checks.collect::<TableResult<Vec<_>>>()?;
        sort_by(&mut checks, |(a, _), (b, _)| a.cmp(b));
        let columns = schema.layouts.last().map_or(&[][..], |layout| &layout.columns);
        let layout = columns.iter().map(|(id, _)| schema.columns.iter().position(|column| column.id == *id));
        let layout = layout.collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        let mut referenced = Vec::new();
        if !schema.referenced_by.is_empty() {
            let unique = schema.indexes.iter().filter(|index| index.is_unique);
            referenced.extend(unique.flat_map(|index| index.keys.iter().map(|key| key.column)));
            referenced.extend(schema.primary_key.iter().flat_map(|key| &key.columns));
        }
        Ok(Self { table: Arc::clone(table), filters, checks, layout, referenced, after })
    }

    /// The table's name.
    pub(super) fn name(&self) -> &str {
        &self.table.schema.name
    }

    /// The places of the primary key's columns; none where there is no primary key.
    pub(super) fn key_columns(&self) -> &[usize] {
        self.table.schema.primary_key.as_ref().map_or(&[], |key| &key.columns)
    }

    /// Whether a foreign key may reference a column in which these rows differ.
    pub(super) fn differs_for_references(&self, old: &[Value<'_>], new: &[Value<'_>]) -> bool {
        self.referenced.iter().any(|&column| old[column] != new[column])
    }

    /// Whether a foreign key may reference the table's rows.
    pub(super) fn is_referenced(&self) -> bool {
        !self.referenced.is_empty()
    }

    /// Whether rows are kept by hidden ids.
    pub(super) fn has_row_ids(&self) -> bool {
        self.table.schema.clustering().is_none()
    }

    /// The key of a row: by its primary key, or by its hidden id.
    pub(super) fn row_key(&self, values: &[Value<'_>], row_id: Option<i64>) -> TableResult<EncodedKey> {
        let (schema, shape) = (&self.table.schema, &self.table.row_key);
        match (schema.clustering(), row_id.map(Value::Integer)) {
            (Some(key), _) => shape.row_key(schema.rows, &key.name, key.columns.iter().map(|&column| &values[column])),
            (None, Some(id)) if schema.row_keys == RowKeys::IdBehindNull => {
                shape.row_key(schema.rows, self.name(), [&Value::Null, &id])
            }
            (None, Some(id)) => shape.row_key(schema.rows, self.name(), [&id]),
            (None, None) => Err(TableError::new(code::INTERNAL, "a row has neither a primary key nor an id")),
        }
    }

    /// Whether a row gets another primary key. The feed shows that as one row that goes and another one that comes, so it gets another key
    /// too.
    pub(super) fn changes_key(&self, old: &[Value<'_>], new: &[Value<'_>]) -> bool {
        self.key_columns().iter().any(|&column| old[column] != new[column])
    }

    /// The bytes of a row.
    pub(super) fn encode(&self, values: &[Value<'_>], buffer: &mut Vec<u8>) -> TableResult<Bytes> {
        let (layout, shape) = self.table.reader.today()?;
        buffer.clear();
        if self.layout.iter().enumerate().all(|(place, &column)| place == column) {
            shape.encode(layout, values, buffer)?;
        } else {
            let ordered: Vec<_> = self.layout.iter().map(|&column| values[column].clone()).collect();
            shape.encode(layout, &ordered, buffer)?;
        }
        Ok(Bytes::copy_from_slice(buffer))
    }

    /// The values of a row.
    pub(super) fn decode<'r>(&'r self, bytes: &'r [u8]) -> TableResult<Vec<Value<'r>>> {
        let row = self.table.reader.open(bytes)?;
        (0..self.table.schema.columns.len()).map(|column| row.column(column)).collect()
    }

    /// The name of the first check that is false of a row.
    pub(super) fn failed_check(&self, row: StoredRow<'_>, context: &QueryContext<'_>) -> TableResult<Option<&str>> {
        for (name, check) in &self.checks {
            if row_satisfies(check, &self.table, row, context)? == Some(false) {
                return Ok(Some(name));
            }
        }
        self.after.as_ref().map_or(Ok(None), |after| after.failed_check(row, context))
    }

    /// The index at `place` as it will be and this table then, where it is built for types to come.
    fn to_come(&self, place: usize) -> Option<(&Self, usize)> {
        mutant!("built-for-the-type-before" => return None);
        let index = self.table.schema.indexes.get(place).filter(|index| index.is_building)?;
        let after = self.after.as_deref()?;
        let place = after.table.schema.indexes.iter().position(|other| other.space == index.space)?;
        Some((after, place))
    }

    /// Values of a row as those of the types to come.
    fn cast_to(&self, after: &Self, values: &[Value<'_>]) -> TableResult<Vec<Value<'static>>> {
        let columns = self.table.schema.columns.iter().zip(&after.table.schema.columns);
        let cast = |((from, to), value): ((&Column, &Column), &Value<'_>)| match value {
            value if value.is_null() || from.r#type == to.r#type => Ok(value.clone().into_owned()),
            value => cast(value.clone(), from.r#type, to.r#type),
        };
        columns.zip(values).map(cast).collect()
    }

    /// The entry that a row which was there has. None where it cannot have one in an index that is built for types to come: the change fails
    /// at that row, unless it goes.
    pub(super) fn entry_of_old(
        &self,
        place: usize,
        row: StoredRow<'_>,
        values: &[Value<'_>],
        context: &QueryContext<'_>,
    ) -> TableResult<Option<IndexEntry>> {
        match self.entry(place, row, values, context) {
            Err(error) if error.code != code::DATA_CORRUPTED && self.to_come(place).is_some() => Ok(None),
            entry => entry,
        }
    }

    /// The row's entry in the index at `place`; none where its filter leaves the row out.
    pub(super) fn entry(
        &self,
        place: usize,
        row: StoredRow<'_>,
        values: &[Value<'_>],
        context: &QueryContext<'_>,
    ) -> TableResult<Option<IndexEntry>> {
        if let Some((after, place)) = self.to_come(place) {
            return after.entry(place, row, &self.cast_to(after, values)?, context);
        }
        if let Some(filter) = &self.filters[place]
            && row_satisfies(filter, &self.table, row, context)? != Some(true)
        {
            return Ok(None);
        }
        let (key, is_alone) = self.with_index_values(place, values, |parts| {
            self.table.entries[place].entry(parts.iter().copied(), without_space(row.key))
        })?;
        Ok(Some(IndexEntry { key, is_alone }))
    }

    /// The parts of the keys of the index at `place`.
    pub(super) fn entry_parts(&self, place: usize) -> &[KeyPart] {
        let (target, place) = self.to_come(place).unwrap_or((self, place));
        target.table.entries[place].key().parts()
    }

    /// Shows `see` the values that the index at `place` orders the row by.
    pub(super) fn with_index_values<T>(
        &self,
        place: usize,
        values: &[Value<'_>],
        see: impl for<'v> FnOnce(&[&'v Value<'v>]) -> TableResult<T>,
    ) -> TableResult<T> {
        if let Some((after, place)) = self.to_come(place) {
            return after.with_index_values(place, &self.cast_to(after, values)?, see);
        }
        let keys = &self.table.schema.indexes[place].keys;
        let of_path = |key: &IndexKey| match key.path.as_slice() {
            [] => None,
            path => Some(types::json_path(&values[key.column], self.table.schema.columns[key.column].r#type, path)),
        };
        let of_paths: SmallVec<[Option<Value<'_>>; 4]> = keys.iter().map(of_path).collect();
        let parts: SmallVec<[&Value<'_>; 4]> =
            keys.iter().zip(&of_paths).map(|(key, part)| part.as_ref().unwrap_or(&values[key.column])).collect();
        see(&parts)
    }
}

/// A row's key without the prefix of its space.
pub(super) fn without_space(key: &[u8]) -> &[u8] {
    &key[SPACE_PREFIX_BYTES..]
}

fn damaged() -> TableError {
    TableError::new(code::DATA_CORRUPTED, "the layout of the table's rows has a column that the table has not")
}
