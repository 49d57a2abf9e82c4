//! A plugin sees what its grants name, and nothing else.

use mantis_db::{Access, Grants};
use mantis_plugin::PluginOptions;
use serde_json::json;

use crate::support::Fixture;

#[tokio::test]
async fn grants_decide_what_a_plugin_sees() {
    let fixture = Fixture::new();
    for bucket in ["mine", "theirs", "secret", "default"] {
        fixture.set(bucket, "key", "value").await;
    }
    let grants = Grants::none().bucket("mine", Access::Write).bucket("theirs", Access::Read);
    fixture.install("procedures", PluginOptions::new(grants)).await;
    let cases = [
        ("get", "mine", None),
        ("set", "mine", None),
        ("get", "theirs", None),
        ("set", "theirs", Some(("access-denied", "access-denied"))),
        // One that is not granted and one that does not exist look alike.
        ("get", "secret", Some(("not-found", "bucket-not-found"))),
        ("set", "secret", Some(("not-found", "bucket-not-found"))),
        ("get", "nowhere", Some(("not-found", "bucket-not-found"))),
        ("get", "default", Some(("not-found", "bucket-not-found"))),
        ("get", "Not a name", Some(("invalid", "bucket-name-invalid"))),
    ];
    for (function, bucket, expected) in cases {
        let mut arguments = json!({ "bucket": bucket, "key": "key" });
        if function == "set" {
            arguments["value"] = "new".into();
        }
        let outcome = fixture.host.call("procedures", function, arguments).await;
        match (outcome, expected) {
            (Ok(_), None) => {}
            (Err(mantis_plugin::CallError::Plugin(error)), Some((kind, code))) => {
                assert_eq!(error[kind]["code"], code, "{function} {bucket}: {error}");
            }
            (outcome, _) => panic!("{function} {bucket}: {outcome:?}"),
        }
    }
    assert_eq!(fixture.text("mine", "key").await.as_deref(), Some("new"));
    assert_eq!(fixture.text("theirs", "key").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn without_grants_no_bucket_is_visible() {
    let fixture = Fixture::new();
    fixture.install("counter", PluginOptions::default()).await;
    let error = fixture.call("counter/value", json!(["visits"])).await.unwrap_err();
    assert!(error.to_string().contains("bucket-not-found"), "{error}");
}

/// The session that a call borrowed goes back with all its rights for the next user.
#[tokio::test]
async fn grants_do_not_stick_to_sessions() {
    let fixture = Fixture::with_guest("counter", &["counters"]).await;
    fixture.call("counter/value", json!(["visits"])).await.unwrap();
    let mut session = fixture.sessions.acquire().await.unwrap();
    assert!(session.grants().is_all() && !session.in_transaction());
    session.kv("anything").unwrap().set(b"key", b"value").await.unwrap();
}
