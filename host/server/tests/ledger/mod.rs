//! A ledger of requests and answers, kept by clients outside of the server, through kills at random and chosen moments.
//!
//! Every client writes its intent to a file and syncs that before it sends a request, and likewise each answer. The server is killed
//! (SIGKILL) at random, when a segment of the log or a checkpoint is begun or gets its name, and while it recovers. After each restart the
//! files alone determine what must be there: answered writes are, unsent ones are not, batches and transactions are there as a whole,
//! versions are those that were answered and never go back, and so are deadlines. The change feed continues from a cursor of before the
//! kill without a gap or a repetition, and its result agrees with listings in either order and by prefix, with point reads and with counts.
//! At the end nothing is left beyond its deadline, and the feed has shown each expiry.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test of a native program, with small numbers"
)]

mod book;
mod check;
pub(crate) mod client;
mod feed;
mod moment;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::Server;
use book::Book;
use client::Connection;
use feed::Feed;
use moment::{AT_CHECKPOINT, AT_LOG, Interrupter, Kills, MOMENTS, Moment};

const CLIENTS: usize = 4;
/// Cycles per policy; `MANTIS_TORTURE=n` makes n times as many.
const CYCLES: u64 = 18;
/// Batches that are in the log before the first cycle, so that a recovery takes some time.
const BALLAST_BATCHES: u64 = 60;
const BALLAST_KEYS: u64 = 1_000;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A time as the server writes it; none for null.
fn ms_of(time: &Value) -> Option<u64> {
    let time: jiff::Timestamp = time.as_str()?.parse().unwrap();
    Some(u64::try_from(time.as_millisecond()).unwrap())
}

/// Pseudo-random numbers (`splitmix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Totals of the test.
#[derive(Default)]
struct Counts {
    kills: Kills,
    /// Operations that were answered.
    answered: u64,
    /// Operations in progress when the server was killed.
    open: u64,
    /// Keys whose expiry the feed showed.
    expired: u64,
}

struct Stage<'f> {
    durability: &'static str,
    data: PathBuf,
    books: Vec<PathBuf>,
    numbers: Numbers,
    interrupter: Interrupter,
    cycle: u64,
    /// How long the last killed server lived.
    lived_ms: u64,
    /// The newest version seen.
    seen: u64,
    feed: Feed,
    counts: &'f mut Counts,
}

/// Small checkpoints and segments; what the feed keeps is in the log, and is read at each start.
fn arguments<'a>(data: &'a Path, durability: &'a str) -> [&'a str; 8] {
    let data = data.to_str().unwrap();
    ["--data", data, "--durability", durability, "--checkpoint-bytes", "100000", "--feed-bytes-max", "20000000"]
}

impl<'f> Stage<'f> {
    fn new(directory: &Path, seed: u64, durability: &'static str, counts: &'f mut Counts) -> Self {
        let books: Vec<_> = (0..CLIENTS).map(|client| directory.join(format!("book-{client}"))).collect();
        for path in &books {
            Book::begin(path, &BTreeMap::new());
        }
        let stage = Self {
            durability,
            data: directory.join("data"),
            books,
            numbers: Numbers(seed),
            interrupter: Interrupter::new(),
            cycle: 0,
            lived_ms: 0,
            seen: 0,
            feed: Feed::default(),
            counts,
        };
        stage.load_ballast();
        stage
    }

    /// Overwrites the same keys repeatedly.
    fn load_ballast(&self) {
        let server = Server::start(&arguments(&self.data, self.durability));
        let mut connection = Connection::new(server.address).unwrap();
        for batch in 0..BALLAST_BATCHES {
            let operations: Vec<_> = (0..BALLAST_KEYS)
                .map(|key| json!({ "op": "set", "key": format!("{key:04}"), "value": format!("{batch}-{key}") }))
                .collect();
            let body = json!({ "operations": operations, "atomic": true }).to_string();
            let answer = connection.send("POST", "/buckets/ballast/kv", client::JSON, &body).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.head);
        }
    }

    fn cycle(&mut self) {
        let moment = MOMENTS[self.cycle as usize % MOMENTS.len()];
        self.cycle += 1;
        if matches!(moment, Moment::Recovering) {
            let arguments = arguments(&self.data, self.durability);
            self.interrupter.interrupt(&arguments, &mut self.numbers, &mut self.counts.kills);
        }
        let mut server = Server::start(&arguments(&self.data, self.durability));
        self.check(server.address);
        let (address, begun) = (server.address, Instant::now());
        let workers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (path, cycle) = (self.books[client].clone(), self.cycle);
                thread::spawn(move || client::work(address, &path, client, cycle))
            })
            .collect();
        let place = moment::wait_for(moment, &self.data, &mut self.numbers);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        self.lived_ms = begun.elapsed().as_millis() as u64 + 1;
        self.counts.kills.count(place);
        for worker in workers {
            worker.join().unwrap();
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("{}, cycle {}: {what}", self.durability, self.cycle)
    }
}

#[test]
fn a_ledger_of_intents_and_answers_holds_through_kills() {
    let times: u64 = std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap());
    let begun = Instant::now();
    let mut counts = Counts::default();
    let mut cycles = 0;
    for (seed, durability) in ["always", "interval:20", "never"].into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(directory.path(), seed as u64, durability, &mut counts);
        for _ in 0..CYCLES * times {
            stage.cycle();
            cycles += 1;
        }
        let server = Server::start(&arguments(&stage.data, stage.durability));
        stage.check_expiry(server.address);
    }
    let Counts { kills, answered, open, expired } = &counts;
    println!("{kills}, {answered} operations answered, {open} open, {expired} keys expired, in {:?}", begun.elapsed());
    assert!(kills.all() >= 50 * times && *answered > 10 * cycles && *expired > cycles, "too little was done");
    // At least one in two hits its moment: a file may not come in time, and a recovery may be over.
    for (place, tried) in [
        ("when a segment had begun", cycles / 6),
        ("when a checkpoint had begun", cycles / 6),
        ("when a checkpoint had got its name", cycles / 6),
        (AT_CHECKPOINT, cycles / 6),
        (AT_LOG, cycles / 3),
    ] {
        assert!(kills.at(place) * 2 >= tried, "too few kills {place}: {kills}");
    }
}
