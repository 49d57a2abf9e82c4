//! Names of dropped buckets: the feed can name the bucket of every change that it holds, or reports a gap.

use std::sync::Arc;

use mantis_db::disk::MemoryDisk;
use mantis_db::{
    Access, Change, ChangeFilter, ChangeKind, Code, Database, Durability, Grants, Limits, ManualClock, Op,
    SeededRandom, Session, SetOptions, Since, StorageOptions,
};
use mantis_store::testing::{FailingDisk, Fault, Operation};

use crate::support::{Short, Stage, code, for_ms, now};

const HOUR_MS: u64 = 3_600_000;

fn of(bucket: &str) -> ChangeFilter {
    ChangeFilter { bucket: Some(bucket.to_owned()), prefix: Vec::new() }
}

/// Everything from `since` to the feed's end, in pages of three.
fn read(session: &mut Session, filter: &ChangeFilter, since: Since) -> mantis_db::Result<Vec<Change>> {
    let (mut since, mut changes) = (since, Vec::new());
    loop {
        let page = now(session.changes(filter, &since, 3))?;
        changes.extend(page.changes);
        if page.at_end {
            return Ok(changes);
        }
        since = Since::Cursor(page.cursor);
    }
}

/// The kind of change, the name of its bucket, and its key.
fn told(changes: &[Change]) -> Vec<String> {
    let kind = |change: &Change| if change.kind == ChangeKind::Put { '+' } else { '-' };
    let key = |change: &Change| String::from_utf8(change.key.clone()).unwrap();
    changes.iter().map(|change| format!("{}{}/{}", kind(change), change.bucket, key(change))).collect()
}

#[track_caller]
fn check(session: &mut Session, bucket: Option<&str>, since: &Since, expected: &[&str]) {
    let filter = bucket.map_or_else(ChangeFilter::default, of);
    assert_eq!(told(&read(session, &filter, since.clone()).unwrap()), expected, "{bucket:?} {since:?}");
}

fn cursor(session: &mut Session) -> Since {
    Since::Cursor(now(session.changes(&ChangeFilter::default(), &Since::Now, 1)).unwrap().cursor)
}

#[test]
fn a_late_reader_sees_all_changes_of_a_dropped_bucket() {
    let stage = Stage::new();
    let mut session = stage.session();
    let before = cursor(&mut session);
    session.put("b", "a", "1");
    let between = cursor(&mut session);
    session.put("default", "x", "1");
    now(session.drop_bucket("b")).unwrap();
    let after = cursor(&mut session);
    for _ in 0..23 {
        stage.clock.advance_ms(HOUR_MS);
        stage.database.maintain();
        for since in [&before, &Since::Earliest] {
            check(&mut session, None, since, &["+b/a", "+default/x", "-b/a"]);
            check(&mut session, Some("b"), since, &["+b/a", "-b/a"]);
        }
        check(&mut session, None, &between, &["+default/x", "-b/a"]);
        check(&mut session, Some("b"), &between, &["-b/a"]);
        check(&mut session, Some("b"), &after, &[]);
    }
    // When the feed has forgotten the bucket, so has the catalogue; and a late reader gets an error.
    stage.clock.advance_ms(HOUR_MS + 1);
    stage.database.maintain();
    stage.database.maintain();
    for since in [before, between] {
        assert_eq!(code(read(&mut session, &of("b"), since)), Code::Compacted);
    }
    check(&mut session, Some("b"), &Since::Earliest, &[]);
    assert_eq!(stage.database.store().stats().entries, 2, "the next number, and a key of another bucket");
}

#[test]
fn buckets_of_one_name_are_shown_as_one() {
    let stage = Stage::new();
    let mut session = stage.session();
    for round in ["1", "2", "3"] {
        session.put("b", round, "");
        now(session.drop_bucket("b")).unwrap();
        stage.clock.advance_ms(HOUR_MS);
        stage.database.maintain();
    }
    session.put("b", "now", "");
    stage.database.maintain();
    let all = ["+b/1", "-b/1", "+b/2", "-b/2", "+b/3", "-b/3", "+b/now"];
    check(&mut session, Some("b"), &Since::Earliest, &all);
    check(&mut session, None, &Since::Earliest, &all);
    check(&mut session, Some("c"), &Since::Earliest, &[]);
    // Grants are by name, whether the bucket exists or was dropped.
    let of_b = Arc::new(Grants::none().bucket("b", Access::Read));
    let of_c = Arc::new(Grants::none().bucket("c", Access::Read));
    check(&mut stage.database.session_with(of_b), None, &Since::Earliest, &all);
    check(&mut stage.database.session_with(of_c), None, &Since::Earliest, &[]);
}

#[test]
fn a_reader_may_wait_for_a_bucket_that_is_made_later() {
    let stage = Stage::new();
    let mut session = stage.session();
    let since = cursor(&mut session);
    session.put("default", "x", "");
    check(&mut session, Some("later"), &since, &[]);
    session.put("later", "a", "");
    check(&mut session, Some("later"), &since, &["+later/a"]);
}

#[test]
fn what_expires_in_a_dropped_bucket_is_shown() {
    let stage = Stage::new();
    let mut session = stage.session();
    now(session.kv("b").unwrap().set_with(b"short", b"", &for_ms(10))).unwrap();
    session.put("b", "long", "");
    stage.clock.advance_ms(10);
    assert_eq!(now(session.drop_bucket("b")).unwrap().keys, 1, "what has expired does not count");
    for _ in 0..3 {
        stage.database.maintain();
    }
    check(&mut session, Some("b"), &Since::Earliest, &["+b/short", "+b/long", "-b/long", "-b/short"]);
    assert_eq!(stage.database.store().stats().entries, 2, "the next number, and the name");
    stage.clock.advance_ms(23 * HOUR_MS);
    stage.database.maintain();
    check(&mut session, None, &Since::Earliest, &["+b/short", "+b/long", "-b/long", "-b/short"]);
}

/// The feed's size bounds how many names are kept, in the store and in memory.
#[test]
fn buckets_made_and_dropped_for_ever_do_not_fill_the_store() {
    const CYCLES: u32 = 30_000;
    const FEED_BYTES: usize = 1 << 20;
    // Each cycle is at least eight changes of the catalogue, and the feed counts more than 100 bytes for each.
    const NAMES_MAX: u64 = FEED_BYTES as u64 / 800;
    let stage = Stage::with(|limits| limits.feed_bytes_max = FEED_BYTES);
    let mut session = stage.session();
    for cycle in 0..CYCLES {
        session.put("b", "a", "");
        now(session.drop_bucket("b")).unwrap();
        if cycle % 100 == 0 {
            stage.database.maintain();
            let keys = stage.database.store().stats().entries;
            assert!(keys < NAMES_MAX + 102, "{keys} keys after {cycle} cycles");
        }
    }
    let shown = read(&mut session, &of("b"), Since::Earliest).unwrap();
    assert!(shown.len() > 500 && shown.len() as u64 <= 2 * (NAMES_MAX + 102), "{}", shown.len());
    stage.clock.advance_ms(25 * HOUR_MS);
    (0..3).for_each(|_| stage.database.maintain());
    assert_eq!(stage.database.store().stats().entries, 1, "the next number");
}

fn open(disk: &MemoryDisk, clock: &Arc<ManualClock>, change: impl FnOnce(&mut Limits)) -> Database {
    let mut limits = Limits::default();
    change(&mut limits);
    // A checkpoint with every few commits, so that the log can forget.
    let storage = StorageOptions { durability: Durability::Never, checkpoint_bytes: 4 << 10 };
    let random = Arc::new(SeededRandom::new(3));
    Database::open_with(limits, Arc::clone(clock) as _, random, Arc::new(disk.clone()), storage).unwrap().0
}

/// Writes the log and a checkpoint, and opens the store again.
fn reopen(
    database: Database,
    disk: &MemoryDisk,
    clock: &Arc<ManualClock>,
    change: impl FnOnce(&mut Limits),
) -> Database {
    database.store().flush();
    database.store().checkpoint().unwrap();
    database.store().flush();
    drop(database);
    open(disk, clock, change)
}

fn put(session: &mut Session, bucket: &str, key: &str, bytes: usize) {
    let set = Op::Set(key.as_bytes().to_vec(), vec![b'v'; bytes], SetOptions::default());
    now(session.kv(bucket).unwrap().apply(&[set])).unwrap();
}

#[test]
fn names_and_feed_are_recovered_together() {
    let (disk, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(1_000_000)));
    let mut database = open(&disk, &clock, |_| ());
    let mut session = database.session();
    let since = cursor(&mut session);
    put(&mut session, "b", "a", 1);
    now(session.drop_bucket("b")).unwrap();
    drop(session);
    // Housekeeping in every run of the store, and checkpoints between them.
    for _ in 0..4 {
        clock.advance_ms(5 * HOUR_MS);
        database.maintain();
        database = reopen(database, &disk, &clock, |_| ());
        database.maintain();
        check(&mut database.session(), Some("b"), &since, &["+b/a", "-b/a"]);
    }
    clock.advance_ms(5 * HOUR_MS);
    (0..3).for_each(|_| database.maintain());
    assert_eq!(database.store().stats().entries, 1, "the next number: the name is not kept longer for the restarts");
    let database = reopen(database, &disk, &clock, |_| ());
    (0..3).for_each(|_| database.maintain());
    assert_eq!(code(read(&mut database.session(), &of("b"), since)), Code::Compacted);
}

/// A name was forgotten together with the feed's changes, and a later run of the store has room for more of them from the log.
#[test]
fn changes_recovered_without_a_name_are_compacted() {
    let (disk, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(1_000_000)));
    // The log is one segment, which has all that ever happened.
    let small = |limits: &mut Limits| limits.feed_bytes_max = 4 << 10;
    let storage = StorageOptions { durability: Durability::Never, checkpoint_bytes: 256 << 20 };
    let open = |change: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        let random = Arc::new(SeededRandom::new(3));
        Database::open_with(limits, Arc::clone(&clock) as _, random, Arc::new(disk.clone()), storage).unwrap().0
    };
    let database = open(&small);
    let mut session = database.session();
    let since = cursor(&mut session);
    put(&mut session, "kept", "first", 1);
    put(&mut session, "b", "a", 1);
    now(session.drop_bucket("b")).unwrap();
    for number in 0..100 {
        put(&mut session, "kept", &format!("{number}"), 100);
    }
    (0..3).for_each(|_| database.maintain());
    assert_eq!(database.store().stats().entries, 1 + 2 + 101, "the dropped bucket's name is forgotten");
    assert_eq!(code(read(&mut session, &of("b"), since.clone())), Code::Compacted);
    database.store().flush();
    drop((session, database));

    let database = open(&|_| ());
    let mut session = database.session();
    for filter in [ChangeFilter::default(), of("b"), of("kept")] {
        assert_eq!(code(read(&mut session, &filter, since.clone())), Code::Compacted, "{filter:?}");
    }
    // A reader from the oldest change sees what can be named, without a gap.
    for filter in [ChangeFilter::default(), of("kept")] {
        let shown = told(&read(&mut session, &filter, Since::Earliest).unwrap());
        assert!(
            shown.iter().eq((0..100).map(|number| format!("+kept/{number}")).collect::<Vec<_>>().iter()),
            "{shown:?}"
        );
    }
    check(&mut session, Some("b"), &Since::Earliest, &[]);
}

/// A note of an undone commit is not taken for the next one's.
#[test]
fn a_rolled_back_removal_forgets_no_name_early() {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let disk = FailingDisk::new(MemoryDisk::new());
    let storage = StorageOptions { durability: Durability::Never, ..StorageOptions::default() };
    let (limits, random) = (Limits::default(), Arc::new(SeededRandom::new(3)));
    let database = Database::open_with(limits, clock.clone(), random, Arc::new(disk.clone()), storage).unwrap().0;
    let mut session = database.session();
    session.put("b", "a", "1");
    // The bucket is dropped, and its keys are not.
    let full = Fault { at: 1, only: Some(Operation::Write), times: 1, error: std::io::ErrorKind::StorageFull };
    disk.plan(Some(full));
    now(session.drop_bucket("b")).unwrap();
    disk.plan(None);
    session.put("default", "x", "1");
    let since = cursor(&mut session);
    clock.advance_ms(2 * HOUR_MS);
    database.maintain();
    for hours in [0, 23] {
        clock.advance_ms(hours * HOUR_MS);
        database.maintain();
        database.maintain();
        check(&mut session, Some("b"), &since, &["-b/a"]);
    }
}
