//! Statistics of the disk: they match its files, and reading them does not wait for the disk.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use mantis_store::disk::MemoryDisk;
use mantis_store::testing::{FailingDisk, Fault, Operation};
use mantis_store::{Clock as _, DiskThreads, Durability, Expect, FeedCursor, ManualClock, Store, Update};

use super::hooked::Hooked;
use super::threads::PATIENCE;
use super::{POLICIES, options};
use crate::support::{START_MS, commit, delete, exclusively, put, put_until, store_with};

/// Segments of the log and their bytes, by the files.
fn log_of(disk: &MemoryDisk) -> (u64, u64) {
    let files = disk.files();
    let segments: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("log-")).collect();
    (segments.len() as u64, segments.iter().map(|(_, bytes)| bytes.len() as u64).sum())
}

#[test]
fn statistics_of_the_log_match_its_files() {
    for durability in POLICIES {
        let disk = MemoryDisk::new();
        let mut most = 0;
        for life in 0..3 {
            let mut options = options(&Arc::default(), life);
            options.feed_bytes_max = 0;
            let (store, _) = Store::open(options, Arc::new(disk.clone()), durability).unwrap();
            for round in 0..40 {
                let stats = store.disk_stats().unwrap();
                assert_eq!((stats.log_segments, stats.log_bytes), log_of(&disk), "{durability:?}, {life}, {round}");
                most = most.max(stats.log_segments);
                put(&store, "a", &"v".repeat(50));
                store.flush();
                if round % 13 == 12 {
                    store.checkpoint().unwrap();
                }
            }
        }
        assert!(most > 5 && log_of(&disk).0 < most, "{durability:?}: segments come and go");
    }
}

/// Calls everything that answers at once.
fn ask(store: &Store) {
    let _ = (store.disk_stats(), store.stats(), store.disk_failure(), store.take_disk_events());
    let _ = (store.has_failed(), store.is_disk_full(), store.is_checkpoint_due(), store.is_durable(1));
    let _ = (store.version(), store.newest(), store.bytes(), store.space(b"a"), store.identity(), store.durability());
    let _ = (store.get(b"a"), store.snapshot().get(b"a"), store.changes(FeedCursor::after(0), 10, |_| true));
    let _ = (store.watch(), store.feed_start(), store.backup().bytes_estimate());
}

/// Blocks the disk in an operation of this kind, and reads statistics meanwhile.
#[track_caller]
fn check_asked_while(held: Operation, durability: Durability) {
    let case = format!("{held:?}, {durability:?}");
    let ((reached, is_reached), (release, hold)) = (mpsc::channel(), mpsc::channel::<()>());
    let (is_armed, hold) = (Arc::<AtomicBool>::default(), Mutex::new(hold));
    let is_awaited = Arc::clone(&is_armed);
    let disk = Hooked::new(&MemoryDisk::new(), move |operation| {
        if operation == held && is_awaited.swap(false, Ordering::SeqCst) {
            reached.send(()).unwrap();
            // Until the other end is dropped.
            let _ = hold.lock().unwrap().recv();
        }
    });
    let mut options = options(&Arc::default(), 7);
    options.feed_bytes_max = 0;
    let (store, _) = Store::open(options, Arc::new(disk), durability).unwrap();
    let threads = DiskThreads::start(&store, Box::new(|_| {})).unwrap();
    is_armed.store(true, Ordering::SeqCst);
    let writing = store.clone();
    let writer = thread::spawn(move || {
        for round in 0..60 {
            let update = Update::Put { value: "v".repeat(50).into(), expires_at_ms: None };
            writing.write(b"a", update, Expect::Anything, None).unwrap().unwrap();
            if round % 10 == 9 {
                writing.flush();
                writing.checkpoint().unwrap();
            }
        }
    });
    is_reached.recv_timeout(PATIENCE).expect(&case);
    let asked = store.clone();
    let (sender, answered) = mpsc::channel();
    thread::spawn(move || {
        ask(&asked);
        sender.send(()).unwrap();
    });
    let answer = answered.recv_timeout(PATIENCE);
    drop(release);
    assert!(answer.is_ok(), "{case}: whoever asks waits for the disk");
    writer.join().unwrap();
    drop(threads);
}

#[test]
fn statistics_do_not_wait_for_the_disk() {
    for held in [Operation::Sync, Operation::Write, Operation::Create, Operation::Remove, Operation::SyncDirectory] {
        for durability in POLICIES {
            check_asked_while(held, durability);
        }
    }
}

/// The commits that were measured, and how long they took together.
fn commits_timed(store: &Store) -> (u64, u64) {
    let times = store.stats().commit_times;
    (times.counts.iter().sum(), times.total_us)
}

#[test]
fn a_commit_takes_until_it_is_on_the_disk_whoever_waits_for_it() {
    let clock = Arc::new(ManualClock::new(START_MS));
    let disk = FailingDisk::new(MemoryDisk::new());
    let (store, _) = Store::open(options(&clock, 1), Arc::new(disk.clone()), Durability::Always).unwrap();
    put(&store, "a", "1");
    clock.advance_ms(3);
    put(&store, "b", "1");
    exclusively(&store, |transaction| transaction.put(b"c", "1", None));
    commit(&store, |transaction| transaction.put(b"d", "1", None));
    clock.advance_ms(4);
    assert_eq!(commits_timed(&store), (0, 0), "nobody sees them");
    store.flush();
    assert_eq!(commits_timed(&store), (4, 7_000 + 3 * 4_000));
    let times = store.stats().commit_times;
    assert_eq!((times.counts[5], times.counts[6]), (3, 1), "up to 5 ms, and up to 10 ms");

    // What changes nothing, or is refused, is no commit.
    delete(&store, "missing");
    put(&store, "e", "1");
    disk.plan(Some(Fault { at: 0, only: Some(Operation::Write), times: 1, error: ErrorKind::StorageFull }));
    store.flush();
    disk.plan(None);
    store.flush();
    assert_eq!(commits_timed(&store).0, 4);
    // Nor does housekeeping commit for anybody.
    put_until(&store, "f", "1", Some(clock.now_ms() + 1));
    store.flush();
    clock.advance_ms(1);
    assert_eq!(store.maintain(10), 1);
    store.flush();
    assert_eq!((store.get(b"f"), commits_timed(&store).0), (None, 5));
}

#[test]
fn of_commits_that_wait_for_no_sync_one_in_sixteen_stands_for_the_others() {
    let memory = store_with(|_| {}).0;
    let on_disk =
        |durability| Store::open(options(&Arc::default(), 1), Arc::new(MemoryDisk::new()), durability).unwrap().0;
    for store in [memory, on_disk(Durability::Never), on_disk(Durability::Interval { ms: 10 })] {
        for _ in 0..1_600 {
            put(&store, "a", "1");
        }
        let (counted, _) = commits_timed(&store);
        assert!((1_500..=1_700).contains(&counted), "{:?}: {counted}", store.durability());
    }
}
