//! `/api/v1/schema/tables`: make, show, alter and drop tables.

use http::{Method, Response, StatusCode};
use mantis_db::Interrupt;
use mantis_db::tables::code;
use mantis_db::tables::schema::{TableChange, TableDocument};
use serde::Serialize;

use crate::api::blocking::blocking_for_client;
use crate::api::common;
use crate::api::description::{Answer, Content, RequestContent, Shape, Tag, no_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, respond};
use crate::state::{Operation, State};

const DOCUMENT: &[Content] = &[Content { media: media::JSON, shape: Shape::Json }];

pub(crate) static LIST: Operation = Operation {
    method: Method::GET,
    id: "listTables",
    tag: Tag::Schemas,
    summary: "List the tables",
    description: "By name, with their schemas.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer { status: 200, description: "All tables.", content: DOCUMENT, headers: &[] }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(list(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static SHOW: Operation = Operation {
    method: Method::GET,
    id: "showTable",
    tag: Tag::Schemas,
    summary: "Show a table's schema",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer { status: 200, description: "The schema.", content: DOCUMENT, headers: &[] }],
    problems: &[AnyCode::Table(code::NO_TABLE), AnyCode::Http(Code::NotAcceptable), AnyCode::Http(Code::PathMalformed)],
    now: None,
    handler: |state, request| Box::pin(show(state, request)),
    timeout: TimeoutPolicy::Configured,
};

const WRITE_PROBLEMS: &[AnyCode] = &[
    AnyCode::Table(code::NO_TABLE),
    AnyCode::Table(code::NAME_INVALID),
    AnyCode::Table(code::SCHEMA_INVALID),
    AnyCode::Table(code::OBJECT_UNDEFINED),
    AnyCode::Table(code::COLUMN_UNDEFINED),
    AnyCode::Table(code::DEPENDENT_OBJECTS),
    AnyCode::Table(code::TABLE_DUPLICATE),
    AnyCode::Table(code::UNIQUE_VIOLATION),
    AnyCode::Table(code::DISK_FULL),
    AnyCode::Table(code::IO_ERROR),
    AnyCode::Http(Code::BodyMalformed),
    AnyCode::Http(Code::BodyInvalid),
    AnyCode::Http(Code::PathMalformed),
];

pub(crate) static CREATE: Operation = Operation {
    method: Method::PUT,
    id: "createTable",
    tag: Tag::Schemas,
    summary: "Create a table",
    description: "Or confirm that it is there with the same schema.",
    query: &[],
    headers: &[],
    body: Some(RequestContent { required: true, content: DOCUMENT, description: "The schema." }),
    answers: &[
        Answer { status: 200, description: "It was there already.", content: DOCUMENT, headers: &[] },
        Answer { status: 201, description: "It was created.", content: DOCUMENT, headers: &[] },
    ],
    problems: WRITE_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(create(state, request)),
    timeout: TimeoutPolicy::Own,
};

pub(crate) static ALTER: Operation = Operation {
    method: Method::PATCH,
    id: "alterTable",
    tag: Tag::Schemas,
    summary: "Alter a table",
    description: "All of the changes or none; checked against the rows, beside which other writers go on.",
    query: &[],
    headers: &[],
    body: Some(RequestContent { required: true, content: DOCUMENT, description: "The changes." }),
    answers: &[Answer { status: 200, description: "The definition after them.", content: DOCUMENT, headers: &[] }],
    problems: WRITE_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(alter(state, request)),
    timeout: TimeoutPolicy::Own,
};

const DROP_PROBLEMS: &[AnyCode] = &[
    AnyCode::Table(code::NO_TABLE),
    AnyCode::Table(code::DEPENDENT_OBJECTS),
    AnyCode::Table(code::DISK_FULL),
    AnyCode::Table(code::IO_ERROR),
    AnyCode::Http(Code::PathMalformed),
];

pub(crate) static DROP: Operation = Operation {
    method: Method::DELETE,
    id: "dropTable",
    tag: Tag::Schemas,
    summary: "Drop a table",
    description: "With all its rows. Refused where a foreign key of another table references it.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[no_content(204, "It is gone.", &[])],
    problems: DROP_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(drop_table(state, request)),
    timeout: TimeoutPolicy::Own,
};

fn table(request: &Request) -> Result<String> {
    Ok(request.path_text(&common::TABLE)?.into_owned())
}

async fn list(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let tables = state.session().await?.describe_tables().await?;
    Ok(respond::json(StatusCode::OK, &TablesOut { tables }))
}

/// All definitions. Not as a `Value`, in which the numbers of defaults would lose digits.
#[derive(Serialize)]
struct TablesOut {
    tables: Vec<TableDocument>,
}

async fn show(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let document = state.session().await?.describe_table(&table(request)?).await?;
    Ok(respond::json(StatusCode::OK, &document))
}

async fn create(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let body = read_document(state, request).await?;
    let name = table(request)?;
    let mut session = state.session().await?;
    let created = session.create_table(&name, &TableDocument::read(&body)?).await?;
    let document = session.describe_table(&name).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(respond::json(status, &document))
}

async fn alter(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let body = read_document(state, request).await?;
    let name = table(request)?;
    let change = TableChange::read(&body)?;
    let mut session = state.session().await?;
    // To look at the rows of a large table takes seconds. A change whose client has gone is taken back.
    let document = blocking_for_client(move |absence| async move {
        let is_gone = || absence.is_known();
        session.alter_table_until(&name, &change, Interrupt::when(&is_gone)).await?;
        Ok(session.describe_table(&name).await?)
    });
    Ok(respond::json(StatusCode::OK, &document.await?))
}

async fn drop_table(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let (name, mut session) = (table(request)?, state.session().await?);
    // And so do they to remove. Without its client, housekeeping does that.
    blocking_for_client(move |absence| async move {
        let is_gone = || absence.is_known();
        Ok(session.drop_table_until(&name, Interrupt::when(&is_gone)).await?)
    })
    .await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

async fn read_document(state: &State, request: &mut Request) -> Result<bytes::Bytes> {
    request.expect_media(&[media::JSON])?;
    request.read_body(state.config.body_bytes_max, state.config.body_timeout_ms).await
}
