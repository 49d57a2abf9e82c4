//! Writes over the wire at equal promises of durability: MantisDB, Redis, Redis behind webdis, and etcd.
//!
//! usage: durable --mantisdb target/release/mantisdb [--dir /tmp] [--keys 1000000] [--rounds 5] [--seconds 3]
//!
//! Prints Markdown. 64-byte values under uniformly random keys, alone and 1,000 at a time, all or nothing; 64 connections, servers on
//! core 0, load on core 1; everybody's files in one directory. After every turn some of what was written is read back.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Parser;
use mantis_benches::load::{Load, Protocol, WriteRequest, put_digits};
use mantis_benches::process::{Servers, available, pause};
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;
use memchr::memmem;

/// Operations of a batch.
const BATCH: u64 = 1_000;
/// Distinct keys of a batch lie this far apart (modulo the number of keys): etcd refuses a key that comes twice.
const KEY_STRIDE: u64 = 2_654_435_761;
const KEY_BYTES: usize = 24;
const VALUE_BYTES: usize = 64;
/// Connections whose first write of a turn is read back.
const READ_BACK: u64 = 16;
/// Syncs from which the cost of one is measured.
const SYNCS: usize = 200;

#[derive(Parser)]
struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/mantisdb")]
    mantisdb: String,
    /// Where everybody's files are
    #[arg(long, default_value = "/tmp")]
    dir: PathBuf,
    /// Keys in the stores
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a turn: some of what peers put off, such as rewriting a log, falls into it
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only the servers whose names contain one of these; `MantisDB` is always among them
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// What is promised of a write that was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    Synced,
    SyncedEverySecond,
    Handed,
}

impl Promise {
    const ALL: [Self; 3] = [Self::Synced, Self::SyncedEverySecond, Self::Handed];

    fn of_mantisdb(self) -> &'static str {
        ["always", "interval:1000", "never"][self as usize]
    }

    fn of_redis(self) -> &'static str {
        ["always", "everysec", "no"][self as usize]
    }

    fn name(self) -> &'static str {
        ["on the disk", "on the disk within a second", "with the system"][self as usize]
    }
}

/// Who is spoken to, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    MantisDb,
    Redis,
    Webdis,
    Etcd,
}

impl Peer {
    fn name(self) -> &'static str {
        ["MantisDB", "Redis", "Redis + webdis", "etcd, JSON gateway"][self as usize]
    }
}

struct Contestant {
    peer: Peer,
    promise: Promise,
    port: u16,
    /// Where Redis itself listens, behind webdis.
    redis_port: u16,
    servers: Servers,
}

/// How many sets a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Batch,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.keys >= BATCH && options.keys % KEY_STRIDE != 0, "--keys is at least {BATCH}");
    let dir = tempfile::Builder::new().prefix("mantisdb-durable").tempdir_in(&options.dir)?;
    let sync = sync_us(dir.path())?;
    let contestants = contestants(&options, dir.path())?;
    for contestant in &contestants {
        let fill = contestant.load(Kind::Batch, &options, 0);
        for first in 0..options.keys.div_ceil(BATCH) {
            fill.once(first * BATCH * KEY_STRIDE % options.keys).with_context(|| contestant.label())?;
        }
    }
    println!("### Writes at equal promises, {} connections, {} keys\n", options.connections, options.keys);
    println!("Files on {}; one fdatasync of 4 KiB appended takes {} us.\n", file_system(dir.path()), sync.show(0));
    for kind in [Kind::Single, Kind::Batch] {
        measure(kind, &contestants, &options)?;
    }
    Ok(())
}

fn measure(kind: Kind, contestants: &[Contestant], options: &Options) -> Result<()> {
    let mut rates = vec![Samples::default(); contestants.len()];
    let mut run = 0;
    let cpu_us = interleave(contestants.len(), options.rounds, |index| {
        let contestant = &contestants[index];
        run += 1;
        let load = contestant.load(kind, options, run);
        rest(contestants)?;
        let before_ns = contestant.servers.cpu_ns()?;
        let outcome = load.run(Duration::from_secs(options.seconds)).with_context(|| contestant.label())?;
        // What is left to do afterwards (checkpoints, rewriting a log) belongs to the writes.
        rest(contestants)?;
        let cpu_ns = contestant.servers.cpu_ns()? - before_ns;
        contestant.read_back(kind, options, run).with_context(|| contestant.label())?;
        #[allow(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]
        {
            rates[index].0.push(outcome.requests as f64 / outcome.elapsed.as_secs_f64());
            Ok::<_, anyhow::Error>(cpu_ns as f64 / 1_000.0 / outcome.requests as f64)
        }
    })?;
    for rate in &mut rates {
        rate.0.remove(0);
    }
    let title = match kind {
        Kind::Single => "One set a request".to_owned(),
        Kind::Batch => format!("{BATCH} sets a request, all or nothing"),
    };
    let columns = ["acknowledged when", "server", "requests/s", "CPU us per request", "MantisDB is faster by"];
    let mut table = Table::new(&title, &columns);
    let ours = |promise: Promise| {
        let ours = |contestant: &Contestant| contestant.peer == Peer::MantisDb && contestant.promise == promise;
        contestants.iter().position(ours).context("MantisDB is always among them")
    };
    for promise in Promise::ALL {
        let ours = ours(promise)?;
        for (index, contestant) in contestants.iter().enumerate().filter(|(_, one)| one.promise == promise) {
            let decimals = usize::from(kind == Kind::Batch);
            table.row([
                promise.name().to_owned(),
                contestant.label(),
                rates[index].show(decimals),
                cpu_us[index].show(if kind == Kind::Single { 2 } else { 0 }),
                rates[ours].relative_to(&rates[index]).show(2),
            ]);
        }
    }
    let (every_second, handed) = (ours(Promise::SyncedEverySecond)?, ours(Promise::Handed)?);
    let ratio = rates[every_second].relative_to(&rates[handed]).show(2);
    println!("{table}\nMantisDB's requests/s at interval:1000 as a multiple of those at never: {ratio}.\n");
    Ok(())
}

/// Waits until no server has anything left to do, and nothing waits to be written to the disk.
fn rest(contestants: &[Contestant]) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    let used = || contestants.iter().map(|contestant| contestant.servers.cpu_ns()).sum::<Result<u64>>();
    let mut before_ns = used()?;
    for _ in 0..100 {
        rustix::fs::sync();
        pause(LOOK);
        let now_ns = used()?;
        if now_ns.saturating_sub(before_ns) < 5_000_000 {
            return Ok(());
        }
        before_ns = now_ns;
    }
    Ok(())
}

fn contestants(options: &Options, dir: &Path) -> Result<Vec<Contestant>> {
    let is_wanted = |peer: Peer| {
        options.only.is_empty() || peer == Peer::MantisDb || options.only.iter().any(|part| peer.name().contains(part))
    };
    let has_redis = available("redis-server", "redis-server");
    let has_webdis = has_redis && available("webdis", "webdis");
    let has_etcd = available("etcd", "etcd-server");
    let mut all = Vec::new();
    let mut port = 18_100;
    for promise in Promise::ALL {
        for (peer, is_there) in [
            (Peer::MantisDb, true),
            (Peer::Redis, has_redis),
            (Peer::Webdis, has_webdis),
            (Peer::Etcd, has_etcd && promise == Promise::Synced),
        ] {
            if is_there && is_wanted(peer) {
                let folder = dir.join(port.to_string());
                fs::create_dir(&folder)?;
                let mut servers = Servers::new();
                start(&mut servers, peer, promise, port, &folder, options)?;
                all.push(Contestant { peer, promise, port, redis_port: port + 1, servers });
                port += 2;
            }
        }
    }
    Ok(all)
}

/// Starts a peer on `port`; `port + 1` is for the server behind it.
fn start(
    servers: &mut Servers,
    peer: Peer,
    promise: Promise,
    port: u16,
    folder: &Path,
    options: &Options,
) -> Result<()> {
    let path = folder.display().to_string();
    let url = |port| format!("http://127.0.0.1:{port}");
    match peer {
        Peer::MantisDb => {
            let listen = format!("127.0.0.1:{port}");
            let arguments = ["serve", "--listen", &listen, "--data", &path, "--durability", promise.of_mantisdb()];
            servers.start(&options.mantisdb, &arguments, port)
        }
        Peer::Redis | Peer::Webdis => {
            let redis_port = if peer == Peer::Redis { port } else { port + 1 };
            let number = redis_port.to_string();
            let fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"];
            let given = ["--port", &number, "--dir", &path, "--appendfsync", promise.of_redis()];
            servers.start("redis-server", &[fixed, given].concat(), redis_port)?;
            if peer == Peer::Webdis { servers.start_webdis(folder, port, redis_port) } else { Ok(()) }
        }
        Peer::Etcd => {
            let (client, peers, operations) = (url(port), url(port + 1), BATCH.to_string());
            let cluster = format!("default={peers}");
            let arguments = [
                ("--data-dir", path.as_str()),
                ("--listen-client-urls", &client),
                ("--advertise-client-urls", &client),
                ("--listen-peer-urls", &peers),
                ("--initial-advertise-peer-urls", &peers),
                ("--initial-cluster", &cluster),
                ("--max-txn-ops", &operations),
                ("--quota-backend-bytes", "8589934592"),
                ("--log-level", "error"),
            ];
            servers.start("etcd", &arguments.map(|(name, value)| [name, value]).concat(), port)?;
            // It listens before it has elected itself.
            pause(Duration::from_secs(2));
            Ok(())
        }
    }
}

impl Contestant {
    fn label(&self) -> String {
        match self.peer {
            Peer::MantisDb => format!("{}, {}", self.peer.name(), self.promise.of_mantisdb()),
            Peer::Redis | Peer::Webdis => format!("{}, {}", self.peer.name(), self.promise.of_redis()),
            Peer::Etcd => self.peer.name().to_owned(),
        }
    }

    /// Writes of the `run`-th turn: values contain the key and the turn.
    fn load(&self, kind: Kind, options: &Options, run: u64) -> Load {
        let (template, peer, keys) = (template(self.peer, kind, run), self.peer, options.keys);
        let request: Arc<WriteRequest> = Arc::new(move |n, buffer: &mut Vec<u8>| template.write(n, keys, buffer));
        Load {
            protocol: if self.peer == Peer::Redis { Protocol::Redis } else { Protocol::Http },
            port: self.port,
            connections: options.connections,
            clock_stride: if kind == Kind::Single { 32 } else { 1 },
            request,
            check: Arc::new(move |_, status, body| is_done(peer, kind, status, body)),
        }
    }

    /// Checks that the values certainly written in the `run`-th turn are there.
    fn read_back(&self, kind: Kind, options: &Options, run: u64) -> Result<()> {
        for connection in 0..READ_BACK.min(options.connections as u64) {
            let first = Load::first_number(connection);
            // Of a batch the last.
            let place = if kind == Kind::Single { 0 } else { BATCH - 1 };
            let n = key_number(first, place, options.keys);
            let (key, value) = (key(n), value(run, n));
            let is_etcd = self.peer == Peer::Etcd;
            let (protocol, port) = match self.peer {
                Peer::MantisDb | Peer::Etcd => (Protocol::Http, self.port),
                Peer::Redis => (Protocol::Redis, self.port),
                Peer::Webdis => (Protocol::Redis, self.redis_port),
            };
            let request = match self.peer {
                Peer::MantisDb => format!("GET /api/v1/kv/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
                Peer::Redis | Peer::Webdis => format!("*2\r\n$3\r\nGET\r\n${KEY_BYTES}\r\n{key}\r\n"),
                Peer::Etcd => {
                    let body = format!(r#"{{"key":"{}"}}"#, BASE64.encode(&key));
                    post("/v3/kv/range", body.len()) + &body
                }
            };
            let load = Load {
                protocol,
                port,
                connections: 1,
                clock_stride: 1,
                request: Arc::new(move |_, buffer| buffer.extend_from_slice(request.as_bytes())),
                check: Arc::new(move |_, status, body| {
                    let is_there = if is_etcd {
                        memmem::find(body, BASE64.encode(&value).as_bytes()).is_some()
                    } else {
                        body == value.as_bytes()
                    };
                    status == 200 && is_there
                }),
            };
            load.once(0).with_context(|| format!("reading back {key} of turn {run}"))?;
        }
        Ok(())
    }
}

/// A request with places for keys and values.
#[derive(Default)]
struct Template {
    bytes: Vec<u8>,
    /// The offsets of keys and their values.
    places: Vec<(usize, usize)>,
    is_base64: bool,
    run: u64,
}

impl Template {
    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A key, the bytes between it and its value, and the value.
    fn pair(&mut self, between: &str) {
        let at = self.bytes.len();
        let (key, value) = (key(0), value(self.run, 0));
        let texts = if self.is_base64 { [BASE64.encode(key), BASE64.encode(value)] } else { [key, value] };
        self.text(&texts[0]);
        self.text(between);
        self.places.push((at, self.bytes.len()));
        self.text(&texts[1]);
    }

    /// Puts the head of an HTTP request before the bytes, which are its body.
    fn behind(mut self, head: impl Fn(usize) -> String) -> Self {
        let head = head(self.bytes.len());
        self.bytes.splice(0..0, head.bytes());
        for (key, value) in &mut self.places {
            (*key, *value) = (*key + head.len(), *value + head.len());
        }
        self
    }

    /// Writes the request of the number `n`.
    fn write(&self, n: u64, keys: u64, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.bytes);
        for (place, &(key_at, value_at)) in (0..).zip(&self.places) {
            let n = key_number(n, place, keys);
            if self.is_base64 {
                let (key, value) = (key(n), value(self.run, n));
                for (at, text) in [(key_at, key), (value_at, value)] {
                    // The room is the length of another such text, encoded.
                    let _ = BASE64.encode_slice(text, &mut buffer[at..]);
                }
            } else {
                put_digits(&mut buffer[key_at + 4..key_at + KEY_BYTES], n);
                put_digits(&mut buffer[value_at + VALUE_BYTES / 2..value_at + VALUE_BYTES], n);
            }
        }
    }
}

fn template(peer: Peer, kind: Kind, run: u64) -> Template {
    let mut template = Template { is_base64: peer == Peer::Etcd, run, ..Template::default() };
    match (peer, kind) {
        (Peer::MantisDb, Kind::Single) => {
            template.text("PUT /api/v1/kv/");
            template.pair(" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n");
            template
        }
        (Peer::MantisDb, Kind::Batch) => {
            template.text(r#"{"atomic":true,"operations":["#);
            for place in 0..BATCH {
                template.text(if place == 0 { r#"{"op":"set","key":""# } else { r#",{"op":"set","key":""# });
                template.pair(r#"","value":""#);
                template.text(r#""}"#);
            }
            template.text("]}");
            template.behind(|bytes| post("/api/v1/kv", bytes))
        }
        (Peer::Redis, Kind::Single | Kind::Batch) => {
            let (command, sets) = if kind == Kind::Single { ("SET", 1) } else { ("MSET", BATCH) };
            template.text(&format!("*{}\r\n${}\r\n{command}\r\n", 1 + 2 * sets, command.len()));
            for _ in 0..sets {
                template.text(&format!("${KEY_BYTES}\r\n"));
                template.pair(&format!("\r\n${VALUE_BYTES}\r\n"));
                template.text("\r\n");
            }
            template
        }
        (Peer::Webdis, Kind::Single) => {
            template.text("PUT /SET/");
            template.pair(" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 64\r\n\r\n");
            template
        }
        (Peer::Webdis, Kind::Batch) => {
            template.text("MSET");
            for _ in 0..BATCH {
                template.text("/");
                template.pair("/");
            }
            template.behind(|bytes| post("/", bytes))
        }
        (Peer::Etcd, Kind::Single) => {
            template.text(r#"{"key":""#);
            template.pair(r#"","value":""#);
            template.text(r#""}"#);
            template.behind(|bytes| post("/v3/kv/put", bytes))
        }
        (Peer::Etcd, Kind::Batch) => {
            template.text(r#"{"success":["#);
            for place in 0..BATCH {
                template.text(if place == 0 { r#"{"requestPut":{"key":""# } else { r#",{"requestPut":{"key":""# });
                template.pair(r#"","value":""#);
                template.text(r#""}}"#);
            }
            template.text("]}");
            template.behind(|bytes| post("/v3/kv/txn", bytes))
        }
    }
}

fn post(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Whether an answer says that all of the request was done.
fn is_done(peer: Peer, kind: Kind, status: u16, body: &[u8]) -> bool {
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let has_all = |text: &str| memmem::find_iter(body, text.as_bytes()).count() as u64 == BATCH;
    match (peer, kind) {
        (Peer::MantisDb, Kind::Single) => matches!(status, 201 | 204),
        (Peer::MantisDb, Kind::Batch) => status == 200 && has_all(r#""success":true"#),
        (Peer::Redis, _) => status == 200 && body == b"OK",
        (Peer::Webdis, _) => status == 200 && has(r#"[true,"OK"]"#),
        (Peer::Etcd, Kind::Single) => status == 200 && has(r#""revision""#),
        (Peer::Etcd, Kind::Batch) => status == 200 && has(r#""succeeded":true"#) && has_all("response_put"),
    }
}

/// The key of the `place`-th operation in the request of the number `n`.
fn key_number(n: u64, place: u64, keys: u64) -> u64 {
    (n % keys + place * KEY_STRIDE) % keys
}

fn key(n: u64) -> String {
    format!("key:{n:020}")
}

/// 64 bytes that name their writer and their key.
fn value(run: u64, n: u64) -> String {
    format!("{run:032}{n:032}")
}

/// What it takes to append 4 KiB to a file and have them on the disk.
fn sync_us(dir: &Path) -> Result<Samples> {
    let path = dir.join("syncs");
    let mut file = File::create(&path)?;
    let mut samples = Samples::default();
    for _ in 0..SYNCS {
        #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
        let start = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        samples.0.push(start.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    Ok(samples)
}

/// The kind of the file system that `path` is on.
fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let on = mounts.filter(|(folder, _)| path.starts_with(folder)).max_by_key(|(folder, _)| folder.len());
    on.map_or("an unknown file system", |(_, kind)| kind).to_owned()
}
