//! What is answered with success happened, and an answer waits for what it rests on and for nothing else.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use mantis_db::Durability;
use mantis_db::disk::{DirectoryDisk, Disk, MemoryDisk};
use mantis_store::testing::{FailingDisk, Fault, Operation};
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

const POLICIES: [Durability; 3] = [Durability::Always, Durability::Interval { ms: 1_000 }, Durability::Never];

struct Full {
    server: Server,
    disk: FailingDisk<MemoryDisk>,
}

impl Full {
    fn new(durability: Durability) -> Self {
        let disk = FailingDisk::new(MemoryDisk::new());
        Self { server: Server::on(Arc::new(disk.clone()), durability, true), disk }
    }

    /// Writes this many keys in one commit.
    async fn fill(&self, bucket: &str, keys: usize) {
        let set = |number| json!({"op": "set", "key": format!("k{number:05}"), "value": "1"});
        let operations: Vec<_> = (0..keys).map(set).collect();
        let path = format!("/api/v1/buckets/{bucket}/kv");
        let answer = apply(&self.server, &path, &json!({"operations": operations, "atomic": true})).await;
        assert_eq!(answer.outcome(), "200");
    }

    /// Lets this many writes find the disk full, after the next `at` ones.
    fn refuse(&self, at: u64, times: u64) {
        self.disk.plan(Some(Fault { at, only: Some(Operation::Write), times, error: ErrorKind::StorageFull }));
    }
}

async fn apply(server: &Server, path: &str, body: &Value) -> Answer {
    server.send(&format!("POST {path}"), &["content-type: application/json"], body.to_string()).await
}

#[tokio::test]
async fn a_span_in_a_batch_fails_on_a_full_disk() {
    for durability in POLICIES {
        for keys in [1_000, 2_500] {
            let full = Full::new(durability);
            full.fill("default", keys).await;
            full.refuse(0, u64::MAX);
            let body = json!({"operations": [{"op": "delete-span"}, {"op": "get", "key": "k00000"}]});
            let answer = apply(&full.server, "/api/v1/kv", &body).await;
            let results = &answer.json()["results"];
            assert_eq!(results[0]["success"], json!(false), "{durability:?}, {keys}: {results}");
            assert_eq!(results[0]["error"]["code"], json!("disk-full"));
            assert_eq!((&results[0]["version"], results[0].get("deleted")), (&Value::Null, None));
            assert_eq!(results[1]["value"], json!("1"));
            assert_eq!(answer.header("mantisdb-version"), None, "nothing was written");
            full.disk.plan(None);
            let answer = apply(&full.server, "/api/v1/kv?details=true", &body).await;
            assert_eq!(answer.json()["results"][0]["deleted"], json!(keys));
            assert_eq!(answer.json()["results"][1]["value"], Value::Null);
        }
    }
}

#[tokio::test]
async fn keys_deleted_before_the_disk_was_full_are_counted() {
    let full = Full::new(Durability::Never);
    full.fill("default", 2_500).await;
    full.refuse(1, 1);
    let answer = apply(&full.server, "/api/v1/kv", &json!({"operations": [{"op": "delete-span"}]})).await;
    let result = &answer.json()["results"][0];
    assert_eq!((&result["success"], &result["deleted"]), (&json!(false), &json!(1_500)));
    full.disk.plan(None);
    full.fill("default", 2_500).await;
    full.refuse(1, u64::MAX);
    let answer = full.server.send("DELETE /api/v1/kv?all=true", &[], "").await;
    assert_eq!((answer.outcome().as_str(), &answer.json()["deleted"]), ("507 disk-full", &json!(1_000)));
    assert_eq!(answer.json()["detail"], json!("1000 keys were deleted, the others were not: the disk is full"));
    let answer = full.server.send("DELETE /api/v1/kv?all=true", &[], "").await;
    assert_eq!((answer.outcome().as_str(), answer.json().get("deleted")), ("507 disk-full", None));
}

/// A write on `disk`, on which `breaks` makes it fail, and `/health` both give `reason`, and no path.
async fn check_reason(disk: Arc<dyn Disk>, breaks: impl FnOnce(), reason: &str) {
    let server = Server::on(disk, Durability::Always, true);
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], "1").await.outcome(), "201");
    breaks();
    let expected = format!("{reason}; the store accepts no writes until it is reopened");
    for _ in 0..2 {
        let answer = server.send("PUT /api/v1/kv/a", &[], "2").await;
        assert_eq!((answer.outcome().as_str(), &answer.json()["detail"]), ("503 storage-failed", &json!(expected)));
    }
    let health = server.send("GET /health", &[], "").await;
    assert_eq!(
        (health.status.as_u16(), &health.json()["reason"]),
        (503, &json!(format!("storage-failed: {expected}")))
    );
}

#[tokio::test]
async fn a_moved_directory_is_not_answered_as_a_failed_disk() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let disk = DirectoryDisk::new(&data).unwrap();
    let moves = || std::fs::rename(&data, directory.path().join("away")).unwrap();
    check_reason(Arc::new(disk), moves, "the data directory, or a file in it, was moved, replaced or removed").await;

    let disk = FailingDisk::new(MemoryDisk::new());
    let fails = || disk.plan(Some(Fault { at: 0, only: Some(Operation::Sync), times: 1, error: ErrorKind::Other }));
    check_reason(Arc::new(disk.clone()), fails, "the disk failed to sync").await;
}

#[tokio::test]
async fn a_drop_completes_when_the_disk_fills_up() {
    let full = Full::new(Durability::Never);
    full.fill("b", 2_500).await;
    full.refuse(2, u64::MAX);
    let answer = full.server.send("DELETE /api/v1/buckets/b?drop=true", &[], "").await;
    assert_eq!((answer.outcome().as_str(), &answer.json()["deleted"]), ("200", &json!(2_500)));
    assert_eq!(full.server.send("DELETE /api/v1/buckets/b?drop=true", &[], "").await.outcome(), "404 bucket-not-found");
}

#[tokio::test]
async fn errors_do_not_wait_for_the_commits_of_others() {
    let server = Server::on(Arc::new(MemoryDisk::new()), Durability::Always, false);
    let mut write = pin!(server.send("PUT /api/v1/kv/text", &["content-type: text/plain"], "abc"));
    let mut poll = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut poll).is_pending());
    server.database.store().flush();
    assert_eq!(write.await.outcome(), "201");

    let mut pending = pin!(server.send("PUT /api/v1/kv/other", &["content-type: text/plain"], "abc"));
    assert!(pending.as_mut().poll(&mut poll).is_pending());
    let begun = server.send("POST /api/v1/transactions", &["content-type: application/json"], "{}").await;
    let transaction = format!("mantisdb-transaction: {}", begun.json()["id"].as_str().unwrap());
    let batch = json!({"operations": [{"op": "increment", "key": "text"}], "atomic": true}).to_string();
    let refused = json!({"operations": [{"op": "check", "key": "text", "absent": true}], "atomic": true}).to_string();
    let json = "content-type: application/json";
    for (line, header, body, outcome) in [
        ("POST /api/v1/kv/text/increment", "accept: */*", "", "422 not-an-integer"),
        ("POST /api/v1/kv/text/increment", &transaction[..], "", "422 not-an-integer"),
        ("POST /api/v1/kv", json, &batch[..], "422 not-an-integer"),
        ("POST /api/v1/kv", json, &refused[..], "409 check-failed"),
        ("PUT /api/v1/kv/text", "if-none-match: *", "x", "412 precondition-failed"),
        ("PUT /api/v1/kv/missing", "if-match: *", "x", "412 precondition-failed"),
        ("DELETE /api/v1/kv/text", "if-match: \"v9\"", "", "412 precondition-failed"),
        ("DELETE /api/v1/kv/missing", "accept: */*", "", "404 key-not-found"),
        ("DELETE /api/v1/buckets/missing?drop=true", "accept: */*", "", "404 bucket-not-found"),
    ] {
        let answer = server.send(line, &[header], body.to_owned()).await;
        assert_eq!(answer.outcome(), outcome, "{line} {header}");
    }
    let single = json!({"operations": [{"op": "increment", "key": "text"}]});
    let answer = apply(&server, "/api/v1/kv", &single).await;
    assert_eq!(answer.json()["results"][0]["error"]["code"], json!("not-an-integer"));
    assert!(pending.as_mut().poll(&mut poll).is_pending(), "the other one still waits");

    let mut failing = pin!(server.send("POST /api/v1/kv/other/increment", &[], ""));
    assert!(failing.as_mut().poll(&mut poll).is_pending(), "it rests on what may still be taken back");
    server.database.store().flush();
    assert_eq!([pending.await.outcome(), failing.await.outcome()], ["201", "422 not-an-integer"]);
}
