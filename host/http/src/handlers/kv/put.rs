//! `PUT /kv/{key}`: the body is the value, or has it in JSON.

use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::{Entry, MediaType, Outcome, Reservation, SetOptions, Written};
use schemars::SchemaGenerator;

use crate::api::blocking::blocking;
use crate::api::common;
use crate::api::description::{
    Answer, AnswerHeader, Content, RequestContent, RequestHeader, Shape, Tag, json_content, no_content,
};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::put_body::{AnyJson, ValueForm};
use crate::handlers::kv::representation::Shown;
use crate::handlers::kv::shared::{RAW, TTL, TTL_MS, ttl_of_body};
use crate::handlers::kv::{get, put_body, representation, shared};
use crate::protocol::body::Body;
use crate::protocol::conditions::{Conditions, Form, etag};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{media, memory, respond};
use crate::state::{Operation, State};
use crate::wire::bytes::{BytesOut, Encoding};
use crate::wire::{entry, pieces, written};

/// Larger forms are read on a thread for long work.
const BODY_BYTES_NOW_MAX: usize = 64 * 1024;
/// Values whose JSON form the memory of two pieces has room for, at up to four bytes each.
const VALUE_BYTES_NOW_MAX: usize = pieces::HELD_BYTES / 8;

pub(crate) static PUT: Operation = Operation {
    method: Method::PUT,
    id: "putKey",
    tag: Tag::KeyValue,
    summary: "Write a value",
    description: "The body becomes the value, byte for byte, under its `Content-Type`, but for one form of JSON, which holds the value: \
                  `{\"value\": ..., \"ttl\": seconds}` with no other members, whose value is text (kept as `text/plain; \
                  charset=utf-8`), a list of bytes or `{\"base64\": \"...\"}` (both kept as `application/octet-stream`). Any other \
                  JSON document is stored as it is; `mantisdb-stored` says which. `raw=true` stores any body as it is, and \
                  `application/vnd.mantisdb.value+json` is always the form.",
    query: &[&TTL, &TTL_MS, &RAW],
    headers: &[&TRANSACTION, &common::IF_MATCH, &common::IF_NONE_MATCH, &common::IF_UNMODIFIED_SINCE, &PREFER],
    body: Some(RequestContent {
        required: false,
        content: &[
            json_content::<AnyJson>(),
            Content { media: media::VALUE_JSON, shape: Shape::Schema(SchemaGenerator::subschema_for::<ValueForm>) },
            Content { media: "application/octet-stream", shape: Shape::Bytes },
            Content { media: "text/plain", shape: Shape::Text },
        ],
        description: "The value. Without a `Content-Type` it is `application/octet-stream`.",
    }),
    answers: &[
        Answer {
            status: 200,
            description: "The value was replaced, and the client asked for the representation.",
            content: SHOWN,
            headers: &[&common::ETAG, &common::VERSION, &common::DURABLE, &STORED, &PREFERENCE_APPLIED],
        },
        no_content(
            201,
            "The key is new. There is a body only with `Prefer: return=representation`, as with 200.",
            &[&common::ETAG, &common::VERSION, &common::DURABLE, &STORED, &PREFERENCE_APPLIED],
        ),
        no_content(204, "The value was replaced.", &[&common::ETAG, &common::VERSION, &common::DURABLE, &STORED]),
    ],
    problems: &[
        shared::KEY_PROBLEMS[0],
        shared::KEY_PROBLEMS[1],
        shared::KEY_PROBLEMS[2],
        shared::KEY_PROBLEMS[3],
        AnyCode::Http(Code::BodyMalformed),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::PreconditionFailed),
        AnyCode::Db(mantis_db::Code::ValueTooLarge),
        AnyCode::Db(mantis_db::Code::MediaTypeInvalid),
        AnyCode::Db(mantis_db::Code::TtlInvalid),
        AnyCode::Db(mantis_db::Code::BucketsTooMany),
        AnyCode::Db(mantis_db::Code::StoreFull),
        AnyCode::Db(mantis_db::Code::ReadOnly),
        AnyCode::Db(mantis_db::Code::DiskFull),
        AnyCode::Db(mantis_db::Code::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(put(state, request)),
    timeout: TimeoutPolicy::Configured,
};

static PREFER: RequestHeader = RequestHeader {
    name: "prefer",
    pattern: None,
    example: "return=representation",
    description: "`return=representation` asks for the JSON form of what was written.",
};
static PREFERENCE_APPLIED: AnswerHeader = AnswerHeader {
    name: "preference-applied",
    required: false,
    pattern: None,
    description: "`return=representation` when that was asked for.",
};

static STORED: AnswerHeader = AnswerHeader {
    name: "mantisdb-stored",
    required: false,
    pattern: Some("^(value|document)$"),
    description: "After a JSON body, what was stored: the `value` that it holds, or the `document` itself.",
};

/// What an answer shows on request.
const SHOWN: &[Content] = &[Content { media: media::JSON, shape: Shape::Json }, entry::ENTRY_CONTENT];

/// What is to be written.
struct Writing {
    value: Bytes,
    media_type: MediaType,
    ttl_ms: Option<u64>,
    /// What a JSON body is, for its sender.
    stored: Option<&'static str>,
}

const VALUE: &str = "value";
const DOCUMENT: &str = "document";

async fn put(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let conditions = Conditions::of(request.headers())?;
    if request.headers().contains_key(CONTENT_RANGE) {
        // To take a part for the whole would lose the rest.
        return Err(Problem::new(Code::HeaderInvalid)
            .detail("partial writes with `content-range` are not supported; send the whole value"));
    }
    let show = prefers_representation(request);
    if show {
        representation::check_for_write(request.headers())?;
    }
    let writing = read(state, request).await?;
    // The stored form is another copy, until it is committed.
    let _stored = request.reserve(writing.value.len())?;
    // Taken before the write: once it is done, nothing refuses it.
    let shown = show.then(|| request.reserve(pieces::HELD_BYTES)).transpose()?;
    let mut session = state.session_for(request).await?;
    let (key, bucket) = (request.key()?, request.bucket()?);
    let mut kv = session.kv(&bucket)?;
    let mut options = SetOptions { media_type: writing.media_type, ttl_ms: writing.ttl_ms, ..SetOptions::default() };
    let mut guard = conditions.guard();
    let written = loop {
        options.expect = guard.expect(&mut kv, &key).await?;
        match kv.set_with(&key, &writing.value, &options).await? {
            Outcome::Written(written) => break written,
            Outcome::Refused(current) => guard.refused(current.as_ref())?,
        }
    };
    // A tag names the bytes in the body, and without a body those that are stored.
    let (mut response, tag) = if let Some(reservation) = shown {
        let stored = kv.get(&key).await?.filter(|entry| entry.version == written.version);
        let is_known = stored.is_some();
        let entry = stored.unwrap_or_else(|| overwritten(state, &written, &writing.value, &options));
        let shown = representation::for_write(request.headers(), &entry);
        // After another write its expiry is not known to the millisecond: then the bytes that have it have no tag.
        let tag = if is_known || shown.form == Form::Bytes { etag(written.version, shown.form) } else { None };
        (represent(&key, &entry, shown, written, reservation).await, tag)
    } else {
        let status = if written.replaced { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
        (respond::empty(status), etag(written.version, Form::Bytes))
    };
    if let Some(tag) = tag {
        response.headers_mut().insert(ETAG, tag);
    }
    if let Some(stored) = writing.stored {
        response.headers_mut().insert(STORED.name, HeaderValue::from_static(stored));
    }
    written::set_commit_headers(&mut response, written.version, written.durable);
    Ok(response)
}

/// Reads the value from the body, in either form.
async fn read(state: &State, request: &mut Request) -> Result<Writing> {
    let config = &state.config;
    let ttl_ms = shared::ttl_ms(&request.query);
    let is_raw = request.query.flag(&RAW);
    let given = request.media_type();
    let is = |media: &str| given.as_deref() == Some(media);
    // What it says of itself holds, whatever `raw` asks for.
    if is(media::VALUE_JSON) {
        let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
        // Beside the text there is the value in it.
        let reservation = request.reserve(body.len())?;
        if body.len() > BODY_BYTES_NOW_MAX {
            return blocking(move || async move { of_form(put_body::read_form(&body)?, ttl_ms, Some(reservation)) })
                .await;
        }
        return of_form(put_body::read_form(&body)?, ttl_ms, None);
    }
    let media_type = match request.headers().get(CONTENT_TYPE) {
        None => MediaType::BYTES,
        Some(given) => MediaType::new(given.to_str().unwrap_or_default().trim())?,
    };
    let value = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    if is(media::JSON) && !is_raw {
        // Where it is a form: beside the text there is the value in it.
        let reservation = request.reserve(value.len())?;
        let form = if value.len() > BODY_BYTES_NOW_MAX {
            let body = value.clone();
            blocking(move || async move { put_body::read_any(&body) }).await?
        } else {
            put_body::read_any(&value)?
        };
        if let Some(form) = form {
            return of_form(form, ttl_ms, Some(reservation));
        }
    }
    Ok(Writing { value, media_type, ttl_ms, stored: is(media::JSON).then_some(DOCUMENT) })
}

fn of_form(form: ValueForm, ttl_ms: Option<u64>, reservation: Option<Reservation>) -> Result<Writing> {
    let ttl_of_form = form.ttl.map(ttl_of_body).transpose()?;
    let media_type = if form.value.text { MediaType::TEXT } else { MediaType::BYTES };
    let bytes = form.value.bytes;
    let value = match reservation.filter(|reservation| reservation.bytes() >= bytes.len()) {
        Some(reservation) => memory::held(bytes, reservation),
        None => bytes.into(),
    };
    Ok(Writing { value, media_type, ttl_ms: ttl_ms.or(ttl_of_form), stored: Some(VALUE) })
}

fn prefers_representation(request: &Request) -> bool {
    let values = request.headers().get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split([',', ';']))
        .any(|part| part.trim().eq_ignore_ascii_case("return=representation"))
}

/// The written entry, after another write has replaced it.
fn overwritten(state: &State, written: &Written, value: &Bytes, options: &SetOptions) -> Entry {
    let now_ms = state.database.now_ms();
    Entry {
        value: value.clone(),
        media_type: options.media_type.clone(),
        version: written.version,
        modified_ms: now_ms,
        expires_at_ms: options.ttl_ms.map(|ttl_ms| now_ms.saturating_add(ttl_ms)),
    }
}

async fn represent(
    key: &[u8],
    entry: &Entry,
    shown: Shown,
    written: Written,
    reservation: Reservation,
) -> Response<Body> {
    let status = if written.replaced { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = if shown.form == Form::Bytes {
        let mut response = respond::bytes(status, media::JSON, entry.value.clone());
        get::describe_bytes(entry, response.headers_mut());
        response
    } else if entry.value.len() <= VALUE_BYTES_NOW_MAX {
        respond::bytes(status, shown.media, memory::covered(entry::entry_with_numbers(key, entry), reservation))
    } else {
        let body = pieces::body(BytesOut(key, Encoding::Text), pieces::ValueForm::Numbers, entry, reservation).await;
        respond::of(status, shown.media, body)
    };
    response.headers_mut().insert("preference-applied", HeaderValue::from_static("return=representation"));
    response
}
