//! Batches of operations on keys and rows of any buckets and tables: the JSON of `POST /batch`.

use std::ffi::c_char;

use mantis_db::batch::{Applied, BatchError, BatchOptions, Cause, Done, Found, Operation, Refusal, RowVerb};
use mantis_db::{Op, OpResult, Written};
use mantis_forms::batch::{self, BatchFailed};
use mantis_forms::numbers::version_text;
use serde_json::{Value, json};

use super::call;
use super::keys::{deferring, written_far, written_of};
use super::tables::{show, show_far};
use crate::abi::status::{self, MANTIS_OK, MANTIS_REFUSED, Status};
use crate::abi::types::{mantis_conn, mantis_error, mantis_page, mantis_written};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::far::BatchDone;
use crate::raw::{self, Out};
use crate::statements::{STATEMENT_BYTES_MAX, data_json};

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_batch(
    conn: mantis_conn,
    operations: *const c_char,
    operations_len: usize,
    page: *mut mantis_page,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the text for this call, and the structures are as the header says.
        let (text, page, out) = unsafe {
            (
                raw::text(operations, operations_len, "operations")?,
                Out::new(page, "page")?,
                Out::new(written, "written")?,
            )
        };
        if text.len() > STATEMENT_BYTES_MAX {
            let message = format!("`operations` has {} bytes; the limit is {STATEMENT_BYTES_MAX}", text.len());
            return Err(Failure::new(status::MANTIS_E_LIMIT, "statement-too-large", message));
        }
        Conn::with_any(conn.id, |conn| {
            let deferred = conn.is_deferred;
            if let Some(far) = conn.far() {
                return Ok(match far.batch(text)? {
                    BatchDone::Committed(shown, commit) => {
                        let commit = written_far(conn, commit, deferred);
                        out.write(&mantis_written { count: shown.count, ..commit });
                        show_far(conn, shown, &page);
                        MANTIS_OK
                    }
                    BatchDone::Refused(shown) => {
                        out.write(&mantis_written::default());
                        show_far(conn, shown, &page);
                        MANTIS_REFUSED
                    }
                });
            }
            let operations = batch::read(text.as_bytes(), conn.database().limits())?;
            let environment = conn.database().environment_utc();
            let options = BatchOptions { needs_filter: true, ..BatchOptions::default() };
            let applied = deferring(conn, deferred, async |conn| {
                Ok(conn.session().batch(&operations, &environment, &options).await?)
            })?;
            let (answer, json, count) = match applied {
                Applied::Committed { version, durable, results } => {
                    let commit = Written { version, durable, replaced: false };
                    let count = results.len();
                    out.write(&mantis_written { count: count as u64, ..written_of(commit, deferred) });
                    let results: Vec<_> = operations.iter().zip(results).map(done_json).collect();
                    (MANTIS_OK, format!("[{}]", results.join(",")), count)
                }
                Applied::Refused(refusals) => {
                    let json: Vec<_> = refusals.iter().map(|refusal| refused_json(&operations, refusal)).collect();
                    out.write(&mantis_written::default());
                    (MANTIS_REFUSED, Value::Array(json).to_string(), refusals.len())
                }
            };
            show(conn, json.into_bytes(), count, &page);
            Ok(answer)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// The result of an operation, as a member of `results` over HTTP.
fn done_json((operation, done): (&Operation<'_>, Done)) -> String {
    let (counts, rows) = match done {
        Done::Key(OpResult::Entry(entry)) => {
            let value = entry.as_ref().map(|entry| data_json(&entry.value));
            let version = entry.as_ref().and_then(|entry| version_text(entry.version));
            return json!({ "value": value, "version": version }).to_string();
        }
        Done::Key(OpResult::Number(number)) => (format!("\"value\":{number}"), None),
        Done::Key(OpResult::Deleted(keys)) => (format!("\"deleted\":{keys}"), None),
        Done::Key(_) | Done::Checked => (String::new(), None),
        Done::Selected(rows) => (String::new(), Some(rows)),
        Done::Written { affected, inserted, rows } => {
            let counts = match operation {
                Operation::Row(row) if matches!(row.verb, RowVerb::Insert { .. }) => {
                    format!("\"inserted\":{inserted},\"updated\":{}", affected - inserted)
                }
                Operation::Row(row) if matches!(row.verb, RowVerb::Delete) => format!("\"deleted\":{affected}"),
                _ => format!("\"updated\":{affected}"),
            };
            (counts, rows)
        }
    };
    let rows = rows.map(|rows| format!("\"rows\":{}", String::from_utf8_lossy(&rows)));
    let members: Vec<_> = [Some(counts), rows].into_iter().flatten().filter(|member| !member.is_empty()).collect();
    format!("{{{}}}", members.join(","))
}

/// What was found in place of what a condition expects, as a member of `operations` over HTTP.
fn refused_json(operations: &[Operation<'_>], refusal: &Refusal) -> Value {
    let mut json = json!({ "index": refusal.index });
    match operations.get(refusal.index) {
        Some(Operation::Key { bucket, op }) => {
            json["bucket"] = json!(bucket);
            json["key"] = data_json(key_of(op));
        }
        Some(Operation::Row(operation)) => json["table"] = json!(operation.table),
        None => {}
    }
    match refusal.found {
        Found::Key { version } => json["version"] = json!(version.and_then(version_text)),
        Found::Rows { count, version } => {
            json["matched"] = json!(count);
            if let Some(version) = version {
                json["version"] = json!(version_text(version));
            }
        }
    }
    json
}

/// The key of an operation with a condition.
fn key_of(op: &Op) -> &[u8] {
    match op {
        Op::Set(key, ..) | Op::Delete(key, _) | Op::Check(key, _) => key,
        _ => &[],
    }
}

impl From<BatchFailed> for Failure {
    fn from(failed: BatchFailed) -> Self {
        Self { index: failed.index, ..failed.error.into() }
    }
}

impl From<BatchError> for Failure {
    fn from(failed: BatchError) -> Self {
        let failure = match failed.cause {
            Cause::Db(error) => Self::from(error),
            Cause::Table(error) => Self::from(error),
        };
        Self { index: failed.index, ..failure }
    }
}
