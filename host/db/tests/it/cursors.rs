//! Scan cursors: what they pin, for how long, and what a forged one can do.

use mantis_db::{Code, Direction, Isolation, ScanOptions, Session, Span};

use crate::support::{Short, Stage, code, now};

fn filled(stage: &Stage) -> Session {
    let mut session = stage.session();
    for key in ["a", "b", "c", "d"] {
        session.put("default", key, "old");
    }
    session
}

/// A page of two keys, and its cursor.
fn page(session: &mut Session, cursor: Option<Vec<u8>>) -> (Vec<String>, Option<Vec<u8>>) {
    let options = ScanOptions { limit: 2, cursor, ..ScanOptions::default() };
    let page = now(session.kv("default").unwrap().scan_keys(&options)).unwrap();
    (page.keys.into_iter().map(|key| String::from_utf8(key).unwrap()).collect(), page.cursor)
}

#[test]
fn pages_show_one_moment_while_the_cursor_is_used() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    let (_, cursor) = page(&mut session, None);
    session.put("default", "bb", "new");
    for _ in 0..3 {
        stage.clock.advance_ms(15_000);
        stage.database.maintain();
        assert_eq!(page(&mut session, cursor.clone()).0, ["c", "d"], "in use, it is kept");
    }
}

#[test]
fn a_clock_step_ends_neither_cursors_nor_transactions() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    let mut open = stage.session();
    now(open.begin(Isolation::Serializable)).unwrap();
    let (_, cursor) = page(&mut session, None);
    session.put("default", "bb", "new");
    for now_ms in [1_000_000 + 24 * 60 * 60 * 1_000, 0, 1_000_000] {
        stage.clock.set_ms(now_ms);
        stage.database.maintain();
        assert_eq!(page(&mut session, cursor.clone()).0, ["c", "d"]);
        assert_eq!(open.text("default", "bb"), None);
    }
    now(open.commit()).unwrap();
    stage.clock.set_ms(0);
    stage.clock.advance_ms(30_001);
    stage.database.maintain();
    assert_eq!(page(&mut session, cursor).0, ["bb", "c"], "time has passed all the same");
}

#[test]
fn an_idle_cursor_continues_in_the_newest_state() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    let (_, cursor) = page(&mut session, None);
    session.put("default", "bb", "new");
    stage.clock.advance_ms(30_001);
    stage.database.maintain();
    assert_eq!(stage.database.stats().snapshots, 0);
    assert_eq!(page(&mut session, cursor).0, ["bb", "c"]);
}

#[test]
fn no_cursor_outlives_the_age_of_a_snapshot() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    let (_, cursor) = page(&mut session, None);
    session.put("default", "bb", "new");
    for _ in 0..3 {
        stage.clock.advance_ms(20_001);
        page(&mut session, cursor.clone());
        stage.database.maintain();
    }
    assert_eq!(page(&mut session, cursor).0, ["bb", "c"]);
}

#[test]
fn at_the_limit_the_least_recently_used_snapshot_goes() {
    let stage = Stage::with(|limits| limits.cursor_snapshots_max = 2);
    let mut session = filled(&stage);
    let mut cursors = Vec::new();
    for key in ["x1", "x2", "x3"] {
        cursors.push(page(&mut session, None).1);
        session.put("default", key, "new");
        stage.clock.advance_ms(1);
    }
    session.put("default", "bb", "new");
    assert_eq!(page(&mut session, cursors[0].clone()).0, ["bb", "c"], "gone");
    assert_eq!(page(&mut session, cursors[2].clone()).0, ["c", "d"]);
    assert_eq!(stage.database.stats().snapshots, 2);
}

#[test]
fn cursors_are_optional_to_keep() {
    let stage = Stage::with(|limits| limits.cursor_snapshots_max = 0);
    let mut session = filled(&stage);
    let (_, cursor) = page(&mut session, None);
    session.put("default", "bb", "new");
    assert_eq!(page(&mut session, cursor).0, ["bb", "c"]);
}

#[test]
fn scans_of_one_moment_share_a_snapshot() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    for _ in 0..100 {
        page(&mut session, None);
    }
    assert_eq!(stage.database.stats().snapshots, 1);
}

#[test]
fn keys_and_entries_share_cursors() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    let (_, cursor) = page(&mut session, None);
    let options = ScanOptions { cursor, ..ScanOptions::default() };
    let entries = now(session.kv("default").unwrap().scan(&options)).unwrap().entries;
    assert_eq!(entries.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [b"c", b"d"]);
}

#[test]
fn a_forged_cursor_is_refused_or_starts_within_the_span() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    session.put("other", "secret", "1");
    let (_, cursor) = page(&mut session, None);
    let cursor = cursor.unwrap();
    for place in 0..cursor.len() {
        for value in 0..=255 {
            let mut forged = cursor.clone();
            forged[place] = value;
            let options = ScanOptions { cursor: Some(forged), ..ScanOptions::default() };
            match now(session.kv("default").unwrap().scan_keys(&options)) {
                Ok(page) => assert!(page.keys.iter().all(|key| key.len() == 1), "only keys of the bucket: {page:?}"),
                Err(error) => assert_eq!(error.code(), Code::CursorInvalid),
            }
        }
    }
    for length in 0..cursor.len() - 1 {
        let options = ScanOptions { cursor: Some(cursor[..length].to_vec()), ..ScanOptions::default() };
        assert_eq!(code(now(session.kv("default").unwrap().scan_keys(&options))), Code::CursorInvalid);
    }
}

#[test]
fn cursors_of_another_direction_span_or_bucket_are_refused() {
    let stage = Stage::new();
    let mut session = filled(&stage);
    session.put("other", "b", "1");
    let (_, cursor) = page(&mut session, None);
    let with_cursor = ScanOptions { cursor, ..ScanOptions::default() };
    let reverse = ScanOptions { direction: Direction::Reverse, ..with_cursor.clone() };
    let elsewhere = ScanOptions { span: Span::Prefix(b"c".to_vec()), ..with_cursor.clone() };
    assert_eq!(code(now(session.kv("default").unwrap().scan_keys(&reverse))), Code::CursorInvalid);
    assert_eq!(code(now(session.kv("default").unwrap().scan_keys(&elsewhere))), Code::CursorInvalid);
    assert_eq!(code(now(session.kv("other").unwrap().scan_keys(&with_cursor))), Code::CursorInvalid);
}

#[test]
fn following_the_cursors_shows_everything_once() {
    for direction in [Direction::Forward, Direction::Reverse] {
        for limit in [1, 2, 3, 7, 100] {
            let stage = Stage::new();
            let mut session = stage.session();
            let mut expected: Vec<_> = (0..50_u8).map(|number| vec![number.wrapping_mul(37), number]).collect();
            for key in &expected {
                now(session.kv("default").unwrap().set(key, b"v")).unwrap();
            }
            expected.sort();
            if direction == Direction::Reverse {
                expected.reverse();
            }
            let mut options = ScanOptions { direction, limit, ..ScanOptions::default() };
            let mut shown = Vec::new();
            loop {
                let page = now(session.kv("default").unwrap().scan_keys(&options)).unwrap();
                shown.extend(page.keys);
                match page.cursor {
                    Some(cursor) => options.cursor = Some(cursor),
                    None => break,
                }
            }
            assert_eq!(shown, expected, "{direction:?}, {limit} a page");
        }
    }
}
