//! Validation: whether a transaction would read at its commit what it has read at its snapshot.
//!
//! A transaction with few reads looks them up under the writers' lock. One with many is validated in two steps, so that other writers wait
//! only as long as a few hundred lookups take, however much it has read:
//!
//! 1. Ahead, without the lock. Where the change feed's ring reaches back to the snapshot, each change since is looked up in what was
//!    read; where it does not, or that would cost more, everything is read again. Commits made meanwhile stay in the ring
//!    (`Hold`) and are looked at in rounds, until there are few.
//! 2. Under the lock, the commits since the last round: a few hundred changes, unless commits come faster than they can be looked at.
//!
//! A value also stops being read without any commit, when it expires: the index of deadlines names the keys.
//!
//! Optimistic concurrency control with backward validation (Kung and Robinson 1981); validating ahead of the critical section is
//! their section 4 ("a family of concurrency controls").

use std::ops::ControlFlow;

use crate::engine::{Found, Inner, NodeExt, ReadSet, ReadTimes, Record, Seen, WriteSet, Writer};
use crate::mutants::mutant;
use crate::types::{Direction, Version, is_past};

/// Another commit changed what was read, or wrote one of the keys to be written.
pub(crate) struct Lost;

/// The conditions for a transaction to commit.
pub(crate) struct Checks<'t> {
    /// The transaction's snapshot.
    pub(crate) version: Version,
    pub(crate) reads: &'t ReadSet,
    /// Keys that nobody may have written since the snapshot, under snapshot isolation.
    pub(crate) unwritten: Option<&'t WriteSet>,
}

impl Checks<'_> {
    /// The approximate number of lookups for validation without the ring.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn lookups(&self) -> u64 {
        let keys = self.reads.keys.len() + self.unwritten.map_or(0, WriteSet::len);
        self.reads.visited + (keys + self.reads.ranges.len()) as u64
    }

    /// Looks everything up in the state at `now_ms`. Under the writers' lock the answer is final; without it, it holds for the commits
    /// before it began.
    ///
    /// False after `visits_max` records in scanned ranges: there may be more than were read, because another commit has prepared records.
    pub(crate) fn look_up(&self, inner: &Inner, now_ms: u64, visits_max: u64) -> Result<bool, Lost> {
        let mut visits = 0;
        if !mutant!("lost-update") {
            for (key, seen) in &self.reads.keys {
                look_up_key(inner, key, *seen, now_ms)?;
            }
        }
        for key in self.unwritten.into_iter().flat_map(WriteSet::keys) {
            self.look_up_write(inner, key)?;
        }
        mutant!("phantom" => return Ok(true));
        for read in &self.reads.ranges {
            let mut holds = Ok(());
            inner.walk(&read.range, Direction::Forward, &mut |record| {
                visits += 1;
                holds = self.look_at(record, read.times, now_ms);
                if holds.is_ok() && visits <= visits_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            holds?;
            if visits > visits_max {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `key` holds what it held at the snapshot's version, expired or not.
    pub(super) fn look_up_write(&self, inner: &Inner, key: &[u8]) -> Result<(), Lost> {
        let looked_up = inner.map.find(key, |record| {
            let (newest, is_deleted) = record.newest(|node| (node.about().version, node.about().is_deletion));
            let none_was_held = || match record.at(self.version, |node| node.about().is_deletion) {
                Found::Node(was_deleted) | Found::Older(was_deleted) => was_deleted,
                Found::NotVisible => true,
            };
            let is_as_held = newest <= self.version || (is_deleted && none_was_held());
            if is_as_held { Ok(()) } else { Err(Lost) }
        });
        looked_up.unwrap_or(Ok(()))
    }

    /// Whether a record shows at `now_ms` what it showed at the snapshot's version and at both `times`.
    pub(super) fn look_at(&self, record: &Record, times: ReadTimes, now_ms: u64) -> Result<(), Lost> {
        let (newest, deadline_ms) = record.newest(|node| (node.about().version, node.ends_ms()));
        let is_as_read = if newest <= self.version {
            times.sees_alike(deadline_ms, now_ms)
        } else {
            // The value served now is of a later commit. If there is none, nothing may have been read.
            let none_was_read = || match record.at(self.version, NodeExt::ends_ms) {
                Found::Node(ends_ms) | Found::Older(ends_ms) => is_past(ends_ms, times.earliest_ms),
                Found::NotVisible => true,
            };
            is_past(deadline_ms, now_ms) && none_was_read()
        };
        if is_as_read { Ok(()) } else { Err(Lost) }
    }
}

/// Whether `key` shows at `now_ms` what was seen.
pub(super) fn look_up_key(inner: &Inner, key: &[u8], seen: Seen, now_ms: u64) -> Result<(), Lost> {
    let live = inner.map.find(key, |record| record.newest(|node| node.live_version(now_ms))).flatten();
    if seen.is_still(live) { Ok(()) } else { Err(Lost) }
}

impl Inner {
    /// Whether `checks` hold for every commit so far. False if that took more than `visits_max` visits to records in scanned ranges.
    pub(crate) fn validate(&self, writer: &Writer, checks: &Checks<'_>, visits_max: u64) -> Result<bool, Lost> {
        let now_ms = self.clock.now_ms();
        let latest_ms = checks.reads.times.latest_ms.max(now_ms);
        let nothing_expired = writer.deadlines.first().is_none_or(|deadline| deadline.at_ms > latest_ms);
        if writer.last == checks.version && nothing_expired {
            return Ok(true);
        }
        checks.look_up(self, now_ms, visits_max)
    }
}
