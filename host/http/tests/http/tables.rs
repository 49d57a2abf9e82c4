//! Rows of tables over HTTP: statuses, headers, bodies and errors of the dialect.

use mantis_http::{AppConfig, TablesConfig};
use serde_json::{Value, json};

use crate::harness::{Answer, Server, check_table};

const JSON: &str = "content-type: application/json";
const FULL: &str = "prefer: return=representation";
const ROW: &str = "/api/v1/tables/writers/1";

/// A server with two tables, `writers` and their `books`.
async fn library(config: AppConfig) -> Server {
    let server = Server::with_config(config);
    let writers = json!({
        "columns": [
            {"name": "id", "type": "bigint", "nullable": false, "identity": true},
            {"name": "name", "type": "text", "nullable": false},
            {"name": "born", "type": "date"}
        ],
        "primary_key": ["id"], "unique": [["name"]]
    });
    let books = json!({
        "columns": [
            {"name": "isbn", "type": "text", "nullable": false},
            {"name": "title", "type": "text", "nullable": false},
            {"name": "writer_id", "type": "bigint"},
            {"name": "pages", "type": "integer", "default": 100},
            {"name": "tags", "type": "text[]"}
        ],
        "primary_key": ["isbn"],
        "foreign_keys": [{"columns": ["writer_id"], "references": {"table": "writers", "columns": ["id"]}}],
        "checks": [{"check": "pages=gt.0"}]
    });
    for (name, schema) in [("writers", writers), ("books", books)] {
        let answer = server.send(&format!("PUT /api/v1/schema/tables/{name}"), &[JSON], schema.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let rows = json!([{"name": "Ida", "born": "1901-02-03"}, {"name": "Jon", "born": null}]);
    insert(&server, "writers", &rows).await;
    let rows = json!([
        {"isbn": "a1", "title": "Rain", "writer_id": 1, "pages": 120, "tags": ["sea", "old"]},
        {"isbn": "a2", "title": "Snow", "writer_id": 1, "pages": null, "tags": null},
        {"isbn": "b1", "title": "Fog, again", "writer_id": null, "pages": 80, "tags": []}
    ]);
    insert(&server, "books", &rows).await;
    server
}

async fn insert(server: &Server, table: &str, rows: &Value) {
    let answer = server.send(&format!("POST /api/v1/tables/{table}"), &[JSON], rows.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// PostgREST's own defaults.
fn permissive() -> AppConfig {
    AppConfig { tables: TablesConfig { safe_update: false, ..TablesConfig::default() }, ..AppConfig::default() }
}

#[tokio::test]
async fn rows_are_filtered_ordered_paged_and_embedded() {
    let server = library(permissive()).await;
    for (query, expected) in [
        ("writers?select=id,name", r#"200 [{"id":1,"name":"Ida"},{"id":2,"name":"Jon"}]"#),
        ("books?select=isbn&order=pages.desc.nullslast", r#"200 [{"isbn":"a1"},{"isbn":"b1"},{"isbn":"a2"}]"#),
        ("books?select=isbn&order=isbn&limit=1&offset=1", r#"200 [{"isbn":"a2"}]"#),
        ("books?select=isbn&title=eq.Fog, again", r#"200 [{"isbn":"b1"}]"#),
        ("books?select=isbn&title=eq.Fog,+again", r#"200 [{"isbn":"b1"}]"#),
        ("books?select=isbn&or=(pages.lt.100,tags.cs.{sea})&order=isbn", r#"200 [{"isbn":"a1"},{"isbn":"b1"}]"#),
        ("books?select=isbn&pages=not.gt.100", r#"200 [{"isbn":"b1"}]"#),
        ("books?select=title,writers(name)&isbn=eq.a1", r#"200 [{"title":"Rain","writers":{"name":"Ida"}}]"#),
        (
            "writers?select=name,books(title)&books.order=isbn&id=eq.1",
            r#"200 [{"name":"Ida","books":[{"title":"Rain"},{"title":"Snow"}]}]"#,
        ),
        ("writers?select=name,books!inner()", r#"200 [{"name":"Ida"}]"#),
        ("books?select=count(),pages.sum()", r#"200 [{"count":3,"sum":200}]"#),
        ("books?select=isbn&limit=0", "200 []"),
        ("books?select=isbn,nope", "400 42703"),
        ("books?select=isbn&pages=eq.x", "400 22P02"),
        ("books?select=isbn,,title", "400 PGRST100"),
        ("books?select=isbn&limit=-1", "416 PGRST103"),
        ("books?select=nope(*)", "400 PGRST200"),
        ("books?nope.id=eq.1", "400 PGRST108"),
        ("books?%ff=eq.1", "400 PGRST100"),
        ("bookz", "404 PGRST205"),
        ("books/a/b", "404 PGRST125"),
    ] {
        let query = query.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D");
        for base in ["/api/v1/tables", "/rest/v1"] {
            check_table(&server, &format!("GET {base}/{query}"), &[], "", expected).await;
        }
    }
}

#[tokio::test]
async fn pages_say_which_rows_they_are() {
    let server = library(permissive()).await;
    let headers =
        |answer: &Answer| (answer.status.as_u16(), answer.header("content-range").unwrap_or_default().to_owned());
    for (line, sent, expected) in [
        ("GET /api/v1/tables/books", vec![], (200, "0-2/*")),
        ("GET /api/v1/tables/books?limit=2", vec!["prefer: count=exact"], (206, "0-1/3")),
        ("GET /api/v1/tables/books", vec!["range: 1-1", "range-unit: items"], (200, "1-1/*")),
        ("HEAD /api/v1/tables/books", vec!["range: 1-1", "prefer: count=exact"], (200, "0-2/3")),
        ("GET /api/v1/tables/books?offset=3", vec!["prefer: count=exact"], (206, "*/3")),
        ("GET /api/v1/tables/books?offset=4", vec!["prefer: count=exact"], (416, "*/3")),
        ("GET /api/v1/tables/books?isbn=eq.x", vec![], (200, "*/*")),
    ] {
        let answer = server.send(line, &sent, "").await;
        assert_eq!(headers(&answer), (expected.0, expected.1.to_owned()), "{line} {sent:?}");
    }
    let answer = server.send("HEAD /api/v1/tables/books", &[], "").await;
    let [length, kind] = ["content-length", "content-type"].map(|name| answer.header(name));
    assert_eq!((length, kind), (None, Some("application/json; charset=utf-8")));
}

#[tokio::test]
async fn rows_are_sent_in_the_form_that_is_asked_for() {
    let server = library(permissive()).await;
    for (accept, query, expected, kind) in [
        (
            "text/csv",
            "books?select=isbn,title,pages,tags&order=isbn",
            "200 isbn,title,pages,tags\na1,Rain,120,\"{sea,old}\"\na2,Snow,,\nb1,\"Fog, again\",80,{}",
            "text/csv; charset=utf-8",
        ),
        ("text/csv", "books?isbn=eq.x", "200 \n", "text/csv; charset=utf-8"),
        (
            "application/x-ndjson",
            "books?select=isbn&order=isbn&limit=2",
            "200 {\"isbn\":\"a1\"}\n{\"isbn\":\"a2\"}\n",
            "application/x-ndjson; charset=utf-8",
        ),
        (
            "application/vnd.pgrst.object+json",
            "books?select=isbn&isbn=eq.a1",
            "200 {\"isbn\":\"a1\"}",
            "application/vnd.pgrst.object+json; charset=utf-8",
        ),
        (
            "application/vnd.pgrst.object+json;nulls=stripped",
            "books?select=isbn,pages&isbn=eq.a2",
            "200 {\"isbn\":\"a2\"}",
            "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
        ),
    ] {
        let answer =
            check_table(&server, &format!("GET /api/v1/tables/{query}"), &[&format!("accept: {accept}")], "", expected)
                .await;
        assert_eq!(answer.header("content-type"), Some(kind));
    }
    check_table(
        &server,
        "GET /api/v1/tables/books",
        &["accept: application/vnd.pgrst.object+json"],
        "",
        "406 PGRST116",
    )
    .await;
    check_table(&server, "GET /api/v1/tables/books", &["accept: image/png"], "", "406 PGRST107").await;
    let plan = ["accept: application/vnd.pgrst.plan+json; for=\"application/json\"; options=analyze;"];
    let answer = server.send("GET /api/v1/tables/books?isbn=eq.a1", &plan, "").await;
    // PostgREST's clients look for the step that gathers the rows; lines are written one by one.
    assert_eq!(answer.json()[0]["Plan"]["Node Type"], "Aggregate", "{}", answer.text());
    assert_eq!(answer.json()[0]["Plan"]["Plans"][0]["Relation Name"], "books", "{}", answer.text());
    let lines = ["accept: application/vnd.pgrst.plan+text; for=\"application/x-ndjson\""];
    let rows = server.send("GET /api/v1/tables/books?isbn=eq.a1", &lines, "").await;
    assert!(rows.text().starts_with("Index Scan using books_pkey on books  (cost="), "{}", rows.text());
    assert!(rows.text().contains("Index Cond: (isbn = 'a1'::text)"), "{}", rows.text());
    let kind = "application/vnd.pgrst.plan+json; for=\"application/json\"; options=analyze; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(kind));
    let answer = server.send("GET /api/v1/tables/bookz", &["accept: application/problem+json"], "").await;
    assert_eq!(answer.outcome(), "404 PGRST205");
}

#[tokio::test]
async fn writes_answer_with_their_rows_where_that_is_preferred() {
    let server = library(permissive()).await;
    for (line, prefer, body, expected) in [
        ("POST /api/v1/tables/writers", "", r#"{"name":"Kai"}"#, "201 "),
        ("POST /api/v1/tables/writers?select=id", FULL, r#"{"name":"Lea"}"#, r#"201 [{"id":4}]"#),
        ("POST /api/v1/tables/writers", "", r#"{"name":"Ida"}"#, "409 23505"),
        ("POST /api/v1/tables/writers", "", r#"[{"name":"Mia"},{"name":"Ida"}]"#, "409 23505"),
        ("POST /api/v1/tables/writers", "", r#"{"name":null}"#, "400 23502"),
        ("POST /api/v1/tables/writers", "", r#"{"name":"Mia","age":1}"#, "400 PGRST204"),
        ("POST /api/v1/tables/writers", "", r#"{"name":"Mia""#, "400 PGRST102"),
        ("POST /api/v1/tables/books", "", r#"{"isbn":"c","title":"x","writer_id":99}"#, "409 23503"),
        ("POST /api/v1/tables/books", "", r#"{"isbn":"c","title":"x","pages":0}"#, "400 23514"),
        (
            "POST /api/v1/tables/books?select=isbn,pages,writers(name)",
            FULL,
            r#"{"isbn":"c","title":"x","writer_id":2}"#,
            r#"201 [{"isbn":"c","pages":100,"writers":{"name":"Jon"}}]"#,
        ),
        (
            "POST /api/v1/tables/writers?on_conflict=name&select=id,born",
            "prefer: return=representation, resolution=merge-duplicates",
            r#"{"name":"Ida","born":"1900-01-01"}"#,
            r#"200 [{"id":1,"born":"1900-01-01"}]"#,
        ),
        (
            "POST /api/v1/tables/writers?on_conflict=born",
            "prefer: resolution=merge-duplicates",
            r#"{"name":"Ida","born":"1900-01-01"}"#,
            "400 42P10",
        ),
        ("PATCH /api/v1/tables/books?isbn=eq.c", "", r#"{"pages":7}"#, "204 "),
        (
            "PATCH /api/v1/tables/books?writer_id=eq.1&select=isbn,pages&order=isbn",
            FULL,
            r#"{"pages":7}"#,
            r#"200 [{"isbn":"a1","pages":7},{"isbn":"a2","pages":7}]"#,
        ),
        (
            "PATCH /api/v1/tables/books?select=isbn,pages&order=isbn",
            FULL,
            r#"[{"isbn":"a1","pages":8},{"isbn":"a2","pages":9}]"#,
            r#"200 [{"isbn":"a1","pages":8},{"isbn":"a2","pages":9}]"#,
        ),
        ("PATCH /api/v1/tables/books?limit=1", "", r#"{"pages":7}"#, "400 PGRST114"),
        (
            "PATCH /api/v1/tables/books?pages=gt.0",
            "prefer: handling=strict, max-affected=1",
            r#"{"pages":7}"#,
            "400 PGRST124",
        ),
        (
            "PUT /api/v1/tables/books?isbn=eq.d&select=isbn,title",
            FULL,
            r#"{"isbn":"d","title":"y"}"#,
            r#"201 [{"isbn":"d","title":"y"}]"#,
        ),
        ("PUT /api/v1/tables/books?isbn=eq.d", FULL, r#"{"isbn":"e","title":"y"}"#, "400 PGRST115"),
        ("PUT /api/v1/tables/books?title=eq.y", FULL, r#"{"isbn":"d","title":"y"}"#, "405 PGRST105"),
        ("DELETE /api/v1/tables/writers?id=eq.1", "", "", "409 23503"),
        (
            "DELETE /api/v1/tables/books?isbn=in.(c,d)&select=isbn&order=isbn",
            FULL,
            "",
            r#"200 [{"isbn":"c"},{"isbn":"d"}]"#,
        ),
        ("DELETE /api/v1/tables/books?isbn=eq.zz", "", "", "204 "),
    ] {
        let headers = [JSON, prefer];
        let sent = if prefer.is_empty() { &headers[..1] } else { &headers[..] };
        check_table(&server, line, sent, body, expected).await;
    }
}

#[tokio::test]
async fn json_that_is_sent_as_a_form_is_named_as_such() {
    let server = library(permissive()).await;
    let form = "content-type: application/x-www-form-urlencoded";
    let answer =
        check_table(&server, "POST /api/v1/tables/writers", &[form], r#"{"name":"Kai"}"#, "400 PGRST204").await;
    assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains("application/json")));
}

#[tokio::test]
async fn a_write_of_every_row_is_refused_unless_the_owner_allows_it() {
    let server = library(AppConfig::default()).await;
    check_table(&server, "DELETE /api/v1/tables/books", &[], "", "400 21000").await;
    check_table(&server, "PATCH /api/v1/tables/books", &[JSON], r#"{"pages":1}"#, "400 21000").await;
    check_table(&server, "DELETE /api/v1/tables/books?isbn=not.is.null", &[], "", "204 ").await;
}

#[tokio::test]
async fn aggregates_are_refused_where_the_owner_switches_them_off() {
    let tables = TablesConfig { aggregates: false, ..TablesConfig::default() };
    let server = library(AppConfig { tables, ..AppConfig::default() }).await;
    check_table(&server, "GET /api/v1/tables/books?select=count()", &[], "", "400 PGRST123").await;
    let body = r#"{"isbn":"n","title":"x"}"#;
    check_table(&server, "POST /api/v1/tables/books?select=pages.sum()", &[JSON, FULL], body, "400 PGRST123").await;
    check_table(&server, "DELETE /api/v1/tables/books?isbn=eq.a1&select=count()", &[FULL], "", "400 PGRST123").await;
}

#[tokio::test]
async fn a_transaction_holds_rows_and_keys() {
    let server = library(permissive()).await;
    let begun = server.send("POST /api/v1/transactions", &[], "").await.json();
    let id = begun["id"].as_str().unwrap();
    let within = format!("mantisdb-transaction: {id}");
    let insert = r#"{"isbn":"t","title":"x"}"#;
    check_table(&server, "POST /api/v1/tables/books", &[JSON, &within], insert, "201 ").await;
    // A statement that fails leaves what came before it.
    check_table(&server, "POST /api/v1/tables/books", &[JSON, &within], insert, "409 23505").await;
    check_table(&server, "GET /api/v1/tables/books?isbn=eq.t&select=title", &[&within], "", r#"200 [{"title":"x"}]"#)
        .await;
    check_table(&server, "GET /api/v1/tables/books?isbn=eq.t", &[], "", "200 []").await;
    assert_eq!(server.send("PUT /api/v1/kv/k", &[&within], "v").await.status, 201);
    assert_eq!(server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await.status, 200);
    check_table(&server, "GET /api/v1/tables/books?isbn=eq.t&select=title", &[], "", r#"200 [{"title":"x"}]"#).await;
    assert_eq!(server.send("GET /api/v1/kv/k", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_schema_is_made_confirmed_and_refused() {
    let server = Server::new();
    let path = "/api/v1/schema/tables/things";
    let schema = json!({"columns": [{"name": "id", "type": "int4"}], "primary_key": ["id"]}).to_string();
    let other = json!({"columns": [{"name": "id", "type": "text"}], "primary_key": ["id"]}).to_string();
    for (method, body, status) in [
        ("GET", String::new(), 404),
        ("PUT", schema.clone(), 201),
        ("PUT", schema, 200),
        ("PUT", other, 409),
        ("PATCH", json!({"add_columns": [{"name": "note", "type": "text"}]}).to_string(), 200),
        ("PATCH", json!({"drop_columns": ["nope"]}).to_string(), 400),
        ("GET", String::new(), 200),
        ("DELETE", String::new(), 204),
        ("DELETE", String::new(), 404),
        ("PUT", "{".to_owned(), 400),
    ] {
        let headers = if body.is_empty() { &[][..] } else { &[JSON][..] };
        let answer = server.send(&format!("{method} {path}"), headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {}", answer.text());
    }
}

#[tokio::test]
async fn a_row_has_a_path_and_a_tag() {
    let server = library(permissive()).await;
    let shown = server.send(&format!("GET {ROW}"), &[], "").await;
    assert_eq!(shown.json(), json!({"id": 1, "name": "Ida", "born": "1901-02-03"}));
    let tag = shown.header("etag").unwrap().to_owned();
    let (current, old) = (format!("if-match: {tag}"), "if-match: \"v1\"");
    for (line, headers, body, status) in [
        (format!("GET {ROW}"), vec![format!("if-none-match: {tag}")], "", 304),
        (format!("GET {ROW}?select=name"), vec![format!("if-none-match: {tag}")], "", 200),
        ("GET /api/v1/tables/writers/9".to_owned(), vec![], "", 404),
        ("GET /api/v1/tables/writers/x".to_owned(), vec![], "", 400),
        ("GET /api/v1/tables/writers/1,2".to_owned(), vec![], "", 400),
        (format!("GET {ROW}?id=eq.1"), vec![], "", 400),
        (format!("PATCH {ROW}"), vec![old.to_owned()], r#"{"name":"Eva"}"#, 412),
        (format!("PATCH {ROW}"), vec![current.clone()], r#"{"name":"Eva"}"#, 204),
        (format!("PATCH {ROW}"), vec![current], r#"{"name":"Eve"}"#, 412),
        (format!("GET {ROW}"), vec!["if-match: \"v1\", *".to_owned()], "", 400),
        (format!("GET {ROW}"), vec!["if-none-match: *".to_owned()], "", 304),
        ("PUT /api/v1/tables/books/n1".to_owned(), vec![], r#"{"title":"New","pages":3}"#, 201),
        ("PUT /api/v1/tables/books/n1".to_owned(), vec![], r#"{"title":"Newer"}"#, 204),
        ("PUT /api/v1/tables/books/n1".to_owned(), vec![], r#"{"isbn":"n2","title":"x"}"#, 400),
        ("DELETE /api/v1/tables/books/zz".to_owned(), vec![], "", 404),
        ("DELETE /api/v1/tables/books/zz".to_owned(), vec!["if-match: *".to_owned()], "", 412),
    ] {
        let mut sent: Vec<&str> = headers.iter().map(String::as_str).collect();
        if !body.is_empty() {
            sent.push(JSON);
        }
        let answer = server.send(&line, &sent, body).await;
        assert_eq!(answer.status.as_u16(), status, "{line} {headers:?} {}", answer.text());
    }
    // One of several tags is enough, weak ones are none, and `*` is any row that is there.
    let tag = server.send(&format!("GET {ROW}"), &[], "").await.header("etag").unwrap().to_owned();
    for (line, condition, status) in [
        (format!("GET {ROW}"), format!("if-match: \"v1\", {tag}"), 200),
        (format!("GET {ROW}"), "if-match: \"v1\", \"x\"".to_owned(), 412),
        (format!("PATCH {ROW}"), "if-match: \"v1\", \"v2\"".to_owned(), 412),
        (format!("PATCH {ROW}"), format!("if-match: W/{tag}"), 412),
        (format!("PATCH {ROW}"), format!("if-none-match: {tag}"), 412),
        (format!("PATCH {ROW}"), format!("if-match: \"v1\", {tag}"), 204),
        (format!("PUT {ROW}"), "if-match: *".to_owned(), 204),
        (format!("PUT {ROW}"), "if-none-match: *".to_owned(), 412),
        ("PUT /api/v1/tables/writers/77".to_owned(), "if-match: *".to_owned(), 412),
        ("PUT /api/v1/tables/writers/77".to_owned(), "if-match: \"v1\", \"v2\"".to_owned(), 412),
        ("PUT /api/v1/tables/writers/77".to_owned(), "if-none-match: *".to_owned(), 201),
        ("PUT /api/v1/tables/writers/77".to_owned(), "if-none-match: *".to_owned(), 412),
    ] {
        let body = match &line[..] {
            line if line.starts_with("GET") => "",
            line if line.ends_with("77") => r#"{"name":"Nea"}"#,
            _ => r#"{"name":"Ida"}"#,
        };
        let sent = if body.is_empty() { vec![&condition[..]] } else { vec![&condition[..], JSON] };
        let answer = server.send(&line, &sent, body).await;
        assert_eq!(answer.status.as_u16(), status, "{line} {condition} {}", answer.text());
    }
    // What a PUT leaves out is the default again.
    let replaced = server.send("GET /api/v1/tables/books/n1?select=title,pages", &[], "").await.json();
    assert_eq!(replaced, json!({"title": "Newer", "pages": 100}));
}

/// They begin on a thread for requests, and start over on another when they prove long: nothing is written twice, and no row shown twice.
#[tokio::test]
async fn a_long_statement_that_starts_over_happens_once() {
    let server = Server::with_config(permissive());
    let schema = json!({"columns": [{"name": "n", "type": "integer"}, {"name": "t", "type": "text"}]});
    let answer = server.send("PUT /api/v1/schema/tables/long", &[JSON], schema.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    // A long body too.
    let rows: Vec<Value> = (0..10_000).map(|n| json!({"n": n, "t": "x"})).collect();
    insert(&server, "long", &json!(rows)).await;
    let counted = "prefer: count=exact";
    for (request, body, range) in [
        ("GET /api/v1/tables/long?n=gte.9998", "", "0-1/2"),
        ("GET /api/v1/tables/long?t=eq.x&offset=9000", "", "9000-9999/10000"),
        ("PATCH /api/v1/tables/long?n=gte.5000", r#"{"t":"y"}"#, "0-4999/5000"),
        ("PATCH /api/v1/tables/long?n=eq.9999", r#"{"t":"z"}"#, "0-0/1"),
        ("DELETE /api/v1/tables/long?t=eq.y", "", "*/4999"),
        ("GET /api/v1/tables/long?select=n&order=n.desc&limit=1", "", "0-0/5001"),
        ("HEAD /api/v1/tables/long?t=eq.x", "", "0-4999/5000"),
    ] {
        let answer = server.send(request, &[JSON, counted], body.to_owned()).await;
        assert_eq!(answer.header("content-range"), Some(range), "{request}: {}", answer.text());
    }
}

#[tokio::test]
async fn lines_of_csv_end_in_any_of_three_ways() {
    let server = library(permissive()).await;
    for (number, end) in ["\r", "\n", "\r\n"].into_iter().enumerate() {
        for last in ["", end] {
            let line = |name: &str| format!("{name}{number}{},Title,7", last.len());
            let body = [&["isbn,title,pages", &line("c"), &line("d")].join(end), last].concat();
            let answer = server.send("POST /api/v1/tables/books", &["content-type: text/csv", FULL], body).await;
            assert_eq!(answer.status, 201, "{end:?}: {}", answer.text());
            assert_eq!(answer.json().as_array().unwrap().len(), 2, "{end:?}");
        }
    }
    let utf_16: Vec<u8> = "isbn,title\ne1,One\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [utf_16.clone(), [&[0xff_u8, 0xfe][..], &utf_16].concat()] {
        let answer = server.send("POST /api/v1/tables/books", &["content-type: text/csv"], bytes).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
}

#[tokio::test]
async fn ranges_sent_twice_are_a_list_and_passed_over() {
    let server = library(permissive()).await;
    let rows = async |headers: &[&str]| {
        server.send("GET /api/v1/tables/books", headers, "").await.json().as_array().unwrap().len()
    };
    assert_eq!(rows(&["range: 0-0"]).await, 1);
    assert_eq!(rows(&["range: 0-0", "range: 2-2"]).await, 3);
    assert_eq!(rows(&["range: 0-0, 2-2"]).await, 3);
}

const PACKED: &str = "accept: application/vnd.mantisdb.rows";

type Columns = Vec<(String, u32)>;
type VersionedRows = Vec<(u64, Vec<u8>)>;

/// Columns by name and type, and each row's version with the bytes of its values.
fn unpacked(data: &[u8]) -> (Columns, VersionedRows) {
    let number = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
    let (mut columns, mut rows, mut at) = (Vec::new(), Vec::new(), 4);
    for _ in 0..number(0) {
        let end = at + 8 + number(at + 4) as usize;
        columns.push((String::from_utf8(data[at + 8..end].to_vec()).unwrap(), number(at)));
        at = end;
    }
    while number(at) != u32::MAX {
        let end = at + 12 + number(at) as usize;
        let version = u64::from_le_bytes(data[at + 4..at + 12].try_into().unwrap());
        rows.push((version, data[at + 12..end].to_vec()));
        at = end;
    }
    assert_eq!(at + 4, data.len(), "nothing follows the end");
    (columns, rows)
}

#[tokio::test]
async fn rows_are_packed_for_those_who_ask() {
    let server = library(permissive()).await;
    let answer = server.send("GET /api/v1/tables/books?select=isbn,pages,tags&order=isbn&limit=2", &[PACKED], "").await;
    let kind = answer.header("content-type").map(str::to_owned);
    assert_eq!((answer.status.as_u16(), kind.as_deref()), (200, Some("application/vnd.mantisdb.rows")));
    let (columns, rows) = unpacked(&answer.body);
    assert_eq!(columns, [("isbn".to_owned(), 8), ("pages".to_owned(), 3), ("tags".to_owned(), 256 + 8)]);
    let first = b"\x07\x02\0\0\0a1\x03\x78\0\0\0\0\0\0\0\x0a\x1c\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\x07\x03\0\0\0sea\x07\x03\0\0\0old";
    assert_eq!(rows[0].1, first);
    assert_eq!(rows[1].1, b"\x07\x02\0\0\0a2\0\0");
    assert!(rows[0].0 > 0 && rows[0].0 == rows[1].0, "the commit that wrote them");

    // No rows, groups, embedded rows, one row by its key, and what a write returns.
    for (line, types, count) in [
        ("GET /api/v1/tables/books?select=isbn&isbn=eq.x", &[8][..], 0),
        ("GET /api/v1/tables/books?select=count(),pages.avg()", &[4, 7], 1),
        ("GET /api/v1/tables/books/a1?select=isbn", &[8], 1),
    ] {
        let answer = server.send(line, &[PACKED], "").await;
        let (columns, rows) = unpacked(&answer.body);
        assert_eq!(
            (columns.iter().map(|column| column.1).collect::<Vec<_>>(), rows.len()),
            (types.to_vec(), count),
            "{line}"
        );
    }
    let headers = [PACKED, "prefer: return=representation"];
    let answer = server.send("DELETE /api/v1/tables/books?isbn=eq.a1&select=isbn", &headers, "").await;
    assert_eq!(unpacked(&answer.body).1.len(), 1, "{}", answer.status);
    let head = server.send("HEAD /api/v1/tables/books", &[PACKED], "").await;
    assert_eq!(head.header("content-type"), Some("application/vnd.mantisdb.rows"));
}

#[tokio::test]
async fn values_of_conditions_come_in_a_header() {
    let server = library(AppConfig::default()).await;
    let rows =
        json!([{"isbn": "c1", "title": "(1,2)", "pages": 1}, {"isbn": "c2", "title": "a, \"b\" & é", "pages": 2}]);
    insert(&server, "books", &rows).await;
    let send = async |method: &str, query: &str, arguments: &str| {
        let headers = [&format!("mantisdb-arguments: {arguments}")[..], "prefer: count=exact", JSON];
        let body = if method == "PATCH" { r#"{"title":"t"}"# } else { "" };
        server.send(&format!("{method} /api/v1/tables/books?{query}"), &headers, body).await
    };
    for (query, arguments, expected) in [
        ("title=eq.$1", r#"["(1,2)"]"#, json!([{"isbn": "c1"}])),
        ("title=eq.$1", r#"["a, \"b\" & \u00e9"]"#, json!([{"isbn": "c2"}])),
        ("title=eq.$1", "[null]", json!([])),
        ("title=in.$1", r#"[["(1,2)",null]]"#, json!([{"isbn": "c1"}])),
        ("or=(pages.eq.$2,title.eq.$1)", r#"["x),pages.gt.(0",1]"#, json!([{"isbn": "c1"}])),
    ] {
        let answer = send("GET", &format!("{query}&select=isbn"), arguments).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected), "{query} {arguments}");
        assert_eq!(answer.header("vary"), Some("Accept, Prefer, Range, Mantisdb-Arguments"));
    }
    // Without the header `$1` is a text as any.
    let answer = server.send("GET /api/v1/tables/books?title=eq.$1", &[], "").await;
    assert_eq!((answer.json(), answer.header("vary")), (json!([]), Some("Accept, Prefer, Range")));
    let many = format!("[{}]", vec!["1"; 101].join(","));
    for (query, arguments, code) in [
        ("pages=in.$1", r#"["(1,2)"]"#, "22P02"),
        ("pages=eq.$2", "[1]", "42P02"),
        ("pages=eq.$1", "1", "PGRST100"),
        ("pages=eq.$1", "[1", "PGRST100"),
        ("pages=eq.$1", r#"[{"operation":0,"column":"isbn"}]"#, "PGRST100"),
        ("pages=eq.$1", r#"["é"]"#, "PGRST100"),
        ("pages=eq.$1", &many, "PGRST100"),
    ] {
        let answer = send("GET", query, arguments).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!(code)), "{query} {arguments}");
    }
    let changed = send("PATCH", "pages=in.$1", "[[1,2]]").await;
    assert_eq!(changed.header("content-range"), Some("0-1/2"));
    let deleted = send("DELETE", "title=eq.$1&pages=gt.$2", r#"["t",1]"#).await;
    assert_eq!(deleted.header("content-range"), Some("*/1"));
}
