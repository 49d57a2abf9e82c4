//! Making a table, or confirming that it is there.

use crate::Session;
use crate::engine::Transaction;
use crate::keyspace::tables as sections;
use crate::limits::REFERENCES_MAX;
use crate::tables::define::change::{Numbering, check_bound, check_writable, commit, put_schema, schema_in};
use crate::tables::schema::TableDocument;
use crate::tables::schema::catalog::not_found;
use crate::tables::schema::describe::{describe, difference};
use crate::tables::schema::resolve::{limit, resolve};
use crate::tables::table::{ForeignKey, Reference, TableSchema};
use crate::tables::{Environment, TableError, TableResult, code};

/// A table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Whether this call made it; otherwise it was there already, and is equal.
    pub is_new: bool,
    /// The commit that made it, or the newest one at which it was seen.
    pub version: u64,
    /// Whether that is certain to survive a power cut.
    pub durable: bool,
}

impl Session {
    /// Makes a table, or confirms that it is there and has this definition. Foreign keys need grants to write the tables that they reference:
    /// they keep rows of these from being deleted.
    ///
    /// # Errors
    /// 42P07 where it is there and differs, saying in what; 25001 inside a transaction; 42501, PGRST205; 54000 at the limit of tables; those
    /// of the definition: 42601, 42602, 42701, 42703, 42704, 42710, 42804, 42830, 42883, 42P16, and those of its values.
    pub async fn create_table(&mut self, name: &str, document: &TableDocument) -> TableResult<Created> {
        self.check_definable(name, "CREATE TABLE")?;
        let (environment, tables_max) = (self.defining(), self.database.0.limits.tables_max);
        let session = &*self;
        let work =
            |transaction: &mut Transaction| create(transaction, session, name, document, &environment, tables_max);
        let (is_new, changed) = commit(&session.database, work, |_| ()).await?;
        Ok(Created { is_new, version: changed.version, durable: changed.durable })
    }
}

fn create(
    transaction: &mut Transaction,
    session: &Session,
    name: &str,
    document: &TableDocument,
    environment: &Environment,
    tables_max: usize,
) -> TableResult<bool> {
    let stored = schema_in(transaction, name)?;
    let mut find = |target: &str| referenced(transaction, session, target);
    let mut schema = resolve(name, document, environment, &mut find)?;
    if let Some(stored) = stored {
        let Some(details) = difference(&describe(&stored, environment), &describe(&schema, environment)) else {
            return Ok(false);
        };
        let error = TableError::new(code::TABLE_DUPLICATE, format!("relation \"{name}\" already exists"));
        return Err(error.with_details(details));
    }
    check_bound(&schema, environment)?;
    let mut numbering = Numbering::of(transaction)?;
    if numbering.tables as usize >= tables_max {
        let message = format!("there are {} tables; that is the limit", numbering.tables);
        return Err(TableError::new(code::LIMIT_EXCEEDED, message));
    }
    numbering.tables += 1;
    schema.rows = numbering.space()?;
    for index in &mut schema.indexes {
        index.space = numbering.space()?;
    }
    numbering.put(transaction);
    for key in schema.foreign_keys.iter().filter(|key| key.target != name) {
        add_reference(transaction, name, key)?;
    }
    transaction.put(&schema.rows.catalog_key(sections::NAMES), name.as_bytes().to_vec(), None);
    put_schema(transaction, &schema)?;
    Ok(true)
}

/// The schema of a table that a foreign key is to reference.
pub(super) fn referenced(transaction: &mut Transaction, session: &Session, target: &str) -> TableResult<TableSchema> {
    check_writable(session, target)?;
    schema_in(transaction, target)?.ok_or_else(|| not_found(target))
}

/// Tells the referenced table of a foreign key. Its schema changes, so that statements on it that began before do not miss the key.
pub(super) fn add_reference(transaction: &mut Transaction, table: &str, key: &ForeignKey) -> TableResult<()> {
    let mut target = schema_in(transaction, &key.target)?.ok_or_else(|| not_found(&key.target))?;
    if target.referenced_by.len() >= REFERENCES_MAX {
        return Err(limit("foreign keys that reference it", REFERENCES_MAX));
    }
    target.referenced_by.push(Reference { table: table.to_owned(), foreign_key: key.name.clone() });
    put_schema(transaction, &target)
}

/// Tells the referenced table that a foreign key is gone.
pub(super) fn remove_reference(transaction: &mut Transaction, table: &str, key: &ForeignKey) -> TableResult<()> {
    let Some(mut target) = schema_in(transaction, &key.target)? else { return Ok(()) };
    target.referenced_by.retain(|reference| reference.table != table || reference.foreign_key != key.name);
    put_schema(transaction, &target)
}
