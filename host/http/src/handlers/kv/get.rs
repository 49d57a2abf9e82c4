//! `GET /kv/{key}`: the value as it is, or its JSON form.

use futures_util::FutureExt as _;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use mantis_db::{Entry, MediaType};

use crate::api::common;
use crate::api::common::ENCODING;
use crate::api::description::{
    Answer, AnswerHeader, Content, Kind, Parameter, RequestHeader, Role, Shape, Tag, no_content,
};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::representation::Shown;
use crate::handlers::kv::shared::RAW;
use crate::handlers::kv::{representation, shared};
use crate::protocol::body::Body;
use crate::protocol::conditions::{Conditions, Form, Verdict, etag};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{compress, date, media, memory, range, respond};
use crate::state::{Operation, State};
use crate::wire::bytes::{BytesOut, Encoding, NumbersOut, base64_text};
use crate::wire::pieces::ValueForm;
use crate::wire::{entry, pieces};

/// Values of at least this length are sent with `Accept-Ranges`.
const PARTS_BYTES_MIN: usize = 1024;
/// Values above this are converted to JSON piece by piece, while they are sent.
const JSON_BYTES_NOW_MAX: usize = 32 * 1024;

pub(crate) static GET: Operation = Operation {
    method: Method::GET,
    id: "getKey",
    tag: Tag::KeyValue,
    summary: "Read a value",
    description: "The value's bytes under their own media type. With `Accept: application/json` a stored JSON document as it is, and the \
                  JSON form of any other value; a wider range such as `*/*` beside it in `Accept`, with no lower weight, asks for \
                  the bytes. `Accept: application/vnd.mantisdb.entry+json`, or `encoding`, asks for the JSON form of any value, and \
                  `raw=true` for the bytes of any.",
    query: &[&ENCODING_OF_VALUE, &RAW_GET],
    headers: &[
        &TRANSACTION,
        &common::IF_MATCH,
        &common::IF_NONE_MATCH,
        &common::IF_MODIFIED_SINCE,
        &common::IF_UNMODIFIED_SINCE,
        &RANGE,
        &IF_RANGE,
    ],
    body: None,
    answers: &[
        Answer {
            status: 200,
            description: "The value.",
            content: &[
                Content { media: "*/*", shape: Shape::Bytes },
                Content { media: media::JSON, shape: Shape::Json },
                entry::ENTRY_CONTENT,
            ],
            headers: &[&common::ETAG, &common::LAST_MODIFIED, &entry::EXPIRES, &common::VARY],
        },
        Answer {
            status: 206,
            description: "The part of the value that `Range` names.",
            content: &[Content { media: "*/*", shape: Shape::Bytes }],
            headers: &[&common::ETAG, &common::LAST_MODIFIED, &entry::EXPIRES, &common::VARY, &CONTENT_RANGE_HEADER],
        },
        no_content(
            304,
            "The client's copy is current.",
            &[&common::ETAG, &common::LAST_MODIFIED, &entry::EXPIRES, &common::VARY],
        ),
    ],
    problems: &[
        shared::KEY_PROBLEMS[0],
        shared::KEY_PROBLEMS[1],
        shared::KEY_PROBLEMS[2],
        shared::KEY_PROBLEMS[3],
        shared::KEY_MISSING,
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Http(Code::PreconditionFailed),
        AnyCode::Http(Code::RangeUnsatisfiable),
    ],
    now: Some(|state, request| get_now(state, request)),
    handler: |state, request| Box::pin(get(state, request)),
    timeout: TimeoutPolicy::Configured,
};

static ENCODING_OF_VALUE: Parameter = Parameter {
    name: ENCODING.name,
    kind: Kind::Choice(&["utf8", "base64"]),
    description: "Asks for the JSON form with `value` as a string: the text itself (where it is UTF-8), or its base64.",
    role: Role::Optional,
};
static RAW_GET: Parameter = Parameter {
    name: RAW.name,
    kind: Kind::Flag,
    description: "`true` returns the value's bytes, whatever `Accept` and `encoding` say.",
    role: Role::Optional,
};
static RANGE: RequestHeader = RequestHeader {
    name: "range",
    pattern: None,
    example: "bytes=0-99",
    description: "A single byte range, as in `bytes=0-99`. Several ranges, and invalid ones, are answered with the whole value.",
};
static IF_RANGE: RequestHeader = RequestHeader {
    name: "if-range",
    pattern: None,
    example: "\"v7\"",
    description: "An entity tag: the range applies only if it is still that of the value's bytes. A date is not precise enough, and \
                  never matches.",
};
static CONTENT_RANGE_HEADER: AnswerHeader = AnswerHeader {
    name: "content-range",
    required: true,
    pattern: Some("^bytes [0-9]+-[0-9]+/[0-9]+$"),
    description: "The range of this part, and the length of the value.",
};

fn get_now(state: &State, request: &Request) -> Option<Result<Response<Body>>> {
    let mut session = state.session_now(request)?;
    let (key, bucket) = match (request.key(), request.bucket()) {
        (Ok(key), Ok(bucket)) => (key, bucket),
        (Err(problem), _) | (_, Err(problem)) => return Some(Err(problem)),
    };
    let found = session.kv(&bucket).map(|mut kv| kv.get(&key).now_or_never());
    let entry = match found {
        Ok(Some(Ok(entry))) => entry,
        Ok(Some(Err(error))) | Err(error) => return Some(Err(error.into())),
        // An engine that has to wait is waited for elsewhere.
        Ok(None) => return None,
    };
    drop(session);
    let Some(entry) = entry else { return Some(Err(Code::KeyNotFound.into())) };
    match shown(request, &entry) {
        Ok(Shown { form: Form::Bytes, .. }) => Some(bytes(state, request, entry)),
        Ok(shown) if entry.value.len() <= JSON_BYTES_NOW_MAX => Some(json(state, request, shown, &key, &entry)),
        Ok(_) => {
            *request.found.lock() = Some(entry);
            None
        }
        Err(problem) => Some(Err(problem)),
    }
}

async fn get(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let found = request.found.get_mut().take();
    let (key, bucket) = (request.key()?, request.bucket()?);
    let entry = if let Some(entry) = found {
        entry
    } else {
        let mut session = state.session_for(request).await?;
        session.kv(&bucket)?.get(&key).await?.ok_or(Code::KeyNotFound)?
    };
    match shown(request, &entry)? {
        Shown { form: Form::Bytes, .. } => bytes(state, request, entry),
        shown if entry.value.len() <= JSON_BYTES_NOW_MAX => json(state, request, shown, &key, &entry),
        shown => large_json(state, request, shown, &key, &entry).await,
    }
}

/// What the request asks for.
fn shown(request: &Request, entry: &Entry) -> Result<Shown> {
    if request.query.flag(&RAW) {
        return Ok(Shown::BYTES);
    }
    representation::for_read(request.headers(), request.query.text(&ENCODING), entry)
}

/// Sets the headers of an entry in this form.
fn describe(entry: &Entry, form: Form, headers: &mut HeaderMap) {
    headers.insert(LAST_MODIFIED, date::http_date(entry.modified_ms));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if let Some(tag) = etag(entry.version, form) {
        headers.insert(ETAG, tag);
    }
    if let Some(expires) = entry::expires_header(entry) {
        headers.insert(entry::EXPIRES.name, expires);
    }
}

/// `None` when the conditions hold. `can_shrink`: whether the response is compressed for clients that accept it; `is_whole`:
/// whether this client would: parts never are.
fn judge(
    request: &Request,
    entry: &Entry,
    form: Form,
    can_shrink: impl Fn() -> bool,
    is_whole: bool,
) -> Result<Option<Response<Body>>> {
    let tag = || {
        let coding = if is_whole && can_shrink() { compress::choose(request.headers()) } else { None };
        let plain = etag(entry.version, form)?;
        coding.map_or(Some(plain.clone()), |coding| compress::tag_of(&plain, coding))
    };
    let conditions = Conditions::of(request.headers())?;
    match conditions.for_read(entry.version, entry.modified_ms, tag) {
        Verdict::Answer => Ok(None),
        Verdict::Failed => {
            let problem = conditions.explain(entry.version);
            Err(match tag() {
                Some(tag) => problem.header(ETAG, tag),
                None => problem,
            })
        }
        Verdict::NotModified => {
            let mut response = respond::empty(StatusCode::NOT_MODIFIED);
            describe(entry, form, response.headers_mut());
            if let Some(tag) = tag() {
                response.headers_mut().insert(ETAG, tag);
            }
            if can_shrink() {
                response.headers_mut().append(VARY, HeaderValue::from_static(compress::VARIES_BY));
            }
            Ok(Some(response))
        }
    }
}

fn bytes(state: &State, request: &Request, entry: Entry) -> Result<Response<Body>> {
    let length = entry.value.len();
    let part = if request.head.method == Method::GET {
        range::wanted(request.headers(), length, || etag(entry.version, Form::Bytes))
    } else {
        Ok(None)
    };
    let can_shrink = || state.config.compression && compress::would_be(length, entry.media_type.as_str());
    if let Some(response) = judge(request, &entry, Form::Bytes, can_shrink, matches!(part, Ok(None)))? {
        return Ok(response);
    }
    let mut headers = HeaderMap::with_capacity(12);
    describe_bytes(&entry, &mut headers);
    describe(&entry, Form::Bytes, &mut headers);
    if length >= PARTS_BYTES_MIN {
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    let part = part?;
    if part.is_some() && can_shrink() {
        headers.append(VARY, HeaderValue::from_static(compress::VARIES_BY));
    }
    let mut status = StatusCode::OK;
    let mut value = entry.value;
    if let Some(part) = part {
        status = StatusCode::PARTIAL_CONTENT;
        headers.insert(CONTENT_RANGE, range::content_range(&part, length));
        value = value.slice(part);
    }
    let mut response = Response::new(Body::full(value));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn json(state: &State, request: &Request, shown: Shown, key: &[u8], entry: &Entry) -> Result<Response<Body>> {
    let form = shown.form;
    let plain = || BytesOut(key, Encoding::Text);
    let write = || match form {
        Form::Text => entry::entry_json(plain(), BytesOut(&entry.value, Encoding::Text), entry),
        Form::Base64 => entry::entry_json(BytesOut(key, Encoding::Base64), base64_text(&entry.value), entry),
        Form::Bytes | Form::Numbers => entry::entry_json(plain(), NumbersOut(&entry.value), entry),
    };
    // The JSON form is longer than the value; how long a small one becomes is only known when it is written.
    let length = || if entry.value.len() < PARTS_BYTES_MIN { write().len() } else { entry.value.len() };
    let can_shrink = || state.config.compression && compress::would_be(length(), media::JSON);
    if let Some(response) = judge(request, entry, form, can_shrink, true)? {
        return Ok(response);
    }
    let json = memory::counted(&request.in_flight, write())?;
    let mut response = respond::bytes(StatusCode::OK, shown.media, json);
    describe(entry, form, response.headers_mut());
    Ok(response)
}

/// The JSON form of a large value, which is made while it is sent, and not at all for HEAD.
async fn large_json(
    state: &State,
    request: &Request,
    shown: Shown,
    key: &[u8],
    entry: &Entry,
) -> Result<Response<Body>> {
    let form = shown.form;
    let can_shrink = || state.config.compression && compress::would_be(entry.value.len(), media::JSON);
    if let Some(response) = judge(request, entry, form, can_shrink, true)? {
        return Ok(response);
    }
    let (value, encoding) = match form {
        Form::Text => (ValueForm::Text, Encoding::Text),
        Form::Base64 => (ValueForm::Base64, Encoding::Base64),
        Form::Bytes | Form::Numbers => (ValueForm::Numbers, Encoding::Text),
    };
    let reservation = request.reserve(pieces::HELD_BYTES)?;
    let body = pieces::body(BytesOut(key, encoding), value, entry, reservation).await;
    let mut response = respond::of(StatusCode::OK, shown.media, body);
    describe(entry, form, response.headers_mut());
    Ok(response)
}

/// Sets the headers of stored bytes.
pub(super) fn describe_bytes(entry: &Entry, headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, content_type(&entry.media_type));
    // A stored page must not act as the console's origin.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
}

fn content_type(media_type: &MediaType) -> HeaderValue {
    match media_type.as_str() {
        "application/octet-stream" => HeaderValue::from_static("application/octet-stream"),
        "text/plain; charset=utf-8" => HeaderValue::from_static("text/plain; charset=utf-8"),
        "application/json" => HeaderValue::from_static("application/json"),
        other => HeaderValue::from_str(other).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    }
}
