//! The JSON schema of an operation on keys.
//!
//! By hand: which members an operation takes, and which of them exclude each other, is in no type that a schema could be derived from.

use std::borrow::Cow;

use mantis_db::limits::{JSON_INTEGER_MAX, MEDIA_TYPE_BYTES_MAX, TTL_MS_MAX};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::bytes::{BytesIn, KeyIn, SpanEnd};
use crate::numbers::{Amount, Whole};
use crate::operation::OperationForm;

impl JsonSchema for OperationForm {
    fn schema_name() -> Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let key_in = &Value::from(generator.subschema_for::<KeyIn>());
        let bytes_in = &Value::from(generator.subschema_for::<BytesIn>());
        let number = &Value::from(generator.subschema_for::<Whole>());
        let operation = |verb: &str, more: Value, required: &[&str], condition: Option<bool>| {
            let mut members = without_use();
            merge(&mut members, json!({"op": {"const": verb}, "key": key_in}));
            merge(&mut members, more);
            let mut schema = object(&members, &[&["op", "key"], required].concat());
            if let Some(required) = condition {
                merge(
                    &mut schema["properties"],
                    json!({
                        "if_version": {"description": "The version that the key must have.", "oneOf": [
                            {"type": "string", "pattern": "^[0-9]{1,19}$"},
                            {"type": "integer", "minimum": 0, "maximum": JSON_INTEGER_MAX},
                            {"type": "null"},
                        ]},
                        "absent": {"type": ["boolean", "null"], "description": "Whether the key must be missing, or must not."},
                    }),
                );
                schema["not"] = given(&["if_version", "absent"]);
                if required {
                    schema["anyOf"] = json!([given(&["if_version"]), given(&["absent"])]);
                }
            }
            schema
        };
        let amount = json!({"anyOf": [number, {"type": "string", "pattern": Amount::PATTERN}]});
        let mut increment = operation("increment", json!({"by": or_null(&amount), "value": number}), &[], None);
        increment["not"] = given(&["by", "value"]);
        let set = json!({
            "value": bytes_in,
            "ttl": or_null(&ttl()),
            "ttl_ms": or_null(&json!({"type": "integer", "minimum": 1, "maximum": TTL_MS_MAX, "description": "Milliseconds. Instead of `ttl`."})),
            "media_type": or_null(&json!({"type": "string", "minLength": 1, "maxLength": MEDIA_TYPE_BYTES_MAX, "pattern": "^[ -~]+$"})),
        });
        let mut set = operation("set", set, &["value"], Some(false));
        set["not"] = json!({"anyOf": [set["not"].clone(), given(&["ttl", "ttl_ms"])]});
        let span_end = Value::from(generator.subschema_for::<SpanEnd>());
        let key = |description: &str| json!({"description": description, "allOf": [span_end]});
        let mut span = without_use();
        merge(
            &mut span,
            json!({
                "op": {"const": "delete-span"},
                "prefix": key("Keys that begin so. Without any of the three: all keys."),
                "start": key("From this key on, itself included."),
                "end": key("Before this key."),
            }),
        );
        let mut delete_span = object(&span, &["op"]);
        delete_span["not"] = json!({"required": ["prefix"], "anyOf": [{"required": ["start"]}, {"required": ["end"]}]});
        let schema = json!({"oneOf": [
            operation("get", json!({}), &[], None),
            set,
            operation("delete", json!({}), &[], Some(false)),
            delete_span,
            increment,
            operation("check", json!({}), &[], Some(true)),
        ]});
        Schema::try_from(schema).unwrap_or_default()
    }
}

/// Members that an operation has no use for: null counts as not given.
fn without_use() -> Value {
    let names = ["by", "ttl", "ttl_ms", "media_type", "if_version", "absent"];
    Value::Object(names.into_iter().map(|name| (name.to_owned(), json!({"type": "null"}))).collect())
}

/// That all these members are given.
fn given(names: &[&str]) -> Value {
    let given = names.iter().map(|&name| (name.to_owned(), json!({"not": {"type": "null"}}))).collect();
    json!({"required": names, "properties": Value::Object(given)})
}

fn object(members: &Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": members, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn ttl() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": TTL_MS_MAX / 1_000, "description": "Seconds that the value is served."})
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
