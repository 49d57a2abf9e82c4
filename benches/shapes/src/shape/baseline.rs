//! The baseline: a B-tree under one lock, with one version per key.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::RwLock;

use super::Shape;
use crate::key::InlineKey;
use crate::link::Draft;

struct Version {
    number: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    time_ms: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    deadline_ms: u64,
    value: Bytes,
}

/// `RwLock<BTreeMap>`: readers wait while a writer works.
#[derive(Default)]
pub(crate) struct LockedTree(RwLock<BTreeMap<InlineKey, Version>>);

impl LockedTree {
    fn with<R>(&self, key: &[u8], snapshot: u64, visit: impl FnOnce(&Bytes) -> R) -> Option<R> {
        let tree = self.0.read();
        let version = tree.get(&InlineKey::from(key))?;
        (version.number <= snapshot).then(|| visit(&version.value))
    }
}

impl Shape for LockedTree {
    fn put(&self, key: &[u8], draft: &Draft<'_>) {
        let version = Version {
            number: draft.version,
            time_ms: draft.time_ms,
            deadline_ms: draft.deadline_ms,
            value: Bytes::copy_from_slice(draft.value),
        };
        self.0.write().insert(key.into(), version);
    }

    fn get(&self, key: &[u8], snapshot: u64) -> Option<Bytes> {
        self.with(key, snapshot, Bytes::clone)
    }

    fn read(&self, key: &[u8], snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        self.with(key, snapshot, |value| visit(value)).is_some()
    }

    fn scan(&self, from: &[u8], count: usize, snapshot: u64, visit: &mut dyn FnMut(&[u8], Bytes)) {
        let tree = self.0.read();
        let entries = tree.range((Bound::Included(InlineKey::from(from)), Bound::Unbounded));
        for (key, version) in entries.filter(|(_, version)| version.number <= snapshot).take(count) {
            visit(key.as_ref(), version.value.clone());
        }
    }
}
