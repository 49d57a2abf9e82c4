//! The promises of the two isolations, where the scenarios, which are serialisable, cannot show them.

use mantis_db::{Code, Isolation};

use crate::support::{Short, Stage, code, now};

#[test]
fn snapshot_isolation_allows_write_skew_and_refuses_lost_updates() {
    let stage = Stage::new();
    let (mut one, mut two) = (stage.session(), stage.session());
    for session in [&mut one, &mut two] {
        now(session.begin(Isolation::Snapshot)).unwrap();
        session.text("default", "a");
        session.text("default", "b");
    }
    one.put("default", "a", "1");
    two.put("default", "b", "2");
    now(one.commit()).unwrap();
    now(two.commit()).unwrap();

    for session in [&mut one, &mut two] {
        now(session.begin(Isolation::Snapshot)).unwrap();
        session.put("default", "a", "3");
    }
    now(two.commit()).unwrap();
    assert_eq!(code(now(one.commit())), Code::Conflict);
}

#[test]
fn under_snapshot_isolation_too_no_write_goes_into_a_dropped_bucket() {
    let stage = Stage::new();
    stage.session().put("b", "a", "1");
    let mut session = stage.session();
    now(session.begin(Isolation::Snapshot)).unwrap();
    session.put("b", "new", "1");
    now(stage.session().drop_bucket("b")).unwrap();
    assert_eq!(code(now(session.commit())), Code::Conflict);
}

#[test]
fn under_snapshot_isolation_too_two_do_not_make_one_bucket_twice() {
    let stage = Stage::new();
    let (mut one, mut two) = (stage.session(), stage.session());
    now(one.begin(Isolation::Snapshot)).unwrap();
    now(two.begin(Isolation::Snapshot)).unwrap();
    one.put("b", "one", "1");
    two.put("c", "two", "2");
    now(one.commit()).unwrap();
    assert_eq!(code(now(two.commit())), Code::Conflict, "they would have the same number");
}

#[test]
fn a_failed_write_makes_no_bucket_in_a_transaction() {
    let stage = Stage::new();
    let mut session = stage.session();
    now(session.begin(Isolation::Serializable)).unwrap();
    let expect = crate::support::only_if(mantis_db::Expect::Present);
    now(session.kv("b").unwrap().set_with(b"a", b"1", &expect)).unwrap();
    session.put("default", "a", "1");
    now(session.commit()).unwrap();
    assert_eq!(now(session.buckets()).unwrap().len(), 1);
}
