//! `ArcSwapOption<Version>`: safe, a version on the heap, its value in a second allocation.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use super::{Draft, Link};

/// A version and the older ones.
pub(crate) struct Version {
    number: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    time_ms: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    deadline_ms: u64,
    value: Bytes,
    older: ArcSwapOption<Version>,
}

impl Version {
    fn new(draft: &Draft<'_>, older: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            number: draft.version,
            time_ms: draft.time_ms,
            deadline_ms: draft.deadline_ms,
            value: Bytes::copy_from_slice(draft.value),
            older: ArcSwapOption::new(older),
        })
    }
}

/// The head of a chain.
pub(crate) struct Swapped(ArcSwapOption<Version>);

impl Swapped {
    fn with<R>(&self, snapshot: u64, visit: impl FnOnce(&Bytes) -> R) -> Option<R> {
        let head = self.0.load();
        let head = head.as_ref()?;
        if head.number <= snapshot {
            return Some(visit(&head.value));
        }
        let mut older = head.older.load_full();
        while let Some(version) = older {
            if version.number <= snapshot {
                return Some(visit(&version.value));
            }
            older = version.older.load_full();
        }
        None
    }
}

impl Link for Swapped {
    fn new(first: &Draft<'_>) -> Self {
        Self(ArcSwapOption::new(Some(Version::new(first, None))))
    }

    fn publish(&self, draft: &Draft<'_>) {
        let version = Version::new(draft, self.0.load_full());
        self.0.store(Some(Arc::clone(&version)));
        version.older.store(None);
    }

    fn get(&self, snapshot: u64) -> Option<Bytes> {
        self.with(snapshot, Bytes::clone)
    }

    fn read(&self, snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        self.with(snapshot, |value| visit(value)).is_some()
    }
}
