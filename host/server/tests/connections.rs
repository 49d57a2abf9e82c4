//! Many connections, idle connections, and both protocols on one port.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::{PATIENCE, Server, pause, read_all, read_answer};

const GET: &[u8] = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_connection_over_the_limit_is_refused_with_an_answer() {
    let server = Server::start(&["--connections-max", "3"]);
    let mut held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(GET).unwrap();
        assert!(read_answer(stream).starts_with("HTTP/1.1 200"));
    }
    let mut refused = server.connect();
    refused.write_all(GET).unwrap();
    let answer = read_all(&mut refused);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1") && answer.contains("connections-too-many"), "{answer}");
    drop(held.pop());
    pause(200);
    server.check_alive();
}

#[test]
fn an_idle_connection_is_closed_in_time_and_not_before() {
    let server = Server::start(&["--idle-timeout-ms", "3500"]);
    let mut fresh = server.connect();
    let mut used = server.connect();
    used.write_all(GET).unwrap();
    read_answer(&mut used);
    // By then its buffers are freed; it must still work.
    pause(2_600);
    used.write_all(GET).unwrap();
    assert!(read_answer(&mut used).starts_with("HTTP/1.1 200"));
    assert_eq!(fresh.read(&mut [0]).unwrap(), 0, "closed without an answer");
    assert_eq!(used.read(&mut [0]).unwrap(), 0, "closed without an answer");
    server.check_alive();
}

/// A request that arrives in pieces around the moment at which an idle connection frees its buffers loses none of them.
#[test]
fn parking_loses_no_byte() {
    let server = Server::start(&["--header-timeout-ms", "20000"]);
    let clients: Vec<_> = (0..40)
        .map(|place| {
            let mut stream = server.connect();
            std::thread::spawn(move || {
                for round in 0..3 {
                    stream.write_all(GET).unwrap();
                    assert!(read_answer(&mut stream).starts_with("HTTP/1.1 200"), "client {place}, round {round}");
                    pause(1_700 + place * 25);
                    stream.write_all(&GET[..5]).unwrap();
                    pause(place * 15);
                    stream.write_all(&GET[5..]).unwrap();
                    assert!(read_answer(&mut stream).starts_with("HTTP/1.1 200"), "client {place}, round {round}");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn both_protocols_are_spoken_on_one_port() {
    let server = Server::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..20 {
            let request = hyper::Request::get(format!("{}/live", server.url))
                .body(http_body_util::Empty::<bytes::Bytes>::new())
                .unwrap();
            sender.ready().await.unwrap();
            answers.push(sender.send_request(request));
        }
        for answer in answers {
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    });
    server.check_alive();
}

#[test]
fn head_of_a_stream_has_no_length() {
    let server = Server::start(&[]);
    let head =
        b"HEAD /api/v1/kv HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(head);
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("content-length"), "{answer}");
}

/// A client may announce that it will send no more, and still wants its answers.
#[test]
fn a_half_closed_client_gets_its_answers() {
    let server = Server::start(&[]);
    let put =
        |key: usize| format!("PUT /api/v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
    let get = |key: usize| format!("GET /api/v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let send = |requests: &str| {
        let mut stream = server.connect();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&mut stream)
    };
    for key in 0..100 {
        let answer = send(&put(key));
        assert!(answer.starts_with("HTTP/1.1 201 "), "put {key}: {answer:?}");
        let answer = send(&get(key));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "get {key}: {answer:?}");
    }
    for _ in 0..20 {
        let requests: String = (0..5).map(|key| put(key) + &get(key)).collect();
        let answers = send(&requests);
        assert_eq!(answers.matches("HTTP/1.1 204 ").count(), 5, "{answers:?}");
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 5, "{answers:?}");
    }
    server.check_alive();
}

/// Streams to a client that has gone end with their next event.
#[test]
fn a_stream_ends_with_its_client() {
    let server = Server::start(&[]);
    for path in ["/api/v1/changes", "/api/v1/changes?wait=30"] {
        let mut stream = server.connect();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
        pause(200);
        assert_eq!(streams_open(&server), 1, "{path}");
        drop(stream);
        for round in 0..100 {
            if streams_open(&server) == 0 {
                break;
            }
            assert!(round < 99, "{path} is still followed");
            server.exchange(
                b"PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1",
            );
            pause(50);
        }
    }
}

fn streams_open(server: &Server) -> u64 {
    let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let stats: serde_json::Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    stats["http"]["streams_open"].as_u64().unwrap()
}

/// Fails in less than the 15 seconds between keep-alives of a stream.
#[track_caller]
fn wait_until_none_is_followed(server: &Server) {
    for _ in 0..100 {
        if streams_open(server) == 0 {
            return;
        }
        pause(100);
    }
    panic!("{} are still followed", streams_open(server));
}

/// Streams without matching changes end soon after their clients have gone, whether anybody writes or not: others can open streams.
#[test]
fn a_filtered_stream_ends_with_its_client() {
    let server = Server::start(&["--streams-max", "10"]);
    let open = |query: &str| {
        let mut stream = server.connect();
        let head = format!("GET /api/v1/changes{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, String::from_utf8_lossy(&status).into_owned())
    };
    let put = || {
        server.exchange(
            b"PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1",
        )
    };
    for query in ["?bucket=quiet", "?bucket=quiet&wait=30", "?prefix=quiet"] {
        for writes in [true, false] {
            let held: Vec<_> = (0..10).map(|_| open(query)).collect();
            assert!(held.iter().all(|(_, status)| status == "HTTP/1.1 200"), "{held:?}");
            assert_eq!(open(query).1, "HTTP/1.1 503", "{query}: there is no more room");
            drop(held);
            if writes {
                for _ in 0..20 {
                    put();
                    pause(100);
                }
            }
            wait_until_none_is_followed(&server);
            let (eleventh, status) = open(query);
            assert_eq!(status, "HTTP/1.1 200");
            drop(eleventh);
            wait_until_none_is_followed(&server);
        }
    }
    server.check_alive();
}

/// A client that has announced that it will send no more may still listen.
#[test]
fn a_half_closed_client_keeps_its_stream() {
    let server = Server::start(&[]);
    let put = || {
        server.exchange(
            b"PUT /api/v1/kv/shown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1",
        )
    };
    for query in ["", "?wait=30"] {
        let mut stream = server.connect();
        let head = format!("GET /api/v1/changes{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // Longer than several checks of the client.
        pause(3_500);
        assert_eq!(streams_open(&server), 1, "{query}");
        put();
        let mut came = Vec::new();
        while !String::from_utf8_lossy(&came).contains("\"shown\"") {
            let mut bytes = [0; 512];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{query} ended: {}", String::from_utf8_lossy(&came));
            came.extend_from_slice(&bytes[..count]);
        }
        drop(stream);
        // Its absence is noticed when it is next sent something, at the next pause at the latest.
        put();
        wait_until_none_is_followed(&server);
    }
}

const HELD: usize = 10_000;
/// The resident memory that each of them may cost the server, with memory that the allocator has not given back yet.
const CONNECTION_BYTES_MAX: u64 = 64 << 10;
/// The memory that may remain when they are closed.
const LEFT_KIB_MAX: u64 = 24 << 10;

#[test]
fn ten_thousand_keep_alive_connections_are_held_and_their_memory_returns() {
    raise_descriptor_limit();
    let server = Server::start(&["--idle-timeout-ms", "600000"]);
    let before_kib = server.resident_kib();
    let mut held: Vec<TcpStream> = (0..HELD).map(|_| server.connect()).collect();
    for _ in 0..2 {
        for stream in &mut held {
            stream.write_all(GET).unwrap();
        }
        for stream in &mut held {
            assert!(read_answer(stream).starts_with("HTTP/1.1 200"));
        }
        // By then they have freed their buffers.
        pause(2_600);
    }
    assert_eq!(others_open(&server), HELD);
    let held_kib = server.resident_kib();
    drop(held);
    let (mut after_kib, mut are_gone) = (u64::MAX, false);
    for _ in 0..150 {
        // The previous connection may not be counted as closed yet: it is gone once the count has dropped.
        are_gone |= others_open(&server) == 0;
        after_kib = server.resident_kib();
        if are_gone && after_kib < before_kib + LEFT_KIB_MAX {
            break;
        }
        pause(100);
    }
    let each_bytes = (held_kib - before_kib) * 1024 / HELD as u64;
    println!(
        "{HELD} connections: {before_kib} KiB resident before, {held_kib} with them ({each_bytes} bytes each), {after_kib} after"
    );
    assert!(each_bytes < CONNECTION_BYTES_MAX);
    assert!(after_kib < before_kib + LEFT_KIB_MAX, "{after_kib} KiB stay");
    assert!(are_gone, "{} connections are still there", others_open(&server));
    server.check_alive();
}

/// Connections besides the one that asks.
fn others_open(server: &Server) -> usize {
    let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let stats: serde_json::Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    usize::try_from(stats["http"]["connections_open"].as_u64().unwrap()).unwrap() - 1
}

/// Both sides need a descriptor for each connection: each is a process of its own, and the server raises its limit itself.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(most >= HELD as u64 + 1_000, "a process here has at most {most} open files: raise it with `ulimit -Hn`");
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// A server whose only session is taken by a transaction: every other request waits for one.
fn occupied() -> (Server, String) {
    occupied_with(&[])
}

fn occupied_with(others: &[&str]) -> (Server, String) {
    let flags = [
        "--pool-max",
        "1",
        "--pool-min-idle",
        "1",
        "--pool-wait-timeout-ms",
        "50000",
        "--transaction-idle-ms",
        "50000",
    ];
    let server = Server::start(&[&flags, others].concat());
    let begin =
        b"POST /api/v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let begun = server.exchange(begin);
    let id = begun.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (server, id)
}

fn waiting(server: &Server) -> u64 {
    pool_figure(server, "waiting_requests")
}

fn pool_figure(server: &Server, name: &str) -> u64 {
    let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let stats: serde_json::Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    stats["pool"][name].as_u64().unwrap()
}

/// The wait alone may take longer.
#[test]
fn a_request_gets_a_session_within_the_time_of_an_acquisition() {
    let (server, _) = occupied_with(&["--pool-acquire-timeout-ms", "200ms"]);
    let refused = server.exchange(b"GET /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("\r\nretry-after: "), "{refused}");
    assert!(refused.contains("\"overloaded\"") && refused.contains("acquire_timeout"), "{refused}");
    assert_eq!(pool_figure(&server, "wait_timeouts"), 1);
}

#[test]
fn a_request_that_waits_ends_with_its_client() {
    let (server, _) = occupied();
    let mut stream = server.connect();
    stream.write_all(b"GET /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    while waiting(&server) == 0 {
        pause(20);
    }
    drop(stream);
    for _ in 0..200 {
        if waiting(&server) == 0 {
            return;
        }
        pause(50);
    }
    panic!("the request of a client that has gone still waits");
}

/// It is checked with an interim answer, which clients of HTTP/1.1 pass over, and gets its own.
#[test]
fn a_request_that_waits_stays_with_a_client_that_has_only_said_all() {
    for (version, interim) in [("1.1", true), ("1.0", false)] {
        let (server, id) = occupied();
        let mut stream = server.connect();
        let get = format!("GET /api/v1/kv/a HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(get.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        while waiting(&server) == 0 {
            pause(20);
        }
        pause(3_500);
        assert_eq!(waiting(&server), 1, "HTTP/{version}");
        let end = format!("DELETE /api/v1/transactions/{id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(server.exchange(end.as_bytes()).starts_with("HTTP/1.1 204"));
        let answer = read_all(&mut stream);
        assert_eq!(answer.starts_with("HTTP/1.1 102 Processing\r\n\r\n"), interim, "{answer}");
        assert!(answer.contains(" 404 ") && answer.contains("key-not-found"), "{answer}");
    }
}

/// How reading ends: with an error, or at the end of what a client of HTTP/1.0 takes for the whole answer.
fn end_of(stream: &mut TcpStream) -> Option<ErrorKind> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Some(error.kind()),
        }
    }
}

/// Over HTTP/1.0 an answer of unknown length ends with its connection, and one that is not complete must not look as if it were.
#[test]
fn an_answer_of_http_1_0_that_is_not_complete_ends_in_a_reset() {
    // A change that the memory in flight has no room for breaks off the feed.
    let limits = ["--value-bytes-max", "1Mi", "--body-bytes-max", "2Mi", "--plugin-component-bytes-max", "2Mi"];
    let server = Server::start(&[&limits[..], &["--in-flight-bytes-max", "4Mi"]].concat());
    let mut stream = server.connect();
    stream
        .write_all(
            b"GET /api/v1/changes?values=true HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n",
        )
        .unwrap();
    assert!(stream.read(&mut [0; 8 << 10]).unwrap() > 0);
    let value = vec![0; 1 << 20];
    let output = server.run_with(&["put", "zeros", "-", "--media-type", "text/plain"], &value);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(end_of(&mut stream), Some(ErrorKind::ConnectionReset));

    // And so does a client that reads nothing for too long.
    let server = Server::start(&["--send-timeout-ms", "500"]);
    server.ok(&["table", "create", "many", "--column", "n:bigint", "--column", "text:text", "--primary-key", "n"]);
    let text = "x".repeat(1_000);
    let rows = (0..30_000).map(|number| format!("{number},{text}\n")).collect::<Vec<_>>().concat();
    let output = server.run_with(&["table", "import", "many", "--columns", "n,text"], rows.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let mut stream = server.connect();
    stream.write_all(b"GET /api/v1/tables/many HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(stream.read(&mut [0; 1 << 10]).unwrap() > 0);
    let streams = || {
        let stats: serde_json::Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
        stats["http"]["streams_open"].as_u64().unwrap()
    };
    for _ in 0..PATIENCE.as_millis() / 100 {
        if streams() == 0 {
            break;
        }
        pause(100);
    }
    assert_eq!(streams(), 0, "the answer has ended");
    assert_eq!(end_of(&mut stream), Some(ErrorKind::ConnectionReset));
}
