//! Errors of the disk: whether commits can be made, which ones were undone and why, and events for the owner's log.

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
/// Events that wait for somebody to take them; older ones go, so that nobody who does not ask has to pay.
const EVENTS_KEPT: usize = 64;

/// An event of a store's disk, for the owner's log. Clients get an [`Error`] without the text of the disk's error.
#[derive(Debug)]
pub enum DiskEvent {
    /// A checkpoint was written, or could not be: then it is tried again.
    Checkpoint(io::Result<Checkpoint>),
    /// The disk failed, with this error. Reported once: nothing more is written until the store is reopened.
    Failed(String),
    /// The disk is full, with this error. Reported once, until writes succeed again.
    Full(String),
    /// Writes succeed again after the disk was full.
    Resumed,
    /// The next segment of the log could not be begun, because of this. Reported once, until it is: the current one stays in use, and it is
    /// tried again.
    SegmentRefused(String),
}

/// What the disk refused so far.
#[derive(Default)]
pub(crate) struct DiskErrors {
    /// Ranges undone so far.
    count: AtomicU64,
    /// Set once and for good: nothing more is written.
    failure: OnceLock<StorageFailure>,
    /// The last write was refused because the disk is full.
    is_full: AtomicBool,
    /// How much it was.
    full_bytes: AtomicUsize,
    /// The last attempt to begin a segment failed.
    is_segment_refused: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Versions that were given to commits which did not happen.
    undone: VecDeque<(RangeInclusive<Version>, Error)>,
    /// From the first to the last version of the ranges that are not remembered any more.
    forgotten: Option<RangeInclusive<Version>>,
    /// What the disk said last.
    said: Option<String>,
    events: Vec<DiskEvent>,
}

impl DiskErrors {
    /// Why nothing more is written, if the store has failed.
    pub(crate) fn failure(&self) -> Option<StorageFailure> {
        self.failure.get().copied()
    }

    /// What the disk said when something failed last.
    pub(crate) fn said(&self) -> Option<String> {
        self.kept.lock().said.clone()
    }

    /// What happened since it was asked last, oldest first.
    pub(crate) fn take_events(&self) -> Vec<DiskEvent> {
        std::mem::take(&mut self.kept.lock().events)
    }

    /// Notes that nothing is written any more. Returns why: the first failure stays.
    pub(crate) fn fail(&self, error: &io::Error, doing: &str, failure: StorageFailure) -> StorageFailure {
        let failure = if is_displaced(error) { StorageFailure::Displaced } else { failure };
        self.note(|| self.failure.set(failure).is_ok(), DiskEvent::Failed, error, doing);
        self.failure().unwrap_or(failure)
    }

    /// How many bytes were refused last because the disk is full, if nothing was taken since.
    pub(crate) fn full_bytes(&self) -> Option<usize> {
        self.is_full.load(Ordering::Acquire).then(|| self.full_bytes.load(Ordering::Relaxed))
    }

    /// Notes that a write of so many bytes was refused because the disk is full.
    pub(crate) fn note_full(&self, bytes: usize, error: &io::Error, doing: &str) {
        self.full_bytes.store(bytes, Ordering::Relaxed);
        self.note(|| !self.is_full.swap(true, Ordering::AcqRel), DiskEvent::Full, error, doing);
    }

    /// Notes that a segment was not begun.
    pub(crate) fn refuse_segment(&self, error: &io::Error, doing: &str) {
        self.note(|| !self.is_segment_refused.swap(true, Ordering::AcqRel), DiskEvent::SegmentRefused, error, doing);
    }

    /// Remembers what the disk said, and adds an event where `sets`, which sets a state, finds that it is new.
    fn note(&self, sets: impl FnOnce() -> bool, event: fn(String) -> DiskEvent, error: &io::Error, doing: &str) {
        let mut kept = self.kept.lock();
        let said = format!("{doing}: {error}");
        kept.said = Some(said.clone());
        if sets() {
            kept.add(event(said));
        }
    }

    /// Notes that the disk took a write. Whether that is news.
    pub(crate) fn note_room(&self) -> bool {
        let is_news = self.is_full.load(Ordering::Acquire) && self.is_full.swap(false, Ordering::AcqRel);
        if is_news {
            self.kept.lock().add(DiskEvent::Resumed);
        }
        is_news
    }

    /// Notes that a segment was begun.
    pub(crate) fn segment_is_begun(&self) {
        self.is_segment_refused.store(false, Ordering::Release);
    }

    /// Remembers that these commits did not happen.
    pub(crate) fn undo(&self, versions: RangeInclusive<Version>, error: Error) {
        let mut kept = self.kept.lock();
        match kept.undone.back_mut() {
            // Nothing was committed in between: one range.
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

    /// Why the commit `version` did not happen, if it did not. Of one so old that this is not remembered, that it is not known: whoever
    /// asks so late must not take a commit that was taken back for one that happened.
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
