//! The operations without a runtime, and sequences over pages: none of them hangs, and nothing that ends early leaves a transaction open.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use mantis_db::blocking::wait;
use mantis_db::{
    ChangeFilter, Code, Database, Durability, Error, Isolation, ManualClock, OpenOptions, ScanOptions, Since, Span,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `work` in another thread, and fails if it does not end.
#[track_caller]
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    done.recv_timeout(PATIENCE).expect("it ends")
}

fn all() -> ScanOptions {
    ScanOptions { limit: 7, ..ScanOptions::default() }
}

#[test]
fn a_scan_goes_over_all_its_pages_at_one_version() {
    let database = Database::in_memory().unwrap();
    let mut session = database.blocking();
    let keys: Vec<_> = (0..100_u8).map(|key| vec![key]).collect();
    for key in &keys {
        session.kv("default").unwrap().set(key, b"1").unwrap();
    }
    let mut entries = session.kv("default").unwrap().entries(all());
    let first = entries.next().unwrap().unwrap().0;
    // Of another version than that of the first page.
    database.blocking().kv("default").unwrap().set(&[50, 1], b"later").unwrap();
    let rest = entries.map(|entry| entry.unwrap().0);
    assert_eq!([first].into_iter().chain(rest).collect::<Vec<_>>(), keys);

    let span = Span::Prefix(vec![50]);
    let few = session.kv("default").unwrap().entries(ScanOptions { span, ..all() });
    assert_eq!(few.count(), 2);
    assert_eq!(session.kv("none").unwrap().entries(all()).count(), 0, "a bucket that does not exist");
    let mut refused = session.kv("default").unwrap().entries(ScanOptions { limit: 0, ..all() });
    assert_eq!(refused.next().unwrap().unwrap_err().code(), Code::LimitOutOfRange);
    assert!(refused.next().is_none(), "it ends after an error");
}

#[test]
fn a_panic_in_a_transaction_leaves_its_session_usable() {
    let database = Database::in_memory().unwrap();
    let mut session = database.blocking();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        session.transact(|session| -> Result<(), Error> {
            session.kv("default")?.set(b"a", b"1")?;
            panic!("a panic of the closure, which the test expects");
        })
    }));
    assert!(panicked.is_err() && !session.in_transaction());
    assert_eq!(session.kv("default").unwrap().get(b"a").unwrap(), None);
    let refused = session.transact(|session| {
        session.kv("default")?.set(b"a", b"1")?;
        Err::<(), _>(Error::from(Code::KeyEmpty))
    });
    assert!(refused.is_err() && !session.in_transaction());
    assert_eq!(session.kv("default").unwrap().get(b"a").unwrap(), None);
}

#[test]
fn a_transaction_whose_future_is_dropped_leaves_nothing_open() {
    let database = Database::in_memory().unwrap();
    let mut session = database.session();
    {
        let mut work = pin!(session.transact(Isolation::Serializable, async |session| {
            session.kv("default")?.set(b"a", b"1").await?;
            std::future::pending::<()>().await;
            Ok(())
        }));
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(!session.in_transaction());
    wait(async { session.kv("default")?.set(b"b", b"1").await }).unwrap();
    assert_eq!(wait(async { session.kv("default")?.get(b"a").await }).unwrap(), None);
}

#[test]
fn transactions_of_many_threads_lose_no_increment() {
    let directory = tempfile::tempdir().unwrap();
    for database in [
        Database::in_memory().unwrap(),
        OpenOptions::new().durability(Durability::Always).open(directory.path().join("data")).unwrap(),
    ] {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let database = database.clone();
                thread::spawn(move || {
                    let mut session = database.blocking();
                    for _ in 0..25 {
                        let add = session.transact(|session| {
                            let mut kv = session.kv("default")?;
                            let before = kv.get(b"count")?.map_or(0, |entry| {
                                String::from_utf8(entry.value.to_vec()).unwrap().parse::<u64>().unwrap()
                            });
                            kv.set(b"count", (before + 1).to_string().as_bytes())?;
                            Ok::<_, Error>(())
                        });
                        add.unwrap();
                    }
                })
            })
            .collect();
        for thread in threads {
            ends(move || thread.join().unwrap());
        }
        let count = database.blocking().kv("default").unwrap().get(b"count").unwrap().unwrap();
        assert_eq!(&count.value[..], b"200");
    }
}

#[test]
fn who_follows_hears_of_every_commit_and_ends_with_the_database() {
    let database = Database::in_memory().unwrap();
    let follow = || database.blocking().follow(ChangeFilter::default(), &Since::Now).unwrap();
    let listeners: Vec<_> = (0..4)
        .map(|_| {
            let changes = follow();
            thread::spawn(move || changes.map(|change| change.unwrap().version).collect::<Vec<_>>())
        })
        .collect();
    let mut session = database.blocking();
    let versions: Vec<_> =
        (0..500_u32).map(|key| session.kv("default").unwrap().set(&key.to_be_bytes(), b"1").unwrap().version).collect();
    let waiting = {
        let mut idle = follow();
        thread::spawn(move || idle.next().is_none())
    };
    thread::sleep(Duration::from_millis(20));
    database.close().unwrap();
    for listener in listeners {
        assert_eq!(ends(move || listener.join().unwrap()), versions);
    }
    assert!(ends(move || waiting.join().unwrap()), "it was waiting, and ends");
    let mut late = follow();
    assert!(ends(move || late.next().is_none()), "nothing follows after the end");
}

#[test]
fn following_goes_on_from_its_cursor_and_loses_nothing_when_its_future_is_dropped() {
    let database = Database::in_memory().unwrap();
    let mut session = database.session();
    let mut changes = session.follow(ChangeFilter::default(), &Since::Now).unwrap();
    let noop = &mut Context::from_waker(Waker::noop());
    assert!(pin!(changes.try_next()).poll(noop).is_pending());
    for key in [b"a", b"b", b"c"] {
        wait(async { session.kv("default")?.set(key, b"1").await }).unwrap();
    }
    assert_eq!(wait(changes.try_next()).unwrap().unwrap().key, b"a");
    let cursor = changes.cursor().to_owned();
    drop(changes);
    let mut changes = session.follow(ChangeFilter::default(), &Since::Cursor(cursor)).unwrap();
    assert_eq!(wait(changes.try_next()).unwrap().unwrap().key, b"b");
    // As a stream.
    let next = wait(poll_fn(|context| futures_core::Stream::poll_next(std::pin::Pin::new(&mut changes), context)));
    assert_eq!(next.unwrap().unwrap().key, b"c");
    assert!(pin!(changes.try_next()).poll(noop).is_pending());
    database.close().unwrap();
    assert!(matches!(pin!(changes.try_next()).poll(noop), Poll::Ready(Ok(None))));
}

#[test]
fn who_follows_too_slowly_is_told() {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let mut limits = mantis_db::Limits::default();
    limits.feed_bytes_max = 4_096;
    let database = OpenOptions::new().limits(limits).clock(clock).in_memory().unwrap();
    let mut changes = database.blocking().follow(ChangeFilter::default(), &Since::Now).unwrap();
    let mut session = database.blocking();
    for key in 0..1_000_u32 {
        session.kv("default").unwrap().set(&key.to_be_bytes(), &[0; 64]).unwrap();
    }
    assert_eq!(ends(move || changes.next().unwrap().unwrap_err().code()), Code::Compacted);
}

#[cfg(feature = "tables")]
mod rows {
    use mantis_db::Database;
    use mantis_db::tables::schema::TableDocument;
    use mantis_db::tables::types::Value;
    use mantis_db::tables::{QueryText, TableError, code};

    #[test]
    fn rows_are_values_one_after_the_other_or_all_at_once() {
        let database = Database::in_memory().unwrap();
        let mut session = database.blocking();
        let document = r#"{"columns": [{"name": "id", "type": "bigint"}, {"name": "name", "type": "text"}], "primary_key": ["id"]}"#;
        let document = TableDocument::read(document.as_bytes()).unwrap();
        session.create_table("t", &document).unwrap();
        let rows = (0..1_000).map(|id| [Value::Integer(id), Value::Text(format!("n{id}").into())]);
        let written = session.rows("t").insert_values(["id", "name"], rows).unwrap();
        assert_eq!(written.inserted, 1_000);

        let query = QueryText { filter: "id=gte.$1", order: "id", select: "name,id" };
        let each = session.rows("t").each(&query, vec![Value::Integer(5)]).unwrap();
        let ids: Vec<_> = each.map(|row| row.unwrap().get("id").cloned().unwrap()).collect();
        assert_eq!(ids, (5..1_000).map(Value::Integer).collect::<Vec<_>>());
        let fetched = session.rows("t").fetch(&query, vec![Value::Integer(998)]).unwrap();
        assert_eq!((fetched.len(), fetched[0].columns()), (2, &["name".to_owned(), "id".to_owned()][..]));
        assert_eq!((fetched[1].values()[0].clone(), fetched[0].get("none")), (Value::Text("n999".into()), None));
        assert_eq!(session.rows("t").count(&query, vec![Value::Integer(900)]).unwrap(), 100);

        let (inside, _) = session
            .transact(|session| {
                session.rows("t").insert_values(["id"], [[Value::Integer(-1)]])?;
                let refused = session.rows("t").each(&QueryText::default(), vec![]).map(drop).unwrap_err();
                assert_eq!(refused.code, code::ACTIVE_TRANSACTION);
                Ok::<_, TableError>(session.rows("t").fetch(&QueryText::default(), vec![])?.len())
            })
            .unwrap();
        assert_eq!(inside, 1_001);
        let twice = session.rows("t").insert_values(["id"], [[Value::Integer(-1)]]).unwrap_err();
        assert_eq!(twice.code, "23505");
    }
}
