//! Plugins that the database keeps: what a restart, a damaged record or another installation at the same time does to them.

use mantis_db::plugins::NewPluginVersion;
use mantis_db::{Access, Expect, Grants};
use mantis_plugin::{CallError, KeepError, OptionsChange, PluginLimits, PluginSource, PluginState};
use serde_json::json;

use crate::support::{Fixture, component, config};

/// May write to the bucket of the guest `counter`.
fn writing() -> OptionsChange {
    OptionsChange { grants: Some(Grants::none().bucket("counters", Access::Write)), ..OptionsChange::default() }
}

async fn keep(fixture: &Fixture, name: &str, change: OptionsChange) -> Result<u64, KeepError> {
    let kept = fixture.host.keep(name, component("counter").into(), change, Expect::Anything).await?;
    Ok(kept.info.kept.unwrap().current)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_a_plugin_that_is_starting_waits_for_it() {
    let fixture = Fixture::new();
    keep(&fixture, "a", writing()).await.unwrap();
    let before = fixture.host.info("a").unwrap();
    // What is left of a server after its end is the database.
    let fixture = Fixture::over(fixture.database.clone(), config());
    assert!(fixture.host.info("a").is_none());
    let loading = fixture.host.load_kept();
    let starting = fixture.host.info("a").unwrap();
    assert_eq!((starting.state, starting.source), (PluginState::Starting, PluginSource::Kept));
    assert_eq!((&starting.grants, &starting.kept), (&before.grants, &before.kept));
    let call = fixture.call("a/increment", json!(["visits", 5]));
    let (called, ()) = tokio::join!(call, loading);
    assert_eq!(called.unwrap(), 5);
    let after = fixture.host.info("a").unwrap();
    assert_eq!((after.state, &after.limits, &after.kept), (PluginState::Ready, &before.limits, &before.kept));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_is_broken_and_harms_nothing_else() {
    let fixture = Fixture::new();
    keep(&fixture, "fine", writing()).await.unwrap();
    for (name, bytes, manifest) in [
        ("no-component", b"nonsense".to_vec(), "{}"),
        ("no-manifest", component("counter"), "nonsense"),
        ("twice", component("counter"), r#"{"grants": {"a": "read", "a": "write"}}"#),
        ("beyond", component("counter"), r#"{"limits": {"handles_max": 1000000}}"#),
    ] {
        let written = fixture.database.write_component(&bytes.into()).unwrap();
        let new = NewPluginVersion { component: written, manifest: manifest.to_owned() };
        fixture.database.keep_plugin(name, new, Expect::Absent, 100).await.unwrap();
    }
    let fixture = Fixture::over(fixture.database.clone(), config());
    fixture.host.load_kept().await;
    assert_eq!(fixture.call("fine/increment", json!(["visits", 5])).await.unwrap(), 5);
    for name in ["no-component", "no-manifest", "twice", "beyond"] {
        let info = fixture.host.info(name).unwrap();
        assert!(matches!(info.state, PluginState::Broken(_)), "{name}: {:?}", info.state);
        let called = fixture.call(&format!("{name}/increment"), json!(["visits", 5])).await;
        assert!(matches!(called, Err(CallError::Unavailable(_))), "{name}: {called:?}");
    }
    assert_eq!(fixture.host.list().len(), 5);
    // One is installed again, another goes.
    let reset = OptionsChange { reset: true, ..writing() };
    assert_eq!(keep(&fixture, "no-component", reset).await.unwrap(), 2);
    assert_eq!(fixture.call("no-component/increment", json!(["visits", 1])).await.unwrap(), 6);
    fixture.host.forget("twice", Expect::Anything).await.unwrap();
    assert!(fixture.host.info("twice").is_none());
}

/// Each of two updates at once changes what it names, whichever is first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_at_once_lose_nothing_of_each_other() {
    let fixture = Fixture::new();
    keep(&fixture, "a", writing()).await.unwrap();
    for round in 1..=10 {
        let limit = |handles_max, log_lines_max| OptionsChange {
            limits: PluginLimits { handles_max, log_lines_max, ..PluginLimits::default() },
            ..OptionsChange::default()
        };
        let (one, other) = tokio::join!(
            keep(&fixture, "a", limit(Some(round), None)),
            keep(&fixture, "a", limit(None, Some(u32::try_from(round).unwrap()))),
        );
        assert_ne!(one.unwrap(), other.unwrap());
        let info = fixture.host.info("a").unwrap();
        let limits = (info.limits.handles_max, info.limits.log_lines_max.map(|lines| lines as usize));
        assert_eq!(limits, (Some(round), Some(round)));
        assert!(info.grants == writing().grants.unwrap());
        assert_eq!(info.kept.unwrap().current, 2 * round as u64 + 1);
    }
    assert_eq!(fixture.call("a/increment", json!(["visits", 5])).await.unwrap(), 5);
}

/// An installation and a removal at once: what can be called is what the database keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_beside_an_installation_leaves_no_ghost() {
    let fixture = Fixture::new();
    for _ in 0..20 {
        let _ = keep(&fixture, "a", writing()).await.unwrap();
        let (kept, _) =
            tokio::join!(keep(&fixture, "a", OptionsChange::default()), fixture.host.forget("a", Expect::Anything));
        kept.unwrap();
        let is_kept = fixture.database.plugin("a").is_some();
        assert_eq!(fixture.host.info("a").is_some(), is_kept);
        let called = fixture.call("a/increment", json!(["visits", 1])).await;
        assert!(!matches!(called, Err(CallError::PluginNotFound(_))) == is_kept, "{called:?}");
    }
}
