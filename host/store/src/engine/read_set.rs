//! The reads and writes of a transaction.

use std::collections::BTreeMap;

use crate::hash::HashMap;
#[cfg(not(target_family = "wasm"))]
use crate::types::Direction;
use crate::types::{KeyRange, Update, Version, is_past};

pub(crate) type WriteSet = BTreeMap<Box<[u8]>, Update>;

/// The reads of a transaction.
#[derive(Debug)]
pub(crate) struct ReadSet {
    pub(crate) keys: HashMap<Box<[u8]>, Seen>,
    pub(crate) ranges: Vec<RangeRead>,
    /// Everything that a deadline could have decided was read between these times.
    pub(crate) times: ReadTimes,
    /// Records that the scans of `ranges` visited: the cost of scanning them again.
    pub(crate) visited: u64,
}

/// What was read of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The value of this version.
    Version(Version),
    /// There was a value, whichever it was.
    Present,
    Absent,
}

impl Seen {
    pub(crate) fn of(version: Option<Version>) -> Self {
        version.map_or(Self::Absent, Self::Version)
    }

    /// Whether a key that now has a value of this version would be read alike.
    pub(crate) fn is_still(self, live: Option<Version>) -> bool {
        match self {
            Self::Version(version) => live == Some(version),
            Self::Present => live.is_some(),
            Self::Absent => live.is_none(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct RangeRead {
    pub(crate) range: KeyRange,
    pub(crate) times: ReadTimes,
}

/// The times of reads, by the clock, which may be set back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadTimes {
    pub(crate) earliest_ms: u64,
    pub(crate) latest_ms: u64,
}

impl ReadTimes {
    /// No reads.
    const NONE: Self = Self { earliest_ms: u64::MAX, latest_ms: 0 };

    pub(crate) fn at(now_ms: u64) -> Self {
        Self { earliest_ms: now_ms, latest_ms: now_ms }
    }

    /// The time from the first to the last of both.
    pub(crate) fn with(self, other: Self) -> Self {
        Self { earliest_ms: self.earliest_ms.min(other.earliest_ms), latest_ms: self.latest_ms.max(other.latest_ms) }
    }

    /// Whether a value with this deadline is served at `now_ms` exactly if it was served at both times.
    pub(crate) fn sees_alike(self, deadline_ms: u64, now_ms: u64) -> bool {
        let is_past_now = is_past(deadline_ms, now_ms);
        [self.earliest_ms, self.latest_ms].iter().all(|&then_ms| is_past(deadline_ms, then_ms) == is_past_now)
    }
}

impl ReadSet {
    pub(crate) fn new() -> Self {
        Self { keys: HashMap::default(), ranges: Vec::new(), times: ReadTimes::NONE, visited: 0 }
    }
}

/// A page has no other clients that a long validation could delay, and would download 3 KB more for the sorting.
#[cfg(not(target_family = "wasm"))]
impl ReadSet {
    /// Merges overlapping ranges: validation visits each key once, however often it was read, and finds a key's range by bisection.
    ///
    /// A merged range counts as read at each of their times: a key that only the later of two scans covers, and that expired between them,
    /// is a conflict too, although nothing that was read has changed. A retry gets over it.
    pub(crate) fn merge_ranges(&mut self) {
        self.ranges.sort_unstable_by(|a, b| a.range.starts().cmp(&b.range.starts()));
        self.ranges.dedup_by(|next, merged| {
            let shared = KeyRange { start: next.range.start.clone(), end: merged.range.end.clone() };
            if shared.is_empty() {
                return false;
            }
            if next.range.ends() > merged.range.ends() {
                std::mem::swap(&mut merged.range.end, &mut next.range.end);
            }
            merged.times = merged.times.with(next.times);
            true
        });
    }

    /// The scanned range that contains `key`, once ranges are merged.
    pub(crate) fn range_of(&self, key: &[u8]) -> Option<&RangeRead> {
        let begun = self.ranges.partition_point(|read| read.range.reaches(key, Direction::Reverse));
        let last = self.ranges[..begun].last()?;
        last.range.reaches(key, Direction::Forward).then_some(last)
    }

    /// Whether anything in `range` was read.
    pub(crate) fn meets(&self, range: &KeyRange) -> bool {
        self.ranges.iter().any(|read| read.range.overlaps(range)) || self.keys.keys().any(|key| range.contains(key))
    }

    /// Whether `key` was read, by itself or in a range. For [merged](Self::merge_ranges) ranges.
    pub(crate) fn touches(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key) || self.range_of(key).is_some()
    }
}
