//! Listings, streams of them, and deleting many keys.

use std::collections::BTreeSet;
use std::task::Poll;

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::{Value, json};

use crate::harness::{Server, poll};

async fn filled(count: usize) -> Server {
    let server = Server::new();
    fill(&server, count).await;
    server
}

async fn fill(server: &Server, count: usize) {
    let mut session = server.database.session();
    let mut kv = session.kv("default").unwrap();
    for index in 0..count {
        kv.set(format!("key-{index:05}").as_bytes(), b"value").await.unwrap();
    }
}

fn keys(answer: &Value) -> Vec<&str> {
    answer["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect()
}

#[track_caller]
fn check<'a>(server: &'a Server, query: &str, expected: &'a [&'a str]) -> impl Future<Output = ()> + use<'a> {
    let sending = server.send(&format!("GET /api/v1/kv{query}"), &[], "");
    let caller = std::panic::Location::caller();
    let query = query.to_owned();
    async move {
        let answer = sending.await;
        assert_eq!(answer.outcome(), "200", "{caller}: {query}");
        assert_eq!(keys(&answer.json()), expected, "{caller}: {query}");
    }
}

#[tokio::test]
async fn a_listing_shows_the_requested_span_and_fields() {
    let server = Server::new();
    for key in ["a", "b", "b%2Fa", "b%2Fb", "c"] {
        server.send(&format!("PUT /api/v1/kv/{key}"), &[], key).await;
    }
    check(&server, "", &["a", "b", "b/a", "b/b", "c"]).await;
    check(&server, "?prefix=b", &["b", "b/a", "b/b"]).await;
    check(&server, "?prefix=b/&reverse=true", &["b/b", "b/a"]).await;
    check(&server, "?start=b&end=c", &["b", "b/a", "b/b"]).await;
    check(&server, "?prefix=b&start=b%2Fb", &["b/b"]).await;
    check(&server, "?start=z&end=a", &[]).await;
    check(&server, "?limit=2", &["a", "b"]).await;
    check(&server, "?limit=2&reverse=true", &["c", "b/b"]).await;
    check(&server, "?prefix=nothing", &[]).await;
    let entries = server.send("GET /api/v1/kv?prefix=c&values=true&encoding=base64", &[], "").await.json();
    let expected = json!({"entries": [{"key": {"base64": "Yw=="}, "value": {"base64": "Yw=="}, "version": "5", "expires_at": null}], "cursor": null});
    assert_eq!(entries, expected);
    assert_eq!(server.send("GET /api/v1/buckets/none/kv", &[], "").await.json(), json!({"keys": [], "cursor": null}));
    for (query, outcome) in [
        ("?limit=0", "400 limit-out-of-range"),
        ("?limit=1001", "400 limit-out-of-range"),
        ("?limit=99999999999999999999", "400 limit-out-of-range"),
        ("?limit=abc", "400 parameter-invalid"),
        ("?limit=", "400 parameter-invalid"),
        ("?limit=1&limit=2", "400 parameter-repeated"),
        ("?lmit=1", "400 parameter-unknown"),
        ("?cursor=", "400 parameter-invalid"),
        ("?cursor=garbage", "400 cursor-invalid"),
        ("?cursor=k1.AAAA", "409 cursor-invalid"),
        ("?values=yes", "400 parameter-invalid"),
        ("?prefix=%f", "400 parameter-invalid"),
    ] {
        assert_eq!(server.send(&format!("GET /api/v1/kv{query}"), &[], "").await.outcome(), outcome, "{query}");
    }
    let refusal = server.send("GET /api/v1/kv?limit=0", &[], "").await.json();
    assert!(refusal["detail"].as_str().unwrap().contains("1000"), "the cap is named: {refusal}");
}

#[tokio::test]
async fn pages_continue_and_show_one_moment() {
    let server = filled(250).await;
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let query = cursor.as_deref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = server.send(&format!("GET /api/v1/kv?prefix=key-{query}"), &[], "").await.json();
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        assert!(keys(&page).len() <= 100, "the default limit");
        // Written between two pages: not there when the listing began.
        server.send(&format!("PUT /api/v1/kv/key-9{}", seen.len()), &[], "late").await;
        match page["cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 250);
    let cursor = cursor.unwrap();
    for query in ["prefix=key-&reverse=true", "prefix=other"] {
        let line = format!("GET /api/v1/kv?{query}&cursor={cursor}");
        assert_eq!(server.send(&line, &[], "").await.outcome(), "409 cursor-invalid", "{query}");
    }
}

#[tokio::test]
async fn a_page_is_bounded_by_what_it_shows() {
    let server = Server::new();
    for key in ["a", "b", "c"] {
        server.send(&format!("PUT /api/v1/kv/{key}"), &[], vec![b'x'; 1 << 20]).await;
    }
    let page = server.send("GET /api/v1/kv", &[], "").await.json();
    assert_eq!((keys(&page), &page["cursor"]), (vec!["a", "b", "c"], &json!(null)), "the values are not sent");
    let page = server.send("GET /api/v1/kv?values=true", &[], "").await.json();
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
    assert!(page["cursor"].is_string());
}

#[tokio::test]
async fn a_cursor_works_only_for_its_own_listing() {
    let server = Server::new();
    for path in ["kv", "buckets/b/kv"] {
        for key in ["a", "key-1", "key-2", "key-3", "z"] {
            server.send(&format!("PUT /api/v1/{path}/{key}"), &[], "x").await;
        }
    }
    let first = server.send("GET /api/v1/buckets/b/kv?limit=2", &[], "").await.json();
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    let get = async |bucket: &str, query: &str, cursor: &str| {
        server.send(&format!("GET /api/v1/buckets/{bucket}/kv?{query}cursor={cursor}"), &[], "").await
    };
    for (query, expected) in [
        ("", &["key-2", "key-3", "z"][..]),
        ("limit=1&", &["key-2"]),
        ("prefix=key-&", &["key-2", "key-3"]),
        ("start=b&end=key-3&", &["key-2"]),
    ] {
        let answer = get("b", query, &cursor).await;
        assert_eq!((answer.outcome().as_str(), &keys(&answer.json())[..]), ("200", expected), "{query}");
    }
    for query in ["reverse=true&", "prefix=z&", "start=key-2&", "end=key-1&", "prefix=none&"] {
        assert_eq!(get("b", query, &cursor).await.outcome(), "409 cursor-invalid", "{query}");
    }
    for bucket in ["default", "none"] {
        assert_eq!(get(bucket, "", &cursor).await.outcome(), "409 cursor-invalid", "{bucket}");
    }
    for end in "k1.".len() + 1..cursor.len() {
        assert_eq!(get("b", "", &cursor[..end]).await.outcome(), "409 cursor-invalid", "cut at {end}");
    }
    assert_eq!(get("b", "", "k1.").await.outcome(), "400 cursor-invalid");
    assert_eq!(get("b", "", "k1.a!").await.outcome(), "400 cursor-invalid");
    server.send("DELETE /api/v1/buckets/b?drop=true", &[], "").await;
    assert_eq!(get("b", "", &cursor).await.outcome(), "409 cursor-invalid", "it is gone");
    server.send("PUT /api/v1/buckets/b/kv/z", &[], "x").await;
    assert_eq!(get("b", "", &cursor).await.outcome(), "409 cursor-invalid", "it is another one");
}

#[tokio::test]
async fn a_stream_has_everything_in_order() {
    let server = filled(2_500).await;
    let accept = ["accept: application/x-ndjson"];
    let answer = server.send("GET /api/v1/kv", &accept, "").await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[0], &lines[2_499]),
        (2_500, &json!({"key": "key-00000"}), &json!({"key": "key-02499"}))
    );
    let answer = server.send("GET /api/v1/kv?values=true&limit=3&reverse=true", &accept, "").await;
    assert_eq!(answer.text().lines().count(), 3, "a limit holds for a stream too");
    for (limit, shown) in [("1500", 1_500), ("2500", 2_500), ("99999999999999999999", 2_500)] {
        let lines = server.send(&format!("GET /api/v1/kv?limit={limit}"), &accept, "").await;
        assert_eq!(lines.text().lines().count(), shown, "a stream has no cap");
    }
    for (limit, outcome) in [("0", "400 limit-out-of-range"), ("x", "400 parameter-invalid")] {
        let refused = server.send(&format!("GET /api/v1/kv?limit={limit}"), &accept, "").await;
        assert_eq!(refused.outcome(), outcome, "{limit}");
    }
    let first: Value = serde_json::from_str(answer.text().lines().next().unwrap()).unwrap();
    assert_eq!((&first["key"], &first["value"]), (&json!("key-02499"), &json!("value")));
    assert_eq!(server.send("GET /api/v1/kv?prefix=none", &accept, "").await.text(), "");
    assert_eq!(server.send("GET /api/v1/kv", &["accept: text/csv"], "").await.outcome(), "406 not-acceptable");
}

#[tokio::test]
async fn a_stream_reads_only_as_the_client_does_and_holds_no_session() {
    let config = AppConfig { streams_max: 1, ..AppConfig::default() };
    let pool = Config { min_idle: 0, max: 1, ..Config::default() };
    let server = Server::with(Limits::default(), config, pool);
    fill(&server, 3_000).await;
    let mut body =
        server.open("GET /api/v1/kv", &["accept: application/x-ndjson"]).await.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&first).lines().count(), 1_000, "one page and no more");
    assert_eq!(server.send("GET /api/v1/kv/key-00000", &[], "").await.outcome(), "200", "the only session is free");
    let second = server.send("GET /api/v1/kv", &["accept: application/x-ndjson"], "").await;
    assert_eq!(second.outcome(), "503 streams-too-many");
    assert!(second.header("retry-after").is_some());
    drop(body);
    assert_eq!(server.app.metrics().streams_open(), 0, "a client that has gone is noticed");
    assert_eq!(server.send("GET /api/v1/kv?limit=1", &["accept: application/x-ndjson"], "").await.outcome(), "200");
}

#[tokio::test]
async fn head_of_a_stream_has_no_length() {
    let server = filled(10).await;
    let lines = "accept: application/x-ndjson";
    for (path, accept) in [
        ("/api/v1/kv", lines),
        ("/api/v1/kv?prefix=none", lines),
        ("/api/v1/changes", "accept: */*"),
        ("/api/v1/changes", lines),
        ("/api/v1/changes?wait=30", "accept: */*"),
        ("/api/v1/backup", "accept: */*"),
    ] {
        let head = server.send(&format!("HEAD {path}"), &[accept], "").await;
        assert_eq!((head.status.as_u16(), head.header("content-length")), (200, None), "{path} {accept}");
        assert_eq!(server.app.metrics().streams_open(), 0);
    }
    for path in ["/api/v1/kv", "/api/v1/changes?since=earliest&wait=30"] {
        let head = server.send(&format!("HEAD {path}"), &[], "").await;
        let length = server.send(&format!("GET {path}"), &[], "").await.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
    }
}

#[tokio::test]
async fn many_keys_are_deleted_in_steps() {
    let server = filled(3_210).await;
    server.send("PUT /api/v1/kv/other", &[], "x").await;
    let before = server.database.version();
    let answer = server.send("DELETE /api/v1/kv?prefix=key-", &[], "").await;
    assert_eq!((answer.outcome(), answer.json()), ("200".to_owned(), json!({"deleted": 3_210})));
    assert_eq!(server.database.version() - before, 4, "commits of a thousand keys");
    assert_eq!(keys(&server.send("GET /api/v1/kv", &[], "").await.json()), ["other"]);
    for (query, outcome) in [
        ("", "400 selection-missing"),
        ("?prefix=", "400 selection-missing"),
        ("?all=false", "400 selection-missing"),
        ("?prefix=a&all=true", "400 parameter-invalid"),
        ("?prefix=none", "200"),
        ("?all=true", "200"),
    ] {
        assert_eq!(server.send(&format!("DELETE /api/v1/kv{query}"), &[], "").await.outcome(), outcome, "{query}");
    }
    assert_eq!(keys(&server.send("GET /api/v1/kv", &[], "").await.json()), [""; 0]);
}

#[tokio::test]
async fn other_writers_progress_while_many_keys_are_deleted() {
    let server = filled(2_500).await;
    let mut deleting = Box::pin(server.send("DELETE /api/v1/kv?all=true", &[], ""));
    assert!(matches!(poll(&mut deleting).await, Poll::Pending), "it does not finish in one go");
    let left = server.send("GET /api/v1/kv?limit=1", &[], "").await.json();
    assert_eq!(keys(&left), ["key-01000"]);
    assert_eq!(deleting.await.json(), json!({"deleted": 2_500}));
}

#[tokio::test]
async fn buckets_are_created_and_dropped() {
    let server = Server::new();
    for (bucket, key) in [("users", "ann"), ("users", "bob"), ("scores", "ann")] {
        server.send(&format!("PUT /api/v1/buckets/{bucket}/kv/{key}"), &[], "12345").await;
    }
    let listed = server.send("GET /api/v1/buckets", &[], "").await.json();
    let names: BTreeSet<_> =
        listed["buckets"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["default", "scores", "users"]));
    assert_eq!(listed["buckets"][2]["keys"], 2);
    assert_eq!(server.send("GET /api/v1/kv/ann", &[], "").await.outcome(), "404 key-not-found", "buckets are apart");
    assert_eq!(server.send("DELETE /api/v1/buckets/users?drop=true", &[], "").await.json(), json!({"deleted": 2}));
    for (bucket, outcome) in
        [("users", "404 bucket-not-found"), ("default", "422 bucket-reserved"), ("Users", "400 bucket-name-invalid")]
    {
        assert_eq!(
            server.send(&format!("DELETE /api/v1/buckets/{bucket}?drop=true"), &[], "").await.outcome(),
            outcome,
            "{bucket}"
        );
    }
    let document = server.app.openapi();
    let bucket = |path: &str, method: &str| document["paths"][path][method]["parameters"][0]["schema"]["not"].clone();
    assert_eq!(bucket("/api/v1/buckets/{bucket}", "delete"), json!({"const": "default"}), "it cannot be dropped");
    assert_eq!(bucket("/api/v1/buckets/{bucket}/kv", "delete"), json!(null), "and takes everything else");
}

#[tokio::test]
async fn a_stream_marks_its_end_on_request() {
    let server = filled(2_500).await;
    for (query, count) in [("", 2_500), ("?limit=7", 7), ("?prefix=none", 0), ("?values=true&limit=1000", 1_000)] {
        for prefer in ["prefer: end=true", "prefer: handling=lenient, End=True"] {
            let headers = ["accept: application/x-ndjson", prefer];
            let answer = server.send(&format!("GET /api/v1/kv{query}"), &headers, "").await;
            assert_eq!(answer.header("preference-applied"), Some("end=true"), "{query}");
            let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), count + 1, "{query}");
            assert_eq!(lines[count], json!({"end": true, "count": count}), "{query}");
        }
    }
    for headers in [&["accept: application/x-ndjson"][..], &["prefer: end=true"]] {
        let answer = server.send("GET /api/v1/kv", headers, "").await;
        assert_eq!(answer.header("preference-applied"), None, "{headers:?}");
        assert!(!answer.text().contains("\"end\""), "{headers:?}");
    }
}
