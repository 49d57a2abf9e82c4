//! Misbehaving clients. The server answers or closes, and keeps running.

use std::io::Write;

use crate::support::{Server, pause, read_all, read_answer};

#[track_caller]
fn check_status(server: &Server, request: &[u8], status: &str) {
    let answer = server.exchange(request);
    assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
}

#[test]
fn each_oversized_part_has_its_status() {
    let server = Server::start(&["--body-bytes-max", "1000", "--header-bytes-max", "8192"]);
    let put = b"PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".as_slice();
    let body = [b'x'; 1_001];
    check_status(&server, &[put, b"Content-Length: 1001\r\n\r\n", &body].concat(), "413");
    check_status(&server, &[put, b"Content-Length: 1000\r\n\r\n", &body[..1_000]].concat(), "201");
    check_status(
        &server,
        &[put, b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n", &body, b"\r\n0\r\n\r\n"].concat(),
        "413",
    );
    let header = format!("X: {}\r\n\r\n", "y".repeat(9_000));
    check_status(&server, &[put, header.as_bytes()].concat(), "431");
    check_status(&server, b"GET / HTTP/1.1\r\n bad\r\n\r\n", "400");
    server.check_alive();
}

#[test]
fn a_request_that_never_completes_is_ended() {
    let server = Server::start(&["--header-timeout-ms", "400", "--body-timeout-ms", "400"]);
    let mut half = server.connect();
    half.write_all(b"GET /live HTTP/1.1\r\nHost: local").unwrap();
    let mut preface = server.connect();
    preface.write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    let mut body = server.connect();
    body.write_all(b"PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello").unwrap();
    assert!(read_all(&mut half).starts_with("HTTP/1.1 408"));
    assert_eq!(read_all(&mut preface), "");
    assert!(read_all(&mut body).starts_with("HTTP/1.1 408"));
    server.check_alive();
}

/// A byte now and then does not buy more time.
#[test]
fn a_client_that_trickles_its_head_is_ended() {
    let server = Server::start(&["--header-timeout-ms", "500"]);
    let mut stream = server.connect();
    let mut sent = 0;
    for byte in b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: 0123456789".iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        assert!(sent < 200, "the connection is still open");
        pause(50);
    }
    assert!(sent >= 8, "ended after {sent} bytes");
    server.check_alive();
}

#[test]
fn a_client_that_reads_nothing_is_ended() {
    let server = Server::start(&["--send-timeout-ms", "500"]);
    let value = vec![b'x'; 8 << 20];
    let head = format!("PUT /api/v1/kv/large HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", value.len());
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&value).unwrap();
    read_answer(&mut stream);
    for _ in 0..4 {
        stream.write_all(b"GET /api/v1/kv/large HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    pause(2_000);
    assert!(read_all(&mut stream).len() < 4 * value.len(), "the answers were cut off");
    server.check_alive();
}

/// Bytes that belong to no request are not taken for one, but a second request in the same packet is.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let one = |key: &str| format!("PUT /api/v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{key}");
    let get = |key: &str, rest: &str| format!("GET /api/v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n");
    let requests = [one("a"), one("b"), get("a", ""), get("b", "Connection: close\r\n")].concat();
    let answer = server.exchange(requests.as_bytes());
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["201", "201", "200", "200"], "{answer}");
    assert!(answer.ends_with('b'), "{answer}");
}
