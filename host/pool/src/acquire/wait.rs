//! One caller's place in the queue, as a future.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

use super::step::Limits;
use crate::{
    Error, Manager, Step,
    errors::{Exceeded, Failure},
    state::{
        core::{Claim, Core},
        queue::{Grant, Left, Ticket},
        shared::Shared,
    },
};

/// One caller in the queue. Dropping it leaves the queue, and hands on what was granted meanwhile.
pub(crate) struct Wait<'a, M: Manager> {
    shared: &'a Arc<Shared<M>>,
    /// `None` once the outcome is known.
    ticket: Option<Ticket>,
    since: Instant,
    /// When the wait ends, and which limit ends it.
    end: Option<(Instant, Exceeded)>,
    /// Made at the first poll that has to wait.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<'a, M: Manager> Wait<'a, M> {
    /// `first_wait` is when the caller began to wait for the first time: the limit on waits counts from then.
    pub(crate) fn new(shared: &'a Arc<Shared<M>>, ticket: Ticket, first_wait: Instant, limits: &Limits) -> Self {
        let own = limits.wait.and_then(|limit| Some((first_wait.checked_add(limit)?, Exceeded::Step(limit))));
        let end = Exceeded::first(own, limits.end());
        Self { shared, ticket: Some(ticket), since: Instant::now(), end, alarm: None }
    }

    /// The grant, or until when there is no need to look again.
    fn look(&mut self, ticket: Ticket, waker: &Waker) -> Result<Grant<M>, Option<Instant>> {
        let now = Instant::now();
        let since = self.since;
        let (outcome, _replaced) = self.shared.with_core(|core| match core.queue.poll(ticket, waker) {
            Ok(grant) => {
                count_wait(core, &grant, now.saturating_duration_since(since));
                (Ok(grant), None)
            }
            // A retry time in the past is for others to act on: an attempt is under way, or there is no room for one.
            Err(replaced) => (Err(core.backoff.retry_at().filter(|retry_at| *retry_at > now)), replaced),
        });
        outcome.map_err(|retry_at| retry_at.into_iter().chain(self.end.map(|(at, _)| at)).min())
    }

    fn poll_alarm(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<Result<(), Failure<M>>> {
        let alarm = match &mut self.alarm {
            Some(alarm) => {
                if alarm.deadline() != at {
                    alarm.as_mut().reset(at);
                }
                alarm
            }
            None if Handle::try_current().is_err() => {
                return Poll::Ready(Err(Box::new(Error::NoRuntime { step: Step::Wait })));
            }
            none => none.insert(Box::pin(sleep_until(at))),
        };
        alarm.as_mut().poll(cx).map(Ok)
    }

    /// Gives up, unless a grant came at the last moment.
    fn expire(&mut self, ticket: Ticket, exceeded: Exceeded) -> Result<Claim<M>, Failure<M>> {
        let (since, now) = (self.since, Instant::now());
        let left = self.shared.with_core(|core| match core.queue.leave(ticket) {
            Some(Left::Granted(grant)) => {
                count_wait(core, &grant, now.saturating_duration_since(since));
                Ok(grant)
            }
            Some(Left::Waiting(waker)) => {
                core.counters.waits_timed_out += 1;
                core.counters.count_timeout(Step::Wait, exceeded);
                Err((waker, core.backoff.last().cloned()))
            }
            None => Err((None, None)),
        });
        match left {
            Ok(grant) => claim(grant),
            Err((_waker, failure)) => {
                let last_failure = failure.map(|failure| Arc::new(failure) as _);
                Err(Box::new(exceeded.error(Step::Wait, last_failure)))
            }
        }
    }
}

impl<M: Manager> Future for Wait<'_, M> {
    type Output = Result<Claim<M>, Failure<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let Some(ticket) = this.ticket else { unreachable!("polled after it was ready") };
            let look_again_at = match this.look(ticket, cx.waker()) {
                Ok(grant) => {
                    this.ticket = None;
                    return Poll::Ready(claim(grant));
                }
                Err(None) => return Poll::Pending,
                Err(Some(at)) => at,
            };
            if let Err(no_runtime) = ready!(this.poll_alarm(look_again_at, cx)) {
                return Poll::Ready(Err(no_runtime));
            }
            if let Some((_, exceeded)) = this.end.filter(|(at, _)| *at <= Instant::now()) {
                this.ticket = None;
                return Poll::Ready(this.expire(ticket, exceeded));
            }
        }
    }
}

impl<M: Manager> Drop for Wait<'_, M> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let _waker = self.shared.with_core(|core| core.abandon(ticket));
        }
    }
}

fn count_wait<M: Manager>(core: &mut Core<M>, grant: &Grant<M>, took: Duration) {
    match grant {
        Grant::Refused(_) => core.counters.count_refused_wait(),
        Grant::Object(_) | Grant::Creation(_) => core.counters.count_granted_wait(took),
    }
}

fn claim<M: Manager>(grant: Grant<M>) -> Result<Claim<M>, Failure<M>> {
    match grant {
        Grant::Object(entry) => Ok(Claim::Object(entry)),
        Grant::Creation(permit) => Ok(Claim::Creation(permit)),
        Grant::Refused(error) => Err(Box::new(error)),
    }
}
