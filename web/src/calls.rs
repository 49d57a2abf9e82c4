//! `RawSession` for plugins: the calls of `wit/tables.wit`. Values come and go in the form of `packed-rows`, which `ts/plugins/values.ts` reads
//! and writes. Every method throws `{ code, kind, message }`, the message with details and hint on lines of their own.

use mantis_db::tables::calls::{self, Call, PackedRows, Weight};
use mantis_db::tables::query::RowSink;
use mantis_db::tables::{
    Input, Query, QueryText, Resolution, RowBatch, Rows, TableError, TableResult, WriteOptions, Written, code,
};
use mantis_db::{Access, Grants};
use wasm_bindgen::prelude::*;

use crate::call_output as output;
use crate::database::RawDatabase;
use crate::session::{Answer, RawSession};

#[wasm_bindgen]
impl RawDatabase {
    /// A session that may read and write these buckets and tables (`table/NAME`, `table/*`).
    #[wasm_bindgen(js_name = sessionGranted)]
    #[allow(clippy::needless_pass_by_value, reason = "wasm-bindgen hands lists of texts over by value")]
    pub fn session_granted(&self, read: Vec<String>, write: Vec<String>) -> Answer<RawSession> {
        let pairs = read.iter().map(|name| (name, Access::Read)).chain(write.iter().map(|name| (name, Access::Write)));
        match Grants::from_pairs(pairs) {
            Ok(grants) => Ok(self.with_grants(grants)),
            Err(invalid) => Err(output::failure("argument-invalid", "invalid", &invalid.to_string())),
        }
    }
}

/// What of a query is text, and its window.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RawCall {
    filter: String,
    select: String,
    order: String,
    arguments: Vec<u8>,
    limit: Option<u32>,
    offset: u32,
}

#[wasm_bindgen]
impl RawCall {
    /// A query. The methods that take it free it.
    #[wasm_bindgen(constructor)]
    pub fn new(
        filter: String,
        arguments: Vec<u8>,
        select: String,
        order: String,
        limit: Option<u32>,
        offset: u32,
    ) -> Self {
        Self { filter, select, order, arguments, limit, offset }
    }
}

impl RawCall {
    fn parsed(&self, session: &RawSession) -> TableResult<Call> {
        let text = QueryText { filter: &self.filter, select: &self.select, order: &self.order };
        let arguments = calls::arguments(given(&self.arguments)?.into_iter())?;
        Call::new(&session.1, &text, arguments, self.limit, self.offset)
    }
}

/// Values that the page's script has packed.
fn given(packed: &[u8]) -> TableResult<Vec<Input<'_>>> {
    calls::unpack(packed).ok_or_else(|| TableError::new(code::INTERNAL, "values are not in the form of packed rows"))
}

/// The rows of a statement: all their values, and how many each row has.
fn batch<'v>(columns: Vec<String>, values: &'v [u8], lengths: &[u32]) -> TableResult<RowBatch<'v>> {
    let mut values = given(values)?.into_iter();
    let rows: Vec<Vec<Input<'v>>> =
        lengths.iter().map(|&length| values.by_ref().take(length as usize).collect()).collect();
    RowBatch::of_rows(columns.into_iter().map(Into::into).collect(), rows)
}

impl RawSession {
    /// Runs a call on a table.
    fn on_table<T>(&mut self, table: &str, work: impl AsyncFnOnce(&mut Rows<'_>) -> TableResult<T>) -> TableResult<T> {
        let environment = self.0.database().environment_utc();
        crate::ready(work(&mut self.0.rows(table, environment)))
    }

    fn rows_as(&self, weight: Weight) -> PackedRows {
        let database = self.0.database();
        PackedRows::new(database.limits().answer_bytes_max, database.environment_utc(), weight)
    }
}

fn answer<T>(result: TableResult<T>) -> Answer<T> {
    result.map_err(|error| output::failure(error.code, error.kind().as_str(), &error.to_lines()))
}

fn sink(rows: Option<&mut PackedRows>) -> Option<&mut dyn RowSink> {
    rows.map(|rows| rows as _)
}

fn changed(written: TableResult<Written>, returned: Option<PackedRows>) -> Answer {
    Ok(output::changed(&answer(written)?, returned))
}

#[allow(clippy::needless_pass_by_value, reason = "wasm-bindgen hands queries over by value")]
#[wasm_bindgen]
impl RawSession {
    /// Checks that there is such a table, and that the grants include it.
    #[wasm_bindgen(js_name = callOpen)]
    pub fn call_open(&mut self, table: &str) -> Answer<()> {
        answer(self.on_table(table, async |rows| rows.check().await))
    }

    /// The row of a primary key, which are the query's arguments: `{ columns, data, count, version }`.
    #[wasm_bindgen(js_name = callGet)]
    pub fn call_get(&mut self, table: &str, query: RawCall) -> Answer {
        let mut rows = self.rows_as(Weight::Values);
        let call = answer(query.parsed(self))?;
        answer(self.on_table(table, async |table| call.get(table, &mut rows).await))?;
        Ok(output::rows(rows))
    }

    /// Rows, as many as an answer may hold, either as values or packed: `{ columns, data, count, version }`.
    #[wasm_bindgen(js_name = callSelect)]
    pub fn call_select(&mut self, table: &str, query: RawCall, is_packed: bool) -> Answer {
        let mut rows = self.rows_as(if is_packed { Weight::Packed } else { Weight::Values });
        let call = answer(query.parsed(self))?;
        answer(self.on_table(table, async |table| call.select(table, &mut rows).await))?;
        Ok(output::rows(rows))
    }

    /// The number of rows.
    #[wasm_bindgen(js_name = callCount)]
    pub fn call_count(&mut self, table: &str, query: RawCall) -> Answer<u64> {
        let call = answer(query.parsed(self))?;
        answer(self.on_table(table, async |table| call.count(table).await))
    }

    /// The plan.
    #[wasm_bindgen(js_name = callExplain)]
    pub fn call_explain(&mut self, table: &str, query: RawCall) -> Answer<String> {
        let call = answer(query.parsed(self))?;
        answer(self.on_table(table, async |table| call.explain(table).await))
    }

    /// Inserts rows: `{ count, version, durable, returned }`. `on_conflict` is `fail`, `ignore` or `merge`.
    #[wasm_bindgen(js_name = callInsert)]
    #[allow(clippy::too_many_arguments, reason = "flat arguments are what crosses into WebAssembly cheaply")]
    pub fn call_insert(
        &mut self,
        table: &str,
        columns: Vec<String>,
        values: &[u8],
        lengths: &[u32],
        on_conflict: &str,
        conflict_columns: Vec<String>,
        returning: Option<String>,
    ) -> Answer {
        let text = QueryText { select: returning.as_deref().unwrap_or_default(), ..QueryText::default() };
        let query = answer(self.1.get(&text))?;
        let resolution = match on_conflict {
            "ignore" => Resolution::Ignore,
            "merge" => Resolution::Merge,
            _ => Resolution::Fail,
        };
        let batch = answer(batch(columns, values, lengths))?;
        let mut returned = returning.map(|_| self.rows_as(Weight::Values));
        let written = self.on_table(table, async |table| {
            calls::insert(table, query, &batch, resolution, conflict_columns, sink(returned.as_mut())).await
        });
        changed(written, returned)
    }

    /// Gives each row that is named by its primary key its own values.
    #[wasm_bindgen(js_name = callUpdateMany)]
    pub fn call_update_many(&mut self, table: &str, columns: Vec<String>, values: &[u8], lengths: &[u32]) -> Answer {
        let batch = answer(batch(columns, values, lengths))?;
        let written = self.on_table(table, async |table| {
            table.update_many(&Query::default(), &batch, &WriteOptions::default(), None).await
        });
        changed(written, None)
    }

    /// Gives the rows of a query these values.
    #[wasm_bindgen(js_name = callUpdate)]
    pub fn call_update(
        &mut self,
        table: &str,
        query: RawCall,
        columns: Vec<String>,
        values: &[u8],
        if_version: Option<u64>,
    ) -> Answer {
        let call = answer(query.parsed(self))?;
        let length = u32::try_from(columns.len()).unwrap_or(u32::MAX);
        let batch = answer(batch(columns, values, &[length]))?;
        let mut returned = call.returns_rows().then(|| self.rows_as(Weight::Values));
        let written =
            self.on_table(table, async |table| call.update(table, &batch, if_version, sink(returned.as_mut())).await);
        changed(written, returned)
    }

    /// Deletes the rows of a query.
    #[wasm_bindgen(js_name = callDelete)]
    pub fn call_delete(&mut self, table: &str, query: RawCall, if_version: Option<u64>) -> Answer {
        let call = answer(query.parsed(self))?;
        let mut returned = call.returns_rows().then(|| self.rows_as(Weight::Values));
        let written = self.on_table(table, async |table| call.delete(table, if_version, sink(returned.as_mut())).await);
        changed(written, returned)
    }
}
