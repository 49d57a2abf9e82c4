//! The tables that there are, typed: beside the routes of any table those of each, and the schemas of its rows.

use mantis_db::tables::schema::TableDocument;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::api::description::{Answer, AnswerHeader};
use crate::api::operation::{Operation, Route};
use crate::openapi::pieces::Members;
use crate::openapi::schemas::Schemas;
use crate::openapi::{columns, operations};
use crate::protocol::media::{JSON, PROBLEM_JSON};
use crate::protocol::problem::{ProblemOut, TableErrorOut};

/// The path of a table's rows, and that of one of them.
const ROWS: &str = "/api/v1/tables/{table}";
const ROW: &str = "/api/v1/tables/{table}/{row}";
/// The name of the response to a request that failed.
const FAILURE: &str = "TableFailure";

/// Adds the paths of each table: those of the routes of any, with its name filled in.
pub(super) fn add<C>(paths: &mut Members<'_>, routes: &[Route<C>], tables: &[TableDocument]) {
    for table in tables {
        let Some(name) = &table.name else { continue };
        let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
        for route in of_tables(routes) {
            paths.object(&route.path.replace("{table}", &encoded), |item| {
                for operation in described(route) {
                    let method = operation.method.as_str().to_ascii_lowercase();
                    item.add(&method, &of_table(route, operation, table, name));
                }
            });
        }
    }
}

/// Adds the schemas of each table's rows.
pub(super) fn add_schemas(schemas: &mut Members<'_>, tables: &[TableDocument]) {
    for table in tables {
        let Some(name) = &table.name else { continue };
        let name = component(name);
        schemas.add(&name, &columns::row(table));
        schemas.add(&format!("{name}.input"), &columns::input(table));
    }
}

fn of_tables<C>(routes: &[Route<C>]) -> impl Iterator<Item = &Route<C>> {
    routes.iter().filter(|route| matches!(route.path, ROWS | ROW))
}

fn described<C>(route: &Route<C>) -> impl Iterator<Item = &Operation<C>> {
    route.operations.iter().copied().filter(|operation| operation.method != http::Method::OPTIONS)
}

/// The responses that tables share: those that show no rows, and that of a request that failed.
pub(super) fn shared_responses<C>(routes: &[Route<C>], schemas: &mut Schemas) -> Map<String, Value> {
    let mut shared = Map::new();
    for operation in of_tables(routes).flat_map(described) {
        for answer in operation.answers.iter().filter(|answer| answer.content.is_empty()) {
            let response = json!({"description": answer.description, "headers": operations::headers(answer.headers)});
            shared.insert(shared_name(operation, answer), response);
        }
    }
    shared.insert(FAILURE.to_owned(), failure(schemas));
    shared
}

/// The headers of the responses that show rows, which tables share.
pub(super) fn shared_headers<C>(routes: &[Route<C>]) -> Map<String, Value> {
    let mut shared = Map::new();
    for operation in of_tables(routes).flat_map(described) {
        for answer in operation.answers.iter().filter(|answer| !answer.content.is_empty()) {
            for header in answer.headers {
                shared.insert(header_name(operation, answer, header), operations::header_value(header));
            }
        }
    }
    shared
}

fn header_name<C>(operation: &Operation<C>, answer: &Answer, header: &AnswerHeader) -> String {
    format!("{}.{}", shared_name(operation, answer), header.name)
}

fn shared_name<C>(operation: &Operation<C>, answer: &Answer) -> String {
    format!("{}.{}", operation.id, answer.status)
}

/// What a request that failed is answered with.
fn failure(schemas: &mut Schemas) -> Value {
    json!({
        "description": "An error, whose codes the operation of any table lists.",
        "headers": operations::request_id_header(),
        "content": {
            JSON: {"schema": schemas.of_response::<TableErrorOut<'_>>()},
            PROBLEM_JSON: {"schema": schemas.of_response::<ProblemOut<'_>>()},
        },
    })
}

/// The name of a table's schema.
fn component(table: &str) -> String {
    format!("table.{}", in_few_characters(table))
}

/// A name in the characters that names of components have: others are written as their bytes.
fn in_few_characters(table: &str) -> String {
    let bytes = table.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!(".{other:02X}"),
    });
    bytes.collect()
}

fn of_table<C>(route: &Route<C>, operation: &Operation<C>, table: &TableDocument, name: &str) -> Value {
    let row = json!({"$ref": format!("#/components/schemas/{}", component(name))});
    let is_one = route.path == ROW;
    let mut value = json!({
        "operationId": format!("{}.{}", operation.id, in_few_characters(name)),
        "tags": [operation.tag.as_str()],
        "summary": format!("{}: `{name}`", operation.summary),
        "description": "As the operation of any table, which lists its parameters, headers and errors. `select` changes what a row has.",
        "parameters": if is_one { vec![row_parameter()] } else { Vec::new() },
        "responses": responses(operation, &row, is_one),
    });
    if operation.body.is_some() {
        value["requestBody"] = json!({
            "required": false,
            "content": {JSON: {"schema": body(operation, table, name, is_one)}},
        });
    }
    value
}

fn row_parameter() -> Value {
    json!({
        "name": "row", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1},
        "description": crate::api::common::ROW.description,
    })
}

fn body<C>(operation: &Operation<C>, table: &TableDocument, name: &str, is_one: bool) -> Value {
    let input = json!({"$ref": format!("#/components/schemas/{}.input", component(name))});
    let required = columns::required(table);
    // PUT takes what its path or its filters name from there.
    let is_new = operation.method == http::Method::POST && !required.is_empty();
    let row = if is_new { json!({"allOf": [input, {"required": required}]}) } else { input };
    let takes_lists = !is_one && operation.method != http::Method::PUT;
    if takes_lists { json!({"oneOf": [row, {"type": "array", "items": row}]}) } else { row }
}

fn responses<C>(operation: &Operation<C>, row: &Value, is_one: bool) -> Value {
    let mut responses = Map::new();
    for answer in operation.answers {
        if answer.content.is_empty() {
            let shared = shared_name(operation, answer);
            responses.insert(answer.status.to_string(), json!({"$ref": format!("#/components/responses/{shared}")}));
            continue;
        }
        let mut content = Map::new();
        for shown in answer.content {
            let schema = match shown.media {
                "application/vnd.pgrst.object+json" => row.clone(),
                "application/json" | "application/vnd.pgrst.array+json" if !is_one => {
                    json!({"type": "array", "items": row})
                }
                media if media.contains("json") && !media.ends_with("ndjson") => json!({}),
                _ => json!({"type": "string"}),
            };
            content.insert(shown.media.to_owned(), json!({"schema": schema}));
        }
        let mut headers = operations::request_id_header();
        for header in answer.headers {
            let shared = header_name(operation, answer, header);
            headers[header.name] = json!({"$ref": format!("#/components/headers/{shared}")});
        }
        let response = json!({"description": answer.description, "headers": headers, "content": content});
        responses.insert(answer.status.to_string(), response);
    }
    responses.insert("default".to_owned(), json!({"$ref": format!("#/components/responses/{FAILURE}")}));
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_share_a_component() {
        assert_eq!(component("order_lines"), "table.order_lines");
        assert_eq!(in_few_characters("table.foo"), "table.2Efoo", "and not that of a table `2Efoo`");
        assert_eq!(component("a b.c-ä"), "table.a.20b.2Ec.2D.C3.A4");
    }
}
