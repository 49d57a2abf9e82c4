//! Requests that are sent again while the server is overloaded.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderName;

use crate::client::{Answer, Client, ClientError, Path};

/// Retries, and the first pause in milliseconds, which doubles.
const RETRIES_MAX: u32 = 6;
const RETRY_PAUSE_MS: u64 = 100;
/// The code of a request that took too long; it may have been done.
pub(super) const REQUEST_TIMEOUT: &str = "request-timeout";

/// Whether a request may be sent again that was given up in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Done twice it is as if done once.
    Always,
    /// Only where it was certainly not begun.
    IfNotBegun,
}

/// Sends a request, with retries while the server is overloaded.
pub(super) async fn with_retries(
    client: &Client,
    repeat: Repeat,
    method: Method,
    path: &Path,
    headers: &[(HeaderName, &str)],
    body: Bytes,
) -> Result<Answer, ClientError> {
    retried(repeat, || client.request(method.clone(), path, headers, body.clone())).await
}

/// The same for a request that `send` sends.
pub(super) async fn retried<T, F>(repeat: Repeat, send: impl Fn() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut pause_ms = RETRY_PAUSE_MS;
    for _ in 0..RETRIES_MAX {
        match send().await {
            Err(error)
                if matches!(error.status(), Some(429 | 503))
                    && (repeat == Repeat::Always || error.code() != REQUEST_TIMEOUT) => {}
            result => return result,
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms *= 2;
    }
    send().await
}
