//! What a surface lacks or does not show, and why. Nothing else excuses a difference between surfaces.

use serde_json::Value;

use crate::scenario::tables::{DeleteRow, GetRow, UpdateRow};
use crate::scenario::{BatchOperation, Condition, CursorFrom, Operation, Scenario, Span, Step};

/// Steps that a surface cannot express. The crate does them on the same database, so that later steps start from the same state.
pub(crate) struct Absent {
    surfaces: &'static [&'static str],
    pub(crate) what: &'static str,
    #[allow(dead_code, reason = "for readers")]
    reason: &'static str,
    is_such: fn(&Step) -> bool,
}

/// Plugins, on a server and in a page.
const GUESTS: &[&str] = &["guest", "page-guest"];
/// HTTP, and its clients.
const HTTP: &[&str] = &["http", "client", "python", "python-await", "go", "c-remote"];
/// The Python client, for threads and for await.
const PYTHON: &[&str] = &["python", "python-await"];

const ABSENT: &[Absent] = &[
    Absent {
        surfaces: GUESTS,
        what: "the change feed",
        reason: "plugins will be called with changes; they do not ask for them",
        is_such: |step| matches!(step.operation, Operation::Changes(_)),
    },
    Absent {
        surfaces: GUESTS,
        what: "batches across keys and tables",
        reason: "a transaction does the same",
        is_such: |step| matches!(step.operation, Operation::Batch(_)),
    },
    Absent {
        surfaces: GUESTS,
        what: "the change feed of rows",
        reason: "plugins will be called with changes; they do not ask for them",
        is_such: |step| matches!(step.operation, Operation::RowChanges(_)),
    },
    Absent {
        surfaces: &["page", "client", "python", "python-await"],
        what: "one feed of all tables and keys",
        reason: "pages and the client for them follow a table, or keys",
        is_such: |step| matches!(&step.operation, Operation::RowChanges(asked) if asked.table.is_none()),
    },
    Absent {
        surfaces: GUESTS,
        what: "listing and dropping buckets",
        reason: "a plugin knows the buckets that its grants name; that they exist is its operator's business",
        is_such: |step| matches!(step.operation, Operation::Buckets {} | Operation::DropBucket {}),
    },
    Absent {
        surfaces: GUESTS,
        what: "definitions of tables",
        reason: "what tables there are is their operator's business",
        is_such: |step| step.operation.defines_tables(),
    },
    Absent {
        surfaces: GUESTS,
        what: "deleting a span in several commits",
        reason: "a plugin deletes a span in a batch, and in transactions the scenarios do so",
        is_such: |step| matches!(step.operation, Operation::DeleteSpan { .. }) && step.transaction.is_none(),
    },
    Absent {
        surfaces: GUESTS,
        what: "committing twice",
        reason: "committing takes the transaction's handle away: there is nothing left to commit",
        is_such: |step| matches!(step.operation, Operation::CommitAgain {}),
    },
    Absent {
        surfaces: &["http"],
        what: "reading more than 1,000 keys at once",
        reason: "a batch of reads is how HTTP reads many keys, and has the limit of a batch",
        is_such: |step| matches!(&step.operation, Operation::GetMany { keys } if keys.0.len() > 1_000),
    },
    Absent {
        surfaces: &["http"],
        what: "a limit on the changes of a page",
        reason: "a client takes as many from the stream as it likes",
        is_such: |step| matches!(&step.operation, Operation::Changes(asked) if asked.limit != 100),
    },
    Absent {
        surfaces: HTTP,
        what: "a check that holds of anything",
        reason: "a check that says nothing is refused as a mistake",
        is_such: |step| {
            let says_nothing = |operation: &BatchOperation| {
                matches!(operation, BatchOperation::Check { r#if: Condition::Anything, .. })
            };
            matches!(&step.operation, Operation::Apply { ops } if ops.0.iter().any(says_nothing))
        },
    },
    Absent {
        surfaces: HTTP,
        what: "prefixes and bounds longer than the longest key",
        reason: "they are refused as parameters that cannot be right",
        is_such: |step| match &step.operation {
            Operation::Scan(scan) | Operation::ScanKeys(scan) => is_past_keys(&scan.span),
            _ => false,
        },
    },
    Absent {
        surfaces: HTTP,
        what: "tables without a name, and rows whose key is an empty text",
        reason: "a path has no empty part at its end; `k=eq.` as a filter names such a row",
        is_such: |step| match &step.operation {
            Operation::GetRow(GetRow { key, .. })
            | Operation::UpdateRow(UpdateRow { key, .. })
            | Operation::DeleteRow(DeleteRow { key, .. }) => *key == [""],
            Operation::CreateTable(create) => create.table.is_empty(),
            _ => false,
        },
    },
    Absent {
        surfaces: &["client", "go", "c-remote"],
        what: "rows whose key is a dot, or two",
        reason: "URLs leave such parts of a path out, encoded or not",
        is_such: |step| match &step.operation {
            Operation::GetRow(GetRow { key, .. })
            | Operation::UpdateRow(UpdateRow { key, .. })
            | Operation::DeleteRow(DeleteRow { key, .. }) => *key == ["."] || *key == [".."],
            _ => false,
        },
    },
    Absent {
        surfaces: &["c-remote"],
        what: "an order of a write",
        reason: "it is a batch of one operation on a server, which has none: `unsupported-remote`",
        is_such: |step| match &step.operation {
            Operation::UpdateRows(update) => !update.order.is_empty(),
            Operation::DeleteRows(delete) => !delete.order.is_empty(),
            _ => false,
        },
    },
    Absent {
        surfaces: PYTHON,
        what: "statements on rows outside of batches",
        reason: "postgrest-py has them, unmodified: `tests/clients` and `embed/python/tests`",
        is_such: |step| step.operation.is_of_rows(),
    },
    Absent {
        surfaces: GUESTS,
        what: "U+0000 escaped in JSON",
        reason: "a plugin writes typed values: it has the character itself, which is refused with another code",
        is_such: |step| match &step.operation {
            Operation::InsertRows(insert) => serde_json::to_string(insert).is_ok_and(|text| text.contains("\\u0000")),
            _ => false,
        },
    },
    Absent {
        surfaces: &["http", "client", "page", "go", "c-remote"],
        what: "an argument that is not given",
        reason: "a client writes arguments in their places itself",
        is_such: |step| match &step.operation {
            Operation::SelectRows(asked) => names_more(&asked.filter, asked.arguments.len()),
            _ => false,
        },
    },
    Absent {
        surfaces: &["page", "client", "python", "python-await", "go", "go-cgo"],
        what: "a limit on the changes of a page that is out of range",
        reason: "a feed has no pages: whoever reads it stops when it likes",
        is_such: |step| matches!(&step.operation, Operation::Changes(asked) if !(1..=1_000).contains(&asked.limit)),
    },
    Absent {
        surfaces: &["http", "go", "go-cgo", "c-remote"],
        what: "an empty cursor",
        reason: "a parameter without a value is refused before anybody looks at it, and in Go an empty text is none",
        is_such: |step| match &step.operation {
            Operation::Scan(scan) | Operation::ScanKeys(scan) => {
                matches!(&scan.cursor, Some(CursorFrom::MadeUp(bytes)) if bytes.0.is_empty())
            }
            _ => false,
        },
    },
];

/// Whether a filter names an argument after the last one.
fn names_more(filter: &str, arguments: usize) -> bool {
    (arguments + 1..10).any(|place| filter.contains(&format!("${place}")))
}

fn is_past_keys(span: &Span) -> bool {
    let is_long = |key: &crate::data::Data| key.0.len() > 4_096;
    match span {
        Span::All => false,
        Span::Prefix(prefix) => is_long(prefix),
        Span::Between { start, end } => start.iter().chain(end).any(is_long),
    }
}

/// What the step needs and the surface lacks.
pub(crate) fn lacking(surface: &str, step: &Step) -> Option<&'static str> {
    ABSENT.iter().find(|absent| absent.surfaces.contains(&surface) && (absent.is_such)(step)).map(|absent| absent.what)
}

/// Scenarios that a surface does not run.
pub(crate) fn runs(surface: &str, scenario: &Scenario) -> bool {
    // On other surfaces buckets are dropped by a call that transactions do not have.
    let drops_inside = |step: &Step| matches!(step.operation, Operation::DropBucket {}) && step.transaction.is_some();
    if !["db", "http", "c"].contains(&surface) && scenario.steps.iter().any(drops_inside) {
        return false;
    }
    // What is done beside a surface is no part of its transactions.
    let applies_inside = |step: &Step| {
        (matches!(step.operation, Operation::Batch(_)) || step.operation.is_of_rows()) && step.transaction.is_some()
    };
    if scenario.steps.iter().any(|step| applies_inside(step) && lacking(surface, step).is_some()) {
        return false;
    }
    // Tables are defined by calls that transactions do not have.
    let defines_inside = |step: &Step| step.operation.defines_tables() && step.transaction.is_some();
    if ["page", "client", "python", "python-await", "go", "go-cgo"].contains(&surface)
        && scenario.steps.iter().any(defines_inside)
    {
        return false;
    }
    match surface {
        // Requests have no identity yet: every client of the listener may do everything.
        "http" | "client" | "python" | "python-await" | "go" | "c-remote" => scenario.grants.is_none(),
        // A page is its own only user, and sets one limit. Its plugins have the grants that it gives them.
        "page" | "page-guest" => {
            let is_writable = |step: &Step| !matches!(step.operation, Operation::CloseForWrites {});
            let sets = |name: &String| name == "store_bytes_max";
            // What is done beside a plugin, the page does, which may do everything.
            let is_granted = scenario.grants.is_none()
                || surface == "page-guest" && scenario.steps.iter().all(|step| lacking(surface, step).is_none());
            is_granted && scenario.limits.keys().all(sets) && scenario.steps.iter().all(is_writable)
        }
        _ => true,
    }
}

/// Parts of answers that a surface does not show. They are removed on both sides before answers are compared.
pub(crate) struct Unseen {
    surfaces: &'static [&'static str],
    #[allow(dead_code, reason = "for readers")]
    what: &'static str,
    #[allow(dead_code, reason = "for readers")]
    reason: &'static str,
    hide: fn(&mut Value),
}

const UNSEEN: &[Unseen] = &[
    Unseen {
        surfaces: GUESTS,
        what: "the message about a value that is none of its type",
        reason: "a plugin's values have types: what is none of its column's is handed over as text, and the message is about that text",
        hide: |line| {
            if line["error"] == "22P02" {
                line["message"] = Value::Null;
            }
        },
    },
    Unseen {
        surfaces: &["http"],
        what: "milliseconds of the time of a write",
        reason: "`Last-Modified` has seconds",
        hide: |line| {
            if let Some(modified_ms) = line.pointer_mut("/entry/modified_ms") {
                *modified_ms = (modified_ms.as_u64().unwrap() / 1_000 * 1_000).into();
            }
        },
    },
    Unseen {
        surfaces: &["http", "client", "page", "python", "python-await", "go", "c-remote"],
        what: "that a refusing key was written by the same transaction",
        reason: "what is not committed has no version, and so no `ETag`; a page's batches answer as a server's",
        hide: |line| match line.get_mut("refused") {
            Some(Value::Array(refusals)) => {
                for refusal in refusals {
                    without_zero(&mut refusal["current"]);
                }
            }
            Some(current) => without_zero(current),
            None => {}
        },
    },
    Unseen {
        surfaces: &["c", "go-cgo"],
        what: "that a key that refuses a batch was written by the same transaction",
        reason: "batches across keys and tables have the JSON of HTTP, where what is not committed has no version",
        hide: |line| {
            if let Some(Value::Array(refusals)) = line.get_mut("refused") {
                for refusal in refusals {
                    without_zero(&mut refusal["current"]);
                }
            }
        },
    },
    Unseen {
        surfaces: &["page", "client", "python", "python-await"],
        what: "that a row's version was refused, rather than a key's",
        reason: "pages have one name for both",
        hide: |line| {
            if line["error"] == "PT412" {
                line["error"] = "precondition-failed".into();
            }
        },
    },
    Unseen {
        surfaces: HTTP,
        what: "the version at which there was no row to change",
        reason: "the answer is 404, without a commit",
        hide: |line| {
            if line["changed"] == 0 {
                line["version"] = Value::Null;
                line.as_object_mut().unwrap().remove("durable");
            }
        },
    },
    Unseen {
        surfaces: &["http", "page", "client", "python", "python-await", "go", "go-cgo"],
        what: "that a page of changes ends where the feed does",
        reason: "the stream goes on; who waits for more learns that there is none",
        hide: hide_end,
    },
];

fn hide_end(line: &mut Value) {
    if line.get("changes").is_some() {
        line["at_end"] = Value::Null;
    }
}

fn without_zero(version: &mut Value) {
    if version.as_u64() == Some(0) {
        *version = Value::Null;
    }
}

/// A transcript's line as far as the surface can show it.
pub(crate) fn seen(surface: &str, line: &Value) -> Value {
    let mut line = line.clone();
    if line.is_object() {
        UNSEEN.iter().filter(|unseen| unseen.surfaces.contains(&surface)).for_each(|unseen| (unseen.hide)(&mut line));
    }
    line
}
