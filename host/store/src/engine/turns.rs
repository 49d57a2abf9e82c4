//! Turns: a transaction that has lost repeatedly gets to commit once without being disturbed.
//!
//! Optimistic transactions that meet on a key can starve: the slower one loses every time. One that has lost a few times queues, with the
//! [`Footprint`] of its last attempt, after the others whose footprints meet its own. When these are done it has the turn. A turn is no
//! lock: it ends with the commit, or after [`TURN_MS`]; until then other commits that would change something in the footprint wait. What
//! the transaction actually reads and writes in its turn is validated as always.
//!
//! A transaction's predecessors are determined once, when it queues, and the turns that a commit disturbs once, when it comes. So in a full
//! queue each waiter only has to check a few flags.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::read_set::{ReadSet, WriteSet};
use crate::types::{Clock, KeyRange};

/// The length of a turn in milliseconds, and the longest that a commit waits for others' turns.
pub const TURN_MS: u64 = 100;

/// The longest wait for a turn, in milliseconds: after it a transaction has its turn, whoever else has one.
const QUEUED_MS_MAX: u64 = 2_000;

/// Transactions that queue at a time, and the bytes of their footprints. Further ones continue without a turn.
const QUEUED_MAX: usize = 256;
const FOOTPRINT_BYTES_MAX: usize = 4 << 20;

/// When a turn has ended, by the clock of turns.
const OVER: u64 = 1;

/// What an attempt to commit read and would have written.
#[derive(Debug)]
pub struct Footprint {
    reads: ReadSet,
    /// Sorted.
    writes: Vec<Box<[u8]>>,
    /// Hashes of the keys that were read, and of those that would have been written, each sorted.
    read_hashes: Vec<u64>,
    write_hashes: Vec<u64>,
}

impl Footprint {
    pub(crate) fn new(mut reads: ReadSet, writes: WriteSet) -> Self {
        static HASHES: OnceLock<RandomState> = OnceLock::new();
        let hashes = HASHES.get_or_init(RandomState::new);
        reads.merge_ranges();
        let sorted = |keys: &mut dyn Iterator<Item = &Box<[u8]>>| {
            let mut hashes: Vec<_> = keys.map(|key| hashes.hash_one(key)).collect();
            hashes.sort_unstable();
            hashes
        };
        let read_hashes = sorted(&mut reads.keys.keys());
        let write_hashes = sorted(&mut writes.keys());
        Self { reads, writes: writes.into_keys().collect(), read_hashes, write_hashes }
    }

    /// Whether a change of `key` would change something in the footprint.
    #[must_use]
    pub fn names(&self, key: &[u8]) -> bool {
        self.reads.touches(key) || self.writes.binary_search_by(|write| (**write).cmp(key)).is_ok()
    }

    /// Whether a change in `range` could.
    #[must_use]
    pub fn names_some_of(&self, range: &KeyRange) -> bool {
        self.reads.meets(range) || self.writes.iter().any(|key| range.contains(key))
    }

    /// Whether either would change something in the other. Two keys with one hash count as one.
    fn meets(&self, other: &Self) -> bool {
        share_one(&self.write_hashes, &other.write_hashes)
            || share_one(&self.write_hashes, &other.read_hashes)
            || share_one(&self.read_hashes, &other.write_hashes)
            || self.scans_some_of(&other.writes)
            || other.scans_some_of(&self.writes)
    }

    fn scans_some_of(&self, keys: &[Box<[u8]>]) -> bool {
        !self.reads.ranges.is_empty() && keys.iter().any(|key| self.reads.range_of(key).is_some())
    }

    /// Its approximate size in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const KEY_BYTES: usize = 56;
        let keys = self.reads.keys.keys().chain(&self.writes);
        let ranges = self.reads.ranges.len() * 4 * KEY_BYTES;
        ranges + keys.map(|key| key.len() + KEY_BYTES).sum::<usize>()
    }
}

/// Whether two sorted lists have an element in common.
fn share_one(a: &[u64], b: &[u64]) -> bool {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(one), Some(other)) = (a.peek(), b.peek()) {
        match one.cmp(other) {
            std::cmp::Ordering::Less => _ = a.next(),
            std::cmp::Ordering::Greater => _ = b.next(),
            std::cmp::Ordering::Equal => return true,
        }
    }
    false
}

/// The transactions that queue for a turn or have one.
pub(crate) struct Turns {
    clock: Arc<dyn Clock>,
    count: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Ticket>>>,
    /// Notified whenever a transaction leaves the queue.
    changed: Notify,
}

struct Ticket {
    footprint: Arc<Footprint>,
    bytes: usize,
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

    fn is_over(&self, now_us: u64) -> bool {
        !self.is_waiting() && !self.has_turn(now_us)
    }
}

/// A place in the queue, then the turn. Ends when dropped.
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

    /// Whether any transaction queues or has a turn.
    pub(crate) fn are_there(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// The time by which turns end: never 0 or 1, which have special meanings.
    fn now_us(&self) -> u64 {
        self.clock.monotonic_us().saturating_add(OVER + 1)
    }

    /// The queue without turns that have passed: holding on to one delays nobody.
    fn tickets(&self, now_us: u64) -> parking_lot::MutexGuard<'_, VecDeque<Arc<Ticket>>> {
        let mut queue = self.queue.lock();
        queue.retain(|ticket| !ticket.is_over(now_us));
        self.count.store(queue.len(), Ordering::Release);
        queue
    }

    /// Queues a transaction that has lost, and waits for its turn: until the earlier ones whose footprints meet its own have had theirs, or
    /// two seconds have passed. `None` if the queue is full, or the clock cannot wake a waiter.
    pub(crate) async fn turn(self: &Arc<Self>, footprint: Arc<Footprint>) -> Option<Turn> {
        drop(self.clock.sleep(0)?);
        let bytes = footprint.bytes();
        let ticket = Arc::new(Ticket { footprint, bytes, ends_at_us: AtomicU64::new(0) });
        let before: Vec<_> = {
            let mut queue = self.tickets(self.now_us());
            let queued: usize = queue.iter().map(|ticket| ticket.bytes).sum();
            if queue.len() >= QUEUED_MAX || queued + bytes > FOOTPRINT_BYTES_MAX {
                return None;
            }
            let before = queue.iter().cloned().collect();
            queue.push_back(Arc::clone(&ticket));
            self.count.store(queue.len(), Ordering::Release);
            before
        };
        let turn = Turn { turns: Arc::clone(self), ticket };
        let met: Vec<_> = before.into_iter().filter(|before| before.footprint.meets(&turn.ticket.footprint)).collect();
        self.wait_for(met, QUEUED_MS_MAX).await;
        turn.ticket.ends_at_us.store(self.now_us() + TURN_MS * 1_000, Ordering::Release);
        Some(turn)
    }

    /// Waits for the turns that a commit would disturb, for the time of a turn at most. `disturbs` says whether the commit changes
    /// something in a footprint.
    pub(crate) async fn wait_for_turns(&self, disturbs: &(dyn Fn(&Footprint) -> bool + Sync)) {
        if !self.are_there() {
            return;
        }
        let now_us = self.now_us();
        let mut turns: Vec<_> = self.tickets(now_us).iter().filter(|ticket| ticket.has_turn(now_us)).cloned().collect();
        turns.retain(|ticket| disturbs(&ticket.footprint));
        self.wait_for(turns, TURN_MS).await;
    }

    /// Waits until all of these are over, for at most this many milliseconds.
    async fn wait_for(&self, mut tickets: Vec<Arc<Ticket>>, ms: u64) {
        let until_us = self.now_us() + ms * 1_000;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let now_us = self.now_us();
            tickets.retain(|ticket| !ticket.is_over(now_us));
            if tickets.is_empty() || now_us >= until_us {
                return;
            }
            // A turn that ends by time alone notifies nobody.
            let ends =
                tickets.iter().map(|ticket| ticket.ends_at_us.load(Ordering::Acquire)).filter(|&ends| ends > now_us);
            let next_us = ends.min().map_or(until_us, |ends| ends.min(until_us));
            let Some(mut time) = self.clock.sleep((next_us - now_us).div_ceil(1_000)) else { return };
            std::future::poll_fn(|context| {
                if time.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { changed.as_mut().poll(context) }
            })
            .await;
        }
    }
}

impl Turn {
    /// Whether it has not ended.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.ticket.has_turn(self.turns.now_us())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ticket.ends_at_us.store(OVER, Ordering::Release);
        drop(self.turns.tickets(self.turns.now_us()));
        self.turns.changed.notify_waiters();
    }
}
