//! From a change and a schema to another schema.
//!
//! | step | on a table without rows, or where no older row can object | else |
//! |---|---|---|
//! | 1 | [`alter`]: everything | [`begin`]: what is added; rows that are written now keep to it |
//! | 2 | | older rows are looked at (`define`) |
//! | 3 | | [`complete`], and what is dropped and renamed; or [`take_back`] |

use std::collections::HashSet;

use crate::limits::LAYOUTS_MAX;
use crate::tables::schema::cast::cast_whole;
use crate::tables::schema::change::{ColumnChange, TableChange};
use crate::tables::schema::document::{ChangesDocument, CheckDocument, ColumnDocument};
use crate::tables::schema::filter::{fields, no_column, place_of, renamed};
use crate::tables::schema::names::check_name;
use crate::tables::schema::resolve::{
    Building, FindTable, NO_SPACE, allowed as allowed_of, check_allowed, comment, has_name, have_same_keys,
    is_unique_key, layout_of, limit,
};
use crate::tables::table::{Column, Default, Filter, Pending, TableSchema};
use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// The schema after a whole change, of a table without rows. Its new indexes have no spaces yet.
///
/// # Errors
/// Those of definitions; 2BP01 where something else needs what goes; 42704 where there is nothing to drop; 0A000.
pub(crate) fn alter(
    schema: &TableSchema,
    change: &TableChange,
    environment: &Environment,
    find: &mut FindTable<'_>,
) -> TableResult<TableSchema> {
    let removed = remove(schema.clone(), change)?;
    let mut altered = add(removed, change, environment, find, false)?;
    complete(&mut altered)?;
    altered.version = schema.version + 1;
    Ok(altered)
}

/// The schema in which all that the change adds holds for new rows; what is still to be looked at is pending. Nothing is dropped or renamed
/// yet, but could be.
///
/// # Errors
/// As [`alter`]; 23502 for a new column that would be null.
pub(crate) fn begin(
    schema: &TableSchema,
    change: &TableChange,
    environment: &Environment,
    find: &mut FindTable<'_>,
) -> TableResult<TableSchema> {
    let mut begun = add(schema.clone(), change, environment, find, true)?;
    begun.version = schema.version + 1;
    let needs_none = begun.pending.as_ref().is_none_or(|pending| {
        pending.indexes.is_empty()
            && pending.constraints.is_empty()
            && pending.not_null.is_empty()
            && pending.allowed.is_empty()
            && pending.casts.is_empty()
    });
    if needs_none {
        begun.pending = None;
        return remove(begun, change);
    }
    // So that it does not fail at the end.
    let mut end = begun.clone();
    complete(&mut end)?;
    remove(end, change)?;
    Ok(begun)
}

/// The schema after a change whose additions all older rows allow.
///
/// # Errors
/// As [`alter`], where other changes have come in between.
pub(crate) fn end(schema: &TableSchema, change: &TableChange) -> TableResult<TableSchema> {
    let mut ended = schema.clone();
    complete(&mut ended)?;
    let mut ended = remove(ended, change)?;
    ended.version = schema.version + 1;
    Ok(ended)
}

/// The schema without what an unfinished change has added. What other tables have changed in it meanwhile stays.
pub(crate) fn take_back(schema: &TableSchema) -> TableSchema {
    let Some(pending) = &schema.pending else { return schema.clone() };
    let mut before = (*pending.before).clone();
    let is_new = |name: &str| {
        schema.foreign_keys.iter().any(|key| key.name == name) && before.foreign_keys.iter().all(|key| key.name != name)
    };
    let mut references = schema.referenced_by.clone();
    references.retain(|reference| reference.table != schema.name || !is_new(&reference.foreign_key));
    before.referenced_by = references;
    before.version = schema.version + 1;
    before.next_column_id = schema.next_column_id;
    before.layouts.clone_from(&schema.layouts);
    let layout = layout_of(&before);
    if before.layouts.last() != Some(&layout) {
        before.layouts.push(layout);
    }
    before
}

/// Ends what is pending: indexes are in use, types are changed.
fn complete(schema: &mut TableSchema) -> TableResult<()> {
    let Some(pending) = schema.pending.take() else { return Ok(()) };
    for index in &mut schema.indexes {
        index.is_building &= !pending.indexes.contains(&index.name);
    }
    for (id, r#type) in pending.casts {
        let Some(column) = schema.columns.iter_mut().find(|column| column.id == id) else { continue };
        let cast = |value: &Value<'static>| match value {
            Value::Null => Ok(Value::Null),
            value => cast_whole(value, column.r#type, r#type),
        };
        let missing = cast(&column.missing)?;
        if let Some(Default::Literal(value)) = &column.default {
            column.default = Some(Default::Literal(cast(value)?));
        }
        (column.missing, column.r#type) = (missing, r#type);
    }
    renew_layout(schema)
}

/// Adds today's layout, where it is a new one.
fn renew_layout(schema: &mut TableSchema) -> TableResult<()> {
    let layout = layout_of(schema);
    if schema.layouts.last() == Some(&layout) {
        return Ok(());
    }
    if schema.layouts.len() >= LAYOUTS_MAX {
        let error = limit("changes of its columns", LAYOUTS_MAX);
        return Err(error.with_hint("Copy the rows to a new table, which begins to count again."));
    }
    schema.layouts.push(layout);
    Ok(())
}

/// Makes the part of the change that drops and renames.
fn remove(mut schema: TableSchema, change: &TableChange) -> TableResult<TableSchema> {
    for name in &change.drop_constraints {
        drop_constraint(&mut schema, name)?;
    }
    for name in &change.drop_indexes {
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
    Ok(schema)
}

fn undefined(message: String) -> TableError {
    TableError::new(code::OBJECT_UNDEFINED, message)
}

fn drop_constraint(schema: &mut TableSchema, name: &str) -> TableResult<()> {
    if schema.primary_key.as_ref().is_some_and(|key| key.name == *name) {
        return Err(unsupported("a primary key cannot be dropped: rows are kept in its order"));
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

fn unsupported(message: impl Into<String>) -> TableError {
    TableError::new(code::NOT_SUPPORTED, message)
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

/// What cannot go because a foreign key needs it.
pub(crate) fn needed(what: &str, foreign_key: &str, table: &str) -> TableError {
    let message = format!("cannot drop {what} because other objects depend on it");
    let details = format!("constraint {foreign_key} on table {table} depends on {what}");
    TableError::new(code::DEPENDENT_OBJECTS, message).with_details(details)
}

fn drop_column(schema: &mut TableSchema, name: &str) -> TableResult<()> {
    let place = place_of(schema, name).ok_or_else(|| no_column(&schema.name, name))?;
    if let Some(key) = schema.primary_key.as_ref().filter(|key| key.columns.contains(&place)) {
        let message = format!("cannot drop column {name} of table {} because other objects depend on it", schema.name);
        let details = format!("primary key {} depends on column {name} of table {}", key.name, schema.name);
        return Err(TableError::new(code::DEPENDENT_OBJECTS, message).with_details(details));
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

fn mentions(filter: &Filter, column: &str) -> bool {
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

/// Makes the part of the change that alters and adds. What older rows may object to is pending.
fn add(
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
        constraints: Vec::new(),
        not_null: Vec::new(),
        allowed: Vec::new(),
        casts: Vec::new(),
    };
    let mut building = Building::new(schema, environment, find);
    building.reserve(change.add_unique.iter().filter_map(|key| key.name.as_ref()));
    building.reserve(change.add_indexes.iter().filter_map(|index| index.name.as_ref()));
    building.reserve(change.add_checks.iter().filter_map(|check| check.name.as_ref()));
    building.reserve(change.add_foreign_keys.iter().filter_map(|key| key.name.as_ref()));
    for column in &change.alter_columns {
        alter_column(&mut building, column, &mut pending)?;
    }
    for column in &change.add_columns {
        add_column(&mut building, column, environment, has_rows)?;
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
        check_added(&schema, &pending)?;
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

fn add_column(
    building: &mut Building<'_, '_>,
    document: &ColumnDocument,
    environment: &Environment,
    has_rows: bool,
) -> TableResult<()> {
    let place = building.add_column(document)?;
    if !has_rows {
        return Ok(());
    }
    let table = building.schema.name.clone();
    let column = &mut building.schema.columns[place];
    let each_other = |what: &str| {
        let message = format!("column \"{}\" would have another {what} in each row that is there", column.name);
        unsupported(message).with_hint("Add it nullable and without that, give the rows their values, then alter it.")
    };
    if column.identity {
        return Err(each_other("number"));
    }
    column.missing = match &column.default {
        None => Value::Null,
        Some(Default::Literal(value)) => value.clone(),
        Some(Default::Now) => {
            let now = Value::Timestamp(environment.now_us);
            types::cast(now, Type::scalar(Scalar::TimestampTz), column.r#type, environment)?
        }
        Some(Default::Uuid | Default::UuidV7) => return Err(each_other("uuid")),
    };
    if column.missing.is_null() && !column.nullable {
        return Err(contains_nulls(&table, &column.name));
    }
    Ok(())
}

/// A column that is not nullable, and older rows in which it is null.
pub(crate) fn contains_nulls(table: &str, column: &str) -> TableError {
    let message = format!("column \"{column}\" of relation \"{table}\" contains null values");
    TableError::new(code::NOT_NULL_VIOLATION, message)
}

fn alter_column(building: &mut Building<'_, '_>, change: &ColumnChange, pending: &mut Pending) -> TableResult<()> {
    let name = &change.name;
    let place = place_of(&building.schema, name).ok_or_else(|| no_column(&building.schema.name, name))?;
    let mut column = building.schema.columns[place].clone();
    let to = change.r#type.as_deref().map(Type::parse).transpose()?.filter(|to| *to != column.r#type);
    if let Some(to) = to {
        check_type(&building.schema, place, to, pending)?;
        pending.casts.push((column.id, to));
    }
    alter_identity(building, change, &mut column, to, pending)?;
    alter_nullable(building, change, place, &mut column, pending)?;
    if let Some(allowed) = &change.allowed {
        let document = ColumnDocument { name: name.clone(), allowed: allowed.clone(), ..ColumnDocument::default() };
        let allowed = allowed_of(&document, to.unwrap_or(column.r#type))?;
        let loses = match (&column.allowed, &allowed) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(after)) => before.iter().any(|value| !after.contains(value)),
        };
        if loses {
            pending.allowed.push(column.id);
        }
        column.allowed = allowed;
    }
    match &change.default {
        Some(Some(_)) if column.identity => {
            let message = format!("column \"{name}\" of relation \"{}\" is an identity column", building.schema.name);
            return Err(TableError::new(code::SYNTAX_ERROR, message));
        }
        Some(Some(default)) => {
            // Read as a value of the new type, and kept as one of the old until that is in force.
            let new = Column { r#type: to.unwrap_or(column.r#type), ..column.clone() };
            let default = building.default_of(&new, default.form())?;
            column.default = match (default, to) {
                (Some(Default::Literal(value)), Some(to)) => {
                    Some(Default::Literal(types::cast(value, to, column.r#type, &Environment::neutral())?))
                }
                (default, _) => default,
            };
        }
        Some(None) => column.default = None,
        None => {
            if let (Some(to), Some(Default::Now | Default::Uuid | Default::UuidV7)) = (to, &column.default) {
                let message = format!("default for column \"{name}\" cannot be cast automatically to type {to}");
                return Err(TableError::new(code::DATATYPE_MISMATCH, message));
            }
        }
    }
    if let Some(default) = &column.default {
        check_allowed(&column, default)?;
    }
    if let Some(text) = &change.comment {
        column.comment = comment(text.as_deref())?;
    }
    building.schema.columns[place] = column;
    Ok(())
}

fn alter_identity(
    building: &mut Building<'_, '_>,
    change: &ColumnChange,
    column: &mut Column,
    to: Option<Type>,
    pending: &mut Pending,
) -> TableResult<()> {
    if change.identity == Some(true) && !column.identity {
        let document = ColumnDocument { name: change.name.clone(), identity: true, ..ColumnDocument::default() };
        building.check_identity(&document, to.unwrap_or(column.r#type))?;
        if column.default.is_some() && change.default != Some(None) {
            let message = format!(
                "column \"{}\" of relation \"{}\" already has a default value",
                change.name, building.schema.name
            );
            return Err(TableError::new(code::SYNTAX_ERROR, message));
        }
        column.identity = true;
        if column.nullable {
            column.nullable = false;
            pending.not_null.push(column.id);
        }
    } else if change.identity == Some(false) {
        column.identity = false;
    } else if column.identity && to.is_some_and(|to| !have_same_keys(to, Type::scalar(Scalar::BigInt))) {
        let message = "identity column type must be smallint, integer, or bigint";
        return Err(TableError::new(code::SCHEMA_INVALID, message));
    }
    Ok(())
}

fn alter_nullable(
    building: &Building<'_, '_>,
    change: &ColumnChange,
    place: usize,
    column: &mut Column,
    pending: &mut Pending,
) -> TableResult<()> {
    match change.nullable {
        Some(true) => {
            if building.schema.primary_key.as_ref().is_some_and(|key| key.columns.contains(&place)) {
                let message = format!("column \"{}\" is in a primary key", change.name);
                return Err(TableError::new(code::SCHEMA_INVALID, message));
            }
            if column.identity {
                let message = format!(
                    "column \"{}\" of relation \"{}\" is an identity column",
                    change.name, building.schema.name
                );
                return Err(TableError::new(code::SYNTAX_ERROR, message));
            }
            column.nullable = true;
        }
        Some(false) if column.nullable => {
            column.nullable = false;
            pending.not_null.push(column.id);
        }
        _ => {}
    }
    Ok(())
}

/// Refuses a change of a column's type that values cannot follow, or that keys and filters would have to be made anew for.
fn check_type(schema: &TableSchema, place: usize, to: Type, pending: &Pending) -> TableResult<()> {
    let column = &schema.columns[place];
    if pending.casts.iter().any(|(id, _)| *id == column.id) {
        return Err(TableError::new(code::SYNTAX_ERROR, format!("column \"{}\" is altered twice", column.name)));
    }
    if !types::can_cast(column.r#type, to) {
        let message = format!("column \"{}\" cannot be cast automatically to type {to}", column.name);
        return Err(TableError::new(code::DATATYPE_MISMATCH, message));
    }
    if column.allowed.is_some() && !matches!(to.scalar, Scalar::Text | Scalar::Varchar(_)) {
        let message = format!("column \"{}\" has an enum; it must be text", column.name);
        return Err(TableError::new(code::SCHEMA_INVALID, message));
    }
    if keeps_keys(column.r#type, to) {
        return Ok(());
    }
    match dependent(schema, place) {
        None => Ok(()),
        Some(name) => {
            let message = format!("cannot alter type of column \"{}\" because \"{name}\" depends on it", column.name);
            Err(unsupported(message).with_hint("Drop that, change the type, and add it again."))
        }
    }
}

/// Refuses what the change adds on a column whose type it changes too: until the change ends, keys and filters are of the type before.
fn check_added(schema: &TableSchema, pending: &Pending) -> TableResult<()> {
    for (place, column) in schema.columns.iter().enumerate() {
        let to = pending.casts.iter().find(|(id, to)| *id == column.id && !keeps_keys(column.r#type, *to));
        if let Some(name) = to.and_then(|_| dependent(schema, place)) {
            let message = format!("cannot alter type of column \"{}\" and add \"{name}\" at once", column.name);
            return Err(unsupported(message).with_hint("Change the type first, then add it."));
        }
    }
    Ok(())
}

/// The name of a key, index or check that depends on a column's type.
fn dependent(schema: &TableSchema, place: usize) -> Option<&String> {
    let name = &schema.columns[place].name;
    let indexed = schema.indexes.iter().filter(|index| {
        index.keys.iter().any(|key| key.column == place)
            || index.filter.as_ref().is_some_and(|filter| mentions(filter, name))
    });
    let indexed = indexed.map(|index| &index.name);
    let checked = schema.checks.iter().filter(|check| mentions(&check.filter, name)).map(|check| &check.name);
    let keyed = schema.foreign_keys.iter().filter(|key| key.columns.contains(&place)).map(|key| &key.name);
    let primary = schema.primary_key.iter().filter(|key| key.columns.contains(&place)).map(|key| &key.name);
    primary.chain(keyed).chain(indexed).chain(checked).next()
}

/// Whether a cast changes no value, and no bytes of keys.
fn keeps_keys(from: Type, to: Type) -> bool {
    match (from.scalar, to.scalar) {
        (Scalar::Numeric(from), Scalar::Numeric(to)) => match (from, to) {
            (_, None) => true,
            (Some(from), Some(to)) => to.scale >= from.scale,
            (None, Some(_)) => false,
        },
        (Scalar::Char(_), Scalar::Char(_)) => false,
        _ => have_same_keys(from, to) && !from.is_array,
    }
}
