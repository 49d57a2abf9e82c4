//! Changes of types: which are possible.

use crate::tables::schema::alter::refusals::unsupported;
use crate::tables::schema::alter::remove::mentions;
use crate::tables::schema::resolve::have_same_keys;
use crate::tables::table::{Pending, TableSchema};
use crate::tables::types::{self, Scalar, Type};
use crate::tables::{TableError, TableResult, code};

/// Refuses a change of a column's type that values cannot follow, or that keys and filters would have to be made anew for.
pub(super) fn check_type(schema: &TableSchema, place: usize, to: Type, pending: &Pending) -> TableResult<()> {
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
pub(super) fn check_added(schema: &TableSchema, pending: &Pending) -> TableResult<()> {
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
