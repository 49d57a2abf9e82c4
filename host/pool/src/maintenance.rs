//! What has to happen without anyone asking: reaping, health checks, keeping `min_idle`.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{sync::Notify, time::sleep};

use crate::{
    CloseReason, Error, Manager, Object, PoolState, WeakPool,
    acquire::create::Vacancy,
    acquire::step::Patience,
    acquire::{Fitness, validate},
    clock::Moment,
    object::Fate,
    state::core::{Locked, NewSlot},
    state::shared::Shared,
    state::slot::SlotIndex,
};

/// At most one idle object in this many is away for its health check at a time.
const CHECKED_SHARE: usize = 8;

/// What one pass of maintenance did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MaintenanceReport<E: std::error::Error + 'static> {
    /// Objects closed after `idle_timeout`.
    pub idle_timeouts: usize,
    /// Objects closed after `max_lifetime`.
    pub lifetimes: usize,
    /// Objects found fit.
    pub healthy: usize,
    /// Objects found unfit, or not found fit in time, and closed.
    pub unhealthy: usize,
    /// Objects created to reach `min_idle`.
    pub created: usize,
    /// Why `min_idle` could not be reached, if creating failed. The pool backs off; the next pass tries again.
    pub create_error: Option<Error<E>>,
}

// Derived, it would ask for `E: Default`.
impl<E: std::error::Error + 'static> Default for MaintenanceReport<E> {
    fn default() -> Self {
        Self { idle_timeouts: 0, lifetimes: 0, healthy: 0, unhealthy: 0, created: 0, create_error: None }
    }
}

/// One pass: reap, check, refill.
pub(crate) async fn pass<M: Manager>(shared: &Arc<Shared<M>>) -> MaintenanceReport<M::Error> {
    let mut report = shared.with_core(|locked| locked.reap(shared.clock.now()));
    check_health(shared, &mut report).await;
    refill(shared, &mut report).await;
    report
}

/// Keeps the clock and passes until the pool ends.
pub(crate) async fn run<M: Manager>(pool: WeakPool<M>) {
    let Some(shared) = pool.shared() else { return };
    let (clock, ending) = (Arc::clone(&shared.clock), Arc::clone(&shared.ending));
    drop(shared);
    let mut ticks = pin!(clock.keep_ticking());
    let mut passes = pin!(run_passes(&pool, &ending));
    let mut is_ticking = true;
    poll_fn(|cx| {
        // First, so that a pass knows the time, and goes on while a pass waits.
        is_ticking = is_ticking && ticks.as_mut().poll(cx).is_pending();
        passes.as_mut().poll(cx)
    })
    .await;
}

/// Passes until the pool ends, holding on to it only during a pass.
async fn run_passes<M: Manager>(pool: &WeakPool<M>, ending: &Notify) {
    loop {
        // Listens before it looks at the state, so that no end is missed.
        let mut ended = pin!(ending.notified());
        ended.as_mut().enable();
        let Some(shared) = pool.shared().filter(|shared| shared.state() < PoolState::Draining) else { return };
        contain(pass(&shared)).await;
        let mut pause = pin!(sleep(shared.config.maintenance_interval));
        drop(shared);
        let has_ended = poll_fn(|cx| {
            if ended.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            pause.as_mut().poll(cx).map(|()| false)
        });
        if has_ended.await {
            return;
        }
    }
}

/// Runs `future` to its end or its panic: a manager that panics once must not end maintenance for good.
async fn contain(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx).is_ready())) {
        Ok(false) => Poll::Pending,
        Ok(true) | Err(_) => Poll::Ready(()),
    })
    .await;
}

/// Checks idle objects that have not been seen well for a while, a few at a time, so that most stay at hand.
/// Hottest first, and each goes to the bottom, so that the order is the same in the end. Stops when the next round
/// would be due: a backend that hangs must not hold up the rest.
async fn check_health<M: Manager>(shared: &Arc<Shared<M>>, report: &mut MaintenanceReport<M::Error>) {
    let Some(interval) = shared.config.health_check_interval else { return };
    let round_ends = shared.clock.now().after(Some(interval));
    while shared.clock.now() < round_ends {
        let due = shared.with_core(|locked| locked.take_due(shared.clock.now()));
        if due.is_empty() {
            return;
        }
        let mut objects: Vec<_> = due.into_iter().map(|slot| Object::check_out(shared, &slot)).collect();
        for object in &mut objects {
            object.set_fate(Fate::PutBackColdest);
        }
        for mut object in objects {
            object.set_fate(Fate::Close(CloseReason::Abandoned));
            match validate(shared, &mut object, Patience::Wait).await {
                Ok(Fitness::Fit) => {
                    report.healthy += 1;
                    object.entry_mut().known_good_at = shared.clock.now();
                    object.set_fate(Fate::PutBackColdest);
                }
                Err(failure) if matches!(*failure, Error::NoRuntime { .. }) => return,
                Ok(_) | Err(_) => {
                    report.unhealthy += 1;
                    object.set_fate(Fate::Close(CloseReason::Unhealthy));
                }
            }
        }
    }
}

#[allow(clippy::redundant_closure_for_method_calls, reason = "the method's path is not general enough in lifetimes")]
async fn refill<M: Manager>(shared: &Arc<Shared<M>>, report: &mut MaintenanceReport<M::Error>) {
    while let Some(new) = shared.with_core(|locked| locked.claim_refill()) {
        match Vacancy::new(shared, new).fill(Patience::Wait).await {
            Ok(Some(mut object)) => {
                report.created += 1;
                object.set_fate(Fate::PutBack);
            }
            Ok(None) => {}
            Err(error) => {
                report.create_error = Some(*error);
                return;
            }
        }
    }
}

impl<M: Manager> Locked<'_, M> {
    /// Closes idle objects that are too old, and those above `min_idle` that are idle for too long, coldest first.
    fn reap(&mut self, now: Moment) -> MaintenanceReport<M::Error> {
        let idle = self.take_idle();
        let (expired, mut kept): (Vec<_>, Vec<_>) = idle.into_iter().partition(|slot| self.has_expired(slot, now));
        let mut report = MaintenanceReport { lifetimes: expired.len(), ..MaintenanceReport::default() };
        for slot in expired {
            self.retire(&slot, CloseReason::Lifetime);
        }
        while kept.len() > self.core.min_idle
            && let Some(coldest) = kept.pop_if(|slot| self.has_idled_out(slot, now))
        {
            self.retire(&coldest, CloseReason::IdleTimeout);
            report.idle_timeouts += 1;
        }
        self.restore_idle(kept);
        report
    }

    fn has_expired(&self, slot: &SlotIndex, now: Moment) -> bool {
        self.shared.slot(slot).inspect(|entry| {
            // On this occasion: its idle time is counted from the first pass that sees it.
            entry.idle_since.get_or_insert(now);
            entry.expires_at <= now
        })
    }

    fn has_idled_out(&self, slot: &SlotIndex, now: Moment) -> bool {
        let Some(idle_timeout) = self.shared.config.idle_timeout else { return false };
        let idle_since = self.shared.slot(slot).inspect(|entry| entry.idle_since);
        idle_since.is_some_and(|since| now.since(since) >= idle_timeout)
    }

    /// Takes out a few of the idle objects whose health check is due, hottest first.
    fn take_due(&mut self, now: Moment) -> Vec<SlotIndex> {
        let Some(interval) = self.shared.config.health_check_interval else { return Vec::new() };
        if self.core.state != PoolState::Open {
            return Vec::new();
        }
        let idle = self.take_idle();
        let few = (idle.len() / CHECKED_SHARE).max(1);
        let (mut due, mut kept) = (Vec::new(), Vec::new());
        for slot in idle {
            let known_good_at = self.shared.slot(&slot).inspect(|entry| entry.known_good_at);
            let is_due = now.since(known_good_at) >= interval;
            if is_due && due.len() < few { due.push(slot) } else { kept.push(slot) }
        }
        self.restore_idle(kept);
        due
    }

    /// Room for one more object to keep idle. While anyone waits, they create for themselves.
    fn claim_refill(&mut self) -> Option<NewSlot> {
        let is_short = self.core.state == PoolState::Open
            && self.core.queue.waiting() == 0
            && self.idle_count() < self.core.min_idle;
        if is_short { self.open_vacancy() } else { None }
    }
}
