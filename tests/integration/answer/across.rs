//! Answers across keys and tables: the results of a batch, and changes of rows.

use serde_json::{Value, json};

use super::{BatchResult, Change, Rows};

/// The result of one operation of a batch on keys and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowsResult {
    Key(BatchResult),
    Selected(Rows),
    Inserted { inserted: u64, updated: u64, returned: Option<Rows> },
    Updated { count: u64, returned: Option<Rows> },
    Deleted { count: u64, returned: Option<Rows> },
    Checked,
}

impl RowsResult {
    pub(super) fn to_json(&self) -> Value {
        let with = |mut line: Value, rows: Option<&Rows>| {
            if let Some(rows) = rows {
                line["rows"] = rows.rows.clone().into();
            }
            line
        };
        match self {
            Self::Key(result) => result.to_json(),
            Self::Selected(rows) => with(json!({}), Some(rows)),
            Self::Inserted { inserted, updated, returned } => {
                with(json!({ "inserted": inserted, "updated": updated }), returned.as_ref())
            }
            Self::Updated { count, returned } => with(json!({ "updated": count }), returned.as_ref()),
            Self::Deleted { count, returned } => with(json!({ "deleted": count }), returned.as_ref()),
            Self::Checked => "done".into(),
        }
    }
}

/// What was found in place of what a condition expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Key { current: Option<u64> },
    Rows { matched: u64, version: Option<u64> },
}

impl Found {
    pub(super) fn to_json(&self, index: usize) -> Value {
        match self {
            Self::Key { current } => json!({ "index": index, "current": current }),
            Self::Rows { matched, version: None } => json!({ "index": index, "matched": matched }),
            Self::Rows { matched, version } => json!({ "index": index, "matched": matched, "version": version }),
        }
    }
}

/// A change of a row, of a definition, or of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Key(Change),
    Row {
        /// `insert`, `update` or `delete`.
        kind: String,
        table: String,
        schema_version: u64,
        key: Option<Rows>,
        row: Option<Rows>,
        old: Option<Rows>,
        matches_old: Option<bool>,
        matches_new: bool,
        version: u64,
        previous_version: Option<u64>,
    },
    Table {
        /// `create`, `alter` or `drop`.
        kind: String,
        table: String,
        schema_version: u64,
        /// The names of its columns; none where it is gone.
        columns: Option<Vec<String>>,
        version: u64,
        previous_version: Option<u64>,
    },
}

impl Event {
    pub(super) fn to_json(&self) -> Value {
        let one = |rows: &Option<Rows>| rows.as_ref().map_or(Value::Null, |rows| rows.rows[0].clone());
        let (mut line, previous_version) = match self {
            Self::Key(change) => return change.to_json(),
            Self::Row {
                kind,
                table,
                schema_version,
                key,
                row,
                old,
                matches_old,
                matches_new,
                version,
                previous_version,
            } => {
                let line = json!({
                    "kind": kind, "table": table, "schema": schema_version, "key": one(key), "row": one(row),
                    "old": one(old), "matches": [matches_old, matches_new], "version": version,
                });
                (line, previous_version)
            }
            Self::Table { kind, table, schema_version, columns, version, previous_version } => {
                let line = json!({
                    "kind": kind, "table": table, "schema": schema_version, "columns": columns, "version": version,
                });
                (line, previous_version)
            }
        };
        if let Some(previous_version) = previous_version {
            line["previous"] = (*previous_version).into();
        }
        line
    }
}
