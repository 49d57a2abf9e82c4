//! The ledger for rows: clients write tables that reference each other, while one alters them, through kills.
//!
//! Each client has rows of its own in three tables, and a model of them: a cascade deletes what the model says, a foreign key or unique key
//! refuses what it says. Another client adds and drops indexes, keys, checks and columns, changes a type and replaces the primary key, so that
//! most kills hit a build.
//! After each kill
//!
//! - the data directory, opened as the kill left it, has exactly its rows in each index, a parent for each foreign key and one row for each
//!   unique key;
//! - answered statements and changes of the schema are there, those without an answer are there whole or not at all;
//! - reads by an index have the rows that reading all of them has.

mod alter;
mod check;
mod model;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use mantis_db::disk::DirectoryDisk;
use mantis_db::tables::rows::invariants::check_table_invariants;
use mantis_db::{Database, Limits, StorageOptions, SystemClock, SystemRandom};
use serde_json::{Value, json};

use super::book::Book;
use super::client::{Connection, JSON};
use super::moment::{self, Kills, Moment};
use super::{Numbers, arguments};
use crate::support::Server;

const CLIENTS: usize = 3;
/// Cycles per policy; `MANTIS_TORTURE=n` makes n times as many.
const CYCLES: u64 = 8;
/// Rows that nobody writes, so that building an index takes several commits.
const BALLAST: i64 = 2_000;
/// Theirs are from here on.
const BALLAST_FROM: i64 = 100_000;

const MOMENTS: [Moment; 4] =
    [Moment::AfterMs(40), Moment::FileWith("log-"), Moment::AfterMs(150), Moment::FileWith(".unfinished")];

fn parent_table() -> Value {
    json!({
        "columns": [
            {"name": "id", "type": "integer", "nullable": false}, {"name": "code", "type": "text"},
            {"name": "n", "type": "integer"}
        ],
        "primary_key": ["id"], "unique": [["code"]], "indexes": [{"columns": [{"column": "n", "descending": true}]}]
    })
}

fn child_table() -> Value {
    let reference = |column: &str, on_delete: &str| {
        json!({
            "columns": [column], "references": {"table": "parent", "columns": ["id"]},
            "on_delete": on_delete, "on_update": "cascade"
        })
    };
    json!({
        "columns": [
            {"name": "id", "type": "bigint", "nullable": false}, {"name": "parent", "type": "integer"},
            {"name": "twin", "type": "integer"}, {"name": "n", "type": "integer"}, {"name": "w", "type": "integer"},
            {"name": "tag", "type": "text", "nullable": false}, {"name": "data", "type": "jsonb"}
        ],
        "primary_key": ["id"],
        "indexes": [
            {"columns": ["parent", "n"]}, {"columns": ["data->>kind"]},
            {"columns": [{"column": "n", "descending": true}], "filter": "n=gt.3"}
        ],
        "foreign_keys": [reference("parent", "cascade"), reference("twin", "set null")]
    })
}

fn line_table() -> Value {
    json!({
        "columns": [
            {"name": "id", "type": "bigint", "nullable": false}, {"name": "child", "type": "bigint", "nullable": false},
            {"name": "amount", "type": "numeric"}
        ],
        "primary_key": ["id"], "indexes": [{"columns": ["child"]}],
        "foreign_keys": [
            {"columns": ["child"], "references": {"table": "child", "columns": ["id"]}, "on_delete": "cascade"}
        ]
    })
}

#[derive(Default)]
struct Counts {
    kills: Kills,
    answered: u64,
    open: u64,
    /// Changes of the schema that were answered, and that a kill hit.
    altered: u64,
    altering: u64,
    /// Rows that all checks of a directory looked at.
    checked: u64,
}

struct Stage<'f> {
    durability: &'static str,
    data: PathBuf,
    books: Vec<PathBuf>,
    schema_book: PathBuf,
    numbers: Numbers,
    cycle: u64,
    counts: &'f mut Counts,
}

impl<'f> Stage<'f> {
    fn new(directory: &Path, seed: u64, durability: &'static str, counts: &'f mut Counts) -> Self {
        let books: Vec<_> = (0..CLIENTS).map(|client| directory.join(format!("rows-{client}"))).collect();
        let schema_book = directory.join("schema");
        for path in books.iter().chain([&schema_book]) {
            Book::begin(path, &BTreeMap::new());
        }
        let data = directory.join("data");
        let stage = Self { durability, data, books, schema_book, numbers: Numbers(seed), cycle: 0, counts };
        stage.fill();
        stage
    }

    fn fill(&self) {
        let server = Server::start(&arguments(&self.data, self.durability));
        let mut connection = Connection::new(server.address).unwrap();
        let mut ask = |method: &str, path: &str, body: &Value| {
            connection.send(method, path, JSON, &body.to_string()).unwrap().must_be(&[201]);
        };
        for (name, table) in [("parent", parent_table()), ("child", child_table()), ("line", line_table())] {
            ask("PUT", &format!("/schema/tables/{name}"), &table);
        }
        let ballast =
            |id| json!({ "id": id, "n": id % 10, "w": 1, "tag": format!("t{id}"), "data": {"kind": "ballast"} });
        let rows: Vec<_> = (BALLAST_FROM..BALLAST_FROM + BALLAST).map(ballast).collect();
        ask("POST", "/tables/child", &rows.into());
    }

    fn cycle(&mut self) {
        let moment = MOMENTS[usize::try_from(self.cycle).unwrap() % MOMENTS.len()];
        self.cycle += 1;
        let mut server = Server::start(&arguments(&self.data, self.durability));
        self.check(server.address);
        let (address, cycle) = (server.address, self.cycle);
        let mut workers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let path = self.books[client].clone();
                thread::spawn(move || work::work(address, &path, client, cycle))
            })
            .collect();
        let path = self.schema_book.clone();
        workers.push(thread::spawn(move || alter::work(address, &path, cycle)));
        let place = moment::wait_for(moment, &self.data, &mut self.numbers);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        self.counts.kills.count(place);
        for worker in workers {
            worker.join().unwrap();
        }
        self.check_directory();
    }

    /// Opens a copy of the directory, so that the server itself recovers from what the kill left.
    fn check_directory(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(&self.data).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        let disk = Arc::new(DirectoryDisk::new(copy.path()).unwrap());
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let (database, _) = Database::open_with(Limits::default(), clock, random, disk, StorageOptions::default())
            .unwrap_or_else(|error| self.fail(&format!("the directory does not open: {error}")));
        self.counts.checked += check_table_invariants(&database).unwrap_or_else(|broken| self.fail(&broken));
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("{}, cycle {}: {what}", self.durability, self.cycle)
    }
}

#[test]
fn rows_indexes_and_keys_agree_after_every_kill() {
    let times: u64 = std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap());
    let begun = Instant::now();
    let mut counts = Counts::default();
    for (seed, durability) in ["always", "interval:20", "never"].into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(directory.path(), seed as u64, durability, &mut counts);
        for _ in 0..CYCLES * times {
            stage.cycle();
        }
        let server = Server::start(&arguments(&stage.data, stage.durability));
        stage.check(server.address);
        drop(server);
        stage.check_directory();
    }
    let Counts { kills, answered, open, altered, altering, checked } = &counts;
    println!(
        "{kills}, {answered} statements answered, {open} open, {altered} changes of the schema, {altering} hit, {checked} rows checked, \
         in {:?}",
        begun.elapsed()
    );
    let cycles = 3 * CYCLES * times;
    assert!(kills.all() == cycles && *answered > cycles && *altered > cycles / 3, "too little was done");
    assert!(*altering * 4 > cycles, "too few kills hit a change of the schema");
}
