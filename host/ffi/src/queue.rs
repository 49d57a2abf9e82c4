//! Completion queues: what was started ends as an event, so that thousands of waits need no thread each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::abi::plain::cut;
use crate::abi::status::Status;
use crate::abi::types::{mantis_conn, mantis_event};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::handles::Handles;
use crate::waiting::token::Token;

/// The queues of the process.
pub(crate) static QUEUES: Handles<Arc<Queue>> = Handles::new(3);

/// What may be under way on a queue or lie in it at once.
pub(crate) const EVENTS_MAX: usize = 1 << 20;

/// What became of something that was started.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: u32,
    pub(crate) status: Status,
    pub(crate) user_data: u64,
    /// A connection, which is released if nobody takes the event out.
    pub(crate) conn: u64,
    pub(crate) version: u64,
    pub(crate) flags: u32,
    pub(crate) code: String,
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// An event, a wake-up, or the end.
    changed: Notify,
    /// Ends what is under way.
    pub(crate) end: Token,
    /// What was started and not taken out yet.
    pub(crate) open: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    wakes: u32,
    is_closed: bool,
}

/// What a wait for events found.
pub(crate) enum Found {
    Events(Vec<Event>),
    Woken,
    Closed,
}

impl Event {
    /// As in the header.
    pub(crate) fn to_c(&self) -> mantis_event {
        mantis_event {
            kind: self.kind,
            status: self.status,
            user_data: self.user_data,
            conn: mantis_conn { id: self.conn },
            version: self.version,
            flags: self.flags,
            reserved: 0,
            code: cut(&self.code),
        }
    }

    pub(crate) fn failed(kind: u32, user_data: u64, failure: &Failure) -> Self {
        let code = failure.code.clone();
        Self { kind, status: failure.status, user_data, conn: 0, version: 0, flags: 0, code }
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), end: Token::new(), open: AtomicUsize::new(0) }
    }

    /// Adds an event. A connection that comes too late for anybody to take it is released.
    pub(crate) fn push(&self, event: Event) {
        let mut state = self.state.lock();
        if state.is_closed {
            drop(state);
            Conn::release(event.conn);
            return;
        }
        state.events.push_back(event);
        drop(state);
        self.changed.notify_one();
    }

    /// Wakes one who waits.
    pub(crate) fn wake(&self) {
        let mut state = self.state.lock();
        state.wakes = state.wakes.saturating_add(1);
        drop(state);
        self.changed.notify_one();
    }

    /// Ends the queue.
    pub(crate) fn close(&self) {
        self.end.cancel();
        let mut state = self.state.lock();
        state.is_closed = true;
        let events = std::mem::take(&mut state.events);
        drop(state);
        for event in events {
            Conn::release(event.conn);
        }
        self.changed.notify_waiters();
        // For one who is about to wait.
        self.changed.notify_one();
    }

    /// The first events, at most so many, as soon as there is one.
    pub(crate) async fn next(&self, capacity: usize) -> Found {
        loop {
            if let Some(found) = self.take(capacity) {
                return found;
            }
            self.changed.notified().await;
        }
    }

    /// What there is now.
    pub(crate) fn take(&self, capacity: usize) -> Option<Found> {
        let mut state = self.state.lock();
        if !state.events.is_empty() {
            let count = capacity.min(state.events.len());
            let events = state.events.drain(..count).collect();
            self.open.fetch_sub(count, Ordering::AcqRel);
            let is_more = !state.events.is_empty() || state.wakes > 0;
            drop(state);
            if is_more {
                // Others who wait were perhaps notified only once for several events.
                self.changed.notify_one();
            }
            return Some(Found::Events(events));
        }
        if state.wakes > 0 {
            state.wakes -= 1;
            return Some(Found::Woken);
        }
        if state.is_closed {
            drop(state);
            self.changed.notify_one();
            return Some(Found::Closed);
        }
        None
    }
}
