//! Random fuzzing as a test: the same inputs each time, or new ones for a given time.
//!
//! Inputs are made by changing those of `tests/corpus` and files of a real store. Half of them get their checksums fixed, to reach the code
//! after these checks. An input with a new outcome is changed further; longer runs put it into the corpus, and a failing one always goes
//! there, so that it stays a test. `fuzz/` does the same with feedback from code coverage.

#![allow(clippy::disallowed_methods, reason = "a run that is given seconds has to look at a clock")]

use std::collections::HashSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::change::{Chance, change};
use super::{INPUT_BYTES_MAX, Target};
use crate::disk::MemoryDisk;
use crate::format::{checksum, put_counted, put_number};
use crate::{Durability, ManualClock, Options, SeededRandom, Store};

/// Inputs of a test run without a given time.
const INPUTS: usize = 100_000;

#[test]
fn records_are_read_as_written_or_not_at_all() {
    run(&Target::SEGMENT, files("log-"));
}

#[test]
fn checkpoints_are_read_as_written_or_not_at_all() {
    run(&Target::CHECKPOINT, files("checkpoint-"));
}

#[test]
fn numbers_are_read_as_written_or_not_at_all() {
    let mut seed = Vec::new();
    for number in [0, 300, u64::MAX] {
        put_number(&mut seed, number);
        put_counted(&mut seed, &number.to_le_bytes());
    }
    run(&Target::CODEC, vec![seed]);
}

fn run(target: &Target, seeds: Vec<Vec<u8>>) {
    let seconds = std::env::var("MANTIS_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // Runs with a given time differ.
    let random = until.map_or(1, |_| u64::from(std::process::id()));
    let mut chance = Chance::new(random);
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target.name);
    let mut pool = seeds;
    for file in fs::read_dir(&corpus).into_iter().flatten() {
        pool.push(fs::read(file.unwrap().path()).unwrap());
    }
    let mut outcomes: HashSet<String> = pool.iter().map(|input| try_one(target, input, &corpus)).collect();
    let (mut inputs, mut found) = (pool.len(), 0);
    while until.map_or(inputs < INPUTS, |until| Instant::now() < until) {
        inputs += 1;
        let mut input = pool[chance.below(pool.len())].clone();
        if chance.percent(30) && target.is_whole(&input) {
            keeping(&corpus, &input, || target.check_damage(&input, &mut chance));
            continue;
        }
        for _ in 0..=chance.below(4) {
            if chance.percent(50)
                && target.change_block(&mut input, &mut chance, |block, chance| change(block, None, chance))
            {
                continue;
            }
            let from = chance.below(pool.len());
            change(&mut input, Some(&pool[from]), &mut chance);
        }
        input.truncate(INPUT_BYTES_MAX);
        if chance.percent(70) {
            target.reseal(&mut input, &mut chance);
        }
        if outcomes.insert(try_one(target, &input, &corpus)) {
            found += 1;
            if until.is_some() {
                save(&corpus, "found", &input);
            }
            pool.push(input);
        }
    }
    println!("fuzz {}: {inputs} inputs, {} outcomes, {found} of them new", target.name, outcomes.len());
}

/// Checks an input, with its memory measured, and returns the outcome.
fn try_one(target: &Target, input: &[u8], corpus: &Path) -> String {
    keeping(corpus, input, || {
        let memory = allocation_counter::measure(|| target.read(input));
        target.check_memory(input, memory.bytes_max);
        target.explore(input)
    })
}

/// Puts an input that fails into the corpus.
fn keeping<T>(corpus: &Path, input: &[u8], work: impl FnOnce() -> T) -> T {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        println!("the input is in {}", save(corpus, "failed", input).display());
        panic::resume_unwind(panic)
    })
}

fn save(corpus: &Path, name: &str, input: &[u8]) -> PathBuf {
    fs::create_dir_all(corpus).unwrap();
    let path = corpus.join(format!("{name}-{:016x}.bin", checksum(0, 0, input)));
    fs::write(&path, input).unwrap();
    path
}

/// The files of a store with some of everything, by the start of their names.
fn files(beginning: &str) -> Vec<Vec<u8>> {
    let disk = MemoryDisk::new();
    let clock = Arc::new(ManualClock::new(1_000));
    let mut options = Options::new(clock.clone(), Arc::new(SeededRandom::new(5)));
    options.segment_bytes_max = 600;
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Never).unwrap();
    for number in 0..24_u8 {
        let mut transaction = store.begin();
        for other in 0..=number % 3 {
            let key = [b'k', number % 7, other];
            match number % 4 {
                0 => transaction.delete(&key),
                kind => transaction.put(&key, vec![number; usize::from(number) * 5], (kind == 1).then_some(5_000)),
            }
        }
        transaction.commit().unwrap();
        clock.advance_ms(1);
        if number % 10 == 9 {
            store.checkpoint().unwrap();
        }
    }
    store.flush();
    let files = disk.files().into_iter();
    files.filter(|(name, _)| name.starts_with(beginning)).map(|(_, bytes)| bytes).collect()
}
