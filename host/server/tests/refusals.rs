//! Requests that are refused before they reach the application are answered like all others.

use std::io::Write;

use serde_json::Value;

use crate::support::{Server, pause, read_all, read_answer};

/// Checks that the last answer is a whole problem with this status and code.
#[track_caller]
fn check_problem(answers: &str, status: u16, code: &str) {
    let answer = &answers[answers.rfind("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer: {answers:?}"))..];
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    let header = |name: &str| {
        let found = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("no {name}: {head}"))
    };
    assert_eq!(header("content-type"), "application/problem+json");
    assert_eq!(header("connection"), "close");
    assert_eq!(header("content-length"), body.len().to_string());
    assert!(header("date").ends_with("GMT"));
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()));
    assert_eq!(problem["request_id"], header("x-request-id"));
    for member in ["type", "title", "detail", "hint"] {
        assert!(problem[member].is_string(), "{member}: {problem}");
    }
}

/// Answers with a status from 400 on, as `/stats` counts them.
fn refused_count(server: &Server) -> u64 {
    let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let stats: Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    ["4xx", "5xx"].iter().map(|class| stats["http"]["answers"][class].as_u64().unwrap()).sum()
}

#[test]
fn malformed_requests_get_a_reason() {
    let server = Server::start(&[]);
    let line = "GET /live HTTP/1.1\r\nHost: localhost\r\n";
    let many = "X: 1\r\n".repeat(150);
    let lengths =
        "PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!";
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let good = get("/live");
    for (request, status, code) in [
        (format!("{line}X: {}\r\n\r\n", "y".repeat(40_000)), 431, "header-too-large"),
        (format!("{line}X: {}\r\n\r\n", "y".repeat(200_000)), 431, "header-too-large"),
        (format!("{line}{many}\r\n"), 431, "header-too-large"),
        (get("/api/v1/kv/a b"), 400, "request-malformed"),
        (get("/live").replace("1.1", "1.2"), 400, "request-malformed"),
        (lengths.to_owned(), 400, "request-malformed"),
        (format!("{line}no header\r\n\r\n"), 400, "request-malformed"),
        (get(&format!("/api/v1/kv/{}", "k".repeat(60_000))), 414, "uri-too-long"),
        (get(&format!("/api/v1/kv/{}", "k".repeat(200_000))), 414, "uri-too-long"),
    ] {
        let shown: String = request.chars().take(60).collect();
        for good_before in [0, 1, 3] {
            let before = refused_count(&server);
            let answers = server.exchange((good.repeat(good_before) + &request).as_bytes());
            assert_eq!(answers.matches("HTTP/1.1 200 ").count(), good_before, "{shown}: {answers}");
            check_problem(&answers, status, code);
            assert_eq!(refused_count(&server), before + 1, "{shown}: it is counted");
        }
    }
    server.check_alive();
}

/// Clients of tables read one shape of errors, however early a request is refused.
#[test]
fn what_is_too_long_for_a_table_is_refused_in_the_shape_of_its_other_errors() {
    let server = Server::start(&[]);
    for length in [17_000, 60_000, 200_000] {
        for path in ["/rest/v1/books", "/api/v1/tables/books", "/rest/v1/rpc/a.b"] {
            let request = format!(
                "GET {path}?a=eq.{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                "k".repeat(length)
            );
            let answer = server.exchange(request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 414 "), "{path}, {length}: {answer}");
            let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(
                (&body["code"], &members[..]),
                (&"uri-too-long".into(), &["code", "details", "hint", "message"][..])
            );
        }
    }
}

/// The bytes of a value are never an answer, whatever they look like.
#[test]
fn a_value_that_looks_like_a_refusal_is_a_value() {
    let server = Server::start(&[]);
    let value = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".repeat(20_000);
    let put = format!("PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", value.len());
    let mut stream = server.connect();
    stream.write_all(put.as_bytes()).unwrap();
    stream.write_all(value.as_bytes()).unwrap();
    assert!(read_answer(&mut stream).starts_with("HTTP/1.1 201"));
    for _ in 0..3 {
        stream.write_all(b"GET /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert!(read_answer(&mut stream).ends_with(&value));
    }
}

#[test]
fn slow_and_excess_connections_get_a_full_answer() {
    let server = Server::start(&["--header-timeout-ms", "300", "--connections-max", "2"]);
    let before = refused_count(&server);
    let mut slow = server.connect();
    slow.write_all(b"GET /live HTTP/1.1\r\nHost: local").unwrap();
    check_problem(&read_all(&mut slow), 408, "header-timeout");
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            read_answer(&mut stream);
            stream
        })
        .collect();
    let mut refused = server.connect();
    check_problem(&read_all(&mut refused), 503, "connections-too-many");
    drop(held);
    let mut after = before;
    for _ in 0..100 {
        let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        if stats.starts_with("HTTP/1.1 200") {
            after = refused_count(&server);
            break;
        }
        pause(20);
    }
    assert!(after >= before + 2, "both are counted: {before}, then {after}");
}

/// A client that waits to be told to send its body is not told so by a refusal, which says that it ends the connection.
#[test]
fn a_refusal_of_an_announced_body_ends_the_connection() {
    let server = Server::start(&[]);
    for (line, headers, status) in [
        ("PUT /api/v1/kv/a", "Content-Length: 99999999\r\n", "413"),
        ("PUT /api/v1/nowhere", "Content-Length: 10\r\n", "404"),
        ("PUT /api/v1/kv/a?unknown=1", "Content-Length: 10\r\n", "400"),
        ("PUT /api/v1/kv/a", "Content-Length: 10\r\nContent-Encoding: gzip\r\n", "415"),
        ("POST /api/v1/buckets", "Transfer-Encoding: chunked\r\n", "405"),
        ("DELETE /api/v1/kv/a", "Content-Length: 10\r\n", "404"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n{headers}\r\n");
        // It ends though nobody asked for that.
        let answer = server.exchange(request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{line}: {answer}");
        assert!(!answer.contains("100 Continue"), "{line}: {answer}");
    }
    let request = "PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx\
                   GET /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answers = server.exchange(request.as_bytes());
    assert!(answers.starts_with("HTTP/1.1 100 Continue\r\n") && answers.contains("HTTP/1.1 201 "), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 ") && answers.ends_with('x'), "the connection went on: {answers}");
}
