//! Callers who wait, in order, and what they were granted.

use std::{collections::BTreeMap, task::Waker};

use super::entry::Entry;
use crate::{Error, Manager};

/// A place in the queue; lower is served earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The permission to create one object: the pool counts it until it is used or given back.
#[derive(Debug)]
pub(crate) struct CreationPermit {
    /// [`Backoff::round`](super::backoff::Backoff::round) when the attempt began.
    pub(crate) round: u32,
}

/// What a waiter is handed.
pub(crate) enum Grant<M: Manager> {
    Object(Box<Entry<M>>),
    Creation(CreationPermit),
    Refused(Error<M::Error>),
}

/// All callers who wait, in order, and the grants not yet picked up.
///
/// A ticket is in exactly one of the two maps from its issue until its holder leaves.
pub(crate) struct Queue<M: Manager> {
    waiting: BTreeMap<Ticket, Option<Waker>>,
    granted: BTreeMap<Ticket, Grant<M>>,
    next_back: u64,
    next_front: u64,
}

/// The state of a ticket when its holder left.
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

    /// Tickets without a grant.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// All tickets, those with a grant to pick up included.
    pub(crate) fn holders(&self) -> usize {
        self.waiting.len() + self.granted.len()
    }

    /// Gives the first in line its grant; the caller wakes it outside the lock.
    pub(crate) fn grant_first(&mut self, grant: Grant<M>) -> Option<Waker> {
        let (ticket, waker) = self.waiting.pop_first()?;
        self.granted.insert(ticket, grant);
        waker
    }

    /// The wakers of all who wait, for them to read the pool's state again.
    pub(crate) fn wakers(&self) -> impl Iterator<Item = Waker> {
        self.waiting.values().flatten().cloned()
    }

    /// Takes the grant, or registers the waker. The waker replaced is for the caller to drop.
    pub(crate) fn poll(&mut self, ticket: Ticket, waker: &Waker) -> Result<Grant<M>, Option<Waker>> {
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
