//! Who has held an object for too long.

use std::{collections::BTreeMap, fmt, panic::Location, time::Duration};

use tokio::time::Instant;

/// An object held for longer than [`Config::leak_threshold`](crate::Config::leak_threshold).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// Where it was acquired: the call of `acquire` or `try_acquire`.
    pub acquired_at: &'static Location<'static>,
    /// For how long it has been held.
    pub held_for: Duration,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acquired at {}, held for {:?}", self.acquired_at, self.held_for)
    }
}

/// The number of one loan among those recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HolderId(u64);

/// Since when and where each object on loan is held; empty unless there is a threshold.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    held: BTreeMap<HolderId, (Instant, &'static Location<'static>)>,
    next: u64,
}

impl Holders {
    pub(crate) fn add(&mut self, since: Instant, place: &'static Location<'static>) -> HolderId {
        let id = HolderId(self.next);
        self.next += 1;
        self.held.insert(id, (since, place));
        id
    }

    pub(crate) fn remove(&mut self, id: HolderId) {
        self.held.remove(&id);
    }

    /// Longest held first.
    pub(crate) fn longer_than(&self, threshold: Duration) -> Vec<Leak> {
        let now = Instant::now();
        let mut leaks: Vec<_> = self
            .held
            .values()
            .map(|(since, place)| Leak { acquired_at: place, held_for: now.saturating_duration_since(*since) })
            .filter(|leak| leak.held_for > threshold)
            .collect();
        leaks.sort_by_key(|leak| std::cmp::Reverse(leak.held_for));
        leaks
    }
}
