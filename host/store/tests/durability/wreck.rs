//! The files of a store, and the allowed results of opening them when they are damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mantis_store::disk::MemoryDisk;
use mantis_store::{Durability, OpenError, Recovered, Store, Version};

use super::check::{assert_agrees, checked, repaired};
use super::{Model, commit_writes, open, options, some_writes};
use crate::support::{Numbers, START_MS};

pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The files of a store, its history, and the files as they were after each commit.
pub(super) struct Whole {
    pub(super) files: Files,
    pub(super) model: Model,
    /// Empty if that would be too much.
    pub(super) history: Vec<Files>,
    /// The length of each file after some commit.
    lengths: BTreeMap<String, BTreeSet<usize>>,
    /// Whether the files are also checked and repaired.
    pub(super) is_looked_at: bool,
}

/// How a store that will be damaged is written.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) log_bytes: usize,
    pub(super) segment_bytes_max: u64,
    /// The number of commits between checkpoints.
    pub(super) checkpoint_every: usize,
    pub(super) seed: u64,
}

impl Whole {
    /// Commits one by one, each synced before the next.
    pub(super) fn write(shape: Shape) -> Self {
        Self::write_values(shape, 0)
    }

    /// The same with this many more bytes in each value; if they are many, the files before the last commit are not kept.
    pub(super) fn write_values(shape: Shape, more_bytes: u64) -> Self {
        let disk = MemoryDisk::new();
        let clock = Arc::new(mantis_store::ManualClock::new(START_MS));
        let mut options = options(&clock, shape.seed);
        options.segment_bytes_max = shape.segment_bytes_max;
        let opened = Store::open(options, Arc::new(disk.clone()), Durability::Always);
        let (store, mut model, mut numbers) = (opened.unwrap().0, Model::new(), Numbers::new(shape.seed));
        let (mut history, mut lengths, mut commits) = (Vec::new(), BTreeMap::<_, BTreeSet<_>>::new(), 0);
        loop {
            let files = disk.files();
            for (name, bytes) in &files {
                lengths.entry(name.clone()).or_default().insert(bytes.len());
            }
            let log = files.iter().filter(|(name, _)| is_segment(name));
            let log_bytes: usize = log.map(|(_, bytes)| bytes.len()).sum();
            if more_bytes == 0 {
                history.push(files);
            }
            if log_bytes >= shape.log_bytes {
                break;
            }
            clock.advance_ms(3);
            let mut writes = some_writes(&mut numbers, 3, store.now_ms());
            for (value, _) in writes.iter_mut().filter_map(|(_, put)| put.as_mut()) {
                value.extend((0..more_bytes).map(|_| numbers.below(256) as u8));
            }
            let version = commit_writes(&store, &writes);
            commits += usize::from(model.commit(version, store.now_ms(), &writes));
            store.flush();
            if commits % shape.checkpoint_every == 0 {
                store.checkpoint().unwrap();
            }
        }
        Self { files: disk.files(), model, history, lengths, is_looked_at: more_bytes == 0 }
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

    /// Where the last group of the last segment begins: nothing after it says that it was durable.
    pub(super) fn last_group(&self) -> usize {
        let name = self.last_segment();
        self.lengths[name].range(..self.files[name].len()).next_back().copied().unwrap_or(64)
    }

    pub(super) fn with(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> MemoryDisk {
        let mut files = self.files.clone();
        change(files.entry(name.to_owned()).or_default());
        MemoryDisk::with_files(files)
    }

    /// Opens damaged files: they are refused, or the result is the state after some commit.
    #[track_caller]
    pub(super) fn open(&self, disk: &MemoryDisk, case: &dyn Fn() -> String) -> Result<(Version, Recovered), OpenError> {
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
            Ok(result) => {
                assert!(opened.is_none_or(|version| result.kept.version >= version), "{}: {result:?}", case());
            }
            // If nothing but the identity is left, opening starts from nothing.
            Err(error) => assert!(opened.is_none_or(|version| version == 0), "{}: {error}", case()),
        }
    }

    /// Opens files of which `name` was damaged at `offset`.
    #[track_caller]
    pub(super) fn check(&self, disk: &MemoryDisk, name: &str, offset: usize) {
        let case = || format!("{name} damaged at {offset}");
        let is_last_group = name == self.last_segment() && offset >= self.last_group();
        let newest = self.model.newest().0;
        match self.open(disk, &case) {
            Err(OpenError::Newer { file, .. }) => {
                assert!(file == name && (12..16).contains(&offset), "{}: {file}", case());
            }
            Err(OpenError::Damaged { file, offset: found, what }) => {
                assert_eq!(file, name, "{}: {what} at {found}", case());
                assert!(found <= offset as u64, "{}: {what} at {found}", case());
            }
            Err(other) => panic!("{}: {other}", case()),
            Ok((version, recovered)) if Some(name) == self.newest_checkpoint() => {
                let is_reported =
                    recovered.passed_over.iter().any(|(file, found, _)| file == name && *found <= offset as u64);
                assert!(is_reported && version == newest, "{}: {recovered}", case());
            }
            // The previous one is not read.
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
    pub(super) fn flip(&self, names: &[&str], bits: impl Fn(usize) -> Vec<u8> + Sync) -> usize {
        self.each_offset(names, |name, offset| {
            let bits = bits(offset);
            for bits in &bits {
                self.check(&self.with(name, |bytes| bytes[offset] ^= bits), name, offset);
            }
            bits.len()
        })
    }

    /// Does `work` for every offset in these files, on all cores, and adds up what it returns.
    fn each_offset(&self, names: &[&str], work: impl Fn(&str, usize) -> usize + Sync) -> usize {
        let offsets = |name| (0..self.files[name].len()).map(move |offset| (name, offset));
        let places: Vec<(&str, usize)> = names.iter().flat_map(|name| offsets(*name)).collect();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().unwrap().get() {
                scope.spawn(|| {
                    while let Some((name, offset)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                        done.fetch_add(work(name, *offset), Ordering::Relaxed);
                    }
                });
            }
        });
        done.into_inner()
    }
}

pub(super) fn is_segment(name: &str) -> bool {
    name.starts_with("log-")
}

pub(super) fn is_checkpoint(name: &str) -> bool {
    name.starts_with("checkpoint-")
}

pub(super) const NEVER: usize = usize::MAX;

impl Whole {
    /// A damaged range may include a format's number and the end of a group.
    #[track_caller]
    pub(super) fn check_stretch(&self, disk: &MemoryDisk, name: &str, first: usize) {
        if first < 16 {
            let refused = self.open(disk, &|| format!("{name} damaged from {first} on"));
            match refused {
                Err(OpenError::Newer { file, .. } | OpenError::Damaged { file, .. }) => assert_eq!(file, name),
                Err(other) => panic!("{other}"),
                Ok((version, _)) => assert!(is_checkpoint(name) && version == self.model.newest().0),
            }
        } else if name == self.last_segment() && first < self.last_group() {
            // The record that said that the damaged part was durable may be damaged too.
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

    /// Cuts every file to every length, and returns how often.
    pub(super) fn cut_everywhere(&self) -> usize {
        let all: Vec<_> = self.files.keys().map(|name| &**name).collect();
        self.each_offset(&all, |name, length| {
            self.check_cut(name, length);
            1
        })
    }

    /// Opens files of which `name` was cut to `length`.
    #[track_caller]
    fn check_cut(&self, name: &str, length: usize) {
        let disk = self.with(name, |bytes| bytes.truncate(length));
        let (case, newest) = (|| format!("{name} cut to {length}"), self.model.newest().0);
        // A cut between two records leaves an intact file.
        let was_so = self.lengths[name].contains(&length);
        match self.open(&disk, &case) {
            Err(OpenError::Damaged { file, .. }) => assert_eq!(file, name, "{}", case()),
            Err(other) => panic!("{}: {other}", case()),
            Ok((version, recovered)) if is_checkpoint(name) => {
                let is_newest = Some(name) == self.newest_checkpoint();
                assert_eq!((version, recovered.passed_over.len()), (newest, usize::from(is_newest)), "{}", case());
            }
            Ok((version, recovered)) if name == self.last_segment() => {
                let is_reported = recovered.cut.as_ref().is_some_and(|cut| cut.0 == name);
                assert!(is_reported || was_so, "{}: {recovered}", case());
                let is_shorter = length < self.files[name].len();
                assert!(version <= newest && is_shorter, "{}", case());
            }
            // The checkpoint has what an older segment lost; the feed begins after it.
            Ok((version, recovered)) => {
                let base = recovered.checkpoint.map_or(0, |checkpoint| checkpoint.version);
                assert!(is_segment(name) && was_so && version == newest && base > 0, "{}: {recovered}", case());
            }
        }
    }
}
