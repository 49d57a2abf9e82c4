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

/// A server with a table of two rows.
async fn with_table() -> Server {
    let server = Server::new();
    let json = "content-type: application/json";
    let schema = json!({
        "columns": [{"name": "id", "type": "integer"}, {"name": "said", "type": "text", "comment": "who <b>knows</b>"}],
        "primary_key": ["id"], "comment": "What people said"
    });
    assert_eq!(server.send("PUT /api/v1/schema/tables/words", &[json], schema.to_string()).await.outcome(), "201");
    let rows = json!([{"id": 1, "said": "<script>alert(1)</script>"}, {"id": 2, "said": null}]);
    assert_eq!(server.send("POST /api/v1/tables/words", &[json], rows.to_string()).await.outcome(), "201");
    server
}

#[tokio::test]
async fn the_page_shows_tables_and_their_rows() {
    let server = with_table().await;
    let home = server.send("GET /", &["host: localhost:8080"], "").await;
    assert!(home.text().contains("<a href=\"/?table=words\">words</a>"), "{}", home.text());
    assert!(home.text().contains("What people said"), "{}", home.text());

    let page =
        server.send("GET /?table=words&filter=id%3Dgt.0&order=id.desc&limit=1", &["host: localhost:8080"], "").await;
    let text = page.text();
    assert_eq!(page.status, 200);
    assert!(text.contains("<td>2</td><td class=\"null\">null</td>") && !text.contains("alert"), "{text}");
    assert!(text.contains("Rows 1 to 1 of about 2"), "{text}");
    let next = "/?table=words&amp;filter=id%3Dgt.0&amp;order=id.desc&amp;limit=1&amp;offset=1";
    assert!(text.contains(&format!("<a href=\"{next}\">")), "{text}");
    let command = "curl 'http://localhost:8080/api/v1/tables/words?id=gt.0&amp;order=id.desc&amp;limit=1'";
    assert!(text.contains(command), "{text}");
    assert!(text.contains("who &lt;b&gt;knows"), "{text}");
    let same = server.send("GET /api/v1/tables/words?id=gt.0&order=id.desc&limit=1", &[], "").await;
    assert_eq!(same.json(), json!([{"id": 2, "said": null}]));

    let page = server.send(&format!("GET {}", next.replace("&amp;", "&")), &["host: localhost:8080"], "").await;
    assert!(page.text().contains("<td>1</td><td>&lt;script&gt;alert(1)&lt;/script&gt;</td>"), "{}", page.text());
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_stands_in_the_page() {
    let server = with_table().await;
    for (query, expected) in [
        ("table=words&filter=limit%3D1", "PGRST100"),
        ("table=words&filter=id%3Deq.1%26offset%3D1", "PGRST100"),
        ("table=words&filter=select%3Dsaid", "PGRST100"),
        ("table=words&filter=id%3Dgt.x", "22P02"),
        ("table=words&filter=id%3Dfoo", "PGRST100"),
        ("table=words&select=nothing", "42703"),
        ("table=words&filter=%25%25", "PGRST100"),
        ("table=%3Cscript%3E", "PGRST205"),
    ] {
        let page = server.send(&format!("GET /?{query}"), &["host: localhost:8080"], "").await;
        assert_eq!(page.status, if expected == "PGRST205" { 404 } else { 200 }, "{query}");
        assert!(page.text().contains(&format!("<p class=\"bad\">{expected} ")), "{query}: {}", page.text());
        assert!(!page.text().contains("<script"), "{query}");
    }
    let page = server.send("GET /?table=words&offset=50", &["host: localhost:8080"], "").await;
    assert!(page.text().contains("No rows of about 2 after the first 50: the end is before that."), "{}", page.text());
    assert!(page.text().contains("<a href=\"/?table=words\">&larr; first</a>"), "{}", page.text());
}
