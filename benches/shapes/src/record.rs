//! One key and its version chain, shared by the skiplist and the hash index.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::key::OwnedKey;
use crate::link::{Draft, Link};

/// A key with the chain of its versions.
pub(crate) struct Record<K, L> {
    key: K,
    pub(crate) head: L,
}

impl<K: OwnedKey, L: Link> Record<K, L> {
    pub(crate) fn new(key: &[u8], first: &Draft<'_>) -> Arc<Self> {
        Arc::new(Self { key: key.into(), head: L::new(first) })
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key.as_ref()
    }
}

/// A record that compares, hashes and is looked up by its key, so that an index need not copy the key.
pub(crate) struct ByKey<K, L>(pub(crate) Arc<Record<K, L>>);

impl<K, L> Clone for ByKey<K, L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: OwnedKey, L: Link> Borrow<[u8]> for ByKey<K, L> {
    fn borrow(&self) -> &[u8] {
        self.0.key()
    }
}

impl<K: OwnedKey, L: Link> PartialEq for ByKey<K, L> {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl<K: OwnedKey, L: Link> Eq for ByKey<K, L> {}

impl<K: OwnedKey, L: Link> Hash for ByKey<K, L> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl<K: OwnedKey, L: Link> PartialOrd for ByKey<K, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: OwnedKey, L: Link> Ord for ByKey<K, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key().cmp(other.0.key())
    }
}
