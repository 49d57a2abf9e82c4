//! Operations on keys and rows in one request, all or nothing.

use mantis_db::Limits;
use mantis_http::{AppConfig, TablesConfig};
use mantis_pool::Config;
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

const JSON: &str = "content-type: application/json";

/// A server with orders and their lines.
async fn shop() -> Server {
    let server = Server::new();
    make_tables(&server).await;
    server
}

async fn make_tables(server: &Server) {
    let orders = json!({
        "columns": [{"name": "id", "type": "bigint", "identity": true}, {"name": "status", "type": "text", "default": "new"}],
        "primary_key": ["id"]
    });
    let lines = json!({
        "columns": [{"name": "order_id", "type": "bigint", "nullable": false}, {"name": "what", "type": "text", "nullable": false},
                    {"name": "n", "type": "integer", "default": 1}],
        "primary_key": ["order_id", "what"], "checks": [{"check": "n=gt.0"}],
        "foreign_keys": [{"columns": ["order_id"], "references": {"table": "orders", "columns": ["id"]}, "on_delete": "cascade"}]
    });
    for (name, schema) in [("orders", orders), ("lines", lines)] {
        let answer = server.send(&format!("PUT /api/v1/schema/tables/{name}"), &[JSON], schema.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

async fn apply(server: &Server, operations: &Value) -> Answer {
    server.send("POST /api/v1/batch", &[JSON], json!({"operations": operations}).to_string()).await
}

/// The outcome of a batch that failed, and the operation that it names.
fn named(answer: &Answer) -> String {
    let problem = answer.json();
    format!("{} at {}", answer.outcome(), problem["operation"])
}

#[tokio::test]
async fn keys_and_rows_are_written_in_one_commit() {
    let server = shop().await;
    server.send("PUT /api/v1/buckets/stock/kv/tea", &["content-type: text/plain"], "5").await;
    let version =
        server.send("GET /api/v1/buckets/stock/kv/tea?encoding=utf8", &[], "").await.json()["version"].clone();
    let operations = json!([
        {"op": "check", "bucket": "stock", "key": "tea", "if_version": version},
        {"op": "increment", "bucket": "stock", "key": "tea", "by": -2},
        {"op": "insert", "table": "orders", "rows": {"status": "paid"}, "select": "id"},
        {"op": "insert", "table": "lines", "rows": [{"what": "tea", "n": 2}, {"what": "cup"}],
         "from": {"order_id": {"operation": 2, "column": "id"}}},
        {"op": "select", "table": "orders", "filter": "id=eq.$1&status=in.$2", "select": "status,lines(what,n)",
         "arguments": [{"operation": 2, "column": "id"}, ["paid", "sent"]], "matches": 1},
        {"op": "update", "table": "lines", "filter": "what=eq.cup", "set": {"n": 4}, "matches": {"min": 1}, "select": "n"},
        {"op": "insert", "table": "lines", "rows": [{"order_id": 1, "what": "tea", "n": 3}, {"order_id": 1, "what": "jam"}],
         "on_conflict": "order_id,what", "resolution": "merge-duplicates"},
        {"op": "delete", "table": "lines", "filter": "what=like.j*", "matches": 1},
        {"op": "set", "key": "last", "value": "order", "ttl": 60},
        {"op": "get", "key": "last"},
        {"op": "get", "key": "missing"},
        {"op": "delete", "key": "missing"},
        {"op": "delete-span", "bucket": "stock", "prefix": "t"},
        {"op": "check", "table": "lines", "filter": "order_id=eq.1", "matches": 2},
    ]);
    let answer = apply(&server, &operations).await;
    assert_eq!(answer.outcome(), "200", "{}", answer.text());
    let results = json!([
        {}, {"value": 3}, {"inserted": 1, "updated": 0, "rows": [{"id": 1}]}, {"inserted": 2, "updated": 0},
        {"rows": [{"status": "paid", "lines": [{"what": "cup", "n": 1}, {"what": "tea", "n": 2}]}]},
        {"updated": 1, "rows": [{"n": 4}]}, {"inserted": 1, "updated": 1}, {"deleted": 1},
        {}, {"value": "order", "version": null}, {"value": null, "version": null}, {"deleted": 0}, {"deleted": 1}, {},
    ]);
    let given = answer.json();
    assert_eq!(given["results"], results);
    let version = given["version"].as_str().unwrap();
    assert_eq!((answer.header("mantisdb-version"), &given["durable"]), (Some(version), &json!(false)));
    let read = server.send("GET /api/v1/kv/last?encoding=utf8", &[], "").await.json();
    assert_eq!(read["version"], version, "one commit for all");
    let lines = server.send("GET /api/v1/tables/lines?select=what,n&order=what", &[], "").await;
    assert_eq!(lines.text(), r#"[{"what":"cup","n":4},{"what":"tea","n":3}]"#);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_409_and_nothing_is_written() {
    let server = shop().await;
    apply(
        &server,
        &json!([{"op": "insert", "table": "orders", "rows": [{}, {}]}, {"op": "set", "key": "k", "value": "1"}]),
    )
    .await;
    let row = server.send("GET /api/v1/tables/orders/1", &[], "").await;
    let version: String = row.header("etag").unwrap().chars().filter(char::is_ascii_digit).collect();
    let operations = json!([
        {"op": "set", "key": "a", "value": "1"},
        {"op": "set", "bucket": "new", "key": {"base64": "/w=="}, "value": "1", "absent": false},
        {"op": "check", "key": "k", "absent": true},
        {"op": "update", "table": "orders", "filter": "status=eq.paid", "set": {"status": "sent"}, "matches": 1},
        {"op": "delete", "table": "orders", "filter": "id=eq.1", "if_version": "1"},
        {"op": "check", "table": "orders", "matches": {"max": 1}},
        {"op": "check", "table": "orders", "if_version": version},
    ]);
    let answer = apply(&server, &operations).await;
    assert_eq!(answer.outcome(), "409 check-failed");
    let named = json!([
        {"index": 1, "bucket": "new", "key": {"base64": "/w=="}, "version": null},
        {"index": 2, "bucket": "default", "key": "k", "version": version},
        {"index": 3, "table": "orders", "matched": 0},
        {"index": 4, "table": "orders", "matched": 1, "version": version},
        {"index": 5, "table": "orders", "matched": 2},
    ]);
    assert_eq!(answer.json()["operations"], named);
    assert_eq!(server.send("GET /api/v1/kv/a", &[], "").await.outcome(), "404 key-not-found");
    assert_eq!(server.send("GET /api/v1/buckets", &[], "").await.json()["buckets"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_error_names_its_operation_and_nothing_is_written() {
    let server = shop().await;
    let write = json!({"op": "insert", "table": "orders", "rows": {"id": 5}});
    for (operation, expected) in [
        (json!({"op": "insert", "table": "orders", "rows": {"id": 5}}), "409 23505 at 1"),
        (json!({"op": "insert", "table": "lines", "rows": {"order_id": 6, "what": "x"}}), "409 23503 at 1"),
        (json!({"op": "insert", "table": "lines", "rows": {"order_id": 5}}), "422 23502 at 1"),
        (json!({"op": "insert", "table": "orders", "rows": {"nope": 5}}), "422 PGRST204 at 1"),
        (json!({"op": "select", "table": "nowhere"}), "422 PGRST205 at 1"),
        (json!({"op": "select", "table": "orders", "select": "nope(*)"}), "422 PGRST200 at 1"),
        (json!({"op": "select", "table": "orders", "select": "a,,b"}), "422 PGRST100 at 1"),
        (json!({"op": "select", "table": "orders", "filter": "id=eq.$1"}), "422 42P02 at 1"),
        (json!({"op": "select", "table": "orders", "filter": "id=eq.$1", "arguments": ["x"]}), "422 22P02 at 1"),
        (json!({"op": "select", "table": "orders", "arguments": vec![1; 101]}), "422 body-invalid at 1"),
        (json!({"op": "delete", "table": "orders"}), "422 21000 at 1"),
        (json!({"op": "update", "table": "orders", "filter": "id=eq.5", "set": {"id": "x"}}), "422 22P02 at 1"),
        (
            json!({"op": "insert", "table": "orders", "rows": {}, "from": {"id": {"operation": 1, "column": "id"}}}),
            "422 21000 at 1",
        ),
        (json!({"op": "get", "bucket": "No", "key": "k"}), "422 bucket-name-invalid at 1"),
        (json!({"op": "set", "key": "", "value": ""}), "422 key-empty at 1"),
        (json!({"op": "set", "key": "k", "value": "", "ttl": 0}), "422 ttl-invalid at 1"),
        (json!({"op": "get"}), "422 body-invalid at 1"),
        (json!({"op": "upsert", "table": "orders"}), "422 body-invalid at 1"),
        (json!({"op": "select", "table": 5}), "422 body-invalid at 1"),
        (json!(["get", "k"]), "422 body-invalid at 1"),
    ] {
        let answer = apply(&server, &json!([write, operation])).await;
        assert_eq!(named(&answer), expected, "{operation}: {}", answer.text());
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("operation 1: "), "{detail}");
        assert_eq!(server.send("GET /api/v1/tables/orders", &[], "").await.text(), "[]", "{operation}");
    }
}

#[tokio::test]
async fn malformed_and_oversized_batches_are_refused() {
    let server = shop().await;
    let get = json!({"op": "get", "key": "a"});
    for (body, outcome) in [
        (json!({"operations": []}).to_string(), "200"),
        (json!({"operations": vec![get.clone(); 10_000]}).to_string(), "200"),
        (json!({"operations": vec![get.clone(); 10_001]}).to_string(), "422 operations-too-many"),
        (json!({"operations": vec![json!(1); 10_001]}).to_string(), "422 operations-too-many"),
        (json!({"operations": get}).to_string(), "422 body-invalid"),
        (json!({"operations": [], "atomic": true}).to_string(), "422 body-invalid"),
        (json!({}).to_string(), "422 body-invalid"),
        (json!([]).to_string(), "422 body-invalid"),
        ("{\"operations\":[".to_owned(), "400 body-malformed"),
        ("{\"operations\":[}]}".to_owned(), "400 body-malformed"),
        (String::new(), "400 body-malformed"),
    ] {
        let answer = server.send("POST /api/v1/batch", &[JSON], body.clone()).await;
        assert_eq!(answer.outcome(), outcome, "{body:.80}");
    }
    let answer = server.send("POST /api/v1/batch", &["content-type: text/plain"], "{}").await;
    assert_eq!(answer.outcome(), "415 media-type-unsupported");
    let answer = server.send("POST /api/v1/batch", &[JSON, "accept: text/csv"], r#"{"operations":[]}"#).await;
    assert_eq!(answer.outcome(), "406 not-acceptable");
    let in_bucket = json!({"operations": [{"op": "get", "bucket": "b", "key": "k"}]}).to_string();
    let answer = server.send("POST /api/v1/kv", &[JSON], in_bucket).await;
    assert_eq!(answer.outcome(), "422 body-invalid", "there the path names the bucket");
    let empty = server.send("POST /api/v1/batch", &[JSON], r#"{"operations":[]}"#).await;
    assert_eq!(empty.json()["results"], json!([]));
}

/// Each row of two bytes lacks all columns of another: values that nobody sent take room too.
#[tokio::test]
async fn rows_that_lack_most_of_their_columns_are_bounded_in_sum() {
    let server = shop().await;
    let columns: Vec<_> = (0..400).map(|column| format!("\"c{column}\":1")).collect();
    let rows = format!("[{{{}}}{}]", columns.join(","), ",{}".repeat(3_000));
    let insert = format!(r#"{{"op":"insert","table":"orders","rows":{rows}}}"#);
    let body = format!(r#"{{"operations":[{}]}}"#, vec![insert; 4].join(","));
    let answer = server.send("POST /api/v1/batch", &[JSON], body).await;
    assert_eq!(named(&answer), "422 54000 at 3", "{}", answer.text());
}

#[tokio::test]
async fn a_batch_belongs_to_an_open_transaction_and_fails_alone() {
    let server = shop().await;
    let id = server.send("POST /api/v1/transactions", &[], "").await.json()["id"].as_str().unwrap().to_owned();
    let within = format!("mantisdb-transaction: {id}");
    let body = |operations: Value| json!({"operations": operations}).to_string();
    let good = body(json!([{"op": "insert", "table": "orders", "rows": {}}, {"op": "set", "key": "k", "value": "1"}]));
    let answer = server.send("POST /api/v1/batch", &[JSON, &within], good).await;
    assert_eq!((answer.outcome().as_str(), answer.header("mantisdb-version")), ("200", None));
    assert_eq!((&answer.json()["version"], &answer.json()["durable"]), (&Value::Null, &json!(false)));
    let bad = body(json!([{"op": "delete", "key": "k"}, {"op": "check", "table": "orders", "matches": 7}]));
    let answer = server.send("POST /api/v1/batch", &[JSON, &within], bad).await;
    assert_eq!(answer.outcome(), "409 check-failed");
    assert_eq!(server.send("GET /api/v1/tables/orders", &[], "").await.text(), "[]");
    let committed = server.send(&format!("POST /api/v1/transactions/{id}/commit"), &[], "").await;
    assert_eq!(committed.outcome(), "200");
    assert_eq!(server.send("GET /api/v1/kv/k", &[], "").await.text(), "1");
    assert_eq!(server.send("GET /api/v1/tables/orders", &[], "").await.text(), r#"[{"id":1,"status":"new"}]"#);
}

#[tokio::test]
async fn a_batch_that_is_longer_than_it_looks_starts_over_elsewhere() {
    let server = shop().await;
    let rows: Vec<_> = (0..9_000).map(|_| json!({})).collect();
    let answer = apply(&server, &json!([{"op": "insert", "table": "orders", "rows": rows}])).await;
    assert_eq!(answer.json()["results"], json!([{"inserted": 9_000, "updated": 0}]));
    let operations = json!([
        {"op": "increment", "key": "n"},
        {"op": "update", "table": "orders", "filter": "status=eq.new", "set": {"status": "old"}, "matches": 9_000},
        {"op": "select", "table": "orders", "select": "count()"},
        {"op": "increment", "key": "n"},
    ]);
    let answer = apply(&server, &operations).await;
    let expected = json!([{"value": 1}, {"updated": 9_000}, {"rows": [{"count": 9_000}]}, {"value": 2}]);
    assert_eq!(answer.json()["results"], expected, "{}", answer.text());
}

#[tokio::test]
async fn the_answer_is_bounded_as_it_is_written() {
    let mut limits = Limits::default();
    limits.answer_bytes_max = 100;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    make_tables(&server).await;
    let set = json!({"op": "set", "key": "k", "value": {"base64": "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}});
    let get = json!({"op": "get", "key": "k"});
    assert_eq!(apply(&server, &json!([set, get])).await.outcome(), "422 answer-too-large", "each byte takes six");
    let text = json!({"op": "set", "key": "k", "value": "t".repeat(60)});
    assert_eq!(apply(&server, &json!([text, get])).await.outcome(), "200");
    let select = json!({"op": "insert", "table": "orders", "rows": {"status": "s".repeat(20)}, "select": "*"});
    assert_eq!(named(&apply(&server, &json!([get, select])).await), "422 answer-too-large at 1");
}

#[tokio::test]
async fn what_the_owner_decides_of_tables_holds_in_batches() {
    let tables = TablesConfig { safe_update: false, rows_max: Some(1), aggregates: false, ..TablesConfig::default() };
    let server = Server::with_config(AppConfig { tables, ..AppConfig::default() });
    make_tables(&server).await;
    let operations = json!([
        {"op": "insert", "table": "orders", "rows": [{}, {}]},
        {"op": "select", "table": "orders", "select": "id"},
        {"op": "delete", "table": "orders", "matches": 2},
    ]);
    let results = json!([{"inserted": 2, "updated": 0}, {"rows": [{"id": 1}]}, {"deleted": 2}]);
    assert_eq!(apply(&server, &operations).await.json()["results"], results);
    let count = json!([{"op": "select", "table": "orders", "select": "count()"}]);
    assert_eq!(named(&apply(&server, &count).await), "422 PGRST123 at 0");
}

#[tokio::test]
async fn a_long_value_is_read_once_for_its_json_form() {
    let server = Server::new();
    let value = "x".repeat(100_000);
    server.send("PUT /api/v1/kv/long", &[], value.clone()).await;
    let used = async || {
        let stats = server.send("GET /stats", &[], "").await.json();
        stats["pool"]["acquire_count"].as_u64().unwrap()
    };
    let before = used().await;
    let answer = server.send("GET /api/v1/kv/long?encoding=utf8", &[], "").await;
    assert_eq!((answer.outcome().as_str(), answer.json()["value"].as_str()), ("200", Some(&value[..])));
    assert_eq!(used().await - before, 1);
}
