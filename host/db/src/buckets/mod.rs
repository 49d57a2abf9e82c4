//! Buckets: listing and dropping. A bucket is made by its first write.
//!
//! | file | holds |
//! |---|---|
//! | this one | [`Session::buckets`], [`Session::drop_bucket`] |
//! | `removal` | the keys of a dropped bucket, commit by commit; housekeeping finishes what is interrupted |

pub(crate) mod removal;

#[cfg(not(target_family = "wasm"))]
use crate::Database;
use crate::bucket_name::{DEFAULT_BUCKET, check_bucket_name};
#[cfg(not(target_family = "wasm"))]
use crate::engine::Isolation;
use crate::keyspace::{BucketId, Dropped, catalog};
use crate::kv::outcome::Deleted;
#[cfg(target_family = "wasm")]
use crate::limits::DELETED_KEYS_PER_COMMIT;
use crate::{Access, Code, Interrupt, Result, Session};
use removal::{Rest, all_keys, alone, remove_some};

/// A bucket and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: String,
    /// Its keys. Expired ones count until they are removed, within a second or so; commits count before they are visible.
    pub keys: u64,
    /// The bytes of its keys and values, as stored.
    pub bytes: u64,
}

impl Session {
    /// The buckets that the session may read, by name, with their sizes.
    ///
    /// # Errors
    /// `read-only` when the catalogue of buckets is damaged.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn buckets(&mut self) -> Result<Vec<BucketInfo>> {
        let engine = &self.database.0.engine;
        let buckets = catalog::list(engine, &|name| self.grants.check(name, Access::Read).is_ok())?;
        Ok(buckets
            .into_iter()
            .map(|(name, id)| {
                let space = engine.space(&id.prefix());
                BucketInfo { name, keys: space.keys, bytes: space.key_bytes + space.value_bytes }
            })
            .collect())
    }

    /// Drops a bucket with its keys, and returns how many there were. The bucket is gone at once; its memory is freed in small commits. If
    /// these are interrupted, by an error or by the end of the process, housekeeping continues them: the answer is the same, and has the
    /// version of the commit that dropped the bucket.
    ///
    /// # Errors
    /// `bucket-not-found`, `bucket-reserved` for the default bucket, `access-denied`, `read-only`, `transaction-open`: dropping
    /// belongs to no transaction.
    pub async fn drop_bucket(&mut self, name: &str) -> Result<Deleted> {
        self.drop_bucket_until(name, Interrupt::default()).await
    }

    /// As [`drop_bucket`](Self::drop_bucket), until `interrupt` stops it: before the bucket is gone nothing happens, and after that
    /// housekeeping continues, while keys that have expired may count in the answer.
    ///
    /// # Errors
    /// Those of [`drop_bucket`](Self::drop_bucket); `interrupted`.
    #[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "a page interrupts nothing"))]
    pub async fn drop_bucket_until(&mut self, name: &str, interrupt: Interrupt<'_>) -> Result<Deleted> {
        if self.in_transaction() {
            return Err(Code::TransactionOpen.into());
        }
        if name == DEFAULT_BUCKET {
            return Err(Code::BucketReserved.into());
        }
        check_bucket_name(name)?;
        self.grants.check(name, Access::Write)?;
        self.database.check_open()?;
        let engine = &self.database.0.engine;
        #[cfg(not(target_family = "wasm"))]
        {
            engine.wait_for_turns(&catalog::disturbs(name)).await;
            interrupt.check_keys()?;
        }
        let mut id = BucketId::NONE;
        let outcome = alone(&self.database, &mut |transaction| {
            id = catalog::mark_dropped(transaction, name)?;
            Ok(())
        });
        #[cfg(not(target_family = "wasm"))]
        let mut dropping =
            Dropping { database: &self.database, dropped: outcome.is_ok().then_some(Dropped::Bucket(id)) };
        #[cfg_attr(target_family = "wasm", allow(unused_variables, reason = "a page's drops are never interrupted"))]
        let dropped = engine.settle(outcome).await?;
        let bucket = Dropped::Bucket(id);
        let (mut keys, mut range) = (0, all_keys(bucket));
        loop {
            #[cfg(not(target_family = "wasm"))]
            if interrupt.is_over() {
                keys += engine.space(&bucket.prefix()).keys;
                return Ok(Deleted { keys, version: dropped.1, durable: dropped.2 });
            }
            let (mut gone, mut rest) = (0, Rest::Nothing);
            let outcome = remove_some(&self.database, bucket, &range, &mut gone, &mut rest);
            let settled = engine.settle(outcome).await;
            // In memory only damage is an error.
            #[cfg(target_family = "wasm")]
            let ((), version, durable) = settled?;
            #[cfg(not(target_family = "wasm"))]
            let Ok(((), version, durable)) = settled else {
                // The bucket is gone all the same, and nobody else writes to it: the visible keys are those that are left.
                keys += catalog::count(&mut engine.begin(Isolation::Snapshot), &range)?;
                return Ok(Deleted { keys, version: dropped.1, durable: dropped.2 });
            };
            keys += gone;
            match rest {
                Rest::Keys(left) => range = left,
                // Housekeeping finishes the drop when these are gone. A page's drops are never interrupted: it has nothing else to finish.
                #[cfg(not(target_family = "wasm"))]
                Rest::Expired => return Ok(Deleted { keys, version, durable }),
                #[cfg(target_family = "wasm")]
                Rest::Expired => {
                    engine.remove_expired(DELETED_KEYS_PER_COMMIT);
                    range = all_keys(bucket);
                }
                Rest::Nothing => {
                    #[cfg(not(target_family = "wasm"))]
                    {
                        dropping.dropped = None;
                    }
                    return Ok(Deleted { keys, version, durable });
                }
            }
            engine.yield_to_writers();
        }
    }
}

/// A bucket that is being dropped. If its future is dropped first, housekeeping continues.
#[cfg(not(target_family = "wasm"))]
struct Dropping<'d> {
    database: &'d Database,
    dropped: Option<Dropped>,
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Dropping<'_> {
    fn drop(&mut self) {
        self.database.0.dropped.lock().extend(self.dropped);
    }
}
