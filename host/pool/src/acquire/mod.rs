//! The path of one acquisition: claim an object or the permission to create one, check or create it, hand it out.
//!
//! | file | what |
//! |---|---|
//! | `step` | runs a step of the manager under its timeout |
//! | `wait` | one caller's place in the queue, as a future |
//! | `create` | creating an object with the pool's permission |
//!
//! **Invariant:** at each await the claim is owned by a value whose drop gives it back ([`Wait`], [`Object`] or
//! [`Creation`]), which makes the future safe to drop anywhere.

pub(crate) mod create;
pub(crate) mod step;
mod wait;

use std::{panic::Location, pin::pin, sync::Arc};

use tokio::time::Instant;

use self::{
    create::Creation,
    step::{Ran, TimeoutPolicy, run_step},
    wait::Wait,
};
use crate::{
    CloseReason, Error, Manager, Object, Step,
    errors::Failure,
    hooks,
    state::{core::Claim, entry::ReleaseAction, shared::Shared},
};

pub(crate) async fn acquire<M: Manager>(
    shared: &Arc<Shared<M>>,
    place: &'static Location<'static>,
    policy: TimeoutPolicy,
) -> Result<Option<Object<M>>, Failure<M>> {
    let may_wait = policy == TimeoutPolicy::Configured;
    let mut waiting_since = None;
    let mut claim = shared.with_core(|core| core.claim(may_wait))?;
    loop {
        claim = match claim {
            Claim::Object(entry) => {
                let mut object = Object::new(shared, entry);
                match refresh(shared, &mut object, policy).await? {
                    Fitness::Fit => return Ok(Some(object.lend(place, waiting_since.is_some()))),
                    Fitness::Unfit(reason) => {
                        object.close_unreported(reason);
                        shared.with_core(|core| core.reclaim(reason, may_wait))?
                    }
                    Fitness::Unknown => return Ok(None),
                }
            }
            Claim::Creation(permit) => {
                let Some(mut object) = Creation::new(shared, permit).run(policy).await? else { return Ok(None) };
                object.entry_mut().note_first_use();
                return Ok(Some(object.lend(place, waiting_since.is_some())));
            }
            Claim::Ticket(ticket) => {
                let since = *waiting_since.get_or_insert_with(Instant::now);
                Wait::new(shared, ticket, since).await?
            }
            Claim::Nothing => return Ok(None),
        };
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
    policy: TimeoutPolicy,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    let now = Instant::now();
    if entry.has_expired(now) {
        return Ok(Fitness::Unfit(CloseReason::Lifetime));
    }
    if entry.needs_validation(&shared.config, now) {
        let fitness = validate(shared, object, policy).await?;
        if fitness != Fitness::Fit {
            return Ok(fitness);
        }
    }
    let fitness = recycle(shared, object, policy).await?;
    if fitness == Fitness::Fit {
        object.entry_mut().note_reuse(now);
    }
    Ok(fitness)
}

/// Has the manager check an object; maintenance does so too.
pub(crate) async fn validate<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    policy: TimeoutPolicy,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    let ran = {
        let check = pin!(shared.manager.validate(&mut entry.object, &entry.metrics));
        run_step(shared, Step::Validate, policy, check).await
    };
    judge(object, ran, CloseReason::Unhealthy)
}

async fn recycle<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    policy: TimeoutPolicy,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    if hooks::run(&shared.hooks.pre_recycle, &mut entry.object, &entry.metrics).is_err() {
        return Ok(Fitness::Unfit(CloseReason::RecycleFailed));
    }
    let ran = {
        let reset = pin!(shared.manager.recycle(&mut entry.object, &entry.metrics));
        run_step(shared, Step::Recycle, policy, reset).await
    };
    judge(object, ran, CloseReason::RecycleFailed)
}

/// The fitness that follows from how a check ended. Sets what the guard's drop does if the caller stops here.
#[inline]
fn judge<M: Manager>(
    object: &mut Object<M>,
    ran: Result<Ran<Result<(), M::Error>>, Failure<M>>,
    reason: CloseReason,
) -> Result<Fitness, Failure<M>> {
    match ran {
        Ok(Ran::Done(Ok(()))) => Ok(Fitness::Fit),
        Ok(Ran::Done(Err(_))) => Ok(Fitness::Unfit(reason)),
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
