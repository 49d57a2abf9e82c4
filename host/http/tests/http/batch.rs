//! Many operations in one request.

use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

async fn apply(server: &Server, body: &Value) -> Answer {
    server.send("POST /api/v1/kv", &["content-type: application/json"], body.to_string()).await
}

#[tokio::test]
async fn each_operation_succeeds_or_fails_by_itself() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/text", &["content-type: text/plain"], "abc").await;
    let operations = json!([
        {"op": "set", "key": "a", "value": "1", "ttl": 60},
        {"op": "get", "key": "a"},
        {"op": "get", "key": "missing"},
        {"op": "increment", "key": "a", "by": 4},
        {"op": "increment", "key": "text"},
        {"op": "set", "key": "text", "value": [255], "absent": true},
        {"op": "check", "key": "text", "if_version": "1"},
        {"op": "delete", "key": "text"},
        {"op": "delete", "key": "text"},
        {"op": "set", "key": {"base64": "/w=="}, "value": {"base64": "/w=="}},
    ]);
    let answer = apply(&server, &json!({"operations": operations})).await;
    assert_eq!(answer.outcome(), "200");
    let refused = json!({"code": "precondition-failed", "message": "the key does not meet the operation's condition"});
    let not_a_number = json!({"code": "not-an-integer", "message": "The value is not a decimal integer of 64 bits."});
    let expected = [
        ("a", true, Value::Null, json!("2"), Value::Null),
        ("a", true, json!("1"), json!("2"), Value::Null),
        ("missing", true, Value::Null, Value::Null, Value::Null),
        ("a", true, json!(5), json!("3"), Value::Null),
        ("text", false, Value::Null, Value::Null, not_a_number),
        ("text", false, Value::Null, json!("1"), refused),
        ("text", true, Value::Null, json!("1"), Value::Null),
        ("text", true, Value::Null, json!("4"), Value::Null),
    ];
    let results = answer.json();
    for (index, (key, success, value, version, error)) in expected.into_iter().enumerate() {
        let expected = json!({"key": key, "success": success, "value": value, "version": version, "error": error});
        assert_eq!(results["results"][index], expected, "operation {index}");
    }
    assert_eq!(results["results"][9]["key"], json!({"base64": "/w=="}));
    assert_eq!(results.get("version"), None, "each has a commit of its own");
    let answer = server.send("GET /api/v1/kv/a", &[], "").await;
    assert_eq!(
        (answer.text(), answer.header("mantisdb-expires")),
        ("5", Some("2026-01-31T12:01:00.000Z")),
        "the ttl holds"
    );
}

#[tokio::test]
async fn an_atomic_batch_is_applied_whole_or_not_at_all() {
    let server = Server::new();
    let operations = json!([
        {"op": "set", "key": "a", "value": "1"},
        {"op": "increment", "key": "a"},
        {"op": "get", "key": "a"},
        {"op": "check", "key": "b", "absent": true},
    ]);
    let body = json!({"operations": operations, "atomic": true});
    let answer = apply(&server, &body).await;
    let results = answer.json();
    assert_eq!((answer.outcome().as_str(), &results["results"][2]["value"]), ("200", &json!("2")));
    assert_eq!(results["results"][0]["version"], "1", "one commit for all");
    assert_eq!(results["results"][1]["version"], "1");
    assert_eq!(results["version"], "1");
    let reads = json!({"operations": [{"op": "get", "key": "a"}], "atomic": true});
    assert_eq!(apply(&server, &reads).await.json()["version"], "1", "of what it saw");

    let operations = json!([
        {"op": "set", "key": "c", "value": "1"},
        {"op": "check", "key": "a", "if_version": "7"},
        {"op": "set", "key": "a", "value": "x", "absent": true},
    ]);
    let answer = apply(&server, &json!({"operations": operations, "atomic": true})).await;
    assert_eq!(answer.outcome(), "409 check-failed");
    let named = json!([{"index": 1, "key": "a", "version": "1"}, {"index": 2, "key": "a", "version": "1"}]);
    assert_eq!(answer.json()["operations"], named);
    assert_eq!(server.send("GET /api/v1/kv/c", &[], "").await.outcome(), "404 key-not-found");

    let operations = json!([{"op": "set", "key": "t", "value": "x"}, {"op": "increment", "key": "t"}]);
    let answer = apply(&server, &json!({"operations": operations, "atomic": true})).await;
    assert_eq!(answer.outcome(), "422 not-an-integer");
    assert!(answer.json()["detail"].as_str().unwrap().contains("operation 1"));
    assert_eq!(server.send("GET /api/v1/kv/t", &[], "").await.outcome(), "404 key-not-found");
}

#[tokio::test]
async fn malformed_and_oversized_batches_are_refused() {
    let server = Server::new();
    let get = json!({"op": "get", "key": "a"});
    for (body, outcome) in [
        (json!({"operations": []}), "200"),
        (json!({"operations": vec![get.clone(); 10_000]}), "200"),
        (json!({"operations": vec![get.clone(); 10_001]}), "422 operations-too-many"),
        (json!({"operations": [{"op": "get", "key": ""}]}), "422 key-empty"),
        (json!({"operations": [{"op": "get", "key": "k".repeat(4_097)}]}), "422 key-too-long"),
        (json!({"operations": [{"op": "get"}]}), "422 body-invalid"),
        (json!({"operations": [{"op": "move", "key": "a"}]}), "422 body-invalid"),
        (json!({"operations": [{"op": "set", "key": "a", "value": "x", "ttl": 0}]}), "422 ttl-invalid"),
        (json!({"operations": get}), "422 body-invalid"),
        (json!({"operations": [], "atomic": "yes"}), "422 body-invalid"),
        (json!({"operations": [], "atomic": null}), "200"),
        (json!({"operations": [{"op": "set", "key": "n", "value": "1", "ttl": null, "if_version": null}]}), "200"),
        (json!({"operations": [{"op": "set", "key": "n", "value": null}]}), "422 body-invalid"),
        (json!({"operation": []}), "422 body-invalid"),
        (json!([]), "422 body-invalid"),
        (json!([[]]), "422 body-invalid"),
        (json!({"operations": [["get", "a"]]}), "422 body-invalid"),
        (json!({"operations": [{"op": {"get": null}, "key": "a"}]}), "422 body-invalid"),
    ] {
        let shown: String = body.to_string().chars().take(80).collect();
        assert_eq!(apply(&server, &body).await.outcome(), outcome, "{shown}");
    }
    let send =
        async |headers: &[&str], body: &'static str| server.send("POST /api/v1/kv", headers, body).await.outcome();
    assert_eq!(send(&["content-type: application/json"], "{").await, "400 body-malformed");
    assert_eq!(send(&["content-type: text/plain"], "{}").await, "415 media-type-unsupported");
    assert_eq!(send(&[], "{}").await, "415 media-type-unsupported");
    let refusal = apply(&server, &json!({"operations": [get, {"op": "set", "key": "a"}]})).await.json();
    assert!(refusal["detail"].as_str().unwrap().starts_with("operation 1:"), "{refusal}");
    let set = json!({"op": "set", "key": "first", "value": "1"});
    let refused = apply(&server, &json!({"operations": [set, {"op": "get"}]})).await;
    assert_eq!(refused.outcome(), "422 body-invalid", "also without `atomic`");
    assert_eq!(server.send("GET /api/v1/kv/first", &[], "").await.outcome(), "404 key-not-found", "nothing is done");
}

#[tokio::test]
async fn a_large_batch_runs_on_another_thread_with_the_same_answer() {
    let server = Server::new();
    let set = |index: usize| json!({"op": "set", "key": format!("{index:05}"), "value": "x".repeat(20)});
    let operations: Vec<_> = (0..5_000).map(set).collect();
    for atomic in [false, true] {
        let answer = apply(&server, &json!({"operations": operations, "atomic": atomic})).await;
        assert!(answer.json()["results"].as_array().unwrap().iter().all(|result| result["success"] == true));
    }
    assert_eq!(server.database.stats().keys, 5_000);
}

#[tokio::test]
async fn the_bound_of_an_answer_counts_written_bytes() {
    let mut limits = Limits::default();
    limits.answer_bytes_max = 1_000;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    let values = [("text", "x".repeat(98)), ("escaped", "\u{1}".repeat(83)), ("huge", "x".repeat(2_000))];
    for (key, value) in &values {
        server.send(&format!("PUT /api/v1/kv/{key}"), &["content-type: text/plain"], value.clone()).await;
    }
    // With quotes a text is 100 bytes, the escaped one 500, and base64 of 98 bytes is 132 with what is around it.
    for (key, count, encoding, fitting) in [
        ("text", 10, "text", 10),
        ("text", 11, "text", 10),
        ("escaped", 2, "text", 2),
        ("escaped", 3, "text", 2),
        ("text", 8, "base64", 6),
        ("huge", 1, "text", 0),
    ] {
        let mut operations = vec![json!({"op": "get", "key": key}); count];
        operations.push(json!({"op": "set", "key": "w", "value": "1"}));
        for atomic in [false, true] {
            let line = format!("POST /api/v1/kv{}", if encoding == "base64" { "?encoding=base64" } else { "" });
            let body = json!({"operations": operations, "atomic": atomic}).to_string();
            server.send("DELETE /api/v1/kv/w", &[], "").await;
            let answer = server.send(&line, &["content-type: application/json"], body).await;
            let written = server.send("GET /api/v1/kv/w", &[], "").await.outcome();
            if atomic && fitting < count {
                assert_eq!(answer.outcome(), "422 answer-too-large", "{count} x {key} {encoding}");
                assert_eq!(written, "404 key-not-found", "nothing is done");
                continue;
            }
            assert_eq!((answer.outcome().as_str(), written.as_str()), ("200", "200"), "{count} x {key} {encoding}");
            let results = answer.json()["results"].as_array().unwrap().clone();
            for (index, result) in results[..count].iter().enumerate() {
                let expected = if index < fitting { Value::Null } else { json!("answer-too-large") };
                assert_eq!(result["error"]["code"], expected, "{count} x {key} {encoding}, {index}");
                assert_eq!(result["value"].is_null(), index >= fitting);
            }
        }
    }
}
