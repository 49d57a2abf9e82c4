//! Dropping a table.

use crate::buckets::removal::{Rest, all_keys, remove_some};
use crate::engine::Transaction;
use crate::keyspace::{Dropped, schema_key};
use crate::tables::define::change::{Changed, Numbering, commit, schema_in};
use crate::tables::define::create::remove_reference;
use crate::tables::schema::catalog::not_found;
use crate::tables::schema::history;
use crate::tables::schema::identity::mark_key;
use crate::tables::table::{SpaceId, TableSchema};
use crate::tables::{TableError, TableResult, code};
use crate::{Database, Interrupt, Session};

/// A table that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableDropped {
    /// The commit that dropped it.
    pub version: u64,
    /// Whether that is certain to survive a power cut.
    pub durable: bool,
}

impl Session {
    /// Drops a table with its rows and indexes. It is gone at once; its memory is freed in small commits, which housekeeping continues where
    /// they are interrupted.
    ///
    /// # Errors
    /// PGRST205; 2BP01 where a foreign key of another table references it; 25001 inside a transaction; 42501.
    pub async fn drop_table(&mut self, name: &str) -> TableResult<TableDropped> {
        self.drop_table_until(name, Interrupt::default()).await
    }

    /// As [`drop_table`](Self::drop_table), until `interrupt` stops it: before the table is gone nothing happens, and after that housekeeping
    /// continues.
    ///
    /// # Errors
    /// Those of [`drop_table`](Self::drop_table); 57014.
    pub async fn drop_table_until(&mut self, name: &str, interrupt: Interrupt<'_>) -> TableResult<TableDropped> {
        interrupt.check()?;
        self.check_definable(name, "DROP TABLE")?;
        let database = self.database.clone();
        let mut left = Left::of(&database);
        let work = |transaction: &mut Transaction| drop_in(transaction, name);
        let (schema, changed) = commit(&database, work, |schema| left.spaces = spaces_of(schema)).await?;
        let Changed { version, durable } = changed;
        database.catalog().forget(name);
        database.catalog().identities.forget(schema.rows);
        left.remove(interrupt).await;
        Ok(TableDropped { version, durable })
    }
}

fn spaces_of(schema: &TableSchema) -> Vec<SpaceId> {
    schema.indexes.iter().map(|index| index.space).chain([schema.rows]).collect()
}

fn drop_in(transaction: &mut Transaction, name: &str) -> TableResult<TableSchema> {
    let schema = schema_in(transaction, name)?.ok_or_else(|| not_found(name))?;
    let others = schema.referenced_by.iter().filter(|reference| reference.table != name);
    let others: Vec<String> = others
        .map(|other| format!("constraint {} on table {} depends on table {name}", other.foreign_key, other.table))
        .collect();
    if !others.is_empty() {
        let message = format!("cannot drop table {name} because other objects depend on it");
        let error = TableError::new(code::DEPENDENT_OBJECTS, message).with_details(others.join("\n"));
        return Err(error.with_hint("Drop the foreign keys of these tables first, or the tables."));
    }
    for key in schema.foreign_keys.iter().filter(|key| key.target != name) {
        remove_reference(transaction, name, key)?;
    }
    let mut numbering = Numbering::of(transaction)?;
    numbering.tables = numbering.tables.saturating_sub(1);
    numbering.put(transaction);
    history::keep_replaced(transaction, name, None)?;
    transaction.delete(&schema_key(name));
    transaction.delete(&mark_key(schema.rows));
    for space in spaces_of(&schema) {
        mark_dropped(transaction, space);
    }
    Ok(schema)
}

/// Marks a space as dropped.
pub(super) fn mark_dropped(transaction: &mut Transaction, space: SpaceId) {
    transaction.put(&Dropped::Space(space).mark_key(), Vec::new(), None);
}

async fn is_removed(database: &Database, dropped: Dropped, interrupt: Interrupt<'_>) -> bool {
    let mut range = all_keys(dropped);
    loop {
        if interrupt.is_over() {
            return false;
        }
        let mut rest = Rest::Nothing;
        let outcome = remove_some(database, dropped, &range, &mut 0, &mut rest);
        if database.0.engine.settle(outcome).await.is_err() {
            return false;
        }
        match rest {
            Rest::Keys(left) => range = left,
            // Rows do not expire: keys that another commit took away meanwhile.
            Rest::Expired => range = all_keys(dropped),
            Rest::Nothing => return true,
        }
        database.0.engine.yield_to_writers();
    }
}

/// Dropped spaces with keys. Those that are left when this is dropped are left to housekeeping: a page, which has none of that, interrupts
/// nothing.
pub(super) struct Left<'d> {
    database: &'d Database,
    pub(super) spaces: Vec<SpaceId>,
}

impl<'d> Left<'d> {
    pub(super) fn of(database: &'d Database) -> Self {
        Self { database, spaces: Vec::new() }
    }

    /// Removes the keys. What an error or an interrupt leaves is left to housekeeping too.
    pub(super) async fn remove(mut self, interrupt: Interrupt<'_>) {
        while let Some(&space) = self.spaces.last() {
            if !is_removed(self.database, Dropped::Space(space), interrupt).await {
                return;
            }
            self.spaces.pop();
        }
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        #[cfg(not(target_family = "wasm"))]
        self.database.0.dropped.lock().extend(self.spaces.drain(..).map(Dropped::Space));
    }
}
