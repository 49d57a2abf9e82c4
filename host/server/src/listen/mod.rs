//! The listener: takes connections, speaks HTTP/1.1 and HTTP/2 on them, and ends them in time.
//!
//! | module | holds |
//! |---|---|
//! | `accept` | the accept loop: the limit on connections, failures of the system |
//! | `connection` | one connection's task: which protocol, when it is parked, how it ends |
//! | `io` | the socket as hyper sees it, which notes what moves |
//! | `progress` | what is known of a connection, and the verdict on it |
//! | `registry` | all connections, the sweep over them, the drain |
//! | `answers` | the answers to what does not reach the application |
//!
//! **Invariant:** a connection that waits for its next request holds no buffer: hyper's state (some 20 KB) exists from the first byte
//! of a request until two seconds after its answer. **Invariant:** no timer is set per request; one sweep judges all connections.

mod accept;
mod answers;
mod connection;
mod io;
mod progress;
mod registry;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mantis_http::App;
use tokio::net::TcpListener;

use registry::Registry;

/// The bounds on connections, each with its unit in its name. Those on requests are the [`App`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at once; one more is answered 503 and closed. Default 20,000.
    pub connections_max: usize,
    /// Bytes of a request's line and headers: 431. At least 8,192. Default 32 KiB, room for the longest key in percent-encoding.
    pub header_bytes_max: usize,
    /// How long the line and headers of a request may take to arrive, in milliseconds: 408. Default 10,000.
    pub header_timeout_ms: u64,
    /// How long a connection may wait for its next request, in milliseconds. Default 75,000.
    pub idle_timeout_ms: u64,
    /// How long a client may refuse to take any byte of an answer, in milliseconds. Default 60,000.
    pub send_timeout_ms: u64,
    /// How long requests under way may take to finish at shutdown, in milliseconds. Default 10,000.
    pub drain_timeout_ms: u64,
    /// Requests under way at once on one HTTP/2 connection. Default 128.
    pub streams_max: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            header_bytes_max: 32 << 10,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            send_timeout_ms: 60_000,
            drain_timeout_ms: 10_000,
            streams_max: 128,
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still at work at the deadline and were cut off.
    pub cut_off: usize,
}

/// Serves `app` on `listener` until `shutdown` is ready, then finishes what is under way.
///
/// At shutdown it takes no more connections, tells the `app`, closes idle connections at once and gives the others
/// [`ConnectionLimits::drain_timeout_ms`]. Whatever the system says to `accept` is waited out: only `shutdown` ends this.
pub async fn serve(
    listener: TcpListener,
    app: App,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let registry = Arc::new(Registry::new(limits, app.clone()));
    let sweeper = AbortOnDrop(tokio::spawn(Arc::clone(&registry).sweep_forever()));
    tokio::select! {
        () = accept::accept_forever(&listener, &registry) => {}
        () = shutdown => {}
    }
    drop(listener);
    app.shutting_down();
    let cut_off = registry.drain(Duration::from_millis(limits.drain_timeout_ms)).await;
    drop(sweeper);
    Drained { cut_off }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
