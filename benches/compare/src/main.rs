//! YCSB A to F in process: MantisDB's engine beside redb, fjall and surrealmx at the same durability, and `RwLock<BTreeMap>` as what
//! is possible without any.
//!
//! usage: compare [--keys 1000000] [--operations 200000] [--durability memory,system,disk] [--threads 1,2] [--only NAME,...] [--dir /tmp]
//!
//! Prints Markdown. 24-byte keys in no order, rows of 1 KB as one value, keys drawn as YCSB does (Zipf 0.99, scrambled; the latest for D).
//!
//! | module | holds |
//! |---|---|
//! | `engines` | the engines under comparison, with one interface |
//! | `workload` | which operation comes next, on which key |

mod engines;
#[path = "../../src/rounds.rs"]
#[allow(dead_code, reason = "the benches of the workspace use all of it")]
mod rounds;
#[path = "../../src/table.rs"]
mod table;
mod workload;

use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};

use engines::{Contestant, contestants};
use rounds::{Samples, interleave};
use table::Table;
use workload::{LETTERS, Workload, Zipf, run};

#[derive(Parser)]
struct Options {
    /// Rows in the stores
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Operations of a turn; the workloads of scans do a tenth of them
    #[arg(long, default_value_t = 200_000)]
    operations: u64,
    /// Operations of a turn where every write waits for the disk
    #[arg(long, default_value_t = 4_000)]
    disk_operations: u64,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What a write that returned is safe from
    #[arg(long, value_delimiter = ',', default_values_t = [Durability::Memory, Durability::System, Durability::Disk])]
    durability: Vec<Durability>,
    /// Threads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Only the engines whose names contain one of these; `MantisDB` is always among them
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where files are
    #[arg(long, default_value = "/tmp")]
    dir: PathBuf,
}

/// What a write that returned is safe from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// Nothing.
    Memory,
    /// The end of the process.
    System,
    /// A power cut: each write waits for a sync.
    Disk,
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(["memory", "system", "disk"][*self as usize])
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    for &durability in &options.durability {
        measure(durability, &options)?;
    }
    Ok(())
}

fn measure(durability: Durability, options: &Options) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("mantisdb-compare").tempdir_in(&options.dir)?;
    let mut all = contestants(durability, dir.path(), &options.only)?;
    for contestant in &mut all {
        let start = Instant::now();
        workload::load(&mut *contestant, options.keys).with_context(|| contestant.name)?;
        eprintln!("{durability}: {} loaded in {:.1} s", contestant.name, start.elapsed().as_secs_f64());
    }
    let safe_from = ["nothing", "the end of the process", "a power cut"][durability as usize];
    for &threads in &options.threads {
        let s = if threads == 1 { "" } else { "s" };
        let title = format!(
            "YCSB, {} rows of 1 KB, {threads} thread{s}, writes safe from {safe_from}: 1,000 operations/s (MantisDB is faster by)",
            options.keys
        );
        let columns: Vec<_> = ["workload"].into_iter().chain(all.iter().map(|contestant| contestant.name)).collect();
        let mut table = Table::new(&title, &columns);
        for (letter, workload) in LETTERS {
            let rates = compare(&mut all, workload, threads, durability, options)?;
            let cells = rates.iter().enumerate().map(|(index, rate)| {
                let ratio = rates[0].relative_to(rate);
                if index == 0 { rate.show(1) } else { format!("{} ({:.2})", rate.show(1), ratio.median()) }
            });
            table.row([letter.to_owned()].into_iter().chain(cells));
        }
        println!("{table}");
    }
    Ok(())
}

/// Thousands of operations a second of each contestant.
fn compare(
    all: &mut [Contestant],
    workload: Workload,
    threads: usize,
    durability: Durability,
    options: &Options,
) -> Result<Vec<Samples>> {
    let writes_wait = durability == Durability::Disk && workload.writes();
    let operations = if writes_wait { options.disk_operations } else { options.operations };
    let each = operations / if workload.scans() { 10 } else { 1 } / threads as u64;
    let zipf = Zipf::new(options.keys);
    // Chosen beforehand, and the same for all.
    let plans: Vec<_> = (0..threads as u64).map(|thread| workload.plan(&zipf, each, thread)).collect();
    interleave(all.len(), options.rounds, |index| {
        let contestant = &mut all[index];
        let mut first_insert = contestant.rows;
        let places: Vec<_> = plans
            .iter()
            .map(|plan| {
                let place = first_insert;
                first_insert += plan.inserts;
                place
            })
            .collect();
        let (rows, engine) = (contestant.rows, &*contestant.engine);
        let together = Barrier::new(threads);
        let times = thread::scope(|scope| -> Result<Vec<(Instant, Instant)>> {
            let running: Vec<_> = plans
                .iter()
                .zip(places)
                .map(|(plan, place)| {
                    let together = &together;
                    scope.spawn(move || {
                        together.wait();
                        let start = Instant::now();
                        run(engine, plan, rows, place).map(|()| (start, Instant::now()))
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?).collect()
        });
        let times = times.with_context(|| contestant.name)?;
        let (start, end) = (times.iter().map(|time| time.0).min(), times.iter().map(|time| time.1).max());
        let seconds = end.zip(start).map_or(f64::NAN, |(end, start)| (end - start).as_secs_f64());
        contestant.rows = first_insert;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        Ok((each * threads as u64) as f64 / seconds / 1_000.0)
    })
}
