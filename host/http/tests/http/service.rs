//! Health and pages.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn health_reports_whether_writes_are_accepted() {
    let server = Server::new();
    let healthy = json!({"status": "healthy", "timestamp": "2026-01-31T12:00:00.000Z"});
    for path in ["/health", "/ready", "/live"] {
        let answer = server.send(&format!("GET {path}"), &[], "").await;
        assert_eq!((answer.outcome().as_str(), answer.json()), ("200", healthy.clone()), "{path}");
    }
    server.database.close_for_writes();
    let answer = server.send("GET /health", &[], "").await;
    assert_eq!(answer.outcome(), "503");
    assert_eq!(answer.json()["reason"], "read-only: the database is shutting down and takes no writes");
    assert_eq!(server.send("GET /live", &[], "").await.outcome(), "200");
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], "").await.outcome(), "503 read-only");
}

#[tokio::test]
async fn a_shutdown_is_reported_by_ready() {
    let server = Server::new();
    server.app.shutting_down();
    let answer = server.send("GET /ready", &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (503, &json!("the server is shutting down")));
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], "").await.outcome(), "201", "what comes is still served");
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let server = Server::new();
    for path in ["/", "/docs"] {
        let page = server.send(&format!("GET {path}"), &["host: localhost:8080"], "").await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        for elsewhere in ["https://", "http://", "<script", "src="] {
            assert!(!page.text().contains(elsewhere), "{path} has {elsewhere}");
        }
    }
    let docs = server.send("GET /docs", &[], "").await;
    let problem = server.send("GET /api/v1/kv/none", &[], "").await.json();
    let place = problem["type"].as_str().unwrap().strip_prefix("/docs#").unwrap();
    assert!(docs.text().contains(&format!("id=\"{place}\"")), "a problem's type leads to its place in the page");
}
