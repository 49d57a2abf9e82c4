//! Long work: what it takes of the memory in flight, and that it ends with its client.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use mantis_db::disk::MemoryDisk;
use mantis_db::{Durability, Limits};
use mantis_http::AppConfig;
use mantis_pool::Config;

use crate::harness::{Server, poll, request};

const MIB: usize = 1 << 20;
const JSON: &[&str] = &["content-type: application/json"];

fn server(in_flight_bytes_max: usize) -> Server {
    let mut limits = Limits::default();
    limits.in_flight_bytes_max = in_flight_bytes_max;
    Server::with(limits, AppConfig::default(), Config::default())
}

fn in_use(server: &Server) -> usize {
    server.database.in_flight().bytes_in_use()
}

async fn with_table(in_flight_bytes_max: usize) -> Server {
    let server = server(in_flight_bytes_max);
    let table = r#"{"columns":[{"name":"id","type":"int8"},{"name":"j","type":"jsonb"},{"name":"a","type":"int4[]"}],
        "primary_key":["id"]}"#;
    assert_eq!(server.send("PUT /api/v1/schema/tables/t", JSON, table).await.status, 201);
    server
}

#[tokio::test]
async fn an_answer_is_plain_where_there_is_no_memory_for_an_encoder() {
    let server = server(8 * MIB);
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![b'x'; MIB]).await;
    for coding in ["gzip", "br", "zstd"] {
        let mut unread = Vec::new();
        for _ in 0..40 {
            unread.push(server.open("GET /api/v1/kv/a", &[&format!("accept-encoding: {coding}")]).await);
            assert!(in_use(&server) <= 8 * MIB);
        }
        let coded = unread.iter().filter(|answer| answer.headers().contains_key("content-encoding")).count();
        assert!((1..40).contains(&coded), "{coding}: {coded} of 40 are compressed");
        let plain = unread.pop().unwrap();
        assert!(!plain.headers().contains_key("content-encoding"), "{coding}");
        assert!(plain.headers().get_all("vary").iter().any(|name| name == "accept-encoding"), "{coding}");
        drop((plain, unread));
        assert_eq!(in_use(&server), 0, "{coding}");
    }
}

/// A client that is gone is noticed when something is written to it.
#[tokio::test]
async fn what_shrinks_to_nothing_is_given_out_now_and_then() {
    let server = server(64 * MIB);
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![b'x'; 8 * MIB]).await;
    for coding in ["gzip", "br", "zstd"] {
        let response = server.open("GET /api/v1/kv/a", &[&format!("accept-encoding: {coding}")]).await;
        let mut body = response.into_body();
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            drop(frame.unwrap());
            pieces += 1;
        }
        assert!(pieces >= 7, "{coding}: 8 MiB in {pieces} pieces");
    }
}

/// The values of a text take many times its length.
#[tokio::test]
async fn rows_take_the_memory_of_their_values() {
    let server = with_table(16 * MIB).await;
    let ones = vec!["1"; 200_000].join(",");
    let csv = |rows: usize| std::iter::once("id".to_owned()).chain((0..rows).map(|id| id.to_string()));
    for (headers, body) in [
        (JSON, format!(r#"[{{"id":1,"j":[{ones}]}}]"#)),
        (JSON, format!(r#"[{{"id":1,"a":[{ones}]}}]"#)),
        (JSON, format!(r#"[{{"id":1,"a":"{{{ones}}}"}}]"#)),
        (&["content-type: text/csv"], csv(150_000).collect::<Vec<_>>().join("\n")),
    ] {
        let refused = server.send("POST /api/v1/tables/t", headers, body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (503, Some("53000")), "{}", &body[..40]);
        assert_eq!(in_use(&server), 0);
    }
    let operation = format!(r#"{{"op":"insert","table":"t","rows":[{{"id":1,"j":[{ones}]}}]}}"#);
    let refused = server.send("POST /api/v1/batch", JSON, format!(r#"{{"operations":[{operation}]}}"#)).await;
    assert_eq!(refused.outcome(), "503 memory-full");
    let taken = server.send("POST /api/v1/tables/t", JSON, r#"[{"id":1,"j":[1,2]}]"#).await;
    assert_eq!(taken.status, 201, "{}", taken.text());
}

#[tokio::test]
async fn a_filter_on_a_long_document_takes_its_memory() {
    let server = with_table(32 * MIB).await;
    let ones = vec!["1"; 100_000].join(",");
    let put = server.send("POST /api/v1/tables/t", JSON, format!(r#"[{{"id":1,"j":[{ones}]}}]"#)).await;
    assert_eq!(put.status, 201, "{}", put.text());
    let line = "GET /api/v1/tables/t?select=id&j=cs.[1]";
    assert_eq!(server.send(line, &[], "").await.text(), r#"[{"id":1}]"#);
    let others = server.database.in_flight().take(28 * MIB).unwrap();
    let refused = server.send(line, &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (503, Some("53000")));
    drop(others);
    assert_eq!(server.send(line, &[], "").await.text(), r#"[{"id":1}]"#);
    assert_eq!(in_use(&server), 0);
}

/// What a query collects before it answers is more than its answer.
#[tokio::test]
async fn sorted_grouped_and_embedded_rows_take_their_memory() {
    let server = with_collected_rows().await;
    for (query, answer) in [
        ("/api/v1/tables/parents?select=id&order=text&limit=1", r#"[{"id":0}]"#),
        ("/api/v1/tables/parents?select=id&order=text&id=lt.2", r#"[{"id":0},{"id":1}]"#),
        (
            "/api/v1/tables/parents?select=id,children(id)&id=eq.0&children.limit=1",
            r#"[{"id":0,"children":[{"id":0}]}]"#,
        ),
        ("/api/v1/tables/parents?select=text,count()&limit=0", "[]"),
    ] {
        let all = server.send(&format!("GET {query}"), &[], "").await;
        assert_eq!((all.status.as_u16(), all.text()), (200, answer), "{query}");
    }
    let others = server.database.in_flight().take(31 * MIB).unwrap();
    for query in [
        "/api/v1/tables/parents?select=id&order=text",
        "/api/v1/tables/parents?select=id,children(id)&id=eq.0",
        "/api/v1/tables/parents?select=id,children(id)&id=eq.0&children.order=text",
        "/api/v1/tables/parents?select=text,count()&limit=0",
    ] {
        let refused = server.send(&format!("GET {query}"), &[], "").await;
        let code = refused.json()["code"].as_str().map(str::to_owned);
        assert_eq!((refused.status.as_u16(), code.as_deref()), (503, Some("53000")), "{query}");
        assert_eq!(in_use(&server), others.bytes(), "{query}");
    }
    drop(others);
    assert_eq!(in_use(&server), 0);
}

/// Twelve parents and as many children of the first, each with a text of 128 KiB that begins with its number.
async fn with_collected_rows() -> Server {
    let server = server(32 * MIB);
    let columns = r#"{"name":"id","type":"int8"},{"name":"text","type":"text"}"#;
    for table in [
        ("parents", format!(r#"{{"columns":[{columns}],"primary_key":["id"]}}"#)),
        (
            "children",
            format!(
                r#"{{"columns":[{columns},{{"name":"parent","type":"int8"}}],"primary_key":["id"],
                    "foreign_keys":[{{"columns":["parent"],"references":{{"table":"parents","columns":["id"]}}}}]}}"#
            ),
        ),
    ] {
        let made = server.send(&format!("PUT /api/v1/schema/tables/{}", table.0), JSON, table.1).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    for id in 0..12 {
        let text = format!("{id:02}{}", "x".repeat(128 << 10));
        let parent = format!(r#"{{"id":{id},"text":"{text}"}}"#);
        assert_eq!(server.send("POST /api/v1/tables/parents", JSON, parent).await.status, 201);
        let child = format!(r#"{{"id":{id},"text":"{text}","parent":0}}"#);
        assert_eq!(server.send("POST /api/v1/tables/children", JSON, child).await.status, 201);
    }
    server
}

/// Values that don't fit into the answer were counted again for each operation, long after the client had gone; and what followed them was
/// written.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_ends_with_its_client() {
    let server = server(256 * MIB);
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![1; 15 * MIB]).await;
    let get = r#"{"op":"get","key":"a"}"#;
    let writes = r#"{"op":"set","key":"b","value":""},{"op":"increment","key":"c","by":1},{"op":"delete-span"}"#;
    for atomic in [false, true] {
        let body = format!(r#"{{"atomic":{atomic},"operations":[{},{writes}]}}"#, vec![get; 9_990].join(","));
        leave(&server, "POST /api/v1/kv", body).await;
        for _ in 0..2_000 {
            if in_use(&server) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(in_use(&server), 0, "the batch goes on");
        assert_eq!(server.database.version(), 1, "atomic: {atomic}");
        assert_eq!(server.send("GET /api/v1/kv/b", &[], "").await.outcome(), "404 key-not-found");
    }
}

/// Sends a request, and goes away as soon as it is under way.
async fn leave(server: &Server, line: &str, body: String) {
    let request = request(line, JSON, Full::new(bytes::Bytes::from(body)));
    let mut answer = Box::pin(server.app.handle_with_body(request));
    assert!(matches!(poll(&mut answer).await, Poll::Pending));
}

/// Long work waited for a thread, and was begun when there was one, whoever was still there.
#[test]
fn work_whose_client_has_gone_is_not_begun() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let server = server(256 * MIB);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let thread = tokio::task::spawn_blocking(move || released.recv());
        let set = |key: usize| format!(r#"{{"op":"set","key":"{key}","value":"{}"}}"#, "x".repeat(1_000));
        let sets: Vec<_> = (0..100).map(set).collect();
        leave(&server, "POST /api/v1/kv", format!(r#"{{"operations":[{}]}}"#, sets.join(","))).await;
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        thread.await.unwrap().unwrap();
        idle(&server).await;
        assert_eq!(server.database.version(), 0);
    });
}

/// Waits until no request holds a session.
async fn idle(server: &Server) {
    for _ in 0..2_000 {
        if server.send("GET /api/v1/stats", &[], "").await.json()["pool"]["active_connections"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the work goes on");
}

/// A server whose commits wait until the test writes them.
fn by_hand() -> Server {
    Server::on(Arc::new(MemoryDisk::new()), Durability::Always, false)
}

/// The outcome of work, each of whose commits is written as soon as it is there.
async fn written<T>(server: &Server, work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    loop {
        if let Poll::Ready(done) = poll(&mut work).await {
            return done;
        }
        server.database.store().flush();
        tokio::task::yield_now().await;
    }
}

/// Sends a request, and goes away once its first commit waits to be written. Then it is.
async fn leave_after_a_commit(server: &Server, line: &str, body: &'static str) {
    let request = request(line, JSON, Full::new(bytes::Bytes::from(body)));
    let mut answer = Box::pin(server.app.handle_with_body(request));
    let store = server.database.store();
    while store.newest() == store.version() {
        assert!(matches!(poll(&mut answer).await, Poll::Pending));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(answer);
    store.flush();
}

#[tokio::test]
async fn a_deletion_of_many_keys_ends_between_its_commits() {
    let server = by_hand();
    let sets: Vec<_> = (0..3_000).map(|key| format!(r#"{{"op":"set","key":"{key}","value":""}}"#)).collect();
    let body = format!(r#"{{"atomic":true,"operations":[{}]}}"#, sets.join(","));
    assert_eq!(written(&server, server.send("POST /api/v1/kv", JSON, body)).await.status, 200);
    let before = server.database.stats().keys;
    leave_after_a_commit(&server, "DELETE /api/v1/kv?all=true", "").await;
    written(&server, idle(&server)).await;
    assert_eq!(before - server.database.stats().keys, 1_000);
}

#[tokio::test]
async fn a_dropped_bucket_without_its_client_is_left_to_housekeeping() {
    let server = by_hand();
    let sets: Vec<_> = (0..3_000).map(|key| format!(r#"{{"op":"set","key":"{key}","value":""}}"#)).collect();
    let body = format!(r#"{{"atomic":true,"operations":[{}]}}"#, sets.join(","));
    assert_eq!(written(&server, server.send("POST /api/v1/buckets/b/kv", JSON, body)).await.status, 200);
    let keys = server.database.stats().keys;
    leave_after_a_commit(&server, "DELETE /api/v1/buckets/b?drop=true", "").await;
    idle(&server).await;
    assert!(server.database.stats().keys >= keys, "its keys were removed");
    assert_eq!(server.send("GET /api/v1/buckets", &[], "").await.json()["buckets"].as_array().unwrap().len(), 1);
    for _ in 0..3 {
        server.database.maintain();
        server.database.store().flush();
    }
    assert!(server.database.stats().keys < 10, "{} keys are left", server.database.stats().keys);
}

#[tokio::test]
async fn a_change_of_a_table_without_its_client_is_taken_back() {
    let server = by_hand();
    let table = r#"{"columns":[{"name":"id","type":"int8"},{"name":"word","type":"text"}],"primary_key":["id"]}"#;
    assert_eq!(written(&server, server.send("PUT /api/v1/schema/tables/t", JSON, table)).await.status, 201);
    let rows: Vec<_> = (0..3_000).map(|id| format!(r#"{{"id":{id},"word":"w{id}"}}"#)).collect();
    let insert = server.send("POST /api/v1/tables/t", JSON, format!("[{}]", rows.join(",")));
    assert_eq!(written(&server, insert).await.status, 201);
    let before = server.send("GET /api/v1/schema/tables/t", &[], "").await.json();
    leave_after_a_commit(&server, "PATCH /api/v1/schema/tables/t", r#"{"add_unique":[["word"]]}"#).await;
    written(&server, idle(&server)).await;
    assert_eq!(server.send("GET /api/v1/schema/tables/t", &[], "").await.json(), before);
    let again = server.send("PATCH /api/v1/schema/tables/t", JSON, r#"{"add_unique":[["word"]]}"#);
    assert_eq!(written(&server, again).await.status, 200);
}
