//! A schema as it is stored: a byte for the version of the form, then JSON.
//!
//! Types are PostgreSQL's names, values are texts in their type's input form (times with a zone in UTC), filters are texts. What an older
//! program does not know, it must not write over: an unknown field is refused, and so is an unknown version.

use serde::{Deserialize, Serialize};

use crate::limits::SCHEMA_BYTES_MAX;
use crate::tables::schema::document::ActionDocument;
use crate::tables::schema::filter::parse_filter;
use crate::tables::table::{
    Check, Column, Default, ForeignKey, Index, IndexKey, Layout, Pending, PrimaryKey, Reference, RowKeys, SpaceId,
    TableSchema,
};
use crate::tables::types::{self, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// The version of the form.
const FORM: u8 = 1;

/// The bytes of a schema.
///
/// # Errors
/// 54000 where there are too many.
pub(crate) fn encode(schema: &TableSchema) -> TableResult<Vec<u8>> {
    let mut bytes = vec![FORM];
    serde_json::to_writer(&mut bytes, &Stored::of(schema))
        .map_err(|_| TableError::new(code::INTERNAL, "the schema cannot be written"))?;
    if bytes.len() > SCHEMA_BYTES_MAX {
        let message = format!(
            "the definition of table \"{}\" has {} bytes; the limit is {SCHEMA_BYTES_MAX}",
            schema.name,
            bytes.len()
        );
        return Err(TableError::new(code::LIMIT_EXCEEDED, message));
    }
    Ok(bytes)
}

/// The schema of such bytes.
///
/// # Errors
/// XX001.
pub(crate) fn decode(bytes: &[u8]) -> TableResult<TableSchema> {
    match bytes.split_first() {
        Some((&FORM, json)) => serde_json::from_slice::<Stored>(json)
            .map_err(|error| damaged(&error.to_string()))?
            .into_schema()
            .map_err(|error| damaged(&error.message)),
        Some((form, _)) => Err(damaged(&format!("its form is {form}, which this program does not know"))),
        None => Err(damaged("it is empty")),
    }
}

/// Whether such bytes are the schema of a table of this name, without reading the rest of it.
pub(crate) fn is_named(bytes: &[u8], name: &str) -> bool {
    let Ok(name) = serde_json::to_string(name) else { return false };
    bytes.strip_prefix(&[FORM]).is_some_and(|json| json.starts_with(format!("{{\"name\":{name},").as_bytes()))
}

fn damaged(reason: &str) -> TableError {
    TableError::new(code::DATA_CORRUPTED, format!("the stored schema of a table cannot be read: {reason}"))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    rows: u32,
    version: u32,
    comment: Option<String>,
    columns: Vec<StoredColumn>,
    primary_key: Option<StoredKey>,
    /// None where rows are kept by the primary key, or by ids where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_ids: Option<StoredRowIds>,
    indexes: Vec<StoredIndex>,
    foreign_keys: Vec<StoredForeignKey>,
    referenced_by: Vec<(String, String)>,
    checks: Vec<(String, String)>,
    keeps_old_rows: bool,
    layouts: Vec<Vec<(u32, String)>>,
    next_column_id: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    counts_since: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<StoredPending>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredColumn {
    id: u32,
    name: String,
    #[serde(rename = "type")]
    r#type: String,
    nullable: bool,
    default: Option<StoredDefault>,
    identity: bool,
    allowed: Option<Vec<String>>,
    comment: Option<String>,
    missing: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredDefault {
    Literal(String),
    Now,
    Uuid,
    UuidV7,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    name: String,
    columns: Vec<usize>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredRowIds {
    Plain,
    BehindNull,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredIndex {
    name: String,
    space: u32,
    keys: Vec<StoredIndexKey>,
    is_unique: bool,
    filter: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_primary: bool,
    is_building: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredIndexKey {
    column: usize,
    path: Vec<StoredStep>,
    is_descending: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStep {
    Member(String, bool),
    Element(i64, bool),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredForeignKey {
    name: String,
    columns: Vec<usize>,
    target: String,
    target_columns: Vec<String>,
    on_delete: ActionDocument,
    on_update: ActionDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPending {
    before: Box<Stored>,
    indexes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    primary_key: Option<StoredKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rebuilt: Vec<u32>,
    constraints: Vec<String>,
    not_null: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nullable: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filled: Vec<u32>,
    allowed: Vec<u32>,
    casts: Vec<(u32, String)>,
}

impl Stored {
    fn of(schema: &TableSchema) -> Self {
        let environment = Environment::neutral();
        Self {
            name: schema.name.clone(),
            rows: schema.rows.0,
            version: schema.version,
            comment: schema.comment.clone(),
            columns: schema.columns.iter().map(|column| StoredColumn::of(column, &environment)).collect(),
            primary_key: schema.primary_key.as_ref().map(StoredKey::of),
            row_ids: match (schema.row_keys, &schema.primary_key) {
                (RowKeys::PrimaryKey, _) | (RowKeys::Id, None) => None,
                (RowKeys::Id, Some(_)) => Some(StoredRowIds::Plain),
                (RowKeys::IdBehindNull, _) => Some(StoredRowIds::BehindNull),
            },
            indexes: schema.indexes.iter().map(StoredIndex::of).collect(),
            foreign_keys: schema.foreign_keys.iter().map(StoredForeignKey::of).collect(),
            referenced_by: schema
                .referenced_by
                .iter()
                .map(|reference| (reference.table.clone(), reference.foreign_key.clone()))
                .collect(),
            checks: schema.checks.iter().map(|check| (check.name.clone(), check.filter.text.clone())).collect(),
            keeps_old_rows: schema.keeps_old_rows,
            layouts: schema
                .layouts
                .iter()
                .map(|layout| layout.columns.iter().map(|(id, r#type)| (*id, r#type.to_string())).collect())
                .collect(),
            next_column_id: schema.next_column_id,
            counts_since: schema.counts_since,
            pending: schema.pending.as_ref().map(|pending| StoredPending {
                before: Box::new(Self::of(&pending.before)),
                allowed: pending.allowed.clone(),
                indexes: pending.indexes.clone(),
                primary_key: pending.primary_key.as_ref().map(StoredKey::of),
                rebuilt: pending.rebuilt.iter().map(|space| space.0).collect(),
                constraints: pending.constraints.clone(),
                not_null: pending.not_null.clone(),
                nullable: pending.nullable.clone(),
                filled: pending.filled.clone(),
                casts: pending.casts.iter().map(|(id, r#type)| (*id, r#type.to_string())).collect(),
            }),
        }
    }

    fn into_schema(self) -> TableResult<TableSchema> {
        let environment = Environment::neutral();
        let layouts = self.layouts.into_iter().map(|columns| Ok(Layout { columns: typed(columns)? }));
        let schema = TableSchema {
            name: self.name,
            rows: SpaceId(self.rows),
            version: self.version,
            comment: self.comment,
            columns: self
                .columns
                .into_iter()
                .map(|column| column.into_column(&environment))
                .collect::<TableResult<_>>()?,
            row_keys: match (self.row_ids, &self.primary_key) {
                (None, Some(_)) => RowKeys::PrimaryKey,
                (None, None) | (Some(StoredRowIds::Plain), _) => RowKeys::Id,
                (Some(StoredRowIds::BehindNull), _) => RowKeys::IdBehindNull,
            },
            primary_key: self.primary_key.map(StoredKey::into_key),
            indexes: self.indexes.into_iter().map(StoredIndex::into_index).collect::<TableResult<_>>()?,
            foreign_keys: self.foreign_keys.into_iter().map(StoredForeignKey::into_foreign_key).collect(),
            referenced_by: self
                .referenced_by
                .into_iter()
                .map(|(table, foreign_key)| Reference { table, foreign_key })
                .collect(),
            checks: self
                .checks
                .into_iter()
                .map(|(name, text)| Ok(Check { name, filter: parse_filter(&text)? }))
                .collect::<TableResult<_>>()?,
            keeps_old_rows: self.keeps_old_rows,
            layouts: layouts.collect::<TableResult<_>>()?,
            next_column_id: self.next_column_id,
            counts_since: self.counts_since,
            pending: self.pending.map(StoredPending::into_pending).transpose()?,
        };
        check_places(&schema)?;
        Ok(schema)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Refuses places of columns that are none: what follows relies on them.
fn check_places(schema: &TableSchema) -> TableResult<()> {
    let to_be = schema.pending.iter().filter_map(|pending| pending.primary_key.as_ref());
    let primary = schema.primary_key.iter().chain(to_be).flat_map(|key| &key.columns);
    let indexed = schema.indexes.iter().flat_map(|index| index.keys.iter().map(|key| &key.column));
    let referencing = schema.foreign_keys.iter().flat_map(|key| &key.columns);
    let mut places = primary.chain(indexed).chain(referencing);
    if places.all(|&place| place < schema.columns.len()) && !schema.layouts.is_empty() {
        return Ok(());
    }
    Err(TableError::new(code::DATA_CORRUPTED, "a key names a column that does not exist"))
}

fn typed(columns: Vec<(u32, String)>) -> TableResult<Vec<(u32, Type)>> {
    columns.into_iter().map(|(id, name)| Ok((id, Type::parse(&name)?))).collect()
}

fn text_of(value: &Value<'_>, r#type: Type, environment: &Environment) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut text = String::new();
    types::write_text(value, r#type, environment, &mut text);
    Some(text)
}

impl StoredColumn {
    fn of(column: &Column, environment: &Environment) -> Self {
        Self {
            id: column.id,
            name: column.name.clone(),
            r#type: column.r#type.to_string(),
            nullable: column.nullable,
            default: column.default.as_ref().map(|default| match default {
                Default::Literal(value) => {
                    StoredDefault::Literal(text_of(value, column.r#type, environment).unwrap_or_default())
                }
                Default::Now => StoredDefault::Now,
                Default::Uuid => StoredDefault::Uuid,
                Default::UuidV7 => StoredDefault::UuidV7,
            }),
            identity: column.identity,
            allowed: column.allowed.clone(),
            comment: column.comment.clone(),
            missing: text_of(&column.missing, column.r#type, environment),
        }
    }

    fn into_column(self, environment: &Environment) -> TableResult<Column> {
        let r#type = Type::parse(&self.r#type)?;
        Ok(Column {
            id: self.id,
            name: self.name,
            r#type,
            nullable: self.nullable,
            default: match self.default {
                None => None,
                Some(StoredDefault::Literal(text)) => {
                    Some(Default::Literal(types::from_text(&text, r#type, environment)?))
                }
                Some(StoredDefault::Now) => Some(Default::Now),
                Some(StoredDefault::Uuid) => Some(Default::Uuid),
                Some(StoredDefault::UuidV7) => Some(Default::UuidV7),
            },
            identity: self.identity,
            allowed: self.allowed,
            comment: self.comment,
            missing: match self.missing {
                None => Value::Null,
                Some(text) => types::from_text(&text, r#type, environment)?,
            },
        })
    }
}

impl StoredKey {
    fn of(key: &PrimaryKey) -> Self {
        Self { name: key.name.clone(), columns: key.columns.clone() }
    }

    fn into_key(self) -> PrimaryKey {
        PrimaryKey { name: self.name, columns: self.columns }
    }
}

impl StoredIndex {
    fn of(index: &Index) -> Self {
        let keys = index.keys.iter().map(|key| StoredIndexKey {
            column: key.column,
            path: key.path.iter().map(StoredStep::of).collect(),
            is_descending: key.is_descending,
        });
        Self {
            name: index.name.clone(),
            space: index.space.0,
            keys: keys.collect(),
            is_unique: index.is_unique,
            filter: index.filter.as_ref().map(|filter| filter.text.clone()),
            is_primary: index.is_primary,
            is_building: index.is_building,
        }
    }

    fn into_index(self) -> TableResult<Index> {
        let keys = self.keys.into_iter().map(|key| IndexKey {
            column: key.column,
            path: key.path.into_iter().map(StoredStep::into_step).collect(),
            is_descending: key.is_descending,
        });
        Ok(Index {
            name: self.name,
            space: SpaceId(self.space),
            keys: keys.collect(),
            is_unique: self.is_unique,
            filter: self.filter.as_deref().map(parse_filter).transpose()?,
            is_primary: self.is_primary,
            is_building: self.is_building,
        })
    }
}

impl StoredStep {
    fn of(step: &mantis_dialect::JsonStep) -> Self {
        use mantis_dialect::JsonStep;
        match step {
            JsonStep::Member { name, is_text } => Self::Member(name.to_string(), *is_text),
            JsonStep::Element { index, is_text } => Self::Element(*index, *is_text),
        }
    }

    fn into_step(self) -> mantis_dialect::JsonStep {
        use mantis_dialect::JsonStep;
        match self {
            Self::Member(name, is_text) => JsonStep::Member { name: name.into(), is_text },
            Self::Element(index, is_text) => JsonStep::Element { index, is_text },
        }
    }
}

impl StoredForeignKey {
    fn of(key: &ForeignKey) -> Self {
        Self {
            name: key.name.clone(),
            columns: key.columns.clone(),
            target: key.target.clone(),
            target_columns: key.target_columns.clone(),
            on_delete: key.on_delete.into(),
            on_update: key.on_update.into(),
        }
    }

    fn into_foreign_key(self) -> ForeignKey {
        ForeignKey {
            name: self.name,
            columns: self.columns,
            target: self.target,
            target_columns: self.target_columns,
            on_delete: self.on_delete.into(),
            on_update: self.on_update.into(),
        }
    }
}

impl StoredPending {
    fn into_pending(self) -> TableResult<Pending> {
        Ok(Pending {
            before: Box::new(self.before.into_schema()?),
            allowed: self.allowed,
            indexes: self.indexes,
            primary_key: self.primary_key.map(StoredKey::into_key),
            rebuilt: self.rebuilt.into_iter().map(SpaceId).collect(),
            constraints: self.constraints,
            not_null: self.not_null,
            nullable: self.nullable,
            filled: self.filled,
            casts: typed(self.casts)?,
        })
    }
}
