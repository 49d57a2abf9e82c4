//! One schema replaced by another in a commit, with what that means to other tables.

use crate::engine::Transaction;
use crate::tables::define::change::{Numbering, check_bound, put_schema, schema_in};
use crate::tables::define::create::{add_reference, remove_reference};
use crate::tables::define::drop::mark_dropped;
use crate::tables::schema::TableChange;
use crate::tables::schema::alter::{completed, end, keeps_keys, needed, other_key, take_back};
use crate::tables::schema::filter::place_of;
use crate::tables::schema::resolve::{NO_SPACE, have_same_keys, is_unique_key};
use crate::tables::sort::sort_by;
use crate::tables::table::{Column, ForeignKey, SpaceId, TableSchema};
use crate::tables::{Environment, TableError, TableResult, code};

/// What a commit has made of a schema.
pub(super) struct Replaced {
    pub(super) schema: TableSchema,
    /// Spaces that are dropped.
    pub(super) dropped: Vec<SpaceId>,
}

/// Replaces the schema `old` by `new`: gives new indexes their spaces, drops those of old ones, and tells the tables on the other side of
/// foreign keys.
pub(super) fn replace(
    transaction: &mut Transaction,
    old: &TableSchema,
    mut new: TableSchema,
    change: &TableChange,
    environment: &Environment,
) -> TableResult<Replaced> {
    if new.indexes.iter().any(|index| index.space == NO_SPACE) {
        let mut numbering = Numbering::of(transaction)?;
        for index in new.indexes.iter_mut().filter(|index| index.space == NO_SPACE) {
            index.space = numbering.space()?;
        }
        numbering.put(transaction);
    }
    // What is added beside a change of types is of the types to come.
    let changes_types = new.pending.as_ref().is_some_and(|pending| !pending.casts.is_empty());
    check_bound(&if changes_types { completed(&new)? } else { new.clone() }, environment)?;
    let is_renaming = old.columns.iter().any(|column| {
        let same = new.columns.iter().find(|other| other.id == column.id);
        same.is_none_or(|other| other.name != column.name)
    });
    check_compared(transaction, old, &new)?;
    update_references(transaction, &new, change, is_renaming)?;
    let dropped = follow(transaction, old, &new)?;
    put_schema(transaction, &new)?;
    Ok(Replaced { schema: new, dropped })
}

/// Takes back what an unfinished change of the table has added, if there is one; of the table with these rows only, where `rows` says so. Returns
/// the spaces that are dropped.
pub(crate) fn take_back_in(
    transaction: &mut Transaction,
    name: &str,
    rows: Option<SpaceId>,
) -> TableResult<Vec<SpaceId>> {
    let Some(schema) = schema_in(transaction, name)? else { return Ok(Vec::new()) };
    if schema.pending.is_none() || rows.is_some_and(|rows| rows != schema.rows) {
        return Ok(Vec::new());
    }
    let before = take_back(&schema);
    let dropped = follow(transaction, &schema, &before)?;
    put_schema(transaction, &before)?;
    Ok(dropped)
}

/// Drops the spaces of indexes that are gone, and tells the targets of foreign keys.
fn follow(transaction: &mut Transaction, old: &TableSchema, new: &TableSchema) -> TableResult<Vec<SpaceId>> {
    let is_kept = |space: SpaceId| new.indexes.iter().any(|index| index.space == space);
    let dropped: Vec<_> = old.indexes.iter().map(|index| index.space).filter(|&space| !is_kept(space)).collect();
    for &space in &dropped {
        mark_dropped(transaction, space);
    }
    let has = |schema: &TableSchema, key: &ForeignKey| {
        schema.foreign_keys.iter().any(|other| other.name == key.name && other.target == key.target)
    };
    for key in old.foreign_keys.iter().filter(|key| key.target != old.name && !has(new, key)) {
        remove_reference(transaction, &old.name, key)?;
    }
    for key in new.foreign_keys.iter().filter(|key| key.target != new.name && !has(old, key)) {
        add_reference(transaction, &new.name, key)?;
    }
    Ok(dropped)
}

/// Makes sure that foreign keys compare values of one kind, also where there are no rows yet.
///
/// # Errors
/// 42804.
fn check_compared(transaction: &mut Transaction, old: &TableSchema, new: &TableSchema) -> TableResult<()> {
    let retyped = |column: &Column| {
        let before = old.columns.iter().find(|before| before.id == column.id)?.r#type;
        (!have_same_keys(before, column.r#type)).then_some((before, column.r#type))
    };
    let retyped: Vec<_> = new.columns.iter().filter_map(|column| Some((column, retyped(column)?))).collect();
    if retyped.is_empty() {
        return Ok(());
    }
    for key in &new.foreign_keys {
        for (&own, other) in key.columns.iter().zip(&key.target_columns) {
            let own = &new.columns[own];
            let other = place_of(new, other).filter(|_| key.target == new.name).map(|place| &new.columns[place]);
            if other.is_some_and(|other| have_same_keys(own.r#type, other.r#type)) {
                continue;
            }
            let is_compared = |id| own.id == id || other.is_some_and(|other| other.id == id);
            if let Some((_, (from, to))) = retyped.iter().find(|(column, _)| is_compared(column.id)) {
                return Err(other_key(&key.name, *from, *to));
            }
        }
    }
    let mut tables: Vec<&str> = new.referenced_by.iter().map(|reference| reference.table.as_str()).collect();
    tables.dedup();
    for table in tables {
        let Some(child) = schema_in(transaction, table)?.filter(|child| child.name != new.name) else { continue };
        for key in child.foreign_keys.iter().filter(|key| key.target == old.name) {
            // Their columns have the names from before this change.
            let ids = key.target_columns.iter().filter_map(|name| Some(old.columns[place_of(old, name)?].id));
            for id in ids {
                if let Some((_, (from, to))) = retyped.iter().find(|(column, _)| column.id == id) {
                    return Err(other_key(&key.name, *from, *to));
                }
            }
        }
    }
    Ok(())
}

/// Makes sure that the tables which reference this one still find a unique key, under its columns' new names.
fn update_references(
    transaction: &mut Transaction,
    new: &TableSchema,
    change: &TableChange,
    is_renaming: bool,
) -> TableResult<()> {
    for schema in referencing(transaction, new, change, is_renaming)? {
        if schema.pending.is_some() {
            let message = format!("a change of table \"{}\", which references this one, is under way", schema.name);
            return Err(TableError::new(code::OBJECT_IN_USE, message));
        }
        put_schema(transaction, &schema)?;
    }
    Ok(())
}

/// Makes sure that a change which takes several commits can end.
pub(super) fn check_end(
    transaction: &mut Transaction,
    begun: &TableSchema,
    change: &TableChange,
    environment: &Environment,
) -> TableResult<()> {
    let ended = end(begun, change)?;
    check_bound(&ended, environment)?;
    for child in referencing(transaction, &ended, change, true)? {
        for key in child.foreign_keys.iter().filter(|key| key.target == ended.name) {
            for column in &key.target_columns {
                let after = place_of(&ended, column).map(|place| &ended.columns[place]);
                let before = after.and_then(|after| begun.columns.iter().find(|other| other.id == after.id));
                if let (Some(before), Some(after)) = (before, after)
                    && !keeps_keys(before.r#type, after.r#type)
                {
                    return Err(other_key(&key.name, before.r#type, after.r#type));
                }
            }
        }
    }
    Ok(())
}

/// The other tables that reference this one, with its columns' new names where it is `renaming`; none otherwise.
///
/// # Errors
/// 2BP01 where one of them does not find a unique key.
fn referencing(
    transaction: &mut Transaction,
    new: &TableSchema,
    change: &TableChange,
    is_renaming: bool,
) -> TableResult<Vec<TableSchema>> {
    let mut children: Vec<&str> = new.referenced_by.iter().map(|reference| reference.table.as_str()).collect();
    children.retain(|child| *child != new.name);
    sort_by(&mut children, Ord::cmp);
    children.dedup();
    let mut renamed_in = Vec::new();
    for child in children {
        let Some(mut schema) = schema_in(transaction, child)? else { continue };
        for key in schema.foreign_keys.iter_mut().filter(|key| key.target == new.name) {
            // At the first commit of several nothing is renamed yet.
            let renamed = key.target_columns.iter().map(|column| {
                let to = change.rename_columns.get(column).filter(|_| is_renaming);
                to.filter(|to| place_of(new, to).is_some()).unwrap_or(column).clone()
            });
            let renamed: Vec<String> = renamed.collect();
            let places: Option<Vec<usize>> = renamed.iter().map(|column| place_of(new, column)).collect();
            if !places.is_some_and(|places| is_unique_key(new, &places)) {
                let what = format!("columns {} of table {}", key.target_columns.join(", "), new.name);
                return Err(needed(&what, &key.name, child));
            }
            key.target_columns = renamed;
        }
        if is_renaming {
            renamed_in.push(schema);
        }
    }
    Ok(renamed_in)
}
