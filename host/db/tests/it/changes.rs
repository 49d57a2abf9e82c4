//! The change feed: resuming anywhere misses nothing and shows nothing twice.

use mantis_db::{Change, ChangeFilter, ChangeKind, Code, Op, Session, SetOptions, Since, Span};

use crate::support::{Short, Stage, for_ms, now};

fn of(bucket: &str) -> ChangeFilter {
    ChangeFilter { bucket: Some(bucket.to_owned()), prefix: Vec::new() }
}

fn all(session: &mut Session, since: Since, limit: usize) -> Vec<Change> {
    let mut since = since;
    let mut changes = Vec::new();
    loop {
        let page = now(session.changes(&ChangeFilter::default(), &since, limit)).unwrap();
        changes.extend(page.changes);
        if page.at_end {
            return changes;
        }
        since = Since::Cursor(page.cursor);
    }
}

fn busy() -> (Stage, Session) {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "a", "1");
    session.put("b", "a", "2");
    let sets =
        (0..5_u8).map(|number| Op::Set(vec![number + 1], vec![number], SetOptions::default())).collect::<Vec<_>>();
    now(session.kv("b").unwrap().apply(&sets)).unwrap();
    now(session.kv("default").unwrap().set_with(b"t", b"3", &for_ms(5))).unwrap();
    stage.clock.advance_ms(5);
    stage.database.maintain();
    now(session.kv("b").unwrap().delete_span(&Span::All)).unwrap();
    now(session.drop_bucket("b")).unwrap();
    session.put("b", "again", "4");
    (stage, session)
}

#[test]
fn resuming_at_every_cursor_shows_the_rest() {
    let (_stage, mut session) = busy();
    let whole = all(&mut session, Since::Earliest, 1_000);
    assert_eq!(whole.len(), 16);
    for limit in [1, 2, 3, 100] {
        assert_eq!(all(&mut session, Since::Earliest, limit), whole, "{limit} a page");
        for (index, change) in whole.iter().enumerate() {
            let rest = all(&mut session, Since::Cursor(change.cursor.clone()), limit);
            assert_eq!(rest, whole[index + 1..], "behind {change:?}");
        }
    }
}

#[test]
fn the_cursor_now_starts_with_the_next_commit() {
    let (_stage, mut session) = busy();
    let page = now(session.changes(&ChangeFilter::default(), &Since::Now, 10)).unwrap();
    assert!(page.changes.is_empty() && page.at_end);
    session.put("default", "z", "1");
    let next = all(&mut session, Since::Cursor(page.cursor), 10);
    assert_eq!(next.iter().map(|change| &change.key[..]).collect::<Vec<_>>(), [b"z"]);
}

#[test]
fn changes_have_the_old_and_the_new_version() {
    let stage = Stage::new();
    let mut session = stage.session();
    let first = session.put("default", "a", "1");
    stage.clock.advance_ms(7);
    now(session.kv("default").unwrap().set_with(b"a", b"2", &for_ms(50))).unwrap();
    let changes = all(&mut session, Since::Earliest, 10);
    let second = &changes[1];
    assert_eq!((second.kind, second.version, second.previous_version), (ChangeKind::Put, 2, Some(first)));
    assert_eq!((second.time_ms, second.expires_at_ms), (1_000_007, Some(1_000_057)));
    let (media_type, value) = second.value.clone().unwrap();
    assert_eq!((media_type.as_str(), &value[..]), ("application/octet-stream", &b"2"[..]));
    stage.clock.advance_ms(50);
    session.put("default", "a", "3");
    assert_eq!(all(&mut session, Since::Earliest, 10)[2].previous_version, None, "what expired was there no more");
}

#[test]
fn filters_restrict_the_changes() {
    let (_stage, mut session) = busy();
    let filtered =
        |session: &mut Session, filter| now(session.changes(&filter, &Since::Earliest, 100)).unwrap().changes;
    let in_default = filtered(&mut session, of("default"));
    assert_eq!(in_default.len(), 3);
    assert!(in_default.iter().all(|change| change.bucket == "default"));
    let prefixed = filtered(&mut session, ChangeFilter { bucket: None, prefix: b"ag".to_vec() });
    assert_eq!(prefixed.iter().map(|change| &change.key[..]).collect::<Vec<_>>(), [b"again"]);
    assert_eq!(filtered(&mut session, of("nothing-there")), []);
}

#[test]
fn an_empty_page_still_advances() {
    let stage = Stage::new();
    let mut session = stage.session();
    for number in 0..20_000_u32 {
        session.put("default", &number.to_string(), "");
    }
    session.put("b", "found", "");
    let mut since = Since::Earliest;
    for _ in 0..3 {
        let page = now(session.changes(&of("b"), &since, 10)).unwrap();
        if !page.changes.is_empty() {
            assert!(page.at_end);
            return;
        }
        assert!(!page.at_end, "an empty page that is not the last says so");
        since = Since::Cursor(page.cursor);
    }
    panic!("it never came to the change");
}

#[test]
fn a_compacted_cursor_is_reported() {
    let stage = Stage::with(|limits| limits.feed_bytes_max = 5_000);
    let mut session = stage.session();
    session.put("default", "a", "1");
    let cursor = now(session.changes(&ChangeFilter::default(), &Since::Earliest, 10)).unwrap().cursor;
    for _ in 0..100 {
        session.put("default", "a", "1");
    }
    let error = now(session.changes(&ChangeFilter::default(), &Since::Cursor(cursor), 10)).unwrap_err();
    assert_eq!(error.code(), Code::Compacted);
    let kept = all(&mut session, Since::Earliest, 1_000);
    assert!(!kept.is_empty() && kept.len() < 100);
    assert_eq!(kept.last().unwrap().version, 101);
}

#[test]
fn forged_cursors_are_refused() {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "a", "1");
    let cursor = now(session.changes(&ChangeFilter::default(), &Since::Now, 10)).unwrap().cursor;
    let (life, _) = cursor.split_once('-').unwrap();
    let mut check = |text: String, expected: Option<Code>| {
        let outcome = now(session.changes(&ChangeFilter::default(), &Since::Cursor(text.clone()), 10));
        assert_eq!(outcome.err().map(|error| error.code()), expected, "{text}");
    };
    for text in ["", "-", "1", "x-1", "0123456789abcdef", "0123456789abcdeg-1"] {
        check(text.to_owned(), Some(Code::CursorInvalid));
    }
    for rest in ["", "x", "-1", "1-x", "1-1-1", "1-4294967296", "18446744073709551616"] {
        check(format!("{life}-{rest}"), Some(Code::CursorInvalid));
    }
    check(format!("{life}-1"), None);
    check(format!("{life}-1-0"), None);
    check(format!("{life}-2"), Some(Code::Compacted));
    check(format!("{life}-18446744073709551615"), Some(Code::Compacted));
    check("0123456789abcdef-1".to_owned(), Some(Code::Compacted));
}

#[test]
fn the_watch_reports_commits() {
    let stage = Stage::new();
    let mut watch = stage.database.watch();
    assert!(!watch.has_changed().unwrap() || *watch.borrow_and_update() == 0);
    stage.session().put("default", "a", "1");
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow_and_update(), 1);
}
