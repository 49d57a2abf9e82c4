//! The JSON schemas of the document.

use mantis_db::Limits;

use serde_json::{Value, json};

use crate::limits;
use crate::wire::numbers::EXACT_MAX;

/// Base64 without stray bits at the end.
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// All of them, by name.
pub(super) fn all(limits: &Limits) -> Value {
    let mut all = json!({
        "Problem": problem(),
        "Base64": object(&json!({"base64": {"type": "string", "pattern": BASE64}}), &["base64"]),
        "BytesOut": {
            "description": "Text where the bytes are UTF-8.",
            "oneOf": [{"type": "string"}, reference("Base64")],
        },
        "BytesIn": {
            "description": "Text, base64, or a list of bytes.",
            "oneOf": [
                {"type": "string"},
                reference("Base64"),
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
            ],
        },
        "KeyIn": {
            "description": format!("A key: 1 to {} bytes.", limits.key_bytes_max),
            "oneOf": [
                {"type": "string", "minLength": 1},
                object(&json!({"base64": {"type": "string", "minLength": 4, "pattern": BASE64}}), &["base64"]),
            ],
        },
        "Version": {
            "description": "The number of the commit that wrote it. Null for what a transaction has written and not committed.",
            "type": ["string", "null"],
            "pattern": "^[0-9]+$",
        },
        "Time": {"type": ["string", "null"], "format": "date-time"},
        "Number": {"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX},
        "Deleted": object(&json!({"deleted": count()}), &["deleted"]),
        "Increment": object(&json!({"by": or_null(&reference("Number"))}), &[]),
    });
    for more in [keys_and_values(), batch(limits), transactions(), service(), plugins()] {
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
    }
    all
}

fn keys_and_values() -> Value {
    let entry = |value: Value| {
        let members = json!({
            "key": reference("BytesOut"),
            "value": value,
            "version": reference("Version"),
            "expires_at": reference("Time"),
        });
        object(&members, &["key", "value", "version", "expires_at"])
    };
    let listed = {
        let mut listed = entry(reference("BytesOut"));
        merge(&mut listed["properties"], details());
        listed
    };
    let cursor = json!({"type": ["string", "null"], "description": "For the next page; null on the last one."});
    json!({
        "Entry": entry(reference("BytesIn")),
        "ValueForm": object(&json!({"value": reference("BytesIn"), "ttl": or_null(&ttl())}), &["value"]),
        "Page": {"oneOf": [
            object(&json!({"keys": list(&reference("BytesOut")), "cursor": cursor}), &["keys", "cursor"]),
            object(&json!({"entries": list(&listed), "cursor": cursor}), &["entries", "cursor"]),
        ]},
        "Changes": object(
            &json!({"changes": list(&reference("Change")), "cursor": {"type": "string"}, "more": {"type": "boolean"}}),
            &["changes", "cursor", "more"],
        ),
        "Change": object(
            &json!({
                "kind": {"enum": ["put", "delete"]},
                "bucket": {"type": "string"},
                "key": reference("BytesOut"),
                "version": reference("Version"),
                "previous_version": reference("Version"),
                "time": reference("Time"),
                "expires_at": reference("Time"),
                "value": reference("BytesOut"),
                "media_type": {"type": "string"},
                "cursor": {"type": "string"},
            }),
            &["kind", "bucket", "key", "version", "previous_version", "time", "expires_at", "cursor"],
        ),
        "Buckets": object(&json!({"buckets": list(&reference("Bucket"))}), &["buckets"]),
        "Bucket": object(&json!({"name": {"type": "string"}, "keys": count(), "bytes": count()}), &["name", "keys", "bytes"]),
    })
}

fn batch(limits: &Limits) -> Value {
    let operation = |verb: &str, more: Value, required: &[&str], condition: Option<bool>| {
        let mut members = without_use();
        merge(&mut members, json!({"op": {"const": verb}, "key": reference("KeyIn")}));
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
    let mut increment =
        operation("increment", json!({"by": or_null(&reference("Number")), "value": reference("Number")}), &[], None);
    increment["not"] = given(&["by", "value"]);
    let set = json!({
        "value": reference("BytesIn"),
        "ttl": or_null(&ttl()),
        "ttl_ms": or_null(&json!({"type": "integer", "minimum": 1, "maximum": limits::TTL_MS_MAX, "description": "Milliseconds. Instead of `ttl`."})),
        "media_type": or_null(&json!({"type": "string", "minLength": 1, "maxLength": limits::MEDIA_TYPE_BYTES_MAX, "pattern": "^[ -~]+$"})),
    });
    let mut set = operation("set", set, &["value"], Some(false));
    set["not"] = json!({"anyOf": [set["not"].clone(), given(&["ttl", "ttl_ms"])]});
    let key = |description: &str| json!({"description": description, "allOf": [reference("KeyIn")]});
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
    let result = json!({
        "key": reference("BytesOut"),
        "success": {"type": "boolean"},
        "value": {"anyOf": [reference("BytesOut"), {"type": ["integer", "null"]}]},
        "version": reference("Version"),
        "error": {"anyOf": [{"type": "null"}, reference("Failure")]},
        "expires_at": reference("Time"),
        "deleted": count(),
    });
    let mut result = object(&result, &["key", "success", "value", "version", "error"]);
    merge(&mut result["properties"], details());
    json!({
        "Batch": object(
            &json!({
                "operations": {"type": "array", "maxItems": limits.batch_operations_max, "items": reference("Operation")},
                "atomic": {"type": ["boolean", "null"], "default": false},
            }),
            &["operations"],
        ),
        "Operation": {"oneOf": [
            operation("get", json!({}), &[], None),
            set,
            operation("delete", json!({}), &[], Some(false)),
            delete_span,
            increment,
            operation("check", json!({}), &[], Some(true)),
        ]},
        "BatchResults": object(
            &json!({
                "results": list(&reference("BatchResult")),
                "version": {
                    "description": "With `atomic`: the commit of the batch, or the newest one that it saw where it wrote nothing. Null \
                                    in a transaction, and before the first commit.",
                    "type": ["string", "null"],
                    "pattern": "^[0-9]+$",
                },
            }),
            &["results"],
        ),
        "BatchResult": result,
        "Failure": object(&json!({"code": {"type": "string"}, "message": {"type": "string"}}), &["code", "message"]),
    })
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

/// What `details=true` adds to an entry.
fn details() -> Value {
    json!({"media_type": {"type": "string"}, "modified_at": reference("Time")})
}

fn transactions() -> Value {
    json!({
        "Transaction": object(
            &json!({"id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "expires_at": {"type": "string", "format": "date-time"}}),
            &["id", "expires_at"],
        ),
        "Committed": object(
            &json!({"version": {"type": "string", "pattern": "^[0-9]+$"}, "durable": {"type": "boolean"}}),
            &["version", "durable"],
        ),
    })
}

fn service() -> Value {
    json!({
        "Health": object(
            &json!({
                "status": {"enum": ["healthy", "unhealthy"]},
                "timestamp": {"type": "string", "format": "date-time"},
                "reason": {"type": "string"},
            }),
            &["status", "timestamp"],
        ),
        "Stats": {
            "type": "object",
            "required": ["pool", "store", "http", "plugins"],
            "properties": {
                "pool": {"$ref": "#/components/schemas/Figures"},
                "store": {"$ref": "#/components/schemas/Figures"},
                "http": {"$ref": "#/components/schemas/Figures"},
                "plugins": {"$ref": "#/components/schemas/Figures"},
                "process": {"$ref": "#/components/schemas/Figures"},
            },
        },
        "Figures": {
            "description": "Figures by name. More may come.",
            "type": "object",
            "additionalProperties": {"anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            ]},
        },
    })
}

fn plugins() -> Value {
    json!({
        "Arguments": {"type": ["array", "object"]},
        "Plugins": object(&json!({"plugins": list(&reference("Plugin"))}), &["plugins"]),
        "Plugin": {
            "type": "object",
            "required": ["name", "component_bytes", "sha256", "functions", "grants", "limits", "reuse", "statistics"],
            "properties": {
                "name": {"type": "string"},
                "component_bytes": count(),
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "imports": list(&json!({"type": "string"})),
                "functions": list(&json!({"type": "object", "required": ["name", "params"]})),
                "skipped": list(&json!({"type": "object", "required": ["name", "reason"]})),
                "own_transactions": {"type": "boolean"},
                "grants": list(&object(
                    &json!({"bucket": {"type": "string"}, "access": {"enum": ["read", "write"]}}),
                    &["bucket", "access"],
                )),
                "limits": {"type": "object"},
                "reuse": {"type": "boolean"},
                "statistics": reference("Figures"),
            },
        },
    })
}

fn problem() -> Value {
    json!({
        "description": "RFC 9457. Other members stand beside these where a code has more to say.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "Stable; see `/docs`."},
            "hint": {"type": "string"},
            "request_id": {"type": "string"},
        },
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
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

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn ttl() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": limits::TTL_S_MAX, "description": "Seconds that the value is served."})
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
