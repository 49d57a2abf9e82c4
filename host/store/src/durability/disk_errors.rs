//! Errors of the disk: whether commits are possible, which ones were undone and why, and events for the owner's log.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::disk::is_displaced;
#[cfg(not(target_family = "wasm"))]
use crate::mutants::mutant;
use crate::types::{Checkpoint, Error, StorageFailure, Version};

/// Ranges of undone commits whose outcome is remembered.
const UNDONE_KEPT: usize = 1_024;
/// Events kept until they are taken. Older ones are dropped, so that an owner who never takes them pays nothing.
const EVENTS_KEPT: usize = 64;

/// An event of a store's disk, for the owner's log. Clients get an [`Error`] without the disk's own text.
#[derive(Debug)]
pub enum DiskEvent {
    /// A checkpoint was written, or failed and will be tried again.
    Checkpoint(io::Result<Checkpoint>),
    /// The disk failed, with this error. Reported once: nothing more is written until the store is reopened.
    Failed(String),
    /// The disk is full, with this error. Reported once, until writes succeed again.
    Full(String),
    /// Writes succeed again after the disk was full.
    Resumed,
    /// The next segment of the log could not be begun, for this reason. Reported once until one is: the current segment stays in use, and
    /// the next group tries again.
    SegmentRefused(String),
}

/// Errors of the disk so far.
#[derive(Default)]
pub(crate) struct DiskErrors {
    /// The number of ranges undone so far.
    count: AtomicU64,
    /// Set once and for good: the store writes nothing more.
    failure: OnceLock<StorageFailure>,
    /// Whether the last write found the disk full.
    is_full: AtomicBool,
    /// The bytes of that write.
    full_bytes: AtomicUsize,
    /// Whether the last attempt to begin a segment failed.
    is_segment_refused: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Versions given to commits that were undone.
    undone: VecDeque<(RangeInclusive<Version>, Error)>,
    /// From the first to the last version of the ranges that were forgotten.
    forgotten: Option<RangeInclusive<Version>>,
    /// The disk's last error.
    said: Option<String>,
    events: Vec<DiskEvent>,
}

impl DiskErrors {
    /// Why the store writes nothing more, if it has failed.
    pub(crate) fn failure(&self) -> Option<StorageFailure> {
        self.failure.get().copied()
    }

    /// The disk's last error.
    pub(crate) fn said(&self) -> Option<String> {
        self.kept.lock().said.clone()
    }

    /// The events since the last call, oldest first.
    pub(crate) fn take_events(&self) -> Vec<DiskEvent> {
        std::mem::take(&mut self.kept.lock().events)
    }

    /// Records that the store writes nothing more. Returns the reason: the first failure stays.
    pub(crate) fn fail(&self, error: &io::Error, doing: &str, failure: StorageFailure) -> StorageFailure {
        let failure = if is_displaced(error) { StorageFailure::Displaced } else { failure };
        self.note(|| self.failure.set(failure).is_ok(), DiskEvent::Failed, error, doing);
        self.failure().unwrap_or(failure)
    }

    /// Records that the owner ended the store, unless it has failed: no event, as that is no failure.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn close(&self) -> StorageFailure {
        *self.failure.get_or_init(|| StorageFailure::Closed)
    }

    /// Bytes of the last write, if it found the disk full.
    pub(crate) fn full_bytes(&self) -> Option<usize> {
        self.is_full.load(Ordering::Acquire).then(|| self.full_bytes.load(Ordering::Relaxed))
    }

    /// Records that a write of this many bytes found the disk full.
    pub(crate) fn note_full(&self, bytes: usize, error: &io::Error, doing: &str) {
        self.full_bytes.store(bytes, Ordering::Relaxed);
        self.note(|| !self.is_full.swap(true, Ordering::AcqRel), DiskEvent::Full, error, doing);
    }

    /// Records that a segment could not be begun.
    pub(crate) fn refuse_segment(&self, error: &io::Error, doing: &str) {
        self.note(|| !self.is_segment_refused.swap(true, Ordering::AcqRel), DiskEvent::SegmentRefused, error, doing);
    }

    /// Records the disk's error, and adds an event if `sets`, which sets a state, reports that it was not set before.
    fn note(&self, sets: impl FnOnce() -> bool, event: fn(String) -> DiskEvent, error: &io::Error, doing: &str) {
        let mut kept = self.kept.lock();
        let said = format!("{doing}: {error}");
        kept.said = Some(said.clone());
        if sets() {
            kept.add(event(said));
        }
    }

    /// Records that a write succeeded. Returns whether that is news.
    pub(crate) fn note_space(&self) -> bool {
        let is_news = self.is_full.load(Ordering::Acquire) && self.is_full.swap(false, Ordering::AcqRel);
        if is_news {
            self.kept.lock().add(DiskEvent::Resumed);
        }
        is_news
    }

    /// Records that a segment was begun.
    pub(crate) fn segment_is_begun(&self) {
        self.is_segment_refused.store(false, Ordering::Release);
    }

    /// Remembers that these commits were undone.
    pub(crate) fn undo(&self, versions: RangeInclusive<Version>, error: Error) {
        let mut kept = self.kept.lock();
        match kept.undone.back_mut() {
            // No commit in between: one range.
            Some((last, said)) if *last.start() <= *versions.start() && *last.end() + 1 >= *versions.start() => {
                *last = *last.start()..=*versions.end();
                *said = error;
            }
            _ => kept.undone.push_back((versions, error)),
        }
        if kept.undone.len() > UNDONE_KEPT
            && let Some((oldest, _)) = kept.undone.pop_front()
        {
            let first = kept.forgotten.as_ref().map_or(*oldest.start(), |forgotten| *forgotten.start());
            kept.forgotten = Some(first..=*oldest.end());
        }
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Why the commit `version` was undone, if it was. For a commit so old that this was forgotten: that its outcome is unknown, because
    /// whoever asks so late must not take an undone commit for a successful one.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn refusal(&self, version: Version) -> Option<Error> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let kept = self.kept.lock();
        let range = kept.undone.iter().rev().find(|(undone, _)| undone.contains(&version));
        let is_forgotten = || kept.forgotten.as_ref().is_some_and(|forgotten| forgotten.contains(&version));
        match range {
            Some((_, error)) => Some(*error),
            None => (is_forgotten() && !mutant!("old-refusal-taken-for-done")).then_some(Error::ReasonForgotten),
        }
    }
}

impl Kept {
    fn add(&mut self, event: DiskEvent) {
        if self.events.len() >= EVENTS_KEPT {
            self.events.remove(0);
        }
        self.events.push(event);
    }
}
