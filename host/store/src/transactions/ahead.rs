//! Validation ahead of the writers' lock. A page has one thread, and no other writers to delay.

use super::validation::{Checks, Lost, look_up_key};
use crate::engine::{Deadline, FeedCommit, Hold, Inner, Record, Writer, WriterGuard};
use crate::mutants::mutant;

/// Changes, and deadlines, that are examined under the lock.
const UNDER_LOCK_MAX: usize = 256;

/// Rounds without the lock. Each examines what was committed during the previous one, so a few are enough; only if commits come faster than
/// they can be examined does the holder of the lock have more to do.
const ROUNDS_MAX: usize = 32;

/// Validations from the start, when the ring has dropped what came meanwhile.
const STARTS_MAX: usize = 3;

/// Deadlines that are copied under one hold of the lock.
const DEADLINES_PER_HOLD: usize = 128;

/// A validation that has got as far as it can without the lock.
pub(crate) struct Ahead<'c, 'i> {
    checks: &'c Checks<'c>,
    inner: &'i Inner,
    progress: Progress<'i>,
}

struct Progress<'f> {
    /// The commits before it have been examined.
    hold: Hold<'f>,
    /// The values that had expired by then have been looked at.
    now_ms: u64,
}

/// Why a validation stopped.
enum Stop {
    Lost,
    /// The ring has dropped what follows the commits that were looked at.
    Gap,
}

impl From<Lost> for Stop {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

impl<'c, 'i> Ahead<'c, 'i> {
    /// Validates `checks` as far as that can be done without the lock.
    pub(crate) fn new(checks: &'c Checks<'c>, inner: &'i Inner) -> Result<Self, Lost> {
        Ok(Self { checks, inner, progress: start(checks, inner)? })
    }

    /// Takes the writers' lock, with the validation done.
    pub(crate) fn lock(mut self) -> Result<WriterGuard<'i>, Lost> {
        let mut starts = 0;
        for round in 0.. {
            let writer = self.inner.lock_writer_for_long();
            if round < ROUNDS_MAX && !self.few_are_left(&writer) {
                writer.unlock_fair();
            } else {
                match self.finish(&writer) {
                    Ok(()) => return Ok(writer),
                    Err(Stop::Lost) => return Err(Lost),
                    Err(Stop::Gap) => drop(writer),
                }
            }
            match self.checks.round(self.inner, &mut self.progress) {
                Ok(_) => {}
                Err(Stop::Gap) if starts < STARTS_MAX => {
                    starts += 1;
                    self.progress = start(self.checks, self.inner)?;
                }
                Err(Stop::Lost | Stop::Gap) => return Err(Lost),
            }
        }
        unreachable!("the loop has no end")
    }

    fn few_are_left(&self, writer: &Writer) -> bool {
        let (from_ms, to_ms) = between(self.progress.now_ms, self.inner.clock.now_ms());
        let deadlines = writer.deadlines_after(&Deadline::last_at(from_ms), to_ms).take(UNDER_LOCK_MAX + 1).count();
        deadlines <= UNDER_LOCK_MAX && self.progress.hold.changes_after(UNDER_LOCK_MAX + 1) <= UNDER_LOCK_MAX
    }

    /// Looks at what is left, under the lock.
    fn finish(&mut self, writer: &Writer) -> Result<(), Stop> {
        let now_ms = self.inner.clock.now_ms();
        self.checks.commits(self.inner, &mut self.progress.hold, now_ms)?;
        let (from_ms, to_ms) = between(self.progress.now_ms, now_ms);
        for deadline in writer.deadlines_after(&Deadline::last_at(from_ms), to_ms) {
            self.checks.deadline(self.inner, &deadline.record, now_ms)?;
        }
        Ok(())
    }
}

fn start<'i>(checks: &Checks<'_>, inner: &'i Inner) -> Result<Progress<'i>, Lost> {
    for _ in 0..STARTS_MAX {
        match checks.start(inner) {
            Ok(progress) => return Ok(progress),
            Err(Stop::Lost) => return Err(Lost),
            Err(Stop::Gap) => {}
        }
    }
    // So much is committed meanwhile that the ring cannot hold it: another attempt has fewer commits to examine.
    Err(Lost)
}

/// Deadlines later than the first and up to the second of these times lie between `a` and `b`.
fn between(a: u64, b: u64) -> (u64, u64) {
    (a.min(b), a.max(b))
}

impl Checks<'_> {
    fn start<'f>(&self, inner: &'f Inner) -> Result<Progress<'f>, Stop> {
        let in_ring = inner.feed.hold(self.version).filter(|hold| hold.commits_after() as u64 <= self.lookups());
        let now_ms = inner.clock.now_ms();
        let mut progress = if let Some(hold) = in_ring {
            let read = self.reads.times;
            let progress = Progress { hold, now_ms };
            self.deadlines(inner, read.earliest_ms.min(now_ms), read.latest_ms.max(now_ms), now_ms)?;
            progress
        } else {
            // The ring holds what is committed from now on.
            let hold = inner.feed.hold_newest();
            self.look_up(inner, now_ms, u64::MAX)?;
            Progress { hold, now_ms }
        };
        for _ in 0..ROUNDS_MAX {
            if self.round(inner, &mut progress)? <= UNDER_LOCK_MAX {
                break;
            }
        }
        Ok(progress)
    }

    /// Examines what came since the last round. Returns the number of changes and deadlines.
    fn round(&self, inner: &Inner, progress: &mut Progress<'_>) -> Result<usize, Stop> {
        let now_ms = inner.clock.now_ms();
        let changes = self.commits(inner, &mut progress.hold, now_ms)?;
        let (from_ms, to_ms) = between(progress.now_ms, now_ms);
        let deadlines = self.deadlines(inner, from_ms, to_ms, now_ms)?;
        progress.now_ms = now_ms;
        Ok(changes + deadlines)
    }

    /// Looks at the commits after `hold`, as many as there are at first, and moves it after them; how many changes they had.
    fn commits(&self, inner: &Inner, hold: &mut Hold<'_>, now_ms: u64) -> Result<usize, Stop> {
        let (mut left, mut changes) = (hold.commits_after(), 0);
        loop {
            let commits = hold.commits().ok_or(Stop::Gap)?;
            let Some(last) = commits.last() else { return Ok(changes) };
            for commit in &commits {
                self.commit(inner, commit, now_ms)?;
                changes += commit.changes.len();
            }
            hold.move_to(last.version);
            left = left.saturating_sub(commits.len());
            if left == 0 {
                return Ok(changes);
            }
        }
    }

    fn commit(&self, inner: &Inner, commit: &FeedCommit, now_ms: u64) -> Result<(), Lost> {
        mutant!("ring-skipped" => return Ok(()));
        for change in &commit.changes {
            let key = change.record.key();
            if self.unwritten.is_some_and(|writes| writes.contains_key(key)) {
                self.look_up_write(inner, key)?;
            }
            if let Some(seen) = self.reads.keys.get(key) {
                look_up_key(inner, key, *seen, now_ms)?;
            }
            if let Some(read) = self.reads.range_of(key) {
                // A record that was removed had nothing left that anybody could read.
                inner.map.find(key, |record| self.look_at(record, read.times, now_ms)).unwrap_or(Ok(()))?;
            }
        }
        Ok(())
    }

    /// Examines the deadlines after `from_ms` and up to `to_ms`. Returns how many there were.
    fn deadlines(&self, inner: &Inner, from_ms: u64, to_ms: u64, now_ms: u64) -> Result<usize, Lost> {
        let (mut last, mut count) = (Deadline::last_at(from_ms), 0);
        if from_ms == to_ms {
            return Ok(0);
        }
        loop {
            let writer = inner.lock_writer();
            let few: Vec<Deadline> = writer.deadlines_after(&last, to_ms).take(DEADLINES_PER_HOLD).cloned().collect();
            drop(writer);
            for deadline in &few {
                self.deadline(inner, &deadline.record, now_ms)?;
            }
            count += few.len();
            match few.into_iter().next_back() {
                Some(reached) if count.is_multiple_of(DEADLINES_PER_HOLD) => last = reached,
                _ => return Ok(count),
            }
        }
    }

    /// Examines a value whose deadline has passed, or is in the future again because the clock was set back.
    fn deadline(&self, inner: &Inner, record: &Record, now_ms: u64) -> Result<(), Lost> {
        mutant!("deadlines-skipped" => return Ok(()));
        let key = record.key();
        if let Some(seen) = self.reads.keys.get(key) {
            look_up_key(inner, key, *seen, now_ms)?;
        }
        match self.reads.range_of(key) {
            Some(read) => self.look_at(record, read.times, now_ms),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::ErrorKind;
    use std::sync::Arc;

    use super::*;
    use crate::disk::MemoryDisk;
    use crate::engine::{RangeRead, ReadSet, ReadTimes, Seen, WriteSet};
    use crate::testing::{FailingDisk, Fault, Operation};
    use crate::{Durability, Expect, KeyRange, ManualClock, Options, SeededRandom, Store, Update};

    const TIMES: ReadTimes = ReadTimes { earliest_ms: 1, latest_ms: 1 };

    fn reads(keys: &[&str], ranges: Vec<KeyRange>) -> ReadSet {
        let keys = keys.iter().map(|key| (Box::from(key.as_bytes()), Seen::Absent)).collect::<HashMap<_, _>>();
        let ranges = ranges.into_iter().map(|range| RangeRead { range, times: TIMES }).collect();
        ReadSet { keys, ranges, times: TIMES, visited: 0 }
    }

    fn write(store: &Store, key: &str, update: Update) {
        store.write(key.as_bytes(), update, Expect::Anything, None).unwrap().unwrap();
    }

    /// What was read before the lock may be the effect of a commit that was undone: then it does not count.
    #[test]
    fn an_undone_commit_invalidates_earlier_lookups() {
        let written = WriteSet::from([(Box::from(*b"came"), Update::Delete)]);
        let none = WriteSet::new();
        for (reads, unwritten) in [
            (reads(&["came"], Vec::new()), &none),
            (reads(&[], vec![KeyRange::prefix(b"c")]), &none),
            (reads(&[], Vec::new()), &written),
        ] {
            for is_undone in [false, true] {
                let disk = FailingDisk::new(MemoryDisk::new());
                let options = Options::new(Arc::new(ManualClock::new(1)), Arc::new(SeededRandom::new(1)));
                let store = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap().0;
                let snapshot = store.snapshot();
                write(&store, "came", Update::Put { value: "here".into(), expires_at_ms: None });
                store.flush();
                write(&store, "came", Update::Delete);
                let checks = Checks { version: snapshot.version(), reads: &reads, unwritten: Some(unwritten) };
                let ahead = Ahead::new(&checks, &store.0);
                let ahead = ahead.unwrap_or_else(|_| panic!("what came and went conflicts with nothing"));
                if is_undone {
                    let full = Fault { at: 0, only: Some(Operation::Write), times: 1, error: ErrorKind::StorageFull };
                    disk.plan(Some(full));
                }
                store.flush();
                assert_eq!(ahead.lock().is_err(), is_undone);
            }
        }
    }

    /// A scan that met nothing is a lookup too: a hundred thousand of them are not done under the lock.
    #[test]
    fn empty_scans_count_as_lookups() {
        let ranges = (0..100_u8).map(|number| KeyRange::prefix(&[number])).collect();
        let checks = Checks { version: 0, reads: &reads(&["a"], ranges), unwritten: None };
        assert_eq!(checks.lookups(), 101);
    }
}
