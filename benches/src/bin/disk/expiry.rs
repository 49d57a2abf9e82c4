//! How long a set takes while a million other keys expire within a second, compared with a quiet time, and how much of their memory returns.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mantis_benches::process::{Busy, SERVER_CORE, pause};
use mantis_benches::rounds::Samples;
use mantis_benches::table::Table;
use mantis_db::{Database, DiskThreads};

use crate::Arguments;
use crate::checkpoint::SHARES;
use crate::keep::{self, KEY_BYTES, NO_CHECKPOINTS, POLICIES, resident_bytes};
use crate::schedule::{self, Latency, percentile_us};

/// How often the server does its housekeeping.
const MAINTENANCE: Duration = Duration::from_millis(100);
/// Keys that the writer sets.
const OTHER_KEYS: u64 = 100_000;
/// How long it is quiet before the keys expire.
const QUIET: Duration = Duration::from_secs(3);
/// Time to write the keys in, from the start of a round until it is quiet.
const FILL: Duration = Duration::from_secs(20);
/// Within this time the keys expire.
const SPREAD_MS: u64 = 1_000;
/// Rounds that count are no more, since each takes a minute.
const ROUNDS_MAX: usize = 2;
const MIB: u64 = 1 << 20;

/// What happened in a round.
struct Round {
    latencies: Vec<Latency>,
    /// When the first key expired, and when the last one was gone.
    expired: Instant,
    gone: Instant,
    /// Memory before the keys were there, with them, and when they were gone.
    resident: [u64; 3],
}

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let (keys, rate) = (arguments.keys, arguments.rate);
    let title = format!("A set while {keys} other keys expire within a second, {rate} sets/s");
    let mut table = Table::new(&title, &["durability", "", "quiet, us", "keys expire, us", "ratio"]);
    let title = format!("{keys} keys that expire within a second");
    let columns =
        ["durability", "all gone after, s", "memory before, MiB", "with them, MiB", "when they are gone, MiB"];
    let mut memory = Table::new(&title, &columns);
    for (name, durability) in POLICIES {
        let folder = keep::folder(&arguments.dir)?;
        let (database, _) = keep::open(folder.path(), durability, NO_CHECKPOINTS)?;
        let threads = DiskThreads::start(database.store(), Box::new(|_| ()))?;
        keep::fill(database.store(), keep::key, OTHER_KEYS, |_| None)?;
        let one = |number| {
            let round = round(&database, keys, rate)?;
            eprintln!("{name}, round {number}: all gone after {:.1} s", (round.gone - round.expired).as_secs_f64());
            Ok(round)
        };
        let rounds = (0..=arguments.rounds.min(ROUNDS_MAX)).map(one).collect::<Result<Vec<_>>>()?;
        drop(threads);
        // The first round does not count, but for memory, which later rounds find in use already.
        let counted = &rounds[1..];
        for (share_name, share) in SHARES {
            let of = |during: fn(&Round, &Latency) -> bool| {
                let one = |round: &Round| {
                    percentile_us(round.latencies.iter().filter(|latency| during(round, latency)), share)
                };
                Samples(counted.iter().map(one).collect())
            };
            let quiet = of(|round, latency| latency.due < round.expired);
            let beside = of(|round, latency| latency.due >= round.expired && latency.due < round.gone);
            let ratio = beside.relative_to(&quiet).show(2);
            table.row([name.to_owned(), share_name.to_owned(), quiet.show(0), beside.show(0), ratio]);
        }
        let seconds = Samples(counted.iter().map(|round| (round.gone - round.expired).as_secs_f64()).collect());
        let shown = rounds[0].resident.map(|bytes| (bytes / MIB).to_string());
        memory.row([name.to_owned(), seconds.show(2)].into_iter().chain(shown));
    }
    println!("{table}\n{memory}");
    Ok(())
}

fn round(database: &Database, keys: u64, rate: u64) -> Result<Round> {
    let store = database.store();
    let before = resident_bytes();
    let quiet = schedule::now() + FILL;
    let expired = quiet + QUIET;
    let first_ms = store.now_ms() + u64::try_from((FILL + QUIET).as_millis())?;
    keep::fill(store, expiring_key, keys, |n| Some(first_ms + n % SPREAD_MS))?;
    store.flush();
    rustix::fs::sync();
    let with = resident_bytes();
    pause(quiet.saturating_duration_since(schedule::now()));
    let (gone, is_over, _busy) = (OnceLock::new(), AtomicBool::new(false), Busy::keep(SERVER_CORE)?);
    let latencies = thread::scope(|scope| {
        // What the server does on a thread of its own.
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                database.maintain();
                if gone.get().is_none() && database.stats().keys == OTHER_KEYS {
                    let _ = gone.set(schedule::now());
                }
                pause(MAINTENANCE);
            }
        });
        let latencies = schedule::run(store, OTHER_KEYS, rate, || gone.get().is_some());
        // Versions that were superseded are pruned a little later.
        pause(Duration::from_secs(1));
        is_over.store(true, Ordering::Relaxed);
        latencies
    })?;
    let gone = *gone.get().context("the keys are still there")?;
    Ok(Round { latencies, expired, gone, resident: [before, with, resident_bytes()] })
}

fn expiring_key(n: u64) -> [u8; KEY_BYTES] {
    keep::named(*b"tmp:00000000000000000000", n)
}
