//! The accept loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::registry::Registry;
use super::{answers, connection};

/// The pause after a first error that an immediate retry would repeat, in milliseconds; it doubles up to the maximum.
const PAUSE_MS_FIRST: u64 = 10;
const PAUSE_MS_MAX: u64 = 1_000;

/// Accepts connections for as long as it is polled.
///
/// A connection above the limit is accepted, answered 503 and closed: a client that learns why at once does better than one that
/// waits in the system's queue.
pub(super) async fn accept_forever(listener: &TcpListener, registry: &Arc<Registry>) {
    let mut pause_ms = PAUSE_MS_FIRST;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                pause_ms = PAUSE_MS_FIRST;
                // Fails only when the peer has gone, which the connection's task will notice.
                let _ = stream.set_nodelay(true);
                match registry.admit() {
                    Some(member) => drop(tokio::spawn(connection::run(stream, member))),
                    None => answers::too_many(stream, registry.app()),
                }
            }
            Err(error) if is_about_one_peer(&error) => {}
            // Out of file descriptors or memory: the connection stays in the queue, and only waiting helps.
            Err(error) => {
                if pause_ms == PAUSE_MS_FIRST {
                    tracing::warn!(%error, "cannot accept connections; retrying until it works");
                }
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                pause_ms = (pause_ms * 2).min(PAUSE_MS_MAX);
            }
        }
    }
}

fn is_about_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
