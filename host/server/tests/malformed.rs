//! A thousand malformed requests in a row: each is refused as documented or its connection closed, and nothing remains open.

use std::io::Write;
use std::net::Shutdown;

use crate::support::{Server, pause, read_all};

/// The additional memory that a server may hold after a thousand of them. It keeps some buffers for later ones.
const LEFT_KIB_MAX: u64 = 16 << 10;

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn text(&mut self, bytes_max: usize) -> String {
        (0..=self.below(bytes_max)).map(|_| self.one_of(&['a', 'Z', '7', '-', '_'])).collect()
    }
}

/// A request, and the start of its answer.
struct Malformed {
    request: Vec<u8>,
    /// Without the rest of the request the server would wait: the client hangs up, and may then get no answer.
    is_cut_off: bool,
    answer_start: &'static str,
}

/// Sends a thousand requests, each on its own connection, and checks each answer.
#[track_caller]
fn check(seed: u64, malformed: impl Fn(&mut Numbers) -> Malformed) {
    let server = Server::start(&[]);
    server.check_alive();
    let before_kib = server.resident_kib();
    let mut numbers = Numbers(seed);
    for count in 0..1_000 {
        let Malformed { request, is_cut_off, answer_start } = malformed(&mut numbers);
        let mut stream = server.connect();
        // The server may close before it has read everything.
        let _ = stream.write_all(&request);
        if is_cut_off {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let answer = read_all(&mut stream);
        let is_expected = answer.starts_with(answer_start) || (is_cut_off && answer.is_empty());
        assert!(is_expected && !is_failure(&answer), "request {count}: {}\nanswer: {answer}", request.escape_ascii());
    }
    server.check_alive();
    let mut after_kib = server.resident_kib();
    for _ in 0..50 {
        if after_kib < before_kib + LEFT_KIB_MAX {
            break;
        }
        pause(100);
        after_kib = server.resident_kib();
    }
    println!("1,000 malformed requests: {before_kib} KiB before, {after_kib} after");
    assert!(after_kib < before_kib + LEFT_KIB_MAX, "{before_kib} KiB before, {after_kib} after");
}

/// The server's message that it failed itself.
fn is_failure(answer: &str) -> bool {
    answer.split(' ').nth(1).is_some_and(|status| status.starts_with('5'))
}

/// Each breaks one rule, and the answer names it.
#[test]
fn each_broken_rule_is_answered() {
    check(42, broken);
}

/// Well-formed requests with bytes changed, removed, inserted and repeated. Some are still requests, so any answer is allowed except that
/// the server failed.
#[test]
fn garbled_requests_do_no_harm() {
    let seeds: [&[u8]; 6] = [
        b"GET /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /api/v1/kv HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"PUT /api/v1/kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\0\0\0\0\0\x02\x04\x10\x10\t\x0e\x07\x07",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n",
    ];
    check(7, |numbers| {
        let mut request = numbers.one_of(&seeds).to_vec();
        for _ in 0..=numbers.below(4) {
            let place = numbers.below(request.len());
            match numbers.below(4) {
                0 => request[place] = u8::try_from(numbers.below(256)).unwrap(),
                1 => drop(request.drain(place..(place + 1 + numbers.below(20)).min(request.len()))),
                2 => request.insert(place, numbers.one_of(b"\r\n\0 :%\xff")),
                _ => request.extend_from_within(place..),
            }
            if request.is_empty() {
                request.push(b'\n');
            }
        }
        Malformed { request, is_cut_off: true, answer_start: "" }
    });
}

/// A request that breaks one rule.
fn broken(numbers: &mut Numbers) -> Malformed {
    let key = numbers.text(40);
    let host = "Host: localhost\r\nConnection: close\r\n";
    let forbidden = char::from(numbers.one_of(b"(),/;<=>?@[]{}\"\\"));
    let control = char::from(u8::try_from(1 + numbers.below(8)).unwrap());
    let head = |line: &str, headers: &str| format!("{line} HTTP/1.1\r\n{host}{headers}\r\n");
    let get = |path: &str, headers: &str| head(&format!("GET {path}"), headers);
    let put = |headers: &str, body: &str| head(&format!("PUT /api/v1/kv/{key}"), headers) + body;
    let post = |body: &str| {
        let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        head("POST /api/v1/kv", &headers) + body
    };
    let rule = numbers.below(16);
    let request = match rule {
        0 => head(&format!("G{forbidden}T /api/v1/kv/{key}"), ""),
        1 => get(&format!("/api/v1/kv/{key} {key}"), ""),
        2 => get(&format!("/api/v1/kv/{key}{control}"), ""),
        3 => format!("GET /api/v1/kv/{key} HTTP/1.{}\r\n{host}\r\n", 2 + numbers.below(8)),
        4 => format!("GET /api/v1/kv/{key} HTT{}/1.1\r\n{host}\r\n", numbers.one_of(&["", "X", "P/", "p"])),
        5 => get("/live", &format!("X{forbidden}: 1\r\n")),
        6 => get("/live", &format!("X: {key}{control}\r\n")),
        7 => get("/live", &format!("{key}\r\n")),
        8 => put(&format!("Content-Length: {}\r\n", numbers.one_of(&["-1", "5x", "0x5", "5 5", "1e1", "+5"])), "hello"),
        9 => put("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        10 => put(
            "Transfer-Encoding: chunked\r\n",
            &format!("{}\r\n{key}\r\n0\r\n\r\n", numbers.one_of(&["z", "-1", "", ";"])),
        ),
        11 => put("Transfer-Encoding: chunked\r\n", &format!("ff\r\n{key}")),
        12 => put("Content-Length: 500\r\n", &key),
        13 => {
            let hosts = "Host: localhost\r\n".repeat(numbers.one_of(&[0, 2, 3]));
            format!("GET /live HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")
        }
        14 => get(&format!("/api/v1/kv/{key}%{}", numbers.one_of(&["", "2", "zz", "%41", "-1"])), ""),
        _ => {
            let operations = ["", "[", "[}", "[]", "[]}}", "nul", "[\u{1}]}", "[{\"op\" 1}]}"];
            post(&format!("{{\"operations\":{}", numbers.one_of(&operations)))
        }
    };
    Malformed { request: request.into_bytes(), is_cut_off: matches!(rule, 11 | 12), answer_start: "HTTP/1.1 400" }
}
