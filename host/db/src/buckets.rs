//! Making, listing and dropping buckets.

use std::ops::ControlFlow;

use mantis_store::{Direction, KeyRange, Store, Transaction};

use crate::keyspace::{self, Bucket, BucketId, DEFAULT_BUCKET, FIRST_BUCKET_ID, NEXT_BUCKET};
use crate::kv::bucket_from;
use crate::{Access, Code, Database, Deleted, Error, Limits, Result, Session, batch, database};

/// How long the name of a dropped bucket is kept for those who still read its changes, in milliseconds.
const DROPPED_NAME_MS: u64 = 3_600_000;
/// Keys of a dropped bucket that are removed in one commit.
const DROP_KEYS_PER_COMMIT: usize = 1_000;
/// Commits that one call of housekeeping makes for a bucket whose drop was interrupted.
const DROP_COMMITS_PER_CALL: usize = 50;

/// A bucket and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: String,
    /// Its keys; those that have expired count until they are removed, within a second or so.
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
        let store = &self.database.0.store;
        let mut buckets = vec![(DEFAULT_BUCKET.to_owned(), Bucket::DEFAULT.id)];
        let mut damaged = Ok(());
        store.snapshot().visit(&KeyRange::prefix(&keyspace::BUCKET_NAMES), Direction::Forward, |place, stored| {
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
                let space = store.space(&id.prefix());
                BucketInfo { name, keys: space.keys, bytes: space.key_bytes + space.value_bytes }
            })
            .collect())
    }

    /// Drops a bucket with its keys, and returns how many they were. It is gone at once; its memory is freed in small commits. Where these
    /// are interrupted, by an error or by the end of the process, housekeeping goes on with them.
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
        let store = &self.database.0.store;
        let outcome = store.exclusively(|transaction| {
            let place = keyspace::name_place(name);
            let stored = transaction.get(&place)?.ok_or_else(|| Error::from(Code::BucketNotFound))?;
            let id = bucket_from(&stored)?.id;
            let forgotten_ms = transaction.now_ms().saturating_add(DROPPED_NAME_MS);
            transaction.delete(&place);
            transaction.put(&keyspace::number_place(id), name.as_bytes().to_vec(), Some(forgotten_ms));
            transaction.put(&keyspace::dropped_place(id), Vec::new(), None);
            Ok::<_, Error>(id)
        });
        let mut dropping = Dropping { database: &self.database, id: outcome.as_ref().ok().map(|&(id, _)| id) };
        let (id, ..) = self.settle(outcome).await?;
        let (mut keys, mut range) = (0, all_keys(id));
        loop {
            let outcome = remove_some(store, id, &range);
            let ((gone, rest), version, durable) = self.settle(outcome).await?;
            keys += gone;
            let Some(rest) = rest else {
                dropping.id = None;
                return Ok(Deleted { keys, version, durable });
            };
            range = rest;
        }
    }
}

/// A bucket that is being dropped. If that is given up, housekeeping goes on with it.
struct Dropping<'d> {
    database: &'d Database,
    id: Option<BucketId>,
}

impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.database.0.dropped_buckets.lock().extend(self.id);
    }
}

fn all_keys(id: BucketId) -> KeyRange {
    KeyRange::prefix(&id.prefix())
}

/// Removes some keys of a dropped bucket in one commit, and with the last of them the note that there are any. Without that note nothing:
/// the commit that dropped the bucket may have been taken back.
fn remove_some(store: &Store, id: BucketId, range: &KeyRange) -> Result<((u64, Option<KeyRange>), u64)> {
    store.exclusively(|transaction| {
        if transaction.get(&keyspace::dropped_place(id))?.is_none() {
            return Ok((0, None));
        }
        let (gone, rest) = batch::delete_some(transaction, range, DROP_KEYS_PER_COMMIT)?;
        if rest.is_none() {
            transaction.delete(&keyspace::dropped_place(id));
        }
        Ok((gone, rest))
    })
}

/// The buckets that were dropped when an earlier life of the store ended, and still have keys.
pub(crate) fn left_behind(store: &Store) -> Vec<BucketId> {
    let mut left = Vec::new();
    let seen = store.snapshot().visit(&KeyRange::prefix(&keyspace::DROPPED_BUCKETS), Direction::Forward, |place, _| {
        left.extend(BucketId::from_stored(&place[keyspace::DROPPED_BUCKETS.len()..]).ok());
        ControlFlow::Continue(())
    });
    debug_assert!(seen.is_ok(), "a snapshot is not too old at once");
    left
}

/// Goes on with a drop that was interrupted, if there is one.
pub(crate) fn remove_left_behind(database: &Database) {
    let Some(id) = database.0.dropped_buckets.lock().last().copied() else { return };
    let mut range = all_keys(id);
    for _ in 0..DROP_COMMITS_PER_CALL {
        if database.check_open().is_err() {
            return;
        }
        match remove_some(&database.0.store, id, &range) {
            Ok(((_, Some(rest)), _)) => range = rest,
            Ok(((_, None), _)) => break,
            Err(_) => return,
        }
        database::give_way();
    }
    // While the note can be seen, the commits that remove it may still be taken back.
    if database.0.store.get(&keyspace::dropped_place(id)).is_none() {
        database.0.dropped_buckets.lock().retain(|&other| other != id);
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
    let id = match transaction.get_guarded(&NEXT_BUCKET)? {
        Some(stored) => BucketId::from_stored(&stored.value)?,
        None => BucketId(FIRST_BUCKET_ID),
    };
    let mut count = 0;
    transaction.visit(&KeyRange::prefix(&keyspace::BUCKET_NAMES), Direction::Forward, |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    if count >= limits.buckets_max {
        return Err(Error::new(Code::BucketsTooMany, format!("there are {count} buckets; that is the limit")));
    }
    let next = id.0.checked_add(1).ok_or(Code::BucketsTooMany)?;
    transaction.put(&NEXT_BUCKET, next.to_be_bytes().to_vec(), None);
    transaction.put(&keyspace::name_place(name), id.0.to_be_bytes().to_vec(), None);
    transaction.put(&keyspace::number_place(id), name.as_bytes().to_vec(), None);
    Ok(Bucket { id, made: None })
}
