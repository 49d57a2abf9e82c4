//! Guests with WASI: what they print reaches the log, clocks and randomness are the database's, and there is nothing else.

use std::time::Duration;

use mantis_plugin::{CallError, HostConfig, Limit};
use serde_json::{Value, json};
use tracing::Level;

use crate::logs::{self, take_lines, take_origins};
use crate::support::{Fixture, NOW_MS, config, writing};

fn info(text: &str) -> (Level, String) {
    (Level::INFO, text.into())
}

fn error(text: &str) -> (Level, String) {
    (Level::ERROR, text.into())
}

/// A host with the guest under a name of its own, by which its lines are found.
async fn fixture(plugin: &str, reuse: bool) -> Fixture {
    logs::start();
    let fixture = Fixture::new();
    fixture.install_as(plugin, "wasi", writing(&["wasi"]).reuse(reuse)).await;
    fixture
}

/// The lines of one call.
async fn lines_of(plugin: &str, function: &str, arguments: Value) -> (Result<Value, CallError>, Vec<(Level, String)>) {
    let fixture = fixture(plugin, false).await;
    let answer = fixture.host.call(plugin, function, arguments).await.map(|called| called.value);
    (answer, take_lines(plugin))
}

#[track_caller]
fn trap(answer: Result<Value, CallError>) -> String {
    match answer {
        Err(CallError::Trap { reason }) => reason,
        other => panic!("no trap: {other:?}"),
    }
}

#[tokio::test]
async fn what_a_guest_prints_is_logged_line_by_line() {
    let parts = json!([
        [true, "one\ntw"],
        [true, "o\n\n"],
        [true, "three \u{1b}[31m\r\nends without "],
        [false, "an error\nand ano"],
        [true, "a line end"],
        [false, "ther"]
    ]);
    let (answer, lines) = lines_of("wasi-prints", "print", json!([parts, false])).await;
    answer.unwrap();
    let expected = [
        info("one"),
        info("two"),
        info("three  [31m"),
        info("ends without a line end"),
        error("an error"),
        error("and another"),
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn what_a_failing_guest_says_last_is_one_record() {
    let parts = json!([
        [true, "before"],
        [false, "Traceback (most recent call last):\n"],
        [false, "  File \"visits.py\", line 3, in visit\n"],
        [false, "ValueError: on purpose"]
    ]);
    let (answer, lines) = lines_of("wasi-fails", "print", json!([parts, true])).await;
    assert!(trap(answer).contains("unreachable"));
    let record = "Traceback (most recent call last):   File \"visits.py\", line 3, in visit ValueError: on purpose";
    assert_eq!(lines, [info("before"), error(record)]);
}

#[tokio::test]
async fn the_message_of_a_panic_is_one_record() {
    let (answer, lines) = lines_of("wasi-panics", "panics", json!([])).await;
    assert!(trap(answer).contains("unreachable"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (level, record) = &lines[0];
    assert_eq!(*level, Level::ERROR);
    assert!(record.contains("panicked at src/lib.rs") && record.contains("on purpose"), "{record}");
}

#[tokio::test]
async fn lines_of_all_ways_keep_their_order() {
    let (answer, lines) = lines_of("wasi-order", "in-order", json!([])).await;
    answer.unwrap();
    assert_eq!(lines, [error("first"), info("second"), error("third"), info("fourth"), info("fifth")]);
}

#[tokio::test]
async fn a_flood_is_cut_as_that_of_log_is() {
    for (plugin, output, level) in [("wasi-flood-out", true, Level::INFO), ("wasi-flood-err", false, Level::ERROR)] {
        let (answer, lines) = lines_of(plugin, "flood", json!([output, 10_000, false])).await;
        answer.unwrap();
        assert_eq!(lines.len(), 101);
        assert_eq!(lines[0], (level, "line 0".into()));
        assert_eq!(lines[99], (level, "line 99".into()));
        assert_eq!(lines[100], (Level::WARN, "9900 more log lines of this call were dropped".into()));
    }
    let (answer, lines) = lines_of("wasi-long-line", "long-line", json!([1_000_000])).await;
    answer.unwrap();
    assert_eq!(lines, [info(&("x".repeat(4_096) + "…"))]);
}

/// A guest that has printed too much still says why it failed, in as much as a line of the log holds.
#[tokio::test]
async fn the_last_words_are_logged_after_a_flood() {
    let (answer, lines) = lines_of("wasi-last-words", "flood", json!([false, 10_000, true])).await;
    trap(answer);
    assert_eq!(lines.len(), 102);
    let (level, record) = &lines[100];
    assert_eq!(*level, Level::ERROR);
    assert!(record.ends_with("line 9998 line 9999") && record.len() <= 4_096, "{record}");
    let (_, dropped) = &lines[101];
    assert!(dropped.ends_with("more log lines of this call were dropped"), "{dropped}");
}

#[tokio::test]
async fn a_line_names_its_function_and_its_request() {
    let fixture = fixture("wasi-traced", true).await;
    let (all, any) = (&|_: &mantis_db::Grants| true, &|_: &Value| true);
    for request in [Some("first"), None] {
        let arguments = json!([[[true, "hello"]], false]);
        fixture.host.call_for(request, "wasi-traced", "print", arguments, all, any).await.unwrap();
    }
    let expected = ["first", ""].map(|request| ("print".to_owned(), request.to_owned()));
    assert_eq!(take_origins("wasi-traced"), expected);
    assert_eq!(take_lines("wasi-traced"), [info("hello"), info("hello")], "an unfinished line ends with its call");
}

#[tokio::test]
async fn a_guest_that_exits_has_not_returned() {
    let fixture = fixture("wasi-exits", true).await;
    for code in [0, 1] {
        let answer = fixture.call("wasi-exits/leave", json!([code])).await;
        assert_eq!(trap(answer), format!("it ended itself with exit code {code}"));
        assert_eq!(take_lines("wasi-exits"), [error("it is over")]);
        assert_eq!(fixture.host.info("wasi-exits").unwrap().statistics.instances_warm, 0);
    }
}

#[tokio::test]
async fn there_are_no_files_no_network_and_no_environment() {
    let fixture = Fixture::with_guest("wasi", &[]).await;
    let found = fixture.call("wasi/look-around", json!([])).await.unwrap();
    let found: Vec<&str> = found.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(found[..3], ["0 arguments", "0 variables", "0 bytes of input"]);
    for line in &found[3..] {
        assert!(!line.ends_with("it worked"), "{found:?}");
    }
    assert!(found.contains(&"connect: permission denied"), "{found:?}");
}

#[tokio::test]
async fn clocks_and_randomness_are_the_databases() {
    let first = Fixture::with_guest("wasi", &[]).await;
    let second = Fixture::with_guest("wasi", &[]).await;
    // The database's clock stands still; a time that was waited for has passed all the same.
    assert_eq!(first.call("wasi/clocks", json!([3])).await.unwrap(), json!([NOW_MS, 3]));
    let random = first.call("wasi/random-bytes", json!([4_096])).await.unwrap();
    second.call("wasi/clocks", json!([0])).await.unwrap();
    let same = second.call("wasi/random-bytes", json!([4_096])).await.unwrap();
    assert_eq!(same, random, "the same seed, the same numbers");
    let beyond = first.call("wasi/random-bytes", json!([4_097])).await;
    assert!(matches!(beyond, Err(CallError::Limit { limit: Limit::Random, .. })), "{beyond:?}");
    assert_eq!(first.call("wasi/hash-map", json!([1_000])).await.unwrap(), json!(499_500));
}

#[tokio::test]
async fn a_guest_that_waits_stays_within_its_deadline() {
    let fixture = Fixture::with(HostConfig { call_deadline_ms: 200, ..config() });
    fixture.install("wasi", writing(&["wasi"])).await;
    for (function, arguments) in [("wasi/rest", json!([3_600_000])), ("wasi/watch-clock", json!([]))] {
        let answer = fixture.call(function, arguments).await;
        assert!(matches!(answer, Err(CallError::Deadline { deadline_ms: 200 })), "{function}: {answer:?}");
    }
    assert_eq!(fixture.text("wasi", "calls").await, None, "it is undone");
    // All threads are free again: as many sleepers as there are threads do not keep a call waiting for ever.
    let sleepers = (0..4).map(|_| fixture.call("wasi/rest", json!([3_600_000])));
    for answer in futures_of(sleepers).await {
        assert!(matches!(answer, Err(CallError::Deadline { .. } | CallError::Busy(_))), "{answer:?}");
    }
    fixture.call("wasi/hash-map", json!([1])).await.unwrap();
}

/// Polls all of them, one after the other, until each is done.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

/// A function that has proved quick runs on its caller's thread, and never sleeps there.
#[tokio::test]
async fn a_guest_never_sleeps_on_its_callers_thread() {
    let fixture = Fixture::with_guest("wasi", &["wasi"]).await;
    let statistics = || fixture.host.info("wasi").unwrap().statistics;
    let mut calls = 0;
    let after = loop {
        let first = statistics();
        while statistics().inline_runs == first.inline_runs {
            calls += 1;
            assert_eq!(fixture.call("wasi/rest", json!([0])).await.unwrap(), json!(calls));
        }
        let before = statistics();
        calls += 1;
        let slept = fixture.call("wasi/rest", json!([2])).await.unwrap();
        assert_eq!(slept, json!(calls), "the run that began is undone");
        let after = statistics();
        // On a busy machine it may have lost its place again meanwhile.
        if after.inline_runs > before.inline_runs {
            assert_eq!(after.inline_interrupted, before.inline_interrupted + 1);
            assert_eq!(after.thread_runs, before.thread_runs + 1);
            break after;
        }
    };
    // Time slept is time used: it never proves quick that way.
    for _ in 0..20 {
        fixture.call("wasi/rest", json!([2])).await.unwrap();
    }
    assert_eq!(statistics().inline_runs, after.inline_runs);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_sleep() {
    let fixture = Fixture::with_guest("wasi", &["wasi"]).await;
    let sleeping = fixture.call("wasi/rest", json!([3_600_000]));
    tokio::time::timeout(Duration::from_millis(100), sleeping).await.unwrap_err();
    // Both threads are free for others, one after the other.
    for _ in 0..4 {
        fixture.call("wasi/hash-map", json!([1])).await.unwrap();
    }
    assert_eq!(fixture.host.info("wasi").unwrap().statistics.abandoned, 1);
}

#[tokio::test]
async fn handles_and_writes_have_bounds() {
    let fixture = Fixture::with_guest("wasi", &[]).await;
    fixture.call("wasi/hoard", json!([200])).await.unwrap();
    let many = fixture.call("wasi/hoard", json!([1_000_000])).await;
    assert!(matches!(many, Err(CallError::Limit { limit: Limit::Handles, .. })), "{many:?}");
    fixture.call("wasi/open-and-close", json!([10_000])).await.unwrap();
    assert!(trap(fixture.call("wasi/wait-for-nothing", json!([])).await).contains("waited for nothing"));
    for zeroes in [false, true] {
        fixture.call("wasi/write-too-much", json!([zeroes, 65_536])).await.unwrap();
        let reason = trap(fixture.call("wasi/write-too-much", json!([zeroes, 65_537])).await);
        assert!(reason.contains("more at once to a stream"), "{reason}");
    }
    let reason = trap(fixture.call("wasi/write-too-much", json!([true, u64::MAX.to_string()])).await);
    assert!(reason.contains("more at once to a stream"), "{reason}");
}

/// A leak never adds up over calls of a warm instance.
#[tokio::test]
async fn a_warm_instance_that_leaks_handles_is_replaced() {
    let fixture = fixture("wasi-leaks", true).await;
    for _ in 0..20 {
        fixture.call("wasi-leaks/hoard", json!([50])).await.unwrap();
    }
    let statistics = fixture.host.info("wasi-leaks").unwrap().statistics;
    assert!(statistics.worn_out_retried > 0, "{statistics:?}");
}

/// Handles of the standard library stay open in a warm instance, and are no leftovers.
#[tokio::test]
async fn a_warm_instance_that_prints_is_kept() {
    let fixture = fixture("wasi-warm", true).await;
    for _ in 0..300 {
        fixture.call("wasi-warm/print", json!([[[true, "out\n"], [false, "err"]], false])).await.unwrap();
    }
    let statistics = fixture.host.info("wasi-warm").unwrap().statistics;
    assert_eq!((statistics.leftovers, statistics.instances_warm), (0, 1), "{statistics:?}");
    assert_eq!(take_lines("wasi-warm").len(), 600);
}

/// What a component imports under names of WASI is linked by name and by type.
#[tokio::test]
async fn imports_of_wasi_that_nobody_has_are_traps_or_refused() {
    let component = |imported: &str| {
        wat::parse_str(format!(
            r#"(component
                {imported}
                (core func $lowered (canon lower (func $imported)))
                (core module $m
                    (import "host" "f" (func $f))
                    (func (export "call") call $f))
                (core instance $i (instantiate $m (with "host" (instance (export "f" (func $lowered))))))
                (func (export "call") (canon lift (core func $i "call"))))"#
        ))
        .unwrap()
    };
    let imported = |interface: &str, function: &str, result: &str| {
        format!(
            r#"(import "{interface}" (instance $w (export "{function}" (func {result}))))
            (alias export $w "{function}" (func $imported))"#
        )
    };
    let fixture = Fixture::new();
    // A function of a later release.
    for interface in ["wasi:cli/exit@0.2.0", "wasi:filesystem/types@0.2.99", "wasi:sockets/tcp-create-socket@0.2.1"] {
        let later = component(&imported(interface, "later", ""));
        fixture.host.install("later", later.into(), writing(&[])).await.unwrap();
        let reason = trap(fixture.call("later/call", json!([])).await);
        assert!(reason.contains("`later`") && reason.contains("does not offer"), "{reason}");
    }
    // A known function of another type.
    let odd = component(&imported("wasi:cli/stdin@0.2.0", "get-stdin", ""));
    let refused = fixture.host.install("odd", odd.into(), writing(&[])).await.unwrap_err().to_string();
    assert!(refused.starts_with("the component does not fit the host's interfaces: "), "{refused}");
    // One that is defined without looking at its type.
    let odd = component(&imported("wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket", ""));
    fixture.host.install("odd", odd.into(), writing(&[])).await.unwrap();
    fixture.call("odd/call", json!([])).await.unwrap();
}

/// The plugin in `tests/toolchains` as other languages' toolchains make components of it. `scripts/toolchains.sh` builds them.
#[tokio::test]
#[ignore = "needs the toolchains of JavaScript and Python: scripts/toolchains.sh"]
async fn components_of_other_toolchains_run_and_print() {
    logs::start();
    let folder = std::path::PathBuf::from(std::env::var_os("MANTISDB_TOOLCHAINS").unwrap());
    let fixture = Fixture::with(HostConfig { compile_timeout_ms: 600_000, ..config() });
    let record = |lines: &[(Level, String)], parts: &[&str]| {
        lines.iter().any(|(level, line)| *level == Level::ERROR && parts.iter().all(|part| line.contains(part)))
    };
    for (plugin, prints) in [("js", true), ("js-stubbed", false), ("py", true), ("py-stubbed", false)] {
        let component = std::fs::read(folder.join(plugin).with_extension("wasm")).unwrap();
        fixture.host.install(plugin, component.into(), writing(&["visits"])).await.unwrap();
        // Printing is a trap in Python with stubs.
        let function = if prints { "visit" } else { "count" };
        for visit in 1..=3 {
            let visits = fixture.call(&format!("{plugin}/{function}"), json!([plugin])).await;
            assert_eq!(visits.unwrap_or_else(|error| panic!("{plugin}: {error}")), visit, "{plugin}");
        }
        trap(fixture.call(&format!("{plugin}/fail"), json!([])).await);
        let lines = take_lines(plugin);
        println!("{plugin}: {lines:?}");
        if prints {
            let found = fixture.call(&format!("{plugin}/look-around"), json!([])).await;
            let found = found.unwrap_or_else(|error| panic!("{plugin}: {error}: {:?}", take_lines(plugin)));
            assert!(found.as_str().unwrap().starts_with(&NOW_MS.to_string()), "{plugin}: {found}");
            assert!(lines.contains(&info(&format!("visit 3 of {plugin}"))), "{plugin}: {lines:?}");
            assert!(lines.contains(&error("to standard error")), "{plugin}: {lines:?}");
            assert!(record(&lines, &["on purpose", "deep", "fail"]), "{plugin}: {lines:?}");
        }
    }
}
