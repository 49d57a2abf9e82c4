//! `mantis:db/tables` for guests: each call is one statement of the session.

use std::sync::Arc;

use mantis_db::tables::types::Value;
use mantis_db::tables::{
    Query, QueryText, Resolution, RowBatch, SelectOptions, TableError, WriteOptions, Written, code,
};
use wasmtime::component::Resource;

use super::answer_rows::{AnswerRows, PackedRows};
use super::bindings::{tables, types};
use super::context::Context;
use super::error::Failed;
use super::resources::OpenTable;
use super::values::{self, row_bytes, value_bytes};
use crate::limits::ARGUMENTS_MAX;

type Result<T> = std::result::Result<T, Failed>;
type Table = Resource<OpenTable>;

/// What a guest asks for.
struct Asked {
    query: Arc<Query>,
    arguments: Vec<Value<'static>>,
}

impl Asked {
    fn for_reading(self) -> (Arc<Query>, SelectOptions) {
        (self.query, SelectOptions { arguments: self.arguments, ..SelectOptions::default() })
    }

    fn for_writing(self, if_version: Option<u64>) -> (Arc<Query>, WriteOptions) {
        (self.query, WriteOptions { arguments: self.arguments, if_version, ..WriteOptions::default() })
    }
}

impl Context {
    /// Opens a table, at least for reading; one that the grants do not name is not found.
    pub(super) fn open_table(&mut self, table: OpenTable) -> Result<Table> {
        self.open(table, |context, handle| context.on_table(handle, 0, async |rows| rows.check().await))
    }

    /// Counts what a query passes, and parses it unless that was done before.
    fn asked(&mut self, asked: tables::Query) -> Result<Asked> {
        let tables::Query { filter, arguments, select, order, limit, offset } = asked;
        let values: usize = arguments.iter().map(value_bytes).sum();
        self.check_time()?;
        self.transfer(filter.len() + select.len() + order.len() + values)?;
        let mut query = self.queries.get(&QueryText { filter: &filter, select: &select, order: &order })?;
        if limit.is_some() || offset > 0 {
            let root = &mut Arc::make_mut(&mut query).root;
            (root.limit, root.offset) = (limit.map(u64::from), Some(offset.into()));
        }
        Ok(Asked { query, arguments: checked(arguments)? })
    }

    /// The query of a select by itself.
    fn selected(&mut self, select: &str) -> Result<Arc<Query>> {
        self.transfer(select.len())?;
        Ok(self.queries.get(&QueryText { select, ..QueryText::default() })?)
    }

    /// The bytes that an answer may have.
    fn answer_bytes_max(&self) -> usize {
        let left = usize::try_from(self.transfer_left()).unwrap_or(usize::MAX);
        self.database.limits().answer_bytes_max.min(left)
    }

    fn answer_rows(&self) -> AnswerRows {
        AnswerRows::new(self.answer_bytes_max(), self.database.environment_utc())
    }

    /// The outcome of a write, whose bytes are counted.
    fn changed(&mut self, written: &Written, returned: Option<AnswerRows>) -> Result<tables::Changed> {
        self.transfer(returned.as_ref().map_or(0, AnswerRows::bytes))?;
        Ok(tables::Changed {
            count: written.affected,
            written: types::Written { version: written.version, durable: written.durable },
            returned: returned.map(AnswerRows::into_rows),
        })
    }
}

/// Arguments as values.
fn checked(arguments: Vec<tables::Value>) -> Result<Vec<Value<'static>>> {
    if arguments.len() > ARGUMENTS_MAX {
        let message = format!("{} arguments are given; the limit is {ARGUMENTS_MAX}", arguments.len());
        let hint = "Give a list of values as one array: `id=in.$1`.";
        return Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint(hint).into());
    }
    Ok(arguments.into_iter().map(values::argument).collect())
}

/// What rows to write count as.
fn batch_bytes(columns: &[String], rows: &[Vec<tables::Value>]) -> usize {
    let columns: usize = columns.iter().map(String::len).sum();
    columns + rows.iter().map(|row| row_bytes(row)).sum::<usize>()
}

fn batch(columns: Vec<String>, rows: Vec<Vec<tables::Value>>) -> Result<RowBatch<'static>> {
    let columns = columns.into_iter().map(Into::into).collect();
    Ok(RowBatch::of_rows(columns, rows.into_iter().map(|row| row.into_iter().map(values::input)))?)
}

impl tables::Host for Context {}

impl tables::HostTable for Context {
    fn open(&mut self, name: String) -> Result<Table> {
        self.open_table(OpenTable { name: name.into(), transaction: None })
    }

    fn get(
        &mut self,
        table: Table,
        primary_key: Vec<tables::Value>,
        select: String,
    ) -> Result<Option<(Vec<tables::Value>, u64)>> {
        let (columns, bytes) = (primary_key.len(), row_bytes(&primary_key));
        let mut query = self.selected(&select)?;
        let options = SelectOptions { arguments: checked(primary_key)?, ..SelectOptions::default() };
        let mut answer = self.answer_rows();
        self.on_table(&table, bytes, async |rows| {
            Arc::make_mut(&mut query).root.filter = rows.key_arguments(columns).await?;
            rows.select(&query, &options, &mut answer).await
        })?;
        self.transfer(answer.bytes())?;
        Ok(answer.into_last())
    }

    fn select(&mut self, table: Table, query: tables::Query) -> Result<tables::Rows> {
        let (query, options) = self.asked(query)?.for_reading();
        let mut answer = self.answer_rows();
        self.on_table(&table, 0, async |rows| rows.select(&query, &options, &mut answer).await)?;
        self.transfer(answer.bytes())?;
        Ok(answer.into_rows())
    }

    fn select_packed(&mut self, table: Table, query: tables::Query) -> Result<tables::PackedRows> {
        let (query, options) = self.asked(query)?.for_reading();
        let mut answer = PackedRows::new(self.answer_bytes_max(), self.database.environment_utc());
        self.on_table(&table, 0, async |rows| rows.select(&query, &options, &mut answer).await)?;
        self.transfer(answer.bytes())?;
        Ok(answer.into_rows())
    }

    fn count(&mut self, table: Table, mut query: tables::Query) -> Result<u64> {
        let (limit, offset) = (query.limit.take(), std::mem::take(&mut query.offset));
        let asked = self.asked(query)?;
        let count = self.on_table(&table, 0, async |rows| rows.count(&asked.query, asked.arguments).await)?;
        Ok(count.saturating_sub(offset.into()).min(limit.map_or(u64::MAX, u64::from)))
    }

    fn explain(&mut self, table: Table, query: tables::Query) -> Result<String> {
        let (query, options) = self.asked(query)?.for_reading();
        let explained = self.on_table(&table, 0, async |rows| rows.explain(&query, &options, false).await)?;
        let text = explained.to_text();
        self.transfer(text.len())?;
        Ok(text)
    }

    fn insert(
        &mut self,
        table: Table,
        columns: Vec<String>,
        rows: Vec<Vec<tables::Value>>,
        on_conflict: tables::OnConflict,
        conflict_columns: Vec<String>,
        returning: Option<String>,
    ) -> Result<tables::Changed> {
        let bytes = batch_bytes(&columns, &rows) + conflict_columns.iter().map(String::len).sum::<usize>();
        let mut query = self.selected(returning.as_deref().unwrap_or_default())?;
        if !conflict_columns.is_empty() {
            let columns = conflict_columns.into_iter().map(String::into_boxed_str).collect();
            Arc::make_mut(&mut query).on_conflict = Some(columns);
        }
        let resolution = match on_conflict {
            tables::OnConflict::Fail => Resolution::Fail,
            tables::OnConflict::Ignore => Resolution::Ignore,
            tables::OnConflict::Merge => Resolution::Merge,
        };
        let options = WriteOptions { resolution, ..WriteOptions::default() };
        let batch = batch(columns, rows)?;
        let mut returned = returning.map(|_| self.answer_rows());
        let written = self.on_table(&table, bytes, async |rows| {
            rows.insert(&query, &batch, &options, returned.as_mut().map(|rows| rows as _)).await
        })?;
        self.changed(&written, returned)
    }

    fn update_many(
        &mut self,
        table: Table,
        columns: Vec<String>,
        rows: Vec<Vec<tables::Value>>,
    ) -> Result<tables::Changed> {
        let bytes = batch_bytes(&columns, &rows);
        let batch = batch(columns, rows)?;
        let options = WriteOptions::default();
        let written = self
            .on_table(&table, bytes, async |rows| rows.update_many(&Query::default(), &batch, &options, None).await)?;
        self.changed(&written, None)
    }

    fn update(
        &mut self,
        table: Table,
        query: tables::Query,
        assign: Vec<(String, tables::Value)>,
        if_version: Option<u64>,
    ) -> Result<tables::Changed> {
        let (query, options) = self.asked(query)?.for_writing(if_version);
        let (columns, row): (Vec<_>, Vec<_>) = assign.into_iter().unzip();
        let rows = vec![row];
        let bytes = batch_bytes(&columns, &rows);
        let batch = batch(columns, rows)?;
        let mut returned = query.select.is_some().then(|| self.answer_rows());
        let written = self.on_table(&table, bytes, async |rows| {
            rows.update(&query, &batch, &options, returned.as_mut().map(|rows| rows as _)).await
        })?;
        self.changed(&written, returned)
    }

    fn delete(&mut self, table: Table, query: tables::Query, if_version: Option<u64>) -> Result<tables::Changed> {
        let (query, options) = self.asked(query)?.for_writing(if_version);
        let mut returned = query.select.is_some().then(|| self.answer_rows());
        let written = self.on_table(&table, 0, async |rows| {
            rows.delete(&query, &options, returned.as_mut().map(|rows| rows as _)).await
        })?;
        self.changed(&written, returned)
    }

    fn drop(&mut self, table: Table) -> wasmtime::Result<()> {
        let _ = self.handles.delete(table);
        Ok(())
    }
}
