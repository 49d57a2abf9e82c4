//! What a surface does not have and does not show, and why. Nothing else excuses a difference between surfaces.

use serde_json::{Value, json};

use crate::scenario::{BatchOperation, Condition, CursorFrom, Operation, Scenario, Span, Step};

/// Steps that a surface cannot express. They are done beside it, by the crate on the same database, so that what follows begins
/// with the same state.
pub(crate) struct Absent {
    surface: &'static str,
    pub(crate) what: &'static str,
    #[allow(dead_code, reason = "for readers")]
    reason: &'static str,
    is_such: fn(&Step) -> bool,
}

const ABSENT: &[Absent] = &[
    Absent {
        surface: "guest",
        what: "the change feed",
        reason: "plugins will be called with changes; they do not ask for them",
        is_such: |step| matches!(step.operation, Operation::Changes(_)),
    },
    Absent {
        surface: "guest",
        what: "listing and dropping buckets",
        reason: "a plugin knows the buckets that its grants name; that they exist is its operator's business",
        is_such: |step| matches!(step.operation, Operation::Buckets {} | Operation::DropBucket {}),
    },
    Absent {
        surface: "guest",
        what: "deleting a span in several commits",
        reason: "a plugin deletes a span in a batch, and in transactions the scenarios do so",
        is_such: |step| matches!(step.operation, Operation::DeleteSpan { .. }) && step.transaction.is_none(),
    },
    Absent {
        surface: "guest",
        what: "committing twice",
        reason: "committing takes the transaction's handle away: there is nothing left to commit",
        is_such: |step| matches!(step.operation, Operation::CommitAgain {}),
    },
    Absent {
        surface: "http",
        what: "reading more than 1,000 keys at once",
        reason: "a batch of reads is how HTTP reads many keys, and has the limit of a batch",
        is_such: |step| matches!(&step.operation, Operation::GetMany { keys } if keys.0.len() > 1_000),
    },
    Absent {
        surface: "http",
        what: "deleting from one key to another",
        reason: "`DELETE /kv` takes a prefix or everything: a forgotten bound would delete too much",
        is_such: |step| matches!(step.operation, Operation::DeleteSpan { span: Span::Between { .. } }),
    },
    Absent {
        surface: "http",
        what: "media types, milliseconds and spans in batches",
        reason: "the JSON of a batch has none of them",
        is_such: |step| matches!(&step.operation, Operation::Apply { ops } if ops.0.iter().any(is_past_json)),
    },
    Absent {
        surface: "http",
        what: "a limit on the changes of a page",
        reason: "a client takes as many from the stream as it likes",
        is_such: |step| matches!(&step.operation, Operation::Changes(asked) if asked.limit != 100),
    },
    Absent {
        surface: "http",
        what: "prefixes and bounds longer than the longest key",
        reason: "they are refused as parameters that cannot be right",
        is_such: |step| match &step.operation {
            Operation::Scan(scan) | Operation::ScanKeys(scan) => is_past_keys(&scan.span),
            _ => false,
        },
    },
    Absent {
        surface: "page",
        what: "a limit on the changes of a page that is out of range",
        reason: "a feed has no pages: whoever reads it stops when it likes",
        is_such: |step| matches!(&step.operation, Operation::Changes(asked) if !(1..=1_000).contains(&asked.limit)),
    },
    Absent {
        surface: "client",
        what: "the change feed",
        reason: "a stream over a network tells of no end that a transcript could show; `web/tests` follow it",
        is_such: |step| matches!(step.operation, Operation::Changes(_)),
    },
    Absent {
        surface: "http",
        what: "an empty cursor",
        reason: "a parameter without a value is refused before anybody looks at it",
        is_such: |step| match &step.operation {
            Operation::Scan(scan) | Operation::ScanKeys(scan) => {
                matches!(&scan.cursor, Some(CursorFrom::MadeUp(bytes)) if bytes.0.is_empty())
            }
            _ => false,
        },
    },
];

/// A check that holds of anything is refused as a mistake.
fn is_past_json(operation: &BatchOperation) -> bool {
    match operation {
        BatchOperation::Set(set) => set.media_type.is_some() || set.ttl_ms.is_some(),
        BatchOperation::DeleteSpan { .. } => true,
        BatchOperation::Check { r#if, .. } => *r#if == Condition::Anything,
        _ => false,
    }
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
    ABSENT.iter().find(|absent| absent.surface == surface && (absent.is_such)(step)).map(|absent| absent.what)
}

/// Scenarios that a surface does not run.
pub(crate) fn runs(surface: &str, scenario: &Scenario) -> bool {
    match surface {
        // Requests have no identity yet: whoever reaches the listener may do everything.
        "http" | "client" => scenario.grants.is_none(),
        // A page is its own only user, and sets one limit.
        "page" => {
            let is_writable = |step: &Step| !matches!(step.operation, Operation::CloseForWrites {});
            let sets = |name: &String| name == "store_bytes_max";
            scenario.grants.is_none() && scenario.limits.keys().all(sets) && scenario.steps.iter().all(is_writable)
        }
        _ => true,
    }
}

/// Parts of answers that a surface does not show. They are taken out on both sides before its answers are compared.
pub(crate) struct Unseen {
    surface: &'static str,
    #[allow(dead_code, reason = "for readers")]
    what: &'static str,
    #[allow(dead_code, reason = "for readers")]
    reason: &'static str,
    hide: fn(&Step, &mut Value),
}

const UNSEEN: &[Unseen] = &[
    Unseen {
        surface: "http",
        what: "milliseconds of the time of a write",
        reason: "`Last-Modified` has seconds",
        hide: |_, line| {
            if let Some(modified_ms) = line.pointer_mut("/entry/modified_ms") {
                *modified_ms = (modified_ms.as_u64().unwrap() / 1_000 * 1_000).into();
            }
        },
    },
    Unseen {
        surface: "http",
        what: "the version of a deletion",
        reason: "`ETag` is a header of what exists",
        hide: |step, line| {
            if matches!(step.operation, Operation::DeleteIf { .. }) && line.get("written").is_some() {
                *line = json!({ "written": null });
            }
        },
    },
    Unseen {
        surface: "http",
        what: "that a refusing key was written by the same transaction",
        reason: "what is not committed has no version, and so no `ETag`",
        hide: |_, line| match line.get_mut("refused") {
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
        surface: "http",
        what: "whether a deletion in a batch found its key",
        reason: "its result shows the version that it was done at",
        hide: |_, line| {
            if let Some(results) = line.get_mut("results").and_then(Value::as_array_mut) {
                for result in results.iter_mut().filter(|result| result.get("deleted").is_some()) {
                    *result = "done".into();
                }
            }
        },
    },
    Unseen {
        surface: "http",
        what: "the version that a batch of reads saw",
        reason: "each result shows the version of its own key",
        hide: |_, line| {
            if let Some(results) = line.get("results").and_then(Value::as_array)
                && results.iter().all(|result| result.get("value").is_some())
            {
                line["applied"] = Value::Null;
            }
        },
    },
    Unseen {
        surface: "page",
        what: "that a page of changes ends where the feed does",
        reason: "the feed goes on",
        hide: hide_end,
    },
    Unseen {
        surface: "http",
        what: "that a page of changes ends where the feed does",
        reason: "the stream goes on; a page that is waited for ends when nothing more has come",
        hide: hide_end,
    },
];

fn hide_end(_: &Step, line: &mut Value) {
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
pub(crate) fn seen(surface: &str, step: &Step, line: &Value) -> Value {
    let mut line = line.clone();
    if line.is_object() {
        UNSEEN.iter().filter(|unseen| unseen.surface == surface).for_each(|unseen| (unseen.hide)(step, &mut line));
    }
    line
}
