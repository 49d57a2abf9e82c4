//! Threads on real files: whatever one of them sees is durable, nobody waits for ever, and all of it is there afterwards.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use std::{fs, io};

use mantis_store::disk::{DirectoryDisk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation};
use mantis_store::{
    DiskEvent, DiskThreads, Durability, Error, FeedCursor, ManualClock, StorageFailure, Store, Version,
};

use super::hooked::Hooked;
use super::{POLICIES, changes_after, open, options, outcome, state_of};
use crate::support::{Numbers, Working, number, put};

const THREADS: u64 = 4;
/// Longer than any disk takes, and far shorter than a test may hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a commit.
#[track_caller]
pub(super) fn wait(store: &Store, version: Version) -> Result<(), Error> {
    let (began, waker) = (Instant::now(), Waker::from(Arc::new(Unpark(thread::current()))));
    let mut settled = pin!(store.settled(version));
    loop {
        if let Poll::Ready(outcome) = settled.as_mut().poll(&mut Context::from_waker(&waker)) {
            return outcome;
        }
        let left = PATIENCE.saturating_sub(began.elapsed());
        assert!(!left.is_zero(), "commit {version} has not settled; the newest is {}", store.newest());
        thread::park_timeout(left);
    }
}

#[test]
fn a_segment_is_synced_before_its_end_when_nobody_waits_for_it() {
    for durability in [Durability::Interval { ms: 60_000 }, Durability::Never] {
        let mut options = options(&Arc::default(), 1);
        options.segment_bytes_max = 64 << 20;
        let (store, _) = Store::open(options, Arc::new(MemoryDisk::new()), durability).unwrap();
        let put_mib = |key: &str, mib: usize| put(&store, key, &"v".repeat(mib << 20));
        let (first, second) = (put_mib("a", 3), put_mib("b", 2));
        assert!(!store.is_durable(first), "{durability:?}");
        // It was asked to hurry, and so does not rest.
        store.drive(PATIENCE);
        assert!(store.is_durable(second), "{durability:?}");
        let third = put_mib("c", 3);
        if durability == Durability::Never {
            store.drive(Duration::ZERO);
        }
        assert!(!store.is_durable(third), "{durability:?}: not yet worth while");
    }
}

/// Reads in every way, and finds nothing that is not durable.
fn read_until_done(store: &Store, working: &AtomicUsize) {
    let (mut numbers, mut cursor) = (Numbers::new(5), FeedCursor::after(0));
    while working.load(Ordering::SeqCst) > 0 {
        let key = format!("{}-{}", numbers.below(THREADS), numbers.below(10));
        if let Some(entry) = store.get(key.as_bytes()) {
            assert!(store.is_durable(entry.version), "{key} at {}", entry.version);
        }
        let snapshot = store.snapshot();
        assert!(store.is_durable(snapshot.version()), "a snapshot at {}", snapshot.version());
        let page = store.changes(cursor, 100, |_| true).unwrap();
        cursor = page.cursor;
        for change in page.changes {
            assert!(store.is_durable(change.version), "a change at {}", change.version);
        }
        let seen = *store.watch().borrow();
        assert!(store.is_durable(seen), "word of {seen}");
        thread::yield_now();
    }
}

/// Commits from all threads, each waiting for its own, beside a reader and checkpoints.
#[track_caller]
fn check_threads(durability: Durability, rounds: u64) {
    let directory = tempfile::tempdir().unwrap();
    let disk = DirectoryDisk::new(directory.path()).unwrap();
    let mut options = options(&Arc::default(), 7);
    (options.segment_bytes_max, options.checkpoint_bytes) = (4_000, 10_000);
    let (store, _) = Store::open(options, Arc::new(disk.clone()), durability).unwrap();
    let threads = DiskThreads::start(
        &store,
        Box::new(|event| assert!(matches!(event, DiskEvent::Checkpoint(Ok(_))), "{event:?}")),
    )
    .unwrap();
    let working = AtomicUsize::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, working) = (&store, &working);
            scope.spawn(move || {
                let _working = Working::one_of(working);
                for round in 1..=rounds {
                    let key = format!("{thread}-{}", round % 10);
                    let value = round.to_le_bytes().to_vec();
                    let version = super::commit_writes(store, &[(key.clone().into_bytes(), Some((value, None)))]);
                    assert_eq!(wait(store, version), Ok(()));
                    assert!(durability != Durability::Always || store.is_durable(version));
                    assert!(number(&store.get(key.as_bytes()).unwrap()) == round, "it is visible when it is settled");
                }
            });
        }
        if durability == Durability::Always {
            scope.spawn(|| read_until_done(&store, &working));
        }
        scope.spawn(|| {
            while working.load(Ordering::SeqCst) > 0 {
                store.checkpoint().unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
    });
    let (version, state, feed) = (store.version(), state_of(&store), changes_after(&store, FeedCursor::after(0)));
    assert_eq!((version, feed.len() as u64), (THREADS * rounds, THREADS * rounds));
    drop(threads);
    assert!(store.is_durable(version), "threads that end leave nothing pending");
    drop(store);
    let (store, recovered) = open(&disk, durability).unwrap();
    assert_eq!((store.version(), state_of(&store)), (version, state), "{recovered}");
    assert_eq!(changes_after(&store, FeedCursor::after(0)), feed);
    assert!(recovered.checkpoint.is_some() && recovered.cut.is_none(), "{recovered}");
}

#[test]
fn visible_commits_are_durable_and_nobody_waits_for_ever() {
    check_threads(Durability::Always, 300);
}

#[test]
fn a_commit_during_a_sync_or_a_checkpoint_is_written() {
    check_threads(Durability::Interval { ms: 1 }, 1_000);
    check_threads(Durability::Never, 1_000);
}

#[test]
fn ending_the_threads_writes_pending_commits() {
    for durability in POLICIES {
        let disk = MemoryDisk::new();
        let (store, _) = open(&disk, durability).unwrap();
        let threads = DiskThreads::start(&store, Box::new(|_| {})).unwrap();
        let versions: Vec<_> = (0..100).map(|_| put(&store, "a", "1")).collect();
        drop(threads);
        assert!(versions.iter().all(|version| store.is_durable(*version)));
        // Without threads nobody writes, but a flush still does.
        let version = put(&store, "a", "2");
        store.flush();
        assert_eq!((outcome(&store, version), store.is_durable(version)), (Poll::Ready(Ok(())), true));
    }
}

/// During slow syncs two clients do not remain halves that wait for each other's sync.
#[test]
fn expected_commits_share_a_slow_sync() {
    const COMMITS: u64 = 150;
    let clock = Arc::new(ManualClock::new(1));
    let (syncing, syncs) = mpsc::channel();
    let ticking = Arc::clone(&clock);
    let disk = Hooked::new(&MemoryDisk::new(), move |operation| {
        if operation == Operation::Sync {
            let _ = syncing.send(());
            thread::sleep(Duration::from_millis(2));
            ticking.advance_ms(1_000);
        }
    });
    let mut options = options(&clock, 7);
    options.segment_bytes_max = 1 << 20;
    let (store, _) = Store::open(options, Arc::new(disk), Durability::Always).unwrap();
    let _threads = DiskThreads::start(&store, Box::new(|_| {})).unwrap();
    let commit = |key: &str| (0..COMMITS).for_each(|_| assert_eq!(wait(&store, put(&store, key, "1")), Ok(())));
    while syncs.try_recv().is_ok() {}
    thread::scope(|scope| {
        scope.spawn(|| commit("a"));
        // The other one comes too late for the first sync.
        syncs.recv_timeout(PATIENCE).unwrap();
        commit("b");
    });
    let groups = store.disk_stats().unwrap().log_groups;
    assert!(groups < 2 * COMMITS * 2 / 3, "{groups} groups of {} commits", 2 * COMMITS);
}

#[test]
fn an_idle_store_writes_at_once_when_a_commit_comes() {
    let (store, _) = open(&MemoryDisk::new(), Durability::Always).unwrap();
    let _threads = DiskThreads::start(&store, Box::new(|_| {})).unwrap();
    let mut waits = Vec::new();
    for round in 0..50 {
        // Awake, about to sleep, and asleep.
        thread::sleep(Duration::from_micros(round * 20));
        let began = Instant::now();
        assert_eq!(wait(&store, put(&store, "a", "1")), Ok(()));
        waits.push(began.elapsed());
    }
    waits.sort();
    // It sleeps for a second when nobody wakes it.
    assert!(waits[40] < Duration::from_millis(500), "{waits:?}");
}

#[test]
fn the_holder_of_the_log_writes_commits_that_come_meanwhile() {
    for durability in [Durability::Interval { ms: 10 }, Durability::Never] {
        // Somebody commits whenever a file is made, renamed, removed or made durable, as a thread could.
        let (memory, meddler) = (MemoryDisk::new(), Arc::<(OnceLock<Store>, Mutex<Vec<Version>>)>::default());
        let meddling = Arc::clone(&meddler);
        let disk = Hooked::new(&memory, move |operation| {
            let (store, commits) = &*meddling;
            if let Operation::Create | Operation::Rename | Operation::Remove | Operation::SyncDirectory = operation
                && let (Some(store), Ok(mut commits)) = (store.get(), commits.try_lock())
            {
                commits.push(put(store, "meddled", "1"));
            }
        });
        let mut options = options(&Arc::default(), 7);
        options.feed_bytes_max = 0;
        let (store, _) = Store::open(options, Arc::new(disk), durability).unwrap();
        meddler.0.set(store.clone()).unwrap();
        for round in 0..60 {
            let version = put(&store, "a", &"x".repeat(50));
            assert_eq!(outcome(&store, version), Poll::Ready(Ok(())));
            if round % 10 == 9 {
                store.checkpoint().unwrap();
            }
            for version in meddler.1.lock().unwrap().drain(..) {
                assert_eq!(outcome(&store, version), Poll::Ready(Ok(())), "{durability:?}, round {round}");
            }
        }
        let version = store.newest();
        store.flush();
        assert!(store.is_durable(version));
        let (files, state) = (memory.files(), state_of(&store));
        assert_eq!(state_of(&open(&MemoryDisk::with_files(files), durability).unwrap().0), state);
    }
}

#[test]
fn the_directory_has_no_files_but_the_engines() {
    let directory = tempfile::tempdir().unwrap();
    let disk = DirectoryDisk::new(directory.path()).unwrap();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    put(&store, "a", "1");
    store.flush();
    store.checkpoint().unwrap();
    let sizes: BTreeMap<_, _> = fs::read_dir(directory.path())
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len() > 0))
        .collect();
    let expected = [
        ("checkpoint-00000000000000000001.mantis", true),
        ("lock", false),
        ("log-00000000000000000000.mantis", true),
        ("store.mantis", true),
    ];
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), expected.map(|(name, has_bytes)| (name.to_owned(), has_bytes)));
}

/// Without further writes or calls, the owner still learns of it.
#[test]
fn a_failed_background_sync_is_reported() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let (store, _) = open(&disk, Durability::Interval { ms: 1 }).unwrap();
    let (sender, events) = mpsc::channel();
    let threads = DiskThreads::start(&store, Box::new(move |event| sender.send(event).unwrap())).unwrap();
    // The first commit reserves versions, which includes a sync.
    put(&store, "a", "1");
    disk.plan(Some(Fault { at: 0, only: Some(Operation::Sync), times: u64::MAX, error: io::ErrorKind::Other }));
    put(&store, "a", "2");
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(&event, DiskEvent::Failed(said) if said.starts_with("syncing the log: ")), "{event:?}");
    assert_eq!(wait(&store, put_pending(&store)), Err(Error::StorageFailed(StorageFailure::Sync)));
    drop(threads);
    assert!(events.iter().next().is_none(), "once");
}

/// A commit that is refused when it is written.
fn put_pending(store: &Store) -> Version {
    super::commit_writes(store, &[(b"a".to_vec(), Some((b"2".to_vec(), None)))])
}

#[test]
fn a_full_disk_and_returning_space_are_reported_without_a_write() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let (store, _) = open(&disk, Durability::Always).unwrap();
    let (sender, events) = mpsc::channel();
    let _threads = DiskThreads::start(&store, Box::new(move |event| sender.send(event).unwrap())).unwrap();
    let (only, error) = (Some(Operation::Write), io::ErrorKind::StorageFull);
    disk.plan(Some(Fault { at: 0, only, times: u64::MAX, error }));
    assert_eq!(wait(&store, put(&store, "a", "1")), Err(Error::DiskFull));
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event, DiskEvent::Full(_)) && store.is_disk_full(), "{event:?}");
    disk.plan(None);
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event, DiskEvent::Resumed) && !store.is_disk_full(), "{event:?}");
}

/// Commits until the panic has come: waiters get an error, the owner gets one event, and nothing is written any more.
#[track_caller]
fn check_panic(durability: Durability, at: Operation) {
    let case = format!("{durability:?}, {at:?}");
    let (memory, is_armed) = (MemoryDisk::new(), Arc::<AtomicBool>::default());
    let is_planned = Arc::clone(&is_armed);
    let disk = Hooked::new(&memory, move |operation| {
        assert!(operation != at || !is_planned.load(Ordering::SeqCst), "planned");
    });
    let mut options = options(&Arc::default(), 7);
    options.checkpoint_bytes = u64::MAX;
    let (store, _) = Store::open(options, Arc::new(disk), durability).unwrap();
    let (sender, events) = mpsc::channel();
    let threads = DiskThreads::start(&store, Box::new(move |event| sender.send(event).unwrap())).unwrap();
    assert_eq!(wait(&store, put(&store, "a", "before")), Ok(()));
    is_armed.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let failed = loop {
        assert!(began.elapsed() < PATIENCE, "{case}: nothing failed");
        let versions = [put_pending(&store), put_pending(&store)];
        let outcomes = versions.map(|version| wait(&store, version));
        if outcomes[1].is_err() {
            break outcomes;
        }
    };
    let failure = if at == Operation::Sync { StorageFailure::Sync } else { StorageFailure::Internal };
    assert_eq!(failed[1], Err(Error::StorageFailed(failure)), "{case}");
    assert!(store.has_failed(), "{case}");
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(&event, DiskEvent::Failed(said) if said.ends_with("a panic: planned")), "{case}: {event:?}");
    assert_eq!(
        wait(&store, put_pending(&store)),
        Err(Error::StorageFailed(failure)),
        "{case}: those who come later do not wait"
    );
    let (version, shown) = (store.version(), state_of(&store));
    drop(threads);
    assert!(events.iter().next().is_none(), "{case}: once");
    assert_eq!((store.version(), state_of(&store)), (version, shown), "{case}");
    drop(store);
    let (store, _) = open(&memory, durability).unwrap();
    assert!(store.version() >= version, "{case}: reported commits are there");
}

#[test]
fn a_disk_that_panics_leaves_nobody_waiting() {
    for durability in [Durability::Always, Durability::Interval { ms: 1 }, Durability::Never] {
        for at in [Operation::Write, Operation::Sync, Operation::Create] {
            check_panic(durability, at);
        }
    }
}
