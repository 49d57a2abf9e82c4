//! Looks for lost reads: one thread overwrites while another reads and scans.
//!
//! Every key is present all the time, so a read that finds nothing, a scan that comes up short, and a version that goes
//! backwards are faults of the map. The last line runs a map that is known to be faulty, to show that the check sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::candidates::CANDIDATES;
use crate::link::Draft;
use crate::options::Options;
use crate::shape::Shape;
use crate::shape::overwriting::Overwriting;
use crate::workload::{self, Random};

const KEYS: u64 = 1_000;
const RUN_TIME: Duration = Duration::from_secs(3);
/// Point reads between two scans of everything.
const READS_PER_SCAN: u64 = 10_000;

#[derive(Default)]
struct Findings {
    reads: u64,
    missing: u64,
    backwards: u64,
    scans: u64,
    short_scans: u64,
}

/// Runs the check over the selected candidates and prints a table.
pub(crate) fn run(options: &Options) {
    println!("| map | reads | missing | backwards | scans | short scans | overwrites |");
    println!("|---|---|---|---|---|---|---|");
    for candidate in CANDIDATES.iter().filter(|candidate| options.selects(candidate.name)) {
        check(candidate.name, (candidate.build)().as_ref());
    }
    check("SkipMap, overwriting insert (faulty)", &Overwriting::default());
}

fn check(name: &str, map: &dyn Shape) {
    for index in 0..KEYS {
        put(map, index, 1);
    }
    let stop = AtomicBool::new(false);
    let (overwrites, findings) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| overwrite_until(map, &stop));
        let findings = read_for(map, RUN_TIME);
        stop.store(true, Ordering::Relaxed);
        (writer.join().expect("the writer does not panic"), findings)
    });
    let Findings { reads, missing, backwards, scans, short_scans } = findings;
    println!("| {name} | {reads} | {missing} | {backwards} | {scans} | {short_scans} | {overwrites} |");
}

fn overwrite_until(map: &dyn Shape, stop: &AtomicBool) -> u64 {
    let mut random = Random::new(1);
    let mut version = 1;
    while !stop.load(Ordering::Relaxed) {
        version += 1;
        put(map, random.below(KEYS), version);
    }
    version - 1
}

fn read_for(map: &dyn Shape, time: Duration) -> Findings {
    let mut findings = Findings::default();
    let mut random = Random::new(2);
    let mut newest_seen = vec![0; usize::try_from(KEYS).expect("a small number")];
    let started = Instant::now();
    while started.elapsed() < time {
        for _ in 0..READS_PER_SCAN {
            let index = random.below(KEYS);
            let key = workload::key(index);
            findings.reads += 1;
            let Some(value) = map.get(&key, u64::MAX) else {
                findings.missing += 1;
                continue;
            };
            let version = workload::version_of(&key, &value).expect("a value of this key");
            let newest = &mut newest_seen[usize::try_from(index).expect("below KEYS")];
            findings.backwards += u64::from(version < *newest);
            *newest = version.max(*newest);
        }
        let mut entries = 0;
        map.scan(&[], usize::MAX, u64::MAX, &mut |_, _| entries += 1);
        findings.scans += 1;
        findings.short_scans += u64::from(entries != KEYS);
    }
    findings
}

fn put(map: &dyn Shape, index: u64, version: u64) {
    let key = workload::key(index);
    let value = workload::value(&key, version);
    map.put(&key, &Draft { version, time_ms: version, deadline_ms: u64::MAX, value: &value });
}
