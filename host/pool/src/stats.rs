//! Figures that add up.

use std::{fmt, time::Duration};

use crate::{
    Manager, Step,
    acquire::wait::Grant,
    state::core::Locked,
    state::slot::{Slot, SlotState},
};

/// Why an object left the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Idle for `idle_timeout`.
    IdleTimeout,
    /// Older than `max_lifetime`.
    Lifetime,
    /// Failed [`Manager::validate`], or took too long in it.
    Unhealthy,
    /// Failed [`Manager::recycle`] or a hook around it, or took too long in it.
    RecycleFailed,
    /// [`Manager::release`] failed or panicked.
    ReleaseFailed,
    /// The caller asked for it with [`Object::close`](crate::Object::close).
    Discarded,
    /// The caller keeps it; see [`Object::detach`](crate::Object::detach).
    Detached,
    /// The acquisition was dropped, or panicked, while the object was being checked or reset.
    Abandoned,
    /// Above `max` after a resize.
    Shrunk,
    /// The pool was drained or closed.
    Shutdown,
}

impl CloseReason {
    const ALL: [Self; 10] = [
        Self::IdleTimeout,
        Self::Lifetime,
        Self::Unhealthy,
        Self::RecycleFailed,
        Self::ReleaseFailed,
        Self::Discarded,
        Self::Detached,
        Self::Abandoned,
        Self::Shrunk,
        Self::Shutdown,
    ];

    fn position(self) -> usize {
        self as usize
    }
}

/// How often each step ran out of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// In the queue.
    pub wait: u64,
    /// In [`Manager::create`].
    pub create: u64,
    /// In [`Manager::recycle`].
    pub recycle: u64,
    /// In [`Manager::validate`].
    pub validate: u64,
}

/// A pool's figures at one moment; see [`Pool::stats`](crate::Pool::stats).
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
    /// The present setting.
    pub min_idle: usize,
    /// The present setting.
    pub max: usize,

    /// Objects lent out, or in the hands of maintenance, or being checked or closed.
    pub active: usize,
    /// Objects that nobody uses.
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

    /// Steps that ran out of time.
    pub timeouts: Timeouts,
}

impl Stats {
    /// Objects there are, those in the making included.
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

    /// Objects that were found unfit by [`Manager::validate`], or not found fit in time.
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

/// What is counted under the core's mutex; acquisitions are counted in the slots.
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
    timeouts: Timeouts,
}

impl Counters {
    pub(crate) fn count_closed(&mut self, reason: CloseReason) {
        self.closed[reason.position()] += 1;
    }

    /// A wait ended with `grant`.
    pub(crate) fn count_wait<M: Manager>(&mut self, grant: &Grant<M>, took: Duration) {
        if matches!(grant, Grant::Refused(_)) {
            self.waits_refused += 1;
            return;
        }
        self.waits_granted += 1;
        self.wait_time_total += took;
        self.wait_time_max = self.wait_time_max.max(took);
    }

    /// A step other than waiting, which is counted as the wait's outcome, ran out of time.
    pub(crate) fn count_timeout(&mut self, step: Step) {
        match step {
            Step::Wait => {}
            Step::Create => self.timeouts.create += 1,
            Step::Recycle => self.timeouts.recycle += 1,
            Step::Validate => self.timeouts.validate += 1,
        }
    }
}

impl<M: Manager> Locked<'_, M> {
    pub(crate) fn stats(&self) -> Stats {
        let slots = &self.shared.slots;
        let in_state = |state| slots.iter().filter(|slot| slot.state() == state).count();
        let acquisitions = slots.iter().map(Slot::acquisitions);
        let (immediate, waited) = acquisitions.fold((0, 0), |(i, w), (immediate, waited)| (i + immediate, w + waited));
        let idle = in_state(SlotState::Idle);
        let creating = in_state(SlotState::Creating);
        let counters = &self.core.counters;
        Stats {
            min_idle: self.core.min_idle,
            max: self.core.max,
            // Not counted apart: it may change to idle and back while this looks.
            active: self.occupied() - creating - idle,
            idle,
            creating,
            waiters: self.core.queue.holders(),
            created: counters.created,
            create_failures: counters.create_failures,
            closed: counters.closed,
            immediate,
            waited,
            waits: counters.waits,
            waits_granted: counters.waits_granted,
            waits_timed_out: counters.waits_timed_out,
            waits_refused: counters.waits_refused,
            waits_abandoned: counters.waits_abandoned,
            wait_time_total: counters.wait_time_total,
            wait_time_max: counters.wait_time_max,
            timeouts: Timeouts { wait: counters.waits_timed_out, ..counters.timeouts },
        }
    }
}
