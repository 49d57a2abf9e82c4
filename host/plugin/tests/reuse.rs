//! Instances outlive a call only with `reuse`.

use mantis_plugin::{CallError, PluginLimits};
use serde_json::json;

use crate::support::{Fixture, writing};

#[tokio::test]
async fn memory_is_fresh_unless_reuse_is_asked_for() {
    let fixture = Fixture::new();
    for (name, reuse, counts) in [("fresh", false, [1, 1, 1]), ("warm", true, [1, 2, 3])] {
        fixture.install_as(name, "procedures", writing(&["kept"]).reuse(reuse)).await;
        for count in counts {
            let got = fixture.host.call(name, "calls-of-this-instance", json!([])).await.unwrap().value;
            assert_eq!(got, json!(count), "{name}");
        }
        assert_eq!(fixture.host.info(name).unwrap().statistics.instances_warm, u64::from(reuse));
    }
}

#[tokio::test]
async fn a_trapped_instance_is_never_used_again() {
    let fixture = Fixture::new();
    fixture.install("trap", writing(&[]).reuse(true)).await;
    let count = async |trap: bool| fixture.call("trap/count", json!([trap])).await;
    assert_eq!(count(false).await.unwrap(), json!(1));
    assert_eq!(count(false).await.unwrap(), json!(2));
    assert!(matches!(count(true).await, Err(CallError::Trap { .. })));
    assert_eq!(fixture.host.info("trap").unwrap().statistics.instances_warm, 0);
    assert_eq!(count(false).await.unwrap(), json!(1));
}

/// What a call leaves open ends with its instance: a leak never adds up over calls.
#[tokio::test]
async fn an_instance_with_leftovers_is_thrown_away() {
    for (guest, function, argument, bucket) in [
        ("hoard-handles", "leak", json!([40]), "faults"),
        ("hoard-handles", "leak", json!([1]), "faults"),
        ("tasks", "leave-open", json!([4]), "tasks"),
        ("tasks", "leave-open", json!([1]), "tasks"),
        ("procedures", "keep-handle", json!([]), "kept"),
    ] {
        let fixture = Fixture::new();
        fixture.install(guest, writing(&[bucket]).reuse(true)).await;
        let first = fixture.host.call(guest, function, argument.clone()).await.unwrap().value;
        for call in 2..=100_u64 {
            let value = fixture.host.call(guest, function, argument.clone()).await.unwrap().value;
            assert_eq!(value, first, "{guest}/{function}{argument}");
            let statistics = fixture.host.info(guest).unwrap().statistics;
            assert_eq!((statistics.leftovers, statistics.instances_warm), (call, 0), "{guest}/{function}{argument}");
        }
    }
}

/// One that closes what it opened is kept.
#[tokio::test]
async fn an_instance_without_leftovers_is_kept() {
    let fixture = Fixture::new();
    fixture.install("hoard-handles", writing(&["faults"]).reuse(true)).await;
    for _ in 0..100 {
        fixture.call("hoard-handles/open-and-close", json!([64])).await.unwrap();
    }
    let statistics = fixture.host.info("hoard-handles").unwrap().statistics;
    assert_eq!((statistics.leftovers, statistics.instances_warm), (0, 1));
}

/// A limit in one call is an error of that call, and the next begins anew.
#[tokio::test]
async fn a_limit_in_a_new_instance_is_the_calls_own() {
    let fixture = Fixture::new();
    fixture.install("hoard-handles", writing(&["faults"]).reuse(true)).await;
    for _ in 0..3 {
        let error = fixture.call("hoard-handles/leak", json!([65])).await.unwrap_err();
        assert!(error.to_string().contains("handles-too-many"), "{error}");
    }
    assert_eq!(fixture.call("hoard-handles/open", json!([64])).await.unwrap(), json!(64));
    assert_eq!(fixture.host.info("hoard-handles").unwrap().statistics.worn_out_retried, 0);
}

/// A component whose memory grows by a number of pages at each call, and stays: the answer is the size before, or -1.
fn growing(memories: usize) -> Vec<u8> {
    let more = "(core instance (instantiate $more))".repeat(memories - 1);
    wat::parse_str(format!(
        r#"(component
            (core module $more (memory 1))
            {more}
            (core module $m (memory 1)
                (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))
            (core instance $i (instantiate $m))
            (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow"))))"#
    ))
    .unwrap()
}

/// Memory that earlier calls leaked is no limit of this one.
#[tokio::test]
async fn memory_that_earlier_calls_leaked_costs_the_instance() {
    let fixture = Fixture::new();
    let limits = PluginLimits { memory_bytes_max: Some(16 << 16), ..PluginLimits::default() };
    let options = writing(&[]).limits(limits).reuse(true);
    fixture.host.install("growing", growing(1).into(), options).await.unwrap();
    let grow = async |pages: u32| fixture.call("growing/grow", json!([pages])).await.unwrap();
    let statistics = || fixture.host.info("growing").unwrap().statistics;
    assert_eq!(grow(11).await, json!(1));
    assert_eq!((statistics().leftovers, statistics().instances_warm), (0, 1), "12 of 16 pages are not near the limit");
    assert_eq!(grow(11).await, json!(1), "12 and 11 are too many, but not in a new instance");
    assert_eq!(statistics().worn_out_retried, 1);
    assert_eq!((statistics().leftovers, statistics().instances_warm), (1, 0), "the old one is of no more use");
    assert_eq!(grow(12).await, json!(1));
    assert_eq!((statistics().leftovers, statistics().instances_warm), (2, 0), "13 of 16 pages are near the limit");
    assert_eq!(grow(16).await, json!(-1), "a new instance has not so much either");
    assert_eq!(statistics().worn_out_retried, 1);
}

#[tokio::test]
async fn the_memories_of_an_instance_are_bounded_together() {
    let fixture = Fixture::new();
    let limits = PluginLimits { memory_bytes_max: Some(16 << 16), ..PluginLimits::default() };
    fixture.host.install("growing", growing(3).into(), writing(&[]).limits(limits)).await.unwrap();
    assert_eq!(fixture.call("growing/grow", json!([13])).await.unwrap(), json!(1));
    assert_eq!(fixture.call("growing/grow", json!([14])).await.unwrap(), json!(-1));
}

/// More callers than warm instances get fresh ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_instances_are_bounded() {
    let fixture = Fixture::with(mantis_plugin::HostConfig { warm_instances_max: 1, ..crate::support::config() });
    fixture.install("procedures", writing(&["kept"]).reuse(true)).await;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let host = fixture.host.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    host.call("procedures", "calls-of-this-instance", json!([])).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(fixture.host.info("procedures").unwrap().statistics.instances_warm <= 1);
    fixture.host.maintain().await;
}

/// The instances of a plugin that is removed or replaced make room for others at once.
#[tokio::test]
async fn a_removed_plugin_closes_its_idle_instances() {
    let fixture = Fixture::with(mantis_plugin::HostConfig { instances_max: 2, ..crate::support::config() });
    let idle = |name: &str| fixture.host.info(name).unwrap().statistics.instances_warm;
    for name in ["first", "second", "second", "second"] {
        fixture.install_as(name, "procedures", writing(&["kept"]).reuse(true)).await;
        assert_eq!(idle(name), 0, "a new {name} has none");
        fixture.host.call(name, "calls-of-this-instance", json!([])).await.unwrap();
        assert_eq!(idle(name), 1, "there is one place, and {name} has it");
        if name == "first" {
            assert!(fixture.host.remove(name));
        }
    }
    assert_eq!(fixture.host.stats().total.instances_warm, 1);
}

/// Only what has been idle for as long as it may be is closed.
#[tokio::test]
async fn idle_instances_are_closed_in_time() {
    let config = mantis_plugin::HostConfig { instance_idle_timeout_ms: 60_000, ..crate::support::config() };
    let fixture = Fixture::with(config);
    fixture.install("procedures", writing(&["kept"]).reuse(true)).await;
    fixture.call("procedures/calls-of-this-instance", json!([])).await.unwrap();
    let idle = async |seconds| {
        tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
        fixture.host.maintain().await;
        fixture.host.info("procedures").unwrap().statistics.instances_warm
    };
    tokio::time::pause();
    assert_eq!([idle(0).await, idle(59).await, idle(1).await], [1, 1, 0]);
}
