//! What happens under the mutex: who gets what.
//!
//! A method records what happened; [`Core::settle`], which follows every one, brings the pool back to a state in which
//! nobody waits for what is free. No other method decides whom to serve.
//!
//! No code of users runs here: wakers to wake, errors to drop and objects to close go through the [`Outbox`].

use std::{collections::VecDeque, task::Waker, time::Duration};

use tokio::time::Instant;

use super::{
    backoff::Backoff,
    entry::Entry,
    queue::{CreationPermit, Grant, Left, Queue, Ticket},
};
use crate::{
    CloseReason, Config, Error, IdleOrder, Manager, PoolState,
    errors::Failure,
    stats::{Counters, Gauges},
};

pub(crate) struct Core<M: Manager> {
    pub(crate) state: PoolState,
    pub(crate) min_idle: usize,
    pub(crate) max: usize,
    max_waiters: usize,
    idle_order: IdleOrder,
    /// Idle objects, released last at the back.
    idle: VecDeque<Box<Entry<M>>>,
    /// Objects on loan, being checked or being closed, and those granted to waiters.
    active: usize,
    creating: usize,
    /// The active objects that are in the outbox.
    closing: usize,
    /// Maintenance sleeps, and is to be woken when there is something to create.
    pub(crate) is_maintenance_asleep: bool,
    pub(crate) queue: Queue<M>,
    pub(crate) backoff: Backoff<M>,
    pub(crate) counters: Counters,
    pub(crate) outbox: Outbox<M>,
}

/// What is done once the mutex is free again.
pub(crate) struct Outbox<M: Manager> {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) errors: Vec<Error<M::Error>>,
    pub(crate) closing: Vec<(Box<Entry<M>>, CloseReason)>,
    /// The pool began to drain, was closed, or lost its last object after that.
    pub(crate) ending: bool,
    /// Maintenance has something to create, or another time to do so.
    pub(crate) refill: bool,
}

/// What a caller may do next.
pub(crate) enum Claim<M: Manager> {
    /// Use this object, if it is still fit.
    Object(Box<Entry<M>>),
    /// Create one.
    Creation(CreationPermit),
    /// Wait.
    Ticket(Ticket),
    /// Give up: there is nothing, and the caller does not wait.
    Nothing,
}

/// A caller's rank relative to those who wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    Newcomer,
    /// Was served before, with an object that proved unfit; comes before all who wait.
    Returning,
}

impl<M: Manager> Core<M> {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            state: PoolState::Open,
            min_idle: config.min_idle,
            max: config.max,
            max_waiters: config.max_waiters,
            idle_order: config.idle_order,
            idle: VecDeque::new(),
            active: 0,
            creating: 0,
            closing: 0,
            is_maintenance_asleep: false,
            queue: Queue::new(),
            backoff: Backoff::new(config),
            counters: Counters::default(),
            outbox: Outbox::default(),
        }
    }

    /// Objects that exist or are being created.
    pub(crate) fn occupied(&self) -> usize {
        self.active + self.idle.len() + self.creating
    }

    pub(crate) fn gauges(&self) -> Gauges {
        Gauges {
            min_idle: self.min_idle,
            max: self.max,
            active: self.active,
            idle: self.idle.len(),
            creating: self.creating,
            waiters: self.queue.holders(),
        }
    }
}

impl<M: Manager> Default for Outbox<M> {
    fn default() -> Self {
        Self { wakers: Vec::new(), errors: Vec::new(), closing: Vec::new(), ending: false, refill: false }
    }
}

impl<M: Manager> Outbox<M> {
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.errors.is_empty() && self.closing.is_empty() && !self.ending && !self.refill
    }
}

/// Acquiring.
impl<M: Manager> Core<M> {
    /// Decides for a caller who just came.
    #[inline]
    pub(crate) fn claim(&mut self, may_wait: bool) -> Result<Claim<M>, Failure<M>> {
        self.decide(Rank::Newcomer, may_wait, false)
    }

    /// Decides for a caller whose object was closed for `reason`, and who has lost trust in idle ones if it
    /// `prefers_new`.
    pub(crate) fn reclaim(
        &mut self,
        reason: CloseReason,
        may_wait: bool,
        prefers_new: bool,
    ) -> Result<Claim<M>, Failure<M>> {
        self.closed(reason);
        self.decide(Rank::Returning, may_wait, prefers_new)
    }

    #[inline]
    fn decide(&mut self, rank: Rank, may_wait: bool, prefers_new: bool) -> Result<Claim<M>, Failure<M>> {
        let returning = rank == Rank::Returning;
        match self.state {
            PoolState::Closed => return Err(Box::new(Error::Closed)),
            PoolState::Draining if !returning => return Err(Box::new(Error::Closed)),
            _ => {}
        }
        let may_take = self.state != PoolState::Paused && (returning || self.queue.waiting() == 0);
        if may_take {
            if prefers_new && let Some(permit) = self.permit_creation() {
                return Ok(Claim::Creation(permit));
            }
            if let Some(entry) = self.pop_idle() {
                return Ok(Claim::Object(entry));
            }
            if let Some(permit) = self.permit_creation() {
                return Ok(Claim::Creation(permit));
            }
        }
        self.line_up(returning, may_wait)
    }

    fn line_up(&mut self, returning: bool, may_wait: bool) -> Result<Claim<M>, Failure<M>> {
        if !may_wait {
            return Ok(Claim::Nothing);
        }
        let ticket = if returning {
            self.queue.enter_first()
        } else if self.queue.waiting() < self.max_waiters {
            self.queue.enter()
        } else {
            return Err(Box::new(Error::QueueFull { max_waiters: self.max_waiters }));
        };
        self.counters.waits += 1;
        Ok(Claim::Ticket(ticket))
    }

    /// The permission to create an object, if there is room for one and creation is not backing off.
    pub(crate) fn permit_creation(&mut self) -> Option<CreationPermit> {
        if !self.may_create() {
            return None;
        }
        self.creating += 1;
        Some(CreationPermit { round: self.backoff.round() })
    }

    fn may_create(&self) -> bool {
        self.occupied() < self.max && self.backoff.permits(self.creating)
    }

    /// A waiter left before it had its answer: what it was granted goes back. Returns its waker, for the caller to
    /// drop outside the lock.
    pub(crate) fn abandon(&mut self, ticket: Ticket) -> Option<Waker> {
        self.counters.waits_abandoned += 1;
        match self.queue.leave(ticket)? {
            Left::Waiting(waker) => return waker,
            Left::Granted(Grant::Object(entry)) => self.push_idle(entry),
            Left::Granted(Grant::Creation(_)) => self.cancel_creation(),
            Left::Granted(Grant::Refused(error)) => self.outbox.errors.push(error),
        }
        None
    }
}

/// Creating and closing.
impl<M: Manager> Core<M> {
    /// A permitted object exists. Whether the pool still wants it.
    pub(crate) fn created(&mut self) -> bool {
        self.creating -= 1;
        self.active += 1;
        self.counters.created += 1;
        let forgotten = self.backoff.succeed();
        self.outbox.errors.extend(forgotten);
        self.state != PoolState::Closed
    }

    /// The attempt was given up without a verdict on the backend.
    pub(crate) fn cancel_creation(&mut self) {
        self.creating -= 1;
    }

    /// The attempt failed (`None`: it panicked). If no object is left to wait for, all waiters share the error;
    /// otherwise they wake to learn when the next attempt is due.
    pub(crate) fn creation_failed(&mut self, permit: &CreationPermit, error: Option<&Error<M::Error>>) {
        self.cancel_creation();
        self.counters.create_failures += 1;
        let forgotten = self.backoff.fail(permit.round, error.cloned());
        self.outbox.errors.extend(forgotten);
        // It learns when the next attempt is due.
        self.wake_maintenance();
        match error {
            Some(error) if self.occupied() == 0 => self.refuse_all(error),
            _ => self.outbox.wakers.extend(self.queue.wakers()),
        }
    }

    /// An active object was closed.
    pub(crate) fn closed(&mut self, reason: CloseReason) {
        self.active -= 1;
        self.counters.count_closed(reason);
    }

    /// The same for an object that went through the outbox.
    pub(crate) fn closed_from_outbox(&mut self, reason: CloseReason) {
        self.closing -= 1;
        self.closed(reason);
    }

    /// Has an object closed that was just taken from the idle ones. It counts as active until that is done.
    fn retire(&mut self, entry: Box<Entry<M>>, reason: CloseReason) {
        self.active += 1;
        self.closing += 1;
        self.outbox.closing.push((entry, reason));
    }

    fn refuse_all(&mut self, error: &Error<M::Error>) {
        while self.queue.waiting() > 0 {
            let waker = self.queue.grant_first(Grant::Refused(error.clone()));
            self.outbox.wakers.extend(waker);
        }
    }
}

/// Settling.
impl<M: Manager> Core<M> {
    /// Settles the pool: free objects and places go to the first waiters, and surplus objects are closed.
    #[inline]
    pub(crate) fn settle(&mut self) {
        let is_at_rest = self.state == PoolState::Open && self.queue.waiting() == 0 && self.excess() == 0;
        if !is_at_rest {
            self.settle_changes();
        }
        if self.is_maintenance_asleep && self.lacks_idle() && self.may_create() {
            self.wake_maintenance();
        }
    }

    fn wake_maintenance(&mut self) {
        self.outbox.refill |= std::mem::take(&mut self.is_maintenance_asleep);
    }

    fn settle_changes(&mut self) {
        if self.state == PoolState::Closed {
            self.refuse_all(&Error::Closed);
        }
        self.shrink();
        if self.state != PoolState::Paused {
            self.serve_waiters();
        }
        let ending = self.state >= PoolState::Draining && self.queue.waiting() == 0;
        if ending {
            while let Some(entry) = self.idle.pop_back() {
                self.retire(entry, CloseReason::Shutdown);
            }
            if self.occupied() == 0 {
                self.state = PoolState::Closed;
                self.outbox.ending = true;
            }
        }
    }

    fn serve_waiters(&mut self) {
        while self.queue.waiting() > 0 {
            let grant = if let Some(entry) = self.pop_idle() {
                Grant::Object(entry)
            } else if let Some(permit) = self.permit_creation() {
                Grant::Creation(permit)
            } else {
                return;
            };
            let waker = self.queue.grant_first(grant);
            self.outbox.wakers.extend(waker);
        }
    }

    /// Objects above `max` that are not being closed yet.
    fn excess(&self) -> usize {
        (self.occupied() - self.closing).saturating_sub(self.max)
    }

    /// After a resize: closes idle objects above `max`, coldest first.
    fn shrink(&mut self) {
        for _ in 0..self.excess() {
            let Some(coldest) = self.idle.pop_front() else { return };
            self.retire(coldest, CloseReason::Shrunk);
        }
    }
}

/// Idle objects.
impl<M: Manager> Core<M> {
    /// Takes the next object to hand out.
    #[inline]
    fn pop_idle(&mut self) -> Option<Box<Entry<M>>> {
        let entry = match self.idle_order {
            IdleOrder::Lifo => self.idle.pop_back(),
            IdleOrder::Fifo => self.idle.pop_front(),
        }?;
        self.active += 1;
        Some(entry)
    }

    /// An active object becomes idle, most recently used.
    #[inline]
    pub(crate) fn push_idle(&mut self, entry: Box<Entry<M>>) {
        self.active -= 1;
        self.idle.push_back(entry);
    }

    /// An active object becomes idle, least recently used.
    pub(crate) fn push_idle_coldest(&mut self, entry: Box<Entry<M>>) {
        self.active -= 1;
        self.idle.push_front(entry);
    }

    /// Closes the coldest objects that are idle for too long, down to `min_idle`, and those that are too old. Returns
    /// how many of each.
    pub(crate) fn reap(&mut self, config: &Config, now: Instant) -> (usize, usize) {
        let (expired, kept): (Vec<_>, Vec<_>) = self.idle.drain(..).partition(|entry| entry.has_expired(now));
        self.idle.extend(kept);
        let lifetimes = expired.len();
        for entry in expired {
            self.retire(entry, CloseReason::Lifetime);
        }
        self.idle.iter_mut().for_each(|entry| entry.note_idle(now));
        let mut idle_timeouts = 0;
        while self.idle.len() > self.min_idle
            && let Some(coldest) = self.idle.pop_front_if(|coldest| coldest.has_idled_for(config, now))
        {
            self.retire(coldest, CloseReason::IdleTimeout);
            idle_timeouts += 1;
        }
        (idle_timeouts, lifetimes)
    }

    /// Takes out a share of the idle objects whose health check is due, hottest first.
    pub(crate) fn take_due(&mut self, config: &Config, one_in: usize, now: Instant) -> Vec<Box<Entry<M>>> {
        if self.state != PoolState::Open {
            return Vec::new();
        }
        let few = (self.idle.len() / one_in).max(1);
        let due = self.idle.iter().enumerate().rev().filter(|(_, entry)| entry.is_due_for_check(config, now));
        let due: Vec<usize> = due.map(|(position, _)| position).take(few).collect();
        self.active += due.len();
        // From the back, so that the positions before stay as they are.
        due.into_iter().filter_map(|position| self.idle.remove(position)).collect()
    }

    /// The permission to create one more object to keep idle.
    pub(crate) fn permit_refill(&mut self) -> Option<CreationPermit> {
        if self.lacks_idle() { self.permit_creation() } else { None }
    }

    /// Whether maintenance has to create. While anyone waits, they create for themselves.
    #[inline]
    fn lacks_idle(&self) -> bool {
        self.idle.len() + self.creating < self.min_idle && self.state == PoolState::Open && self.queue.waiting() == 0
    }

    /// Whether the idle objects and one more are more than have to be kept.
    pub(crate) fn has_surplus(&self) -> bool {
        self.idle.len() >= self.min_idle
    }

    /// Whether nobody will ever want an object that is created now.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.state >= PoolState::Draining && self.queue.waiting() == 0
    }

    /// Lets maintenance sleep until it is woken, and for how long at most: until an idle object is due, or `min_idle`
    /// can be tried again. An object that is released meanwhile is not due sooner than after a whole idle time.
    pub(crate) fn rest(&mut self, config: &Config, now: Instant) -> Duration {
        self.is_maintenance_asleep = true;
        let (idle, surplus) = (self.idle.iter(), self.idle.len() > self.min_idle);
        let ends = idle.filter_map(|entry| entry.ends_at(config, surplus)).min();
        let retry = self.backoff.retry_at().filter(|retry_at| self.lacks_idle() && *retry_at > now);
        let until = ends.into_iter().chain(retry).min().map(|at| at.saturating_duration_since(now));
        let idle_timeout = config.idle_timeout.filter(|_| config.times_releases());
        [until, idle_timeout].into_iter().flatten().fold(config.maintenance_interval, Duration::min)
    }

    /// Takes out all idle objects, hottest last.
    pub(crate) fn take_idle(&mut self) -> VecDeque<Box<Entry<M>>> {
        self.active += self.idle.len();
        std::mem::take(&mut self.idle)
    }

    /// Puts back what [`take_idle`](Self::take_idle) took, under what was released since.
    pub(crate) fn put_back_idle(&mut self, mut entries: VecDeque<Box<Entry<M>>>) {
        self.active -= entries.len();
        entries.append(&mut self.idle);
        self.idle = entries;
    }
}
