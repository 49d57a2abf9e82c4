//! `GET /rest/v1/`: which tables and functions there are, as PostgREST tells it.

use std::sync::Arc;

use http::header::ALLOW;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::tables::{TableError, code};

use crate::api::description::{Answer, Content, Shape, Tag, no_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::limits;
use crate::openapi::{self, Root};
use crate::protocol::body::Body;
use crate::protocol::errors::AnyCode;
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, respond};
use crate::state::{Operation, State};

const OPENAPI: &str = "application/openapi+json";

pub(crate) static ROOT: Operation = Operation {
    method: Method::GET,
    id: "describeRest",
    tag: Tag::Tables,
    summary: "Describe the tables and functions",
    description: "OpenAPI 2.0, as PostgREST's clients and tools read it. `/openapi.json` describes the whole API in OpenAPI 3.1.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The document.",
        content: &[Content { media: OPENAPI, shape: Shape::Json }, Content { media: media::JSON, shape: Shape::Json }],
        headers: &[],
    }],
    problems: &[AnyCode::Table(code::MEDIA_UNAVAILABLE)],
    now: None,
    handler: |state, request| Box::pin(root(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static OPTIONS: Operation = Operation {
    method: Method::OPTIONS,
    id: "restOptions",
    tag: Tag::Tables,
    summary: "List the methods of the description",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[no_content(200, "`Allow` has them.", &[])],
    problems: &[],
    now: None,
    handler: |_, _| Box::pin(async { Ok(options()) }),
    timeout: TimeoutPolicy::Configured,
};

async fn root(state: &Arc<State>, request: &Request) -> Result<Response<Body>> {
    let media = accept::choose(request.headers(), &[OPENAPI, media::JSON]).map_err(|problem| {
        let message = "None of these media types are available";
        let unavailable = TableError::new(code::MEDIA_UNAVAILABLE, message);
        unavailable.with_details(problem.message().to_owned())
    })?;
    let fingerprint = state.fingerprint().await?;
    let maker = Arc::clone(state);
    let make = move || async move {
        let mut session = maker.session().await?;
        let (tables, tables_left_out) = session.describe_tables_within(limits::DOCUMENT_TABLES).await?;
        let plugins = maker.plugins.list();
        let root = Root { version: &maker.config.version, tables: &tables, tables_left_out, plugins: &plugins };
        Ok(openapi::root_text(&root))
    };
    let document = state.documents.root.get(fingerprint, make).await?;
    let shown = if media == OPENAPI { "application/openapi+json; charset=utf-8" } else { media };
    Ok(respond::bytes(StatusCode::OK, shown, document))
}

fn options() -> Response<Body> {
    let mut response = respond::empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("OPTIONS,GET,HEAD"));
    response
}
