//! The threads of a store on a disk: one writes and syncs the log, one makes checkpoints.

#![allow(clippy::disallowed_methods, reason = "these are the threads of native programs, left out of a page")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io, mem};

use crate::durability::{DiskEvent, begin_log_thread, panicked};
use crate::engine::Store;
use crate::types::Checkpoint;

/// How long a thread sleeps unless it is woken.
const IDLE: Duration = Duration::from_secs(1);
/// How often a thread checks whether a checkpoint is due.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(200);

/// The longest rest while a checkpoint is made.
const REST_MAX: Duration = Duration::from_millis(20);

/// After this many such checks, a full disk is probed for space.
const LOOKS_PER_SPACE_PROBE: u32 = 5;

/// After this many, the log is checked for its name.
const LOOKS_PER_PLACE_LOOK: u32 = 5;

/// Called with events of the disk, soon after they happen. It has to return soon, because the log's thread waits for it. It may
/// commit. If it panics, that
/// event is lost, and it is still called with the next one.
pub type OnDiskEvent = Box<dyn Fn(DiskEvent) + Send + Sync>;

/// The threads of a store on a disk. Dropping it writes and syncs pending commits, and waits for the threads to end.
pub struct DiskThreads {
    store: Store,
    on_event: Arc<OnDiskEvent>,
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Ends after the threads, once their remaining commits are written.
    driving: Option<Driving>,
}

/// Reports an event. The thread survives a panic of the callback, because commits wait for it; the panic has been printed by then.
fn report(on_event: &OnDiskEvent, event: DiskEvent) {
    let _ = catch_unwind(AssertUnwindSafe(|| on_event(event)));
}

/// Declares that the log is written while this lives.
struct Driving(Store);

impl Driving {
    fn begin(store: &Store) -> Self {
        if let Some(durable) = store.0.durable() {
            durable.driver.begin();
        }
        Self(store.clone())
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        if let Some(durable) = self.0.0.durable() {
            durable.driver.end();
            durable.notify_settled();
        }
    }
}

impl DiskThreads {
    /// Starts the threads. A store in memory needs none and gets none. Under [`Durability::Always`](crate::Durability), commits are refused
    /// with [`Error::NoLogThread`](crate::Error::NoLogThread) before this call and after the result is dropped.
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
            driving: None,
        };
        if store.durability().is_none() {
            return Ok(threads);
        }
        threads.driving = Some(Driving::begin(store));
        let (log, stop, on_log_event) = (store.clone(), Arc::clone(&is_stopping), Arc::clone(&on_event));
        threads.spawn("mantis-log", move || {
            begin_log_thread();
            while !stop.load(Ordering::Acquire) {
                log.drive_or_give_up(IDLE);
                log.take_disk_events().into_iter().for_each(|event| report(&on_log_event, event));
            }
        })?;
        let (checkpoints, stop) = (store.clone(), is_stopping);
        threads.spawn("mantis-checkpoint", move || {
            let (mut full_looks, mut looks) = (0, 0);
            while !stop.load(Ordering::Acquire) {
                if checkpoints.is_checkpoint_due() {
                    // Without this thread the log would grow without a bound.
                    let made = catch_unwind(AssertUnwindSafe(|| checkpoints.checkpoint_at_leisure(&stop)));
                    let made = made.unwrap_or_else(|panic| Err(panicked(&*panic)));
                    made.transpose().into_iter().for_each(|outcome| report(&on_event, DiskEvent::Checkpoint(outcome)));
                }
                full_looks = if checkpoints.is_disk_full() { full_looks + 1 } else { 0 };
                if full_looks == LOOKS_PER_SPACE_PROBE {
                    full_looks = 0;
                    checkpoints.or_give_up(Store::probe_space);
                }
                looks += 1;
                if looks % LOOKS_PER_PLACE_LOOK == 0 {
                    checkpoints.or_give_up(Store::check_place);
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
        if self.store.0.durable().is_some_and(|durable| durable.driver.is_in_child()) {
            // The threads stayed in the parent, and cannot be waited for; what is pending is the parent's.
            self.threads.drain(..).for_each(mem::forget);
            return;
        }
        self.is_stopping.store(true, Ordering::Release);
        self.store.interrupt();
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // The callback may drop the last handle: its thread ends after it.
            if thread.thread().id() != thread::current().id() {
                // Its remaining commits are written below.
                let _ = thread.join();
            }
        }
        self.store.flush();
        // If this fails, versions have a gap, which does no harm.
        let _ = self.store.close();
        drop(self.driving.take());
        self.store.take_disk_events().into_iter().for_each(|event| report(&self.on_event, event));
    }
}

impl fmt::Debug for DiskThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskThreads").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Store {
    /// As [`drive`](Self::drive). If it panics, the store fails.
    fn drive_or_give_up(&self, idle: Duration) {
        self.or_give_up(|store| store.drive(idle));
    }

    /// Does some of a thread's work. If it panics, the store fails, and the thread survives.
    fn or_give_up(&self, work: impl FnOnce(&Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self)))
            && let Some(durable) = self.0.durable()
        {
            self.0.wait_and_give_up(durable, &*panic);
        }
    }

    /// Makes the store fail if the log no longer has its name, even if nobody writes: the next start would not find it.
    fn check_place(&self) {
        let Some(durable) = self.0.durable().filter(|durable| !durable.is_failed()) else { return };
        let file = self.0.with_log(durable, |end| end.writer.file());
        if let Err(error) = file.check_place() {
            durable.fail_if_displaced(&error, "looking for the log");
        }
    }

    /// As [`checkpoint`](Self::checkpoint), resting for as long as it works, until `is_hurried` or the log grows fast: for the thread that
    /// makes checkpoints. Without rests it would occupy one core, and the system's work on what it wrote would take another from writers.
    ///
    /// # Errors
    /// As for [`checkpoint`](Self::checkpoint).
    pub fn checkpoint_at_leisure(&self, is_hurried: &AtomicBool) -> io::Result<Option<Checkpoint>> {
        let mut working_since = Instant::now();
        self.checkpoint_with_rests(&mut || {
            if !is_hurried.load(Ordering::Acquire) {
                thread::sleep(working_since.elapsed().min(REST_MAX));
            }
            working_since = Instant::now();
        })
    }
}
