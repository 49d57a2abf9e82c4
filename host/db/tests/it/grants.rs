//! Grants: what is not named is denied, and nothing that is denied has an effect.

use std::sync::Arc;

use mantis_db::{Access, ChangeFilter, Code, Expect, Grants, Isolation, Op, ScanOptions, Session, Since, Span};

use crate::support::{Short, Stage, code, now};

fn reader(stage: &Stage) -> Session {
    stage.session().put("users", "a", "1");
    stage.database.session_with(Arc::new(Grants::none().bucket("users", Access::Read).bucket("later", Access::Read)))
}

#[test]
fn reading_is_not_writing() {
    let stage = Stage::new();
    let mut session = reader(&stage);
    let before = stage.database.version();
    let mut kv = session.kv("users").unwrap();
    assert_eq!(code(now(kv.set(b"a", b"2"))), Code::AccessDenied);
    assert_eq!(code(now(kv.delete(b"a"))), Code::AccessDenied);
    assert_eq!(code(now(kv.delete_if(b"a", Expect::Absent))), Code::AccessDenied);
    assert_eq!(code(now(kv.increment(b"a", 1))), Code::AccessDenied);
    assert_eq!(code(now(kv.delete_span(&Span::All))), Code::AccessDenied);
    assert_eq!(code(now(kv.apply(&[Op::Delete(b"a".to_vec(), Expect::Anything)]))), Code::AccessDenied);
    assert_eq!(code(now(session.drop_bucket("users"))), Code::AccessDenied);
    assert_eq!(stage.database.version(), before);
    assert_eq!(session.text("users", "a").as_deref(), Some("1"));
}

#[test]
fn reading_makes_no_bucket() {
    let stage = Stage::new();
    let mut session = reader(&stage);
    let read = [Op::Get(b"a".to_vec()), Op::Check(b"a".to_vec(), Expect::Absent)];
    now(session.kv("later").unwrap().apply(&read)).unwrap();
    now(session.begin(Isolation::Serializable)).unwrap();
    now(session.kv("later").unwrap().apply(&read)).unwrap();
    now(session.kv("later").unwrap().scan(&ScanOptions::default())).unwrap();
    now(session.commit()).unwrap();
    let names: Vec<_> = now(stage.session().buckets()).unwrap().into_iter().map(|bucket| bucket.name).collect();
    assert_eq!(names, ["default", "users"]);
}

#[test]
fn buckets_without_a_grant_are_hidden() {
    let stage = Stage::new();
    stage.session().put("secrets", "a", "hidden");
    let mut session = reader(&stage);
    for hidden in ["secrets", "default", "not-there"] {
        assert_eq!(code(session.kv(hidden)), Code::BucketNotFound, "{hidden}");
        assert_eq!(
            code(now(session.drop_bucket(hidden)).map_err(|error| match error.code() {
                Code::BucketReserved => Code::BucketNotFound.into(),
                _ => error,
            })),
            Code::BucketNotFound,
            "{hidden}"
        );
    }
    let names: Vec<_> = now(session.buckets()).unwrap().into_iter().map(|bucket| bucket.name).collect();
    assert_eq!(names, ["users"]);
    let changes = now(session.changes(&ChangeFilter::default(), &Since::Earliest, 100)).unwrap();
    assert!(changes.changes.iter().all(|change| change.bucket == "users"), "{changes:?}");
    let filter = ChangeFilter { bucket: Some("secrets".to_owned()), prefix: Vec::new() };
    assert_eq!(code(now(session.changes(&filter, &Since::Earliest, 100))), Code::BucketNotFound);
}

#[test]
fn revoked_grants_end_at_once() {
    let stage = Stage::new();
    let mut session = stage.session();
    now(session.begin(Isolation::Serializable)).unwrap();
    session.put("scores", "a", "1");
    session.set_grants(Arc::new(Grants::none()));
    assert_eq!(code(session.kv("scores")), Code::BucketNotFound);
}

#[test]
fn the_wider_of_two_grants_applies() {
    let grants = Grants::none().bucket("a", Access::Write).bucket("a", Access::Read);
    assert!(grants.check("a", Access::Write).is_ok());
    assert!(!grants.is_all());
    assert_eq!(grants.buckets().len(), 2);
    assert!(Grants::all().check("anything", Access::Write).is_ok());
}
