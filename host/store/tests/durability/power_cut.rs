//! The power fails after any operation on the disk: the remains open, and are exactly the state after some prefix of the commits, with
//! everything that the store had reported as durable.
//!
//! `MANTIS_TORTURE=n` takes n times as many workloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Instant;

use mantis_store::disk::MemoryDisk;
use mantis_store::testing::{PowerCutDisk, Tearing, Wreck};
use mantis_store::{Durability, FeedCursor, ManualClock, Store, Version};

use super::check::checked;
use super::{Model, POLICIES, commit_writes, due_writes, open, options, outcome, some_writes, torture};
use crate::support::{Numbers, START_MS};

/// Random images of each wreck.
const IMAGES: u64 = 10;
const WORKLOADS_PER_POLICY: u64 = 11;
const STEPS: u64 = 70;

/// A store on a disk that records its operations, and the expected results.
struct Workload {
    disk: PowerCutDisk,
    durability: Durability,
    clock: Arc<ManualClock>,
    /// `None` between two openings.
    store: Option<Store>,
    model: Model,
    /// The number of operations when the store reported a commit as durable, and that commit.
    durable: Vec<(usize, Version)>,
    /// The number of operations when a commit was visible, and that commit.
    visible: Vec<(usize, Version)>,
    numbers: Numbers,
    seed: u64,
}

impl Workload {
    /// Continues with the contents of `files` and `model`.
    fn begin(disk: PowerCutDisk, model: Model, durability: Durability, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let (numbers, durable) = (Numbers::new(seed), vec![(disk.operations(), model.newest().0)]);
        let visible = durable.clone();
        let mut workload = Self { disk, durability, clock, store: None, model, durable, visible, numbers, seed };
        workload.reopen();
        workload
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// The process ends, with the power on.
    fn reopen(&mut self) {
        if let Some(store) = self.store.take() {
            // Pending commits were promised to nobody.
            self.model.cut_after_version(store.version());
        }
        let options = options(&self.clock, self.seed + self.disk.operations() as u64);
        let (store, recovered) = Store::open(options, Arc::new(self.disk.clone()), self.durability).unwrap();
        assert_eq!(recovered.version, self.model.newest().0, "{:?}: {recovered}", self.durability);
        self.store = Some(store);
        self.note_durable();
    }

    fn note_durable(&mut self) {
        let version = self.store().version();
        self.visible.push((self.disk.operations(), version));
        if self.store().is_durable(version) {
            self.durable.push((self.disk.operations(), version));
        }
    }

    fn step(&mut self) {
        match self.numbers.below(16) {
            0..10 => self.commit(),
            10..12 => self.expire(),
            12 => self.store().flush(),
            13..15 => drop(self.store().checkpoint().unwrap()),
            _ => self.reopen(),
        }
        self.note_durable();
    }

    /// One commit, or several that are written together.
    fn commit(&mut self) {
        for _ in 0..=self.numbers.below(3) {
            self.clock.advance_ms(self.numbers.below(5));
            let now_ms = self.store().now_ms();
            let writes = some_writes(&mut self.numbers, 3, now_ms);
            let version = commit_writes(self.store(), &writes);
            self.model.commit(version, now_ms, &writes);
        }
        self.settle();
    }

    fn expire(&mut self) {
        let now_ms = self.store().now_ms();
        let due = due_writes(self.model.newest().1, now_ms);
        assert_eq!(self.store().maintain(usize::MAX), due.len());
        self.model.commit(self.store().newest(), now_ms, &due);
        self.settle();
    }

    fn settle(&mut self) {
        let (version, _) = self.model.newest();
        if self.durability == Durability::Always {
            // Left pending now and then: the power may fail before anything is written.
            if self.numbers.below(8) == 0 {
                return;
            }
            self.store().flush();
            assert!(self.store().is_durable(version));
        }
        assert_eq!(outcome(self.store(), version), Poll::Ready(Ok(())));
    }

    /// The newest commit that was reported as durable at this number of operations.
    fn least(&self, operations: usize) -> Version {
        newest(&self.durable, operations)
    }
}

fn newest(noted: &[(usize, Version)], operations: usize) -> Version {
    let known = noted.iter().take_while(|(done, _)| *done <= operations);
    known.map(|(_, version)| *version).max().unwrap()
}

/// An image, and the expected result of opening it.
struct Case<'w> {
    workload: &'w Workload,
    operations: usize,
    what: &'static str,
}

impl Case<'_> {
    /// Opens the image twice, and returns the version that it holds.
    #[track_caller]
    fn check(&self, image: &MemoryDisk) -> Version {
        let before = image.files();
        let report = checked(image);
        let (first, identity) = self.open(image, "opened");
        if !report.is_right() || report.opening.as_ref().is_ok_and(|foreseen| foreseen.version != first) {
            self.fail(&format!("a check says {report:?}; it was {before:?}"));
        }
        let (again, identity_again) = self.open(image, "opened again");
        if (first, identity) != (again, identity_again) {
            self.fail(&format!("opened again it holds {again}, not {first}; it was {before:?}"));
        }
        let least = self.workload.least(self.operations);
        if first < least {
            self.fail(&format!("{least} was durable and it holds {first}; it was {before:?}"));
        }
        self.check_versions(image);
        first
    }

    #[track_caller]
    fn open(&self, image: &MemoryDisk, when: &str) -> (Version, Option<u64>) {
        let (store, recovered) = match open(image, self.workload.durability) {
            Ok(opened) => opened,
            Err(error) => self.fail(&format!("{when}: {error}; the files are {:?}", image.files().keys())),
        };
        if let Err(error) = self.workload.model.check(&store) {
            self.fail(&format!("{when}: {error}; {recovered}"));
        }
        (store.version(), store.identity())
    }

    /// No version that somebody may have seen is given to another commit, and followers who saw a lost commit learn of it.
    #[track_caller]
    fn check_versions(&self, image: &MemoryDisk) {
        if self.operations.is_multiple_of(4) {
            open(image, self.workload.durability).unwrap().0.close().unwrap();
        }
        let (store, _) = open(image, self.workload.durability).unwrap();
        let seen = newest(&self.workload.visible, self.operations);
        let held = store.version();
        if held < seen && store.changes(FeedCursor::after(seen), 1, |_| true).is_ok() {
            self.fail(&format!("it holds {held}, and the followers of {seen} learn of no gap"));
        }
        let next = commit_writes(&store, &[(b"next".to_vec(), Some((b"1".to_vec(), None)))]);
        store.flush();
        if next <= seen {
            self.fail(&format!("the next commit is {next}, and {seen} was seen"));
        }
        if held < seen && store.changes(FeedCursor::after(seen), 1, |_| true).is_ok() {
            self.fail(&format!("after {next} the followers of {seen} no longer learn of a gap"));
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        let Workload { durability, seed, .. } = self.workload;
        panic!("{durability:?}, seed {seed}, after operation {}, {}: {what}", self.operations, self.what)
    }
}

/// Counts the opened images of all tests of this file.
static IMAGES_CHECKED: AtomicU64 = AtomicU64::new(0);

/// Checks the least, the most and some random images of every boundary, and returns a few that were torn.
#[track_caller]
fn check_every_cut(workload: &Workload, images: u64) -> Vec<(MemoryDisk, Version)> {
    let mut numbers = Numbers::new(workload.seed + 1);
    let mut torn = Vec::new();
    let (began, _) = workload.durable[0];
    workload.disk.cuts(|operations, wreck| {
        if operations < began {
            return;
        }
        let case = |what| Case { workload, operations, what };
        case("least").check(&wreck.least());
        IMAGES_CHECKED.fetch_add(1, Ordering::Relaxed);
        if wreck.is_certain() {
            return;
        }
        case("most").check(&wreck.most());
        IMAGES_CHECKED.fetch_add(1 + images, Ordering::Relaxed);
        for image in 0..images {
            let sectors = (Tearing::Sectors, "torn at sectors");
            let (tearing, what) = if image % 2 == 0 { sectors } else { (Tearing::Bytes, "torn at bytes") };
            let disk = random_image(wreck, tearing, &mut numbers);
            let files = disk.files();
            let version = case(what).check(&disk);
            if numbers.below(images * 16) == 0 {
                torn.push((MemoryDisk::with_files(files), version));
            }
        }
    });
    torn
}

fn random_image(wreck: &Wreck, tearing: Tearing, numbers: &mut Numbers) -> MemoryDisk {
    wreck.disk(tearing, |ways| numbers.below(ways))
}

#[test]
fn a_power_cut_at_any_time_leaves_a_prefix_with_all_durable_commits() {
    let began = Instant::now();
    for durability in POLICIES {
        for seed in 0..WORKLOADS_PER_POLICY * torture() {
            let mut workload = Workload::begin(PowerCutDisk::new(), Model::new(), durability, seed);
            (0..STEPS).for_each(|_| workload.step());
            let torn = check_every_cut(&workload, IMAGES);
            // The power fails again, during recovery or after it.
            for (image, version) in torn.into_iter().take(4) {
                let disk = PowerCutDisk::with_files(image.files());
                let mut model = workload.model.clone();
                model.cut_after_version(version);
                let mut second = Workload::begin(disk, model, durability, seed + 1_000_000);
                (0..8).for_each(|_| second.step());
                check_every_cut(&second, IMAGES / 2);
            }
        }
    }
    let images = IMAGES_CHECKED.load(Ordering::Relaxed);
    println!("{images} images, each opened twice, in {:?}", began.elapsed());
    assert!(images >= 100_000, "{images} images are too few");
}
