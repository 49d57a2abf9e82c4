//! How the cost of an operation grows with the number of keys.

use std::ops::{Bound, ControlFlow};
use std::time::Instant;

use anyhow::{Result, ensure};
use mantis_benches::rounds::interleave;
use mantis_benches::table::Table;
use mantis_db::{DiskThreads, Durability};
use mantis_store::{Direction, KeyRange, Store};

use crate::keep::{self, VALUE_BYTES};
use crate::{Arguments, schedule};

/// Operations of a turn.
const OPERATIONS: u64 = 200_000;
const SCAN: usize = 100;
/// Checkpoints are for another part: none shall run beside this.
const CHECKPOINT_BYTES: u64 = keep::NO_CHECKPOINTS;

/// Does one operation on the `n`-th key.
type Operation = fn(&Store, u64) -> Result<()>;

pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let mut stores = Vec::new();
    for &keys in &arguments.growth_keys {
        let folder = keep::folder(&arguments.dir)?;
        let (database, _) = keep::open(folder.path(), Durability::Never, CHECKPOINT_BYTES)?;
        let threads = DiskThreads::start(database.store(), Box::new(|_| ()))?;
        keep::fill(database.store(), keep::key, keys, |_| None)?;
        stores.push((keys, threads, database, folder));
    }
    let names = arguments.growth_keys.iter().map(|keys| format!("{keys} keys, ns"));
    let columns: Vec<_> = ["operation".to_owned()].into_iter().chain(names).collect();
    let columns: Vec<_> = columns.iter().map(String::as_str).chain(["last / first"]).collect();
    let mut table = Table::new("Growth, one thread, durability never", &columns);
    let operations: [(&str, u64, Operation); 3] =
        [("get", OPERATIONS, get), ("set (overwrite)", OPERATIONS, set), ("scan of 100", OPERATIONS / 20, scan)];
    for (name, count, operation) in operations {
        let mut turn = 0;
        let samples = interleave(stores.len(), arguments.rounds, |index| {
            let (keys, _, database, _) = &stores[index];
            turn += 1;
            let start: Instant = schedule::now();
            for n in 0..count {
                operation(database.store(), keep::shuffle(n.wrapping_mul(turn), *keys))?;
            }
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            Ok::<_, anyhow::Error>(start.elapsed().as_nanos() as f64 / count as f64)
        })?;
        let growth = samples.last().zip(samples.first()).map(|(last, first)| last.relative_to(first).show(2));
        let shown = samples.iter().map(|samples| samples.show(0));
        table.row([name.to_owned()].into_iter().chain(shown).chain(growth));
    }
    println!("{table}");
    Ok(())
}

fn get(store: &Store, n: u64) -> Result<()> {
    ensure!(store.get(&keep::key(n)).is_some_and(|entry| entry.value.len() == VALUE_BYTES), "key {n} is missing");
    Ok(())
}

fn set(store: &Store, n: u64) -> Result<()> {
    keep::set(store, &keep::key(n), n).map(drop)
}

fn scan(store: &Store, n: u64) -> Result<()> {
    let range = KeyRange { start: Bound::Included(keep::key(n).as_slice().into()), end: Bound::Unbounded };
    let (mut seen, mut bytes) = (0, 0);
    store.snapshot().visit(&range, Direction::Forward, |_, entry| {
        seen += 1;
        bytes += entry.value.len();
        if seen < SCAN { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    ensure!(bytes >= VALUE_BYTES, "nothing behind key {n}");
    Ok(())
}
