//! Who writes the log under `always`: if nobody does, those who wait for a commit get an error, and nobody waits for ever.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::{io, thread};

use mantis_store::disk::MemoryDisk;
use mantis_store::testing::{FailingDisk, Fault, Operation};
use mantis_store::{DiskEvent, DiskThreads, Durability, Error, Store, Update};

use super::hooked::Hooked;
use super::threads::{PATIENCE, wait};
use super::{open, options, outcome, state_of};
use crate::support::{put, put_until, value};

fn start(store: &Store) -> DiskThreads {
    DiskThreads::start(store, Box::new(|_| {})).unwrap()
}

/// Runs `work` in another thread, and fails if it does not end.
#[track_caller]
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    done.recv_timeout(PATIENCE).expect("it ends")
}

#[test]
fn without_its_threads_a_store_refuses_commits_at_once() {
    let disk = MemoryDisk::new();
    let (store, _) = open(&disk, Durability::Always).unwrap();
    let version = put(&store, "a", "1");
    assert_eq!(wait(&store, version), Err(Error::NoLogThread));
    assert_eq!((store.get(b"a"), store.version(), store.stats().keys), (None, 0, 0), "it did not happen");
    assert!(Error::NoLogThread.to_string().contains("start DiskThreads"));

    let threads = start(&store);
    let second = put(&store, "a", "2");
    assert!(second > version, "a version is given once");
    assert_eq!((wait(&store, second), wait(&store, version)), (Ok(()), Err(Error::NoLogThread)));
    put_until(&store, "due", "1", Some(0));
    store.flush();
    drop(threads);

    let before = state_of(&store);
    let mut transaction = store.begin();
    transaction.put(b"b", "1", None);
    let exclusive = store.exclusively::<_, Error>(|transaction| {
        transaction.put(b"c", "1", None);
        Ok(())
    });
    for version in [put(&store, "a", "3"), transaction.commit().unwrap(), exclusive.unwrap().1] {
        assert_eq!(wait(&store, version), Err(Error::NoLogThread), "{version}");
    }
    assert_eq!(store.maintain(10), 1, "what is due is removed");
    assert_eq!(wait(&store, store.newest()), Err(Error::NoLogThread), "and is not, as nobody writes it");
    assert_eq!((state_of(&store), store.has_failed()), (before.clone(), false));

    let threads = start(&store);
    assert_eq!(wait(&store, put(&store, "b", "1")), Ok(()));
    drop(threads);
    let state = state_of(&store);
    drop(store);
    assert_eq!(state_of(&open(&disk, Durability::Always).unwrap().0), state);
}

#[test]
fn an_owner_that_writes_the_log_by_hand_is_waited_for() {
    let (store, _) = open(&MemoryDisk::new(), Durability::Always).unwrap();
    assert!(!store.disk_stats().unwrap().is_driven);
    store.drive_by_hand();
    assert!(store.disk_stats().unwrap().is_driven);
    let version = put(&store, "a", "1");
    let waiting = store.clone();
    let waiter = thread::spawn(move || wait(&waiting, version));
    for _ in 0..3 {
        assert_eq!(outcome(&store, version), Poll::Pending);
    }
    store.flush();
    assert_eq!((waiter.join().unwrap(), store.is_durable(version)), (Ok(()), true));
    // So is one that polls once and writes then.
    let (store, _) = open(&MemoryDisk::new(), Durability::Always).unwrap();
    let version = put(&store, "a", "1");
    assert_eq!(outcome(&store, version), Poll::Pending);
    store.flush();
    assert_eq!(outcome(&store, version), Poll::Ready(Ok(())));
}

#[test]
fn waiters_get_an_error_when_the_threads_end() {
    let (store, _) = open(&MemoryDisk::new(), Durability::Always).unwrap();
    let threads = start(&store);
    // Nobody has been given that version, so it cannot settle.
    let waiting = store.clone();
    let (sender, events) = mpsc::channel();
    thread::spawn(move || {
        sender.send(None).unwrap();
        sender.send(Some(wait(&waiting, 100))).unwrap();
    });
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), None);
    assert!(store.disk_stats().unwrap().is_driven);
    drop(threads);
    assert!(!store.disk_stats().unwrap().is_driven);
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), Some(Err(Error::NoLogThread)));
}

/// The answers given while the threads ended are true afterwards.
#[test]
fn commits_during_the_end_of_the_threads_happen_or_are_refused() {
    for round in 0..50 {
        let disk = MemoryDisk::new();
        let (store, _) = open(&disk, Durability::Always).unwrap();
        let threads = start(&store);
        let (done, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for writer in 0..3 {
                let (store, done, answers) = (&store, &done, &answers);
                scope.spawn(move || {
                    for place in 0..100_000 {
                        let key = format!("{writer}-{place}");
                        let answer = wait(store, put(store, &key, "1"));
                        answers.lock().unwrap().push((key, answer));
                        done.fetch_add(1, Ordering::SeqCst);
                        if answer.is_err() {
                            break;
                        }
                    }
                });
            }
            while done.load(Ordering::SeqCst) < round * 3 {
                thread::yield_now();
            }
            drop(threads);
        });
        drop(store);
        let (store, _) = open(&disk, Durability::Always).unwrap();
        let answers = answers.into_inner().unwrap();
        assert_eq!(answers.iter().filter(|(_, answer)| answer.is_err()).count(), 3);
        for (key, answer) in answers {
            assert!(matches!(answer, Ok(()) | Err(Error::NoLogThread)), "{key}: {answer:?}");
            assert_eq!(store.get(key.as_bytes()).is_some(), answer.is_ok(), "{key}: {answer:?}");
        }
    }
}

/// A panic in the callback for events stops neither the thread, nor commits, nor checkpoints.
#[test]
fn an_event_whose_listener_panics_ends_no_thread() {
    let disk = FailingDisk::new(MemoryDisk::new());
    let mut options = options(&Arc::default(), 7);
    options.checkpoint_bytes = 2_000;
    let (store, _) = Store::open(options, Arc::new(disk.clone()), Durability::Always).unwrap();
    let (sender, events) = mpsc::channel();
    let sender = Mutex::new(sender);
    let on_event = move |event| {
        sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner).send(event).unwrap();
        panic!("a listener that panics");
    };
    let threads = DiskThreads::start(&store, Box::new(on_event)).unwrap();
    for round in 0..3 {
        let (only, error) = (Some(Operation::Write), io::ErrorKind::StorageFull);
        disk.plan(Some(Fault { at: 0, only, times: u64::MAX, error }));
        assert_eq!(wait(&store, put(&store, "full", "1")), Err(Error::DiskFull));
        disk.plan(None);
        for place in 0..20 {
            let version = put(&store, "a", &format!("{round}-{place}-{}", "v".repeat(100)));
            assert_eq!(wait(&store, version), Ok(()), "{round}-{place}");
        }
        // The checkpoint's thread panics as well, and makes the next one.
        let is_checkpoint = |event: &DiskEvent| matches!(event, DiskEvent::Checkpoint(Ok(_)));
        while !is_checkpoint(&events.recv_timeout(PATIENCE).unwrap()) {}
    }
    let version = put(&store, "b", "1");
    ends(move || drop(threads));
    assert_eq!((wait(&store, version), store.is_durable(version)), (Ok(()), true));
    assert!(!store.has_failed());
    assert_eq!(value(store.get(b"b")).as_deref(), Some("1"));
}

/// A disk that panics in a space probe fails the store, and does not end the probing thread.
#[test]
fn a_panic_of_the_disk_in_a_space_probe_fails_the_store() {
    let is_armed = Arc::<AtomicBool>::default();
    let (is_planned, failing) = (Arc::clone(&is_armed), FailingDisk::new(MemoryDisk::new()));
    let disk = Hooked::over(failing.clone(), move |operation| {
        assert!(operation != Operation::Create || !is_planned.load(Ordering::SeqCst), "planned");
    });
    let (store, _) = Store::open(options(&Arc::default(), 7), Arc::new(disk), Durability::Never).unwrap();
    let (sender, events) = mpsc::channel();
    let threads = DiskThreads::start(&store, Box::new(move |event| sender.send(event).unwrap())).unwrap();
    put(&store, "a", "1");
    is_armed.store(true, Ordering::SeqCst);
    let (only, error) = (Some(Operation::Write), io::ErrorKind::StorageFull);
    failing.plan(Some(Fault { at: 0, only, times: u64::MAX, error }));
    let update = Update::Put { value: "2".into(), expires_at_ms: None };
    let _ = store.write(b"a", update, mantis_store::Expect::Anything, None);
    let mut events = std::iter::from_fn(|| Some(events.recv_timeout(PATIENCE).unwrap()));
    assert!(events.any(|event| matches!(&event, DiskEvent::Failed(said) if said.contains("a panic: planned"))));
    ends(move || drop(threads));
    assert!(store.has_failed());
}
