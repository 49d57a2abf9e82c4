//! Many keys that expire at once.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{PATIENCE, Server, pause};

const KEYS: u64 = 200_000;
/// Time to live in seconds, enough for most of them to exist at once.
const TTL_S: &str = "25";
/// The part of some 100 MB that may stay resident when they are gone.
const LEFT_KIB_MAX: u64 = 32 << 10;

fn store_figures(server: &Server) -> Value {
    let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut stats: Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
    stats["store"].take()
}

/// The feed is small, so that it does not keep them in memory.
#[test]
fn many_expired_keys_give_their_memory_back() {
    let server = Server::start(&["--feed-bytes-max", "1000000"]);
    let lines = (0..KEYS).fold(String::new(), |mut lines, number| {
        let _ = writeln!(lines, "{number},{}", "x".repeat(300));
        lines
    });
    let before_kib = server.resident_kib();
    let import = ["import", "--no-order", "--format", "csv", "--no-header", "--key", "1", "--ttl", TTL_S];
    let output = server.run_with(&import, lines.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let (full, full_kib) = (store_figures(&server), server.resident_kib());
    let keys = full["keys"].as_u64().unwrap();
    assert_eq!(full["deadlines"], keys);
    assert_eq!(full["expired"], KEYS - keys);
    assert!(full_kib > before_kib + keys * 300 / 1024, "{full_kib} KiB with {keys} keys, and {before_kib} before");

    let (mut left, mut after_kib) = (full, full_kib);
    for _ in 0..4 * PATIENCE.as_millis() / 200 {
        pause(200);
        (left, after_kib) = (store_figures(&server), server.resident_kib());
        if left["versions"] == 0 && after_kib < before_kib + LEFT_KIB_MAX {
            break;
        }
    }
    println!("{KEYS} keys: {before_kib} KiB resident before, {full_kib} with them, {after_kib} after");
    for name in ["keys", "key_bytes", "value_bytes", "versions", "deadlines", "prune_backlog"] {
        assert_eq!(left[name], 0, "{name} of {left}");
    }
    assert_eq!(left["expired"], KEYS);
    assert!(
        after_kib < before_kib + LEFT_KIB_MAX,
        "{after_kib} KiB stay resident of {full_kib}; {before_kib} were before"
    );
}
