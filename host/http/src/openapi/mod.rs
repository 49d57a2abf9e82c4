//! The documents: of the whole API, written from the table of routes, the functions of plugins and the tables; and PostgREST's.
//!
//! | file | holds |
//! |---|---|
//! | `operations`, `patterns`, `schemas` | the operations of the table of routes |
//! | `functions` | a path for each function of a plugin |
//! | `tables`, `columns` | paths and schemas for each table |
//! | `page` | the same for people |
//! | `pieces` | an object that is written member by member |
//! | `swagger` | the document at the root of `/rest/v1` |
//! | `subject` | what a document shows of the server |

use serde_json::{Map, Value, json};

use crate::api::description::Tag;
use crate::api::operation::{Operation, Route};
use crate::openapi::schemas::Schemas;

mod columns;
mod functions;
mod operations;
mod page;
mod patterns;
mod pieces;
mod schemas;
mod subject;
mod swagger;
mod tables;

pub(crate) use page::page;
pub(crate) use subject::Subject;
pub(crate) use swagger::{Root, text as root_text};

const DESCRIPTION: &str = "Keys, values, transactions, changes and plugins of a MantisDB server.\n\n\
    A key in a path is percent-decoded once and is bytes: it may hold slashes, and nothing is normalised. `HEAD` works wherever `GET` \
    does, and `OPTIONS` names a path's methods. Errors are `application/problem+json` with a stable `code`; `x-mantisdb-codes` lists those of a status.";

/// The text of the document of the operations in `routes`, with the subject's tables. It is written table by table: as a tree it would take
/// many times its length.
pub(crate) fn text<C>(routes: &[Route<C>], subject: &Subject<'_>) -> Vec<u8> {
    let document = document(routes, subject);
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    pieces::object(|whole| {
        for (name, value) in &members(&document) {
            match &**name {
                "paths" => whole.object(name, |paths| {
                    paths.add_all(&members(value));
                    tables::add(paths, routes, subject.tables);
                }),
                "components" => whole.object(name, |components| {
                    for (name, value) in &members(value) {
                        components.object(name, |all| {
                            all.add_all(&members(value));
                            if name == "schemas" {
                                tables::add_schemas(all, subject.tables);
                            }
                        });
                    }
                }),
                _ => whole.add(name, value),
            }
        }
    })
}

/// The document of the operations in `routes`, without the subject's tables.
pub(crate) fn document<C>(routes: &[Route<C>], subject: &Subject<'_>) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Schemas::new());
    for route in routes {
        paths.insert(route.path.to_owned(), path_item(routes, route, subject, &mut schemas));
    }
    functions::add(&mut paths, routes, subject.plugins, &mut schemas);
    let responses = tables::shared_responses(routes, &mut schemas);
    let mut components = json!({
        "schemas": schemas.all(subject.limits),
        "headers": operations::common_headers(),
    });
    if !subject.tables.is_empty() {
        components["responses"] = responses.into();
        for (name, header) in tables::shared_headers(routes) {
            components["headers"][name] = header;
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MantisDB",
            "version": subject.version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": tags(),
        "paths": paths,
        "components": components,
    });
    if subject.tables_left_out > 0 {
        document["x-mantisdb-tables-left-out"] = subject.tables_left_out.into();
    }
    document
}

fn path_item<C>(routes: &[Route<C>], route: &Route<C>, subject: &Subject<'_>, schemas: &mut Schemas) -> Value {
    let mut item = Map::new();
    for operation in route.operations {
        let id = format!("{}{}", operation.id, route.id_suffix);
        item.insert(method(operation), operations::operation(route, operation, &id, "", subject, schemas));
    }
    // Beside its own method, a path with an ending is the path of a key that ends so.
    if let Some((base, ending)) = base_of(routes, route) {
        let note = format!("The key is `{{key}}{ending}`.");
        for operation in base.operations {
            let id = format!("{}{}AtIncrement", operation.id, base.id_suffix);
            item.insert(method(operation), operations::operation(route, operation, &id, &note, subject, schemas));
        }
    }
    Value::Object(item)
}

fn base_of<'a, C>(routes: &'a [Route<C>], route: &Route<C>) -> Option<(&'a Route<C>, &'static str)> {
    let (before, ending) = route.path.split_once("{key}").filter(|(_, ending)| !ending.is_empty())?;
    let base = routes.iter().find(|other| other.path.strip_suffix("{key}") == Some(before))?;
    Some((base, ending))
}

fn method<C>(operation: &Operation<C>) -> String {
    operation.method.as_str().to_ascii_lowercase()
}

fn tags() -> Value {
    let tags = [
        (Tag::Service, "Health, statistics and documents."),
        (Tag::KeyValue, "Keys and values. `/api/v1/kv` is the bucket `default`."),
        (Tag::Buckets, "Named key spaces."),
        (Tag::Transactions, "Transactions that span several requests."),
        (Tag::Changes, "Committed changes, in order."),
        (Tag::Tables, "Typed rows, in PostgREST's dialect."),
        (Tag::Schemas, "What tables are."),
        (Tag::Plugins, "WebAssembly components that run next to the data."),
    ];
    tags.iter().map(|(tag, description)| json!({"name": tag.as_str(), "description": description})).collect()
}
