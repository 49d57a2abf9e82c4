//! The path of one acquisition: claim a slot, check the object in it or create one, hand it out.
//!
//! Between two awaits the claimed slot is always owned by a value whose drop gives it back ([`Wait`], [`Object`] or
//! [`Vacancy`]), which is what makes the future safe to drop anywhere.

pub(crate) mod create;
pub(crate) mod step;
pub(crate) mod wait;

use std::{panic::Location, pin::pin, sync::Arc};

use tokio::time::Instant;

use crate::{
    CloseReason, Error, Manager, Object, Step,
    acquire::create::Vacancy,
    acquire::step::{Failure, Patience, Ran, run_step},
    acquire::wait::Wait,
    hooks,
    object::Fate,
    state::core::Claim,
    state::shared::Shared,
};

pub(crate) async fn acquire<M: Manager>(
    shared: &Arc<Shared<M>>,
    place: &'static Location<'static>,
    patience: Patience,
) -> Result<Option<Object<M>>, Failure<M>> {
    let may_wait = patience == Patience::Wait;
    let mut waiting_since = None;
    let mut claim = match shared.idle.pop() {
        Some(slot) => Claim::Idle(slot),
        None => shared.with_core(|locked| locked.claim(may_wait))?,
    };
    loop {
        claim = match claim {
            Claim::Idle(slot) => {
                let mut object = Object::check_out(shared, &slot);
                match refresh(shared, &mut object, patience).await? {
                    Fitness::Fit => return Ok(Some(object.lend(shared, place, waiting_since.is_some()))),
                    Fitness::Unfit(reason) => {
                        let slot = object.close_keeping_slot(reason);
                        shared.with_core(|locked| locked.reclaim(slot, reason, may_wait))?
                    }
                    Fitness::Unknown => return Ok(None),
                }
            }
            Claim::Vacancy(new) => {
                let Some(mut object) = Vacancy::new(shared, new).fill(patience).await? else { return Ok(None) };
                let entry = object.entry_mut();
                entry.note_use(entry.metrics.created);
                return Ok(Some(object.lend(shared, place, waiting_since.is_some())));
            }
            Claim::Ticket(ticket) => {
                let since = *waiting_since.get_or_insert_with(Instant::now);
                Wait::new(shared, ticket, since).await?
            }
            Claim::Nothing => return Ok(None),
        };
    }
}

/// What an idle object turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    Fit,
    Unfit(CloseReason),
    /// Finding out would take waiting, and the caller does not.
    Unknown,
}

/// Makes an idle object ready for use, if it is still good. An error leaves it to be closed.
async fn refresh<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    patience: Patience,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    let now = shared.clock.now_at_hand_out();
    if now >= entry.expires_at {
        return Ok(Fitness::Unfit(CloseReason::Lifetime));
    }
    if now >= entry.known_good_at.after(shared.config.validate_after_idle) {
        let fitness = validate(shared, object, patience).await?;
        if fitness != Fitness::Fit {
            return Ok(fitness);
        }
    }
    let fitness = recycle(shared, object, patience).await?;
    if fitness == Fitness::Fit {
        let entry = object.entry_mut();
        entry.metrics.recycled_count += 1;
        entry.note_use(now);
    }
    Ok(fitness)
}

/// Has the manager check an object; maintenance does so too.
pub(crate) async fn validate<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    patience: Patience,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    let ran = {
        let check = pin!(shared.manager.validate(&mut entry.object, &entry.metrics));
        run_step(shared, Step::Validate, patience, check).await
    };
    judge(object, ran, CloseReason::Unhealthy)
}

async fn recycle<M: Manager>(
    shared: &Shared<M>,
    object: &mut Object<M>,
    patience: Patience,
) -> Result<Fitness, Failure<M>> {
    let entry = object.entry_mut();
    if hooks::run(&shared.hooks.pre_recycle, &mut entry.object, &entry.metrics).is_err() {
        return Ok(Fitness::Unfit(CloseReason::RecycleFailed));
    }
    let ran = {
        let reset = pin!(shared.manager.recycle(&mut entry.object, &entry.metrics));
        run_step(shared, Step::Recycle, patience, reset).await
    };
    let fitness = judge(object, ran, CloseReason::RecycleFailed)?;
    let entry = object.entry_mut();
    if fitness == Fitness::Fit && hooks::run(&shared.hooks.post_recycle, &mut entry.object, &entry.metrics).is_err() {
        return Ok(Fitness::Unfit(CloseReason::RecycleFailed));
    }
    Ok(fitness)
}

/// What a check's course says of the object, and what becomes of it should the caller stop here.
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
            object.set_fate(Fate::PutBack);
            Ok(Fitness::Unknown)
        }
        Ok(Ran::CutShort) => Ok(Fitness::Unknown),
        Err(error) => {
            if matches!(*error, Error::Timeout { .. }) {
                object.set_fate(Fate::Close(reason));
            }
            Err(error)
        }
    }
}
