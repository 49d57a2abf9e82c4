//! The threads of a store on a disk: one writes and syncs the log, one makes checkpoints.

#![allow(clippy::disallowed_methods, reason = "these are the threads of native programs, left out of a page")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use crate::durable::panicked;
use crate::{Checkpoint, DiskEvent, Durability, Store};

/// How long a thread sleeps that nobody wakes.
const IDLE: Duration = Duration::from_secs(1);
/// How often it is asked whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(200);

/// How long a checkpoint rests at a time, at most.
const REST_MAX: Duration = Duration::from_millis(20);

/// After so many of those looks, on a full disk, it is asked whether there is room again.
const LOOKS_PER_ROOM_LOOK: u32 = 5;

/// Told what becomes of the disk, within moments.
pub type OnDiskEvent = Box<dyn Fn(DiskEvent) + Send + Sync>;

/// The threads of a store on a disk. Dropping it writes and syncs what is pending, and waits for them to end.
pub struct DiskThreads {
    store: Store,
    on_event: Arc<OnDiskEvent>,
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl DiskThreads {
    /// Starts the threads. A store in memory needs none and gets none.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(store: &Store, on_event: OnDiskEvent) -> io::Result<Self> {
        let (is_stopping, on_event) = (Arc::new(AtomicBool::new(false)), Arc::new(on_event));
        let mut threads = Self {
            store: store.clone(),
            on_event: Arc::clone(&on_event),
            is_stopping: Arc::clone(&is_stopping),
            threads: Vec::new(),
        };
        if store.durability().is_none() {
            return Ok(threads);
        }
        let (log, stop, tell) = (store.clone(), Arc::clone(&is_stopping), Arc::clone(&on_event));
        threads.spawn("mantis-log", move || {
            while !stop.load(Ordering::Acquire) {
                log.drive_or_give_up(IDLE);
                log.take_disk_events().into_iter().for_each(|event| tell(event));
            }
        })?;
        let (checkpoints, stop) = (store.clone(), is_stopping);
        threads.spawn("mantis-checkpoint", move || {
            let mut full_looks = 0;
            while !stop.load(Ordering::Acquire) {
                if checkpoints.is_checkpoint_due() {
                    // Without this thread the log would grow without a bound.
                    let made = catch_unwind(AssertUnwindSafe(|| checkpoints.checkpoint_at_leisure(&stop)));
                    let made = made.unwrap_or_else(|panic| Err(panicked(&*panic)));
                    made.transpose().into_iter().for_each(|outcome| on_event(DiskEvent::Checkpoint(outcome)));
                }
                full_looks = if checkpoints.is_disk_full() { full_looks + 1 } else { 0 };
                if full_looks == LOOKS_PER_ROOM_LOOK {
                    full_looks = 0;
                    checkpoints.look_for_room();
                }
                thread::park_timeout(CHECKPOINT_LOOK);
            }
        })?;
        Ok(threads)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.into()).spawn(work)?);
        Ok(())
    }
}

impl Drop for DiskThreads {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Release);
        self.store.interrupt();
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A thread that panicked has said so; what it left pending is written below.
            let _ = thread.join();
        }
        self.store.flush();
        // Where this fails, versions have a gap, which harms nobody.
        let _ = self.store.close();
        self.store.take_disk_events().into_iter().for_each(|event| (self.on_event)(event));
    }
}

impl fmt::Debug for DiskThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskThreads").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Store {
    /// As [`drive`](Self::drive). Where that panics, the store fails.
    fn drive_or_give_up(&self, idle: Duration) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.drive(idle)))
            && let Some(durable) = &self.0.durable
        {
            self.0.give_up(durable, &*panic);
        }
    }

    /// Waits for something to do, for `idle` at most, and does it. Under [`Durability::Always`] it writes and syncs commits; unless `idle`
    /// is zero it first waits for more of them where that has proved worth it, for up to half the time that a sync takes and 5 ms at
    /// most. Under [`Durability::Interval`] it syncs what was written. Under [`Durability::Never`] it syncs what has come together ahead
    /// of the end of the segment, so that commits do not wait long there. What the log's thread calls over and over.
    pub fn drive(&self, idle: Duration) {
        let Some(durable) = &self.0.durable else { return };
        match durable.durability {
            Durability::Always => {
                durable.wait_for_commits(idle);
                self.0.write_and_sync(durable);
            }
            Durability::Interval { ms } => {
                durable.rest(Duration::from_millis(ms.max(1)));
                self.0.sync_written(durable);
            }
            Durability::Never => {
                if durable.rest(idle) {
                    self.0.sync_written(durable);
                }
            }
        }
    }

    /// As [`checkpoint`](Self::checkpoint), resting for as long as it works, until `is_hurried` or the log grows fast: what the thread
    /// for checkpoints calls. One that never rests takes a core for itself, and what the system does with what it wrote then takes
    /// another from writers.
    ///
    /// # Errors
    /// As there.
    pub fn checkpoint_at_leisure(&self, is_hurried: &AtomicBool) -> io::Result<Option<Checkpoint>> {
        let mut working_since = Instant::now();
        self.checkpoint_with_rests(&mut || {
            if !is_hurried.load(Ordering::Acquire) {
                thread::sleep(working_since.elapsed().min(REST_MAX));
            }
            working_since = Instant::now();
        })
    }

    /// Lets [`drive`](Self::drive) stop waiting for something to do.
    pub fn interrupt(&self) {
        if let Some(durable) = &self.0.durable {
            durable.interrupt();
        }
    }
}
