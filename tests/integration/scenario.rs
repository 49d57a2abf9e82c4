//! The form of the data: scenarios, steps, operations. README.md beside the data describes it for those who write it.

pub(crate) mod across;
pub(crate) mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::data::Data;

use self::across::{Batch, RowChanges};
use self::tables::{
    AlterTable, CreateTable, DeleteRow, DeleteRows, GetRow, InsertRows, RowQuery, UpdateManyRows, UpdateRow, UpdateRows,
};

/// A file of `../scenarios`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the scenarios are about.
    #[allow(dead_code, reason = "for readers of the data")]
    about: String,
    scenarios: Vec<Scenario>,
}

/// Steps that begin with an empty database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Limits that differ from the default, by their names in `mantis_db::Limits`.
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, u64>,
    /// `read` or `write` by bucket, and by `table/` and a table's name. When given, the steps may touch nothing else.
    #[serde(default)]
    pub(crate) grants: Option<BTreeMap<String, GrantedAccess>>,
    /// Steps that the crate does first, whatever the grants.
    #[serde(default)]
    pub(crate) before: Vec<Step>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GrantedAccess {
    Read,
    Write,
}

/// An operation, where it is done, and its expected outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    pub(crate) bucket: String,
    /// The transaction in which it is done.
    #[serde(rename = "in")]
    pub(crate) transaction: Option<String>,
    /// The name under which later steps find its cursor.
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    #[serde(skip)]
    pub(crate) expect: Value,
}

/// The operations of all surfaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Operation {
    Get {
        key: Data,
    },
    GetEntry {
        key: Data,
    },
    GetMany {
        keys: Keys,
    },
    Set {
        key: Data,
        value: Data,
    },
    SetWith(Set),
    Delete {
        key: Data,
    },
    DeleteIf {
        key: Data,
        r#if: Condition,
    },
    Increment {
        key: Data,
        by: i64,
    },
    Scan(Scan),
    ScanKeys(Scan),
    Count {
        #[serde(default)]
        span: Span,
    },
    DeleteSpan {
        span: Span,
    },
    Apply {
        ops: BatchOperations,
    },
    Begin {},
    Commit {},
    /// A second commit of a transaction that has ended.
    CommitAgain {},
    Rollback {},
    AdvanceClock {
        ms: u64,
    },
    Changes(Changes),
    Buckets {},
    DropBucket {},
    /// From now on the database takes no writes.
    CloseForWrites {},
    CreateTable(CreateTable),
    AlterTable(AlterTable),
    DropTable {
        table: String,
    },
    DescribeTable {
        table: String,
    },
    Tables {},
    GetRow(GetRow),
    SelectRows(RowQuery),
    CountRows(RowQuery),
    ExplainRows(RowQuery),
    InsertRows(InsertRows),
    UpdateRows(UpdateRows),
    UpdateRow(UpdateRow),
    UpdateManyRows(UpdateManyRows),
    DeleteRows(DeleteRows),
    DeleteRow(DeleteRow),
    Batch(Batch),
    RowChanges(RowChanges),
}

impl Operation {
    /// Whether it is about the definition of tables.
    pub(crate) fn defines_tables(&self) -> bool {
        use Operation as O;
        matches!(
            self,
            O::CreateTable(_) | O::AlterTable(_) | O::DropTable { .. } | O::DescribeTable { .. } | O::Tables {}
        )
    }

    /// Whether it may be about keys and tables at once.
    pub(crate) fn is_across(&self) -> bool {
        matches!(self, Self::Batch(_) | Self::RowChanges(_))
    }

    /// Whether it is about rows of tables.
    pub(crate) fn is_of_rows(&self) -> bool {
        use Operation as O;
        matches!(self, O::GetRow(_) | O::SelectRows(_) | O::CountRows(_) | O::ExplainRows(_) | O::InsertRows(_))
            || matches!(
                self,
                O::UpdateRows(_) | O::UpdateRow(_) | O::UpdateManyRows(_) | O::DeleteRows(_) | O::DeleteRow(_)
            )
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    pub(crate) key: Data,
    pub(crate) value: Data,
    #[serde(default)]
    pub(crate) media_type: Option<String>,
    #[serde(default)]
    pub(crate) ttl_ms: Option<u64>,
    #[serde(default)]
    pub(crate) r#if: Condition,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    #[default]
    Anything,
    Absent,
    Present,
    Version(u64),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Span {
    #[default]
    All,
    Prefix(Data),
    Between {
        #[serde(default)]
        start: Option<Data>,
        #[serde(default)]
        end: Option<Data>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scan {
    #[serde(default)]
    pub(crate) span: Span,
    #[serde(default)]
    pub(crate) reverse: bool,
    #[serde(default = "page_default")]
    pub(crate) limit: u32,
    #[serde(default)]
    pub(crate) cursor: Option<CursorFrom>,
}

fn page_default() -> u32 {
    100
}

/// The origin of a cursor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CursorFrom {
    /// The answer to the step of this name.
    Step(String),
    /// No origin: bytes that no scan made.
    MadeUp(Data),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// After the cursor of this step; from the beginning if there is none.
    #[serde(default)]
    pub(crate) since: Option<CursorFrom>,
    /// Of one bucket only.
    #[serde(default)]
    pub(crate) of: Option<String>,
    #[serde(default)]
    pub(crate) prefix: Option<Data>,
    #[serde(default = "page_default")]
    pub(crate) limit: u32,
}

/// An operation of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum BatchOperation {
    Get {
        key: Data,
    },
    Set(Set),
    Delete {
        key: Data,
        #[serde(default)]
        r#if: Condition,
    },
    DeleteSpan {
        span: Span,
    },
    Increment {
        key: Data,
        by: i64,
    },
    Check {
        key: Data,
        r#if: Condition,
    },
}

/// Keys one by one, or `{"numbered":["k",3]}` for k00000, k00001, k00002.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "WrittenKeys")]
pub(crate) struct Keys(pub(crate) Vec<Data>);

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WrittenKeys {
    Listed(Vec<Data>),
    Numbered { numbered: (String, usize) },
}

impl From<WrittenKeys> for Keys {
    fn from(written: WrittenKeys) -> Self {
        match written {
            WrittenKeys::Listed(keys) => Self(keys),
            WrittenKeys::Numbered { numbered: (prefix, count) } => {
                Self((0..count).map(|number| numbered_key(&prefix, number)).collect())
            }
        }
    }
}

/// Operations one by one, or `{"set_numbered":["k",3,"value"]}` for three that set k00000, k00001, k00002, or
/// `{"times":[3,{..}]}` for the same one three times.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "WrittenOperations")]
pub(crate) struct BatchOperations(pub(crate) Vec<BatchOperation>);

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WrittenOperations {
    Listed(Vec<BatchOperation>),
    SetNumbered { set_numbered: (String, usize, Data) },
    Times { times: (usize, BatchOperation) },
}

impl From<WrittenOperations> for BatchOperations {
    fn from(written: WrittenOperations) -> Self {
        match written {
            WrittenOperations::Listed(operations) => Self(operations),
            WrittenOperations::Times { times: (count, operation) } => Self(vec![operation; count]),
            WrittenOperations::SetNumbered { set_numbered: (prefix, count, value) } => {
                let set = |number| {
                    let key = numbered_key(&prefix, number);
                    let value = value.clone();
                    BatchOperation::Set(Set { key, value, media_type: None, ttl_ms: None, r#if: Condition::Anything })
                };
                Self((0..count).map(set).collect())
            }
        }
    }
}

fn numbered_key(prefix: &str, number: usize) -> Data {
    Data(format!("{prefix}{number:05}").into_bytes())
}

impl TryFrom<Map<String, Value>> for Step {
    type Error = String;

    /// The fields of all steps are removed; the rest must be an operation, without an additional field.
    fn try_from(mut fields: Map<String, Value>) -> Result<Self, String> {
        let mut text = |name: &str| match fields.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("`{name}` is {other}, not a text")),
        };
        let bucket = text("bucket")?.unwrap_or_else(|| "default".to_owned());
        let (transaction, name) = (text("in")?, text("as")?);
        let expect = fields.remove("expect").ok_or_else(|| format!("no `expect` in {fields:?}"))?;
        let shown = Value::Object(fields.clone()).to_string();
        let operation = serde_json::from_value(Value::Object(fields)).map_err(|error| format!("{error} in {shown}"))?;
        Ok(Self { operation, bucket, transaction, name, expect })
    }
}

impl Step {
    /// The operation's name in the data.
    pub(crate) fn operation_name(&self) -> String {
        let written = serde_json::to_value(&self.operation).unwrap();
        written["op"].as_str().unwrap().to_owned()
    }
}

/// All scenarios, in the order of the files' names.
pub(crate) fn all() -> Vec<Scenario> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path: &PathBuf| -> Vec<Scenario> {
        let text = std::fs::read_to_string(path).unwrap();
        let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.scenarios
    };
    files.iter().flat_map(read).collect()
}
