//! Counters of the HTTP surface.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use mantis_db::Durations;

use super::request_times::RequestTimes;

/// Answers are counted by the first digit of their status, 1 to 5.
pub(crate) const CLASSES: usize = 5;

/// The ids of all operations, in the order in which the router numbers them.
pub(crate) type OperationNames = Arc<[String]>;

/// Counters of the HTTP surface. The server's listener reports connections; the rest is counted here.
#[derive(Debug)]
pub struct HttpMetrics {
    /// Answers per operation, the last place being for requests that reached none.
    answers: Box<[[AtomicU64; CLASSES]]>,
    /// How long requests took, in the same order.
    times: Box<[RequestTimes]>,
    names: OperationNames,
    in_flight: AtomicUsize,
    streams_open: AtomicUsize,
    /// Bytes that streams hold besides their place.
    streams_held_bytes: AtomicUsize,
    overloads: AtomicU64,
    panics: AtomicU64,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
}

impl HttpMetrics {
    pub(crate) fn new(names: OperationNames) -> Self {
        Self {
            answers: (0..=names.len()).map(|_| Default::default()).collect(),
            times: (0..=names.len()).map(|_| RequestTimes::default()).collect(),
            names,
            in_flight: AtomicUsize::new(0),
            streams_open: AtomicUsize::new(0),
            streams_held_bytes: AtomicUsize::new(0),
            overloads: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            connections_opened: AtomicU64::new(0),
            connections_closed: AtomicU64::new(0),
        }
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.connections_opened.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection has ended.
    pub fn connection_closed(&self) {
        self.connections_closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections accepted since the start.
    #[must_use]
    pub fn connections_opened_total(&self) -> u64 {
        self.connections_opened.load(Ordering::Relaxed)
    }

    /// Connections that have ended since the start.
    #[must_use]
    pub fn connections_closed_total(&self) -> u64 {
        // Read before the other by whoever subtracts, so that the difference is never negative.
        self.connections_closed.load(Ordering::Relaxed)
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Listings and change streams that are being sent.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.streams_open.load(Ordering::Relaxed)
    }

    /// Requests refused because too many were under way.
    #[must_use]
    pub fn overloads_total(&self) -> u64 {
        self.overloads.load(Ordering::Relaxed)
    }

    /// Requests whose handler panicked.
    #[must_use]
    pub fn panics_total(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Answers by the first digit of their status, 1 to 5.
    #[must_use]
    pub fn answers_total(&self) -> [u64; CLASSES] {
        let mut sums = [0; CLASSES];
        for answers in &self.answers {
            for (sum, count) in sums.iter_mut().zip(answers) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        sums
    }

    /// Answers by operation, by the first digit of their status. The last are those of requests that reached none.
    pub(crate) fn answers_by_operation(&self) -> impl Iterator<Item = (Option<&str>, [u64; CLASSES])> {
        let names = self.names.iter().map(|name| Some(&**name)).chain([None]);
        names
            .zip(self.answers.iter().map(|answers| std::array::from_fn(|class| answers[class].load(Ordering::Relaxed))))
    }

    /// How long requests took by operation, in the same order.
    pub(crate) fn times_by_operation(&self) -> impl Iterator<Item = (Option<&str>, Durations)> {
        let names = self.names.iter().map(|name| Some(&**name)).chain([None]);
        names.zip(self.times.iter().map(RequestTimes::read))
    }

    /// Counts an answer, and how long it took where that is known.
    pub(crate) fn count_answer(&self, operation: Option<usize>, status: StatusCode, took: Option<Duration>) {
        let place = operation.unwrap_or(self.answers.len() - 1);
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        self.answers[place][class].fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            self.times[place].count(took);
        }
    }

    pub(crate) fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets a request in, unless `max` are under way.
    pub(crate) fn enter(&self, max: usize) -> Option<InFlight<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let guard = InFlight(self);
        if before < max {
            return Some(guard);
        }
        self.overloads.fetch_add(1, Ordering::Relaxed);
        None
    }

    pub(crate) fn enter_stream(&self, max: usize) -> bool {
        let entered = self.streams_open.fetch_add(1, Ordering::Relaxed) < max;
        if !entered {
            self.leave_stream();
        }
        entered
    }

    /// Whether a stream may hold so many bytes more; `release_in_stream` gives them back.
    pub(crate) fn hold_in_stream(&self, bytes: usize, max: usize) -> bool {
        let before = self.streams_held_bytes.fetch_add(bytes, Ordering::Relaxed);
        let holds = before.saturating_add(bytes) <= max;
        if !holds {
            self.release_in_stream(bytes);
        }
        holds
    }

    pub(crate) fn release_in_stream(&self, bytes: usize) {
        self.streams_held_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn leave_stream(&self) {
        self.streams_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct InFlight<'m>(&'m HttpMetrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
