//! The JSON form of a change of a table's definition.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::tables::TableResult;
use crate::tables::schema::document::{
    ChangesDocument, CheckDocument, ColumnDocument, DefaultDocument, ForeignKeyDocument, IndexDocument, KeyDocument,
    read_json,
};

/// A change of a table's definition: all of its parts are made, or none. They are made in this order: what is dropped, renamed, altered,
/// added. Where older rows have to be looked at first (for a new key, index, check, type), names are those before the change, and what is
/// dropped or renamed is so at the end.
///
/// ```
/// use mantis_db::tables::schema::TableChange;
///
/// let change = TableChange::read(br#"{"add_columns": [{"name": "note", "type": "text"}], "drop_columns": ["memo"]}"#)?;
/// assert_eq!(change.drop_columns, ["memo"]);
/// # Ok::<(), mantis_db::tables::TableError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableChange {
    /// Names of the primary key, unique keys, foreign keys and checks that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_constraints: Vec<String>,
    /// Names of indexes that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_indexes: Vec<String>,
    /// Names of columns that go, with the keys, indexes, foreign keys and checks that name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_columns: Vec<String>,
    /// New names of columns by their present ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename_columns: BTreeMap<String, String>,
    /// Columns that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alter_columns: Vec<ColumnChange>,
    /// New columns, after the others. Older rows have the default in them, as it is now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_columns: Vec<ColumnDocument>,
    /// The primary key, of a table that has none, or whose own one is in `drop_constraints`. Its columns are not nullable any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_primary_key: Option<KeyDocument>,
    /// New unique keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_unique: Vec<KeyDocument>,
    /// New indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_indexes: Vec<IndexDocument>,
    /// New checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_checks: Vec<CheckDocument>,
    /// New foreign keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_foreign_keys: Vec<ForeignKeyDocument>,
    /// What the table is for; null for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub comment: Option<Option<String>>,
    /// How much of a row the change feed shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangesDocument>,
}

/// A change of a column. What is left out stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnChange {
    /// The column's name.
    pub name: String,
    /// Its type: values are cast, and all must have a cast.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Whether it may be null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
    /// Its default; null for none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub default: Option<Option<DefaultDocument>>,
    /// Whether it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<bool>,
    /// The only values that it may have; null for all.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub allowed: Option<Option<Vec<String>>>,
    /// What it is for; null for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub comment: Option<Option<String>>,
}

/// Reads null as something that was given.
#[allow(clippy::option_option, reason = "nothing given, null given, a value given")]
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl TableChange {
    /// Reads a change.
    ///
    /// # Errors
    /// 42601 with the place where it is no such document.
    pub fn read(json: &[u8]) -> TableResult<Self> {
        read_json(json)
    }
}
