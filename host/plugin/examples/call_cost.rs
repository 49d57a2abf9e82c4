//! Measures the cost of calls: `cargo run --release -p mantis-plugin --example call_cost`. Needs `cargo xtask guests`.
//!
//! Prints medians over rounds in nanoseconds. It reports; it asserts nothing.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mantis_db::{Access, Database, Grants, Isolation, Limits, ManualClock, SeededRandom, SessionManager};
use mantis_plugin::{HostConfig, PluginHost, PluginOptions};
use mantis_pool::Pool;
use serde_json::{Value, json};

const ROUNDS: usize = 15;
const READS: u32 = 20_000;
const CALLS: u32 = 5_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(7)))?;
    let pool = mantis_pool::Config { min_idle: 0, max: 64, ..mantis_pool::Config::default() };
    let sessions = Pool::new(SessionManager::new(database.clone()), pool)?;
    // Interruptions by the machine should not move calls between threads while they are measured.
    let config = HostConfig { instances_max: 64, call_deadline_ms: 60_000, ..HostConfig::default() };
    let host = PluginHost::new(database.clone(), sessions, config)?;
    let grants = Grants::none().bucket("default", Access::Write).bucket("named", Access::Write);
    for (name, guest, reuse) in [
        ("fresh", "procedures", false),
        ("warm", "procedures", true),
        ("types", "types", true),
        ("counter", "counter", false),
        ("counter-warm", "counter", true),
    ] {
        let grants = grants.clone().bucket("counters", Access::Write);
        let options = PluginOptions::new(grants).reuse(reuse);
        host.install(name, component(guest)?.into(), options).await?;
    }
    fill(&database).await?;

    println!("{:<58} {:>10}", "", "ns");
    for bucket in ["default", "named"] {
        let native = native_reads(&database, bucket).await?;
        report(&format!("native get of 100 B in a transaction, bucket {bucket}"), native);
        let guest = guest_reads(&host, bucket).await?;
        report(&format!("guest get of 100 B in a transaction, bucket {bucket}"), guest);
        println!("{:<58} {:>10.2}", "  ratio", guest / native);
    }
    // For a profiler: `call_cost reads` continues with only reads of a guest.
    if std::env::args().nth(1).as_deref() == Some("reads") {
        for _ in 0..20 {
            guest_reads(&host, "default").await?;
        }
        return Ok(());
    }
    for (what, plugin, function, arguments) in [
        ("whole call, warm: echo of a u32", "types", "echo-u32", json!([7])),
        ("whole call, warm: echo of a string of 20 B", "types", "echo-string", json!(["twenty bytes of text"])),
        ("whole call, fresh instance: reads nothing", "fresh", "now-ms", json!([])),
        ("whole call, warm: reads nothing", "warm", "now-ms", json!([])),
        ("whole call, fresh instance: counter/increment", "counter", "increment", json!(["visits", 1])),
        ("whole call, warm: counter/increment", "counter-warm", "increment", json!(["visits", 1])),
    ] {
        report(what, whole_calls(&host, plugin, function, &arguments).await?);
    }
    report("native increment in a transaction", native_increments(&database).await?);
    let total = host.stats().total;
    println!("\n{} runs on the caller's thread, {} on guest threads", total.inline_runs, total.thread_runs);
    Ok(())
}

fn component(guest: &str) -> std::io::Result<Vec<u8>> {
    let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/target/components");
    std::fs::read(components.join(guest).with_extension("wasm"))
}

async fn fill(database: &Database) -> mantis_db::Result<()> {
    let mut session = database.session();
    for bucket in ["default", "named"] {
        for key in 0..1_000 {
            session.kv(bucket)?.set(format!("key-{key}").as_bytes(), &[b'x'; 100]).await?;
        }
    }
    Ok(())
}

async fn native_reads(database: &Database, bucket: &str) -> mantis_db::Result<f64> {
    let mut session = database.session();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        session.begin(Isolation::Serializable).await?;
        let begun = now();
        for _ in 0..READS {
            black_box(session.kv(bucket)?.get(black_box(b"key-500")).await?);
        }
        rounds.push(nanoseconds(begun, READS));
        session.rollback();
    }
    Ok(median(rounds))
}

/// The difference of a call with many reads and one with none.
async fn guest_reads(host: &PluginHost, bucket: &str) -> Result<f64, mantis_plugin::CallError> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = now();
        black_box(host.call("warm", "reads", json!([bucket, "key-500", 0])).await?);
        let none = nanoseconds(begun, READS);
        let begun = now();
        black_box(host.call("warm", "reads", json!([bucket, "key-500", READS])).await?);
        rounds.push(nanoseconds(begun, READS) - none);
    }
    Ok(median(rounds))
}

async fn whole_calls(
    host: &PluginHost,
    plugin: &str,
    function: &str,
    arguments: &Value,
) -> Result<f64, mantis_plugin::CallError> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = now();
        for _ in 0..CALLS {
            black_box(host.call(plugin, function, arguments.clone()).await?);
        }
        rounds.push(nanoseconds(begun, CALLS));
    }
    Ok(median(rounds))
}

async fn native_increments(database: &Database) -> mantis_db::Result<f64> {
    let mut session = database.session();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = now();
        for _ in 0..CALLS {
            session.begin(Isolation::Serializable).await?;
            black_box(session.kv("counters")?.increment(b"visits", 1).await?);
            session.commit().await?;
        }
        rounds.push(nanoseconds(begun, CALLS));
    }
    Ok(median(rounds))
}

#[allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]
fn now() -> Instant {
    Instant::now()
}

fn nanoseconds(begun: Instant, operations: u32) -> f64 {
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(operations)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn report(what: &str, nanoseconds: f64) {
    println!("{what:<58} {nanoseconds:>10.0}");
}
