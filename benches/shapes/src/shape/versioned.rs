//! Shape A: every version is its own node under `(key ascending, version descending)`.
//!
//! A key is never overwritten: the writer inserts the new version in front of the old one and then removes the old
//! one, so a reader finds one of them at any moment.

use std::ops::Bound;

use bytes::Bytes;
use crossbeam_epoch::{self as epoch, Guard};
use crossbeam_skiplist::SkipList;
use crossbeam_skiplist::base::Entry;

use super::Shape;
use crate::index::Index;
use crate::key::InlineKey;
use crate::link::{Draft, Link};
use crate::record::Record;

/// A key's version, ordered so that a search for a snapshot ends on the newest version it may see.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct VersionedKey {
    key: InlineKey,
    /// `!version`: newer versions first.
    newest_first: u64,
}

struct Body {
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    time_ms: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    deadline_ms: u64,
    value: Bytes,
}

/// The skiplist of versions; with an index, a second chain per key for point reads.
pub(crate) struct Versioned<L, I> {
    list: SkipList<VersionedKey, Body>,
    index: I,
    link: std::marker::PhantomData<L>,
}

impl<L: Link, I: Index<InlineKey, L>> Default for Versioned<L, I> {
    fn default() -> Self {
        let list = SkipList::new(epoch::default_collector().clone());
        Self { list, index: I::default(), link: std::marker::PhantomData }
    }
}

impl<L: Link, I: Index<InlineKey, L>> Versioned<L, I> {
    fn seek<'g>(&'g self, key: &[u8], snapshot: u64, guard: &'g Guard) -> Option<Entry<'g, 'g, VersionedKey, Body>> {
        let probe = VersionedKey { key: key.into(), newest_first: !snapshot };
        self.list.lower_bound(Bound::Included(&probe), guard)
    }

    fn find<R>(&self, key: &[u8], snapshot: u64, visit: impl FnOnce(&Bytes) -> R) -> Option<R> {
        let guard = epoch::pin();
        let entry = self.seek(key, snapshot, &guard)?;
        (entry.key().key.as_ref() == key).then(|| visit(&entry.value().value))
    }
}

impl<L: Link, I: Index<InlineKey, L>> Shape for Versioned<L, I> {
    fn put(&self, key: &[u8], draft: &Draft<'_>) {
        let guard = epoch::pin();
        let inline = InlineKey::from(key);
        let body =
            Body { time_ms: draft.time_ms, deadline_ms: draft.deadline_ms, value: Bytes::copy_from_slice(draft.value) };
        let versioned = VersionedKey { key: inline, newest_first: !draft.version };
        let inserted = self.list.get_or_insert(versioned, body, &guard);
        let next = inserted.next(&guard);
        inserted.release(&guard);
        if let Some(old) = next {
            if old.key().key.as_ref() == key {
                old.remove(&guard);
            }
            old.release(&guard);
        }
        if I::PRESENT && self.index.with(key, |record| record.head.publish(draft)).is_none() {
            self.index.insert(Record::new(key, draft));
        }
    }

    fn get(&self, key: &[u8], snapshot: u64) -> Option<Bytes> {
        if I::PRESENT {
            return self.index.with(key, |record| record.head.get(snapshot))?;
        }
        self.find(key, snapshot, Bytes::clone)
    }

    fn read(&self, key: &[u8], snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        if I::PRESENT {
            return self.index.with(key, |record| record.head.read(snapshot, visit)) == Some(true);
        }
        self.find(key, snapshot, |value| visit(value)).is_some()
    }

    fn scan(&self, from: &[u8], count: usize, snapshot: u64, visit: &mut dyn FnMut(&[u8], Bytes)) {
        let guard = epoch::pin();
        let mut next = self.seek(from, u64::MAX, &guard);
        let mut last: Option<&InlineKey> = None;
        let mut given = 0;
        while let Some(entry) = next {
            let VersionedKey { key, newest_first } = entry.key();
            if !newest_first <= snapshot && last != Some(key) {
                if given == count {
                    return;
                }
                given += 1;
                last = Some(key);
                visit(key.as_ref(), entry.value().value.clone());
            }
            next = entry.next();
        }
    }
}
