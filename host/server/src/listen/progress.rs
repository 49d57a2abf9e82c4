//! A connection's state, and the verdict on it: which timeout it has exceeded.
//!
//! The connection's task writes and the sweep reads, with relaxed atomics. A verdict that is one sweep late does no harm, and the task
//! checks an order against its own state before it obeys it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use super::limits::ConnectionLimits;
use super::open_streams::Streams;

/// How long a connection keeps its buffers after an answer, in milliseconds: a client with another request at hand sends it by then.
const PARK_AFTER_MS: u64 = 2_000;

/// How long a stream whose client has closed its sending side may be quiet before the client is probed, in milliseconds, and a request
/// may wait for its answer.
const LOOK_AFTER_MS: u64 = 1_000;

/// What a connection serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Nothing: it waits for a first byte, without a buffer.
    Waiting,
    Http1,
    Http2,
}

/// The sweep's order to a connection's task. Later ones take precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Release the buffers if the connection is idle.
    Park = 1,
    /// Check whether the client of a stream is still connected.
    Look,
    /// Close once the requests in progress are answered.
    Finish,
    /// Answer that the request's head was too slow, and close.
    HeadLate,
    /// Close now.
    Cut,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    stage: AtomicU8,
    order: AtomicU8,
    requests: AtomicU32,
    /// Whether a request's answer is not completely written.
    is_owing: AtomicBool,
    /// When the first byte of an incomplete request head arrived; 0 for none.
    head_since_ms: AtomicU64,
    /// Since when the client has not read what is to be sent; 0 when it reads.
    unsent_since_ms: AtomicU64,
    /// When bytes last moved.
    quiet_since_ms: AtomicU64,
    /// Since when a request waits for its answer to begin, over HTTP/1; 0 when none does.
    unanswered_since_ms: AtomicU64,
    /// Whether its client knows interim answers: not before HTTP/1.1.
    knows_interim: AtomicBool,
    /// Whether the socket outlives the end of hyper's connection.
    keeps_open: AtomicBool,
    /// Whether the answer is a stream that may be quiet for long. Only on HTTP/1: HTTP/2 pings its peers.
    is_streaming: AtomicBool,
    /// Whether the client of that stream has closed its sending side. It may be gone, or still reading.
    has_said_all: AtomicBool,
    /// Whether it was sent something since then: a client that is gone answers that with a reset.
    is_greeted: AtomicBool,
    /// Whether an answer could not be completed, so that the connection must not end as if it were.
    is_broken_off: AtomicBool,
    /// Over HTTP/2.
    pub(super) streams: Streams,
    waker: OnceLock<Waker>,
}

impl Progress {
    pub(super) fn new(now_ms: u64) -> Self {
        let progress = Self::default();
        progress.quiet_since_ms.store(now_ms, Relaxed);
        progress
    }

    /// Stores the waker of the connection's task, which never changes.
    pub(super) fn remember(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Waiting,
            1 => Stage::Http1,
            _ => Stage::Http2,
        }
    }

    /// Bytes came in. Between requests they begin the head of the next.
    pub(super) fn received(&self, now_ms: u64) {
        self.quiet_since_ms.store(now_ms, Relaxed);
        if self.requests.load(Relaxed) == 0 && self.stage() != Stage::Http2 && self.head_since_ms.load(Relaxed) == 0 {
            self.head_since_ms.store(now_ms, Relaxed);
        }
    }

    /// The client took bytes.
    pub(super) fn sent(&self, now_ms: u64) {
        self.quiet_since_ms.store(now_ms, Relaxed);
        self.unsent_since_ms.store(0, Relaxed);
    }

    /// The client takes no more bytes for now.
    pub(super) fn blocked(&self, now_ms: u64) {
        if self.unsent_since_ms.load(Relaxed) == 0 {
            self.unsent_since_ms.store(now_ms, Relaxed);
        }
    }

    /// A request's head is complete.
    pub(super) fn request_began(&self) {
        self.head_since_ms.store(0, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.is_owing.store(true, Relaxed);
    }

    /// Whether what is written now belongs to a request's answer.
    pub(super) fn is_owing(&self) -> bool {
        self.is_owing.load(Relaxed)
    }

    /// All that was to be written is written: if no body is to come, that was the end of the answers.
    pub(super) fn wrote_all(&self) {
        if self.requests.load(Relaxed) == 0 {
            self.is_owing.store(false, Relaxed);
        }
    }

    /// A request over HTTP/1 waits for its answer. A client that waits for long is checked.
    pub(super) fn answer_awaited(&self, now_ms: u64, knows_interim: bool) {
        self.has_said_all.store(false, Relaxed);
        self.is_greeted.store(false, Relaxed);
        self.knows_interim.store(knows_interim, Relaxed);
        self.unanswered_since_ms.store(now_ms, Relaxed);
    }

    /// The answer is there, or given up.
    pub(super) fn answer_came(&self) {
        self.unanswered_since_ms.store(0, Relaxed);
    }

    /// Whether a request has waited for its answer for so long that its client is to be checked.
    pub(super) fn waits_long(&self, now_ms: u64) -> bool {
        is_longer_than(LOOK_AFTER_MS, self.unanswered_since_ms.load(Relaxed), now_ms)
    }

    /// Whether to send the client of such a request an interim answer now, to learn whether it is still connected.
    pub(super) fn takes_interim(&self) -> bool {
        self.knows_interim.load(Relaxed) && self.takes_greeting()
    }

    /// A request's answer has been handed over for sending, or dropped.
    pub(super) fn request_ended(&self, now_ms: u64) {
        self.quiet_since_ms.store(now_ms, Relaxed);
        self.is_streaming.store(false, Relaxed);
        self.requests.fetch_sub(1, Relaxed);
    }

    /// The answer under way is a stream that may have nothing to send for long.
    pub(super) fn stream_began(&self) {
        if self.stage() == Stage::Http1 {
            self.has_said_all.store(false, Relaxed);
            self.is_greeted.store(false, Relaxed);
            self.is_streaming.store(true, Relaxed);
        }
    }

    /// An answer could not be completed.
    pub(super) fn broke_off(&self) {
        self.is_broken_off.store(true, Relaxed);
    }

    /// Whether an answer could not be completed.
    pub(super) fn is_broken_off(&self) -> bool {
        self.is_broken_off.load(Relaxed)
    }

    pub(super) fn is_streaming(&self) -> bool {
        self.is_streaming.load(Relaxed)
    }

    /// The client of a stream has closed its sending side. True the first time.
    pub(super) fn said_all(&self) -> bool {
        !self.has_said_all.swap(true, Relaxed)
    }

    /// Whether to send the client of a stream something now, to learn whether it is still connected.
    pub(super) fn takes_greeting(&self) -> bool {
        self.has_said_all.load(Relaxed) && !self.is_greeted.swap(true, Relaxed)
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.is_greeted.load(Relaxed)
    }

    /// The client of a stream has been checked.
    pub(super) fn looked(&self, now_ms: u64) {
        self.quiet_since_ms.store(now_ms, Relaxed);
    }

    /// Whether there is nothing to do: no request, none beginning, nothing to send.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Relaxed) == 0
            && self.head_since_ms.load(Relaxed) == 0
            && self.unsent_since_ms.load(Relaxed) == 0
    }

    /// Runs `end`, in which hyper's connection may end, without letting it shut down the socket.
    pub(super) fn keep_open<T>(&self, end: impl FnOnce() -> T) -> T {
        self.keeps_open.store(true, Relaxed);
        let result = end();
        self.keeps_open.store(false, Relaxed);
        result
    }

    pub(super) fn keeps_open(&self) -> bool {
        self.keeps_open.load(Relaxed)
    }

    /// Stops the streams whose clients have not read for too long.
    pub(super) fn stop_stalled(&self, now_ms: u64, limits: &ConnectionLimits) {
        if self.stage() == Stage::Http2 {
            self.streams.stop_stalled(|since_ms| is_longer_than(limits.send_timeout_ms, since_ms, now_ms));
        }
    }

    /// The order that is due, if any.
    pub(super) fn verdict(&self, now_ms: u64, limits: &ConnectionLimits) -> Option<Order> {
        let longer_than = |since_ms: u64, limit_ms: u64| is_longer_than(limit_ms, since_ms, now_ms);
        if longer_than(self.unsent_since_ms.load(Relaxed), limits.send_timeout_ms) {
            return Some(Order::Cut);
        }
        if self.stage() == Stage::Http2
            && self.streams.has_stuck(|since_ms| longer_than(since_ms, limits.send_timeout_ms))
        {
            return Some(Order::Cut);
        }
        if longer_than(self.head_since_ms.load(Relaxed), limits.header_timeout_ms) {
            return Some(Order::HeadLate);
        }
        let quiet_since_ms = self.quiet_since_ms.load(Relaxed);
        if !self.is_idle() {
            let is_in_doubt = self.waits_long(now_ms) || (self.is_streaming() && self.is_greeted());
            return (is_in_doubt && longer_than(quiet_since_ms, LOOK_AFTER_MS)).then_some(Order::Look);
        }
        match self.stage() {
            Stage::Http1 => longer_than(quiet_since_ms, PARK_AFTER_MS).then_some(Order::Park),
            Stage::Waiting | Stage::Http2 => {
                longer_than(quiet_since_ms, limits.idle_timeout_ms).then_some(Order::Finish)
            }
        }
    }

    /// Gives an order and wakes the task.
    pub(super) fn order(&self, order: Order) {
        self.order.fetch_max(order as u8, Relaxed);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Takes the order that was given.
    pub(super) fn take_order(&self) -> Option<Order> {
        // Nearly always there is none, and a load leaves the cache line where it is.
        if self.order.load(Relaxed) == 0 {
            return None;
        }
        let taken = self.order.swap(0, Relaxed);
        [Order::Park, Order::Look, Order::Finish, Order::HeadLate, Order::Cut]
            .into_iter()
            .find(|order| *order as u8 == taken)
    }
}

/// Whether something lasts for longer than `limit_ms`; at 0 it has not begun.
fn is_longer_than(limit_ms: u64, since_ms: u64, now_ms: u64) -> bool {
    since_ms != 0 && now_ms.saturating_sub(since_ms) > limit_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections_max: 1,
        header_bytes_max: 8_192,
        header_timeout_ms: 10_000,
        idle_timeout_ms: 75_000,
        send_timeout_ms: 60_000,
        drain_timeout_ms: 10_000,
        streams_max: 1,
    };

    #[track_caller]
    fn check(happened: impl Fn(&Progress), last_quiet_ms: u64, then: Order) {
        let progress = Progress::new(1);
        happened(&progress);
        assert_eq!(progress.verdict(last_quiet_ms, &LIMITS), None, "at {last_quiet_ms} ms");
        assert_eq!(progress.verdict(last_quiet_ms + 1, &LIMITS), Some(then), "at {} ms", last_quiet_ms + 1);
    }

    #[test]
    fn each_limit_has_its_order() {
        check(|_| {}, 75_001, Order::Finish);
        check(|c| c.received(5), 10_005, Order::HeadLate);
        check(
            |c| {
                c.enter(Stage::Http1);
                c.received(5);
                c.request_began();
                c.request_ended(10);
                c.sent(11);
            },
            2_011,
            Order::Park,
        );
        check(
            |c| {
                c.enter(Stage::Http2);
                c.received(5);
            },
            75_005,
            Order::Finish,
        );
        check(
            |c| {
                c.enter(Stage::Http1);
                c.request_began();
                c.blocked(7);
                c.blocked(9);
            },
            60_007,
            Order::Cut,
        );
    }

    #[test]
    fn a_request_in_progress_has_no_timeout_here() {
        let progress = Progress::new(1);
        progress.enter(Stage::Http1);
        progress.received(1);
        progress.request_began();
        assert_eq!(progress.verdict(u64::MAX, &LIMITS), None);
    }

    #[test]
    fn the_client_of_a_stream_is_checked_once_it_has_closed_its_side() {
        let progress = Progress::new(1);
        progress.enter(Stage::Http1);
        progress.received(1);
        progress.request_began();
        progress.stream_began();
        assert!(!progress.takes_greeting());
        assert!(progress.said_all() && !progress.said_all(), "it is news once");
        assert_eq!(progress.verdict(u64::MAX, &LIMITS), None, "it was sent nothing since");
        assert!(progress.takes_greeting() && !progress.takes_greeting());
        progress.sent(5);
        assert_eq!((progress.verdict(1_005, &LIMITS), progress.verdict(1_006, &LIMITS)), (None, Some(Order::Look)));
        progress.looked(1_006);
        assert_eq!(progress.verdict(1_007, &LIMITS), None);
        progress.request_ended(1_007);
        assert_eq!(progress.verdict(3_008, &LIMITS), Some(Order::Park));
    }

    #[test]
    fn the_highest_order_is_taken_once() {
        let progress = Progress::new(1);
        progress.order(Order::Finish);
        progress.order(Order::Park);
        assert_eq!(progress.take_order(), Some(Order::Finish));
        assert_eq!(progress.take_order(), None);
    }
}
