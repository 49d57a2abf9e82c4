//! The request log: an event per request, with its id.

use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderValue, Response};
use tracing::Level;

use crate::protocol::body::Body;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::state::metrics::OperationNames;

/// What the events are sorted under.
const TARGET: &str = "mantisdb::request";

/// A request under way: its id, and when it arrived.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) id: HeaderValue,
    at: Instant,
    /// Whether the log has an event for each answer.
    is_logged: bool,
}

/// The log, which knows operations by their numbers.
#[derive(Debug)]
pub(crate) struct RequestLog {
    names: OperationNames,
}

impl RequestLog {
    pub(crate) fn new(names: OperationNames) -> Self {
        Self { names }
    }

    /// Logs a response: failures of the server always, everything else at debug level.
    #[inline]
    pub(crate) fn log(&self, begun: &Begun, head: &Parts, operation: Option<usize>, outcome: &Result<Response<Body>>) {
        match outcome {
            Err(problem) if problem.code() == Code::Internal.into() => {
                begun.log_failure(head, self.name(operation), problem);
            }
            _ if begun.is_logged => begun.log_answer(head, self.name(operation), outcome),
            _ => {}
        }
    }

    fn name(&self, operation: Option<usize>) -> Option<&str> {
        self.names.get(operation?).map(String::as_str)
    }
}

impl Begun {
    #[allow(clippy::disallowed_methods, reason = "the time that a request takes, which no answer depends on")]
    pub(crate) fn new(id: HeaderValue) -> Self {
        Self { id, at: Instant::now(), is_logged: tracing::enabled!(target: TARGET, Level::DEBUG) }
    }

    /// The time since the request arrived.
    #[inline]
    pub(crate) fn took(&self) -> Duration {
        self.at.elapsed()
    }

    #[cold]
    fn log_answer(&self, head: &Parts, operation: Option<&str>, outcome: &Result<Response<Body>>) {
        let problem = outcome.as_ref().err();
        let (path, detail) = (path(head), problem.map(Problem::message).filter(|_| shows_input()));
        tracing::debug!(
            target: TARGET,
            method = %head.method,
            operation,
            path,
            status = outcome.as_ref().map_or_else(Problem::answer_status, Response::status).as_u16(),
            code = problem.map(|problem| problem.code().as_str()),
            detail,
            duration_us = self.duration_us(),
            request_id = self.id.to_str().unwrap_or_default(),
            "answered"
        );
    }

    #[cold]
    fn log_failure(&self, head: &Parts, operation: Option<&str>, problem: &Problem) {
        tracing::error!(
            target: TARGET,
            method = %head.method,
            operation,
            path = path(head),
            status = problem.answer_status().as_u16(),
            code = problem.code().as_str(),
            detail = problem.message(),
            duration_us = self.duration_us(),
            request_id = self.id.to_str().unwrap_or_default(),
            "a request failed"
        );
    }

    fn duration_us(&self) -> u64 {
        u64::try_from(self.took().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Paths contain keys, and a problem's detail may quote input: the log shows them at trace level only.
fn shows_input() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

fn path(head: &Parts) -> Option<&str> {
    shows_input().then(|| head.uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_logged_where_the_log_shows_them() {
        let begun = || Begun::new(HeaderValue::from_static("name"));
        let at_level = |level: Level| {
            let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::sink).finish();
            tracing::subscriber::with_default(subscriber, || begun().is_logged)
        };
        assert!(!begun().is_logged);
        assert_eq!([Level::INFO, Level::DEBUG, Level::TRACE].map(at_level), [false, true, true]);
    }
}
