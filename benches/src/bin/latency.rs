//! Latency on a schedule: GET and PUT over HTTP at 25, 50 and 75 % of what each server can do, beside hyper's constant and Redis behind
//! webdis.
//!
//! usage: latency --mantisdb target/release/mantisdb --floor target/release/floor [--dir /tmp] [--keys 1000000] [--rounds 5] [--seconds 2]
//!
//! Prints Markdown. 64-byte values under uniformly random keys, 64 keep-alive connections. Requests are due at fixed times and count from
//! then (`mantis_benches::paced`). All of it runs twice: servers on core 0 and the load on core 1, and where the system puts them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use hdrhistogram::Histogram;
use mantis_benches::kv::{self, Dialect};
use mantis_benches::load::Load;
use mantis_benches::process::{LOAD_CORE, SERVER_CORE, Servers, all_cores, available, pin_this_thread};
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;

const SHARES: [f64; 3] = [0.25, 0.5, 0.75];
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
/// Rounds from which a server's maximum rate is measured.
const CAPACITY_ROUNDS: usize = 3;

#[derive(Parser)]
struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/mantisdb")]
    mantisdb: String,
    /// The floors' binary
    #[arg(long, default_value = "target/release/floor")]
    floor: String,
    /// Directory for the files of durable servers
    #[arg(long, default_value = "/tmp")]
    dir: PathBuf,
    /// Keys in the stores
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
}

struct Contestant {
    name: &'static str,
    load: Load,
    /// Kept running.
    _servers: Arc<Servers>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let all = all_cores()?;
    println!("Latency from when a request was due, {} connections, {} keys.\n", options.connections, options.keys);
    for (title, server_cores, load_cores) in
        [("Servers on core 0, the load on core 1", SERVER_CORE, LOAD_CORE), ("Not pinned", &all, &all)]
    {
        pin_this_thread(load_cores)?;
        let dir = tempfile::Builder::new().prefix("mantisdb-latency").tempdir_in(&options.dir)?;
        measure(title, &contestants(&options, server_cores, dir.path())?, &options)?;
    }
    Ok(())
}

fn measure(title: &str, contestants: &[Contestant], options: &Options) -> Result<()> {
    let time = Duration::from_secs(options.seconds);
    let capacities = interleave(contestants.len(), CAPACITY_ROUNDS, |index| {
        let contestant = &contestants[index];
        let outcome = contestant.load.run(time).with_context(|| contestant.name)?;
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        Ok::<_, anyhow::Error>(outcome.requests as f64 / outcome.elapsed.as_secs_f64())
    })?;
    let mut table = Table::new(title, &["server", "load", "requests/s", "p50 us", "p99 us", "p99.9 us"]);
    let mut late = [const { Samples(Vec::new()) }; QUANTILES.len()];
    for share in SHARES {
        let rate = |index: usize| capacities[index].median() * share;
        let mut columns: Vec<[Samples; QUANTILES.len()]> = contestants.iter().map(|_| Default::default()).collect();
        interleave(contestants.len(), options.rounds, |index| {
            let contestant = &contestants[index];
            let paced = contestant.load.hold()?.run(rate(index), time).with_context(|| contestant.name)?;
            for (place, (_, quantile)) in QUANTILES.iter().enumerate() {
                columns[index][place].0.push(microseconds(&paced.latencies, *quantile));
                late[place].0.push(microseconds(&paced.late, *quantile));
            }
            Ok::<_, anyhow::Error>(0.0)
        })?;
        for (index, columns) in columns.iter_mut().enumerate() {
            let shown = columns.iter_mut().map(|samples| {
                // The round that warms up.
                samples.0.remove(0);
                samples.show(0)
            });
            let about = [contestants[index].name.to_owned(), percent(share), format!("{:.0}", rate(index))];
            table.row(about.into_iter().chain(shown));
        }
    }
    let late = QUANTILES.iter().zip(&late).map(|((name, _), samples)| format!("{name} {} us", samples.show(0)));
    println!("{table}\nOf this the load's own lateness: {}.\n", late.collect::<Vec<_>>().join(", "));
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn microseconds(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    Duration::from_nanos(histogram.value_at_quantile(quantile)).as_secs_f64() * 1e6
}

fn contestants(options: &Options, cores: &str, dir: &Path) -> Result<Vec<Contestant>> {
    let (connections, keys) = (options.connections, options.keys);
    let mut all = Vec::new();
    let mut frame = Servers::on(cores);
    frame.start(&options.floor, &["hyper", "18202"], 18_202)?;
    let load = kv::constant(18_202, connections);
    all.push(Contestant { name: "hyper, constant", load, _servers: Arc::new(frame) });

    let memory = Arc::new(mantisdb(options, cores, 18_203, &["--memory"])?);
    let load = kv::get(Dialect::MantisDb, 18_203, connections, keys);
    all.push(Contestant { name: "MantisDB, GET", load, _servers: Arc::clone(&memory) });
    let load = kv::put(Dialect::MantisDb, 18_203, connections, keys);
    all.push(Contestant { name: "MantisDB, PUT, in memory", load, _servers: memory });
    let has_webdis = available("redis-server", "redis-server") && available("webdis", "webdis");
    if has_webdis {
        let memory = Arc::new(webdis(keys, cores, dir, 18_204, &["--appendonly", "no"])?);
        let load = kv::get(Dialect::Webdis, 18_204, connections, keys);
        all.push(Contestant { name: "Redis + webdis, GET", load, _servers: Arc::clone(&memory) });
        let load = kv::put(Dialect::Webdis, 18_204, connections, keys);
        all.push(Contestant { name: "Redis + webdis, PUT, in memory", load, _servers: memory });
    }
    // Written and synced before it is acknowledged.
    let data = dir.join("mantisdb").display().to_string();
    let always = mantisdb(options, cores, 18_206, &["--data", &data, "--durability", "always"])?;
    let load = kv::put(Dialect::MantisDb, 18_206, connections, keys);
    all.push(Contestant { name: "MantisDB, PUT, always", load, _servers: Arc::new(always) });
    if has_webdis {
        let always = webdis(keys, cores, dir, 18_207, &["--appendonly", "yes", "--appendfsync", "always"])?;
        let load = kv::put(Dialect::Webdis, 18_207, connections, keys);
        all.push(Contestant { name: "Redis + webdis, PUT, always", load, _servers: Arc::new(always) });
    }
    Ok(all)
}

fn mantisdb(options: &Options, cores: &str, port: u16, how: &[&str]) -> Result<Servers> {
    let mut servers = Servers::on(cores);
    let listen = format!("127.0.0.1:{port}");
    servers.start(&options.mantisdb, &[&["serve", "--listen", &listen], how].concat(), port)?;
    kv::fill_mantisdb(port, 0, options.keys)?;
    Ok(servers)
}

/// webdis on `port`, and Redis on the next port.
fn webdis(keys: u64, cores: &str, dir: &Path, port: u16, how: &[&str]) -> Result<Servers> {
    let folder = dir.join(port.to_string());
    fs::create_dir(&folder)?;
    let (redis_port, path) = ((port + 1).to_string(), folder.display().to_string());
    let fixed = ["--bind", "127.0.0.1", "--save", "", "--port", &redis_port, "--dir", &path];
    let mut servers = Servers::on(cores);
    servers.start("redis-server", &[&fixed, how].concat(), port + 1)?;
    kv::fill_redis(port + 1, 0, keys)?;
    servers.start_webdis(&folder, port, port + 1)?;
    Ok(servers)
}
