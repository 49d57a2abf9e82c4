//! How long one client's large work delays others: the writers' lock, measured inside the store, and a neighbour's PUT.
//!
//! usage: holds [--keys 1000000,10000000] [--rounds 5]
//!
//! 24-byte keys, 64-byte values, in memory. A hold is named by the end of its bucket, a power of two. Prints Markdown.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::Parser;
use mantis_benches::table::Table;
use mantis_store::{Clock, Direction, Expect, Holds, KeyRange, Options, SeededRandom, Store, Transaction, Update};

#[derive(Parser)]
struct Arguments {
    /// Sizes to measure
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    keys: Vec<u64>,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

struct NativeClock(Instant);

impl Clock for NativeClock {
    #[allow(clippy::disallowed_methods, reason = "a native program")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Keys that the transaction scans, keys that it reads, commits that others make meanwhile, new keys of the large commit.
const SCANNED: u64 = 600_000;
const READ: u64 = 100_000;
const COMMITS: u64 = 1_000;
const NEW: u64 = 100_000;
/// The number of commits since the snapshot's version.
const COMMITS_SINCE: u64 = 100_000;

fn main() {
    let arguments = Arguments::parse();
    for &keys in &arguments.keys {
        println!("{}", measure(keys, arguments.rounds));
    }
}

fn measure(keys: u64, rounds: usize) -> Table {
    let store = filled(keys);
    let columns = ["work", "longest hold, us", "commit, us", "a neighbour's longest PUT, us", "its median"];
    let mut table = Table::new(&format!("What large work costs others, {keys} keys"), &columns);
    let mut report = |name: &str, mut work: Box<dyn FnMut() -> Duration + '_>| {
        let samples: Vec<_> = (0..rounds).map(|_| beside_a_neighbour(&store, &mut work)).collect();
        let column = |of: fn(&Sample) -> u64| {
            let mut values: Vec<_> = samples.iter().map(of).collect();
            values.sort_unstable();
            format!("{} ({} to {})", values[values.len() / 2], values[0], values[values.len() - 1])
        };
        let median = column(|sample| sample.put_median);
        let row = [column(|sample| sample.hold), column(|sample| sample.work), column(|sample| sample.put_max), median];
        table.row(std::iter::once(name.to_owned()).chain(row));
    };
    report("nothing", Box::new(|| timed(|| rest(Duration::from_millis(200)))));
    report(
        "validation of a scan of 600,000 keys, 1,000 commits since",
        Box::new(|| validated(&store, &mut |transaction| scan(transaction, SCANNED.min(keys)))),
    );
    report(
        "validation of 100,000 point reads, 1,000 commits since",
        Box::new(|| {
            validated(&store, &mut |transaction| {
                (0..READ).for_each(|n| drop(transaction.get(&key(n * 7 % keys))));
            })
        }),
    );
    let mut round = 0;
    report(
        "commit of 100,000 new keys",
        Box::new(|| {
            round += 1;
            let mut transaction = store.begin();
            (0..NEW).for_each(|n| {
                transaction.put(format!("new/{round}/{:>12}", n * 7_919 % NEW).as_bytes(), value(), None);
            });
            let took = timed(|| assert!(transaction.commit().is_ok(), "nobody reads these keys"));
            // The next round begins with as many keys.
            for first in (0..NEW).step_by(100) {
                let mut transaction = store.begin();
                (first..first + 100).for_each(|n| transaction.delete(format!("new/{round}/{n:>12}").as_bytes()));
                let _ = transaction.commit();
            }
            took
        }),
    );
    report(
        "8,000 savepoints in one transaction, a put behind each",
        Box::new(|| {
            let mut transaction = store.begin();
            timed(|| {
                for n in 0..8_000 {
                    let savepoint = transaction.savepoint();
                    transaction.put(&key(n), value(), None);
                    transaction.release(savepoint);
                }
            })
        }),
    );
    let snapshot = store.snapshot();
    (0..COMMITS_SINCE).for_each(|_| put(&store, b"hot", value()));
    report("a snapshot's read of a key 100,000 versions back", Box::new(|| timed(|| drop(snapshot.get(b"hot")))));
    table
}

fn filled(keys: u64) -> Store {
    #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
    let clock = NativeClock(Instant::now());
    let store = Store::new(Options::new(Arc::new(clock), Arc::new(SeededRandom::new(1))));
    put(&store, b"hot", value());
    for n in 0..keys {
        put(&store, &key(n * 2_654_435_761 % keys), value());
    }
    store
}

/// Reads by `read`, lets others commit, and measures the commit.
fn validated(store: &Store, read: &mut dyn FnMut(&mut Transaction)) -> Duration {
    let mut transaction = store.begin();
    read(&mut transaction);
    transaction.put(b"outcome", value(), None);
    (0..COMMITS).for_each(|n| put(store, format!("elsewhere/{n}").as_bytes(), value()));
    timed(|| assert!(transaction.commit().is_ok(), "what others wrote was not read"))
}

fn scan(transaction: &mut Transaction, keys: u64) {
    let range = KeyRange { start: Bound::Included(Box::from(*b"key:")), end: Bound::Excluded(Box::from(*b"key;")) };
    let mut seen = 0;
    let _ = transaction.visit(&range, Direction::Forward, |_, _, _| {
        seen += 1;
        if seen < keys { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
}

/// Microseconds.
struct Sample {
    hold: u64,
    work: u64,
    put_max: u64,
    put_median: u64,
}

/// Does `work` while a neighbour puts one key after the other, and returns both results.
fn beside_a_neighbour(store: &Store, work: &mut dyn FnMut() -> Duration) -> Sample {
    let done = AtomicBool::new(false);
    let before = store.stats().writer_holds;
    let (took, mut puts) = thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let mut took = Vec::new();
            while !done.load(Ordering::Relaxed) {
                took.push(timed(|| put(store, b"neighbour", value())));
                rest(Duration::from_micros(50));
            }
            took
        });
        let took = work();
        done.store(true, Ordering::Relaxed);
        (took, neighbour.join().unwrap_or_default())
    });
    puts.sort_unstable();
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    Sample {
        hold: longest(&before, &store.stats().writer_holds),
        work: us(took),
        put_max: puts.last().copied().map_or(0, us),
        put_median: puts.get(puts.len() / 2).copied().map_or(0, us),
    }
}

/// The end of the last bucket that holds have come to between two moments.
fn longest(before: &Holds, after: &Holds) -> u64 {
    let grown = (0..after.counts.len()).rev().find(|&bucket| after.counts[bucket] > before.counts[bucket]);
    grown.map_or(0, |bucket| Holds::bucket_end_us(bucket).unwrap_or(u64::MAX))
}

#[allow(clippy::disallowed_methods, reason = "a native program with threads")]
fn rest(time: Duration) {
    thread::sleep(time);
}

fn put(store: &Store, key: &[u8], value: Bytes) {
    let _ = store.write(key, Update::Put { value, expires_at_ms: None }, Expect::Anything, None);
}

fn value() -> Bytes {
    Bytes::from_static(&[b'x'; 64])
}

fn key(n: u64) -> [u8; 24] {
    let mut key = *b"key:00000000000000000000";
    let digits = n.to_string();
    key[24 - digits.len()..].copy_from_slice(digits.as_bytes());
    key
}

#[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}
