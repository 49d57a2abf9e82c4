//! Requests over HTTP: MantisDB, a raw loop, hyper's constant, nginx, and Redis behind webdis.
//!
//! usage: http --mantisdb target/release/mantisdb --floor target/release/floor [--keys 1000000] [--rounds 5] [--seconds 2]
//!
//! Prints Markdown. 64-byte values under uniformly random keys, 64 keep-alive connections, servers on core 0, load on core 1.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use mantis_benches::client::Client;
use mantis_benches::kv::{self, Dialect};
use mantis_benches::load::{Load, Protocol};
use mantis_benches::process::{Servers, available};
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;

#[derive(Parser)]
struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/mantisdb")]
    mantisdb: String,
    /// The floors' binary
    #[arg(long, default_value = "target/release/floor")]
    floor: String,
    /// A component to call as a procedure: `counter` of the examples
    #[arg(long, default_value = "guest/target/components/counter.wasm")]
    counter: String,
    /// Keys in the store
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a round
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only the servers whose names contain one of these; hyper's constant is always among them
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

struct Contestant {
    name: &'static str,
    servers: Arc<Servers>,
    load: Load,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut contestants = contestants(&options)?;
    let is_wanted =
        |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()));
    contestants.retain(|contestant| contestant.name.starts_with("hyper") || is_wanted(contestant.name));
    let mut rates = vec![Samples::default(); contestants.len()];
    let cpu_us = interleave(contestants.len(), options.rounds, |index| {
        let contestant = &contestants[index];
        let before_ns = contestant.servers.cpu_ns()?;
        let outcome = contestant.load.run(Duration::from_secs(options.seconds)).with_context(|| contestant.name)?;
        let cpu_ns = contestant.servers.cpu_ns()? - before_ns;
        #[allow(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]
        {
            rates[index].0.push(outcome.requests as f64 / outcome.elapsed.as_secs_f64());
            Ok::<_, anyhow::Error>(cpu_ns as f64 / 1_000.0 / outcome.requests as f64)
        }
    })?;
    let frame = contestants.iter().position(|contestant| contestant.name.starts_with("hyper")).context("no frame")?;
    let title = format!("HTTP, {} connections, 64-byte values, {} keys", options.connections, options.keys);
    let mut table = Table::new(&title, &["server", "CPU us per request", "x hyper's constant", "requests/s"]);
    for (index, contestant) in contestants.iter().enumerate() {
        rates[index].0.remove(0);
        table.row([
            contestant.name.to_owned(),
            cpu_us[index].show(2),
            cpu_us[index].relative_to(&cpu_us[frame]).show(2),
            rates[index].show(0),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn contestants(options: &Options) -> Result<Vec<Contestant>> {
    let mut all = Vec::new();
    let constant = |port| kv::constant(port, options.connections);
    for (name, kind, port) in [("raw tokio loop", "raw", 18_081), ("hyper, constant", "hyper", 18_082)] {
        let mut servers = Servers::new();
        servers.start(&options.floor, &[kind, &port.to_string()], port)?;
        all.push(Contestant { name, servers: Arc::new(servers), load: constant(port) });
    }
    if available("nginx", "nginx-light") {
        all.push(Contestant { name: "nginx, return 200", servers: nginx(18_083)?, load: constant(18_083) });
    }
    if available("redis-server", "redis-server") && available("webdis", "webdis") {
        let servers = webdis(18_085, 18_084, options.keys)?;
        let get = kv::get(Dialect::Webdis, 18_085, options.connections, options.keys);
        let put = kv::put(Dialect::Webdis, 18_085, options.connections, options.keys);
        all.push(Contestant { name: "Redis + webdis, GET", servers: Arc::clone(&servers), load: get });
        all.push(Contestant { name: "Redis + webdis, PUT", servers, load: put });
    }
    mantisdb(options, &mut all)?;
    Ok(all)
}

fn mantisdb(options: &Options, all: &mut Vec<Contestant>) -> Result<()> {
    let port = 18_086;
    let mut servers = Servers::new();
    servers.start(&options.mantisdb, &["serve", "--memory", "--listen", &format!("127.0.0.1:{port}")], port)?;
    kv::fill_mantisdb(port, 0, options.keys)?;
    let component = fs::read(&options.counter).with_context(|| options.counter.clone())?;
    let path = "/api/v1/plugins/counter?buckets=counters:write&reuse=true";
    Client::connect(port)?.send("PUT", path, "application/wasm", &component)?;
    let servers = Arc::new(servers);
    let loads = [
        ("MantisDB, GET", kv::get(Dialect::MantisDb, port, options.connections, options.keys)),
        ("MantisDB, PUT", kv::put(Dialect::MantisDb, port, options.connections, options.keys)),
        ("MantisDB, warm procedure", procedure_load(port, options)),
    ];
    all.extend(loads.map(|(name, load)| Contestant { name, servers: Arc::clone(&servers), load }));
    Ok(())
}

/// Reads a counter: one read of the store inside the guest, nothing to conflict over.
fn procedure_load(port: u16, options: &Options) -> Load {
    Load {
        protocol: Protocol::Http,
        port,
        connections: options.connections,
        clock_stride: 32,
        request: Arc::new(|_, buffer| {
            buffer.extend_from_slice(
                b"POST /api/v1/plugins/counter/call/value HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                  Content-Type: application/json\r\nContent-Length: 10\r\n\r\n[\"visits\"]",
            );
        }),
        check: Arc::new(|_, status, _| status == 200),
    }
}

fn nginx(port: u16) -> Result<Arc<Servers>> {
    let folder = tempfile::Builder::new().prefix("mantisdb-bench").tempdir()?;
    let body = "x".repeat(64);
    let config = format!(
        "daemon off; worker_processes 1; pid {0}/pid; error_log /dev/null;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{body}\"; }} }} }}\n",
        folder.path().display()
    );
    let path = folder.path().join("nginx.conf");
    fs::write(&path, config)?;
    let mut servers = Servers::new();
    servers.start("nginx", &["-c", &path.display().to_string()], port)?;
    servers.keep(folder);
    Ok(Arc::new(servers))
}

fn webdis(port: u16, redis_port: u16, keys: u64) -> Result<Arc<Servers>> {
    let folder = tempfile::Builder::new().prefix("mantisdb-bench").tempdir()?;
    let mut servers = Servers::new();
    let redis = ["--port", &redis_port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
    servers.start("redis-server", &redis, redis_port)?;
    kv::fill_redis(redis_port, 0, keys)?;
    servers.start_webdis(folder.path(), port, redis_port)?;
    servers.keep(folder);
    Ok(Arc::new(servers))
}
