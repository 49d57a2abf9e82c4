//! `POST /transactions` and what ends them: transactions that span several requests.

use http::header::LOCATION;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::{Code as DbCode, Isolation};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::common;
use crate::api::description::{Answer, AnswerHeader, Kind, Parameter, Pattern, Role, Tag, json_content, no_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, media, respond};
use crate::state::transactions::{Lease, TransactionId};
use crate::state::{Operation, State};
use crate::wire::numbers::NumberText;
use crate::wire::written::CommittedOut;
use crate::wire::{time, written};

pub(crate) static BEGIN: Operation = Operation {
    method: Method::POST,
    id: "beginTransaction",
    tag: Tag::Transactions,
    summary: "Begin a transaction",
    description: "Requests with the header `Mantisdb-Transaction: id` belong to it: they read its snapshot and its own writes, which \
                  nobody else sees before it commits. An idle transaction is rolled back. With `retry` it repeats a transaction that \
                  lost a conflict; after three losses in a row it waits for its turn, and for 100 ms commits that would make it lose \
                  again wait.",
    query: &[&ISOLATION, &RETRY],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 201,
        description: "The transaction has begun. `expires_at` is when it is rolled back if it stays idle.",
        content: &[json_content::<Begun>()],
        headers: &[&LOCATION_HEADER],
    }],
    problems: &[
        AnyCode::Http(Code::TransactionsTooMany),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::BodyTimeout),
        AnyCode::Http(Code::BodyInterrupted),
        AnyCode::Http(Code::ContentEncodingUnsupported),
        AnyCode::Http(Code::HeaderInvalid),
    ],
    now: None,
    handler: |state, request| Box::pin(begin(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static COMMIT: Operation = Operation {
    method: Method::POST,
    id: "commitTransaction",
    tag: Tag::Transactions,
    summary: "Commit a transaction",
    description: "The transaction has ended then, whatever the answer. After 409 `conflict`, when another commit changed what it had read, \
                  begin again with the `retry_token` of the answer.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The transaction is committed.",
        content: &[json_content::<CommittedOut>()],
        headers: &[&common::VERSION, &common::DURABLE],
    }],
    problems: &[
        AnyCode::Http(Code::TransactionBusy),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::BodyTimeout),
        AnyCode::Http(Code::BodyInterrupted),
        AnyCode::Http(Code::ContentEncodingUnsupported),
        AnyCode::Http(Code::HeaderInvalid),
        AnyCode::Db(DbCode::TransactionNotOpen),
        AnyCode::Db(DbCode::Conflict),
        AnyCode::Db(DbCode::TransactionTooOld),
        AnyCode::Db(DbCode::StoreFull),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(commit(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static ROLL_BACK: Operation = Operation {
    method: Method::DELETE,
    id: "rollBackTransaction",
    tag: Tag::Transactions,
    summary: "Roll a transaction back",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[no_content(204, "The transaction has ended; its writes are discarded.", &[])],
    problems: &[
        AnyCode::Http(Code::TransactionBusy),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Db(DbCode::TransactionNotOpen),
    ],
    now: None,
    handler: |state, request| Box::pin(async move { roll_back(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

static ISOLATION: Parameter = Parameter {
    name: "isolation",
    kind: Kind::Choice(&["serializable", "snapshot"]),
    description: "`serializable` is the default. `snapshot` does not validate reads.",
    role: Role::Optional,
};
static RETRY: Parameter = Parameter {
    name: "retry",
    kind: Kind::Text { pattern: Pattern::Fixed("^[0-9a-f]{32}$"), bytes_max: 32 },
    description: "The `retry_token` of the conflict that ended the previous attempt. An expired token has no effect.",
    role: Role::Optional,
};
static LOCATION_HEADER: AnswerHeader =
    AnswerHeader { name: "location", required: true, pattern: None, description: "The transaction's path." };

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Transaction", deny_unknown_fields)]
struct Begun {
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    id: String,
    #[schemars(extend("format" = "date-time"))]
    expires_at: String,
}

async fn begin(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let hint = "Send `isolation` and `retry` as parameters of the query, without a body.";
    request.expect_no_body(hint, state.config.body_timeout_ms).await?;
    let registry = &state.transactions;
    registry.check_room()?;
    let isolation = match request.query.text(&ISOLATION) {
        Some("snapshot") => Isolation::Snapshot,
        _ => Isolation::Serializable,
    };
    let token = match request.query.text(&RETRY) {
        Some(text) => Some(TransactionId::parse(text).ok_or_else(|| RETRY.invalid("must be a retry token"))?),
        None => None,
    };
    let mut retry = token.and_then(|token| state.retries.take(token));
    if let Some(lost) = retry.take() {
        // Who waits for a turn holds no session.
        retry = Some(state.database.wait_for_turn(lost).await);
    }
    let mut session = state.session().await?;
    match retry {
        Some(retry) => session.begin_again(isolation, retry).await?,
        None => session.begin(isolation).await?,
    }
    let id = random_id(state);
    registry.keep(id, session)?;
    let idle_ms = u64::try_from(registry.idle_max().as_millis()).unwrap_or(u64::MAX);
    let expires_at = time::rfc3339(state.database.now_ms().saturating_add(idle_ms));
    let id = id.text();
    let location = HeaderValue::from_str(&format!("/api/v1/transactions/{id}")).map_err(|_| Code::Internal)?;
    let mut response = respond::json(StatusCode::CREATED, &Begun { id, expires_at });
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

async fn commit(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let hint =
        "Send the writes to the transaction before, with the header `Mantisdb-Transaction`, and commit without a body.";
    request.expect_no_body(hint, state.config.body_timeout_ms).await?;
    let mut session = named(state, request)?.end_with_commit();
    let committed = match session.commit().await {
        Ok(committed) => committed,
        Err(error) => {
            let problem = Problem::from(error);
            return Err(match session.take_retry() {
                Some(retry) => {
                    let token = random_id(state);
                    state.retries.keep(token, retry);
                    let hint =
                        "Begin again with `POST /api/v1/transactions?retry=` and the `retry_token` of this answer.";
                    problem.hint(hint).member("retry_token", token.text().into())
                }
                None => problem,
            });
        }
    };
    let out = CommittedOut { version: NumberText(committed.version), durable: committed.durable };
    let mut response = respond::json(StatusCode::OK, &out);
    written::set_commit_headers(&mut response, committed.version, committed.durable);
    Ok(response)
}

/// 128 bits that a client cannot guess.
fn random_id(state: &State) -> TransactionId {
    let mut random = [0; 16];
    state.database.random(&mut random);
    TransactionId::from_random(random)
}

fn roll_back(state: &State, request: &Request) -> Result<Response<Body>> {
    // The pool rolls back what comes home open; here it is said.
    named(state, request)?.end().rollback();
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// The transaction that the path names. One that has ended is not missing: its client should learn what it missed.
fn named(state: &State, request: &Request) -> Result<Lease> {
    let registry = &state.transactions;
    let missing = |problem: Problem| problem.status(StatusCode::NOT_FOUND);
    let id = TransactionId::parse(&request.path_text(&common::TRANSACTION_ID)?)
        .ok_or_else(|| missing(DbCode::TransactionNotOpen.into()))?;
    registry.lend(id).map_err(|problem| match (problem.code(), registry.ending(id)) {
        (AnyCode::Db(DbCode::TransactionNotOpen), None) => missing(problem),
        _ => problem,
    })
}
