//! `GET /openapi.json` and `GET /docs`: the document for programs and for people.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use crate::api::description::{Answer, Content, Shape, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::openapi;
use crate::openapi::Subject;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, respond};
use crate::state::{Operation, State};

/// What our own pages may do: show themselves.
pub(crate) const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const HTML: &str = "text/html";

pub(crate) static OPENAPI: Operation = Operation {
    method: Method::GET,
    id: "getOpenapi",
    tag: Tag::Service,
    summary: "This document",
    description: "The functions of installed plugins are in it, with their types.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The document.",
        content: &[Content { media: media::JSON, shape: Shape::Json }],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(async move { document(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static DOCS: Operation = Operation {
    method: Method::GET,
    id: "getDocs",
    tag: Tag::Service,
    summary: "This document as a page",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[page_answer("The page.")],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(async move { docs(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

/// An answer that is a page.
pub(crate) const fn page_answer(description: &'static str) -> Answer {
    Answer { status: 200, description, content: &[Content { media: media::HTML, shape: Shape::Text }], headers: &[] }
}

/// The OpenAPI document of the server as it is now.
pub(crate) fn openapi(state: &State) -> Value {
    let subject = Subject {
        version: &state.config.version,
        limits: state.database.limits(),
        incarnation: state.incarnation.as_deref(),
        plugins: &state.plugins.list(),
        limit_ranges: &state.plugins.limit_ranges(),
    };
    openapi::document(state.routes, &subject)
}

fn document(state: &State, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    Ok(respond::json(StatusCode::OK, &openapi(state)))
}

fn docs(state: &State, request: &Request) -> Result<Response<Body>> {
    page(request, openapi::page(state.routes, &state.config.version))
}

/// A page of our own.
pub(crate) fn page(request: &Request, html: String) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[HTML])?;
    let mut response = respond::bytes(StatusCode::OK, media::HTML, Bytes::from(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
