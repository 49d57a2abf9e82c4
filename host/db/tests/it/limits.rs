//! Limits: a refused operation leaves nothing, and no session can make a transaction exceed them.

use std::ops::ControlFlow;
use std::sync::Arc;

use mantis_db::disk::MemoryDisk;
use mantis_db::{
    Applied, Code, Database, Expect, Isolation, Limits, ManualClock, Op, ScanOptions, SeededRandom, SetOptions, Span,
    StorageOptions,
};

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

/// One scan over everything counts as one range, and costs as much work as there are keys, including deleted ones.
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
fn a_memory_without_room_takes_no_writes_and_still_deletes() {
    let has_room = |bytes| bytes <= 100;
    let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1)));
    let database = Database::in_memory_within(Limits::default(), clock, random, has_room).unwrap();
    let mut session = database.session();
    let mut kv = session.kv("default").unwrap();
    now(kv.set(b"a", &[0; 50])).unwrap();
    assert_eq!(code(now(kv.set(b"b", &[0; 200]))), Code::StoreFull);
    assert_eq!(code(now(kv.apply(&[set("b", &[0; 200])]))), Code::StoreFull);
    assert_eq!(now(kv.get(b"a")).unwrap().unwrap().value.len(), 50);
    assert!(now(kv.delete(b"a")).unwrap().replaced);
    assert_eq!(now(kv.get(b"b")).unwrap(), None);
    assert_eq!(database.check_room(101).unwrap_err().code(), Code::StoreFull);
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
fn an_unenforceable_limit_makes_no_database() {
    type Change = fn(&mut Limits, u64);
    #[allow(clippy::cast_possible_truncation, reason = "figures of this test, on machines of 64 bits")]
    let rows: [(Change, &str, &[u64], &[u64]); 18] = [
        (|limits, n| limits.key_bytes_max = n as usize, "key_bytes_max", &[1, 4_096], &[0, 4_097]),
        (|limits, n| limits.value_bytes_max = n as usize, "value_bytes_max", &[1, 1 << 30], &[0, (1 << 30) + 1]),
        (|limits, n| limits.page_entries_max = n as usize, "page_entries_max", &[1, 0xffff_ffff], &[0, 1 << 32]),
        (|limits, n| limits.page_bytes_max = n as usize, "page_bytes_max", &[1, u64::MAX], &[0]),
        (|limits, n| limits.get_many_keys_max = n as usize, "get_many_keys_max", &[1, 0xffff_ffff], &[0, 1 << 32]),
        (|limits, n| limits.answer_bytes_max = n as usize, "answer_bytes_max", &[1, u64::MAX], &[0]),
        (|limits, n| limits.batch_operations_max = n as usize, "batch_operations_max", &[1], &[0, 1 << 32]),
        (
            |limits, n| limits.transaction_writes_max = n as usize,
            "transaction_writes_max",
            &[1, 1 << 24],
            &[0, (1 << 24) + 1],
        ),
        (
            |limits, n| limits.transaction_bytes_max = n as usize,
            "transaction_bytes_max",
            &[1, 2 << 30],
            &[0, (2 << 30) + 1],
        ),
        (|limits, n| limits.transaction_reads_max = n as usize, "transaction_reads_max", &[1], &[0, 1 << 32]),
        (|limits, n| limits.buckets_max = n as usize, "buckets_max", &[0, 0xffff_ffff], &[1 << 32]),
        (|limits, n| limits.tables_max = n as usize, "tables_max", &[0, 0xffff_ffff], &[1 << 32]),
        (|limits, n| limits.transaction_age_ms_max = n, "transaction_age_ms_max", &[1, u64::MAX], &[0]),
        (|limits, n| limits.store_bytes_max = n, "store_bytes_max", &[0, u64::MAX], &[]),
        (|limits, n| limits.cursor_snapshots_max = n as usize, "cursor_snapshots_max", &[0, u64::MAX], &[]),
        (|limits, n| limits.cursor_age_ms_max = n, "cursor_age_ms_max", &[0, u64::MAX], &[]),
        (|limits, n| limits.feed_bytes_max = n as usize, "feed_bytes_max", &[0, u64::MAX], &[]),
        (|limits, n| limits.feed_age_ms_max = n, "feed_age_ms_max", &[0, u64::MAX], &[]),
    ];
    let make = |change: Change, value| {
        let mut limits = Limits::default();
        change(&mut limits, value);
        let clock_and_random = || (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1)));
        let (clock, random) = clock_and_random();
        let in_memory = Database::in_memory_with(limits.clone(), clock, random).map_err(|invalid| invalid.to_string());
        let ((clock, random), disk) = (clock_and_random(), MemoryDisk::new());
        let opened = Database::open_with(limits, clock, random, Arc::new(disk.clone()), StorageOptions::default());
        assert_eq!(
            opened.map(drop).map_err(|error| error.to_string()),
            in_memory.as_ref().map(drop).map_err(Clone::clone)
        );
        assert!(in_memory.is_ok() || disk.files().is_empty(), "nothing was changed");
        in_memory
    };
    for (change, name, good, bad) in rows {
        for &value in good {
            let database = make(change, value).unwrap();
            let mut session = database.session();
            let page =
                now(session.kv("default").unwrap().scan_keys(&ScanOptions { limit: 1, ..ScanOptions::default() }));
            assert_eq!(page.unwrap().keys.len(), 0, "{name} = {value}");
        }
        for &value in bad {
            let message = make(change, value).unwrap_err();
            assert!(message.starts_with(&format!("{name} is {value}; it must be ")), "{message}");
        }
    }
}

/// Keys as long as they may be, in pages as small as they may be: nothing is lost on the way.
#[test]
fn the_smallest_pages_show_the_longest_keys() {
    let stage = Stage::with(|limits| (limits.page_bytes_max, limits.page_entries_max) = (1, 1));
    let mut session = stage.session();
    let keys: Vec<_> = (0..5_u8).map(|number| [vec![0xff; 4_095], vec![number]].concat()).collect();
    for key in &keys {
        now(session.kv("default").unwrap().set(key, b"1")).unwrap();
    }
    let (mut shown, mut options) = (Vec::new(), ScanOptions { limit: 1, ..ScanOptions::default() });
    loop {
        let page = now(session.kv("default").unwrap().scan_keys(&options)).unwrap();
        shown.extend(page.keys);
        options.cursor = page.cursor;
        if options.cursor.is_none() {
            break;
        }
    }
    assert_eq!(shown, keys);
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

/// New keys of a large batch get their places before it. A batch that is refused leaves none.
#[test]
fn a_large_batch_leaves_only_its_writes() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "k000", "old");
    let mut batch: Vec<_> = (0..200).map(|number| set(&format!("k{number:03}"), b"new")).collect();
    let records =
        || {
            let mut transaction = stage.database.store().begin();
            transaction
                .visit(&mantis_store::KeyRange::all(), mantis_store::Direction::Forward, |_, _, _| {
                    ControlFlow::Continue(())
                })
                .unwrap();
            transaction.visited_count()
        };
    let before = records();
    batch.push(Op::Check(b"absent".to_vec(), Expect::Present));
    let mut kv = session.kv("default").unwrap();
    assert!(matches!(now(kv.apply(&batch)).unwrap(), Applied::Refused(_)));
    assert_eq!(records(), before);
    batch.pop();
    assert!(matches!(now(kv.apply(&batch)).unwrap(), Applied::Committed { .. }));
    assert_eq!(records(), before + 199);
    assert_eq!(session.text("default", "k199").as_deref(), Some("new"));
}
