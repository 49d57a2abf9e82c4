//! Every commit is there when the store is opened again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use mantis_store::disk::{DirectoryDisk, Disk, MemoryDisk};
use mantis_store::testing::PowerCutDisk;
use mantis_store::{Durability, FeedCursor, ManualClock, OpenError, Options, Store};

use super::{Model, POLICIES, changes_after, commit_writes, due_writes, feed_of, open, options, outcome, some_writes};
use crate::support::{Numbers, START_MS, delete, put, put_until, value};

/// A store with a history, and the model of it.
pub(super) struct Written {
    pub(super) store: Store,
    pub(super) model: Model,
    pub(super) clock: Arc<ManualClock>,
}

/// Commits and removes at random, with a checkpoint after every so many commits.
pub(super) fn write(
    disk: &MemoryDisk,
    durability: Durability,
    checkpoint_every: u64,
    adjust: impl FnOnce(&mut Options),
) -> Written {
    let clock = Arc::new(ManualClock::new(START_MS));
    let mut options = options(&clock, 3);
    adjust(&mut options);
    let (store, recovered) = Store::open(options, Arc::new(disk.clone()), durability).unwrap();
    assert!(recovered.is_new && recovered.version == 0);
    let (mut model, mut numbers) = (Model::new(), Numbers::new(checkpoint_every + 1));
    for commit in 1..=120 {
        clock.advance_ms(numbers.below(5));
        let now_ms = store.now_ms();
        let writes = if commit % 5 == 0 {
            let due = due_writes(model.newest().1, now_ms);
            assert_eq!(store.maintain(usize::MAX), due.len());
            due
        } else {
            let writes = some_writes(&mut numbers, 4, now_ms);
            commit_writes(&store, &writes);
            writes
        };
        model.commit(store.newest(), now_ms, &writes);
        if durability == Durability::Always {
            store.flush();
        }
        assert_eq!(outcome(&store, store.newest()), Poll::Ready(Ok(())));
        if commit % checkpoint_every == 0 {
            store.checkpoint().unwrap();
        }
    }
    Written { store, model, clock }
}

pub(super) fn names(disk: &MemoryDisk, kind: &str) -> Vec<String> {
    disk.files().into_keys().filter(|name| name.starts_with(kind)).collect()
}

#[track_caller]
fn check_round_trip(durability: Durability, checkpoint_every: u64, feed_bytes_max: usize) {
    let disk = MemoryDisk::new();
    let Written { store, mut model, .. } =
        write(&disk, durability, checkpoint_every, |options| options.feed_bytes_max = feed_bytes_max);
    let case = format!("{durability:?}, a checkpoint every {checkpoint_every}, {feed_bytes_max} bytes of feed");
    let (version, identity, feed) = (store.version(), store.identity(), feed_of(&store));
    let stats = store.stats();
    let spaces = [b"a", b"b", b"c"].map(|prefix| store.space(prefix));
    let cursor = store.changes(store.feed_start(), feed.len() / 2, |_| true).unwrap().cursor;
    let after_cursor = changes_after(&store, cursor);
    store.close().unwrap();
    drop(store);

    let (store, recovered) = open(&disk, durability).unwrap();
    model.check(&store).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!((store.version(), recovered.version, store.identity()), (version, version, identity), "{case}");
    assert_eq!([b"a", b"b", b"c"].map(|prefix| store.space(prefix)), spaces, "{case}");
    let again = store.stats();
    assert_eq!((again.keys, again.deadlines, again.version), (stats.keys, stats.deadlines, version), "{case}");
    assert_eq!((again.versions, again.prune_backlog), (again.keys, 0), "{case}: nothing of the past takes up memory");
    assert!(feed_of(&store).ends_with(&feed), "{case}: what was kept of the feed is kept");
    assert_eq!(changes_after(&store, cursor), after_cursor, "{case}: a cursor goes on");
    assert_eq!((recovered.cut, recovered.passed_over.len(), recovered.is_new), (None, 0, false), "{case}");
    assert_eq!(recovered.checkpoint.is_some(), checkpoint_every <= 120, "{case}");

    // Work continues where it stopped.
    let writes = [(b"a1".to_vec(), Some((b"more".to_vec(), None)))];
    assert_eq!(commit_writes(&store, &writes), version + 1, "{case}");
    model.commit(version + 1, 0, &writes);
    store.flush();
    assert!(store.is_durable(version + 1));
    drop(store);
    model.check(&open(&disk, durability).unwrap().0).unwrap_or_else(|error| panic!("{case}, the third time: {error}"));
}

#[test]
fn every_commit_is_recovered() {
    for durability in POLICIES {
        for checkpoint_every in [1, 2, 7, 50, 1_000] {
            for feed_bytes_max in [0, 3_000, usize::MAX] {
                check_round_trip(durability, checkpoint_every, feed_bytes_max);
            }
        }
    }
}

/// After an unclean end, reported commits may be gone: their numbers are not reused.
#[test]
fn versions_continue_without_a_gap_only_after_a_clean_shutdown() {
    for durability in POLICIES {
        let disk = MemoryDisk::new();
        let Written { store, .. } = write(&disk, durability, 50, |_| {});
        let version = store.version();
        drop(store);
        let store = open(&disk, durability).unwrap().0;
        let writes = [(b"a".to_vec(), Some((b"1".to_vec(), None)))];
        let next = commit_writes(&store, &writes);
        assert_eq!(next == version + 1, durability == Durability::Always, "{durability:?}: {next}");
        store.flush();
        store.close().unwrap();
        drop(store);
        let store = open(&disk, durability).unwrap().0;
        assert_eq!(store.version(), next);
        assert_eq!(commit_writes(&store, &writes), next + 1);
    }
}

/// A run without commits does not forget which numbers the previous one may have used.
#[test]
fn a_clean_shutdown_without_a_commit_reuses_no_version() {
    let writes = [(b"a".to_vec(), Some((b"1".to_vec(), None)))];
    for durability in [Durability::Interval { ms: 10 }, Durability::Never] {
        let disk = PowerCutDisk::new();
        let store = Store::open(options(&Arc::default(), 3), Arc::new(disk.clone()), durability).unwrap().0;
        let seen = (0..3).map(|_| commit_writes(&store, &writes)).max().unwrap();
        // The power fails, and takes all of them.
        let image = disk.cut_after(disk.operations()).least();
        assert!(open(&image, durability).unwrap().0.version() < seen);
        for _ in 0..3 {
            let store = open(&image, durability).unwrap().0;
            store.close().unwrap();
        }
        let store = open(&image, durability).unwrap().0;
        let next = commit_writes(&store, &writes);
        assert!(next > seen, "{durability:?}: {next}, and {seen} was seen");
    }
}

#[test]
fn odd_keys_values_and_deadlines_are_recovered() {
    for checkpoint in [false, true] {
        let (disk, mut model) = (MemoryDisk::new(), Model::new());
        let (store, _) = open(&disk, Durability::Always).unwrap();
        let long = vec![b'v'; (1 << 20) + 7];
        let put = |value: &[u8], at_ms| Some((value.to_vec(), at_ms));
        for writes in [
            vec![(vec![], put(b"of the empty key", None)), (b"a".to_vec(), put(b"", None))],
            vec![(b"b\0\xff".to_vec(), put(&[0; 300], Some(0))), (vec![0xff; 4_096], put(&long, Some(u64::MAX - 1)))],
            vec![(b"c".to_vec(), put(b"1", Some(127))), (b"d".to_vec(), put(b"1", Some(128)))],
            vec![(b"a".to_vec(), None)],
            vec![(b"a".to_vec(), put(b"", Some(1 << 63)))],
            vec![(b"c".to_vec(), None), (b"d".to_vec(), put(b"2", None))],
        ] {
            model.commit(commit_writes(&store, &writes), 0, &writes);
            store.flush();
        }
        assert!(store.checkpoint().unwrap().is_some());
        if !checkpoint {
            disk.remove(&names(&disk, "checkpoint")[0]).unwrap();
        }
        drop(store);
        // Keys hidden by a deadline of 0 are still there.
        let (store, recovered) = open(&disk, Durability::Always).unwrap();
        assert_eq!((recovered.keys, recovered.checkpoint.is_some()), (5, checkpoint));
        let hidden = model.states.last_entry().unwrap().into_mut().remove(&b"b\0\xff"[..]).unwrap();
        assert_eq!((super::state_of(&store), hidden.expires_at_ms), (model.newest().1.clone(), Some(0)));
        assert_eq!(feed_of(&store), model.changes);
        assert_eq!((store.maintain(10), store.stats().keys), (1, 4));
    }
}

#[test]
fn an_expired_key_stays_expired_after_reopening() {
    for durability in POLICIES {
        let (disk, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(START_MS)));
        let open = || Store::open(options(&clock, 1), Arc::new(disk.clone()), durability).unwrap().0;
        let store = open();
        put_until(&store, "a1", "1", Some(START_MS + 10));
        put_until(&store, "a2", "2", Some(START_MS + 20));
        store.flush();
        drop(store);
        clock.set_ms(START_MS + 10);
        let store = open();
        assert_eq!((store.get(b"a1"), value(store.get(b"a2")).as_deref()), (None, Some("2")));
        assert_eq!((store.maintain(10), store.stats().deadlines), (1, 1));
        store.flush();
        drop(store);
        clock.set_ms(0);
        let store = open();
        assert_eq!((store.get(b"a1"), store.stats().keys), (None, 1), "removed is removed, whatever the clock says");
    }
}

/// Options that record the reported progress.
fn watched(reports: &Arc<Mutex<Vec<(u64, u64)>>>) -> Options {
    let (mut options, reports) = (options(&Arc::default(), 3), Arc::clone(reports));
    options.segment_bytes_max = 1 << 20;
    options.on_progress = Some(Arc::new(move |done, total| reports.lock().unwrap().push((done, total))));
    options
}

/// Whether progress was reported step by step, up to the total.
#[track_caller]
fn check_progress(case: &str, reports: &Mutex<Vec<(u64, u64)>>, total_min: u64) {
    let reports = std::mem::take(&mut *reports.lock().unwrap());
    let (done, total) = *reports.last().unwrap();
    assert!(reports.is_sorted() && reports.iter().all(|(done, total)| done <= total), "{case}: {reports:?}");
    assert!(reports.len() > 8 && reports[0].0 * 4 < total, "{case}: {reports:?}");
    assert!(total >= total_min && done == total, "{case}: {done} of {total}, at least {total_min}");
}

#[test]
fn long_reads_report_their_progress() {
    let (disk, reports) = (MemoryDisk::new(), Arc::default());
    let open = || Store::open(watched(&reports), Arc::new(disk.clone()), Durability::Never).unwrap();
    let (store, _) = open();
    for round in 0..60 {
        put(&store, &format!("a{round}"), &"v".repeat(100_000));
        if round == 30 {
            store.checkpoint().unwrap();
        }
    }
    store.flush();
    drop(store);
    assert!(reports.lock().unwrap().is_empty(), "there was nothing to read");
    let bytes: u64 = disk.files().values().map(|bytes| bytes.len() as u64).sum();
    drop(open());
    check_progress("opening", &reports, bytes - 100);
    assert!(mantis_store::check(&disk, &watched(&reports)).unwrap().is_right());
    check_progress("checking", &reports, 2 * bytes - 200);
    mantis_store::repair(&disk, &MemoryDisk::new(), &watched(&reports)).unwrap();
    check_progress("repairing", &reports, bytes - 100);
}

#[test]
fn nothing_is_visible_before_it_is_as_durable_as_promised() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    let (snapshot, watch) = (store.snapshot(), store.watch());
    let version = put(&store, "a1", "1");
    assert_eq!((store.get(b"a1"), store.version(), store.newest()), (None, 0, version));
    assert_eq!((outcome(&store, version), store.is_durable(version)), (Poll::Pending, false));
    assert_eq!((feed_of(&store), watch.has_changed().unwrap()), (vec![], false));
    store.flush();
    assert_eq!((outcome(&store, version), store.is_durable(version)), (Poll::Ready(Ok(())), true));
    assert_eq!((value(store.get(b"a1")).as_deref(), *watch.borrow(), feed_of(&store).len()), (Some("1"), version, 1));
    assert_eq!(snapshot.get(b"a1").unwrap(), None);
    for durability in [Durability::Interval { ms: 10 }, Durability::Never] {
        let (store, _) = open(&MemoryDisk::new(), durability).unwrap();
        let version = put(&store, "a1", "1");
        assert_eq!((outcome(&store, version), store.is_durable(version)), (Poll::Ready(Ok(())), false));
        store.flush();
        assert!(store.is_durable(version));
    }
}

#[test]
fn a_pending_commit_is_lost_with_the_process_and_its_version_is_reused() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    put(&store, "a1", "1");
    store.flush();
    let pending = delete(&store, "a1");
    drop(store);
    let (store, _) = open(&disk, Durability::Always).unwrap();
    assert_eq!((value(store.get(b"a1")).as_deref(), store.version()), (Some("1"), pending - 1));
    assert_eq!(put(&store, "a1", "2"), pending);
}

#[track_caller]
fn check_second_opener(disk: &(impl Disk + Clone), other: &(impl Disk + Clone)) {
    let (store, _) = open(disk, Durability::Always).unwrap();
    let snapshot = store.snapshot();
    drop(store);
    let refused = open(other, Durability::Always);
    assert!(matches!(refused, Err(OpenError::InUse | OpenError::InUseHere)), "a snapshot still reads it");
    drop(snapshot);
    assert!(open(other, Durability::Always).is_ok());
    assert!(open(disk, Durability::Always).is_ok());
}

#[test]
fn a_second_opener_is_refused() {
    let memory = MemoryDisk::new();
    check_second_opener(&memory, &memory.clone());
    let directory = tempfile::tempdir().unwrap();
    let disk = || DirectoryDisk::new(directory.path().join("store")).unwrap();
    check_second_opener(&disk(), &disk());
}

#[test]
fn a_directory_and_memory_hold_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let disk = DirectoryDisk::new(directory.path()).unwrap();
    std::fs::write(directory.path().join("notes.txt"), "not the engine's").unwrap();
    let mut model = Model::new();
    for round in 0..6 {
        let (store, recovered) = open(&disk, POLICIES[round % 3]).unwrap();
        assert_eq!(recovered.is_new, round == 0);
        model.check(&store).unwrap();
        let mut numbers = Numbers::new(round as u64);
        for _ in 0..20 {
            let writes = some_writes(&mut numbers, 3, 1);
            model.commit(commit_writes(&store, &writes), 0, &writes);
        }
        store.flush();
        store.checkpoint().unwrap();
    }
    assert_eq!(std::fs::read_to_string(directory.path().join("notes.txt")).unwrap(), "not the engine's");
}

/// Writes the number 3 as a file's format.
fn from_a_later_program(files: &BTreeMap<String, Vec<u8>>, name: &str) -> MemoryDisk {
    let mut files = files.clone();
    files.get_mut(name).unwrap()[12] = 3;
    MemoryDisk::with_files(files)
}

#[track_caller]
fn check_newer(disk: &MemoryDisk, name: &str) {
    let before = disk.files();
    match open(disk, Durability::Always) {
        Err(OpenError::Newer { file, format: 3 }) if file == name => {}
        other => panic!("{name}: {other:?}"),
    }
    assert!(disk.files() == before, "{name}: what this program does not know it does not touch");
}

#[test]
fn files_of_a_newer_format_are_refused_and_unchanged() {
    let disk = MemoryDisk::new();
    let Written { store, .. } = write(&disk, Durability::Always, 30, |_| {});
    drop(store);
    let mut files = disk.files();
    // Cleaning up would remove it.
    files.insert("checkpoint-00000000000000009999.mantis.unfinished".into(), b"half".to_vec());
    let checkpoints = names(&disk, "checkpoint");
    for name in files.keys() {
        let is_read = !name.ends_with("unfinished") && *name != checkpoints[0];
        if is_read {
            check_newer(&from_a_later_program(&files, name), name);
        }
    }
    // A header alone, as after a rotation.
    let last = names(&disk, "log").pop().unwrap();
    files.get_mut(&last).unwrap().truncate(64);
    check_newer(&from_a_later_program(&files, &last), &last);
}

#[test]
fn files_without_an_identity_are_refused_and_not_overwritten() {
    let disk = MemoryDisk::new();
    drop(write(&disk, Durability::Always, 30, |_| {}));
    let mut files = disk.files();
    files.remove("store.mantis");
    let disk = MemoryDisk::with_files(files.clone());
    match open(&disk, Durability::Always) {
        Err(OpenError::Damaged { file, .. }) => assert_eq!(file, "store.mantis"),
        other => panic!("{other:?}"),
    }
    assert!(disk.files() == files);
}

#[test]
fn a_feed_without_its_log_reports_the_gap() {
    let disk = MemoryDisk::new();
    let Written { store, .. } = write(&disk, Durability::Always, 10, |options| options.feed_bytes_max = 0);
    drop(store);
    let (store, _) = open(&disk, Durability::Always).unwrap();
    let dropped = store.feed_start().version;
    assert!(dropped > 0);
    assert_eq!(store.changes(FeedCursor::after(0), 1, |_| true).unwrap_err().dropped, dropped);
}
