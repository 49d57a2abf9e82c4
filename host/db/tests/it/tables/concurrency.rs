//! Many writers at once: constraints hold under both isolations, and a single statement never meets 40001.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mantis_db::tables::{Resolution, TableResult, WriteOptions};
use mantis_db::{Database, Isolation, Limits, SeededRandom, Session};

use super::support::{Answer, check_tables, create, delete, get, patch, post};
use crate::support::now;

const TASKS: u64 = 16;

/// How many times as much is done: 16 make ten thousand upserts of one row.
fn torture() -> u64 {
    std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap())
}

const PARENT: &str = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"n","type":"bigint"}],
  "primary_key":["id"]}"#;
const CHILD: &str = r#"{"columns":[{"name":"id","type":"bigint","identity":true},{"name":"parent","type":"integer"}],
  "primary_key":["id"],"indexes":[{"columns":["parent"]}],
  "foreign_keys":[{"columns":["parent"],"references":{"table":"parent","columns":["id"]}}]}"#;
const COUNTER: &str = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"n","type":"integer"},
    {"name":"by","type":"text"}],
  "primary_key":["id"],"indexes":[{"columns":["n"]}],"unique":[["by"]]}"#;

/// A clock of its own, so that turns can wake who waits.
struct Moving(std::time::Instant);

impl mantis_db::Clock for Moving {
    fn now_ms(&self) -> u64 {
        1_000_000 + self.monotonic_us() / 1_000
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
}

fn database() -> Database {
    let clock = Arc::new(Moving(std::time::Instant::now()));
    Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(5))).unwrap()
}

/// Runs `work` in 16 threads, each with its number and a session.
fn in_threads(database: &Database, work: impl Fn(u64, &mut Session) + Sync) {
    std::thread::scope(|scope| {
        for task in 0..TASKS {
            let (work, mut session) = (&work, database.session());
            scope.spawn(move || work(task, &mut session));
        }
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A few of these may happen, and nothing else.
#[track_caller]
fn allow(answer: TableResult<Answer>, allowed: &[&str]) -> bool {
    match answer {
        Ok(answer) => answer.written.affected > 0,
        Err(error) if allowed.contains(&error.code) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn no_child_is_left_without_its_parent() {
    let (orphaned, placed) = (AtomicU64::new(0), AtomicU64::new(0));
    for action in ["no action", "cascade", "set null"] {
        race_parents_and_children(action, &orphaned, &placed);
    }
    assert!(orphaned.into_inner() > 0 && placed.into_inner() > 0, "parents went and children came");
}

fn race_parents_and_children(action: &str, orphaned: &AtomicU64, placed: &AtomicU64) {
    for isolation in [None, Some(Isolation::Snapshot), Some(Isolation::Serializable)] {
        let database = database();
        let mut session = database.session();
        create(&mut session, "parent", PARENT);
        let on_delete = format!(r#"]}},"on_delete":"{action}"}}]}}"#);
        create(&mut session, "child", &CHILD.replace("]}}]}", &on_delete));
        in_threads(&database, |task, session| {
            block_on(async {
                let options = WriteOptions::default();
                for round in 0..60_u64 {
                    let parent = (task * 7 + round) % 3;
                    if let Some(isolation) = isolation {
                        session.begin(isolation).await.unwrap();
                    }
                    let counted = match (task + round) % 4 {
                        0 => {
                            let upsert = WriteOptions { resolution: Resolution::Merge, ..WriteOptions::default() };
                            let body = format!(r#"{{"id":{parent},"n":{round}}}"#);
                            allow(post(session, "parent", &body, &upsert).await, &[]);
                            None
                        }
                        1 => {
                            let answer = delete(session, &format!("parent?id=eq.{parent}"), &options).await;
                            allow(answer, &["23503"]).then_some(&orphaned)
                        }
                        2 => {
                            let answer = post(session, "child", &format!(r#"{{"parent":{parent}}}"#), &options).await;
                            allow(answer, &["23503"]).then_some(&placed)
                        }
                        _ => {
                            allow(delete(session, &format!("child?parent=eq.{parent}"), &options).await, &[]);
                            None
                        }
                    };
                    // Others come in between.
                    std::thread::yield_now();
                    let is_done = isolation.is_none() || session.commit().await.is_ok();
                    if let Some(counter) = counted.filter(|_| is_done) {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        });
        check_tables(&database);
    }
}

#[test]
fn a_read_is_planned_while_a_writer_holds_the_lock() {
    let database = database();
    let mut session = database.session();
    create(&mut session, "counter", COUNTER);
    let rows = |ids: std::ops::Range<u32>| ids.map(|id| format!(r#"{{"id":{id},"n":{}}}"#, id % 7)).collect::<Vec<_>>();
    block_on(post(&mut session, "counter", &format!("[{}]", rows(1..50).join(",")), &WriteOptions::default())).unwrap();
    let mut reader = database.session();
    let outcome = database.store().exclusively(|_| {
        // In a thread of its own, whose end is waited for: it would never come.
        let read =
            std::thread::scope(|scope| scope.spawn(|| get(&mut reader, "counter?n=eq.3&id=lt.9&select=id")).join());
        read.map_err(drop)
    });
    assert_eq!(outcome.unwrap().0, r#"[{"id":3}]"#);
}

#[test]
fn upserts_of_one_row_and_updates_that_overlap_meet_no_conflict() {
    let database = database();
    create(&mut database.session(), "counter", COUNTER);
    let updated = AtomicU64::new(0);
    in_threads(&database, |task, session| {
        block_on(async {
            let upsert = WriteOptions { resolution: Resolution::Merge, ..WriteOptions::default() };
            for round in 0..40 * torture() {
                let body = format!(r#"{{"id":1,"n":{}}}"#, task * 100 + round);
                allow(post(session, "counter", &body, &upsert).await, &[]);
                let body =
                    format!(r#"[{{"id":{},"n":{round}}},{{"id":{},"n":{round}}}]"#, 10 + task, 10 + (task + 1) % TASKS);
                allow(post(session, "counter", &body, &upsert).await, &[]);
                let (body, plain) = (format!(r#"{{"n":{round}}}"#), WriteOptions::default());
                let answer = patch(session, "counter?n=gte.0", &body, &plain).await.unwrap();
                updated.fetch_add(answer.written.affected, Ordering::Relaxed);
            }
        });
    });
    assert_eq!(check_tables(&database), TASKS + 1);
    assert!(updated.into_inner() >= TASKS * 40 * torture());
}

#[test]
fn a_unique_key_goes_to_exactly_one() {
    for isolation in [None, Some(Isolation::Snapshot), Some(Isolation::Serializable)] {
        let database = database();
        create(&mut database.session(), "counter", COUNTER);
        let taken = AtomicU64::new(0);
        in_threads(&database, |task, session| {
            block_on(async {
                for round in 0..40_u64 {
                    let body = format!(r#"{{"id":{},"by":"round {round}"}}"#, task * 1_000 + round);
                    if let Some(isolation) = isolation {
                        session.begin(isolation).await.unwrap();
                    }
                    let is_new = allow(post(session, "counter", &body, &WriteOptions::default()).await, &["23505"]);
                    if is_new && (isolation.is_none() || session.commit().await.is_ok()) {
                        taken.fetch_add(1, Ordering::Relaxed);
                    } else {
                        session.rollback();
                    }
                }
            });
        });
        let rows = check_tables(&database);
        assert_eq!(rows, taken.into_inner(), "{isolation:?}");
        assert!(isolation.is_some() || rows == 40, "without a transaction nobody gives up");
    }
}

/// Two transactions, each with one statement that succeeds, of which the first commits; whether the second one may.
#[track_caller]
fn check_pair(first: &str, second: &str, both: bool) {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let database = database();
        let mut session = database.session();
        create(&mut session, "parent", PARENT);
        create(&mut session, "child", CHILD);
        let options = WriteOptions::default();
        now(post(&mut session, "parent", r#"[{"id":1},{"id":2}]"#, &options)).unwrap();
        let mut sessions = [database.session(), database.session()];
        for session in &mut sessions {
            now(session.begin(isolation)).unwrap();
        }
        for (session, statement) in sessions.iter_mut().zip([first, second]) {
            let (method, rest) = statement.split_once(' ').unwrap();
            let (target, body) = rest.split_once(' ').unwrap_or((rest, ""));
            match method {
                "POST" => now(post(session, target, body, &options)).unwrap(),
                "PATCH" => now(patch(session, target, body, &options)).unwrap(),
                _ => now(delete(session, target, &options)).unwrap(),
            };
        }
        let [first_outcome, second_outcome] = sessions.each_mut().map(|session| now(session.commit()).is_ok());
        assert_eq!((first_outcome, second_outcome), (true, both), "{isolation:?}: {first}, then {second}");
        check_tables(&database);
    }
}

#[test]
fn of_two_transactions_that_would_break_a_constraint_together_the_second_conflicts() {
    let child = r#"POST child {"parent":1}"#;
    for parent in ["DELETE parent?id=eq.1", "DELETE parent", r#"PATCH parent?id=eq.1 {"id":7}"#] {
        check_pair(child, parent, false);
        check_pair(parent, child, false);
    }
    check_pair(r#"POST parent {"id":7}"#, r#"PATCH parent?id=eq.2 {"id":7}"#, false);
    check_pair(child, child, true);
    // Children need their parent, whatever its other columns are.
    check_pair(r#"PATCH parent?id=eq.1 {"n":1}"#, child, true);
    check_pair(child, r#"PATCH parent?id=eq.1 {"n":1}"#, true);
    check_pair(child, "DELETE parent?id=eq.2", true);
    check_pair(r#"PATCH parent?id=eq.1 {"n":1}"#, r#"PATCH parent?id=eq.2 {"n":1}"#, true);
}
