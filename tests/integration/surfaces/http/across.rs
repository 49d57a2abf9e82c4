//! Steps across keys and tables, over HTTP.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use mantis_db::tables;
use percent_encoding::percent_encode;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::answers::{bytes_of, code, commit, json_of, list, number, version};
use super::tables::{array, object};
use super::{Answered, Client, IN_QUERY, JSON, batch_operation, without_null};
use crate::answer::{Answer, BatchResult, Change, Event, Found, Rows, RowsResult};
use crate::scenario::across::{Batch, KeysOperation, Matches, OperationAcross, RowChanges, RowsOperation, Verb};
use crate::scenario::tables::{OnConflict, json_text, parameters};
use crate::scenario::{BatchOperation, Step};

impl Client {
    pub(super) async fn on_batch(&mut self, step: &Step, batch: &Batch) -> Answer {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(JSON))];
        let answer =
            self.send_body(step, Method::POST, "/api/v1/batch?encoding=base64", headers, body_of(batch).into()).await;
        if answer.status().is_success() {
            let commit = commit(&answer);
            let applied: Applied = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(version(&applied.version), commit.version, "the body and the headers are of one commit");
            assert_eq!(applied.durable, commit.durable);
            let results = batch.ops.iter().zip(&applied.results).map(|(operation, result)| shown(operation, result));
            return Answer::BatchDone { commit, results: results.collect() };
        }
        let body = json_of(&answer);
        if code(&answer) == "check-failed" {
            assert_eq!(answer.status(), StatusCode::CONFLICT);
            return Answer::BatchStopped(list(&body["operations"], |refusal| refused(batch, refusal)));
        }
        let operation = body["operation"].as_u64().map(|index| usize::try_from(index).unwrap());
        let prefix = operation.map_or_else(String::new, |index| format!("operation {index}: "));
        let error = failed(&answer, &prefix);
        Answer::BatchFailed { operation, error: Box::new(error) }
    }

    pub(super) async fn row_changes(&mut self, step: &Step, asked: &RowChanges) -> Answer {
        let encoded = |text: &str| percent_encode(text.as_bytes(), &IN_QUERY).to_string();
        let mut pairs = vec![("wait".to_owned(), "0".to_owned()), ("values".to_owned(), "true".to_owned())];
        let since = asked.since.as_ref().map_or_else(|| "earliest".to_owned(), |from| self.cursor(from));
        pairs.extend(asked.table.clone().map(|table| ("table".to_owned(), encoded(&table))));
        pairs.extend(parameters(&asked.filter).into_iter().map(|(name, value)| (encoded(name), encoded(value))));
        if !asked.select.is_empty() {
            pairs.push(("select".to_owned(), encoded(&asked.select)));
        }
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!("/api/v1/changes?since={since}&{}", pairs.join("&"));
        let answer = self.send(step, Method::GET, &path, []).await;
        if answer.status() != StatusCode::OK {
            return failed(&answer, "");
        }
        let page: Page = serde_json::from_slice(answer.body()).unwrap();
        assert!(!page.more, "no scenario makes more changes than a page has");
        self.keep(step, Some(&page.cursor));
        if let Some(name) = &step.name {
            self.beside.remember(name, &page.cursor);
        }
        Answer::Events(page.changes.iter().map(|change| event(change)).collect())
    }
}

fn failed(answer: &Answered, prefix: &str) -> Answer {
    let (code, body) = (code(answer), json_of(answer));
    if !tables::code::ALL.iter().any(|(known, _)| *known == code) {
        return Answer::Error(code);
    }
    let message = body["detail"].as_str().unwrap();
    let message = message.strip_prefix(prefix).unwrap_or_else(|| panic!("{message} does not begin with {prefix}"));
    Answer::TableError { code, message: message.to_owned() }
}

#[derive(serde::Deserialize)]
struct Applied {
    version: Value,
    durable: bool,
    results: Vec<Box<RawValue>>,
}

#[derive(serde::Deserialize)]
struct Page {
    changes: Vec<Box<RawValue>>,
    cursor: String,
    more: bool,
}

/// Rows keep every digit of their numbers.
#[derive(serde::Deserialize)]
struct WithRows {
    rows: Option<Box<RawValue>>,
}

/// The result of an operation.
pub(in crate::surfaces) fn shown(operation: &OperationAcross, result: &RawValue) -> RowsResult {
    let rows = serde_json::from_str::<WithRows>(result.get()).unwrap().rows;
    let returned = rows.map(|rows| Rows::read(rows.get().as_bytes()));
    let body: Value = serde_json::from_str(result.get()).unwrap();
    let count = |name: &str| body[name].as_u64().unwrap();
    match operation {
        OperationAcross::Rows(operation) => match operation.op {
            Verb::Select => RowsResult::Selected(returned.unwrap()),
            Verb::Insert => RowsResult::Inserted { inserted: count("inserted"), updated: count("updated"), returned },
            Verb::Update => RowsResult::Updated { count: count("updated"), returned },
            Verb::Delete => RowsResult::Deleted { count: count("deleted"), returned },
            Verb::Check => {
                assert_eq!(body, json!({}));
                RowsResult::Checked
            }
        },
        OperationAcross::Keys(KeysOperation { operation, .. }) => RowsResult::Key(match operation {
            BatchOperation::Get { .. } => {
                let value = Some(&body["value"]).filter(|value| !value.is_null());
                BatchResult::Entry(value.map(|value| (bytes_of(value), version(&body["version"]))))
            }
            BatchOperation::Increment { .. } => BatchResult::Number(body["value"].as_i64().unwrap()),
            _ => body["deleted"].as_u64().map_or(BatchResult::Done, BatchResult::Deleted),
        }),
    }
}

/// An operation that refused the batch.
pub(in crate::surfaces) fn refused(batch: &Batch, refusal: &Value) -> (usize, Found) {
    let index = usize::try_from(refusal["index"].as_u64().unwrap()).unwrap();
    let found = match &batch.ops[index] {
        OperationAcross::Keys(operation) => {
            assert_eq!(refusal["bucket"], operation.bucket.as_str());
            Found::Key { current: Some(&refusal["version"]).filter(|version| !version.is_null()).map(number) }
        }
        OperationAcross::Rows(operation) => {
            assert_eq!(refusal["table"], operation.table.as_str());
            Found::Rows { matched: refusal["matched"].as_u64().unwrap(), version: refusal.get("version").map(version) }
        }
    };
    (index, found)
}

fn event(change: &RawValue) -> Event {
    let body: Value = serde_json::from_str(change.get()).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let previous_version = Some(&body["previous_version"]).filter(|version| !version.is_null()).map(number);
    let (kind, committed) = (text("kind"), number(&body["version"]));
    if body.get("bucket").is_some() {
        let (key, value) = (bytes_of(&body["key"]), body.get("value").map(bytes_of));
        return Event::Key(Change { kind, bucket: text("bucket"), key, value, version: committed, previous_version });
    }
    let (table, schema_version) = (text("table"), body["schema_version"].as_u64().unwrap());
    if body.get("matches").is_none() {
        let name = |column: &Value| column["name"].as_str().unwrap().to_owned();
        let columns = Some(&body["schema"]["columns"]).filter(|columns| !columns.is_null());
        let columns = columns.map(|columns| list(columns, name));
        return Event::Table { kind, table, schema_version, columns, version: committed, previous_version };
    }
    let members: Map<String, Value> = body.as_object().unwrap().clone();
    let raw: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_str(change.get()).unwrap();
    let one = |name: &str| (!members[name].is_null()).then(|| Rows::read_one(raw[name].get().as_bytes()));
    Event::Row {
        key: one("key"),
        row: one("row"),
        old: one("old"),
        matches_old: body["matches"]["old"].as_bool(),
        matches_new: body["matches"]["new"].as_bool().unwrap(),
        kind,
        table,
        schema_version,
        version: committed,
        previous_version,
    }
}

/// The JSON of a batch.
pub(in crate::surfaces) fn body_of(batch: &Batch) -> String {
    let operations: Vec<_> = batch.ops.iter().map(operation).collect();
    format!("{{\"operations\":[{}]}}", operations.join(","))
}

/// The JSON of an operation, in which numbers keep their digits.
fn operation(operation: &OperationAcross) -> String {
    match operation {
        OperationAcross::Keys(KeysOperation { bucket, operation }) => {
            let mut form = batch_operation(operation);
            form["bucket"] = bucket.as_str().into();
            form.to_string()
        }
        OperationAcross::Rows(operation) => on_rows(operation),
    }
}

fn on_rows(operation: &RowsOperation) -> String {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let resolution = match operation.on_conflict {
        OnConflict::Fail => None,
        OnConflict::Ignore => Some("ignore-duplicates"),
        OnConflict::Merge => Some("merge-duplicates"),
    };
    let matches = operation.matches.map(|matches| match matches {
        Matches::Exactly(rows) => json!(rows),
        Matches::Between { min, max } => without_null(json!({ "min": min, "max": max })),
    });
    let from = (!operation.from.is_empty()).then_some(&operation.from);
    let form = without_null(json!({
        "op": operation.op,
        "table": operation.table,
        "filter": text(&operation.filter),
        "select": operation.select,
        "order": text(&operation.order),
        "limit": operation.limit,
        "offset": operation.offset,
        "from": from,
        "on_conflict": text(&operation.conflict_columns.join(",")),
        "resolution": resolution,
        "matches": matches,
        "if_version": operation.if_version.map(|version| version.to_string()),
    }));
    let mut form = form.to_string();
    form.pop();
    for (name, json) in [
        ("arguments", (!operation.arguments.is_empty()).then(|| json_text(&operation.arguments.clone().into()))),
        ("rows", operation.rows.as_ref().map(array)),
        ("set", operation.set.as_ref().map(object)),
    ] {
        if let Some(json) = json {
            form.extend([",\"", name, "\":", &json]);
        }
    }
    form + "}"
}
