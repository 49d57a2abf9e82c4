//! [`Upkeep`]: the threads that a handle to a database brings with it, and their end.

#![allow(clippy::disallowed_methods, reason = "these are the threads of native programs, left out of a page")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem, process};

use crate::engine::{DiskThreads, Mutex, Recovered, Store};

/// The time between two rounds of housekeeping.
const ROUND: Duration = Duration::from_millis(100);

/// The threads of a database, and what opening it found. They end with the last handle, or before.
pub(crate) struct Upkeep {
    store: Store,
    recovered: Option<Recovered>,
    /// The process that started them: a child has none of its threads.
    process: u32,
    is_stopping: Arc<AtomicBool>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    housekeeping: Option<JoinHandle<()>>,
    /// Dropping them writes what is pending.
    disk: Option<DiskThreads>,
}

impl Upkeep {
    /// The upkeep of a database that is never written to.
    pub(crate) fn idle(store: Store, recovered: Option<Recovered>) -> Self {
        Self { store, recovered, process: process::id(), is_stopping: Arc::default(), threads: Mutex::new(None) }
    }

    /// Starts a thread that calls `housekeeping` a few times a second. If it panics, the next call comes all the same.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(
        store: Store,
        recovered: Option<Recovered>,
        disk: Option<DiskThreads>,
        housekeeping: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let upkeep = Self::idle(store, recovered);
        let stop = Arc::clone(&upkeep.is_stopping);
        let thread = thread::Builder::new().name("mantis-upkeep".into()).spawn(move || {
            while !stop.load(Ordering::Acquire) {
                let _ = catch_unwind(AssertUnwindSafe(&housekeeping));
                thread::park_timeout(ROUND);
            }
        })?;
        *upkeep.threads.lock() = Some(Threads { housekeeping: Some(thread), disk });
        Ok(upkeep)
    }

    /// What opening found; none in memory.
    pub(crate) fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// Stops the threads, and waits until they have ended and pending commits are written. Whoever comes second waits too.
    pub(crate) fn end(&self) {
        if self.process != process::id() {
            // They stayed in the parent, and cannot be waited for. Another thread may have held the lock when this child was made.
            if let Some(mut threads) = self.threads.try_lock() {
                mem::forget(threads.take());
            }
            return;
        }
        self.is_stopping.store(true, Ordering::Release);
        let mut threads = if disk_calls_back() {
            // The thread that holds the lock may be waiting for this one.
            let Some(threads) = self.threads.try_lock() else { return };
            threads
        } else {
            self.threads.lock()
        };
        let Some(Threads { mut housekeeping, disk }) = threads.take() else { return };
        if let Some(housekeeping) = housekeeping.take() {
            housekeeping.thread().unpark();
            let _ = housekeeping.join();
        }
        drop(disk);
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.end();
        // Whoever still has the engine must not write into a directory that others may open. An error was an event of the disk.
        let _ = self.store.shut_down();
    }
}

/// Whether the running thread is one of the disk's, which call their owner with events.
fn disk_calls_back() -> bool {
    thread::current().name().is_some_and(|name| name == "mantis-log" || name == "mantis-checkpoint")
}
