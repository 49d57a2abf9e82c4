//! What the program keeps when it is killed, and what it refuses to start on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;

use crate::support::{Server, failure, pause, program, run_with};

const POLICIES: [&str; 3] = ["always", "interval:20", "never"];

fn start(data: &Path, durability: &str) -> Server {
    Server::start(&["--data", data.to_str().unwrap(), "--durability", durability])
}

/// Sends a request and returns the whole answer.
fn send(server: &Server, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n");
    server.exchange(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
}

/// The one file whose name begins so.
fn file(data: &Path, beginning: &str) -> PathBuf {
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let mut named = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(beginning));
    named.next().unwrap_or_else(|| panic!("no {beginning}"))
}

#[test]
fn what_was_answered_survives_a_kill() {
    for durability in POLICIES {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let mut server = start(&data, durability);
        assert!(server.greeting.contains("new store"), "{}", server.greeting);
        let put = send(&server, "PUT", "/api/v1/kv/greeting", "hello");
        let durable = if durability == "always" { "mantisdb-durable: true" } else { "mantisdb-durable: " };
        assert!(put.starts_with("HTTP/1.1 201") && put.contains(durable), "{put}");
        let batch =
            r#"{"operations":[{"op":"set","key":"a","value":"1"},{"op":"increment","key":"a","by":2}],"atomic":true}"#;
        let request = format!(
            "POST /api/v1/buckets/other/kv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{batch}",
            batch.len()
        );
        assert!(server.exchange(request.as_bytes()).starts_with("HTTP/1.1 200"));
        server.child.kill().unwrap();
        server.child.wait().unwrap();

        let server = start(&data, durability);
        assert!(
            server.greeting.contains("at version 2") && server.greeting.contains(durability),
            "{}",
            server.greeting
        );
        assert!(send(&server, "GET", "/api/v1/kv/greeting", "").ends_with("hello"));
        assert!(send(&server, "GET", "/api/v1/buckets/other/kv/a", "").ends_with('3'));
        assert!(send(&server, "GET", "/stats", "").contains("\"synced_version\":2"));
    }
}

#[test]
fn a_directory_belongs_to_one_server_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), "always");
    let mut second = program();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data", directory.path().to_str().unwrap()]);
    let (code, message) = failure(&run_with(second, b""));
    assert_eq!(code, 4, "{message}");
    assert!(message.contains("another process") && message.contains("hint:"), "{message}");
    server.check_alive();
}

#[test]
fn damage_is_refused_with_file_and_offset_and_nothing_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let server = start(data, "always");
    for key in ["a", "b", "c"] {
        assert!(send(&server, "PUT", &format!("/api/v1/kv/{key}"), "value").starts_with("HTTP/1.1 201"));
    }
    drop(server);
    let log = file(data, "log-");
    let mut bytes = fs::read(&log).unwrap();
    // In the first record, which later ones prove durable.
    bytes[100] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    let (code, message) = failure(&run_with(command, b""));
    assert_eq!(code, 4, "{message}");
    for part in ["log-00000000000000000000.mantis", "offset 64", "nothing was changed"] {
        assert!(message.contains(part), "{message:?} says {part:?}");
    }
    assert_eq!(fs::read(&log).unwrap(), bytes);
}

/// Puts numbered values, one after the other, until the server is gone. Returns what was answered, and what was sent last.
fn put_until_killed(address: std::net::SocketAddr, writer: usize, round: usize) -> (Vec<String>, Option<String>) {
    let mut acknowledged = Vec::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return (acknowledged, None) };
    for number in 0.. {
        let key = format!("w{writer}-r{round}-n{number}");
        let request = format!(
            "PUT /api/v1/kv/{key} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{key}",
            key.len()
        );
        let mut answer = [0; 1024];
        let answered = stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut answer));
        match answered {
            Ok(read) if answer[..read].starts_with(b"HTTP/1.1 201") => acknowledged.push(key),
            _ => return (acknowledged, Some(key)),
        }
    }
    (acknowledged, None)
}

/// The keys that the server has, with their values.
fn contents(server: &Server) -> BTreeMap<String, String> {
    let exported = server.ok(&["export"]);
    let records = exported.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    records.map(|record| (text(&record["key"]), text(&record["value"]))).collect()
}

/// Cycles of writing and killing. More by `MANTIS_TORTURE=20`.
#[test]
fn a_ledger_of_acknowledgements_holds_through_kills() {
    const WRITERS: usize = 4;
    let times: usize = std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap());
    let mut cycles = 0;
    for durability in POLICIES {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = BTreeMap::new();
        for round in 0..17 * times {
            let mut server = start(directory.path(), durability);
            let address = server.address;
            let writers: Vec<_> =
                (0..WRITERS).map(|writer| thread::spawn(move || put_until_killed(address, writer, round))).collect();
            pause(10 + 13 * (round as u64 % 7));
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            let mut open = Vec::new();
            for writer in writers {
                let (acknowledged, unanswered) = writer.join().unwrap();
                ledger.extend(acknowledged.into_iter().map(|key| (key.clone(), key)));
                open.extend(unanswered);
            }
            let server = start(directory.path(), durability);
            let found = contents(&server);
            for (key, value) in &ledger {
                assert_eq!(found.get(key), Some(value), "{durability}: an acknowledged write is gone");
            }
            for (key, value) in found {
                assert!(ledger.contains_key(&key) || open.contains(&key), "{durability}: {key} was never answered");
                // What was not answered may have happened; from now on it is known to have.
                ledger.insert(key, value);
            }
            cycles += 1;
        }
        assert!(ledger.len() > 17, "{durability}: {} writes", ledger.len());
    }
    println!("{cycles} cycles");
}
