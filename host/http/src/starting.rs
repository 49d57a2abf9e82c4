//! Answers while a server starts, before there is a database: it lives, and is not ready.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, DATE};
use http::{HeaderValue, Method, Response};
use mantis_db::{Clock, Random};

use crate::handlers::service::health;
use crate::protocol::date;
use crate::protocol::errors::Code;
use crate::protocol::problem::Problem;
use crate::protocol::request_id::{RequestIds, X_REQUEST_ID};
use crate::routes;

/// The answers of a server that starts: `/live` is 200, `/ready` and `/health` are 503 with a reason, and so is everything else.
pub struct Starting {
    ids: RequestIds,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Starting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starting").finish_non_exhaustive()
    }
}

impl Starting {
    /// With the clock and the randomness that the database will have.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: &dyn Random) -> Self {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        Self { ids: RequestIds::new(bytes), clock }
    }

    /// The answer to a request; `doing` says what the server is doing. Its connection is to be closed: the next one may find it ready.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, doing: &str) -> Response<Bytes> {
        let id = self.ids.make();
        let now_ms = self.clock.now_ms();
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let mut response = match path {
            "/live" if is_read => health::bytes(now_ms, None),
            "/ready" | "/health" if is_read => health::bytes(now_ms, Some(format!("the server is starting: {doing}"))),
            path => {
                let problem = Problem::new(Code::Starting).detail(format!("The server is starting: {doing}."));
                if routes::speaks_dialect(path) {
                    problem.into_table_bytes()
                } else {
                    problem.into_bytes(id.to_str().unwrap_or_default())
                }
            }
        };
        if *method == Method::HEAD {
            response.body_mut().clear();
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_REQUEST_ID, id);
        headers.insert(DATE, date::http_date(now_ms));
        // HTTP/2 has no such header; its server leaves it out.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}
