//! Bytes written to the disk per byte of keys and values, while random keys are overwritten and checkpoints run.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result};
use mantis_benches::process::{LOAD_CORE, pin_this_thread};
use mantis_benches::table::Table;
use mantis_db::{DiskEvent, DiskThreads, Durability, StorageOptions};
use mantis_store::Store;

use crate::keep::{self, KEY_BYTES, POLICIES, VALUE_BYTES, ratio};
use crate::{Arguments, schedule};

/// Checkpoints of a run.
const CHECKPOINTS: u64 = 4;
/// Commits that wait for the disk at once.
const OPEN: usize = 256;

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let title =
        format!("Bytes written, {} keys overwritten at random until {CHECKPOINTS} checkpoints ran", arguments.keys);
    let columns = [
        "durability",
        "checkpoint after",
        "sets/s",
        "syncs/s",
        "log, x keys and values",
        "checkpoints",
        "both",
        "the system's count",
    ];
    let mut table = Table::new(&title, &columns);
    let default = StorageOptions::default().checkpoint_bytes;
    // As in a store that is far larger than `checkpoint_bytes`: half of the last checkpoint counts.
    let large = ("never", Durability::Never, 1, "half a checkpoint of log".to_owned());
    let usual = POLICIES.map(|(name, durability)| (name, durability, default, format!("{} MiB of log", default >> 20)));
    for (name, durability, checkpoint_bytes, after) in usual.into_iter().chain([large]) {
        let folder = keep::folder(&arguments.dir)?;
        let (database, _) = keep::open(folder.path(), durability, checkpoint_bytes)?;
        let store = database.store();
        let (ran, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (count, sum) = (Arc::clone(&ran), Arc::clone(&bytes));
        let threads = DiskThreads::start(
            store,
            Box::new(move |event| {
                if let DiskEvent::Checkpoint(Ok(checkpoint)) = event {
                    sum.fetch_add(checkpoint.bytes, Ordering::Relaxed);
                    count.fetch_add(1, Ordering::Release);
                }
            }),
        )?;
        keep::fill(store, keep::key, arguments.keys, |_| None)?;
        // From the end of one checkpoint to the end of another.
        let seen = ran.load(Ordering::Acquire);
        overwrite(store, arguments.keys, || ran.load(Ordering::Acquire) > seen)?;
        let figures = || {
            let stats = store.disk_stats().context("the store is on a disk")?;
            let checkpoints = bytes.load(Ordering::Relaxed);
            Ok::<_, anyhow::Error>((stats.log_bytes_written, checkpoints, written_bytes()?, stats.log_syncs))
        };
        let before = figures()?;
        let start = schedule::now();
        let seen = ran.load(Ordering::Acquire);
        let sets = overwrite(store, arguments.keys, || ran.load(Ordering::Acquire) >= seen + CHECKPOINTS)?;
        let seconds = start.elapsed().as_secs_f64();
        let after_it = figures()?;
        let given = sets * (KEY_BYTES + VALUE_BYTES) as u64;
        let (log, checkpoints) = (after_it.0 - before.0, after_it.1 - before.1);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let each_second = |count: u64| format!("{:.0}", count as f64 / seconds);
        table.row([
            name.to_owned(),
            after,
            each_second(sets),
            each_second(after_it.3 - before.3),
            format!("{:.2}", ratio(log, given)),
            format!("{:.2}", ratio(checkpoints, given)),
            format!("{:.2}", ratio(log + checkpoints, given)),
            format!("{:.2}", ratio(after_it.2 - before.2, given)),
        ]);
        drop(threads);
    }
    println!("{table}");
    Ok(())
}

/// Overwrites random keys, each in a commit of its own, until `is_over`; returns how many.
fn overwrite(store: &Store, keys: u64, is_over: impl Fn() -> bool + Send) -> Result<u64> {
    let work = move || -> Result<u64> {
        pin_this_thread(LOAD_CORE)?;
        let mut open = VecDeque::with_capacity(OPEN);
        let mut sets = 0;
        while !is_over() {
            if open.len() < OPEN {
                sets += 1;
                open.push_back(keep::set(store, &keep::key(keep::shuffle(sets, keys)), sets)?);
            }
            let visible = store.version();
            while open.pop_front_if(|version| *version <= visible).is_some() {}
        }
        Ok(sets)
    };
    thread::scope(|scope| scope.spawn(work).join().map_err(|_| anyhow::anyhow!("the writer panicked"))?)
}

/// Bytes that this process has given to the disk so far, by the system's count.
fn written_bytes() -> Result<u64> {
    let io = fs::read_to_string("/proc/self/io")?;
    let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("the system does not count")?;
    Ok(bytes.parse()?)
}
