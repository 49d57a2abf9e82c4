//! Compressed responses.
//!
//! Small answers, parts of values, live streams and media that are compressed already pass as they are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use async_compression::{Level, brotli};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, Response};
use mantis_db::{Budget, Reservation};
use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::task::yield_now;

use crate::protocol::accept::{Weight, weighted};
use crate::protocol::body::{Body, BodyError};

/// Answers below this are not worth the work.
const BYTES_MIN: usize = 1024;
/// What one step of compression reads and writes at most, so that a large answer takes its turns with others: about a millisecond.
const CHUNK_BYTES: usize = 16 * 1024;

/// Input after which an encoder gives out what it has: a client that is gone is noticed when something is written to it.
const FLUSH_BYTES: usize = 1 << 20;
/// The window of brotli, as a power of two: 256 KiB. Its default of 4 MiB takes an encoder of 20 MiB.
const BROTLI_WINDOW_LOG: i32 = 18;

/// `Vary` of a response that is compressed on request.
pub(crate) const VARIES_BY: &str = "accept-encoding";

/// The ways to compress, the preferred first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

const CODINGS: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

impl Coding {
    /// What an encoder takes, about: measured with answers that compress well and with those that do not.
    fn encoder_bytes(self) -> usize {
        match self {
            Self::Zstd => 4 << 20,
            Self::Brotli => 3 << 20,
            Self::Gzip => 512 << 10,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// Compresses an answer if it is worth it, the client takes it, and there is memory for an encoder: plain it needs none.
pub(crate) fn compress(request: &HeaderMap, response: Response<Body>, in_flight: &Budget) -> Response<Body> {
    if !is_worth_it(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.append(VARY, HeaderValue::from_static(VARIES_BY));
    let taken = choose(request).and_then(|coding| Some((coding, in_flight.take(coding.encoder_bytes())?)));
    let Some((coding, reservation)) = taken else { return Response::from_parts(head, body) };
    // The tag of a refusal is not that of its text.
    if head.status.is_success()
        && let Some(tag) = head.headers.get(ETAG).and_then(|tag| tag_of(tag, coding))
    {
        head.headers.insert(ETAG, tag);
    }
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
    Response::from_parts(head, encode(body, coding, reservation))
}

fn is_worth_it(response: &Response<Body>) -> bool {
    let (headers, body) = (response.headers(), response.body());
    body.length().is_none_or(|length| length >= BYTES_MIN)
        && !body.is_live()
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).is_none_or(is_compressible)
}

/// Whether an answer of this length and media type would be compressed for those who ask.
pub(crate) fn would_be(length: usize, media: &str) -> bool {
    length >= BYTES_MIN && is_compressible(media)
}

/// Whether a media type is likely to shrink.
fn is_compressible(media: &str) -> bool {
    const PACKED: &[&str] = &[
        "application/gzip",
        "application/zip",
        "application/zstd",
        "application/x-7z-compressed",
        "application/x-bzip2",
        "application/x-xz",
        "application/x-brotli",
        "application/pdf",
        "application/vnd.rar",
        "font/woff",
        "font/woff2",
        "text/event-stream",
    ];
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "image/svg+xml" || essence == "image/bmp" {
        return true;
    }
    let packed_family = ["image/", "audio/", "video/"].iter().any(|family| essence.starts_with(family));
    !packed_family && !PACKED.contains(&&essence[..])
}

/// The coding with the highest weight, among equals the preferred one; none when the client wants it plain.
pub(crate) fn choose(request: &HeaderMap) -> Option<Coding> {
    let weight = |name: &str| -> Option<Weight> {
        let exact = weighted(request, ACCEPT_ENCODING).find(|(coding, _)| coding.eq_ignore_ascii_case(name));
        let any = || weighted(request, ACCEPT_ENCODING).find(|(coding, _)| *coding == "*");
        exact.or_else(any).map(|(_, weight)| weight)
    };
    let mut best: Option<(Weight, Coding)> = None;
    for coding in CODINGS {
        if let Some(weight) = weight(coding.as_str()).filter(|&weight| weight > 0)
            && best.is_none_or(|(other, _)| weight > other)
        {
            best = Some((weight, coding));
        }
    }
    let plain = weighted(request, ACCEPT_ENCODING).find(|(coding, _)| coding.eq_ignore_ascii_case("identity"));
    best.filter(|(weight, _)| plain.is_none_or(|(_, plain)| *weight >= plain)).map(|(_, coding)| coding)
}

/// A strong tag names bytes, and these are other bytes than the plain ones: `"v7"` becomes `"v7-gzip"`.
pub(crate) fn tag_of(tag: &HeaderValue, coding: Coding) -> Option<HeaderValue> {
    let plain = tag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::from_str(&format!("{plain}-{}\"", coding.as_str())).ok()
}

fn encode(body: Body, coding: Coding, reservation: Reservation) -> Body {
    let output = Output::default();
    let sink = output.clone();
    let encoder: Encoder = match coding {
        Coding::Zstd => Box::pin(ZstdEncoder::with_quality(sink, Level::Precise(3))),
        Coding::Brotli => Box::pin(BrotliEncoder::with_params(sink, brotli_params())),
        Coding::Gzip => Box::pin(GzipEncoder::with_quality(sink, Level::Precise(5))),
    };
    let encoding =
        Encoding { body, rest: Bytes::new(), encoder, output, unseen: 0, is_over: false, _reservation: reservation };
    Body::stream(stream::unfold(encoding, |mut encoding| async move {
        let piece = encoding.next().await?;
        Some((piece, encoding))
    }))
}

fn brotli_params() -> brotli::EncoderParams {
    brotli::EncoderParams::default().quality(Level::Precise(4)).window_size(BROTLI_WINDOW_LOG)
}

type Encoder = Pin<Box<dyn AsyncWrite + Send>>;

/// What an encoder has written and nobody has taken yet.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A body on its way through an encoder. What shrinks well takes megabytes until something comes out, so others get their turn after each
/// step of input.
struct Encoding {
    body: Body,
    rest: Bytes,
    encoder: Encoder,
    output: Output,
    /// Bytes of input since something came out.
    unseen: usize,
    is_over: bool,
    _reservation: Reservation,
}

impl Encoding {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        while !self.is_over {
            if let Err(error) = self.step().await {
                self.is_over = true;
                return Some(Err(error));
            }
            let written = std::mem::take(&mut *self.output.0.lock());
            yield_now().await;
            if !written.is_empty() {
                self.unseen = 0;
                return Some(Ok(written.into()));
            }
        }
        None
    }

    /// Encodes some more of the body, or the end of it.
    async fn step(&mut self) -> Result<(), BodyError> {
        if self.rest.is_empty() {
            let Some(piece) = self.body.next().await else {
                self.is_over = true;
                return self.encoder.shutdown().await.map_err(failed);
            };
            self.rest = piece?;
        }
        let input = self.rest.split_to(self.rest.len().min(CHUNK_BYTES));
        self.encoder.write_all(&input).await.map_err(failed)?;
        self.unseen += input.len();
        if self.unseen < FLUSH_BYTES {
            return Ok(());
        }
        self.unseen = 0;
        self.encoder.flush().await.map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn failed(error: io::Error) -> BodyError {
    BodyError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept_encoding: &str, expected: Option<&str>) {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(accept_encoding).unwrap())]);
        assert_eq!(choose(&headers).map(Coding::as_str), expected, "{accept_encoding:?}");
    }

    #[test]
    fn the_coding_of_highest_weight_is_chosen() {
        check("gzip", Some("gzip"));
        check("gzip, deflate, br, zstd", Some("zstd"));
        check("gzip, deflate, br", Some("br"));
        check("br;q=0.5, GZIP", Some("gzip"));
        check("*", Some("zstd"));
        check("zstd;q=0, *", Some("br"));
        check("gzip;q=0", None);
        check("identity", None);
        check("identity, gzip;q=0.5", None);
        check("gzip, identity;q=0.5", Some("gzip"));
        check("", None);
    }

    #[test]
    fn compressed_media_are_not_compressed_again() {
        for media in [
            "text/plain",
            "application/json; charset=utf-8",
            "image/svg+xml",
            "application/octet-stream",
            "application/wasm",
        ] {
            assert!(is_compressible(media), "{media}");
        }
        for media in ["image/png", "IMAGE/JPEG", "video/mp4", "application/zip", "font/woff2", "text/event-stream"] {
            assert!(!is_compressible(media), "{media}");
        }
    }
}
