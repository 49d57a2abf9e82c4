//! What happens under the mutex: who gets what.
//!
//! Every method of [`Locked`] runs with the idle stack's gate shut, so that nothing moves but by its hand, and is
//! followed by [`Locked::settle`], which brings the pool back to a state where nobody waits for what is there. A
//! method therefore only records what happened, and never has to think of whom to serve.
//!
//! Nothing foreign runs here: wakers to wake, errors to drop and objects to close go through the [`Outbox`].

use std::{collections::VecDeque, task::Waker};

use parking_lot::MutexGuard;

use crate::{
    CloseReason, Config, Error, IdleOrder, Manager, PoolState,
    acquire::step::Failure,
    acquire::wait::{Grant, Left, Queue, Ticket},
    state::backoff::Backoff,
    state::shared::Shared,
    state::slot::{Entry, SlotIndex, SlotState},
    stats::Counters,
};

pub(crate) struct Core<M: Manager> {
    pub(crate) state: PoolState,
    pub(crate) min_idle: usize,
    pub(crate) max: usize,
    vacant: Vec<SlotIndex>,
    /// Idle slots, longest idle in front, if the order is [`IdleOrder::Fifo`]; the idle stack is empty then.
    fifo: VecDeque<SlotIndex>,
    creating: usize,
    /// Slots whose objects are in the outbox; still occupied.
    closing: usize,
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
}

/// The permission to create an object in a vacant slot.
pub(crate) struct NewSlot {
    pub(crate) slot: SlotIndex,
    /// [`Backoff::round`] at the start.
    pub(crate) round: u32,
}

/// What a caller may do next.
pub(crate) enum Claim {
    /// Take the object in this slot.
    Idle(SlotIndex),
    /// Create one.
    Vacancy(NewSlot),
    /// Wait.
    Ticket(Ticket),
    /// Go away: there is nothing, and the caller does not want to wait.
    Nothing,
}

/// Where a caller stands relative to those who wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Newcomer,
    /// Was served before, with an object that proved unfit; comes before all who wait.
    Returning,
}

impl<M: Manager> Core<M> {
    pub(crate) fn new(config: &Config) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "the ceiling is at most MAX_CEILING")]
        let slots = config.ceiling() as u32;
        Self {
            state: PoolState::Open,
            min_idle: config.min_idle,
            max: config.max,
            vacant: (0..slots).rev().map(SlotIndex::from_raw).collect(),
            fifo: VecDeque::new(),
            creating: 0,
            closing: 0,
            queue: Queue::new(),
            backoff: Backoff::new(config),
            counters: Counters::default(),
            outbox: Outbox::default(),
        }
    }
}

impl<M: Manager> Default for Outbox<M> {
    fn default() -> Self {
        Self { wakers: Vec::new(), errors: Vec::new(), closing: Vec::new(), ending: false }
    }
}

/// The core, locked, with the gate shut.
pub(crate) struct Locked<'a, M: Manager> {
    pub(crate) core: MutexGuard<'a, Core<M>>,
    pub(crate) shared: &'a Shared<M>,
}

/// Acquiring.
impl<M: Manager> Locked<'_, M> {
    /// Decides for a caller who found nothing on the fast path.
    pub(crate) fn claim(&mut self, may_wait: bool) -> Result<Claim, Failure<M>> {
        self.decide(Standing::Newcomer, may_wait)
    }

    /// Decides for a caller whose object was closed; `slot` is the one it was in.
    pub(crate) fn reclaim(
        &mut self,
        slot: SlotIndex,
        reason: CloseReason,
        may_wait: bool,
    ) -> Result<Claim, Failure<M>> {
        self.closed(slot, reason);
        self.decide(Standing::Returning, may_wait)
    }

    fn decide(&mut self, standing: Standing, may_wait: bool) -> Result<Claim, Failure<M>> {
        let returning = standing == Standing::Returning;
        match self.core.state {
            PoolState::Closed => return Err(Box::new(Error::Closed)),
            PoolState::Draining if !returning => return Err(Box::new(Error::Closed)),
            _ => {}
        }
        let may_take = self.core.state != PoolState::Paused && (returning || self.core.queue.waiting() == 0);
        if may_take {
            if let Some(slot) = self.pop_idle() {
                return Ok(Claim::Idle(slot));
            }
            if let Some(new) = self.open_vacancy() {
                return Ok(Claim::Vacancy(new));
            }
        }
        let max_waiters = self.shared.config.max_waiters;
        match (may_wait, returning) {
            (false, _) => Ok(Claim::Nothing),
            (true, true) => Ok(Claim::Ticket(self.core.queue.enter_first())),
            (true, false) if self.core.queue.waiting() >= max_waiters => {
                Err(Box::new(Error::QueueFull { max_waiters }))
            }
            (true, false) => Ok(Claim::Ticket(self.core.queue.enter())),
        }
        .inspect(|claim| self.core.counters.waits += u64::from(matches!(claim, Claim::Ticket(_))))
    }

    /// Room to create an object, if there is any and creation is not backing off.
    pub(crate) fn open_vacancy(&mut self) -> Option<NewSlot> {
        if self.occupied() >= self.core.max || !self.core.backoff.permits(self.core.creating) {
            return None;
        }
        let slot = self.core.vacant.pop()?;
        self.shared.slot(&slot).set_state(SlotState::Creating);
        self.core.creating += 1;
        Some(NewSlot { slot, round: self.core.backoff.round() })
    }

    /// A waiter left before it had its answer: what it was granted goes back. Returns its waker, for the caller to
    /// drop outside the lock.
    pub(crate) fn abandon(&mut self, ticket: Ticket) -> Option<Waker> {
        self.core.counters.waits_abandoned += 1;
        match self.core.queue.leave(ticket)? {
            Left::Waiting(waker) => return waker,
            Left::Granted(Grant::Idle(slot)) => self.push_idle(slot),
            Left::Granted(Grant::Vacancy(new)) => self.cancel_creation(new.slot),
            Left::Granted(Grant::Refused(error)) => self.core.outbox.errors.push(error),
        }
        None
    }
}

/// Creating and closing.
impl<M: Manager> Locked<'_, M> {
    /// The object for `slot` exists. Whether the pool still wants it.
    pub(crate) fn created(&mut self, slot: &SlotIndex) -> bool {
        self.core.creating -= 1;
        self.core.counters.created += 1;
        self.shared.slot(slot).set_state(SlotState::Busy);
        let forgotten = self.core.backoff.succeed();
        self.core.outbox.errors.extend(forgotten);
        self.core.state != PoolState::Closed
    }

    /// The attempt was given up without a verdict on the backend.
    pub(crate) fn cancel_creation(&mut self, slot: SlotIndex) {
        self.core.creating -= 1;
        self.vacate(slot);
    }

    /// The attempt failed (`None`: it panicked). Waiters for whom there is no other hope share the error; the
    /// others wake to learn when the next attempt is due.
    pub(crate) fn creation_failed(&mut self, new: NewSlot, error: Option<&Error<M::Error>>) {
        self.cancel_creation(new.slot);
        self.core.counters.create_failures += 1;
        let forgotten = self.core.backoff.fail(new.round, error.cloned());
        self.core.outbox.errors.extend(forgotten);
        match error {
            Some(error) if self.occupied() == 0 => self.refuse_all(error),
            _ => self.wake_all(),
        }
    }

    /// An object was closed: its slot is free again.
    pub(crate) fn closed(&mut self, slot: SlotIndex, reason: CloseReason) {
        self.core.counters.count_closed(reason);
        self.vacate(slot);
    }

    /// The same for an object that went through the outbox.
    pub(crate) fn closed_from_outbox(&mut self, slot: SlotIndex, reason: CloseReason) {
        self.core.closing -= 1;
        self.closed(slot, reason);
    }

    /// Has an idle object closed. Its slot stays occupied until that is done.
    pub(crate) fn retire(&mut self, slot: &SlotIndex, reason: CloseReason) {
        let entry = self.shared.slot(slot).unpark();
        self.core.closing += 1;
        self.core.outbox.closing.push((entry, reason));
    }

    fn vacate(&mut self, slot: SlotIndex) {
        self.shared.slot(&slot).set_state(SlotState::Vacant);
        self.core.vacant.push(slot);
    }

    fn refuse_all(&mut self, error: &Error<M::Error>) {
        while self.core.queue.waiting() > 0 {
            let waker = self.core.queue.grant_first(Grant::Refused(error.clone()));
            self.core.outbox.wakers.extend(waker);
        }
    }

    fn wake_all(&mut self) {
        let core = &mut *self.core;
        core.outbox.wakers.extend(core.queue.wakers());
    }
}

/// Settling.
impl<M: Manager> Locked<'_, M> {
    /// Brings the pool to rest: whatever is free is with the first who waits for it, and what is too much goes.
    pub(crate) fn settle(&mut self) {
        if self.core.state == PoolState::Closed {
            self.refuse_all(&Error::Closed);
        }
        self.shrink();
        if self.core.state != PoolState::Paused {
            self.serve_waiters();
        }
        let ending = self.core.state >= PoolState::Draining && self.core.queue.waiting() == 0;
        if ending {
            while let Some(slot) = self.pop_idle() {
                self.retire(&slot, CloseReason::Shutdown);
            }
            if self.occupied() == 0 {
                self.core.state = PoolState::Closed;
                self.core.outbox.ending = true;
            }
        }
    }

    /// Whether the fast path may run: nobody waits, nothing is held back, nothing has to go.
    pub(crate) fn is_calm(&self) -> bool {
        self.core.queue.waiting() == 0
            && self.core.state == PoolState::Open
            && self.occupied() <= self.core.max
            && self.shared.config.idle_order == IdleOrder::Lifo
    }

    fn serve_waiters(&mut self) {
        while self.core.queue.waiting() > 0 {
            let grant = if let Some(slot) = self.pop_idle() {
                Grant::Idle(slot)
            } else if let Some(new) = self.open_vacancy() {
                Grant::Vacancy(new)
            } else {
                return;
            };
            let waker = self.core.queue.grant_first(grant);
            self.core.outbox.wakers.extend(waker);
        }
    }

    /// After a resize: closes idle objects above `max`, coldest first.
    fn shrink(&mut self) {
        let excess = (self.occupied() - self.core.closing).saturating_sub(self.core.max);
        if excess == 0 {
            return;
        }
        let mut idle = self.take_idle();
        for slot in idle.split_off(idle.len().saturating_sub(excess)) {
            self.retire(&slot, CloseReason::Shrunk);
        }
        self.restore_idle(idle);
    }
}

/// Idle objects, in either order.
impl<M: Manager> Locked<'_, M> {
    /// Slots that are not vacant.
    pub(crate) fn occupied(&self) -> usize {
        self.shared.slots.len() - self.core.vacant.len()
    }

    pub(crate) fn pop_idle(&mut self) -> Option<SlotIndex> {
        let slot = match self.shared.config.idle_order {
            IdleOrder::Lifo => self.shared.idle.pop_gated(),
            IdleOrder::Fifo => self.core.fifo.pop_front(),
        }?;
        self.shared.slot(&slot).set_state(SlotState::Busy);
        Some(slot)
    }

    /// The slot's object is parked; it is the most recently used one.
    pub(crate) fn push_idle(&mut self, slot: SlotIndex) {
        self.shared.slot(&slot).set_state(SlotState::Idle);
        match self.shared.config.idle_order {
            IdleOrder::Lifo => self.shared.idle.push_gated(&slot),
            IdleOrder::Fifo => self.core.fifo.push_back(slot),
        }
    }

    /// The slot's object is parked; it is the least recently used one.
    pub(crate) fn push_idle_coldest(&mut self, slot: SlotIndex) {
        self.shared.slot(&slot).set_state(SlotState::Idle);
        match self.shared.config.idle_order {
            IdleOrder::Lifo => self.shared.idle.push_bottom_gated(&slot),
            IdleOrder::Fifo => self.core.fifo.push_front(slot),
        }
    }

    pub(crate) fn idle_count(&self) -> usize {
        match self.shared.config.idle_order {
            IdleOrder::Lifo => self.shared.idle.count_gated(),
            IdleOrder::Fifo => self.core.fifo.len(),
        }
    }

    /// All idle slots, most recently used first.
    pub(crate) fn take_idle(&mut self) -> Vec<SlotIndex> {
        match self.shared.config.idle_order {
            IdleOrder::Lifo => std::iter::from_fn(|| self.shared.idle.pop_gated()).collect(),
            IdleOrder::Fifo => self.core.fifo.drain(..).rev().collect(),
        }
    }

    /// Undoes [`take_idle`](Self::take_idle) for the slots that are left.
    pub(crate) fn restore_idle(&mut self, hottest_first: Vec<SlotIndex>) {
        for slot in hottest_first.into_iter().rev() {
            self.push_idle(slot);
        }
    }
}
