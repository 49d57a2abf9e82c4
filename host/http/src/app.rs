//! The path of a request: let in, checked, routed, answered, and the answer finished.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, DATE, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use mantis_db::tables::{TableError, code};
use mantis_db::{Database, SessionManager};
use mantis_plugin::PluginHost;
use mantis_pool::Pool;
use parking_lot::Mutex;

use crate::api::operation::TimeoutPolicy;
use crate::api::query::Query;
use crate::api::request::{Request, RequestBody};
use crate::api::transaction_header;
use crate::handlers::service::docs;
use crate::protocol::body::Body;
use crate::protocol::cors::Cors;
use crate::protocol::deadline::within;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::request_id::{RequestIds, X_REQUEST_ID};
use crate::protocol::supabase::Service;
use crate::protocol::{accept, compress, date, hosts, respond, supabase};
use crate::request_log::{Begun, RequestLog};
use crate::router::{Matched, Router};
use crate::routes::ROUTES;
use crate::state::configuration::AppConfig;
use crate::state::metrics::{HttpMetrics, OperationNames};
use crate::state::{Operation, State};
use crate::{limits, routes};

/// The HTTP surface of a database. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    router: Router<Arc<State>>,
    log: RequestLog,
    ids: RequestIds,
    cors: Cors,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.0.state.config).finish_non_exhaustive()
    }
}

impl App {
    /// The HTTP surface of `database`, whose requests work with `sessions` and reach `plugins`.
    ///
    /// At most three quarters of the pool's sessions are lent to transactions that span several requests, even if the
    /// configuration allows more of them.
    #[must_use]
    pub fn new(database: Database, sessions: Pool<SessionManager>, plugins: PluginHost, config: AppConfig) -> Self {
        let mut random = [0; 4];
        database.random(&mut random);
        let names: OperationNames = routes::operation_ids().collect();
        let cors = Cors::new(&config.cors_origins);
        Self(Arc::new(Inner {
            log: RequestLog::new(Arc::clone(&names)),
            state: Arc::new(State::new(database, sessions, plugins, config, ROUTES, names)),
            router: Router::new(ROUTES),
            ids: RequestIds::new(random),
            cors,
        }))
    }

    /// Answers a request. Errors are responses too.
    pub async fn handle(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        self.answer(head, RequestBody::Incoming(body)).await
    }

    /// Answers a request whose body comes from elsewhere than a connection: for embedding and for tests.
    pub async fn handle_with_body<B>(&self, request: http::Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        self.answer(head, RequestBody::other(body)).await
    }

    /// The response to data on a connection that is not a request that can be handled. It is counted like any other. `path` is the
    /// beginning of the path that it asks for, as far as there is one: it decides the shape of the answer.
    #[must_use]
    pub fn refuse(&self, code: Code, path: &str) -> Response<Bytes> {
        let id = self.0.ids.make();
        let problem = Problem::new(code);
        let mut response = if routes::speaks_dialect(path) {
            problem.into_table_bytes()
        } else {
            problem.into_bytes(id.to_str().unwrap_or_default())
        };
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, id);
        headers.insert(DATE, date::http_date(self.0.state.database.now_ms()));
        self.0.state.metrics.count_answer(None, response.status(), None);
        response
    }

    /// Housekeeping: rolls back idle transactions and closes idle instances of plugins. Call it about ten times a second, where a few
    /// milliseconds of work block nothing: the memory of an instance is returned to the system.
    pub async fn maintain(&self) {
        self.0.state.transactions.roll_back_idle();
        self.0.state.plugins.maintain().await;
    }

    /// Starts the shutdown: `/health` and `/ready` answer 503, and streams end.
    pub fn shutting_down(&self) {
        self.0.state.shutdown.send_replace(true);
    }

    /// Whether [`shutting_down`](Self::shutting_down) was called.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.0.state.is_shutting_down()
    }

    /// How many transactions may be open at once, with this pool.
    #[must_use]
    pub fn transactions_max(&self) -> usize {
        self.0.state.transactions.count_max()
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &HttpMetrics {
        &self.0.state.metrics
    }

    /// The OpenAPI 3.1 document of this API, with the functions of the plugins that are installed now, without its tables.
    #[must_use]
    pub fn openapi(&self) -> serde_json::Value {
        docs::openapi(&self.0.state)
    }

    async fn answer(&self, head: Parts, body: RequestBody) -> Response<Body> {
        let begun = Begun::new(self.0.ids.of(&head.headers));
        let in_flight = self.0.state.metrics.enter(self.0.state.config.concurrent_requests_max);
        let admitted = if in_flight.is_some() { self.admit(&head) } else { Err(Code::Overloaded.into()) };
        let (matched, query) = match admitted {
            Ok(Admitted::Routed(matched, query)) => (matched, query),
            Ok(Admitted::Answered(response)) => return self.finish(&head, None, Ok(response), begun),
            Err(problem) => {
                let mut response = self.finish(&head, None, Err(problem), begun);
                // Under overload nothing more is read.
                if in_flight.is_some() {
                    leave(body, &head, &mut response);
                }
                return response;
            }
        };
        let Matched { operation, index, captures } = matched;
        let in_flight = self.0.state.database.in_flight().clone();
        let id = begun.id.clone();
        let mut request = Request { head, captures, query, body, in_flight, found: Mutex::default(), id };
        let outcome = match self.run_now(operation, &request) {
            Some(outcome) => outcome,
            // Boxed, so that a connection does not reserve space for the largest handler.
            None => Box::pin(self.run(operation, &mut request)).await,
        };
        let mut response = self.finish(&request.head, Some(index), outcome, begun);
        leave(request.body, &request.head, &mut response);
        response
    }

    /// Admits a request by its head.
    fn admit(&self, head: &Parts) -> Result<Admitted> {
        hosts::check(&self.0.state.config.allowed_hosts, head)?;
        let (path, query) = (head.uri.path(), head.uri.query());
        if path.len() + query.map_or(0, str::len) > limits::URI_BYTES_MAX {
            return Err(Code::UriTooLong.into());
        }
        if head.method == Method::OPTIONS && (!routes::speaks_dialect(path) || Cors::is_preflight(head)) {
            return self.options(head).map(Admitted::Answered);
        }
        hosts::check_origin(head, |origin| self.0.cors.allows(origin))?;
        let matched = self.0.router.find(&head.method, path).map_err(|problem| unrouted(path, problem))?;
        transaction_header::check_taken(matched.operation, head)?;
        let query = Query::parse(query, matched.operation.query, self.0.state.database.limits())?;
        Ok(Admitted::Routed(matched, query))
    }

    /// `OPTIONS`: the methods of a path, and preflight requests of browsers.
    fn options(&self, head: &Parts) -> Result<Response<Body>> {
        let allow = match head.uri.path() {
            "*" => HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE, OPTIONS"),
            // The page's request is to be answered, so that its client can show what is wrong.
            path if Cors::is_preflight(head) && Service::at(path).is_some() => {
                HeaderValue::from_static(supabase::METHODS)
            }
            path => self.0.router.allow(path)?,
        };
        // PostgREST's clients know 200.
        let speaks_dialect = routes::speaks_dialect(head.uri.path());
        let mut response = respond::empty(if speaks_dialect { StatusCode::OK } else { StatusCode::NO_CONTENT });
        if Cors::is_preflight(head) {
            self.0.cors.answer_preflight(head, &allow, &mut response);
        }
        response.headers_mut().insert(ALLOW, allow);
        Ok(response)
    }

    /// Answers without a future, where the operation can.
    fn run_now(&self, operation: &Operation, request: &Request) -> Option<Result<Response<Body>>> {
        let now = operation.now?;
        std::panic::catch_unwind(AssertUnwindSafe(|| now(&self.0.state, request)))
            .unwrap_or_else(|panic| Some(Err(self.panicked(&*panic))))
    }

    async fn run(&self, operation: &Operation, request: &mut Request) -> Result<Response<Body>> {
        let work = AssertUnwindSafe((operation.handler)(&self.0.state, request)).catch_unwind();
        let outcome = match operation.timeout {
            TimeoutPolicy::Own => Some(work.await),
            TimeoutPolicy::Configured => {
                within(Duration::from_millis(self.0.state.config.request_timeout_ms), work).await
            }
        };
        match outcome {
            None => Err(Code::RequestTimeout.into()),
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => Err(self.panicked(&*panic)),
        }
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> Problem {
        self.0.state.metrics.count_panic();
        let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        tracing::error!(panic = message.unwrap_or("(no message)"), "a request's handler panicked");
        Code::Internal.into()
    }

    /// Completes a response: its log event, compression, headers, and counters.
    fn finish(
        &self,
        head: &Parts,
        operation: Option<usize>,
        outcome: Result<Response<Body>>,
        begun: Begun,
    ) -> Response<Body> {
        self.0.log.log(&begun, head, operation, &outcome);
        let mut response = outcome.unwrap_or_else(|problem| shown(problem, head, &begun));
        if self.0.state.config.compression {
            response = compress::compress(&head.headers, response, self.0.state.database.in_flight());
        }
        self.0.cors.mark(&head.headers, response.headers_mut());
        let took = begun.took();
        response.headers_mut().insert(X_REQUEST_ID, begun.id);
        if head.method == Method::HEAD {
            response = without_body(response);
        }
        self.0.state.metrics.count_answer(operation, response.status(), Some(took));
        response
    }
}

/// Leaves the rest of a body alone. What a client still sends is discarded; one that waits to be told to send gets the answer in place of
/// that, and must know that the connection ends with it: whether the body follows cannot be seen.
fn leave(body: RequestBody, head: &Parts, response: &mut Response<Body>) {
    let waits = head.version < Version::HTTP_2 && head.headers.contains_key(EXPECT) && !body.is_end_stream();
    if waits {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    } else {
        body.discard_later();
    }
}

/// A problem in the shape that the client reads.
fn shown(problem: Problem, head: &Parts, begun: &Begun) -> Response<Body> {
    let path = head.uri.path();
    if accept::prefers_problem(&head.headers) {
        return problem.into_response(begun.id.to_str().unwrap_or_default());
    }
    if routes::speaks_dialect(path) {
        // Which work had no room is the same to a client.
        let is_full = problem.code() == mantis_db::Code::MemoryFull.into();
        let problem = if is_full { problem.recoded(AnyCode::Table(code::INSUFFICIENT_RESOURCES)) } else { problem };
        return problem.into_table_response();
    }
    match Service::at(path).filter(|_| problem.code() == Code::RouteNotFound.into()) {
        Some(service) => service.absent(),
        None => problem.into_response(begun.id.to_str().unwrap_or_default()),
    }
}

/// The outcome of admission.
enum Admitted {
    Routed(Matched<Arc<State>>, Query),
    Answered(Response<Body>),
}

/// What is wrong with a path or method, in the words of those who speak the tables' dialect.
fn unrouted(path: &str, problem: Problem) -> Problem {
    if !routes::speaks_dialect(path) {
        return problem;
    }
    if problem.code() == Code::RouteNotFound.into() {
        return TableError::new(code::PATH_INVALID, "Invalid path specified in request URL").into();
    }
    if problem.code() == Code::MethodNotAllowed.into() && path.starts_with("/rest/v1/rpc/") {
        return problem.recoded(AnyCode::Table(code::CALL_METHOD)).detail("Cannot use this method on RPC");
    }
    if problem.code() == Code::MethodNotAllowed.into() {
        return problem.recoded(AnyCode::Table(code::METHOD_UNSUPPORTED));
    }
    problem
}

/// A response to `HEAD`: without the body, with its length where that is known.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let bodyless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(length) = body.length().filter(|_| !bodyless) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}
