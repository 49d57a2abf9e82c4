//! How long a set takes while checkpoints are written one after the other, compared with a quiet time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use mantis_benches::process::{Busy, SERVER_CORE, pause};
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;
use mantis_db::DiskThreads;

use crate::Arguments;
use crate::keep::{self, NO_CHECKPOINTS, POLICIES};
use crate::schedule::{self, percentile_us};

/// Length of a turn.
const TURN: Duration = Duration::from_secs(3);
/// What is looked at.
pub(crate) const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let title = format!("A set while checkpoints run, {} keys, {} sets/s", arguments.keys, arguments.rate);
    let columns = ["durability", "", "quiet, us", "checkpoints, us", "ratio"];
    let mut table = Table::new(&title, &columns);
    for (name, durability) in POLICIES {
        let folder = keep::folder(&arguments.dir)?;
        let (database, _) = keep::open(folder.path(), durability, NO_CHECKPOINTS)?;
        let store = database.store();
        let threads = DiskThreads::start(store, Box::new(|_| ()))?;
        keep::fill(store, keep::key, arguments.keys, |_| None)?;
        let mut all = SHARES.map(|_| [Samples::default(), Samples::default()]);
        let checkpoints = AtomicU64::new(0);
        interleave(2, arguments.rounds, |contestant| {
            rustix::fs::sync();
            pause(Duration::from_millis(500));
            let start = schedule::now();
            let (is_over, _busy) = (AtomicBool::new(false), Busy::keep(SERVER_CORE)?);
            let latencies = thread::scope(|scope| {
                if contestant == 1 {
                    scope.spawn(|| {
                        while !is_over.load(Ordering::Relaxed) {
                            let made = store.checkpoint_at_leisure(&is_over);
                            checkpoints.fetch_add(u64::from(matches!(made, Ok(Some(_)))), Ordering::Relaxed);
                        }
                    });
                }
                let latencies = schedule::run(store, arguments.keys, arguments.rate, || start.elapsed() >= TURN);
                is_over.store(true, Ordering::Relaxed);
                latencies
            })?;
            for ((_, share), samples) in SHARES.iter().zip(&mut all) {
                samples[contestant].0.push(percentile_us(latencies.iter(), *share));
            }
            Ok::<_, anyhow::Error>(0.0)
        })?;
        drop(threads);
        let turns = arguments.rounds + 1;
        eprintln!("{name}: {} checkpoints in {turns} turns of {TURN:?}", checkpoints.into_inner());
        for ((share, _), [mut quiet, mut beside]) in SHARES.iter().zip(all) {
            // The first round does not count.
            quiet.0.remove(0);
            beside.0.remove(0);
            let ratio = beside.relative_to(&quiet).show(2);
            table.row([name.to_owned(), (*share).to_owned(), quiet.show(0), beside.show(0), ratio]);
        }
    }
    println!("{table}");
    let late = schedule::alone(arguments.rate, TURN)?;
    let late = SHARES.map(|(share, part)| format!("{share} {:.0} us", percentile_us(late.iter(), part))).join(", ");
    println!("The schedule alone runs late by {late}. In all of this the other core is kept busy.\n");
    Ok(())
}
