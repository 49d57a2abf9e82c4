//! What the log says of requests: one event each, under the name that the client was given.

use http::request::Parts;
use http::{HeaderValue, Response};
use tokio::time::Instant;
use tracing::Level;

use crate::protocol::body::Body;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::routes;

/// What the events are sorted under.
const TARGET: &str = "mantisdb::request";

/// A request under way: its name, and when it came.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) id: HeaderValue,
    /// The clock is looked at for a log that shows it only.
    at: Option<Instant>,
}

impl Begun {
    pub(crate) fn new(id: HeaderValue) -> Self {
        Self { id, at: tracing::enabled!(target: TARGET, Level::DEBUG).then(Instant::now) }
    }

    /// Tells the log what is answered. Of what the server did wrong it hears always, of the rest at the level of debugging.
    #[inline]
    pub(crate) fn log(&self, head: &Parts, operation: Option<usize>, outcome: &Result<Response<Body>>) {
        match outcome {
            Err(problem) if problem.code() == Code::Internal.into() => self.log_failure(head, operation, problem),
            _ if self.at.is_some() => self.log_answer(head, operation, outcome),
            _ => {}
        }
    }

    #[cold]
    fn log_answer(&self, head: &Parts, operation: Option<usize>, outcome: &Result<Response<Body>>) {
        let problem = outcome.as_ref().err();
        let (path, detail) = (path(head), problem.map(Problem::message).filter(|_| shows_input()));
        tracing::debug!(
            target: TARGET,
            method = %head.method,
            operation = operation.and_then(routes::operation_id),
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
    fn log_failure(&self, head: &Parts, operation: Option<usize>, problem: &Problem) {
        tracing::error!(
            target: TARGET,
            method = %head.method,
            operation = operation.and_then(routes::operation_id),
            path = path(head),
            status = problem.answer_status().as_u16(),
            code = problem.code().as_str(),
            detail = problem.message(),
            duration_us = self.duration_us(),
            request_id = self.id.to_str().unwrap_or_default(),
            "a request failed"
        );
    }

    fn duration_us(&self) -> Option<u64> {
        self.at.map(|at| u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// A path holds keys, and a problem's detail may quote what the client wrote: that stands in the log only where all is to be seen.
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
    fn no_clock_is_looked_at_for_a_log_that_nobody_reads() {
        let begun = || Begun::new(HeaderValue::from_static("name"));
        let at_level = |level: Level| {
            let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::sink).finish();
            tracing::subscriber::with_default(subscriber, || begun().at.is_some())
        };
        assert!(begun().at.is_none());
        assert_eq!([Level::INFO, Level::DEBUG, Level::TRACE].map(at_level), [false, true, true]);
    }
}
