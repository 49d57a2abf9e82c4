//! What makes commits durable, as the engine holds it: the end of the log, what became of it, and who waits for it.
//!
//! The operations that also need the engine are in `store/group_commit.rs`.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(target_family = "wasm"))]
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::checkpoints::Checkpoints;
#[cfg(not(target_family = "wasm"))]
use super::commit_delay::CommitDelay;
use super::disk_errors::DiskErrors;
#[cfg(not(target_family = "wasm"))]
use super::driver::Driver;
use super::log::LogWriter;
use super::parker::Parker;
use crate::disk::{Disk, is_displaced};
#[cfg(not(target_family = "wasm"))]
use crate::mutants::mutant;
use crate::types::{Durability, Error, StorageFailure, Version};

/// What makes commits durable.
pub(crate) struct Durable {
    pub(crate) disk: Arc<dyn Disk>,
    /// The store's identity.
    pub(crate) store: u64,
    pub(crate) durability: Durability,
    pub(crate) segment_bytes_max: u64,
    /// Held while records are written, and taken before the writer lock where both are needed. Whoever lets go of it looks whether
    /// commits are pending: see `with_log` in `store/group_commit.rs`.
    pub(crate) log: Mutex<LogEnd>,
    /// How many commits the writer's buffer holds. Written under the writer lock.
    pub(crate) pending: AtomicU64,
    /// The newest commit that is certain to survive a power cut.
    pub(crate) synced: AtomicU64,
    /// The newest version that is used up, whatever becomes of its commit; see `identity`. Written by the holder of the log.
    pub(crate) reserved: AtomicU64,
    pub(crate) errors: DiskErrors,
    pub(crate) settled: Notify,
    /// As `settled`, for transactions that have lost: they are woken before those who have won, who would win again.
    pub(crate) lost: Notify,
    pub(crate) parker: Parker,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) commit_delay: CommitDelay,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) driver: Driver,
    pub(crate) stats: DurableStats,
    pub(crate) checkpoints: Checkpoints,
    /// Keeps other processes out.
    _lock: Box<dyn Any + Send + Sync>,
}

/// The log, and the buffer that takes turns with the writer's.
pub(crate) struct LogEnd {
    pub(crate) writer: LogWriter,
    pub(crate) records: Vec<u8>,
    /// How long the segment was when the log's thread was last asked to sync it.
    pub(crate) sync_asked_at: u64,
}

/// What was written and how often, since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct DurableStats {
    pub(crate) groups: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us: AtomicU64,
    pub(crate) sync_us_max: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    pub(crate) checkpoint_us: AtomicU64,
    pub(crate) commits_undone: AtomicU64,
    /// Of the log as it is, noted by its holder: reading statistics must not wait for a sync.
    pub(crate) log_segments: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
}

impl DurableStats {
    /// Notes how long the log is. Called by its holder whenever that changes.
    #[cfg_attr(target_family = "wasm", allow(unused_variables, clippy::unused_self, reason = "a page has no log"))]
    pub(crate) fn note_log(&self, log: &LogWriter) {
        #[cfg(not(target_family = "wasm"))]
        {
            self.log_segments.store(log.older.len() as u64 + 1, Ordering::Relaxed);
            self.log_bytes.store(log.bytes(), Ordering::Relaxed);
        }
    }
}

impl Durable {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        (store, reserved): (u64, Version),
        durability: Durability,
        segment_bytes_max: u64,
        writer: LogWriter,
        checkpoints: Checkpoints,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let stats = DurableStats::default();
        stats.note_log(&writer);
        Self {
            disk,
            store,
            durability,
            segment_bytes_max,
            synced: AtomicU64::new(writer.current.last),
            reserved: AtomicU64::new(reserved),
            log: Mutex::new(LogEnd { writer, records: Vec::new(), sync_asked_at: 0 }),
            pending: AtomicU64::new(0),
            errors: DiskErrors::default(),
            settled: Notify::new(),
            lost: Notify::new(),
            parker: Parker::new(),
            #[cfg(not(target_family = "wasm"))]
            commit_delay: CommitDelay::default(),
            #[cfg(not(target_family = "wasm"))]
            driver: Driver::default(),
            stats,
            checkpoints,
            _lock: lock,
        }
    }

    /// Whether the store has failed for good.
    pub(crate) fn is_failed(&self) -> bool {
        self.errors.failure().is_some()
    }

    /// Whether the log can still be written.
    ///
    /// # Errors
    /// [`Error::StorageFailed`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.errors.failure().map_or(Ok(()), |failure| Err(Error::StorageFailed(failure)))
    }

    /// Says that the writer's buffer holds a commit. Called under the writer lock.
    pub(crate) fn note_pending(&self) {
        self.pending.store(self.pending.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) > 0
    }

    /// What became of the commit `version`; none while that is open.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn outcome(&self, version: Version, visible: Version) -> Option<Result<(), Error>> {
        mutant!("false-acknowledgement" => if version < visible { return Some(Ok(())) });
        match self.errors.refusal(version) {
            Some(error) => Some(Err(error)),
            None => (version <= visible).then_some(Ok(())),
        }
    }

    /// Nothing is written any more. A sync that failed may have dropped what it was to write (Rebello et al., "Can Applications
    /// Recover from fsync Failures?", ATC 2020): trying again would be lying.
    /// Returns the error of every commit that is not visible yet.
    pub(crate) fn fail(&self, error: &io::Error, doing: &str, failure: StorageFailure) -> Error {
        let failure = self.errors.fail(error, doing, failure);
        self.wake_for_events();
        Error::StorageFailed(failure)
    }

    /// Whether somebody will write and sync what is pending.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no such thread"))]
    pub(crate) fn is_driven(&self) -> bool {
        #[cfg(not(target_family = "wasm"))]
        return self.driver.is_there();
        #[cfg(target_family = "wasm")]
        false
    }

    /// Wakes those who wait for commits, so that they look what became of them.
    pub(crate) fn notify_settled(&self) {
        // Either a waiter that has just registered is woken, or it sees the outcome.
        fence(Ordering::SeqCst);
        self.lost.notify_waiters();
        self.settled.notify_waiters();
    }

    /// As [`fail`](Self::fail), where an error says that nothing that is written would be found again.
    pub(crate) fn fail_if_displaced(&self, error: &io::Error, doing: &str) {
        if is_displaced(error) {
            self.fail(error, doing, StorageFailure::Displaced);
        }
    }

    /// Notes that the disk took a write.
    pub(crate) fn note_room(&self) {
        if self.errors.note_room() {
            self.wake_for_events();
        }
    }

    /// Wakes the log's thread, so that it reports events at once.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no such thread"))]
    pub(crate) fn wake_for_events(&self) {
        #[cfg(not(target_family = "wasm"))]
        self.interrupt();
    }

    /// Waits until there is something to write, at most for `time`, and then, where that is worth it, for what is likely to come with it.
    /// Without any time there is nobody to wait for.
    #[cfg(not(target_family = "wasm"))]
    #[allow(clippy::disallowed_methods, reason = "native programs only")]
    pub(crate) fn wait_for_commits(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        self.parker.until(&self.pending, 1, time);
        let (first, mut now) = (self.pending.load(Ordering::Relaxed), Instant::now());
        let Some((expected, time)) = self.commit_delay.worth(first, now) else { return };
        let until = now + time;
        // Somebody else may write them meanwhile, and leave fewer.
        let mut pending = first;
        while (first..expected).contains(&pending) && now < until {
            self.parker.until(&self.pending, expected, until - now);
            (pending, now) = (self.pending.load(Ordering::Relaxed), Instant::now());
        }
        self.commit_delay.waited(first, pending, now);
    }

    /// Notes that those in the group are about to be answered.
    #[cfg(not(target_family = "wasm"))]
    #[allow(clippy::disallowed_methods, reason = "native programs only")]
    pub(crate) fn note_answers(&self) {
        self.commit_delay.answered(self.pending.load(Ordering::Relaxed), Instant::now());
    }

    /// Waits for `time`, or until it is interrupted, whatever is pending. Whether it was interrupted.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn rest(&self, time: Duration) -> bool {
        self.parker.rest(time)
    }

    /// Wakes whoever waits for commits, or rests.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn interrupt(&self) {
        self.parker.interrupt();
    }
}

/// What a panic said, as an error of the disk.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> io::Error {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    io::Error::other(format!("a panic: {}", said.unwrap_or("it said nothing")))
}
