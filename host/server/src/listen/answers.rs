//! The answers that are given before a request reaches the application.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mantis_http::App;
use mantis_http::errors::Code;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Refused connections that are seen to their end; beyond that they are just closed.
const LINGERING_MAX: usize = 256;
/// How long a refused client may take to read its answer, in milliseconds.
const LINGER_MS: u64 = 1_000;
/// What a refused client may send in that time, in bytes.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// An answer as it goes over the wire, counted.
fn answer(app: &App, code: Code) -> Vec<u8> {
    let (head, body) = app.refuse(code).into_parts();
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

/// What is wrong with a request that hyper refused with `status`, and of which these bytes came.
pub(super) fn refused(status: u16, came: &[u8], head_bytes_max: usize) -> Code {
    let line_is_too_long = !came[..came.len().min(head_bytes_max)].contains(&b'\n');
    match status {
        414 => Code::UriTooLong,
        431 if line_is_too_long => Code::UriTooLong,
        431 => Code::HeaderTooLarge,
        _ => Code::RequestMalformed,
    }
}

/// Tells a client why what it sent is no request.
pub(super) async fn refuse(stream: TcpStream, app: &App, code: Code) {
    say(stream, &answer(app, code)).await;
}

/// Tells a client that its request came too slowly.
pub(super) fn too_slow(stream: &TcpStream, app: &App) {
    // A client that does not take these bytes at once learns it from the close.
    let _ = stream.try_write(&answer(app, Code::HeaderTimeout));
}

/// Tells a client that there is no room for its connection.
pub(super) fn too_many(stream: TcpStream, app: &App) {
    static LINGERING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LINGERING_MAX)));
    let answer = answer(app, Code::ConnectionsTooMany);
    let Ok(permit) = Arc::clone(&LINGERING).try_acquire_owned() else { return };
    tokio::spawn(async move {
        say(stream, &answer).await;
        drop(permit);
    });
}

/// Sends the last that is to be said on a connection.
///
/// What the client has sent is read for a moment: a socket that is closed with unread bytes resets the connection, and the client
/// might lose the answer.
async fn say(mut stream: TcpStream, answer: &[u8]) {
    let linger = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        let (mut buffer, mut left) = ([0; 512], LINGER_BYTES_MAX);
        while left > 0 {
            stream.readable().await?;
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let _: Result<std::io::Result<()>, _> = tokio::time::timeout(Duration::from_millis(LINGER_MS), linger).await;
}
