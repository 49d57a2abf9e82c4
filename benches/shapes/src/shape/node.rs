//! What a skiplist node of shape B holds: a record, and as much of its key as saves following the pointer.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use crossbeam_skiplist::SkipList;
use crossbeam_skiplist::base::Entry;

use crate::key::{InlineKey, OwnedKey};
use crate::link::Link;
use crate::record::{ByKey, Record};

/// A node's key: orders like the record's key and leads to the record.
pub(crate) trait Node<K, L>: Ord + Send + Sync + Sized + 'static {
    fn new(record: Arc<Record<K, L>>) -> Self;

    fn record(&self) -> &Record<K, L>;

    /// The first node at or after `key`.
    fn seek<'g>(list: &'g SkipList<Self, ()>, key: &[u8], guard: &'g Guard) -> Option<Entry<'g, 'g, Self, ()>>;
}

/// Only the pointer: every comparison follows it.
pub(crate) type Pointer<K, L> = ByKey<K, L>;

impl<K: OwnedKey, L: Link> Node<K, L> for Pointer<K, L> {
    fn new(record: Arc<Record<K, L>>) -> Self {
        Self(record)
    }

    fn record(&self) -> &Record<K, L> {
        &self.0
    }

    fn seek<'g>(list: &'g SkipList<Self, ()>, key: &[u8], guard: &'g Guard) -> Option<Entry<'g, 'g, Self, ()>> {
        list.lower_bound(Bound::Included(key), guard)
    }
}

/// A copy of the whole key, up to 30 bytes.
pub(crate) struct Inline<K, L> {
    key: InlineKey,
    record: Arc<Record<K, L>>,
}

impl<K: OwnedKey, L: Link> Node<K, L> for Inline<K, L> {
    fn new(record: Arc<Record<K, L>>) -> Self {
        Self { key: record.key().into(), record }
    }

    fn record(&self) -> &Record<K, L> {
        &self.record
    }

    fn seek<'g>(list: &'g SkipList<Self, ()>, key: &[u8], guard: &'g Guard) -> Option<Entry<'g, 'g, Self, ()>> {
        list.lower_bound(Bound::Included(key), guard)
    }
}

impl<K, L> Borrow<[u8]> for Inline<K, L> {
    fn borrow(&self) -> &[u8] {
        self.key.as_ref()
    }
}

impl<K, L> PartialEq for Inline<K, L> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<K, L> Eq for Inline<K, L> {}

impl<K, L> PartialOrd for Inline<K, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K, L> Ord for Inline<K, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// The key's first 16 bytes as two numbers; equal ones follow the pointer.
pub(crate) struct Prefixed<K, L> {
    prefix: Prefix,
    record: Arc<Record<K, L>>,
}

type Prefix = [u64; 2];

fn prefix_of(key: &[u8]) -> Prefix {
    let mut bytes = [[0; 8]; 2];
    let flat = bytes.as_flattened_mut();
    let length = key.len().min(flat.len());
    flat[..length].copy_from_slice(&key[..length]);
    bytes.map(u64::from_be_bytes)
}

/// A key with its prefix taken once: a stored one or one that is searched for.
trait WithPrefix {
    fn prefix(&self) -> Prefix;
    fn key(&self) -> &[u8];
}

struct Probe<'k> {
    prefix: Prefix,
    key: &'k [u8],
}

impl WithPrefix for Probe<'_> {
    fn prefix(&self) -> Prefix {
        self.prefix
    }

    fn key(&self) -> &[u8] {
        self.key
    }
}

impl<K: OwnedKey, L: Link> WithPrefix for Prefixed<K, L> {
    fn prefix(&self) -> Prefix {
        self.prefix
    }

    fn key(&self) -> &[u8] {
        self.record.key()
    }
}

impl PartialEq for dyn WithPrefix + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn WithPrefix + '_ {}

impl PartialOrd for dyn WithPrefix + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn WithPrefix + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        // Padding a short key with zeros keeps the order: equal prefixes are decided by the whole keys.
        self.prefix().cmp(&other.prefix()).then_with(|| self.key().cmp(other.key()))
    }
}

impl<'k, K: OwnedKey, L: Link> Borrow<dyn WithPrefix + 'k> for Prefixed<K, L> {
    fn borrow(&self) -> &(dyn WithPrefix + 'k) {
        self
    }
}

impl<K: OwnedKey, L: Link> Node<K, L> for Prefixed<K, L> {
    fn new(record: Arc<Record<K, L>>) -> Self {
        Self { prefix: prefix_of(record.key()), record }
    }

    fn record(&self) -> &Record<K, L> {
        &self.record
    }

    fn seek<'g>(list: &'g SkipList<Self, ()>, key: &[u8], guard: &'g Guard) -> Option<Entry<'g, 'g, Self, ()>> {
        let probe = Probe { prefix: prefix_of(key), key };
        list.lower_bound(Bound::Included(&probe as &dyn WithPrefix), guard)
    }
}

impl<K: OwnedKey, L: Link> PartialEq for Prefixed<K, L> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: OwnedKey, L: Link> Eq for Prefixed<K, L> {}

impl<K: OwnedKey, L: Link> PartialOrd for Prefixed<K, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: OwnedKey, L: Link> Ord for Prefixed<K, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.record.key().cmp(other.record.key()))
    }
}
