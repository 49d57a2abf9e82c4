//! Answers to connections and requests that do not reach the application.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mantis_http::App;
use mantis_http::errors::Code;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Refused connections that are answered at once; further ones are just closed.
const LINGERING_MAX: usize = 256;
/// How long a refused client may take to read its answer, in milliseconds.
const LINGER_MS: u64 = 1_000;
/// Bytes that a refused client may send in that time.
const LINGER_BYTES_MAX: usize = 256 << 10;

/// Bytes of a path that tell whose errors an answer's are.
const PATH_BYTES: usize = 64;

/// Why a request is refused, and the beginning of its path.
pub(super) struct Refusal {
    code: Code,
    path: String,
}

/// An answer's bytes on the wire. The application counts it.
fn answer(app: &App, code: Code, path: &str) -> Vec<u8> {
    let (head, body) = app.refuse(code, path).into_parts();
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

/// The error of a request that hyper refused with `status`, after these bytes.
pub(super) fn refused(status: u16, came: &[u8], head_bytes_max: usize) -> Refusal {
    let target = came.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let path = target[..target.len().min(PATH_BYTES)].split(|&byte| byte == b'?').next().unwrap_or_default();
    let path = String::from_utf8_lossy(path).into_owned();
    let line_is_too_long = !came[..came.len().min(head_bytes_max)].contains(&b'\n');
    let code = match status {
        414 => Code::UriTooLong,
        431 if line_is_too_long => Code::UriTooLong,
        431 => Code::HeaderTooLarge,
        _ => Code::RequestMalformed,
    };
    Refusal { code, path }
}

/// Answers bytes that are not a valid request.
pub(super) async fn refuse(stream: TcpStream, app: &App, refusal: &Refusal) {
    say(stream, &answer(app, refusal.code, &refusal.path)).await;
}

/// Answers a request whose head arrived too slowly.
pub(super) fn too_slow(stream: &TcpStream, app: &App) {
    // A client that does not take these bytes at once learns it from the close.
    let _ = stream.try_write(&answer(app, Code::HeaderTimeout, ""));
}

/// Answers a connection above the limit.
pub(super) fn too_many(stream: TcpStream, app: &App) {
    static LINGERING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LINGERING_MAX)));
    let answer = answer(app, Code::ConnectionsTooMany, "");
    let Ok(permit) = Arc::clone(&LINGERING).try_acquire_owned() else { return };
    tokio::spawn(async move {
        say(stream, &answer).await;
        drop(permit);
    });
}

/// Sends the last answer on a connection, and closes it.
///
/// Bytes of the client are read for a moment: closing a socket with unread bytes resets the connection, and the client might lose
/// the answer.
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
