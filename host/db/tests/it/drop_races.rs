//! Dropping a bucket during writes to it: every acknowledged key is in the bucket or was counted as deleted. A write into a dropped bucket
//! would be neither.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use mantis_db::{ChangeFilter, ChangeKind, Code, Isolation, Op, ScanOptions, Session, SetOptions, Since};

use crate::support::{Stage, code, now};

const WRITERS: usize = 3;
const WRITES: usize = 3_000;

type Write = fn(&mut Session, &[u8]) -> mantis_db::Result<()>;

fn in_transaction(session: &mut Session, key: &[u8], isolation: Isolation) -> mantis_db::Result<()> {
    now(session.begin(isolation))?;
    let set = now(session.kv("b")?.set(key, b"v"));
    let committed = now(session.commit());
    set.and(committed.map(drop))
}

fn check(write: Write) {
    let stage = Stage::with(|limits| limits.feed_bytes_max = usize::MAX);
    let done = AtomicBool::new(false);
    let acknowledged: HashSet<Vec<u8>> = std::thread::scope(|scope| {
        let dropper = scope.spawn(|| {
            let mut session = stage.session();
            while !done.load(Ordering::Relaxed) {
                match now(session.drop_bucket("b")) {
                    Ok(_) => {}
                    outcome => assert_eq!(code(outcome), Code::BucketNotFound),
                }
            }
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let stage = &stage;
                scope.spawn(move || {
                    let mut session = stage.session();
                    let keys = (0..WRITES).map(|number| format!("{writer}/{number}").into_bytes());
                    keys.filter(|key| match write(&mut session, key) {
                        Ok(()) => true,
                        Err(error) => {
                            assert_eq!(error.code(), Code::Conflict);
                            false
                        }
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        let acknowledged = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        dropper.join().unwrap();
        acknowledged
    });
    let mut accounted = there(&mut stage.session());
    accounted.extend(deleted(&mut stage.session()));
    let lost: Vec<_> = acknowledged.difference(&accounted).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged writes are lost", lost.len(), acknowledged.len());
    assert!(!acknowledged.is_empty());
}

fn there(session: &mut Session) -> HashSet<Vec<u8>> {
    let mut options = ScanOptions { limit: 1_000, ..ScanOptions::default() };
    let mut keys = HashSet::new();
    loop {
        let page = now(session.kv("b").unwrap().scan_keys(&options)).unwrap();
        keys.extend(page.keys);
        match page.cursor {
            Some(cursor) => options.cursor = Some(cursor),
            None => return keys,
        }
    }
}

fn deleted(session: &mut Session) -> HashSet<Vec<u8>> {
    let mut since = Since::Earliest;
    let mut keys = HashSet::new();
    loop {
        let page = now(session.changes(&ChangeFilter::default(), &since, 1_000)).unwrap();
        keys.extend(
            page.changes.into_iter().filter(|change| change.kind == ChangeKind::Delete).map(|change| change.key),
        );
        if page.at_end {
            return keys;
        }
        since = Since::Cursor(page.cursor);
    }
}

#[test]
fn single_writes() {
    check(|session, key| now(session.kv("b")?.set(key, b"v")).map(drop));
}

#[test]
fn batches() {
    check(|session, key| {
        let set = Op::Set(key.to_vec(), b"v".to_vec(), SetOptions::default());
        now(session.kv("b")?.apply(&[set])).map(drop)
    });
}

#[test]
fn serializable_transactions() {
    check(|session, key| in_transaction(session, key, Isolation::Serializable));
}

#[test]
fn snapshot_transactions() {
    check(|session, key| in_transaction(session, key, Isolation::Snapshot));
}
