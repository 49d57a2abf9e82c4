//! Long work stops when it is interrupted: what is all or nothing leaves nothing, and what takes several commits ends between two of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use mantis_db::{Applied, Code, Each, Expect, Interrupt, Isolation, Op, Session, Span, SpanDeletion};

use crate::support::{Short, Stage, code, now};

/// As many keys as three commits of a span delete, and some.
const KEYS: u32 = 3_500;

fn set(key: u32) -> Op {
    Op::Set(key.to_be_bytes().to_vec(), b"value".to_vec(), mantis_db::SetOptions::default())
}

fn fill(session: &mut Session, bucket: &str) {
    let sets: Vec<_> = (0..KEYS).map(set).collect();
    now(session.kv(bucket).unwrap().apply(&sets)).unwrap();
}

fn keys(session: &mut Session, bucket: &str) -> u64 {
    now(session.kv(bucket).unwrap().count(&Span::All)).unwrap()
}

/// Says yes from the `allowed`-th question on.
fn after(allowed: usize) -> impl Fn() -> bool + Sync {
    let asked = AtomicUsize::new(0);
    move || asked.fetch_add(1, Ordering::Relaxed) >= allowed
}

#[test]
fn an_atomic_batch_that_is_interrupted_leaves_nothing() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "a", "1");
    let operations = [set(1), Op::Increment(b"n".to_vec(), 1), Op::DeleteSpan(Span::Prefix(b"a".to_vec()))];
    let version = stage.database.version();
    // Before each operation, and before the commit.
    for allowed in 0..=operations.len() {
        let is_over = after(allowed);
        let mut kv = session.kv("new").unwrap().interrupted(Interrupt::when(&is_over));
        assert_eq!(code(now(kv.apply(&operations))), Code::Interrupted, "after {allowed} questions");
    }
    assert_eq!(stage.database.version(), version);
    assert_eq!(now(session.buckets()).unwrap().len(), 1, "nor is the bucket there");
    let is_over = after(operations.len() + 1);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    assert!(matches!(now(kv.apply(&operations)).unwrap(), Applied::Committed { .. }));
    assert_eq!(session.text("default", "a"), None);
}

#[test]
fn an_interrupt_is_told_from_conditions_that_were_not_all_tried() {
    let stage = Stage::new();
    let mut session = stage.session();
    let operations = [Op::Check(b"a".to_vec(), Expect::Present), set(1)];
    let is_over = after(1);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    assert_eq!(code(now(kv.apply(&operations))), Code::Interrupted);
}

#[test]
fn in_a_transaction_only_the_batch_is_undone() {
    let stage = Stage::new();
    let mut session = stage.session();
    now(session.begin(Isolation::Serializable)).unwrap();
    session.put("default", "before", "1");
    let is_over = after(1);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    assert_eq!(code(now(kv.apply(&[set(1), set(2)]))), Code::Interrupted);
    now(session.commit()).unwrap();
    assert_eq!(keys(&mut session, "default"), 1);
}

#[test]
fn operations_that_have_not_begun_are_not_done() {
    let stage = Stage::new();
    let mut session = stage.session();
    let operations = [set(1), set(2), Op::Get(b"a".to_vec()), Op::DeleteSpan(Span::All), set(3)];
    let is_over = after(2);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    let results = now(kv.apply_each(&operations)).unwrap().results;
    assert!(matches!(results[..2], [Each::Done { .. }, Each::Done { .. }]));
    for each in &results[2..] {
        assert!(matches!(each, Each::Failed(error) if error.code() == Code::Interrupted), "{each:?}");
    }
    assert_eq!(keys(&mut session, "default"), 2);
}

#[test]
fn a_deletion_of_a_span_ends_between_its_commits() {
    let stage = Stage::new();
    let mut session = stage.session();
    fill(&mut session, "default");
    let is_over = after(2);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    let error = now(kv.delete_span(&Span::All)).unwrap_err();
    assert_eq!((error.code(), error.deleted()), (Code::Interrupted, 2_000));
    assert_eq!(keys(&mut session, "default"), 1_500);

    let (span, is_over) = (Span::All, after(1));
    let mut deletion = SpanDeletion::of(&span);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    assert!(now(kv.delete_next(&mut deletion)).unwrap());
    let error = now(kv.delete_next(&mut deletion)).unwrap_err();
    assert_eq!((error.code(), error.deleted()), (Code::Interrupted, 1_000));
    assert_eq!(keys(&mut session, "default"), 500);
}

#[test]
fn a_span_among_other_operations_ends_between_its_commits() {
    let stage = Stage::new();
    let mut session = stage.session();
    fill(&mut session, "default");
    let is_over = after(2);
    let mut kv = session.kv("default").unwrap().interrupted(Interrupt::when(&is_over));
    let applied = now(kv.apply_each(&[Op::DeleteSpan(Span::All)])).unwrap();
    let [Each::Failed(error)] = &applied.results[..] else { panic!("{applied:?}") };
    assert_eq!((error.code(), error.deleted()), (Code::Interrupted, 2_000));
    assert_eq!(keys(&mut session, "default"), 1_500);
}

#[test]
fn housekeeping_finishes_a_drop_that_is_interrupted() {
    let stage = Stage::new();
    let mut session = stage.session();
    fill(&mut session, "b");
    let is_over = after(0);
    assert_eq!(code(now(session.drop_bucket_until("b", Interrupt::when(&is_over)))), Code::Interrupted);
    assert_eq!(keys(&mut session, "b"), u64::from(KEYS), "it is not dropped");
    let is_over = after(2);
    let dropped = now(session.drop_bucket_until("b", Interrupt::when(&is_over))).unwrap();
    assert_eq!(dropped.keys, u64::from(KEYS));
    assert_eq!(keys(&mut session, "b"), 0, "it is gone at once");
    let left = stage.database.stats().keys;
    assert!(left > 2_000, "{left} keys are left");
    stage.database.maintain();
    assert!(stage.database.stats().keys < 10, "{} keys are left", stage.database.stats().keys);
}
