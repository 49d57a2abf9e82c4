//! Back-off while creation fails: one attempt at a time, and a growing pause between attempts.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Config, Error, Manager};

pub(crate) struct Backoff<M: Manager> {
    initial: Duration,
    max: Duration,
    /// Failures since the last success; attempts that ran side by side count once.
    failures: u32,
    retry_at: Option<Instant>,
    last: Option<Error<M::Error>>,
}

impl<M: Manager> Backoff<M> {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            initial: config.create_backoff_initial,
            max: config.create_backoff_max,
            failures: 0,
            retry_at: None,
            last: None,
        }
    }

    /// Whether one more attempt may start while `creating` are under way.
    pub(crate) fn permits(&self, creating: usize) -> bool {
        self.retry_at.is_none_or(|retry_at| creating == 0 && Instant::now() >= retry_at)
    }

    /// The number of failures so far, which an attempt that starts now hands to [`fail`](Self::fail).
    pub(crate) fn round(&self) -> u32 {
        self.failures
    }

    /// Records a failure (`None`: a panic) of an attempt begun in `round`. Returns the error it replaces, for the
    /// caller to drop outside the lock.
    pub(crate) fn fail(&mut self, round: u32, error: Option<Error<M::Error>>) -> Option<Error<M::Error>> {
        if round == self.failures {
            let pause = self.initial.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Instant::now().checked_add(pause.min(self.max));
        }
        std::mem::replace(&mut self.last, error)
    }

    /// Records a success. Returns the last error, for the caller to drop outside the lock.
    pub(crate) fn succeed(&mut self) -> Option<Error<M::Error>> {
        self.failures = 0;
        self.retry_at = None;
        self.last.take()
    }

    /// When the next attempt may start, if creation is failing.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Why the latest attempt failed, if creation is failing.
    pub(crate) fn last(&self) -> Option<&Error<M::Error>> {
        self.last.as_ref()
    }
}
