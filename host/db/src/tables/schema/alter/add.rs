//! What a change alters and adds.

use crate::tables::schema::alter::column::alter_column;
use crate::tables::schema::alter::layouts::renew_layout;
use crate::tables::schema::alter::refusals::{contains_nulls, in_primary_key};
use crate::tables::schema::alter::types::rebuild;
use crate::tables::schema::change::TableChange;
use crate::tables::schema::document::{ChangesDocument, CheckDocument, ColumnDocument, KeyDocument};
use crate::tables::schema::resolve::{Building, FindTable, NO_SPACE, comment, has_name};
use crate::tables::table::{Default, Pending, PrimaryKey, RowKeys, TableSchema};
use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// Makes the part of the change that alters and adds. What older rows may object to is pending.
pub(super) fn add(
    schema: TableSchema,
    change: &TableChange,
    environment: &Environment,
    find: &mut FindTable<'_>,
    has_rows: bool,
) -> TableResult<TableSchema> {
    let before = schema.clone();
    let mut pending = Pending {
        before: Box::new(before),
        indexes: Vec::new(),
        primary_key: None,
        rebuilt: Vec::new(),
        constraints: Vec::new(),
        not_null: Vec::new(),
        nullable: Vec::new(),
        filled: Vec::new(),
        allowed: Vec::new(),
        casts: Vec::new(),
    };
    let mut building = Building::new(schema, environment, find);
    building.reserve(change.add_primary_key.iter().filter_map(|key| key.name.as_ref()));
    building.reserve(change.add_unique.iter().filter_map(|key| key.name.as_ref()));
    building.reserve(change.add_indexes.iter().filter_map(|index| index.name.as_ref()));
    building.reserve(change.add_checks.iter().filter_map(|check| check.name.as_ref()));
    building.reserve(change.add_foreign_keys.iter().filter_map(|key| key.name.as_ref()));
    for column in &change.alter_columns {
        alter_column(&mut building, column, change, &mut pending)?;
    }
    for column in &change.add_columns {
        add_column(&mut building, column, environment, has_rows, &mut pending)?;
    }
    if let Some(key) = &change.add_primary_key {
        add_primary_key(&mut building, key, change, has_rows, &mut pending)?;
    }
    for key in &change.add_unique {
        building.add_unique(key)?;
    }
    for index in &change.add_indexes {
        building.add_index(index)?;
    }
    for check in change.add_columns.iter().filter_map(|column| column.check.as_ref()) {
        building.add_check(&CheckDocument { name: None, check: check.clone() })?;
    }
    for check in &change.add_checks {
        building.add_check(check)?;
    }
    for key in &change.add_foreign_keys {
        building.add_foreign_key(key)?;
    }
    let mut schema = building.schema;
    if has_rows {
        rebuild(&mut schema, change, &mut pending)?;
    }
    if let Some(text) = &change.comment {
        schema.comment = comment(text.as_deref())?;
    }
    if let Some(changes) = change.changes {
        schema.keeps_old_rows = changes == ChangesDocument::Full;
    }
    for index in schema.indexes.iter_mut().filter(|index| index.space == NO_SPACE) {
        index.is_building = true;
        pending.indexes.push(index.name.clone());
    }
    let added = schema.foreign_keys.iter().map(|key| &key.name).chain(schema.checks.iter().map(|check| &check.name));
    pending.constraints.extend(added.filter(|name| !has_name(&pending.before, name)).cloned());
    schema.pending = Some(pending);
    renew_layout(&mut schema)?;
    Ok(schema)
}

/// Adds a primary key. Rows that are there stay where they are, and the key has an index; a table without rows is kept by it.
fn add_primary_key(
    building: &mut Building<'_, '_>,
    document: &KeyDocument,
    change: &TableChange,
    has_rows: bool,
    pending: &mut Pending,
) -> TableResult<()> {
    let before = building.schema.primary_key.as_ref().map(|key| key.name.clone());
    if before.as_ref().is_some_and(|name| !change.drop_constraints.contains(name)) {
        let message = format!("multiple primary keys for table \"{}\" are not allowed", building.schema.name);
        return Err(TableError::new(code::SCHEMA_INVALID, message));
    }
    let (name, columns) = building.primary_key(document, before.as_deref())?;
    for &place in &columns {
        let column = &mut building.schema.columns[place];
        if pending.nullable.contains(&column.id) {
            return Err(in_primary_key(&column.name));
        }
        if column.nullable {
            column.nullable = false;
            pending.not_null.push(column.id);
        }
    }
    if has_rows {
        building.add_primary_index(&name, &columns)?;
        pending.primary_key = Some(PrimaryKey { name, columns });
    } else {
        building.schema.primary_key = Some(PrimaryKey { name, columns });
        building.schema.row_keys = RowKeys::PrimaryKey;
    }
    Ok(())
}

fn add_column(
    building: &mut Building<'_, '_>,
    document: &ColumnDocument,
    environment: &Environment,
    has_rows: bool,
    pending: &mut Pending,
) -> TableResult<()> {
    let place = building.add_column(document)?;
    if !has_rows {
        return Ok(());
    }
    let table = building.schema.name.clone();
    let column = &mut building.schema.columns[place];
    if column.identity || matches!(column.default, Some(Default::Uuid | Default::UuidV7)) {
        pending.filled.push(column.id);
        return Ok(());
    }
    column.missing = match &column.default {
        None | Some(Default::Uuid | Default::UuidV7) => Value::Null,
        Some(Default::Literal(value)) => value.clone(),
        Some(Default::Now) => {
            let now = Value::Timestamp(environment.now_us);
            types::cast(now, Type::scalar(Scalar::TimestampTz), column.r#type, environment)?
        }
    };
    if column.missing.is_null() && !column.nullable {
        return Err(contains_nulls(&table, &column.name));
    }
    Ok(())
}
