//! The form of the steps on tables, which mirrors `wit/tables.wit`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A definition of a table, as in the reference.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTable {
    pub(crate) table: String,
    pub(crate) schema: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlterTable {
    pub(crate) table: String,
    pub(crate) changes: Value,
}

/// Which rows, and what of them. Texts are the dialect's, without percent-encoding; `$1` in a filter is the first argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowQuery {
    pub(crate) table: String,
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default)]
    pub(crate) arguments: Vec<Value>,
    #[serde(default)]
    pub(crate) select: String,
    #[serde(default)]
    pub(crate) order: String,
    #[serde(default)]
    pub(crate) limit: Option<u32>,
    #[serde(default)]
    pub(crate) offset: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetRow {
    pub(crate) table: String,
    pub(crate) key: Vec<Value>,
    #[serde(default)]
    pub(crate) select: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnConflict {
    #[default]
    Fail,
    Ignore,
    Merge,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InsertRows {
    pub(crate) table: String,
    /// The columns that the rows name; those of the first row if there are none.
    #[serde(default)]
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) rows: RowList,
    #[serde(default)]
    pub(crate) on_conflict: OnConflict,
    #[serde(default)]
    pub(crate) conflict_columns: Vec<String>,
    /// The select that shows the written rows; they are not shown without one.
    #[serde(default)]
    pub(crate) returning: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateRows {
    pub(crate) table: String,
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default)]
    pub(crate) arguments: Vec<Value>,
    pub(crate) set: Row,
    #[serde(default)]
    pub(crate) returning: Option<String>,
    /// The order in which the written rows are shown.
    #[serde(default)]
    pub(crate) order: String,
}

/// One row by its primary key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateRow {
    pub(crate) table: String,
    pub(crate) key: Vec<Value>,
    pub(crate) set: Row,
    #[serde(default)]
    pub(crate) if_version: Option<u64>,
    #[serde(default)]
    pub(crate) returning: Option<String>,
}

/// Each row has its primary key among its columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateManyRows {
    pub(crate) table: String,
    #[serde(default)]
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) rows: RowList,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteRows {
    pub(crate) table: String,
    #[serde(default)]
    pub(crate) filter: String,
    #[serde(default)]
    pub(crate) arguments: Vec<Value>,
    #[serde(default)]
    pub(crate) returning: Option<String>,
    #[serde(default)]
    pub(crate) order: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteRow {
    pub(crate) table: String,
    pub(crate) key: Vec<Value>,
    #[serde(default)]
    pub(crate) if_version: Option<u64>,
    #[serde(default)]
    pub(crate) returning: Option<String>,
}

/// Values by column. A value is JSON, in which `{"number": "1.10"}` is the number with these digits.
pub(crate) type Row = Map<String, Value>;

/// Rows one by one, or `{"numbered": ["id", 3, {..}]}` for three with the id 1, 2 and 3 beside the same values.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "WrittenRows")]
pub(crate) struct RowList(pub(crate) Vec<Row>);

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WrittenRows {
    Listed(Vec<Row>),
    Numbered { numbered: (String, u32, Row) },
}

impl From<WrittenRows> for RowList {
    fn from(written: WrittenRows) -> Self {
        match written {
            WrittenRows::Listed(rows) => Self(rows.into_iter().map(expanded).collect()),
            WrittenRows::Numbered { numbered: (column, count, values) } => {
                let row = |number: u32| {
                    let mut row = expanded(values.clone());
                    row.insert(column.clone(), number.into());
                    row
                };
                Self((1..=count).map(row).collect())
            }
        }
    }
}

/// Writes out the long texts of a row, which the data has as `{"repeat": ["x", 4096]}`.
fn expanded(row: Row) -> Row {
    let expand = |value: Value| match value.get("repeat") {
        Some(repeat) => {
            let (text, count): (String, usize) = serde_json::from_value(repeat.clone()).unwrap();
            text.repeat(count).into()
        }
        None => value,
    };
    row.into_iter().map(|(column, value)| (column, expand(value))).collect()
}

impl RowList {
    /// The columns of the rows, in the order asked for.
    pub(crate) fn columns(&self, asked: Option<&Vec<String>>) -> Vec<String> {
        let named = || self.0.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
        asked.cloned().unwrap_or_else(named)
    }
}

/// JSON whose exact numbers are numbers again.
pub(crate) fn json_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(digits))) = (fields.len(), fields.get("number")) {
                return digits.clone();
            }
            let member =
                |(name, value): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), json_text(value));
            format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// The parameters of a filter's text: its parts between `&`, outside of quotes, each a name and a value.
pub(crate) fn parameters(filter: &str) -> Vec<(&str, &str)> {
    let mut is_quoted = false;
    let parts = filter.split(|character| {
        is_quoted ^= character == '"';
        character == '&' && !is_quoted
    });
    parts.filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, ""))).collect()
}
