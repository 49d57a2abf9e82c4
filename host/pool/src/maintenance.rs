//! Work that no caller asks for: reaping, health checks, keeping `min_idle`.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    CloseReason, Error, Manager, Object, PoolState,
    acquire::{Fitness, create::Creation, step::TimeoutPolicy, validate},
    state::{
        core::Core,
        entry::ReleaseAction,
        shared::{Handle, Shared},
    },
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
    let (idle_timeouts, lifetimes) = shared.with_core(|core| core.reap(&shared.config, Instant::now()));
    let mut report = MaintenanceReport { idle_timeouts, lifetimes, ..MaintenanceReport::default() };
    check_health(shared, &mut report).await;
    refill(shared, &mut report).await;
    report
}

/// Passes until the pool ends, holding on to it only during a pass.
pub(crate) async fn run<M: Manager>(pool: Weak<Handle<M>>) {
    let Some(ending) = pool.upgrade().map(|handle| Arc::clone(&handle.shared.ending)) else { return };
    while pass_and_pause(&pool, &ending).await {}
}

/// Whether the pool is still there.
async fn pass_and_pause<M: Manager>(pool: &Weak<Handle<M>>, ending: &Notify) -> bool {
    // Registered before the state is read, so that no end is missed.
    let mut ended = pin!(ending.notified());
    ended.as_mut().enable();
    let shared = pool.upgrade().map(|handle| Arc::clone(&handle.shared));
    let Some(shared) = shared.filter(|shared| shared.state() < PoolState::Draining) else { return false };
    contain(pass(&shared)).await;
    let mut pause = pin!(sleep(shared.config.maintenance_interval));
    drop(shared);
    poll_fn(|cx| {
        if ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        pause.as_mut().poll(cx).map(|()| true)
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
            match validate(shared, &mut object, TimeoutPolicy::Configured).await {
                Ok(Fitness::Fit) => {
                    report.healthy += 1;
                    object.entry_mut().note_healthy(Instant::now());
                    object.set_release_action(ReleaseAction::PutBackColdest);
                }
                Err(failure) if matches!(*failure, Error::NoRuntime { .. }) => return,
                Ok(_) | Err(_) => {
                    report.unhealthy += 1;
                    object.set_release_action(ReleaseAction::Close(CloseReason::Unhealthy));
                }
            }
        }
    }
}

/// Creates objects up to `min_idle`.
async fn refill<M: Manager>(shared: &Arc<Shared<M>>, report: &mut MaintenanceReport<M::Error>) {
    while let Some(permit) = shared.with_core(Core::permit_refill) {
        match Creation::new(shared, permit).run(TimeoutPolicy::Configured).await {
            Ok(Some(mut object)) => {
                report.created += 1;
                object.set_release_action(ReleaseAction::PutBack);
            }
            Ok(None) => {}
            Err(error) => {
                report.create_error = Some(*error);
                return;
            }
        }
    }
}
