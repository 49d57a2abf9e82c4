//! Changes of types: which are possible.

use crate::tables::schema::alter::refusals::unsupported;
use crate::tables::schema::alter::remove::mentions;
use crate::tables::schema::change::TableChange;
use crate::tables::schema::resolve::{NO_SPACE, have_same_keys};
use crate::tables::table::{Column, ForeignKey, Index, IndexKey, Pending, TableSchema};
use crate::tables::types::{self, Scalar, Type};
use crate::tables::{TableError, TableResult, code};

/// Refuses a change of a column's type that values cannot follow.
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
    Ok(())
}

/// Has the keys, indexes and checks of a column whose values change with its type made anew, beside those of the type before.
///
/// # Errors
/// 42804 where a foreign key would compare other types, 0A000 where one would compare other values.
pub(super) fn rebuild(schema: &mut TableSchema, change: &TableChange, pending: &mut Pending) -> TableResult<()> {
    let changed = |(place, column): (usize, &Column)| {
        let (_, to) = pending.casts.iter().find(|(id, _)| *id == column.id)?;
        (!keeps_keys(column.r#type, *to)).then_some((place, column.r#type, *to))
    };
    let changed: Vec<_> = schema.columns.iter().enumerate().filter_map(changed).collect();
    for (place, from, to) in changed {
        let name = schema.columns[place].name.clone();
        if change.drop_columns.contains(&name) {
            continue;
        }
        let is_kept = |name: &String| !change.drop_constraints.contains(name);
        let references = |key: &&ForeignKey| {
            key.columns.contains(&place) || key.target == schema.name && key.target_columns.contains(&name)
        };
        if let Some(key) = schema.foreign_keys.iter().filter(references).find(|key| is_kept(&key.name)) {
            return Err(other_key(&key.name, from, to));
        }
        let checks = schema.checks.iter().filter(|check| mentions(&check.filter, &name)).map(|check| &check.name);
        pending.constraints.extend(checks.cloned());
        if let Some(key) = schema.clustering().filter(|key| key.columns.contains(&place) && is_kept(&key.name))
            && pending.primary_key.is_none()
        {
            let keys = key.columns.iter().map(|&column| IndexKey { column, path: Vec::new(), is_descending: false });
            let index = Index {
                name: key.name.clone(),
                space: NO_SPACE,
                keys: keys.collect(),
                is_unique: true,
                is_primary: true,
                filter: None,
                is_building: false,
            };
            pending.primary_key = Some(key.clone());
            schema.indexes.push(index);
        }
        let depends = |index: &&Index| {
            index.space != NO_SPACE
                && !pending.rebuilt.contains(&index.space)
                && is_kept(&index.name)
                && !change.drop_indexes.contains(&index.name)
                && (index.keys.iter().any(|key| key.column == place)
                    || index.filter.as_ref().is_some_and(|filter| mentions(filter, &name)))
        };
        let dependent: Vec<Index> = schema.indexes.iter().filter(depends).cloned().collect();
        for index in dependent {
            if index.is_primary {
                pending.primary_key.clone_from(&schema.primary_key);
            } else {
                pending.rebuilt.push(index.space);
            }
            schema.indexes.push(Index { space: NO_SPACE, ..index });
        }
    }
    Ok(())
}

/// A foreign key on a column, here or in another table, where the column's type changes its values.
pub(crate) fn other_key(name: &str, from: Type, to: Type) -> TableError {
    if have_same_keys(from, to) {
        let message = format!("cannot alter type of a column from {from} to {to} because \"{name}\" depends on it");
        return unsupported(message).with_hint("Drop that, change the type, and add it again.");
    }
    let message = format!("foreign key constraint \"{name}\" cannot be implemented");
    TableError::new(code::DATATYPE_MISMATCH, message)
        .with_details(format!("Key columns would be of types {from} and {to}."))
}

/// Whether a cast changes no value, and no bytes of keys.
pub(crate) fn keeps_keys(from: Type, to: Type) -> bool {
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
