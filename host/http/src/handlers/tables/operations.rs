//! The operations on the rows of a table.

use http::header::ALLOW;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::tables::code;

use super::{read, request, row, write};
use crate::api::common;
use crate::api::description::{
    Answer, AnswerHeader, Content, Kind, Parameter, RequestContent, RequestHeader, Role, Shape, Tag, no_content,
};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::respond;
use crate::state::{Operation, State};

/// Every parameter is a filter, or one of the dialect's own words.
pub(super) static DIALECT: Parameter = Parameter {
    name: "dialect",
    kind: Kind::Dialect,
    description: "PostgREST's dialect: `select`, `order`, `limit`, `offset`, `and`, `or`, `columns`, `on_conflict`, and any column \
                  with an operator and a value, as in `age=gte.18`.",
    // Which columns there are, no schema of all tables can say.
    role: Role::Optional,
};
pub(super) static PREFER: RequestHeader = RequestHeader {
    name: "prefer",
    pattern: None,
    example: "return=representation",
    description: "`return=minimal|headers-only|representation`, `count=exact|planned|estimated`, \
                  `resolution=merge-duplicates|ignore-duplicates`, `missing=default|null`, `handling=strict|lenient`, \
                  `timezone=`, `max-affected=`, `tx=commit|rollback`.",
};
pub(super) static ARGUMENTS: RequestHeader = RequestHeader {
    name: request::ARGUMENTS,
    pattern: None,
    example: "[18, \"Oslo\"]",
    description: "The values of `$1`, `$2`, .. in the conditions of the query, as a list in JSON of ASCII alone: scalars, null, and lists of \
                  scalars. A value is never taken for a part of the condition. Without this header `$` has no meaning.",
};
pub(super) static RANGE: RequestHeader = RequestHeader {
    name: "range",
    pattern: None,
    example: "0-9",
    description: "Which rows, as in `0-9`; of those that `limit` and `offset` name.",
};
pub(super) static PROFILE: RequestHeader =
    RequestHeader { name: "accept-profile", pattern: None, example: "public", description: "The schema: `public`." };
pub(super) static CONTENT_PROFILE: RequestHeader =
    RequestHeader { name: "content-profile", pattern: None, example: "public", description: "The schema: `public`." };

pub(super) static CONTENT_RANGE: AnswerHeader = AnswerHeader {
    name: "content-range",
    required: false,
    pattern: None,
    description: "Which rows these are, of how many: `0-9/100`; `*` for what is not known or not there.",
};
pub(super) static PREFERENCE_APPLIED: AnswerHeader = AnswerHeader {
    name: "preference-applied",
    required: false,
    pattern: None,
    description: "The preferences that were applied.",
};
static LOCATION: AnswerHeader =
    AnswerHeader { name: "location", required: false, pattern: None, description: "The path of the one row inserted." };

static ROW_ETAG: AnswerHeader = AnswerHeader {
    name: "etag",
    required: false,
    pattern: Some(r#"^"v[0-9]+(-[0-9a-f]+)?(-gzip|-br|-zstd)?"$"#),
    description: "The row and the form as an entity tag. Not sent for what a transaction has written and not committed.",
};

const ROWS: &[Content] = &[
    Content { media: "application/vnd.pgrst.plan+json", shape: Shape::Json },
    Content { media: "application/vnd.pgrst.plan+text", shape: Shape::Text },
    Content { media: "application/json", shape: Shape::Json },
    Content { media: "application/vnd.pgrst.object+json", shape: Shape::Json },
    Content { media: "application/vnd.pgrst.array+json", shape: Shape::Json },
    Content { media: "application/x-ndjson", shape: Shape::Text },
    Content { media: "text/csv", shape: Shape::Text },
    Content { media: "application/vnd.mantisdb.rows", shape: Shape::Bytes },
];
const WRITTEN: &[Content] = &[
    Content { media: "application/json", shape: Shape::Json },
    Content { media: "application/x-ndjson", shape: Shape::Text },
    Content { media: "text/csv", shape: Shape::Text },
    Content { media: "application/x-www-form-urlencoded", shape: Shape::Text },
];

const READ_PROBLEMS: &[AnyCode] = &[
    AnyCode::Table(code::PARSE),
    AnyCode::Table(code::RANGE_NOT_SATISFIABLE),
    AnyCode::Table(code::SCHEMA_UNKNOWN),
    AnyCode::Table(code::MEDIA_UNAVAILABLE),
    AnyCode::Table(code::NOT_EMBEDDED),
    AnyCode::Table(code::NOT_SINGULAR),
    AnyCode::Table(code::PREFERENCES_INVALID),
    AnyCode::Table(code::NO_RELATIONSHIP),
    AnyCode::Table(code::AMBIGUOUS_RELATIONSHIP),
    AnyCode::Table(code::NO_TABLE),
    AnyCode::Table(code::TEXT_INVALID),
    AnyCode::Table(code::COLUMN_UNDEFINED),
    AnyCode::Table(code::OPERATOR_UNDEFINED),
    AnyCode::Table(code::LIMIT_EXCEEDED),
    AnyCode::Table(code::QUERY_CANCELED),
    AnyCode::Http(Code::StreamsTooMany),
];
const WRITE_PROBLEMS: &[AnyCode] = &[
    AnyCode::Table(code::PARSE),
    AnyCode::Table(code::BODY_INVALID),
    AnyCode::Table(code::SCHEMA_UNKNOWN),
    AnyCode::Table(code::MEDIA_UNAVAILABLE),
    AnyCode::Table(code::UPSERT_FILTERS),
    AnyCode::Table(code::UPSERT_WINDOW),
    AnyCode::Table(code::UPSERT_KEYS),
    AnyCode::Table(code::NOT_SINGULAR),
    AnyCode::Table(code::PREFERENCES_INVALID),
    AnyCode::Table(code::MAX_AFFECTED),
    AnyCode::Table(code::NO_COLUMN),
    AnyCode::Table(code::NO_TABLE),
    AnyCode::Table(code::TEXT_INVALID),
    AnyCode::Table(code::COLUMN_UNDEFINED),
    AnyCode::Table(code::OPERATOR_UNDEFINED),
    AnyCode::Table(code::NOT_NULL_VIOLATION),
    AnyCode::Table(code::FOREIGN_KEY_VIOLATION),
    AnyCode::Table(code::UNIQUE_VIOLATION),
    AnyCode::Table(code::CHECK_VIOLATION),
    AnyCode::Table(code::LIMIT_EXCEEDED),
    AnyCode::Table(code::DISK_FULL),
    AnyCode::Table(code::IO_ERROR),
];

pub(crate) static READ: Operation = Operation {
    method: Method::GET,
    id: "readRows",
    tag: Tag::Tables,
    summary: "Read rows",
    description: "Filtered, ordered, paged, with embedded rows of other tables.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &RANGE, &PROFILE, &ARGUMENTS],
    body: None,
    answers: &[
        Answer {
            status: 200,
            description: "The rows.",
            content: ROWS,
            headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED],
        },
        Answer {
            status: 206,
            description: "Some of the rows, where they were counted.",
            content: ROWS,
            headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED],
        },
    ],
    problems: READ_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(read::read(state, request)),
    timeout: TimeoutPolicy::Configured,
};

const BODY: RequestContent = RequestContent {
    required: false,
    content: WRITTEN,
    description: "A row or a list of rows. Without a `Content-Type` it is JSON.",
};

pub(crate) static INSERT: Operation = Operation {
    method: Method::POST,
    id: "insertRows",
    tag: Tag::Tables,
    summary: "Insert rows",
    description: "One or many, all or none. With `Prefer: resolution=` rows whose key is there already are merged or left as they are.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE],
    body: Some(BODY),
    answers: &[
        Answer {
            status: 200,
            description: "Rows were merged and none was inserted.",
            content: ROWS,
            headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
        },
        Answer {
            status: 201,
            description: "The rows were inserted. With `Prefer: return=representation` the body is as with 200.",
            content: &[],
            headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &LOCATION, &common::VERSION, &common::DURABLE],
        },
    ],
    problems: WRITE_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(write::insert(state, request)),
    timeout: TimeoutPolicy::Configured,
};

static CHANGED: &[Answer] = &[
    Answer {
        status: 200,
        description: "The rows, where `Prefer: return=representation` asks for them.",
        content: ROWS,
        headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
    Answer {
        status: 204,
        description: "It is done.",
        content: &[],
        headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
];

pub(crate) static UPDATE: Operation = Operation {
    method: Method::PATCH,
    id: "updateRows",
    tag: Tag::Tables,
    summary: "Update rows",
    description: "An object gives its values to all rows that the filters select. A list of objects with primary keys gives each of these \
                  rows its own values.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE, &ARGUMENTS],
    body: Some(BODY),
    answers: CHANGED,
    problems: WRITE_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(write::update(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static PUT: Operation = Operation {
    method: Method::PUT,
    id: "putRow",
    tag: Tag::Tables,
    summary: "Insert or replace a row",
    description: "The filters name its whole primary key with `eq`, and the body has the same.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE],
    body: Some(BODY),
    answers: &[
        CHANGED_PUT,
        Answer {
            status: 201,
            description: "The row was inserted, and the representation was asked for.",
            content: ROWS,
            headers: &[&PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
        },
        no_content(204, "It is done.", &[&PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE]),
    ],
    problems: WRITE_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(write::put(state, request)),
    timeout: TimeoutPolicy::Configured,
};

const CHANGED_PUT: Answer = Answer {
    status: 200,
    description: "The row was replaced, and the representation was asked for.",
    content: ROWS,
    headers: &[&PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
};

pub(crate) static DELETE: Operation = Operation {
    method: Method::DELETE,
    id: "deleteRows",
    tag: Tag::Tables,
    summary: "Delete rows",
    description: "Those that the filters select.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE, &ARGUMENTS],
    body: None,
    answers: CHANGED,
    problems: WRITE_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(write::delete(state, request)),
    timeout: TimeoutPolicy::Configured,
};

const ROW: &[Content] = &[
    Content { media: "application/vnd.pgrst.object+json", shape: Shape::Json },
    Content { media: "application/x-ndjson", shape: Shape::Text },
    Content { media: "text/csv", shape: Shape::Text },
    Content { media: "application/vnd.mantisdb.rows", shape: Shape::Bytes },
];

pub(crate) static SHOW_ROW: Operation = Operation {
    method: Method::GET,
    id: "showRow",
    tag: Tag::Tables,
    summary: "Read a row by its primary key",
    description: "An object, with the row's version as its tag.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &PROFILE, &common::IF_MATCH, &common::IF_NONE_MATCH],
    body: None,
    answers: &[
        Answer { status: 200, description: "The row.", content: ROW, headers: &[&ROW_ETAG, &PREFERENCE_APPLIED] },
        no_content(304, "The client's copy is current.", &[&ROW_ETAG]),
    ],
    problems: ROW_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(row::show(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static PUT_ROW: Operation = Operation {
    method: Method::PUT,
    id: "replaceRow",
    tag: Tag::Tables,
    summary: "Insert or replace a row",
    description: "Columns that the body does not name get their defaults. Its primary key may be left out.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE, &common::IF_MATCH, &common::IF_NONE_MATCH],
    body: Some(BODY),
    answers: ROW_CHANGED,
    problems: ROW_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(row::write(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static UPDATE_ROW: Operation = Operation {
    method: Method::PATCH,
    id: "mergeRow",
    tag: Tag::Tables,
    summary: "Update a row",
    description: "Columns that the body does not name stay as they are.",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE, &common::IF_MATCH, &common::IF_NONE_MATCH],
    body: Some(BODY),
    answers: ROW_CHANGED,
    problems: ROW_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(row::write(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static DELETE_ROW: Operation = Operation {
    method: Method::DELETE,
    id: "deleteRow",
    tag: Tag::Tables,
    summary: "Delete a row",
    description: "",
    query: &[&DIALECT],
    headers: &[&TRANSACTION, &PREFER, &CONTENT_PROFILE, &common::IF_MATCH, &common::IF_NONE_MATCH],
    body: None,
    answers: ROW_CHANGED,
    problems: ROW_PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(row::write(state, request)),
    timeout: TimeoutPolicy::Configured,
};

static ROW_CHANGED: &[Answer] = &[
    Answer {
        status: 200,
        description: "The row, where `Prefer: return=representation` asks for it.",
        content: ROW,
        headers: &[&ROW_ETAG, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
    Answer {
        status: 201,
        description: "The row is new. With `Prefer: return=representation` the body is as with 200.",
        content: &[],
        headers: &[&ROW_ETAG, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
    Answer {
        status: 204,
        description: "It is done.",
        content: &[],
        headers: &[&ROW_ETAG, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
];

const ROW_PROBLEMS: &[AnyCode] = &[
    AnyCode::Http(Code::RowNotFound),
    AnyCode::Http(Code::PreconditionFailed),
    AnyCode::Http(Code::NotAcceptable),
    AnyCode::Table(code::PARSE),
    AnyCode::Table(code::BODY_INVALID),
    AnyCode::Table(code::SCHEMA_UNKNOWN),
    AnyCode::Table(code::MEDIA_UNAVAILABLE),
    AnyCode::Table(code::UPSERT_KEYS),
    AnyCode::Table(code::PREFERENCES_INVALID),
    AnyCode::Table(code::NO_COLUMN),
    AnyCode::Table(code::NO_TABLE),
    AnyCode::Table(code::TEXT_INVALID),
    AnyCode::Table(code::COLUMN_UNDEFINED),
    AnyCode::Table(code::NO_CONFLICT_KEY),
    AnyCode::Table(code::FOREIGN_KEY_VIOLATION),
    AnyCode::Table(code::UNIQUE_VIOLATION),
    AnyCode::Table(code::DISK_FULL),
    AnyCode::Table(code::IO_ERROR),
];

pub(crate) static OPTIONS: Operation = Operation {
    method: Method::OPTIONS,
    id: "tableOptions",
    tag: Tag::Tables,
    summary: "List the methods of a table",
    description: "",
    query: &[&DIALECT],
    headers: &[],
    body: None,
    answers: &[no_content(200, "`Allow` has them.", &[])],
    problems: &[AnyCode::Table(code::NO_TABLE)],
    now: None,
    handler: |state, request| Box::pin(options(state, request)),
    timeout: TimeoutPolicy::Configured,
};

async fn options(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let table = request.path_text(&common::TABLE)?.into_owned();
    state.session().await?.describe_table(&table).await?;
    let mut response = respond::empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"));
    Ok(response)
}
