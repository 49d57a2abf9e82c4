//! Transactions that span several requests.

use std::time::Duration;

use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::json;

use crate::harness::{START_MS, Server};

async fn begin(server: &Server) -> String {
    let answer = server.send("POST /api/v1/transactions", &[], "").await;
    assert_eq!(answer.outcome(), "201");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(answer.json()["expires_at"], "2026-01-31T12:00:30.000Z");
    assert_eq!(answer.header("location"), Some(&*format!("/api/v1/transactions/{id}")));
    id
}

async fn send_in(server: &Server, id: &str, line: &str, body: &'static str) -> String {
    let headers = [&*format!("mantisdb-transaction: {id}"), "content-type: text/plain"];
    let answer = server.send(line, &headers, body).await;
    if answer.status == 200 { answer.text().to_owned() } else { answer.outcome() }
}

#[tokio::test]
async fn requests_belong_to_a_transaction_and_others_see_nothing_of_it() {
    let server = Server::new();
    let id = begin(&server).await;
    assert_eq!(send_in(&server, &id, "PUT /api/v1/kv/a", "1").await, "201");
    assert_eq!(send_in(&server, &id, "PUT /api/v1/buckets/b/kv/a", "2").await, "201");
    assert_eq!(send_in(&server, &id, "GET /api/v1/kv/a", "").await, "1");
    assert_eq!(send_in(&server, &id, "GET /api/v1/kv", "").await, r#"{"keys":["a"],"cursor":null}"#);
    let plain = [&*format!("mantisdb-transaction: {id}"), "content-type: text/plain"];
    let refused = server.send("POST /api/v1/kv/a/increment", &plain, "").await;
    assert_eq!(refused.outcome(), "415 media-type-unsupported");
    assert!(refused.json()["hint"].as_str().unwrap().contains("{\"by\": 5}"), "the body that it needs is named");
    assert_eq!(server.send("GET /api/v1/kv/a", &[], "").await.outcome(), "404 key-not-found");
    let own = server.send("GET /api/v1/kv/a", &[&format!("mantisdb-transaction: {id}")], "").await;
    assert_eq!(own.header("etag"), None, "what is not committed has no version");
    let lines = [&*format!("mantisdb-transaction: {id}"), "accept: application/x-ndjson"];
    assert_eq!(server.send("GET /api/v1/kv", &lines, "").await.text(), "{\"key\":\"a\"}\n");

    let answer = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
    assert_eq!(answer.json(), json!({"version": "1", "durable": false}));
    assert_eq!(server.send("GET /api/v1/buckets/b/kv/a", &[], "").await.text(), "2");
    let header = format!("mantisdb-transaction: {id}");
    let late = server.send("GET /api/v1/kv/a", &[&header], "").await;
    assert_eq!(late.outcome(), "409 transaction-not-open");
    assert!(late.json()["detail"].as_str().unwrap().contains("a commit of this transaction was tried already"));
    let again = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
    assert_eq!(again.outcome(), "409 transaction-not-open");
    assert!(again.json()["detail"].as_str().unwrap().contains("a commit of this transaction was tried already"));
}

#[tokio::test]
async fn a_lost_race_is_a_conflict() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/a", &[], "0").await;
    let id = begin(&server).await;
    send_in(&server, &id, "GET /api/v1/kv/a", "").await;
    send_in(&server, &id, "PUT /api/v1/kv/b", "1").await;
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    let answer = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
    assert_eq!(answer.outcome(), "409 conflict");
    assert_eq!(server.send("GET /api/v1/kv/b", &[], "").await.outcome(), "404 key-not-found");
}

#[tokio::test]
async fn a_loser_retries_with_a_token() {
    let server = Server::new();
    let lose = async |id: &str| {
        send_in(&server, id, "GET /api/v1/kv/a", "").await;
        send_in(&server, id, "PUT /api/v1/kv/b", "1").await;
        server.send("PUT /api/v1/kv/a", &[], "1").await;
        let answer = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
        assert_eq!(answer.outcome(), "409 conflict");
        answer.json()["retry_token"].as_str().unwrap().to_owned()
    };
    let mut token = lose(&begin(&server).await).await;
    for _ in 0..5 {
        let answer = server.send(&format!("POST /api/v1/transactions?retry={token}"), &[], "").await;
        assert_eq!(answer.outcome(), "201");
        let lost = lose(answer.json()["id"].as_str().unwrap()).await;
        assert_ne!(lost, token);
        token = lost;
    }
    let begun = server.send(&format!("POST /api/v1/transactions?retry={token}&isolation=snapshot"), &[], "").await;
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await.outcome(), "200");
    // A token that was used, or never given, does no harm; a malformed one is refused.
    for unknown in [&token[..], &"0".repeat(32)] {
        let answer = server.send(&format!("POST /api/v1/transactions?retry={unknown}"), &[], "").await;
        assert_eq!(answer.outcome(), "201");
    }
    for bad in ["", "0", &"g".repeat(32), &"0".repeat(33)] {
        let answer = server.send(&format!("POST /api/v1/transactions?retry={bad}"), &[], "").await;
        assert_eq!(answer.outcome(), "400 parameter-invalid", "{bad}");
    }
}

#[tokio::test]
async fn a_transaction_is_rolled_back() {
    let server = Server::new();
    let id = begin(&server).await;
    send_in(&server, &id, "PUT /api/v1/kv/a", "1").await;
    assert_eq!(server.send(&format!("DELETE /api/v1/transactions/{id}"), &[], "").await.outcome(), "204");
    assert_eq!(server.send("GET /api/v1/kv/a", &[], "").await.outcome(), "404 key-not-found");
    assert_eq!(
        server.send(&format!("DELETE /api/v1/transactions/{id}"), &[], "").await.outcome(),
        "404 transaction-not-open"
    );
    for id in ["0", "x", &"0".repeat(32), &"F".repeat(32), &"a".repeat(33)] {
        assert_eq!(send_in(&server, id, "GET /api/v1/kv/a", "").await, "409 transaction-not-open", "{id}");
        assert_eq!(
            server.send(&format!("DELETE /api/v1/transactions/{id}"), &[], "").await.outcome(),
            "404 transaction-not-open"
        );
    }
    let twice = [&*format!("mantisdb-transaction: {id}"), "mantisdb-transaction: 1"];
    assert_eq!(server.send("GET /api/v1/kv/a", &twice, "").await.outcome(), "400 header-invalid");
}

#[tokio::test]
async fn requests_that_cannot_join_a_transaction_are_refused() {
    let server = Server::new();
    let id = begin(&server).await;
    for line in [
        "GET /api/v1/buckets",
        "GET /api/v1/changes",
        "GET /stats",
        "GET /health",
        "GET /api/v1/backup",
        "GET /api/v1/plugins",
        "POST /api/v1/plugins/a/call/f",
        "POST /api/v1/transactions",
    ] {
        assert_eq!(send_in(&server, &id, line, "").await, "400 transaction-not-taken", "{line}");
    }
    assert_eq!(send_in(&server, &id, "DELETE /api/v1/buckets/b?drop=true", "").await, "409 transaction-open");
    for end in ["POST /api/v1/transactions/{id}/commit", "DELETE /api/v1/transactions/{id}"] {
        assert_eq!(send_in(&server, &id, &end.replace("{id}", &id), "").await, "400 transaction-not-taken", "{end}");
    }
    assert_eq!(server.send(&format!("DELETE /api/v1/transactions/{id}"), &[], "").await.outcome(), "204");
}

#[tokio::test(start_paused = true)]
async fn an_idle_transaction_is_rolled_back() {
    let server = Server::new();
    let (idle, used) = (begin(&server).await, begin(&server).await);
    for _ in 0..4 {
        tokio::time::advance(Duration::from_secs(10)).await;
        server.app.maintain().await;
        assert_eq!(send_in(&server, &used, "GET /api/v1/kv/a", "").await, "404 key-not-found");
    }
    let read = server.send("GET /api/v1/kv/a", &[&format!("mantisdb-transaction: {idle}")], "").await;
    assert_eq!(read.outcome(), "409 transaction-not-open");
    assert!(read.json()["detail"].as_str().unwrap().contains("was rolled back because it was idle"));
    let late = server.send(&format!("POST /api/v1/transactions/{idle}/commit"), &[], "").await;
    assert_eq!(late.outcome(), "409 transaction-not-open");
    assert!(late.json()["detail"].as_str().unwrap().contains("rolled back"));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_survives_a_clock_step() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let server = Server::new();
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    let id = begin(&server).await;
    for now_ms in [START_MS + DAY_MS, 0, START_MS] {
        server.clock.set_ms(now_ms);
        server.database.maintain();
        server.app.maintain().await;
        assert_eq!(send_in(&server, &id, "GET /api/v1/kv/a", "").await, "1", "at {now_ms}");
        assert_eq!(send_in(&server, &id, "PUT /api/v1/kv/b", "2").await, if now_ms > START_MS { "201" } else { "204" });
    }
    let commit = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
    assert_eq!(commit.outcome(), "200");
    let id = begin(&server).await;
    server.clock.set_ms(0);
    server.clock.advance_ms(60_001);
    server.database.maintain();
    let old = send_in(&server, &id, "GET /api/v1/kv/a", "").await;
    assert_eq!(old, "409 transaction-too-old", "time has passed all the same");
}

#[tokio::test]
async fn open_transactions_are_bounded_and_leave_sessions_for_others() {
    let pool = Config { min_idle: 0, max: 8, ..Config::default() };
    let server = Server::with(Limits::default(), AppConfig::default(), pool);
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(begin(&server).await);
    }
    let refused = server.send("POST /api/v1/transactions", &[], "").await;
    assert_eq!((refused.outcome().as_str(), refused.header("retry-after")), ("429 transactions-too-many", Some("1")));
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], "").await.outcome(), "201");
    server.send(&format!("DELETE /api/v1/transactions/{}", open[0]), &[], "").await;
    begin(&server).await;
}

#[tokio::test]
async fn one_request_at_a_time_uses_a_transaction() {
    let server = Server::new();
    let id = begin(&server).await;
    send_in(&server, &id, "PUT /api/v1/kv/a", "1").await;
    let headers = [&*format!("mantisdb-transaction: {id}"), "accept: application/x-ndjson"];
    let stream = server.open("GET /api/v1/kv", &headers).await;
    assert_eq!(send_in(&server, &id, "GET /api/v1/kv/a", "").await, "409 transaction-busy");
    assert_eq!(
        server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await.outcome(),
        "409 transaction-busy"
    );
    drop(stream);
    assert_eq!(send_in(&server, &id, "GET /api/v1/kv/a", "").await, "1");
}

#[tokio::test]
async fn snapshot_isolation_is_available() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/a", &[], "0").await;
    let begun = server.send("POST /api/v1/transactions?isolation=snapshot", &[], "").await.json();
    let id = begun["id"].as_str().unwrap();
    send_in(&server, id, "GET /api/v1/kv/a", "").await;
    send_in(&server, id, "PUT /api/v1/kv/b", "1").await;
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    assert_eq!(server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await.outcome(), "200");
    let refused = server.send("POST /api/v1/transactions?isolation=none", &[], "").await;
    assert_eq!(refused.outcome(), "400 parameter-invalid");
}

#[tokio::test]
async fn a_body_that_would_be_ignored_is_refused() {
    let server = Server::new();
    let json = "content-type: application/json";
    for body in [r#"{"isolation": "snapshot"}"#, "isolation=snapshot", &"x".repeat(100), "[]"] {
        let answer = server.send("POST /api/v1/transactions", &[json], body.to_owned()).await;
        assert_eq!(answer.outcome(), "422 body-invalid", "{body}");
        assert!(answer.json()["hint"].as_str().unwrap().contains("`isolation`"));
    }
    for body in ["", "{}", " { } \n"] {
        assert_eq!(server.send("POST /api/v1/transactions", &[json], body).await.outcome(), "201", "{body:?}");
    }
    let id = begin(&server).await;
    let commit = format!("POST /api/v1/transactions/{id}/commit");
    let write = r#"{"operations": [{"op": "set", "key": "k", "value": "v"}]}"#;
    assert_eq!(server.send(&commit, &[json], write).await.outcome(), "422 body-invalid");
    assert_eq!(server.send(&commit, &[json], "{}").await.outcome(), "200", "it is still open");
}

#[tokio::test]
async fn a_clear_counts_all_that_it_deletes() {
    let server = Server::new();
    for key in ["a1", "a2", "b1"] {
        server.send(&format!("PUT /api/v1/kv/{key}"), &[], "v").await;
    }
    let id = begin(&server).await;
    let header = format!("mantisdb-transaction: {id}");
    send_in(&server, &id, "PUT /api/v1/kv/a3", "v").await;
    send_in(&server, &id, "DELETE /api/v1/kv/a1", "").await;
    for (prefix, deleted) in [("prefix=a", 2), ("prefix=a", 0), ("all=true", 1)] {
        let answer = server.send(&format!("DELETE /api/v1/kv?{prefix}"), &[&header], "").await;
        assert_eq!((answer.outcome().as_str(), &answer.json()["deleted"]), ("200", &deleted.into()), "{prefix}");
    }
    assert_eq!(server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await.outcome(), "200");
    assert_eq!(server.send("GET /api/v1/kv", &[], "").await.json()["keys"], json!([]));
}
