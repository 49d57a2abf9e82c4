//! Steps across keys and tables: batches in the JSON of `POST /batch`, and the change feed of rows.

use mantisdb_c::status::MANTIS_REFUSED;
use mantisdb_c::types::flags as f;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::calls::{Connection, Result};
use super::json_of;
use crate::answer::{Answer, Change, Event, Rows};
use crate::scenario::across::{Batch, RowChanges};
use crate::surfaces::http::across::{body_of, refused, shown};
use crate::surfaces::http::answers::{bytes_of, list};

/// Changes of a page: HTTP's number.
const PAGE_MAX: u32 = 100;

pub(super) fn batch(connection: &mut Connection, batch: &Batch) -> Answer {
    match connection.batch(&body_of(batch)) {
        Ok((MANTIS_REFUSED, page)) => {
            let refusals = list(&json_of(&page.data), |refusal| refused(batch, refusal));
            assert_eq!(refusals.len() as u64, page.count);
            Answer::BatchStopped(refusals)
        }
        Ok((_, page)) => {
            let results: Vec<Box<RawValue>> = serde_json::from_slice(&page.data).unwrap();
            assert_eq!((results.len(), page.count), (batch.ops.len(), connection.written().count));
            let results = batch.ops.iter().zip(&results).map(|(operation, result)| shown(operation, result)).collect();
            Answer::BatchDone { commit: connection.written_commit(), results }
        }
        Err(failed) => Answer::BatchFailed { operation: failed.operation, error: Box::new(failed.answer()) },
    }
}

/// The changes, and the cursor to go on from.
pub(super) fn changes(
    connection: &mut Connection,
    asked: &RowChanges,
    since: Option<&[u8]>,
) -> Result<(Vec<Event>, Vec<u8>)> {
    let table = asked.table.as_deref();
    let page = connection.row_changes(table, &asked.filter, &asked.select, since, PAGE_MAX)?;
    assert!(page.flags & f::MANTIS_PAGE_AT_END != 0, "no scenario makes more changes than a page has");
    let changes: Vec<Box<RawValue>> = serde_json::from_slice(&page.data).unwrap();
    assert_eq!(changes.len() as u64, page.count);
    Ok((changes.iter().map(|change| event(change)).collect(), page.cursor.unwrap()))
}

fn event(change: &RawValue) -> Event {
    let body: Map<String, Value> = serde_json::from_str(change.get()).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let number = |name: &str| body[name].as_u64().unwrap();
    let (kind, version, previous_version) = (text("kind"), number("version"), body["previous_version"].as_u64());
    assert!(!text("cursor").is_empty(), "each change has a cursor");
    if body["type"] == "key" {
        let value = Some(&body["value"]).filter(|value| !value.is_null()).map(bytes_of);
        let (bucket, key) = (text("bucket"), bytes_of(&body["key"]));
        return Event::Key(Change { kind, bucket, key, value, version, previous_version });
    }
    let (table, schema_version) = (text("table"), number("schema_version"));
    if body["type"] == "table" {
        let name = |column: &Value| column["name"].as_str().unwrap().to_owned();
        let columns = body["schema"].get("columns").map(|columns| list(columns, name));
        return Event::Table { kind, table, schema_version, columns, version, previous_version };
    }
    let raw: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_str(change.get()).unwrap();
    let one = |name: &str| (!body[name].is_null()).then(|| Rows::read_one(raw[name].get().as_bytes()));
    Event::Row {
        key: one("key"),
        row: one("row"),
        old: one("old"),
        matches_old: body["matches_old"].as_bool(),
        matches_new: body["matches_new"].as_bool().unwrap(),
        kind,
        table,
        schema_version,
        version,
        previous_version,
    }
}
