//! A closed-loop HTTP/1.1 load generator: every connection sends a request, waits for the whole answer, checks it, and goes on.
//!
//! It speaks just enough HTTP for servers that answer with a Content-Length, so that it costs less than what it measures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
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
            // A load that sleeps has to be woken, and the wake-up, dear on virtual machines, is counted as the server's: a faster
            // server would seem cheaper. So the load's core never sleeps.
            let awake = tokio::spawn(async {
                loop {
                    tokio::task::yield_now().await;
                }
            });
            let mut requests = 0;
            for connection in connections {
                requests += connection.await??;
            }
            awake.abort();
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
            && let Some(end) = memmem::find(buffer, b"\r\n\r\n")
        {
            head_bytes = end + 4;
            all_bytes = head_bytes + content_length(&buffer[..head_bytes])?;
        }
    }
    let status = std::str::from_utf8(&buffer[9..12])?.parse()?;
    Ok((status, &buffer[head_bytes..all_bytes]))
}

fn content_length(head: &[u8]) -> Result<usize> {
    // Servers differ in the case of the name; none of them differs in this part of it.
    let Some(place) = memmem::find(head, b"ength: ") else { return Ok(0) };
    let digits = &head[place + b"ength: ".len()..];
    let end = memchr::memchr(b'\r', digits).unwrap_or(digits.len());
    Ok(std::str::from_utf8(&digits[..end])?.parse()?)
}

/// Writes `number` over the digits at the end of `place`.
pub fn put_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        if number == 0 {
            return;
        }
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// The number that `digits` say; nothing if they are none.
#[must_use]
pub fn digits(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    })
}
