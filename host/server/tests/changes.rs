//! The change feed across a restart of the server: a client resumes, or learns that the changes it missed are no longer kept.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::support::{PATIENCE, Server, pause};

/// An event of the feed: its `id` and its key.
type Event = (String, String);

/// A stream of events.
struct Events(BufReader<TcpStream>);

impl Events {
    /// Opens the stream. Returns its status, and the body's code if it is a problem.
    fn open(server: &Server, query: &str, last_event_id: Option<&str>) -> (Self, String) {
        let mut stream = server.connect();
        let resume = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!("GET /api/v1/changes{query} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n");
        stream.write_all(format!("{head}{resume}\r\n").as_bytes()).unwrap();
        let mut events = Self(BufReader::new(stream));
        let status = events.line();
        while !events.line().is_empty() {}
        (events, status)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.truncate(line.trim_end().len());
        line
    }

    /// The next event; `None` for one without data.
    fn next(&mut self) -> Event {
        let mut id = String::new();
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let change: Value = serde_json::from_str(data).unwrap();
                return (id, change["key"].as_str().unwrap().to_owned());
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next()).collect()
    }
}

fn send(server: &Server, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    server.exchange(head.as_bytes())
}

#[track_caller]
fn put(server: &Server, key: &str, value: &str) {
    let answer = send(server, "PUT", &format!("/kv/{key}"), value);
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

fn start(data: &Path, more: &[&str]) -> Server {
    Server::start(&[&["--data", data.to_str().unwrap()], more].concat())
}

/// Ends a server with SIGKILL, or cleanly.
fn end(mut server: Server, kill: bool) {
    if kill {
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    } else {
        server.signal("-TERM");
        assert_eq!(server.wait(), Some(0), "{}", server.log());
    }
}

#[track_caller]
fn check_resume(durability: &str, kill: bool) {
    let directory = tempfile::tempdir().unwrap();
    let start = || start(directory.path(), &["--durability", durability]);
    let mut server = start();
    let mut wanted = Vec::new();
    let mut seen: Vec<Event> = Vec::new();
    for life in 0..3 {
        // The stream was cut in the middle: the changes not yet shown come first, then new ones.
        let last = seen.last().map(|(id, _)| id.clone());
        let query = if life == 0 { "?since=earliest" } else { "" };
        let (mut events, status) = Events::open(&server, query, last.as_deref());
        assert_eq!(status, "HTTP/1.1 200 OK");
        for number in 0..5 {
            let key = format!("{life}-{number}");
            put(&server, &key, "value");
            wanted.push(key);
        }
        let left = wanted.len() - seen.len() - 2;
        seen.extend(events.take(left));
        end(server, kill);
        server = start();
    }
    let (mut events, _) = Events::open(&server, "", seen.last().map(|(id, _)| id.as_str()));
    put(&server, "last", "value");
    wanted.push("last".into());
    seen.extend(events.take(3));
    let keys: Vec<_> = seen.iter().map(|(_, key)| key.clone()).collect();
    assert_eq!(keys, wanted, "{durability}, killed: {kill}");
    // From the beginning, all of it is shown again, under the same cursors.
    assert_eq!(Events::open(&server, "?since=earliest", None).0.take(wanted.len()), seen);
}

#[test]
fn a_stream_resumes_from_its_last_event_after_a_restart() {
    for durability in ["always", "interval:20", "never"] {
        for kill in [true, false] {
            check_resume(durability, kill);
        }
    }
}

/// The cursor after the first change.
fn first_cursor(server: &Server) -> String {
    Events::open(server, "?since=earliest", None).0.next().0
}

/// The changes after a cursor are gone: as a page and as a stream.
#[track_caller]
fn check_compacted(server: &Server, cursor: &str) {
    let page = send(server, "GET", &format!("/changes?since={cursor}"), "");
    assert!(page.starts_with("HTTP/1.1 410") && page.contains("\"code\":\"compacted\""), "{page}");
    for (query, last) in [(format!("?since={cursor}"), None), (String::new(), Some(cursor))] {
        let (_, status) = Events::open(server, &query, last);
        assert!(status.starts_with("HTTP/1.1 410"), "{status}");
    }
}

#[test]
fn history_beyond_its_bytes_is_gone_after_a_restart_too() {
    for kill in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        // With segments much smaller than the history, so that the log can be truncated.
        let start = || start(directory.path(), &["--feed-bytes-max", "40000", "--checkpoint-bytes", "20000"]);
        let server = start();
        put(&server, "first", "value");
        let cursor = first_cursor(&server);
        for number in 0..200 {
            put(&server, &format!("{number:03}"), &"x".repeat(1_000));
        }
        check_compacted(&server, &cursor);
        let (id, oldest) = Events::open(&server, "?since=earliest", None).0.next();
        end(server, kill);
        let server = start();
        check_compacted(&server, &cursor);
        // At most the changes kept before are kept now; from there on, all are shown.
        let (_, status) = Events::open(&server, "", Some(&id));
        let (_, kept) = Events::open(&server, "?since=earliest", None).0.next();
        assert!(kept >= oldest, "{kept} was forgotten before");
        assert!(status.starts_with("HTTP/1.1 200") || kept > oldest, "{status}");
        let first: usize = kept.parse().unwrap();
        assert!((10..190).contains(&(200 - first)), "{} changes of 1 KB are kept within 40 KB", 200 - first);
        let shown = Events::open(&server, "?since=earliest", None).0.take(200 - first);
        assert!(shown.iter().map(|(_, key)| key.clone()).eq((first..200).map(|number| format!("{number:03}"))));
    }
}

#[test]
fn history_beyond_its_age_is_gone_after_a_restart_too() {
    for kill in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let start = || start(directory.path(), &["--feed-age-ms-max", "1500"]);
        let server = start();
        put(&server, "first", "value");
        put(&server, "second", "value");
        let cursor = first_cursor(&server);
        end(server, kill);
        pause(1_600);
        let server = start();
        // Housekeeping runs a few times a second.
        for _ in 0..PATIENCE.as_millis() / 50 {
            put(&server, "third", "value");
            let page = send(&server, "GET", &format!("/changes?since={cursor}"), "");
            if page.starts_with("HTTP/1.1 410") {
                break;
            }
            assert!(page.contains("\"second\""), "a silent gap: {page}");
            pause(50);
        }
        check_compacted(&server, &cursor);
        assert!(send(&server, "GET", "/kv/first", "").starts_with("HTTP/1.1 200"));
    }
}
