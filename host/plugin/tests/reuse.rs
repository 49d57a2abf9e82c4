//! Instances outlive a call only with `reuse`.

use mantis_plugin::CallError;
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

/// A handle from the call before works on the session of this one, with its grants.
#[tokio::test]
async fn handles_outlive_calls_in_a_warm_instance() {
    let fixture = Fixture::new();
    fixture.install("procedures", writing(&["kept"]).reuse(true)).await;
    assert_eq!(fixture.call("procedures/keep-handle", json!([])).await.unwrap(), json!(false));
    assert_eq!(fixture.call("procedures/keep-handle", json!([])).await.unwrap(), json!(true));
}

/// A leak in one call is a leak in the next: an instance that hoards is of no use to itself alone.
#[tokio::test]
async fn handles_are_bounded_over_all_calls_of_an_instance() {
    let fixture = Fixture::new();
    fixture.install("hoard-handles", writing(&["faults"]).reuse(true)).await;
    fixture.call("hoard-handles/leak", json!([40])).await.unwrap();
    let error = fixture.call("hoard-handles/leak", json!([40])).await.unwrap_err();
    assert!(error.to_string().contains("handles-too-many"), "{error}");
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
