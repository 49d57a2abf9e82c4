//! Sessions: one transaction at a time, which ends with its commit, whatever the outcome.

use mantis_db::{Code, Isolation};

use crate::support::{Short, Stage, code, now};

#[test]
fn a_second_transaction_is_refused_and_the_first_continues() {
    let mut session = Stage::new().session();
    now(session.begin(Isolation::default())).unwrap();
    session.put("default", "a", "1");
    assert_eq!(code(now(session.begin(Isolation::default()))), Code::TransactionOpen);
    assert!(session.in_transaction());
    now(session.commit()).unwrap();
    assert_eq!(session.text("default", "a").as_deref(), Some("1"));
}

#[test]
fn a_transaction_ends_with_its_commit() {
    let mut session = Stage::new().session();
    assert_eq!(code(now(session.commit())), Code::TransactionNotOpen);
    now(session.begin(Isolation::default())).unwrap();
    let committed = now(session.commit()).unwrap();
    assert_eq!((committed.version, committed.durable), (0, false), "nothing was written, and memory is not durable");
    assert_eq!(code(now(session.commit())), Code::TransactionNotOpen);
}

#[test]
fn a_conflict_ends_the_transaction_too() {
    let stage = Stage::new();
    let (mut loses, mut wins) = (stage.session(), stage.session());
    now(loses.begin(Isolation::default())).unwrap();
    assert_eq!(loses.text("default", "a"), None);
    loses.put("default", "a", "loses");
    wins.put("default", "a", "wins");
    assert_eq!(code(now(loses.commit())), Code::Conflict);
    assert!(!loses.in_transaction());
    assert_eq!(loses.text("default", "a").as_deref(), Some("wins"));
}

#[test]
fn a_session_that_is_dropped_rolls_back() {
    let stage = Stage::new();
    let mut session = stage.session();
    now(session.begin(Isolation::default())).unwrap();
    session.put("default", "a", "1");
    drop(session);
    assert_eq!(stage.session().text("default", "a"), None);
    assert_eq!(stage.database.stats().snapshots, 0, "nothing keeps old versions");
}

#[test]
fn buckets_are_not_dropped_in_a_transaction() {
    let mut session = Stage::new().session();
    session.put("b", "a", "1");
    now(session.begin(Isolation::default())).unwrap();
    assert_eq!(code(now(session.drop_bucket("b"))), Code::TransactionOpen);
}

#[test]
fn operations_are_counted() {
    let mut session = Stage::new().session();
    session.put("default", "a", "1");
    session.text("default", "a");
    assert_eq!(session.operations(), 2);
}
