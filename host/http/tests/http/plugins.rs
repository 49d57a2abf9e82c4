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
        ("PUT /api/v1/plugins/a?log_lines_max=99999999999", WASM, b"\0asm", "400 parameter-invalid"),
        ("POST /api/v1/plugins/a/rollback?version=0", &[], b"", "400 parameter-invalid"),
    ] {
        let answer = server.send(line, headers, body).await;
        assert_eq!(answer.outcome(), outcome, "{line} {body:?}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_integer_is_no_number_that_a_float_makes_whole() {
    let server = Server::new();
    let component = wat::parse_str(COMPONENT).unwrap();
    assert_eq!(server.send("PUT /api/v1/plugins/sums", WASM, component).await.outcome(), "201");
    for (arguments, outcome) in [
        ("[1, 2]", "200"),
        ("[1.0, 2e0]", "200"),
        (r#"{"a": 1, "b": 2.000000000000000000000}"#, "200"),
        ("[1, 2.0000000000000000001]", "422 arguments-invalid"),
        ("[1.5, 2]", "422 arguments-invalid"),
        (r#"{"a": 1e-400, "b": 2}"#, "422 arguments-invalid"),
        (r#"{"a": 0.99999999999999999999, "b": 2}"#, "422 arguments-invalid"),
    ] {
        let answer = server.send("POST /api/v1/plugins/sums/call/add", JSON, arguments).await;
        assert_eq!(answer.outcome(), outcome, "{arguments}: {}", answer.text());
        if outcome == "200" {
            assert_eq!(answer.text(), "3");
        }
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
    assert_eq!((add.header("mantisdb-version"), add.header("mantisdb-durable")), (Some("1"), Some("false")));
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    let add = server.send("POST /api/v1/plugins/sums/call/add", JSON, "[1,2]").await;
    assert_eq!((add.header("mantisdb-version"), add.header("mantisdb-durable")), (Some("2"), Some("false")));

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
    assert_eq!(
        (listed["plugins"].as_array().unwrap().len(), &listed["plugins"][0]["grants"]),
        (1, &info["grants"]),
        "they stay"
    );
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
    let unlimited = server.send("PUT /api/v1/plugins/sums?reset=true", WASM, component).await.json();
    for parameter in parameters {
        if let Some(default) = parameter["schema"].get("default").filter(|default| default.is_u64()) {
            assert_eq!(&unlimited["limits"][parameter["name"].as_str().unwrap()], default);
        }
    }
}

/// A component with one function, whose result tells it from others.
fn answering(number: u32) -> Vec<u8> {
    let text = r#"
        (component
          (core module $code (func (export "f") (result i32) (i32.const NUMBER)))
          (core instance $it (instantiate $code))
          (func (export "f") (result u32) (canon lift (core func $it "f"))))"#;
    wat::parse_str(text.replace("NUMBER", &number.to_string())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_three_versions_are_kept_and_returned_to() {
    for server in [Server::new(), Server::on_disk()] {
        let put = async |line: &str, number| server.send(line, WASM, answering(number)).await;
        let called = async || server.send("POST /api/v1/plugins/a/call/f", &[], "").await.json();
        let versions = async || {
            let info = server.send("GET /api/v1/plugins/a", &[], "").await.json();
            let shown = info["versions"].as_array().unwrap().clone();
            let numbers: Vec<_> = shown.iter().map(|version| version["version"].as_u64().unwrap()).collect();
            let current: Vec<_> = shown.iter().filter(|version| version["current"] == true).collect();
            assert_eq!((current.len(), &current[0]["version"]), (1, &info["version"]));
            assert_eq!((&current[0]["sha256"], &info["state"]), (&info["sha256"], &json!("ready")));
            (numbers, info["version"].as_u64().unwrap())
        };
        assert_eq!(put("PUT /api/v1/plugins/a?buckets=b:read", 1).await.outcome(), "201");
        for number in 2..5 {
            assert_eq!(put(&format!("PUT /api/v1/plugins/a?log_lines_max={number}"), number).await.outcome(), "200");
        }
        assert_eq!((versions().await, called().await), ((vec![4, 3, 2], 4), json!(4)));
        let rolled = server.send("POST /api/v1/plugins/a/rollback", &[], "").await;
        assert_eq!((rolled.outcome().as_str(), &rolled.json()["version"]), ("200", &json!(3)));
        assert_eq!(rolled.json()["limits"]["log_lines_max"], 3, "with the limits that it had");
        assert_eq!((versions().await, called().await), ((vec![4, 3, 2], 3), json!(3)));
        for (line, outcome) in [
            ("POST /api/v1/plugins/a/rollback?version=1", "404 plugin-version-not-found"),
            ("POST /api/v1/plugins/a/rollback?version=0", "400 parameter-invalid"),
            ("POST /api/v1/plugins/a/rollback?version=x", "400 parameter-invalid"),
            ("POST /api/v1/plugins/b/rollback", "404 plugin-not-found"),
            ("POST /api/v1/plugins/a/rollback?version=4", "200"),
            ("POST /api/v1/plugins/a/rollback?version=2", "200"),
            ("POST /api/v1/plugins/a/rollback", "404 plugin-version-not-found"),
        ] {
            assert_eq!(server.send(line, &[], "").await.outcome(), outcome, "{line}");
        }
        assert_eq!((versions().await, called().await), ((vec![4, 3, 2], 2), json!(2)));
        assert_eq!(put("PUT /api/v1/plugins/a", 5).await.outcome(), "200");
        assert_eq!((versions().await, called().await), ((vec![5, 4, 2], 5), json!(5)), "what was current stays");
        assert_eq!(server.send("DELETE /api/v1/plugins/a", &[], "").await.outcome(), "204");
        assert_eq!(server.send("POST /api/v1/plugins/a/rollback", &[], "").await.outcome(), "404 plugin-not-found");
        assert_eq!(put("PUT /api/v1/plugins/a", 6).await.outcome(), "201");
        assert_eq!((versions().await, called().await), ((vec![1], 1), json!(6)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_updates_are_refused() {
    let server = Server::new();
    let send = async |line: &str, condition: &str, number| {
        let headers = [WASM[0], condition];
        let body = if line.starts_with("PUT") { answering(number) } else { Vec::new() };
        let headers = if line.starts_with("PUT") { &headers[..] } else { &headers[1..] };
        server.send(line, headers, body).await
    };
    let tag = |answer: &crate::harness::Answer| format!("if-match: {}", answer.header("etag").unwrap());
    let path = "/api/v1/plugins/a";
    let (put, delete, rollback) = (format!("PUT {path}"), format!("DELETE {path}"), format!("POST {path}/rollback"));
    assert_eq!(send(&put, "if-match: *", 1).await.outcome(), "412 precondition-failed");
    let first = send(&put, "if-none-match: *", 1).await;
    assert_eq!(first.outcome(), "201");
    let second = send(&put, &tag(&first), 2).await;
    assert_eq!(second.outcome(), "200");
    for (line, condition, said) in [
        (&delete, format!("if-match: W/{}", second.header("etag").unwrap()), "in a weak tag"),
        (&put, "if-none-match: *".to_owned(), "it exists"),
        (&put, tag(&first), "it has another revision"),
    ] {
        let refused = send(line, &condition, 3).await.json();
        assert!(refused["detail"].as_str().unwrap().contains(said), "{line} {condition}: {refused}");
        assert!(!refused.to_string().contains("key"), "it is no key: {refused}");
    }
    for (line, condition) in [
        (&put, "if-none-match: *".to_owned()),
        (&put, tag(&first)),
        (&put, "if-match: \"v9\"".to_owned()),
        (&put, format!("if-match: W/{}", second.header("etag").unwrap())),
        (&rollback, tag(&first)),
        (&delete, tag(&first)),
    ] {
        let refused = send(line, &condition, 3).await;
        assert_eq!(refused.outcome(), "412 precondition-failed", "{line} {condition}");
        assert_eq!(refused.header("etag"), second.header("etag"), "{line} {condition}");
    }
    let shown = server.send(&format!("GET {path}"), &[], "").await;
    assert_eq!((shown.header("etag"), &shown.json()["version"]), (second.header("etag"), &json!(2)));
    let third = send(&rollback, &tag(&second), 0).await;
    assert_eq!((third.outcome().as_str(), &third.json()["version"]), ("200", &json!(1)));
    assert_ne!(third.header("etag"), first.header("etag"), "what was there in between is not forgotten");
    assert_eq!(send(&put, "if-match: nonsense", 3).await.outcome(), "400 header-invalid");
    assert_eq!(send(&delete, &tag(&second), 0).await.outcome(), "412 precondition-failed");
    assert_eq!(send(&delete, &tag(&third), 0).await.outcome(), "204");
    assert_eq!(send(&delete, "if-match: *", 0).await.outcome(), "404 plugin-not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_keeps_what_it_does_not_name() {
    let server = Server::new();
    let put = async |query: &str| {
        let answer = server.send(&format!("PUT /api/v1/plugins/a?{query}"), WASM, answering(1)).await;
        assert!(answer.status.is_success(), "{query}: {}", answer.text());
        let info = answer.json();
        let grants: Vec<_> = info["grants"].as_array().unwrap().iter().map(|grant| grant["bucket"].clone()).collect();
        (
            json!(grants),
            info["reuse"].clone(),
            info["limits"]["handles_max"].clone(),
            info["limits"]["log_lines_max"].clone(),
        )
    };
    let default = put("").await;
    assert_eq!((&default.0, &default.1), (&json!([]), &json!(false)));
    let all = (json!(["b"]), json!(true), json!(3), json!(4));
    assert_eq!(put("buckets=b:read&reuse=true&handles_max=3&log_lines_max=4").await, all);
    assert_eq!(put("").await, all);
    assert_eq!(put("handles_max=5").await, (json!(["b"]), json!(true), json!(5), json!(4)));
    assert_eq!(put("reuse=false").await, (json!(["b"]), json!(false), json!(5), json!(4)));
    assert_eq!(put("buckets=c:write").await, (json!(["c"]), json!(false), json!(5), json!(4)));
    assert_eq!(put("reset=true&log_lines_max=4").await, (json!([]), json!(false), default.2.clone(), json!(4)));
    assert_eq!(put("reset=true").await, default);
    let repeated = server.send("PUT /api/v1/plugins/a?buckets=b:write,b:read", WASM, answering(1)).await;
    assert_eq!(repeated.outcome(), "400 parameter-invalid");
    assert!(repeated.text().contains("granted twice"), "{}", repeated.text());
    assert_eq!(put("").await, default, "what was refused changed nothing");
}

/// Calls under way end with the version that they began with; each call sees one version as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollbacks_and_updates_under_load_lose_no_call() {
    let server = Server::on_disk();
    for number in [1, 2] {
        server.send("PUT /api/v1/plugins/a", WASM, answering(number)).await;
    }
    let calls = async {
        let mut seen = [0; 4];
        for _ in 0..300 {
            let answer = server.send("POST /api/v1/plugins/a/call/f", &[], "").await;
            assert_eq!(answer.outcome(), "200", "{}", answer.text());
            seen[usize::try_from(answer.json().as_u64().unwrap()).unwrap()] += 1;
            tokio::task::yield_now().await;
        }
        seen
    };
    let changes = async {
        for _ in 0..8 {
            for line in ["POST /api/v1/plugins/a/rollback", "PUT /api/v1/plugins/a"] {
                let (headers, body) =
                    if line.starts_with("PUT") { (WASM, answering(3)) } else { (&[][..], Vec::new()) };
                assert_eq!(server.send(line, headers, body).await.outcome(), "200", "{line}");
            }
        }
    };
    let (seen, ()) = tokio::join!(calls, changes);
    assert_eq!(seen.iter().sum::<u32>(), 300);
    let last = server.send("GET /api/v1/plugins/a", &[], "").await.json();
    assert_eq!((&last["version"], &last["state"]), (&json!(10), &json!("ready")));
    assert_eq!(server.send("POST /api/v1/plugins/a/call/f", &[], "").await.json(), 3);
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
