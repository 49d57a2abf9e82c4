//! Clients that make the server hold much, over real connections: what it holds in sum is bounded, and given back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;

use crate::support::{Server, pause, read_answer};

const MIB: usize = 1 << 20;
const LARGE: usize = 10 * MIB;
/// What the program may take besides what a test has it hold, in KiB.
const ROOM_KIB: u64 = 300 << 10;

/// Bytes in flight, as the server counts them.
fn in_flight(server: &Server) -> u64 {
    let answer = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<Value>(body).unwrap()["memory"]["in_flight_bytes"].as_u64().unwrap()
}

/// Waits until nothing is in flight.
fn wait_until_free(server: &Server) {
    for _ in 0..400 {
        if in_flight(server) == 0 {
            return;
        }
        pause(25);
    }
    panic!("{} bytes are still in flight", in_flight(server));
}

fn put_large(server: &Server, key: &str, byte: u8) {
    let mut stream = server.connect();
    let head = format!("PUT /api/v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![byte; LARGE]).unwrap();
    assert!(read_answer(&mut stream).starts_with("HTTP/1.1 201"));
}

/// Sends the beginnings of so many large bodies, and returns the connections.
fn unfinished(server: &Server, line: &str, count: usize) -> Vec<TcpStream> {
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n");
    let part = vec![b'x'; MIB];
    let send = |_| {
        let mut stream = server.connect();
        // A server that has refused a body still reads some of it.
        let _ = stream.write_all(&[head.as_bytes(), b"Content-Type: application/wasm\r\n\r\n", &part].concat());
        stream
    };
    (0..count).map(send).collect()
}

fn check_unfinished(line: &str, count: usize) {
    let server = Server::start(&["--in-flight-bytes-max", "67108864", "--body-timeout-ms", "8000"]);
    let before = server.resident_kib();
    let streams = unfinished(&server, line, count);
    assert!(in_flight(&server) <= 64 << 20);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < (64 << 10) + ROOM_KIB, "{grown} KiB more for {count} bodies");
    server.check_alive();
    let answers: Vec<_> = streams.into_iter().map(|mut stream| first_line(&mut stream)).collect();
    let refused = answers.iter().filter(|line| line.starts_with("HTTP/1.1 503")).count();
    let late = answers.iter().filter(|line| line.starts_with("HTTP/1.1 408")).count();
    assert!(refused >= count - 64 && late > 0, "{refused} of {count} are refused, {late} too late");
    wait_until_free(&server);
    server.check_alive();
}

fn first_line(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut seen = [0; 12];
    let _ = stream.read_exact(&mut seen);
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn hundreds_of_unfinished_bodies_are_held_within_the_budget() {
    check_unfinished("PUT /api/v1/kv/a", 300);
}

#[test]
fn components_that_never_end_are_held_within_the_budget() {
    check_unfinished("PUT /api/v1/plugins/p", 120);
}

#[test]
fn unread_answers_in_json_are_not_held_as_a_whole() {
    let server = Server::start(&["--send-timeout-ms", "1500"]);
    put_large(&server, "a", 200);
    let before = server.resident_kib();
    let get = b"GET /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n";
    let mut streams: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(get).unwrap();
    }
    pause(1_000);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more for 100 answers of 40 MB");
    wait_until_free(&server);
    server.check_alive();
}

/// The lengths are counted without making the texts, and a neighbour is answered meanwhile.
#[test]
fn pipelined_heads_of_large_values_leave_room_for_others() {
    let server = Server::start(&[]);
    put_large(&server, "a", 200);
    let mut stream = server.connect();
    let head = b"HEAD /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n";
    stream.write_all(&head.repeat(200)).unwrap();
    server.check_alive();
    let answers: Vec<_> = (0..200).map(|_| read_head(&mut stream)).collect();
    for answer in &answers {
        let length: usize = answer.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && length > 4 * LARGE, "{answer}");
    }
}

/// The head of an answer without a body.
fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => panic!("{other:?} after {}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8(head).unwrap()
}

/// A client that opens streams and never widens their windows: they are reset, and the connection goes on.
#[test]
fn streams_with_a_closed_window_are_reset() {
    let server = Server::start(&["--send-timeout-ms", "500"]);
    put_large(&server, "a", 200);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        builder.initial_stream_window_size(0).initial_connection_window_size(1 << 20);
        let (mut sender, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut unread = Vec::new();
        for _ in 0..100 {
            let request = hyper::Request::get(format!("{}/api/v1/kv/a", server.url))
                .header("accept", "application/json")
                .body(Empty::<Bytes>::new())
                .unwrap();
            sender.ready().await.unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            unread.push(response);
        }
        let free = async {
            for response in unread {
                let body = response.into_body().collect().await;
                assert!(body.is_err(), "the answer was reset before its end");
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, free).await.expect("the streams are reset");
        let request = hyper::Request::head(format!("{}/live", server.url)).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200, "the connection goes on");
    });
    wait_until_free(&server);
    server.check_alive();
}
