//! The engine in process, compared with the simplest structure that could hold the same data: `RwLock<BTreeMap>`.
//!
//! usage: engine [--keys 1000,1000000,10000000] [--rounds 5]
//!
//! 24-byte keys inserted in random order, 64-byte values; one thread. Prints Markdown.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use clap::Parser;
use mantis_benches::rounds::interleave;
use mantis_benches::table::Table;
use mantis_store::{Direction, Expect, KeyRange, Options, SeededRandom, Store, SystemClock, Update};
use parking_lot::RwLock;

#[derive(Parser)]
struct Arguments {
    /// Sizes to measure
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 1_000_000])]
    keys: Vec<u64>,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Operations of a kind in a round
    #[arg(long, default_value_t = 500_000)]
    operations: u64,
}

/// Does one operation on a key.
type Operation = fn(&dyn Map, &[u8]);

/// What both do.
trait Map {
    fn get(&self, key: &[u8]) -> usize;
    fn set(&self, key: &[u8], value: Bytes);
    fn scan(&self, from: &[u8], count: usize) -> usize;
    /// As `scan`, of values that are only looked at.
    fn look(&self, from: &[u8], count: usize) -> usize;
}

impl Map for Store {
    fn get(&self, key: &[u8]) -> usize {
        Store::get(self, key).map_or(0, |entry| entry.value.len())
    }

    fn set(&self, key: &[u8], value: Bytes) {
        let update = Update::Put { value, expires_at_ms: None };
        let _ = self.write(key, update, Expect::Anything, None);
    }

    fn scan(&self, from: &[u8], count: usize) -> usize {
        let range = KeyRange { start: Bound::Included(from.into()), end: Bound::Unbounded };
        let (mut seen, mut bytes) = (0, 0);
        let _ = self.snapshot().visit_shared(&range, Direction::Forward, |_, entry| {
            seen += 1;
            bytes += entry.value.len();
            if seen < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        bytes
    }

    fn look(&self, from: &[u8], count: usize) -> usize {
        let range = KeyRange { start: Bound::Included(from.into()), end: Bound::Unbounded };
        let (mut seen, mut bytes) = (0, 0);
        let _ = self.snapshot().visit(&range, Direction::Forward, |_, _, value| {
            seen += 1;
            bytes += value.len();
            if seen < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        bytes
    }
}

impl Map for RwLock<BTreeMap<Box<[u8]>, Bytes>> {
    fn get(&self, key: &[u8]) -> usize {
        self.read().get(key).cloned().map_or(0, |value| value.len())
    }

    fn set(&self, key: &[u8], value: Bytes) {
        self.write().insert(key.into(), value);
    }

    fn scan(&self, from: &[u8], count: usize) -> usize {
        let map = self.read();
        map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
            .take(count)
            .map(|(_, value)| value.clone().len())
            .sum()
    }

    fn look(&self, from: &[u8], count: usize) -> usize {
        let map = self.read();
        map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).take(count).map(|(_, value)| value.len()).sum()
    }
}

fn main() {
    let arguments = Arguments::parse();
    for &keys in &arguments.keys {
        println!("{}", measure(keys, &arguments));
    }
}

fn measure(keys: u64, arguments: &Arguments) -> Table {
    let mut options = Options::new(Arc::new(SystemClock), Arc::new(SeededRandom::new(1)));
    options.feed_bytes_max = 1 << 20;
    let store = Store::new(options);
    let tree = RwLock::new(BTreeMap::new());
    let maps: [(&str, &dyn Map); 2] = [("RwLock<BTreeMap>", &tree), ("MantisDB", &store)];
    let resident = maps.map(|(_, map)| {
        let before = resident_bytes();
        for n in 0..keys {
            map.set(&key(shuffle(n, keys)), Bytes::from(vec![b'x'; 64]));
        }
        resident_bytes().saturating_sub(before) / keys.max(1)
    });
    let title = format!("Engine in process, {keys} keys");
    let columns = ["operation", "RwLock<BTreeMap> ns", "MantisDB ns", "ratio"];
    let mut table = Table::new(&title, &columns);
    let operations: [(&str, u64, Operation); 6] = [
        ("get", arguments.operations, |map, key| assert_eq!(map.get(key), 64)),
        ("set (overwrite)", arguments.operations, |map, key| map.set(key, Bytes::from(vec![b'y'; 64]))),
        ("scan of 100", arguments.operations / 50, |map, key| assert!(map.scan(key, 100) >= 64)),
        ("scan of 100, values not kept", arguments.operations / 50, |map, key| assert!(map.look(key, 100) >= 64)),
        ("scan of all", 1, |map, _| assert!(map.scan(b"", usize::MAX) >= 64)),
        ("scan of all, values not kept", 1, |map, _| assert!(map.look(b"", usize::MAX) >= 64)),
    ];
    for (name, count, operation) in operations {
        let mut seed = 1;
        let samples = interleave(2, arguments.rounds, |contestant| {
            seed += 1;
            Ok::<_, Infallible>(nanoseconds_each(count, |n| {
                operation(maps[contestant].1, &key(shuffle(n.wrapping_mul(seed), keys)));
            }))
        });
        let Ok(samples) = samples;
        let ratio = samples[1].relative_to(&samples[0]);
        table.row([name.to_owned(), samples[0].show(0), samples[1].show(0), ratio.show(2)]);
    }
    table.row(["resident bytes per key".to_owned(), resident[0].to_string(), resident[1].to_string(), String::new()]);
    table
}

fn key(n: u64) -> [u8; 24] {
    let mut key = *b"key:00000000000000000000";
    let digits = n.to_string();
    key[24 - digits.len()..].copy_from_slice(digits.as_bytes());
    key
}

/// A number below `keys` that looks random; each `n` below `keys` gives another one.
fn shuffle(n: u64, keys: u64) -> u64 {
    // Multiplication by a prime that does not divide `keys` permutes the residues.
    n.wrapping_rem(keys) * 2_654_435_761 % keys
}

fn nanoseconds_each(count: u64, mut work: impl FnMut(u64)) -> f64 {
    #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
    let start = Instant::now();
    for n in 0..count {
        work(n);
    }
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    {
        start.elapsed().as_nanos() as f64 / count as f64
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}
