//! How the server ends.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Server, pause, read_all, read_answer};

const HALF_A_PUT: &[u8] = b"PUT /api/v1/kv/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234";

#[test]
fn a_signal_lets_a_slow_request_finish() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&[]);
        let mut slow = server.connect();
        slow.write_all(HALF_A_PUT).unwrap();
        let mut idle = server.connect();
        idle.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        read_answer(&mut idle);
        pause(100);

        server.signal(signal);
        assert_eq!(idle.read(&mut [0]).unwrap(), 0, "an idle connection is closed at once");
        pause(300);
        assert!(TcpStream::connect(server.address).is_err(), "no more connections are taken");
        assert!(server.child.try_wait().unwrap().is_none(), "it waits for the request");
        slow.write_all(b"56789").unwrap();
        let answer = read_all(&mut slow);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        assert_eq!(server.wait(), Some(0));
        assert!(server.log().contains("stopped"));
    }
}

#[test]
fn the_deadline_cuts_off_what_does_not_finish() {
    let mut server = Server::start(&["--drain-timeout-ms", "300"]);
    let mut slow = server.connect();
    slow.write_all(HALF_A_PUT).unwrap();
    pause(100);
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    assert_eq!(read_all(&mut slow), "");
    assert!(server.log().contains("closed at the shutdown deadline"));
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let mut server = Server::start(&[]);
    let mut slow = server.connect();
    slow.write_all(HALF_A_PUT).unwrap();
    pause(100);
    server.signal("-TERM");
    pause(200);
    server.signal("-INT");
    assert_eq!(server.wait(), Some(128 + 2));
}

#[test]
fn streams_end_with_the_server() {
    let mut server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(b"GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.signal("-TERM");
    read_all(&mut stream);
    assert_eq!(server.wait(), Some(0));
}
