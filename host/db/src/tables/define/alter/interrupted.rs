//! Changes that nobody goes on with: of a process that ended, or of a caller that gave up.

use crate::Database;
use crate::engine::{Transaction, mutant};
use crate::keyspace::{Dropped, schema_key};
use crate::tables::define::alter::replace::take_back_in;
use crate::tables::define::change::{alone, schema_in};
use crate::tables::schema::stored;

/// Takes back changes of tables that were interrupted.
pub(crate) fn take_back_interrupted(database: &Database) {
    mutant!("interrupted-change-stays" => return);
    let (engine, catalog) = (&database.0.engine, database.catalog());
    let all = || {
        let snapshot = engine.snapshot();
        let tables = catalog.tables(&mut &snapshot).unwrap_or_default();
        let pending = tables.iter().filter(|table| table.schema.pending.is_some());
        pending.map(|table| table.schema.name.clone()).collect()
    };
    for name in catalog.altering.take_interrupted(all) {
        let Some(_under_way) = catalog.altering.begin(&name) else { continue };
        // What it begins with may not be visible yet, and what takes it back may be taken back itself: the next call looks again, until
        // nothing is there to be taken back.
        let mut was_pending = true;
        if database.check_open().is_ok() {
            let outcome = alone(database, |transaction: &mut Transaction| {
                was_pending = schema_in(transaction, &name)?.is_some_and(|schema| schema.pending.is_some());
                take_back_in(transaction, &name, None)
            });
            if let Ok((dropped, _)) = outcome {
                database.0.dropped.lock().extend(dropped.into_iter().map(Dropped::Space));
            }
        }
        if was_pending || is_pending(database, &name) {
            catalog.altering.is_interrupted(&name);
        }
    }
}

/// Whether a change of the table is pending, as far as is visible.
fn is_pending(database: &Database, name: &str) -> bool {
    let stored = database.0.engine.get(&schema_key(name));
    let schema = stored.and_then(|stored| stored::decode(&stored.value).ok());
    schema.is_some_and(|schema| schema.pending.is_some())
}
