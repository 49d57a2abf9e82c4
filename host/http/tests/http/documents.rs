//! The generated documents are up to date. `UPDATE=1 cargo test -p mantis-http` writes them again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::harness::Server;

/// Compares a file of the repository with what it should hold, or writes it.
#[track_caller]
fn check(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is out of date: run `UPDATE=1 cargo test -p mantis-http`", path.display());
}

#[test]
fn the_error_reference_is_up_to_date() {
    check("docs/reference/errors.md", &mantis_http::errors::reference_markdown());
}

#[tokio::test]
async fn the_openapi_document_is_up_to_date() {
    let mut document = Server::new().app.openapi();
    let since = document["paths"]["/api/v1/changes"]["get"]["parameters"].as_array_mut().unwrap();
    let since = since.iter_mut().find(|parameter| parameter["name"] == "since").unwrap();
    let pattern = since["schema"]["pattern"].as_str().unwrap();
    let (head, tail) = (pattern.find("0|").unwrap() + 2, pattern.find("-[0-9]").unwrap());
    // The number of this life of the store.
    since["schema"]["pattern"] = format!("{}[0-9a-f]{{16}}{}", &pattern[..head], &pattern[tail..]).into();
    check("docs/reference/openapi.json", &format!("{}\n", serde_json::to_string_pretty(&document).unwrap()));
}

/// A request for a key, whose path a client has shortened at its dots, has no query. The table in the reference says what each `DELETE` does
/// then: a new route that removes more than one key or row without a word is not to come in unseen.
#[tokio::test]
async fn the_reference_says_what_a_shortened_path_deletes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/http.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let table = reference.split("a `DELETE` without a query |\n|---|---|\n").nth(1).unwrap();
    let lines = table.lines().take_while(|line| line.starts_with('|'));
    let mut listed = BTreeMap::new();
    for line in lines {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [paths, effect] = cells[..] else { panic!("{line}") };
        listed.extend(paths.split(", ").map(|path| (path.trim_matches('`').to_owned(), effect.to_owned())));
    }
    let server = Server::new();
    let json = ["content-type: application/json"];
    let definition = r#"{"columns": [{"name": "id", "type": "bigint"}], "primary_key": ["id"]}"#;
    assert_eq!(server.send("PUT /api/v1/schema/tables/t", &json, definition).await.outcome(), "201");
    assert_eq!(server.send("POST /api/v1/tables/t", &json, r#"{"id": 1}"#).await.outcome(), "201");
    for line in ["PUT /api/v1/kv/k", "PUT /api/v1/buckets/b/kv/k"] {
        assert_eq!(server.send(line, &[], "v").await.outcome(), "201");
    }
    let document = server.app.openapi();
    let paths = document["paths"].as_object().unwrap();
    let deletes: BTreeSet<_> =
        paths.iter().filter(|(_, item)| !item["delete"].is_null()).map(|(path, _)| path).collect();
    assert_eq!(deletes, listed.keys().collect());
    for (path, effect) in &listed {
        let names =
            [("{bucket}", "b"), ("{table}", "t"), ("{key}", "k"), ("{row}", "1"), ("{name}", "p"), ("{id}", "x")];
        let path = names.iter().fold(path.clone(), |path, (name, value)| path.replace(name, value));
        if !effect.starts_with("400: ") {
            continue;
        }
        let answer = server.send(&format!("DELETE {path}"), &[], "").await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    assert_eq!(server.database.contents(), mantis_db::Contents { keys: 2, rows: 1 });
    let destroying: Vec<_> =
        listed.iter().filter(|(_, effect)| effect.starts_with("**")).map(|(path, _)| &**path).collect();
    assert_eq!(destroying, ["/api/v1/plugins/{name}", "/api/v1/schema/tables/{table}"]);
}

#[tokio::test]
async fn operations_are_documented_once_with_their_errors() {
    let document = Server::new().app.openapi();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} occurs twice");
            for status in ["400", "421", "500", "503"] {
                assert!(!operation["responses"][status].is_null(), "{method} {path} does not list {status}");
            }
            let template: BTreeSet<_> =
                path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            let named = operation["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "path");
            assert_eq!(template, named.map(|p| p["name"].as_str().unwrap()).collect(), "{method} {path}");
        }
    }
    let text = document.to_string();
    for reference in text.match_indices("\"$ref\":\"#").map(|(place, found)| &text[place + found.len()..]) {
        let pointer = &reference[..reference.find('"').unwrap()];
        assert_ne!(document.pointer(pointer), None, "{pointer} leads nowhere");
    }
}

#[tokio::test]
async fn the_type_of_every_problem_leads_to_a_place_in_the_page() {
    let server = Server::new();
    let page = server.send("GET /docs", &[], "").await;
    let of_database = mantis_db::Code::ALL.iter().map(|code| code.as_str());
    let of_http = mantis_http::errors::Code::ALL.iter().map(|code| code.as_str());
    let of_tables = mantis_db::tables::code::ALL.iter().map(|&(code, _)| code);
    let (mut names, text) = (BTreeSet::new(), page.text());
    for code in of_database.chain(of_http).chain(of_tables) {
        assert_eq!(text.matches(&format!("id=\"error-{code}\"")).count(), 1, "{code}");
        names.insert(code);
    }
    assert_eq!(text.matches("id=\"error-").count(), names.len());
    let problem = server.send("GET /api/v1/schema/tables/none", &[], "").await;
    assert_eq!(problem.json()["type"], "/docs#error-PGRST205");
}

#[tokio::test]
async fn codes_of_the_two_tables_differ() {
    let of_database = mantis_db::Code::ALL.iter().map(|code| code.as_str());
    let of_http = mantis_http::errors::Code::ALL.iter().map(|code| code.as_str());
    let all: Vec<_> = of_database.chain(of_http).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    for code in mantis_http::errors::Code::ALL {
        assert!((400..600).contains(&code.status()), "{}", code.as_str());
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    }
    let document = Server::new().send("GET /openapi.json", &[], "").await.json();
    assert_eq!(document["openapi"], Value::from("3.1.0"));
}

/// What a generated client sends comes from here.
#[tokio::test]
async fn conditions_ranges_and_raw_are_parameters_with_their_answers() {
    let document = Server::new().app.openapi();
    let operation = |path: &str, method: &str| document["paths"][path][method].clone();
    for (path, method, parameters, statuses) in [
        (
            "/api/v1/kv/{key}",
            "get",
            "encoding raw mantisdb-transaction if-match if-none-match if-modified-since if-unmodified-since range if-range",
            "200 206 304 404 406 412 416",
        ),
        (
            "/api/v1/buckets/{bucket}/kv/{key}",
            "put",
            "ttl ttl_ms raw mantisdb-transaction if-match if-none-match if-unmodified-since prefer",
            "200 201 204 412 413 415 422 507",
        ),
        ("/api/v1/kv/{key}", "delete", "if-match if-none-match if-unmodified-since", "204 404 412"),
        ("/api/v1/kv/{key}/increment", "post", "numbers if-match if-none-match if-unmodified-since", "200 409 412 422"),
        ("/api/v1/kv", "delete", "prefix all", "200 400"),
        ("/api/v1/kv", "post", "details encoding numbers", "200 409 422"),
        ("/api/v1/buckets/{bucket}", "delete", "drop", "200 400 404"),
        ("/api/v1/tables/{table}", "get", "range prefer", "200 206 416"),
        ("/api/v1/tables/{table}/{row}", "put", "if-match if-none-match", "200 412"),
        ("/api/v1/changes", "get", "last-event-id", "200 410"),
    ] {
        let operation = operation(path, method);
        let named: BTreeSet<_> =
            operation["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        for parameter in parameters.split(' ') {
            assert!(named.contains(parameter), "{method} {path} has no {parameter}: {named:?}");
        }
        for status in statuses.split(' ') {
            assert!(operation["responses"][status].is_object(), "{method} {path} has no {status}");
        }
    }
    assert!(!document.to_string().contains("outside-schema"));
    let get = operation("/api/v1/kv/{key}", "get");
    let headers = |status: &str| {
        get["responses"][status]["headers"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert!(headers("206").contains("content-range") && headers("416").contains("content-range"));
    assert!(headers("304").contains("etag") && headers("304").contains("vary") && headers("412").contains("etag"));
    assert_eq!(get["responses"]["412"]["x-mantisdb-codes"], serde_json::json!(["precondition-failed"]));
    let put = operation("/api/v1/kv/{key}", "put");
    let codes = put["responses"]["422"]["x-mantisdb-codes"].as_array().unwrap();
    assert!(codes.contains(&"body-invalid".into()), "{codes:?}");
}
