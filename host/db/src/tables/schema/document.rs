//! The JSON form of a table's definition, which users write and read.
//!
//! | form | becomes |
//! |---|---|
//! | what a user writes | read here, with every bound on counts and sizes; `resolve` makes a [`TableSchema`](super::TableSchema) of it |
//! | the normal form | `describe` makes it of a schema: all names given, types spelt as PostgreSQL does, defaults left out |
//!
//! The normal form of what the normal form means is the same again, so that what was read can be written.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::tables::table::Action;
use crate::tables::{TableError, TableResult, code};

/// A table's definition.
///
/// ```
/// use mantis_db::tables::schema::TableDocument;
///
/// let document = TableDocument::read(br#"{"columns": [{"name": "id", "type": "bigint"}], "primary_key": ["id"]}"#)?;
/// assert_eq!(document.columns[0].name, "id");
/// assert_eq!(TableDocument::read(b"{\"colums\": []}").unwrap_err().code, "42601");
/// # Ok::<(), mantis_db::tables::TableError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDocument {
    /// The table's name: 1 to 63 bytes. It may be left out where it is named already, as in the path of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The columns in their order, 1 to 500.
    pub columns: Vec<ColumnDocument>,
    /// The columns of the primary key, in order. A table without one has a hidden row id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<KeyDocument>,
    /// Keys that occur once, but for those with a null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<KeyDocument>,
    /// Further indexes. With the unique keys at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexDocument>,
    /// Columns whose values are those of a row of another table, or of this one. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKeyDocument>,
    /// What must not be false of any row. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckDocument>,
    /// What the table is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How much of a row the change feed shows.
    #[serde(default, skip_serializing_if = "ChangesDocument::is_new")]
    pub changes: ChangesDocument,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDocument {
    /// Its name: 1 to 63 bytes, case-sensitive.
    pub name: String,
    /// Its type by PostgreSQL's name, such as `bigint`, `varchar(20)` or `text[]`. `serial` is an integer with `identity`.
    #[serde(rename = "type")]
    pub r#type: String,
    /// Whether it may be null: by default yes, but for the primary key and an identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
    /// What it is where a row names nothing for it; null where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultDocument>,
    /// Whether it counts: a row that names nothing for it gets one more than the largest that was ever there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub identity: bool,
    /// Of a text: the only values that it may have, at most 1,000.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// What must not be false of the row, as a filter such as `price=gt.0`. The normal form has it among the table's checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A default: a value as JSON, or `{"function": "now"}`, `{"function": "uuid"}`, `{"function": "uuidv7"}`. A JSON object that looks like one
/// of these is written `{"literal": ..}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DefaultDocument(pub(super) Box<RawValue>);

/// What a [`DefaultDocument`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultForm<'a> {
    /// The raw text of a JSON value.
    Literal(&'a str),
    /// The name of a function.
    Function(String),
}

impl DefaultDocument {
    /// The default that is a JSON value, given as its text.
    ///
    /// # Errors
    /// 42601 where it is no JSON.
    pub fn literal(text: &str) -> TableResult<Self> {
        let plain = Self(RawValue::from_string(text.to_owned()).map_err(|error| unreadable(&error))?);
        match plain.form() {
            DefaultForm::Literal(same) if same.len() == plain.0.get().len() => Ok(plain),
            _ => Self::literal_object(text),
        }
    }

    /// The default that is a function's value; the function has a plain name.
    pub(super) fn function(name: &str) -> Self {
        let json = RawValue::from_string(format!("{{\"function\":\"{name}\"}}"));
        Self(json.unwrap_or_default())
    }

    fn literal_object(text: &str) -> TableResult<Self> {
        let text = format!("{{\"literal\":{text}}}");
        RawValue::from_string(text).map(Self).map_err(|error| unreadable(&error))
    }

    /// Its JSON.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// What it says.
    #[must_use]
    pub fn form(&self) -> DefaultForm<'_> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        enum Form<'a> {
            #[serde(rename = "function")]
            Function(String),
            #[serde(rename = "literal", borrow)]
            Literal(&'a RawValue),
        }
        match serde_json::from_str(self.0.get()) {
            Ok(Form::Function(name)) if self.0.get().starts_with('{') => DefaultForm::Function(name),
            Ok(Form::Literal(literal)) => DefaultForm::Literal(literal.get()),
            _ => DefaultForm::Literal(self.0.get()),
        }
    }
}

impl PartialEq for DefaultDocument {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// The columns of a key: a list, or an object with `columns` and the constraint's `name`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyDocument {
    /// The constraint's name; one is chosen as PostgreSQL does where none is given.
    pub name: Option<String>,
    /// The columns in order, 1 to 32.
    pub columns: Vec<String>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexDocument {
    /// Its name; one is chosen as PostgreSQL does where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it orders by, 1 to 32.
    pub columns: Vec<IndexColumnDocument>,
    /// Whether a key occurs once, but for those with a null.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Which rows it has, as a filter such as `status=eq.paid`; all where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// A part of an index's key: a text, or an object with `column` and `descending`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexColumnDocument {
    /// A column, or a path into its JSON such as `data->>name`.
    pub column: String,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKeyDocument {
    /// The constraint's name; one is chosen as PostgreSQL does where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The referencing columns.
    pub columns: Vec<String>,
    /// What they reference.
    pub references: ReferenceDocument,
    /// What happens to the referencing rows when the referenced row goes.
    #[serde(default, skip_serializing_if = "ActionDocument::is_none")]
    pub on_delete: ActionDocument,
    /// What happens to them when its key changes.
    #[serde(default, skip_serializing_if = "ActionDocument::is_none")]
    pub on_update: ActionDocument,
}

/// What a foreign key references.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceDocument {
    /// The table, which may be the same one.
    pub table: String,
    /// The columns of its primary key or of a unique key; those of the primary key where left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// What happens to referencing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ActionDocument {
    /// The change is refused if they are still there at the end of the statement.
    #[default]
    #[serde(rename = "no action")]
    NoAction,
    /// The change is refused.
    #[serde(rename = "restrict")]
    Restrict,
    /// They go or change too.
    #[serde(rename = "cascade")]
    Cascade,
    /// Their columns become null.
    #[serde(rename = "set null")]
    SetNull,
    /// Their columns become their defaults.
    #[serde(rename = "set default")]
    SetDefault,
}

/// A check constraint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckDocument {
    /// The constraint's name; one is chosen as PostgreSQL does where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What must not be false, as a filter such as `price=gt.0`.
    pub check: String,
}

/// How much of a row the change feed shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangesDocument {
    /// New rows, and the keys of deleted ones.
    #[default]
    New,
    /// Old rows too, as PostgreSQL's `REPLICA IDENTITY FULL`.
    Full,
}

impl ChangesDocument {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_new(&self) -> bool {
        *self == Self::New
    }
}

impl ActionDocument {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_none(&self) -> bool {
        *self == Self::NoAction
    }
}

impl From<ActionDocument> for Action {
    fn from(action: ActionDocument) -> Self {
        match action {
            ActionDocument::NoAction => Self::NoAction,
            ActionDocument::Restrict => Self::Restrict,
            ActionDocument::Cascade => Self::Cascade,
            ActionDocument::SetNull => Self::SetNull,
            ActionDocument::SetDefault => Self::SetDefault,
        }
    }
}

impl From<Action> for ActionDocument {
    fn from(action: Action) -> Self {
        match action {
            Action::NoAction => Self::NoAction,
            Action::Restrict => Self::Restrict,
            Action::Cascade => Self::Cascade,
            Action::SetNull => Self::SetNull,
            Action::SetDefault => Self::SetDefault,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

impl TableDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// 42601 with the place where it is no such document.
    pub fn read(json: &[u8]) -> TableResult<Self> {
        read_json(json)
    }

    /// The document as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // It cannot fail: all keys of its objects are texts.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads JSON of a form.
///
/// # Errors
/// 42601.
pub(super) fn read_json<'j, T: Deserialize<'j>>(json: &'j [u8]) -> TableResult<T> {
    if let Some(encoding) = crate::json_encoding_error(json) {
        return Err(TableError::new(code::SYNTAX_ERROR, format!("the definition is not valid: {encoding}")));
    }
    serde_json::from_slice(json).map_err(|error| unreadable(&error))
}

/// The error of a text that is no document.
fn unreadable(error: &serde_json::Error) -> TableError {
    TableError::new(code::SYNTAX_ERROR, format!("the definition is not valid: {}", crate::json_error(error)))
}

impl Serialize for KeyDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.name {
            None => self.columns.serialize(serializer),
            Some(name) => NamedKey { name: Some(name.clone()), columns: self.columns.clone() }.serialize(serializer),
        }
    }
}

/// The form of a key with a name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    columns: Vec<String>,
}

impl<'de> Deserialize<'de> for KeyDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl<'de> Visitor<'de> for Key {
            type Value = KeyDocument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of columns, or an object with `name` and `columns`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<KeyDocument, A::Error> {
                let columns = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(KeyDocument { name: None, columns })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeyDocument, A::Error> {
                let NamedKey { name, columns } = NamedKey::deserialize(MapAccessDeserializer::new(map))?;
                Ok(KeyDocument { name, columns })
            }
        }
        deserializer.deserialize_any(Key)
    }
}

impl Serialize for IndexColumnDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.descending {
            DirectedColumn { column: self.column.clone(), descending: true }.serialize(serializer)
        } else {
            serializer.serialize_str(&self.column)
        }
    }
}

/// The form of an index's column with its direction.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectedColumn {
    column: String,
    #[serde(default)]
    descending: bool,
}

impl<'de> Deserialize<'de> for IndexColumnDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Column;
        impl<'de> Visitor<'de> for Column {
            type Value = IndexColumnDocument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column, or an object with `column` and `descending`")
            }

            fn visit_str<E: de::Error>(self, column: &str) -> Result<IndexColumnDocument, E> {
                Ok(IndexColumnDocument { column: column.to_owned(), descending: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IndexColumnDocument, A::Error> {
                let DirectedColumn { column, descending } =
                    DirectedColumn::deserialize(MapAccessDeserializer::new(map))?;
                Ok(IndexColumnDocument { column, descending })
            }
        }
        deserializer.deserialize_any(Column)
    }
}
