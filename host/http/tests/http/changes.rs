//! The change feed: events, lines and pages.

use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::Value;

use crate::harness::{Server, poll, read};

async fn follow(server: &Server, line: &str, headers: &[&str]) -> impl Stream<Item = String> + Unpin + use<> {
    let response = server.open(line, headers).await;
    assert_eq!(response.status(), 200);
    let text = |bytes: Result<bytes::Bytes, _>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    Box::pin(response.into_body().into_data_stream().map(text))
}

fn field<'t>(event: &'t str, name: &str) -> &'t str {
    event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

#[tokio::test]
async fn events_arrive_as_they_are_committed() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/before", &[], "x").await;
    let mut events = follow(&server, "GET /api/v1/changes", &["accept: text/event-stream"]).await;
    let start = events.next().await.unwrap();
    assert!(start.starts_with("retry: 1000\nid: ") && start.ends_with("\n\n"), "{start:?}");
    assert!(matches!(poll(&mut events.next()).await, Poll::Pending), "nothing new yet");
    server.send("PUT /api/v1/kv/a", &[], "x").await;
    let put = events.next().await.unwrap();
    assert_eq!(field(&put, "event: "), "put");
    let data: Value = serde_json::from_str(field(&put, "data: ")).unwrap();
    assert_eq!((&data["key"], &data["version"], &data["previous_version"]), (&"a".into(), &"2".into(), &Value::Null));
    assert!(put.ends_with("\n\n"), "{put:?}");
    server.send("PUT /api/v1/kv/a", &[], "y").await;
    server.send("DELETE /api/v1/kv/a", &[], "").await;
    let both = events.next().await.unwrap();
    let (replaced, deleted) = both.split_once("\n\n").unwrap();
    let replaced_data: Value = serde_json::from_str(field(replaced, "data: ")).unwrap();
    assert_eq!((&replaced_data["previous_version"], field(deleted, "event: ")), (&"2".into(), "delete"));

    let headers = ["accept: text/event-stream", &*format!("last-event-id: {}", field(&put, "id: "))];
    let mut resumed = follow(&server, "GET /api/v1/changes?since=earliest", &headers).await;
    resumed.next().await.unwrap();
    assert_eq!(resumed.next().await.unwrap(), both, "what came behind the last id, and nothing else");
}

#[tokio::test]
async fn lines_and_filters() {
    let server = Server::new();
    for line in [
        "PUT /api/v1/kv/a",
        "PUT /api/v1/kv/user%2Fann",
        "PUT /api/v1/buckets/b/kv/user%2Fbob",
        "PUT /api/v1/kv/user%2Fcyd",
    ] {
        server.send(line, &["content-type: text/plain"], "v").await;
    }
    let lines = ["accept: application/x-ndjson"];
    for (query, keys) in [
        ("?since=earliest", vec!["a", "user/ann", "user/bob", "user/cyd"]),
        ("?since=0&prefix=user/", vec!["user/ann", "user/bob", "user/cyd"]),
        ("?since=earliest&bucket=b", vec!["user/bob"]),
        ("?since=earliest&bucket=default&prefix=user/", vec!["user/ann", "user/cyd"]),
    ] {
        let mut stream = follow(&server, &format!("GET /api/v1/changes{query}"), &lines).await;
        let piece = stream.next().await.unwrap();
        let found: Vec<_> =
            piece.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].clone()).collect();
        assert_eq!(found, keys, "{query}");
    }
    let page = server.send("GET /api/v1/changes?since=earliest&values=true&bucket=b&wait=0", &[], "").await.json();
    assert_eq!((&page["changes"][0]["value"], &page["changes"][0]["media_type"]), (&"v".into(), &"text/plain".into()));
}

#[tokio::test]
async fn a_page_is_waited_for() {
    let server = Server::new();
    let first = server.send("GET /api/v1/changes?wait=0", &[], "").await.json();
    let cursor = first["cursor"].as_str().unwrap();
    assert_eq!(first["changes"], Value::Array(vec![]));
    let line = format!("GET /api/v1/changes?wait=30&since={cursor}");
    let mut waiting = Box::pin(server.send(&line, &[], ""));
    assert!(matches!(poll(&mut waiting).await, Poll::Pending));
    server.send("PUT /api/v1/kv/a", &[], "x").await;
    let page = waiting.await.json();
    assert_eq!(page["changes"][0]["key"], "a");
    let again = server.send(&line, &["accept: application/json"], "").await.json();
    assert_eq!(again, page, "the same cursor shows the same, at once");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_now_and_then() {
    let server = Server::new();
    let mut events = follow(&server, "GET /api/v1/changes?bucket=quiet", &["accept: text/event-stream"]).await;
    events.next().await.unwrap();
    server.send("PUT /api/v1/kv/elsewhere", &[], "x").await;
    let before = tokio::time::Instant::now();
    let pause = events.next().await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(15));
    assert!(pause.starts_with(": "), "{pause:?}");
    assert!(field(&pause, "id: ").ends_with("-1"), "the cursor moves on though nothing is shown: {pause:?}");

    let page = server.open("GET /api/v1/changes?wait=12", &[]).await;
    let body = read(page).await.body;
    assert!(body.starts_with(b"\n\n{"), "white space every five seconds: {body:?}");
    serde_json::from_slice::<Value>(&body).unwrap();
}

/// What the cursors of this server begin with, as its document says.
fn life(server: &Server) -> String {
    let document = server.app.openapi();
    let parameters = document["paths"]["/api/v1/changes"]["get"]["parameters"].as_array().unwrap();
    let since = parameters.iter().find(|parameter| parameter["name"] == "since").unwrap();
    since["schema"]["pattern"].as_str().unwrap()["^(now|earliest|0|".len()..][..16].to_owned()
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let server = Server::new();
    let send = async |line: &str, headers: &[&str]| {
        server.send(&format!("GET /api/v1/changes{line}"), headers, "").await.outcome()
    };
    assert_eq!(send("?since=garbage", &[]).await, "400 cursor-invalid");
    assert_eq!(send("?since=0000000000000000-1", &[]).await, "410 compacted");
    assert_eq!(send(&format!("?since={}-0", life(&server)), &["accept: application/json"]).await, "200");
    assert_eq!(send(&format!("?since={}-1", life(&server)), &[]).await, "410 compacted", "ahead of the newest commit");
    assert_eq!(send(&format!("?since={}-0-1", life(&server)), &["accept: application/json"]).await, "200");
    assert_eq!(send("", &["last-event-id: 0000000000000000-1"]).await, "410 compacted");
    assert_eq!(send("", &["last-event-id: garbage"]).await, "400 cursor-invalid");
    assert_eq!(send("?bucket=UPPER", &[]).await, "400 bucket-name-invalid");
    assert_eq!(send("?wait=31", &[]).await, "400 parameter-invalid");
    assert_eq!(send("?table=t", &[]).await, "400 parameter-unknown");
    assert_eq!(send("", &["accept: text/csv"]).await, "406 not-acceptable");
}

#[tokio::test]
async fn a_stream_that_falls_behind_ends_with_an_error() {
    let mut limits = Limits::default();
    limits.feed_bytes_max = 64 * 1024;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    let mut events = follow(&server, "GET /api/v1/changes", &["accept: text/event-stream"]).await;
    events.next().await.unwrap();
    for _ in 0..100 {
        server.send("PUT /api/v1/kv/a", &[], vec![b'x'; 4_096]).await;
    }
    let last = events.next().await.unwrap();
    assert_eq!(field(&last, "event: "), "error", "{last:?}");
    assert_eq!(serde_json::from_str::<Value>(field(&last, "data: ")).unwrap()["code"], "compacted");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let server = Server::with_config(AppConfig { streams_max: 1, ..AppConfig::default() });
    let mut events = follow(&server, "GET /api/v1/changes", &[]).await;
    events.next().await.unwrap();
    assert_eq!(server.send("GET /api/v1/changes", &[], "").await.outcome(), "503 streams-too-many");
    server.app.shutting_down();
    assert_eq!(events.next().await, None);
    drop(events);
    assert_eq!(server.send("GET /api/v1/changes", &[], "").await.outcome(), "503 shutting-down");
}
