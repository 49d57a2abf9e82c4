//! Schemas that are no longer in force, for the change feed: what a row was when it changed is read by the schema of that time.
//!
//! The commit that replaces or drops a schema keeps it under its number. A commit before that one, and after the one that replaced the schema
//! before it, wrote by this schema. It is removed when the feed has no such commit left.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::Database;
use crate::buckets::removal;
use crate::engine::{Direction, KeyRange, Mutex, Transaction, Version, View};
use crate::keyspace::{EncodedKey, former_schema_key, schema_key, tables as sections};
use crate::limits::{NAME_COMMITS_PER_CALL, NAMES_PER_COMMIT};
use crate::tables::schema::stored;
use crate::tables::table::{SpaceId, TableSchema};
use crate::tables::{TableError, TableResult, code};

/// A schema that is no longer in force.
#[derive(Debug, Clone)]
pub(crate) struct Former {
    /// The commit that replaced it, or dropped the table.
    pub(crate) ended: Version,
    /// As it is stored.
    pub(crate) stored: Bytes,
}

/// The kept schemas, each with the commit that ended it: what housekeeping may remove.
#[derive(Debug, Default)]
pub(crate) struct Histories(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: Vec<(Version, EncodedKey)>,
    /// Whether those of an earlier process have been looked for.
    has_looked: bool,
}

/// Keeps the schema that is stored now, before `new` takes its place; nothing where both have the same number. The feed gets it too.
pub(crate) fn keep_replaced(transaction: &mut Transaction, name: &str, new: Option<&TableSchema>) -> TableResult<()> {
    let key = schema_key(name);
    let Some(replaced) = transaction.get(&key).map_err(crate::Error::from)? else { return Ok(()) };
    transaction.keep_replaced(&key, replaced.value.len());
    let old = stored::decode(&replaced.value)?;
    if new.is_none_or(|new| new.version != old.version) {
        transaction.put(&former_schema_key(old.rows, old.version), replaced.value, None);
    }
    Ok(())
}

/// The schemas that the transaction keeps.
pub(crate) fn kept_in(transaction: &Transaction) -> Vec<EncodedKey> {
    let kept = transaction.written_keys().filter(|key| key.starts_with(&sections::FORMER_SCHEMAS));
    kept.map(EncodedKey::from).collect()
}

/// The kept schemas of the table with these rows, oldest first.
///
/// # Errors
/// Those of the view.
pub(crate) fn former_schemas(view: &mut dyn View, rows: SpaceId) -> TableResult<Vec<Former>> {
    let mut former = Vec::new();
    let range = KeyRange::prefix(&rows.catalog_key(sections::FORMER_SCHEMAS));
    view.visit_shared(&range, Direction::Forward, &mut |_, entry| {
        former.push(Former { ended: entry.version, stored: entry.value });
        ControlFlow::Continue(())
    })?;
    Ok(former)
}

/// The kept schemas of tables of this name, this one and those before it: the newest of each are last, and only so many.
///
/// # Errors
/// Those of the view.
pub(crate) fn former_schemas_named(view: &mut dyn View, name: &str, max: usize) -> TableResult<Vec<Former>> {
    let mut former = VecDeque::new();
    let range = KeyRange::prefix(&sections::FORMER_SCHEMAS);
    view.visit_shared(&range, Direction::Forward, &mut |_, entry| {
        if stored::is_named(&entry.value, name) {
            if former.len() == max {
                former.pop_front();
            }
            former.push_back(Former { ended: entry.version, stored: entry.value });
        }
        ControlFlow::Continue(())
    })?;
    Ok(former.into())
}

/// The newest commit that ended a schema which is not kept any more: changes before it cannot be decoded.
///
/// # Errors
/// XX001, those of the view.
pub(crate) fn forgotten(view: &mut dyn View) -> TableResult<Version> {
    let Some(stored) = view.get(&sections::FORGOTTEN)? else { return Ok(0) };
    let bytes = stored.value[..]
        .try_into()
        .map_err(|_| TableError::new(code::DATA_CORRUPTED, "the catalogue does not say which schemas are kept"))?;
    Ok(Version::from_be_bytes(bytes))
}

impl Histories {
    /// Says that a commit has kept these schemas.
    pub(crate) fn kept(&self, version: Version, keys: Vec<EncodedKey>) {
        self.0.lock().kept.extend(keys.into_iter().map(|key| (version, key)));
    }
}

/// Removes the schemas by which the feed has no change left.
pub(crate) fn forget_schemas(database: &Database) {
    let (engine, histories) = (&database.0.engine, &database.catalog().histories);
    let start = engine.feed_start().version;
    if !std::mem::replace(&mut histories.0.lock().has_looked, true) {
        let mut found = Vec::new();
        let range = KeyRange::prefix(&sections::FORMER_SCHEMAS);
        let seen = engine.snapshot().visit_shared(&range, Direction::Forward, |key, entry| {
            found.push((entry.version, EncodedKey::from(key)));
            ControlFlow::Continue(())
        });
        debug_assert!(seen.is_ok(), "a snapshot is not too old at once");
        histories.0.lock().kept.append(&mut found);
    }
    let mut due = Vec::new();
    histories.0.lock().kept.retain(|(version, key)| {
        if *version > start || due.len() == NAMES_PER_COMMIT * NAME_COMMITS_PER_CALL {
            return true;
        }
        // Of another version: the commit was undone, and the one that repeated it has an entry of its own in this list. It may be that the
        // removal is not visible yet and will be undone: the next call looks again.
        let is_kept = engine.get(key).is_some_and(|stored| stored.version == *version);
        if is_kept {
            due.push((*version, key.clone()));
        }
        is_kept
    });
    for schemas in due.chunks(NAMES_PER_COMMIT) {
        // What fails is tried again by the next call.
        let _ = removal::alone(database, &mut |transaction| {
            let mut newest = 0;
            for (version, key) in schemas {
                if transaction.get(key)?.is_some_and(|stored| stored.version == *version) {
                    transaction.delete(key);
                    newest = newest.max(*version);
                }
            }
            let before = transaction.get(&sections::FORGOTTEN)?;
            let before = before.and_then(|stored| Some(Version::from_be_bytes(stored.value[..].try_into().ok()?)));
            if newest > before.unwrap_or(0) {
                transaction.put(&sections::FORGOTTEN, newest.to_be_bytes().to_vec(), None);
            }
            Ok(())
        });
        database.0.engine.yield_to_writers();
    }
}
