//! Removal of the keys of what was dropped, buckets and the spaces of tables, in small commits.

use std::ops::ControlFlow;

use crate::engine::{Direction, KeyRange, Transaction, Unsettled};
use crate::keyspace::{Dropped, catalog};
use crate::kv::delete;
use crate::limits::DELETED_KEYS_PER_COMMIT;
use crate::{Database, Result};

/// What is left of it.
pub(crate) enum Rest {
    /// The range of its keys.
    Keys(KeyRange),
    /// Its expired keys: they are removed like those of other buckets, and the feed shows that.
    Expired,
    Nothing,
}

/// Runs `work` while no other commit can happen. All steps of a drop share this copy of large code.
pub(crate) fn alone(database: &Database, work: &mut dyn FnMut(&mut Transaction) -> Result<()>) -> Unsettled<()> {
    database.0.engine.alone(work)
}

pub(crate) fn all_keys(dropped: Dropped) -> KeyRange {
    KeyRange::prefix(&dropped.prefix())
}

/// Removes some keys of what was dropped in one commit, and with the last of them the mark of that. Without the mark it removes nothing: the
/// commit that dropped it may have been undone.
pub(crate) fn remove_some(
    database: &Database,
    dropped: Dropped,
    range: &KeyRange,
    gone: &mut u64,
    rest: &mut Rest,
) -> Unsettled<()> {
    // What was dropped only loses keys. When as many as it has now go in one commit, no later change in the feed is of it.
    let held = database.0.engine.space(&dropped.prefix()).keys;
    let mut is_retired = false;
    let outcome = alone(database, &mut |transaction| {
        if !catalog::is_dropped_in(transaction, dropped)? {
            return Ok(());
        }
        let (count, left) = delete::delete_some(transaction, range, DELETED_KEYS_PER_COMMIT)?;
        *gone = count;
        *rest = match left {
            Some(left) => Rest::Keys(left),
            None if count < held => Rest::Expired,
            // Keys before the range, whose deletion was undone.
            None if has_keys(transaction, dropped)? => Rest::Keys(all_keys(dropped)),
            None => {
                catalog::retire(transaction, dropped)?;
                is_retired = true;
                Rest::Nothing
            }
        };
        Ok(())
    })?;
    if is_retired {
        database.0.former_names.lock().push((outcome.1, dropped));
    }
    Ok(outcome)
}

fn has_keys(transaction: &mut Transaction, dropped: Dropped) -> Result<bool> {
    let mut has_keys = false;
    transaction.visit(&all_keys(dropped), Direction::Forward, |_, _, _| {
        has_keys = true;
        ControlFlow::Break(())
    })?;
    Ok(has_keys)
}

/// Removes keys of what was dropped, in no more than so many commits, and returns whether nothing is left.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn finish(database: &Database, dropped: Dropped, commits_left: &mut usize) -> bool {
    let mut range = all_keys(dropped);
    loop {
        if *commits_left == 0 || database.check_open().is_err() {
            return false;
        }
        *commits_left -= 1;
        let mut rest = Rest::Nothing;
        if remove_some(database, dropped, &range, &mut 0, &mut rest).is_err() {
            return false;
        }
        match rest {
            Rest::Keys(left) => range = left,
            Rest::Expired => return false,
            Rest::Nothing => break,
        }
        database.0.engine.yield_to_writers();
    }
    // While the mark is visible, the commits that remove it may still be undone.
    !catalog::is_dropped(&database.0.engine, dropped)
}
