//! That every answer to a write says its commit, and whether that is certain to survive a power cut.

use serde_json::json;

use crate::harness::{Answer, Server};

const JSON: &[&str] = &["content-type: application/json"];

/// Its outcome, and what its headers say was written.
fn written(answer: &Answer) -> (String, Option<&str>, Option<&str>) {
    (answer.outcome(), answer.header("mantisdb-version"), answer.header("mantisdb-durable"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_returns_its_commit_and_durability() {
    let steps = [
        // Nothing has been committed: there is nothing to name.
        ("DELETE /api/v1/kv/a", "", "404 key-not-found", None),
        ("DELETE /api/v1/kv?all=true", "", "200", None),
        ("PUT /api/v1/kv/a", "1", "201", Some("1")),
        ("PUT /api/v1/kv/a", "2", "204", Some("2")),
        ("POST /api/v1/kv/n/increment", "", "200", Some("3")),
        ("DELETE /api/v1/kv/a", "", "204", Some("4")),
        // Nothing is written: they name the newest commit that they saw.
        ("DELETE /api/v1/kv/a", "", "404 key-not-found", Some("4")),
        ("DELETE /api/v1/kv?prefix=a", "", "200", Some("4")),
        ("DELETE /api/v1/kv?prefix=n", "", "200", Some("5")),
        ("PUT /api/v1/buckets/b/kv/a", "1", "201", Some("6")),
        // One commit makes it vanish, and another one takes its keys.
        ("DELETE /api/v1/buckets/b?drop=true", "", "200", Some("8")),
        ("GET /api/v1/kv", "", "200", None),
    ];
    for (server, durable) in [(Server::new(), "false"), (Server::on_disk(), "true")] {
        for (line, body, outcome, version) in steps {
            let answer = server.send(line, &[], body).await;
            assert_eq!(written(&answer), (outcome.to_owned(), version, version.map(|_| durable)), "{line}");
        }
        for (line, headers, outcome, version) in [
            ("DELETE /api/v1/kv/a", "if-none-match: *", "404 key-not-found", Some("8")),
            ("DELETE /api/v1/kv/a", "if-match: *", "404 key-not-found", Some("8")),
            ("PUT /api/v1/kv/a", "if-match: *", "412 precondition-failed", None),
        ] {
            let answer = server.send(line, &[headers], "").await;
            assert_eq!(written(&answer), (outcome.to_owned(), version, version.map(|_| durable)), "{line} {headers}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_returns_its_newest_commit() {
    for (server, durable) in [(Server::new(), "false"), (Server::on_disk(), "true")] {
        for (operations, versions, version) in [
            (json!([{"op": "set", "key": "a", "value": "1"}, {"op": "increment", "key": "n"}]), ["1", "2"], Some("2")),
            (json!([{"op": "delete", "key": "a"}, {"op": "get", "key": "n"}]), ["3", "2"], Some("3")),
            // The deletion finds nothing, and names the newest commit.
            (json!([{"op": "delete", "key": "a"}, {"op": "set", "key": "n", "value": "0"}]), ["3", "4"], Some("4")),
            (json!([{"op": "get", "key": "n"}, {"op": "check", "key": "n", "absent": false}]), ["4", "4"], None),
        ] {
            let body = json!({"operations": operations}).to_string();
            let answer = server.send("POST /api/v1/kv", JSON, body).await;
            let results = answer.json()["results"].clone();
            assert_eq!([&results[0]["version"], &results[1]["version"]], versions, "{operations}");
            assert_eq!(written(&answer), ("200".to_owned(), version, version.map(|_| durable)), "{operations}");
        }
        for (operations, version) in [
            (json!([{"op": "set", "key": "a", "value": "1"}, {"op": "increment", "key": "n"}]), "5"),
            (json!([{"op": "get", "key": "n"}]), "5"),
        ] {
            let body = json!({"operations": operations, "atomic": true}).to_string();
            let answer = server.send("POST /api/v1/kv", JSON, body).await;
            assert_eq!(written(&answer), ("200".to_owned(), Some(version), Some(durable)), "{operations}");
            assert_eq!(answer.json()["version"], version, "{operations}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_returns_its_commit_when_it_commits() {
    for (server, durable) in [(Server::new(), false), (Server::on_disk(), true)] {
        let begun = server.send("POST /api/v1/transactions", &[], "").await;
        let id = begun.json()["id"].as_str().unwrap().to_owned();
        let within = &*format!("mantisdb-transaction: {id}");
        for (line, outcome) in [
            ("PUT /api/v1/kv/a", "201"),
            ("DELETE /api/v1/kv?all=true", "200"),
            ("PUT /api/v1/kv/a", "201"),
            ("POST /api/v1/kv/n/increment", "200"),
            ("DELETE /api/v1/kv/a", "204"),
            ("DELETE /api/v1/kv/a", "404 key-not-found"),
        ] {
            let answer = server.send(line, &[within], "").await;
            assert_eq!(written(&answer), (outcome.to_owned(), None, None), "{line}");
        }
        let committed = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
        let (version, said) = (Some("1"), if durable { "true" } else { "false" });
        assert_eq!(written(&committed), ("200".to_owned(), version, Some(said)));
        assert_eq!(committed.json(), json!({"version": "1", "durable": durable}));
    }
}
