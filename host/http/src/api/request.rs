//! A request as handlers get it: routed, its query checked, its body not read yet.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use mantis_db::{Budget, Entry, Reservation};
use parking_lot::Mutex;

use crate::api::captures::Captures;
use crate::api::common;
use crate::api::description::PathParameter;
use crate::api::query::Query;
use crate::limits;
use crate::protocol::deadline::within;
use crate::protocol::errors::Code;
use crate::protocol::memory;
use crate::protocol::path;
use crate::protocol::problem::{Problem, Result};

/// Bytes of a body that have arrived before memory is reserved for its announced length: growing by doubling would take twice as much.
const TRUSTED_BYTES_MIN: usize = 1 << 20;

/// Bytes of a body that are taken before they are read. More may come at once, which are taken before the next are read.
const PIECE_BYTES: usize = 64 << 10;

/// A routed request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Parts,
    pub(crate) captures: Captures,
    pub(crate) query: Query,
    pub(crate) body: RequestBody,
    /// What the memory for its body and its answer is taken from.
    pub(crate) in_flight: Budget,
    /// What was read to answer at once, where the answer then turned out to be long: it is not read again.
    pub(crate) found: Mutex<Option<Entry>>,
    /// The name that its answer and its log lines have.
    pub(crate) id: HeaderValue,
}

impl Request {
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The name that its answer and its log lines have.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.to_str().ok()
    }

    /// A parameter of the path, decoded.
    pub(crate) fn path_bytes(&self, parameter: &PathParameter) -> Result<Cow<'_, [u8]>> {
        Ok(path::decode(self.captures.get(self.head.uri.path(), parameter))?)
    }

    /// A parameter of the path that is text; what is not UTF-8 is no name of anything, so its replacement is not either.
    pub(crate) fn path_text(&self, parameter: &PathParameter) -> Result<Cow<'_, str>> {
        Ok(match self.path_bytes(parameter)? {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    /// The key that the path names.
    pub(crate) fn key(&self) -> Result<Cow<'_, [u8]>> {
        self.path_bytes(&common::KEY)
    }

    /// The bucket that the path names, or the default one.
    pub(crate) fn bucket(&self) -> Result<Cow<'_, str>> {
        match self.path_text(&common::BUCKET)? {
            name if name.is_empty() => Ok(Cow::Borrowed(mantis_db::DEFAULT_BUCKET)),
            name => Ok(name),
        }
    }

    /// The header, if it is text.
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `type/subtype` of the body, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let value = self.header(CONTENT_TYPE)?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// Refuses a body that is not of one of these media types.
    pub(crate) fn expect_media(&self, expected: &[&str]) -> Result<()> {
        if self.media_type().is_some_and(|media| expected.contains(&&media[..])) {
            return Ok(());
        }
        let given = self.media_type().unwrap_or_else(|| "none".to_owned());
        let wanted = expected.join("` or `");
        Err(Problem::new(Code::MediaTypeUnsupported)
            .detail(format!("the `Content-Type` of the body is {given}; send `{wanted}`"))
            .header(
                http::header::ACCEPT,
                HeaderValue::from_str(&expected.join(", ")).unwrap_or(HeaderValue::from_static("*/*")),
            ))
    }

    /// Refuses transfer encodings other than `chunked`.
    fn expect_plain_transfer(&self) -> Result<()> {
        let mut codings = self.head.headers.get_all(TRANSFER_ENCODING).iter();
        let is_plain = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if is_plain && codings.next().is_none() {
            return Ok(());
        }
        Err(Problem::new(Code::ContentEncodingUnsupported)
            .detail("the body's `Transfer-Encoding` is not `chunked` alone"))
    }

    /// Refuses a body with two media types.
    fn expect_one_media_type(&self) -> Result<()> {
        if self.head.headers.get_all(CONTENT_TYPE).iter().nth(1).is_none() {
            return Ok(());
        }
        Err(Problem::new(Code::HeaderInvalid).detail("`content-type` was sent twice"))
    }

    /// Takes memory that the request is about to hold.
    ///
    /// # Errors
    /// `memory-full`.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservation> {
        memory::take(&self.in_flight, bytes)
    }

    /// Refuses a body where none is expected, but for an empty object, which some clients send with every `POST`: what it asks for
    /// would not be done.
    pub(crate) async fn expect_no_body(&mut self, hint: &'static str, timeout_ms: u64) -> Result<()> {
        const BYTES_MAX: usize = 64;
        if self.body.is_end_stream() {
            return Ok(());
        }
        let is_empty = match self.read_body(BYTES_MAX, timeout_ms).await {
            Ok(body) => {
                let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                text.is_empty() || text == b"{}"
            }
            Err(problem) if problem.code() == Code::BodyTooLarge.into() => false,
            Err(problem) => return Err(problem),
        };
        if is_empty {
            return Ok(());
        }
        Err(Problem::new(Code::BodyInvalid).detail("a body is not expected here").hint(hint))
    }

    /// Reads the body: at most `bytes_max` bytes within `timeout_ms`. Its memory is given back when the last part of it is dropped.
    pub(crate) async fn read_body(&mut self, bytes_max: usize, timeout_ms: u64) -> Result<Bytes> {
        self.expect_one_media_type()?;
        if self
            .head
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(Code::ContentEncodingUnsupported.into());
        }
        self.expect_plain_transfer()?;
        let outcome = within(Duration::from_millis(timeout_ms), self.body.collect(bytes_max, &self.in_flight)).await;
        let outcome = outcome.unwrap_or_else(|| {
            let detail = format!("the body did not arrive within {timeout_ms} ms");
            Err(Problem::new(Code::BodyTimeout).detail(detail))
        });
        if outcome.is_ok() {
            self.body = RequestBody::Empty;
        }
        outcome
    }
}

/// The body of a request.
pub(crate) enum RequestBody {
    Empty,
    Incoming(Incoming),
    Other(Pin<Box<dyn http_body::Body<Data = Bytes, Error = OtherError> + Send + Sync>>),
}

/// Why a body from elsewhere could not be read.
type OtherError = Box<dyn std::error::Error + Send + Sync>;

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

impl RequestBody {
    pub(crate) fn other<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<OtherError>,
    {
        Self::Other(Box::pin(body.map_err(Into::into)))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Incoming(body) => body.is_end_stream(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn announced_bytes(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Incoming(body) => body.size_hint().lower(),
            Self::Other(body) => body.size_hint().lower(),
        }
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>>> {
        // What the reader of the connection says of it names its own parts.
        let interrupted = || Problem::new(Code::BodyInterrupted);
        match self {
            Self::Empty => None,
            Self::Incoming(body) => body.frame().await.map(|frame| frame.map_err(|_| interrupted())),
            Self::Other(body) => body.frame().await.map(|frame| frame.map_err(|_| interrupted())),
        }
    }

    /// Reads all of it. An announcement alone takes no memory: a client that sends nothing holds that for a piece.
    async fn collect(&mut self, bytes_max: usize, in_flight: &Budget) -> Result<Bytes> {
        let too_large = || {
            Problem::new(Code::BodyTooLarge)
                .detail(format!("the body has more than {bytes_max} bytes, which is the limit"))
        };
        let announced = usize::try_from(self.announced_bytes()).unwrap_or(usize::MAX);
        if announced > bytes_max {
            return Err(too_large());
        }
        let mut first = Bytes::new();
        let mut all: Option<BytesMut> = None;
        let mut reservation = in_flight.reservation();
        loop {
            let so_far = all.as_ref().map_or(first.len(), BytesMut::len);
            let is_announced = announced > 0 || self.is_end_stream();
            let left = if is_announced { announced.saturating_sub(so_far) } else { PIECE_BYTES };
            let with_next = so_far + left.min(PIECE_BYTES);
            if with_next > memory::UNCOUNTED_BYTES_MAX && !reservation.grow_to(with_next) {
                return Err(memory::full());
            }
            let Some(frame) = self.frame().await else { break };
            let Ok(data) = frame?.into_data() else { continue };
            let with_data = so_far + data.len();
            if with_data > bytes_max {
                return Err(too_large());
            }
            if with_data > memory::UNCOUNTED_BYTES_MAX && !reservation.grow_to(with_data) {
                return Err(memory::full());
            }
            match &mut all {
                // Most bodies come in one piece, which is passed on as it is.
                None if first.is_empty() => first = data,
                None => {
                    let mut joined = BytesMut::with_capacity(2 * (first.len() + data.len()));
                    joined.extend_from_slice(&first);
                    joined.extend_from_slice(&data);
                    all = Some(joined);
                }
                Some(all) => {
                    if all.len() >= TRUSTED_BYTES_MIN && all.capacity() - all.len() < data.len() {
                        all.reserve(data.len().max(announced.saturating_sub(all.len())));
                    }
                    all.extend_from_slice(&data);
                }
            }
        }
        let whole = all.map_or(first, BytesMut::freeze);
        reservation.shrink_to(whole.len());
        Ok(if whole.len() > memory::UNCOUNTED_BYTES_MAX { memory::held(whole, reservation) } else { whole })
    }

    /// Reads and discards the rest of an unwanted body, beside the response: a client that is still sending would otherwise find its
    /// connection reset before it reads the reason.
    pub(crate) fn discard_later(self) {
        if !self.is_end_stream() && tokio::runtime::Handle::try_current().is_ok() {
            tokio::spawn(self.discard());
        }
    }

    async fn discard(mut self) {
        let mut left = limits::DISCARD_BYTES_MAX;
        let reading = async {
            while let Some(Ok(frame)) = self.frame().await {
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
                left = rest;
            }
        };
        let _ = tokio::time::timeout(limits::DISCARD_TIMEOUT, reading).await;
    }
}
