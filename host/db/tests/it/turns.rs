//! Transactions that lose repeatedly get turns, and nobody else waits for them longer than a turn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use mantis_db::{Clock, Code, Database, Isolation, Limits, SeededRandom, Session};

/// A clock that wakes waiters, with the time of a runtime.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap() + 1
    }

    fn sleep(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(tokio::time::sleep(Duration::from_millis(ms))))
    }
}

fn database() -> Database {
    let (clock, random) = (Arc::new(RuntimeClock(Instant::now())), Arc::new(SeededRandom::new(7)));
    Database::in_memory_with(Limits::default(), clock, random).unwrap()
}

async fn number(session: &mut Session, key: &[u8]) -> mantis_db::Result<u64> {
    let entry = session.kv("default")?.get(key).await?;
    Ok(entry.map_or(0, |entry| std::str::from_utf8(&entry.value).unwrap().parse().unwrap()))
}

/// Adds one to the number at `key`, with a pause in which others can come first.
async fn add_one(session: &mut Session, key: &[u8]) -> mantis_db::Result<()> {
    let next = number(session, key).await? + 1;
    tokio::task::yield_now().await;
    session.kv("default")?.set(key, next.to_string().as_bytes()).await?;
    tokio::task::yield_now().await;
    Ok(())
}

/// Loses `times` times against others that write `key`.
async fn lose(database: &Database, session: &mut Session, key: &[u8], times: u32) {
    session.begin(Isolation::Serializable).await.unwrap();
    for lost in 1..=times {
        add_one(session, key).await.unwrap();
        database.session().kv("default").unwrap().set(key, b"0").await.unwrap();
        assert_eq!(session.commit().await.unwrap_err().code(), Code::Conflict);
        if lost < times {
            let retry = session.take_retry().unwrap();
            assert_eq!(retry.conflicts(), lost);
            session.begin_again(Isolation::Serializable, retry).await.unwrap();
        }
    }
}

/// Loses over `hot` as often as necessary, and begins again with a turn.
async fn take_turn(database: &Database, session: &mut Session) {
    lose(database, session, b"hot", 3).await;
    let retry = session.take_retry().unwrap();
    session.begin_again(Isolation::Serializable, retry).await.unwrap();
}

#[test]
fn transactions_on_one_key_all_succeed() {
    const CLIENTS: u64 = 8;
    const ROUNDS: u64 = 100;
    let (database, attempts) = (database(), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (database, attempts) = (database.clone(), Arc::clone(&attempts));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let mut session = database.session();
                    for _ in 0..ROUNDS {
                        let work = async |session: &mut Session| {
                            attempts.fetch_add(1, Ordering::Relaxed);
                            add_one(session, b"hot").await
                        };
                        session.transact(Isolation::Serializable, work).await.unwrap();
                    }
                });
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let hot = database.store().version();
    assert_eq!(hot, CLIENTS * ROUNDS);
    let attempts = attempts.load(Ordering::Relaxed);
    assert!(attempts < 8 * CLIENTS * ROUNDS, "{attempts} attempts");
}

#[tokio::test]
async fn a_turn_is_not_disturbed() {
    let database = database();
    let mut session = database.session();
    take_turn(&database, &mut session).await;
    add_one(&mut session, b"hot").await.unwrap();
    let other = database.clone();
    let disturbing =
        tokio::spawn(async move { other.session().kv("default").unwrap().set(b"hot", b"100").await.unwrap().version });
    tokio::task::yield_now().await;
    // Elsewhere nobody waits.
    database.session().kv("default").unwrap().set(b"cold", b"1").await.unwrap();
    let committed = session.commit().await.unwrap();
    assert!(disturbing.await.unwrap() > committed.version, "the other write came after it");
    assert_eq!(number(&mut database.session(), b"hot").await.unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_stalls_is_lost() {
    let database = database();
    let mut session = database.session();
    take_turn(&database, &mut session).await;
    add_one(&mut session, b"hot").await.unwrap();
    let before = tokio::time::Instant::now();
    database.session().kv("default").unwrap().set(b"hot", b"7").await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_millis(mantis_store::TURN_MS), "a turn's time and no more");
    assert_eq!(session.commit().await.unwrap_err().code(), Code::Conflict);
    assert_eq!(session.take_retry().unwrap().conflicts(), 1, "it has to lose as often again for another turn");
}

#[tokio::test]
async fn a_cancelled_transaction_delays_nobody() {
    let database = database();
    let mut session = database.session();
    take_turn(&database, &mut session).await;
    assert!(database.store().has_turns());
    session.rollback();
    assert!(!database.store().has_turns());
    take_turn(&database, &mut session).await;
    drop(session);
    assert!(!database.store().has_turns());
}

#[tokio::test]
async fn batches_and_spans_wait_for_turns_and_reads_do_not() {
    use mantis_db::{Op, SetOptions, Span};
    for operation in [
        Op::Set(b"hot".to_vec(), b"1".to_vec(), SetOptions::default()),
        Op::DeleteSpan(Span::All),
        Op::Increment(b"hot".to_vec(), 1),
    ] {
        for atomic in [true, false] {
            let database = database();
            let mut session = database.session();
            take_turn(&database, &mut session).await;
            add_one(&mut session, b"hot").await.unwrap();
            database.session().kv("default").unwrap().apply(&[Op::Get(b"hot".to_vec())]).await.unwrap();
            let (other, operations) = (database.clone(), vec![operation.clone()]);
            let disturbing = tokio::spawn(async move {
                let mut session = other.session();
                let mut kv = session.kv("default").unwrap();
                if atomic {
                    kv.apply(&operations).await.map(|_| ())
                } else {
                    kv.apply_each(&operations).await.map(|_| ())
                }
            });
            tokio::task::yield_now().await;
            session.commit().await.unwrap();
            disturbing.await.unwrap().unwrap();
        }
    }
}

/// Buckets are numbered and counted in one place, which whoever makes one reads and writes.
#[tokio::test]
async fn making_and_dropping_buckets_waits_for_turns_too() {
    for drops in [false, true] {
        let database = database();
        database.session().kv("theirs").unwrap().set(b"x", b"1").await.unwrap();
        let mut session = database.session();
        let work = async |session: &mut Session| {
            add_one(session, b"hot").await.unwrap();
            session.kv("mine").unwrap().set(b"k", b"v").await.unwrap();
        };
        session.begin(Isolation::Serializable).await.unwrap();
        for _ in 0..3 {
            work(&mut session).await;
            database.session().kv("default").unwrap().set(b"hot", b"0").await.unwrap();
            assert_eq!(session.commit().await.unwrap_err().code(), Code::Conflict);
            let retry = session.take_retry().unwrap();
            session.begin_again(Isolation::Serializable, retry).await.unwrap();
        }
        work(&mut session).await;
        let other = database.clone();
        let disturbing = tokio::spawn(async move {
            if drops {
                other.session().drop_bucket("theirs").await.map(|_| ())
            } else {
                other.session().kv("another").unwrap().set(b"k", b"v").await.map(|_| ())
            }
        });
        tokio::task::yield_now().await;
        session.commit().await.unwrap();
        disturbing.await.unwrap().unwrap();
    }
}
