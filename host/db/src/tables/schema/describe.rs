//! From a schema to its document in the normal form.

use mantis_dialect::Field;

use crate::tables::Environment;
use crate::tables::schema::document::{
    ChangesDocument, CheckDocument, ColumnDocument, DefaultDocument, ForeignKeyDocument, IndexColumnDocument,
    IndexDocument, KeyDocument, ReferenceDocument, TableDocument,
};
use crate::tables::schema::resolve::is_unique_constraint;
use crate::tables::table::{Column, Default, ForeignKey, Index, IndexKey, TableSchema};
use crate::tables::types;

/// The document of a schema, while a change is under way of the one before it: older rows may object to what is pending, and then it goes.
/// `environment` has the time zone of its times.
pub(crate) fn describe(schema: &TableSchema, environment: &Environment) -> TableDocument {
    let schema = schema.pending.as_ref().map_or(schema, |pending| &pending.before);
    // An index with a descending part is no constraint, even if it does for one.
    let is_constraint = |index: &&Index| is_unique_constraint(index) && index.keys.iter().all(|key| !key.is_descending);
    let others = schema.indexes.iter().filter(|index| !index.is_primary);
    let (unique, indexes): (Vec<_>, Vec<_>) = others.partition(is_constraint);
    TableDocument {
        name: Some(schema.name.clone()),
        columns: schema.columns.iter().map(|column| describe_column(column, environment)).collect(),
        primary_key: schema.primary_key.as_ref().map(|key| KeyDocument {
            name: (key.name != format!("{}_pkey", schema.name)).then(|| key.name.clone()),
            columns: names(schema, key.columns.iter().copied()),
        }),
        unique: unique.into_iter().map(|index| describe_unique(schema, index)).collect(),
        indexes: indexes.into_iter().map(|index| describe_index(schema, index)).collect(),
        foreign_keys: schema.foreign_keys.iter().map(|key| describe_foreign_key(schema, key)).collect(),
        checks: schema
            .checks
            .iter()
            .map(|check| CheckDocument { name: Some(check.name.clone()), check: check.filter.text.clone() })
            .collect(),
        comment: schema.comment.clone(),
        changes: if schema.keeps_old_rows { ChangesDocument::Full } else { ChangesDocument::New },
    }
}

fn names(schema: &TableSchema, places: impl Iterator<Item = usize>) -> Vec<String> {
    places.map(|place| schema.columns[place].name.clone()).collect()
}

fn describe_column(column: &Column, environment: &Environment) -> ColumnDocument {
    ColumnDocument {
        name: column.name.clone(),
        r#type: column.r#type.to_string(),
        nullable: Some(column.nullable),
        default: column.default.as_ref().and_then(|default| describe_default(column, default, environment)),
        identity: column.identity,
        allowed: column.allowed.clone(),
        check: None,
        comment: column.comment.clone(),
    }
}

/// None where the value has no JSON form, which no value lacks.
fn describe_default(column: &Column, default: &Default, environment: &Environment) -> Option<DefaultDocument> {
    match default {
        Default::Now => Some(DefaultDocument::function("now")),
        Default::Uuid => Some(DefaultDocument::function("uuid")),
        Default::UuidV7 => Some(DefaultDocument::function("uuidv7")),
        Default::Literal(value) => {
            let mut json = Vec::new();
            types::write_json(value, column.r#type, environment, &mut json);
            DefaultDocument::literal(std::str::from_utf8(&json).ok()?).ok()
        }
    }
}

fn describe_unique(schema: &TableSchema, index: &Index) -> KeyDocument {
    KeyDocument { name: Some(index.name.clone()), columns: names(schema, index.keys.iter().map(|key| key.column)) }
}

fn describe_index(schema: &TableSchema, index: &Index) -> IndexDocument {
    IndexDocument {
        name: Some(index.name.clone()),
        columns: index
            .keys
            .iter()
            .map(|key| IndexColumnDocument { column: key_text(schema, key), descending: key.is_descending })
            .collect(),
        unique: index.is_unique,
        filter: index.filter.as_ref().map(|filter| filter.text.clone()),
    }
}

/// A part of an index as its document has it.
pub(crate) fn key_text(schema: &TableSchema, key: &IndexKey) -> String {
    let name = &schema.columns[key.column].name;
    if key.path.is_empty() {
        return name.clone();
    }
    Field { name: name.as_str().into(), path: key.path.clone() }.to_string()
}

fn describe_foreign_key(schema: &TableSchema, key: &ForeignKey) -> ForeignKeyDocument {
    ForeignKeyDocument {
        name: Some(key.name.clone()),
        columns: names(schema, key.columns.iter().copied()),
        references: ReferenceDocument { table: key.target.clone(), columns: key.target_columns.clone() },
        on_delete: key.on_delete.into(),
        on_update: key.on_update.into(),
    }
}

/// In what two documents in the normal form differ, in a sentence; none where they are equal.
pub(crate) fn difference(stored: &TableDocument, given: &TableDocument) -> Option<String> {
    for column in &stored.columns {
        match given.columns.iter().find(|other| other.name == column.name) {
            None => return Some(format!("The table has a column \"{}\", which the definition has not.", column.name)),
            Some(other) if other != column => return Some(column_difference(column, other)),
            Some(_) => {}
        }
    }
    let is_new = |column: &&ColumnDocument| stored.columns.iter().all(|other| other.name != column.name);
    if let Some(column) = given.columns.iter().find(is_new) {
        return Some(format!("The definition has a column \"{}\", which the table has not.", column.name));
    }
    let parts = [
        ("order of the columns", stored.columns != given.columns),
        ("primary key", stored.primary_key != given.primary_key),
        ("unique keys", stored.unique != given.unique),
        ("indexes", stored.indexes != given.indexes),
        ("foreign keys", stored.foreign_keys != given.foreign_keys),
        ("checks", stored.checks != given.checks),
        ("comment", stored.comment != given.comment),
        ("changes", stored.changes != given.changes),
    ];
    let (part, _) = parts.into_iter().find(|(_, differs)| *differs)?;
    Some(format!("The {part} of the table and of the definition differ."))
}

fn column_difference(stored: &ColumnDocument, given: &ColumnDocument) -> String {
    let name = &stored.name;
    if stored.r#type != given.r#type {
        return format!("Column \"{name}\" is of type {} and not {}.", stored.r#type, given.r#type);
    }
    let parts = [
        ("nullable", stored.nullable != given.nullable),
        ("default", stored.default != given.default),
        ("identity", stored.identity != given.identity),
        ("enum", stored.allowed != given.allowed),
    ];
    let part = parts.into_iter().find(|(_, differs)| *differs).map_or("comment", |(part, _)| part);
    format!("The \"{part}\" of column \"{name}\" in the table and in the definition differ.")
}
