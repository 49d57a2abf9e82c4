//! `GET /health`, `/live` and `/ready`: whether the server works, runs, and wants work.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::description::{Answer, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media};
use crate::state::{Handler, Operation, State};
use crate::wire::time;

const fn operation(
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    answers: &'static [Answer],
    handler: Handler,
) -> Operation {
    Operation {
        method: Method::GET,
        id,
        tag: Tag::Service,
        summary,
        description,
        query: &[],
        headers: &[],
        body: None,
        answers,
        problems: &[AnyCode::Http(Code::NotAcceptable)],
        now: None,
        handler,
        timeout: TimeoutPolicy::Configured,
    }
}

const HEALTHY: Answer =
    Answer { status: 200, description: "It does.", content: &[json_content::<Health>()], headers: &[] };
const UNHEALTHY: Answer = Answer {
    status: 503,
    description: "It does not; `reason` says why.",
    content: &[json_content::<Health>()],
    headers: &[],
};

pub(crate) static HEALTH: Operation =
    operation("getHealth", "Whether the store accepts writes", "", &[HEALTHY, UNHEALTHY], |state, request| {
        Box::pin(async move { answer(request, state, reason_against_writes(state)) })
    });
pub(crate) static READY: Operation = operation(
    "getReady",
    "Whether requests should be sent here",
    "For orchestrators: 503 while the server shuts down or takes no writes, and until the plugins are there that it installs at its start.",
    &[HEALTHY, UNHEALTHY],
    |state, request| Box::pin(async move { answer(request, state, reason_against_requests(state)) }),
);
pub(crate) static LIVE: Operation = operation(
    "getLive",
    "Whether the process runs",
    "For orchestrators: 200 while the process runs.",
    &[HEALTHY],
    |state, request| Box::pin(async move { answer(request, state, None) }),
);

/// What the client reads. `reason` is there when the status is not `healthy`.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Health {
    #[schemars(extend("enum" = ["healthy", "unhealthy"]))]
    status: &'static str,
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    reason: Option<String>,
}

pub(crate) fn reason_against_writes(state: &State) -> Option<String> {
    if state.is_shutting_down() {
        return Some("the server is shutting down".to_owned());
    }
    state.database.check_writable().err().map(|error| error.to_string())
}

fn reason_against_requests(state: &State) -> Option<String> {
    reason_against_writes(state).or_else(|| {
        let expected = state.plugins.expected();
        (!expected.is_empty()).then(|| format!("plugins are still being compiled: {}", expected.join(", ")))
    })
}

fn answer(request: &Request, state: &State, reason: Option<String>) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    Ok(bytes(state.database.now_ms(), reason).map(Body::full))
}

/// The answer at a time; healthy without a reason.
pub(crate) fn bytes(now_ms: u64, reason: Option<String>) -> Response<Bytes> {
    let timestamp = time::rfc3339(now_ms);
    let status = if reason.is_none() { "healthy" } else { "unhealthy" };
    let code = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let json = serde_json::to_vec(&Health { status, timestamp, reason }).unwrap_or_default();
    let mut response = Response::new(Bytes::from(json));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media::JSON));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
