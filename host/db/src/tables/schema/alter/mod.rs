//! From a change and a schema to another schema.
//!
//! | step | on a table without rows, or where no older row can object | else |
//! |---|---|---|
//! | 1 | [`alter`]: everything | [`begin`]: what is added; rows that are written now keep to it |
//! | 2 | | older rows are looked at (`define`) |
//! | 3 | | [`end`]: what is dropped and renamed; or [`take_back`] |
//!
//! | module | holds |
//! |---|---|
//! | this one | the steps |
//! | `add` | what a change alters and adds |
//! | `column` | changes of a column |
//! | `types` | changes of types |
//! | `remove` | what a change drops and renames |
//! | `layouts` | the layouts that rows were written in |
//! | `refusals` | what is refused in several places |

mod add;
mod column;
mod layouts;
mod refusals;
mod remove;
mod types;

use crate::tables::schema::cast::cast_whole;
use crate::tables::schema::change::TableChange;
use crate::tables::schema::resolve::{FindTable, layout_of};
use crate::tables::table::{Default, TableSchema};
use crate::tables::types::Value;
use crate::tables::{Environment, TableResult};

pub(crate) use refusals::{contains_nulls, needed};
pub(crate) use types::{keeps_keys, other_key};

use add::add;
use layouts::renew_layout;
use remove::{forget_primary_key, remove};

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
    let removed = remove(schema.clone(), change, None)?;
    let mut altered = add(removed, change, environment, find, false)?;
    complete(&mut altered)?;
    succeed(&mut altered, schema);
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
    succeed(&mut begun, schema);
    let needs_none = begun.pending.as_ref().is_none_or(|pending| {
        pending.indexes.is_empty()
            && pending.constraints.is_empty()
            && pending.not_null.is_empty()
            && pending.filled.is_empty()
            && pending.allowed.is_empty()
            && pending.casts.is_empty()
    });
    if needs_none {
        let replaced = complete(&mut begun)?;
        return remove(begun, change, replaced.as_deref());
    }
    Ok(begun)
}

/// The schema after a change whose additions all older rows allow.
///
/// # Errors
/// As [`alter`], where other changes have come in between.
pub(crate) fn end(schema: &TableSchema, change: &TableChange) -> TableResult<TableSchema> {
    let mut ended = schema.clone();
    let replaced = complete(&mut ended)?;
    let mut ended = remove(ended, change, replaced.as_deref())?;
    succeed(&mut ended, schema);
    Ok(ended)
}

/// The schema that a change under way leads to, before it drops and renames.
///
/// # Errors
/// As [`alter`].
pub(crate) fn completed(schema: &TableSchema) -> TableResult<TableSchema> {
    let mut completed = schema.clone();
    complete(&mut completed)?;
    Ok(completed)
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
    succeed(&mut before, schema);
    before.next_column_id = schema.next_column_id;
    before.layouts.clone_from(&schema.layouts);
    let layout = layout_of(&before);
    if before.layouts.last() != Some(&layout) {
        before.layouts.push(layout);
    }
    before
}

/// Gives a schema the version behind the one that it replaces.
fn succeed(new: &mut TableSchema, old: &TableSchema) {
    let counting = |schema: &TableSchema| schema.columns.iter().find(|column| column.identity).map(|column| column.id);
    new.version = old.version + 1;
    new.counts_since = if counting(new) == counting(old) { old.counts_since } else { new.version };
}

/// Ends what is pending: indexes are in use, types are changed. Returns the name of the primary key that has been replaced.
fn complete(schema: &mut TableSchema) -> TableResult<Option<String>> {
    let Some(pending) = schema.pending.take() else { return Ok(None) };
    let mut replaced = None;
    if let Some(key) = pending.primary_key {
        replaced = schema.primary_key.as_ref().map(|key| key.name.clone());
        forget_primary_key(schema);
        schema.primary_key = Some(key);
    }
    for space in &pending.rebuilt {
        let Some(old) = schema.indexes.iter().position(|index| index.space == *space) else { continue };
        let name = &schema.indexes[old].name;
        if let Some(new) = schema.indexes.iter().position(|index| index.is_building && index.name == *name) {
            schema.indexes.swap(old, new);
            schema.indexes.remove(new);
        }
    }
    for index in &mut schema.indexes {
        index.is_building = false;
    }
    for column in schema.columns.iter_mut().filter(|column| pending.nullable.contains(&column.id)) {
        column.nullable = true;
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
    renew_layout(schema)?;
    Ok(replaced)
}
