//! `GET /openapi.json` and `GET /docs`: the document for programs and for people.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::api::operation::{Answer, Content, Operation, Patience, Shape, Tag};
use crate::api::request::Request;
use crate::app::App;
use crate::openapi;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, respond};

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
        content: &[Content { media: respond::JSON, shape: Shape::Json }],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |app, request| Box::pin(async move { document(app, request) }),
    patience: Patience::Configured,
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
    handler: |app, request| Box::pin(async move { docs(app, request) }),
    patience: Patience::Configured,
};

/// An answer that is a page.
pub(crate) const fn page_answer(description: &'static str) -> Answer {
    Answer { status: 200, description, content: &[Content { media: respond::HTML, shape: Shape::Text }], headers: &[] }
}

fn document(app: &App, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    Ok(respond::json(StatusCode::OK, &app.openapi()))
}

fn docs(app: &App, request: &Request) -> Result<Response<Body>> {
    page(request, openapi::page(&app.0.config.version))
}

/// A page of our own.
pub(crate) fn page(request: &Request, html: String) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[HTML])?;
    let mut response = respond::bytes(StatusCode::OK, respond::HTML, Bytes::from(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
