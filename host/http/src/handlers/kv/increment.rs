//! `POST /kv/{key}/increment`.

use http::header::ETAG;
use http::{Method, Response, StatusCode};
use mantis_db::{Applied, Counted, Op, OpResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::common;
use crate::api::description::{Answer, RequestContent, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::shared;
use crate::protocol::body::Body;
use crate::protocol::conditions::{Conditions, Form, etag};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, respond};
use crate::state::{Operation, State};
use crate::wire::numbers::Amount;
use crate::wire::{json, written};

pub(crate) static INCREMENT: Operation = Operation {
    method: Method::POST,
    id: "incrementKey",
    tag: Tag::KeyValue,
    summary: "Add to a number",
    description: "The value is a decimal integer of 64 bits, kept as text; a missing key counts as 0. The answer is the sum. The \
                  expiry does not change.",
    query: &[&shared::NUMBERS],
    headers: &[&TRANSACTION, &common::IF_MATCH, &common::IF_NONE_MATCH, &common::IF_UNMODIFIED_SINCE],
    body: Some(RequestContent {
        required: false,
        content: &[json_content::<Increment>()],
        description: "What to add; 1 without a body.",
    }),
    answers: &[Answer {
        status: 200,
        description: "The new number.",
        content: &[json_content::<Sum>()],
        headers: &[&common::ETAG, &common::VERSION, &common::DURABLE],
    }],
    problems: &[
        shared::KEY_PROBLEMS[0],
        shared::KEY_PROBLEMS[1],
        shared::KEY_PROBLEMS[2],
        shared::KEY_PROBLEMS[3],
        AnyCode::Db(mantis_db::Code::NotAnInteger),
        AnyCode::Db(mantis_db::Code::IntegerOverflow),
        AnyCode::Db(mantis_db::Code::BucketsTooMany),
        AnyCode::Db(mantis_db::Code::StoreFull),
        AnyCode::Db(mantis_db::Code::ReadOnly),
        AnyCode::Db(mantis_db::Code::DiskFull),
        AnyCode::Db(mantis_db::Code::StorageFailed),
        AnyCode::Http(Code::BodyMalformed),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::PreconditionFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(increment(state, request)),
    timeout: TimeoutPolicy::Configured,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Increment {
    #[serde(default)]
    by: Option<Amount>,
}

/// A sum in JSON: a number, or with `numbers=string` its text.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Sum {
    Number(i64),
    Text(#[schemars(regex(pattern = r"^-?[0-9]{1,19}$"))] String),
}

impl Sum {
    pub(crate) fn of(number: i64, is_text: bool) -> Self {
        if is_text { Self::Text(number.to_string()) } else { Self::Number(number) }
    }
}

async fn increment(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let conditions = Conditions::of(request.headers())?;
    let by = read(state, request).await?;
    let mut session = state.session_for(request).await?;
    let (key, bucket) = (request.key()?, request.bucket()?);
    let mut kv = session.kv(&bucket)?;
    let (number, version, durable) = if conditions.is_empty() {
        let Counted { number, written } = kv.increment(&key, by).await?;
        (number, written.version, written.durable)
    } else {
        let mut guard = conditions.guard();
        loop {
            let expect = guard.expect(&mut kv, &key).await?;
            let operations = [Op::Check(key.to_vec(), expect), Op::Increment(key.to_vec(), by)];
            match kv.apply(&operations).await? {
                Applied::Committed { version, durable, results } => match results.last() {
                    Some(OpResult::Number(number)) => break (*number, version, durable),
                    _ => return Err(Code::Internal.into()),
                },
                Applied::Refused(refusals) => {
                    guard.refused(refusals.first().and_then(|refusal| refusal.current.as_ref()))?;
                }
            }
        }
    };
    let mut response = respond::json(StatusCode::OK, &Sum::of(number, request.query.text(&shared::NUMBERS).is_some()));
    if let Some(tag) = etag(version, Form::Bytes) {
        response.headers_mut().insert(ETAG, tag);
    }
    written::set_commit_headers(&mut response, version, durable);
    Ok(response)
}

async fn read(state: &State, request: &mut Request) -> Result<i64> {
    let expect_json = |request: &Request| {
        request.expect_media(&[media::JSON]).map_err(|problem| {
            problem.hint(
                "Send {\"by\": 5} as `application/json`; or neither a body nor a `Content-Type`, to add 1 \
                 (`curl -X POST` without `-d`).",
            )
        })
    };
    if request.media_type().is_some() {
        expect_json(request)?;
    }
    let config = &state.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    if body.is_empty() {
        return Ok(1);
    }
    // Bytes of an unnamed type are not guessed at.
    expect_json(request)?;
    let json::Object(Increment { by }) = json::parse(&body)?;
    Ok(by.map_or(1, |Amount(by)| by))
}
