//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;

use super::answers::{self, Refusal};
use super::io::Io;
use super::progress::{Order, Stage};
use super::registry::Member;
use super::streams::{Followed, StreamTasks};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a quiet HTTP/2 peer is pinged, and how long it may take to answer, in milliseconds.
const HTTP2_PING_MS: u64 = 30_000;
const HTTP2_PONG_MS: u64 = 20_000;

/// Serves a connection until it ends.
pub(super) async fn run(stream: TcpStream, member: Arc<Member>) {
    let Some((stage, ahead)) = first_bytes(&stream, &member).await else { return };
    member.progress.enter(stage);
    if stage == Stage::Http2 {
        // Boxed, so that a waiting connection does not reserve memory for this.
        Box::pin(run_http2(stream, ahead, member)).await;
    } else {
        run_http1(stream, ahead, member).await;
    }
}

/// Waits for bytes, and detects the protocol by them.
async fn first_bytes(stream: &TcpStream, member: &Member) -> Option<(Stage, Bytes)> {
    let mut seen = [0; HTTP2_PREFACE.len()];
    let mut count = 0;
    loop {
        wait_for_bytes(stream, member).await?;
        count += match stream.try_read(&mut seen[count..]) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        };
        member.progress.received(member.now_ms());
        if seen[..count] != HTTP2_PREFACE[..count] {
            return Some((Stage::Http1, Bytes::copy_from_slice(&seen[..count])));
        }
        if count == HTTP2_PREFACE.len() {
            return Some((Stage::Http2, Bytes::from_static(HTTP2_PREFACE)));
        }
    }
}

/// Waits until the socket is readable; none when the connection is to close instead.
async fn wait_for_bytes(stream: &TcpStream, member: &Member) -> Option<()> {
    poll_fn(|cx| {
        member.progress.remember(cx.waker());
        match member.take_order() {
            None | Some(Order::Park | Order::Look) => stream.poll_read_ready(cx).map(Result::ok),
            Some(Order::Finish | Order::HeadLate | Order::Cut) => Poll::Ready(None),
        }
    })
    .await
}

/// Alternates between waiting without buffers and serving.
async fn run_http1(mut stream: TcpStream, mut ahead: Bytes, member: Arc<Member>) {
    loop {
        match at_work(stream, ahead, &member).await {
            End::Parked(parked, left) => (stream, ahead) = (parked, left),
            End::Refused(stream, refusal) => return Box::pin(answers::refuse(stream, member.app(), &refusal)).await,
            End::Over => return,
        }
        if ahead.is_empty() {
            // Though empty, it may keep its buffer alive.
            ahead = Bytes::new();
            member.progress.enter(Stage::Waiting);
            if wait_for_bytes(&stream, &member).await.is_none() {
                return;
            }
            member.progress.enter(Stage::Http1);
        }
    }
}

/// Serves requests until there are none for a while. Boxed, so that a waiting connection does not reserve memory for this.
fn at_work(stream: TcpStream, ahead: Bytes, member: &Arc<Member>) -> Pin<Box<impl Future<Output = End> + use<>>> {
    let mut builder = http1::Builder::new();
    // The header timeout is the sweep's: hyper's own would cost every request a timer, and would end idle connections too.
    builder.writev(false).half_close(true).header_read_timeout(None).max_header_size(member.limits().header_bytes_max);
    let io = Io::new(stream, ahead, Arc::clone(member));
    let serving = Arc::clone(member);
    let connection = builder.serve_connection(io, service_fn(move |request| respond(Arc::clone(&serving), request)));
    Box::pin(AtWork { connection: Some(connection), member: Arc::clone(member) })
}

/// How serving on an HTTP/1 connection ended.
enum End {
    /// It is idle; these bytes were read ahead from its socket.
    Parked(TcpStream, Bytes),
    /// The bytes received are not a valid request; the answer is still to be sent.
    Refused(TcpStream, Refusal),
    Over,
}

/// An HTTP/1 connection with its buffers.
struct AtWork<S: HttpService<Incoming>> {
    connection: Option<http1::Connection<Io, S>>,
    member: Arc<Member>,
}

impl<S> Future for AtWork<S>
where
    S: HttpService<Incoming> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(connection) = &mut this.connection else { return Poll::Ready(End::Over) };
        match this.member.take_order() {
            None => {}
            // The socket is checked whenever a stream is polled.
            Some(Order::Look) => this.member.progress.looked(this.member.now_ms()),
            Some(Order::Finish) => Pin::new(&mut *connection).graceful_shutdown(),
            Some(Order::Park) => {
                // hyper's connections cannot say that they are idle; but one that is ends at once when asked to. One that is not
                // ends after its answer.
                Pin::new(&mut *connection).graceful_shutdown();
                let polled = this.member.progress.keep_open(|| Pin::new(&mut *connection).poll(cx));
                let has_failed = ready!(polled).is_err();
                let Some(connection) = this.connection.take() else { return Poll::Ready(End::Over) };
                let parts = connection.into_parts();
                return Poll::Ready(if has_failed {
                    ended(parts.io, &parts.read_buf, &this.member)
                } else {
                    End::Parked(parts.io.into_stream(), parts.read_buf)
                });
            }
            Some(Order::HeadLate) => {
                if let Some(connection) = this.connection.take() {
                    answers::too_slow(&connection.into_parts().io.into_stream(), this.member.app());
                }
                return Poll::Ready(End::Over);
            }
            Some(Order::Cut) => {
                if let Some(connection) = this.connection.take() {
                    connection.into_parts().io.reset();
                }
                return Poll::Ready(End::Over);
            }
        }
        if let Err(error) = ready!(Pin::new(connection).poll(cx)) {
            tracing::debug!(%error, "a connection failed");
        }
        let parts = this.connection.take().map(http1::Connection::into_parts);
        if let Some(parts) = parts.as_ref().filter(|_| this.member.progress.is_broken_off()) {
            parts.io.reset();
        }
        Poll::Ready(parts.map_or(End::Over, |parts| ended(parts.io, &parts.read_buf, &this.member)))
    }
}

/// How serving ended, once hyper has finished with a connection.
fn ended(io: Io, came: &[u8], member: &Member) -> End {
    let Some(status) = io.refusal() else { return End::Over };
    End::Refused(io.into_stream(), answers::refused(status, came, member.limits().header_bytes_max))
}

async fn run_http2(stream: TcpStream, ahead: Bytes, member: Arc<Member>) {
    let limits = *member.limits();
    let serving = Arc::clone(&member);
    let connection = http2::Builder::new(StreamTasks(Arc::clone(&member)))
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(HTTP2_PING_MS))
        .keep_alive_timeout(Duration::from_millis(HTTP2_PONG_MS))
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .serve_connection(
            Io::new(stream, ahead, Arc::clone(&member)),
            service_fn(move |request| {
                let (member, answer) = (Arc::clone(&serving), respond(Arc::clone(&serving), request));
                async move { answer.await.map(|response| response.map(|body| Followed::new(body, &member))) }
            }),
        );
    let mut connection = std::pin::pin!(connection);
    let result = poll_fn(|cx| {
        match member.take_order() {
            None | Some(Order::Park | Order::Look) => {}
            Some(Order::Finish | Order::HeadLate) => connection.as_mut().graceful_shutdown(),
            Some(Order::Cut) => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}

/// Passes a request to the application. It counts as in progress until its answer's body has been handed over.
fn respond(
    member: Arc<Member>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Counted>, Infallible>> {
    member.progress.request_began();
    if member.progress.stage() == Stage::Http1 {
        member.progress.answer_awaited(member.now_ms(), request.version() == Version::HTTP_11);
    }
    let under_way = UnderWay(member);
    async move {
        let response = under_way.0.app().handle(request).await;
        under_way.0.progress.answer_came();
        if response.body().is_live() {
            under_way.0.progress.stream_began();
        }
        Ok(response.map(|body| Counted { body, under_way }))
    }
}

struct UnderWay(Arc<Member>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.progress.answer_came();
        self.0.progress.request_ended(self.0.now_ms());
    }
}

/// An answer's body, which counts as a request in progress.
struct Counted {
    body: mantis_http::Body,
    under_way: UnderWay,
}

impl Body for Counted {
    type Data = <mantis_http::Body as Body>::Data;
    type Error = <mantis_http::Body as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let progress = &self.under_way.0.progress;
        if progress.is_streaming() && progress.takes_greeting() {
            // Between two pieces it means nothing.
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"\n")))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.under_way.0.progress.broke_off();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
