//! `mantis:db/tables` for guests: each call is one statement of the session.

use std::sync::Arc;

use mantis_db::tables::calls::{self, Call, PackedRows, Weight};
use mantis_db::tables::types::Value;
use mantis_db::tables::{Query, QueryText, Resolution, RowBatch, WriteOptions, Written};
use wasmtime::component::Resource;

use super::answer_rows::AnswerRows;
use super::bindings::{tables, types};
use super::context::Context;
use super::error::Failed;
use super::resources::OpenTable;
use super::values::{self, row_bytes, value_bytes};

type Result<T> = std::result::Result<T, Failed>;
type Table = Resource<OpenTable>;

impl Context {
    /// Opens a table, at least for reading; one that the grants do not name is not found.
    pub(super) fn open_table(&mut self, table: OpenTable) -> Result<Table> {
        self.open(table, |context, handle| context.on_table(handle, 0, async |rows| rows.check().await))
    }

    /// Counts what a query passes, and parses it unless that was done before.
    fn asked(&mut self, asked: tables::Query) -> Result<Call> {
        let tables::Query { filter, arguments, select, order, limit, offset } = asked;
        let values: usize = arguments.iter().map(value_bytes).sum();
        self.check_time()?;
        self.transfer(filter.len() + select.len() + order.len() + values)?;
        let text = QueryText { filter: &filter, select: &select, order: &order };
        Ok(Call::new(&self.queries, &text, checked(arguments)?, limit, offset)?)
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
    Ok(calls::arguments(arguments.into_iter().map(values::input))?)
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
        let bytes = row_bytes(&primary_key);
        self.transfer(select.len())?;
        let text = QueryText { select: &select, ..QueryText::default() };
        let call = Call::new(&self.queries, &text, checked(primary_key)?, None, 0)?;
        let mut answer = self.answer_rows();
        self.on_table(&table, bytes, async |rows| call.get(rows, &mut answer).await)?;
        self.transfer(answer.bytes())?;
        Ok(answer.into_last())
    }

    fn select(&mut self, table: Table, query: tables::Query) -> Result<tables::Rows> {
        let call = self.asked(query)?;
        let mut answer = self.answer_rows();
        self.on_table(&table, 0, async |rows| call.select(rows, &mut answer).await)?;
        self.transfer(answer.bytes())?;
        Ok(answer.into_rows())
    }

    fn select_packed(&mut self, table: Table, query: tables::Query) -> Result<tables::PackedRows> {
        let call = self.asked(query)?;
        let environment = self.database.environment_utc();
        let mut answer = PackedRows::new(self.answer_bytes_max(), environment, Weight::Packed);
        self.on_table(&table, 0, async |rows| call.select(rows, &mut answer).await)?;
        self.transfer(answer.head().bytes())?;
        let count = answer.count;
        let (columns, data) = answer.into_parts();
        Ok(tables::PackedRows { columns, data, count })
    }

    fn count(&mut self, table: Table, query: tables::Query) -> Result<u64> {
        let call = self.asked(query)?;
        self.on_table(&table, 0, async |rows| call.count(rows).await)
    }

    fn explain(&mut self, table: Table, query: tables::Query) -> Result<String> {
        let call = self.asked(query)?;
        let text = self.on_table(&table, 0, async |rows| call.explain(rows).await)?;
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
        let query = self.selected(returning.as_deref().unwrap_or_default())?;
        let resolution = match on_conflict {
            tables::OnConflict::Fail => Resolution::Fail,
            tables::OnConflict::Ignore => Resolution::Ignore,
            tables::OnConflict::Merge => Resolution::Merge,
        };
        let batch = batch(columns, rows)?;
        let mut returned = returning.map(|_| self.answer_rows());
        let written = self.on_table(&table, bytes, async |rows| {
            let returned = returned.as_mut().map(|rows| rows as _);
            calls::insert(rows, query, &batch, resolution, conflict_columns, returned).await
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
        let call = self.asked(query)?;
        let (columns, row): (Vec<_>, Vec<_>) = assign.into_iter().unzip();
        let rows = vec![row];
        let bytes = batch_bytes(&columns, &rows);
        let batch = batch(columns, rows)?;
        let mut returned = call.returns_rows().then(|| self.answer_rows());
        let written = self.on_table(&table, bytes, async |rows| {
            call.update(rows, &batch, if_version, returned.as_mut().map(|rows| rows as _)).await
        })?;
        self.changed(&written, returned)
    }

    fn delete(&mut self, table: Table, query: tables::Query, if_version: Option<u64>) -> Result<tables::Changed> {
        let call = self.asked(query)?;
        let mut returned = call.returns_rows().then(|| self.answer_rows());
        let written = self.on_table(&table, 0, async |rows| {
            call.delete(rows, if_version, returned.as_mut().map(|rows| rows as _)).await
        })?;
        self.changed(&written, returned)
    }

    fn drop(&mut self, table: Table) -> wasmtime::Result<()> {
        let _ = self.handles.delete(table);
        Ok(())
    }
}
