//! What a change drops and renames.

use std::collections::HashSet;

use crate::engine::mutant;
use crate::tables::schema::alter::layouts::renew_layout;
use crate::tables::schema::alter::refusals::needed;
use crate::tables::schema::change::TableChange;
use crate::tables::schema::filter::{fields, no_column, place_of, renamed};
use crate::tables::schema::names::check_name;
use crate::tables::schema::resolve::is_unique_key;
use crate::tables::table::{Filter, RowKeys, TableSchema};
use crate::tables::{TableError, TableResult, code};

/// Makes the part of the change that drops and renames. A primary key of the name `replaced` has gone already.
pub(super) fn remove(
    mut schema: TableSchema,
    change: &TableChange,
    replaced: Option<&str>,
) -> TableResult<TableSchema> {
    for name in change.drop_constraints.iter().filter(|name| replaced != Some(name)) {
        drop_constraint(&mut schema, name)?;
    }
    for name in &change.drop_indexes {
        check_no_key(&schema, name)?;
        let place = schema.indexes.iter().position(|index| index.name == *name);
        let place = place.ok_or_else(|| undefined(format!("index \"{name}\" does not exist")))?;
        drop_index(&mut schema, place)?;
    }
    for name in &change.drop_columns {
        drop_column(&mut schema, name)?;
    }
    if schema.columns.is_empty() {
        return Err(TableError::new(code::SCHEMA_INVALID, "a table has at least one column"));
    }
    rename_columns(&mut schema, change)?;
    renew_layout(&mut schema)?;
    check_own_references(&schema)?;
    Ok(schema)
}

/// Forgets the primary key. Rows that are kept by it stay where they are.
pub(super) fn forget_primary_key(schema: &mut TableSchema) {
    schema.primary_key = None;
    schema.indexes.retain(|index| !index.is_primary || index.is_building);
    if schema.row_keys == RowKeys::PrimaryKey {
        schema.row_keys = mutant!("row-ids-among-former-keys" => RowKeys::Id, or RowKeys::IdBehindNull);
    }
}

/// Refuses to drop the primary key as an index.
fn check_no_key(schema: &TableSchema, name: &str) -> TableResult<()> {
    let Some(key) = schema.primary_key.as_ref().filter(|key| key.name == *name) else { return Ok(()) };
    let (key, table) = (&key.name, &schema.name);
    let message = format!("cannot drop index {key} because constraint {key} on table {table} requires it");
    let hint = format!("You can drop constraint {key} on table {table} instead.");
    Err(TableError::new(code::DEPENDENT_OBJECTS, message).with_hint(hint))
}

/// Refuses a table whose own foreign keys have lost the key that they reference.
fn check_own_references(schema: &TableSchema) -> TableResult<()> {
    for key in schema.foreign_keys.iter().filter(|key| key.target == schema.name) {
        let places: Option<Vec<usize>> = key.target_columns.iter().map(|column| place_of(schema, column)).collect();
        if !places.is_some_and(|places| is_unique_key(schema, &places)) {
            let what = format!("columns {} of table {}", key.target_columns.join(", "), schema.name);
            return Err(needed(&what, &key.name, &schema.name));
        }
    }
    Ok(())
}

fn undefined(message: String) -> TableError {
    TableError::new(code::OBJECT_UNDEFINED, message)
}

fn drop_constraint(schema: &mut TableSchema, name: &str) -> TableResult<()> {
    if schema.primary_key.as_ref().is_some_and(|key| key.name == *name) {
        forget_primary_key(schema);
        return Ok(());
    }
    if let Some(place) = schema.indexes.iter().position(|index| index.name == *name && index.is_unique) {
        return drop_index(schema, place);
    }
    let parts = schema.foreign_keys.len() + schema.checks.len();
    schema.foreign_keys.retain(|key| key.name != *name);
    schema.checks.retain(|check| check.name != *name);
    let own = schema.name.clone();
    schema.referenced_by.retain(|reference| reference.table != own || reference.foreign_key != *name);
    if schema.foreign_keys.len() + schema.checks.len() == parts {
        return Err(undefined(format!("constraint \"{name}\" of relation \"{}\" does not exist", schema.name)));
    }
    Ok(())
}

/// Drops an index, unless a foreign key needs it. Other tables' keys are known by name only: the columns that they reference are asked of the
/// caller's commit, which reads them; here an index goes only if another key has the same columns or nothing references the table.
fn drop_index(schema: &mut TableSchema, place: usize) -> TableResult<()> {
    let index = schema.indexes.remove(place);
    let columns: Vec<usize> = index.keys.iter().map(|key| key.column).collect();
    let is_key = index.is_unique && index.filter.is_none() && index.keys.iter().all(|key| key.path.is_empty());
    if is_key && !is_unique_key(schema, &columns) {
        let needs = |reference: &&crate::tables::table::Reference| {
            let own = schema.foreign_keys.iter().find(|key| key.name == reference.foreign_key);
            reference.table == schema.name && own.is_some_and(|key| references(schema, &key.target_columns, &columns))
        };
        if let Some(reference) = schema.referenced_by.iter().find(needs) {
            return Err(needed(&index.name, &reference.foreign_key, &reference.table));
        }
    }
    Ok(())
}

fn references(schema: &TableSchema, names: &[String], columns: &[usize]) -> bool {
    names.len() == columns.len() && columns.iter().all(|&column| names.contains(&schema.columns[column].name))
}

fn drop_column(schema: &mut TableSchema, name: &str) -> TableResult<()> {
    let place = place_of(schema, name).ok_or_else(|| no_column(&schema.name, name))?;
    if schema.primary_key.as_ref().is_some_and(|key| key.columns.contains(&place)) {
        forget_primary_key(schema);
    }
    let names_it = |filter: &Filter| mentions(filter, name);
    while let Some(index) = schema.indexes.iter().position(|index| {
        index.keys.iter().any(|key| key.column == place) || index.filter.as_ref().is_some_and(names_it)
    }) {
        drop_index(schema, index)?;
    }
    let own = schema.name.clone();
    let gone: HashSet<String> = schema
        .foreign_keys
        .iter()
        .filter(|key| {
            key.columns.contains(&place) || key.target == own && key.target_columns.iter().any(|column| column == name)
        })
        .map(|key| key.name.clone())
        .collect();
    schema.foreign_keys.retain(|key| !gone.contains(&key.name));
    schema.referenced_by.retain(|reference| reference.table != own || !gone.contains(&reference.foreign_key));
    schema.checks.retain(|check| !names_it(&check.filter));
    schema.columns.remove(place);
    let after = |column: &mut usize| *column -= usize::from(*column > place);
    schema.primary_key.iter_mut().for_each(|key| key.columns.iter_mut().for_each(after));
    schema.indexes.iter_mut().for_each(|index| index.keys.iter_mut().for_each(|key| after(&mut key.column)));
    schema.foreign_keys.iter_mut().for_each(|key| key.columns.iter_mut().for_each(after));
    Ok(())
}

/// Whether a filter names a column.
pub(super) fn mentions(filter: &Filter, column: &str) -> bool {
    let mut is_named = false;
    for condition in &*filter.conditions {
        fields(condition, &mut |name, _| is_named |= name == column);
    }
    is_named
}

fn rename_columns(schema: &mut TableSchema, change: &TableChange) -> TableResult<()> {
    // All at once: two columns may change places.
    let mut names: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
    for (from, to) in &change.rename_columns {
        check_name("a column", to)?;
        let place = place_of(schema, from).ok_or_else(|| no_column(&schema.name, from))?;
        names[place].clone_from(to);
    }
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        let message = format!("column \"{twice}\" of relation \"{}\" already exists", schema.name);
        return Err(TableError::new(code::COLUMN_DUPLICATE, message));
    }
    let new_name = |name: &str| change.rename_columns.get(name).cloned();
    let filters = schema.indexes.iter_mut().filter_map(|index| index.filter.as_mut());
    for filter in filters.chain(schema.checks.iter_mut().map(|check| &mut check.filter)) {
        *filter = renamed(filter, &new_name)?;
    }
    let own = schema.name.clone();
    for key in schema.foreign_keys.iter_mut().filter(|key| key.target == own) {
        for column in &mut key.target_columns {
            if let Some(name) = new_name(column) {
                *column = name;
            }
        }
    }
    for (column, name) in schema.columns.iter_mut().zip(names) {
        column.name = name;
    }
    Ok(())
}
