//! Work that no caller asks for: reaping, health checks, keeping `min_idle`.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::futures::Notified,
    time::{Instant, sleep_until},
};

use crate::{
    CloseReason, Error, Manager, Object, PoolState, Step,
    acquire::{
        Fitness,
        create::{Creation, Running, settle_unattended},
        step::Patience,
        validate,
    },
    state::{
        core::Core,
        entry::ReleaseAction,
        shared::{Handle, Shared},
    },
};

/// At most one idle object in this many is away for its health check at a time.
const CHECKED_SHARE: usize = 8;

/// The most creations side by side to reach `min_idle`.
const REFILL_PARALLEL: usize = 8;

/// The time after a refill in which maintenance cannot be woken, so that a pool whose idle objects come and go around
/// `min_idle` does not wake it at each acquisition.
const REFILL_PAUSE: Duration = Duration::from_millis(10);

/// The shortest time between two passes: what is due more often is due all the time.
const PASS_PAUSE_MIN: Duration = Duration::from_millis(1);

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
    let (idle_timeouts, lifetimes) = shared.with_core(|core| core.reap(&shared.config, Instant::now()));
    let mut report = MaintenanceReport { idle_timeouts, lifetimes, ..MaintenanceReport::default() };
    check_health(shared, &mut report).await;
    refill(shared, &mut report).await;
    report
}

/// What ended a pause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// The next pass is due.
    Due,
    /// There is something to create.
    Wanted,
    /// The pool ends.
    Ended,
}

/// Passes and refills until the pool ends, holding on to it only while at work.
pub(crate) async fn run<M: Manager>(pool: Weak<Handle<M>>) {
    let Some(shared) = open(&pool) else { return };
    let interval = shared.config.maintenance_interval;
    let (ending, wanted) = (Arc::clone(&shared.ending), Arc::clone(&shared.refill));
    drop(shared);
    let mut woken = Woken::Due;
    let mut pass_at = None;
    while woken != Woken::Ended {
        // Registered before the state is read, so that no end is missed.
        let mut ended = pin!(ending.notified());
        ended.as_mut().enable();
        let Some(shared) = open(&pool) else { return };
        if woken == Woken::Due {
            contain(pass(&shared)).await;
            pass_at = Instant::now().checked_add(interval);
        } else {
            contain(refill(&shared, &mut MaintenanceReport::default())).await;
            drop(shared);
            let again_at = Instant::now().checked_add(REFILL_PAUSE);
            if pause(ended.as_mut(), None, again_at).await == Woken::Ended {
                return;
            }
        }
        let Some(shared) = open(&pool) else { return };
        let now = Instant::now();
        let rest = shared.with_core(|core| core.rest(&shared.config, now)).max(PASS_PAUSE_MIN);
        drop(shared);
        let until = now.checked_add(rest).into_iter().chain(pass_at).min();
        woken = pause(ended, Some(pin!(wanted.notified())), until).await;
    }
}

/// The pool, unless it ends.
fn open<M: Manager>(pool: &Weak<Handle<M>>) -> Option<Arc<Shared<M>>> {
    let shared = pool.upgrade().map(|handle| Arc::clone(&handle.shared));
    shared.filter(|shared| shared.state() < PoolState::Draining)
}

/// Waits for the first of three: the end, a wake-up, a time.
async fn pause(
    mut ended: Pin<&mut Notified<'_>>,
    wanted: Option<Pin<&mut Notified<'_>>>,
    until: Option<Instant>,
) -> Woken {
    let mut wanted = wanted;
    let mut alarm = pin!(until.map(sleep_until));
    poll_fn(|cx| {
        if ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Woken::Ended);
        }
        if wanted.as_mut().is_some_and(|wanted| wanted.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Woken::Wanted);
        }
        match alarm.as_mut().as_pin_mut() {
            Some(alarm) => alarm.poll(cx).map(|()| Woken::Due),
            None => Poll::Pending,
        }
    })
    .await
}

/// Runs `future` to its end or its panic: a manager that panics once must not end maintenance.
async fn contain(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx).is_ready())) {
        Ok(false) => Poll::Pending,
        Ok(true) | Err(_) => Poll::Ready(()),
    })
    .await;
}

/// Checks idle objects that were not validated or used for a while, a few at a time, so that most stay at hand.
/// Hottest first, and each goes to the cold end, so that the order is the same in the end. Stops when the next round
/// would be due: a backend that hangs must not delay the rest.
async fn check_health<M: Manager>(shared: &Arc<Shared<M>>, report: &mut MaintenanceReport<M::Error>) {
    let Some(interval) = shared.config.health_check_interval else { return };
    let patience = Patience::of_steps();
    let begin = Instant::now();
    while begin.elapsed() < interval {
        let due = shared.with_core(|core| core.take_due(&shared.config, CHECKED_SHARE, Instant::now()));
        if due.is_empty() {
            return;
        }
        let mut objects: Vec<_> = due.into_iter().map(|entry| Object::new(shared, entry)).collect();
        for object in &mut objects {
            object.set_release_action(ReleaseAction::PutBackColdest);
        }
        for mut object in objects {
            object.set_release_action(ReleaseAction::Close(CloseReason::Abandoned));
            match validate(shared, &mut object, &patience).await {
                Ok(Fitness::Fit) => {
                    report.healthy += 1;
                    object.entry_mut().note_healthy(Instant::now());
                    object.set_release_action(ReleaseAction::PutBackColdest);
                }
                Err(failure) if matches!(*failure, Error::NoRuntime { .. }) => return,
                outcome => {
                    if let Err(failure) = outcome {
                        shared.report(Step::Validate, &*failure, Some(Object::metrics(&object)));
                    }
                    report.unhealthy += 1;
                    object.set_release_action(ReleaseAction::Close(CloseReason::Unhealthy));
                }
            }
        }
    }
}

/// Creates objects up to `min_idle`, some side by side. After a failure it begins none, and the pool backs off.
async fn refill<M: Manager>(shared: &Arc<Shared<M>>, report: &mut MaintenanceReport<M::Error>) {
    let mut running: Vec<Running<M>> = Vec::new();
    poll_fn(|cx| {
        loop {
            while running.len() < REFILL_PARALLEL
                && report.create_error.is_none()
                && let Some(permit) = shared.with_core(Core::permit_refill)
            {
                running.push(Creation::new(shared, permit).unattended());
            }
            let before = running.len();
            running.retain_mut(|creation| is_under_way(shared, creation, report, cx));
            // One that ended makes room for the next.
            if running.is_empty() && before == 0 {
                return Poll::Ready(());
            }
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// Polls a creation, and takes in its outcome.
fn is_under_way<M: Manager>(
    shared: &Shared<M>,
    creation: &mut Running<M>,
    report: &mut MaintenanceReport<M::Error>,
    cx: &mut Context<'_>,
) -> bool {
    let Poll::Ready(outcome) = creation.as_mut().poll(cx) else { return true };
    match settle_unattended(shared, outcome) {
        Ok(created) => report.created += usize::from(created),
        Err(failure) => report.create_error = Some(*failure),
    }
    false
}
