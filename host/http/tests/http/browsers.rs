//! What protects people with browsers: hosts, origins, methods, compression.

use crate::harness::{Answer, Server};
use mantis_http::{AppConfig, HostGuard};

#[tokio::test]
async fn only_own_host_names_are_answered() {
    let server = Server::new();
    let send = async |headers: &[&str]| server.send("GET /health", headers, "").await.outcome();
    assert_eq!(send(&["host: localhost"]).await, "200");
    assert_eq!(send(&["host: 127.0.0.1:8080"]).await, "200");
    assert_eq!(send(&["host: evil.example"]).await, "421 host-not-allowed");
    assert_eq!(send(&["host: a", "host: b"]).await, "400 host-missing");
    let guard = HostGuard::Loopback { also: vec!["db.internal".to_owned()] };
    let server = Server::with_config(AppConfig { allowed_hosts: guard, ..AppConfig::default() });
    assert_eq!(server.send("GET /health", &["host: db.internal:80"], "").await.outcome(), "200");
    let server = Server::with_config(AppConfig { allowed_hosts: HostGuard::Any, ..AppConfig::default() });
    assert_eq!(server.send("GET /health", &["host: anything.example"], "").await.outcome(), "200");
}

#[tokio::test]
async fn paths_and_methods_match_the_table() {
    let server = Server::new();
    for (line, outcome, allow) in [
        ("GET /nothing", "404 route-not-found", None),
        ("GET /api/v1", "404 route-not-found", None),
        ("GET /api/v1/kv/a/../../x", "404 key-not-found", None),
        ("PATCH /api/v1/kv/a", "405 method-not-allowed", Some("GET, HEAD, PUT, DELETE, OPTIONS")),
        ("PATCH /api/v1/kv/a/increment", "405 method-not-allowed", Some("GET, HEAD, PUT, DELETE, POST, OPTIONS")),
        ("TRACE /api/v1/kv", "405 method-not-allowed", Some("GET, HEAD, POST, DELETE, OPTIONS")),
        ("DELETE /health", "405 method-not-allowed", Some("GET, HEAD, OPTIONS")),
        ("HEAD /api/v1/transactions", "405", Some("POST, OPTIONS")),
        ("OPTIONS /api/v1/kv/a", "204", Some("GET, HEAD, PUT, DELETE, OPTIONS")),
        ("OPTIONS /api/v1/plugins/a", "204", Some("GET, HEAD, PUT, DELETE, OPTIONS")),
        ("OPTIONS /nothing", "404 route-not-found", None),
    ] {
        let answer = server.send(line, &[], "").await;
        let shown = if line.starts_with("HEAD") { answer.status.as_u16().to_string() } else { answer.outcome() };
        assert_eq!((shown.as_str(), answer.header("allow")), (outcome, allow), "{line}");
    }
}

#[tokio::test]
async fn request_ids_are_echoed_or_generated() {
    let server = Server::new();
    let answer = server.send("GET /api/v1/kv/none", &["x-request-id: abc-123"], "").await;
    assert_eq!(answer.header("x-request-id"), Some("abc-123"));
    assert_eq!(answer.json()["request_id"], "abc-123");
    let made =
        async |header: &str| server.send("GET /health", &[header], "").await.header("x-request-id").unwrap().to_owned();
    let (first, second) = (made("x-request-id: <b>").await, made("accept: */*").await);
    assert_eq!((first.len(), second.len()), (20, 20));
    assert_ne!(first, second);
}

const APP: &str = "origin: https://app.example";
const EVIL: &str = "origin: https://evil.example";

#[tokio::test]
async fn pages_of_other_origins_are_refused_until_configured() {
    let server = Server::new();
    let answer = server.send("GET /health", &[APP], "").await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, None), "off");
    assert_eq!(server.send("POST /api/v1/transactions", &[EVIL], "").await.outcome(), "403 origin-not-allowed");
    let own = server.send("POST /api/v1/transactions", &["origin: http://localhost:8080"], "").await;
    assert_eq!(own.outcome(), "201");

    let server =
        Server::with_config(AppConfig { cors_origins: vec!["https://app.example".to_owned()], ..AppConfig::default() });
    let answer = server.send("GET /health", &[APP], "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("vary"), Some("origin"));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("etag"));
    let answer = server.send("GET /health", &[EVIL], "").await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, Some("origin")));
    assert_eq!(server.send("POST /api/v1/transactions", &[APP], "").await.outcome(), "201");

    let question = ["access-control-request-method: PUT", "access-control-request-headers: if-match"];
    let answer = server.send("OPTIONS /api/v1/kv/a", &[APP, question[0], question[1]], "").await;
    assert_eq!(answer.outcome(), "204");
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("if-match"));
    let answer = server.send("OPTIONS /api/v1/kv/a", &[EVIL, question[0]], "").await;
    assert_eq!(answer.header("access-control-allow-methods"), None);

    let server = Server::with_config(AppConfig { cors_origins: vec!["*".to_owned()], ..AppConfig::default() });
    let answer = server.send("GET /health", &[EVIL], "").await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (Some("*"), None));
}

#[tokio::test]
async fn pages_may_read_every_documented_header() {
    let server = Server::with_config(AppConfig { cors_origins: vec!["*".to_owned()], ..AppConfig::default() });
    let answer = server.send("GET /health", &[APP], "").await;
    let exposed: Vec<_> = answer.header("access-control-expose-headers").unwrap().split(", ").collect();
    let document = server.app.openapi();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let answers = operations.flat_map(|operation| operation["responses"].as_object().unwrap().values());
    for header in answers.filter_map(|answer| answer["headers"].as_object()).flat_map(|headers| headers.keys()) {
        assert!(exposed.contains(&&header[..]), "{header} is not among {exposed:?}");
    }
    assert!(exposed.contains(&"mantisdb-durable") && exposed.contains(&"location"));
}

async fn get_compressed(server: &Server, path: &str, codings: &str) -> Answer {
    server.send(&format!("GET {path}"), &[&format!("accept-encoding: {codings}")], "").await
}

#[tokio::test]
async fn large_answers_are_compressed_on_request() {
    let server = Server::new();
    let text = "many words ".repeat(10_000);
    server.send("PUT /api/v1/kv/text", &["content-type: text/plain"], text.clone()).await;
    server.send("PUT /api/v1/kv/image", &["content-type: image/png"], text.clone()).await;
    server.send("PUT /api/v1/kv/small", &["content-type: text/plain"], "x".repeat(1_023)).await;
    for (codings, coding) in
        [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, deflate, br", "br"), ("gzip;q=1, br;q=0.5", "gzip")]
    {
        let answer = get_compressed(&server, "/api/v1/kv/text", codings).await;
        assert_eq!(answer.header("content-encoding"), Some(coding), "{codings}");
        assert_eq!(answer.header("etag"), Some(&*format!("\"v1-{coding}\"")), "other bytes, another tag");
        assert!(answer.body.len() < text.len() / 10, "{coding}: {}", answer.body.len());
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "accept-encoding"]);
        let (tag, accepted) = (format!("if-none-match: \"v1-{coding}\""), format!("accept-encoding: {codings}"));
        assert_eq!(server.send("GET /api/v1/kv/text", &[&tag, &accepted], "").await.status, 304);
        assert_eq!(
            server.send("GET /api/v1/kv/text", &[&tag], "").await.status,
            200,
            "those bytes are not what it has"
        );
        let tag = format!("if-match: \"v1-{coding}\"");
        assert_eq!(server.send("GET /api/v1/kv/text", &[&tag], "").await.status, 200);
    }
    for (key, accept, codings) in [
        ("text", "*/*", "gzip"),
        ("text", "*/*", "identity"),
        ("text", "application/json", "br"),
        ("small", "application/json", "gzip"),
        ("small", "*/*", "gzip"),
        ("image", "*/*", "gzip"),
    ] {
        let (line, accept) = (format!("GET /api/v1/kv/{key}"), format!("accept: {accept}"));
        let codings = format!("accept-encoding: {codings}");
        let full = server.send(&line, &[&accept, &codings], "").await;
        let tag = format!("if-none-match: {}", full.header("etag").unwrap());
        let spared = server.send(&line, &[&accept, &codings, &tag], "").await;
        let headers_of = |answer: &Answer| {
            let vary: Vec<_> = answer.headers.get_all("vary").iter().cloned().collect();
            (answer.header("etag").map(str::to_owned), vary)
        };
        assert_eq!(
            (spared.status.as_u16(), headers_of(&spared)),
            (304, headers_of(&full)),
            "{line} {accept} {codings}"
        );
        assert_eq!((spared.header("content-encoding"), spared.body.len()), (None, 0));
    }
    for (path, codings) in [
        ("/api/v1/kv/text", "identity"),
        ("/api/v1/kv/text", "gzip;q=0"),
        ("/api/v1/kv/text", "deflate"),
        ("/api/v1/kv/image", "gzip"),
        ("/api/v1/kv/small", "gzip"),
    ] {
        assert_eq!(get_compressed(&server, path, codings).await.header("content-encoding"), None, "{path} {codings}");
    }
    let part = server.send("GET /api/v1/kv/text", &["accept-encoding: gzip", "range: bytes=0-4999"], "").await;
    assert_eq!((part.status.as_u16(), part.header("content-encoding"), part.body.len()), (206, None, 5_000));
    let head = server.send("HEAD /api/v1/kv/text", &["accept-encoding: gzip"], "").await;
    assert_eq!((head.header("content-encoding"), head.header("content-length")), (Some("gzip"), None));
    let list = get_compressed(&server, "/docs", "gzip").await;
    assert_eq!(list.header("content-encoding"), Some("gzip"));
    let server = Server::with_config(AppConfig { compression: false, ..AppConfig::default() });
    assert_eq!(get_compressed(&server, "/docs", "gzip").await.header("content-encoding"), None);
}
