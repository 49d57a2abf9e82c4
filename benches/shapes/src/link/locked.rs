//! `RwLock<Arc<Version>>`: safe and plain, a lock word in every record.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{Draft, Link};

/// A version and the older ones.
pub(crate) struct Version {
    number: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    time_ms: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    deadline_ms: u64,
    value: Bytes,
    older: Mutex<Option<Arc<Version>>>,
}

impl Version {
    fn new(draft: &Draft<'_>, older: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            number: draft.version,
            time_ms: draft.time_ms,
            deadline_ms: draft.deadline_ms,
            value: Bytes::copy_from_slice(draft.value),
            older: Mutex::new(older),
        })
    }
}

/// The head of a chain.
pub(crate) struct Locked(RwLock<Arc<Version>>);

impl Locked {
    fn with<R>(&self, snapshot: u64, visit: impl FnOnce(&Bytes) -> R) -> Option<R> {
        let head = self.0.read();
        if head.number <= snapshot {
            return Some(visit(&head.value));
        }
        let mut older = head.older.lock().clone();
        drop(head);
        while let Some(version) = older {
            if version.number <= snapshot {
                return Some(visit(&version.value));
            }
            let next = version.older.lock().clone();
            older = next;
        }
        None
    }
}

impl Link for Locked {
    fn new(first: &Draft<'_>) -> Self {
        Self(RwLock::new(Version::new(first, None)))
    }

    fn publish(&self, draft: &Draft<'_>) {
        let older = Arc::clone(&self.0.read());
        let version = Version::new(draft, Some(older));
        *self.0.write() = Arc::clone(&version);
        *version.older.lock() = None;
    }

    fn get(&self, snapshot: u64) -> Option<Bytes> {
        self.with(snapshot, Bytes::clone)
    }

    fn read(&self, snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        self.with(snapshot, |value| visit(value)).is_some()
    }
}
