//! Conditional requests and ranges.

use std::collections::HashMap;

use mantis_http::AppConfig;

use crate::harness::{Answer, Server};

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
async fn conditional_reads_are_answered_or_not_modified() {
    let server = server().await;
    for (header, outcome) in [
        ("if-none-match: \"v2\"", "304"),
        ("if-none-match: W/\"v2\"", "304"),
        ("if-none-match: \"v2-gzip\"", "200"),
        ("if-none-match: \"v2-json\"", "200"),
        ("if-none-match: \"v2-json\", W/\"v2\"", "304"),
        ("if-none-match: \"v1\", \"v2\"", "304"),
        ("if-none-match: *", "304"),
        ("if-none-match: \"v1\"", "200"),
        ("if-none-match: \"unknown\"", "200"),
        ("if-none-match: v2", "400 header-invalid"),
        ("if-match: \"v2\"", "200"),
        ("if-match: \"v2-json-utf8-br\"", "200"),
        ("if-match: \"v2-xml\"", "412 precondition-failed"),
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
async fn conditional_writes_happen_only_if_the_condition_holds() {
    for (line, header, outcome) in [
        ("PUT /api/v1/kv/a", "if-match: \"v2\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v1\", \"v2\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v2-zstd\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v2-json\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v1\", \"v2-json-base64-gzip\"", "204"),
        ("PUT /api/v1/kv/a", "if-match: \"v2-xml\"", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-match: W/\"v2-json\"", "412 precondition-failed"),
        ("PUT /api/v1/kv/a", "if-none-match: \"v2-json\"", "412 precondition-failed"),
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
        ("DELETE /api/v1/kv/a", "if-match: \"v2-json-utf8\"", "204"),
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
    let twice = server.send("GET /api/v1/kv/a", &["range: bytes=0-3", "range: bytes=4-5"], "").await;
    assert_eq!((twice.status.as_u16(), twice.text()), (200, "0123456789"), "as `bytes=0-3, 4-5`");
    let head = server.send("HEAD /api/v1/kv/a", &["range: bytes=0-3"], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("10")));
}

/// The ways to ask for one value, each with its form's part of the tag.
const FORMS: [(&str, &str, &str); 6] = [
    ("", "*/*", ""),
    ("?raw=true", "application/json", ""),
    ("", "application/json", "-json"),
    ("?encoding=utf8", "*/*", "-json-utf8"),
    ("?encoding=base64", "application/json", "-json-base64"),
    ("?encoding=base64&raw=true", "*/*", ""),
];
const CODINGS: [&str; 4] = ["identity", "gzip", "br", "zstd"];

/// Reads `large` in a form and a coding.
async fn read_as(server: &Server, method: &str, form: usize, coding: &str, header: Option<&str>) -> Answer {
    let (query, accept, _) = FORMS[form];
    let (line, accept) = (format!("{method} /api/v1/kv/large{query}"), format!("accept: {accept}"));
    let coding = format!("accept-encoding: {coding}");
    let headers: Vec<_> = [&accept[..], &coding[..]].into_iter().chain(header).collect();
    server.send(&line, &headers, "").await
}

#[tokio::test]
async fn a_tag_identifies_the_bytes_of_a_form() {
    let server = server().await;
    server.send("PUT /api/v1/kv/large", &["content-type: text/plain"], "many words ".repeat(200)).await;
    let (mut bytes_of, mut full) = (HashMap::new(), Vec::new());
    for (form, (.., suffix)) in FORMS.iter().enumerate() {
        for coding in CODINGS {
            let answer = read_as(&server, "GET", form, coding, None).await;
            let tag = answer.header("etag").unwrap().to_owned();
            let compressed = if coding == "identity" { String::new() } else { format!("-{coding}") };
            assert_eq!(tag, format!("\"v3{suffix}{compressed}\""));
            let head = read_as(&server, "HEAD", form, coding, None).await;
            assert_eq!((head.header("etag"), head.body.len()), (Some(&*tag), 0));
            let vary: Vec<_> = answer.headers.get_all("vary").iter().cloned().collect();
            assert_eq!(vary, ["accept", "accept-encoding"]);
            let known = bytes_of.entry(tag.clone()).or_insert_with(|| answer.body.clone());
            assert_eq!(*known, answer.body, "{tag} names one sequence of bytes");
            full.push((form, coding, tag, vary));
        }
    }
    assert_eq!(bytes_of.len(), 16);
    for (form, coding, tag, vary) in &full {
        for has in bytes_of.keys() {
            let conditions = [format!("if-none-match: {has}"), format!("if-none-match: \"v1\", W/{has}")];
            for condition in conditions {
                let answer = read_as(&server, "GET", *form, coding, Some(&condition)).await;
                let expected = if has == tag { 304 } else { 200 };
                assert_eq!(answer.status, expected, "{form} {coding} {condition}");
                assert_eq!(answer.header("etag"), Some(&**tag));
                let found: Vec<_> = answer.headers.get_all("vary").iter().cloned().collect();
                assert_eq!((&found, answer.header("last-modified").is_some()), (vary, true));
            }
            let answer = read_as(&server, "GET", *form, coding, Some(&format!("if-match: {has}"))).await;
            assert_eq!(answer.status, 200, "any tag of a version matches it: {has}");
        }
        let failed = read_as(&server, "GET", *form, coding, Some("if-match: \"v1\"")).await;
        assert_eq!((failed.outcome(), failed.header("etag")), ("412 precondition-failed".into(), Some(&**tag)));
        let date = "if-modified-since: Sat, 31 Jan 2026 12:00:00 GMT";
        let spared = read_as(&server, "GET", *form, coding, Some(date)).await;
        assert_eq!((spared.status.as_u16(), spared.header("etag")), (304, Some(&**tag)));
    }
}

#[tokio::test]
async fn a_range_is_of_the_stored_bytes() {
    let server = server().await;
    server.send("PUT /api/v1/kv/large", &["content-type: text/plain"], "many words ".repeat(200)).await;
    let ask = async |form: usize, coding: &str, condition: &str| {
        let (query, accept, _) = FORMS[form];
        let (line, accept) = (format!("GET /api/v1/kv/large{query}"), format!("accept: {accept}"));
        let headers = [&accept, &format!("accept-encoding: {coding}"), "range: bytes=0-3", condition];
        let answer = server.send(&line, &headers, "").await;
        (answer.status.as_u16(), answer.header("etag").unwrap().to_owned())
    };
    let check = async |form: usize, coding: &str, condition: &str, status: u16, tag: &str| {
        let expected = (status, format!("\"{tag}\""));
        assert_eq!(ask(form, coding, condition).await, expected, "{form} {coding} {condition}");
    };
    check(0, "identity", "if-range: \"v3\"", 206, "v3").await;
    check(0, "gzip", "if-range: \"v3\"", 206, "v3").await;
    check(0, "gzip", "if-range: \"v3-gzip\"", 200, "v3-gzip").await;
    check(0, "identity", "if-range: W/\"v3\"", 200, "v3").await;
    check(0, "identity", "if-range: \"v3-json\"", 200, "v3").await;
    check(0, "identity", "if-range: Sat, 31 Jan 2026 12:00:00 GMT", 200, "v3").await;
    check(2, "identity", "if-range: \"v3-json\"", 200, "v3-json").await;
    check(2, "identity", "if-range: \"v3\"", 200, "v3-json").await;
    // The answer would be a part of the stored bytes, whatever the client would take.
    check(0, "gzip", "if-none-match: \"v3\"", 304, "v3").await;
    check(0, "gzip", "if-none-match: \"v3-gzip\"", 206, "v3").await;
    let beyond = ["range: bytes=9999-", "if-none-match: \"v3\""];
    assert_eq!(server.send("GET /api/v1/kv/large", &beyond, "").await.outcome(), "304", "conditions come first");
}

#[tokio::test]
async fn an_answer_to_a_write_has_the_tag_of_its_form() {
    let server = Server::with_config(AppConfig { compression: false, ..AppConfig::default() });
    let show = ["content-type: text/plain", "prefer: return=representation"];
    let tag = async |line: &str, headers: &[&str], body: &'static str| {
        let answer = server.send(line, headers, body).await;
        (answer.status.as_u16(), answer.header("etag").map(str::to_owned), answer.body)
    };
    let of = |status: u16, tag: &str| (status, Some(format!("\"{tag}\"")));
    let (status, shown, _) = tag("PUT /api/v1/kv/a", &[], "x").await;
    assert_eq!((status, shown), of(201, "v1"));
    let (status, shown, _) = tag("PUT /api/v1/kv/a", &["content-type: application/json"], r#"{"value": "x"}"#).await;
    assert_eq!((status, shown), of(204, "v2"));
    for (key, expected) in [("a", of(200, "v3-json")), ("new", of(201, "v4-json"))] {
        let (status, shown, body) = tag(&format!("PUT /api/v1/kv/{key}?ttl=60"), &show, "xy").await;
        assert_eq!((status, shown.clone()), expected);
        let read = server.send(&format!("GET /api/v1/kv/{key}"), &["accept: application/json"], "").await;
        assert_eq!((read.header("etag"), &read.body), (shown.as_deref(), &body), "as a read shows it");
    }
    let (status, shown, _) = tag("POST /api/v1/kv/n/increment", &[], "").await;
    assert_eq!((status, shown), of(200, "v5"), "that of the number's own bytes");
    let (status, shown, _) = tag("PUT /api/v1/kv/a", &["if-match: \"v1-json\""], "x").await;
    assert_eq!((status, shown), of(412, "v3"));
    for line in ["GET /api/v1/kv", "GET /api/v1/stats", "GET /openapi.json", "GET /docs", "GET /api/v1/buckets"] {
        let (status, shown, _) = tag(line, &[], "").await;
        assert_eq!((status, shown), (200, None), "{line}");
    }
}

/// Sends a request whose conditions do not hold; the answer says why, and how to go on.
async fn told(server: &Server, line: &str, headers: &[&str], hint: &str) {
    let answer = server.send(line, headers, "").await;
    assert_eq!(answer.status, 412, "{line} {headers:?}: {}", answer.text());
    let problem = answer.json();
    let given = problem["hint"].as_str().unwrap();
    assert!(given.contains(hint), "{line} {headers:?}: {given}");
}

#[tokio::test]
async fn a_failed_condition_says_how_to_go_on() {
    let server = server().await;
    for line in ["PUT /api/v1/kv/a", "GET /api/v1/kv/a", "DELETE /api/v1/kv/a"] {
        told(&server, line, &["if-match: W/\"v2\""], "without `W/`").await;
        told(&server, line, &["if-match: \"v1\", W/\"v2-gzip\""], "without `W/`").await;
        told(&server, line, &["if-match: W/\"v1\""], "Read it again").await;
        told(&server, line, &["if-match: \"v1\""], "Read it again").await;
        told(&server, line, &["if-match: \"2\""], "Send the `ETag` of an answer as it was").await;
        told(&server, line, &["if-unmodified-since: Sat, 31 Jan 2026 11:59:59 GMT"], "Read it again").await;
    }
    told(&server, "PUT /api/v1/kv/a", &["if-none-match: *"], "in `If-Match`").await;
    told(&server, "PUT /api/v1/kv/a", &["if-none-match: W/\"v2\""], "not among them").await;
    told(&server, "PUT /api/v1/kv/none", &["if-match: W/\"v2\""], "To create it").await;
    told(&server, "PUT /api/v1/kv/none", &["if-match: *"], "To create it").await;
    told(&server, "POST /api/v1/kv/a/increment", &["if-match: W/\"v2\""], "without `W/`").await;
    let tag = server.send("PUT /api/v1/kv/a", &["if-match: \"v2\""], "x").await;
    assert_eq!(tag.status, 204, "what the hint says works");
    let schema =
        r#"{"columns": [{"name": "id", "type": "bigint"}, {"name": "n", "type": "bigint"}], "primary_key": ["id"]}"#;
    let json = "content-type: application/json";
    server.send("PUT /api/v1/schema/tables/t", &[json], schema).await;
    server.send("POST /api/v1/tables/t", &[json], r#"{"id": 1}"#).await;
    let row = server.send("GET /api/v1/tables/t/1", &[], "").await;
    let weak = format!("if-match: W/{}", row.header("etag").unwrap());
    for line in ["GET /api/v1/tables/t/1", "DELETE /api/v1/tables/t/1", "PATCH /api/v1/tables/t/1"] {
        let answer = server.send(line, &[json, &weak], r#"{"n": 1}"#).await;
        let problem = answer.json();
        assert!(
            answer.status == 412 && problem["hint"].as_str().unwrap().contains("without `W/`"),
            "{line}: {problem}"
        );
    }
}
