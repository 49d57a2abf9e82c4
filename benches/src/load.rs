//! A closed-loop HTTP/1.1 load generator: every connection sends a request, waits for the whole answer, checks it, and goes on.
//!
//! It speaks just enough HTTP for servers that answer with a Content-Length, so that it costs less than what it measures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Writes the `n`-th request to the buffer.
pub type WriteRequest = dyn Fn(u64, &mut Vec<u8>) + Send + Sync;
/// Whether this status and body answer the `n`-th request rightly.
pub type CheckAnswer = dyn Fn(u64, u16, &[u8]) -> bool + Send + Sync;

/// What to send and what to expect back.
#[derive(Clone)]
pub struct Load {
    /// Where the server listens.
    pub port: u16,
    /// Connections at a time.
    pub connections: usize,
    /// Writes the `n`-th request to the buffer. Called with a different pseudo-random `n` each time.
    pub request: Arc<WriteRequest>,
    /// Whether this status and body answer the `n`-th request rightly.
    pub check: Arc<CheckAnswer>,
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Requests answered rightly.
    pub requests: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Load {
    /// Sends requests for about `time`.
    ///
    /// # Errors
    /// A connection that breaks, or an answer that is wrong.
    pub fn run(&self, time: Duration) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
            let start = Instant::now();
            let deadline = start + time;
            let connections: Vec<_> = (0..self.connections as u64)
                .map(|connection| {
                    let load = self.clone();
                    tokio::spawn(async move { load.connection(connection, deadline).await })
                })
                .collect();
            let mut requests = 0;
            for connection in connections {
                requests += connection.await??;
            }
            Ok(Outcome { requests, elapsed: start.elapsed() })
        })
    }

    async fn connection(self, connection: u64, deadline: Instant) -> Result<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let mut numbers = Numbers(connection.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut request, mut answer) = (Vec::with_capacity(512), Vec::with_capacity(4_096));
        let mut requests = 0;
        loop {
            // The clock is looked at every 32nd time: it costs as much as a tenth of a request.
            #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
            if requests % 32 == 0 && Instant::now() >= deadline {
                return Ok(requests);
            }
            let n = numbers.next();
            request.clear();
            (self.request)(n, &mut request);
            stream.write_all(&request).await?;
            let (status, body) = read_answer(&mut stream, &mut answer).await?;
            ensure!((self.check)(n, status, body), "wrong answer: {status} {:?}", String::from_utf8_lossy(body));
            requests += 1;
        }
    }
}

/// The xorshift64* generator (Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Reads one answer with a Content-Length (or none, for 204) and returns its status and body.
async fn read_answer<'b>(stream: &mut TcpStream, buffer: &'b mut Vec<u8>) -> Result<(u16, &'b [u8])> {
    buffer.clear();
    let (mut head_bytes, mut all_bytes) = (0, usize::MAX);
    while buffer.len() < all_bytes {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        if head_bytes == 0
            && let Some(end) = find(buffer, b"\r\n\r\n")
        {
            head_bytes = end + 4;
            all_bytes = head_bytes + content_length(&buffer[..head_bytes])?;
        }
    }
    let status = std::str::from_utf8(&buffer[9..12])?.parse()?;
    Ok((status, &buffer[head_bytes..all_bytes]))
}

fn content_length(head: &[u8]) -> Result<usize> {
    for line in head.split(|&byte| byte == b'\n') {
        if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
            return Ok(std::str::from_utf8(&line[15..])?.trim().parse()?);
        }
    }
    Ok(0)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
