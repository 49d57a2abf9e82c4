//! Backups over HTTP: whole, consistent, bounded.

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use mantis_db::verify;
use mantis_http::AppConfig;

use crate::harness::Server;

const MEDIA: &str = "application/vnd.mantisdb.backup";

/// A server with a megabyte of data: several pieces.
async fn filled() -> Server {
    let server = Server::new();
    for number in 0..1_000 {
        server.send(&format!("PUT /api/v1/kv/key-{number:04}"), &[], vec![b'v'; 1_000]).await;
    }
    server
}

#[tokio::test]
async fn a_backup_is_the_database_at_the_commit_that_it_names() {
    let server = filled().await;
    let answer = server.send("GET /api/v1/backup", &[], "").await;
    assert_eq!((answer.outcome(), answer.header("content-type")), ("200".to_owned(), Some(MEDIA)));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"mantisdb-1000.backup\""));
    let whole = verify(&mut &answer.body[..]).unwrap();
    assert_eq!((whole.version, whole.bytes), (1_000, answer.body.len() as u64));
    assert_eq!(whole.entries, server.database.stats().keys);
    assert_eq!(answer.header("mantisdb-version"), Some("1000"));
    let estimate: u64 = answer.header("mantisdb-bytes-estimate").unwrap().parse().unwrap();
    assert!(estimate.abs_diff(whole.bytes) < whole.bytes / 50, "{estimate} of {}", whole.bytes);

    let head = server.send("HEAD /api/v1/backup", &[], "").await;
    assert_eq!((head.header("mantisdb-version"), head.body.len()), (Some("1000"), 0));
    assert_eq!(server.send("GET /api/v1/backup?x=1", &[], "").await.outcome(), "400 parameter-unknown");
    assert_eq!(server.send("POST /api/v1/backup", &[], "").await.outcome(), "405 method-not-allowed");
    let picky = server.send("GET /api/v1/backup", &["accept: application/json"], "").await;
    assert_eq!(picky.outcome(), "406 not-acceptable");
    assert_eq!(server.database.stats().snapshots, 0);
}

#[tokio::test]
async fn a_backup_is_made_as_the_client_reads_and_excludes_later_commits() {
    let server = filled().await;
    let response = server.open("GET /api/v1/backup", &[]).await;
    let (mut body, mut bytes) = (response.into_body().into_data_stream(), Vec::new());
    let mut pieces = 0;
    while let Some(piece) = body.next().await {
        bytes.extend(piece.unwrap());
        pieces += 1;
        for number in 0..20 {
            let line = format!("DELETE /api/v1/kv/key-{:04}", 999 - 20 * pieces - number);
            assert_eq!(server.send(&line, &[], "").await.outcome(), "204");
        }
    }
    assert!(pieces > 4, "{pieces} pieces");
    let whole = verify(&mut &bytes[..]).unwrap();
    assert_eq!(whole.version, 1_000);
    assert!(whole.entries >= 1_000, "{} entries", whole.entries);
    assert!(server.database.stats().keys < whole.entries);
}

#[tokio::test]
async fn backups_count_as_streams_and_end_with_the_client() {
    let server = Server::with_config(AppConfig { streams_max: 1, ..AppConfig::default() });
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    let mut body = server.open("GET /api/v1/backup", &[]).await.into_body().into_data_stream();
    body.next().await.unwrap().unwrap();
    assert_eq!(server.send("GET /api/v1/backup", &[], "").await.outcome(), "503 streams-too-many");
    assert_eq!(server.database.stats().snapshots, 1);
    drop(body);
    assert_eq!((server.app.metrics().streams_open(), server.database.stats().snapshots), (0, 0));
    server.app.shutting_down();
    assert_eq!(server.send("GET /api/v1/backup", &[], "").await.outcome(), "503 shutting-down");
}
