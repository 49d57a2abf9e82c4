//! One key: writing, reading, deleting, counting.

use serde_json::json;

use crate::harness::{START_MS, Server};

/// Sends a request and compares its outcome.
#[track_caller]
fn check<'s>(
    server: &'s Server,
    line: &str,
    headers: &[&str],
    body: &'static [u8],
    outcome: &str,
) -> impl Future<Output = ()> + use<'s> {
    let sending = server.send(line, headers, body);
    let caller = std::panic::Location::caller();
    let line = line.to_owned();
    let outcome = outcome.to_owned();
    async move {
        let answer = sending.await;
        assert_eq!(answer.outcome(), outcome, "{caller}: {line}: {:?}", answer.body);
    }
}

#[tokio::test]
async fn a_value_is_returned_byte_for_byte() {
    let server = Server::new();
    check(&server, "PUT /api/v1/kv/a", &["content-type: image/png"], &[0, 159, 255], "201").await;
    let answer = server.send("GET /api/v1/kv/a", &[], "").await;
    assert_eq!(answer.outcome(), "200");
    assert_eq!(&answer.body[..], &[0, 159, 255]);
    for (name, value) in [
        ("content-type", "image/png"),
        ("etag", "\"v1\""),
        ("last-modified", "Sat, 31 Jan 2026 12:00:00 GMT"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    check(&server, "PUT /api/v1/kv/a", &[], b"", "204").await;
    let answer = server.send("GET /api/v1/kv/a", &[], "").await;
    assert_eq!((answer.outcome(), answer.body.len()), ("200".to_owned(), 0), "an empty value is a value");
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    check(&server, "DELETE /api/v1/kv/a", &[], b"", "204").await;
    check(&server, "DELETE /api/v1/kv/a", &[], b"", "404 key-not-found").await;
    check(&server, "GET /api/v1/kv/a", &[], b"", "404 key-not-found").await;
}

#[tokio::test]
async fn the_structured_form_has_the_value_in_json() {
    const JSON: &str = "content-type: application/json; charset=utf-8";
    let server = Server::new();
    for (body, value, media) in [
        (r#"{"value":[72,101,108,108,111]}"#, &b"Hello"[..], "application/octet-stream"),
        (r#"{"value":"gr\u00fcn"}"#, "gr\u{fc}n".as_bytes(), "text/plain; charset=utf-8"),
        (r#"{"value":{"base64":"/wA="}}"#, &[255, 0], "application/octet-stream"),
        (r#"{"value":[]}"#, b"", "application/octet-stream"),
    ] {
        server.send("PUT /api/v1/kv/test", &[JSON], body).await;
        let answer = server.send("GET /api/v1/kv/test", &[], "").await;
        assert_eq!(&answer.body[..], value, "{body}");
        assert_eq!(answer.header("content-type"), Some(media), "{body}");
    }
    for (body, outcome) in [
        (&b"{\"value\":\"a\",\"ttl\":0}"[..], "422 ttl-invalid"),
        (b"{\"value\":\"a\",\"ttl\":-1}", "422 ttl-invalid"),
        (b"{\"value\":\"a\",\"ttl\":1.5}", "422 body-invalid"),
        (b"{\"value\":{\"base64\":\"?\"}}", "422 body-invalid"),
        (b"{\"value\":", "400 body-malformed"),
        (b"{\"name\":\"Ann\"", "400 body-malformed"),
        (b"\"\xff\"", "400 body-malformed"),
        (b"", "400 body-malformed"),
    ] {
        check(&server, "PUT /api/v1/kv/test", &[JSON], body, outcome).await;
    }
    let refusal = server.send("PUT /api/v1/kv/test", &[JSON], r#"{"value":"a","ttl":"soon"}"#).await;
    assert!(refusal.json()["hint"].as_str().unwrap().contains("?raw=true"));
}

#[tokio::test]
async fn a_json_document_is_stored_as_it_is_unless_it_is_the_form_of_a_value() {
    const JSON: &str = "content-type: application/json";
    const VALUE: &str = "content-type: application/vnd.mantisdb.value+json";
    let server = Server::new();
    let put = async |line: &str, media: &str, body: &str| {
        let answer = server.send(line, &[media], body.to_owned()).await;
        let stored = answer.header("mantisdb-stored").map(str::to_owned);
        (answer.outcome(), stored)
    };
    let done = |stored: Option<&str>| ("204".to_owned(), stored.map(str::to_owned));
    server.send("PUT /api/v1/kv/doc", &[], "x").await;
    for document in [
        "{ \"name\": \"Ann\" }\n",
        "[1,2]",
        "5",
        "null",
        "\"text\"",
        "{}",
        r#"{"ttl":5}"#,
        r#"{"value":null}"#,
        r#"{"value":5}"#,
        r#"{"value":[256]}"#,
        r#"{"value":"a","value":"b"}"#,
        r#"{"value":"a","ttl":5,"more":1}"#,
    ] {
        assert_eq!(put("PUT /api/v1/kv/doc", JSON, document).await, done(Some("document")), "{document}");
        let read = server.send("GET /api/v1/kv/doc", &[], "").await;
        assert_eq!((read.text(), read.header("content-type")), (document, Some("application/json")));
        assert_eq!(read.header("mantisdb-expires"), None, "{document}");
        let (outcome, stored) = put("PUT /api/v1/kv/doc", VALUE, document).await;
        assert_eq!((&*outcome, stored), ("422 body-invalid", None), "{document}");
    }
    let form = r#"{"ttl":60,"value":[72,105]}"#;
    for media in [JSON, VALUE] {
        assert_eq!(put("PUT /api/v1/kv/doc", media, form).await, done(Some("value")), "{media}");
        let read = server.send("GET /api/v1/kv/doc", &[], "").await;
        assert_eq!((read.text(), read.header("mantisdb-expires").is_some()), ("Hi", true));
    }
    assert_eq!(put("PUT /api/v1/kv/doc", VALUE, "{").await.0, "400 body-malformed");
    assert_eq!(put("PUT /api/v1/kv/doc?raw=true", JSON, form).await, done(Some("document")));
    assert_eq!(server.send("GET /api/v1/kv/doc", &[], "").await.text(), form);
    assert_eq!(put("PUT /api/v1/kv/doc?raw=true", JSON, "no JSON").await, done(Some("document")));
    assert_eq!(put("PUT /api/v1/kv/doc?raw=true", VALUE, form).await, done(Some("value")), "always the form");
    assert_eq!(put("PUT /api/v1/kv/doc", "content-type: text/plain", form).await, done(None));
    let parameters = "content-type: Application/JSON; charset=utf-8";
    assert_eq!(put("PUT /api/v1/kv/doc?ttl=60", parameters, "[1]").await, done(Some("document")));
    let read = server.send("GET /api/v1/kv/doc", &["accept: application/json"], "").await;
    assert_eq!((read.text(), read.header("content-type")), ("[1]", Some("Application/JSON; charset=utf-8")));
    assert!(read.header("mantisdb-expires").is_some());
}

/// One value, asked for in every way: the outcome, its tag, its media type, and whether its body is the document.
#[tokio::test]
async fn a_stored_json_document_is_shown_as_it_is() {
    const ENTRY: &str = "application/vnd.mantisdb.entry+json";
    let server = Server::new();
    let document = format!(r#"{{"name":"Ann","more":"{}"}}"#, "x".repeat(20));
    server.send("PUT /api/v1/kv/doc", &["content-type: application/json"], document.clone()).await;
    server.send("PUT /api/v1/kv/text", &["content-type: text/plain"], "Hi").await;
    for (path, accept, expected) in [
        ("doc", "application/json", "200 \"v1\" application/json"),
        ("doc", "application/json, text/plain, */*", "200 \"v1\" application/json"),
        ("doc", "application/*", "200 \"v1\" application/json"),
        ("doc", "*/*", "200 \"v1\" application/json"),
        ("doc", ENTRY, "200 \"v1-json\" application/vnd.mantisdb.entry+json"),
        (
            "doc",
            "application/vnd.mantisdb.entry+json, application/json;q=0.5",
            "200 \"v1-json\" application/vnd.mantisdb.entry+json",
        ),
        ("doc", "application/vnd.mantisdb.entry+json;q=0.5, application/json", "200 \"v1\" application/json"),
        ("doc?encoding=utf8", "application/json", "200 \"v1-json-utf8\" application/json"),
        ("doc?encoding=base64", ENTRY, "200 \"v1-json-base64\" application/vnd.mantisdb.entry+json"),
        ("doc?raw=true", ENTRY, "200 \"v1\" application/json"),
        ("doc", "text/plain", "406 not-acceptable"),
        ("doc", "application/json;q=0", "406 not-acceptable"),
        ("text", "application/json", "200 \"v2-json\" application/json"),
        ("text", ENTRY, "200 \"v2-json\" application/vnd.mantisdb.entry+json"),
        ("text", "application/vnd.mantisdb.entry+json, */*", "200 \"v2-json\" application/vnd.mantisdb.entry+json"),
    ] {
        let accept = format!("accept: {accept}");
        let read = server.send(&format!("GET /api/v1/kv/{path}"), &[&accept], "").await;
        let shown = match read.header("etag") {
            Some(tag) => format!("{} {tag} {}", read.outcome(), read.header("content-type").unwrap()),
            None => read.outcome(),
        };
        assert_eq!(shown, expected, "{path} {accept}");
        let Some(tag) = read.header("etag") else { continue };
        assert_eq!(
            tag.contains("json"),
            read.json()["version"].is_string() && read.text() != document,
            "{path} {accept}"
        );
        let head = server.send(&format!("HEAD /api/v1/kv/{path}"), &[&accept], "").await;
        let length = read.body.len().to_string();
        assert_eq!((head.header("etag"), head.header("content-length")), (Some(tag), Some(&*length)));
        let known = format!("if-none-match: {tag}");
        let spared = server.send(&format!("GET /api/v1/kv/{path}"), &[&accept, &known], "").await;
        assert_eq!((spared.status.as_u16(), spared.header("etag")), (304, Some(tag)), "{path} {accept}");
        let part = server.send(&format!("GET /api/v1/kv/{path}"), &[&accept, "range: bytes=0-3"], "").await;
        let is_part = !tag.contains("json");
        assert_eq!(part.status == 206, is_part, "ranges are of stored bytes: {path} {accept}");
        let matching = format!("if-match: {tag}");
        let read_again = server.send(&format!("GET /api/v1/kv/{path}"), &[&accept, &matching], "").await;
        assert_eq!(read_again.body, read.body);
    }
}

#[tokio::test]
async fn a_json_document_of_a_transaction_is_shown_as_it_is() {
    let server = Server::new();
    let id = server.send("POST /api/v1/transactions", &[], "").await.json()["id"].as_str().unwrap().to_owned();
    let within = &*format!("mantisdb-transaction: {id}");
    let answer = server.send("PUT /api/v1/kv/doc", &[within, "content-type: application/json"], r#"{"a":1}"#).await;
    assert_eq!((answer.outcome().as_str(), answer.header("mantisdb-stored")), ("201", Some("document")));
    let read = server.send("GET /api/v1/kv/doc", &[within, "accept: application/json"], "").await;
    assert_eq!((read.text(), read.header("etag")), (r#"{"a":1}"#, None));
    let entry = "accept: application/vnd.mantisdb.entry+json";
    let read = server.send("GET /api/v1/kv/doc?encoding=utf8", &[within, entry], "").await;
    assert_eq!(read.json(), json!({"key": "doc", "value": "{\"a\":1}", "version": null, "expires_at": null}));
    assert_eq!(server.send("GET /api/v1/kv/doc", &[], "").await.outcome(), "404 key-not-found");
    server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
    assert_eq!(server.send("GET /api/v1/kv/doc", &["accept: application/json"], "").await.text(), r#"{"a":1}"#);
}

#[tokio::test]
async fn the_json_form_is_served_on_request() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/test", &["content-type: text/plain"], "Hello").await;
    let numbers = json!({"key": "test", "value": [72, 101, 108, 108, 111], "version": "1", "expires_at": null});
    let text = json!({"key": "test", "value": "Hello", "version": "1", "expires_at": null});
    let base64 = json!({"key": {"base64": "dGVzdA=="}, "value": "SGVsbG8=", "version": "1", "expires_at": null});
    for (line, accept, expected) in [
        ("GET /api/v1/kv/test", "application/json", Some(&numbers)),
        ("GET /api/v1/kv/test", "application/json, */*;q=0.5", Some(&numbers)),
        ("GET /api/v1/kv/test", "application/json, text/plain, */*", None),
        ("GET /api/v1/kv/test", "*/*", None),
        ("GET /api/v1/kv/test", "text/plain", None),
        ("GET /api/v1/kv/test", "application/*", Some(&numbers)),
        ("GET /api/v1/kv/test", "application/*, text/*;q=0.1", None),
        ("GET /api/v1/kv/test", "", None),
        ("GET /api/v1/kv/test?raw=true", "application/json", None),
        ("GET /api/v1/kv/test?encoding=utf8", "*/*", Some(&text)),
        ("GET /api/v1/kv/test?encoding=base64", "application/json", Some(&base64)),
    ] {
        let answer = server.send(line, &[&format!("accept: {accept}")], "").await;
        match expected {
            Some(expected) => assert_eq!(&answer.json(), expected, "{line} {accept}"),
            None => assert_eq!(answer.text(), "Hello", "{line} {accept}"),
        }
    }
    check(&server, "GET /api/v1/kv/test", &["accept: image/png"], b"", "406 not-acceptable").await;
    let no_json = ["accept: application/*, application/json;q=0"];
    check(&server, "GET /api/v1/kv/test", &no_json, b"", "406 not-acceptable").await;
    check(&server, "GET /api/v1/kv/test?encoding=utf8", &["accept: text/plain"], b"", "406 not-acceptable").await;
    check(&server, "GET /api/v1/kv/test?encoding=hex", &[], b"", "400 parameter-invalid").await;
    server.send("PUT /api/v1/kv/%ff", &[], &[255][..]).await;
    let answer = server.send("GET /api/v1/kv/%ff?encoding=utf8", &[], "").await;
    assert_eq!(answer.json()["value"], json!({"base64": "/w=="}), "what is not text is base64 in any case");
    assert_eq!(answer.json()["key"], json!({"base64": "/w=="}));
}

#[tokio::test]
async fn a_key_is_decoded_once_and_nothing_is_normalised() {
    let server = Server::new();
    let keys: [(&str, &[u8]); 12] = [
        ("a/b", b"a/b"),
        ("a%2Fb", b"a/b"),
        ("a%252Fb", b"a%2Fb"),
        (".", b"."),
        ("..", b".."),
        ("a/../b", b"a/../b"),
        ("/", b"/"),
        ("//", b"//"),
        ("%00", b"\0"),
        ("1+1", b"1+1"),
        ("%20", b" "),
        ("increment", b"increment"),
    ];
    for (raw, key) in keys {
        server.send(&format!("PUT /api/v1/kv/{raw}"), &["content-type: text/plain"], key).await;
    }
    for (raw, key) in keys {
        let answer = server.send(&format!("GET /api/v1/kv/{raw}"), &[], "").await;
        assert_eq!(&answer.body[..], key, "{raw}");
    }
    let listed = server.send("GET /api/v1/kv", &[], "").await.json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), keys.len() - 1, "two spellings are one key: {listed}");
    for (line, outcome) in [
        ("GET /api/v1/kv/", "400 key-empty"),
        ("PUT /api/v1/kv/", "400 key-empty"),
        ("DELETE /api/v1/kv/", "400 key-empty"),
        ("GET /api/v1/kv/100%", "400 path-malformed"),
        ("GET /api/v1/kv/%zz", "400 path-malformed"),
        ("GET /api/v1/buckets/UPPER/kv/a", "400 bucket-name-invalid"),
        ("GET /api/v1/buckets/%ff/kv/a", "400 bucket-name-invalid"),
    ] {
        check(&server, line, &[], b"", outcome).await;
    }
    let longest = "k".repeat(4_096);
    check(&server, &format!("PUT /api/v1/kv/{longest}"), &[], b"", "201").await;
    check(&server, &format!("PUT /api/v1/kv/{longest}k"), &[], b"", "414 key-too-long").await;
    let escaped = "%FF".repeat(4_096);
    check(&server, &format!("PUT /api/v1/kv/{escaped}"), &[], b"", "201").await;
    check(&server, &format!("PUT /api/v1/kv/{}", "k".repeat(17_000)), &[], b"", "414 uri-too-long").await;
}

#[tokio::test]
async fn a_value_expires() {
    let server = Server::new();
    for (line, body, expires) in [
        ("PUT /api/v1/kv/a?ttl=60", "x", Some("2026-01-31T12:01:00.000Z")),
        ("PUT /api/v1/kv/a?ttl_ms=1500", "x", Some("2026-01-31T12:00:01.500Z")),
        ("PUT /api/v1/kv/a?ttl=60&ttl_ms=1500", "x", Some("2026-01-31T12:00:01.500Z")),
        ("PUT /api/v1/kv/a", "x", None),
    ] {
        server.send(line, &["content-type: text/plain"], body).await;
        let answer = server.send("GET /api/v1/kv/a", &[], "").await;
        assert_eq!(answer.header("mantisdb-expires"), expires, "{line}");
        let form = server.send("GET /api/v1/kv/a?encoding=utf8", &[], "").await.json();
        assert_eq!(form["expires_at"].as_str(), expires, "{line}");
    }
    server.send("PUT /api/v1/kv/b", &["content-type: application/json"], r#"{"value":"x","ttl":1}"#).await;
    server.clock.set_ms(START_MS + 999);
    check(&server, "GET /api/v1/kv/b", &[], b"", "200").await;
    server.clock.set_ms(START_MS + 1_000);
    check(&server, "GET /api/v1/kv/b", &[], b"", "404 key-not-found").await;
    for line in ["PUT /api/v1/kv/a?ttl=0", "PUT /api/v1/kv/a?ttl_ms=0", "PUT /api/v1/kv/a?ttl=99999999999999999999"] {
        check(&server, line, &[], b"", "400 ttl-invalid").await;
    }
    check(&server, "PUT /api/v1/kv/a?ttl=soon", &[], b"", "400 parameter-invalid").await;
}

#[tokio::test]
async fn an_increment_returns_the_new_number() {
    const JSON: &[&str] = &["content-type: application/json"];
    let server = Server::new();
    for (body, sum) in [
        ("", "1"),
        (r#"{"by":41}"#, "42"),
        (r#"{"by":-2}"#, "40"),
        ("{}", "41"),
        (r#"{"by":1.0}"#, "42"),
        (r#"{"by":"1"}"#, "43"),
        (r#"{"by":"-1"}"#, "42"),
    ] {
        let headers = if body.is_empty() { &[] } else { JSON };
        let answer = server.send("POST /api/v1/kv/n/increment", headers, body).await;
        assert_eq!((answer.outcome().as_str(), answer.text()), ("200", sum), "{body}");
        assert!(answer.header("etag").is_some());
    }
    assert_eq!(server.send("GET /api/v1/kv/n", &[], "").await.text(), "42");
    server.send("PUT /api/v1/kv/text", &[], "abc").await;
    check(&server, "POST /api/v1/kv/text/increment", &[], b"", "422 not-an-integer").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"{\"by\":9223372036854775807}", "409 integer-overflow").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"{\"by\":\"1.0\"}", "422 body-invalid").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"{\"by\":-9223372036854775809}", "422 body-invalid").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"{\"add\":1}", "422 body-invalid").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"[]", "422 body-invalid").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"[1]", "422 body-invalid").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"", "200").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b" ", "400 body-malformed").await;
    check(&server, "POST /api/v1/kv/n/increment", JSON, b"{\"by\":null}", "200").await;
    check(&server, "POST /api/v1/kv/n/increment", &["content-type: text/plain"], b"5", "415 media-type-unsupported")
        .await;
    check(&server, "POST /api/v1/kv/n/increment", &[], b"5", "415 media-type-unsupported").await;
    check(&server, "POST /api/v1/kv//increment", &[], b"", "400 key-empty").await;
    check(&server, "POST /api/v1/kv/n", &[], b"", "405 method-not-allowed").await;
    check(&server, "GET /api/v1/kv/n/increment", &[], b"", "404 key-not-found").await;
    check(&server, "PUT /api/v1/kv/n/increment", &[], b"a key like any other", "201").await;
    check(&server, "POST /api/v1/buckets/b/kv/n/increment", &[], b"", "200").await;
}

#[tokio::test]
async fn the_written_entry_is_returned_on_request() {
    let server = Server::new();
    let headers = ["content-type: text/plain", "prefer: return=representation, handling=lenient"];
    let answer = server.send("PUT /api/v1/kv/a?ttl=60", &headers, "Hi").await;
    assert_eq!(answer.outcome(), "201");
    assert_eq!(answer.header("preference-applied"), Some("return=representation"));
    let expected = json!({"key": "a", "value": [72, 105], "version": "1", "expires_at": "2026-01-31T12:01:00.000Z"});
    assert_eq!(answer.json(), expected);
    assert_eq!(server.send("PUT /api/v1/kv/a", &headers, "Hi").await.outcome(), "200");
    let headers = ["prefer: return=representation", "accept: text/plain"];
    assert_eq!(server.send("PUT /api/v1/kv/a", &headers, "Hi").await.outcome(), "406 not-acceptable");
    for (accept, media, shows_document) in [
        ("application/json", "application/json", true),
        ("*/*", "application/json", true),
        ("application/vnd.mantisdb.entry+json", "application/vnd.mantisdb.entry+json", false),
    ] {
        let headers = ["content-type: application/json", "prefer: return=representation", &format!("accept: {accept}")];
        let answer = server.send("PUT /api/v1/kv/a", &headers, r#"{"a":1}"#).await;
        assert_eq!((answer.outcome().as_str(), answer.header("content-type")), ("200", Some(media)));
        assert_eq!(answer.text() == r#"{"a":1}"#, shows_document, "{accept}");
        let read = server.send("GET /api/v1/kv/a", &[&format!("accept: {media}")], "").await;
        assert_eq!((read.header("etag"), &read.body), (answer.header("etag"), &answer.body), "as a read shows it");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], "Hello").await;
    for (line, status) in [
        ("/api/v1/kv/a", 200),
        ("/api/v1/kv/missing", 404),
        ("/api/v1/kv", 200),
        ("/health", 200),
        ("/stats", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/docs", 200),
        ("/", 200),
        ("/api/v1/buckets", 200),
        ("/api/v1/changes", 200),
        ("/api/v1/plugins", 200),
    ] {
        let answer = server.send(&format!("HEAD {line}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{line}");
    }
    let answer = server.send("HEAD /api/v1/kv/a", &[], "").await;
    assert_eq!((answer.header("content-length"), answer.header("etag")), (Some("5"), Some("\"v1\"")));
}

#[tokio::test]
async fn a_number_is_read_from_its_text_and_not_from_the_nearest_float() {
    const JSON: &str = "content-type: application/json";
    const FORM: &str = "content-type: application/vnd.mantisdb.value+json";
    let server = Server::new();
    server.send("PUT /api/v1/kv/n", &[], "5").await;
    for number in ["1.0000000000000000001", "0.99999999999999999999", "9007199254740990.9999", "1e-400", "1.5"] {
        for (line, header, body) in [
            ("POST /api/v1/kv/n/increment", JSON, format!(r#"{{"by": {number}}}"#)),
            (
                "POST /api/v1/kv",
                JSON,
                format!(r#"{{"operations": [{{"op": "increment", "key": "n", "by": {number}}}]}}"#),
            ),
            (
                "POST /api/v1/kv",
                JSON,
                format!(r#"{{"operations": [{{"op": "increment", "key": "n", "value": {number}}}]}}"#),
            ),
            (
                "POST /api/v1/kv",
                JSON,
                format!(r#"{{"operations": [{{"op": "delete", "key": "n", "if_version": {number}}}]}}"#),
            ),
            (
                "POST /api/v1/batch",
                JSON,
                format!(r#"{{"operations": [{{"op": "increment", "key": "n", "by": {number}}}]}}"#),
            ),
            ("PUT /api/v1/kv/n", FORM, format!(r#"{{"value": "x", "ttl": {number}}}"#)),
            ("PUT /api/v1/kv/n", FORM, format!(r#"{{"value": [{number}]}}"#)),
            ("PUT /api/v1/kv/n", JSON, format!(r#"{{"value": "x", "ttl": {number}}}"#)),
        ] {
            let answer = server.send(line, &[header], body.clone()).await;
            assert_eq!(answer.outcome(), "422 body-invalid", "{line} {body}: {}", answer.text());
        }
        let answer = server.send(&format!("PUT /api/v1/kv/n?ttl={number}"), &[], "x").await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let document = format!(r#"{{"value": [{number}]}}"#);
        let stored = server.send("PUT /api/v1/kv/document", &[JSON], document.clone()).await;
        assert_eq!(stored.header("mantisdb-stored"), Some("document"), "{document}");
    }
    assert_eq!(server.send("GET /api/v1/kv/n", &[], "").await.text(), "5");
    for (number, sum) in
        [("1.0", "6"), ("1e1", "16"), ("10.0e-1", "17"), ("-0", "17"), ("2.000000000000000000000", "19")]
    {
        let answer = server.send("POST /api/v1/kv/n/increment", &[JSON], format!(r#"{{"by": {number}}}"#)).await;
        assert_eq!(answer.text(), sum, "{number}");
    }
}

#[tokio::test]
async fn sums_beyond_what_floats_hold_are_text_on_request() {
    const JSON: &str = "content-type: application/json";
    let server = Server::new();
    let by = r#"{"by": 9007199254740993}"#;
    let answer = server.send("POST /api/v1/kv/n/increment?numbers=string", &[JSON], by).await;
    assert_eq!(answer.text(), "\"9007199254740993\"");
    let answer = server.send("POST /api/v1/kv/n/increment", &[JSON], r#"{"by": 0}"#).await;
    assert_eq!(answer.text(), "9007199254740993");
    let operations = r#"[{"op": "increment", "key": "n", "by": -9223372036854775807}, {"op": "get", "key": "n"}]"#;
    for (line, body) in [
        ("POST /api/v1/kv?numbers=string", format!(r#"{{"atomic": true, "operations": {operations}}}"#)),
        ("POST /api/v1/batch?numbers=string", format!(r#"{{"operations": {operations}}}"#)),
    ] {
        server.send("PUT /api/v1/kv/n", &[], "0").await;
        let answer = server.send(line, &[JSON], body).await;
        assert_eq!(answer.json()["results"][0]["value"], "-9223372036854775807", "{}", answer.text());
        assert_eq!(answer.json()["results"][1]["value"], "-9223372036854775807");
    }
    check(&server, "POST /api/v1/kv/n/increment?numbers=float", &[], b"", "400 parameter-invalid").await;
}

/// A hint that repeats that there is a detail helps nobody.
#[test]
fn every_hint_says_something() {
    let http = mantis_http::errors::Code::ALL.iter().map(|code| (code.as_str(), code.remedy()));
    let database = mantis_db::Code::ALL.iter().map(|code| (code.as_str(), code.remedy()));
    for (code, remedy) in http.chain(database) {
        assert!(!remedy.to_lowercase().contains("detail says") && !remedy.contains("detail has"), "{code}: {remedy}");
    }
}

/// What is wrong with a JSON body is a sentence on every route, and never a word of the reader.
#[tokio::test]
async fn a_body_that_is_no_json_is_explained_alike_everywhere() {
    let server = Server::new();
    let json = &["content-type: application/json"];
    let table = r#"{"columns":[{"name":"id","type":"int8"}],"primary_key":["id"]}"#;
    assert_eq!(server.send("PUT /api/v1/schema/tables/t", json, table).await.status, 201);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (body, said) in [
        (b"nope{".to_vec(), "here is no valid value (line 1, column 2)"),
        (b"{".to_vec(), "the text ends within an object (line 1, column 1)"),
        (b"\xef\xbb\xbf{}".to_vec(), "the text begins with a byte order mark; JSON is UTF-8 without one"),
        // Routes of tables say which of the two byte orders it is.
        (utf16("{}"), "UTF-16"),
    ] {
        for line in [
            "PUT /api/v1/kv/z",
            "POST /api/v1/kv",
            "POST /api/v1/batch",
            "POST /api/v1/kv/z/increment",
            "POST /api/v1/tables/t",
            "PUT /api/v1/schema/tables/t",
            "PATCH /api/v1/schema/tables/t",
            "POST /api/v1/plugins/p/call/f",
            "POST /rest/v1/rpc/p.f",
        ] {
            let answer = server.send(line, json, body.clone()).await;
            assert_eq!(answer.status, 400, "{line} {body:?}: {}", answer.text());
            let problem = answer.json();
            // The readers of one form or another find out at their own places.
            let sentence = said.split(" (").next().unwrap();
            let texts = [&problem["detail"], &problem["details"], &problem["message"]]
                .map(|text| text.as_str().unwrap_or_default());
            assert!(texts.iter().any(|text| text.contains(sentence)), "{line} {body:?}: {problem}");
        }
    }
    for body in ["[]", "[1,]"] {
        let answer = server.send("POST /api/v1/kv", json, body).await.json();
        assert_eq!(answer["detail"], "found a list, expected an object", "{body}");
    }
    let document = r#"{"operations":[{"op":"set","key":"a","value":{"a":1}}]}"#;
    for line in ["POST /api/v1/kv", "POST /api/v1/batch"] {
        let answer = server.send(line, json, document).await.json();
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("a JSON document is sent as text with its `media_type`"), "{line}: {detail}");
    }
}
