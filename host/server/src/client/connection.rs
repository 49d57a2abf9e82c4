//! Requests and answers.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::{ClientError, Problem};
use super::url::{BaseUrl, Path};

/// Of RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// What the API answers where something was done.
const DONE: [u16; 4] = [200, 201, 204, 206];
const NO_END: &str = "it has no length and its end is not marked, so that it may be cut off; does a proxy speak HTTP/1.0, or drop Content-Length?";
const AGENT: &str = concat!("mantisdb/", env!("CARGO_PKG_VERSION"));
/// The time for a TCP connection to be established, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Bytes of an answer that is kept whole: no value and no page of the server's is longer.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Bytes of a line of a streamed answer: as much as a record of an import.
const LINE_BYTES_MAX: usize = 128 << 20;

/// A client of one server. It connects with its first request, and keeps connections for the next. Clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    base: BaseUrl,
    answer_timeout: Duration,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// 200 to 299.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether its end is known by its length or a mark, and not by that of the connection.
    is_delimited: bool,
}

/// An answer that arrives piece by piece.
#[derive(Debug)]
pub struct Pieces {
    /// Its headers.
    pub headers: HeaderMap,
    url: String,
    body: Incoming,
    /// The longest silence before the answer counts as broken.
    silence_max: Duration,
    /// Whether its end is known by its length or a mark, and not by that of the connection.
    is_delimited: bool,
}

/// An answer that arrives line by line.
#[derive(Debug)]
pub struct Lines {
    pieces: Pieces,
    buffer: BytesMut,
    /// How much of the buffer is known to have no line's end.
    searched: usize,
    /// How many lines came, and, where the server marks the end, whether the mark did.
    count: u64,
    end: Option<bool>,
}

/// The last line of a stream that marks its end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: bool,
    count: u64,
}

impl Client {
    /// A client of the server at `base`, which waits `answer_timeout` for each answer.
    #[must_use]
    pub fn new(base: BaseUrl, answer_timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)));
        Self { base, answer_timeout, http: legacy::Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The server cannot be reached, answers too late, or with another status than 200 to 299.
    pub async fn request(
        &self,
        method: Method,
        path: &Path,
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let limit = self.answer_timeout;
        let url = self.base.to_string();
        let exchange = async {
            let response = self.send(method, path, headers, body).await?;
            read_whole(&url, response).await
        };
        // A connection whose answer is given up is closed, not kept.
        let answered = timeout(limit, exchange).await;
        check(&self.base, answered.map_err(|_| ClientError::Late { url, limit })??)
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn get(&self, path: &Path) -> Result<Answer, ClientError> {
        self.request(Method::GET, path, &[], Bytes::new()).await
    }

    /// Reads a JSON resource.
    ///
    /// # Errors
    /// Those of [`request`](Self::request), and an answer that is not of this form.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &Path) -> Result<T, ClientError> {
        self.request(Method::GET, path, &[(ACCEPT, "application/json")], Bytes::new()).await?.json()
    }

    /// Sends JSON and reads JSON.
    ///
    /// # Errors
    /// Those of [`request`](Self::request), and an answer that is not of this form.
    pub async fn post_json<T: DeserializeOwned>(&self, path: &Path, body: Bytes) -> Result<T, ClientError> {
        self.request(Method::POST, path, &[(CONTENT_TYPE, "application/json")], body).await?.json()
    }

    /// Reads a stream of lines. Requests meanwhile go over another connection.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn lines(&self, path: &Path, silence_max: Duration) -> Result<Lines, ClientError> {
        let headers = [(ACCEPT, "application/x-ndjson"), (PREFER, "end=true")];
        let pieces = self.pieces(path, &headers, silence_max).await?;
        let applied = pieces.headers.get_all("preference-applied").into_iter().filter_map(|value| value.to_str().ok());
        let is_marked = applied.flat_map(|value| value.split(',')).any(|preference| preference.trim() == "end=true");
        Ok(Lines { pieces, buffer: BytesMut::new(), searched: 0, count: 0, end: is_marked.then_some(false) })
    }

    /// Reads a stream of bytes. Requests meanwhile go over another connection.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn pieces(
        &self,
        path: &Path,
        headers: &[(HeaderName, &str)],
        silence_max: Duration,
    ) -> Result<Pieces, ClientError> {
        let limit = self.answer_timeout;
        let url = self.base.to_string();
        let sending = self.send(Method::GET, path, headers, Bytes::new());
        let late = || ClientError::Late { url: url.clone(), limit };
        let response = timeout(limit, sending).await.map_err(|_| late())??;
        if !response.status().is_success() {
            let answer = timeout(limit, read_whole(&url, response)).await.map_err(|_| late())??;
            return Err(check(&self.base, answer).err().unwrap_or_else(|| unexpected("no stream")));
        }
        let (parts, body) = response.into_parts();
        let is_delimited = is_delimited(&parts.headers);
        Ok(Pieces { headers: parts.headers, url, body, silence_max, is_delimited })
    }

    /// Sends a request. A kept connection that the server has closed meanwhile is replaced if the request had not been sent.
    async fn send(
        &self,
        method: Method,
        path: &Path,
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request =
            Request::builder().method(method).uri(format!("{}{}", self.base, path.as_str())).header(USER_AGENT, AGENT);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| unexpected(format!("{value:?} cannot stand in the header {name}")))?;
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| unexpected(error.to_string()))?;
        self.http.request(request).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &legacy::Error) -> ClientError {
        let url = self.base.to_string();
        // The error itself names only the step that failed.
        let Some(source) = error.source() else { return ClientError::Broken { url, reason: error.to_string() } };
        if !error.is_connect() {
            return ClientError::Broken { url, reason: with_sources(source) };
        }
        let root = std::iter::successors(Some(source), |&error| error.source()).last().unwrap_or(source);
        let is_late = root.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        let reason = if is_late { format!("no connection within {CONNECT_TIMEOUT_MS} ms") } else { root.to_string() };
        ClientError::Unreachable { url, reason }
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| unexpected(mantis_db::json_error(&error)))
    }

    /// The same, borrowing from the answer.
    ///
    /// # Errors
    /// A body that is not of this form.
    pub fn json_of<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| unexpected(mantis_db::json_error(&error)))
    }

    /// Refuses a body that may lack its end, where what is in it does not show that: of HTTP/1.0 without a length, a connection that broke
    /// looks like one that was closed.
    ///
    /// # Errors
    /// The end is not known.
    pub fn whole(&self) -> Result<(), ClientError> {
        if self.is_delimited { Ok(()) } else { Err(unexpected(NO_END)) }
    }

    /// The same answer, if it says which commit did it: something has been written, and by MantisDB.
    ///
    /// # Errors
    /// It does not say so.
    pub fn written(self) -> Result<Self, ClientError> {
        if self.headers.contains_key("mantisdb-version") { Ok(self) } else { Err(unexpected("it names no commit")) }
    }

    /// The version in the answer's `ETag`, whichever form of it that names.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        let tag = self.headers.get(ETAG)?.to_str().ok()?;
        tag.strip_prefix("\"v")?.strip_suffix('"')?.split('-').next()?.parse().ok()
    }
}

impl Pieces {
    /// Refuses an answer that may lack its end, as [`Answer::whole`] does.
    ///
    /// # Errors
    /// The end is not known.
    pub fn whole(&self) -> Result<(), ClientError> {
        if self.is_delimited { Ok(()) } else { Err(unexpected(NO_END)) }
    }

    fn broken(&self, reason: &str) -> ClientError {
        ClientError::Broken { url: self.url.clone(), reason: reason.to_owned() }
    }

    /// The next bytes; none when the answer is complete.
    ///
    /// # Errors
    /// The connection broke or fell silent.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match timeout(self.silence_max, self.body.frame()).await {
                Err(_) => {
                    return Err(ClientError::Late { url: self.url.clone(), limit: self.silence_max });
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(ClientError::Broken { url: self.url.clone(), reason: with_sources(&error) });
                }
                Ok(None) => return Ok(None),
            }
        }
    }
}

impl Lines {
    /// The next line without its end; none when the answer is complete. Empty lines are left out.
    ///
    /// # Errors
    /// The connection broke or fell silent, or a line is too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                if line.len() > 1 {
                    let line = line.slice(..line.len() - 1);
                    if self.take_end(&line)? {
                        continue;
                    }
                    self.count += 1;
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(unexpected("a line of the answer is too long"));
            }
            let Some(piece) = self.pieces.next().await? else {
                // Every line has an end: of one without it the rest is missing.
                if !self.buffer.is_empty() {
                    return Err(self.pieces.broken("the answer ended within a line"));
                }
                return if self.is_whole() {
                    Ok(None)
                } else {
                    Err(self.pieces.broken("the answer ended without its end line"))
                };
            };
            self.buffer.extend_from_slice(&piece);
        }
    }
}

impl Lines {
    /// Whether a line is the mark of the end.
    fn take_end(&mut self, line: &[u8]) -> Result<bool, ClientError> {
        match self.end {
            None => Ok(false),
            Some(true) => Err(unexpected("there is a line after its end")),
            Some(false) => {
                let Ok(EndLine { end: true, count }) = serde_json::from_slice(line) else { return Ok(false) };
                if count != self.count {
                    return Err(unexpected(format!("it has {} of {count} lines", self.count)));
                }
                self.end = Some(true);
                Ok(true)
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.end != Some(false)
    }
}

async fn read_whole(url: &str, response: Response<Incoming>) -> Result<Answer, ClientError> {
    let (parts, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| ClientError::Broken { url: url.to_owned(), reason: with_sources(&error) })?;
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(unexpected("it is too long"));
        }
        body.extend_from_slice(&data);
    }
    let is_delimited = is_delimited(&parts.headers);
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.freeze(), is_delimited })
}

/// Whether the body's end is marked (RFC 9112, section 6.3).
fn is_delimited(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// Lets answers through that say that something was done. What is no problem document with a code comes from another program.
fn check(base: &BaseUrl, answer: Answer) -> Result<Answer, ClientError> {
    if (200..300).contains(&answer.status) {
        // Any program may answer 200. Each answer of the API has an id, and says that something is done and not only accepted.
        let is_ours = DONE.contains(&answer.status) && answer.headers.contains_key("x-request-id");
        let status = answer.status;
        let strange = || unexpected(format!("its status is {status}, and it is not as a MantisDB server answers"));
        return if is_ours { Ok(answer) } else { Err(strange()) };
    }
    let status = answer.status;
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) if !problem.code.is_empty() && problem.code != "route-not-found" => {
            let problem = Box::new(Problem { version: answer.version(), ..problem });
            Err(ClientError::Refused { status, problem })
        }
        _ => Err(ClientError::Stranger { url: base.to_string(), status }),
    }
}

fn unexpected(reason: impl Into<String>) -> ClientError {
    ClientError::Unexpected { reason: reason.into() }
}

/// hyper's errors say little without what caused them.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
