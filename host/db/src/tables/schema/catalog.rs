//! Schemas in the key space, and their cache.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::engine::{Direction, KeyRange, Mutex, StoredEntry, View, mutant};
use crate::keyspace::{schema_key, tables as sections};
use crate::limits::TABLES_READY_MAX;
use crate::tables::schema::altering::Altering;
use crate::tables::schema::history::Histories;
use crate::tables::schema::identity::Identities;
use crate::tables::schema::names::nearest;
use crate::tables::schema::ready::Table;
use crate::tables::schema::stored;
use crate::tables::{TableError, TableResult, code};
use crate::{Access, Database, Grants};

/// The schemas in use, by name and version, and the counters of identity columns.
#[derive(Default)]
pub(crate) struct Catalog {
    ready: Mutex<HashMap<Box<str>, Arc<Table>>>,
    pub(crate) altering: Altering,
    pub(crate) identities: Identities,
    pub(crate) histories: Histories,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

impl Database {
    /// The catalogue of tables.
    pub(crate) fn catalog(&self) -> &Catalog {
        let catalog = self.0.tables.get_or_init(|| Box::<Catalog>::default()).downcast_ref();
        catalog.unwrap_or_else(|| unreachable!("nothing else is put there"))
    }
}

impl Catalog {
    /// The table of this name as `view` sees it. A transaction that writes is a conflict if its schema changes by then.
    ///
    /// # Errors
    /// `PGRST205`, without a hint; [`shown`](Self::shown) gives one.
    pub(crate) fn table(&self, view: &mut dyn View, name: &str) -> TableResult<Arc<Table>> {
        self.find(view, name)?.ok_or_else(|| not_found(name))
    }

    /// The table of this name if the grants allow `access`.
    ///
    /// # Errors
    /// `PGRST205` with the nearest name that the grants show as a hint, also where they do not show this one; 42501 where they show it for
    /// reading only.
    pub(crate) fn shown(
        &self,
        view: &mut dyn View,
        grants: &Grants,
        name: &str,
        access: Access,
    ) -> TableResult<Arc<Table>> {
        let found = if check_access(grants, name, access)? { self.find(view, name)? } else { None };
        if let Some(table) = found {
            return Ok(table);
        }
        let mut names = Vec::new();
        visit_schemas(view, &mut |name, _| {
            if grants.table_access(name).is_some() {
                names.push(name.to_owned());
            }
        })?;
        let error = not_found(name);
        Err(match nearest(name, names) {
            Some(other) => error.with_hint(format!("Perhaps you meant the table 'public.{other}'")),
            None => error,
        })
    }

    /// The table of this name, if there is one.
    ///
    /// # Errors
    /// `XX001` where its schema cannot be read.
    pub(crate) fn find(&self, view: &mut dyn View, name: &str) -> TableResult<Option<Arc<Table>>> {
        let key = schema_key(name);
        let stored = mutant!("schema-unguarded" => view.get(&key)?, or view.get_guarded(&key)?);
        let Some(stored) = stored else { return Ok(None) };
        self.ready(name, &stored).map(Some)
    }

    /// All tables, by name.
    ///
    /// # Errors
    /// `XX001` where a stored schema cannot be read.
    #[cfg(any(feature = "testing", not(target_family = "wasm")))]
    pub(crate) fn tables(&self, view: &mut dyn View) -> TableResult<Vec<Arc<Table>>> {
        let mut found = Vec::new();
        visit_schemas(view, &mut |name, stored| found.push((name.to_owned(), stored)))?;
        found.iter().map(|(name, stored)| self.ready(name, stored)).collect()
    }

    /// The table of a stored schema. What a transaction has written itself, or what is older than what is ready, is made anew each time. A
    /// version whose commit was taken back may be used again: the bytes are compared too.
    pub(crate) fn ready(&self, name: &str, stored: &StoredEntry) -> TableResult<Arc<Table>> {
        let is_same = |table: &Arc<Table>| table.schema_version == stored.version && table.stored == stored.value;
        if let Some(table) = self.ready.lock().get(name).filter(|table| is_same(table)) {
            return Ok(Arc::clone(table));
        }
        let schema = stored::decode(&stored.value)?;
        let table = Arc::new(Table::from_stored(schema, stored.version, stored.value.clone()));
        let mut ready = self.ready.lock();
        if stored.version == 0 || ready.get(name).is_some_and(|newer| newer.schema_version > stored.version) {
            return Ok(table);
        }
        if ready.len() >= TABLES_READY_MAX && !ready.contains_key(name) {
            // Which one goes is left to chance: to keep an order would cost every statement.
            let other = ready.keys().next().cloned();
            other.and_then(|other| ready.remove(&other));
        }
        ready.insert(name.into(), Arc::clone(&table));
        Ok(table)
    }

    /// Forgets a table that is dropped.
    pub(crate) fn forget(&self, name: &str) {
        self.ready.lock().remove(name);
    }
}

/// Whether the grants show the table.
///
/// # Errors
/// 42501 where they allow reading only.
pub(crate) fn check_access(grants: &Grants, name: &str, access: Access) -> TableResult<bool> {
    match grants.table_access(name) {
        None => Ok(false),
        Some(granted) if granted < access => {
            let error = TableError::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for table {name}"));
            Err(error.with_hint("The grants allow reading it only."))
        }
        Some(_) => Ok(true),
    }
}

/// Shows every stored schema by the table's name.
pub(crate) fn visit_schemas(view: &mut dyn View, see: &mut dyn FnMut(&str, StoredEntry)) -> TableResult<()> {
    let section = sections::SCHEMAS;
    let mut damaged = false;
    view.visit_shared(&KeyRange::prefix(&section), Direction::Forward, &mut |key, stored| {
        match std::str::from_utf8(&key[section.len()..]) {
            Ok(name) => see(name, stored),
            Err(_) => damaged = true,
        }
        ControlFlow::Continue(())
    })?;
    if damaged {
        return Err(TableError::new(code::DATA_CORRUPTED, "the catalogue has a table whose name is no text"));
    }
    Ok(())
}

/// A table that does not exist, or that the grants do not show.
pub(crate) fn not_found(name: &str) -> TableError {
    TableError::new(code::NO_TABLE, format!("Could not find the table 'public.{name}' in the schema cache"))
}
