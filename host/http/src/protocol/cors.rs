//! CORS: which pages of other origins may use the API. None, unless configured.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};

use crate::protocol::body::Body;

/// Answer headers that a page may read beside those that every page may.
const EXPOSED: &str = "etag, last-modified, location, content-location, content-range, accept-ranges, content-disposition, \
                       proxy-status, warning, mantisdb-expires, mantisdb-durable, mantisdb-stored, mantisdb-version, mantisdb-bytes-estimate, preference-applied, retry-after, x-request-id, allow, accept, vary";
/// Request headers that a page may send.
const ALLOWED: &str = "accept, accept-profile, apikey, authorization, content-profile, content-type, if-match, if-none-match, if-modified-since, if-unmodified-since, if-range, \
                       last-event-id, mantisdb-arguments, mantisdb-transaction, prefer, range, range-unit, x-client-info, x-request-id, x-retry-count";
/// How long a browser remembers the answer to its question, in seconds: a day, of which browsers take as much as they allow.
const MAX_AGE_S: &str = "86400";

/// The origins that are let in.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { origins: origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect() }
    }

    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.allows_all() || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    fn allows_all(&self) -> bool {
        self.origins.iter().any(|allowed| allowed == "*")
    }

    /// Whether this is a browser's question before a request, rather than a request.
    pub(crate) fn is_preflight(head: &Parts) -> bool {
        head.method == Method::OPTIONS
            && head.headers.contains_key(ORIGIN)
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Answers a browser's question. Without the headers that allow, the browser takes it as a no.
    pub(crate) fn answer_preflight(&self, head: &Parts, allow: &HeaderValue, response: &mut Response<Body>) {
        if self.allowed_origin(&head.headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_S));
        }
    }

    /// Adds to every answer what a browser needs to show it to a page.
    pub(crate) fn mark(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        if !self.allows_all() {
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.allowed_origin(request) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }

    fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        if self.allows_all() {
            return Some(HeaderValue::from_static("*"));
        }
        origin.to_str().is_ok_and(|origin| self.allows(origin)).then(|| origin.clone())
    }
}
