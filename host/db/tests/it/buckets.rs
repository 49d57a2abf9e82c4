//! Buckets: their sizes, their numbers, and the remains of a dropped one.

use mantis_db::{Code, Expect, Isolation, Op, Session, Span};

use crate::support::{Short, Stage, code, for_ms, now};

fn sizes(session: &mut Session) -> Vec<(String, u64)> {
    now(session.buckets()).unwrap().into_iter().map(|bucket| (bucket.name, bucket.keys)).collect()
}

fn sized(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|&(name, keys)| (name.to_owned(), keys)).collect()
}

#[test]
fn bucket_sizes_follow_writes() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("b", "a", "12345");
    let one = now(session.buckets()).unwrap()[0].bytes;
    session.put("b", "a", "1234567890");
    let larger = now(session.buckets()).unwrap()[0].bytes;
    assert_eq!(larger - one, 5);
    session.put("b", "c", "1");
    assert_eq!(sizes(&mut session), sized(&[("b", 2), ("default", 0)]));
    now(session.kv("b").unwrap().delete_span(&Span::All)).unwrap();
    assert_eq!(sizes(&mut session), sized(&[("b", 0), ("default", 0)]));
    assert_eq!(now(session.buckets()).unwrap()[0].bytes, 0);
}

#[test]
fn dropping_frees_everything_even_of_a_large_bucket() {
    let stage = Stage::new();
    let mut session = stage.session();
    let before = stage.database.store().stats();
    let sets = (0..2_500_u32).map(|number| Op::Set(number.to_be_bytes().to_vec(), vec![1; 10], for_ms(60_000)));
    now(session.kv("b").unwrap().apply(&sets.collect::<Vec<_>>())).unwrap();
    assert_eq!(now(session.drop_bucket("b")).unwrap().keys, 2_500);
    // The name is removed with the feed's last change of the bucket.
    stage.clock.advance_ms(24 * 60 * 60 * 1_000 + 1);
    stage.database.maintain();
    stage.database.maintain();
    let after = stage.database.store().stats();
    assert_eq!(after.entries, before.entries + 1, "only the next number is left");
    assert_eq!(after.deadlines, 0);
}

#[test]
fn a_new_bucket_of_an_old_name_is_empty() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("b", "old", "1");
    now(session.kv("b").unwrap().set_with(b"expired", b"1", &for_ms(1))).unwrap();
    stage.clock.advance_ms(1);
    assert_eq!(now(session.drop_bucket("b")).unwrap().keys, 1, "what has expired does not count");
    session.put("b", "new", "1");
    stage.clock.set_ms(1_000_000);
    assert_eq!(now(session.kv("b").unwrap().count(&Span::All)).unwrap(), 1, "nothing comes back");
}

#[test]
fn deletions_make_no_bucket() {
    let stage = Stage::new();
    let mut session = stage.session();
    let mut kv = session.kv("b").unwrap();
    now(kv.delete(b"a")).unwrap();
    now(kv.delete_if(b"a", Expect::Anything)).unwrap();
    now(kv.delete_span(&Span::All)).unwrap();
    now(kv.apply(&[Op::Delete(b"a".to_vec(), Expect::Absent), Op::DeleteSpan(Span::All)])).unwrap();
    now(session.begin(Isolation::Serializable)).unwrap();
    now(session.kv("b").unwrap().delete(b"a")).unwrap();
    now(session.kv("b").unwrap().delete_span(&Span::All)).unwrap();
    now(session.commit()).unwrap();
    assert_eq!(sizes(&mut session), sized(&[("default", 0)]));
    assert_eq!(stage.database.version(), 0);
}

#[test]
fn a_batch_that_fails_makes_no_bucket() {
    let stage = Stage::with(|limits| limits.buckets_max = 1);
    let mut session = stage.session();
    let refused = [
        Op::Set(b"a".to_vec(), b"1".to_vec(), crate::support::only_if(Expect::Present)),
        Op::Set(b"b".to_vec(), b"1".to_vec(), crate::support::only_if(Expect::Anything)),
    ];
    now(session.kv("b").unwrap().apply(&refused)).unwrap();
    session.put("c", "a", "takes the only place");
    assert_eq!(code(now(session.kv("b").unwrap().set(b"a", b"1"))), Code::BucketsTooMany);
}
