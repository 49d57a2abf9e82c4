//! Error responses: RFC 9457 `application/problem+json`.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use mantis_db::tables::TableError;
use mantis_forms::FormError;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::media::PROBLEM_JSON;
use crate::protocol::path::MalformedEscape;

/// The result of a handler.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// A failed request. Boxed, because it is rare and everything returns it.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: AnyCode,
    /// A code that a plugin has given, which is shown in place of ours.
    shown_code: Option<Box<str>>,
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

/// An error of a table's route, as PostgREST writes it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TableError")]
pub(crate) struct TableErrorOut<'a> {
    /// A SQLSTATE, or a code of PostgREST or MantisDB.
    code: &'a str,
    message: &'a str,
    details: Value,
    hint: Option<&'a str>,
}

impl Problem {
    /// A problem with the texts of its code.
    pub(crate) fn new(code: impl Into<AnyCode>) -> Self {
        let code = code.into();
        let mut problem = Self(Box::new(Inner {
            code,
            shown_code: None,
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

    /// A code of a plugin's own, of 1 to 100 visible characters; any other is passed over.
    pub(crate) fn shown_code(mut self, code: String) -> Self {
        if (1..=100).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.0.shown_code = Some(code.into());
        }
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

    /// The same, with its headers, under another code of the same status.
    pub(crate) fn recoded(mut self, code: AnyCode) -> Self {
        self.0.code = code;
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

    /// The same in the shape that PostgREST's clients read: `{code, message, details, hint}`.
    pub(crate) fn into_table_response(self) -> Response<Body> {
        self.into_table_bytes().map(Body::full)
    }

    pub(crate) fn into_table_bytes(self) -> Response<Bytes> {
        let mut inner = *self.0;
        let shown_code = inner.shown_code.take();
        let code = shown_code.as_deref().unwrap_or(inner.code.as_str());
        let form = TableErrorOut {
            code,
            message: if inner.detail.is_empty() { inner.code.meaning() } else { &inner.detail },
            details: inner.members.remove("details").unwrap_or_default(),
            hint: (!inner.hint.is_empty()).then_some(&inner.hint),
        };
        let json = Bytes::from(serde_json::to_vec(&form).unwrap_or_default());
        let length = json.len();
        let mut response = Response::new(json);
        *response.status_mut() = inner.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let token = if code.bytes().all(is_token) { code } else { inner.code.as_str() };
        if let Ok(value) = HeaderValue::from_str(&format!("MantisDB; error={token}")) {
            headers.insert("proxy-status", value);
        }
        headers.extend(inner.headers);
        response
    }

    pub(crate) fn into_bytes(self, request_id: &str) -> Response<Bytes> {
        let inner = *self.0;
        let code = inner.code.as_str();
        let form = ProblemOut {
            r#type: format!("/docs#error-{code}"),
            title: inner.code.meaning(),
            status: inner.status.as_u16(),
            detail: if inner.detail.is_empty() { inner.code.meaning() } else { &inner.detail },
            code: inner.shown_code.as_deref().unwrap_or(code),
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

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        let error = error.into_parts();
        let mut problem = Self::new(AnyCode::Table(error.code)).detail(error.message);
        if let Some(details) = error.details {
            let json = error.details_are_json.then(|| serde_json::from_str(&details).ok()).flatten();
            problem = problem.member("details", json.unwrap_or_else(|| details.into()));
        }
        if problem.0.status == StatusCode::METHOD_NOT_ALLOWED {
            // RFC 9110 asks for it: the others are allowed.
            problem = problem.header(ALLOW, HeaderValue::from_static("OPTIONS,GET,HEAD,POST,PATCH,DELETE"));
        }
        problem.hint(error.hint.unwrap_or_default())
    }
}

impl From<FormError> for Problem {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed(detail) => Self::new(Code::BodyMalformed).detail(detail),
            FormError::Invalid(detail) => Self::new(Code::BodyInvalid).detail(detail),
            FormError::Db(error) => error.into(),
            FormError::Table(error) => error.into(),
            // Every other kind is a form's too.
            other => Self::new(Code::BodyInvalid).detail(other.message().to_owned()),
        }
    }
}

impl From<MalformedEscape> for Problem {
    fn from(_: MalformedEscape) -> Self {
        Self::new(Code::PathMalformed)
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
