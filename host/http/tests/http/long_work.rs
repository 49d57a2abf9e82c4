//! Long work: what it takes of the memory in flight, and that it ends with its client.

use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use mantis_db::Limits;
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

/// Values that don't fit into the answer were counted again for each operation, long after the client had gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_ends_with_its_client() {
    let server = server(256 * MIB);
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![1; 15 * MIB]).await;
    let get = r#"{"op":"get","key":"a"}"#;
    for atomic in [false, true] {
        let body = format!(r#"{{"atomic":{atomic},"operations":[{}]}}"#, vec![get; 9_999].join(","));
        let post = request("POST /api/v1/kv", JSON, Full::new(bytes::Bytes::from(body)));
        let mut answer = Box::pin(server.app.handle_with_body(post));
        assert!(matches!(poll(&mut answer).await, Poll::Pending));
        drop(answer);
        for _ in 0..2_000 {
            if in_use(&server) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(in_use(&server), 0, "the batch goes on");
    }
}
