//! When and why a run ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::Stop;
use crate::engine::{Ticks, clock};

/// The longest sleep of a guest between two looks whether its caller is still there.
const SLEEP: Duration = Duration::from_millis(5);

/// When and why a run ends.
#[derive(Debug, Clone)]
pub(crate) struct Until {
    /// The time at which it is stopped.
    pub(crate) at: Instant,
    /// The processor time of its thread at which it is stopped because its slice is over; `None` for no slice.
    pub(crate) slice_end: Option<Duration>,
    /// Set when the caller has gone away.
    pub(crate) abandoned: Arc<AtomicBool>,
}

/// Watches the end of an instance's runs, one after the other.
pub(crate) struct Watch {
    until: Option<Until>,
    ticks: Ticks,
    /// The first tick at which the clock is read.
    clock_from_tick: u64,
}

impl Watch {
    pub(super) fn new(ticks: Ticks) -> Self {
        Self { until: None, ticks, clock_from_tick: u64::MAX }
    }

    pub(super) fn begin(&mut self, until: Until) {
        let left = until.at.saturating_duration_since(clock::now());
        // A slice may end later than this, but not earlier: a thread has no more processor time than the clock shows.
        let slice_left = until.slice_end.map(|end| end.saturating_sub(clock::thread_cpu()));
        let left_ms = slice_left.map_or(left, |slice| slice.min(left)).as_millis();
        self.clock_from_tick = self.ticks.get().saturating_add(u64::try_from(left_ms).unwrap_or(u64::MAX));
        self.until = Some(until);
    }

    pub(super) fn end(&mut self) {
        self.until = None;
    }

    /// Fails when the run must stop now. Costs one read of a counter until the time is nearly over.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.ticks.get() < self.clock_from_tick { Ok(()) } else { self.check_clock() }
    }

    /// Sleeps until `at`, or fails when the run must stop before. A run on the caller's thread never sleeps: its slice ends here.
    pub(super) fn sleep_until(&self, at: Instant) -> Result<(), Stop> {
        loop {
            self.check_clock()?;
            let left = at.saturating_duration_since(clock::now());
            let Some(until) = &self.until else { return Err(Stop::NO_CALL) };
            if left.is_zero() {
                return Ok(());
            }
            if until.slice_end.is_some() {
                return Err(Stop::Slice);
            }
            let run_left = until.at.saturating_duration_since(clock::now());
            clock::sleep(left.min(run_left).min(SLEEP));
        }
    }

    #[cold]
    pub(super) fn check_clock(&self) -> Result<(), Stop> {
        match &self.until {
            Some(until) if clock::now() >= until.at => Err(Stop::Deadline),
            Some(until) if until.slice_end.is_some_and(|end| clock::thread_cpu() >= end) => Err(Stop::Slice),
            Some(until) if until.abandoned.load(Ordering::Relaxed) => Err(Stop::Abandoned),
            _ => Ok(()),
        }
    }
}
