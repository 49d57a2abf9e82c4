//! Expiry before housekeeping: an expired key is absent, although it is still stored.

use mantis_db::{Expect, Isolation, Outcome, ScanOptions, SetOptions, Span};

use crate::support::{Short, Stage, for_ms, now, only_if};

fn expired() -> Stage {
    let stage = Stage::new();
    let mut session = stage.session();
    session.put("default", "stays", "1");
    now(session.kv("default").unwrap().set_with(b"goes", b"7", &for_ms(10))).unwrap();
    stage.clock.advance_ms(10);
    assert_eq!(stage.database.stats().keys, 2, "it is stored");
    stage
}

#[test]
fn an_expired_key_is_not_read() {
    let stage = expired();
    let mut session = stage.session();
    assert_eq!(session.text("default", "goes"), None);
    let mut kv = session.kv("default").unwrap();
    assert_eq!(now(kv.get_many(&["goes", "stays"])).unwrap().iter().flatten().count(), 1);
    assert_eq!(now(kv.scan_keys(&ScanOptions::default())).unwrap().keys, [b"stays".to_vec()]);
    assert_eq!(now(kv.count(&Span::All)).unwrap(), 1);
    assert_eq!(now(kv.delete_span(&Span::Prefix(b"g".to_vec()))).unwrap().keys, 0);
}

#[test]
fn an_expired_key_is_absent_for_writers() {
    let stage = expired();
    let mut session = stage.session();
    let mut kv = session.kv("default").unwrap();
    assert!(!now(kv.delete(b"goes")).unwrap().replaced);
    assert_eq!(now(kv.set_with(b"goes", b"1", &only_if(Expect::Present))).unwrap(), Outcome::Refused(None));
    let Outcome::Written(written) = now(kv.set_with(b"goes", b"1", &only_if(Expect::Absent))).unwrap() else {
        panic!("it has expired")
    };
    assert!(!written.replaced);
}

#[test]
fn an_increment_of_an_expired_number_starts_at_0_without_a_deadline() {
    let stage = expired();
    let mut session = stage.session();
    assert_eq!(now(session.kv("default").unwrap().increment(b"goes", 1)).unwrap().number, 1);
    assert_eq!(session.read("default", "goes").unwrap().expires_at_ms, None);
}

#[test]
fn housekeeping_removes_expired_keys_in_one_commit() {
    let stage = expired();
    let before = stage.database.version();
    stage.database.maintain();
    assert_eq!((stage.database.version(), stage.database.stats().keys), (before + 1, 1));
    stage.database.maintain();
    assert_eq!(stage.database.version(), before + 1, "nothing to do, no commit");
}

#[test]
fn many_expired_keys_are_removed_in_several_commits() {
    let stage = Stage::new();
    let mut session = stage.session();
    let options = for_ms(5);
    for number in 0..2_500_u32 {
        now(session.kv("default").unwrap().set_with(&number.to_be_bytes(), b"v", &options)).unwrap();
    }
    stage.clock.advance_ms(5);
    stage.database.maintain();
    assert_eq!(stage.database.stats().keys, 0);
    let commits = stage.database.version() - 2_500;
    assert!((2..2_500).contains(&commits), "{commits} commits");
}

#[test]
fn a_clock_set_back_revives_keys_not_yet_removed() {
    let stage = expired();
    stage.clock.set_ms(1_000_000);
    assert_eq!(stage.session().text("default", "goes").as_deref(), Some("7"));
}

#[test]
fn a_time_to_live_past_the_end_of_time_is_forever() {
    let stage = Stage::new();
    stage.clock.set_ms(u64::MAX - 5);
    let mut session = stage.session();
    let options = SetOptions { ttl_ms: Some(1_000), ..SetOptions::default() };
    now(session.kv("default").unwrap().set_with(b"a", b"1", &options)).unwrap();
    stage.clock.set_ms(u64::MAX);
    assert_eq!(session.text("default", "a").as_deref(), Some("1"));
}

#[test]
fn versions_kept_by_a_snapshot_are_freed_soon_after_it() {
    let stage = Stage::new();
    let (mut reader, mut writer) = (stage.session(), stage.session());
    for round in 0..2 {
        for number in 0..5_000 {
            writer.put("default", &format!("k{number}"), "1");
        }
        if round == 0 {
            now(reader.begin(Isolation::Snapshot)).unwrap();
        }
    }
    stage.database.maintain();
    assert!(stage.database.stats().prune_backlog > 4_900);
    reader.rollback();
    stage.database.maintain();
    assert_eq!(stage.database.stats().prune_backlog, 0);
    assert_eq!(stage.database.stats().versions, stage.database.stats().keys);
}
