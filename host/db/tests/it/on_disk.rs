//! A database on a disk whose log is written only when a test does it: what operations wait for, and the state after an interruption.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mantis_db::{
    Code, Database, Durability, Expect, Limits, ManualClock, Op, SeededRandom, SetOptions, Span, StorageOptions,
};
use mantis_store::disk::{DirectoryDisk, Disk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation};

use crate::support::{code, now};

fn open(disk: &(impl Disk + Clone + 'static)) -> Database {
    open_with(disk, Limits::default(), StorageOptions::default())
}

pub(crate) fn open_with(disk: &(impl Disk + Clone + 'static), limits: Limits, storage: StorageOptions) -> Database {
    let (clock, random) = (Arc::new(ManualClock::new(1_000_000)), Arc::new(SeededRandom::new(3)));
    Database::open_with(limits, clock, random, Arc::new(disk.clone()), storage).unwrap().0
}

/// Polls the future, and writes the log whenever it waits, at most this many times. Its result, if it is ready.
pub(crate) fn drive<T>(database: &Database, future: impl Future<Output = T>, writes_max: usize) -> Option<T> {
    let mut future = pin!(future);
    for written in 0.. {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending if written < writes_max => database.store().flush(),
            Poll::Pending => break,
        }
    }
    None
}

pub(crate) fn set(key: impl Into<Vec<u8>>) -> Op {
    Op::Set(key.into(), b"1".to_vec(), SetOptions::default())
}

#[test]
fn an_interrupted_drop_is_finished() {
    // Cancelled before its first commit was durable, and later; with the end of the process, and without.
    for writes in 0..4 {
        for ends in [true, false] {
            let disk = MemoryDisk::new();
            let database = open(&disk);
            let mut session = database.session();
            let sets: Vec<_> = (0..2_500_u32).map(|number| set(number.to_be_bytes())).collect();
            drive(&database, session.kv("dropped").unwrap().apply(&sets), 1).unwrap().unwrap();
            drive(&database, session.kv("kept").unwrap().apply(&[set("a")]), 1).unwrap().unwrap();
            let done = drive(&database, session.drop_bucket("dropped"), writes);
            assert!(done.is_none(), "{writes}: {done:?}");
            drop(session);
            let database = if ends {
                drop(database);
                open(&disk)
            } else {
                database
            };
            for _ in 0..10 {
                database.maintain();
                database.store().flush();
            }
            let mut session = database.session();
            let buckets = now(session.buckets()).unwrap();
            let is_there = buckets.iter().any(|bucket| bucket.name == "dropped");
            // A drop of which nothing was durable did not happen.
            assert_eq!(is_there, writes == 0 && ends, "{writes}");
            let kept = 2 + if is_there { 2_500 + 2 } else { 1 } + 2;
            assert_eq!(database.store().stats().entries, kept, "{writes}, {ends}: only names and numbers are left");
            assert_eq!(now(session.kv("kept").unwrap().count(&Span::All)).unwrap(), 1);
        }
    }
}

#[test]
fn a_drop_that_the_disk_refuses_did_not_happen() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let database = open(&disk);
    let mut session = database.session();
    let sets: Vec<_> = (0..2_500_u32).map(|number| set(number.to_be_bytes())).collect();
    drive(&database, session.kv("b").unwrap().apply(&sets), 1).unwrap().unwrap();
    let keep_house = || {
        for _ in 0..10 {
            database.maintain();
            database.store().flush();
        }
    };
    let is_full = |is_full: bool| {
        let fault = Fault { at: 0, only: Some(Operation::Write), times: u64::MAX, error: ErrorKind::StorageFull };
        disk.plan(is_full.then_some(fault));
    };
    // Full from the start: the bucket stays, whatever housekeeping does.
    is_full(true);
    let refused = drive(&database, session.drop_bucket("b"), 1).unwrap();
    assert_eq!(refused.unwrap_err().code(), Code::DiskFull);
    is_full(false);
    keep_house();
    assert_eq!(now(session.kv("b").unwrap().count(&Span::All)).unwrap(), 2_500);

    // Full in the middle: the bucket is gone, and its keys are removed when there is space.
    assert!(drive(&database, session.drop_bucket("b"), 1).is_none());
    is_full(true);
    keep_house();
    is_full(false);
    keep_house();
    assert_eq!(code(now(session.drop_bucket("b"))), Code::BucketNotFound);
    assert_eq!(database.store().stats().entries, 2, "the next number, and the dropped bucket's name");
}

#[test]
fn a_finished_drop_leaves_nothing_to_housekeeping() {
    let disk = MemoryDisk::new();
    let database = open(&disk);
    let mut session = database.session();
    drive(&database, session.kv("b").unwrap().apply(&[set("a")]), 1).unwrap().unwrap();
    assert_eq!(drive(&database, session.drop_bucket("b"), 5).unwrap().unwrap().keys, 1);
    let version = database.version();
    drop((session, database));
    let database = open(&disk);
    database.maintain();
    assert_eq!(database.store().newest(), version);
    let check = Op::Check(b"a".to_vec(), Expect::Absent);
    assert!(drive(&database, database.session().kv("b").unwrap().apply(&[check]), 1).is_some());
}

#[test]
fn a_full_disk_is_reported_until_a_write_succeeds_or_space_returns() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let database = open(&disk);
    let mut session = database.session();
    for finds_out in [true, false] {
        disk.plan(Some(Fault { at: 0, only: Some(Operation::Write), times: 1, error: ErrorKind::StorageFull }));
        let refused = drive(&database, session.kv("default").unwrap().set(b"a", b"1"), 1).unwrap();
        assert_eq!(refused.unwrap_err().code(), Code::DiskFull);
        assert_eq!(database.check_writable().unwrap_err().code(), Code::DiskFull);
        if finds_out {
            database.store().probe_space();
        } else {
            drive(&database, session.kv("default").unwrap().set(b"a", b"1"), 1).unwrap().unwrap();
        }
        database.check_writable().unwrap();
    }
}

/// The write that finds the failure, the next one and the reported state all give `reason`.
#[track_caller]
fn check_reason(database: &Database, reason: &str) {
    let write = || {
        let mut session = database.session();
        drive(database, session.kv("default").unwrap().set(b"a", b"1"), 1).unwrap().unwrap_err()
    };
    for error in [write(), write(), database.check_writable().unwrap_err()] {
        let expected = format!("{reason}; the store accepts no writes until it is reopened");
        assert_eq!((error.code(), error.message()), (Code::StorageFailed, &*expected));
    }
}

#[test]
fn a_failed_disk_is_not_reported_as_a_moved_directory_nor_the_other_way() {
    for (operation, reason) in
        [(Operation::Write, "a write to the disk failed"), (Operation::Sync, "the disk failed to sync")]
    {
        let disk = FailingDisk::new(MemoryDisk::new());
        let database = open(&disk);
        drive(&database, database.session().kv("default").unwrap().set(b"a", b"1"), 1).unwrap().unwrap();
        disk.plan(Some(Fault { at: 0, only: Some(operation), times: 1, error: ErrorKind::PermissionDenied }));
        check_reason(&database, reason);
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let database = open(&DirectoryDisk::new(&data).unwrap());
    std::fs::rename(&data, directory.path().join("away")).unwrap();
    check_reason(&database, "the data directory, or a file in it, was moved, replaced or removed");
}

#[test]
fn keys_deleted_before_the_disk_fails_do_not_hide_the_reason() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let storage = StorageOptions { durability: Durability::Never, ..StorageOptions::default() };
    let database = open_with(&disk, Limits::default(), storage);
    let mut session = database.session();
    let sets: Vec<_> = (0..1_500_u32).map(|number| set(number.to_be_bytes())).collect();
    drive(&database, session.kv("default").unwrap().apply(&sets), 1).unwrap().unwrap();
    disk.plan(Some(Fault { at: 1, only: Some(Operation::Write), times: 1, error: ErrorKind::PermissionDenied }));
    let error = drive(&database, session.kv("default").unwrap().delete_span(&Span::All), 1).unwrap().unwrap_err();
    assert_eq!((error.code(), error.deleted()), (Code::StorageFailed, 1_000));
    let expected = "1000 keys were deleted, the others were not: a write to the disk failed; the store accepts no writes until it is reopened";
    assert_eq!(error.message(), expected);
}
