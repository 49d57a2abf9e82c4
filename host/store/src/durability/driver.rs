//! Who writes the log of a store under [`Durability::Always`](crate::Durability): committers leave that to a thread, and wait for it.
//! Without one they would wait for ever, so they get an error instead.

use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Who writes the log, if anybody does.
#[derive(Default)]
pub(crate) struct Driver {
    /// Threads that do, or that end and write what is pending before.
    threads: AtomicUsize,
    /// The process that started them, as none of them runs in its children.
    process: AtomicU32,
    /// The store's owner has said that it does.
    by_hand: AtomicBool,
}

impl Driver {
    /// Notes a thread.
    pub(crate) fn begin(&self) {
        self.process.store(process::id(), Ordering::Relaxed);
        self.threads.fetch_add(1, Ordering::Release);
    }

    /// Notes that a thread has ended.
    pub(crate) fn end(&self) {
        self.threads.fetch_sub(1, Ordering::Release);
    }

    /// Notes that the owner writes the log.
    pub(crate) fn drive_by_hand(&self) {
        self.by_hand.store(true, Ordering::Release);
    }

    /// Whether what is pending will be written.
    pub(crate) fn is_there(&self) -> bool {
        self.by_hand.load(Ordering::Acquire) || self.threads.load(Ordering::Acquire) > 0 && !self.is_left_behind()
    }

    /// Whether this process is a child of the one whose threads write the log.
    pub(crate) fn is_left_behind(&self) -> bool {
        let process = self.process.load(Ordering::Relaxed);
        process != 0 && process != process::id()
    }
}
