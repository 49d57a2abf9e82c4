//! The engine on a disk, in process: what starting costs, what is written, and what a set waits for.
//!
//! usage: disk [--dir /tmp] [--part start,amplification,checkpoint,expiry,growth] [--rounds 5]
//!
//! Prints Markdown. 24-byte keys, 64-byte values. The writer runs on core 1, the engine's own threads on core 0. The allocator is the
//! program's.
//!
//! | module | measures |
//! |---|---|
//! | `start` | opening a store of 1M and 10M keys; bytes of memory and of disk per key |
//! | `amplification` | bytes written to the disk per byte of keys and values |
//! | `checkpoint` | how long a set takes while a checkpoint is written |
//! | `expiry` | how long a set takes while a million other keys expire |
//! | `growth` | get, set and scan at 1k, 100k and 10M keys; making a bucket beside 10 and 9,900 |
//! | `keep` | opening and filling stores |
//! | `schedule` | sets on a fixed schedule, and how late each was done |

mod amplification;
mod checkpoint;
mod expiry;
mod growth;
mod keep;
mod schedule;
mod start;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use mantis_benches::process::{SERVER_CORE, pin_this_thread};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Where the stores are made
    #[arg(long, default_value = "/tmp")]
    dir: PathBuf,
    /// Parts to measure
    #[arg(long, value_delimiter = ',', default_values_t = Part::ALL)]
    part: Vec<Part>,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Sizes of the stores that are started
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    start_keys: Vec<u64>,
    /// Openings of each store: they take long, and differ little
    #[arg(long, default_value_t = 2)]
    openings: usize,
    /// Keys that are written to beside a checkpoint, and that expire
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Sizes between which growth is measured
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 10_000_000])]
    growth_keys: Vec<u64>,
    /// Sets a second on the fixed schedule
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Opens this store, says what that took, and ends: what `start` runs in a process of its own
    #[arg(long, hide = true)]
    open: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Start,
    Amplification,
    Checkpoint,
    Expiry,
    Growth,
}

impl Part {
    const ALL: [Self; 5] = [Self::Start, Self::Amplification, Self::Checkpoint, Self::Expiry, Self::Growth];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(dir) = &arguments.open {
        return start::open_and_tell(dir);
    }
    // Threads that are started later inherit this.
    pin_this_thread(SERVER_CORE)?;
    for part in &arguments.part {
        match part {
            Part::Start => start::measure(&arguments)?,
            Part::Amplification => amplification::measure(&arguments)?,
            Part::Checkpoint => checkpoint::measure(&arguments)?,
            Part::Expiry => expiry::measure(&arguments)?,
            Part::Growth => growth::measure(&arguments)?,
        }
    }
    Ok(())
}
