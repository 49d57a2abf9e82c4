//! Bounds, and the answers at them.

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::json;

use crate::harness::{Server, poll, request};

#[tokio::test]
async fn a_body_is_bounded_with_or_without_a_length() {
    let server = Server::with_config(AppConfig { body_bytes_max: 1_000, ..AppConfig::default() });
    for (bytes, outcome) in [(1_000, "201"), (1_001, "413 body-too-large")] {
        let line = format!("PUT /api/v1/kv/{bytes}");
        assert_eq!(server.send(&line, &[], vec![0; bytes]).await.outcome(), outcome, "announced");
        let pieces = (0..bytes).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))));
        let line = format!("PUT /api/v1/kv/streamed-{bytes}");
        let streamed = request(&line, &[], StreamBody::new(stream::iter(pieces.collect::<Vec<_>>())));
        assert_eq!(server.send_request(streamed).await.outcome(), outcome, "streamed");
    }
    assert_eq!(server.send("GET /api/v1/kv/streamed-1000", &[], "").await.body.len(), 1_000);
    let mut limits = Limits::default();
    limits.value_bytes_max = 10;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], vec![0; 11]).await.outcome(), "413 value-too-large");
    let encoded = server.send("PUT /api/v1/kv/a", &["content-encoding: gzip"], "").await;
    assert_eq!(encoded.outcome(), "415 content-encoding-unsupported");
    for (headers, outcome) in [
        (&["transfer-encoding: gzip, chunked"][..], "415 content-encoding-unsupported"),
        (&["transfer-encoding: gzip", "transfer-encoding: chunked"], "415 content-encoding-unsupported"),
        (&["transfer-encoding: Chunked"], "201"),
        (&["content-range: bytes 0-3/10"], "400 header-invalid"),
        (&["content-type: text/plain", "content-type: application/json"], "400 header-invalid"),
    ] {
        assert_eq!(server.send("PUT /api/v1/kv/b", headers, "x").await.outcome(), outcome, "{headers:?}");
    }
    let long = format!("content-type: text/plain; x={}", "y".repeat(300));
    assert_eq!(server.send("PUT /api/v1/kv/a", &[&long], "").await.outcome(), "415 media-type-invalid");
}

/// A value of the largest size, and one of a byte more, in every form that has room for it in a body of the default size.
#[tokio::test]
async fn every_storable_value_can_be_sent() {
    let server = Server::new();
    let size = Limits::DEFAULT.value_bytes_max;
    let (json, raw) = ("content-type: application/json", "accept: application/octet-stream");
    let base64 = |bytes: usize| BASE64_STANDARD.encode(vec![0xff; bytes]);
    let document = |bytes: usize| format!(r#"{{"value":{{"base64":"{}"}}}}"#, base64(bytes));
    let batch = |bytes: usize| {
        let set = format!(r#"{{"op":"set","key":"batch","value":{{"base64":"{}"}}}}"#, base64(bytes));
        format!(r#"{{"operations":[{set}],"atomic":true}}"#)
    };
    for (bytes, raw, in_json, in_batch) in
        [(size, "201", "201", "200"), (size + 1, "413 value-too-large", "413 value-too-large", "422 value-too-large")]
    {
        assert_eq!(server.send("PUT /api/v1/kv/raw", &[], vec![0xff; bytes]).await.outcome(), raw);
        assert_eq!(server.send("PUT /api/v1/kv/json", &[json], document(bytes)).await.outcome(), in_json);
        assert_eq!(server.send("POST /api/v1/kv", &[json], batch(bytes)).await.outcome(), in_batch);
    }
    for key in ["raw", "json", "batch"] {
        let read = server.send(&format!("GET /api/v1/kv/{key}"), &[raw], "").await;
        assert!(read.status == 200 && read.body == vec![0xff; size], "{key}");
        let read = server.send(&format!("GET /api/v1/kv/{key}?encoding=base64"), &[], "").await;
        assert!(read.text().contains(&base64(size)), "{key}");
    }
    let get = r#"{"operations":[{"op":"get","key":"raw"}],"atomic":true}"#;
    let read = server.send("POST /api/v1/kv", &[json], get).await;
    assert!(read.status == 200 && read.text().contains(&base64(size)));
    let text = format!(r#"{{"value":"{}"}}"#, "v".repeat(size));
    assert_eq!(server.send("PUT /api/v1/kv/json", &[json], text).await.outcome(), "204");
}

#[tokio::test]
async fn every_bound_matches_the_database() {
    let mut limits = Limits::default();
    (limits.page_entries_max, limits.batch_operations_max, limits.key_bytes_max) = (50, 3, 9);
    let server = Server::with(limits, AppConfig::default(), Config::default());
    for number in 0..120 {
        server.send(&format!("PUT /api/v1/kv/k{number:03}"), &[], "1").await;
    }
    let page = server.send("GET /api/v1/kv", &[], "").await.json();
    assert_eq!(page["keys"].as_array().unwrap().len(), 50, "no more than there may be, when nobody says how many");
    let refused = server.send("GET /api/v1/kv?limit=51", &[], "").await;
    assert_eq!(refused.outcome(), "400 limit-out-of-range");
    assert!(refused.json()["detail"].as_str().unwrap().contains("1 to 50"));
    assert_eq!(server.send("GET /api/v1/kv?limit=50", &[], "").await.outcome(), "200");
    let lines = server.send("GET /api/v1/kv", &["accept: application/x-ndjson"], "").await;
    assert_eq!(lines.text().lines().count(), 120);
    for (bytes, outcome) in [(9, "200"), (10, "400 parameter-invalid")] {
        let line = format!("GET /api/v1/kv?prefix={}", "k".repeat(bytes));
        assert_eq!(server.send(&line, &[], "").await.outcome(), outcome);
    }
    let batch = |count: usize| json!({"operations": vec![json!({"op": "get", "key": "k"}); count]}).to_string();
    for (count, outcome) in [(3, "200"), (4, "422 operations-too-many")] {
        let answer = server.send("POST /api/v1/kv", &["content-type: application/json"], batch(count)).await;
        assert_eq!(answer.outcome(), outcome);
    }
    assert_eq!(server.send("DELETE /api/v1/kv?prefix=k", &[], "").await.json(), json!({"deleted": 120}));

    let document = server.app.openapi();
    let list = document["paths"]["/api/v1/kv"]["get"]["parameters"].as_array().unwrap();
    let limit = &list.iter().find(|parameter| parameter["name"] == "limit").unwrap()["schema"];
    assert_eq!((&limit["maximum"], &limit["default"]), (&50.into(), &50.into()));
    assert_eq!(document["components"]["schemas"]["Batch"]["properties"]["operations"]["maxItems"], 3);
    assert!(!document.to_string().contains("4,096"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_times_out() {
    let server = Server::new();
    let pieces = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), ()))
    });
    let before = tokio::time::Instant::now();
    let slow = request("PUT /api/v1/kv/a", &[], StreamBody::new(SyncStream(Box::pin(pieces))));
    assert_eq!(server.send_request(slow).await.outcome(), "408 body-timeout");
    assert_eq!(before.elapsed(), Duration::from_secs(30));
}

/// A stream that only its owner touches.
struct SyncStream<S>(std::pin::Pin<Box<S>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

#[tokio::test]
async fn an_interrupted_body_is_not_stored() {
    let server = Server::new();
    let pieces = [Ok(Frame::data(Bytes::from_static(b"x"))), Err("connection reset")];
    let broken = request("PUT /api/v1/kv/a", &[], StreamBody::new(stream::iter(pieces)));
    assert_eq!(server.send_request(broken).await.outcome(), "400 body-interrupted");
    assert_eq!(server.send("GET /api/v1/kv/a", &[], "").await.outcome(), "404 key-not-found");
}

#[tokio::test]
async fn requests_over_the_limit_are_refused_at_once() {
    let server = Server::with_config(AppConfig { concurrent_requests_max: 1, ..AppConfig::default() });
    let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let mut first = Box::pin(server.app.handle_with_body(request("PUT /api/v1/kv/a", &[], never)));
    assert!(matches!(poll(&mut first).await, Poll::Pending));
    let refused = server.send("GET /health", &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    drop(first);
    assert_eq!(server.send("GET /health", &[], "").await.outcome(), "200");
    assert_eq!(server.app.metrics().overloads_total(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_pool_is_waited_for_until_a_timeout() {
    let pool = Config { min_idle: 0, max: 1, ..Config::default() };
    let server = Server::with(Limits::default(), AppConfig::default(), pool);
    server.send("POST /api/v1/transactions", &[], "").await;
    let refused = server.send("GET /api/v1/kv/a", &[], "").await;
    assert_eq!(refused.outcome(), "503 overloaded");
    assert!(refused.json()["detail"].as_str().unwrap().contains("wait"), "the step is named");
}

#[tokio::test]
async fn a_full_store_refuses_writes_with_its_own_code() {
    let mut limits = Limits::default();
    limits.store_bytes_max = 100;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    server.send("PUT /api/v1/kv/a", &[], vec![0; 60]).await;
    assert_eq!(server.send("PUT /api/v1/kv/b", &[], vec![0; 60]).await.outcome(), "507 store-full");
    assert_eq!(server.send("DELETE /api/v1/kv/a", &[], "").await.outcome(), "204", "what makes room is taken");
    assert_eq!(server.send("PUT /api/v1/kv/b", &[], "x").await.outcome(), "201");
}
