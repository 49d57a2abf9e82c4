//! Plugins over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Server;

/// A component that adds, refuses, crashes and never returns.
pub(crate) const COMPONENT: &str = r#"
(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    ;; Above ten an error with the number, otherwise the number: where the result lies is answered.
    (func (export "at-most-ten") (param i32) (result i32)
      (i32.store (i32.const 0) (i32.gt_u (local.get 0) (i32.const 10)))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0))
    (func (export "crash") unreachable)
    (func (export "spin") (loop (br 0))))
  (core instance $it (instantiate $code))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $it "add")))
  (func (export "at-most-ten") (param "number" u32) (result (result u32 (error u32)))
    (canon lift (core func $it "at-most-ten") (memory (core memory $it "memory"))))
  (func (export "crash") (canon lift (core func $it "crash")))
  (func (export "spin") (canon lift (core func $it "spin"))))
"#;

pub(crate) const WASM: &[&str] = &["content-type: application/wasm"];
pub(crate) const JSON: &[&str] = &["content-type: application/json"];

#[tokio::test]
async fn invalid_components_are_refused() {
    let server = Server::new();
    for (line, headers, body, outcome) in [
        ("PUT /api/v1/plugins/a", WASM, &b"not wasm"[..], "422 plugin-invalid"),
        ("PUT /api/v1/plugins/a", WASM, b"", "422 plugin-invalid"),
        ("PUT /api/v1/plugins/a", WASM, b"\0asm\x01\0\0\0", "422 plugin-invalid"),
        ("PUT /api/v1/plugins/Upper", WASM, b"\0asm", "400 plugin-name-invalid"),
        ("PUT /api/v1/plugins/a", JSON, b"{}", "415 media-type-unsupported"),
        ("PUT /api/v1/plugins/a", &[], b"\0asm", "415 media-type-unsupported"),
        ("PUT /api/v1/plugins/a?buckets=everything", WASM, b"\0asm", "400 parameter-invalid"),
        ("PUT /api/v1/plugins/a?call_deadline_ms=0", WASM, b"\0asm", "400 parameter-invalid"),
        ("PUT /api/v1/plugins/a?call_deadline_ms=999999", WASM, b"\0asm", "400 parameter-invalid"),
    ] {
        let answer = server.send(line, headers, body).await;
        assert_eq!(answer.outcome(), outcome, "{line} {body:?}: {}", answer.text());
    }
}

/// A component whose types nest so deep that their reader would overflow its stack: 3 bytes a level.
#[tokio::test]
async fn components_nested_too_deeply_are_refused() {
    let server = Server::new();
    for kind in [0x41, 0x42] {
        let mut types = vec![1];
        types.extend([kind, 1, 1].repeat(5_600));
        types.extend([kind, 0]);
        let bytes = u16::try_from(types.len()).unwrap();
        let length =
            [bytes.to_le_bytes()[0] | 0x80, (bytes >> 7).to_le_bytes()[0] | 0x80, (bytes >> 14).to_le_bytes()[0]];
        let component = [b"\0asm\x0d\0\x01\0\x07", &length[..], &types].concat();
        let answer = server.send("PUT /api/v1/plugins/a", WASM, component).await;
        assert_eq!(answer.outcome(), "422 plugin-invalid");
        let detail = "components, modules and types nest more than 100 deep in the component, which is the limit";
        assert_eq!(answer.json()["detail"], detail);
    }
    let answer = server.send("PUT /api/v1/plugins/a", WASM, wat::parse_str(COMPONENT).unwrap()).await;
    assert_eq!(answer.outcome(), "201", "the next one is installed");
}

#[tokio::test]
async fn idle_instances_are_closed() {
    let server = Server::new();
    let component = wat::parse_str(COMPONENT).unwrap();
    assert_eq!(server.send("PUT /api/v1/plugins/sums?reuse=true", WASM, component).await.outcome(), "201");
    assert_eq!(server.send("POST /api/v1/plugins/sums/call/add", JSON, "[1,2]").await.outcome(), "200");
    let idle = async || server.send("GET /stats", &[], "").await.json()["plugins"]["instances_warm"].clone();
    // A call runs on a thread of its own, which a clock that does not move would give no time.
    tokio::time::pause();
    server.app.maintain().await;
    tokio::time::advance(Duration::from_secs(299)).await;
    server.app.maintain().await;
    assert_eq!(idle().await, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    server.app.maintain().await;
    assert_eq!(idle().await, 0);
}

#[tokio::test]
async fn a_missing_plugin_is_not_found() {
    let server = Server::new();
    assert_eq!(server.send("GET /api/v1/plugins", &[], "").await.json(), json!({"plugins": []}));
    assert_eq!(server.send("GET /api/v1/plugins/a", &[], "").await.outcome(), "404 plugin-not-found");
    assert_eq!(server.send("DELETE /api/v1/plugins/a", &[], "").await.outcome(), "404 plugin-not-found");
    for body in ["[]", "{}", r#"[1, "a"]"#] {
        assert_eq!(server.send("POST /api/v1/plugins/a/call/f", JSON, body).await.outcome(), "404 plugin-not-found");
    }
    assert_eq!(server.send("POST /api/v1/plugins/a/call/f", &[], "").await.outcome(), "404 plugin-not-found");
    assert_eq!(server.send("POST /api/v1/plugins/a/call/f", JSON, "").await.outcome(), "404 plugin-not-found");
    assert_eq!(server.send("POST /api/v1/plugins/a/call/f", JSON, "5").await.outcome(), "422 body-invalid");
    assert_eq!(server.send("POST /api/v1/plugins/a/call/f", JSON, "{").await.outcome(), "400 body-malformed");
    assert_eq!(server.send("GET /api/v1/plugins/a/call/f", &[], "").await.outcome(), "405 method-not-allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_are_called_and_fail_in_their_own_ways() {
    let server = Server::new();
    let component = wat::parse_str(COMPONENT).unwrap();
    let line = "PUT /api/v1/plugins/sums?buckets=scores:write,users:read&call_deadline_ms=200";
    let answer = server.send(line, WASM, component.clone()).await;
    assert_eq!((answer.outcome().as_str(), answer.header("location")), ("201", Some("/api/v1/plugins/sums")));
    let info = answer.json();
    assert_eq!(
        info["functions"][0],
        json!({
            "name": "add",
            "params": [{"name": "a", "type": "u32"}, {"name": "b", "type": "u32"}],
            "result": "u32",
            "error": null,
        })
    );
    assert_eq!(info["grants"], json!([{"bucket": "scores", "access": "write"}, {"bucket": "users", "access": "read"}]));
    assert_eq!(info["limits"]["call_deadline_ms"], 200);

    let add = server.send("POST /api/v1/plugins/sums/call/add", JSON, "[1,2]").await;
    assert_eq!((add.header("mantisdb-version"), add.header("mantisdb-durable")), (None, None), "no commit, no name");
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    let add = server.send("POST /api/v1/plugins/sums/call/add", JSON, "[1,2]").await;
    assert_eq!((add.header("mantisdb-version"), add.header("mantisdb-durable")), (Some("1"), Some("false")));

    for (function, arguments, outcome, member, value) in [
        ("add", json!([1, 2]), "200", "", json!(3)),
        ("add", json!({"b": 2, "a": 1}), "200", "", json!(3)),
        ("at-most-ten", json!([7]), "200", "", json!(7)),
        ("at-most-ten", json!([11]), "422 plugin-error", "error", json!(11)),
        ("add", json!([1]), "422 arguments-invalid", "argument", json!("b")),
        ("add", json!([1, "x"]), "422 arguments-invalid", "argument", json!("b")),
        ("add", json!([1, -1]), "422 arguments-invalid", "argument", json!("b")),
        ("crash", json!([]), "502 plugin-trap", "code", json!("plugin-trap")),
        ("spin", json!([]), "504 plugin-deadline", "code", json!("plugin-deadline")),
        ("none", json!([]), "404 function-not-found", "code", json!("function-not-found")),
    ] {
        let line = format!("POST /api/v1/plugins/sums/call/{function}");
        let answer = server.send(&line, JSON, arguments.to_string()).await;
        let found = answer.json();
        let shown = if member.is_empty() { &found } else { &found[member] };
        assert_eq!((answer.outcome().as_str(), shown), (outcome, &value), "{function} {arguments}: {found}");
    }

    assert_eq!(
        server.send("PUT /api/v1/plugins/sums", WASM, component).await.outcome(),
        "200",
        "in place of the other"
    );
    let listed = server.send("GET /api/v1/plugins", &[], "").await.json();
    assert_eq!((listed["plugins"].as_array().unwrap().len(), &listed["plugins"][0]["grants"]), (1, &json!([])));
    let document = server.send("GET /openapi.json", &[], "").await.json();
    check_typed(&document["paths"]["/api/v1/plugins/sums/call/at-most-ten"]["post"]);
    assert_eq!(server.send("DELETE /api/v1/plugins/sums", &[], "").await.outcome(), "204");
    assert_eq!(server.send("GET /api/v1/plugins/sums", &[], "").await.outcome(), "404 plugin-not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_accepted_up_to_their_documented_bounds() {
    let server = Server::new();
    let component = wat::parse_str(COMPONENT).unwrap();
    let document = server.app.openapi();
    let parameters = document["paths"]["/api/v1/plugins/{name}"]["put"]["parameters"].as_array().unwrap();
    let limits: Vec<_> = parameters.iter().filter(|parameter| parameter["schema"]["type"] == "integer").collect();
    assert_eq!(limits.len(), 5);
    for limit in limits {
        let (name, schema) = (limit["name"].as_str().unwrap(), &limit["schema"]);
        let (min, max) = (schema["minimum"].as_u64().unwrap(), schema["maximum"].as_u64().unwrap());
        for (value, outcome) in [
            (min.to_string(), "20"),
            (max.to_string(), "20"),
            ((min - 1).to_string(), "400 parameter-invalid"),
            ((max + 1).to_string(), "400 parameter-invalid"),
            ("99999999999999999999999".to_owned(), "400 parameter-invalid"),
            (String::new(), "400 parameter-invalid"),
            ("-1".to_owned(), "400 parameter-invalid"),
            ("1e3".to_owned(), "400 parameter-invalid"),
        ] {
            let line = format!("PUT /api/v1/plugins/sums?{name}={value}");
            let answer = server.send(&line, WASM, component.clone()).await;
            assert!(answer.outcome().starts_with(outcome), "{line}: {}", answer.text());
            if answer.status.is_success() {
                assert_eq!(answer.json()["limits"][name].to_string(), value);
            }
        }
    }
    let unlimited = server.send("PUT /api/v1/plugins/sums", WASM, component).await.json();
    for parameter in parameters {
        if let Some(default) = parameter["schema"].get("default").filter(|default| default.is_u64()) {
            assert_eq!(&unlimited["limits"][parameter["name"].as_str().unwrap()], default);
        }
    }
}

/// The document shows a function's types.
#[track_caller]
fn check_typed(operation: &Value) {
    let number = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    let arguments = &operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"];
    assert_eq!(arguments[0]["properties"]["number"], number);
    assert_eq!(arguments[1]["prefixItems"], json!([number]));
    assert_eq!(operation["responses"]["200"]["content"]["application/json"]["schema"], number);
    let refused = &operation["responses"]["422"]["content"]["application/problem+json"]["schema"];
    assert_eq!(refused["allOf"][1]["properties"]["error"], number);
}
