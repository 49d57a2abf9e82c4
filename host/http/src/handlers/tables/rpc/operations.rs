//! The operations on functions of plugins.

use http::Method;
use mantis_db::tables::code;

use super::call;
use crate::api::common;
use crate::api::description::{Answer, Content, RequestContent, Shape, Tag, no_content};
use crate::api::operation::TimeoutPolicy;
use crate::handlers::tables::operations::{
    CONTENT_PROFILE, CONTENT_RANGE, DIALECT, PREFER, PREFERENCE_APPLIED, PROFILE, RANGE,
};
use crate::protocol::errors::{AnyCode, Code};
use crate::state::Operation;

const RESULT: &[Content] = &[
    Content { media: "application/json", shape: Shape::Json },
    Content { media: "application/vnd.pgrst.object+json", shape: Shape::Json },
    Content { media: "application/vnd.pgrst.array+json", shape: Shape::Json },
    Content { media: "application/x-ndjson", shape: Shape::Text },
    Content { media: "text/csv", shape: Shape::Text },
    Content { media: "application/vnd.mantisdb.rows", shape: Shape::Bytes },
];

const PROBLEMS: &[AnyCode] = &[
    AnyCode::Table(code::NO_FUNCTION),
    AnyCode::Table(code::RAISED),
    AnyCode::Table(code::CALL_METHOD),
    AnyCode::Table(code::PARSE),
    AnyCode::Table(code::BODY_INVALID),
    AnyCode::Table(code::RANGE_NOT_SATISFIABLE),
    AnyCode::Table(code::SCHEMA_UNKNOWN),
    AnyCode::Table(code::MEDIA_UNAVAILABLE),
    AnyCode::Table(code::NOT_SINGULAR),
    AnyCode::Table(code::NOT_IMPLEMENTED),
    AnyCode::Table(code::NOT_SUPPORTED),
    AnyCode::Table(code::MAX_AFFECTED),
    AnyCode::Table(code::MAX_AFFECTED_CALL),
    AnyCode::Table(code::PREFERENCES_INVALID),
    AnyCode::Table(code::NO_RELATIONSHIP),
    AnyCode::Table(code::TEXT_INVALID),
    AnyCode::Table(code::COLUMN_UNDEFINED),
    AnyCode::Table(code::OPERATOR_UNDEFINED),
    AnyCode::Table(code::LIMIT_EXCEEDED),
    AnyCode::Table(code::QUERY_CANCELED),
    AnyCode::Table(code::SERIALIZATION_FAILURE),
    AnyCode::Table(code::DISK_FULL),
    AnyCode::Table(code::IO_ERROR),
    AnyCode::Http(Code::PluginDeadline),
    AnyCode::Http(Code::PluginTrap),
    AnyCode::Http(Code::PluginLimit),
    AnyCode::Http(Code::PluginBusy),
    AnyCode::Http(Code::PluginUnavailable),
    AnyCode::Http(Code::PluginExpected),
    AnyCode::Http(Code::PathMalformed),
];

static ANSWERS: &[Answer] = &[
    Answer {
        status: 200,
        description: "The result.",
        content: RESULT,
        headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
    Answer {
        status: 206,
        description: "Some of the rows, where they were counted.",
        content: RESULT,
        headers: &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    },
    no_content(
        204,
        "The function returns nothing, or nothing was to be shown.",
        &[&CONTENT_RANGE, &PREFERENCE_APPLIED, &common::VERSION, &common::DURABLE],
    ),
];

pub(crate) static GET: Operation = Operation {
    method: Method::GET,
    id: "callRoutineReadOnly",
    tag: Tag::Tables,
    summary: "Call a function of a plugin that writes nothing",
    description: "Parameters that the function has are its arguments, `{1,2}` for a list; others ask for a part of its rows, as of a \
                  table. Only for plugins whose grants allow no writing.",
    query: &[&DIALECT],
    headers: &[&PREFER, &RANGE, &PROFILE],
    body: None,
    answers: ANSWERS,
    problems: PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(call::get(state, request)),
    timeout: TimeoutPolicy::Own,
};

pub(crate) static POST: Operation = Operation {
    method: Method::POST,
    id: "callRoutine",
    tag: Tag::Tables,
    summary: "Call a function of a plugin",
    description: "As PostgREST's clients call functions: `rpc('leaderboard.top', {n: 10})`. A list of records is rows, of which select, \
                  filters, order, limit, ranges, counts and media types make what they make of a table's; any other result is its JSON.",
    query: &[&DIALECT],
    headers: &[&PREFER, &CONTENT_PROFILE],
    body: Some(RequestContent {
        required: false,
        content: &[
            Content { media: "application/json", shape: Shape::Json },
            Content { media: "application/x-www-form-urlencoded", shape: Shape::Text },
        ],
        description: "The arguments by their names, in snake_case or kebab-case.",
    }),
    answers: ANSWERS,
    problems: PROBLEMS,
    now: None,
    handler: |state, request| Box::pin(call::post(state, request)),
    timeout: TimeoutPolicy::Own,
};

pub(crate) static OPTIONS: Operation = Operation {
    method: Method::OPTIONS,
    id: "routineOptions",
    tag: Tag::Tables,
    summary: "List the methods of a function",
    description: "",
    query: &[&DIALECT],
    headers: &[],
    body: None,
    answers: &[no_content(200, "`Allow` has them.", &[])],
    problems: &[AnyCode::Table(code::NO_FUNCTION), AnyCode::Http(Code::PathMalformed)],
    now: None,
    handler: |state, request| Box::pin(async move { call::options(state, request) }),
    timeout: TimeoutPolicy::Configured,
};
