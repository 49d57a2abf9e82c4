//! One operation of the document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::common::{BUCKET, ETAG, PATH_PARAMETERS};
use crate::api::description::{Answer, AnswerHeader, Kind, Parameter, RequestHeader, Role, Tag};
use crate::api::operation::{Operation, Route};
use crate::api::transaction_header::TRANSACTION;
use crate::limits;
use crate::openapi::patterns;
use crate::openapi::schemas::Schemas;
use crate::openapi::subject::Subject;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::media::{JSON, PROBLEM_JSON};
use crate::protocol::problem::{ProblemOut, TableErrorOut};

/// Problems of any request.
const COMMON: &[AnyCode] = &[
    AnyCode::Db(mantis_db::Code::MemoryFull),
    AnyCode::Http(Code::HostMissing),
    AnyCode::Http(Code::ParameterUnknown),
    AnyCode::Http(Code::ParameterRepeated),
    AnyCode::Http(Code::ParameterInvalid),
    AnyCode::Http(Code::UriTooLong),
    AnyCode::Http(Code::HostNotAllowed),
    AnyCode::Http(Code::Internal),
    AnyCode::Http(Code::Overloaded),
    AnyCode::Http(Code::RequestTimeout),
    AnyCode::Http(Code::ShuttingDown),
    AnyCode::Http(Code::Starting),
];
/// Problems of a body.
const OF_BODIES: &[Code] = &[
    Code::BodyTimeout,
    Code::BodyInterrupted,
    Code::BodyTooLarge,
    Code::MediaTypeUnsupported,
    Code::ContentEncodingUnsupported,
    Code::HeaderInvalid,
];
/// Problems where a transaction can be named.
const OF_TRANSACTIONS: &[AnyCode] = &[
    AnyCode::Http(Code::TransactionBusy),
    AnyCode::Http(Code::HeaderInvalid),
    AnyCode::Db(mantis_db::Code::TransactionNotOpen),
    AnyCode::Db(mantis_db::Code::TransactionTooOld),
    AnyCode::Db(mantis_db::Code::TransactionTooLarge),
];

/// Bounds on texts above this are in the description, not in the schema: longer texts exceed the bound on all headers first, which
/// has its own status.
const SHOWN_BYTES_MAX: usize = 1024;

pub(super) fn operation<C>(
    route: &Route<C>,
    operation: &Operation<C>,
    id: &str,
    note: &str,
    subject: &Subject<'_>,
    schemas: &mut Schemas,
) -> Value {
    let mut parameters: Vec<_> = path_parameters(route, operation, subject).collect();
    parameters.extend(operation.query.iter().map(|parameter| query_parameter(parameter, subject)));
    parameters.extend(operation.headers.iter().map(|header| header_parameter(header)));
    let description = [note, operation.description].join(" ").trim().to_owned();
    let mut value = json!({
        "operationId": id,
        "tags": [operation.tag.as_str()],
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses(route.path, operation, schemas),
    });
    if !description.is_empty() {
        value["description"] = description.into();
    }
    if let Some(body) = &operation.body {
        value["requestBody"] = json!({"required": body.required, "description": body.description, "content": schemas.request(body.content)});
    }
    value
}

/// The header that every answer has.
pub(super) fn request_id_header() -> Value {
    json!({"x-request-id": {"$ref": "#/components/headers/RequestId"}})
}

/// These headers, and the one that every answer has.
pub(super) fn headers(headers: &[&AnswerHeader]) -> Value {
    let mut values = request_id_header();
    for header in headers {
        values[header.name] = header_value(header);
    }
    values
}

/// Problems of a call of a plugin's function, by status.
pub(super) fn call_problems<C>(call: &Operation<C>, schemas: &mut Schemas) -> Vec<(u16, Value)> {
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for code in problems(call) {
        by_status.entry(code.status().as_u16()).or_default().push(code.as_str());
    }
    by_status.into_iter().map(|(status, codes)| (status, problem_value(call.tag, status, &codes, schemas))).collect()
}

/// The headers that many answers have.
pub(super) fn common_headers() -> Value {
    json!({
        "RequestId": {
            "description": "The request's id, which the log has too: the client's `x-request-id`, or a new one.",
            "required": true,
            "schema": {"type": "string"},
        },
        "AcceptedMedia": {
            "description": "The media types that the request takes, where the body's is none of them.",
            "schema": {"type": "string"},
        },
        "WholeLength": {
            "description": "The length of the whole, in bytes or rows, as in `bytes */10`.",
            "schema": {"type": "string", "pattern": r"^(bytes )?\*/([0-9]+|\*)$"},
        },
        "RetryAfter": {
            "description": "Seconds to wait before retrying.",
            "schema": {"type": "integer", "minimum": 0},
        },
    })
}

fn path_parameters<C>(
    route: &Route<C>,
    operation: &Operation<C>,
    subject: &Subject<'_>,
) -> impl Iterator<Item = Value> {
    let reserved = operation.problems.contains(&AnyCode::Db(mantis_db::Code::BucketReserved));
    let described = route.parameters().filter_map(|name| PATH_PARAMETERS.iter().find(|known| known.name == name));
    described.map(move |parameter| {
        let mut schema = match &parameter.pattern {
            Some(pattern) => json!({"type": "string", "pattern": patterns::text(pattern, subject)}),
            None => json!({"type": "string", "minLength": 1}),
        };
        if reserved && parameter.name == BUCKET.name {
            schema["not"] = json!({"const": mantis_db::DEFAULT_BUCKET});
        }
        let description = parameter.description.replace("{key_bytes_max}", &subject.limits.key_bytes_max.to_string());
        json!({"name": parameter.name, "in": "path", "required": true, "description": description, "schema": schema})
    })
}

fn query_parameter(parameter: &Parameter, subject: &Subject<'_>) -> Value {
    let schema = match &parameter.kind {
        Kind::Flag => json!({"type": "boolean", "default": false}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::PageLimit => {
            let max = subject.limits.page_entries_max;
            json!({"type": "integer", "minimum": 1, "maximum": max, "default": limits::PAGE_ENTRIES_DEFAULT.min(max)})
        }
        Kind::Integer { min, max, default, .. } => {
            let mut schema = json!({"type": "integer", "minimum": min, "maximum": max});
            if let Some(default) = default {
                schema["default"] = (*default).into();
            }
            schema
        }
        Kind::PluginLimit => {
            let range = subject.limit_ranges.iter().find(|range| range.limit == parameter.name);
            range.map_or_else(
                || json!({"type": "integer"}),
                |range| json!({"type": "integer", "minimum": range.min, "maximum": range.max, "default": range.max}),
            )
        }
        Kind::Dialect | Kind::Filters { .. } => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Kind::Key { bytes_min: 0 } => json!({"type": "string"}),
        Kind::Key { bytes_min } => json!({"type": "string", "minLength": bytes_min}),
        Kind::Text { pattern, bytes_max } => {
            let mut schema = json!({"type": "string", "minLength": 1});
            if *bytes_max <= SHOWN_BYTES_MAX {
                schema["maxLength"] = (*bytes_max).into();
            }
            schema["pattern"] = patterns::text(pattern, subject).into();
            schema
        }
    };
    let required = parameter.role == Role::Required;
    let description = match &parameter.kind {
        Kind::Text { bytes_max, .. } if *bytes_max > SHOWN_BYTES_MAX => {
            format!("{} At most {bytes_max} bytes.", parameter.description)
        }
        _ => parameter.description.to_owned(),
    };
    json!({"name": parameter.name, "in": "query", "required": required, "description": description, "schema": schema})
}

fn header_parameter(header: &RequestHeader) -> Value {
    let mut schema = json!({"type": "string", "examples": [header.example]});
    if let Some(pattern) = header.pattern {
        schema["pattern"] = pattern.into();
    }
    json!({"name": header.name, "in": "header", "required": false, "description": header.description, "schema": schema})
}

fn responses<C>(path: &str, operation: &Operation<C>, schemas: &mut Schemas) -> Value {
    let mut by_status: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for code in problems(operation) {
        let status = code.status().as_u16();
        let in_path = |name: &str| path.contains(name);
        match code {
            // A transaction that never existed is 404 where its id is in the path.
            AnyCode::Db(mantis_db::Code::TransactionNotOpen) if in_path("{id}") => {
                by_status.entry(404).or_default().push(code.as_str());
            }
            AnyCode::Db(mantis_db::Code::CursorInvalid) if in_path("/kv") => {
                by_status.entry(409).or_default().push(code.as_str());
            }
            _ => {}
        }
        let codes = by_status.entry(status).or_default();
        if !codes.contains(&code.as_str()) {
            codes.push(code.as_str());
        }
    }
    let mut responses = Map::new();
    for answer in operation.answers {
        let codes = by_status.remove(&answer.status);
        responses.insert(answer.status.to_string(), answer_value(operation.tag, answer, codes, schemas));
    }
    for (status, codes) in by_status {
        responses.insert(status.to_string(), problem_value(operation.tag, status, &codes, schemas));
    }
    Value::Object(responses)
}

fn problems<C>(operation: &Operation<C>) -> Vec<AnyCode> {
    let mut codes: Vec<AnyCode> = COMMON.to_vec();
    codes.extend(operation.problems);
    if operation.body.is_some() {
        codes.extend(OF_BODIES.iter().map(|&code| AnyCode::from(code)));
    }
    if operation.method == http::Method::POST {
        codes.push(Code::OriginNotAllowed.into());
    }
    if operation.headers.iter().any(|header| header.name == TRANSACTION.name) {
        codes.extend(OF_TRANSACTIONS);
    } else {
        codes.push(Code::TransactionNotTaken.into());
    }
    codes
}

fn answer_value(tag: Tag, answer: &Answer, codes: Option<Vec<&'static str>>, schemas: &mut Schemas) -> Value {
    let mut value = json!({"description": answer.description, "headers": headers(answer.headers)});
    let mut shown = schemas.response(answer.content);
    if let Some(codes) = codes {
        value["description"] = format!("{} Or {}.", answer.description, list(&codes)).into();
        value["x-mantisdb-codes"] = json!(codes);
        for (media, schema) in problem_content(tag, schemas) {
            shown[media] = schema;
        }
    }
    if shown.as_object().is_some_and(|shown| !shown.is_empty()) {
        value["content"] = shown;
    }
    value
}

fn problem_value(tag: Tag, status: u16, codes: &[&'static str], schemas: &mut Schemas) -> Value {
    let mut headers = request_id_header();
    match status {
        429 | 503 => headers["retry-after"] = json!({"$ref": "#/components/headers/RetryAfter"}),
        412 if tag == Tag::KeyValue => headers[ETAG.name] = header_value(&ETAG),
        415 => headers["accept"] = json!({"$ref": "#/components/headers/AcceptedMedia"}),
        416 => headers["content-range"] = json!({"$ref": "#/components/headers/WholeLength"}),
        _ => {}
    }
    json!({
        "description": format!("One of: {}.", list(codes)),
        "x-mantisdb-codes": codes,
        "headers": headers,
        "content": problem_content(tag, schemas),
    })
}

/// The forms that errors have.
fn problem_content(tag: Tag, schemas: &mut Schemas) -> Map<String, Value> {
    let mut content = Map::new();
    content.insert(PROBLEM_JSON.to_owned(), json!({"schema": schemas.of_response::<ProblemOut<'_>>()}));
    if tag.speaks_dialect() {
        content.insert(JSON.to_owned(), json!({"schema": schemas.of_response::<TableErrorOut<'_>>()}));
    }
    content
}

fn list(codes: &[&'static str]) -> String {
    codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn header_value(header: &AnswerHeader) -> Value {
    let mut schema = json!({"type": "string"});
    if let Some(pattern) = header.pattern {
        schema["pattern"] = pattern.into();
    }
    json!({"description": header.description, "required": header.required, "schema": schema})
}
