//! What the program keeps after a kill, and what it refuses to start on.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use crate::plugins;
use crate::support::{PATIENCE, Server, failure, pause, program, read_all, run_with};

pub(crate) const POLICIES: [&str; 3] = ["always", "interval:20", "never"];

pub(crate) fn start(data: &Path, durability: &str) -> Server {
    Server::start(&["--data", data.to_str().unwrap(), "--durability", durability])
}

/// Sends a request and returns the whole answer.
pub(crate) fn send(server: &Server, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n");
    server.exchange(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
}

fn send_json(server: &Server, path: &str, body: &str) -> String {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n");
    server.exchange(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

/// The one file whose name begins like this.
fn file(data: &Path, beginning: &str) -> PathBuf {
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let mut named = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(beginning));
    named.next().unwrap_or_else(|| panic!("no {beginning}"))
}

#[test]
fn acknowledged_writes_survive_a_kill() {
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
        let applied = send_json(&server, "/api/v1/buckets/other/kv", batch);
        assert!(applied.starts_with("HTTP/1.1 200") && applied.contains(durable), "{applied}");
        for (method, path, body, version) in [
            ("POST", "/api/v1/kv/visits/increment", "", 3),
            ("DELETE", "/api/v1/kv?prefix=vis", "", 4),
            ("PUT", "/api/v1/buckets/gone/kv/a", "1", 5),
            ("DELETE", "/api/v1/buckets/gone?drop=true", "", 7),
        ] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let done = server.exchange(request.as_bytes());
            assert!(done.starts_with("HTTP/1.1 20") && done.contains(durable), "{method} {path}: {done}");
            assert!(done.contains(&format!("mantisdb-version: {version}\r\n")), "{method} {path}: {done}");
        }
        let component = plugins::counter();
        server.ok(&["plugin", "put", "counter", component.to_str().unwrap(), "--grant", "counters:write"]);
        let called = send_json(&server, "/api/v1/plugins/counter/call/increment", r#"["visits",5]"#);
        assert!(called.starts_with("HTTP/1.1 200") && called.contains(durable), "{called}");
        assert!(called.contains("mantisdb-version: 9\r\n") && called.ends_with("\r\n\r\n5"), "{called}");
        server.child.kill().unwrap();
        server.child.wait().unwrap();

        let server = start(&data, durability);
        assert!(
            server.greeting.contains("at version 9") && server.greeting.contains(durability),
            "{}",
            server.greeting
        );
        assert!(send(&server, "GET", "/api/v1/kv/greeting", "").ends_with("hello"));
        assert!(send(&server, "GET", "/api/v1/buckets/other/kv/a", "").ends_with('3'));
        assert!(send(&server, "GET", "/stats", "").contains("\"synced_version\":9"));
    }
}

/// While the store is read the port is open: the server lives, is not ready, and says why.
#[test]
fn a_server_that_opens_a_large_log_is_not_ready_yet() {
    const VALUE_BYTES: usize = 8 << 20;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut server = Server::start(&["--data", data, "--durability", "never", "--checkpoint-bytes", "10Gi"]);
    let address = server.address;
    let value = "x".repeat(VALUE_BYTES);
    for key in 0..32 {
        assert!(send(&server, "PUT", &format!("/api/v1/kv/{key}"), &value).starts_with("HTTP/1.1 201"));
    }
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    drop(server);
    // Asks from before it is there until it is ready.
    let asking = std::thread::spawn(move || {
        let ask = |path: &str| -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream
                .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
            Ok(read_all(&mut stream))
        };
        let mut answers = Vec::new();
        #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
        let begun = std::time::Instant::now();
        while begun.elapsed() < PATIENCE {
            for path in ["/live", "/ready"] {
                // Nobody listens yet, or the connection came while one part of the program took over from another.
                let Some(answer) = ask(path).ok().filter(|answer| !answer.is_empty()) else { continue };
                let is_ready = path == "/ready" && answer.starts_with("HTTP/1.1 200");
                answers.push((path, answer));
                if is_ready {
                    return answers;
                }
            }
            pause(1);
        }
        answers
    });
    let mut again = program();
    again.args(["serve", "--listen", &address.to_string(), "--data", data]);
    let server = Server::spawn(again);
    let answers = asking.join().unwrap();
    let opening = answers.iter().filter(|(path, answer)| {
        *path == "/ready" && answer.starts_with("HTTP/1.1 503") && answer.contains("the store is being opened")
    });
    assert!(opening.count() > 0, "{} answers", answers.len());
    for (path, answer) in &answers {
        assert!(*path == "/ready" || answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert!(answers.last().unwrap().1.starts_with("HTTP/1.1 200"), "it is ready in the end");
    assert!(send(&server, "GET", "/api/v1/kv/31", "").len() > VALUE_BYTES);
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
fn damage_is_reported_with_file_and_offset_and_nothing_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let server = start(data, "always");
    for key in ["a", "b", "c"] {
        assert!(send(&server, "PUT", &format!("/api/v1/kv/{key}"), "value").starts_with("HTTP/1.1 201"));
    }
    drop(server);
    let log = file(data, "log-");
    let mut bytes = fs::read(&log).unwrap();
    // In the first record, whose durability later ones prove.
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
