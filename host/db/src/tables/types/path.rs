//! JSON paths into values: `column->a->0->>b`.

use std::borrow::Cow;

use mantis_dialect::JsonStep;

use super::output::write_json_in;
use super::{Scalar, Type, Value, json};
use crate::tables::time_zone::TimeZone;

/// The type of what a path leads to: text where its last step is `->>`, otherwise jsonb.
#[must_use]
pub fn json_path_type(steps: &[JsonStep]) -> Type {
    match steps.last() {
        Some(step) if is_text(step) => Type::TEXT,
        _ => Type::scalar(Scalar::Jsonb),
    }
}

fn is_text(step: &JsonStep) -> bool {
    match step {
        JsonStep::Member { is_text, .. } | JsonStep::Element { is_text, .. } => *is_text,
    }
}

/// What a path leads to in a value; null where there is nothing. A value that is no jsonb counts as its `to_jsonb`, with times in UTC.
#[must_use]
pub fn json_path(value: &Value<'_>, r#type: Type, steps: &[JsonStep]) -> Value<'static> {
    let root = match value {
        Value::Null => return Value::Null,
        Value::Json(text) => Cow::Borrowed(&**text),
        value => {
            let mut bytes = Vec::new();
            write_json_in(value, r#type, &TimeZone::UTC, &mut bytes);
            // What was written is JSON.
            match String::from_utf8(bytes).ok().and_then(|text| json::canonical(&text).ok()) {
                Some(text) => Cow::Owned(text),
                None => return Value::Null,
            }
        }
    };
    let mut text = &*root;
    for step in steps {
        match stepped(text, step) {
            Some(inner) => text = inner,
            None => return Value::Null,
        }
    }
    if json_path_type(steps) == Type::TEXT {
        return match text {
            "null" => Value::Null,
            text => Value::Text(Cow::Owned(json::string(text).unwrap_or(Cow::Borrowed(text)).into_owned())),
        };
    }
    Value::Json(Cow::Owned(text.to_owned()))
}

fn stepped<'t>(text: &'t str, step: &JsonStep) -> Option<&'t str> {
    match step {
        JsonStep::Member { name, .. } if json::is_object(text) => json::member(text, name),
        JsonStep::Member { name, .. } => json::element(text, name.parse().ok()?),
        // A scalar counts as an array of one, as in PostgreSQL.
        JsonStep::Element { index: 0 | -1, .. } if !json::is_array(text) && !json::is_object(text) => Some(text),
        JsonStep::Element { index, .. } => json::element(text, *index),
    }
}
