//! From a commit in memory to a commit on the disk.
//!
//! A commit goes onto the chains and, encoded, into a buffer, both under the writer lock. The holder of the log then takes the buffer with
//! all its commits, writes it, syncs it if the policy says so, and only then makes the commits visible: one write and one sync serve all
//! who wait (group commit; `DeWitt` et al. 1984). Under [`Durability::Always`] a thread does that; otherwise the committer does, unless
//! somebody else is doing it and will include this commit.
//!
//! If a write fails, the commits that were not visible yet are undone, newest first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{Ordering, fence};
use std::{io, mem};

use crate::disk::{DiskFile, is_displaced};
use crate::durability::{AppendError, Durable, LogEnd, panicked};
use crate::engine::{Inner, WriterGuard};
use crate::mutants::mutant;
use crate::types::{Durability, Error, StorageFailure, Version};

/// Capacity above which the buffer is freed after one large commit.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// The same for when commits were submitted.
#[cfg(not(target_family = "wasm"))]
const SUBMISSIONS_KEPT: usize = 4_096;

/// Growth after which the log is synced when commits do not wait for a sync: at the end of a segment, where they do wait, little is left to
/// sync.
const SYNC_AHEAD_BYTES: u64 = 4 << 20;

/// Whether there may be space again later.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Inner {
    /// Whether commits are possible.
    pub(super) fn check_disk(&self) -> Result<(), Error> {
        match self.durable() {
            Some(durable) => durable.check(),
            None => Ok(()),
        }
    }

    /// Releases the writer lock, and passes on the commit.
    pub(super) fn after_commit(&self, mut writer: WriterGuard<'_>, version: Version) {
        let fallen = std::mem::take(&mut writer.fallen);
        drop(writer);
        drop(fallen);
        self.hand_on(version);
    }

    /// Passes the newest commit to whoever writes the log, or announces it.
    pub(super) fn hand_on(&self, version: Version) {
        match self.durable() {
            Some(durable) => self.hand_over(durable),
            None => self.watchers.announce(version),
        }
    }

    /// Passes the writer's buffer to whoever writes it.
    pub(super) fn hand_over(&self, durable: &Durable) {
        match durable.durability {
            Durability::Always => durable.parker.wake(&durable.pending),
            Durability::Interval { .. } | Durability::Never => self.write_pending(durable),
        }
    }

    /// Writes pending commits, unless somebody else is doing so and will include them.
    fn write_pending(&self, durable: &Durable) {
        loop {
            // Either the holder of the log sees the commit after releasing it, or this gets the log.
            fence(Ordering::SeqCst);
            let Some(mut end) = durable.log.try_lock() else { return };
            self.write_groups(durable, &mut end, false);
            drop(end);
            fence(Ordering::SeqCst);
            if !durable.is_pending() {
                return;
            }
        }
    }

    /// Writes pending commits and makes them durable. Waits for the log.
    pub(super) fn write_and_sync(&self, durable: &Durable) {
        let sync = durable.durability == Durability::Always;
        self.with_log(durable, |end| self.write_groups(durable, end, sync));
        self.sync_written(durable);
    }

    /// Waits for the log and does `work` with it, then writes commits that came meanwhile and were left to the holder of the log.
    pub(crate) fn with_log<T>(&self, durable: &Durable, work: impl FnOnce(&mut LogEnd) -> T) -> T {
        let done = work(&mut durable.log.lock());
        fence(Ordering::SeqCst);
        if durable.is_pending() {
            self.hand_over(durable);
        }
        done
    }

    /// Writes and syncs the last commits, and refuses all others. Returns why nothing more is written.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn end_log(&self, durable: &Durable) -> StorageFailure {
        let failure = self.with_log(durable, |end| {
            // What came since the last sync.
            self.write_groups(durable, end, true);
            let last = end.writer.current.last;
            if !durable.is_failed() && durable.synced.load(Ordering::Acquire) < last {
                match self.sync(durable, &*end.writer.file()) {
                    Ok(()) => drop(durable.synced.fetch_max(last, Ordering::AcqRel)),
                    Err(error) => drop(durable.fail(&error, "syncing the log", StorageFailure::Sync)),
                }
            }
            let failure = durable.errors.close();
            self.undo_pending(durable, Error::StorageFailed(failure));
            failure
        });
        durable.notify_settled();
        failure
    }

    fn write_groups(&self, durable: &Durable, end: &mut LogEnd, sync: bool) {
        while let Some(last) = self.take_pending(durable, end) {
            let write = AssertUnwindSafe(|| self.write_group(durable, end, last, sync));
            if let Err(panic) = catch_unwind(write) {
                self.give_up(durable, &*panic);
            }
            end.records.clear();
            end.records.shrink_to(BUFFER_KEPT_BYTES);
            #[cfg(not(target_family = "wasm"))]
            {
                end.submitted.clear();
                end.submitted.shrink_to(SUBMISSIONS_KEPT);
            }
            if sync {
                // Commits that came meanwhile may be worth a wait for more: see `commit_delay`.
                break;
            }
        }
    }

    /// After a panic of the disk, or of code that uses it: the outcome of the work is unknown. Ends all waits for it, and nothing is
    /// written afterwards.
    pub(super) fn give_up(&self, durable: &Durable, panic: &(dyn Any + Send)) {
        let error = durable.fail(&panicked(panic), "writing the log", StorageFailure::Internal);
        self.undo_pending(durable, error);
    }

    /// As [`give_up`](Self::give_up), once the holder of the log releases it.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn wait_and_give_up(&self, durable: &Durable, panic: &(dyn Any + Send)) {
        let _end = durable.log.lock();
        self.give_up(durable, panic);
    }

    /// Takes the writer's buffer, and returns the newest commit in it.
    fn take_pending(&self, durable: &Durable, end: &mut LogEnd) -> Option<Version> {
        let mut writer = self.lock_writer();
        #[cfg(not(target_family = "wasm"))]
        if durable.durability == Durability::Always {
            durable.commit_delay.taken(durable.pending.load(Ordering::Relaxed));
        }
        durable.pending.store(0, Ordering::Release);
        mem::swap(&mut writer.pending, &mut end.records);
        #[cfg(not(target_family = "wasm"))]
        mem::swap(&mut writer.submitted, &mut end.submitted);
        // A commit that could not be encoded is pending without a record.
        (writer.last > self.visible.load(Ordering::Acquire)).then_some(writer.last)
    }

    fn write_group(&self, durable: &Durable, end: &mut LogEnd, last: Version, sync: bool) {
        if let Err(error) = durable.check() {
            return self.undo_pending(durable, error);
        }
        mutant!("acknowledged-before-written" => {
            self.visible.store(last, Ordering::Release);
            durable.notify_settled();
        });
        let synced = durable.synced.load(Ordering::Acquire);
        let written = durable.reserve(last, &*self.clock).map_err(AppendError::Cut);
        match written.and_then(|()| end.writer.append(&mut end.records, last, synced)) {
            Ok(()) => {}
            Err(AppendError::Cut(error)) if is_full(&error) && !mutant!("full-disk-is-the-end") => {
                durable.errors.note_full(end.records.len(), &error, "writing the log");
                durable.wake_for_events();
                return self.undo_pending(durable, Error::DiskFull);
            }
            Err(AppendError::Cut(error) | AppendError::Uncut(error)) => {
                let error = durable.fail(&error, "writing the log", StorageFailure::Write);
                return self.undo_pending(durable, error);
            }
        }
        durable.note_space();
        durable.stats.note_log(&end.writer);
        durable.stats.groups.fetch_add(1, Ordering::Relaxed);
        durable.stats.bytes.fetch_add(end.records.len() as u64, Ordering::Relaxed);
        mutant!("durable-without-sync" => durable.synced.fetch_max(last, Ordering::AcqRel));
        if sync {
            let synced = mutant!("no-sync" => Ok(()), or self.sync(durable, &*end.writer.file()));
            let again = |error| mutant!("failed-sync-is-tried-again" => end.writer.file().sync(), or Err(error));
            if let Err(error) = synced.or_else(again) {
                let error = durable.fail(&error, "syncing the log", StorageFailure::Sync);
                return self.undo_pending(durable, error);
            }
            durable.synced.fetch_max(last, Ordering::AcqRel);
            #[cfg(not(target_family = "wasm"))]
            durable.note_answers();
        }
        self.visible.store(last, Ordering::Release);
        durable.notify_settled();
        self.watchers.announce(last);
        #[cfg(not(target_family = "wasm"))]
        self.count_settled(end);
        if !sync && end.writer.current.bytes >= end.sync_asked_at + SYNC_AHEAD_BYTES {
            end.sync_asked_at = end.writer.current.bytes;
            #[cfg(not(target_family = "wasm"))]
            durable.interrupt();
        }
        if end.writer.current.bytes >= durable.segment_bytes_max {
            self.rotate(durable, end);
        }
    }

    /// Counts how long the commits of a group took, which everybody sees now.
    #[cfg(not(target_family = "wasm"))]
    fn count_settled(&self, end: &LogEnd) {
        if !end.submitted.is_empty() {
            let now_us = self.clock.monotonic_us();
            end.submitted.iter().for_each(|submission| self.commit_times.count(*submission, now_us));
        }
    }

    /// Begins the next segment. If that fails the current one stays in use, and the next group tries again.
    fn rotate(&self, durable: &Durable, end: &mut LogEnd) {
        // A segment that is not the last is complete for certain.
        let last = end.writer.current.last;
        if durable.synced.load(Ordering::Acquire) < last && !mutant!("segment-left-unsynced") {
            if let Err(error) = self.sync(durable, &*end.writer.file()) {
                durable.fail(&error, "syncing the log", StorageFailure::Sync);
                return;
            }
            durable.synced.fetch_max(last, Ordering::AcqRel);
        }
        match end.writer.rotate(self.random.next_u64(), self.clock.now_ms()) {
            Ok(()) => {
                end.sync_asked_at = 0;
                durable.stats.note_log(&end.writer);
                durable.errors.segment_is_begun();
            }
            Err(error) if is_displaced(&error) => {
                durable.fail_if_displaced(&error, "beginning a segment of the log");
            }
            Err(error) => {
                durable.errors.refuse_segment(&error, "beginning a segment of the log");
                durable.wake_for_events();
            }
        }
    }

    /// Makes durable what was written. Commits continue meanwhile.
    pub(crate) fn sync_written(&self, durable: &Durable) {
        let (file, last) = self.with_log(durable, |end| (end.writer.file(), end.writer.current.last));
        if durable.is_failed() || durable.synced.load(Ordering::Acquire) >= last {
            return;
        }
        match self.sync(durable, &*file) {
            // Rotation has synced earlier segments.
            Ok(()) => drop(durable.synced.fetch_max(last, Ordering::AcqRel)),
            Err(error) => drop(durable.fail(&error, "syncing the log", StorageFailure::Sync)),
        }
    }

    /// Syncs the log, and records how long that took.
    fn sync(&self, durable: &Durable, file: &dyn DiskFile) -> io::Result<()> {
        let begun = self.clock.monotonic_us();
        let synced = catch_unwind(AssertUnwindSafe(|| file.sync())).unwrap_or_else(|panic| Err(panicked(&*panic)));
        let took = self.clock.monotonic_us().saturating_sub(begun);
        let stats = &durable.stats;
        stats.syncs.fetch_add(1, Ordering::Relaxed);
        stats.sync_us.fetch_add(took, Ordering::Relaxed);
        stats.sync_us_max.fetch_max(took, Ordering::Relaxed);
        stats.sync_times.count(took);
        #[cfg(not(target_family = "wasm"))]
        durable.commit_delay.took(took);
        synced
    }

    /// Undoes every commit that is not visible yet.
    pub(super) fn undo_pending(&self, durable: &Durable, error: Error) {
        let mut writer = self.lock_writer();
        let visible = self.visible.load(Ordering::Acquire);
        let commits = self.feed.take_after(visible);
        for commit in &commits {
            for change in commit.changes.iter().rev() {
                mutant!("refused-commit-stays" => break);
                self.undo(&mut writer, change);
            }
        }
        writer.garbage.forget_after(visible);
        writer.pending.clear();
        #[cfg(not(target_family = "wasm"))]
        writer.submitted.clear();
        durable.pending.store(0, Ordering::Release);
        durable.stats.commits_undone.fetch_add(commits.len() as u64, Ordering::Relaxed);
        writer.stats.commits = writer.stats.commits.saturating_sub(commits.len() as u64);
        if writer.given > visible && !mutant!("refusal-forgotten") {
            durable.errors.undo(visible + 1..=writer.given, error);
        }
        writer.last = visible;
        mutant!("version-given-twice" => writer.given = visible);
        drop(writer);
        durable.notify_settled();
    }
}
