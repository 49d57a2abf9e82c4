//! Turns: a transaction that has lost again and again gets to commit once without being disturbed.
//!
//! Optimistic transactions that meet on a key can starve: whoever is slower loses every time. One that has lost a few times queues, with
//! the [`Footprint`] of its last attempt, behind the others whose footprints meet its own. When these are done it has the turn. A turn
//! is no lock: it ends with the commit, or after [`TURN_MS`]; until then other commits that would change what the footprint names
//! wait. What the transaction really reads and writes in its turn is validated as always.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::transaction::{ReadSet, WriteSet};
use crate::{Clock, KeyRange};

/// How long a turn lasts, in milliseconds, and how long anybody waits for others' turns to commit.
pub const TURN_MS: u64 = 100;

/// Transactions that queue at a time, and the bytes of their footprints. More go on without a turn.
const QUEUED_MAX: usize = 256;
const FOOTPRINT_BYTES_MAX: usize = 16 << 20;

/// What an attempt to commit read and would have written.
#[derive(Debug)]
pub struct Footprint {
    reads: ReadSet,
    writes: BTreeSet<Box<[u8]>>,
}

impl Footprint {
    pub(crate) fn new(mut reads: ReadSet, writes: WriteSet) -> Self {
        reads.merge_ranges();
        Self { reads, writes: writes.into_keys().collect() }
    }

    /// Whether a change of `key` would be a change of what it names.
    #[must_use]
    pub fn names(&self, key: &[u8]) -> bool {
        self.reads.touches(key) || self.writes.contains(key)
    }

    /// Whether a change somewhere in `range` could be.
    #[must_use]
    pub fn names_some_of(&self, range: &KeyRange) -> bool {
        self.reads.meets(range) || self.writes.iter().any(|key| range.contains(key))
    }

    /// Whether either would change what the other names.
    fn meets(&self, other: &Self) -> bool {
        self.writes.iter().any(|key| other.names(key)) || other.writes.iter().any(|key| self.names(key))
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const KEY_BYTES: usize = 48;
        let keys = self.reads.keys.keys().chain(&self.writes);
        let ranges = self.reads.ranges.len() * 4 * KEY_BYTES;
        ranges + keys.map(|key| key.len() + KEY_BYTES).sum::<usize>()
    }
}

/// The transactions that queue for a turn or have it.
pub(crate) struct Turns {
    clock: Arc<dyn Clock>,
    count: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Ticket>>>,
    /// Told whenever a transaction leaves the queue or gets its turn.
    changed: Notify,
}

struct Ticket {
    footprint: Arc<Footprint>,
    /// When its turn ends, by the monotonic clock; 0 while it waits.
    ends_at_us: AtomicU64,
}

impl Ticket {
    fn has_turn(&self, now_us: u64) -> bool {
        self.ends_at_us.load(Ordering::Acquire) > now_us
    }

    fn is_waiting(&self) -> bool {
        self.ends_at_us.load(Ordering::Acquire) == 0
    }
}

/// A place in the queue, and then the turn. Ends when dropped.
pub struct Turn {
    turns: Arc<Turns>,
    ticket: Arc<Ticket>,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("is_waiting", &self.ticket.is_waiting()).finish_non_exhaustive()
    }
}

impl Turns {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, count: AtomicUsize::new(0), queue: Mutex::default(), changed: Notify::new() }
    }

    /// Whether anybody queues or has a turn.
    pub(crate) fn are_there(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Queues a transaction that has lost. None where as many queue as may, or where the clock cannot wake who waits.
    pub(crate) fn queue(self: &Arc<Self>, footprint: Arc<Footprint>) -> Option<Turn> {
        drop(self.clock.sleep(0)?);
        let ticket = Arc::new(Ticket { footprint, ends_at_us: AtomicU64::new(0) });
        let now_us = self.clock.monotonic_us();
        let mut queue = self.queue.lock();
        // A turn that was lost may be held on to for long.
        queue.retain(|ticket| ticket.is_waiting() || ticket.has_turn(now_us));
        let bytes: usize = queue.iter().map(|ticket| ticket.footprint.bytes()).sum();
        if queue.len() >= QUEUED_MAX || bytes + ticket.footprint.bytes() > FOOTPRINT_BYTES_MAX {
            return None;
        }
        queue.push_back(Arc::clone(&ticket));
        self.count.store(queue.len(), Ordering::Release);
        Some(Turn { turns: Arc::clone(self), ticket })
    }

    /// Waits until no turn is in the way of a commit, for the time of a turn at most. `disturbs` says whether the commit changes what
    /// a footprint names.
    pub(crate) async fn give_way(&self, disturbs: &(dyn Fn(&Footprint) -> bool + Sync)) {
        if !self.are_there() {
            return;
        }
        let in_the_way = || {
            let now_us = self.clock.monotonic_us();
            let mut queue = self.queue.lock();
            // Who holds on to a turn that has passed is in nobody's way.
            queue.retain(|ticket| ticket.is_waiting() || ticket.has_turn(now_us));
            self.count.store(queue.len(), Ordering::Release);
            let tickets: Vec<_> = queue.iter().filter(|ticket| ticket.has_turn(now_us)).cloned().collect();
            drop(queue);
            tickets.iter().any(|ticket| disturbs(&ticket.footprint))
        };
        self.wait(TURN_MS, || !in_the_way()).await;
    }

    /// Waits until `is_done`, which is asked again whenever the queue changes, for at most so many milliseconds. Whether it is.
    async fn wait(&self, ms: u64, is_done: impl Fn() -> bool) -> bool {
        // Who cannot be woken waits for nobody.
        let Some(mut time_is_up) = self.clock.sleep(ms) else { return true };
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_done() {
                return true;
            }
            let is_up = std::future::poll_fn(|context| {
                if time_is_up.as_mut().poll(context).is_ready() {
                    Poll::Ready(true)
                } else {
                    changed.as_mut().poll(context).map(|()| false)
                }
            });
            if is_up.await {
                return is_done();
            }
        }
    }
}

impl Turn {
    /// Waits until those before it whose footprints meet its own have had their turns, and begins the own one; after as many times that
    /// turns last as transactions can queue in any case.
    pub async fn begin(&self) {
        let is_first = || {
            let now_us = self.turns.clock.monotonic_us();
            let before: Vec<_> = {
                let queue = self.turns.queue.lock();
                let before = queue.iter().take_while(|ticket| !Arc::ptr_eq(ticket, &self.ticket));
                before.filter(|ticket| ticket.is_waiting() || ticket.has_turn(now_us)).cloned().collect()
            };
            !before.iter().any(|ticket| ticket.footprint.meets(&self.ticket.footprint))
        };
        // A holder that stalls ends its turn by the time alone, which nobody tells of.
        for _ in 0..QUEUED_MAX {
            if self.turns.wait(TURN_MS, is_first).await {
                break;
            }
        }
        self.ticket.ends_at_us.store(self.turns.clock.monotonic_us() + TURN_MS * 1_000, Ordering::Release);
        self.turns.changed.notify_waiters();
    }

    /// Whether it has begun and not ended.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.ticket.has_turn(self.turns.clock.monotonic_us())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.turns.queue.lock();
        queue.retain(|ticket| !Arc::ptr_eq(ticket, &self.ticket));
        self.turns.count.store(queue.len(), Ordering::Release);
        drop(queue);
        self.turns.changed.notify_waiters();
    }
}
