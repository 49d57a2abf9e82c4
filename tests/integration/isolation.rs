//! Concurrent histories through the crate `mantis-db`, checked by `mantis-isolation`.

#![allow(
    clippy::disallowed_methods,
    reason = "clients are threads, and get into each other's way better when they sleep"
)]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use mantis_db::disk::{DirectoryDisk, Disk, MemoryDisk};
use mantis_db::{
    Applied, Code, Database, DiskThreads, Durability, Entry, Error, Expect as DbExpect, Limits, ManualClock, Op,
    Outcome, ScanOptions, SeededRandom, Session, SetOptions, Span, StorageOptions,
};
use mantis_isolation::history::{Isolation, Operation, Outcome as Known, Transaction};
use mantis_isolation::numbers::Numbers;
use mantis_isolation::replay::replay;
use mantis_isolation::serial;
use mantis_isolation::verdict::Total;
use mantis_isolation::workload::{Client, Connection, Expect, Failure, Found, Notes, Plan, Put, Result, Shared};
use mantis_store::testing::{FailingDisk, Fault, Operation as DiskOperation};

const BUCKET: &str = "default";

/// A session, and whether it gives up waiting at times.
struct Direct {
    session: Session,
    numbers: Numbers,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Waits for the future, or drops it after the first look, which leaves open what it comes to.
fn attempt<T>(numbers: &mut Numbers, future: impl Future<Output = mantis_db::Result<T>>) -> Result<T> {
    let outcome = if numbers.chance(3) {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => return Err(Failure::Unknown),
        }
    } else {
        wait(future)
    };
    outcome.map_err(|error| failure(&error))
}

fn failure(error: &Error) -> Failure {
    match error.code() {
        Code::Conflict => Failure::Conflict,
        Code::DiskFull => Failure::Failed,
        // It may be on the disk, and be found at the next opening.
        Code::StorageFailed => Failure::Unknown,
        other => panic!("{other:?}: {error}"),
    }
}

fn found(entry: &Entry) -> Found {
    let version = Some(entry.version).filter(|&version| version > 0);
    Found { value: String::from_utf8(entry.value.to_vec()).unwrap(), version }
}

fn options(expect: Expect) -> SetOptions {
    let expect = match expect {
        Expect::Anything => DbExpect::Anything,
        Expect::Absent => DbExpect::Absent,
        Expect::Present => DbExpect::Present,
        Expect::Version(version) => DbExpect::Version(version),
    };
    SetOptions { expect, ..SetOptions::default() }
}

impl Direct {
    fn new(database: &Database, seed: u64) -> Self {
        Self { session: database.session(), numbers: Numbers::new(seed) }
    }

    /// Writes requested after the disk has failed certainly do not happen.
    fn check_disk(&self) -> Result<()> {
        if self.session.database().store().has_failed() { Err(Failure::Failed) } else { Ok(()) }
    }
}

impl Connection for Direct {
    fn begin(&mut self, isolation: Isolation) -> Result<()> {
        let isolation = match isolation {
            Isolation::Serialisable => mantis_db::Isolation::Serializable,
            Isolation::Snapshot => mantis_db::Isolation::Snapshot,
        };
        wait(self.session.begin(isolation)).map_err(|error| failure(&error))
    }

    fn commit(&mut self) -> Result<Option<u64>> {
        if let Err(failed) = self.check_disk() {
            self.session.rollback();
            return Err(failed);
        }
        attempt(&mut self.numbers, self.session.commit()).map(|committed| Some(committed.version))
    }

    fn rollback(&mut self) {
        if self.numbers.chance(50) {
            self.session.rollback();
        } else {
            // Dropping a session drops its transaction.
            self.session = self.session.database().session();
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Found>> {
        let got = wait(self.session.kv(BUCKET).unwrap().get(key.as_bytes()));
        got.map(|entry| entry.as_ref().map(found)).map_err(|error| failure(&error))
    }

    fn get_many(&mut self, keys: &[String]) -> Result<Vec<Option<Found>>> {
        let got = wait(self.session.kv(BUCKET).unwrap().get_many(keys)).map_err(|error| failure(&error))?;
        Ok(got.iter().map(|entry| entry.as_ref().map(found)).collect())
    }

    fn scan(&mut self, prefix: &str, limit: usize) -> Result<(Vec<(String, Found)>, bool)> {
        let options = ScanOptions { span: Span::Prefix(prefix.into()), limit, ..ScanOptions::default() };
        let page = wait(self.session.kv(BUCKET).unwrap().scan(&options)).map_err(|error| failure(&error))?;
        let entries = page.entries.into_iter();
        let entries = entries.map(|(key, entry)| (String::from_utf8(key).unwrap(), found(&entry))).collect();
        Ok((entries, page.cursor.is_none()))
    }

    fn put(&mut self, put: &Put) -> Result<Option<u64>> {
        self.check_disk()?;
        let mut kv = self.session.kv(BUCKET).unwrap();
        let options = options(put.expect);
        let writing = kv.set_with(put.key.as_bytes(), put.value.as_bytes(), &options);
        match attempt(&mut self.numbers, writing)? {
            Outcome::Written(written) => Ok(Some(written.version).filter(|&version| version > 0)),
            Outcome::Refused(_) => Err(Failure::Refused),
        }
    }

    fn batch(&mut self, puts: &[Put]) -> Result<Option<u64>> {
        self.check_disk()?;
        let mut kv = self.session.kv(BUCKET).unwrap();
        let set = |put: &Put| Op::Set(put.key.clone().into(), put.value.clone().into(), options(put.expect));
        let operations: Vec<_> = puts.iter().map(set).collect();
        match attempt(&mut self.numbers, kv.apply(&operations))? {
            Applied::Committed { version, .. } => Ok(Some(version)),
            Applied::Refused(_) => Err(Failure::Refused),
        }
    }

    fn delete(&mut self, key: &str) -> Result<bool> {
        self.check_disk()?;
        let deleted = attempt(&mut self.numbers, self.session.kv(BUCKET).unwrap().delete(key.as_bytes()))?;
        Ok(deleted.replaced)
    }

    fn add(&mut self, key: &str, by: i64) -> Result<(i64, Option<u64>)> {
        self.check_disk()?;
        let mut kv = self.session.kv(BUCKET).unwrap();
        let counted = attempt(&mut self.numbers, kv.increment(key.as_bytes(), by))?;
        Ok((counted.number, Some(counted.written.version)))
    }

    fn pause(&mut self, numbers: &mut Numbers) {
        match numbers.below(100) {
            0..30 => thread::yield_now(),
            30..32 => thread::sleep(Duration::from_micros(numbers.below(80) as u64)),
            _ => {}
        }
    }
}

/// Where a history's store is kept.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Memory,
    MemoryDisk(Durability),
    /// A disk that fails permanently in the middle.
    FailingDisk,
    Directory(Durability),
}

/// Writes are answered before they are synced, which nobody can notice as long as the power stays.
pub(crate) const INTERVAL: Durability = Durability::Interval { ms: 5 };

/// What keeps a store running. The threads end first.
struct Opened {
    _threads: Option<DiskThreads>,
    database: Database,
}

fn open(disk: Option<&Arc<dyn Disk>>, durability: Durability) -> Opened {
    let (clock, random) = (Arc::new(ManualClock::new(1)), Arc::new(SeededRandom::new(1)));
    let Some(disk) = disk else {
        return Opened {
            _threads: None,
            database: Database::in_memory_with(Limits::default(), clock, random).unwrap(),
        };
    };
    // Small, so that segments and checkpoints change meanwhile.
    let storage = StorageOptions { durability, checkpoint_bytes: 4_000 };
    let (database, _) = Database::open_with(Limits::default(), clock, random, Arc::clone(disk), storage).unwrap();
    let threads = DiskThreads::start(database.store(), Box::new(|_| ())).unwrap();
    Opened { _threads: Some(threads), database }
}

fn history(seed: u64, place: Place, steps: usize) -> Notes {
    history_of(seed, place, steps, |_| (), Direct::new)
}

/// Runs clients, each with a connection of its own, against a store of their own; the contents of a disk are read after it was opened
/// again.
pub(crate) fn history_of<C: Connection>(
    seed: u64,
    place: Place,
    steps: usize,
    prepare: impl FnOnce(&Database),
    connect: impl Fn(&Database, u64) -> C + Sync,
) -> Notes {
    let mut numbers = Numbers::new(seed);
    let plan = Plan { prefix: "h/".into(), lists: 3 + numbers.below(10), registers: 4, steps };
    let clients = 4 + numbers.below(5);
    let directory = tempfile::tempdir().unwrap();
    let failing = FailingDisk::new(MemoryDisk::new());
    let disk: Option<Arc<dyn Disk>> = match place {
        Place::Memory => None,
        Place::MemoryDisk(_) | Place::FailingDisk => Some(Arc::new(failing.clone())),
        Place::Directory(_) => Some(Arc::new(DirectoryDisk::new(directory.path()).unwrap())),
    };
    let durability = match place {
        Place::MemoryDisk(durability) | Place::Directory(durability) => durability,
        Place::Memory | Place::FailingDisk => Durability::Always,
    };
    let shared = Shared::default();
    let mut opened = open(disk.as_ref(), durability);
    prepare(&opened.database);
    if matches!(place, Place::FailingDisk) {
        let only = *numbers.pick(&[DiskOperation::Sync, DiskOperation::Write]);
        let at = 5 + numbers.below(40) as u64;
        failing.plan(Some(Fault { at, only: Some(only), times: u64::MAX, error: std::io::ErrorKind::Other }));
    }
    let mut notes = Notes::default();
    thread::scope(|scope| {
        let (opened, plan, shared, connect) = (&opened, &plan, &shared, &connect);
        let run = |client| move || Client::new(connect(&opened.database, client), plan, shared, client).run();
        let running: Vec<_> = (0..clients as u64).map(|client| scope.spawn(run(seed * 100 + client))).collect();
        for client in running {
            notes.join(client.join().unwrap());
        }
    });
    if disk.is_some() {
        drop(opened);
        failing.plan(None);
        opened = open(disk.as_ref(), durability);
    }
    notes.join(Client::new(connect(&opened.database, seed), &plan, &shared, seed).look_at_all());
    notes
}

/// More by `MANTIS_TORTURE=20`.
pub(crate) fn torture() -> u64 {
    std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap())
}

#[test]
fn histories_through_the_crate_have_no_anomaly() {
    let mut total = Total::default();
    for seed in 0..1_050 * torture() {
        let place = match seed % 50 {
            0 => Place::Directory(Durability::Always),
            1 => Place::Directory(INTERVAL),
            2..15 => Place::MemoryDisk(Durability::Always),
            15..20 => Place::MemoryDisk(INTERVAL),
            20..25 => Place::FailingDisk,
            _ => Place::Memory,
        };
        total.take(&history(seed, place, 45)).unwrap_or_else(|said| panic!("seed {seed}: {said}"));
    }
    println!("isolation: {total}");
    // The promises of docs/concepts/isolation.md.
    assert!(total.histories() >= 1_000 && total.operations() >= 500_000, "too few: {total}");
}

/// Changes what one committed transaction read, as a faulty store might; `None` if there is nothing to change.
fn corrupt(history: &mut [Transaction], numbers: &mut Numbers) -> Option<()> {
    let unique = 1_000_000;
    let transaction = numbers.below(history.len());
    let transaction = &mut history[transaction];
    let operation = numbers.below(transaction.operations.len());
    let Operation::Read { list, .. } = transaction.operations.get_mut(operation)? else { return None };
    let end = list.len().checked_sub(1)?;
    match numbers.below(5) {
        0 => list.truncate(end),
        1 => list.truncate(numbers.below(end)),
        2 => drop(list.remove(0)),
        3 if end > 0 => list.swap(end, end - 1),
        4 => list.push(unique),
        _ => return None,
    }
    (transaction.outcome == Known::Done).then_some(())
}

#[test]
fn a_corrupted_read_is_flagged_or_proven_possible() {
    let mut numbers = Numbers::new(1);
    let (mut flagged, mut possible) = (0, 0);
    for seed in 0..20 {
        let truth = history(seed, Place::Memory, 20).transactions;
        serial::check(&truth).unwrap();
        for _ in 0..100 {
            let mut corrupted = truth.clone();
            if corrupt(&mut corrupted, &mut numbers).is_none() {
                continue;
            }
            match serial::check(&corrupted) {
                Err(_) => flagged += 1,
                Ok(order) => {
                    // That read was possible: here is the order.
                    assert_eq!(replay(&corrupted, &order), Ok(()));
                    possible += 1;
                }
            }
        }
    }
    println!("isolation: of {} corrupted reads, {flagged} flagged and {possible} proven possible", flagged + possible);
    assert!(flagged > 20 * possible, "{flagged} flagged, {possible} possible");
}

/// Write skew as a history: two read both, and each writes one.
fn skew(isolation: mantis_db::Isolation) -> mantis_db::Result<()> {
    let opened = open(None, Durability::Always);
    let mut sessions = [opened.database.session(), opened.database.session()];
    for session in &mut sessions {
        wait(session.begin(isolation))?;
        wait(session.kv(BUCKET)?.get_many(&["a", "b"]))?;
    }
    for (session, key) in sessions.iter_mut().zip(["a", "b"]) {
        wait(session.kv(BUCKET)?.set(key.as_bytes(), b"1"))?;
    }
    sessions.iter_mut().try_for_each(|session| wait(session.commit()).map(drop))
}

#[test]
fn write_skew_happens_in_snapshots_only() {
    assert_eq!(skew(mantis_db::Isolation::Snapshot), Ok(()));
    assert_eq!(skew(mantis_db::Isolation::Serializable).unwrap_err().code(), Code::Conflict);
}
