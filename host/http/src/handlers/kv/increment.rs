//! `POST /kv/{key}/increment`.

use http::header::ETAG;
use http::{Method, Response, StatusCode};
use mantis_db::{Applied, Counted, Op, OpResult};
use serde::Deserialize;

use crate::api::operation::{Answer, Operation, Patience, RequestContent, Tag};
use crate::api::request::Request;
use crate::app::App;
use crate::handlers::kv;
use crate::handlers::kv::json_content;
use crate::protocol::body::Body;
use crate::protocol::conditions::{Conditions, Form, etag};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, respond};
use crate::state::sessions::TRANSACTION;
use crate::wire::json;
use crate::wire::json::Whole;

pub(crate) static INCREMENT: Operation = Operation {
    method: Method::POST,
    id: "incrementKey",
    tag: Tag::KeyValue,
    summary: "Add to a number",
    description: "The value is a decimal integer of 64 bits, kept as text; a missing key counts as 0. The answer is the sum. The \
                  expiry stays as it was.",
    query: &[],
    headers: &[&TRANSACTION, &kv::IF_MATCH, &kv::IF_NONE_MATCH, &kv::IF_UNMODIFIED_SINCE],
    body: Some(RequestContent {
        required: false,
        content: &[json_content("Increment")],
        description: "What to add; 1 without a body.",
    }),
    answers: &[Answer {
        status: 200,
        description: "The new number.",
        content: &[json_content("Number")],
        headers: &[&kv::ETAG, &kv::VERSION, &kv::DURABLE],
    }],
    problems: &[
        kv::KEY_PROBLEMS[0],
        kv::KEY_PROBLEMS[1],
        kv::KEY_PROBLEMS[2],
        kv::KEY_PROBLEMS[3],
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
    handler: |app, request| Box::pin(increment(app, request)),
    patience: Patience::Configured,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Increment {
    #[serde(default)]
    by: Option<Whole>,
}

async fn increment(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    let conditions = Conditions::of(request.headers())?;
    let by = read(app, request).await?;
    let mut session = app.session_for(request).await?;
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
    let mut response = respond::json(StatusCode::OK, &number);
    if let Some(tag) = etag(version, Form::Bytes) {
        response.headers_mut().insert(ETAG, tag);
    }
    kv::tell_written(&mut response, version, durable);
    Ok(response)
}

async fn read(app: &App, request: &mut Request) -> Result<i64> {
    if request.media_type().is_some() {
        request.expect_media(&[respond::JSON])?;
    }
    let config = &app.0.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    if body.is_empty() {
        return Ok(1);
    }
    // Bytes of an unnamed type are not guessed at.
    request.expect_media(&[respond::JSON])?;
    let json::Object(Increment { by }) = json::parse(&body)?;
    Ok(by.map_or(1, |Whole(by)| by))
}
