//! The path of one acquisition: claim an object or the permission to create one, check or create it, hand it out.
//!
//! | file | what |
//! |---|---|
//! | `step` | runs a step of the manager under its limits of time |
//! | `wait` | one caller's place in the queue, as a future |
//! | `create` | creating an object with the pool's permission, with or without a caller |
//!
//! **Invariant:** at each await the claim is owned by a value whose drop gives it back ([`Wait`], [`Object`] or
//! [`Creation`]), which makes the future safe to drop anywhere.

pub(crate) mod create;
pub(crate) mod step;
mod wait;

use std::{panic::Location, pin::pin, sync::Arc, time::Duration};

use tokio::time::Instant;

use self::{
    create::Creation,
    step::{Limits, Patience, Ran, run_step},
    wait::Wait,
};
use crate::{
    CloseReason, Error, Manager, Object, Step,
    errors::Failure,
    hooks,
    state::{core::Claim, entry::ReleaseAction, shared::Shared},
};

/// After so many objects that failed their check, a caller has one created instead of trying the next: when a backend
/// has gone, all are bad, and slow checks would add up.
const UNFIT_MAX: u32 = 3;

/// How long a caller is ready to wait.
#[derive(Clone, Copy)]
pub(crate) enum Wish {
    Configured,
    AtMost(Duration),
    NoWait,
}

pub(crate) async fn acquire<M: Manager>(
    shared: &Arc<Shared<M>>,
    place: &'static Location<'static>,
    wish: Wish,
) -> Result<Option<Object<M>>, Failure<M>> {
    let mut now = Instant::now();
    let patience = match wish {
        Wish::Configured => Patience::Limited(Limits::configured(&shared.config, now)),
        Wish::AtMost(limit) => Patience::Limited(Limits::of_call(limit, now)),
        Wish::NoWait => Patience::NoWait,
    };
    let may_wait = patience.waits();
    let mut waiting_since = None;
    let mut unfit = 0;
    let mut claim = shared.with_core(|core| core.claim(may_wait))?;
    loop {
        claim = match claim {
            Claim::Object(entry) => {
                let mut object = Object::new(shared, entry);
                match refresh(shared, &mut object, now, &patience).await? {
                    Fitness::Fit => return Ok(Some(object.lend(place, waiting_since.is_some()))),
                    Fitness::Unfit(reason) => {
                        object.close_unreported(reason);
                        if let Some(step) = failed_check(reason) {
                            unfit += 1;
                            if let Some(failure) = patience.overdue(shared, step) {
                                shared.with_core(|core| core.closed(reason));
                                return Err(failure);
                            }
                        }
                        let prefers_new = may_wait && unfit >= UNFIT_MAX;
                        shared.with_core(|core| core.reclaim(reason, may_wait, prefers_new))?
                    }
                    Fitness::Unknown => return Ok(None),
                }
            }
            Claim::Creation(permit) => {
                let Some(mut object) = Creation::new(shared, permit).attended(&patience).await? else {
                    return Ok(None);
                };
                object.entry_mut().note_first_use();
                return Ok(Some(object.lend(place, waiting_since.is_some())));
            }
            Claim::Ticket(ticket) => {
                let Patience::Limited(limits) = &patience else { unreachable!("only who waits has a ticket") };
                let since = *waiting_since.get_or_insert(now);
                Wait::new(shared, ticket, since, limits).await?
            }
            Claim::Nothing => return Ok(None),
        };
        // Ages are judged by the time of the hand-out, however long the step before took.
        now = Instant::now();
    }
}

/// The check that an object failed which is closed for this reason; `None` if none was needed to see it.
fn failed_check(reason: CloseReason) -> Option<Step> {
    match reason {
        CloseReason::Unhealthy => Some(Step::Validate),
        CloseReason::RecycleFailed => Some(Step::Recycle),
        _ => None,
    }
}

/// The result of checking an idle object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    Fit,
    Unfit(CloseReason),
    /// The check takes time, and the caller does not wait.
    Unknown,
}

/// Makes an idle object ready for use, if it is still good. After an error, the guard's drop closes it.
async fn refresh<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    now: Instant,
    patience: &Patience,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    if entry.has_expired(now) {
        return Ok(Fitness::Unfit(CloseReason::Lifetime));
    }
    if entry.has_idled_for(&shared.config, now) && shared.with_core(|core| core.has_surplus()) {
        return Ok(Fitness::Unfit(CloseReason::IdleTimeout));
    }
    if entry.needs_validation(&shared.config, now) {
        let fitness = validate(shared, object, patience).await?;
        if fitness != Fitness::Fit {
            return Ok(fitness);
        }
    }
    let fitness = recycle(shared, object, patience).await?;
    if fitness == Fitness::Fit {
        object.entry_mut().note_reuse(now);
    }
    Ok(fitness)
}

/// Has the manager check an object; maintenance does so too.
pub(crate) async fn validate<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    patience: &Patience,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    let ran = {
        let check = pin!(shared.manager.validate(&mut entry.object, &entry.metrics));
        run_step(shared, Step::Validate, patience, check).await
    };
    judge(shared, object, ran, Step::Validate, CloseReason::Unhealthy)
}

async fn recycle<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    patience: &Patience,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    if let Err(refusal) = hooks::run(&shared.hooks.pre_recycle, &mut entry.object, &entry.metrics) {
        shared.fail_step(Step::Recycle, &*refusal, &entry.metrics);
        return Ok(Fitness::Unfit(CloseReason::RecycleFailed));
    }
    let ran = {
        let reset = pin!(shared.manager.recycle(&mut entry.object, &entry.metrics));
        run_step(shared, Step::Recycle, patience, reset).await
    };
    judge(shared, object, ran, Step::Recycle, CloseReason::RecycleFailed)
}

/// The fitness that follows from how a check ended. Sets what the guard's drop does if the caller stops here.
#[inline]
fn judge<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    ran: Result<Ran<Result<(), M::Error>>, Failure<M>>,
    step: Step,
    reason: CloseReason,
) -> Result<Fitness, Failure<M>> {
    match ran {
        Ok(Ran::Done(Ok(()))) => Ok(Fitness::Fit),
        Ok(Ran::Done(Err(error))) => {
            shared.fail_step(step, &error, Object::metrics(object));
            Ok(Fitness::Unfit(reason))
        }
        Ok(Ran::NotStarted) => {
            object.set_release_action(ReleaseAction::PutBack);
            Ok(Fitness::Unknown)
        }
        Ok(Ran::CutShort) => Ok(Fitness::Unknown),
        Err(error) => {
            if matches!(*error, Error::Timeout { .. }) {
                object.set_release_action(ReleaseAction::Close(reason));
            }
            Err(error)
        }
    }
}
