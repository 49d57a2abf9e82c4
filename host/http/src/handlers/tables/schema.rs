//! `/api/v1/schema/tables`: make, show, alter and drop tables.

use http::{Method, Response, StatusCode};
use mantis_db::tables::code;
use mantis_db::tables::define::Definitions;
use mantis_db::tables::schema::{TableChange, TableDocument};
use mantis_db::{Budget, Interrupt, Reservation};

use crate::api::blocking::{blocking, blocking_for_client, long_text, text};
use crate::api::common;
use crate::api::description::{Answer, Content, RequestContent, Shape, Tag, no_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::memory::Text;
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, memory, respond};
use crate::state::{Operation, State};

const DOCUMENT: &[Content] = &[Content { media: media::JSON, shape: Shape::Json }];

/// Bytes of stored definitions that are described on a thread that other requests wait for.
const STORED_BYTES_NOW_MAX: usize = 16 << 10;
/// Bytes of a definition that are written on such a thread.
const ANSWER_BYTES_NOW_MAX: usize = 64 << 10;
/// A definition in the normal form has more than what it was made of: names of constraints, types in full, what was left out.
const NORMAL_FORM_GROWTH: usize = 4;

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
    let tables = state.session().await?.definitions().await?;
    let json = definitions_text(&request.in_flight, tables, write_tables);
    Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?))
}

/// A text about all tables, of which one definition at a time is in memory. Where they are long, none is made on this thread.
pub(super) async fn definitions_text(
    in_flight: &Budget,
    tables: Definitions,
    write: impl Fn(&Definitions, &mut Text) -> Result<()> + Send + 'static,
) -> Result<bytes::Bytes> {
    if tables.stored_bytes() > STORED_BYTES_NOW_MAX {
        return long_text(in_flight, tables, write).await;
    }
    text(in_flight, tables, write).await
}

/// Not by way of a `Value`, in which the numbers of defaults would lose digits.
fn write_tables(tables: &Definitions, text: &mut Text) -> Result<()> {
    text.push(b"{\"tables\":[")?;
    for (place, document) in tables.documents().enumerate() {
        if place > 0 {
            text.push(b",")?;
        }
        text.push_json(&document?)?;
    }
    text.push(b"]}")
}

/// The JSON of a definition after a change, which is no longer refused.
async fn changed(document: TableDocument, reservation: Reservation) -> Result<bytes::Bytes> {
    let is_long = reservation.bytes() > ANSWER_BYTES_NOW_MAX;
    let write = move || memory::covered(serde_json::to_vec(&document).unwrap_or_default().into(), reservation);
    if is_long { blocking(move || async move { Ok(write()) }).await } else { Ok(write()) }
}

/// What the JSON of a definition takes that is made of a body and of what was there, about.
fn estimated_bytes(before: usize, body: &[u8]) -> usize {
    body.len().saturating_mul(NORMAL_FORM_GROWTH).saturating_add(before)
}

async fn show(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let document = state.session().await?.describe_table(&table(request)?).await?;
    let json = text(&request.in_flight, document, |document, text| text.push_json(document));
    Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?))
}

async fn create(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let body = read_document(state, request).await?;
    let name = table(request)?;
    // Taken before the table is there.
    let reservation = request.reserve(estimated_bytes(0, &body))?;
    let mut session = state.session().await?;
    let created = session.create_table(&name, &TableDocument::read(&body)?).await?;
    let document = session.describe_table(&name).await?;
    let status = if created.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(respond::bytes(status, media::JSON, changed(document, reservation).await?))
}

async fn alter(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let body = read_document(state, request).await?;
    let name = table(request)?;
    let change = TableChange::read(&body)?;
    let mut session = state.session().await?;
    // To look at the rows of a large table takes seconds. A change whose client has gone is taken back.
    let in_flight = request.in_flight.clone();
    let json = blocking_for_client(move |absence| async move {
        let is_gone = || absence.is_known();
        let before = serde_json::to_vec(&session.describe_table(&name).await?).map_or(0, |json| json.len());
        let reservation = memory::take(&in_flight, estimated_bytes(before, &body))?;
        session.alter_table_until(&name, &change, Interrupt::when(&is_gone)).await?;
        let document = session.describe_table(&name).await?;
        Ok(memory::covered(serde_json::to_vec(&document).unwrap_or_default().into(), reservation))
    });
    Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?))
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
