//! `GET /openapi.json` and `GET /docs`: the document for programs and for people.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::tables::schema::TableDocument;
use serde_json::Value;

use crate::api::description::{Answer, Content, Shape, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::limits;
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
    description: "The functions of installed plugins and the tables are in it, with their types, as they are now.",
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
    handler: |state, request| Box::pin(document(state, request)),
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
    answers: &[page_answer(200, "The page.")],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(async move { docs(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

/// An answer that is a page.
pub(crate) const fn page_answer(status: u16, description: &'static str) -> Answer {
    Answer { status, description, content: &[Content { media: media::HTML, shape: Shape::Text }], headers: &[] }
}

/// The OpenAPI document of the server, without its tables.
pub(crate) fn openapi(state: &State) -> Value {
    with_subject(state, &[], 0, |subject| openapi::document(state.routes, subject))
}

/// Makes something of the server with these tables; how many there are besides.
fn with_subject<T>(
    state: &State,
    tables: &[TableDocument],
    tables_left_out: usize,
    make: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    make(&Subject {
        version: &state.config.version,
        limits: state.database.limits(),
        incarnation: state.incarnation.as_deref(),
        tables,
        tables_left_out,
        plugins: &state.plugins.list(),
        limit_ranges: &state.plugins.limit_ranges(),
    })
}

async fn document(state: &Arc<State>, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let fingerprint = state.fingerprint().await?;
    let maker = Arc::clone(state);
    let make = move || async move {
        let mut session = maker.session().await?;
        let (tables, left_out) = session.describe_tables_within(limits::DOCUMENT_TABLES).await?;
        Ok(with_subject(&maker, &tables, left_out, |subject| openapi::text(maker.routes, subject)))
    };
    let document = state.documents.openapi.get(fingerprint, make).await?;
    Ok(respond::bytes(StatusCode::OK, media::JSON, document))
}

fn docs(state: &State, request: &Request) -> Result<Response<Body>> {
    let make = || openapi::page(state.routes, &state.config.version).into();
    page(request, state.documents.page.get_or_init(make).clone())
}

/// A page of our own.
pub(crate) fn page(request: &Request, html: Bytes) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[HTML])?;
    let mut response = respond::bytes(StatusCode::OK, media::HTML, html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
