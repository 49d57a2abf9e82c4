//! The listener: accepts connections, serves HTTP/1.1 and HTTP/2 on them, and enforces their timeouts.
//!
//! | module | holds |
//! |---|---|
//! | `accept` | the accept loop: the limit on connections, errors of the system |
//! | `connection` | one connection's task: protocol detection, parking, shutdown |
//! | `io` | the socket as hyper sees it, which records progress |
//! | `limits` | the bounds on connections |
//! | `progress` | a connection's state, and which timeout it has exceeded |
//! | `registry` | all connections, the sweep over them, the drain at shutdown |
//! | `open_streams` | the open streams of an HTTP/2 connection, and since when each does not move |
//! | `streams` | the streams of an HTTP/2 connection: which of them are not read |
//! | `meanwhile` | the listener while the server starts |
//! | `answers` | answers to requests that do not reach the application |
//!
//! **Invariant:** a connection that waits for its next request holds no buffer: hyper's state (some 20 KB) exists from the first byte
//! of a request until two seconds after its answer. **Invariant:** no timer is set per request; one sweep judges all connections.

mod accept;
mod answers;
mod connection;
mod io;
mod limits;
mod meanwhile;
mod open_streams;
mod progress;
mod registry;
mod streams;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mantis_http::App;
use tokio::net::TcpListener;

pub use limits::ConnectionLimits;
pub(crate) use meanwhile::Meanwhile;
use registry::Registry;

/// The outcome of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the deadline and were closed.
    pub cut_off: usize,
}

/// Serves `app` on `listener` until `shutdown` is ready, then finishes the requests in progress.
///
/// At shutdown it accepts no more connections, notifies the `app`, closes idle connections at once and gives the others
/// [`ConnectionLimits::drain_timeout_ms`]. Errors of `accept` are waited out: only `shutdown` ends this.
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
