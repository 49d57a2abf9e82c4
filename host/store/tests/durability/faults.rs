//! Every operation on the disk fails, one after the other, in every way: acknowledged commits are there, refused ones are not, reads
//! continue, and so do writes if nothing was lost.
//!
//! The disk also records its operations, so that the power can fail at any moment of a run with faults.

use std::io::ErrorKind;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use mantis_store::disk::{Disk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation, PowerCutDisk, Tearing};
use mantis_store::{
    DiskEvent, Durability, Error, Expect, ManualClock, OpenError, StorageFailure, Store, Update, Version,
};

use super::{Model, POLICIES, Write, commit_writes, due_writes, open, options, outcome, some_writes, torture};
use crate::support::{Numbers, START_MS};

const STEPS: u64 = 26;

/// A run with a fault, what is known to have happened, and what may have.
struct Run {
    journal: PowerCutDisk,
    disk: FailingDisk<PowerCutDisk>,
    durability: Durability,
    clock: Arc<ManualClock>,
    store: Option<Store>,
    /// The acknowledged commits.
    model: Model,
    /// The newest version that the store gave.
    given: Version,
    /// What refused commits may have left on the disk, up to this many operations.
    alternatives: Vec<(Model, usize)>,
    /// The number of operations when the store reported a commit as durable, and that commit.
    durable: Vec<(usize, Version)>,
    numbers: Numbers,
    fault: Fault,
}

impl Run {
    fn new(durability: Durability, fault: Fault) -> Self {
        let journal = PowerCutDisk::new();
        let disk = FailingDisk::new(journal.clone());
        disk.plan(Some(fault));
        Self {
            journal,
            disk,
            durability,
            clock: Arc::new(ManualClock::new(START_MS)),
            store: None,
            model: Model::new(),
            given: 0,
            alternatives: Vec::new(),
            durable: vec![(0, 0)],
            numbers: Numbers::new(99),
            fault,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn has_failed(&self) -> bool {
        self.store().disk_failure().is_some_and(|(_, for_good)| for_good)
    }

    /// Runs the whole script, as far as the disk allows.
    #[track_caller]
    fn perform(&mut self) {
        for step in 0..STEPS {
            if self.store.is_none() && !self.reopen() {
                return;
            }
            match step % 13 {
                5 | 11 => self.checkpoint(),
                7 => self.expire(),
                9 => self.store().flush(),
                12 if !self.reopen() => return,
                12 => {}
                _ => self.commit(),
            }
            self.check_reads();
        }
    }

    /// Opens the store, again if the fault has passed by then. Returns whether that succeeded.
    #[track_caller]
    fn reopen(&mut self) -> bool {
        self.store = None;
        for _ in 0..4 {
            let options = options(&self.clock, 11);
            match Store::open(options, Arc::new(self.disk.clone()), self.durability) {
                Ok((store, _)) => {
                    self.take_up(&store);
                    self.store = Some(store);
                    self.note_durable();
                    return true;
                }
                Err(OpenError::Io { .. }) if self.disk.injected() > 0 => {}
                Err(error) => self.fail(&format!("opening: {error}")),
            }
        }
        assert!(self.fault.times == u64::MAX, "{self}: the fault has passed");
        false
    }

    /// Determines which of the refused commits came back: none of those refused because the disk was full.
    #[track_caller]
    fn take_up(&mut self, store: &Store) {
        let operations = self.journal.operations();
        let mut may_be = self.alternatives.iter().filter(|(_, until)| *until == usize::MAX).map(|(model, _)| model);
        let (version, clock) = (store.version(), self.clock.as_ref());
        let now_ms = mantis_store::Clock::now_ms(clock);
        // What has expired is shown, for the comparison.
        clock.set_ms(0);
        let came_back = std::iter::once(&self.model)
            .chain(&mut may_be)
            .find(|model| model.newest().0 == version && model.check(store).is_ok())
            .cloned();
        clock.set_ms(now_ms);
        match came_back {
            Some(model) => (self.model, self.given) = (model, version),
            None => {
                self.fail(&format!("at {version} it is not {:?}: {:?}", self.model.newest(), self.model.check(store)))
            }
        }
        self.alternatives.iter_mut().for_each(|(_, until)| *until = (*until).min(operations));
    }

    fn note_durable(&mut self) {
        let version = self.store().version();
        if self.store().is_durable(version) {
            self.durable.push((self.journal.operations(), version));
        }
    }

    /// Commits once, or a few times before anything is written.
    #[track_caller]
    fn commit(&mut self) {
        let at_once = if self.durability == Durability::Always { 1 + self.numbers.below(3) } else { 1 };
        let (is_over, mut commits) = (self.is_over(), Vec::new());
        for _ in 0..at_once {
            self.clock.advance_ms(self.numbers.below(5));
            let now_ms = self.store().now_ms();
            let mut writes = some_writes(&mut self.numbers, 3, now_ms);
            // Something changes in any case.
            writes.push((b"z".to_vec(), Some((vec![b'z'; self.numbers.below(60) as usize], None))));
            commits.push((commit_writes(self.store(), &writes), now_ms, writes));
        }
        self.settle(commits);
        if is_over {
            assert_eq!(outcome(self.store(), self.store().newest()), Poll::Ready(Ok(())), "{self}: the fault is over");
        }
    }

    /// Whether the disk will not fail any more, and the store has not failed.
    fn is_over(&self) -> bool {
        let times = self.fault.times.saturating_add(u64::from(self.fault.error == ErrorKind::WriteZero));
        self.disk.injected() >= times && !self.has_failed()
    }

    #[track_caller]
    fn expire(&mut self) {
        let now_ms = self.store().now_ms();
        let had_failed = self.has_failed();
        let due = due_writes(self.model.newest().1, now_ms);
        let removed = self.store().maintain(usize::MAX);
        assert_eq!(removed, if had_failed { 0 } else { due.len() }, "{self}");
        if removed > 0 {
            self.settle(vec![(self.given + 1, now_ms, due)]);
        }
    }

    #[track_caller]
    fn settle(&mut self, commits: Vec<(Version, u64, Vec<Write>)>) {
        if self.durability == Durability::Always {
            self.store().flush();
        }
        let mut refused = self.model.clone();
        for (version, now_ms, writes) in commits {
            refused.commit(version, now_ms, &writes);
            self.given = version;
            match outcome(self.store(), version) {
                Poll::Ready(Ok(())) => self.model = refused.clone(),
                Poll::Ready(Err(Error::DiskFull)) => {
                    assert_eq!((self.fault_is_full(), self.has_failed()), (true, false), "{self}");
                    self.alternatives.push((refused.clone(), self.journal.operations()));
                }
                Poll::Ready(Err(Error::StorageFailed(_))) => {
                    assert!(self.has_failed(), "{self}");
                    self.alternatives.push((refused.clone(), usize::MAX));
                }
                other => panic!("{self}: {other:?}"),
            }
        }
        self.note_durable();
    }

    fn fault_is_full(&self) -> bool {
        matches!(self.fault.error, ErrorKind::StorageFull | ErrorKind::WriteZero)
    }

    #[track_caller]
    fn checkpoint(&mut self) {
        let injected = self.disk.injected();
        match self.store().checkpoint() {
            Ok(_) => {}
            Err(_) => assert!(self.disk.injected() > injected || self.has_failed(), "{self}"),
        }
    }

    /// Reads show exactly the acknowledged commits; after the disk has failed, no write is begun.
    #[track_caller]
    fn check_reads(&mut self) {
        let now_ms = self.store().now_ms();
        self.clock.set_ms(0);
        if let Err(error) = self.model.check(self.store()) {
            self.fail(&error);
        }
        self.clock.set_ms(now_ms);
        if self.has_failed() {
            assert!(self.disk.injected() > 0, "{self}");
            let write = self.store().write(b"a1", Update::Delete, Expect::Anything, None);
            assert!(matches!(write, Err(Error::StorageFailed(_))), "{self}: {write:?}");
            let mut transaction = self.store().begin();
            transaction.put(b"a1", "refused", None);
            let commit = transaction.commit();
            assert!(matches!(commit, Err(Error::StorageFailed(_))), "{self}: {commit:?}");
            assert!(self.store().checkpoint().is_ok_and(|checkpoint| checkpoint.is_none()) || self.has_failed());
        }
    }

    /// Opens the disk without faults: all acknowledged commits are there. Then cuts the power at some moments of the run.
    #[track_caller]
    fn finish(mut self, cuts: u64) -> u64 {
        self.store = None;
        self.disk.plan(None);
        let live = MemoryDisk::with_files(self.journal.cut_after(self.journal.operations()).most().files());
        match open(&live, self.durability) {
            Ok((store, _)) => self.take_up_shown(&store),
            Err(error) => self.fail(&format!("without faults: {error}; {:?}", live.files().keys())),
        }
        let mut images = 0;
        for _ in 0..cuts {
            let operations = self.numbers.below(self.journal.operations() as u64 + 1) as usize;
            let wreck = self.journal.cut_after(operations);
            let torn = wreck.disk(Tearing::Bytes, |ways| self.numbers.below(ways));
            for image in [wreck.least(), wreck.most(), torn] {
                self.check_image(operations, &image);
                images += 1;
            }
        }
        images
    }

    #[track_caller]
    fn take_up_shown(&self, store: &Store) {
        let version = store.version();
        let holds = |model: &Model| model.newest().0 == version && model.check(store).is_ok();
        let came_back =
            self.alternatives.iter().filter(|(_, until)| *until == usize::MAX).any(|(model, _)| holds(model));
        if !holds(&self.model) && !came_back {
            self.fail(&format!("at {version} it is not {:?}: {:?}", self.model.newest(), self.model.check(store)));
        }
    }

    #[track_caller]
    fn check_image(&self, operations: usize, image: &MemoryDisk) {
        let files = image.files();
        let (store, recovered) = match open(image, self.durability) {
            Ok(opened) => opened,
            Err(error) => self.fail(&format!("cut after {operations}: {error}; {:?}", files.keys())),
        };
        let version = store.version();
        let mut possible = self.alternatives.iter().filter(|(_, until)| *until >= operations).map(|(model, _)| model);
        if let Err(error) = self.model.check(&store)
            && !possible.any(|model| model.newest().0 == version && model.check(&store).is_ok())
        {
            let refused: Vec<_> = self.alternatives.iter().map(|(model, until)| (model.newest().0, *until)).collect();
            self.fail(&format!("cut after {operations}, refused until {refused:?}: {error}; {recovered}"));
        }
        let known = self.durable.iter().take_while(|(done, _)| *done <= operations);
        let least = known.map(|(_, version)| *version).max().unwrap();
        if version < least {
            self.fail(&format!("cut after {operations}: {least} was durable, and there is {version}; {recovered}"));
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("{self}: {what}")
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {:?}", self.durability, self.fault)
    }
}

/// How often each fault is met.
const TIMES: [u64; 4] = [1, 2, 3, u64::MAX];
const ERRORS: [ErrorKind; 3] = [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::WriteZero];

/// Runs the script with a fault at every operation, of all or of one kind, and returns the numbers of runs and of images.
#[track_caller]
fn check_everywhere(
    durability: Durability,
    only: Option<Operation>,
    error: ErrorKind,
    times: u64,
    cuts: u64,
) -> (u64, u64) {
    let (mut runs, mut images) = (0, 0);
    for at in 0.. {
        let mut run = Run::new(durability, Fault { at, only, times, error });
        run.perform();
        if run.disk.injected() == 0 {
            break;
        }
        runs += 1;
        images += run.finish(cuts);
    }
    (runs, images)
}

#[test]
fn no_disk_fault_loses_an_acknowledged_commit_or_keeps_a_refused_one() {
    let began = Instant::now();
    let (mut runs, mut images) = (0, 0);
    for durability in POLICIES {
        for error in ERRORS {
            for times in TIMES {
                let (more_runs, more_images) = check_everywhere(durability, None, error, times, 2 * torture());
                runs += more_runs;
                images += more_images;
            }
        }
    }
    println!("{runs} runs with a fault, {images} images of them, in {:?}", began.elapsed());
    assert!(runs > 3_000, "{runs} runs are too few");
}

#[test]
fn faults_of_one_kind_of_operation_lose_no_acknowledged_commit() {
    use Operation::{Create, Remove, Rename, SetSize, Sync, SyncDirectory, Write};
    let began = Instant::now();
    let mut runs = 0;
    for durability in POLICIES {
        for only in [Create, Remove, Rename, SetSize, Sync, SyncDirectory, Write] {
            for error in ERRORS {
                for times in [1, u64::MAX] {
                    runs += check_everywhere(durability, Some(only), error, times, 2 * torture()).0;
                }
            }
        }
    }
    println!("{runs} runs with a fault of one kind in {:?}", began.elapsed());
}

/// A store with one commit, on a disk without faults so far.
fn begun(durability: Durability) -> (FailingDisk<MemoryDisk>, Store) {
    let disk = FailingDisk::new(MemoryDisk::new());
    let (store, _) = open(&disk, durability).unwrap();
    super::commit_writes(&store, &[(b"a".to_vec(), Some((b"1".to_vec(), None)))]);
    store.flush();
    (disk, store)
}

fn put_and_flush(store: &Store) -> Poll<Result<(), Error>> {
    let version = commit_writes(store, &[(b"a".to_vec(), Some((b"2".to_vec(), None)))]);
    store.flush();
    outcome(store, version)
}

#[test]
fn a_full_disk_refuses_until_there_is_space_and_then_recovers_by_itself() {
    for durability in POLICIES {
        for error in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::WriteZero] {
            for times in [1, 7] {
                let (disk, store) = begun(durability);
                disk.plan(Some(Fault { at: 0, only: Some(Operation::Write), times, error }));
                for _ in 0..times {
                    assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::DiskFull)));
                    assert_eq!((&store.get(b"a").unwrap().value[..], store.version()), (&b"1"[..], 1));
                    let (said, for_good) = store.disk_failure().unwrap();
                    assert!(!for_good && said.starts_with("writing the log: "), "{said}");
                }
                assert_eq!(put_and_flush(&store), Poll::Ready(Ok(())));
                drop(store);
                let (store, recovered) = open(&disk, durability).unwrap();
                assert_eq!((&store.get(b"a").unwrap().value[..], recovered.cut), (&b"2"[..], None));
            }
        }
    }
}

#[test]
fn a_sync_that_failed_is_not_tried_again() {
    for error in [ErrorKind::Other, ErrorKind::StorageFull] {
        let (disk, store) = begun(Durability::Always);
        disk.plan(Some(Fault { at: 0, only: Some(Operation::Sync), times: 1, error }));
        assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::StorageFailed(StorageFailure::Sync))));
        assert_eq!(disk.counted(), 1);
        for _ in 0..3 {
            assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::StorageFailed(StorageFailure::Sync))));
            assert!(store.checkpoint().is_ok_and(|checkpoint| checkpoint.is_none()) || store.checkpoint().is_err());
        }
        assert_eq!((&store.get(b"a").unwrap().value[..], store.version()), (&b"1"[..], 1));
        let (said, for_good) = store.disk_failure().unwrap();
        assert!(for_good && said.starts_with("syncing the log: "), "{said}");
        assert_eq!(disk.counted(), 1, "nothing was synced after the sync that failed");
    }
}

#[test]
fn a_policy_that_syncs_later_keeps_what_is_visible_when_that_fails() {
    for durability in [Durability::Interval { ms: 10 }, Durability::Never] {
        let (disk, store) = begun(durability);
        disk.plan(Some(Fault { at: 0, only: Some(Operation::Sync), times: 1, error: ErrorKind::Other }));
        assert_eq!(put_and_flush(&store), Poll::Ready(Ok(())), "it was promised before the sync");
        assert_eq!((store.is_durable(2), store.version()), (false, 2));
        assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::StorageFailed(StorageFailure::Sync))));
        assert_eq!(&store.get(b"a").unwrap().value[..], b"2");
    }
}

/// The events since the last call: their kind, and the operation named in the disk's error.
fn events(store: &Store) -> Vec<String> {
    let event = |event| match event {
        DiskEvent::Checkpoint(made) => panic!("nobody made {made:?}"),
        DiskEvent::Failed(said) => format!("failed {}", said.split(':').next().unwrap()),
        DiskEvent::Full(said) => format!("full {}", said.split(':').next().unwrap()),
        DiskEvent::Resumed => "resumed".to_owned(),
        DiskEvent::SegmentRefused(said) => format!("segment {}", said.split(':').next().unwrap()),
    };
    store.take_disk_events().into_iter().map(event).collect()
}

#[test]
fn each_failure_and_its_end_are_reported_once() {
    for durability in POLICIES {
        let (disk, store) = begun(durability);
        assert!(events(&store).is_empty());
        for _ in 0..2 {
            let (only, error) = (Some(Operation::Write), ErrorKind::StorageFull);
            disk.plan(Some(Fault { at: 0, only, times: 3, error }));
            (0..3).for_each(|_| assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::DiskFull))));
            assert_eq!(events(&store), ["full writing the log"]);
            (0..3).for_each(|_| assert_eq!(put_and_flush(&store), Poll::Ready(Ok(()))));
            assert_eq!(events(&store), ["resumed"]);
        }
        disk.plan(Some(Fault { at: 0, only: Some(Operation::Create), times: 2, error: ErrorKind::Other }));
        while disk.injected() < 2 {
            assert_eq!(put_and_flush(&store), Poll::Ready(Ok(())));
        }
        assert_eq!(events(&store), ["segment beginning a segment of the log"]);
        disk.plan(Some(Fault { at: 0, only: Some(Operation::Sync), times: u64::MAX, error: ErrorKind::Other }));
        (0..3).for_each(|_| _ = put_and_flush(&store));
        assert_eq!(events(&store), ["failed syncing the log"]);
        assert!(store.has_failed());
    }
}

fn is_left(disk: &impl Disk) -> bool {
    disk.list().unwrap().iter().any(|name| name.starts_with("room"))
}

#[test]
fn returning_space_is_noticed_without_a_write() {
    for durability in POLICIES {
        for error in [ErrorKind::StorageFull, ErrorKind::WriteZero] {
            let (disk, store) = begun(durability);
            store.probe_space();
            assert!(!store.is_disk_full());
            disk.plan(Some(Fault { at: 0, only: Some(Operation::Write), times: u64::MAX, error }));
            assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::DiskFull)));
            (0..3).for_each(|_| store.probe_space());
            assert!(store.is_disk_full() && !is_left(&disk));
            assert_eq!(events(&store), ["full writing the log"]);
            // There is space, but the probe's file cannot be removed: the next probe removes it.
            disk.plan(Some(Fault { at: 1, only: Some(Operation::Remove), times: 1, error: ErrorKind::Other }));
            store.probe_space();
            assert!(store.is_disk_full() && is_left(&disk));
            store.probe_space();
            assert!(!store.is_disk_full() && !is_left(&disk));
            assert_eq!(events(&store), ["resumed"]);
            assert_eq!(put_and_flush(&store), Poll::Ready(Ok(())));
        }
    }
}

#[test]
fn remains_of_a_space_probe_are_removed_at_the_next_start() {
    let (disk, store) = begun(Durability::Always);
    let (only, error) = (Some(Operation::Write), ErrorKind::StorageFull);
    disk.plan(Some(Fault { at: 0, only, times: 1, error }));
    assert_eq!(put_and_flush(&store), Poll::Ready(Err(Error::DiskFull)));
    disk.plan(Some(Fault { at: 1, only: Some(Operation::Remove), times: 1, error: ErrorKind::Other }));
    store.probe_space();
    disk.plan(None);
    drop(store);
    assert!(is_left(&disk));
    let (store, _) = open(&disk, Durability::Always).unwrap();
    assert!(!is_left(&disk) && !store.is_disk_full());
}
