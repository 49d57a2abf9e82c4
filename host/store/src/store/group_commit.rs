//! From a commit in memory to a commit on the disk.
//!
//! A commit goes onto the chains and, encoded, into a buffer, both under the writer lock. Whoever holds the log then takes the
//! buffer with all commits in it, writes it, syncs it if the policy says so, and only then makes the commits visible: one write and
//! one sync serve all who wait (group commit; `DeWitt` et al. 1984). Under [`Durability::Always`] a thread does that; otherwise the
//! committer does, unless somebody else is at it, who will then take this commit along.
//!
//! Where writing fails, the commits that were not visible yet are taken off the chains again, newest first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(target_family = "wasm"))]
use std::task::Poll;
#[cfg(not(target_family = "wasm"))]
use std::time::{Duration, Instant};
use std::{io, mem};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::disk::{Disk, DiskFile, is_displaced};
#[cfg(not(target_family = "wasm"))]
use crate::durability::commit_delay::Siblings;
use crate::durability::disk_errors::Failures;
#[cfg(not(target_family = "wasm"))]
use crate::durability::driver::Driver;
use crate::durability::log::{AppendError, LogWriter};
use crate::durability::parker::Sleep;
use crate::mutants::mutant;
use crate::recovery::checkpoint::Checkpoints;
use crate::store::Inner;
use crate::{Durability, Error, Options, Recovered, Version};

/// A buffer that one large commit has blown up is not kept beyond this.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// Where commits do not wait for a sync, the log is synced whenever it has grown by this: at the end of a segment, where they do wait,
/// little is left to be done.
const SYNC_AHEAD_BYTES: u64 = 4 << 20;

/// What makes commits durable.
pub(crate) struct Durable {
    pub(crate) disk: Arc<dyn Disk>,
    /// The store's identity.
    pub(crate) store: u64,
    pub(crate) durability: Durability,
    pub(crate) segment_bytes_max: u64,
    /// Held while records are written, and taken before the writer lock where both are needed. Whoever lets go of it looks whether
    /// commits are pending: see [`with_log`](Inner::with_log).
    log: Mutex<LogEnd>,
    /// How many commits the writer's buffer holds. Written under the writer lock.
    pending: AtomicU64,
    /// The newest commit that is certain to survive a power cut.
    pub(crate) synced: AtomicU64,
    /// The newest version that is used up, whatever becomes of its commit; see [`crate::durability::identity`]. Written by the holder of the log.
    pub(crate) reserved: AtomicU64,
    pub(crate) failures: Failures,
    settled: Notify,
    /// As `settled`, for transactions that have lost: they are woken before those who have won, who would win again.
    lost: Notify,
    sleep: Sleep,
    #[cfg(not(target_family = "wasm"))]
    siblings: Siblings,
    #[cfg(not(target_family = "wasm"))]
    pub(crate) driver: Driver,
    pub(crate) figures: Figures,
    pub(crate) checkpoints: Checkpoints,
    /// Keeps other processes out.
    _lock: Box<dyn Any + Send + Sync>,
}

/// The log, and the buffer that takes turns with the writer's.
pub(crate) struct LogEnd {
    pub(crate) writer: LogWriter,
    records: Vec<u8>,
    /// How long the segment was when the log's thread was last asked to sync it.
    sync_asked_at: u64,
}

/// What was written and how often, since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) groups: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us: AtomicU64,
    pub(crate) sync_us_max: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    pub(crate) checkpoint_us: AtomicU64,
    pub(crate) commits_undone: AtomicU64,
    /// Of the log as it is, noted by its holder: who asks for figures must not wait for a sync.
    pub(crate) log_segments: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
}

impl Figures {
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
        options: &Options,
        writer: LogWriter,
        recovered: &Recovered,
        lock: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let figures = Figures::default();
        figures.note_log(&writer);
        Self {
            disk,
            store,
            durability,
            segment_bytes_max: options.segment_bytes_max,
            synced: AtomicU64::new(writer.current.last),
            reserved: AtomicU64::new(reserved),
            log: Mutex::new(LogEnd { writer, records: Vec::new(), sync_asked_at: 0 }),
            pending: AtomicU64::new(0),
            failures: Failures::default(),
            settled: Notify::new(),
            lost: Notify::new(),
            sleep: Sleep::new(),
            #[cfg(not(target_family = "wasm"))]
            siblings: Siblings::default(),
            #[cfg(not(target_family = "wasm"))]
            driver: Driver::default(),
            figures,
            checkpoints: Checkpoints::new(options.checkpoint_bytes, recovered.checkpoint, recovered.log_bytes),
            _lock: lock,
        }
    }

    /// Whether the disk has failed for good.
    pub(crate) fn is_failed(&self) -> bool {
        self.failures.is_failed()
    }

    /// Says that the writer's buffer holds a commit. Called under the writer lock.
    pub(crate) fn has_pending(&self) {
        self.pending.store(self.pending.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) > 0
    }

    /// What became of the commit `version`; none while that is open.
    fn outcome(&self, version: Version, visible: Version) -> Option<Result<(), Error>> {
        mutant!("false-acknowledgement" => if version < visible { return Some(Ok(())) });
        match self.failures.refusal(version) {
            Some(error) => Some(Err(error)),
            None => (version <= visible).then_some(Ok(())),
        }
    }

    /// Nothing is written any more. A sync that failed may have dropped what it was to write (Rebello et al., "Can Applications
    /// Recover from fsync Failures?", ATC 2020): trying again would be lying.
    pub(crate) fn fail(&self, error: &io::Error, doing: &str) {
        self.failures.fail(error, doing);
        self.send_word();
    }

    /// Whether what is pending will be written and synced without anybody who waits for it.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no such thread"))]
    pub(crate) fn is_driven(&self) -> bool {
        #[cfg(not(target_family = "wasm"))]
        return self.driver.is_there();
        #[cfg(target_family = "wasm")]
        false
    }

    /// Wakes those who wait for commits, so that they look what became of them.
    pub(crate) fn tell_settled(&self) {
        // Either a waiter that has just registered is woken, or it sees the outcome.
        fence(Ordering::SeqCst);
        self.lost.notify_waiters();
        self.settled.notify_waiters();
    }

    /// As [`fail`](Self::fail), where an error says that nothing that is written would be found again.
    pub(crate) fn fail_if_displaced(&self, error: &io::Error, doing: &str) {
        if is_displaced(error) {
            self.fail(error, doing);
        }
    }

    /// Notes that the disk took a write.
    pub(crate) fn has_room(&self) {
        if self.failures.has_room() {
            self.send_word();
        }
    }

    /// Has the log's thread tell what happened, however long it meant to rest.
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no such thread"))]
    fn send_word(&self) {
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
        self.sleep.until(&self.pending, 1, time);
        let (first, mut now) = (self.pending.load(Ordering::Relaxed), Instant::now());
        let Some((expected, time)) = self.siblings.worth(first, now) else { return };
        let until = now + time;
        // Somebody else may write them meanwhile, and leave fewer.
        let mut pending = first;
        while (first..expected).contains(&pending) && now < until {
            self.sleep.until(&self.pending, expected, until - now);
            (pending, now) = (self.pending.load(Ordering::Relaxed), Instant::now());
        }
        self.siblings.waited(first, pending, now);
    }

    /// Notes that those in the group are about to be answered.
    #[cfg(not(target_family = "wasm"))]
    #[allow(clippy::disallowed_methods, reason = "native programs only")]
    fn note_answers(&self) {
        self.siblings.answered(self.pending.load(Ordering::Relaxed), Instant::now());
    }

    /// Waits for `time`, or until it is interrupted, whatever is pending. Whether it was interrupted.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn rest(&self, time: Duration) -> bool {
        self.sleep.rest(time)
    }

    /// Wakes whoever waits for commits, or rests.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn interrupt(&self) {
        self.sleep.interrupt();
    }
}

/// What a panic said, as an error of the disk.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> io::Error {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    io::Error::other(format!("a panic: {}", said.unwrap_or("it said nothing")))
}

/// Whether there may be room again later.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Inner {
    /// Whether commits can be made at all.
    pub(crate) fn check_disk(&self) -> Result<(), Error> {
        match self.durable() {
            Some(durable) if durable.is_failed() => Err(Error::StorageFailed),
            _ => Ok(()),
        }
    }

    /// Hands what the writer has buffered to whoever writes it.
    pub(crate) fn hand_over(&self, durable: &Durable) {
        match durable.durability {
            Durability::Always => durable.sleep.wake(&durable.pending),
            Durability::Interval { .. } | Durability::Never => self.write_pending(durable),
        }
    }

    /// Writes what is pending, unless somebody else is doing so and will take it along.
    fn write_pending(&self, durable: &Durable) {
        loop {
            // Either the holder of the log sees the commit after letting go, or this gets the log.
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

    /// Writes what is pending, and makes it durable. Waits for its turn.
    pub(crate) fn write_and_sync(&self, durable: &Durable) {
        let sync = durable.durability == Durability::Always;
        self.with_log(durable, |end| self.write_groups(durable, end, sync));
        self.sync_written(durable);
    }

    /// Waits for the log and does `work` with it, and then what committers have left to the holder of the log meanwhile.
    pub(crate) fn with_log<T>(&self, durable: &Durable, work: impl FnOnce(&mut LogEnd) -> T) -> T {
        let done = work(&mut durable.log.lock());
        fence(Ordering::SeqCst);
        if durable.is_pending() {
            self.hand_over(durable);
        }
        done
    }

    fn write_groups(&self, durable: &Durable, end: &mut LogEnd, sync: bool) {
        while let Some(last) = self.take_pending(durable, end) {
            let write = AssertUnwindSafe(|| self.write_group(durable, end, last, sync));
            if let Err(panic) = catch_unwind(write) {
                self.give_up(durable, &*panic);
            }
            end.records.clear();
            end.records.shrink_to(BUFFER_KEPT_BYTES);
            if sync {
                // What has come meanwhile may be worth a wait for more: see `siblings`.
                break;
            }
        }
    }

    /// Where the disk, or what works on it, panicked: what came of the work is not known. Nobody is left to wait for it, and nothing is
    /// written behind it.
    pub(crate) fn give_up(&self, durable: &Durable, panic: &(dyn Any + Send)) {
        durable.fail(&panicked(panic), "writing the log");
        self.undo_pending(durable, Error::StorageFailed);
    }

    /// As [`give_up`](Self::give_up), behind whoever holds the log.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn wait_and_give_up(&self, durable: &Durable, panic: &(dyn Any + Send)) {
        let _end = durable.log.lock();
        self.give_up(durable, panic);
    }

    /// Takes the writer's buffer, and says which commit is the newest in it.
    fn take_pending(&self, durable: &Durable, end: &mut LogEnd) -> Option<Version> {
        let mut writer = self.lock_writer();
        #[cfg(not(target_family = "wasm"))]
        if durable.durability == Durability::Always {
            durable.siblings.taken(durable.pending.load(Ordering::Relaxed));
        }
        durable.pending.store(0, Ordering::Release);
        mem::swap(&mut writer.pending, &mut end.records);
        // A commit that could not be encoded is pending without a record.
        (writer.last > self.visible.load(Ordering::Acquire)).then_some(writer.last)
    }

    fn write_group(&self, durable: &Durable, end: &mut LogEnd, last: Version, sync: bool) {
        if durable.is_failed() {
            return self.undo_pending(durable, Error::StorageFailed);
        }
        mutant!("acknowledged-before-written" => {
            self.visible.store(last, Ordering::Release);
            durable.tell_settled();
        });
        let synced = durable.synced.load(Ordering::Acquire);
        let written = self.reserve(durable, last).map_err(AppendError::Cut);
        match written.and_then(|()| end.writer.append(&mut end.records, last, synced)) {
            Ok(()) => {}
            Err(AppendError::Cut(error)) if is_full(&error) && !mutant!("full-disk-is-the-end") => {
                durable.failures.fill(end.records.len(), &error, "writing the log");
                durable.send_word();
                return self.undo_pending(durable, Error::DiskFull);
            }
            Err(AppendError::Cut(error) | AppendError::Uncut(error)) => {
                durable.fail(&error, "writing the log");
                return self.undo_pending(durable, Error::StorageFailed);
            }
        }
        durable.has_room();
        durable.figures.note_log(&end.writer);
        durable.figures.groups.fetch_add(1, Ordering::Relaxed);
        durable.figures.bytes.fetch_add(end.records.len() as u64, Ordering::Relaxed);
        mutant!("durable-without-sync" => durable.synced.fetch_max(last, Ordering::AcqRel));
        if sync {
            let synced = mutant!("no-sync" => Ok(()), or self.sync(durable, &*end.writer.file()));
            let again = |error| mutant!("failed-sync-is-tried-again" => end.writer.file().sync(), or Err(error));
            if let Err(error) = synced.or_else(again) {
                durable.fail(&error, "syncing the log");
                return self.undo_pending(durable, Error::StorageFailed);
            }
            durable.synced.fetch_max(last, Ordering::AcqRel);
            #[cfg(not(target_family = "wasm"))]
            durable.note_answers();
        }
        self.visible.store(last, Ordering::Release);
        durable.tell_settled();
        self.announce_commit(last);
        if !sync && end.writer.current.bytes >= end.sync_asked_at + SYNC_AHEAD_BYTES {
            end.sync_asked_at = end.writer.current.bytes;
            #[cfg(not(target_family = "wasm"))]
            durable.interrupt();
        }
        if end.writer.current.bytes >= durable.segment_bytes_max {
            self.rotate(durable, end);
        }
    }

    /// Begins the next segment. Where that fails the current one goes on, and the next group tries again.
    fn rotate(&self, durable: &Durable, end: &mut LogEnd) {
        // A segment that is not the last is complete for certain.
        let last = end.writer.current.last;
        if durable.synced.load(Ordering::Acquire) < last && !mutant!("segment-left-unsynced") {
            if let Err(error) = self.sync(durable, &*end.writer.file()) {
                return durable.fail(&error, "syncing the log");
            }
            durable.synced.fetch_max(last, Ordering::AcqRel);
        }
        match end.writer.rotate(self.random.next_u64(), self.clock.now_ms()) {
            Ok(()) => {
                end.sync_asked_at = 0;
                durable.figures.note_log(&end.writer);
                durable.failures.segment_is_begun();
            }
            Err(error) if is_displaced(&error) => durable.fail(&error, "beginning a segment of the log"),
            Err(error) => {
                durable.failures.refuse_segment(&error, "beginning a segment of the log");
                durable.send_word();
            }
        }
    }

    /// Makes durable what is written. Commits go on meanwhile.
    pub(crate) fn sync_written(&self, durable: &Durable) {
        let (file, last) = self.with_log(durable, |end| (end.writer.file(), end.writer.current.last));
        if durable.is_failed() || durable.synced.load(Ordering::Acquire) >= last {
            return;
        }
        match self.sync(durable, &*file) {
            // Of what was written to a segment before, rotation has taken care.
            Ok(()) => drop(durable.synced.fetch_max(last, Ordering::AcqRel)),
            Err(error) => durable.fail(&error, "syncing the log"),
        }
    }

    /// Syncs the log, and notes how long that took.
    fn sync(&self, durable: &Durable, file: &dyn DiskFile) -> io::Result<()> {
        let begun = self.clock.monotonic_us();
        let synced = catch_unwind(AssertUnwindSafe(|| file.sync())).unwrap_or_else(|panic| Err(panicked(&*panic)));
        let took = self.clock.monotonic_us().saturating_sub(begun);
        let figures = &durable.figures;
        figures.syncs.fetch_add(1, Ordering::Relaxed);
        figures.sync_us.fetch_add(took, Ordering::Relaxed);
        figures.sync_us_max.fetch_max(took, Ordering::Relaxed);
        #[cfg(not(target_family = "wasm"))]
        durable.siblings.took(took);
        synced
    }

    /// Takes every commit back that is not visible yet.
    fn undo_pending(&self, durable: &Durable, error: Error) {
        let mut writer = self.lock_writer();
        let visible = self.visible.load(Ordering::Acquire);
        let commits = self.feed.take_behind(visible);
        for commit in &commits {
            for change in commit.changes.iter().rev() {
                mutant!("refused-commit-stays" => break);
                self.undo(&mut writer, change);
            }
        }
        writer.garbage.forget_behind(visible);
        writer.pending.clear();
        durable.pending.store(0, Ordering::Release);
        durable.figures.commits_undone.fetch_add(commits.len() as u64, Ordering::Relaxed);
        if writer.given > visible && !mutant!("refusal-forgotten") {
            durable.failures.undo(visible + 1..=writer.given, error);
        }
        writer.last = visible;
        mutant!("version-given-twice" => writer.given = visible);
        drop(writer);
        durable.tell_settled();
    }

    /// What became of the commit `version`, as soon as that is known.
    pub(crate) async fn settled(&self, version: Version, has_lost: bool) -> Result<(), Error> {
        let Some(durable) = self.durable() else { return Ok(()) };
        let settled = if has_lost { &durable.lost } else { &durable.settled };
        #[cfg(not(target_family = "wasm"))]
        let mut has_given_way = false;
        loop {
            if let Some(outcome) = durable.outcome(version, self.visible.load(Ordering::Acquire)) {
                return outcome;
            }
            let mut told = std::pin::pin!(settled.notified());
            told.as_mut().enable();
            fence(Ordering::SeqCst);
            if let Some(outcome) = durable.outcome(version, self.visible.load(Ordering::Acquire)) {
                return outcome;
            }
            #[cfg(not(target_family = "wasm"))]
            if durable.durability == Durability::Always && !durable.is_driven() {
                if has_given_way {
                    return self.refuse_undriven(durable, version);
                }
                // Whoever polls by hand has a turn to flush.
                has_given_way = true;
                give_way().await;
                continue;
            }
            told.await;
        }
    }
}

#[cfg(not(target_family = "wasm"))]
impl Inner {
    /// What becomes of the commit `version` where nobody writes the log: it does not happen, and neither does any other that is pending.
    fn refuse_undriven(&self, durable: &Durable, version: Version) -> Result<(), Error> {
        // A child of the process that opened the store cannot write, and may have been made while another thread held the lock.
        if !durable.driver.is_left_behind() {
            let _end = durable.log.lock();
            // Whoever held the log may have written it.
            if !durable.is_driven() && durable.outcome(version, self.visible.load(Ordering::Acquire)).is_none() {
                self.undo_pending(durable, Error::NoLogThread);
            }
        }
        durable.outcome(version, self.visible.load(Ordering::Acquire)).unwrap_or(Err(Error::NoLogThread))
    }
}

/// Pending once, and polled again at once by whoever runs it.
#[cfg(not(target_family = "wasm"))]
async fn give_way() {
    let mut has_given_way = false;
    std::future::poll_fn(|context| {
        if mem::replace(&mut has_given_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
