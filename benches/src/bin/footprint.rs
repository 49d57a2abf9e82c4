//! Memory of an idle connection, a pooled session, a warm plugin instance, a key; and the cost of a GET with ever more
//! connections.
//!
//! usage: footprint --mantisdb target/release/mantisdb --floor target/release/floor [--keys 1000000] [--connections 10000] [--rounds 5]
//!
//! Prints Markdown. A weight is by how much resident memory grows, divided by how many more there are. Ten thousand connections need
//! `ulimit -n 20000` or so, for this program and for the servers, which inherit it.

use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use mantis_benches::kv::{self, Dialect};
use mantis_benches::load::{Load, Protocol};
use mantis_benches::process::{LOAD_CORE, Servers, available, pause, pin_this_thread, resident_bytes};
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;
use mantis_db::{Access, Database, Grants, Limits, ManualClock, SeededRandom, SessionManager};
use mantis_plugin::{HostConfig, PluginHost, PluginOptions};
use mantis_pool::Pool;

/// The program's own allocator, so that both use the same memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SESSIONS: usize = 100_000;
/// Plugins whose one instance is made warm.
const INSTANCES: usize = 100;
/// As many again are made first, for what is needed only once: this part of the number.
const FIRST_PART: usize = 10;
/// The rate beside any number of connections, as a part of what a server can do with 64.
const SHARE: f64 = 0.5;

#[derive(Parser)]
struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/mantisdb")]
    mantisdb: String,
    /// The floors' binary
    #[arg(long, default_value = "target/release/floor")]
    floor: String,
    /// A component whose instances are weighed: `counter` of the examples
    #[arg(long, default_value = "guest/target/components/counter.wasm")]
    counter: PathBuf,
    /// Keys in the stores
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Connections at most
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a round of requests
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    pin_this_thread(LOAD_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Once each: memory that was given back is taken again.
    let sessions = runtime.block_on(session_bytes())?;
    let instance = runtime.block_on(instance_bytes(&options))?;
    let peers = peers(&options);
    let mut table = Table::new("Weights", &["what", "of", "bytes"]);
    for (what, bytes) in ["session in the pool, new", "session in the pool, used once"].into_iter().zip(sessions) {
        table.row([what.to_owned(), "MantisDB".to_owned(), format!("{bytes:.0}")]);
    }
    table.row(["warm instance of a plugin".to_owned(), "MantisDB".to_owned(), format!("{instance:.0}")]);
    for peer in &peers {
        let rounds = (0..options.rounds).map(|_| peer.connection_bytes(&options));
        let samples = Samples(rounds.collect::<Result<_>>()?);
        table.row(["idle connection".to_owned(), peer.name.to_owned(), samples.show(0)]);
    }
    for peer in peers.iter().filter(|peer| peer.fill.is_some()) {
        table.row(["key of 24 bytes with a value of 64".to_owned(), peer.name.to_owned(), peer.key_bytes(&options)?]);
    }
    println!("{table}");
    println!("{}", growth(&peers, &options)?);
    Ok(())
}

/// By how many bytes `after` is more than `before`, for each of `count`.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn each(before: u64, after: u64, count: usize) -> f64 {
    (after as f64 - before as f64) / count as f64
}

fn own_bytes() -> Result<u64> {
    resident_bytes(process::id())
}

fn database() -> Database {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(7))).expect("the default limits hold")
}

/// An idle session of a pool, its place in the pool included: as it is made, and after one read.
async fn session_bytes() -> Result<[f64; 2]> {
    let database = database();
    let pool = |max| {
        let config = mantis_pool::Config { min_idle: 0, max, ..mantis_pool::Config::default() };
        Pool::new(SessionManager::new(database.clone()), config)
    };
    let use_all = async |pool: &Pool<SessionManager>, count: usize, reads: bool| {
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            let mut session = pool.acquire().await?;
            if reads {
                session.kv("default")?.get(b"nothing").await?;
            }
            sessions.push(session);
        }
        anyhow::Ok(())
    };
    let first = pool(SESSIONS / FIRST_PART)?;
    use_all(&first, SESSIONS / FIRST_PART, true).await?;
    let before = own_bytes()?;
    let all = pool(SESSIONS)?;
    use_all(&all, SESSIONS, false).await?;
    let new = own_bytes()?;
    use_all(&all, SESSIONS, true).await?;
    Ok([each(before, new, SESSIONS), each(before, own_bytes()?, SESSIONS)])
}

/// What an instance keeps resident between calls. There is one for each of many plugins, which share their code.
async fn instance_bytes(options: &Options) -> Result<f64> {
    let first = INSTANCES / FIRST_PART;
    let database = database();
    let sessions = Pool::new(SessionManager::new(database.clone()), mantis_pool::Config::default())?;
    let instances_max = 2 * u32::try_from(first + INSTANCES)?;
    // Half of the instances may be warm. However slow the machine, none is interrupted.
    let config = HostConfig {
        instances_max,
        plugins_max: first + INSTANCES,
        call_deadline_ms: 60_000,
        inline_slice_ms: 60_000,
        ..HostConfig::default()
    };
    let host = PluginHost::new(database, sessions, config)?;
    let component = std::fs::read(&options.counter).with_context(|| format!("{}", options.counter.display()))?;
    let component = bytes::Bytes::from(component);
    let name = |number: usize| format!("counter-{number}");
    for number in 0..first + INSTANCES {
        let plugin = PluginOptions::new(Grants::none().bucket("counters", Access::Write)).reuse(true);
        host.install(&name(number), component.clone(), plugin).await?;
    }
    let mut before = 0;
    for number in 0..first + INSTANCES {
        if number == first {
            before = own_bytes()?;
        }
        host.call(&name(number), "value", serde_json::json!(["visits"])).await?;
    }
    anyhow::ensure!(host.stats().total.instances_warm == (first + INSTANCES) as u64, "not all instances are warm");
    Ok(each(before, own_bytes()?, INSTANCES))
}

type Start<'o> = Box<dyn Fn(&mut Servers) -> Result<()> + 'o>;
/// Gives the server on a port the keys from a number to below another.
type Fill = fn(u16, u64, u64) -> Result<()>;

/// A server that is started again for each measurement.
struct Peer<'o> {
    name: &'static str,
    port: u16,
    start: Start<'o>,
    load: Box<dyn Fn(usize) -> Load + 'o>,
    fill: Option<Fill>,
    /// Whether requests with many idle connections are measured.
    grows: bool,
}

fn peers(options: &Options) -> Vec<Peer<'_>> {
    let hyper = Peer {
        name: "hyper, constant",
        port: 18_221,
        start: Box::new(|servers| servers.start(&options.floor, &["hyper", "18221"], 18_221)),
        load: Box::new(|connections| kv::constant(18_221, connections)),
        fill: None,
        grows: true,
    };
    let mantisdb = Peer {
        name: "MantisDB",
        port: 18_222,
        start: Box::new(|servers| {
            servers.start(&options.mantisdb, &["serve", "--memory", "--listen", "127.0.0.1:18222"], 18_222)?;
            // Something to read: the keys that are asked for.
            kv::fill_mantisdb(18_222, 0, options.keys / 10)
        }),
        load: Box::new(|connections| kv::get(Dialect::MantisDb, 18_222, connections, options.keys / 10)),
        fill: Some(kv::fill_mantisdb),
        grows: true,
    };
    let mut all = vec![hyper, mantisdb];
    if available("redis-server", "redis-server") {
        let connections_max = (options.connections + 100).to_string();
        all.push(Peer {
            name: "Redis",
            port: 18_223,
            start: Box::new(move |servers| {
                let files = ["--save", "", "--appendonly", "no", "--maxclients", &connections_max];
                servers.start(
                    "redis-server",
                    &[&["--bind", "127.0.0.1", "--port", "18223"], &files[..]].concat(),
                    18_223,
                )?;
                kv::fill_redis(18_223, 0, options.keys / 10)
            }),
            load: Box::new(ping),
            fill: Some(kv::fill_redis),
            grows: false,
        });
    }
    all
}

/// The least that can be asked of Redis.
fn ping(connections: usize) -> Load {
    Load {
        protocol: Protocol::Redis,
        port: 18_223,
        connections,
        clock_stride: 32,
        request: Arc::new(|_, buffer| buffer.extend_from_slice(b"PING\r\n")),
        check: Arc::new(|_, status, body| status == 200 && body == b"PONG"),
    }
}

impl Peer<'_> {
    fn servers(&self) -> Result<Servers> {
        let mut servers = Servers::new();
        (self.start)(&mut servers).with_context(|| self.name)?;
        Ok(servers)
    }

    /// A connection that has been used once.
    fn connection_bytes(&self, options: &Options) -> Result<f64> {
        let servers = self.servers()?;
        let hold = |connections| (self.load)(connections).hold().with_context(|| self.name);
        let first = options.connections / FIRST_PART;
        let _first = hold(first)?;
        pause(Duration::from_secs(1));
        let before = servers.resident_bytes()?;
        let _rest = hold(options.connections - first)?;
        pause(Duration::from_secs(1));
        Ok(each(before, servers.resident_bytes()?, options.connections - first))
    }

    fn key_bytes(&self, options: &Options) -> Result<String> {
        let fill = self.fill.context("it holds no keys")?;
        // A tenth is there already.
        let servers = self.servers()?;
        let before = servers.resident_bytes()?;
        fill(self.port, options.keys / 10, options.keys)?;
        pause(Duration::from_secs(1));
        let count = usize::try_from(options.keys - options.keys / 10)?;
        Ok(format!("{:.0}", each(before, servers.resident_bytes()?, count)))
    }
}

/// The cost of a GET with more and more connections that take turns, at one rate.
fn growth(peers: &[Peer<'_>], options: &Options) -> Result<Table> {
    let peers: Vec<_> = peers.iter().filter(|peer| peer.grows).collect();
    let running = peers.iter().map(|peer| peer.servers()).collect::<Result<Vec<_>>>()?;
    let time = Duration::from_secs(options.seconds);
    let mut rates = Vec::new();
    for peer in &peers {
        let outcome = (peer.load)(64).run(time).with_context(|| peer.name)?;
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        rates.push(outcome.requests as f64 / outcome.elapsed.as_secs_f64() * SHARE);
    }
    let counts = [64, 1_000, options.connections];
    let mut p99 = vec![Samples::default(); peers.len() * counts.len()];
    let cpu_us = interleave(peers.len() * counts.len(), options.rounds, |index| {
        let (peer, count) = (index / counts.len(), counts[index % counts.len()]);
        let mut held = (peers[peer].load)(count).hold().with_context(|| peers[peer].name)?;
        let before_ns = running[peer].cpu_ns()?;
        let paced = held.run(rates[peer], time).with_context(|| peers[peer].name)?;
        let used = Duration::from_nanos(running[peer].cpu_ns()? - before_ns);
        p99[index].0.push(Duration::from_nanos(paced.latencies.value_at_quantile(0.99)).as_secs_f64() * 1e6);
        drop(held);
        // The server releases them before the next turn.
        pause(Duration::from_millis(500));
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        Ok::<_, anyhow::Error>(used.as_secs_f64() * 1e6 / paced.latencies.len() as f64)
    })?;
    let title = "A GET beside more connections, all in turn, at half of what the server can do with 64";
    let mut table =
        Table::new(title, &["server", "connections", "requests/s", "CPU us per request", "x with 64", "p99 us"]);
    for (index, cpu_us_here) in cpu_us.iter().enumerate() {
        let (peer, place) = (index / counts.len(), index % counts.len());
        p99[index].0.remove(0);
        table.row([
            peers[peer].name.to_owned(),
            counts[place].to_string(),
            format!("{:.0}", rates[peer]),
            cpu_us_here.show(2),
            cpu_us_here.relative_to(&cpu_us[peer * counts.len()]).show(2),
            p99[index].show(0),
        ]);
    }
    Ok(table)
}
