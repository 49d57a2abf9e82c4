//! Many clients over HTTP that write the same rows: no statement meets 40001, and nobody waits for ever.
//!
//! `MANTIS_TORTURE=n` makes n times as many requests: 400 are ten thousand rounds of each of the 16 clients. It prints how many rows a
//! second that was, and how far apart the first and the last client ended.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ledger::client::{Connection, JSON};
use crate::support::Server;

const CLIENTS: u64 = 16;
const ROUNDS: u64 = 25;

fn rounds() -> u64 {
    ROUNDS * std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse::<u64>().unwrap())
}

const UPSERT: &str = "Content-Type: application/json\r\nPrefer: resolution=merge-duplicates\r\n";

#[track_caller]
fn send(connection: &mut Connection, method: &str, path: &str, headers: &str, body: &Value, good: &[u16]) -> u64 {
    let begun = now();
    connection.send(method, path, headers, &body.to_string()).unwrap().must_be(good);
    u64::try_from(begun.elapsed().as_micros()).unwrap()
}

#[allow(clippy::disallowed_methods, reason = "a measurement of a native program")]
fn now() -> Instant {
    Instant::now()
}

fn with_tables() -> Server {
    let server = Server::start(&["--memory"]);
    let mut connection = Connection::new(server.address).unwrap();
    let counter = json!({
        "columns": [
            {"name": "id", "type": "integer", "nullable": false}, {"name": "n", "type": "integer"},
            {"name": "by", "type": "text"}
        ],
        "primary_key": ["id"], "indexes": [{"columns": ["n"]}], "unique": [["by"]]
    });
    let child = json!({
        "columns": [{"name": "id", "type": "bigint", "identity": true}, {"name": "counter", "type": "integer"}],
        "primary_key": ["id"], "indexes": [{"columns": ["counter"]}],
        "foreign_keys": [{"columns": ["counter"], "references": {"table": "counter", "columns": ["id"]}}]
    });
    for (name, table) in [("counter", counter), ("child", child)] {
        send(&mut connection, "PUT", &format!("/schema/tables/{name}"), JSON, &table, &[201]);
    }
    server
}

/// Upserts of one row, of rows that neighbours write too, and updates of whatever has a number by then.
fn round(connection: &mut Connection, client: u64, round: u64, figures: &Figures) {
    let own = |id: u64| json!({ "id": id, "n": round % 50, "by": format!("row {id}") });
    let one = json!({ "id": 1, "n": client, "by": "row 1" });
    let two = json!([own(10 + client), own(10 + (client + 1) % CLIENTS)]);
    let patch = json!({ "n": (round + client) % 50 });
    let upsert = "/tables/counter";
    for (method, path, headers, body) in [
        ("POST", upsert.to_owned(), UPSERT, one),
        ("POST", upsert.to_owned(), UPSERT, two),
        ("PATCH", format!("/tables/counter?n=gte.{}&n=lt.{}", client % 4 * 10, client % 4 * 10 + 20), JSON, patch),
    ] {
        let took_us = send(connection, method, &path, headers, &body, &[200, 201, 204]);
        figures.longest_us.fetch_max(took_us, Ordering::Relaxed);
        figures.answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Figures {
    answered: AtomicU64,
    longest_us: AtomicU64,
    /// When each client ended.
    ended: Mutex<Vec<Duration>>,
}

impl Figures {
    fn print(&self, what: &str, begun: Instant, server: SocketAddr) {
        let took = begun.elapsed();
        let answered = self.answered.load(Ordering::Relaxed);
        let ended = self.ended.lock().unwrap();
        let stats = Connection::new(server).unwrap().get("/stats");
        #[allow(clippy::cast_precision_loss, reason = "a figure to read")]
        let rate = answered as f64 / took.as_secs_f64();
        println!(
            "{what}: {answered} statements in {took:?}, {rate:.0} a second; the longest took {} us; clients ended from {:?} to {:?}; {} conflicts",
            self.longest_us.load(Ordering::Relaxed),
            ended.iter().min().unwrap(),
            ended.iter().max().unwrap(),
            stats["store"]["conflicts"]
        );
    }
}

#[test]
fn upserts_of_one_row_and_updates_that_overlap_meet_no_40001() {
    let server = with_tables();
    let (address, figures, begun) = (server.address, Figures::default(), now());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let figures = &figures;
            scope.spawn(move || {
                let mut connection = Connection::new(address).unwrap();
                for number in 0..rounds() {
                    round(&mut connection, client, number, figures);
                }
                figures.ended.lock().unwrap().push(begun.elapsed());
            });
        }
    });
    figures.print("upserts", begun, address);
    let mut connection = Connection::new(address).unwrap();
    let rows = connection.get("/tables/counter?select=id,by&order=id");
    let mut expected = vec![json!({ "id": 1, "by": "row 1" })];
    expected.extend((10..10 + CLIENTS).map(|id| json!({ "id": id, "by": format!("row {id}") })));
    assert_eq!(rows, json!(expected));
    // The index has each of them once.
    let by_number = connection.get("/tables/counter?select=id&n=gte.0&order=n");
    assert_eq!(by_number.as_array().unwrap().len(), expected.len());
}

/// A child needs its parent, whatever the parent's other columns are: neither waits for the other.
#[test]
fn children_come_while_their_parent_is_updated_all_the_time() {
    const WRITERS: u64 = 4;
    let server = with_tables();
    let (address, figures, begun) = (server.address, Figures::default(), now());
    send(&mut Connection::new(address).unwrap(), "POST", "/tables/counter", JSON, &json!({ "id": 1, "n": 0 }), &[201]);
    let (is_over, updates) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            let (is_over, updates) = (&is_over, &updates);
            scope.spawn(move || {
                let mut connection = Connection::new(address).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    let n = updates.fetch_add(1, Ordering::Relaxed) % 1_000;
                    send(&mut connection, "PATCH", "/tables/counter?id=eq.1", JSON, &json!({ "n": n }), &[200, 204]);
                }
            });
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let figures = &figures;
                scope.spawn(move || {
                    let mut connection = Connection::new(address).unwrap();
                    for _ in 0..rounds() {
                        let rows: Vec<_> = (0..20).map(|_| json!({ "counter": 1 })).collect();
                        let took_us = send(&mut connection, "POST", "/tables/child", JSON, &rows.into(), &[201]);
                        figures.longest_us.fetch_max(took_us, Ordering::Relaxed);
                        figures.answered.fetch_add(1, Ordering::Relaxed);
                    }
                    figures.ended.lock().unwrap().push(begun.elapsed());
                })
            })
            .collect();
        let ended: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(ended.into_iter().all(|ended| ended.is_ok()));
    });
    figures.print("children", begun, address);
    let count = Connection::new(address).unwrap().get("/tables/child?select=count()&counter=eq.1");
    assert_eq!(count, json!([{ "count": WRITERS * rounds() * 20 }]));
    assert!(updates.into_inner() > 0);
}
