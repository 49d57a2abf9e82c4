//! Large answers of tables: in constant memory, at one commit, whatever the client does.

use std::task::Poll;
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt as _;
use mantis_db::Limits;
use mantis_http::{AppConfig, Body};
use mantis_pool::Config;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, poll, read};

const JSON: &str = "content-type: application/json";
const ROWS: usize = 6_000;
/// Bytes of a row's text, of which a page has too many to be sent compressed to nothing.
const TEXT_BYTES: usize = 1_000;

/// A table `many` of some 6 MB.
async fn filled(server: &Server) {
    let schema = json!({
        "columns": [
            {"name": "id", "type": "bigint", "nullable": false},
            {"name": "n", "type": "integer"},
            {"name": "text", "type": "text"}
        ],
        "primary_key": ["id"]
    });
    let answer = server.send("PUT /api/v1/schema/tables/many", &[JSON], schema.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let row = |id: usize| json!({"id": id, "n": id * 7_919 % ROWS, "text": "x".repeat(TEXT_BYTES)});
    let ids: Vec<_> = (0..ROWS).collect();
    for ids in ids.chunks(1_000) {
        let rows: Vec<Value> = ids.iter().map(|&id| row(id)).collect();
        let answer = server.send("POST /api/v1/tables/many", &[JSON], Value::from(rows).to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

async fn ids(response: Response<Body>) -> (Answer, Vec<u64>) {
    let answer = read(response).await;
    let ids = answer.json().as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    (answer, ids)
}

/// Snapshots that are held.
fn snapshots(server: &Server) -> u64 {
    server.database.stats().snapshots
}

#[tokio::test]
async fn a_large_answer_has_all_rows_of_one_commit_in_every_form() {
    let server = Server::new();
    filled(&server).await;
    let response = server.open("GET /api/v1/tables/many", &[]).await;
    assert_eq!(response.headers()["content-range"], format!("0-{}/*", ROWS - 1));
    // What is written while it is sent is not in it.
    let body = json!({"n": -1}).to_string();
    assert_eq!(server.send("PATCH /api/v1/tables/many?id=gte.3000", &[JSON], body).await.status, 204);
    assert_eq!(server.send("DELETE /api/v1/tables/many?id=gte.5000", &[], "").await.status, 204);
    let answer = read(response).await;
    let rows = answer.json();
    let rows = rows.as_array().unwrap();
    assert!(rows.iter().enumerate().all(|(id, row)| row["id"] == id && row["n"] == id * 7_919 % ROWS), "one commit");
    assert_eq!(rows.len(), ROWS);

    for (headers, query, status, range, lines) in [
        (&["accept: application/x-ndjson"][..], "", 200, "0-4999/*", 5_000),
        (&["accept: text/csv"], "", 200, "0-4999/*", 5_001),
        (&["accept: text/csv", "prefer: count=exact"], "?offset=10", 206, "10-4999/5000", 4_991),
        (&["accept: application/x-ndjson", "prefer: count=exact"], "?limit=4000", 206, "0-3999/5000", 4_000),
        (&["accept: application/x-ndjson", "range: 5-3999"], "?order=n,id", 200, "5-3999/*", 3_995),
        (&["accept: application/x-ndjson"], "?text=like.x*&id=lt.4000", 200, "0-3999/*", 4_000),
    ] {
        let answer = read(server.open(&format!("GET /api/v1/tables/many{query}"), headers).await).await;
        let seen = (answer.status.as_u16(), answer.header("content-range").unwrap(), answer.text().lines().count());
        assert_eq!(seen, (status, range, lines), "{query} {headers:?}");
    }
    let packed =
        read(server.open("GET /api/v1/tables/many?select=id", &["accept: application/vnd.mantisdb.rows"]).await).await;
    // The column, and of each row its head and an integer.
    assert_eq!(packed.body.len(), 4 + 8 + 2 + 5_000 * (12 + 9) + 4);
    let packed = read(server.open("GET /api/v1/tables/many", &["accept: application/vnd.mantisdb.rows"]).await).await;
    assert!(packed.body.len() > 2 << 20 && packed.body.ends_with(&[255; 4]), "in pieces, to the end");
    assert_eq!(snapshots(&server), 0, "all are given back");
}

#[tokio::test]
async fn an_answer_that_is_sorted_comes_in_its_order() {
    let server = Server::new();
    filled(&server).await;
    let (_, all) = ids(server.open("GET /api/v1/tables/many?order=n.desc", &[]).await).await;
    let mut expected: Vec<u64> = (0..ROWS as u64).collect();
    expected.sort_by_key(|id| std::cmp::Reverse(id * 7_919 % ROWS as u64));
    assert!(all == expected);
}

/// The rows are some 6 MB, and a query may hold a fourth of one: it holds their keys.
#[tokio::test]
async fn more_rows_are_sorted_than_may_be_held() {
    let mut limits = Limits::default();
    limits.query_bytes_max = 1 << 20;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    filled(&server).await;
    for query in ["order=n", "order=n&limit=5500"] {
        let (_, all) = ids(server.open(&format!("GET /api/v1/tables/many?{query}"), &[]).await).await;
        assert!(all.len() >= 5_500 && all.is_sorted_by_key(|id| id * 7_919 % ROWS as u64), "{query}");
    }
    let answer = server.send("GET /api/v1/tables/many?order=text", &[], "").await;
    assert_eq!(answer.json()["code"], "54000", "keys of 1,000 bytes are too many: {}", answer.text().len());
}

#[tokio::test]
async fn a_slow_client_is_read_for_piece_by_piece() {
    let server = Server::new();
    filled(&server).await;
    let mut body = server.open("GET /api/v1/tables/many", &[]).await.into_body();
    assert_eq!(snapshots(&server), 1);
    assert_eq!(server.app.metrics().streams_open(), 1);
    let mut taken = 0;
    while let Some(piece) = body.frame().await {
        let piece = piece.unwrap().into_data().unwrap();
        assert!(piece.len() <= 64 << 10, "a connection is given little at a time");
        taken += piece.len();
        // However long it takes: each piece renews the snapshot.
        server.clock.advance_ms(50_000);
        server.database.maintain();
    }
    assert!(taken > ROWS * TEXT_BYTES);
    drop(body);
    assert_eq!((snapshots(&server), server.app.metrics().streams_open()), (0, 0));
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_snapshot_back() {
    let server = Server::new();
    filled(&server).await;
    let mut body = server.open("GET /api/v1/tables/many?order=n", &[]).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(snapshots(&server), 1);
    drop(body);
    tokio::task::yield_now().await;
    assert_eq!((snapshots(&server), server.app.metrics().streams_open()), (0, 0));
}

#[tokio::test]
async fn a_client_that_stops_reading_gives_its_snapshot_back_and_is_cut_off() {
    let server = Server::new();
    filled(&server).await;
    let mut body = server.open("GET /api/v1/tables/many?order=n", &[]).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    while snapshots(&server) > 0 {
        tokio::task::yield_now().await;
    }
    // What was collected is still sent; the end is an error, and not taken for the end.
    let broken = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(broken, Some(Err(_))), "{broken:?}");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_error_in_the_middle_is_no_end() {
    let mut limits = Limits::default();
    limits.query_rows_max = ROWS as u64;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    filled(&server).await;
    let mut body = server.open("GET /api/v1/tables/many", &[]).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    // The snapshot is taken away, as from one who is beyond its time.
    server.clock.advance_ms(61_000);
    server.database.maintain();
    let mut end = body.frame().await;
    while let Some(Ok(_)) = end {
        end = body.frame().await;
    }
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    // Where the limit is met before the first byte, it is an error by name.
    let answer = server.send("GET /api/v1/tables/many?order=text&n=gte.0&select=id,n", &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut limits = Limits::default();
    limits.query_rows_max = ROWS as u64 - 1;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    filled(&server).await;
    let answer = server.send("GET /api/v1/tables/many", &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("57014")));
}

#[tokio::test]
async fn streams_are_bounded_in_number_and_a_transaction_has_none() {
    let config = AppConfig { streams_max: 1, ..AppConfig::default() };
    let server = Server::with_config(config);
    filled(&server).await;
    let mut first = server.open("GET /api/v1/tables/many", &[]).await.into_body();
    assert!(matches!(poll(&mut first.frame()).await, Poll::Ready(Some(Ok(_)))));
    assert_eq!(server.open("GET /api/v1/tables/many", &[]).await.status(), 503);
    let begun = server.send("POST /api/v1/transactions", &[], "").await.json();
    let transaction = format!("mantisdb-transaction: {}", begun["id"].as_str().unwrap());
    let (answer, all) = ids(server.open("GET /api/v1/tables/many", &[&transaction]).await).await;
    assert_eq!((answer.status.as_u16(), all.len()), (200, ROWS), "collected");
}

#[tokio::test]
async fn lines_mark_their_end_on_request() {
    let server = Server::new();
    filled(&server).await;
    let lines = "accept: application/x-ndjson";
    for (query, prefer, count, applied) in [
        ("", "prefer: end=true", ROWS, "end=true"),
        ("?limit=3", "prefer: count=exact, end=true", 3, "count=exact, end=true"),
        ("?id=lt.0", "prefer: handling=strict, end=true", 0, "handling=strict, end=true"),
    ] {
        let answer = read(server.open(&format!("GET /api/v1/tables/many{query}"), &[lines, prefer]).await).await;
        assert_eq!(answer.header("preference-applied"), Some(applied), "{query}");
        let text = answer.text();
        assert_eq!(text.lines().count(), count + 1, "{query}");
        let last: Value = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
        assert_eq!(last, json!({"end": true, "count": count}), "{query}");
    }
    // Other forms say by themselves where they end, or have no place for it.
    for headers in [&["prefer: end=true"][..], &["prefer: end=true", "accept: text/csv"]] {
        let answer = read(server.open("GET /api/v1/tables/many?limit=1", headers).await).await;
        assert_eq!((answer.header("preference-applied"), answer.text().contains("\"end\"")), (None, false));
    }
}
