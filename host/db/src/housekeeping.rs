//! Housekeeping: everything that runs unasked. Expiry, files of plugins' versions that went, interrupted drops of buckets and tables, former names, pruning.

#[cfg(not(target_family = "wasm"))]
use std::mem;

use crate::Database;
use crate::buckets::removal;
use crate::keyspace::catalog;
#[cfg(not(target_family = "wasm"))]
use crate::limits::DROP_COMMITS_PER_CALL;
use crate::limits::{
    EXPIRED_COMMITS_PER_CALL, EXPIRED_KEYS_PER_COMMIT, NAME_COMMITS_PER_CALL, NAMES_PER_COMMIT, PRUNED_HOLDS_PER_CALL,
    PRUNED_VERSIONS_PER_HOLD,
};

impl Database {
    /// Housekeeping: removes what has expired, and frees what nobody can read any more. Call it a few times a second.
    pub fn maintain(&self) {
        let idle = self.0.cursor_snapshots.lock().take_idle(self.0.engine.monotonic_us());
        drop(idle);
        #[cfg(not(target_family = "wasm"))]
        if self.is_read_only() {
            return;
        }
        for _ in 0..EXPIRED_COMMITS_PER_CALL {
            if self.0.engine.remove_expired(EXPIRED_KEYS_PER_COMMIT) < EXPIRED_KEYS_PER_COMMIT {
                break;
            }
            self.0.engine.yield_to_writers();
        }
        #[cfg(all(feature = "tables", not(target_family = "wasm")))]
        crate::tables::define::alter::interrupted::take_back_interrupted(self);
        #[cfg(not(target_family = "wasm"))]
        continue_drops(self);
        #[cfg(not(target_family = "wasm"))]
        self.store().remove_unused_attachments();
        forget_names(self);
        #[cfg(feature = "tables")]
        crate::tables::schema::history::forget_schemas(self);
        // Versions that a snapshot kept are freed soon after it ends, and not only as fast as new commits come.
        for _ in 0..PRUNED_HOLDS_PER_CALL {
            if self.0.engine.prune(PRUNED_VERSIONS_PER_HOLD) < PRUNED_VERSIONS_PER_HOLD {
                break;
            }
            self.0.engine.yield_to_writers();
        }
    }
}

/// Continues drops that were interrupted.
#[cfg(not(target_family = "wasm"))]
fn continue_drops(database: &Database) {
    let mut dropped = mem::take(&mut *database.0.dropped.lock());
    let mut commits_left = DROP_COMMITS_PER_CALL;
    dropped.retain(|&dropped| !removal::finish(database, dropped, &mut commits_left));
    database.0.dropped.lock().append(&mut dropped);
}

/// Forgets the names of dropped buckets and tables of which the feed has no change any more: the feed's bound is theirs too.
fn forget_names(database: &Database) {
    let engine = &database.0.engine;
    let start = engine.feed_start().version;
    let mut due = Vec::new();
    database.0.former_names.lock().retain(|&(version, dropped)| {
        if version > start || due.len() == NAMES_PER_COMMIT * NAME_COMMITS_PER_CALL {
            return true;
        }
        // Not visible: the removal may still be undone. Of another version: it was undone, and the commit that repeated it has
        // an entry of its own in this list.
        let is_kept = catalog::has_former_name(engine, dropped, version);
        if is_kept {
            due.push(dropped);
        }
        is_kept
    });
    for names in due.chunks(NAMES_PER_COMMIT) {
        // What fails is tried again by the next call.
        let _ = removal::alone(database, &mut |transaction| {
            catalog::forget_names(transaction, names);
            Ok(())
        });
        engine.yield_to_writers();
    }
}
