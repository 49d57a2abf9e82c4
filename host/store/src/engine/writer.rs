//! The state that only the holder of the writers' lock changes: numbers of commits, garbage, deadlines, and statistics.

use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, VecDeque};
#[cfg(not(target_family = "wasm"))]
use std::ops::Bound;

use super::feed::Fallen;
use super::garbage::Garbage;
use super::record::{Node, NodeExt, Record};
#[cfg(not(target_family = "wasm"))]
use crate::durability::Submission;
use crate::hash::HashMap;
#[cfg(not(target_family = "wasm"))]
use crate::types::NEVER_MS;
use crate::types::{Clock, Space, Stats, Version, is_past};

/// The state that only the holder of the writers' lock uses.
#[derive(Default)]
pub(crate) struct Writer {
    /// The newest commit, visible or not.
    pub(crate) last: Version,
    /// The newest version given to a commit, even if that was undone: a version is given once.
    pub(crate) given: Version,
    pub(crate) garbage: Garbage,
    /// Deleted keys without versions, to be removed from both indexes unless they were written again.
    pub(crate) dead: VecDeque<Record>,
    pub(crate) deadlines: BTreeSet<Deadline>,
    pub(crate) spaces: HashMap<Box<[u8]>, Space>,
    /// Encoded commits that wait to be written to the log.
    pub(crate) pending: Vec<u8>,
    /// When the next commit was submitted, if it is measured.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) submission: Option<Submission>,
    /// When those were that wait to be written.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) submitted: Vec<Submission>,
    pub(crate) stats: Stats,
    /// Number of short holds of the lock, some of which are measured.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) short_holds: u64,
    /// Commits dropped from the change feed, to be freed without the lock.
    pub(crate) fallen: Fallen,
    /// When the newest commit was made, by both clocks.
    made: Made,
}

/// A moment by both clocks.
#[derive(Default)]
struct Made {
    time_ms: u64,
    monotonic_us: u64,
    /// Commits that have shared it.
    commits: u32,
}

/// Commits that share one reading of the monotonic clock, so that a wall clock that does not move does not stop the other one.
const SHARED_READING_MAX: u32 = 1_024;

/// When a key expires. Deadlines of the same time are ordered by version, which rarely leaves keys to compare: those are elsewhere in
/// memory.
#[cfg_attr(not(target_family = "wasm"), derive(Clone))]
pub(crate) struct Deadline {
    pub(crate) at_ms: u64,
    version: Version,
    pub(crate) record: Record,
}

impl Deadline {
    /// When `node`, a version of `record`'s key, expires, if ever.
    pub(super) fn of(record: &Record, node: &Node) -> Option<Self> {
        let at_ms = node.expires_at_ms()?;
        Some(Self { at_ms, version: node.about().version, record: record.clone() })
    }

    /// After every deadline of that time.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn last_at(at_ms: u64) -> Self {
        let nobodys = Record::new(&[], Node::create(0, 0, NEVER_MS, None, None));
        Self { at_ms, version: Version::MAX, record: nobodys }
    }
}

impl Writer {
    /// The monotonic clock's time for a commit at `time_ms`. Commits of one millisecond share a reading: each costs a tenth of a small
    /// commit, and the feed's ages are in milliseconds.
    pub(super) fn made_us(&mut self, time_ms: u64, clock: &dyn Clock) -> u64 {
        let made = &mut self.made;
        if made.time_ms != time_ms || made.commits >= SHARED_READING_MAX {
            *made = Made { time_ms, monotonic_us: clock.monotonic_us(), commits: 0 };
        }
        made.commits += 1;
        made.monotonic_us
    }

    /// The deadlines after `from` and up to the time `to_ms`, soonest first.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn deadlines_after(&self, from: &Deadline, to_ms: u64) -> impl Iterator<Item = &Deadline> {
        let later = self.deadlines.range((Bound::Excluded(from), Bound::Unbounded));
        later.take_while(move |deadline| deadline.at_ms <= to_ms)
    }

    /// Values that have expired at `now_ms` and have not been removed, soonest first.
    pub(crate) fn due(&self, now_ms: u64) -> impl Iterator<Item = &Deadline> {
        self.deadlines.iter().take_while(move |deadline| is_past(deadline.at_ms, now_ms))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Order {
        let numbers = (self.at_ms, self.version).cmp(&(other.at_ms, other.version));
        numbers.then_with(|| self.record.key().cmp(other.record.key()))
    }
}
impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}
impl Eq for Deadline {}
