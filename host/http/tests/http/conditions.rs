//! Conditional requests and ranges.

use crate::harness::Server;

/// A server where `a` has version 2 and was written at noon.
async fn server() -> Server {
    let server = Server::new();
    server.send("PUT /api/v1/kv/other", &[], "x").await;
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], "0123456789").await;
    server
}

#[track_caller]
fn check<'s>(server: &'s Server, line: &str, header: &str, outcome: &str) -> impl Future<Output = ()> + use<'s> {
    let sending = server.send(line, &[header], "9876543210");
    let caller = std::panic::Location::caller();
    let (line, header, outcome) = (line.to_owned(), header.to_owned(), outcome.to_owned());
    async move {
        let answer = sending.await;
        assert_eq!(answer.outcome(), outcome, "{caller}: {line} {header}");
        if answer.status == 412 && line.ends_with("/a") {
            assert!(answer.header("etag").is_some(), "{caller}: the current version is named");
        }
        if answer.status == 304 {
            assert!(answer.body.is_empty() && answer.header("etag") == Some("\"v2\""));
        }
    }
}

#[tokio::test]
async fn reads_are_answered_or_spared() {
    let server = server().await;
    for (header, outcome) in [
        ("if-none-match: \"v2\"", "304"),
        ("if-none-match: W/\"v2\"", "304"),
        ("if-none-match: \"v2-gzip\"", "304"),
        ("if-none-match: \"v1\", \"v2\"", "304"),
        ("if-none-match: *", "304"),
        ("if-none-match: \"v1\"", "200"),
        ("if-none-match: \"unknown\"", "200"),
        ("if-none-match: v2", "400 header-invalid"),
        ("if-match: \"v2\"", "200"),
        ("if-match: *", "200"),
        ("if-match: \"v1\"", "412 precondition-failed"),
        ("if-match: W/\"v2\"", "412 precondition-failed"),
        ("if-modified-since: Sat, 31 Jan 2026 12:00:00 GMT", "304"),
        ("if-modified-since: Sat, 31 Jan 2026 11:59:59 GMT", "200"),
        ("if-modified-since: yesterday", "200"),
        ("if-unmodified-since: Sat, 31 Jan 2026 12:00:00 GMT", "200"),
        ("if-unmodified-since: Sat, 31 Jan 2026 11:59:59 GMT", "412 precondition-failed"),
    ] {
        check(&server, "GET /api/v1/kv/a", header, outcome).await;
    }
    check(&server, "GET /api/v1/kv/none", "if-none-match: *", "404 key-not-found").await;
    check(&server, "GET /api/v1/kv/none", "if-match: *", "404 key-not-found").await;
}

#[tokio::test]
async fn writes_happen_only_as_agreed() {
    for (line, header, outcome) in [
        ("PUT /api/v1/kv/a", "if-match: \"v2\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v1\", \"v2\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v2-zstd\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: *", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v1\"", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-match: W/\"v2\"", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-match: \"v1\", \"v3\"", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-match: nonsense", "400 header-invalid"),
        ("PUT /api/v1/kv/a", "if-none-match: *", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-none-match: \"v1\"", "204"),
        ("PUT /api/v1/kv/a", "if-none-match: W/\"v2\"", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-unmodified-since: Sat, 31 Jan 2026 11:59:59 GMT", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-unmodified-since: Sat, 31 Jan 2026 12:00:00 GMT", "204"),
        ("PUT /api/v1/kv/none", "if-none-match: *", "201"),
        ("PUT /api/v1/kv/none", "if-match: *", "412 precondition-failed"),
        ("PUT /api/v1/kv/none", "if-match: \"v2\"", "412 precondition-failed"),
        ("DELETE /api/v1/kv/a", "if-match: \"v2\"", "204"),
        ("DELETE /api/v1/kv/a", "if-match: \"v1\"", "412 precondition-failed"),
        ("DELETE /api/v1/kv/a", "if-none-match: *", "412 precondition-failed"),
        ("DELETE /api/v1/kv/none", "if-match: \"v2\"", "404 key-not-found"),
    ] {
        check(&server().await, line, header, outcome).await;
    }
    let server = server().await;
    let increment = async |header: &str| {
        let headers = ["content-type: application/json", header];
        server.send("POST /api/v1/kv/n/increment", &headers, "{}").await.outcome()
    };
    assert_eq!(increment("if-match: *").await, "412 precondition-failed");
    assert_eq!(increment("if-none-match: *").await, "200");
    assert_eq!(increment("if-match: \"v3\"").await, "200");
    assert_eq!(increment("if-match: \"v3\"").await, "412 precondition-failed");
}

#[tokio::test]
async fn a_part_of_a_value_is_served() {
    let server = server().await;
    for (range, status, part, place) in [
        ("bytes=0-3", 206, "0123", Some("bytes 0-3/10")),
        ("bytes=8-", 206, "89", Some("bytes 8-9/10")),
        ("bytes=-2", 206, "89", Some("bytes 8-9/10")),
        ("bytes=5-99", 206, "56789", Some("bytes 5-9/10")),
        ("bytes=0-1,4-5", 200, "0123456789", None),
        ("chapters=1-2", 200, "0123456789", None),
    ] {
        let answer = server.send("GET /api/v1/kv/a", &[&format!("range: {range}")], "").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, part), "{range}");
        assert_eq!(answer.header("content-range"), place, "{range}");
    }
    let answer = server.send("GET /api/v1/kv/a", &["range: bytes=10-"], "").await;
    assert_eq!(answer.outcome(), "416 range-unsatisfiable");
    assert_eq!(answer.header("content-range"), Some("bytes */10"));
    let status = async |condition: &str| {
        server.send("GET /api/v1/kv/a", &["range: bytes=0-3", condition], "").await.status.as_u16()
    };
    assert_eq!(status("if-range: \"v2\"").await, 206);
    assert_eq!(status("if-range: \"v1\"").await, 200);
    assert_eq!(status("if-range: \"v2-gzip\"").await, 200, "parts of the compressed form are not served");
    let head = server.send("HEAD /api/v1/kv/a", &["range: bytes=0-3"], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("10")));
}
