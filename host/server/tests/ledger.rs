//! A ledger of what was sent and what was answered, kept by clients outside of the server, through kills at random and aimed moments.
//!
//! Every client writes its intent to a file and syncs that before it sends a request, and what was answered likewise. The server is
//! killed (SIGKILL) at random, when a segment of the log or a checkpoint is begun or gets its name, and while it recovers. After each
//! restart the files alone say what must be there: what was answered is, what was never sent is not, batches and transactions are
//! there as a whole, versions are those that were answered and never go back, expiry, listing, point reads and sizes agree, and the
//! change feed goes on from a cursor of before the kill.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test of a native program, with small numbers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use std::{io, thread};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Server, pause, program};

const CLIENTS: usize = 4;
/// Keys that each client has for itself.
const KEYS: u64 = 24;
/// Cycles per policy; `MANTIS_TORTURE=n` makes n times as many.
const CYCLES: u64 = 17;
/// Between the clocks of client and server, and the server's housekeeping, a deadline is not sharp.
const DEADLINE_BLUR_MS: u64 = 2_000;

/// A value, or none, that a write gives a key.
type Effect = (String, Option<Held>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    value: String,
    /// When it was sent plus its time to live.
    expires_at_ms: Option<u64>,
    /// As answered; none where the answer is not known or has no version.
    version: Option<u64>,
}

/// A line of a client's file.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    /// What was there when the file was begun.
    Is(Effect),
    /// What is about to be sent.
    Intent(Vec<Effect>),
    /// The newest intent was answered: done, in this commit.
    Done(u64),
    /// The newest intent was answered: not done.
    Refused,
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
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

/// A client's file.
struct Book(File);

impl Book {
    fn note(&mut self, line: &Line) {
        let mut text = serde_json::to_vec(line).unwrap();
        text.push(b'\n');
        self.0.write_all(&text).unwrap();
        self.0.sync_data().unwrap();
    }

    /// Begins the file anew with what is there.
    fn begin(path: &Path, held: &BTreeMap<String, Held>) {
        let mut text = Vec::new();
        for (key, held) in held {
            serde_json::to_writer(&mut text, &Line::Is((key.clone(), Some(held.clone())))).unwrap();
            text.push(b'\n');
        }
        fs::write(path, text).unwrap();
    }
}

/// What a client's file says.
#[derive(Default)]
struct Told {
    /// By key.
    held: BTreeMap<String, Held>,
    /// What was sent last and not answered.
    open: Option<Vec<Effect>>,
    /// Versions that were answered, with the keys written.
    done: Vec<(u64, Vec<String>)>,
}

impl Told {
    fn read(path: &Path) -> Self {
        let mut told = Self::default();
        for line in BufReader::new(File::open(path).unwrap()).lines() {
            match serde_json::from_str(&line.unwrap()).unwrap() {
                Line::Is(effect) => told.apply(&[effect], None),
                Line::Intent(effects) => told.open = Some(effects),
                Line::Done(version) => {
                    let effects = told.open.take().unwrap();
                    told.done.push((version, effects.iter().map(|(key, _)| key.clone()).collect()));
                    told.apply(&effects, Some(version));
                }
                Line::Refused => told.open = None,
            }
        }
        told
    }

    fn apply(&mut self, effects: &[Effect], version: Option<u64>) {
        for (key, held) in effects {
            match held {
                Some(held) => {
                    let version = version.filter(|&version| version > 0).or(held.version);
                    self.held.insert(key.clone(), Held { version, ..held.clone() })
                }
                None => self.held.remove(key),
            };
        }
    }
}

/// One connection, one request at a time.
struct Client {
    stream: TcpStream,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.head))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn version(&self) -> u64 {
        self.header("etag").map_or(0, |tag| tag.trim_matches(['"', 'v']).parse().unwrap())
    }
}

impl Client {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
        let length = body.len();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(answer.header("transfer-encoding").is_none(), "{}", answer.head);
        answer.body = vec![0; length];
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}

/// Works until the server is gone.
fn work(address: SocketAddr, path: &Path, client: usize, cycle: u64) {
    let mut numbers = Numbers(cycle * CLIENTS as u64 + client as u64);
    let mut book = Book(File::options().append(true).open(path).unwrap());
    let mut held = Told::read(path).held;
    let Ok(mut connection) = Client::new(address) else { return };
    for number in 0.. {
        let key = |numbers: &mut Numbers| format!("c{client}-{:02}", numbers.below(KEYS));
        let value = |part: &str| format!("{cycle}-{number}-{part}-{}", "x".repeat(60 + (number % 7) * 40));
        let put = |key: &str, part: &str| {
            (key.to_owned(), Some(Held { value: value(part), expires_at_ms: None, version: None }))
        };
        let some = key(&mut numbers);
        let kind = numbers.below(10);
        let effects = match kind {
            0..4 => vec![put(&some, "put")],
            4 => {
                let ttl_ms = [1, 300, 86_400_000][numbers.below(3) as usize];
                let expires_at_ms = Some(now_ms() + ttl_ms);
                vec![(some, Some(Held { value: value("ttl"), expires_at_ms, version: None }))]
            }
            5 | 6 => (0..3).map(|_| put(&key(&mut numbers), "batch")).collect(),
            7 => vec![(some, None)],
            8 => {
                let counter = format!("c{client}-counter");
                let sum = held.get(&counter).map_or(0, |held| held.value.parse::<u64>().unwrap()) + 1;
                vec![(counter, Some(Held { value: sum.to_string(), expires_at_ms: None, version: None }))]
            }
            _ => (0..2).map(|_| put(&key(&mut numbers), "transaction")).collect(),
        };
        // Of several writes to a key in one commit the last one stays.
        let effects: Vec<_> = effects.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        book.note(&Line::Intent(effects.clone()));
        let Ok(version) = perform(&mut connection, kind, &effects) else { return };
        match version {
            Some(version) => {
                book.note(&Line::Done(version));
                let mut told = Told { held, ..Told::default() };
                told.apply(&effects, Some(version));
                held = told.held;
            }
            None => book.note(&Line::Refused),
        }
    }
}

/// Sends what the intent says. The commit's version, 0 where the answer does not name it; none when nothing was done.
fn perform(connection: &mut Client, kind: u64, effects: &[Effect]) -> io::Result<Option<u64>> {
    const TEXT: &str = "Content-Type: text/plain\r\n";
    const JSON: &str = "Content-Type: application/json\r\n";
    let (key, held) = &effects[0];
    let done = |answer: &Answer, good: &[u16]| {
        assert!(good.contains(&answer.status), "{} {}", answer.head, String::from_utf8_lossy(&answer.body));
    };
    Ok(match (kind, held) {
        (5 | 6, _) => {
            let operations: Vec<_> = effects
                .iter()
                .map(|(key, held)| json!({ "op": "set", "key": key, "value": held.as_ref().unwrap().value }))
                .collect();
            let body = json!({ "operations": operations, "atomic": true }).to_string();
            let answer = connection.send("POST", "/kv", JSON, &body)?;
            done(&answer, &[200]);
            Some(answer.json()["version"].as_str().unwrap().parse().unwrap())
        }
        (7, None) => {
            let answer = connection.send("DELETE", &format!("/kv/{key}"), "", "")?;
            done(&answer, &[204, 404]);
            // What has expired is gone, and so is what was deleted: nothing is there, either way.
            Some(0)
        }
        (8, Some(held)) => {
            let answer = connection.send("POST", &format!("/kv/{key}/increment"), JSON, r#"{"by":1}"#)?;
            done(&answer, &[200]);
            assert_eq!(String::from_utf8_lossy(&answer.body), held.value, "an increment was lost or done twice");
            Some(answer.version())
        }
        (9, _) => {
            let begun = connection.send("POST", "/transactions", "", "")?;
            done(&begun, &[201]);
            let id = begun.json()["id"].as_str().unwrap().to_owned();
            for (key, held) in effects {
                let headers = format!("{TEXT}Mantisdb-Transaction: {id}\r\n");
                let put = connection.send("PUT", &format!("/kv/{key}"), &headers, &held.as_ref().unwrap().value)?;
                done(&put, &[201, 204]);
            }
            let committed = connection.send("POST", &format!("/transactions/{id}/commit"), "", "")?;
            done(&committed, &[200, 409]);
            (committed.status == 200).then(|| committed.json()["version"].as_str().unwrap().parse().unwrap())
        }
        (_, Some(held)) => {
            // The deadline counts from when the server has it: the time to live is what is left at sending.
            let ttl = held.expires_at_ms.map(|at_ms| at_ms.saturating_sub(now_ms()).max(1));
            let query = ttl.map_or_else(String::new, |ttl_ms| format!("?ttl_ms={ttl_ms}"));
            let answer = connection.send("PUT", &format!("/kv/{key}{query}"), TEXT, &held.value)?;
            done(&answer, &[201, 204]);
            Some(answer.version())
        }
        (_, None) => unreachable!(),
    })
}

/// When a server is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AfterMs(u64),
    /// A file whose name has this in it comes into being, or is renamed.
    FileWith(&'static str),
    /// While it starts, after so many ms, and then at some time of its next life.
    Starting(u64),
}

const MOMENTS: [Moment; 7] = [
    Moment::AfterMs(40),
    Moment::FileWith("log-"),
    Moment::FileWith(".unfinished"),
    Moment::FileWith("checkpoint-"),
    Moment::Starting(0),
    Moment::AfterMs(150),
    Moment::Starting(30),
];

fn names(data: &Path) -> BTreeSet<String> {
    let Ok(files) = fs::read_dir(data) else { return BTreeSet::new() };
    files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect()
}

/// Waits for the moment to kill the server, for a second at most: a file may not come.
fn await_moment(moment: Moment, data: &Path, numbers: &mut Numbers) {
    match moment {
        Moment::AfterMs(ms) => pause(ms + numbers.below(40)),
        Moment::Starting(_) => pause(20 + numbers.below(60)),
        Moment::FileWith(part) => {
            let before = names(data);
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(1) {
                let now = names(data);
                if now.iter().any(|name| name.contains(part) && !before.contains(name)) {
                    AIMED.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                thread::sleep(Duration::from_micros(100));
            }
            // At the moment itself, or shortly after it.
            thread::sleep(Duration::from_micros(numbers.below(3) * numbers.below(1_500)));
        }
    }
}

struct Stage {
    durability: &'static str,
    data: PathBuf,
    books: Vec<PathBuf>,
    numbers: Numbers,
    cycle: u64,
    /// The newest version that was seen.
    seen: u64,
    cursor: String,
}

/// Operations that were answered, in all.
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static OPEN: AtomicU64 = AtomicU64::new(0);
/// Kills at the moment that a file came into being or got its name.
static AIMED: AtomicU64 = AtomicU64::new(0);

impl Stage {
    fn arguments(&self) -> [&str; 6] {
        let data = self.data.to_str().unwrap();
        ["--data", data, "--durability", self.durability, "--checkpoint-bytes", "100000"]
    }

    fn cycle(&mut self) {
        self.cycle += 1;
        let moment = MOMENTS[self.numbers.below(MOMENTS.len() as u64) as usize];
        if let Moment::Starting(ms) = moment {
            let mut command = program();
            command.args(["serve", "--listen", "127.0.0.1:0"]).args(self.arguments());
            let mut child =
                command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
            pause(ms + self.numbers.below(30));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let mut server = Server::start(&self.arguments());
        self.check(server.address);
        let address = server.address;
        let workers: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (path, cycle) = (self.books[client].clone(), self.cycle);
                thread::spawn(move || work(address, &path, client, cycle))
            })
            .collect();
        await_moment(moment, &self.data, &mut self.numbers);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        for worker in workers {
            worker.join().unwrap();
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("{}, cycle {}: {what}", self.durability, self.cycle)
    }

    /// Compares what the server has with what the books say, and begins new books with it.
    fn check(&mut self, address: SocketAddr) {
        let mut connection = Client::new(address).unwrap();
        let listed_at_ms = now_ms();
        let found = self.list(&mut connection);
        let mut done: Vec<(u64, Vec<String>)> = Vec::new();
        let mut known = BTreeSet::new();
        for (client, path) in self.books.clone().iter().enumerate() {
            let mut told = Told::read(path);
            ANSWERED.fetch_add(told.done.len() as u64, Ordering::Relaxed);
            done.append(&mut told.done);
            if let Some(open) = told.open.take() {
                OPEN.fetch_add(1, Ordering::Relaxed);
                self.settle(&mut told, &open, &found, listed_at_ms);
            }
            let mut held = BTreeMap::new();
            for key in (0..KEYS).map(|key| format!("c{client}-{key:02}")).chain([format!("c{client}-counter")]) {
                self.compare(&key, told.held.get(&key), found.get(&key), listed_at_ms);
                held.extend(found.get(&key).map(|(value, version)| {
                    let expires_at_ms = told.held[&key].expires_at_ms;
                    (key.clone(), Held { value: value.clone(), expires_at_ms, version: Some(*version) })
                }));
                known.insert(key);
            }
            Book::begin(path, &held);
        }
        if let Some(key) = found.keys().find(|key| !known.contains(*key)) {
            self.fail(&format!("{key} was never sent"));
        }
        self.check_versions(&mut connection, &done);
        self.check_indexes(&mut connection, &found);
        self.check_feed(&mut connection, &done);
    }

    /// All keys with values and versions.
    fn list(&self, connection: &mut Client) -> BTreeMap<String, (String, u64)> {
        let mut found = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let page = connection.send("GET", &format!("/kv?values=true&limit=50{cursor}"), "", "").unwrap();
            let page = page.json();
            for entry in page["entries"].as_array().unwrap_or_else(|| self.fail(&page.to_string())) {
                let text = |name: &str| entry[name].as_str().unwrap().to_owned();
                found.insert(text("key"), (text("value"), text("version").parse().unwrap()));
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// What was not answered has happened as a whole, or not at all.
    fn settle(&self, told: &mut Told, open: &[Effect], found: &BTreeMap<String, (String, u64)>, listed_at_ms: u64) {
        let is_there = |(key, held): &Effect| match (held, found.get(key)) {
            (Some(held), Some((value, _))) => *value == held.value,
            (Some(held), None) => held.expires_at_ms.is_some_and(|at_ms| at_ms <= listed_at_ms + DEADLINE_BLUR_MS),
            (None, found) => found.is_none(),
        };
        let there = open.iter().filter(|effect| is_there(effect)).count();
        let versions: BTreeSet<_> =
            open.iter().filter(|effect| is_there(effect)).filter_map(|(key, _)| Some(found.get(key)?.1)).collect();
        if there == open.len() {
            if versions.len() > 1 {
                self.fail(&format!("a commit is there in parts: {open:?} has the versions {versions:?}"));
            }
            told.apply(open, versions.first().copied());
        } else if there > 0 && !open.iter().any(|(_, held)| held.is_none()) {
            self.fail(&format!("a commit is there in parts: {there} of {open:?}"));
        }
    }

    fn compare(&self, key: &str, told: Option<&Held>, found: Option<&(String, u64)>, listed_at_ms: u64) {
        match (told, found) {
            (None, None) => {}
            (None, Some(found)) => self.fail(&format!("{key} was deleted or never sent, and is {found:?}")),
            (Some(held), None) => {
                if held.expires_at_ms.is_none_or(|at_ms| at_ms > listed_at_ms + DEADLINE_BLUR_MS) {
                    self.fail(&format!("{key} is gone; it was {held:?}"));
                }
            }
            (Some(held), Some((value, version))) => {
                if held.value != *value || held.version.is_some_and(|answered| answered != *version) {
                    self.fail(&format!("{key} is {value} at {version}; it was {held:?}"));
                }
                if held.expires_at_ms.is_some_and(|at_ms| at_ms + DEADLINE_BLUR_MS < listed_at_ms) {
                    self.fail(&format!("{key} is served beyond its deadline"));
                }
            }
        }
    }

    fn check_versions(&mut self, connection: &mut Client, done: &[(u64, Vec<String>)]) {
        let stats = connection.send("GET", "/stats", "", "").unwrap().json();
        let version = stats["store"]["version"].as_u64().unwrap();
        let answered = done.iter().map(|(version, _)| *version).max().unwrap_or(0);
        if version < self.seen.max(answered) {
            self.fail(&format!("the store is at {version}; {} and {answered} were seen", self.seen));
        }
        if let Some((again, _)) = done.iter().find(|(version, _)| (1..=self.seen).contains(version)) {
            self.fail(&format!("version {again} was given again; {} was seen before", self.seen));
        }
        self.seen = version;
    }

    /// Reads by key, by order, and what is counted agree.
    fn check_indexes(&self, connection: &mut Client, found: &BTreeMap<String, (String, u64)>) {
        for (key, (value, version)) in found {
            let answer = connection.send("GET", &format!("/kv/{key}"), "", "").unwrap();
            if answer.status == 404 {
                continue; // It may have expired since.
            }
            if answer.body != value.as_bytes() || answer.version() != *version {
                self.fail(&format!("{key} is listed as {value} at {version} and read as {}", answer.head));
            }
        }
        let buckets = connection.send("GET", "/buckets", "", "").unwrap().json();
        let keys = buckets["buckets"][0]["keys"].as_u64().unwrap_or_else(|| self.fail(&buckets.to_string()));
        let again = self.list(connection).len() as u64;
        // Between two steps of housekeeping expired keys are counted and not listed.
        if keys < again || keys > found.len() as u64 + CLIENTS as u64 * KEYS {
            self.fail(&format!("{keys} keys are counted, and {again} listed"));
        }
    }

    /// Everything that was answered since the cursor is in the feed, in order and once.
    fn check_feed(&mut self, connection: &mut Client, done: &[(u64, Vec<String>)]) {
        let mut wanted: BTreeSet<(u64, String)> = BTreeSet::new();
        for (version, keys) in done.iter().filter(|(version, _)| *version > 0) {
            wanted.extend(keys.iter().map(|key| (*version, key.clone())));
        }
        let mut last = 0;
        loop {
            let path = format!("/changes?since={}", self.cursor);
            let page = connection.send("GET", &path, "Accept: application/json\r\n", "").unwrap();
            if page.status != 200 {
                self.fail(&format!("the feed does not go on: {}", String::from_utf8_lossy(&page.body)));
            }
            let page = page.json();
            let changes = page["changes"].as_array().unwrap();
            for change in changes {
                let version: u64 = change["version"].as_str().unwrap().parse().unwrap();
                if version < last {
                    self.fail(&format!("version {version} follows {last} in the feed"));
                }
                last = version;
                wanted.remove(&(version, change["key"].as_str().unwrap().to_owned()));
            }
            page["cursor"].as_str().unwrap().clone_into(&mut self.cursor);
            if changes.is_empty() {
                break;
            }
        }
        if let Some(missed) = wanted.first() {
            self.fail(&format!("the feed leaves out {missed:?} and {} more", wanted.len() - 1));
        }
    }
}

#[test]
fn a_ledger_of_intents_and_answers_holds_through_kills() {
    let times: u64 = std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap());
    let begun = Instant::now();
    let mut cycles = 0;
    for (seed, durability) in ["always", "interval:20", "never"].into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let books: Vec<_> = (0..CLIENTS).map(|client| directory.path().join(format!("book-{client}"))).collect();
        for path in &books {
            Book::begin(path, &BTreeMap::new());
        }
        let data = directory.path().join("data");
        let numbers = Numbers(seed as u64);
        let mut stage = Stage { durability, data, books, numbers, cycle: 0, seen: 0, cursor: "earliest".into() };
        for _ in 0..CYCLES * times {
            stage.cycle();
            cycles += 1;
        }
        let server = Server::start(&stage.arguments());
        stage.check(server.address);
    }
    let [answered, open, aimed] = [&ANSWERED, &OPEN, &AIMED].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{cycles} kills ({aimed} at a file's moment), {answered} operations answered, {open} open, in {:?}",
        begun.elapsed()
    );
    assert!(answered > cycles, "{answered} operations are too few");
}
