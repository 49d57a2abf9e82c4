//! Bits that flip, files that end early, and files that are not where they were: what was durable and is not what was written any
//! more is refused by name and place, or replaced by what is whole; never is a wrong value served.
//!
//! `MANTIS_TORTURE=n` takes a log n times as large.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mantis_store::disk::MemoryDisk;
use mantis_store::{Durability, OpenError, Recovered, Store, Version};

use super::check::{assert_agrees, checked, repaired};
use super::{Model, commit_writes, open, options, some_writes, torture};
use crate::support::{Numbers, START_MS};

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a store, what is in them, and the files as they were after each commit.
pub(super) struct Whole {
    pub(super) files: Files,
    pub(super) model: Model,
    pub(super) history: Vec<Files>,
    /// Whether what is opened is also checked and repaired.
    is_looked_at: bool,
}

/// How a store is written that is then damaged.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) log_bytes: usize,
    pub(super) segment_bytes_max: u64,
    /// After how many commits a checkpoint is made.
    pub(super) checkpoint_every: usize,
    pub(super) seed: u64,
}

impl Whole {
    /// Commits one by one, each synced before the next.
    pub(super) fn write(shape: Shape) -> Self {
        let disk = MemoryDisk::new();
        let clock = Arc::new(mantis_store::ManualClock::new(START_MS));
        let mut options = options(&clock, shape.seed);
        options.segment_bytes_max = shape.segment_bytes_max;
        let opened = Store::open(options, Arc::new(disk.clone()), Durability::Always);
        let (store, mut model, mut numbers) = (opened.unwrap().0, Model::new(), Numbers::new(shape.seed));
        let (mut history, mut commits) = (vec![disk.files()], 0);
        let log_bytes = || disk.files().iter().filter(|(name, _)| is_segment(name)).map(|(_, bytes)| bytes.len()).sum();
        while shape.log_bytes > log_bytes() {
            clock.advance_ms(3);
            let writes = some_writes(&mut numbers, 3, store.now_ms());
            let version = commit_writes(&store, &writes);
            commits += usize::from(model.commit(version, store.now_ms(), &writes));
            store.flush();
            if commits % shape.checkpoint_every == 0 {
                store.checkpoint().unwrap();
            }
            history.push(disk.files());
        }
        Self { files: disk.files(), model, history, is_looked_at: true }
    }

    pub(super) fn names(&self, is_kind: fn(&str) -> bool) -> Vec<&str> {
        self.files.keys().map(|name| &**name).filter(|name| is_kind(name)).collect()
    }

    pub(super) fn last_segment(&self) -> &str {
        self.names(is_segment).last().copied().unwrap()
    }

    pub(super) fn newest_checkpoint(&self) -> Option<&str> {
        self.names(is_checkpoint).last().copied()
    }

    /// Where the last group of the last segment begins: nothing behind it says that it was durable.
    pub(super) fn last_group(&self) -> usize {
        let name = self.last_segment();
        let lengths = self.history.iter().rev().filter_map(|files| files.get(name)).map(Vec::len);
        lengths.into_iter().find(|length| *length < self.files[name].len()).unwrap_or(64)
    }

    pub(super) fn with(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> MemoryDisk {
        let mut files = self.files.clone();
        change(files.entry(name.to_owned()).or_default());
        MemoryDisk::with_files(files)
    }

    /// Opens damaged files: they are refused, or what comes of them is the state after some commit.
    #[track_caller]
    fn open(&self, disk: &MemoryDisk, case: &dyn Fn() -> String) -> Result<(Version, Recovered), OpenError> {
        let before = disk.files();
        let report = self.is_looked_at.then(|| checked(disk));
        let opened = open(disk, Durability::Always);
        if let Some(report) = report {
            assert_agrees(&report, &opened);
            self.repair(&before, opened.as_ref().ok().map(|(store, _)| store.version()), case);
        }
        match opened {
            Ok((store, recovered)) => {
                self.model.check(&store).unwrap_or_else(|error| panic!("{}: {error}; {recovered}", case()));
                Ok((store.version(), recovered))
            }
            Err(error) => {
                assert!(disk.files() == before, "{}: {error}, and something was changed", case());
                Err(error)
            }
        }
    }

    /// Repairs damaged files: a repair gets at least as far as opening does.
    #[track_caller]
    fn repair(&self, files: &Files, opened: Option<Version>, case: &dyn Fn() -> String) {
        match repaired(&MemoryDisk::with_files(files.clone()), &self.model, &case()) {
            Ok(told) => assert!(opened.is_none_or(|version| told.kept.version >= version), "{}: {told:?}", case()),
            // Where nothing but the identity is left, opening begins anew.
            Err(error) => assert!(opened.is_none_or(|version| version == 0), "{}: {error}", case()),
        }
    }

    /// Opens files of which `name` was damaged at `offset`.
    #[track_caller]
    fn check(&self, disk: &MemoryDisk, name: &str, offset: usize) {
        let case = || format!("{name} damaged at {offset}");
        let is_last_group = name == self.last_segment() && offset >= self.last_group();
        let newest = self.model.newest().0;
        match self.open(disk, &case) {
            Err(OpenError::Newer { file, .. }) => {
                assert!(file == name && (12..16).contains(&offset), "{}: {file}", case());
            }
            Err(OpenError::Damaged { file, offset: told, what }) => {
                assert_eq!(file, name, "{}: {what} at {told}", case());
                assert!(told <= offset as u64, "{}: {what} at {told}", case());
            }
            Err(other) => panic!("{}: {other}", case()),
            Ok((version, recovered)) if Some(name) == self.newest_checkpoint() => {
                let told = recovered.passed_over.iter().any(|(file, told, _)| file == name && *told <= offset as u64);
                assert!(told && version == newest, "{}: {recovered}", case());
            }
            // Nobody looks at the one before.
            Ok((version, recovered)) if is_checkpoint(name) => assert_eq!((version, recovered.cut), (newest, None)),
            Ok((version, recovered)) => {
                let cut = recovered.cut.clone().unwrap_or_else(|| panic!("{}: {recovered}", case()));
                // A segment that was just begun has nothing to lose.
                let is_begun = self.files[name].len() == 64 && version == newest;
                assert!(cut.0 == name && (is_begun || is_last_group && version < newest), "{}: {recovered}", case());
            }
        }
    }

    /// Flips bits of every byte of these files, and returns how often.
    #[track_caller]
    fn flip(&self, names: &[&str], bits: impl Fn(usize) -> Vec<u8>) -> usize {
        let mut flips = 0;
        for name in names {
            for offset in 0..self.files[*name].len() {
                for bits in bits(offset) {
                    self.check(&self.with(name, |bytes| bytes[offset] ^= bits), name, offset);
                    flips += 1;
                }
            }
        }
        flips
    }
}

pub(super) fn is_segment(name: &str) -> bool {
    name.starts_with("log-")
}

pub(super) fn is_checkpoint(name: &str) -> bool {
    name.starts_with("checkpoint-")
}

pub(super) const NEVER: usize = usize::MAX;

#[test]
fn no_bit_of_a_log_flips_unnoticed() {
    let began = Instant::now();
    let log_bytes = (8 << 10) * usize::try_from(torture()).unwrap();
    let mut whole = Whole::write(Shape { log_bytes, segment_bytes_max: 1 << 20, checkpoint_every: NEVER, seed: 1 });
    // A bit of each byte is enough for checks and repairs: see the next test.
    whole.is_looked_at = false;
    let names = ["store.mantis", whole.last_segment()];
    let flips = whole.flip(&names, |_| (0..8).map(|bit| 1 << bit).collect());
    println!("{flips} bits flipped in {:?}", began.elapsed());
}

#[test]
fn no_byte_of_segments_and_checkpoints_changes_unnoticed() {
    let began = Instant::now();
    let log_bytes = (12 << 10) * usize::try_from(torture()).unwrap();
    let whole = Whole::write(Shape { log_bytes, segment_bytes_max: 2_000, checkpoint_every: 20, seed: 2 });
    let all: Vec<_> = whole.files.keys().map(|name| &**name).collect();
    assert!(all.len() > 7, "{all:?}");
    // One bit, and all of them.
    let changes = whole.flip(&all, |offset| vec![1 << (offset % 8), 0xff]);
    println!("{changes} bytes changed in {:?}", began.elapsed());
}

#[test]
fn a_stretch_of_zeros_or_of_rubbish_is_noticed() {
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

impl Whole {
    /// A stretch may reach over a format's number and the end of a group.
    #[track_caller]
    fn check_stretch(&self, disk: &MemoryDisk, name: &str, first: usize) {
        if first < 16 {
            let refused = self.open(disk, &|| format!("{name} damaged from {first} on"));
            match refused {
                Err(OpenError::Newer { file, .. } | OpenError::Damaged { file, .. }) => assert_eq!(file, name),
                Err(other) => panic!("{other}"),
                Ok((version, _)) => assert!(is_checkpoint(name) && version == self.model.newest().0),
            }
        } else if name == self.last_segment() && first < self.last_group() {
            // What said that the damaged part was durable may be damaged too.
            let case = || format!("{name} damaged from {first} on");
            match self.open(disk, &case) {
                Err(OpenError::Damaged { file, .. }) => assert_eq!(file, name, "{}", case()),
                Err(other) => panic!("{}: {other}", case()),
                Ok((_, recovered)) => assert!(recovered.cut.is_some_and(|cut| cut.0 == *name), "{}", case()),
            }
        } else {
            self.check(disk, name, first);
        }
    }

    /// Opens files of which `name` was cut to `length`.
    #[track_caller]
    fn check_cut(&self, name: &str, length: usize) {
        let disk = self.with(name, |bytes| bytes.truncate(length));
        let (case, newest) = (|| format!("{name} cut to {length}"), self.model.newest().0);
        // A cut between two records leaves a file that is whole.
        let was_so = self.history.iter().any(|files| files.get(name).is_some_and(|bytes| bytes.len() == length));
        match self.open(&disk, &case) {
            Err(OpenError::Damaged { file, .. }) => assert_eq!(file, name, "{}", case()),
            Err(other) => panic!("{}: {other}", case()),
            Ok((version, recovered)) if is_checkpoint(name) => {
                let is_newest = Some(name) == self.newest_checkpoint();
                assert_eq!((version, recovered.passed_over.len()), (newest, usize::from(is_newest)), "{}", case());
            }
            Ok((version, recovered)) if name == self.last_segment() => {
                let told = recovered.cut.as_ref().is_some_and(|cut| cut.0 == name);
                assert!(told || was_so, "{}: {recovered}", case());
                let is_shorter = length < self.files[name].len();
                assert!(version <= newest && is_shorter, "{}", case());
            }
            // What an older segment lost, the checkpoint has; the feed begins behind it.
            Ok((version, recovered)) => {
                let base = recovered.checkpoint.map_or(0, |checkpoint| checkpoint.version);
                assert!(is_segment(name) && was_so && version == newest && base > 0, "{}: {recovered}", case());
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
        for (name, bytes) in &whole.files {
            for length in 0..bytes.len() {
                whole.check_cut(name, length);
                cuts += 1;
            }
        }
    }
    println!("{cuts} lengths in {:?}", began.elapsed());
}

#[test]
fn what_follows_the_end_of_a_file_is_noticed() {
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

/// Opens files of which some were put in the place of others: all that counts is that the outcome is right.
#[track_caller]
fn check_mixed(whole: &Whole, files: Files, changed: &[&str], case: &str) -> bool {
    let newest = whole.model.newest().0;
    match whole.open(&MemoryDisk::with_files(files), &|| case.to_owned()) {
        Err(OpenError::Damaged { file, .. }) => {
            assert!(changed.contains(&&*file), "{case}: {file} is told of");
            true
        }
        Err(other) => panic!("{case}: {other}"),
        Ok((version, recovered)) => {
            let told = recovered.cut.is_some() || !recovered.passed_over.is_empty();
            let is_checkpoint_alone = changed.iter().all(|name| is_checkpoint(name));
            assert!(told || is_checkpoint_alone || version == newest, "{case}: {recovered}");
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
                // Where the file was, there is a gap: the one behind it is told of.
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
    // The same commits under another identity: only that tells them apart.
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
fn a_file_as_it_was_before_is_noticed_where_something_follows_it() {
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
                    // Of the last segment, an earlier time is a prefix that nothing contradicts.
                    Ok((version, _)) => {
                        assert!(name == whole.last_segment() || version == whole.model.newest().0, "{}", case());
                    }
                }
            }
        }
    }
}

#[test]
fn a_missing_file_is_noticed_where_something_follows_it() {
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
        // Of the log nothing at all.
        let files = whole.files.iter().filter(|(name, _)| !is_segment(name));
        let files = files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        let opened = whole.open(&MemoryDisk::with_files(files), &|| "without a log".into());
        assert_eq!(opened.is_err(), checkpoint_every != NEVER);
    }
}

#[test]
fn a_value_full_of_what_looks_like_records_does_not_hold_up_an_opening() {
    let disk = MemoryDisk::new();
    let mut options = options(&Arc::default(), 1);
    options.segment_bytes_max = 1 << 30;
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap();
    // At every fourth byte stands a length, a count, and versions that go down.
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
fn whatever_happens_to_several_files_no_wrong_value_is_served_or_repaired() {
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
fn behind_a_damaged_checkpoint_stands_the_one_before_and_its_log() {
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
        assert!(opened.is_err() || name == whole.last_segment(), "{name} is needed behind {older}: {opened:?}");
    }
    // And with both gone, the log alone is enough as long as it reaches back to the beginning.
    files.get_mut(checkpoints[0]).unwrap()[100] ^= 1;
    let (version, recovered) = whole.open(&MemoryDisk::with_files(files), &|| "both".into()).unwrap();
    assert_eq!((version, recovered.passed_over.len(), recovered.checkpoint), (whole.model.newest().0, 2, None));
}
