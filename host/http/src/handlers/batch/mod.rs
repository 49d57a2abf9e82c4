//! `POST /batch`: operations on keys and rows of any buckets and tables, all or nothing.
//!
//! | file | holds |
//! |---|---|
//! | `form`, `form_schema` | the schema of the operations, which `mantis_forms` reads |
//! | `answer` | the results as JSON, and what an error says of its operation |
//!
//! Operations on keys have the form of `POST /kv`, rows in them that of `POST /tables/{table}`.

mod answer;
mod form;
mod form_schema;

use bytes::Bytes;
use http::{Method, Response};
use jiff::tz::TimeZone;
use mantis_db::batch::{BatchOptions, Cause, Operation as Op};
use mantis_db::tables::{Interrupt, code};
use mantis_db::{Budget, Code as DbCode, Entry, Limits};
use mantis_forms::batch;

use self::form::BatchForm;
use crate::api::blocking::blocking;
use crate::api::common;
use crate::api::common::ENCODING;
use crate::api::description::{Answer, RequestContent, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::presence::Presence;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::batch::Style;
use crate::handlers::kv::shared::{DETAILS, NUMBERS};
use crate::limits::{SHORT_BATCH_OPERATIONS_MAX, SHORT_BODY_BYTES_MAX, SHORT_QUERY_ROWS_MAX};
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, memory};
use crate::state::configuration::TablesConfig;
use crate::state::sessions::Held;
use crate::state::{Operation, State};
use crate::wire::bytes::BytesOut;

pub(crate) static BATCH: Operation = Operation {
    method: Method::POST,
    id: "applyOperations",
    tag: Tag::Transactions,
    summary: "Run operations on keys and rows, all or nothing",
    description: "In order, in one commit: each operation sees the writes of those before it. Where a condition does not hold (`if_version`, \
                  `absent`, `matches`) the answer is 409 and names the operations. Any other error has the index of its operation in \
                  `operation`; those that would be 400, 404 and the like for a request of its own are 422. Nothing is written then.",
    query: &[&DETAILS, &ENCODING, &NUMBERS],
    headers: &[&TRANSACTION],
    body: Some(RequestContent {
        required: true,
        content: &[json_content::<BatchForm>()],
        description: "The operations, in order.",
    }),
    answers: &[Answer {
        status: 200,
        description: "The commit, and the result of each operation, in order.",
        content: &[json_content::<answer::AppliedOut>()],
        headers: &[&common::VERSION, &common::DURABLE],
    }],
    problems: &[
        AnyCode::Http(Code::BodyMalformed),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::CheckFailed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Db(DbCode::OperationsTooMany),
        AnyCode::Db(DbCode::AnswerTooLarge),
        AnyCode::Db(DbCode::TransactionTooLarge),
        AnyCode::Db(DbCode::NotAnInteger),
        AnyCode::Db(DbCode::BucketsTooMany),
        AnyCode::Db(DbCode::IntegerOverflow),
        AnyCode::Db(DbCode::Conflict),
        AnyCode::Db(DbCode::StoreFull),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
        AnyCode::Table(code::FOREIGN_KEY_VIOLATION),
        AnyCode::Table(code::UNIQUE_VIOLATION),
        AnyCode::Table(code::SERIALIZATION_FAILURE),
        AnyCode::Table(code::OUT_OF_MEMORY),
        AnyCode::Table(code::SHUTDOWN),
        AnyCode::Table(code::IO_ERROR),
    ],
    now: None,
    handler: |state, request| Box::pin(apply(state, request)),
    timeout: TimeoutPolicy::Configured,
};

async fn apply(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    request.expect_media(&[media::JSON])?;
    let config = &state.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    let parsed = request.reserve(memory::parsed_rows_bytes(&body))?;
    let mut work = Work {
        body: memory::held(body, parsed),
        limits: state.database.limits().clone(),
        tables: config.tables,
        session: state.session_for(request).await?,
        style: Style::of(&request.query),
        in_flight: request.in_flight.clone(),
    };
    // On a thread for requests a long one would hold up others; it starts over on one for long work.
    if work.body.len() <= SHORT_BODY_BYTES_MAX
        && let Some(answer) = work.run(true, Interrupt::default()).await?
    {
        return Ok(answer);
    }
    // One whose client has gone stops, and nothing of it is left.
    let presence = Presence::new();
    let absence = presence.absence();
    let answer = blocking(move || async move {
        let is_gone = || absence.is_known();
        work.run(false, Interrupt::when(&is_gone)).await
    })
    .await?;
    answer.ok_or_else(|| Code::Internal.into())
}

/// All that a batch needs, so that it can move to another thread.
struct Work {
    body: Bytes,
    limits: Limits,
    tables: TablesConfig,
    session: Held,
    style: Style,
    in_flight: Budget,
}

impl Work {
    /// Runs the batch; none where it `is_short` and turns out not to be.
    async fn run(&mut self, is_short: bool, interrupt: Interrupt<'_>) -> Result<Option<Response<Body>>> {
        let Self { body, limits, tables, session, style, in_flight } = self;
        let operations = batch::read(body, limits).map_err(answer::unread)?;
        if is_short && (operations.len() > SHORT_BATCH_OPERATIONS_MAX || operations.iter().any(is_span)) {
            return Ok(None);
        }
        let weigh = |entry: &Entry| BytesOut(&entry.value, style.encoding).length();
        let options = BatchOptions {
            needs_filter: tables.safe_update,
            without_aggregates: !tables.aggregates,
            rows_max: tables.rows_max,
            examined_max: is_short.then(|| SHORT_QUERY_ROWS_MAX / (operations.len() as u64).max(1)),
            weigh: Some(&weigh),
            interrupt,
        };
        let environment = session.database().environment(TimeZone::UTC);
        match session.batch(&operations, &environment, &options).await {
            Err(error)
                if is_short && matches!(&error.cause, Cause::Table(error) if error.code == code::QUERY_CANCELED) =>
            {
                Ok(None)
            }
            Err(error) => Err(answer::failed(error)),
            Ok(applied) => answer::applied(&operations, applied, *style, in_flight).await.map(Some),
        }
    }
}

/// Whether how long it takes depends on what is stored.
fn is_span(operation: &Op<'_>) -> bool {
    matches!(operation, Op::Key { op: mantis_db::Op::DeleteSpan(_), .. })
}
