//! Tables in the documents: `/openapi.json`, and the root of `/rest/v1` as PostgREST writes it.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::harness::Server;
use crate::plugins::{COMPONENT, JSON, WASM};

/// A name with everything that paths, pointers and fragments write in another way.
const ODD: &str = "a/b ~c%{d}.ä";
const ODD_ENCODED: &str = "a%2Fb%20%7Ec%25%7Bd%7D%2E%C3%A4";

async fn server() -> Server {
    let server = Server::new();
    let writers = json!({"columns": [{"name": "id", "type": "bigint", "identity": true}], "primary_key": ["id"]});
    let books = json!({
        "columns": [
            {"name": "isbn", "type": "char(13)", "nullable": false},
            {"name": "title", "type": "varchar(80)", "nullable": false, "comment": "As on the cover."},
            {"name": "writer", "type": "bigint"},
            {"name": "kind", "type": "text", "enum": ["novel", "other"], "nullable": false, "default": "other"},
            {"name": "price", "type": "numeric(8,2)"},
            {"name": "tags", "type": "text[]"},
            {"name": "more", "type": "jsonb"}
        ],
        "primary_key": ["isbn"],
        "foreign_keys": [{"columns": ["writer"], "references": {"table": "writers", "columns": ["id"]}}],
        "comment": "What is on the shelves.\nAnd what was."
    });
    let odd = json!({"columns": [{"name": "x/y z", "type": "integer"}]});
    for (name, schema) in [("writers", writers), ("books", books), (ODD_ENCODED, odd)] {
        let answer = server.send(&format!("PUT /api/v1/schema/tables/{name}"), JSON, schema.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    server
}

/// Every reference leads to something.
#[track_caller]
fn check_references(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = percent_decode_str(reference.strip_prefix('#').unwrap()).decode_utf8().unwrap();
                assert_ne!(document.pointer(&pointer), None, "{reference} leads nowhere");
            }
            members.values().for_each(|value| check_references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| check_references(document, value)),
        _ => {}
    }
}

async fn document(server: &Server, path: &str) -> Value {
    let answer = server.send(&format!("GET {path}"), &[], "").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    check_references(&document, &document);
    document
}

#[tokio::test]
async fn each_table_is_in_the_openapi_document_with_its_types() {
    let server = server().await;
    let openapi = document(&server, "/openapi.json").await;
    let rows = &openapi["paths"]["/api/v1/tables/books"];
    assert_eq!(rows["get"]["operationId"], "readRows.books");
    let of_rows = &rows["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*of_rows, json!({"type": "array", "items": {"$ref": "#/components/schemas/table.books"}}));
    let row = &openapi["components"]["schemas"]["table.books"];
    assert_eq!(row["required"], json!(["isbn", "title", "writer", "kind", "price", "tags", "more"]));
    let writer = json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "format": "bigint"});
    assert_eq!(row["properties"]["writer"], writer);
    let kind = json!({"type": "string", "enum": ["novel", "other"], "format": "text", "default": "other"});
    assert_eq!(row["properties"]["kind"], kind);
    assert_eq!(row["properties"]["title"]["description"], "As on the cover.");
    let new = &rows["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]["allOf"];
    assert_eq!(new[1]["required"], json!(["isbn", "title"]), "what has neither null nor a default");
    for method in ["get", "put", "patch", "delete"] {
        assert_eq!(openapi["paths"]["/api/v1/tables/books/{row}"][method]["parameters"][0]["name"], "row");
    }
    assert!(openapi["paths"][format!("/api/v1/tables/{ODD_ENCODED}")]["post"].is_object());
    assert_eq!(openapi["x-mantisdb-tables-left-out"], Value::Null);
}

#[tokio::test]
async fn the_root_describes_tables_as_postgrest_does() {
    let server = server().await;
    let component = wat::parse_str(COMPONENT).unwrap();
    assert_eq!(server.send("PUT /api/v1/plugins/sums", WASM, component).await.status, 201);
    let root = document(&server, "/rest/v1/").await;
    assert_eq!((&root["swagger"], &root["basePath"]), (&json!("2.0"), &json!("/rest/v1")));
    let books = &root["definitions"]["books"];
    assert_eq!(books["required"], json!(["isbn", "title", "kind"]));
    let isbn = &books["properties"]["isbn"];
    assert_eq!((&isbn["type"], &isbn["maxLength"]), (&json!("string"), &json!(13)));
    assert_eq!(isbn["description"], "Note:\nThis is a Primary Key.<pk/>");
    let writer = json!({
        "type": "integer", "format": "bigint",
        "description": "Note:\nThis is a Foreign Key to `writers.id`.<fk table='writers' column='id'/>",
    });
    assert_eq!(books["properties"]["writer"], writer);
    let tags = json!({"type": "array", "items": {"type": "string"}, "format": "text[]"});
    assert_eq!(books["properties"]["tags"], tags);
    let read = &root["paths"]["/books"]["get"];
    assert_eq!(read["summary"], "What is on the shelves.");
    assert_eq!(read["parameters"][0]["$ref"], "#/parameters/rowFilter.books.isbn");
    assert_eq!(root["parameters"]["rowFilter.books.price"]["format"], "numeric(8,2)");
    assert!(root["paths"][format!("/{ODD}")]["get"].is_object());
    let sums = &root["paths"]["/rpc/sums.add"];
    assert_eq!(sums["post"]["parameters"][0]["schema"]["required"], json!(["a", "b"]));
    assert_eq!(sums["get"]["parameters"][1]["name"], "b", "it may write nowhere");
    for (line, accept, expected) in [
        ("GET /rest/v1", "*/*", (200, Some("application/openapi+json; charset=utf-8"))),
        ("GET /rest/v1/", "application/json", (200, Some("application/json"))),
        ("HEAD /rest/v1/", "application/openapi+json", (200, Some("application/openapi+json; charset=utf-8"))),
        ("GET /rest/v1/", "text/csv", (406, Some("application/json; charset=utf-8"))),
        ("POST /rest/v1/", "*/*", (405, Some("application/json; charset=utf-8"))),
        ("OPTIONS /rest/v1/", "*/*", (200, None)),
    ] {
        let answer = server.send(line, &[&format!("accept: {accept}")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), expected, "{line} {accept}");
    }
}

#[tokio::test]
async fn a_change_of_a_schema_is_in_the_documents_at_once() {
    let server = server().await;
    let columns = async || {
        let openapi = document(&server, "/openapi.json").await;
        let root = document(&server, "/rest/v1/").await;
        let of = |definition: &Value| {
            definition["properties"].as_object().map(|columns| columns.keys().cloned().collect::<Vec<_>>())
        };
        let in_root = of(&root["definitions"]["writers"]);
        assert_eq!(of(&openapi["components"]["schemas"]["table.writers"]), in_root);
        in_root.unwrap_or_default()
    };
    assert_eq!(columns().await, ["id"]);
    let change = json!({"add_columns": [{"name": "name", "type": "text"}]}).to_string();
    let answer = server.send("PATCH /api/v1/schema/tables/writers", JSON, change).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(columns().await, ["id", "name"]);
    for table in ["books", "writers"] {
        assert_eq!(server.send(&format!("DELETE /api/v1/schema/tables/{table}"), &[], "").await.status, 204);
    }
    assert_eq!(columns().await, Vec::<String>::new());
    let plugins = async || document(&server, "/rest/v1/").await["paths"]["/rpc/sums.add"]["get"].is_object();
    for (grants, expected) in [("a:read", true), ("a:write", false)] {
        let component = wat::parse_str(COMPONENT).unwrap();
        server.send(&format!("PUT /api/v1/plugins/sums?buckets={grants}"), WASM, component).await;
        assert_eq!(plugins().await, expected, "{grants}");
    }
}

/// The documents of a thousand tables are held in memory, and sent to whoever asks.
#[tokio::test]
async fn what_a_table_adds_to_the_documents_is_bounded() {
    let server = Server::new();
    let size = async |path: &str| document(&server, path).await.to_string().len();
    let schema = json!({
        "columns": [{"name": "id", "type": "bigint"}, {"name": "name", "type": "text"}, {"name": "n", "type": "integer"}],
        "primary_key": ["id"]
    });
    let make = async |number: usize| {
        let answer = server.send(&format!("PUT /api/v1/schema/tables/t{number:02}"), JSON, schema.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    };
    make(0).await;
    let before = [size("/openapi.json").await, size("/rest/v1/").await];
    for number in 1..=20 {
        make(number).await;
    }
    let after = [size("/openapi.json").await, size("/rest/v1/").await];
    for (name, (before, after), bytes_max) in
        [("openapi.json", (before[0], after[0]), 16_000), ("rest/v1", (before[1], after[1]), 4_000)]
    {
        let bytes = (after - before) / 20;
        assert!(bytes < bytes_max, "{name}: {bytes} bytes a table");
    }
}
