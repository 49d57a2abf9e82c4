//! Error responses: RFC 9457 `application/problem+json`.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::media::PROBLEM_JSON;

/// The result of a handler.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// A failed request. Boxed, because it is rare and everything returns it.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: AnyCode,
    status: StatusCode,
    detail: Cow<'static, str>,
    hint: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Map<String, Value>,
}

/// RFC 9457. Some codes add members.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemOut<'a> {
    #[schemars(extend("format" = "uri-reference"))]
    r#type: String,
    title: &'a str,
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    detail: &'a str,
    /// Stable; see `/docs`.
    code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
    request_id: &'a str,
    #[serde(flatten)]
    #[schemars(skip)]
    members: &'a Map<String, Value>,
}

impl Problem {
    /// A problem with the texts of its code.
    pub(crate) fn new(code: impl Into<AnyCode>) -> Self {
        let code = code.into();
        let mut problem = Self(Box::new(Inner {
            code,
            status: code.status(),
            detail: Cow::Borrowed(""),
            hint: Cow::Borrowed(code.remedy()),
            headers: Vec::new(),
            members: Map::new(),
        }));
        if matches!(problem.0.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            problem = problem.header(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        problem
    }

    /// Sets what happened in this case.
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Sets what to do in this case.
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Another status than the table's, where the place decides.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// A header that belongs to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A member of the answer's JSON beside those that all have.
    pub(crate) fn member(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    /// For keys and values in a JSON body: the request itself was well-formed.
    pub(crate) fn in_body(mut self) -> Self {
        if matches!(self.0.status.as_u16(), 400 | 413 | 414 | 415) {
            self.0.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        self
    }

    /// The status of the response.
    pub(crate) fn answer_status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn code(&self) -> AnyCode {
        self.0.code
    }

    /// The detail, or else the meaning of the code.
    pub(crate) fn message(&self) -> &str {
        if self.0.detail.is_empty() { self.0.code.meaning() } else { &self.0.detail }
    }

    pub(crate) fn into_response(self, request_id: &str) -> Response<Body> {
        self.into_bytes(request_id).map(Body::full)
    }

    pub(crate) fn into_bytes(self, request_id: &str) -> Response<Bytes> {
        let inner = *self.0;
        let code = inner.code.as_str();
        let form = ProblemOut {
            r#type: format!("/docs#error-{code}"),
            title: inner.code.meaning(),
            status: inner.status.as_u16(),
            detail: if inner.detail.is_empty() { inner.code.meaning() } else { &inner.detail },
            code,
            hint: &inner.hint,
            request_id,
            members: &inner.members,
        };
        // Strings, numbers and values always serialise.
        let json = Bytes::from(serde_json::to_vec(&form).unwrap_or_default());
        let length = json.len();
        let mut response = Response::new(json);
        *response.status_mut() = inner.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.extend(inner.headers);
        response
    }
}

impl From<mantis_db::Error> for Problem {
    fn from(error: mantis_db::Error) -> Self {
        let problem = Self::new(error.code());
        let problem = if error.deleted() > 0 { problem.member("deleted", error.deleted().into()) } else { problem };
        if error.message() == error.code().meaning() { problem } else { problem.detail(error.message().to_owned()) }
    }
}

impl From<mantis_db::Code> for Problem {
    fn from(code: mantis_db::Code) -> Self {
        Self::new(code)
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}
