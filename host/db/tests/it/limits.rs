//! Limits: what is refused leaves nothing behind, and no session can make a transaction grow past them.

use mantis_db::{Applied, Code, Expect, Isolation, Op, SetOptions, Span};

use crate::support::{Short, Stage, code, for_ms, now};

fn set(key: &str, value: &[u8]) -> Op {
    Op::Set(key.as_bytes().to_vec(), value.to_vec(), SetOptions::default())
}

#[test]
fn a_refused_write_does_not_stay_in_the_transaction() {
    let stage = Stage::with(|limits| limits.transaction_bytes_max = 100);
    let mut session = stage.session();
    now(session.begin(Isolation::Serializable)).unwrap();
    session.put("default", "a", "1");
    for number in 0..100 {
        let key = format!("k{number}");
        let mut kv = session.kv("default").unwrap();
        assert_eq!(code(now(kv.set(key.as_bytes(), &[0; 200]))), Code::TransactionTooLarge);
        assert_eq!(code(now(kv.apply(&[set("b", b"1"), set("c", &[0; 200])]))), Code::TransactionTooLarge);
    }
    now(session.commit()).unwrap();
    assert_eq!(now(session.kv("default").unwrap().count(&Span::All)).unwrap(), 1);
}

#[test]
fn a_transaction_cannot_read_on_past_its_limit() {
    let stage = Stage::with(|limits| limits.transaction_reads_max = 10);
    let mut session = stage.session();
    now(session.begin(Isolation::Serializable)).unwrap();
    let mut kv = session.kv("default").unwrap();
    for number in 0..10_u8 {
        now(kv.get(&[number + 1])).unwrap();
    }
    assert_eq!(code(now(kv.set(b"new", b"1"))), Code::TransactionTooLarge, "a write reads what it replaces");
    for number in 11..200_u8 {
        assert_eq!(code(now(kv.get(&[number]))), Code::TransactionTooLarge);
        assert_eq!(code(now(kv.delete(&[number]))), Code::TransactionTooLarge);
    }
    now(session.commit()).unwrap();
    assert_eq!(stage.database.version(), 0, "nothing was written");
}

/// One scan over everything counts as one stretch, and is as much work as there are keys, deleted ones included.
#[test]
fn a_transaction_scans_no_more_keys_than_its_limit() {
    let stage = Stage::with(|limits| limits.transaction_visits_max = 10);
    let mut session = stage.session();
    let keys: Vec<_> = (0..8).map(|number| format!("k{number}")).collect();
    for key in &keys {
        session.put("default", key, "1");
    }
    for deleted in [false, true] {
        let pinned = stage.database.store().snapshot();
        if deleted {
            now(session.kv("default").unwrap().delete_span(&Span::All)).unwrap();
        }
        now(session.begin(Isolation::Serializable)).unwrap();
        let mut kv = session.kv("default").unwrap();
        assert_eq!(now(kv.count(&Span::All)).unwrap(), if deleted { 0 } else { 8 });
        assert_eq!(code(now(kv.count(&Span::All))), Code::TransactionTooLarge);
        assert_eq!(code(now(kv.delete_span(&Span::All))), Code::TransactionTooLarge);
        session.rollback();
        assert_eq!(now(session.kv("default").unwrap().count(&Span::All)).unwrap(), if deleted { 0 } else { 8 });
        drop(pinned);
    }
}

#[test]
fn a_span_larger_than_a_transaction_is_not_deleted_in_part() {
    let stage = Stage::with(|limits| limits.transaction_writes_max = 5);
    let mut session = stage.session();
    for key in ["a", "b", "c", "d", "e", "f"] {
        session.put("default", key, "1");
    }
    now(session.begin(Isolation::Serializable)).unwrap();
    session.put("default", "a", "own");
    let mut kv = session.kv("default").unwrap();
    assert_eq!(code(now(kv.delete_span(&Span::All))), Code::TransactionTooLarge);
    assert_eq!(now(kv.count(&Span::All)).unwrap(), 6);
    let but_one = Span::Between { start: None, end: Some(b"f".to_vec()) };
    assert_eq!(now(kv.delete_span(&but_one)).unwrap().keys, 5, "one of them was written already");
    now(session.commit()).unwrap();
    assert_eq!(session.text("default", "f").as_deref(), Some("1"));
}

#[test]
fn a_batch_does_not_walk_the_same_keys_again_and_again() {
    let stage = Stage::with(|limits| limits.transaction_reads_max = 50);
    let mut session = stage.session();
    for number in 0..20 {
        session.put("default", &format!("k{number:02}"), "1");
    }
    let version = stage.database.version();
    let spans = |count| vec![Op::DeleteSpan(Span::All); count];
    let mut kv = session.kv("default").unwrap();
    assert_eq!(code(now(kv.apply(&spans(4)))), Code::TransactionTooLarge, "the keys that are gone are walked over too");
    assert_eq!(now(kv.count(&Span::All)).unwrap(), 20);
    assert_eq!(stage.database.version(), version, "nothing was written");
    assert!(matches!(now(kv.apply(&spans(3))).unwrap(), Applied::Committed { .. }));
    let each: Vec<_> =
        (0..1_000).map(|number: u32| Op::DeleteSpan(Span::Prefix(number.to_be_bytes().to_vec()))).collect();
    assert!(matches!(now(kv.apply(&each)).unwrap(), Applied::Committed { .. }), "spans of few keys are cheap");
}

#[test]
fn answers_are_bounded_also_when_they_are_refusals() {
    let stage = Stage::with(|limits| limits.answer_bytes_max = 100);
    let mut session = stage.session();
    session.put("default", "a", &"v".repeat(50));
    let mut kv = session.kv("default").unwrap();
    assert_eq!(now(kv.get_many(&["a", "a"])).unwrap().len(), 2);
    assert_eq!(code(now(kv.get_many(&["a", "a", "a"]))), Code::AnswerTooLarge);
    let check = Op::Check(b"a".to_vec(), Expect::Absent);
    assert!(
        matches!(now(kv.apply(&[check.clone(), check.clone()])).unwrap(), Applied::Refused(refusals) if refusals.len() == 2)
    );
    assert_eq!(code(now(kv.apply(&[set("b", b"1"), check.clone(), check.clone(), check]))), Code::AnswerTooLarge);
    assert_eq!(session.text("default", "b"), None);
}

#[test]
fn a_full_store_still_deletes_and_expires() {
    let stage = Stage::with(|limits| limits.store_bytes_max = 300);
    let mut session = stage.session();
    now(session.kv("default").unwrap().set_with(b"a", &[0; 200], &for_ms(10))).unwrap();
    assert_eq!(code(now(session.kv("default").unwrap().set(b"b", &[0; 100]))), Code::StoreFull);
    assert_eq!(code(now(session.kv("default").unwrap().apply(&[set("b", &[0; 100])]))), Code::StoreFull);
    assert_eq!(code(now(session.kv("new").unwrap().set(b"b", &[0; 100]))), Code::StoreFull);
    assert!(stage.database.check_writable().is_ok(), "there is room for less");
    stage.clock.advance_ms(10);
    stage.database.maintain();
    session.put("default", "b", &"v".repeat(100));
}

#[test]
fn the_store_never_holds_more_than_its_limit() {
    let stage = Stage::with(|limits| limits.store_bytes_max = 2_000);
    let mut session = stage.session();
    for number in 0..100_u32 {
        let value = vec![0; 37 * number as usize % 400];
        let (bucket, key) = (format!("b{}", number % 3), number.to_be_bytes());
        let mut kv = session.kv(&bucket).unwrap();
        let outcome = match number % 3 {
            0 => now(kv.set(&key, &value)).map(drop),
            1 => now(kv.apply(&[set(&bucket, &value)])).map(drop),
            _ => now(kv.increment(&key, 1)).map(drop),
        };
        assert!(outcome.is_ok() || code(outcome) == Code::StoreFull);
        let stats = stage.database.stats();
        assert!(stats.key_bytes + stats.value_bytes <= 2_000);
    }
    assert_eq!(code(now(session.kv("b0").unwrap().set(b"last", &[0; 400]))), Code::StoreFull);
}

#[test]
fn closing_refuses_writes_and_nothing_else() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "a", "1");
    stage.database.close_for_writes();
    assert_eq!(stage.database.check_writable().unwrap_err().code(), Code::ReadOnly);
    assert_eq!(code(now(session.kv("default").unwrap().set(b"a", b"2"))), Code::ReadOnly);
    assert_eq!(code(now(session.kv("default").unwrap().delete_span(&Span::All))), Code::ReadOnly);
    assert_eq!(session.text("default", "a").as_deref(), Some("1"));
    now(session.begin(Isolation::Serializable)).unwrap();
    assert_eq!(session.text("default", "a").as_deref(), Some("1"));
    now(session.commit()).unwrap();
}

#[test]
fn messages_name_the_limit() {
    let stage = Stage::new();
    let mut session = stage.session();
    let mut kv = session.kv("default").unwrap();
    let error = now(kv.set(&[b'k'; 5_000], b"1")).unwrap_err();
    assert_eq!(error.to_string(), "key-too-long: the key has 5000 bytes; the limit is 4096");
    let error = now(kv.apply(&[set("a", b"1"), set("", b"1")])).unwrap_err();
    assert_eq!(error.message(), "operation 1: A key has at least one byte.");
}
