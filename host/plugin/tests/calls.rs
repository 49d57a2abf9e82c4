//! A call is one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};

use mantis_db::disk::MemoryDisk;
use mantis_db::{Database, Grants, Limits, ManualClock, SeededRandom, StorageOptions};
use mantis_plugin::{CallError, HostConfig};
use serde_json::json;

use crate::logs;
use crate::support::{Fixture, NOW_MS, config, writing};

#[tokio::test]
async fn an_error_rolls_back() {
    let fixture = Fixture::with_guest("procedures", &["kept"]).await;
    let error = fixture.call("procedures/set-and-fail", json!(["kept", "key"])).await.unwrap_err();
    assert!(matches!(&error, CallError::Plugin(error) if *error == json!("on purpose")), "{error:?}");
    assert_eq!(fixture.text("kept", "key").await, None);
    fixture.call("procedures/set", json!(["kept", "key", "value"])).await.unwrap();
    assert_eq!(fixture.text("kept", "key").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn a_result_that_is_not_accepted_leaves_nothing() {
    let fixture = Fixture::with_guest("procedures", &["kept"]).await;
    let arguments = || json!(["kept", "key", "value"]);
    let declined = fixture.host.call_if("procedures", "set", arguments(), &|_| true, &|_| false).await;
    assert!(matches!(declined, Err(CallError::Declined)), "{declined:?}");
    assert_eq!(fixture.text("kept", "key").await, None);
    fixture.host.call_if("procedures", "set", arguments(), &|_| true, &serde_json::Value::is_null).await.unwrap();
    assert_eq!(fixture.text("kept", "key").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn a_plugin_whose_grants_are_not_permitted_is_not_called() {
    let fixture = Fixture::with_guest("procedures", &["kept"]).await;
    let declined =
        fixture.host.call_if("procedures", "set", json!(["kept", "key", "value"]), &Grants::is_read_only, &|_| true);
    assert!(matches!(declined.await, Err(CallError::Declined)));
    assert_eq!(fixture.text("kept", "key").await, None);
}

/// What may be stored may be handed to a call, and back.
#[tokio::test]
async fn a_value_of_the_largest_size_goes_through_a_call() {
    let fixture = Fixture::with_guest("procedures", &["kept"]).await;
    let value = "v".repeat(Limits::DEFAULT.value_bytes_max);
    fixture.call("procedures/set", json!(["kept", "key", value])).await.unwrap();
    assert!(fixture.text("kept", "key").await.as_deref() == Some(&*value));
    assert!(fixture.call("procedures/get", json!(["kept", "key"])).await.unwrap() == json!(value));
    let error = fixture.call("procedures/set", json!(["kept", "key", value + "v"])).await.unwrap_err();
    assert!(error.to_string().contains("value-too-large"), "{error}");
}

/// Others write the key just after the guest has read it.
#[tokio::test]
async fn a_lost_call_runs_again() {
    let fixture = Fixture::new();
    fixture.install_as("lost-twice", "procedures", writing(&["numbers"])).await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, database) = (Arc::clone(&runs), fixture.database.clone());
    logs::on_line("lost-twice", move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) < 2 {
            logs::increment_at_once(&database, "numbers", "key");
        }
    });
    let number = fixture.call("lost-twice/read-modify-write", json!(["numbers", "key"])).await.unwrap();
    assert_eq!(number, json!(3), "two others came first");
    assert_eq!(fixture.text("numbers", "key").await.as_deref(), Some("3"));
    let statistics = fixture.host.info("lost-twice").unwrap().statistics;
    assert_eq!((runs.load(Ordering::SeqCst), statistics.conflicts_retried, statistics.calls), (3, 2, 1));
}

#[tokio::test]
async fn a_call_that_always_loses_gives_up() {
    let fixture = Fixture::new();
    fixture.install_as("lost-always", "procedures", writing(&["numbers"])).await;
    let database = fixture.database.clone();
    logs::on_line("lost-always", move |_| logs::increment_at_once(&database, "numbers", "key"));
    let error = fixture.call("lost-always/read-modify-write", json!(["numbers", "key"])).await.unwrap_err();
    assert!(matches!(error, CallError::Conflict { attempts: 9 }), "{error:?}");
    assert_eq!(fixture.text("numbers", "key").await.as_deref(), Some("9"), "the others' writes");
}

/// Reading a number and writing a new one loses no update.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_calls_lose_no_update() {
    const CALLERS: u64 = 4;
    const CALLS: u64 = 50;
    let fixture = Fixture::new();
    fixture.install_as("side-by-side", "procedures", writing(&["numbers"])).await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let host = fixture.host.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < CALLS {
                    match host.call("side-by-side", "read-modify-write", json!(["numbers", "key"])).await {
                        Ok(_) => done += 1,
                        Err(CallError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(fixture.text("numbers", "key").await, Some((CALLERS * CALLS).to_string()));
}

#[tokio::test]
async fn unknown_plugins_and_functions_are_named() {
    let fixture = Fixture::with_guest("counter", &["counters"]).await;
    let error = fixture.call("nobody/value", json!([])).await.unwrap_err();
    assert!(matches!(&error, CallError::PluginNotFound(name) if name == "nobody"), "{error:?}");
    let error = fixture.call("counter/nothing", json!([])).await.unwrap_err();
    assert!(matches!(&error, CallError::FunctionNotFound(name) if name == "nothing"), "{error:?}");
}

#[tokio::test]
async fn time_and_randomness_are_the_databases() {
    let fixture = Fixture::with_guest("procedures", &[]).await;
    assert_eq!(fixture.call("procedures/now-ms", json!([])).await.unwrap(), json!(NOW_MS));
    let first = fixture.call("procedures/random", json!([16])).await.unwrap();
    assert_ne!(first, fixture.call("procedures/random", json!([16])).await.unwrap());
}

/// A count covers more keys than one page.
#[tokio::test]
async fn count_exceeds_a_page() {
    let fixture = Fixture::with_guest("procedures", &["kept"]).await;
    for key in 0..2_500 {
        fixture.set("kept", &format!("key-{key}"), "value").await;
    }
    for (prefix, count) in [("key-", 2_500), ("key-1", 1_111), ("other", 0)] {
        assert_eq!(fixture.call("procedures/count", json!(["kept", prefix])).await.unwrap(), json!(count), "{prefix}");
    }
}

#[tokio::test]
async fn a_closed_database_is_named() {
    let fixture = Fixture::with_guest("procedures", &["kept"]).await;
    fixture.database.close_for_writes();
    let error = fixture.call("procedures/set", json!(["kept", "key", "value"])).await.unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(fixture.call("procedures/get", json!(["kept", "key"])).await.unwrap(), json!(null));
}

/// Figures add up, and survive the plugin.
#[tokio::test]
async fn calls_are_counted() {
    let fixture = Fixture::with_guest("trap", &["faults"]).await;
    fixture.call("trap/count", json!([false])).await.unwrap();
    fixture.call("trap/count", json!([true])).await.unwrap_err();
    fixture.call("trap/count", json!(["no"])).await.unwrap_err();
    let statistics = fixture.host.info("trap").unwrap().statistics;
    assert_eq!((statistics.calls, statistics.traps, statistics.errors, statistics.thread_runs), (3, 1, 1, 2));
    assert!(statistics.duration_us_sum >= statistics.duration_us_max);
    assert_eq!(fixture.host.stats().total, statistics);
    assert!(fixture.host.remove("trap"));
    let stats = fixture.host.stats();
    assert_eq!((stats.plugins, stats.total.calls, stats.total.traps), (0, 3, 1));
}

/// Only the test writes the log: a caller that waits for it waits for ever.
#[tokio::test]
async fn an_error_does_not_wait_for_the_commits_of_others() {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let (random, disk) = (Arc::new(SeededRandom::new(7)), Arc::new(MemoryDisk::new()));
    let opened = Database::open_with(Limits::default(), clock, random, disk, StorageOptions::default());
    let fixture = Fixture::over(opened.unwrap().0, HostConfig { call_deadline_ms: 5_000, ..config() });
    fixture.install("counter", writing(&["counters"])).await;
    let store = fixture.database.store().clone();
    let begin = |key: &'static str| {
        let mut session = fixture.database.session();
        let mut set = Box::pin(async move { session.kv("counters")?.set(key.as_bytes(), b"text").await });
        assert!(set.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        set
    };
    let text = begin("text");
    store.flush();
    text.await.unwrap();
    let other = begin("other");
    let inline_runs = || fixture.host.info("counter").unwrap().statistics.inline_runs;
    // Until it runs on the caller's thread too, which a function does that has been quick: not every call is on a busy machine.
    for round in 0..5_000 {
        if round >= 20 && inline_runs() > 0 {
            break;
        }
        let error = fixture.call("counter/increment", json!(["text", 1])).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Plugin(error) if error.to_string().contains("not-an-integer")),
            "{error:?}"
        );
    }
    assert!(inline_runs() > 0);
    store.flush();
    other.await.unwrap();
}
