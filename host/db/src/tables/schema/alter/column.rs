//! Changes of a column.

use crate::tables::schema::alter::refusals::in_primary_key;
use crate::tables::schema::alter::types::check_type;
use crate::tables::schema::change::{ColumnChange, TableChange};
use crate::tables::schema::document::ColumnDocument;
use crate::tables::schema::filter::{no_column, place_of};
use crate::tables::schema::resolve::{Building, allowed as allowed_of, check_allowed, comment, have_same_keys};
use crate::tables::table::{Column, Default, Pending, PrimaryKey};
use crate::tables::types::{self, Scalar, Type};
use crate::tables::{Environment, TableError, TableResult, code};

/// Alters a column.
pub(super) fn alter_column(
    building: &mut Building<'_, '_>,
    change: &ColumnChange,
    whole: &TableChange,
    pending: &mut Pending,
) -> TableResult<()> {
    let name = &change.name;
    let place = place_of(&building.schema, name).ok_or_else(|| no_column(&building.schema.name, name))?;
    let mut column = building.schema.columns[place].clone();
    let to = change.r#type.as_deref().map(Type::parse).transpose()?.filter(|to| *to != column.r#type);
    if let Some(to) = to {
        check_type(&building.schema, place, to, pending)?;
        pending.casts.push((column.id, to));
    }
    alter_identity(building, change, &mut column, to, pending)?;
    alter_nullable(building, change, whole, &mut column, pending)?;
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
    whole: &TableChange,
    column: &mut Column,
    pending: &mut Pending,
) -> TableResult<()> {
    let schema = &building.schema;
    let is_in = |key: &&PrimaryKey| key.columns.iter().any(|&place| schema.columns[place].id == column.id);
    let key = schema.primary_key.as_ref().filter(is_in);
    match change.nullable {
        Some(true) => {
            if key.is_some_and(|key| !whole.drop_constraints.contains(&key.name)) {
                return Err(in_primary_key(&change.name));
            }
            if column.identity {
                let message = format!(
                    "column \"{}\" of relation \"{}\" is an identity column",
                    change.name, building.schema.name
                );
                return Err(TableError::new(code::SYNTAX_ERROR, message));
            }
            // Until the key is gone, no row has a null in it.
            match key {
                Some(_) => pending.nullable.push(column.id),
                None => column.nullable = true,
            }
        }
        Some(false) if column.nullable => {
            column.nullable = false;
            pending.not_null.push(column.id);
        }
        _ => {}
    }
    Ok(())
}
