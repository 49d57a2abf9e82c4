//! Hash indexes over the records, for point reads. The skiplist keeps the order.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::key::OwnedKey;
use crate::link::Link;
use crate::record::{ByKey, Record};

/// Finds a record by its key.
pub(crate) trait Index<K, L>: Default + Send + Sync {
    /// `false` when there is no index and the skiplist must answer.
    const PRESENT: bool = true;

    /// Adds a record whose key is not in the index.
    fn insert(&self, record: Arc<Record<K, L>>);

    /// Shows the key's record.
    fn with<R>(&self, key: &[u8], visit: impl FnOnce(&Record<K, L>) -> R) -> Option<R>;
}

/// No index at all.
#[derive(Default)]
pub(crate) struct None;

impl<K: OwnedKey, L: Link> Index<K, L> for None {
    const PRESENT: bool = false;

    fn insert(&self, _: Arc<Record<K, L>>) {}

    fn with<R>(&self, _: &[u8], _: impl FnOnce(&Record<K, L>) -> R) -> Option<R> {
        Option::None
    }
}

/// Lock-free, every entry its own allocation.
pub(crate) struct Papaya<K, L>(papaya::HashMap<ByKey<K, L>, (), RandomState>);

impl<K: OwnedKey, L: Link> Default for Papaya<K, L> {
    fn default() -> Self {
        Self(papaya::HashMap::with_hasher(RandomState::new()))
    }
}

impl<K: OwnedKey, L: Link> Index<K, L> for Papaya<K, L> {
    fn insert(&self, record: Arc<Record<K, L>>) {
        self.0.pin().insert(ByKey(record), ());
    }

    fn with<R>(&self, key: &[u8], visit: impl FnOnce(&Record<K, L>) -> R) -> Option<R> {
        self.0.pin().get_key_value(key).map(|(record, ())| visit(&record.0))
    }
}

/// Buckets of entries, read without a lock.
pub(crate) struct SccIndex<K: OwnedKey, L: Link>(scc::HashIndex<ByKey<K, L>, (), RandomState>);

impl<K: OwnedKey, L: Link> Default for SccIndex<K, L> {
    fn default() -> Self {
        Self(scc::HashIndex::with_hasher(RandomState::new()))
    }
}

impl<K: OwnedKey, L: Link> Index<K, L> for SccIndex<K, L> {
    fn insert(&self, record: Arc<Record<K, L>>) {
        // The caller adds a key once.
        let _ = self.0.insert_sync(ByKey(record), ());
    }

    fn with<R>(&self, key: &[u8], visit: impl FnOnce(&Record<K, L>) -> R) -> Option<R> {
        self.0.peek_with(key, |record, ()| visit(&record.0))
    }
}

/// Buckets of entries, each with a shared lock.
pub(crate) struct SccMap<K: OwnedKey, L: Link>(scc::HashMap<ByKey<K, L>, (), RandomState>);

impl<K: OwnedKey, L: Link> Default for SccMap<K, L> {
    fn default() -> Self {
        Self(scc::HashMap::with_hasher(RandomState::new()))
    }
}

impl<K: OwnedKey, L: Link> Index<K, L> for SccMap<K, L> {
    fn insert(&self, record: Arc<Record<K, L>>) {
        // The caller adds a key once.
        let _ = self.0.insert_sync(ByKey(record), ());
    }

    fn with<R>(&self, key: &[u8], visit: impl FnOnce(&Record<K, L>) -> R) -> Option<R> {
        self.0.read_sync(key, |record, ()| visit(&record.0))
    }
}

/// Many small tables, each with a lock: eight bytes an entry, and a table that grows stops only its own readers.
pub(crate) struct Sharded<K, L> {
    shards: Box<[Shard<K, L>]>,
    hasher: RandomState,
}

type Shard<K, L> = RwLock<HashTable<ByKey<K, L>>>;

/// So many that a shard of ten million keys grows in about a millisecond.
const SHARDS: u16 = 1024;

impl<K: OwnedKey, L: Link> Sharded<K, L> {
    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard(&self, hash: u64) -> &Shard<K, L> {
        // The table uses the lowest bits for the slot and the highest seven for the tag.
        let [_, _, high, low, ..] = hash.to_be_bytes();
        &self.shards[usize::from(u16::from_be_bytes([high, low]) % SHARDS)]
    }
}

impl<K: OwnedKey, L: Link> Default for Sharded<K, L> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect(), hasher: RandomState::new() }
    }
}

impl<K: OwnedKey, L: Link> Index<K, L> for Sharded<K, L> {
    fn insert(&self, record: Arc<Record<K, L>>) {
        let hash = self.hash(record.key());
        let mut shard = self.shard(hash).write();
        shard.insert_unique(hash, ByKey(record), |record| self.hash(record.0.key()));
    }

    fn with<R>(&self, key: &[u8], visit: impl FnOnce(&Record<K, L>) -> R) -> Option<R> {
        let hash = self.hash(key);
        let shard = self.shard(hash).read();
        shard.find(hash, |record| record.0.key() == key).map(|record| visit(&record.0))
    }
}
