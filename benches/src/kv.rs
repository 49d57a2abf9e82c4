//! Keys, values, requests and filling: the same for MantisDB, Redis and Redis behind webdis.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::load::{Load, Protocol, digits, put_digits};

/// Keys of a batch while a store is filled: few enough that the garbage of a batch does not count.
const FILL_KEYS: u64 = 1_000;

/// Whose paths a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MantisDB's.
    MantisDb,
    /// webdis's.
    Webdis,
}

/// The `n`-th key: 24 bytes.
#[must_use]
pub fn key(n: u64) -> String {
    format!("key:{n:020}")
}

/// 64 bytes that name their key.
#[must_use]
pub fn value(n: u64) -> String {
    format!("{n:064}")
}

/// Reads 64 constant bytes: a floor.
#[must_use]
pub fn constant(port: u16, connections: usize) -> Load {
    Load {
        protocol: Protocol::Http,
        port,
        connections,
        clock_stride: 32,
        request: Arc::new(|_, buffer| buffer.extend_from_slice(b"GET /constant HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")),
        check: Arc::new(|_, status, body| status == 200 && body.len() == 64),
    }
}

/// Reads one of `keys` keys a request, and checks its value.
#[must_use]
pub fn get(dialect: Dialect, port: u16, connections: usize, keys: u64) -> Load {
    let (before, after) = match dialect {
        Dialect::MantisDb => ("/api/v1/kv/", ""),
        Dialect::Webdis => ("/GET/", ".txt"),
    };
    let request = format!("GET {before}{}{after} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", key(0)).into_bytes();
    let key_end = 4 + before.len() + key(0).len();
    Load {
        protocol: Protocol::Http,
        port,
        connections,
        clock_stride: 32,
        request: Arc::new(move |n, buffer| {
            buffer.extend_from_slice(&request);
            put_digits(&mut buffer[..key_end], n % keys);
        }),
        check: Arc::new(move |n, status, body| status == 200 && body.len() == 64 && digits(body) == Some(n % keys)),
    }
}

/// Writes one of `keys` keys a request.
#[must_use]
pub fn put(dialect: Dialect, port: u16, connections: usize, keys: u64) -> Load {
    let (before, expected): (_, &[u16]) = match dialect {
        Dialect::MantisDb => ("/api/v1/kv/", &[201, 204]),
        Dialect::Webdis => ("/SET/", &[200]),
    };
    let head = "HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n";
    let request = format!("PUT {before}{} {head}{}", key(0), value(0)).into_bytes();
    let key_end = 4 + before.len() + key(0).len();
    let is_webdis = dialect == Dialect::Webdis;
    Load {
        protocol: Protocol::Http,
        port,
        connections,
        clock_stride: 32,
        request: Arc::new(move |n, buffer| {
            buffer.extend_from_slice(&request);
            put_digits(&mut buffer[..key_end], n % keys);
            put_digits(buffer, n % keys);
        }),
        // webdis says in the body whether Redis took it.
        check: Arc::new(move |_, status, body| {
            expected.contains(&status) && (!is_webdis || body == br#"{"SET":[true,"OK"]}"#)
        }),
    }
}

/// Gives the keys from `first` to below `end` their values.
///
/// # Errors
/// MantisDB does not take them.
pub fn fill_mantisdb(port: u16, first: u64, end: u64) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    for first in (first..end).step_by(usize::try_from(FILL_KEYS)?) {
        let operations: Vec<_> = (first..(first + FILL_KEYS).min(end))
            .map(|n| serde_json::json!({"op": "set", "key": key(n), "value": value(n)}))
            .collect();
        let count = operations.len();
        let body = serde_json::json!({ "operations": operations }).to_string();
        let length = body.len();
        let head = format!(
            "POST /api/v1/kv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let (head, body) = read_answer(&mut stream)?;
        let done = memchr::memmem::find_iter(&body, br#""success":true"#).count();
        ensure!(head.starts_with("http/1.1 200") && done == count, "{done} of {count} sets were done: {head}");
    }
    Ok(())
}

/// Gives the keys from `first` to below `end` their values.
///
/// # Errors
/// Redis does not take them.
pub fn fill_redis(port: u16, first: u64, end: u64) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut commands = Vec::new();
    for first in (first..end).step_by(1_000) {
        commands.clear();
        let last = (first + 1_000).min(end);
        for n in first..last {
            let (key, value) = (key(n), value(n));
            write!(commands, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len())?;
        }
        stream.write_all(&commands)?;
        let mut answers = vec![0; 5 * usize::try_from(last - first)?];
        stream.read_exact(&mut answers)?;
        ensure!(answers.chunks(5).all(|answer| answer == b"+OK\r\n"), "Redis refused a SET");
    }
    Ok(())
}

/// Reads an answer with a length: its head in lower case, and its body.
fn read_answer(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut answer = Vec::new();
    let mut chunk = vec![0; 65_536];
    loop {
        let read = stream.read(&mut chunk)?;
        ensure!(read > 0, "the server closed the connection");
        answer.extend_from_slice(&chunk[..read]);
        let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).context("no length")?;
        if answer.len() >= end + 4 + length.trim().parse::<usize>()? {
            return Ok((head, answer.split_off(end + 4)));
        }
    }
}
