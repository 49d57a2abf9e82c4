//! The parts that calls share: sessions to run in, threads to run on, and how often and how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mantis_db::SessionManager;
use mantis_pool::Pool;

use super::threads::Threads;
use crate::engine::Ticker;
use crate::{Error, HostConfig};

/// Runs calls. Dropping it ends the guest threads.
pub(crate) struct Executor {
    pub(super) sessions: Pool<SessionManager>,
    pub(super) threads: Threads,
    pub(super) ticker: Arc<Ticker>,
    /// Runs of one call, the first included.
    pub(super) attempts_max: u32,
    /// The longest run on the caller's thread.
    pub(super) inline_slice: Duration,
    active: AtomicUsize,
}

impl Executor {
    pub(crate) fn start(
        sessions: Pool<SessionManager>,
        ticker: Arc<Ticker>,
        config: &HostConfig,
    ) -> Result<Self, Error> {
        Ok(Self {
            threads: Threads::start(config.guest_threads, config.queue_max)?,
            attempts_max: config.conflict_retries_max.saturating_add(1),
            inline_slice: Duration::from_millis(config.inline_slice_ms),
            active: AtomicUsize::new(0),
            sessions,
            ticker,
        })
    }

    /// Calls under way.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Calls that wait for a guest thread.
    pub(crate) fn queued(&self) -> usize {
        self.threads.queued()
    }

    /// Counts a call as under way until the guard is dropped.
    pub(super) fn enter(&self) -> Active<'_> {
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(&self.active)
    }
}

/// A call under way.
pub(super) struct Active<'e>(&'e AtomicUsize);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
