//! The listener while the server starts: each request is answered that it does, on a connection of its own.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use indicatif::DecimalBytes;
use mantis_db::{SystemClock, SystemRandom};
use mantis_http::Starting;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Connections at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 256;
/// How long a connection may take.
const CONNECTION_MAX: Duration = Duration::from_secs(5);
/// How often the log says how far the start is.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// The pause after an error of the system.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that says that the server starts.
pub(crate) struct Meanwhile {
    doing: Arc<Doing>,
    end: oneshot::Sender<()>,
    task: JoinHandle<TcpListener>,
}

/// What the server is doing.
#[derive(Debug, Default)]
struct Doing(Mutex<(&'static str, u64, u64)>);

impl Doing {
    fn text(&self) -> String {
        match *self.0.lock() {
            (what, _, 0) => what.to_owned(),
            (what, done, total) => format!("{what}, {} of {}", DecimalBytes(done), DecimalBytes(total)),
        }
    }
}

impl Meanwhile {
    /// Begins to answer.
    pub(crate) fn begin(listener: TcpListener) -> Self {
        let doing = Arc::new(Doing::default());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(answer_until(listener, Arc::clone(&doing), ended));
        Self { doing, end, task }
    }

    /// Says what is done from now on.
    pub(crate) fn say(&self, what: &'static str) {
        *self.doing.0.lock() = (what, 0, 0);
    }

    /// What notes how many bytes of how many have been read.
    pub(crate) fn progress(&self) -> impl Fn(u64, u64) + Send + Sync + 'static {
        let doing = Arc::clone(&self.doing);
        move |done, total| {
            let mut doing = doing.0.lock();
            (doing.1, doing.2) = (done, total);
        }
    }

    /// Gives the listener back; none where the task has panicked.
    pub(crate) async fn end(self) -> Option<TcpListener> {
        let _ = self.end.send(());
        self.task.await.ok()
    }
}

async fn answer_until(listener: TcpListener, doing: Arc<Doing>, mut ended: oneshot::Receiver<()>) -> TcpListener {
    let starting = Arc::new(Starting::new(Arc::new(SystemClock), &SystemRandom));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut reports = tokio::time::interval(REPORT_EVERY);
    // The first tick is at once.
    reports.tick().await;
    loop {
        let accepted = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, permit)
        };
        tokio::select! {
            _ = &mut ended => return listener,
            _ = reports.tick() => {
                // A terminal shows a bar.
                if !std::io::stderr().is_terminal() {
                    tracing::info!("starting: {}", doing.text());
                }
            }
            (accepted, permit) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (starting, doing) = (Arc::clone(&starting), Arc::clone(&doing));
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(CONNECTION_MAX, answer(stream, &starting, &doing)).await;
                        drop(permit);
                    });
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

async fn answer(stream: TcpStream, starting: &Arc<Starting>, doing: &Arc<Doing>) {
    let respond = |request: Request<Incoming>| {
        let (starting, doing) = (Arc::clone(starting), Arc::clone(doing));
        async move {
            let answer = starting.answer(request.method(), request.uri().path(), &doing.text());
            Ok::<Response<Full<Bytes>>, Infallible>(answer.map(Full::new))
        }
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).half_close(true);
    // A client that is gone needs no answer.
    let _ = builder.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_server_that_starts_lives_and_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let meanwhile = Meanwhile::begin(listener);
        meanwhile.say("the store is being opened");
        meanwhile.progress()(5_000_000, 20_000_000);
        for (request, status, part) in [
            ("GET /live", "200 OK", "\"healthy\""),
            ("GET /ready", "503 ", "the store is being opened, 5.00 MB of 20.00 MB"),
            ("GET /health", "503 ", "\"unhealthy\""),
            ("GET /api/v1/kv/a", "503 ", "\"code\":\"starting\""),
            ("PUT /api/v1/kv/a", "503 ", "\"request_id\""),
            ("GET /rest/v1/t", "503 ", "\"hint\""),
            ("HEAD /live", "200 OK", "connection: close"),
        ] {
            let answer = ask(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
            assert!(answer.contains(part), "{request}: {answer}");
            assert_eq!(answer.contains("retry-after: 1"), status.starts_with('5'), "{request}: {answer}");
        }
        // A client that says nothing keeps nobody from going on.
        let silent = TcpStream::connect(address).await.unwrap();
        let listener = meanwhile.end().await.unwrap();
        let next = TcpStream::connect(address).await.unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert!([next.local_addr().unwrap(), silent.local_addr().unwrap()].contains(&from));
    }
}
