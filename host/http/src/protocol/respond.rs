//! Answers of common shapes.

use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use httpdate::HttpDate;
use serde::Serialize;

use crate::protocol::body::Body;

pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// JSON of a type that always serialises: strings, numbers, lists and structs of them.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    bytes(status, JSON, Bytes::from(serde_json::to_vec(value).unwrap_or_default()))
}

/// Bytes of a media type.
pub(crate) fn bytes(status: StatusCode, media: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Milliseconds since the epoch as RFC 3339, as in `2026-01-31T23:59:59.999Z`.
pub(crate) fn rfc3339(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", timestamp.unwrap_or(jiff::Timestamp::MAX))
}

/// Milliseconds since the epoch as headers have it, as in `Sat, 31 Jan 2026 23:59:59 GMT`.
pub(crate) fn http_date(ms: u64) -> HeaderValue {
    // The last second that an HTTP date can name.
    const LAST_S: u64 = 253_402_300_799;
    let time = UNIX_EPOCH + Duration::from_secs((ms / 1000).min(LAST_S));
    // Every date has the same length: it is written on the stack, and copied once.
    let mut text = [0; "Sat, 31 Jan 2026 23:59:59 GMT".len()];
    let written = write!(&mut text[..], "{}", HttpDate::from(time));
    debug_assert!(written.is_ok());
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_769_903_999_999), "2026-01-31T23:59:59.999Z");
    }
}
