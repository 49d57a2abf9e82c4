//! Making, listing and dropping buckets.

#[cfg(not(target_family = "wasm"))]
use std::mem;
use std::ops::ControlFlow;

use crate::engine::{Direction, KeyRange, Transaction, Unsettled};
#[cfg(not(target_family = "wasm"))]
use crate::engine::{Engine, Footprint, Isolation, Version};
use crate::keyspace::{self, Bucket, BucketId, DEFAULT_BUCKET, FIRST_BUCKET_ID, NEXT_BUCKET, Numbering};
use crate::kv::batch;
use crate::kv::operations::bucket_from;
use crate::{Access, Code, Database, Deleted, Error, Limits, Result, Session, database};

/// Keys of a dropped bucket that are removed in one commit.
const DROP_KEYS_PER_COMMIT: usize = 1_000;
/// Commits that one call of housekeeping makes for buckets whose drop was interrupted.
#[cfg(not(target_family = "wasm"))]
const DROP_COMMITS_PER_CALL: usize = 50;
/// Names of dropped buckets that are removed in one commit, and commits that one call of housekeeping makes for them.
const NAMES_PER_COMMIT: usize = 1_000;
const NAME_COMMITS_PER_CALL: usize = 50;

/// A bucket and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: String,
    /// Its keys; those that have expired count until they are removed, within a second or so. So does what is being committed, and may
    /// still be taken back.
    pub keys: u64,
    /// The bytes of its keys and values, as stored.
    pub bytes: u64,
}

impl Session {
    /// The buckets that the session may read, by name, with their sizes.
    ///
    /// # Errors
    /// None on the embedded engine.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn buckets(&mut self) -> Result<Vec<BucketInfo>> {
        let engine = &self.database.0.engine;
        let mut buckets = vec![(DEFAULT_BUCKET.to_owned(), Bucket::DEFAULT.id)];
        let mut damaged = Ok(());
        engine.snapshot().visit(&KeyRange::prefix(&keyspace::BUCKET_NAMES), Direction::Forward, |place, stored| {
            let name = String::from_utf8_lossy(&place[keyspace::BUCKET_NAMES.len()..]).into_owned();
            match bucket_from(&stored) {
                Ok(bucket) => buckets.push((name, bucket.id)),
                Err(error) => damaged = Err(error),
            }
            ControlFlow::Continue(())
        })?;
        damaged?;
        buckets.sort_unstable();
        buckets.retain(|(name, _)| self.grants.check(name, Access::Read).is_ok());
        Ok(buckets
            .into_iter()
            .map(|(name, id)| {
                let space = engine.space(&id.prefix());
                BucketInfo { name, keys: space.keys, bytes: space.key_bytes + space.value_bytes }
            })
            .collect())
    }

    /// Drops a bucket with its keys, and returns how many they were. It is gone at once; its memory is freed in small commits. Where these
    /// are interrupted, by an error or by the end of the process, housekeeping goes on with them: the answer is the same, and names the
    /// commit that dropped the bucket.
    ///
    /// # Errors
    /// `bucket-not-found`, `bucket-reserved` for the default bucket, `access-denied`, `read-only`, `transaction-open`: dropping
    /// belongs to no transaction.
    pub async fn drop_bucket(&mut self, name: &str) -> Result<Deleted> {
        if self.in_transaction() {
            return Err(Code::TransactionOpen.into());
        }
        if name == DEFAULT_BUCKET {
            return Err(Code::BucketReserved.into());
        }
        keyspace::check_bucket_name(name)?;
        self.grants.check(name, Access::Write)?;
        self.database.check_open()?;
        #[cfg(not(target_family = "wasm"))]
        self.database.0.engine.wait_for_turns(&disturbed(name)).await;
        let mut id = BucketId::NONE;
        let outcome = alone(&self.database, &mut |transaction| {
            let place = keyspace::name_place(name);
            let stored = transaction.get(&place)?.ok_or_else(|| Error::from(Code::BucketNotFound))?;
            id = bucket_from(&stored)?.id;
            transaction.delete(&place);
            transaction.put(&keyspace::dropped_place(id), Vec::new(), None);
            if let Some(stored) = transaction.get(&NEXT_BUCKET)?
                && let Numbering { next, count: Some(count) } = Numbering::from_stored(&stored.value)?
            {
                transaction.put(&NEXT_BUCKET, Numbering { next, count: count.checked_sub(1) }.stored(), None);
            }
            Ok(())
        });
        #[cfg(not(target_family = "wasm"))]
        let mut dropping = Dropping { database: &self.database, id: outcome.is_ok().then_some(id) };
        #[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "a page's drops are never interrupted"))]
        let dropped = self.database.0.engine.settle(outcome).await?;
        let (mut keys, mut range) = (0, all_keys(id));
        loop {
            let (mut gone, mut left) = (0, Left::Nothing);
            let outcome = remove_some(&self.database, id, &range, &mut gone, &mut left);
            let settled = self.database.0.engine.settle(outcome).await;
            // In memory only damage is an error.
            #[cfg(target_family = "wasm")]
            let ((), version, durable) = settled?;
            #[cfg(not(target_family = "wasm"))]
            let Ok(((), version, durable)) = settled else {
                // The bucket is gone all the same, and nobody but this writes there: what is left of it is what can be seen.
                keys += count(&mut self.database.0.engine.begin(Isolation::Snapshot), &range)?;
                return Ok(Deleted { keys, version: dropped.1, durable: dropped.2 });
            };
            keys += gone;
            match left {
                Left::Some(rest) => range = rest,
                // Housekeeping finishes the drop when these are gone. A page's drops are never interrupted: it has nothing else to finish.
                #[cfg(not(target_family = "wasm"))]
                Left::Expired => return Ok(Deleted { keys, version, durable }),
                #[cfg(target_family = "wasm")]
                Left::Expired => {
                    self.database.0.engine.remove_expired(DROP_KEYS_PER_COMMIT);
                    range = all_keys(id);
                }
                Left::Nothing => {
                    #[cfg(not(target_family = "wasm"))]
                    {
                        dropping.id = None;
                    }
                    return Ok(Deleted { keys, version, durable });
                }
            }
        }
    }
}

/// Runs `work` while no other commit can happen. The code for that is large, and shared by all steps of a drop.
fn alone(database: &Database, work: &mut dyn FnMut(&mut Transaction) -> Result<()>) -> Unsettled<()> {
    database.0.engine.alone(work)
}

/// A bucket that is being dropped. If that is given up, housekeeping goes on with it.
#[cfg(not(target_family = "wasm"))]
struct Dropping<'d> {
    database: &'d Database,
    id: Option<BucketId>,
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.database.0.dropped_buckets.lock().extend(self.id);
    }
}

/// Whether making or dropping the bucket of this name would change what a transaction has read or written of the catalogue.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn disturbed(name: &str) -> impl Fn(&Footprint) -> bool + Sync {
    let place = keyspace::name_place(name);
    move |footprint| footprint.names(&place) || footprint.names(&NEXT_BUCKET)
}

fn all_keys(id: BucketId) -> KeyRange {
    KeyRange::prefix(&id.prefix())
}

/// What is left of a dropped bucket.
enum Left {
    /// Keys in this range.
    Some(KeyRange),
    /// Keys that have expired: they go as those of other buckets do, and the feed shows that.
    Expired,
    Nothing,
}

/// Removes some keys of a dropped bucket in one commit, and with the last of them the note that there are any. Without that note nothing:
/// the commit that dropped the bucket may have been taken back.
fn remove_some(database: &Database, id: BucketId, range: &KeyRange, gone: &mut u64, left: &mut Left) -> Unsettled<()> {
    // A dropped bucket only loses keys. When as many as it has now go in one commit, nothing later in the feed is of it.
    let held = database.0.engine.space(&id.prefix()).keys;
    let mut is_buried = false;
    let outcome = alone(database, &mut |transaction| {
        if transaction.get(&keyspace::dropped_place(id))?.is_none() {
            return Ok(());
        }
        let (count, rest) = batch::delete_some(transaction, range, DROP_KEYS_PER_COMMIT)?;
        *gone = count;
        *left = match rest {
            Some(rest) => Left::Some(rest),
            None if count < held => Left::Expired,
            // Keys before the range, whose deletion was taken back.
            None if has_keys(transaction, id)? => Left::Some(all_keys(id)),
            None => {
                bury(transaction, id)?;
                is_buried = true;
                Left::Nothing
            }
        };
        Ok(())
    })?;
    if is_buried {
        database.0.former_names.lock().push((outcome.1, id));
    }
    Ok(outcome)
}

fn has_keys(transaction: &mut Transaction, id: BucketId) -> Result<bool> {
    let mut has_keys = false;
    transaction.visit(&all_keys(id), Direction::Forward, |_, _| {
        has_keys = true;
        ControlFlow::Break(())
    })?;
    Ok(has_keys)
}

/// Keeps the name of a bucket that is dropped and has no keys left, for those who still read its changes. The version of what is
/// written here is no older than the last of these.
fn bury(transaction: &mut Transaction, id: BucketId) -> Result<()> {
    let place = keyspace::number_place(id);
    if let Some(name) = transaction.get(&place)? {
        transaction.put(&keyspace::former_place(id), name.value, None);
    }
    transaction.delete(&place);
    transaction.delete(&keyspace::dropped_place(id));
    Ok(())
}

/// The numbers of buckets in a table of the catalogue, each with the version of its entry, as an earlier life of the store left them: a
/// page's store had none.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn numbers(engine: &Engine, table: [u8; 2]) -> Vec<(Version, BucketId)> {
    let mut numbers = Vec::new();
    let seen = engine.snapshot().visit(&KeyRange::prefix(&table), Direction::Forward, |place, stored| {
        numbers.extend(BucketId::from_stored(&place[table.len()..]).ok().map(|id| (stored.version, id)));
        ControlFlow::Continue(())
    });
    debug_assert!(seen.is_ok(), "a snapshot is not too old at once");
    numbers
}

/// Goes on with drops that were interrupted.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn remove_left_behind(database: &Database) {
    let mut dropped = mem::take(&mut *database.0.dropped_buckets.lock());
    let mut commits_left = DROP_COMMITS_PER_CALL;
    dropped.retain(|&id| !is_removed(database, id, &mut commits_left));
    database.0.dropped_buckets.lock().append(&mut dropped);
}

/// Removes keys of a dropped bucket in at most so many commits; whether nothing is left of it.
#[cfg(not(target_family = "wasm"))]
fn is_removed(database: &Database, id: BucketId, commits_left: &mut usize) -> bool {
    let mut range = all_keys(id);
    loop {
        if *commits_left == 0 || database.check_open().is_err() {
            return false;
        }
        *commits_left -= 1;
        let mut left = Left::Nothing;
        if remove_some(database, id, &range, &mut 0, &mut left).is_err() {
            return false;
        }
        match left {
            Left::Some(rest) => range = rest,
            Left::Expired => return false,
            Left::Nothing => break,
        }
        database::give_way();
    }
    // While the note can be seen, the commits that remove it may still be taken back.
    database.0.engine.get(&keyspace::dropped_place(id)).is_none()
}

/// Forgets the names of dropped buckets of which the feed holds no change any more: the ring bounds how many are kept.
pub(crate) fn forget_names(database: &Database) {
    let engine = &database.0.engine;
    let dropped = engine.feed_start().version;
    let mut due = Vec::new();
    database.0.former_names.lock().retain(|&(version, id)| {
        if version > dropped || due.len() == NAMES_PER_COMMIT * NAME_COMMITS_PER_CALL {
            return true;
        }
        // Until that can be seen, the removal may still be taken back. An entry of another version is not what was noted: that commit was
        // taken back, and the one that did it again has a note of its own.
        let is_kept = engine.get(&keyspace::former_place(id)).is_some_and(|stored| stored.version == version);
        if is_kept {
            due.push(id);
        }
        is_kept
    });
    for ids in due.chunks(NAMES_PER_COMMIT) {
        // What fails is tried again when housekeeping comes round.
        let _ = alone(database, &mut |transaction| {
            for &id in ids {
                transaction.delete(&keyspace::former_place(id));
            }
            Ok(())
        });
        database::give_way();
    }
}

/// The bucket of this name, if it exists. The commit is a conflict when it has been dropped or made by then: otherwise what a
/// transaction writes could end up in a dead bucket.
pub(crate) fn find(transaction: &mut Transaction, name: &str) -> Result<Option<Bucket>> {
    if name == DEFAULT_BUCKET {
        return Ok(Some(Bucket::DEFAULT));
    }
    transaction.get_guarded(&keyspace::name_place(name))?.map(|stored| bucket_from(&stored)).transpose()
}

/// Makes a bucket that does not exist.
pub(crate) fn make(transaction: &mut Transaction, name: &str, limits: &Limits) -> Result<Bucket> {
    let numbering = match transaction.get_guarded(&NEXT_BUCKET)? {
        Some(stored) => Numbering::from_stored(&stored.value)?,
        None => Numbering { next: BucketId(FIRST_BUCKET_ID), count: Some(0) },
    };
    let id = numbering.next;
    let count = match numbering.count {
        Some(count) => u64::from(count),
        // A catalogue of an older program.
        None => count(transaction, &KeyRange::prefix(&keyspace::BUCKET_NAMES))?,
    };
    if count >= limits.buckets_max as u64 {
        return Err(Error::new(Code::BucketsTooMany, format!("there are {count} buckets; that is the limit")));
    }
    let next = BucketId(id.0.checked_add(1).ok_or(Code::BucketsTooMany)?);
    let count = u32::try_from(count + 1).ok();
    transaction.put(&NEXT_BUCKET, Numbering { next, count }.stored(), None);
    transaction.put(&keyspace::name_place(name), id.0.to_be_bytes().to_vec(), None);
    transaction.put(&keyspace::number_place(id), name.as_bytes().to_vec(), None);
    Ok(Bucket { id, made: None })
}

/// Counts the keys of a range one by one.
fn count(transaction: &mut Transaction, range: &KeyRange) -> Result<u64> {
    let mut count = 0;
    transaction.visit(range, Direction::Forward, |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{ManualClock, SeededRandom};

    use super::*;

    fn database() -> Database {
        Database::in_memory(Limits::default(), Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1))).unwrap()
    }

    /// Makes so many buckets, each in a commit of its own. How many keys that walked over.
    fn make_some(database: &Database, beginning: &str, buckets: usize) -> u64 {
        let mut walked = 0;
        for number in 0..buckets {
            let made = database.0.engine.alone(|transaction| {
                make(transaction, &format!("{beginning}{number}"), database.limits())?;
                walked += transaction.walked_count();
                Ok::<_, Error>(())
            });
            made.unwrap();
        }
        walked
    }

    fn counted(database: &Database) -> Option<u32> {
        let stored = database.0.engine.get(&NEXT_BUCKET).unwrap();
        Numbering::from_stored(&stored.value).unwrap().count
    }

    #[test]
    fn making_a_bucket_walks_over_none() {
        let database = database();
        assert_eq!(make_some(&database, "a", 10_000), 0);
        assert_eq!(counted(&database), Some(10_000));
        let mut transaction = database.0.engine.begin(Isolation::Serializable);
        let refused = make(&mut transaction, "one-more", database.limits()).unwrap_err();
        assert_eq!((refused.code(), transaction.walked_count()), (Code::BucketsTooMany, 0));
    }

    #[test]
    fn a_catalogue_without_a_count_is_counted_once() {
        let database = database();
        make_some(&database, "a", 3);
        database
            .0
            .engine
            .alone(|transaction| {
                let stored = transaction.get(&NEXT_BUCKET)?.unwrap();
                transaction.put(&NEXT_BUCKET, stored.value.slice(..4), None);
                Ok::<_, Error>(())
            })
            .unwrap();
        assert_eq!(counted(&database), None);
        assert_eq!([make_some(&database, "b", 1), make_some(&database, "c", 5)], [3, 0]);
        assert_eq!(counted(&database), Some(9));
    }
}
