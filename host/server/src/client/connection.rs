//! Requests and answers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::{ClientError, Problem};
use super::url::{BaseUrl, Path};

const AGENT: &str = concat!("mantisdb/", env!("CARGO_PKG_VERSION"));
/// The time for a connection to come about, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Bytes of an answer that is kept whole: no value and no page of the server's is longer.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Bytes of a line of a streamed answer: as much as a record of an import.
const LINE_BYTES_MAX: usize = 128 << 20;

/// A client of one server. It connects with its first request, and again when the connection is gone.
#[derive(Debug)]
pub struct Client {
    base: BaseUrl,
    answer_timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
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
}

/// An answer that arrives line by line.
#[derive(Debug)]
pub struct Lines {
    pieces: Pieces,
    buffer: BytesMut,
    /// How much of the buffer is known to have no line's end.
    searched: usize,
}

impl Client {
    /// A client of the server at `base`, which waits `answer_timeout` for each answer.
    #[must_use]
    pub fn new(base: BaseUrl, answer_timeout: Duration) -> Self {
        Self { base, answer_timeout, sender: None }
    }

    /// Another client of the same server, with a connection of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::new(self.base.clone(), self.answer_timeout)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The server cannot be reached, answers too late, or with another status than 200 to 299.
    pub async fn request(
        &mut self,
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
        let answered = timeout(limit, exchange).await;
        if answered.is_err() {
            // What is left of the answer must not be taken for that of the next request.
            self.sender = None;
        }
        check(&self.base, answered.map_err(|_| ClientError::Late { url, seconds: limit.as_secs() })??)
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn get(&mut self, path: &Path) -> Result<Answer, ClientError> {
        self.request(Method::GET, path, &[], Bytes::new()).await
    }

    /// Reads a JSON resource.
    ///
    /// # Errors
    /// Those of [`request`](Self::request), and an answer that is not of this form.
    pub async fn get_json<T: DeserializeOwned>(&mut self, path: &Path) -> Result<T, ClientError> {
        self.request(Method::GET, path, &[(ACCEPT, "application/json")], Bytes::new()).await?.json()
    }

    /// Sends JSON and reads JSON.
    ///
    /// # Errors
    /// Those of [`request`](Self::request), and an answer that is not of this form.
    pub async fn post_json<T: DeserializeOwned>(&mut self, path: &Path, body: Bytes) -> Result<T, ClientError> {
        self.request(Method::POST, path, &[(CONTENT_TYPE, "application/json")], body).await?.json()
    }

    /// Reads a stream of lines. The connection is the stream's.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn lines(&mut self, path: &Path, silence_max: Duration) -> Result<Lines, ClientError> {
        let pieces = self.pieces(path, "application/x-ndjson", silence_max).await?;
        Ok(Lines { pieces, buffer: BytesMut::new(), searched: 0 })
    }

    /// Reads a stream of bytes of a media type. The connection is the stream's.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn pieces(&mut self, path: &Path, accept: &str, silence_max: Duration) -> Result<Pieces, ClientError> {
        let limit = self.answer_timeout;
        let url = self.base.to_string();
        let headers = [(ACCEPT, accept)];
        let sending = self.send(Method::GET, path, &headers, Bytes::new());
        let response = match timeout(limit, sending).await {
            Ok(response) => response?,
            Err(_) => return Err(ClientError::Late { url, seconds: limit.as_secs() }),
        };
        self.sender = None;
        if !response.status().is_success() {
            let answer = read_whole(&url, response).await?;
            return Err(check(&self.base, answer).err().unwrap_or_else(|| unexpected("no stream")));
        }
        let (parts, body) = response.into_parts();
        Ok(Pieces { headers: parts.headers, url, body, silence_max })
    }

    /// Sends a request on the kept connection, or on a new one. A kept connection that the server has closed meanwhile is
    /// replaced once: the request had not been sent then.
    async fn send(
        &mut self,
        method: Method,
        path: &Path,
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = self.build(method, path, headers, body)?;
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request.clone()).await {
                Ok(response) => {
                    self.sender = Some(sender);
                    return Ok(response);
                }
                Err(mut error) => {
                    if error.take_message().is_none() {
                        return Err(self.broken(&error.into_error()));
                    }
                }
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
        self.sender = Some(sender);
        Ok(response)
    }

    fn build(
        &self,
        method: Method,
        path: &Path,
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{}", self.base.path, path.as_str()))
            .header(HOST, &self.base.authority)
            .header(USER_AGENT, AGENT);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| unexpected(format!("{value:?} cannot stand in the header {name}")))?;
            request = request.header(name, value);
        }
        request.body(Full::new(body)).map_err(|error| unexpected(error.to_string()))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable { url: self.base.to_string(), reason };
        let connecting = TcpStream::connect((&*self.base.host, self.base.port));
        let stream = timeout(Duration::from_millis(CONNECT_TIMEOUT_MS), connecting)
            .await
            .map_err(|_| unreachable(format!("no connection within {CONNECT_TIMEOUT_MS} ms")))?
            .map_err(|error| unreachable(error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        // Ends with the sender; what goes wrong is told to the request that it goes wrong for.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn broken(&self, error: &hyper::Error) -> ClientError {
        ClientError::Broken { url: self.base.to_string(), reason: with_sources(error) }
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| unexpected(error.to_string()))
    }

    /// The version in the answer's `ETag`, whichever form of it that names.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        let tag = self.headers.get(ETAG)?.to_str().ok()?;
        tag.strip_prefix("\"v")?.strip_suffix('"')?.split('-').next()?.parse().ok()
    }
}

impl Pieces {
    /// The next bytes; none when the answer is complete.
    ///
    /// # Errors
    /// The connection broke or fell silent.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match timeout(self.silence_max, self.body.frame()).await {
                Err(_) => {
                    return Err(ClientError::Late { url: self.url.clone(), seconds: self.silence_max.as_secs() });
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
                    return Ok(Some(line.slice(..line.len() - 1)));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(unexpected("a line of the answer is too long"));
            }
            let Some(piece) = self.pieces.next().await? else {
                self.searched = 0;
                let rest = self.buffer.split().freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            };
            self.buffer.extend_from_slice(&piece);
        }
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
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.freeze() })
}

/// Lets answers through that say that something was done. What is no problem document with a code comes from another program.
fn check(base: &BaseUrl, answer: Answer) -> Result<Answer, ClientError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
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
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
