//! Opening a store: from checkpoints alone, and with the longest possible log after them; bytes of memory and of disk per key.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use mantis_benches::rounds::Samples;
use mantis_benches::table::Table;
use mantis_db::{Durability, StorageOptions};
use rustix::fs::{Advice, fadvise};

use crate::keep::{self, NO_CHECKPOINTS, ratio};
use crate::{Arguments, schedule};

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let columns = ["log behind the checkpoint", "start, s", "memory, bytes per key", "disk, bytes per key"];
    for &keys in &arguments.start_keys {
        let title = format!("Start with {keys} keys, files not in the system's cache");
        let mut table = Table::new(&title, &columns);
        let folder = keep::folder(&arguments.dir)?;
        let dir = folder.path();
        let (database, _) = keep::open(dir, Durability::Never, NO_CHECKPOINTS)?;
        keep::fill(database.store(), keep::key, keys, |_| None)?;
        // Behind the second checkpoint the log is not needed any more.
        let first = database.store().checkpoint()?.context("there was something to write")?;
        keep::set(database.store(), &keep::key(0), 0)?;
        database.store().checkpoint()?;
        drop(database);
        row(&mut table, dir, keys, "none", arguments.openings)?;

        let (database, _) = keep::open(dir, Durability::Never, NO_CHECKPOINTS)?;
        let due_bytes = StorageOptions::default().checkpoint_bytes.max(first.bytes / 2);
        let written = || database.store().disk_stats().map_or(0, |stats| stats.log_bytes_written);
        let mut sets = 0;
        while sets % 1_000 > 0 || written() < due_bytes {
            sets += 1;
            keep::set(database.store(), &keep::key(keep::shuffle(sets, keys)), sets)?;
        }
        drop(database);
        let behind = format!("{} MiB, {sets} sets of one key", due_bytes >> 20);
        row(&mut table, dir, keys, &behind, arguments.openings)?;
        println!("{table}");
    }
    Ok(())
}

fn row(table: &mut Table, dir: &Path, keys: u64, behind: &str, openings: usize) -> Result<()> {
    let (mut seconds, mut resident) = (Samples::default(), Samples::default());
    for _ in 0..openings {
        forget(dir)?;
        let output = Command::new(std::env::current_exe()?).arg("--open").arg(dir).output()?;
        let text = String::from_utf8(output.stdout)?;
        let words: Vec<_> = text.split_whitespace().collect();
        let [took, memory, opened] = words[..] else {
            bail!("an opening failed: {}", String::from_utf8_lossy(&output.stderr))
        };
        ensure!(opened == keys.to_string(), "{opened} keys are there");
        seconds.0.push(took.parse()?);
        resident.0.push(memory.parse()?);
    }
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let each = Samples(resident.0.iter().map(|bytes| bytes / keys as f64).collect());
    let disk = |prefix| Ok::<_, anyhow::Error>(ratio(keep::file_bytes(dir, prefix)?, keys));
    let (all, checkpoints, log) = (disk("")?, disk("checkpoint-")?, disk("log-")?);
    table.row([
        behind.to_owned(),
        seconds.show(2),
        each.show(0),
        format!("{all:.0} (two checkpoints {checkpoints:.0}, log {log:.0})"),
    ]);
    Ok(())
}

/// Lets the system forget what it has in memory of the files in `dir`.
fn forget(dir: &Path) -> Result<()> {
    for file in fs::read_dir(dir)? {
        let file = File::open(file?.path())?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// Opens a store, reads some of it, and prints seconds, bytes of memory and keys.
pub(crate) fn open_and_tell(dir: &Path) -> Result<()> {
    let before = keep::resident_bytes();
    let start = schedule::now();
    let (database, recovered) = keep::open(dir, Durability::Never, NO_CHECKPOINTS)?;
    let seconds = start.elapsed().as_secs_f64();
    let resident = keep::resident_bytes() - before;
    for n in (0..recovered.keys).step_by(1_009) {
        let entry = database.store().get(&keep::key(n)).with_context(|| format!("key {n} is missing"))?;
        ensure!(entry.value.len() == keep::VALUE_BYTES, "key {n} has a wrong value");
    }
    println!("{seconds} {resident} {}", recovered.keys);
    Ok(())
}
