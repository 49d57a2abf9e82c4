//! `crossbeam_epoch::Atomic<Version>`: the lower bound that the safe links are compared with, at the price of `unsafe`.
#![allow(unsafe_code, reason = "epoch pointers can only be followed and freed in unsafe code")]

use std::sync::atomic::Ordering;

use bytes::Bytes;
use crossbeam_epoch::{self as epoch, Atomic, Guard, Owned, Shared};

use super::{Draft, Link};

/// A version and the older ones.
struct Version {
    number: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    time_ms: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    deadline_ms: u64,
    value: Bytes,
    older: Atomic<Version>,
}

impl Version {
    fn new(draft: &Draft<'_>) -> Owned<Self> {
        Owned::new(Self {
            number: draft.version,
            time_ms: draft.time_ms,
            deadline_ms: draft.deadline_ms,
            value: Bytes::copy_from_slice(draft.value),
            older: Atomic::null(),
        })
    }
}

/// The head of a chain.
pub(crate) struct Epoch(Atomic<Version>);

impl Epoch {
    fn find<'g>(&self, snapshot: u64, guard: &'g Guard) -> Option<&'g Version> {
        let mut next = self.0.load(Ordering::Acquire, guard);
        loop {
            // SAFETY: a version is freed only through `defer_destroy`, after it was unlinked: while `guard` is pinned,
            // whatever was reachable from the head stays allocated, and a published version's fields never change.
            let version = unsafe { next.as_ref() }?;
            if version.number <= snapshot {
                return Some(version);
            }
            next = version.older.load(Ordering::Acquire, guard);
        }
    }
}

impl Link for Epoch {
    fn new(first: &Draft<'_>) -> Self {
        Self(Atomic::from(Version::new(first)))
    }

    fn publish(&self, draft: &Draft<'_>) {
        let guard = epoch::pin();
        let older = self.0.load(Ordering::Relaxed, &guard);
        let version = Version::new(draft);
        version.older.store(older, Ordering::Relaxed);
        let version = version.into_shared(&guard);
        self.0.store(version, Ordering::Release);
        // SAFETY: just made from an `Owned`, so not null, and only this thread unlinks versions.
        unsafe { version.deref() }.older.store(Shared::null(), Ordering::Release);
        if !older.is_null() {
            // SAFETY: `older` was reachable only through the head and the link cut above, so no new reader finds it.
            unsafe { guard.defer_destroy(older) };
        }
    }

    fn get(&self, snapshot: u64) -> Option<Bytes> {
        let guard = epoch::pin();
        self.find(snapshot, &guard).map(|version| version.value.clone())
    }

    fn read(&self, snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        let guard = epoch::pin();
        self.find(snapshot, &guard).map(|version| visit(&version.value)).is_some()
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        let head = std::mem::replace(&mut self.0, Atomic::null());
        // SAFETY: `&mut self` excludes readers. `publish` leaves one version in the chain, so this frees all of it.
        drop(unsafe { head.try_into_owned() });
    }
}
