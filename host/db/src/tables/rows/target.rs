//! A table as writes see it: how its keys and index entries are made, and what is checked of its rows.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::keyspace::{EncodedKey, SPACE_PREFIX_BYTES};
use crate::tables::query::bind;
use crate::tables::query::bound::Predicate;
use crate::tables::query::execute::{QueryContext, StoredRow, row_satisfies};
use crate::tables::schema::Table;
use crate::tables::sort::sort_by;
use crate::tables::table::{IndexKey, RowKeys};
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
        let filters = schema.indexes.iter().map(|index| {
            let filter = index.filter.as_ref();
            filter.map(|filter| bind::predicate(&filter.conditions, table, &environment)).transpose()
        });
        let filters = filters.collect::<TableResult<_>>()?;
        let checks = schema
            .checks
            .iter()
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
        Ok(Self { table: Arc::clone(table), filters, checks, layout, referenced })
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
        Ok(None)
    }

    /// The row's entry in the index at `place`; none where its filter leaves the row out.
    pub(super) fn entry(
        &self,
        place: usize,
        row: StoredRow<'_>,
        values: &[Value<'_>],
        context: &QueryContext<'_>,
    ) -> TableResult<Option<IndexEntry>> {
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

    /// Shows `see` the values that the index at `place` orders the row by.
    pub(super) fn with_index_values<T>(
        &self,
        place: usize,
        values: &[Value<'_>],
        see: impl for<'v> FnOnce(&[&'v Value<'v>]) -> TableResult<T>,
    ) -> TableResult<T> {
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
