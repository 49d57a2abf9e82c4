//! `RawOperations`: operations on keys and rows of any buckets and tables, for one commit.

use mantis_db::batch::{
    Applied, Argument, BatchError, BatchOptions, Cause, Done, Found, Matches, Operation, Reference, Refusal,
    RowOperation, RowVerb,
};
use mantis_db::tables::types::Value;
use mantis_db::tables::{Resolution, RowBatch, TableResult};
use mantis_db::{Op, OpResult};
use mantis_dialect::{Parser, Query};
use wasm_bindgen::prelude::*;

use crate::batch::{RawBatch, key_of};
use crate::output::number;
use crate::session::{Answer, RawSession};
use crate::{output, table_output, tables};

#[wasm_bindgen(module = "/src/operations.js")]
extern "C" {
    fn rows(json: &[u8]) -> JsValue;
    #[wasm_bindgen(js_name = changed)]
    fn make_changed(affected: f64, inserted: f64, rows: Option<&[u8]>) -> JsValue;
    #[wasm_bindgen(js_name = keyRefusal)]
    fn key_refusal(index: u32, version: Option<u64>) -> JsValue;
    #[wasm_bindgen(js_name = rowRefusal)]
    fn row_refusal(index: u32, matched: f64, version: Option<u64>) -> JsValue;
    fn committed(version: u64, durable: bool, results: Vec<JsValue>) -> JsValue;
    fn refused(refusals: Vec<JsValue>) -> JsValue;
    /// The failure of an operation: the same with its index.
    #[wasm_bindgen(js_name = at)]
    fn failure_at(failure: JsValue, index: Option<u32>) -> JsValue;
}

/// What is done, apart from texts and values that are read when the batch runs.
#[derive(Debug)]
enum Asked {
    Key(String, Op),
    Row(Box<AskedRows>),
}

#[derive(Debug, Default)]
struct AskedRows {
    verb: String,
    table: String,
    filter: String,
    /// `select`, `order`, `on_conflict`, each with its text.
    parameters: Vec<String>,
    window: (Option<u64>, Option<u64>),
    columns: Vec<String>,
    values: String,
    rows: usize,
    returns_rows: bool,
    arguments: Vec<Argument>,
    from: Vec<(String, Reference)>,
    matches: Option<Matches>,
    if_version: Option<u64>,
}

/// Operations, in order. `RawSession.batch` consumes and frees them.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct RawOperations(Vec<Asked>);

#[wasm_bindgen]
impl RawOperations {
    /// None yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Operations on keys of a bucket.
    #[allow(clippy::needless_pass_by_value, reason = "it is consumed, like all that wasm-bindgen hands over")]
    pub fn keys(&mut self, bucket: &str, batch: RawBatch) {
        self.0.extend(batch.0.into_iter().map(|op| Asked::Key(bucket.to_owned(), op)));
    }

    /// An operation on rows: `select`, `insert`, `merge`, `ignore`, `update`, `delete` or `check`. `values` are those of `rows`, as for
    /// `writeRows`. What follows until the next operation is about this one.
    #[allow(clippy::too_many_arguments, reason = "flat arguments are what crosses into WebAssembly cheaply")]
    pub fn rows(
        &mut self,
        verb: String,
        table: String,
        filter: String,
        parameters: Vec<String>,
        limit: Option<f64>,
        offset: Option<f64>,
        columns: Vec<String>,
        values: String,
        rows: usize,
        returns_rows: bool,
    ) {
        let whole = |number: Option<f64>| number.and_then(crate::input::whole);
        let window = (whole(limit), whole(offset));
        let asked = AskedRows {
            verb,
            table,
            filter,
            parameters,
            window,
            columns,
            values,
            rows,
            returns_rows,
            ..AskedRows::default()
        };
        self.0.push(Asked::Row(Box::new(asked)));
    }

    /// An argument of its filter: a text, or null.
    pub fn argument(&mut self, text: Option<String>) {
        let value = text.map_or(Value::Null, |text| Value::Text(text.into()));
        self.last().arguments.push(Argument::Value(value));
    }

    /// An argument of its filter that an earlier operation makes.
    #[wasm_bindgen(js_name = argumentFrom)]
    pub fn argument_from(&mut self, operation: usize, column: String) {
        self.last().arguments.push(Argument::Reference(Reference { operation, column }));
    }

    /// A column with a value that an earlier operation makes.
    pub fn from(&mut self, column: String, operation: usize, of: String) {
        self.last().from.push((column, Reference { operation, column: of }));
    }

    /// How many rows its filter must select.
    pub fn matches(&mut self, min: f64, max: Option<f64>) {
        let min = crate::input::whole(min).unwrap_or(0);
        self.last().matches = Some(Matches { min, max: max.and_then(crate::input::whole) });
    }

    /// The version that its rows must have.
    #[wasm_bindgen(js_name = ifVersion)]
    pub fn if_version(&mut self, version: u64) {
        self.last().if_version = Some(version);
    }
}

impl RawOperations {
    /// The operation on rows that was added last.
    fn last(&mut self) -> &mut AskedRows {
        match self.0.last_mut() {
            Some(Asked::Row(asked)) => asked,
            _ => wasm_bindgen::throw_str("no operation on rows was added"),
        }
    }
}

impl AskedRows {
    fn query(&self) -> TableResult<Query> {
        let parser = Parser::default().with_arguments();
        let given = self.parameters.chunks_exact(2).map(|pair| (&pair[0][..], &pair[1][..]));
        let mut query = parser.query(given)?;
        query.root.filter = parser.filter(&self.filter)?;
        (query.root.limit, query.root.offset) = self.window;
        Ok(query)
    }

    fn operation(&self) -> TableResult<RowOperation<'_>> {
        let batch = || tables::batch_of(self.columns.clone(), &self.values, self.rows);
        let from = || self.from.iter().map(|(column, from)| (column.as_str().into(), from.clone())).collect();
        let insert = |resolution| RowVerb::Insert { rows: batch(), resolution, from: from() };
        let verb = match &self.verb[..] {
            "select" => RowVerb::Select,
            "insert" => insert(Resolution::Fail),
            "merge" => insert(Resolution::Merge),
            "ignore" => insert(Resolution::Ignore),
            "update" => RowVerb::Update { set: RowBatch { rows: 1, ..batch() }, from: from() },
            "delete" => RowVerb::Delete,
            _ => RowVerb::Check,
        };
        Ok(RowOperation {
            arguments: self.arguments.clone(),
            matches: self.matches,
            if_version: self.if_version,
            returns_rows: self.returns_rows,
            ..RowOperation::new(&self.table[..], self.query()?, verb)
        })
    }
}

#[wasm_bindgen]
impl RawSession {
    /// Runs operations in one commit, all or none: `{ committed, version, durable, results }`, or `{ committed, refusals }`. What it throws
    /// has the `operation` that failed.
    #[allow(clippy::needless_pass_by_value, reason = "it is consumed, like all that wasm-bindgen hands over")]
    pub fn batch(&mut self, operations: RawOperations) -> Answer {
        let asked = operations.0;
        let mut read = Vec::with_capacity(asked.len());
        for (index, operation) in asked.iter().enumerate() {
            read.push(match operation {
                Asked::Key(bucket, op) => Operation::Key { bucket: bucket.into(), op: op.clone() },
                Asked::Row(asked) => match asked.operation() {
                    Ok(operation) => operation.into(),
                    Err(error) => return Err(failed(Some(index), &error.into())),
                },
            });
        }
        let environment = self.0.database().environment_utc();
        let options = BatchOptions { needs_filter: true, ..BatchOptions::default() };
        match crate::ready(self.0.batch(&read, &environment, &options)) {
            Err(BatchError { index, cause }) => Err(failed(index, &cause)),
            Ok(Applied::Refused(refusals)) => Ok(refused(refusals.iter().map(refusal).collect())),
            Ok(Applied::Committed { version, durable, results }) => {
                let results = read.iter().zip(&results).map(|(operation, done)| result(operation, done));
                Ok(committed(version, durable, results.collect()))
            }
        }
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn failed(index: Option<usize>, cause: &Cause) -> JsValue {
    let failure = match cause {
        Cause::Db(error) => output::error(error),
        Cause::Table(error) => table_output::table_error(error),
    };
    failure_at(failure, index.map(place))
}

fn refusal(Refusal { index, found }: &Refusal) -> JsValue {
    match *found {
        Found::Key { version } => key_refusal(place(*index), version),
        Found::Rows { count, version } => row_refusal(place(*index), number(count), version),
    }
}

fn result(operation: &Operation<'_>, done: &Done) -> JsValue {
    match done {
        Done::Key(OpResult::Entry(found)) => match operation {
            Operation::Key { op, .. } => output::entry_or_null(key_of(op), found.as_ref()),
            Operation::Row(_) => JsValue::NULL,
        },
        Done::Key(OpResult::Deleted(keys)) => JsValue::from_f64(number(*keys)),
        Done::Key(OpResult::Number(sum)) => JsValue::from(*sum),
        Done::Key(_) | Done::Checked => JsValue::UNDEFINED,
        Done::Selected(json) => rows(json),
        Done::Written { affected, inserted, rows } => {
            make_changed(number(*affected), number(*inserted), rows.as_deref())
        }
    }
}
