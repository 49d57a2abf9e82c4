//! The results of a batch of operations on keys and rows as JSON, and what an error says of its operation.

use http::{Response, StatusCode};
use mantis_db::batch::{Applied, BatchError, Cause, Done, Found, Operation, Refusal, RowVerb};
use mantis_db::{Budget, Entry, OpResult};
use mantis_forms::batch::BatchFailed;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::blocking::text;
use crate::handlers::kv::batch::Style;
use crate::handlers::kv::form::key_of;
use crate::protocol::body::Body;
use crate::protocol::errors::Code;
use crate::protocol::media::JSON;
use crate::protocol::memory::Text;
use crate::protocol::problem::{Problem, Result};
use crate::wire::bytes::{BytesOut, Encoding};
use crate::wire::numbers::{NumberText, version_text};
use crate::wire::{time, written};

/// The outcome of a batch, for its schema: it is written piece by piece.
#[derive(JsonSchema)]
#[schemars(rename = "Applied", deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is of use")]
pub(super) struct AppliedOut {
    /// The commit, or the newest one that was seen where nothing was written. Null in a transaction, and before the first commit.
    version: Option<NumberText>,
    /// Whether that commit is certain to survive a power cut.
    durable: bool,
    results: Vec<ResultOut>,
}

/// The result of an operation, for its schema.
struct ResultOut;

/// What was read of a key.
#[derive(Serialize)]
struct EntryOut<'a> {
    value: Option<BytesOut<'a>>,
    version: Option<NumberText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[allow(clippy::option_option, reason = "left out, null, or a time")]
    expires_at: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at: Option<String>,
}

/// The answer of a batch that ran.
pub(super) async fn applied(
    operations: &[Operation<'_>],
    applied: Applied,
    style: Style,
    in_flight: &Budget,
) -> Result<Response<Body>> {
    let (version, durable, results) = match applied {
        Applied::Refused(refusals) => return Err(refused(operations, &refusals, style.encoding)),
        Applied::Committed { version, durable, results } => (version, durable, results),
    };
    let version_json = version_text(version).map_or("null".to_owned(), |NumberText(version)| format!("\"{version}\""));
    let results: Vec<_> = operations.iter().map(Verb::of).zip(results).collect();
    let json = text(in_flight, results, move |results, text| {
        text.push(format!("{{\"version\":{version_json},\"durable\":{durable},\"results\":[").as_bytes())?;
        for (index, (verb, done)) in results.iter().enumerate() {
            if index > 0 {
                text.push(b",")?;
            }
            write(text, *verb, done, style)?;
        }
        text.push(b"]}")
    });
    let mut response = Response::new(Body::full(json.await?));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(JSON));
    written::set_commit_headers(&mut response, version, durable);
    Ok(response)
}

/// What an operation calls the rows that it wrote.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Insert,
    Delete,
    Other,
}

impl Verb {
    fn of(operation: &Operation<'_>) -> Self {
        match operation {
            Operation::Row(row) if matches!(row.verb, RowVerb::Insert { .. }) => Self::Insert,
            Operation::Row(row) if matches!(row.verb, RowVerb::Delete) => Self::Delete,
            _ => Self::Other,
        }
    }
}

fn write(text: &mut Text, verb: Verb, done: &Done, style: Style) -> Result<()> {
    let (counts, rows) = match done {
        Done::Key(OpResult::Entry(entry)) => {
            let out = EntryOut::of(entry.as_ref(), style.encoding, style.details);
            return text.push_json(&out);
        }
        Done::Key(OpResult::Number(number)) if style.numbers_are_text => (format!("\"value\":\"{number}\""), None),
        Done::Key(OpResult::Number(number)) => (format!("\"value\":{number}"), None),
        Done::Key(OpResult::Deleted(keys)) => (format!("\"deleted\":{keys}"), None),
        Done::Key(_) | Done::Checked => (String::new(), None),
        Done::Selected(rows) => (String::new(), Some(rows)),
        Done::Written { affected, inserted, rows } => {
            let counts = match verb {
                Verb::Insert => format!("\"inserted\":{inserted},\"updated\":{}", affected - inserted),
                Verb::Delete => format!("\"deleted\":{affected}"),
                Verb::Other => format!("\"updated\":{affected}"),
            };
            (counts, rows.as_ref())
        }
    };
    text.push(b"{")?;
    text.push(counts.as_bytes())?;
    if let Some(rows) = rows {
        let separator: &[u8] = if counts.is_empty() { b"\"rows\":" } else { b",\"rows\":" };
        text.push(separator)?;
        text.push(rows)?;
    }
    text.push(b"}")
}

impl<'a> EntryOut<'a> {
    fn of(entry: Option<&'a Entry>, encoding: Encoding, details: bool) -> Self {
        let detailed = entry.filter(|_| details);
        Self {
            value: entry.map(|entry| BytesOut(&entry.value, encoding)),
            version: entry.and_then(|entry| version_text(entry.version)),
            expires_at: detailed.map(|entry| entry.expires_at_ms.map(time::rfc3339)),
            media_type: detailed.map(|entry| entry.media_type.as_str()),
            modified_at: detailed.map(|entry| time::rfc3339(entry.modified_ms)),
        }
    }
}

/// 409: which conditions did not hold, and what was found in their place.
fn refused(operations: &[Operation<'_>], refusals: &[Refusal], encoding: Encoding) -> Problem {
    let shown = |refusal: &Refusal| {
        let mut shown = json!({"index": refusal.index});
        match operations.get(refusal.index) {
            Some(Operation::Key { bucket, op }) => {
                shown["bucket"] = json!(bucket);
                shown["key"] = json!(BytesOut(key_of(op), encoding));
            }
            Some(Operation::Row(operation)) => shown["table"] = json!(operation.table),
            None => {}
        }
        match refusal.found {
            Found::Key { version } => shown["version"] = json!(version.and_then(version_text)),
            Found::Rows { count, version } => {
                shown["matched"] = json!(count);
                if let Some(version) = version {
                    shown["version"] = json!(version_text(version));
                }
            }
        }
        shown
    };
    Problem::new(Code::CheckFailed).member("operations", refusals.iter().map(shown).collect::<Vec<Value>>().into())
}

/// The problem of a batch that failed.
pub(super) fn failed(error: BatchError) -> Problem {
    let problem = match error.cause {
        Cause::Db(error) => Problem::from(error),
        Cause::Table(error) => Problem::from(error),
    };
    match error.index {
        Some(index) => at(index, problem),
        None => problem.in_body(),
    }
}

/// The problem of a batch that cannot be read.
pub(super) fn unread(failed: BatchFailed) -> Problem {
    let problem = Problem::from(failed.error);
    match failed.index {
        Some(index) => at(index, problem),
        None => problem,
    }
}

/// The problem of one operation. What it would be for a request of its own is not said of the batch: the batch was there, and read.
fn at(index: usize, problem: Problem) -> Problem {
    let detail = format!("operation {index}: {}", problem.message());
    let problem = match problem.answer_status() {
        StatusCode::FORBIDDEN | StatusCode::CONFLICT => problem,
        status if status.is_server_error() => problem,
        _ => problem.status(StatusCode::UNPROCESSABLE_ENTITY),
    };
    problem.detail(detail).member("operation", index.into())
}

impl JsonSchema for ResultOut {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OperationResult".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let version = Value::from(generator.subschema_for::<Option<NumberText>>());
        let bytes = Value::from(generator.subschema_for::<BytesOut<'_>>());
        let count = json!({"type": "integer", "minimum": 0});
        json_schema!({
            "type": "object",
            "description": "`get`: value and version; `increment`: value, as text with `numbers=string`; `delete`, `delete-span`: deleted; `insert`: inserted and updated; \
                            `update`: updated; `select`, and where one is given: rows. Nothing of `set` and `check`.",
            "properties": {
                "value": {"anyOf": [bytes, {"type": "integer"}, {"type": "null"}]},
                "version": version,
                "expires_at": {"type": ["string", "null"], "format": "date-time"},
                "media_type": {"type": "string"},
                "modified_at": {"type": "string", "format": "date-time"},
                "inserted": count,
                "updated": count,
                "deleted": count,
                "rows": {"type": "array", "items": {"type": "object"}},
            },
            "additionalProperties": false,
        })
    }
}
