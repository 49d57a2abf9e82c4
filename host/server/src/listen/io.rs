//! The socket as hyper sees it: bytes that were read ahead come first, and progress is recorded.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::progress::Stage;
use super::registry::Member;

/// What a client that waits for its answer may be sent without harm (RFC 9110, section 15.2; RFC 2518 for its number).
const INTERIM: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

pub(super) struct Io {
    stream: TokioIo<TcpStream>,
    ahead: Bytes,
    member: Arc<Member>,
    /// The status with which hyper refused an invalid request. Its empty answer is held back, for a better one.
    refusal: Option<u16>,
}

impl Io {
    /// The socket, with bytes that were read from it already.
    pub(super) fn new(stream: TcpStream, ahead: Bytes, member: Arc<Member>) -> Self {
        Self { stream: TokioIo::new(stream), ahead, member, refusal: None }
    }

    /// The status of an answer that hyper made by itself, and that was not sent.
    pub(super) fn refusal(&self) -> Option<u16> {
        self.refusal
    }

    /// Ends the connection by a reset: of an answer without a length the client would take a plain end for the end of the answer.
    pub(super) fn reset(&self) {
        // Where it cannot be set, the end is a plain one.
        let _ = self.stream.inner().set_zero_linger();
    }

    /// The socket; what was read ahead and not taken is lost.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Checks whether the client of a stream, or of a request that waits for long, is still connected. A closed sending side proves nothing: it may still be reading. So it is
    /// sent something, which a client that is gone answers with a reset, and that is found here.
    fn look_for_client(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let (stream, progress) = (self.stream.inner(), &self.member.progress);
        if progress.is_greeted() {
            return stream.take_error()?.map_or(Ok(()), Err);
        }
        // Without bytes this makes no system call, and wakes the task when some arrive.
        let mut byte = [0];
        if let Poll::Ready(count) = stream.poll_peek(cx, &mut ReadBuf::new(&mut byte))
            && count? == 0
            && progress.said_all()
        {
            if !progress.is_streaming() && progress.takes_interim() {
                // Everything before is written, and the answer has not begun. A client that takes nothing is cut off elsewhere.
                let _ = stream.try_write(INTERIM);
            }
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &result {
            Poll::Ready(_) => self.member.progress.sent(self.member.now_ms()),
            Poll::Pending => self.member.progress.blocked(self.member.now_ms()),
        }
        result
    }
}

impl Read for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let count = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..count]);
            self.ahead.advance(count);
        }
        self.member.progress.received(self.member.now_ms());
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let progress = &self.member.progress;
        if !progress.is_owing() && progress.stage() == Stage::Http1 {
            self.refusal = Some(status_of(buf));
            return Poll::Ready(Ok(buf.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(result, Poll::Ready(Ok(count)) if count == buf.len()) {
            self.member.progress.wrote_all();
        }
        self.note(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = &self.member.progress;
        if progress.is_streaming() || progress.waits_long(self.member.now_ms()) {
            self.look_for_client(cx)?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refusal.is_some() || self.member.progress.keeps_open() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(result)
    }
}

/// The status of an answer, by its first line.
fn status_of(answer: &[u8]) -> u16 {
    let digits = answer.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3));
    digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(400)
}
