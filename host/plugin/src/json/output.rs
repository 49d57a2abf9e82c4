//! From a component's values to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wasmtime::component::Val;

use super::{JSON_INTEGER_MAX, nullable};
use crate::ValueType;

/// The JSON of a value. The engine has checked that it is of the type; a value that is not becomes null.
pub(crate) fn to_json(value: Val, value_type: &ValueType) -> Value {
    match (value, value_type) {
        (Val::Bool(flag), _) => flag.into(),
        (Val::S8(number), _) => number.into(),
        (Val::U8(number), _) => number.into(),
        (Val::S16(number), _) => number.into(),
        (Val::U16(number), _) => number.into(),
        (Val::S32(number), _) => number.into(),
        (Val::U32(number), _) => number.into(),
        (Val::S64(number), _) if number.unsigned_abs() > JSON_INTEGER_MAX => number.to_string().into(),
        (Val::S64(number), _) => number.into(),
        (Val::U64(number), _) if number > JSON_INTEGER_MAX => number.to_string().into(),
        (Val::U64(number), _) => number.into(),
        (Val::Float32(number), _) => float(shortest(number)),
        (Val::Float64(number), _) => float(number),
        (Val::Char(character), _) => character.to_string().into(),
        (Val::String(text) | Val::Enum(text), _) => text.into(),
        (Val::List(bytes), ValueType::Bytes) => bytes_to_json(bytes),
        (Val::List(items), ValueType::List(element)) => items.into_iter().map(|item| to_json(item, element)).collect(),
        (Val::Tuple(items), ValueType::Tuple(elements)) => {
            items.into_iter().zip(elements).map(|(item, element)| to_json(item, element)).collect()
        }
        (Val::Record(values), ValueType::Record(fields)) => {
            let members = values.into_iter().zip(fields);
            members
                .map(|((name, value), field)| (name, to_json(value, &field.value_type)))
                .collect::<Map<_, _>>()
                .into()
        }
        (Val::Variant(name, payload), ValueType::Variant(cases)) => {
            let case = cases.iter().find(|case| case.name == name);
            match (payload, case.and_then(|case| case.payload.as_ref())) {
                (Some(payload), Some(payload_type)) => Map::from_iter([(name, to_json(*payload, payload_type))]).into(),
                _ => name.into(),
            }
        }
        (Val::Option(Some(value)), ValueType::Option(inner)) if nullable(inner) => {
            json!({ "some": to_json(*value, inner) })
        }
        (Val::Option(Some(value)), ValueType::Option(inner)) => to_json(*value, inner),
        (Val::Result(result), ValueType::Result { ok, err }) => match result {
            Ok(value) => json!({ "ok": payload(value, ok.as_deref()) }),
            Err(value) => json!({ "err": payload(value, err.as_deref()) }),
        },
        (Val::Flags(names), _) => names.into(),
        _ => Value::Null,
    }
}

/// The JSON of a result's payload, null for nothing.
fn payload(value: Option<Box<Val>>, value_type: Option<&ValueType>) -> Value {
    match (value, value_type) {
        (Some(value), Some(value_type)) => to_json(*value, value_type),
        _ => Value::Null,
    }
}

fn bytes_to_json(bytes: Vec<Val>) -> Value {
    let bytes = bytes.into_iter().map(|byte| if let Val::U8(byte) = byte { byte } else { 0 }).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => json!({ "base64": STANDARD.encode(error.as_bytes()) }),
    }
}

/// The double with the same shortest decimal form, so that 0.1 stays 0.1.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| number.into())
}

fn float(number: f64) -> Value {
    if number.is_finite() {
        number.into()
    } else if number.is_nan() {
        "NaN".into()
    } else if number > 0.0 {
        "Infinity".into()
    } else {
        "-Infinity".into()
    }
}
