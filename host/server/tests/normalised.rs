//! Clients that resolve the dots of a path before they send it: Node's `fetch`, and Python's joining of addresses.

use std::process::Command;

use crate::support::{Server, failure};

/// Sends requests, `METHOD path` each, as `fetch` does, and returns their status codes.
#[track_caller]
fn fetched(server: &Server, lines: &[&str]) -> Vec<u16> {
    const SCRIPT: &str = "const [base, ...lines] = process.argv.slice(1);
        for (const line of lines) {
            const [method, path] = line.split(' ');
            const body = method === 'PUT' ? 'x' : undefined;
            const response = await fetch(base + path, {method, body});
            console.log(response.status);
        }";
    statuses(Command::new("node").args(["--input-type=module", "-e", SCRIPT, &server.url]).args(lines))
}

/// The same as Python's libraries do, which resolve the path of an address against that of a base.
#[track_caller]
fn joined(server: &Server, lines: &[&str]) -> Vec<u16> {
    const SCRIPT: &str = "import http.client, sys, urllib.parse
base = sys.argv[1]
for line in sys.argv[2:]:
    method, path = line.split(' ')
    # What `requests` does first: escapes of unreserved characters are undone.
    address = urllib.parse.urlsplit(urllib.parse.urljoin(base, path.replace('%2E', '.').replace('%2e', '.')))
    connection = http.client.HTTPConnection(address.netloc)
    connection.request(method, address.path + ('?' + address.query if address.query else ''), 'x' if method == 'PUT' else None)
    print(connection.getresponse().status)";
    statuses(Command::new("python3").args(["-c", SCRIPT, &server.url]).args(lines))
}

#[track_caller]
fn statuses(command: &mut Command) -> Vec<u16> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

/// A server with two buckets, a table and a plugin that nobody asked to remove.
fn server() -> Server {
    let server = Server::start(&[]);
    server.ok(&["put", "--bucket", "b", "k", "kept"]);
    server.ok(&["put", "--bucket", "a", "k", "kept"]);
    server.ok(&["table", "create", "t", "--column", "id:bigint", "--primary-key", "id"]);
    server.ok(&["plugin", "put", "p", crate::plugins::counter().to_str().unwrap()]);
    server
}

#[track_caller]
fn check_kept(server: &Server) {
    assert_eq!(server.ok(&["get", "--bucket", "b", "k"]), "kept");
    assert_eq!(server.ok(&["get", "--bucket", "a", "k"]), "kept");
    server.ok(&["table", "describe", "t"]);
    server.ok(&["plugin", "show", "p"]);
}

#[test]
fn the_shortened_path_of_a_key_removes_no_bucket_no_keys_and_no_rows() {
    let server = server();
    let lines = [
        "DELETE /api/v1/buckets/a/kv/%2E%2E/%2E%2E/b",
        "DELETE /api/v1/buckets/a/kv/../../b",
        "DELETE /api/v1/buckets/a/kv/.%2e/%2E./b",
        "DELETE /api/v1/buckets/a/kv/%2E%2E",
        "DELETE /api/v1/buckets/a/kv/.",
        "DELETE /api/v1/buckets/a/kv/%2E%2E/kv",
        "DELETE /api/v1/kv/%2E%2E/buckets/b",
        "DELETE /api/v1/kv/%2E%2E/tables/t",
        "DELETE /api/v1/kv/%2E%2E/kv",
        "DELETE /api/v1/kv/..",
        "DELETE /api/v1/tables/t/%2E%2E/%2E%2E/buckets/b",
        "DELETE /api/v1/tables/t/%2E%2E",
        "DELETE /api/v1/schema/tables/%2E%2E",
        "DELETE /api/v1/plugins/p/http/%2E%2E/%2E%2E/%2E%2E/buckets/b",
        "DELETE /api/v1/plugins/%2E%2E",
        "DELETE /api/v1/buckets/%2E%2E/kv",
        "DELETE /api/v1/buckets/a/../b",
        "PUT /api/v1/kv/%2E%2E/plugins/p",
        "PUT /api/v1/kv/%2E%2E/schema/tables/t",
    ];
    for (client, answers) in [("node", fetched(&server, &lines)), ("python", joined(&server, &lines))] {
        for (line, status) in lines.iter().zip(answers) {
            assert!((400..500).contains(&status), "{client}: {line}: {status}");
        }
        check_kept(&server);
    }
    let raw = "DELETE /api/v1/buckets/b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(raw.as_bytes());
    assert!(
        answer.contains("drop-unconfirmed") && answer.contains("DELETE /api/v1/buckets/{bucket}?drop=true"),
        "{answer}"
    );
    assert_eq!(fetched(&server, &["DELETE /api/v1/buckets/b?drop=true", "DELETE /api/v1/schema/tables/t"]), [200, 204]);
    let (code, _) = failure(&server.run(&["get", "--bucket", "b", "k"]));
    assert_eq!(code, 1);
}

/// What their plain forms do they do to a shortened path as well (decision 57): a key must have its slashes as `%2F`.
#[test]
fn the_shortened_path_of_a_key_drops_a_table_or_removes_a_plugin() {
    type Fetch = fn(&Server, &[&str]) -> Vec<u16>;
    for (client, fetch) in [("node", fetched as Fetch), ("python", joined)] {
        let server = server();
        let lines = ["DELETE /api/v1/kv/a%2F%2E%2E%2F%2E%2E/schema/tables/t", "DELETE /api/v1/kv/a%2F..%2Fplugins%2Fp"];
        for (line, status) in lines.iter().zip(fetch(&server, &lines)) {
            assert_eq!(status, 404, "{client}: {line}: no such key");
        }
        check_kept(&server);
        let lines = ["DELETE /api/v1/kv/a/%2E%2E/%2E%2E/schema/tables/t", "DELETE /api/v1/kv/%2E%2E/plugins/p"];
        assert_eq!(fetch(&server, &lines), [204, 204], "{client}");
        let (code, message) = failure(&server.run(&["table", "describe", "t"]));
        assert!(code == 1 && message.contains("PGRST205"), "{client}: {message}");
        let (code, message) = failure(&server.run(&["plugin", "show", "p"]));
        assert!(code == 1 && message.contains("plugin-not-found"), "{client}: {message}");
    }
}

/// Where the command line's paths of the names `.` and `..` end up behind a proxy that resolves them.
#[test]
fn a_name_of_dots_leads_nowhere() {
    let server = server();
    for path in [
        "/api/v1/",
        "/api/v1/tables/",
        "/api/v1/schema/",
        "/api/v1/schema/tables/",
        "/api/v1/plugins/",
        "/api/v1/plugins/call/f",
        "/api/v1/plugins/p/call/",
        "/api/v1/call/f",
        "/api/v1/plugins/p/",
        "/api/v1/rollback",
        "/api/v1/plugins/rollback",
    ] {
        let lines = ["GET", "PUT", "POST", "PATCH", "DELETE"].map(|method| format!("{method} {path}"));
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        for (line, status) in lines.iter().zip(fetched(&server, &lines)) {
            assert!((400..500).contains(&status), "{line}: {status}");
        }
    }
    check_kept(&server);
}

#[test]
fn every_key_has_a_way_from_every_client() {
    let server = server();
    for key in ["a/../b", "../x", "x/..", "./x", "a/./b", "a//b", "../../b", "a.b", "..."] {
        let path = format!("/api/v1/kv/{}", key.replace('/', "%2F"));
        let lines = [format!("PUT {path}"), format!("GET {path}"), format!("DELETE {path}")];
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        assert_eq!(fetched(&server, &lines), [201, 200, 204], "{key}");
        assert_eq!(joined(&server, &lines), [201, 200, 204], "{key}");
    }
    check_kept(&server);
}

#[test]
fn the_command_line_reaches_keys_of_dots_in_any_way() {
    let server = server();
    for key in [".", "..", "../../buckets/b", "a/../b"] {
        server.ok(&["put", key, "1", "--media-type", "text/plain", "--if-absent", "--ttl", "100"]);
        assert_eq!(server.ok(&["get", key]), "1");
        let shown: serde_json::Value = serde_json::from_str(&server.ok(&["get", key, "--json"])).unwrap();
        assert_eq!((&shown["key"], &shown["media_type"]), (&key.into(), &"text/plain".into()));
        assert!(shown["expires_at"].is_string() && shown["modified_at"].is_string(), "{shown}");
        let (code, message) = failure(&server.run(&["put", key, "2", "--if-absent"]));
        assert_eq!(code, 1, "{message}");
        assert!(message.contains("already exists, at version"), "{message}");
        let version = shown["version"].as_str().unwrap();
        let written: serde_json::Value =
            serde_json::from_str(&server.ok(&["put", key, "2", "--if-version", version, "--json"])).unwrap();
        assert_eq!(written["created"], false, "{written}");
        let (code, message) = failure(&server.run(&["delete", key, "--if-version", version]));
        assert!(code == 1 && message.contains("the key is at version"), "{message}");
        server.ok(&["delete", key]);
        let gone = failure(&server.run(&["get", key]));
        assert!(gone.0 == 1 && gone.1.contains("key-not-found"), "{gone:?}");
        assert_eq!(failure(&server.run(&["delete", key])), gone);
    }
    let (code, message) = failure(&server.run(&["delete", "--bucket", "..", "k"]));
    assert!(code == 3 && message.contains("bucket-name-invalid"), "{message}");
    let (_, message) = failure(&server.run(&["table", "create", "..", "--column", "id:bigint"]));
    assert!(message.contains("42602"), "{message}");
    check_kept(&server);
}
