//! A closed-loop load generator: every connection sends a request, waits for the whole answer, checks it, and continues.
//!
//! It speaks just enough HTTP/1.1 and Redis's protocol to read one answer, so that it costs less than what it measures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is shown of an answer that is wrong.
const ANSWER_SHOWN_BYTES: usize = 1_000;

/// Writes the `n`-th request to the buffer.
pub type WriteRequest = dyn Fn(u64, &mut Vec<u8>) + Send + Sync;
/// Whether this status and body answer the `n`-th request rightly.
pub type CheckAnswer = dyn Fn(u64, u16, &[u8]) -> bool + Send + Sync;

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// Redis's: `+text` and `$length` become the status 200 with that as the body, `$-1` 404, anything else 500.
    Redis,
}

/// What to send and what to expect back.
#[derive(Clone)]
pub struct Load {
    /// How an answer is read.
    pub protocol: Protocol,
    /// Where the server listens.
    pub port: u16,
    /// Connections at a time.
    pub connections: usize,
    /// Requests of a connection between two looks at the clock, which costs as much as a tenth of a small request.
    pub clock_stride: u64,
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

    /// Sends the `n`-th request on a connection of its own and checks the answer.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn once(&self, n: u64) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("cannot connect")?;
            self.exchange(&mut stream, n, &mut Vec::new(), &mut Vec::new()).await
        })
    }

    /// The first number that a connection of [`run`](Self::run) makes a request of: every connection makes one at least.
    #[must_use]
    pub fn first_number(connection: u64) -> u64 {
        Numbers::of(connection).next()
    }

    async fn connection(self, connection: u64, deadline: Instant) -> Result<u64> {
        let clock_stride = self.clock_stride;
        let mut connection = Connection::open(self, connection).await?;
        let mut requests = 0;
        loop {
            connection.exchange().await?;
            requests += 1;
            #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
            if requests % clock_stride == 0 && Instant::now() >= deadline {
                return Ok(requests);
            }
        }
    }

    async fn exchange(
        &self,
        stream: &mut TcpStream,
        n: u64,
        request: &mut Vec<u8>,
        answer: &mut Vec<u8>,
    ) -> Result<()> {
        request.clear();
        (self.request)(n, request);
        stream.write_all(request).await?;
        let (status, body) = match self.protocol {
            Protocol::Http => read_http(stream, answer).await?,
            Protocol::Redis => read_redis(stream, answer).await?,
        };
        if !(self.check)(n, status, body) {
            let text = String::from_utf8_lossy(&body[..body.len().min(ANSWER_SHOWN_BYTES)]);
            bail!("wrong answer: {status} {text:?}");
        }
        Ok(())
    }
}

/// A connection with its numbers and buffers.
pub(crate) struct Connection {
    load: Load,
    stream: TcpStream,
    numbers: Numbers,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(load: Load, connection: u64) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", load.port)).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (request, answer) = (Vec::with_capacity(512), Vec::with_capacity(4_096));
        Ok(Self { load, stream, numbers: Numbers::of(connection), request, answer })
    }

    /// Sends the next request, waits for the whole answer, and checks it.
    pub(crate) async fn exchange(&mut self) -> Result<()> {
        let n = self.numbers.next();
        self.load.exchange(&mut self.stream, n, &mut self.request, &mut self.answer).await
    }
}

/// The xorshift64* generator (Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn of(connection: u64) -> Self {
        Self(connection.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Reads one answer, in one piece or in chunks (or without any, for 204), and returns its status and body.
async fn read_http<'b>(stream: &mut TcpStream, buffer: &'b mut Vec<u8>) -> Result<(u16, &'b [u8])> {
    buffer.clear();
    let (mut head_bytes, mut all_bytes) = (0, usize::MAX);
    while buffer.len() < all_bytes {
        fill(stream, buffer).await?;
        if head_bytes == 0
            && let Some(end) = memmem::find(buffer, b"\r\n\r\n")
        {
            head_bytes = end + 4;
            if memmem::find(&buffer[..head_bytes], b"ncoding: chunked").is_some() {
                break;
            }
            all_bytes = head_bytes + content_length(&buffer[..head_bytes])?;
        }
    }
    let status = std::str::from_utf8(&buffer[9..12])?.parse()?;
    if all_bytes == usize::MAX {
        all_bytes = join_chunks(stream, buffer, head_bytes).await?;
    }
    Ok((status, &buffer[head_bytes..all_bytes]))
}

/// Reads chunks after the head, joins their contents, and returns where these end.
async fn join_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>, head_bytes: usize) -> Result<usize> {
    let (mut next, mut end) = (head_bytes, head_bytes);
    loop {
        let line = loop {
            match memmem::find(&buffer[next..], b"\r\n") {
                Some(length) => break next + length,
                None => fill(stream, buffer).await?,
            }
        };
        let length = usize::from_str_radix(std::str::from_utf8(&buffer[next..line])?, 16)?;
        let first = line + 2;
        while buffer.len() < first + length + 2 {
            fill(stream, buffer).await?;
        }
        if length == 0 {
            return Ok(end);
        }
        buffer.copy_within(first..first + length, end);
        end += length;
        next = first + length + 2;
    }
}

/// Reads one answer of Redis.
async fn read_redis<'b>(stream: &mut TcpStream, buffer: &'b mut Vec<u8>) -> Result<(u16, &'b [u8])> {
    buffer.clear();
    let line = loop {
        fill(stream, buffer).await?;
        if let Some(line) = memmem::find(buffer, b"\r\n") {
            break line;
        }
    };
    match buffer[0] {
        b'+' => Ok((200, &buffer[1..line])),
        b'$' if &buffer[1..line] == b"-1" => Ok((404, &[])),
        b'$' => {
            let length: usize = std::str::from_utf8(&buffer[1..line])?.parse()?;
            while buffer.len() < line + 2 + length + 2 {
                fill(stream, buffer).await?;
            }
            Ok((200, &buffer[line + 2..line + 2 + length]))
        }
        _ => Ok((500, &buffer[..line])),
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    if stream.read_buf(buffer).await? == 0 {
        bail!("the server closed the connection");
    }
    Ok(())
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
