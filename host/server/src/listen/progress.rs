//! What is known of a connection, and the verdict on it.
//!
//! The connection's own task writes, the sweep reads: plain atomics, without order between them. A verdict that comes a sweep too
//! late does no harm, and the task checks an order against what it knows before it follows it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Waker;

use super::limits::ConnectionLimits;

/// How long a connection keeps its buffers after an answer, in milliseconds: a client with another request at hand sends it by then.
const PARK_AFTER_MS: u64 = 2_000;

/// How long a stream may be quiet before its client is looked after, if that has said that it will send no more, in milliseconds.
const LOOK_AFTER_MS: u64 = 1_000;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// It waits for a first byte, without a buffer.
    Waiting,
    Http1,
    Http2,
}

/// What the sweep wants of a connection's task. A later one in this list outranks those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Give up the buffers if there is really nothing to do.
    Park = 1,
    /// See whether the client of a stream is still there.
    Look,
    /// End as soon as the requests under way are answered.
    Finish,
    /// Answer that the request came too slowly, and end.
    HeadLate,
    /// End now.
    Cut,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    stage: AtomicU8,
    order: AtomicU8,
    requests: AtomicU32,
    /// Whether a request has come whose answer is not written whole.
    is_owing: AtomicBool,
    /// When the first byte of a request came whose head is not complete; 0 for none.
    head_since_ms: AtomicU64,
    /// Since when the client takes nothing of what is to be sent; 0 when it does.
    unsent_since_ms: AtomicU64,
    /// When something happened last.
    quiet_since_ms: AtomicU64,
    /// Whether the socket outlives the end of hyper's connection.
    keeps_open: AtomicBool,
    /// Whether what is answered is a stream that may have nothing to send for long. Only on HTTP/1: HTTP/2 asks its peers by itself.
    is_streaming: AtomicBool,
    /// Whether the client of that stream will send no more. It may have gone, or still listen.
    has_said_all: AtomicBool,
    /// Whether it was sent something since then: who has gone answers that with a reset.
    is_greeted: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Progress {
    pub(super) fn new(now_ms: u64) -> Self {
        let progress = Self::default();
        progress.quiet_since_ms.store(now_ms, Relaxed);
        progress
    }

    /// Remembers whom to wake with an order: the connection's task, whose waker never changes.
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

    pub(super) fn is_streaming(&self) -> bool {
        self.is_streaming.load(Relaxed)
    }

    /// The client of a stream will send no more. Whether that is news.
    pub(super) fn said_all(&self) -> bool {
        !self.has_said_all.swap(true, Relaxed)
    }

    /// Whether to send the client of a stream something now, to learn whether it is still there.
    pub(super) fn takes_greeting(&self) -> bool {
        self.has_said_all.load(Relaxed) && !self.is_greeted.swap(true, Relaxed)
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.is_greeted.load(Relaxed)
    }

    /// The client of a stream has been looked after.
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

    /// What a connection deserves, if anything.
    pub(super) fn verdict(&self, now_ms: u64, limits: &ConnectionLimits) -> Option<Order> {
        let longer_than = |since_ms: u64, limit_ms: u64| since_ms != 0 && now_ms.saturating_sub(since_ms) > limit_ms;
        if longer_than(self.unsent_since_ms.load(Relaxed), limits.send_timeout_ms) {
            return Some(Order::Cut);
        }
        if longer_than(self.head_since_ms.load(Relaxed), limits.header_timeout_ms) {
            return Some(Order::HeadLate);
        }
        let quiet_since_ms = self.quiet_since_ms.load(Relaxed);
        if !self.is_idle() {
            let is_in_doubt = self.is_streaming() && self.is_greeted();
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
    fn a_request_under_way_has_all_the_time_that_the_application_gives_it() {
        let progress = Progress::new(1);
        progress.enter(Stage::Http1);
        progress.received(1);
        progress.request_began();
        assert_eq!(progress.verdict(u64::MAX, &LIMITS), None);
    }

    #[test]
    fn the_client_of_a_stream_is_looked_after_once_it_has_said_all() {
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
