//! The document at the root of `/rest/v1`, in the form that PostgREST writes there and its clients read: OpenAPI 2.0, a definition and a
//! path for each table, keys noted in descriptions.

use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::schema::document::ColumnDocument;
use mantis_db::tables::types::{Scalar, Type};
use mantis_plugin::{Field, PluginInfo, ValueType};
use serde_json::{Map, Value, json};

use crate::openapi::columns::{default, is_nullable};
use crate::openapi::pieces::{self, Members};

/// What the document shows.
pub(crate) struct Root<'a> {
    pub(crate) version: &'a str,
    pub(crate) tables: &'a [TableDocument],
    /// Tables for which there is no room.
    pub(crate) tables_left_out: usize,
    pub(crate) plugins: &'a [PluginInfo],
}

/// The text of the document, which is written table by table.
pub(crate) fn text(root: &Root<'_>) -> Vec<u8> {
    let tables = || root.tables.iter().filter_map(|table| Some((table, table.name.as_deref()?)));
    let itself = json!({
        "tags": ["Introspection"],
        "summary": "This document",
        "produces": ["application/openapi+json", "application/json"],
        "responses": {"200": {"description": "OK"}},
    });
    pieces::object(|whole| {
        whole.add("swagger", &json!("2.0"));
        let description = "Tables, in PostgREST's dialect.";
        whole.add("info", &json!({"title": "MantisDB", "description": description, "version": root.version}));
        whole.add("basePath", &json!("/rest/v1"));
        whole.add("consumes", &json!(MEDIA));
        whole.add("produces", &json!(MEDIA));
        whole.object("paths", |paths| {
            paths.add("/", &json!({"get": itself}));
            tables().for_each(|(table, name)| paths.add(&format!("/{name}"), &path(table, name)));
            for plugin in root.plugins {
                for function in plugin.functions.iter() {
                    let name = format!("{}.{}", plugin.name, function.name);
                    let is_read_only = plugin.grants.is_read_only();
                    paths.add(&format!("/rpc/{name}"), &call(&name, &function.params, is_read_only));
                }
            }
        });
        whole.object("definitions", |all| tables().for_each(|(table, name)| all.add(name, &definition(table))));
        whole.object("parameters", |parameters| {
            parameters.add_all(&shared_parameters());
            tables().for_each(|(table, name)| add_parameters(parameters, table, name));
        });
        if root.tables_left_out > 0 {
            whole.add("x-mantisdb-tables-left-out", &root.tables_left_out.into());
        }
    })
}

const MEDIA: &[&str] = &[
    "application/json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.object+json",
    "text/csv",
];

fn definition(table: &TableDocument) -> Value {
    let required: Vec<_> =
        table.columns.iter().filter(|column| !is_nullable(table, column)).map(|column| &column.name).collect();
    let properties: Map<_, _> =
        table.columns.iter().map(|column| (column.name.clone(), property(table, column))).collect();
    let mut value = json!({"type": "object", "properties": properties});
    // An empty list is not valid there.
    if !required.is_empty() {
        value["required"] = json!(required);
    }
    if let Some(comment) = &table.comment {
        value["description"] = comment.as_str().into();
    }
    value
}

fn property(table: &TableDocument, column: &ColumnDocument) -> Value {
    let mut value = type_of(&column.r#type);
    if let Some(default) = default(column) {
        value["default"] = default;
    }
    if let Some(allowed) = &column.allowed {
        value["enum"] = json!(allowed);
    }
    if let Ok(Type { scalar: Scalar::Varchar(Some(length)) | Scalar::Char(length @ 1..), is_array: false }) =
        Type::parse(&column.r#type)
    {
        value["maxLength"] = length.into();
    }
    let mut parts: Vec<String> = column.comment.iter().cloned().collect();
    parts.extend(note(table, column));
    if !parts.is_empty() {
        value["description"] = parts.join("\n\n").into();
    }
    value
}

/// What PostgREST notes of a column that belongs to a key, which tools look for.
fn note(table: &TableDocument, column: &ColumnDocument) -> Option<String> {
    let is_key = table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column.name));
    let reference = table.foreign_keys.iter().find_map(|key| match &key.columns[..] {
        [one] if *one == column.name => Some((&key.references.table, key.references.columns.first()?)),
        _ => None,
    });
    let mut notes = Vec::new();
    if is_key {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    if let Some((other, referenced)) = reference {
        notes.push(format!(
            "This is a Foreign Key to `{other}.{referenced}`.<fk table='{other}' column='{referenced}'/>"
        ));
    }
    if notes.is_empty() { None } else { Some(format!("Note:\n{}", notes.join("\n"))) }
}

/// The type of a column; its format is PostgreSQL's name.
fn type_of(name: &str) -> Value {
    let Ok(Type { scalar, is_array }) = Type::parse(name) else { return json!({"format": name}) };
    let json_type = json_type(scalar);
    match (is_array, json_type) {
        (true, Some(json_type)) => json!({"type": "array", "items": {"type": json_type}, "format": name}),
        (true, None) => json!({"type": "array", "items": {}, "format": name}),
        (false, Some(json_type)) => json!({"type": json_type, "format": name}),
        (false, None) => json!({"format": name}),
    }
}

fn json_type(scalar: Scalar) -> Option<&'static str> {
    match scalar {
        Scalar::Boolean => Some("boolean"),
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt => Some("integer"),
        Scalar::Real | Scalar::Double | Scalar::Numeric(_) => Some("number"),
        Scalar::Jsonb => None,
        _ => Some("string"),
    }
}

/// Parameters of all tables.
fn shared_parameters() -> Map<String, Value> {
    let text = |name: &str, place: &str, description: &str| json!({"name": name, "in": place, "required": false, "type": "string", "description": description});
    let words = |name: &str, words: &[&str]| json!({"name": name, "in": "header", "required": false, "type": "string", "enum": words, "description": "Preference"});
    Map::from_iter([
        ("select".to_owned(), text("select", "query", "Filtering Columns")),
        ("order".to_owned(), text("order", "query", "Ordering")),
        ("limit".to_owned(), text("limit", "query", "Limiting and Pagination")),
        ("offset".to_owned(), text("offset", "query", "Limiting and Pagination")),
        ("on_conflict".to_owned(), text("on_conflict", "query", "On Conflict")),
        ("range".to_owned(), text("Range", "header", "Limiting and Pagination")),
        (
            "rangeUnit".to_owned(),
            json!({"name": "Range-Unit", "in": "header", "required": false, "type": "string", "default": "items",
                   "description": "Limiting and Pagination"}),
        ),
        ("preferCount".to_owned(), words("Prefer", &["count=exact", "count=planned", "count=estimated"])),
        (
            "preferReturn".to_owned(),
            words("Prefer", &["return=representation", "return=minimal", "return=headers-only"]),
        ),
        (
            "preferPost".to_owned(),
            words(
                "Prefer",
                &[
                    "return=representation",
                    "return=minimal",
                    "return=headers-only",
                    "resolution=ignore-duplicates",
                    "resolution=merge-duplicates",
                ],
            ),
        ),
    ])
}

fn add_parameters(parameters: &mut Members<'_>, table: &TableDocument, name: &str) {
    let body = json!({"name": name, "in": "body", "required": false, "schema": reference("definitions", name)});
    parameters.add(&format!("body.{name}"), &body);
    for column in &table.columns {
        let filter =
            json!({"name": column.name, "in": "query", "required": false, "type": "string", "format": column.r#type});
        parameters.add(&format!("rowFilter.{name}.{}", column.name), &filter);
    }
}

/// A reference to a named part of the document, as a fragment.
fn reference(part: &str, name: &str) -> Value {
    let pointer = name.replace('~', "~0").replace('/', "~1");
    let encoded = percent_encoding::utf8_percent_encode(&pointer, FRAGMENT);
    json!({"$ref": format!("#/{part}/{encoded}")})
}

/// What a fragment does not have as it is.
const FRAGMENT: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'#')
    .add(b'%')
    .add(b'{')
    .add(b'}');

fn path(table: &TableDocument, name: &str) -> Value {
    let filters: Vec<_> = table
        .columns
        .iter()
        .map(|column| reference("parameters", &format!("rowFilter.{name}.{}", column.name)))
        .collect();
    let shared = |names: &[&str]| names.iter().map(|name| reference("parameters", name)).collect::<Vec<_>>();
    let body = || vec![reference("parameters", &format!("body.{name}"))];
    let rows = json!({"description": "OK", "schema": {"type": "array", "items": reference("definitions", name)}});
    let operation = |parameters: Vec<Vec<Value>>, responses: Value| {
        let mut value = json!({"tags": [name], "parameters": parameters.concat(), "responses": responses});
        if let Some(comment) = &table.comment {
            let (summary, description) = comment.split_once('\n').unwrap_or((comment, ""));
            value["summary"] = summary.into();
            value["description"] = description.trim_start().into();
        }
        value
    };
    let read = ["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"];
    json!({
        "get": operation(
            vec![filters.clone(), shared(&read)],
            json!({"200": rows, "206": {"description": "Partial Content"}}),
        ),
        "post": operation(
            vec![body(), shared(&["select", "on_conflict", "preferPost"])],
            json!({"201": {"description": "Created"}}),
        ),
        "patch": operation(
            vec![filters.clone(), body(), shared(&["preferReturn"])],
            json!({"204": {"description": "No Content"}}),
        ),
        "delete": operation(
            vec![filters, shared(&["preferReturn"])],
            json!({"204": {"description": "No Content"}}),
        ),
    })
}

/// The path of a function.
fn call(name: &str, parameters: &[Field], is_read_only: bool) -> Value {
    let tags = [format!("(rpc) {name}")];
    let produces = ["application/json", "application/vnd.pgrst.object+json"];
    let properties: Map<_, _> =
        parameters.iter().map(|field| (field.name.clone(), argument(&field.value_type))).collect();
    let required: Vec<_> = parameters.iter().filter(|field| !is_optional(field)).map(|field| &field.name).collect();
    let mut arguments = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        arguments["required"] = json!(required);
    }
    let body = json!({"name": "args", "in": "body", "required": !required.is_empty(), "schema": arguments});
    let mut value = json!({
        "post": {"tags": tags, "produces": produces, "parameters": [body], "responses": {"200": {"description": "OK"}}},
    });
    if is_read_only {
        let in_query = parameters.iter().map(|field| {
            let mut parameter = argument(&field.value_type);
            if !is_simple(&parameter) && !is_simple(&parameter["items"]) {
                parameter = json!({"type": "string"});
            }
            parameter["name"] = field.name.as_str().into();
            parameter["in"] = "query".into();
            parameter["required"] = (!is_optional(field)).into();
            parameter
        });
        let in_query: Vec<_> = in_query.collect();
        value["get"] = json!({"tags": tags, "produces": produces, "parameters": in_query, "responses": {"200": {"description": "OK"}}});
    }
    value
}

/// Whether it is of a type that a parameter of a query may have.
fn is_simple(schema: &Value) -> bool {
    ["boolean", "integer", "number", "string"].iter().any(|simple| schema["type"] == *simple)
}

fn is_optional(field: &Field) -> bool {
    matches!(field.value_type, ValueType::Option(_))
}

fn argument(value_type: &ValueType) -> Value {
    match value_type {
        ValueType::Bool => json!({"type": "boolean"}),
        ValueType::S8
        | ValueType::U8
        | ValueType::S16
        | ValueType::U16
        | ValueType::S32
        | ValueType::U32
        | ValueType::S64
        | ValueType::U64 => json!({"type": "integer"}),
        ValueType::F32 | ValueType::F64 => json!({"type": "number"}),
        ValueType::Char | ValueType::String | ValueType::Bytes => json!({"type": "string"}),
        ValueType::Enum(names) => json!({"type": "string", "enum": names}),
        ValueType::Flags(names) => json!({"type": "array", "items": {"type": "string", "enum": names}}),
        ValueType::List(element) => match argument(element) {
            element if element["type"] == "object" => json!({"type": "array", "items": {"type": "object"}}),
            element => json!({"type": "array", "items": element}),
        },
        ValueType::Option(inner) => argument(inner),
        ValueType::Record(_) => json!({"type": "object"}),
        ValueType::Tuple(_) => json!({"type": "array", "items": {}}),
        ValueType::Variant(_) | ValueType::Result { .. } => json!({}),
    }
}
