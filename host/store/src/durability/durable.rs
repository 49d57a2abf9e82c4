//! The engine's state for durable commits: the end of the log, its outcomes, and who waits for them.
//!
//! The operations that also need the engine are in `store/group_commit.rs`.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(target_family = "wasm"))]
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::checkpoints::Checkpoints;
#[cfg(not(target_family = "wasm"))]
use super::commit_delay::CommitDelay;
#[cfg(not(target_family = "wasm"))]
use super::commit_times::Submission;
use super::disk_errors::DiskErrors;
#[cfg(not(target_family = "wasm"))]
use super::driver::Driver;
use super::log::LogWriter;
use super::parker::Parker;
use crate::disk::{Disk, is_displaced};
#[cfg(not(target_family = "wasm"))]
use crate::mutants::mutant;
use crate::types::{Durability, DurationCounters, Error, StorageFailure, Version};

/// The state for durable commits.
pub(crate) struct Durable {
    pub(crate) disk: Arc<dyn Disk>,
    /// The store's identity.
    pub(crate) store: u64,
    /// The version of the store's format. Written by the holder of the log.
    pub(crate) format: AtomicU32,
    pub(crate) durability: Durability,
    pub(crate) segment_bytes_max: u64,
    /// Held while records are written, and taken before the writer lock if both are needed. Its holder checks for pending commits after
    /// releasing it: see `with_log` in `store/group_commit.rs`.
    pub(crate) log: Mutex<LogEnd>,
    /// The number of commits in the writer's buffer. Written under the writer lock.
    pub(crate) pending: AtomicU64,
    /// The newest commit that is certain to survive a power cut.
    pub(crate) synced: AtomicU64,
    /// The newest version that is used up, whatever the outcome of its commit; see `identity`. Written by the holder of the log.
    pub(crate) reserved: AtomicU64,
    pub(crate) errors: DiskErrors,
    pub(crate) settled: Notify,
    /// As `settled`, for transactions that have lost: they are woken before the winners, who would win again.
    pub(crate) lost: Notify,
    pub(crate) parker: Parker,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) commit_delay: CommitDelay,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) driver: Driver,
    pub(crate) stats: DurableStats,
    pub(crate) checkpoints: Checkpoints,
    /// Keeps other processes out, until the store is closed.
    #[cfg_attr(target_family = "wasm", allow(dead_code, reason = "a page closes no store"))]
    lock: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

/// The log, and a buffer that is swapped with the writer's.
pub(crate) struct LogEnd {
    pub(crate) writer: LogWriter,
    pub(crate) records: Vec<u8>,
    /// The length of the segment when the log's thread was last asked to sync it.
    pub(crate) sync_asked_at: u64,
    /// When the measured commits among these records were submitted.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) submitted: Vec<Submission>,
}

/// Counters since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct DurableStats {
    pub(crate) groups: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us: AtomicU64,
    pub(crate) sync_times: DurationCounters,
    pub(crate) sync_us_max: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    pub(crate) checkpoint_us: AtomicU64,
    pub(crate) commits_undone: AtomicU64,
    /// The current log, noted by its holder: statistics must not wait for a sync.
    pub(crate) log_segments: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
}

impl DurableStats {
    /// Records the length of the log. Called by its holder whenever it changes.
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
        (format, store, reserved): (u32, u64, Version),
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
            format: AtomicU32::new(format),
            durability,
            segment_bytes_max,
            synced: AtomicU64::new(writer.current.last),
            reserved: AtomicU64::new(reserved),
            log: Mutex::new(LogEnd {
                writer,
                records: Vec::new(),
                sync_asked_at: 0,
                #[cfg(not(target_family = "wasm"))]
                submitted: Vec::new(),
            }),
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
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Lets others into the directory: nothing is written any more.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn release_lock(&self) {
        let lock = self.lock.lock().take();
        drop(lock);
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

    /// Records that the writer's buffer holds a commit. Called under the writer lock.
    pub(crate) fn note_pending(&self) {
        self.pending.store(self.pending.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) > 0
    }

    /// The outcome of the commit `version`; `None` while it is open.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn outcome(&self, version: Version, visible: Version) -> Option<Result<(), Error>> {
        mutant!("false-acknowledgement" => if version < visible { return Some(Ok(())) });
        match self.errors.refusal(version) {
            Some(error) => Some(Err(error)),
            None => (version <= visible).then_some(Ok(())),
        }
    }

    /// Makes the store fail: it writes nothing more. A failed sync may have dropped the data that it was to write (Rebello et al., "Can
    /// Applications Recover from fsync Failures?", ATC 2020), so that a retry would lie. Returns the error of every commit that is not
    /// visible yet.
    pub(crate) fn fail(&self, error: &io::Error, doing: &str, failure: StorageFailure) -> Error {
        let failure = self.errors.fail(error, doing, failure);
        self.wake_for_events();
        Error::StorageFailed(failure)
    }

    /// Whether somebody will write and sync pending commits.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no such thread"))]
    pub(crate) fn is_driven(&self) -> bool {
        #[cfg(not(target_family = "wasm"))]
        return self.driver.is_there();
        #[cfg(target_family = "wasm")]
        false
    }

    /// Wakes everybody who waits for a commit's outcome.
    pub(crate) fn notify_settled(&self) {
        // Either a waiter that has just registered is woken, or it sees the outcome.
        fence(Ordering::SeqCst);
        self.lost.notify_waiters();
        self.settled.notify_waiters();
    }

    /// As [`fail`](Self::fail), if an error means that further writes would not be found again.
    pub(crate) fn fail_if_displaced(&self, error: &io::Error, doing: &str) {
        if is_displaced(error) {
            self.fail(error, doing, StorageFailure::Displaced);
        }
    }

    /// Records that a write succeeded.
    pub(crate) fn note_space(&self) {
        if self.errors.note_space() {
            self.wake_for_events();
        }
    }

    /// Wakes the log's thread, so that it reports events at once.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no such thread"))]
    pub(crate) fn wake_for_events(&self) {
        #[cfg(not(target_family = "wasm"))]
        self.interrupt();
    }

    /// Waits at most for `time` until there is a commit to write, and then, if that is worth it, for further ones. Does not wait if `time`
    /// is zero.
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

    /// Records that the group's clients are about to be answered.
    #[cfg(not(target_family = "wasm"))]
    #[allow(clippy::disallowed_methods, reason = "native programs only")]
    pub(crate) fn note_answers(&self) {
        self.commit_delay.answered(self.pending.load(Ordering::Relaxed), Instant::now());
    }

    /// Waits for `time` or an interrupt, whatever is pending. Returns whether it was interrupted.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn rest(&self, time: Duration) -> bool {
        self.parker.rest(time)
    }

    /// Wakes the thread that waits for commits, or rests.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn interrupt(&self) {
        self.parker.interrupt();
    }
}

/// A panic's message, as an error of the disk.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> io::Error {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    io::Error::other(format!("a panic: {}", said.unwrap_or("it said nothing")))
}
