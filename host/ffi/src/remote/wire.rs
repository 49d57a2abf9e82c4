//! One network connection: a request, its answer, what may be sent again.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::problem::{self, Lost};
use super::url::{Base, Path};
use crate::abi::status;
use crate::failure::Failure;
use crate::waiting::timer;

const AGENT: &str = concat!("libmantisdb_c/", env!("CARGO_PKG_VERSION"));
/// The time for a network connection to be made.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is not used again: servers close them after 75 seconds.
const IDLE_TIME_MAX: Duration = Duration::from_mins(1);
/// Bytes of an answer's line and headers.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// Bytes of a path with its query: as many as can be written. Servers take fewer.
const PATH_BYTES_MAX: usize = 60_000;
/// Bytes of an answer that says what is wrong.
const PROBLEM_BYTES_MAX: usize = 4 << 20;

/// Bounds on answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the request to the end of its answer; of a stream from each piece to the next.
    pub(super) answer_time: Duration,
    pub(super) answer_bytes_max: usize,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: Path,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// Its answer tells whether something was written: if it does not come, that is unknown.
    pub(super) is_write: bool,
    /// It may be sent twice.
    pub(super) is_safe: bool,
    /// Added to the time for the answer.
    pub(super) extra_time: Duration,
}

impl Request {
    /// A request that changes nothing.
    pub(super) fn read(method: Method, path: Path) -> Self {
        let (headers, body) = (Vec::new(), Bytes::new());
        Self { method, path, headers, body, is_write: false, is_safe: true, extra_time: Duration::ZERO }
    }

    pub(super) fn get(path: Path) -> Self {
        Self::read(Method::GET, path)
    }

    /// A request that writes.
    pub(super) fn write(method: Method, path: Path) -> Self {
        Self { is_write: true, is_safe: false, ..Self::read(method, path) }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn json(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self.header("content-type", "application/json") }
    }
}

/// A whole answer, which is a success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON, borrowed.
    ///
    /// # Errors
    /// It has another form.
    pub(super) fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        serde_json::from_slice(self.document()?).map_err(problem::malformed)
    }

    /// The body, which is JSON by the answer's media type.
    ///
    /// # Errors
    /// It is of another one, or empty.
    pub(super) fn document(&self) -> Result<&[u8], Failure> {
        check_media(&self.headers, "application/json")?;
        if self.body.is_empty() {
            return Err(problem::malformed("it is empty"));
        }
        Ok(&self.body)
    }
}

/// A network connection that is made when it is needed, and kept.
#[derive(Debug)]
pub(super) struct Wire {
    kept: Option<Kept>,
    /// Something of the last request was sent, or may have been.
    has_sent: bool,
}

/// An open connection. Dropped, it is closed.
#[derive(Debug)]
struct Kept {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Reads and writes.
    task: AbortHandle,
    used: Instant,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why there is no answer.
enum NoAnswer {
    /// Nothing of the request was sent.
    Unsent(String),
    /// It was sent, at least in part.
    Sent(String),
    /// What came is not HTTP.
    Odd(String),
}

impl Wire {
    pub(super) fn new() -> Self {
        Self { kept: None, has_sent: false }
    }

    /// Whether something of the last request was sent, or may have been.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// Closes the network connection.
    pub(super) fn close(&mut self) {
        self.kept = None;
    }

    /// Sends a request, and reads its whole answer.
    ///
    /// # Errors
    /// What the server says, or why it says nothing.
    pub(super) async fn send(&mut self, base: &Base, limits: &Limits, request: &Request) -> Result<Answer, Lost> {
        let time = limits.answer_time.saturating_add(request.extra_time);
        let exchange = async {
            let (kept, response) = self.start(base, request).await?;
            let (parts, body) = response.into_parts();
            let is_head = request.method == Method::HEAD;
            let bytes_max = if parts.status.is_success() { limits.answer_bytes_max } else { PROBLEM_BYTES_MAX };
            let odd = |failure: Failure| if request.is_write { problem::unknown(&failure.message) } else { failure };
            check_end(&parts.headers, parts.status, is_head).map_err(odd)?;
            let body = read_whole(body, bytes_max).await.map_err(odd)?;
            self.keep(kept);
            if !parts.status.is_success() {
                return Err(problem::read(parts.status, parts.headers, &body, request.is_write));
            }
            if !problem::is_ours(&parts.headers) {
                return Err(odd(problem::stranger(&format!("it answered {}", parts.status))).into());
            }
            check_form(request, parts.status, &parts.headers).map_err(odd)?;
            if promises(request) && body.is_empty() {
                return Err(odd(problem::malformed("it is empty")).into());
            }
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        // A connection whose answer is given up is closed, not kept.
        timeout(time, exchange).await.unwrap_or_else(|_| Err(late(time, request.is_write).into()))
    }

    /// Sends a request, and hands its answer over piece by piece.
    ///
    /// # Errors
    /// As [`send`](Self::send); those of `take`.
    pub(super) async fn stream(
        &mut self,
        base: &Base,
        limits: &Limits,
        request: &Request,
        take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let late = |_| late(limits.answer_time, false);
        let (_kept, response) = timeout(limits.answer_time, self.start(base, request)).await.map_err(late)??;
        let (parts, mut body) = response.into_parts();
        check_end(&parts.headers, parts.status, false)?;
        if !parts.status.is_success() {
            let body = timeout(limits.answer_time, read_whole(body, PROBLEM_BYTES_MAX)).await.map_err(late)??;
            return Err(problem::read(parts.status, parts.headers, &body, false).into());
        }
        if !problem::is_ours(&parts.headers) {
            return Err(problem::stranger(&format!("it answered {}", parts.status)));
        }
        check_form(request, parts.status, &parts.headers)?;
        while let Some(frame) = timeout(limits.answer_time, body.frame()).await.map_err(late)? {
            let frame = frame.map_err(|error| problem::unreachable(&with_sources(&error)))?;
            if let Ok(data) = frame.into_data() {
                take(&data).map_err(|error| Failure::io(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// Sends a request, over a new connection if the kept one is closed, and returns the head of its answer.
    async fn start(&mut self, base: &Base, request: &Request) -> Result<(Kept, Response<Incoming>), Failure> {
        self.has_sent = false;
        let bytes = base.path.len() + request.path.0.len();
        if bytes > PATH_BYTES_MAX {
            let message = format!("the request's path and query have {bytes} bytes");
            return Err(Failure::new(status::MANTIS_E_LIMIT, "uri-too-long", message));
        }
        loop {
            let (mut kept, is_new) = match self.take_kept() {
                Some(kept) => (kept, false),
                None => (connect(base).await?, true),
            };
            self.has_sent = true;
            let response = kept.exchange(base, request).await;
            self.has_sent = !matches!(response, Err(NoAnswer::Unsent(_)));
            match response {
                Ok(response) => return Ok((kept, response)),
                Err(NoAnswer::Unsent(_)) if !is_new => {}
                Err(NoAnswer::Sent(_)) if !is_new && request.is_safe => {}
                Err(NoAnswer::Sent(why) | NoAnswer::Odd(why)) if request.is_write => {
                    return Err(problem::unknown(&why));
                }
                Err(NoAnswer::Odd(why)) => return Err(problem::stranger(&why)),
                Err(NoAnswer::Unsent(why) | NoAnswer::Sent(why)) => return Err(problem::unreachable(&why)),
            }
        }
    }

    fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take().filter(|kept| !kept.sender.is_closed() && now() - kept.used < IDLE_TIME_MAX)
    }

    fn keep(&mut self, kept: Kept) {
        if !kept.sender.is_closed() {
            self.kept = Some(kept);
        }
    }
}

async fn connect(base: &Base) -> Result<Kept, Failure> {
    let connecting = async {
        let stream = TcpStream::connect((base.host.as_str(), base.port)).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    let late = |_| problem::unreachable(&format!("no connection to {base} within {} s", CONNECT_TIME.as_secs()));
    let stream = timeout(CONNECT_TIME, connecting).await.map_err(late)?;
    let stream = stream.map_err(|error| problem::unreachable(&format!("{base}: {error}")))?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| problem::unreachable(&with_sources(&error)))?;
    // Why it ended is told by the request that was under way.
    let task = timer::handle()?.spawn(async move { drop(connection.await) }).abort_handle();
    Ok(Kept { sender, task, used: now() })
}

impl Kept {
    async fn exchange(&mut self, base: &Base, request: &Request) -> Result<Response<Incoming>, NoAnswer> {
        let mut outgoing = HttpRequest::new(Full::new(request.body.clone()));
        *outgoing.method_mut() = request.method.clone();
        let target = format!("{}{}", base.path, request.path.0);
        *outgoing.uri_mut() = target.parse().map_err(|_| NoAnswer::Unsent("the path is too long".to_owned()))?;
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| NoAnswer::Unsent(format!("{text:?} cannot be a header")))
        };
        let headers = outgoing.headers_mut();
        headers.insert(HOST, value(&base.authority)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, text) in &request.headers {
            headers.append(*name, value(text)?);
        }
        self.sender.ready().await.map_err(|error| NoAnswer::Unsent(with_sources(&error)))?;
        let sent = self.sender.try_send_request(outgoing).await;
        self.used = now();
        sent.map_err(|mut error| {
            let is_unsent = error.take_message().is_some();
            let (is_odd, why) = (error.error().is_parse(), with_sources(error.error()));
            match (is_unsent, is_odd) {
                (true, _) => NoAnswer::Unsent(why),
                (false, true) => NoAnswer::Odd(why),
                (false, false) => NoAnswer::Sent(why),
            }
        })
    }
}

/// The media type that a request asks for by name.
fn asked_for(request: &Request) -> Option<&str> {
    request.headers.iter().find(|(name, _)| *name == "accept").map(|(_, media)| &**media)
}

/// Whether the answer has a body of the media type that the request asks for.
fn promises(request: &Request) -> bool {
    let is_minimal = |(name, text): &(&str, String)| *name == "prefer" && text.starts_with("return=minimal");
    request.method != Method::HEAD && asked_for(request).is_some() && !request.headers.iter().any(is_minimal)
}

/// Refuses a success in a form that was not asked for.
fn check_form(request: &Request, answered: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    let is_coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if let Some(coding) = headers.get_all(CONTENT_ENCODING).iter().find(|coding| is_coded(coding)) {
        return Err(problem::malformed(format!("it is encoded as {coding:?}, which was not asked for")));
    }
    if !promises(request) {
        return Ok(());
    }
    if answered == StatusCode::NO_CONTENT {
        return Err(problem::malformed(format!("it is {answered}")));
    }
    asked_for(request).map_or(Ok(()), |media| check_media(headers, media))
}

/// Refuses another media type; parameters may differ.
fn check_media(headers: &HeaderMap, asked: &str) -> Result<(), Failure> {
    let essence = |media: &str| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let given = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    // One row is JSON by a name of its own.
    let (is, asks) = (essence(given), essence(asked));
    if is == asks || asks == "application/json" && is.starts_with("application/") && is.ends_with("+json") {
        return Ok(());
    }
    Err(problem::malformed(format!("its media type is {given:?}, not {asked}")))
}

/// Refuses an answer whose end is only that of the connection: it may lack a part.
fn check_end(headers: &HeaderMap, answered: StatusCode, is_head: bool) -> Result<(), Failure> {
    let is_bare = is_head || answered == StatusCode::NO_CONTENT || answered == StatusCode::NOT_MODIFIED;
    if is_bare || headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        Ok(())
    } else {
        Err(problem::stranger("its answer has no length, and its end is not marked"))
    }
}

async fn read_whole(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Failure> {
    let too_large = || {
        let message = format!("the answer has more than {bytes_max} bytes");
        Failure::new(status::MANTIS_E_LIMIT, "answer-too-large", message)
            .with_hint("Ask for less at once, or raise answer_bytes_max.")
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| problem::unreachable(&with_sources(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(too_large());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn late(time: Duration, is_write: bool) -> Failure {
    let why = format!("no answer within {} ms", time.as_millis());
    if is_write {
        return problem::unknown(&why);
    }
    Failure::new(status::MANTIS_E_IO, "answer-late", format!("the server gave {why}"))
        .with_hint("Ask for less at once, or raise request_timeout_ms.")
}

/// hyper's errors say little without what caused them.
fn with_sources(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[allow(clippy::disallowed_methods, reason = "how long a connection was idle is told by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}
