//! How the cost of an operation grows with the number of keys.

use std::ops::{Bound, ControlFlow};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use mantis_benches::rounds::interleave;
use mantis_benches::table::Table;
use mantis_db::{DiskThreads, Durability, Session};
use mantis_store::{Direction, KeyRange, Store};

use crate::keep::{self, VALUE_BYTES};
use crate::{Arguments, schedule};

/// Operations of a turn.
const OPERATIONS: u64 = 200_000;
const SCAN: usize = 100;
/// Buckets that are there when others are made, and how many those are.
const BUCKETS: [u64; 2] = [10, 9_900];
const BUCKETS_MADE: u64 = 100;
/// Another part measures checkpoints: none may run during this one.
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
    make_buckets(arguments)
}

/// The cost of the first write to a bucket, which makes it, with a few other buckets and with the most allowed.
fn make_buckets(arguments: &Arguments) -> Result<()> {
    let mut stores = Vec::new();
    for &buckets in &BUCKETS {
        let folder = keep::folder(&arguments.dir)?;
        let (database, _) = keep::open(folder.path(), Durability::Never, CHECKPOINT_BYTES)?;
        let threads = DiskThreads::start(database.store(), Box::new(|_| ()))?;
        let mut session = database.session();
        for n in 0..buckets {
            write_first(&mut session, &format!("kept-{n}"))?;
        }
        stores.push((session, threads, folder));
    }
    let samples = interleave(stores.len(), arguments.rounds, |index| {
        let session = &mut stores[index].0;
        let names: Vec<_> = (0..BUCKETS_MADE).map(|n| format!("made-{n}")).collect();
        let start: Instant = schedule::now();
        names.iter().try_for_each(|name| write_first(session, name))?;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let took_ns = start.elapsed().as_nanos() as f64 / names.len() as f64;
        for name in &names {
            finish(session.drop_bucket(name))?;
        }
        Ok::<_, anyhow::Error>(took_ns)
    })?;
    let names = BUCKETS.map(|buckets| format!("beside {buckets}, ns"));
    let mut table = Table::new("Making a bucket, durability never", &[&names[0], &names[1], "last / first"]);
    table.row([samples[0].show(0), samples[1].show(0), samples[1].relative_to(&samples[0]).show(2)]);
    println!("{table}");
    Ok(())
}

fn write_first(session: &mut Session, bucket: &str) -> Result<()> {
    finish(session.kv(bucket)?.set(b"first", b"1")).map(drop)
}

/// Without a sync to wait for, an operation is ready at once.
fn finish<T>(operation: impl Future<Output = mantis_db::Result<T>>) -> Result<T> {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done?),
        Poll::Pending => bail!("it waits for something"),
    }
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
    store.snapshot().visit_shared(&range, Direction::Forward, |_, entry| {
        seen += 1;
        bytes += entry.value.len();
        if seen < SCAN { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    ensure!(bytes >= VALUE_BYTES, "nothing behind key {n}");
    Ok(())
}
