//! Health, figures and pages.

use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn health_says_whether_writes_are_taken() {
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
async fn a_server_that_shuts_down_says_so() {
    let server = Server::new();
    server.app.shutting_down();
    let answer = server.send("GET /ready", &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (503, &json!("the server is shutting down")));
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], "").await.outcome(), "201", "what comes is still served");
}

#[tokio::test]
async fn the_sums_add_up() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/a", &[], "12345").await;
    server.send("GET /api/v1/kv/none", &[], "").await;
    let begun = server.send("POST /api/v1/transactions", &[], "").await.json();
    let stats = server.send("GET /stats", &[], "").await.json();
    let (pool, http) = (&stats["pool"], &stats["http"]);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    assert_eq!(
        number(&pool["total_connections"]),
        number(&pool["active_connections"]) + number(&pool["idle_connections"]) + number(&pool["creating_connections"])
    );
    assert_eq!(
        number(&pool["connections_created"]),
        number(&pool["connections_closed"]) + number(&pool["active_connections"]) + number(&pool["idle_connections"])
    );
    assert_eq!(number(&pool["active_connections"]), 1, "the transaction's session");
    for name in ["wait_count", "avg_wait_time_ms", "health_check_failures"] {
        assert_eq!(pool[name].as_f64(), Some(0.0), "{name}");
    }
    let answers: u64 = http["answers"].as_object().unwrap().values().map(number).sum();
    assert_eq!(number(&http["requests"]), answers + number(&http["in_flight"]));
    assert_eq!((number(&http["in_flight"]), number(&http["transactions_open"])), (1, 1));
    assert_eq!((number(&stats["store"]["keys"]), number(&stats["plugins"]["plugins"])), (1, 0));
    server.send(&format!("DELETE /api/v1/transactions/{}", begun["id"].as_str().unwrap()), &[], "").await;
    assert_eq!(server.send("GET /stats", &[], "").await.json()["pool"]["active_connections"], 0);
}

#[tokio::test]
async fn metrics_come_in_two_formats() {
    let server = Server::new();
    server.send("GET /api/v1/kv/none", &[], "").await;
    let plain = server.send("GET /metrics", &[], "").await;
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(plain.text().contains("# TYPE mantisdb_http_answers_total counter\n"));
    assert!(plain.text().contains("mantisdb_http_answers_total{operation=\"getKey\",class=\"4xx\"} 1\n"));
    let open = server.send("GET /metrics", &["accept: application/openmetrics-text; version=1.0.0"], "").await;
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.text().contains("# TYPE mantisdb_http_answers counter\n") && open.text().ends_with("# EOF\n"));
    for line in plain.text().lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn pages_need_nothing_from_elsewhere() {
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
