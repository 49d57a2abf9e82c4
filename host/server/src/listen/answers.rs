//! The two answers that are given before a request reaches the application.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mantis_http::errors::Code;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Refused connections that are seen to their end; beyond that they are just closed.
const LINGERING_MAX: usize = 256;
/// How long a refused client may take to read its answer, in milliseconds.
const LINGER_MS: u64 = 1_000;
/// What a refused client may send in that time, in bytes.
const LINGER_BYTES_MAX: usize = 64 << 10;

static TOO_MANY: LazyLock<Vec<u8>> =
    LazyLock::new(|| answer(Code::ConnectionsTooMany, "503 Service Unavailable", "retry-after: 1\r\n"));
static TOO_SLOW: LazyLock<Vec<u8>> = LazyLock::new(|| answer(Code::HeaderTimeout, "408 Request Timeout", ""));

fn answer(code: Code, status: &str, headers: &str) -> Vec<u8> {
    let json = serde_json::json!({
        "type": format!("/docs#error-{}", code.as_str()),
        "title": code.meaning(),
        "status": code.status(),
        "code": code.as_str(),
        "hint": code.remedy(),
    });
    let json = json.to_string();
    let length = json.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n");
    format!("{head}{headers}connection: close\r\n\r\n{json}").into_bytes()
}

/// Tells a client that its request came too slowly.
pub(super) fn too_slow(stream: &TcpStream) {
    // A client that does not take these bytes at once learns it from the close.
    let _ = stream.try_write(&TOO_SLOW);
}

/// Tells a client that there is no room for its connection.
///
/// What the client has sent is read for a moment: a socket that is closed with unread bytes resets the connection, and the client
/// might lose the answer.
pub(super) fn too_many(mut stream: TcpStream) {
    static LINGERING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LINGERING_MAX)));
    let Ok(permit) = Arc::clone(&LINGERING).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let linger = async {
            stream.write_all(&TOO_MANY).await?;
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
        drop(permit);
    });
}
