//! Response bodies.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};

use crate::limits;

/// Why a streamed answer ends early: the connection is closed, so that the client notices.
#[derive(Debug, thiserror::Error)]
#[error("the answer could not be completed: {0}")]
pub struct BodyError(pub(crate) String);

type BoxStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// The body of an answer: nothing, bytes, or a stream that is made while it is sent.
pub struct Body(Repr);

enum Repr {
    Empty,
    Full(Bytes),
    /// `live` streams show what happens as it happens; nothing may hold their bytes back.
    Stream {
        stream: BoxStream,
        live: bool,
        /// Bytes that are still to come, if that is known.
        length: Option<usize>,
        /// What is left of a piece that was too large to be handed out at once.
        rest: Bytes,
    },
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self(Repr::Empty)
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Repr::Full(bytes)) }
    }

    pub(crate) fn stream(stream: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Self {
        Self::of_stream(stream, false, None)
    }

    /// A stream of so many bytes.
    pub(crate) fn sized_stream(
        length: usize,
        stream: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    ) -> Self {
        Self::of_stream(stream, false, Some(length))
    }

    pub(crate) fn live(stream: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Self {
        Self::of_stream(stream, true, None)
    }

    fn of_stream(
        stream: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
        live: bool,
        length: Option<usize>,
    ) -> Self {
        Self(Repr::Stream { stream: Box::pin(stream), live, length, rest: Bytes::new() })
    }

    /// This body, and then these bytes. They do not come if it ends early.
    pub(crate) fn followed_by(self, end: Vec<u8>) -> Self {
        match self.0 {
            Repr::Empty => Self::full(end.into()),
            Repr::Full(bytes) => Self::full([&bytes[..], &end].concat().into()),
            Repr::Stream { stream, live, length, rest } => {
                let length = length.map(|length| length + end.len());
                let mut end = Some(Bytes::from(end));
                let mut stream = Some(stream);
                let chained = futures_util::stream::poll_fn(move |context| {
                    let Some(before) = &mut stream else { return Poll::Ready(end.take().map(Ok)) };
                    match std::task::ready!(before.as_mut().poll_next(context)) {
                        None => {
                            stream = None;
                            Poll::Ready(end.take().map(Ok))
                        }
                        Some(piece) => {
                            if piece.is_err() {
                                end = None;
                            }
                            Poll::Ready(Some(piece))
                        }
                    }
                });
                Self(Repr::Stream { stream: Box::pin(chained), live, length, rest })
            }
        }
    }

    /// Whether it shows what happens as it happens, and may have nothing to send for long. Between two pieces a line feed means nothing.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.0, Repr::Stream { live: true, .. })
    }

    /// The length in bytes, if it is known.
    pub(crate) fn length(&self) -> Option<usize> {
        match &self.0 {
            Repr::Empty => Some(0),
            Repr::Full(bytes) => Some(bytes.len()),
            Repr::Stream { length, .. } => *length,
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("length", &self.length()).finish_non_exhaustive()
    }
}

impl Stream for Body {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Repr::Empty => Poll::Ready(None),
            Repr::Full(bytes) => {
                let piece = bytes.split_to(bytes.len().min(limits::BODY_PIECE_BYTES_MAX));
                if bytes.is_empty() {
                    self.0 = Repr::Empty;
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Repr::Stream { stream, length, rest, .. } => {
                if rest.is_empty() {
                    *rest = match stream.as_mut().poll_next(context) {
                        Poll::Ready(Some(Ok(piece))) => piece,
                        other => return other,
                    };
                }
                let piece = rest.split_to(rest.len().min(limits::BODY_PIECE_BYTES_MAX));
                if let Some(left) = length {
                    *left = left.saturating_sub(piece.len());
                    if *left == 0 {
                        self.0 = Repr::Empty;
                    }
                }
                Poll::Ready(Some(Ok(piece)))
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_next(context).map(|item| item.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Repr::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, |length| SizeHint::with_exact(length as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use http_body::Body as _;

    use super::Body;
    use crate::limits;

    #[test]
    fn large_bytes_are_handed_out_in_pieces() {
        for length in
            [0, 1, limits::BODY_PIECE_BYTES_MAX, limits::BODY_PIECE_BYTES_MAX + 1, 5 * limits::BODY_PIECE_BYTES_MAX]
        {
            let whole: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut body = pin!(Body::full(whole.clone().into()));
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let mut got = Vec::new();
            while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
                let piece = frame.ok().and_then(|frame| frame.into_data().ok()).expect("a piece of data");
                assert!(!piece.is_empty() && piece.len() <= limits::BODY_PIECE_BYTES_MAX);
                got.extend_from_slice(&piece);
                assert_eq!(body.is_end_stream(), got.len() == length, "the last piece is known to be it");
            }
            assert!(got == whole);
        }
    }
}
