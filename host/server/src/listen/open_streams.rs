//! The open streams of an HTTP/2 connection, and since when each has a piece that does not move.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<Vec<Weak<Stream>>>);

/// One stream, for as long as its task or a piece of its answer exists.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Pieces of its answer that the socket does not have yet.
    pub(super) pieces: AtomicUsize,
    /// When a byte of them last moved; 0 without any.
    pub(super) unsent_since_ms: AtomicU64,
    /// Whether its task has ended: what is left of its answer can no longer be taken back by itself.
    pub(super) is_over: AtomicBool,
    pub(super) stop: Notify,
}

impl Streams {
    pub(super) fn add(&self, stream: &Arc<Stream>) {
        self.0.lock().push(Arc::downgrade(stream));
    }

    /// Stops streams whose pieces have not moved for too long.
    pub(super) fn stop_stalled(&self, is_too_long: impl Fn(u64) -> bool) {
        self.0.lock().retain(|stream| {
            let Some(stream) = stream.upgrade() else { return false };
            if is_too_long(stream.unsent_since_ms.load(Relaxed)) && !stream.is_over.load(Relaxed) {
                stream.stop.notify_one();
            }
            true
        });
    }

    /// Whether such a piece is all that is left of a stream: then only the end of the connection frees it.
    pub(super) fn has_stuck(&self, is_too_long: impl Fn(u64) -> bool) -> bool {
        let streams = self.0.lock();
        let mut live = streams.iter().filter_map(Weak::upgrade);
        live.any(|stream| stream.is_over.load(Relaxed) && is_too_long(stream.unsent_since_ms.load(Relaxed)))
    }
}
