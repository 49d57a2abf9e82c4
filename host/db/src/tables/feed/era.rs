//! A filter and a select as one schema understands them.

use std::sync::Arc;

use mantis_dialect::{Condition, Field, Part, Query, Selection, Subject};

use super::event::Matches;
use super::scope::{TableFeed, unsupported};
use crate::engine::{Engine, Examined, Snapshot};
use crate::keyspace::SPACE_PREFIX_BYTES;
use crate::limits::Limits;
use crate::tables::query::bind::{self, Scope};
use crate::tables::query::bound::{Predicate, Select};
use crate::tables::query::execute::{QueryContext, StoredRow, row_satisfies, show_rows};
use crate::tables::query::{JsonForm, JsonRows};
use crate::tables::schema::filter::fields;
use crate::tables::schema::{Table, TableSchema};
use crate::tables::table::Column;
use crate::tables::types::Value;
use crate::tables::{Environment, TableResult, code};

/// A filter and a select as one schema understands them.
pub(super) struct Era {
    /// The table at that time.
    pub(super) table: Arc<Table>,
    /// What is shown, of a table that may have columns of later times besides.
    select: Select,
    /// What is shown as the key; none where the table has no primary key.
    key: Option<Select>,
    /// Those of the filter's conditions that ask for nothing but the key.
    key_filter: Predicate,
    /// Whether these are all of them.
    is_key_only: bool,
}

impl Era {
    /// What `feed` asks for, of rows of `table`, in the columns of `columns`: those and more.
    ///
    /// # Errors
    /// Those of binding.
    pub(super) fn new(
        table: &Arc<Table>,
        columns: &Arc<Table>,
        feed: Option<&TableFeed>,
        environment: &Environment,
    ) -> TableResult<Self> {
        let filter = feed.map_or(&[][..], |feed| &feed.filter);
        // `*` is of the table's own columns.
        let selections = match feed.and_then(|feed| feed.select.as_ref()) {
            None => all_of(table),
            Some(select) => select
                .iter()
                .flat_map(|selection| match selection {
                    Selection::All => all_of(table),
                    other => vec![other.clone()],
                })
                .collect(),
        };
        let select = bound(columns, selections, filter.to_vec(), environment)?;
        let primary_key = table.schema.primary_key.as_ref();
        let key_names: Vec<&str> = primary_key
            .iter()
            .flat_map(|key| &key.columns)
            .map(|&column| &table.schema.columns[column].name[..])
            .collect();
        let key = primary_key.map(|_| key_names.iter().map(|name| column(name)).collect());
        let key = key.map(|key| bound(table, key, Vec::new(), environment)).transpose()?;
        let of_key: Vec<Condition> =
            filter.iter().filter(|condition| asks_only_for(condition, &key_names)).cloned().collect();
        let is_key_only = of_key.len() == filter.len();
        let key_filter = bind::predicate(&of_key, columns, environment)?;
        Ok(Self { table: Arc::clone(table), select, key, key_filter, is_key_only })
    }

    /// Which of a change's rows the filter selects.
    ///
    /// # Errors
    /// XX001; 57014 where one row takes longer than `query_ms_max`.
    pub(super) fn matches(
        &self,
        change: &Examined<'_>,
        engine: &Engine,
        environment: &Environment,
        limits: &Limits,
    ) -> TableResult<Matches> {
        let context = QueryContext::new(engine, environment, limits);
        let holds = |predicate: &Predicate, bytes: &[u8]| {
            let row = StoredRow { key: change.key, version: change.version, bytes };
            match row_satisfies(predicate, &self.select.table, row, &context) {
                // A value of that time that cannot be cast to what the filter compares with.
                Err(error) if !matches!(error.code, code::DATA_CORRUPTED | code::QUERY_CANCELED) => Ok(false),
                holds => holds.map(|holds| holds == Some(true)),
            }
        };
        let is_selected = |bytes: &[u8]| self.select.filter.as_ref().map_or(Ok(true), |filter| holds(filter, bytes));
        let new = change.value.map_or(Ok(false), is_selected)?;
        let old = match (change.previous, self.old_row(change)) {
            (None, _) => Some(false),
            (Some(_), Some(replaced)) => Some(is_selected(replaced)?),
            (Some(_), None) => {
                let of_key = match change.value {
                    Some(row) => holds(&self.key_filter, row)?,
                    None => holds(&self.key_filter, &self.row_of_key(change)?)?,
                };
                if of_key { self.is_key_only.then_some(true) } else { Some(false) }
            }
        };
        Ok(Matches { old, new })
    }

    /// The row before a change, where the table shows it.
    pub(super) fn old_row<'c>(&self, change: &Examined<'c>) -> Option<&'c [u8]> {
        change.replaced.filter(|_| self.table.schema.keeps_old_rows)
    }

    /// A row that is gone and of which only the primary key is known: the rest is null. Where rows are not kept by it, it is in the row that
    /// was there.
    fn row_of_key(&self, change: &Examined<'_>) -> TableResult<Vec<u8>> {
        let schema = &self.table.schema;
        let columns = schema.primary_key.as_ref().map_or(&[][..], |key| &key.columns);
        let values = match change.replaced.filter(|_| schema.clustering().is_none()) {
            Some(row) => {
                let row = self.table.reader.open(row)?;
                columns.iter().map(|&column| row.column(column)).collect::<TableResult<_>>()?
            }
            None if schema.clustering().is_none() => Vec::new(),
            None => self.table.row_key.decode(&change.key[SPACE_PREFIX_BYTES..])?.0,
        };
        let value_of = |id: &u32| {
            let in_key = columns.iter().position(|&column| schema.columns[column].id == *id);
            in_key.and_then(|place| values.get(place).cloned()).unwrap_or(Value::Null)
        };
        let layout = schema.layouts.last().map_or(&[][..], |layout| &layout.columns);
        let row: Vec<Value<'_>> = layout.iter().map(|(id, _)| value_of(id)).collect();
        let (number, shape) = self.table.reader.today()?;
        let mut bytes = Vec::new();
        shape.encode(number, &row, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn shower<'e>(
        &'e self,
        snapshot: &'e Snapshot,
        engine: &'e Engine,
        environment: &'e Environment,
        limits: &'e Limits,
    ) -> Shower<'e> {
        Shower { era: self, snapshot, engine, environment, limits }
    }
}

/// Shows rows of an era as JSON.
pub(super) struct Shower<'e> {
    era: &'e Era,
    snapshot: &'e Snapshot,
    engine: &'e Engine,
    environment: &'e Environment,
    limits: &'e Limits,
}

impl Shower<'_> {
    /// What is selected of a row.
    ///
    /// # Errors
    /// XX001, those of casts, 54000 where it is too large.
    pub(super) fn row(&self, change: &Examined<'_>, bytes: &[u8]) -> TableResult<Vec<u8>> {
        self.json(&self.era.select, change, bytes)
    }

    /// The primary key of the row; none where the table has none.
    ///
    /// # Errors
    /// XX001.
    pub(super) fn key(&self, change: &Examined<'_>) -> TableResult<Option<Vec<u8>>> {
        let Some(select) = &self.era.key else { return Ok(None) };
        match change.value.or(self.era.old_row(change)) {
            Some(row) => self.json(select, change, row),
            None => self.json(select, change, &self.era.row_of_key(change)?),
        }
        .map(Some)
    }

    fn json(&self, select: &Select, change: &Examined<'_>, bytes: &[u8]) -> TableResult<Vec<u8>> {
        let context = QueryContext::new(self.engine, self.environment, self.limits);
        let mut sink = JsonRows::new(JsonForm::Object, false, self.limits.answer_bytes_max, self.environment.clone());
        let rows = [StoredRow { key: change.key, version: change.version, bytes }];
        let mut view = self.snapshot;
        show_rows(select, &rows, &mut view, &context, &mut sink)?;
        Ok(sink.into_bytes())
    }
}

/// The table with the columns of `today` whose names it has not: its own ones by the names that they have got since, later ones with what older
/// rows show in them, and, of another table of that name, columns in which all is null.
pub(super) fn extended(schema: &TableSchema, today: &TableSchema) -> TableSchema {
    let mut extended = schema.clone();
    let mut unused = u32::MAX;
    for column in &today.columns {
        if schema.columns.iter().any(|own| own.name == column.name) {
            continue;
        }
        let column = if today.rows == schema.rows {
            column.clone()
        } else {
            unused -= 1;
            Column { id: unused, missing: Value::Null, ..column.clone() }
        };
        extended.columns.push(column);
    }
    extended
}

/// Binds a select without anything but columns.
fn bound(
    table: &Arc<Table>,
    select: Vec<Selection>,
    filter: Vec<Condition>,
    environment: &Environment,
) -> TableResult<Select> {
    let query = Query { select: Some(select), root: Part { filter, ..Part::default() }, ..Query::default() };
    let mut scope =
        Scope { tables: &mut |_| Err(unsupported()), environment, arguments: &[], without_aggregates: true };
    let select = bind::select(&query, Arc::clone(table), &mut scope)?.select;
    if select.is_grouped || !select.embeds.is_empty() {
        return Err(unsupported());
    }
    Ok(select)
}

fn all_of(table: &Table) -> Vec<Selection> {
    table.schema.columns.iter().map(|own| column(&own.name)).collect()
}

fn column(name: &str) -> Selection {
    let field = Field { name: name.into(), path: Vec::new() };
    Selection::Column { alias: None, subject: Subject { field, aggregate: None }, cast: None }
}

fn asks_only_for(condition: &Condition, columns: &[&str]) -> bool {
    let mut only = true;
    fields(condition, &mut |name, _| only &= columns.contains(&name));
    only
}
