//! Times the candidates side by side: all maps are loaded, then each round runs every operation on every map, in turn
//! forwards and backwards, so that a slow spell of the machine falls on all of them.
#![allow(clippy::cast_precision_loss, reason = "counts and nanoseconds here are far below 2^52")]

use std::hint::black_box;

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::candidates::{CANDIDATES, Candidate};
use crate::link::Draft;
use crate::options::Options;
use crate::shape::Shape;
use crate::workload::{self, Random};

/// Entries in one scan.
const SCAN_ENTRIES: usize = 100;
/// Below this, pages hide what a key costs.
const KEYS_FOR_MEMORY_MIN: u64 = 100_000;

/// A loaded map with what was measured of it.
struct Subject {
    name: &'static str,
    map: Box<dyn Shape>,
    load_ns: f64,
    loaded_bytes: f64,
    read_bytes: f64,
    get_ns: Vec<f64>,
    read_ns: Vec<f64>,
    scan_ns: Vec<f64>,
    overwrite_ns: Vec<f64>,
}

/// Measures the selected candidates and prints a table.
pub(crate) fn run(options: &Options) {
    let pinned = pin_to(options.core);
    let selected = CANDIDATES.iter().filter(|candidate| options.selects(candidate.name));
    let mut subjects: Vec<Subject> = selected.map(|candidate| load(candidate, options.keys)).collect();
    let mut version = 1;
    for round in 0..options.rounds {
        let mut order: Vec<&mut Subject> = subjects.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for subject in order {
            run_round(subject, options, round as u64, &mut version);
        }
    }
    print_table(options, pinned, &subjects);
}

fn pin_to(core: usize) -> bool {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).is_ok()
}

fn load(candidate: &Candidate, keys: u64) -> Subject {
    let map = (candidate.build)();
    let before = resident_bytes();
    let started = cpu_ns();
    for index in 0..keys {
        put(map.as_ref(), index, 1);
    }
    let load_ns = per(started, keys);
    let loaded = resident_bytes();
    // The first clone of a `Bytes` allocates its shared count: memory that reads add.
    for index in 0..keys {
        get(map.as_ref(), index);
    }
    let bytes_per_key = |now: f64| (now - before) / keys as f64;
    Subject {
        name: candidate.name,
        map,
        load_ns,
        loaded_bytes: bytes_per_key(loaded),
        read_bytes: bytes_per_key(resident_bytes()),
        get_ns: Vec::new(),
        read_ns: Vec::new(),
        scan_ns: Vec::new(),
        overwrite_ns: Vec::new(),
    }
}

fn run_round(subject: &mut Subject, options: &Options, round: u64, version: &mut u64) {
    let map = subject.map.as_ref();
    // The same keys for every candidate of a round.
    let mut random = Random::new(round);
    let operations = options.operations;

    let started = cpu_ns();
    for _ in 0..operations {
        get(map, random.below(options.keys));
    }
    subject.get_ns.push(per(started, operations));

    let started = cpu_ns();
    for _ in 0..operations {
        read(map, random.below(options.keys));
    }
    subject.read_ns.push(per(started, operations));

    let scans = (operations / 50).max(1);
    let started = cpu_ns();
    for _ in 0..scans {
        scan(map, random.below(options.keys));
    }
    subject.scan_ns.push(per(started, scans));

    let started = cpu_ns();
    for _ in 0..operations {
        *version += 1;
        put(map, random.below(options.keys), *version);
    }
    subject.overwrite_ns.push(per(started, operations));
}

fn put(map: &dyn Shape, index: u64, version: u64) {
    let key = workload::key(index);
    let value = workload::value(&key, version);
    map.put(&key, &Draft { version, time_ms: version, deadline_ms: u64::MAX, value: &value });
}

fn get(map: &dyn Shape, index: u64) {
    let key = workload::key(index);
    let value = map.get(&key, u64::MAX).expect("every key is present");
    assert!(workload::version_of(&key, &value).is_some(), "a value of another key");
}

fn read(map: &dyn Shape, index: u64) {
    let key = workload::key(index);
    let found = map.read(&key, u64::MAX, &mut |value| {
        assert!(workload::version_of(&key, value).is_some(), "a value of another key");
    });
    assert!(found, "every key is present");
}

fn scan(map: &dyn Shape, index: u64) {
    let from = workload::key(index);
    let mut entries = 0;
    map.scan(&from, SCAN_ENTRIES, u64::MAX, &mut |key, value| {
        assert!(workload::version_of(key, &value).is_some(), "a value of another key");
        entries += 1;
    });
    assert!(black_box(entries) > 0, "the first key is present");
}

fn per(started: f64, operations: u64) -> f64 {
    (cpu_ns() - started) / operations as f64
}

/// CPU time of this thread: what other programs take of the core does not count.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(f64::NAN);
    pages * rustix::param::page_size() as f64
}

fn print_table(options: &Options, pinned: bool, subjects: &[Subject]) {
    let allocator = if cfg!(feature = "mimalloc") { "mimalloc" } else { "system allocator" };
    let cores = if pinned { format!("core {}", options.core) } else { "not pinned".to_owned() };
    println!(
        "{} keys, {} rounds, {allocator}, {cores}; median (lowest to highest) in ns of CPU\n",
        options.keys, options.rounds
    );
    println!(
        "| map | get | read in place | scan of {SCAN_ENTRIES} | overwrite | insert | B/key loaded | B/key after reads |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for subject in subjects {
        let memory =
            |bytes: f64| if options.keys < KEYS_FOR_MEMORY_MIN { "-".to_owned() } else { format!("{bytes:.0}") };
        println!(
            "| {} | {} | {} | {} | {} | {:.0} | {} | {} |",
            subject.name,
            spread(&subject.get_ns),
            spread(&subject.read_ns),
            spread(&subject.scan_ns),
            spread(&subject.overwrite_ns),
            subject.load_ns,
            memory(subject.loaded_bytes),
            memory(subject.read_bytes),
        );
    }
}

fn spread(samples: &[f64]) -> String {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    format!("{median:.0} ({:.0} to {:.0})", sorted[0], sorted[sorted.len() - 1])
}
