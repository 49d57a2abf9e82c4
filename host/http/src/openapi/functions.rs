//! The functions of installed plugins, typed.

use mantis_plugin::{Case, F32_MAX, Field, FunctionInfo, PluginInfo, ValueType};
use serde_json::{Map, Value, json};

use crate::api::description::Tag;
use crate::api::operation::{Operation, Route};
use crate::openapi::operations;
use crate::openapi::schemas::Schemas;
use crate::protocol::media::PROBLEM_JSON;

/// Adds a path for each function of each plugin: that of the route that calls any of them, with its parameters filled in.
pub(super) fn add<C>(
    paths: &mut Map<String, Value>,
    routes: &[Route<C>],
    plugins: &[PluginInfo],
    schemas: &mut Schemas,
) {
    let call_any = routes.iter().find(|route| route.path.contains("{function}"));
    let Some((path_of_any, call_any)) = call_any.and_then(|route| Some((route.path, route.operations.first()?))) else {
        return;
    };
    for plugin in plugins {
        for function in plugin.functions.iter() {
            // A full name has a slash: `examples:tools/math@1.0.0.add`.
            let name = function.name.replace('/', "%2F");
            let path = path_of_any.replace("{name}", &plugin.name).replace("{function}", &name);
            paths.insert(path, json!({"post": call(call_any, &plugin.name, function, schemas)}));
        }
    }
}

fn call<C>(call_any: &Operation<C>, plugin: &str, function: &FunctionInfo, schemas: &mut Schemas) -> Value {
    let result = function.result.as_ref().map_or_else(|| json!({"type": "null"}), schema);
    let failed = match &function.error {
        Some(Some(error)) => json!({"allOf": [problem(), {"properties": {"error": schema(error)}}]}),
        _ => problem(),
    };
    let returned = call_any.answers.first();
    let mut responses = json!({
        "200": {
            "description": "What the function returned.",
            "headers": operations::headers(returned.map_or(&[], |answer| answer.headers)),
            "content": {"application/json": {"schema": result}},
        },
        "422": {
            "description": "The arguments do not fit, or the function returned an error of its own.",
            "headers": operations::request_id_header(),
            "content": {PROBLEM_JSON: {"schema": failed}},
        },
    });
    for (status, description) in operations::call_problems(call_any, schemas) {
        let key = status.to_string();
        if responses.get(&key).is_none() {
            responses[key] = description;
        }
    }
    json!({
        "operationId": format!("call.{plugin}.{}", function.name),
        "tags": [Tag::Plugins.as_str()],
        "summary": format!("Call `{}` of the plugin `{plugin}`", function.name),
        "parameters": [],
        "requestBody": {
            "required": !function.params.is_empty(),
            "content": {"application/json": {"schema": arguments(&function.params)}},
        },
        "responses": responses,
    })
}

fn problem() -> Value {
    json!({"$ref": "#/components/schemas/Problem"})
}

/// The arguments by name, or in order.
fn arguments(params: &[Field]) -> Value {
    json!({"oneOf": [record(params), tuple(params.iter().map(|field| &field.value_type))]})
}

fn record(fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields.iter().map(|field| (field.name.clone(), schema(&field.value_type))).collect();
    let required: Vec<_> = fields
        .iter()
        .filter(|field| !matches!(field.value_type, ValueType::Option(_)))
        .map(|field| field.name.as_str())
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn tuple<'a>(types: impl ExactSizeIterator<Item = &'a ValueType>) -> Value {
    let count = types.len();
    let items: Vec<_> = types.map(schema).collect();
    let mut value = json!({"type": "array", "minItems": count, "maxItems": count});
    if count > 0 {
        value["prefixItems"] = items.into();
    }
    value
}

/// A type of WIT as a JSON schema.
fn schema(value_type: &ValueType) -> Value {
    match value_type {
        ValueType::Bool => json!({"type": "boolean"}),
        ValueType::S8 => integer(i8::MIN, i8::MAX),
        ValueType::U8 => integer(u8::MIN, u8::MAX),
        ValueType::S16 => integer(i16::MIN, i16::MAX),
        ValueType::U16 => integer(u16::MIN, u16::MAX),
        ValueType::S32 => integer(i32::MIN, i32::MAX),
        ValueType::U32 => integer(u32::MIN, u32::MAX),
        ValueType::S64 => wide(&integer(i64::MIN, i64::MAX), &signed_pattern(i64::MAX)),
        ValueType::U64 => wide(&integer(u64::MIN, u64::MAX), &format!("^(0|{})$", up_to(u64::MAX))),
        ValueType::F32 => float(&json!({"type": "number", "minimum": -F32_MAX, "maximum": F32_MAX})),
        ValueType::F64 => float(&json!({"type": "number"})),
        ValueType::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        ValueType::String => json!({"type": "string"}),
        ValueType::Bytes => json!({"$ref": "#/components/schemas/BytesIn"}),
        ValueType::List(inner) => json!({"type": "array", "items": schema(inner)}),
        ValueType::Record(fields) => record(fields),
        ValueType::Tuple(types) => tuple(types.iter()),
        ValueType::Variant(cases) => json!({"oneOf": cases.iter().map(case).collect::<Vec<_>>()}),
        ValueType::Enum(names) => json!({"type": "string", "enum": names}),
        ValueType::Option(inner) if matches!(**inner, ValueType::Option(_)) => {
            json!({"anyOf": [{"type": "null"}, wrapped("some", Some(inner))]})
        }
        ValueType::Option(inner) => json!({"anyOf": [{"type": "null"}, schema(inner)]}),
        ValueType::Result { ok, err } => {
            json!({"oneOf": [wrapped("ok", ok.as_deref()), wrapped("err", err.as_deref())]})
        }
        ValueType::Flags(names) => {
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "enum": names}})
        }
    }
}

fn integer<T: Into<serde_json::Number>>(min: T, max: T) -> Value {
    json!({"type": "integer", "minimum": min.into(), "maximum": max.into()})
}

fn float(number: &Value) -> Value {
    json!({"anyOf": [number, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
}

/// A pattern of the decimal forms of all integers of the width whose largest is `max`.
fn signed_pattern(max: i64) -> String {
    let max = max.unsigned_abs();
    // There is one more below zero.
    format!("^(0|-?({})|-{})$", up_to(max), max + 1)
}

/// A pattern of the decimal forms of 1 to `max`: those with fewer digits, those that are less at one of the digits, and `max`.
fn up_to(max: u64) -> String {
    let digits = max.to_string();
    let length = digits.len();
    let mut forms = Vec::new();
    if length > 1 {
        forms.push(format!("[1-9][0-9]{{0,{}}}", length - 2));
    }
    for (place, digit) in digits.bytes().map(|digit| digit - b'0').enumerate() {
        let least = u8::from(place == 0);
        if digit > least {
            let rest = length - 1 - place;
            forms.push(format!("{}[{least}-{}][0-9]{{{rest}}}", &digits[..place], digit - 1));
        }
    }
    forms.push(digits);
    forms.join("|")
}

/// Numbers that not every JSON reader holds exactly may be text.
fn wide(number: &Value, pattern: &str) -> Value {
    json!({"anyOf": [number, {"type": "string", "pattern": pattern}]})
}

fn case(case: &Case) -> Value {
    match &case.payload {
        None => json!({"const": case.name}),
        Some(payload) => wrapped(&case.name, Some(payload)),
    }
}

/// `{name: payload}`.
fn wrapped(name: &str, payload: Option<&ValueType>) -> Value {
    let inner = payload.map_or_else(|| json!({"type": "null"}), schema);
    json!({"type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, min: i128, max: i128) {
        let matcher = regex::Regex::new(pattern).unwrap();
        let near = |number: i128| (number - 20)..=(number + 20);
        let powers = (0..20).flat_map(|power| near(10_i128.pow(power)).chain(near(-10_i128.pow(power))));
        for number in near(min).chain(near(max)).chain(near(0)).chain(powers) {
            assert_eq!(matcher.is_match(&number.to_string()), (min..=max).contains(&number), "{number} {pattern}");
        }
        for text in ["", "-", "-0", "00", "01", "-01", "+1", "1.0", " 1", "1\n", "1e3", "99999999999999999999999"] {
            assert!(!matcher.is_match(text), "{text:?} {pattern}");
        }
    }

    #[test]
    fn patterns_end_where_their_types_do() {
        check(&signed_pattern(i64::MAX), i64::MIN.into(), i64::MAX.into());
        check(&format!("^(0|{})$", up_to(u64::MAX)), 0, u64::MAX.into());
        for max in [1_u64, 9, 10, 19, 99, 100, 101, 255, 909, 65_535] {
            check(&format!("^(0|{})$", up_to(max)), 0, max.into());
        }
    }
}
