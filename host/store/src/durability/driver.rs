//! Who writes the log of a store under [`Durability::Always`](crate::Durability). Committers leave that to a thread and wait for it;
//! without one they would wait for ever, so they get an error instead.

use std::cell::Cell;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

thread_local! {
    static IS_LOG_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Declares that the running thread writes a log: it must not wait for one.
pub(crate) fn begin_log_thread() {
    IS_LOG_THREAD.set(true);
}

/// Whether the running thread writes a log, as it does while it calls its owner with an event.
pub(crate) fn is_log_thread() -> bool {
    IS_LOG_THREAD.get()
}

/// Who writes the log, if anybody.
#[derive(Default)]
pub(crate) struct Driver {
    /// Threads that write it, including those that are ending and write pending commits first.
    threads: AtomicUsize,
    /// The process that started them. They do not run in its children.
    process: AtomicU32,
    /// Whether the owner has declared that it writes the log.
    by_hand: AtomicBool,
}

impl Driver {
    /// Adds a thread.
    pub(crate) fn begin(&self) {
        self.process.store(process::id(), Ordering::Relaxed);
        self.threads.fetch_add(1, Ordering::Release);
    }

    /// Removes a thread that has ended.
    pub(crate) fn end(&self) {
        self.threads.fetch_sub(1, Ordering::Release);
    }

    /// Records that the owner writes the log.
    pub(crate) fn drive_by_hand(&self) {
        self.by_hand.store(true, Ordering::Release);
    }

    /// Whether somebody will write pending commits.
    pub(crate) fn is_there(&self) -> bool {
        self.by_hand.load(Ordering::Acquire) || self.threads.load(Ordering::Acquire) > 0 && !self.is_in_child()
    }

    /// Whether this process is a child of the one whose threads write the log.
    pub(crate) fn is_in_child(&self) -> bool {
        let process = self.process.load(Ordering::Relaxed);
        process != 0 && process != process::id()
    }
}
