//! What is waited for while the log is not written: the commits that an answer rests on, and no others.

use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Waker};

use mantis_db::disk::MemoryDisk;
use mantis_db::{
    AppliedEach, Code, Database, Durability, Each, Expect, Isolation, Limits, Op, OpResult, Session, Span,
    StorageOptions,
};
use mantis_store::testing::{FailingDisk, Fault, Operation};

use crate::on_disk::{drive, open_with, set};
use crate::support::{Short, code, now, only_if};

/// A database whose log is written when a test says so, with a few keys in it.
struct Stage {
    database: Database,
    disk: FailingDisk<MemoryDisk>,
}

type Pending = Pin<Box<dyn Future<Output = ()>>>;

impl Stage {
    fn new() -> Self {
        let disk = FailingDisk::new(MemoryDisk::new());
        let mut limits = Limits::default();
        (limits.buckets_max, limits.batch_operations_max) = (2, 4);
        let database = open_with(&disk, limits, StorageOptions::default());
        let stage = Self { database, disk };
        stage.write("default", &["text", "large", "there"]);
        stage.write("b", &["text"]);
        stage
    }

    fn write(&self, bucket: &str, keys: &[&str]) {
        let sets: Vec<_> = keys.iter().map(|key| set(*key)).collect();
        drive(&self.database, self.session().kv(bucket).unwrap().apply(&sets), 1).unwrap().unwrap();
        for (key, value) in [("text", "x"), ("large", &i64::MAX.to_string()[..])] {
            if keys.contains(&key) {
                let mut session = self.session();
                drive(&self.database, session.kv(bucket).unwrap().set(key.as_bytes(), value.as_bytes()), 1)
                    .unwrap()
                    .unwrap();
            }
        }
    }

    fn session(&self) -> Session {
        self.database.session()
    }

    /// Begins what another session does, and leaves it waiting for the log.
    #[track_caller]
    fn begin<T: 'static>(&self, work: impl AsyncFnOnce(&mut Session) -> mantis_db::Result<T> + 'static) -> Pending {
        let mut session = self.session();
        let mut pending: Pending = Box::pin(async move { drop(work(&mut session).await) });
        assert!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "nothing was waited for");
        pending
    }

    /// What comes of the work, which has to wait for the log: written, it says so; on a full disk, that it is full.
    #[track_caller]
    fn rests_on_pending<T: std::fmt::Debug>(
        &self,
        mut begin: impl FnMut(&Self) -> Pending,
        mut work: impl AsyncFnMut(&mut Session) -> mantis_db::Result<T>,
    ) -> mantis_db::Result<T> {
        let refused = {
            let _pending = begin(self);
            let mut session = self.session();
            let mut waits = Box::pin(work(&mut session));
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "not waited for");
            let fault = Fault { at: 0, only: Some(Operation::Write), times: 1, error: ErrorKind::StorageFull };
            self.disk.plan(Some(fault));
            self.database.store().flush();
            self.disk.plan(None);
            now(waits)
        };
        assert_eq!(code(refused), Code::DiskFull, "it told of what was taken back");
        let _pending = begin(self);
        let mut session = self.session();
        let mut waits = Box::pin(work(&mut session));
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "not waited for");
        self.database.store().flush();
        now(waits)
    }
}

#[test]
fn errors_and_refusals_do_not_wait_for_the_commits_of_others() {
    let stage = Stage::new();
    let visible = stage.database.version();
    let _pending = stage.begin(async |session| session.kv("default")?.set(b"other", b"1").await);
    let _more = stage.begin(async |session| session.kv("default")?.delete(b"there").await);
    let mut session = stage.session();
    for bucket in ["default", "b"] {
        let mut kv = session.kv(bucket).unwrap();
        assert_eq!(code(now(kv.increment(b"text", 1))), Code::NotAnInteger);
        assert_eq!(code(now(kv.set(b"", b"1"))), Code::KeyEmpty);
        let outcome = now(kv.set_with(b"text", b"1", &only_if(Expect::Absent))).unwrap();
        assert!(matches!(outcome, mantis_db::Outcome::Refused(Some(_))));
        let outcome = now(kv.set_with(b"missing", b"1", &only_if(Expect::Present))).unwrap();
        assert_eq!(outcome, mantis_db::Outcome::Refused(None));
        assert!(matches!(now(kv.delete_if(b"text", Expect::Absent)).unwrap(), mantis_db::Outcome::Refused(Some(_))));
        let deleted = now(kv.delete(b"missing")).unwrap();
        assert_eq!((deleted.replaced, deleted.version, deleted.durable), (false, visible, true));
        let deleted = now(kv.delete_span(&Span::Prefix(b"missing".to_vec()))).unwrap();
        assert_eq!((deleted.keys, deleted.version, deleted.durable), (0, visible, true));
        let check = Op::Check(b"text".to_vec(), Expect::Absent);
        let refused = now(kv.apply(&[set("new"), check.clone()])).unwrap();
        assert!(matches!(refused, mantis_db::Applied::Refused(refusals) if refusals.len() == 1));
        assert_eq!(code(now(kv.apply(&[set("new"), Op::Increment(b"text".to_vec(), 1)]))), Code::NotAnInteger);
        assert_eq!(code(now(kv.apply(&vec![set("a"); 5]))), Code::OperationsTooMany);
        let increment = Op::Increment(b"text".to_vec(), 1);
        let AppliedEach { results, version, .. } =
            now(kv.apply_each(&[check, increment, Op::Delete(b"missing".to_vec(), Expect::Anything)])).unwrap();
        assert!(matches!(&results[0], Each::Refused(Some(_))));
        assert!(matches!(&results[1], Each::Failed(error) if error.code() == Code::NotAnInteger));
        assert_eq!((&results[2], version), (&Each::Done { result: OpResult::Deleted(0), version: visible }, visible));
    }
    assert_eq!(code(now(session.kv("default").unwrap().increment(b"large", 1))), Code::IntegerOverflow);
    assert_eq!(code(now(session.drop_bucket("missing"))), Code::BucketNotFound);
    assert_eq!(stage.database.version(), visible, "the others still wait");
}

#[test]
fn the_limit_of_buckets_does_not_wait_for_the_commits_of_others() {
    let stage = Stage::new();
    stage.write("c", &["a"]);
    let _pending = stage.begin(async |session| session.kv("b")?.set(b"other", b"1").await);
    assert_eq!(code(now(stage.session().kv("d").unwrap().set(b"a", b"1"))), Code::BucketsTooMany);
}

#[test]
fn nothing_in_an_open_transaction_waits() {
    let stage = Stage::new();
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let pending = stage.begin(async |session| session.kv("default")?.set(b"text", b"1").await);
        let mut session = stage.session();
        now(session.begin(isolation)).unwrap();
        let mut kv = session.kv("default").unwrap();
        assert_eq!(code(now(kv.increment(b"text", 1))), Code::NotAnInteger);
        assert_eq!(code(now(kv.apply(&[Op::Increment(b"text".to_vec(), 1)]))), Code::NotAnInteger);
        assert!(matches!(
            now(kv.set_with(b"text", b"1", &only_if(Expect::Absent))).unwrap(),
            mantis_db::Outcome::Refused(Some(_))
        ));
        assert!(now(kv.apply_each(&[Op::Increment(b"text".to_vec(), 1)])).is_ok());
        assert_eq!(code(now(session.drop_bucket("b"))), Code::TransactionOpen);
        assert!(now(session.commit()).is_ok(), "it wrote nothing");
        drop(pending);
        stage.database.store().flush();
        stage.write("default", &["text"]);
    }
}

#[test]
fn a_conflict_with_a_visible_commit_does_not_wait() {
    let stage = Stage::new();
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let mut session = stage.session();
        now(session.begin(isolation)).unwrap();
        now(session.kv("default").unwrap().count(&Span::Prefix(b"r".to_vec()))).unwrap();
        now(session.kv("default").unwrap().increment(b"n", 1)).unwrap();
        stage.write("default", &["n"]);
        let _pending = stage.begin(async |session| session.kv("default")?.set(b"other", b"1").await);
        assert_eq!(code(now(session.commit())), Code::Conflict);
        stage.database.store().flush();
        drive(&stage.database, stage.session().kv("default").unwrap().delete(b"n"), 1).unwrap().unwrap();
    }
}

#[test]
fn a_conflict_with_an_invisible_commit_waits_for_it() {
    let stage = Stage::new();
    for (isolation, key) in
        [(Isolation::Serializable, "n"), (Isolation::Serializable, "r1"), (Isolation::Snapshot, "n")]
    {
        let mut session = stage.session();
        now(session.begin(isolation)).unwrap();
        now(session.kv("default").unwrap().count(&Span::Prefix(b"r".to_vec()))).unwrap();
        now(session.kv("default").unwrap().increment(b"n", 1)).unwrap();
        let _pending = stage.begin(async move |session| session.kv("default")?.set(key.as_bytes(), b"1").await);
        let mut committed = Box::pin(session.commit());
        let polled = committed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "{isolation:?}, {key}: it would lose again");
        stage.database.store().flush();
        assert_eq!(code(now(committed)), Code::Conflict);
        // Begun anew it sees what it lost against.
        now(session.begin(isolation)).unwrap();
        assert!(session.read("default", key).is_some());
        session.rollback();
        drive(&stage.database, stage.session().kv("default").unwrap().delete(key.as_bytes()), 1).unwrap().unwrap();
    }
}

#[test]
fn an_outcome_waits_for_the_commit_it_rests_on() {
    let stage = Stage::new();
    let text = |stage: &Stage| stage.begin(async |session| session.kv("default")?.set(b"other", b"text").await);
    let outcome = stage.rests_on_pending(text, async |session| session.kv("default")?.increment(b"other", 1).await);
    assert_eq!(code(outcome), Code::NotAnInteger);
    let operations = [set("new"), Op::Increment(b"text2".to_vec(), 1)];
    let text2 = |stage: &Stage| stage.begin(async |session| session.kv("default")?.set(b"text2", b"text").await);
    let outcome = stage.rests_on_pending(text2, async |session| session.kv("default")?.apply(&operations).await);
    assert_eq!(code(outcome), Code::NotAnInteger);
    let new = |stage: &Stage| stage.begin(async |session| session.kv("default")?.set(b"new", b"1").await);
    let absent = only_if(Expect::Absent);
    let refused =
        stage.rests_on_pending(new, async |session| session.kv("default")?.set_with(b"new", b"2", &absent).await);
    assert!(matches!(refused.unwrap(), mantis_db::Outcome::Refused(Some(_))));
    let new = |stage: &Stage| stage.begin(async |session| session.kv("default")?.set(b"new2", b"1").await);
    let check = [set("a"), Op::Check(b"new2".to_vec(), Expect::Absent)];
    let refused = stage.rests_on_pending(new, async |session| session.kv("default")?.apply(&check).await);
    assert!(matches!(refused.unwrap(), mantis_db::Applied::Refused(_)));
    // That there is nothing rests on a deletion.
    let gone = |stage: &Stage| stage.begin(async |session| session.kv("default")?.delete(b"new").await);
    let outcome = stage.rests_on_pending(gone, async |session| session.kv("default")?.delete(b"new").await);
    assert!(!outcome.unwrap().replaced);
    let gone = |stage: &Stage| stage.begin(async |session| session.kv("default")?.delete(b"new2").await);
    let deleted = stage.rests_on_pending(gone, async |session| {
        session.kv("default")?.delete_span(&Span::Prefix(b"new2".to_vec())).await
    });
    assert_eq!(deleted.unwrap().keys, 0);
    let gone = |stage: &Stage| stage.begin(async |session| session.kv("default")?.delete(b"there").await);
    let present = only_if(Expect::Present);
    let refused =
        stage.rests_on_pending(gone, async |session| session.kv("default")?.set_with(b"there", b"2", &present).await);
    assert_eq!(refused.unwrap(), mantis_db::Outcome::Refused(None));
    // And what is said of buckets on how they came and went.
    let made = |stage: &Stage| stage.begin(async |session| session.kv("c")?.set(b"a", b"1").await);
    let outcome = stage.rests_on_pending(made, async |session| session.kv("d")?.set(b"a", b"1").await);
    assert_eq!(code(outcome), Code::BucketsTooMany);
    let dropped = |stage: &Stage| stage.begin(async |session| session.drop_bucket("c").await);
    let outcome = stage.rests_on_pending(dropped, async |session| session.drop_bucket("c").await);
    assert_eq!(code(outcome), Code::BucketNotFound);
}

#[test]
fn an_outcome_waits_for_no_other_commit() {
    let stage = Stage::new();
    let _pending = stage.begin(async |session| session.kv("default")?.set(b"first", b"text").await);
    let mut session = stage.session();
    let mut kv = session.kv("default").unwrap();
    let mut failing = Box::pin(kv.increment(b"first", 1));
    assert!(failing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    stage.database.store().flush();
    let _more = stage.begin(async |session| session.kv("default")?.set(b"second", b"1").await);
    assert_eq!(code(now(failing)), Code::NotAnInteger, "the first is written, the second is not");
    assert_eq!(stage.database.store().durability(), Some(Durability::Always));
}
