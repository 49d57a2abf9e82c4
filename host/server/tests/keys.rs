//! Hostile keys and parameters, over a raw connection so that no client corrects them on the way.

use crate::support::Server;

/// Sends a request and compares `STATUS code`, or `STATUS` for a success.
#[track_caller]
fn check(server: &Server, method: &str, path: &str, body: &str, expected: &str) -> String {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let answer = server.exchange(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap();
    let problem = serde_json::from_str::<serde_json::Value>(body).ok();
    let code = problem.and_then(|problem| Some(format!(" {}", problem.get("code")?.as_str()?))).unwrap_or_default();
    assert_eq!(format!("{status}{code}"), expected, "{method} {path}: {answer}");
    body.to_owned()
}

#[test]
fn invalid_page_limits_are_refused() {
    let server = Server::start(&[]);
    check(&server, "PUT", "/api/v1/kv/a", "1", "201");
    for limit in ["0", "1001", "4294967296", "18446744073709551616", "99999999999999999999", "00"] {
        check(&server, "GET", &format!("/api/v1/kv?limit={limit}"), "", "400 limit-out-of-range");
    }
    for limit in ["", "-1", "+1", "1.5", "1e2", "0x10", "NaN", "ten", "%00", "1%00", "%FF", "1;2"] {
        check(&server, "GET", &format!("/api/v1/kv?limit={limit}"), "", "400 parameter-invalid");
    }
    check(&server, "GET", "/api/v1/kv?limit=1&limit=1", "", "400 parameter-repeated");
    check(&server, "GET", "/api/v1/kv?limits=1", "", "400 parameter-unknown");
    let page = check(&server, "GET", "/api/v1/kv?limit=1000", "", "200");
    assert_eq!(page, r#"{"keys":["a"],"cursor":null}"#);
    server.check_alive();
}

#[test]
fn every_byte_is_an_ordinary_byte_of_a_key() {
    let server = Server::start(&[]);
    let longest = "%00".repeat(4_096);
    // As written in a path, and as JSON writes it in base64.
    let keys = [
        ("%00", "AA=="),
        ("a%00b", "YQBi"),
        ("%2F", "Lw=="),
        ("//", "Ly8="),
        ("..", "Li4="),
        ("%2e%2E", "Li4="),
        (".", "Lg=="),
        ("../../../etc/passwd", "Li4vLi4vLi4vZXRjL3Bhc3N3ZA=="),
        ("..%2F..%2Fetc%2Fpasswd", "Li4vLi4vZXRjL3Bhc3N3ZA=="),
        ("..%5C", "Li5c"),
        ("%FF", "/w=="),
        ("%C3%28", "wyg="),
        ("%ED%A0%80", "7aCA"),
        ("%25", "JQ=="),
        ("%2500", "JTAw"),
        ("%0D%0ASet-Cookie:%20a=b", "DQpTZXQtQ29va2llOiBhPWI="),
        ("+", "Kw=="),
        ("a/increment", "YS9pbmNyZW1lbnQ="),
        (&longest, ""),
    ];
    for (key, base64) in keys {
        let path = format!("/api/v1/kv/{key}");
        check(&server, "PUT", &path, key, "201");
        assert_eq!(check(&server, "GET", &path, "", "200"), *key);
        if !base64.is_empty() {
            let listed = check(&server, "GET", "/api/v1/kv?encoding=base64", "", "200");
            assert_eq!(listed, format!(r#"{{"keys":[{{"base64":"{base64}"}}],"cursor":null}}"#), "{key}");
        }
        check(&server, "DELETE", &path, "", "204");
        check(&server, "GET", &path, "", "404 key-not-found");
    }
    check(&server, "PUT", "/api/v1/kv/a/b", "slash", "201");
    assert_eq!(check(&server, "GET", "/api/v1/kv/a%2Fb", "", "200"), "slash", "decoded once, and the same key");
    check(&server, "GET", "/api/v1/kv/a%252Fb", "", "404 key-not-found");
    server.check_alive();
}

#[test]
fn invalid_keys_are_refused() {
    let server = Server::start(&[]);
    for (path, expected) in [
        ("/api/v1/kv/".to_owned(), "400 key-empty"),
        ("/api/v1/kv/%".to_owned(), "400 path-malformed"),
        ("/api/v1/kv/%2".to_owned(), "400 path-malformed"),
        ("/api/v1/kv/%zz".to_owned(), "400 path-malformed"),
        (format!("/api/v1/kv/{}", "k".repeat(4_097)), "414 key-too-long"),
        (format!("/api/v1/kv/{}", "k".repeat(17_000)), "414 uri-too-long"),
        ("/api/v1/buckets/../kv/a".to_owned(), "400 bucket-name-invalid"),
        ("/api/v1/buckets/%00/kv/a".to_owned(), "400 bucket-name-invalid"),
        ("/api/v1/buckets/%FF/kv/a".to_owned(), "400 bucket-name-invalid"),
        ("/api/v1/buckets/a%2Fb/kv/a".to_owned(), "400 bucket-name-invalid"),
        ("/api/v1/../../etc/passwd".to_owned(), "404 route-not-found"),
    ] {
        check(&server, "GET", &path, "", expected);
    }
    server.check_alive();
}
