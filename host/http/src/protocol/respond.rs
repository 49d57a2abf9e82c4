//! Responses of common shapes.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::protocol::body::Body;
use crate::protocol::media;

/// JSON of a type that always serialises: strings, numbers, lists and structs of them.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    bytes(status, media::JSON, Bytes::from(serde_json::to_vec(value).unwrap_or_default()))
}

/// Bytes of a media type.
pub(crate) fn bytes(status: StatusCode, media: &'static str, bytes: Bytes) -> Response<Body> {
    of(status, media, Body::full(bytes))
}

/// A body of a media type.
pub(crate) fn of(status: StatusCode, media: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
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
