//! Shape B: one node per key, never overwritten, whose record holds an atomically swapped version chain.
//!
//! Skiplist and index hold the same records, so a version published in a record is seen through both at once.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_epoch as epoch;
use crossbeam_skiplist::SkipList;

use super::Shape;
use super::node::Node;
use crate::index::Index;
use crate::key::OwnedKey;
use crate::link::{Draft, Link};
use crate::record::Record;

/// The skiplist of records, and the index over them.
pub(crate) struct Chained<K, L, N, I> {
    list: SkipList<N, ()>,
    index: I,
    record: PhantomData<Record<K, L>>,
}

impl<K: OwnedKey, L: Link, N: Node<K, L>, I: Index<K, L>> Default for Chained<K, L, N, I> {
    fn default() -> Self {
        let list = SkipList::new(epoch::default_collector().clone());
        Self { list, index: I::default(), record: PhantomData }
    }
}

impl<K: OwnedKey, L: Link, N: Node<K, L>, I: Index<K, L>> Chained<K, L, N, I> {
    fn with<R>(&self, key: &[u8], visit: impl FnOnce(&Record<K, L>) -> R) -> Option<R> {
        if I::PRESENT {
            return self.index.with(key, visit);
        }
        let guard = epoch::pin();
        let entry = N::seek(&self.list, key, &guard)?;
        let record = entry.key().record();
        (record.key() == key).then(|| visit(record))
    }
}

impl<K: OwnedKey, L: Link, N: Node<K, L>, I: Index<K, L>> Shape for Chained<K, L, N, I> {
    fn put(&self, key: &[u8], draft: &Draft<'_>) {
        if self.with(key, |record| record.head.publish(draft)).is_some() {
            return;
        }
        let record = Record::new(key, draft);
        let guard = epoch::pin();
        self.list.get_or_insert(N::new(Arc::clone(&record)), (), &guard).release(&guard);
        self.index.insert(record);
    }

    fn get(&self, key: &[u8], snapshot: u64) -> Option<Bytes> {
        self.with(key, |record| record.head.get(snapshot))?
    }

    fn read(&self, key: &[u8], snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        self.with(key, |record| record.head.read(snapshot, visit)) == Some(true)
    }

    fn scan(&self, from: &[u8], count: usize, snapshot: u64, visit: &mut dyn FnMut(&[u8], Bytes)) {
        let guard = epoch::pin();
        let mut next = N::seek(&self.list, from, &guard);
        let mut given = 0;
        while let Some(entry) = next.filter(|_| given < count) {
            let record = entry.key().record();
            if let Some(value) = record.head.get(snapshot) {
                visit(record.key(), value);
                given += 1;
            }
            next = entry.next();
        }
    }
}
