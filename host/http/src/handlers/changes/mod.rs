//! `GET /changes`: committed changes, in order, as Server-Sent Events, lines, or a long poll.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response};
use mantis_db::tables::feed::{FeedScope, TableFeed};
use mantis_db::tables::{TableError, TableResult, code};
use mantis_db::{ChangeFilter, Code as DbCode, Since};
use mantis_dialect::Parser;

use crate::api::common::{ENCODING, PREFIX};
use crate::api::description::{
    Answer, Content, Kind, Parameter, Pattern, RequestHeader, Role, Shape, Tag, json_content,
};
use crate::api::operation::TimeoutPolicy;
use crate::api::query::{Query, named};
use crate::api::request::Request;
use crate::handlers::changes::follow::Follower;
use crate::handlers::changes::form::{Form, PageOut, View};
use crate::handlers::tables::request::parameters;
use crate::limits;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, media};
use crate::state::{Operation, State};
use crate::wire::bytes::Encoding;

mod follow;
mod form;

const EVENTS: &str = "text/event-stream";

pub(crate) static FOLLOW: Operation = Operation {
    method: Method::GET,
    id: "followChanges",
    tag: Tag::Changes,
    summary: "Follow committed changes",
    description: "Of keys, of rows and of definitions of tables, as far as the grants show them. As Server-Sent Events: `id` is a cursor, \
                  `event` says what happened (`put`, `delete`; `insert`, `update`, `delete`; `create`, `alter`, `drop`), `data` \
                  is JSON. `Last-Event-ID` resumes after an interruption; after 15 seconds without an event a comment and a new `id` follow, even while the filter skips \
                  commits. With `Accept: application/x-ndjson` each change is a JSON object on a line (an empty line after 15 \
                  seconds; with `progress=true` a line with the `cursor`). With `wait`, or `Accept: application/json`, the answer is one \
                  page: the changes that exist, or the first within that time, the `cursor` to continue from, and whether there is `more`. \
                  A cursor whose changes are not available (no longer kept, of another or an emptied store, or ahead of the newest \
                  commit) is 410 `compacted`; a stream that falls that far behind ends with an `error`.",
    query: &[&BUCKET, &PREFIX, &TABLE, &FILTERS, &SINCE, &WAIT, &VALUES, &PROGRESS, &ENCODING],
    headers: &[&LAST_EVENT_ID],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The changes.",
        content: &[
            // Without a schema: tools check it against each event, not against the text.
            Content { media: EVENTS, shape: Shape::Bytes },
            Content { media: media::NDJSON, shape: Shape::Text },
            json_content::<PageOut<'_>>(),
        ],
        headers: &[],
    }],
    problems: &[
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::HeaderInvalid),
        AnyCode::Http(Code::StreamsTooMany),
        AnyCode::Http(Code::ShuttingDown),
        AnyCode::Db(DbCode::BucketNameInvalid),
        AnyCode::Db(DbCode::CursorInvalid),
        AnyCode::Db(DbCode::Compacted),
        AnyCode::Table(code::PARSE),
        AnyCode::Table(code::NOT_IMPLEMENTED),
        AnyCode::Table(code::NO_TABLE),
        AnyCode::Table(code::TEXT_INVALID),
        AnyCode::Table(code::COLUMN_UNDEFINED),
        AnyCode::Table(code::OPERATOR_UNDEFINED),
        AnyCode::Table(code::LIMIT_EXCEEDED),
    ],
    now: None,
    handler: |state, request| Box::pin(changes(state, request)),
    timeout: TimeoutPolicy::Own,
};

static BUCKET: Parameter = Parameter {
    name: "bucket",
    kind: Kind::Text { pattern: Pattern::BucketName, bytes_max: limits::BUCKET_NAME_BYTES_MAX },
    description: "Only changes of this bucket.",
    role: Role::Optional,
};
static TABLE: Parameter = Parameter {
    name: "table",
    kind: Kind::Text { pattern: Pattern::Fixed("^.{1,63}$"), bytes_max: limits::TABLE_NAME_BYTES_MAX },
    description: "Only changes of this table: of its rows (`insert`, `update`, `delete`) and of its definition (`create`, `alter`, `drop`).",
    // Whether there is such a table, the store decides.
    role: Role::Optional,
};
static FILTERS: Parameter = Parameter {
    name: "filters",
    kind: Kind::Filters { with: "table" },
    description: "With `table`: `select`, `and`, `or`, and any column with an operator and a value, as in `status=eq.paid`. A change of a row is \
                  shown where the row before or after it matches; `matches` says which. A column with the name of one of these \
                  parameters is named in `and`.",
    role: Role::Optional,
};
static SINCE: Parameter = Parameter {
    name: "since",
    kind: Kind::Text { pattern: Pattern::FeedPlace, bytes_max: limits::CHANGES_CURSOR_BYTES_MAX },
    description: "Where to start: after this cursor, at the oldest change that is kept (`earliest` or `0`), or at the next commit \
                  (`now`, the default).",
    role: Role::Optional,
};
static WAIT: Parameter = Parameter {
    name: "wait",
    kind: Kind::Integer {
        min: 0,
        max: limits::WAIT_S_MAX,
        default: None,
        out_of_range: AnyCode::Http(Code::ParameterInvalid),
    },
    description: "Asks for one page, and how many seconds to wait for its first change. Whitespace is sent before it every few seconds, \
                  so that proxies keep the connection.",
    role: Role::Optional,
};
static VALUES: Parameter = Parameter {
    name: "values",
    kind: Kind::Flag,
    description: "`true` adds the new value and its media type.",
    role: Role::Optional,
};
static PROGRESS: Parameter = Parameter {
    name: "progress",
    kind: Kind::Flag,
    description: "`true` adds lines with the position, `{\"cursor\": \"...\"}`: at the start, after 15 seconds without a change, and with `more` \
                  at the end of a page. Events always have it.",
    role: Role::Optional,
};
static LAST_EVENT_ID: RequestHeader = RequestHeader {
    name: "last-event-id",
    pattern: Some("^(now|earliest|0|[0-9a-f]{16}-[0-9]{1,15}(-[0-9]{1,9})?)?$"),
    example: "49507dd1f111fc9e-7",
    description: "The last `id` received before an interruption; takes precedence over `since`.",
};

async fn changes(state: &Arc<State>, request: &mut Request) -> Result<Response<Body>> {
    let query = &request.query;
    let wait_s = query.integer(&WAIT);
    let offered: &[&'static str] = match wait_s {
        Some(_) => &[media::JSON, media::NDJSON],
        None => &[EVENTS, media::NDJSON, media::JSON],
    };
    let media = accept::choose(request.headers(), offered)?;
    let scope = scope(query, request.head.uri.query())?;
    let view = View { values: query.flag(&VALUES), progress: query.flag(&PROGRESS), encoding: Encoding::of(query) };
    let since = since(request.headers(), query.text(&SINCE))?;
    if state.is_shutting_down() {
        return Err(Code::ShuttingDown.into());
    }
    let mut follower = Follower::new(state, scope, since)?;
    // What is wrong with the request shows here, where it can still be said with a status.
    follower.read().await?;
    let body = if wait_s.is_some() || media == media::JSON {
        follower
            .into_page(
                Duration::from_secs(wait_s.unwrap_or(0)),
                if media == media::JSON { Form::Page } else { Form::Lines },
                view,
            )
            .await?
    } else {
        follower.into_body(if media == EVENTS { Form::Events } else { Form::Lines }, view).await?
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies buffer responses otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Which changes the request asks for: of keys where it names a bucket or a prefix, of rows where it names a table, or all.
fn scope(query: &Query, raw: Option<&str>) -> Result<FeedScope> {
    let (bucket, prefix) = (query.text(&BUCKET), query.bytes(&PREFIX));
    match query.text(&TABLE) {
        Some(_) if bucket.is_some() || prefix.is_some() => {
            Err(TABLE.invalid("goes with neither `bucket` nor `prefix`: a table has rows, a bucket has keys"))
        }
        Some(table) => {
            let parameters = filters(raw)?;
            let borrowed = parameters.iter().map(|(name, value)| (&name[..], &value[..]));
            let query = Parser::default().query(borrowed).map_err(TableError::from)?;
            Ok(FeedScope::Table(TableFeed::new(table, query)?))
        }
        None if bucket.is_none() && prefix.is_none() => Ok(FeedScope::All),
        None => Ok(FeedScope::Keys(ChangeFilter {
            bucket: bucket.map(str::to_owned),
            prefix: prefix.unwrap_or_default().to_vec(),
        })),
    }
}

/// The parameters that are not the feed's own.
fn filters(raw: Option<&str>) -> TableResult<Vec<(String, String)>> {
    let mut given = parameters(raw)?;
    given.retain(|(name, _)| !named(FOLLOW.query).any(|own| own.name == name));
    Ok(given)
}

fn since(headers: &HeaderMap, since: Option<&str>) -> Result<Since> {
    let resumed = match headers.get(LAST_EVENT_ID.name) {
        None => None,
        Some(id) => {
            let malformed = || Problem::new(Code::HeaderInvalid).detail("`last-event-id` is not a cursor");
            Some(id.to_str().map_err(|_| malformed())?).filter(|id| !id.is_empty())
        }
    };
    Ok(match resumed.or(since) {
        None | Some("now") => Since::Now,
        Some("earliest" | "0") => Since::Earliest,
        Some(cursor) => Since::Cursor(cursor.to_owned()),
    })
}
