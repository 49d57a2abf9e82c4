//! Hostile plugins harm no other plugin. The table lists every guest in `guest/faults`; a test fails for one that is missing.

use std::collections::BTreeSet;
use std::time::Duration;

use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{Input, RowBatch, WriteOptions};
use mantis_db::{Access, Grants};
use mantis_plugin::{CallError, HostConfig, Limit, PluginLimits, PluginOptions};
use serde_json::{Value, json};

use crate::support::{Fixture, config, guest_folder, writing};

enum Outcome {
    /// It is answered.
    Returns(Value),
    /// It traps; the reason holds this.
    Traps(&'static str),
    /// It reaches a limit.
    Limit(Limit),
    /// It reaches its deadline.
    Deadline,
    /// The guest gets an error of this code, and returns it.
    Code(&'static str),
    /// The host gives up running it again.
    Conflict,
}

use Outcome::{Code, Conflict, Deadline, Returns, Traps};

type Case = (&'static str, &'static str, Value, Outcome);

const DEADLINE_MS: u64 = 300;

fn cases() -> Vec<Case> {
    let mib = 1 << 20;
    let odd = |kind: &'static str, writes: bool, outcome: Outcome| {
        ("misuse-tables", "odd-value", json!([kind, writes]), outcome)
    };
    let odd_values = [
        odd("timestamp", true, Code("22008")),
        odd("late-timestamp", true, Code("22008")),
        odd("time", true, Code("22008")),
        odd("late-time", true, Code("22008")),
        odd("date", true, Code("22008")),
        odd("late-date", true, Code("22008")),
        odd("numeric", true, Code("22003")),
        odd("json", true, Code("54000")),
        odd("array", true, Code("54000")),
        odd("text", true, Code("22021")),
        odd("timestamp", false, Returns(json!(0))),
        odd("late-timestamp", false, Returns(json!(0))),
        odd("time", false, Code("22008")),
        odd("late-time", false, Code("22008")),
        odd("date", false, Code("22008")),
        odd("late-date", false, Code("22008")),
        odd("numeric", false, Code("22003")),
        odd("json", false, Code("54000")),
        odd("array", false, Code("54000")),
        odd("text", false, Code("22021")),
    ];
    let mut cases = vec![
        ("trap", "panic-after-write", json!([]), Traps("unreachable")),
        ("trap", "divide-by-zero", json!([0]), Traps("unreachable")),
        ("trap", "read-out-of-bounds", json!([]), Traps("out of bounds")),
        ("spin", "forever", json!([]), Deadline),
        ("spin", "after-write", json!([]), Deadline),
        ("spin", "in-host-calls", json!([]), Deadline),
        ("spin", "in-walks", json!([]), Deadline),
        ("over-allocate", "until-death", json!([]), Outcome::Limit(Limit::Memory)),
        ("hoard-handles", "open", json!([64]), Returns(json!(64))),
        ("hoard-handles", "open", json!([65]), Code("handles-too-many")),
        ("hoard-handles", "leak", json!([1_000_000]), Code("handles-too-many")),
        ("hoard-handles", "open-and-close", json!([10_000]), Returns(json!(10_000))),
        ("flood-logs", "lines", json!([1_000]), Returns(json!(null))),
        ("flood-logs", "one-line", json!([mib]), Returns(json!(null))),
        ("flood-logs", "forged", json!([]), Returns(json!(null))),
        ("recurse", "deep", json!([10]), Returns(json!(1))),
        ("recurse", "deep", json!([1_000_000_000]), Outcome::Limit(Limit::Stack)),
        ("recurse", "deep-host-call", json!([1_000]), Returns(json!(1))),
        ("hand-over-too-much", "text", json!([32 * mib]), Outcome::Limit(Limit::Value)),
        ("hand-over-too-much", "switches", json!([mib]), Outcome::Limit(Limit::Value)),
        ("hand-over-too-much", "key", json!([4_096]), Returns(json!(null))),
        ("hand-over-too-much", "key", json!([4_097]), Code("key-too-long")),
        ("hand-over-too-much", "key", json!([32 * mib]), Outcome::Limit(Limit::Value)),
        ("hand-over-too-much", "value", json!([16 * mib + 1]), Code("value-too-large")),
        ("hand-over-too-much", "keys", json!([1_001]), Code("keys-too-many")),
        ("hand-over-too-much", "batch", json!([10_001]), Code("operations-too-many")),
        ("hand-over-too-much", "page", json!([0]), Code("limit-out-of-range")),
        ("hand-over-too-much", "page", json!([1_001]), Code("limit-out-of-range")),
        ("hand-over-too-much", "random", json!([4_096]), Returns(json!(null))),
        ("hand-over-too-much", "random", json!([u32::MAX]), Outcome::Limit(Limit::Random)),
        ("hand-over-too-much", "reads", json!([20]), Returns(json!(null))),
        ("hand-over-too-much", "reads", json!([100]), Outcome::Limit(Limit::Transfer)),
        ("misuse-tables", "hoard", json!([32]), Returns(json!(32))),
        ("misuse-tables", "hoard", json!([33]), Code("handles-too-many")),
        ("misuse-tables", "pages", json!([1, false]), Returns(json!(ROWS))),
        ("misuse-tables", "pages", json!([1, true]), Returns(json!(ROWS))),
        ("misuse-tables", "pages", json!([100, false]), Code("54000")),
        ("misuse-tables", "pages", json!([100, true]), Code("54000")),
        ("misuse-tables", "far-page", json!([]), Returns(json!(0))),
        ("misuse-tables", "long-query", json!([20_000]), Deadline),
        ("misuse-tables", "long-writes", json!([]), Deadline),
        ("misuse-tables", "arguments", json!([100]), Returns(json!(1))),
        ("misuse-tables", "arguments", json!([101]), Code("54000")),
        ("misuse-tables", "long-filter", json!([mib - 3]), Returns(json!(0))),
        ("misuse-tables", "long-filter", json!([mib - 2]), Code("54000")),
        ("misuse-tables", "long-filter", json!([32 * mib]), Outcome::Limit(Limit::Value)),
        ("misuse-tables", "deep-filter", json!([10_000]), Code("54000")),
        ("misuse-tables", "many-filters", json!([1_000]), Returns(json!(0))),
        ("misuse-tables", "empty-rows", json!([100]), Code("23502")),
        ("misuse-tables", "empty-rows", json!([2 * mib]), Outcome::Limit(Limit::Value)),
        ("misuse-tables", "odd-rows", json!([false]), Code("42601")),
        ("misuse-tables", "odd-rows", json!([true]), Code("42701")),
        ("always-conflict", "pretend", json!([]), Conflict),
    ];
    cases.extend(odd_values);
    cases
}

/// Rows of the table `faults`, and bytes of the text of each.
const ROWS: usize = 2_000;
const TEXT_BYTES: usize = 1_000;

/// The table that guests misuse.
async fn fill_table(fixture: &Fixture) {
    let document = r#"{"columns": [
        {"name": "id", "type": "bigint"}, {"name": "text", "type": "text"}, {"name": "timestamp", "type": "timestamp"},
        {"name": "time", "type": "time"}, {"name": "date", "type": "date"}, {"name": "numeric", "type": "numeric"},
        {"name": "json", "type": "jsonb"}, {"name": "array", "type": "integer[]"}
    ], "primary_key": ["id"]}"#;
    let mut session = fixture.database.session();
    session.create_table("faults", &TableDocument::read(document.as_bytes()).unwrap()).await.unwrap();
    let text = "x".repeat(TEXT_BYTES);
    let rows = (0..ROWS).map(|id| [Input::Text(id.to_string().into()), Input::Text((&*text).into())]);
    let batch = RowBatch::of_rows(vec!["id".into(), "text".into()], rows).unwrap();
    let mut rows = session.rows("faults", fixture.database.environment_utc());
    rows.insert(&mantis_db::tables::Query::default(), &batch, &WriteOptions::default(), None).await.unwrap();
}

#[test]
fn every_fault_has_a_test() {
    let folders = std::fs::read_dir(guest_folder().join("faults")).unwrap();
    let guests: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let tested: BTreeSet<_> = cases().iter().map(|case| case.0.to_owned()).collect();
    assert_eq!(guests, tested, "guest/faults on the left, the table of this test on the right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_contained() {
    let fixture = Fixture::with(HostConfig {
        memory_bytes_max: 80 << 20,
        value_bytes_max: 20 << 20,
        transfer_bytes_max: 50 << 20,
        ..config()
    });
    fill_table(&fixture).await;
    let counters = writing(&["counters"]);
    fixture.install("counter", counters).await;
    let mut unexpected = Vec::new();
    for (calls, (guest, function, arguments, expected)) in (1..).zip(cases()) {
        // Only faults that never end have a deadline, which a busy machine may miss.
        let call_deadline_ms = matches!(expected, Deadline).then_some(DEADLINE_MS);
        let limits = PluginLimits { call_deadline_ms, ..PluginLimits::default() };
        let grants = Grants::none().bucket("faults", Access::Write).table("faults", Access::Write);
        fixture.install(guest, PluginOptions::new(grants).limits(limits)).await;
        let outcome = fixture.host.call(guest, function, arguments.clone()).await;
        let place = format!("{guest}/{function}{arguments}");
        let outcome = outcome.map(|called| called.value);
        if !is_expected(&outcome, &expected) {
            unexpected.push(format!("{place}: {outcome:?}"));
        }
        // Other plugins work on, and the fault's writes are undone.
        assert_eq!(
            fixture.call("counter/increment", json!(["calls", 1])).await.unwrap(),
            json!(calls),
            "after {place}"
        );
        assert_eq!(fixture.text("faults", "written").await, None, "after {place}");
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    // A call that was cut off gives its session back when the guest has stopped.
    for _ in 0..1_000 {
        if fixture.sessions.stats().active == 0 && fixture.host.stats().calls_active == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fixture.sessions.stats().active, 0, "every session came back");
    assert_eq!(fixture.host.stats().calls_active, 0);
}

/// Whether a call ended as it should.
fn is_expected(outcome: &Result<Value, CallError>, expected: &Outcome) -> bool {
    match (outcome, expected) {
        (Ok(value), Returns(expected)) => value == expected,
        (Err(CallError::Trap { reason }), Traps(part)) => reason.contains(part),
        (Err(CallError::Limit { limit, .. }), Outcome::Limit(expected)) => limit == expected,
        (Err(CallError::Deadline { deadline_ms }), Deadline) => *deadline_ms == DEADLINE_MS,
        (Err(CallError::Conflict { attempts }), Conflict) => *attempts == 9,
        (Err(CallError::Plugin(error)), Code(code)) => {
            let failure = error.as_object().and_then(|error| error.values().next());
            failure.and_then(|failure| failure["code"].as_str()) == Some(*code)
        }
        _ => false,
    }
}

/// A refused allocation that the guest bears is no fault.
#[tokio::test]
async fn memory_is_bounded_for_well_behaved_guests_too() {
    let fixture = Fixture::new();
    let limits = PluginLimits { memory_bytes_max: Some(16 << 20), ..PluginLimits::default() };
    fixture.install("over-allocate", writing(&[]).limits(limits)).await;
    let mib = fixture.call("over-allocate/politely", json!([])).await.unwrap();
    assert!((10..=16).contains(&mib.as_u64().unwrap()), "{mib} MiB");
}

/// Guests spin on every thread that their plugin gets while other calls and the database continue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_guest_does_not_stop_others() {
    let fixture = Fixture::with(HostConfig { guest_threads: 3, ..config() });
    fixture.install("counter", writing(&["counters"])).await;
    fixture.install("spin", writing(&["faults"])).await;
    let spinning: Vec<_> = (0..4)
        .map(|_| {
            let host = fixture.host.clone();
            tokio::spawn(async move { host.call("spin", "after-write", json!([])).await })
        })
        .collect();
    while fixture.host.info("spin").unwrap().statistics.thread_runs < 2 {
        tokio::task::yield_now().await;
    }
    for call in 1..=50 {
        fixture.set("others", "key", "value").await;
        assert_eq!(fixture.call("counter/increment", json!(["calls", 1])).await.unwrap(), json!(call));
    }
    assert!(spinning.iter().all(|call| !call.is_finished()), "they spin all the while");
    for call in spinning {
        call.abort();
        let _ = call.await;
    }
    while fixture.sessions.stats().active > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fixture.text("faults", "written").await, None);
}

/// What has proved quick runs on the caller's thread, for no longer than its slice.
#[tokio::test]
async fn a_quick_function_that_turns_slow_moves_to_a_thread() {
    let fixture = Fixture::with_guest("spin", &[]).await;
    let call = |rounds: u64| fixture.call("spin/rounds", json!([rounds]));
    // The machine may be slow at times: calls until one has run here.
    while fixture.host.stats().total.inline_runs == 0 {
        call(1).await.unwrap();
    }
    let before = fixture.host.stats().total;
    assert!(before.thread_runs >= 16, "it has to prove itself first: {before:?}");
    // Quick again, in case that one was interrupted.
    while fixture.host.stats().total.inline_runs == before.inline_runs {
        call(1).await.unwrap();
    }
    let mut interrupted = fixture.host.stats().total.inline_interrupted;
    loop {
        let slow = call(20_000_000).await.unwrap();
        let total = fixture.host.stats().total;
        assert_eq!(slow, json!(0));
        if total.inline_interrupted > interrupted {
            break;
        }
        interrupted = total.inline_interrupted;
        for _ in 0..32 {
            call(1).await.unwrap();
        }
    }
    let inline_runs = fixture.host.stats().total.inline_runs;
    call(1).await.unwrap();
    assert_eq!(fixture.host.stats().total.inline_runs, inline_runs, "it has to prove itself again");
}

/// The queue is bounded; a call that finds it full fails at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_busy() {
    let fixture = Fixture::with(HostConfig { guest_threads: 1, queue_max: 1, ..config() });
    let limits = PluginLimits { call_deadline_ms: Some(1_000), ..PluginLimits::default() };
    fixture.install("spin", writing(&[]).limits(limits)).await;
    let spin = || {
        let host = fixture.host.clone();
        tokio::spawn(async move { host.call("spin", "forever", json!([])).await })
    };
    let first = spin();
    while fixture.host.stats().total.thread_runs < 1 {
        tokio::task::yield_now().await;
    }
    let second = spin();
    while fixture.host.stats().calls_queued < 1 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(fixture.call("spin/forever", json!([])).await, Err(CallError::Busy(_))));
    // Waiting counts: the second reaches its deadline although it hardly ran.
    for outcome in [first, second] {
        assert!(matches!(outcome.await.unwrap(), Err(CallError::Deadline { .. })));
    }
}

/// A caller that goes away stops its guest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_call_ends() {
    let fixture = Fixture::with_guest("spin", &["faults"]).await;
    let host = fixture.host.clone();
    let call = tokio::spawn(async move { host.call("spin", "after-write", json!([])).await });
    while fixture.host.stats().total.thread_runs < 1 {
        tokio::task::yield_now().await;
    }
    call.abort();
    let _ = call.await;
    while fixture.sessions.stats().active > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fixture.host.stats().total.abandoned, 1);
    assert_eq!(fixture.text("faults", "written").await, None);
}
