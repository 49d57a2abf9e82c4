//! The outcome of an operation, in a form that every surface can produce.

mod across;
mod rows;

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::data::shown;

pub(crate) use self::across::{Event, Found, RowsResult};
pub(crate) use self::rows::{Rows, exact};

/// Lists longer than this are shown by their length, their ends and a hash.
const LISTED_MAX: usize = 16;

/// The line of a step that was skipped.
pub(crate) const ABSENT: &str = "absent";

type Bytes = Vec<u8>;

/// The answer to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(Option<Bytes>),
    Entry(Option<Entry>),
    Values(Vec<Option<Bytes>>),
    Written(Commit),
    /// Not as expected: the version of the present value.
    Refused {
        current: Option<u64>,
    },
    Deleted {
        existed: bool,
        commit: Commit,
    },
    Number {
        number: i64,
        commit: Commit,
    },
    Page {
        entries: Vec<Listed>,
        more: bool,
    },
    KeyPage {
        keys: Vec<Bytes>,
        more: bool,
    },
    Count(u64),
    DeletedKeys {
        count: u64,
        commit: Commit,
    },
    Applied {
        commit: Commit,
        results: Vec<BatchResult>,
    },
    /// The operations that were refused, each with the version of the present value.
    BatchRefused(Vec<(usize, Option<u64>)>),
    Begun,
    Committed(Commit),
    RolledBack,
    Clock {
        now_ms: u64,
    },
    Changes {
        changes: Vec<Change>,
        at_end: bool,
    },
    Buckets(Vec<(String, u64)>),
    Closed,
    /// Whether the table was new.
    Created(bool),
    Altered,
    Dropped,
    /// A table's definition.
    Definition(Value),
    Tables(Vec<String>),
    /// A row with its version.
    Row(Option<(Rows, u64)>),
    Rows(Rows),
    /// Lines of a plan.
    Plan(Vec<String>),
    /// A write of rows: how many, and what they are if asked for.
    Changed {
        count: u64,
        commit: Commit,
        returned: Option<Rows>,
    },
    /// A batch across keys and tables.
    BatchDone {
        commit: Commit,
        results: Vec<RowsResult>,
    },
    /// The operations whose condition did not hold, each with what was found.
    BatchStopped(Vec<(usize, Found)>),
    /// The operation that failed, if it was one, and why.
    BatchFailed {
        operation: Option<usize>,
        error: Box<Answer>,
    },
    /// Changes of rows, of definitions and of keys.
    Events(Vec<Event>),
    /// A `mantis_db::Code`.
    Error(String),
    /// A code of tables, and the message.
    TableError {
        code: String,
        message: String,
    },
    /// The surface lacks it, and it was not done in another way.
    Absent,
    /// The line of a surface that formats its answers itself, except for long lists.
    Line(Value),
}

/// What a write learns of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    /// 0 in a transaction that is open.
    pub(crate) version: u64,
    pub(crate) durable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Bytes,
    pub(crate) media_type: String,
    pub(crate) version: u64,
    pub(crate) modified_ms: u64,
    pub(crate) expires_at_ms: Option<u64>,
}

/// An entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BatchResult {
    /// The value with its version.
    Entry(Option<(Bytes, u64)>),
    Done,
    Deleted(u64),
    Number(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// `put` or `delete`.
    pub(crate) kind: String,
    pub(crate) bucket: String,
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
    pub(crate) version: u64,
    pub(crate) previous_version: Option<u64>,
}

impl Answer {
    /// The line of the transcript.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Value(value) => json!({ "value": optional(value.as_deref()) }),
            Self::Entry(entry) => json!({ "entry": entry.as_ref().map(Entry::to_json) }),
            Self::Values(values) => {
                json!({ "values": listed(values.iter().map(|value| optional(value.as_deref())).collect()) })
            }
            Self::Written(commit) => commit.line("written", json!({})),
            Self::Refused { current } => json!({ "refused": current }),
            Self::Deleted { existed, commit } => commit.line("version", json!({ "deleted": existed })),
            Self::Number { number, commit } => commit.line("version", json!({ "number": number })),
            Self::Page { entries, more } => {
                json!({ "entries": listed(entries.iter().map(Listed::to_json).collect()), "more": more })
            }
            Self::KeyPage { keys, more } => {
                json!({ "keys": listed(keys.iter().map(|key| shown(key)).collect()), "more": more })
            }
            Self::Count(count) => json!({ "count": count }),
            Self::DeletedKeys { count, commit } => commit.line("version", json!({ "deleted_keys": count })),
            Self::Applied { commit, results } => {
                let results = listed(results.iter().map(BatchResult::to_json).collect());
                commit.line("applied", json!({ "results": results }))
            }
            Self::BatchRefused(refusals) => json!({ "refused": listed(
                refusals.iter().map(|(index, current)| json!({ "index": index, "current": current })).collect()
            ) }),
            Self::Begun => "begun".into(),
            Self::Committed(commit) => commit.line("committed", json!({})),
            Self::RolledBack => "rolled back".into(),
            Self::Clock { now_ms } => json!({ "now_ms": now_ms }),
            Self::Changes { changes, at_end } => {
                json!({ "changes": listed(changes.iter().map(Change::to_json).collect()), "at_end": at_end })
            }
            Self::Buckets(buckets) => json!({ "buckets": buckets }),
            Self::Closed => "closed".into(),
            Self::Created(is_new) => json!({ "created": is_new }),
            Self::Altered => "altered".into(),
            Self::Dropped => "dropped".into(),
            Self::Definition(document) => json!({ "table": document }),
            Self::Tables(names) => json!({ "tables": names }),
            Self::Row(None) => json!({ "row": null }),
            Self::Row(Some((rows, version))) => {
                json!({ "row": rows.rows[0], "columns": rows.columns, "version": version })
            }
            Self::Rows(rows) => with_rows(json!({}), rows),
            Self::Plan(lines) => json!({ "plan": lines }),
            Self::Changed { count, commit, returned } => {
                let line = commit.line("version", json!({ "changed": count }));
                returned.as_ref().map_or(line.clone(), |rows| with_rows(line, rows))
            }
            Self::BatchDone { commit, results } => {
                let results = listed(results.iter().map(RowsResult::to_json).collect());
                commit.line("applied", json!({ "results": results }))
            }
            Self::BatchStopped(refusals) => {
                json!({ "refused": listed(refusals.iter().map(|(index, found)| found.to_json(*index)).collect()) })
            }
            Self::BatchFailed { operation, error } => {
                let mut line = error.to_json();
                if let Some(operation) = operation {
                    line["operation"] = (*operation).into();
                }
                line
            }
            Self::Events(events) => {
                json!({ "changes": listed(events.iter().map(Event::to_json).collect()), "at_end": true })
            }
            Self::Error(code) => json!({ "error": code }),
            Self::TableError { code, message } => json!({ "error": code, "message": message }),
            Self::Absent => ABSENT.into(),
            Self::Line(line) => with_lists_shown(line),
        }
    }
}

/// The line with rows in it. Without a row there are no columns: HTTP shows them as the members of rows.
fn with_rows(mut line: Value, rows: &Rows) -> Value {
    if !rows.columns.is_empty() {
        line["columns"] = rows.columns.clone().into();
    }
    line["rows"] = listed(rows.rows.clone());
    line
}

impl Commit {
    /// The line with the commit in it. Not being durable is usual, and left out.
    fn line(self, name: &str, mut line: Value) -> Value {
        line[name] = self.version.into();
        if self.durable {
            line["durable"] = true.into();
        }
        line
    }
}

/// The expected answer on a disk, given the one in memory: an answered commit is durable.
pub(crate) fn durable(line: &Value) -> Value {
    let mut line = line.clone();
    let commits = ["written", "applied", "committed", "version"];
    // A row's version is that of a commit before.
    let is_read = line.get("row").is_some();
    if !is_read && commits.iter().any(|name| line.get(name).and_then(Value::as_u64).is_some_and(|version| version > 0))
    {
        line["durable"] = true.into();
    }
    line
}

impl Entry {
    /// Usual values are left out.
    fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("value".into(), shown(&self.value));
        fields.insert("version".into(), self.version.into());
        fields.insert("modified_ms".into(), self.modified_ms.into());
        if self.media_type != "application/octet-stream" {
            fields.insert("media_type".into(), self.media_type.as_str().into());
        }
        if let Some(expires_at_ms) = self.expires_at_ms {
            fields.insert("expires_at_ms".into(), expires_at_ms.into());
        }
        fields.into()
    }
}

impl Listed {
    fn to_json(&self) -> Value {
        json!([shown(&self.key), shown(&self.value), self.version])
    }
}

impl BatchResult {
    fn to_json(&self) -> Value {
        match self {
            Self::Entry(None) => json!({ "value": null }),
            Self::Entry(Some((value, version))) => json!({ "value": shown(value), "version": version }),
            Self::Done => "done".into(),
            Self::Deleted(count) => json!({ "deleted": count }),
            Self::Number(number) => json!({ "number": number }),
        }
    }
}

impl Change {
    fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert(self.kind.clone(), shown(&self.key));
        if self.bucket != "default" {
            fields.insert("bucket".into(), self.bucket.as_str().into());
        }
        if let Some(value) = &self.value {
            fields.insert("value".into(), shown(value));
        }
        fields.insert("version".into(), self.version.into());
        if let Some(previous_version) = self.previous_version {
            fields.insert("previous".into(), previous_version.into());
        }
        fields.into()
    }
}

fn with_lists_shown(line: &Value) -> Value {
    let Value::Object(fields) = line else { return line.clone() };
    let shown = |value: &Value| match value {
        Value::Array(items) => listed(items.clone()),
        other => other.clone(),
    };
    fields.iter().map(|(name, value)| (name.clone(), shown(value))).collect()
}

fn optional(value: Option<&[u8]>) -> Value {
    value.map_or(Value::Null, shown)
}

/// A list, or what distinguishes it from others if it is long.
fn listed(items: Vec<Value>) -> Value {
    if items.len() <= LISTED_MAX {
        return items.into();
    }
    let mut hasher = DefaultHasher::new();
    for item in &items {
        item.to_string().hash(&mut hasher);
    }
    json!({ "length": items.len(), "first": items.first(), "last": items.last(), "hash": hasher.finish() })
}

/// The line as far as an expectation that a person wrote says something of it: without hashes, and without the order of columns and the
/// message of an error where it names none.
pub(crate) fn comparable(line: &Value, expected: &Value) -> Value {
    let mut line = without_hashes(line);
    if let Some(fields) = line.as_object_mut() {
        fields.retain(|name, _| !["columns", "message"].contains(&name.as_str()) || expected.get(name).is_some());
    }
    line
}

fn without_hashes(line: &Value) -> Value {
    match line {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "hash")
            .map(|(name, value)| (name.clone(), without_hashes(value)))
            .collect(),
        other => other.clone(),
    }
}
