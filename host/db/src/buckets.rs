//! Making, listing and dropping buckets.

use std::ops::ControlFlow;

use mantis_store::{Direction, KeyRange, Transaction};

use crate::keyspace::{self, Bucket, BucketId, DEFAULT_BUCKET, FIRST_BUCKET_ID, NEXT_BUCKET, Span};
use crate::kv::bucket_from;
use crate::{Access, Code, Deleted, Error, Limits, Result, Session, batch};

/// How long the name of a dropped bucket is kept for those who still read its changes, in milliseconds.
const DROPPED_NAME_MS: u64 = 3_600_000;
/// Keys of a dropped bucket that are removed in one commit.
const DROP_KEYS_PER_COMMIT: usize = 1_000;

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

    /// Drops a bucket with its keys, and returns how many they were. It is gone at once; its memory is freed in small commits.
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
            Ok::<_, Error>(id)
        });
        let (id, ..) = self.settle(outcome).await?;
        let mut keys = 0;
        loop {
            let outcome =
                store.exclusively(|transaction| batch::delete_span(transaction, id, &Span::All, DROP_KEYS_PER_COMMIT));
            let (gone, version, durable) = self.settle(outcome).await?;
            keys += gone;
            if gone < DROP_KEYS_PER_COMMIT as u64 {
                return Ok(Deleted { keys, version, durable });
            }
        }
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
