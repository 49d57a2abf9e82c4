//! Waiting: the queue, and one caller's place in it as a future.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    Error, Manager, Step,
    acquire::step::Failure,
    state::core::{Claim, NewSlot},
    state::shared::Shared,
    state::slot::SlotIndex,
};

/// A place in the queue; lower is served earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What a waiter is handed.
pub(crate) enum Grant<M: Manager> {
    Idle(SlotIndex),
    Vacancy(NewSlot),
    Refused(Error<M::Error>),
}

/// Everyone who waits, in order, and the grants not yet picked up.
///
/// A ticket is in exactly one of the two maps from its issue until its holder leaves.
pub(crate) struct Queue<M: Manager> {
    waiting: BTreeMap<Ticket, Option<Waker>>,
    granted: BTreeMap<Ticket, Grant<M>>,
    next_back: u64,
    next_front: u64,
}

/// What a ticket stood for when its holder left.
pub(crate) enum Left<M: Manager> {
    Waiting(Option<Waker>),
    Granted(Grant<M>),
}

impl<M: Manager> Queue<M> {
    pub(crate) fn new() -> Self {
        Self { waiting: BTreeMap::new(), granted: BTreeMap::new(), next_back: 1 << 63, next_front: (1 << 63) - 1 }
    }

    /// Joins at the end.
    pub(crate) fn enter(&mut self) -> Ticket {
        self.next_back += 1;
        self.insert(Ticket(self.next_back - 1))
    }

    /// Joins before everyone: for a caller that was served before them, with an object that proved unfit.
    pub(crate) fn enter_first(&mut self) -> Ticket {
        self.next_front -= 1;
        self.insert(Ticket(self.next_front + 1))
    }

    fn insert(&mut self, ticket: Ticket) -> Ticket {
        self.waiting.insert(ticket, None);
        ticket
    }

    /// Waiting and not yet granted anything.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Holders of a ticket, those with a grant to pick up included.
    pub(crate) fn holders(&self) -> usize {
        self.waiting.len() + self.granted.len()
    }

    /// Gives the first in line its grant; the caller wakes it outside the lock.
    pub(crate) fn grant_first(&mut self, grant: Grant<M>) -> Option<Waker> {
        let (ticket, waker) = self.waiting.pop_first()?;
        self.granted.insert(ticket, grant);
        waker
    }

    /// The wakers of all who wait, for them to look at the pool's state again.
    pub(crate) fn wakers(&self) -> impl Iterator<Item = Waker> {
        self.waiting.values().flatten().cloned()
    }

    /// Takes the grant, or leaves word whom to wake. The waker replaced is for the caller to drop.
    fn poll(&mut self, ticket: Ticket, waker: &Waker) -> Result<Grant<M>, Option<Waker>> {
        if let Some(grant) = self.granted.remove(&ticket) {
            return Ok(grant);
        }
        Err(match self.waiting.get_mut(&ticket) {
            Some(Some(known)) if known.will_wake(waker) => None,
            Some(known) => known.replace(waker.clone()),
            None => None,
        })
    }

    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Left<M>> {
        if let Some(grant) = self.granted.remove(&ticket) {
            return Some(Left::Granted(grant));
        }
        self.waiting.remove(&ticket).map(Left::Waiting)
    }
}

/// One caller in the queue. Dropping it leaves the queue, and hands on what was granted meanwhile.
pub(crate) struct Wait<'a, M: Manager> {
    shared: &'a Arc<Shared<M>>,
    /// `None` once the outcome is known.
    ticket: Option<Ticket>,
    since: Instant,
    deadline: Option<Instant>,
    /// Made at the first poll that has to wait.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<'a, M: Manager> Wait<'a, M> {
    /// `first_wait` is when the caller began to wait for the first time: its time runs from then.
    pub(crate) fn new(shared: &'a Arc<Shared<M>>, ticket: Ticket, first_wait: Instant) -> Self {
        let deadline = shared.config.wait_timeout.and_then(|limit| first_wait.checked_add(limit));
        Self { shared, ticket: Some(ticket), since: Instant::now(), deadline, alarm: None }
    }

    /// The grant, or until when there is no need to look again.
    fn look(&mut self, ticket: Ticket, waker: &Waker) -> Result<Grant<M>, Option<Instant>> {
        let now = Instant::now();
        let since = self.since;
        let (outcome, _replaced) = self.shared.with_core(|locked| match locked.core.queue.poll(ticket, waker) {
            Ok(grant) => {
                locked.core.counters.count_wait(&grant, now.saturating_duration_since(since));
                (Ok(grant), None)
            }
            // Past its time the retry is in other hands (an attempt is under way, or there is no room for one).
            Err(replaced) => (Err(locked.core.backoff.retry_at().filter(|retry_at| *retry_at > now)), replaced),
        });
        outcome.map_err(|retry_at| retry_at.into_iter().chain(self.deadline).min())
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
    fn expire(&mut self, ticket: Ticket) -> Result<Claim, Failure<M>> {
        let limit = self.shared.config.wait_timeout.unwrap_or_default();
        let (since, now) = (self.since, Instant::now());
        let left = self.shared.with_core(|locked| match locked.core.queue.leave(ticket) {
            Some(Left::Granted(grant)) => {
                locked.core.counters.count_wait(&grant, now.saturating_duration_since(since));
                Ok(grant)
            }
            Some(Left::Waiting(waker)) => {
                locked.core.counters.waits_timed_out += 1;
                Err((waker, locked.core.backoff.last().cloned()))
            }
            None => Err((None, None)),
        });
        match left {
            Ok(grant) => claim(grant),
            Err((_waker, failure)) => Err(Box::new(Error::Timeout {
                step: Step::Wait,
                limit,
                last_failure: failure.map(|failure| Arc::new(failure) as _),
            })),
        }
    }
}

impl<M: Manager> Future for Wait<'_, M> {
    type Output = Result<Claim, Failure<M>>;

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
            if this.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                this.ticket = None;
                return Poll::Ready(this.expire(ticket));
            }
        }
    }
}

impl<M: Manager> Drop for Wait<'_, M> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let _waker = self.shared.with_core(|locked| locked.abandon(ticket));
        }
    }
}

fn claim<M: Manager>(grant: Grant<M>) -> Result<Claim, Failure<M>> {
    match grant {
        Grant::Idle(slot) => Ok(Claim::Idle(slot)),
        Grant::Vacancy(new) => Ok(Claim::Vacancy(new)),
        Grant::Refused(error) => Err(Box::new(error)),
    }
}
