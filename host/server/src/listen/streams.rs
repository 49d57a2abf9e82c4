//! The streams of an HTTP/2 connection: which of them have a piece of an answer that their client does not take.
//!
//! A client closes the window of a stream, or of all, and hyper waits for it without an end, with the answers in memory. So each piece is
//! followed until the socket has it, and a stream whose piece does not move is stopped: dropping its task resets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::open_streams::Stream;
use super::registry::Member;

tokio::task_local! {
    /// The stream whose request is being answered.
    static CURRENT: Arc<Stream>;
}

/// Runs the tasks of a connection's streams, each until its end or until it is stopped.
#[derive(Clone)]
pub(super) struct StreamTasks(pub(super) Arc<Member>);

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        let stream = Arc::new(Stream::default());
        self.0.progress.streams.add(&stream);
        let over = Over(Arc::clone(&stream), Arc::clone(&self.0));
        tokio::spawn(CURRENT.scope(Arc::clone(&stream), async move {
            tokio::select! {
                biased;
                () = stream.stop.notified() => tracing::debug!("a stream was reset: its client takes nothing"),
                _ = work => {}
            }
            drop(over);
        }));
    }
}

/// Notes the end of a stream's task. What is left of its answer gets the whole time once more.
struct Over(Arc<Stream>, Arc<Member>);

impl Drop for Over {
    fn drop(&mut self) {
        let Self(stream, member) = self;
        if stream.pieces.load(Relaxed) > 0 {
            stream.unsent_since_ms.store(member.now_ms(), Relaxed);
        }
        stream.is_over.store(true, Relaxed);
    }
}

/// An answer's body whose pieces are followed.
pub(super) struct Followed<B> {
    body: B,
    follower: Option<Arc<Follower>>,
}

/// Who notes the pieces of one stream.
struct Follower {
    stream: Arc<Stream>,
    member: Arc<Member>,
}

impl<B> Followed<B> {
    /// Follows the body of the answer on this task's stream.
    pub(super) fn new(body: B, member: &Arc<Member>) -> Self {
        let stream = CURRENT.try_with(Arc::clone).ok();
        let follower = stream.map(|stream| Arc::new(Follower { stream, member: Arc::clone(member) }));
        Self { body, follower }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Followed<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.follow(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Followed<B> {
    fn follow(&self, bytes: Bytes) -> Piece {
        let follower = self.follower.clone();
        if let Some(follower) = &follower {
            follower.stream.pieces.fetch_add(1, Relaxed);
            follower.moved();
        }
        Piece { bytes, follower }
    }
}

impl Follower {
    fn moved(&self) {
        self.stream.unsent_since_ms.store(self.member.now_ms(), Relaxed);
    }
}

/// A piece of an answer, which is dropped when the socket has it or the stream has ended.
pub(super) struct Piece {
    bytes: Bytes,
    follower: Option<Arc<Follower>>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(follower) = &self.follower {
            follower.moved();
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let Some(follower) = &self.follower else { return };
        follower.moved();
        if follower.stream.pieces.fetch_sub(1, Relaxed) == 1 {
            follower.stream.unsent_since_ms.store(0, Relaxed);
        }
    }
}
