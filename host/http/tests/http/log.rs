//! What the log says of requests.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::{Value, json};
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::SubscriberExt;

use crate::harness::{Answer, Server, request};

thread_local! {
    static LEVEL: Cell<LevelFilter> = const { Cell::new(LevelFilter::OFF) };
    static WRITTEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The log of the thread that began it, one JSON object a line.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Makes the process's one subscriber, before anything is logged: were there one for each test, which of them sees an event could depend
/// on what other threads do meanwhile.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wanted = dynamic_filter_fn(|event, _| *event.level() <= LEVEL.get());
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(|| Log);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(wanted)).unwrap();
    });
}

impl Log {
    fn start(level: LevelFilter) -> Self {
        install();
        LEVEL.set(level);
        Self
    }

    /// The events so far, without what differs from run to run.
    #[allow(clippy::unused_self, reason = "only who began a log has one")]
    fn take(&self) -> Vec<Value> {
        let text = String::from_utf8(WRITTEN.take()).unwrap();
        let mut events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for event in &mut events {
            event.as_object_mut().unwrap().remove("timestamp");
            if let Some(duration_us) = event.get_mut("duration_us") {
                assert!(duration_us.is_u64());
                *duration_us = json!("measured");
            }
        }
        events
    }
}

/// The one event that a request leaves at `debug`.
#[track_caller]
fn check(log: &Log, answer: &Answer, method: &str, rest: &Value) {
    let mut expected = json!({
        "level": "DEBUG", "target": "mantisdb::request", "message": "answered",
        "method": method, "status": answer.status.as_u16(), "duration_us": "measured",
        "request_id": answer.header("x-request-id").unwrap(),
    });
    for (name, value) in rest.as_object().unwrap() {
        expected[name] = value.clone();
    }
    assert_eq!(log.take(), [expected]);
}

#[tokio::test]
async fn a_request_is_logged_once_without_client_data() {
    let server = Server::new();
    let log = Log::start(LevelFilter::DEBUG);
    let answer = server.send("PUT /api/v1/kv/secret", &[], "value").await;
    check(&log, &answer, "PUT", &json!({"operation": "putKey"}));
    let answer = server.send("HEAD /api/v1/buckets/default/kv/secret", &["x-request-id: mine-7"], "").await;
    assert_eq!(answer.header("x-request-id"), Some("mine-7"));
    check(&log, &answer, "HEAD", &json!({"operation": "getKeyInBucket"}));
    let answer = server.send("GET /api/v1/kv/another-secret", &[], "").await;
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id").unwrap());
    check(&log, &answer, "GET", &json!({"operation": "getKey", "code": "key-not-found"}));
    // A request that reached no operation is logged as well.
    let answer = server.send("GET /secret", &[], "").await;
    check(&log, &answer, "GET", &json!({"code": "route-not-found"}));
    let answer = server.send("OPTIONS /api/v1/kv", &[], "").await;
    check(&log, &answer, "OPTIONS", &json!({}));
    server.database.close_for_writes();
    let answer = server.send("PUT /api/v1/kv/secret", &[], "value").await;
    check(&log, &answer, "PUT", &json!({"operation": "putKey", "code": "read-only"}));
}

#[tokio::test]
async fn paths_and_details_are_logged_only_at_trace() {
    let server = Server::new();
    let log = Log::start(LevelFilter::TRACE);
    let answer = server.send("GET /api/v1/kv/a%0Ab", &[], "").await;
    let detail = "The key does not exist or has expired.";
    let rest = json!({"operation": "getKey", "path": "/api/v1/kv/a%0Ab", "code": "key-not-found", "detail": detail});
    check(&log, &answer, "GET", &rest);
}

#[tokio::test]
async fn the_default_level_logs_no_requests() {
    let server = Server::new();
    let log = Log::start(LevelFilter::INFO);
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    server.send("GET /api/v1/kv/none", &[], "").await;
    assert_eq!(log.take(), [] as [Value; 0]);
}

/// A body whose arrival brings a handler down.
struct Poison;

impl Body for Poison {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("poison");
    }
}

#[tokio::test]
async fn server_errors_are_logged_at_every_level() {
    let server = Server::new();
    let log = Log::start(LevelFilter::ERROR);
    let answer = server.send_request(request("PUT /api/v1/kv/secret", &[], Poison)).await;
    assert_eq!(answer.outcome(), "500 internal");
    let meaning = &answer.json()["title"];
    let panicked = json!({"level": "ERROR", "target": "mantis_http::app", "message": "a request's handler panicked", "panic": "poison"});
    let failed = json!({
        "level": "ERROR", "target": "mantisdb::request", "message": "a request failed", "method": "PUT", "operation": "putKey",
        "status": 500, "code": "internal", "detail": meaning, "request_id": answer.header("x-request-id").unwrap(),
        "duration_us": "measured",
    });
    assert_eq!(log.take(), [panicked, failed]);
    assert_eq!(server.app.metrics().panics_total(), 1);
}
