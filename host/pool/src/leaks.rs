//! Who has held an object for too long.

use std::{fmt, panic::Location, time::Duration};

use crate::{
    Manager,
    state::shared::Shared,
    state::slot::{Slot, SlotState},
};

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

impl<M: Manager> Shared<M> {
    /// Longest held first.
    pub(crate) fn leaks(&self) -> Vec<Leak> {
        let Some(threshold) = self.config.leak_threshold else { return Vec::new() };
        let now = self.clock.now();
        let mut leaks: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| slot.state() == SlotState::Busy)
            .filter_map(Slot::holder)
            .map(|(since, acquired_at)| Leak { acquired_at, held_for: now.since(since) })
            .filter(|leak| leak.held_for > threshold)
            .collect();
        leaks.sort_by_key(|leak| std::cmp::Reverse(leak.held_for));
        leaks
    }
}
