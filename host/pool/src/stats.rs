//! Statistics that add up.

use std::{fmt, time::Duration};

use crate::{CloseReason, Step, errors::Exceeded};

/// How often each step ran out of time, and acquisitions as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// In the queue.
    pub wait: u64,
    /// In [`Manager::create`](crate::Manager::create).
    pub create: u64,
    /// In [`Manager::recycle`](crate::Manager::recycle).
    pub recycle: u64,
    /// In [`Manager::validate`](crate::Manager::validate).
    pub validate: u64,
    /// In [`Config::acquire_timeout`](crate::Config::acquire_timeout) or the call's own limit, whatever the step. Those
    /// that waited at that time are in `wait` too.
    pub acquire: u64,
}

/// How many errors each step returned. Those of [`Manager::create`](crate::Manager::create) are
/// [`Stats::create_failures`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepErrors {
    /// Of [`Manager::recycle`](crate::Manager::recycle) and the hook before it.
    pub recycle: u64,
    /// Of [`Manager::validate`](crate::Manager::validate).
    pub validate: u64,
    /// Of [`Manager::release`](crate::Manager::release); its panics are counted, too.
    pub release: u64,
}

/// How long the granted waits took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitTimes {
    counts: [u64; WaitTimes::BOUNDS.len() + 1],
}

impl WaitTimes {
    /// Inclusive upper bounds of all counts but the last.
    pub const BOUNDS: [Duration; 16] = [
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// For each of [`BOUNDS`](Self::BOUNDS) the waits that took no longer, and longer than the bound before; at the end
    /// those that took longer than all bounds.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn count(&mut self, took: Duration) {
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < took)] += 1;
    }
}

/// A pool's statistics at one moment; see [`Pool::stats`](crate::Pool::stats).
///
/// Always true:
///
/// - `total() == active + idle + creating`
/// - `created == closed() + active + idle`
/// - `acquisitions() == immediate + waited`
/// - `waits == waits_granted + waits_timed_out + waits_refused + waits_abandoned + waiters`
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The current setting.
    pub min_idle: usize,
    /// The current setting.
    pub max: usize,

    /// Objects on loan, being checked or being closed.
    pub active: usize,
    /// Objects ready to be handed out.
    pub idle: usize,
    /// Objects being created.
    pub creating: usize,
    /// Callers waiting now.
    pub waiters: usize,

    /// Objects created since the pool was built.
    pub created: u64,
    /// Attempts to create that failed, timed out, panicked or were refused by a hook.
    pub create_failures: u64,
    closed: [u64; CloseReason::ALL.len()],

    /// Acquisitions served without waiting.
    pub immediate: u64,
    /// Acquisitions served after waiting.
    pub waited: u64,

    /// Waits begun. An acquisition may wait twice: once more if its object proved unfit.
    pub waits: u64,
    /// Waits that ended with an object, or with room to create one.
    pub waits_granted: u64,
    /// Waits that ran out of time.
    pub waits_timed_out: u64,
    /// Waits that ended with an error of the pool or of the manager.
    pub waits_refused: u64,
    /// Waits whose future was dropped.
    pub waits_abandoned: u64,
    /// The time all granted waits took together.
    pub wait_time_total: Duration,
    /// The longest granted wait.
    pub wait_time_max: Duration,
    /// The granted waits by the time they took.
    pub wait_times: WaitTimes,

    /// Steps that ran out of time.
    pub timeouts: Timeouts,
    /// Steps that returned an error; see [`Builder::on_error`](crate::Builder::on_error) for what they were.
    pub errors: StepErrors,
}

impl Stats {
    pub(crate) fn new(gauges: &Gauges, counters: &Counters, served: &Served) -> Self {
        Self {
            min_idle: gauges.min_idle,
            max: gauges.max,
            active: gauges.active,
            idle: gauges.idle,
            creating: gauges.creating,
            waiters: gauges.waiters,
            created: counters.created,
            create_failures: counters.create_failures,
            closed: counters.closed,
            immediate: served.at_once,
            waited: served.after_wait,
            waits: counters.waits,
            waits_granted: counters.waits_granted,
            waits_timed_out: counters.waits_timed_out,
            waits_refused: counters.waits_refused,
            waits_abandoned: counters.waits_abandoned,
            wait_time_total: counters.wait_time_total,
            wait_time_max: counters.wait_time_max,
            wait_times: counters.wait_times,
            errors: counters.errors,
            timeouts: Timeouts { wait: counters.waits_timed_out, ..counters.timeouts },
        }
    }

    /// Objects that exist, those being created included.
    #[must_use]
    pub fn total(&self) -> usize {
        self.active + self.idle + self.creating
    }

    /// Acquisitions served.
    #[must_use]
    pub fn acquisitions(&self) -> u64 {
        self.immediate + self.waited
    }

    /// Objects that left the pool, for whatever reason.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.closed.iter().sum()
    }

    /// Objects that left the pool for this reason.
    #[must_use]
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed[reason.position()]
    }

    /// Objects that were found unfit by [`Manager::validate`](crate::Manager::validate), or not found fit in time.
    #[must_use]
    pub fn health_check_failures(&self) -> u64 {
        self.closed_for(CloseReason::Unhealthy)
    }
}

impl fmt::Display for Stats {
    /// One line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} objects ({} active, {} idle, {} creating), {} waiting; {} acquisitions ({} waited, longest {:?}), \
             {} created ({} failed), {} closed",
            self.total(),
            self.max,
            self.active,
            self.idle,
            self.creating,
            self.waiters,
            self.acquisitions(),
            self.waited,
            self.wait_time_max,
            self.created,
            self.create_failures,
            self.closed(),
        )?;
        for reason in CloseReason::ALL.into_iter().filter(|reason| self.closed_for(*reason) > 0) {
            write!(f, ", {reason:?} {}", self.closed_for(reason))?;
        }
        Ok(())
    }
}

/// The sizes at one moment.
pub(crate) struct Gauges {
    pub(crate) min_idle: usize,
    pub(crate) max: usize,
    pub(crate) active: usize,
    pub(crate) idle: usize,
    pub(crate) creating: usize,
    pub(crate) waiters: usize,
}

/// Acquisitions served, counted outside the mutex.
pub(crate) struct Served {
    pub(crate) at_once: u64,
    pub(crate) after_wait: u64,
}

/// What is counted under the core's mutex.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) created: u64,
    pub(crate) create_failures: u64,
    closed: [u64; CloseReason::ALL.len()],
    pub(crate) waits: u64,
    waits_granted: u64,
    pub(crate) waits_timed_out: u64,
    waits_refused: u64,
    pub(crate) waits_abandoned: u64,
    wait_time_total: Duration,
    wait_time_max: Duration,
    wait_times: WaitTimes,
    timeouts: Timeouts,
    errors: StepErrors,
}

impl Counters {
    pub(crate) fn count_closed(&mut self, reason: CloseReason) {
        self.closed[reason.position()] += 1;
    }

    /// A wait ended with an error of the pool or of the manager.
    pub(crate) fn count_refused_wait(&mut self) {
        self.waits_refused += 1;
    }

    /// A wait ended with an object, or with room to create one.
    pub(crate) fn count_granted_wait(&mut self, took: Duration) {
        self.waits_granted += 1;
        self.wait_time_total += took;
        self.wait_time_max = self.wait_time_max.max(took);
        self.wait_times.count(took);
    }

    /// A step ran out of time, or the whole acquisition did in it. A wait's own is counted as the wait's outcome.
    pub(crate) fn count_timeout(&mut self, step: Step, exceeded: Exceeded) {
        match (exceeded, step) {
            (Exceeded::Acquire(_), _) => self.timeouts.acquire += 1,
            (Exceeded::Step(_), Step::Create) => self.timeouts.create += 1,
            (Exceeded::Step(_), Step::Recycle) => self.timeouts.recycle += 1,
            (Exceeded::Step(_), Step::Validate) => self.timeouts.validate += 1,
            (Exceeded::Step(_), Step::Wait | Step::Release) => {}
        }
    }

    /// A step returned an error. Those of a creation are counted as its outcome.
    pub(crate) fn count_error(&mut self, step: Step) {
        match step {
            Step::Recycle => self.errors.recycle += 1,
            Step::Validate => self.errors.validate += 1,
            Step::Release => self.errors.release += 1,
            Step::Wait | Step::Create => {}
        }
    }
}
