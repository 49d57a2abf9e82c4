//! Flipped bits, truncated files and misplaced files: damaged durable data is refused by name and place, or replaced by what is intact; a
//! wrong value is never served.
//!
//! With `MANTIS_TORTURE` every bit of a log of 64 KiB is flipped, every byte of a log of 1 MiB with its checkpoints is changed, and each of
//! these files is truncated to every length; without, the logs are smaller.

use std::sync::Arc;
use std::time::Instant;

use mantis_store::disk::MemoryDisk;
use mantis_store::{Durability, OpenError, Store, check};

use super::wreck::{Files, NEVER, Shape, Whole, is_checkpoint, is_segment};
use super::{commit_writes, open, options, torture};
use crate::support::Numbers;

/// Bytes added to each value of a large log, so that it has few records.
const LARGE_VALUE_BYTES: u64 = 1 << 10;

const FIRST_SEGMENT: &str = "log-00000000000000000000.mantis";

#[test]
fn no_bit_of_a_log_flips_unnoticed() {
    let began = Instant::now();
    let log_bytes = if torture() > 1 { 64 << 10 } else { 8 << 10 };
    let mut whole = Whole::write(Shape { log_bytes, segment_bytes_max: 1 << 20, checkpoint_every: NEVER, seed: 1 });
    // A bit of each byte is enough for checks and repairs: see the next test.
    whole.is_looked_at = false;
    let names = ["store.mantis", whole.last_segment()];
    let flips = whole.flip(&names, |_| (0..8).map(|bit| 1 << bit).collect());
    println!("damage: {flips} bits flipped in {log_bytes} bytes of log, in {:?}", began.elapsed());
}

#[test]
fn no_byte_of_segments_and_checkpoints_changes_unnoticed() {
    let began = Instant::now();
    let whole = Whole::write(Shape { log_bytes: 12 << 10, segment_bytes_max: 2_000, checkpoint_every: 20, seed: 2 });
    let all: Vec<_> = whole.files.keys().map(|name| &**name).collect();
    assert!(all.len() > 7, "{all:?}");
    // One bit, and all of them.
    let changes = whole.flip(&all, |offset| vec![1 << (offset % 8), 0xff]);
    println!("damage: {changes} bytes changed in {:?}", began.elapsed());
}

/// A log of 1 MiB with two checkpoints; without `MANTIS_TORTURE` a fiftieth of that.
fn large() -> Whole {
    let shape = if torture() > 1 {
        Shape { log_bytes: 1 << 20, segment_bytes_max: 100 << 10, checkpoint_every: 150, seed: 40 }
    } else {
        Shape { log_bytes: 20 << 10, segment_bytes_max: 4 << 10, checkpoint_every: 4, seed: 40 }
    };
    let whole = Whole::write_values(shape, LARGE_VALUE_BYTES);
    println!("damage: a large log in {} bytes of files", whole.files.values().map(Vec::len).sum::<usize>());
    assert!(whole.names(is_segment).len() > 3 && whole.names(is_checkpoint).len() == 2, "{:?}", whole.files.keys());
    whole
}

#[test]
fn no_byte_of_a_large_log_changes_unnoticed() {
    let (began, whole) = (Instant::now(), large());
    let all: Vec<_> = whole.files.keys().map(|name| &**name).collect();
    let changes = whole.flip(&all, |offset| vec![1 << (offset % 8)]);
    println!("damage: {changes} bytes of a large log and its checkpoints changed in {:?}", began.elapsed());
}

#[test]
fn no_file_of_a_large_log_ends_early_unnoticed() {
    let (began, whole) = (Instant::now(), large());
    println!("damage: {} lengths of a large log and its checkpoints in {:?}", whole.cut_everywhere(), began.elapsed());
}

#[test]
fn a_range_of_zeros_or_garbage_is_noticed() {
    let whole = Whole::write(Shape { log_bytes: 6_000, segment_bytes_max: 2_000, checkpoint_every: 20, seed: 3 });
    let mut numbers = Numbers::new(3);
    for (name, bytes) in &whole.files {
        for offset in (0..bytes.len()).step_by(7) {
            for length in [8, 64, 512] {
                let end = (offset + length).min(bytes.len());
                for filling in [&mut |_: &mut u8| 0, &mut |_: &mut u8| numbers.below(256) as u8]
                    as [&mut dyn FnMut(&mut u8) -> u8; 2]
                {
                    let disk =
                        whole.with(name, |bytes| bytes[offset..end].iter_mut().for_each(|byte| *byte = filling(byte)));
                    let damaged = disk.files();
                    let first = bytes.iter().zip(&damaged[name]).position(|(before, after)| before != after);
                    if let Some(first) = first {
                        whole.check_stretch(&disk, name, first);
                    }
                }
            }
        }
    }
}

#[test]
fn no_file_ends_early_unnoticed() {
    let began = Instant::now();
    let mut cuts = 0;
    for checkpoint_every in [NEVER, 20] {
        let whole = Whole::write(Shape { log_bytes: 6_000, segment_bytes_max: 1_500, checkpoint_every, seed: 4 });
        cuts += whole.cut_everywhere();
    }
    println!("damage: {cuts} lengths in {:?}", began.elapsed());
}

#[test]
fn bytes_after_the_end_of_a_file_are_noticed() {
    let whole = Whole::write(Shape { log_bytes: 6_000, segment_bytes_max: 1_500, checkpoint_every: 20, seed: 5 });
    let mut numbers = Numbers::new(5);
    for (name, bytes) in &whole.files {
        for length in [1, 7, 16, 55, 56, 57, 512, 4_096] {
            for filling in [0, 1] {
                let more = (0..length).map(|_| (numbers.below(256) * filling) as u8);
                let disk = whole.with(name, |bytes| bytes.extend(more));
                let case = || format!("{name} with {length} bytes more");
                match whole.open(&disk, &case) {
                    Err(OpenError::Damaged { file, offset, .. }) => {
                        assert_eq!((&file, offset), (name, bytes.len() as u64));
                    }
                    Err(other) => panic!("{}: {other}", case()),
                    Ok((version, recovered)) => {
                        assert_eq!(version, whole.model.newest().0, "{}", case());
                        let is_old = is_checkpoint(name) && Some(&**name) != whole.newest_checkpoint();
                        assert!(is_old || recovered.cut.is_some() || !recovered.passed_over.is_empty(), "{}", case());
                    }
                }
            }
        }
    }
}

/// Opens files some of which were put in the place of others: only the outcome must be right.
#[track_caller]
fn check_mixed(whole: &Whole, files: Files, changed: &[&str], case: &str) -> bool {
    let newest = whole.model.newest().0;
    match whole.open(&MemoryDisk::with_files(files), &|| case.to_owned()) {
        Err(OpenError::Damaged { file, .. }) => {
            assert!(changed.contains(&&*file), "{case}: {file} is reported");
            true
        }
        Err(other) => panic!("{case}: {other}"),
        Ok((version, recovered)) => {
            let is_reported = recovered.cut.is_some() || !recovered.passed_over.is_empty();
            let is_checkpoint_alone = changed.iter().all(|name| is_checkpoint(name));
            assert!(is_reported || is_checkpoint_alone || version == newest, "{case}: {recovered}");
            assert!(version == newest || recovered.cut.is_some(), "{case}: {recovered}");
            false
        }
    }
}

#[test]
fn a_file_in_the_place_of_another_is_noticed() {
    for checkpoint_every in [NEVER, 20] {
        let whole = Whole::write(Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every, seed: 6 });
        let files = &whole.files;
        let (mut refused, mut cases) = (0, 0);
        for from in files.keys() {
            for to in files.keys().filter(|to| *to != from) {
                let mut copied = files.clone();
                copied.insert(to.clone(), files[from].clone());
                let mut swapped = copied.clone();
                swapped.insert(from.clone(), files[to].clone());
                refused += usize::from(check_mixed(&whole, copied, &[to], &format!("{from} copied over {to}")));
                refused += usize::from(check_mixed(&whole, swapped, &[from, to], &format!("{from} and {to} swapped")));
                cases += 2;
            }
        }
        assert!(refused * 10 > cases * 6, "{refused} of {cases} were refused");
    }
}

#[test]
fn a_file_under_another_number_is_noticed() {
    for checkpoint_every in [NEVER, 20] {
        let whole = Whole::write(Shape { log_bytes: 4_000, segment_bytes_max: 1_000, checkpoint_every, seed: 7 });
        let newest = whole.model.newest().0;
        for from in whole.files.keys().filter(|name| *name != "store.mantis") {
            let kind = if is_segment(from) { "log" } else { "checkpoint" };
            for version in (0..newest + 3).chain([u64::MAX]) {
                let to = format!("{kind}-{version:020}.mantis");
                if whole.files.contains_key(&to) {
                    continue;
                }
                let mut copied = whole.files.clone();
                copied.insert(to.clone(), whole.files[from].clone());
                let mut renamed = copied.clone();
                renamed.remove(from);
                // The missing file leaves a gap, which the next one reveals.
                let all: Vec<_> = whole.files.keys().map(|name| &**name).chain([&*to]).collect();
                check_mixed(&whole, copied, &[&to], &format!("{from} copied to {to}"));
                check_mixed(&whole, renamed, &all, &format!("{from} renamed to {to}"));
            }
        }
    }
}

#[test]
fn a_file_of_another_store_is_noticed() {
    let shape = Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every: 20, seed: 8 };
    let (whole, other) = (Whole::write(shape), Whole::write(Shape { seed: 9, ..shape }));
    // The same commits under another identity: only that distinguishes them.
    let twin = Whole::write(shape);
    assert!(twin.files == whole.files, "the same seed writes the same");
    for name in whole.files.keys() {
        for (from, bytes) in &other.files {
            let mut mixed = whole.files.clone();
            mixed.insert(name.clone(), bytes.clone());
            let case = format!("{from} of another store as {name}");
            if name == "store.mantis" && from == name {
                // Then all the others are of another store.
                let error = whole.open(&MemoryDisk::with_files(mixed), &|| case.clone()).unwrap_err();
                assert!(matches!(error, OpenError::Damaged { .. }), "{case}: {error}");
            } else {
                check_mixed(&whole, mixed, &[name], &case);
            }
        }
    }
}

#[test]
fn an_older_version_of_a_file_is_noticed_if_another_follows_it() {
    for checkpoint_every in [NEVER, 20] {
        let whole = Whole::write(Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every, seed: 10 });
        for files in &whole.history {
            for (name, bytes) in
                files.iter().filter(|(name, bytes)| whole.files.get(*name).is_some_and(|now| now != *bytes))
            {
                let mut mixed = whole.files.clone();
                mixed.insert(name.clone(), bytes.clone());
                let case = || format!("{name} as it was with {} bytes", bytes.len());
                match whole.open(&MemoryDisk::with_files(mixed), &case) {
                    Err(OpenError::Damaged { file, .. }) => assert_eq!(&file, name, "{}", case()),
                    Err(other) => panic!("{}: {other}", case()),
                    // An earlier version of the last segment is a prefix that nothing contradicts.
                    Ok((version, _)) => {
                        assert!(name == whole.last_segment() || version == whole.model.newest().0, "{}", case());
                    }
                }
            }
        }
    }
}

#[test]
fn a_missing_file_is_noticed_if_another_follows_it() {
    for checkpoint_every in [NEVER, 20] {
        let whole = Whole::write(Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every, seed: 11 });
        let newest = whole.model.newest().0;
        for name in whole.files.keys() {
            let mut files = whole.files.clone();
            files.remove(name);
            match whole.open(&MemoryDisk::with_files(files), &|| format!("without {name}")) {
                Err(OpenError::Damaged { .. }) => {}
                Err(other) => panic!("without {name}: {other}"),
                Ok((version, _)) => assert!(name == whole.last_segment() || version == newest, "without {name}"),
            }
        }
        // Nothing of the log at all, or only an empty file in place of its first segment.
        let files = whole.files.iter().filter(|(name, _)| !is_segment(name));
        let mut files: Files = files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        let opened = whole.open(&MemoryDisk::with_files(files.clone()), &|| "without a log".into());
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
        files.insert(FIRST_SEGMENT.into(), Vec::new());
        let opened = whole.open(&MemoryDisk::with_files(files), &|| "with an empty log".into());
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
    }
}

#[test]
fn a_store_whose_creation_was_interrupted_is_created_again() {
    let made = MemoryDisk::new();
    drop(open(&made, Durability::Always).unwrap());
    let header = made.files().remove(FIRST_SEGMENT).unwrap();
    for length in [0, header.len() / 2, header.len()] {
        let left = Files::from([(FIRST_SEGMENT.to_owned(), header[..length].to_vec())]);
        let disk = MemoryDisk::with_files(left.clone());
        let report = check(&disk, &options(&Arc::default(), 32)).unwrap();
        assert!(report.is_right() && report.opening.is_ok_and(|recovered| recovered.is_new), "{length}");
        assert_eq!(disk.files(), left, "a check changes nothing");
        let (store, recovered) = open(&disk, Durability::Always).unwrap();
        assert!(recovered.is_new && recovered.cut.is_none(), "{length}: {recovered:?}");
        commit_writes(&store, &[(b"key".to_vec(), Some((b"value".to_vec(), None)))]);
        store.flush();
        drop(store);
        let (_, recovered) = open(&disk, Durability::Always).unwrap();
        assert_eq!((recovered.is_new, recovered.keys), (false, 1), "{length}");
    }
}

#[test]
fn a_value_full_of_forged_records_does_not_slow_down_opening() {
    let disk = MemoryDisk::new();
    let mut options = options(&Arc::default(), 1);
    options.segment_bytes_max = 1 << 30;
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap();
    // Every fourth byte begins a length, a count, and descending versions.
    let value = (500_000..1_000_000_u32).rev().flat_map(u32::to_le_bytes).collect();
    for writes in [(b"a".to_vec(), Some((b"1".to_vec(), None))), (b"b".to_vec(), Some((value, None)))] {
        commit_writes(&store, &[writes]);
        store.flush();
    }
    drop(store);
    let mut files = disk.files();
    let log = files.values_mut().max_by_key(|bytes| bytes.len()).unwrap();
    log.truncate(log.len() - 1);
    let began = Instant::now();
    let (_, recovered) = open(&MemoryDisk::with_files(files), Durability::Always).unwrap();
    let took = began.elapsed();
    assert_eq!((recovered.version, recovered.cut.is_some()), (1, true));
    assert!(took.as_secs() < 3, "{took:?}: a search that reads what looks long takes 20 s");
}

#[test]
fn damage_to_several_files_never_yields_a_wrong_value() {
    let began = Instant::now();
    let mut outcomes = [0; 2];
    for seed in 0..6_u64 {
        let checkpoint_every = if seed % 3 == 0 { NEVER } else { 15 };
        let whole =
            Whole::write(Shape { log_bytes: 5_000, segment_bytes_max: 1_000, checkpoint_every, seed: 30 + seed });
        let mut numbers = Numbers::new(seed);
        for case in 0..1_000 * torture() {
            let mut files = whole.files.clone();
            for _ in 0..=numbers.below(4) {
                let place = numbers.below(files.len() as u64) as usize;
                let (name, mut bytes) =
                    files.iter().nth(place).map(|(name, bytes)| (name.clone(), bytes.clone())).unwrap();
                let offset = numbers.below(bytes.len() as u64 + 1) as usize;
                match numbers.below(8) {
                    0 => bytes.truncate(offset),
                    1 => {
                        let end = bytes.len().min(offset + numbers.below(600) as usize);
                        bytes[offset..end].fill(0);
                    }
                    // As it was at some earlier time.
                    2 => {
                        let before = &whole.history[numbers.below(whole.history.len() as u64) as usize];
                        bytes = before.get(&name).cloned().unwrap_or_default();
                    }
                    3 if files.len() > 1 => {
                        files.remove(&name);
                        continue;
                    }
                    _ if offset < bytes.len() => bytes[offset] ^= 1 << numbers.below(8),
                    _ => {}
                }
                files.insert(name, bytes);
            }
            let opened = whole.open(&MemoryDisk::with_files(files), &|| format!("seed {seed}, case {case}"));
            outcomes[usize::from(opened.is_ok())] += 1;
        }
    }
    println!("{} refused and {} opened in {:?}", outcomes[0], outcomes[1], began.elapsed());
    assert!(outcomes.into_iter().min() > Some(300), "{outcomes:?}");
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before_and_its_log() {
    let whole = Whole::write(Shape { log_bytes: 8_000, segment_bytes_max: 1_000, checkpoint_every: 20, seed: 12 });
    let checkpoints = whole.names(is_checkpoint);
    let mut files = whole.files.clone();
    files.get_mut(checkpoints[1]).unwrap()[100] ^= 1;
    let (version, recovered) = whole.open(&MemoryDisk::with_files(files.clone()), &|| "newest".into()).unwrap();
    assert_eq!(version, whole.model.newest().0);
    assert!(recovered.to_string().contains("passed over"), "{recovered}");
    let older = recovered.checkpoint.unwrap().version;
    // Nothing that is needed now may be damaged.
    for name in whole.names(is_segment) {
        let mut files = files.clone();
        let bytes = files.get_mut(name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let opened = whole.open(&MemoryDisk::with_files(files), &|| name.into());
        assert!(opened.is_err() || name == whole.last_segment(), "{name} is needed besides {older}: {opened:?}");
    }
    // With both gone, the log alone suffices as long as it reaches back to the beginning.
    files.get_mut(checkpoints[0]).unwrap()[100] ^= 1;
    let (version, recovered) = whole.open(&MemoryDisk::with_files(files), &|| "both".into()).unwrap();
    assert_eq!((version, recovered.passed_over.len(), recovered.checkpoint), (whole.model.newest().0, 2, None));
}
