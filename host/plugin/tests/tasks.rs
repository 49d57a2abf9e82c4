//! Plugins that run their own transactions.

use std::sync::Arc;

use mantis_db::disk::MemoryDisk;
use mantis_db::{Database, DiskThreads, Durability, Limits, ManualClock, SeededRandom, StorageOptions};
use mantis_plugin::CallError;
use serde_json::{Value, json};

use crate::logs;
use crate::support::{Fixture, NOW_MS, config, writing};

#[track_caller]
fn check_code(outcome: Result<Value, CallError>, code: &str) {
    match outcome {
        Err(CallError::Plugin(error)) => assert!(error.to_string().contains(&format!("\"{code}\"")), "{error}"),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_transaction_commits_or_leaves_nothing() {
    let fixture = Fixture::with_guest("tasks", &["tasks"]).await;
    assert!(fixture.host.info("tasks").unwrap().own_transactions);
    fixture.set("tasks", "ada", "10").await;
    assert_eq!(fixture.call("tasks/move-amount", json!(["ada", "bob", 4])).await.unwrap(), json!(6));
    check_code(fixture.call("tasks/move-amount", json!(["ada", "bob", 7])).await, "too-little");
    assert_eq!(fixture.text("tasks", "ada").await.as_deref(), Some("6"));
    assert_eq!(fixture.text("tasks", "bob").await.as_deref(), Some("4"));
    fixture.call("tasks/write-and-drop", json!(["key"])).await.unwrap();
    assert_eq!(fixture.text("tasks", "key").await, None);
}

#[tokio::test]
async fn a_commit_and_its_call_report_durability() {
    for (durability, durable) in [(Durability::Always, true), (Durability::Never, false)] {
        let (clock, random) = (Arc::new(ManualClock::new(NOW_MS)), Arc::new(SeededRandom::new(7)));
        let storage = StorageOptions { durability, ..StorageOptions::default() };
        let opened = Database::open_with(Limits::default(), clock, random, Arc::new(MemoryDisk::default()), storage);
        let database = opened.unwrap().0;
        let _threads = DiskThreads::start(database.store(), Box::new(|_| {})).unwrap();
        let fixture = Fixture::over(database, config());
        fixture.install("tasks", writing(&["tasks"])).await;
        fixture.install("procedures", writing(&["tasks"])).await;
        let call = async |plugin: &str, function: &str, arguments: Value| {
            let called = fixture.host.call(plugin, function, arguments).await.unwrap();
            (called.value, called.committed.version, called.committed.durable)
        };
        // Before the first commit there is none to name.
        assert_eq!(call("tasks", "answer", json!([])).await, (json!(42), 0, false));
        let written = json!({ "version": 1, "durable": durable });
        assert_eq!(call("tasks", "read-then-write", json!(["key"])).await, (written, 1, durable));
        // A procedure is a commit itself; where it wrote nothing it names the newest.
        assert_eq!(call("procedures", "set", json!(["tasks", "a", "1"])).await, (Value::Null, 2, durable));
        assert_eq!(call("procedures", "get", json!(["tasks", "a"])).await, (json!("1"), 2, durable));
        assert_eq!(call("procedures", "read-modify-write", json!(["tasks", "a"])).await, (json!(2), 3, durable));
        assert_eq!(call("tasks", "answer", json!([])).await, (json!(42), 3, durable));
    }
}

/// The call is not wrapped: what was written on its own stays.
#[tokio::test]
async fn an_error_undoes_nothing() {
    let fixture = Fixture::with_guest("tasks", &["tasks"]).await;
    fixture.call("tasks/write-and-fail", json!(["key"])).await.unwrap_err();
    assert_eq!(fixture.text("tasks", "key").await.as_deref(), Some("stays"));
}

#[tokio::test]
async fn a_bucket_ends_with_its_transaction() {
    let fixture = Fixture::with_guest("tasks", &["tasks"]).await;
    check_code(fixture.call("tasks/use-after-commit", json!([])).await, "transaction-not-open");
}

#[tokio::test]
async fn open_transactions_are_bounded_and_end_with_the_call() {
    let fixture = Fixture::new();
    fixture.install("tasks", writing(&["tasks"]).reuse(true)).await;
    assert_eq!(fixture.call("tasks/leave-open", json!([4])).await.unwrap(), json!(4));
    check_code(fixture.call("tasks/leave-open", json!([5])).await, "transactions-too-many");
    assert_eq!(fixture.call("tasks/leave-open", json!([4])).await.unwrap(), json!(4));
}

/// The plugin gets the conflict; the host does not run it again.
#[tokio::test]
async fn a_conflict_is_the_plugins_to_handle() {
    let fixture = Fixture::new();
    fixture.install_as("tasks-lose", "tasks", writing(&["tasks"])).await;
    let database = fixture.database.clone();
    logs::on_line("tasks-lose", move |_| logs::increment_at_once(&database, "tasks", "key"));
    check_code(fixture.call("tasks-lose/read-then-write", json!(["key"])).await, "conflict");
    assert_eq!(fixture.text("tasks", "key").await.as_deref(), Some("1"));
    assert_eq!(fixture.host.stats().total.conflicts_retried, 0);
}

#[tokio::test]
async fn they_never_run_on_the_callers_thread() {
    let fixture = Fixture::with_guest("tasks", &["tasks"]).await;
    for _ in 0..100 {
        fixture.call("tasks/answer", json!([])).await.unwrap();
    }
    let total = fixture.host.stats().total;
    assert_eq!((total.inline_runs, total.thread_runs), (0, 100));
}
