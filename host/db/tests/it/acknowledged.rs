//! Acknowledged operations happened, all of them: on a disk that is full for good or for a moment, whatever the policy.

use std::io::ErrorKind;

use mantis_db::disk::MemoryDisk;
use mantis_db::{
    AppliedEach, Code, Database, Durability, Each, Expect, Isolation, Limits, Op, OpResult, SetOptions, Span,
    StorageOptions,
};
use mantis_store::testing::{FailingDisk, Fault, Operation};

use crate::on_disk::{drive, open_with, set};
use crate::support::{code, now, only_if};

const POLICIES: [Durability; 3] = [Durability::Always, Durability::Interval { ms: 1_000 }, Durability::Never];

struct Full {
    database: Database,
    disk: FailingDisk<MemoryDisk>,
}

impl Full {
    fn new(durability: Durability) -> Self {
        let disk = FailingDisk::new(MemoryDisk::new());
        let database = open_with(&disk, Limits::default(), StorageOptions { durability, ..StorageOptions::default() });
        Self { database, disk }
    }

    /// Writes this many keys of the bucket in one commit.
    fn fill(&self, bucket: &str, keys: u32) {
        let sets: Vec<_> = (0..keys).map(|number| set(number.to_be_bytes())).collect();
        drive(&self.database, self.database.session().kv(bucket).unwrap().apply(&sets), 1).unwrap().unwrap();
    }

    /// Lets this many writes find the disk full, after the next `at` ones.
    fn refuse(&self, at: u64, times: u64) {
        self.disk.plan(Some(Fault { at, only: Some(Operation::Write), times, error: ErrorKind::StorageFull }));
    }

    #[track_caller]
    fn apply_each(&self, bucket: &str, operations: &[Op]) -> AppliedEach {
        drive(&self.database, self.database.session().kv(bucket).unwrap().apply_each(operations), 1_000)
            .unwrap()
            .unwrap()
    }

    fn count(&self, bucket: &str) -> u64 {
        now(self.database.session().kv(bucket).unwrap().count(&Span::All)).unwrap()
    }
}

#[track_caller]
fn failure(each: &Each) -> (Code, u64) {
    match each {
        Each::Failed(error) => (error.code(), error.deleted()),
        each => panic!("{each:?}"),
    }
}

fn done(result: OpResult, version: u64) -> Each {
    Each::Done { result, version }
}

#[test]
fn a_span_in_a_batch_on_a_full_disk_fails_and_is_all_there() {
    for durability in POLICIES {
        for keys in [1, 999, 1_000, 1_001, 2_500] {
            let full = Full::new(durability);
            full.fill("default", keys);
            full.refuse(0, u64::MAX);
            let applied = full.apply_each("default", &[Op::DeleteSpan(Span::All)]);
            assert_eq!(failure(&applied.results[0]), (Code::DiskFull, 0), "{durability:?}, {keys}");
            assert_eq!((applied.version, applied.durable), (0, false));
            assert_eq!(full.count("default"), u64::from(keys));
            full.disk.plan(None);
            let applied = full.apply_each("default", &[Op::DeleteSpan(Span::All)]);
            let expected = done(OpResult::Deleted(keys.into()), full.database.version());
            assert_eq!((&applied.results[0], full.count("default")), (&expected, 0));
            assert_eq!(applied.durable, durability == Durability::Always);
        }
    }
}

#[test]
fn a_span_with_a_refused_commit_fails_and_counts_what_is_deleted() {
    // Its first, second, last of three; each is written by itself where nobody waits for a sync.
    for (refused, gone) in [(0, 1_500), (1, 1_500), (2, 2_000)] {
        let full = Full::new(Durability::Never);
        full.fill("default", 2_500);
        full.refuse(refused, 1);
        let applied = full.apply_each("default", &[Op::DeleteSpan(Span::All), Op::Get(b"missing".to_vec())]);
        assert_eq!(failure(&applied.results[0]), (Code::DiskFull, gone), "commit {refused}");
        let Each::Failed(error) = &applied.results[0] else { unreachable!() };
        assert_eq!(error.message(), format!("{gone} keys were deleted, the others were not: the disk is full"));
        assert_eq!(applied.results[1], done(OpResult::Entry(None), 0));
        assert_eq!(full.count("default"), 2_500 - gone);
    }
}

#[test]
fn a_span_of_many_commits_is_settled_in_groups() {
    for durability in POLICIES {
        let full = Full::new(durability);
        for beginning in 0..2_u8 {
            let sets = (0..50_000_u32).map(|number| set([&[beginning], &number.to_be_bytes()[..]].concat()));
            for sets in sets.collect::<Vec<_>>().chunks(10_000) {
                drive(&full.database, full.database.session().kv("default").unwrap().apply(sets), 1).unwrap().unwrap();
            }
        }
        let applied = full.apply_each("default", &[Op::DeleteSpan(Span::All)]);
        assert_eq!(applied.results, [done(OpResult::Deleted(100_000), full.database.version())]);
        assert_eq!(full.count("default"), 0);
    }
}

#[test]
fn each_operation_reports_its_own_commit() {
    let full = Full::new(Durability::Never);
    full.fill("default", 1);
    full.refuse(1, 2);
    let text = |key: &str| key.as_bytes().to_vec();
    let applied = full.apply_each(
        "default",
        &[
            set("a"),
            set("refused"),
            Op::Increment(text("refused"), 1),
            Op::Increment(text("a"), 1),
            Op::Get(text("refused")),
            Op::Check(text("refused"), Expect::Absent),
            Op::Set(text("a"), text("x"), only_if(Expect::Absent)),
            Op::Delete(text("missing"), Expect::Anything),
        ],
    );
    let version = full.database.version();
    assert_eq!(failure(&applied.results[1]), (Code::DiskFull, 0));
    assert_eq!(failure(&applied.results[2]), (Code::DiskFull, 0));
    let others: Vec<_> = [0, 3, 4, 5, 6, 7].iter().map(|&index| applied.results[index].clone()).collect();
    let expected = [
        done(OpResult::Done, 2),
        done(OpResult::Number(2), version),
        done(OpResult::Entry(None), 0),
        done(OpResult::Done, 0),
        Each::Refused(Some(version)),
        done(OpResult::Deleted(0), version),
    ];
    assert_eq!((others.as_slice(), applied.version), (expected.as_slice(), version));
}

#[test]
fn an_outcome_fails_with_the_commit_it_rests_on() {
    let full = Full::new(Durability::Always);
    full.fill("default", 1);
    full.refuse(0, 1);
    let text = |key: &str| key.as_bytes().to_vec();
    let applied = full.apply_each(
        "default",
        &[
            set("a"),
            Op::Increment(text("a"), 1),
            Op::Set(text("a"), text("x"), only_if(Expect::Absent)),
            Op::Set(text("t"), text("text"), SetOptions::default()),
            Op::Increment(text("t"), 1),
            Op::Delete(text("b"), Expect::Anything),
            Op::Get(text("a")),
        ],
    );
    for refused in &applied.results[..5] {
        assert_eq!(failure(refused), (Code::DiskFull, 0));
    }
    assert_eq!(applied.results[5..], [done(OpResult::Deleted(0), 1), done(OpResult::Entry(None), 0)]);
}

#[test]
fn writes_of_a_batch_share_one_sync() {
    let full = Full::new(Durability::Always);
    full.fill("default", 1_000);
    let syncs = || full.database.store().disk_stats().unwrap().log_syncs;
    let before = syncs();
    let mut operations: Vec<_> = (0..1_000_u32).map(|number| set(number.to_be_bytes())).collect();
    operations.push(Op::DeleteSpan(Span::Prefix(vec![0, 0, 0])));
    operations.push(Op::Increment(b"n".to_vec(), 1));
    let applied = full.apply_each("default", &operations);
    assert!(applied.durable && applied.results.iter().all(|each| matches!(each, Each::Done { .. })));
    assert_eq!(syncs() - before, 1);
}

#[test]
fn a_cancelled_batch_delays_nothing() {
    let full = Full::new(Durability::Always);
    let mut session = full.database.session();
    let operations = [set("a"), set("b")];
    assert!(drive(&full.database, session.kv("default").unwrap().apply_each(&operations), 0).is_none());
    assert!(drive(&full.database, session.kv("default").unwrap().set(b"c", b"1"), 0).is_none(), "not written yet");
    now(session.begin(Isolation::Serializable)).unwrap();
    now(session.kv("default").unwrap().set(b"d", b"1")).unwrap();
    assert!(drive(&full.database, session.commit(), 0).is_none(), "not written yet");
}

#[test]
fn a_batch_in_a_transaction_belongs_to_it() {
    let full = Full::new(Durability::Never);
    full.fill("default", 3);
    let mut session = full.database.session();
    now(session.begin(Isolation::Serializable)).unwrap();
    let operations = [set("a"), Op::DeleteSpan(Span::All), Op::Increment(b"t".to_vec(), 2), Op::Get(b"t".to_vec())];
    let applied = now(session.kv("default").unwrap().apply_each(&operations)).unwrap();
    let [set, deleted, number, read] = &applied.results[..] else { unreachable!() };
    assert_eq!([set, deleted], [&done(OpResult::Done, 0), &done(OpResult::Deleted(4), 0)]);
    assert_eq!(number, &done(OpResult::Number(2), 0));
    assert!(
        matches!(read, Each::Done { result: OpResult::Entry(Some(entry)), version: 0 } if &entry.value[..] == b"2")
    );
    assert_eq!((applied.version, full.count("default")), (0, 3));
    now(session.commit()).unwrap();
    assert_eq!(full.count("default"), 1);
}

#[test]
fn a_batch_of_single_operations_has_bounds() {
    let full = Full::new(Durability::Never);
    let mut session = full.database.session();
    let mut kv = session.kv("default").unwrap();
    assert_eq!(code(now(kv.apply_each(&vec![set("a"); 10_001]))), Code::OperationsTooMany);
    now(kv.set(b"large", &vec![0; 16 << 20])).unwrap();
    let mut operations = vec![Op::Get(b"large".to_vec()); 5];
    operations.extend([set(""), Op::Get(b"missing".to_vec()), set("a")]);
    let results = now(kv.apply_each(&operations)).unwrap().results;
    assert!(results[..4].iter().all(|each| matches!(each, Each::Done { version: 1, .. })));
    assert_eq!([failure(&results[4]).0, failure(&results[5]).0], [Code::AnswerTooLarge, Code::KeyEmpty]);
    assert_eq!(results[6..], [done(OpResult::Entry(None), 0), done(OpResult::Done, 2)]);
}

#[test]
fn a_span_refused_in_the_middle_counts_what_is_deleted() {
    let full = Full::new(Durability::Never);
    full.fill("default", 2_500);
    full.refuse(1, u64::MAX);
    let error = now(full.database.session().kv("default").unwrap().delete_span(&Span::All)).unwrap_err();
    assert_eq!((error.code(), error.deleted()), (Code::DiskFull, 1_000));
    assert_eq!(full.count("default"), 1_500);
    let error = now(full.database.session().kv("default").unwrap().delete_span(&Span::All)).unwrap_err();
    assert_eq!((error.deleted(), error.message()), (0, Code::DiskFull.meaning()));
}

#[test]
fn a_drop_refused_in_the_middle_still_drops() {
    for removed in 0..3 {
        let full = Full::new(Durability::Never);
        full.fill("b", 2_500);
        full.refuse(1 + removed, u64::MAX);
        let dropped = now(full.database.session().drop_bucket("b")).unwrap();
        assert_eq!(dropped.keys, 2_500, "{removed}");
        assert_eq!(code(now(full.database.session().drop_bucket("b"))), Code::BucketNotFound);
        full.disk.plan(None);
        full.database.maintain();
        assert_eq!(full.database.store().stats().entries, 2, "the next number, and the dropped bucket's name");
    }
}
