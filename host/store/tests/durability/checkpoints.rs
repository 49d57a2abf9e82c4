//! Segments and checkpoints are made and removed so that the disk holds no more than the store needs.

use std::io;
use std::sync::Arc;

use mantis_store::disk::{Disk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation};
use mantis_store::{Durability, ManualClock, Store};

use super::round_trip::{Written, names, write};
use super::{POLICIES, SEGMENT_BYTES_MAX, open, options};
use crate::support::{START_MS, delete, put, value};

#[test]
fn each_segment_begins_where_the_full_one_before_ends() {
    let disk = MemoryDisk::new();
    drop(write(&disk, Durability::Always, 1_000, |_| {}));
    let files = disk.files();
    let segments = names(&disk, "log");
    assert!(segments.len() > 20, "{segments:?}");
    for (name, next) in segments.iter().zip(&segments[1..]) {
        let bytes = files[name].len() as u64;
        // A record is written where there was room before it.
        assert!((SEGMENT_BYTES_MAX..2 * SEGMENT_BYTES_MAX + 500).contains(&bytes), "{name}: {bytes} bytes");
        assert!(name < next);
    }
}

#[test]
fn two_checkpoints_and_the_log_that_they_and_the_feed_need_are_kept() {
    for (feed_bytes_max, keeps_all) in [(0, false), (usize::MAX, true)] {
        let disk = MemoryDisk::new();
        let Written { store, .. } =
            write(&disk, Durability::Always, 10, |options| options.feed_bytes_max = feed_bytes_max);
        let checkpoints = names(&disk, "checkpoint");
        assert_eq!(checkpoints.len(), 2, "{checkpoints:?}");
        let segments = names(&disk, "log");
        let number = |name: &str| name.split(['-', '.']).nth(1).unwrap().parse::<u64>().unwrap();
        assert_eq!(segments.first().map(|name| number(name)) == Some(0), keeps_all, "{segments:?}");
        if !keeps_all {
            // Of the first two segments, at most one is at or after the older checkpoint.
            let oldest = number(&checkpoints[0]);
            assert!(number(&segments[0]) <= oldest && number(&segments[1]) > oldest, "{checkpoints:?} {segments:?}");
        }
        // With the feed's age, the part of the log that it needs is removed too.
        drop(store);
        let all = disk
            .files()
            .keys()
            .all(|name| name == "store.mantis" || checkpoints.contains(name) || segments.contains(name));
        assert!(all, "nothing else is left: {:?}", disk.files().keys());
    }
}

#[test]
fn segments_too_old_for_the_feed_go_with_the_next_checkpoint() {
    let disk = MemoryDisk::new();
    let Written { store, clock, .. } = write(&disk, Durability::Never, 1_000, |_| {});
    for _ in 0..2 {
        put(&store, "a1", "1");
        store.checkpoint().unwrap();
    }
    let before = names(&disk, "log").len();
    clock.advance_ms(25 * 60 * 60 * 1_000);
    store.maintain(0);
    put(&store, "a1", "2");
    store.checkpoint().unwrap();
    assert!(before > 20 && names(&disk, "log").len() <= 2, "{before} {:?}", names(&disk, "log"));
    drop(store);
    assert_eq!(value(open(&disk, Durability::Never).unwrap().0.get(b"a1")).as_deref(), Some("2"));
}

#[test]
fn the_age_of_the_feed_is_read_from_the_log_once() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let opened_at = |now_ms: u64| {
        let disk = MemoryDisk::new();
        let open_at = |clock: &Arc<ManualClock>| {
            Store::open(options(clock, 7), Arc::new(disk.clone()), Durability::Never).unwrap().0
        };
        let store = open_at(&Arc::new(ManualClock::new(START_MS)));
        put(&store, "a1", "1");
        store.flush();
        drop(store);
        let clock = Arc::new(ManualClock::new(now_ms));
        (open_at(&clock), clock)
    };
    let kept = |store: &Store| {
        store.maintain(0);
        store.stats().feed_commits
    };
    let (store, _) = opened_at(START_MS + DAY_MS + 1);
    assert_eq!(kept(&store), 0, "older than a day when it was opened");
    for (now_ms, left_ms) in [(START_MS + DAY_MS - 5, 5), (START_MS, DAY_MS), (0, DAY_MS)] {
        let (store, clock) = opened_at(now_ms);
        assert_eq!(kept(&store), 1);
        for step_ms in [now_ms + 2 * DAY_MS, 0] {
            clock.set_ms(step_ms);
            assert_eq!(kept(&store), 1, "{now_ms}: a step of the clock ages nothing");
        }
        clock.advance_ms(left_ms);
        assert_eq!(kept(&store), 1, "{now_ms}");
        clock.advance_ms(1);
        assert_eq!(kept(&store), 0, "{now_ms}");
    }
}

#[test]
fn without_a_commit_there_is_no_checkpoint() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    assert_eq!(store.checkpoint().unwrap(), None);
    let version = put(&store, "a1", "1");
    assert_eq!(store.checkpoint().unwrap(), None, "what is pending is not in it");
    store.flush();
    assert_eq!(
        store.checkpoint().unwrap().map(|checkpoint| (checkpoint.version, checkpoint.entries)),
        Some((version, 1))
    );
    assert_eq!(store.checkpoint().unwrap(), None);
    drop(store);
    let (store, _) = open(&disk, Durability::Always).unwrap();
    assert_eq!(store.checkpoint().unwrap(), None);
}

#[test]
fn a_checkpoint_is_due_after_its_bytes_of_log() {
    let (disk, clock) = (MemoryDisk::new(), Arc::default());
    let mut options = options(&clock, 1);
    options.checkpoint_bytes = 1_000;
    let (store, _) = Store::open(options, Arc::new(disk), Durability::Never).unwrap();
    let mut commits = 0;
    for _ in 0..3 {
        while !store.is_checkpoint_due() {
            put(&store, "a1", "0123456789");
            commits += 1;
        }
        assert!(store.checkpoint().unwrap().is_some() && !store.is_checkpoint_due());
    }
    assert!((30..60).contains(&commits), "{commits} commits of some 65 bytes");
}

/// A deletion is not visible yet when its own commit prunes.
#[test]
fn a_deletion_does_not_keep_later_overwritten_values() {
    for durability in [Durability::Interval { ms: 10 }, Durability::Never] {
        let store = open(&MemoryDisk::new(), durability).unwrap().0;
        put(&store, "a", "1");
        delete(&store, "a");
        for round in 0..5_000 {
            put(&store, "b", &round.to_string());
        }
        let stats = store.stats();
        assert!(stats.versions < 10 && stats.prune_backlog < 10, "{durability:?}: {stats:?}");
    }
}

/// A store of this many MiB, whose next checkpoint is due after 4 MiB more of log.
fn filled(disk: &(impl Disk + Clone), mib: usize) -> Store {
    let mut options = options(&Arc::default(), 1);
    (options.segment_bytes_max, options.checkpoint_bytes) = (1 << 30, 4 << 20);
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Never).unwrap();
    for key in 0..16 * mib {
        put(&store, &format!("a{key}"), &"x".repeat(64 << 10));
    }
    store
}

#[test]
fn a_checkpoint_rests_until_the_log_has_grown_much() {
    let store = filled(&MemoryDisk::new(), 4);
    let mut rests = 0;
    let count = || {
        rests += 1;
        assert_eq!(store.disk_stats().unwrap().checkpoint, None, "figures do not wait for it");
    };
    store.checkpoint_with_rests(&mut { count }).unwrap().unwrap();
    assert!(rests >= 4 << 20 >> 18, "{rests} rests in 4 MiB of blocks of 256 KiB");
    put(&store, "a", "1");
    rests = 0;
    let mut beside = || {
        rests += 1;
        put(&store, "b", &"x".repeat(512 << 10));
    };
    store.checkpoint_with_rests(&mut beside).unwrap().unwrap();
    assert_eq!(rests, 4, "half of what makes the next one due came beside it");
}

#[test]
fn a_checkpoint_is_synced_in_parts_and_fails_with_any_of_them() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let store = filled(&disk, 4);
    store.flush();
    let mut at = 0;
    loop {
        put(&store, "a", &at.to_string());
        store.flush();
        disk.plan(Some(Fault { at, only: Some(Operation::Sync), times: 1, error: io::ErrorKind::Other }));
        let made = store.checkpoint();
        disk.plan(None);
        assert!(
            !store.has_failed() && !disk.list().unwrap().iter().any(|name| name.ends_with(".unfinished")),
            "sync {at}"
        );
        if made.is_ok() {
            break;
        }
        at += 1;
    }
    // One for each MiB, and one for the rest.
    assert_eq!(at, 5);
    let version = store.version();
    drop(store);
    assert_eq!(open(&disk, Durability::Never).unwrap().0.version(), version);
}

/// A store that is opened repeatedly, each time too briefly to write enough for a checkpoint.
#[test]
fn the_log_is_bounded_across_runs_too_short_for_a_checkpoint() {
    const CHECKPOINT_BYTES: u64 = 4_000;
    for durability in POLICIES {
        let (disk, clock) = (MemoryDisk::new(), Arc::default());
        let (mut checkpoints, mut replayed_max) = (0, 0);
        for _ in 0..20 {
            let mut options = options(&clock, 1);
            (options.checkpoint_bytes, options.feed_bytes_max) = (CHECKPOINT_BYTES, 0);
            let (store, recovered) = Store::open(options, Arc::new(disk.clone()), durability).unwrap();
            replayed_max = recovered.log_bytes.max(replayed_max);
            while store.disk_stats().unwrap().log_bytes_written < CHECKPOINT_BYTES * 8 / 10 {
                put(&store, "a1", "0123456789");
                store.flush();
                // As a thread does.
                if store.is_checkpoint_due() {
                    checkpoints += u64::from(store.checkpoint().unwrap().is_some());
                    assert!(!store.is_checkpoint_due());
                }
            }
        }
        let segments = names(&disk, "log");
        let log_bytes: u64 = segments.iter().map(|name| disk.files()[name].len() as u64).sum();
        let case = format!("{durability:?}: {checkpoints} checkpoints, {replayed_max} bytes, {segments:?}");
        assert!((12..=16).contains(&checkpoints), "{case}");
        assert!(replayed_max < CHECKPOINT_BYTES + 2 * SEGMENT_BYTES_MAX, "{case}");
        // Two checkpoints are kept, with the log after the older one.
        assert!(!segments[0].contains("00000000000000000000"), "{case}");
        assert!(log_bytes < 3 * CHECKPOINT_BYTES, "{case}: {log_bytes} bytes");
    }
}
