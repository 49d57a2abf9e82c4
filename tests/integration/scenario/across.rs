//! The form of the steps across keys and tables: batches of both, and the change feed of rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tables::{OnConflict, Row, RowList};
use super::{BatchOperation, CursorFrom};

/// Operations in their order, all or nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    pub(crate) ops: Vec<OperationAcross>,
}

/// One on rows where it names a table, else one on keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", untagged)]
pub(crate) enum OperationAcross {
    Rows(Box<RowsOperation>),
    Keys(KeysOperation),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeysOperation {
    #[serde(default = "default_bucket")]
    pub(crate) bucket: String,
    #[serde(flatten)]
    pub(crate) operation: BatchOperation,
}

fn default_bucket() -> String {
    "default".to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Select,
    Insert,
    Update,
    Delete,
    Check,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowsOperation {
    pub(crate) op: Verb,
    pub(crate) table: String,
    #[serde(default)]
    pub(crate) filter: String,
    /// A value, or a list of them; an object names what an earlier operation made.
    #[serde(default)]
    pub(crate) arguments: Vec<Value>,
    /// What a select shows, or shows of written rows, which are not shown without one.
    #[serde(default)]
    pub(crate) select: Option<String>,
    #[serde(default)]
    pub(crate) order: String,
    #[serde(default)]
    pub(crate) limit: Option<u64>,
    #[serde(default)]
    pub(crate) offset: Option<u64>,
    #[serde(default)]
    pub(crate) rows: Option<RowList>,
    #[serde(default)]
    pub(crate) set: Option<Row>,
    /// Columns with values that earlier operations made.
    #[serde(default)]
    pub(crate) from: BTreeMap<String, Made>,
    #[serde(default)]
    pub(crate) on_conflict: OnConflict,
    #[serde(default)]
    pub(crate) conflict_columns: Vec<String>,
    #[serde(default)]
    pub(crate) matches: Option<Matches>,
    #[serde(default)]
    pub(crate) if_version: Option<u64>,
}

/// A column of the primary key of the one row that an earlier operation wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    pub(crate) operation: u64,
    pub(crate) column: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Matches {
    Exactly(u64),
    Between {
        #[serde(default)]
        min: u64,
        #[serde(default)]
        max: Option<u64>,
    },
}

impl TryFrom<Value> for OperationAcross {
    type Error = serde_json::Error;

    fn try_from(written: Value) -> Result<Self, serde_json::Error> {
        if written.get("table").is_some() {
            serde_json::from_value(written).map(Self::Rows)
        } else {
            serde_json::from_value(written).map(Self::Keys)
        }
    }
}

/// Changes after a cursor, from the beginning if there is none: of one table's rows and definition, or of everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowChanges {
    #[serde(default)]
    pub(crate) table: Option<String>,
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default)]
    pub(crate) select: String,
    #[serde(default)]
    pub(crate) since: Option<CursorFrom>,
}
