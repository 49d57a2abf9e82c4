//! The JSON schema of an operation of a batch on keys and rows.
//!
//! By hand: which members an operation takes is in no type that a schema could be derived from.

use std::borrow::Cow;

use mantis_db::BUCKET_NAME_PATTERN;
use mantis_db::limits::JSON_INTEGER_MAX;
use mantis_forms::batch::ARGUMENTS_MAX;
use mantis_forms::operation::OperationForm;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::form::Operations;

impl JsonSchema for Operations {
    fn schema_name() -> Cow<'static, str> {
        "OperationList".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut all = on_keys(generator);
        all.extend(on_rows());
        let schema = json!({"type": "array", "items": {"oneOf": all}});
        Schema::try_from(schema).unwrap_or_default()
    }
}

/// The operations of a batch on one bucket, each with its bucket.
fn on_keys(generator: &mut SchemaGenerator) -> Vec<Value> {
    let schema = Value::from(<OperationForm as JsonSchema>::json_schema(generator));
    let mut operations = schema["oneOf"].as_array().cloned().unwrap_or_default();
    for operation in &mut operations {
        operation["properties"]["bucket"] = json!({
            "type": "string", "pattern": format!("^{BUCKET_NAME_PATTERN}$"), "default": mantis_db::DEFAULT_BUCKET,
        });
    }
    operations
}

fn on_rows() -> Vec<Value> {
    let text = |description: &str| json!({"type": "string", "description": description});
    let count = json!({"type": "integer", "minimum": 0, "maximum": JSON_INTEGER_MAX});
    let reference = json!({
        "type": "object",
        "description": "A column of the primary key of the one row that an earlier operation wrote.",
        "properties": {"operation": count, "column": {"type": "string"}},
        "required": ["operation", "column"],
        "additionalProperties": false,
    });
    let scalar = json!({"type": ["string", "number", "boolean", "null"]});
    let arguments = json!({
        "type": "array",
        "maxItems": ARGUMENTS_MAX,
        "description": "The values of `$1`, `$2`, .. in the filter.",
        "items": {"anyOf": [scalar, {"type": "array", "items": scalar}, reference]},
    });
    let select = text("What is shown of the rows, as the parameter `select`.");
    let filter = text("Which rows: conditions as in a query, `status=eq.paid&total=gt.$1`, not percent-encoded.");
    let matches = json!({
        "description": "How many rows the filter must select.",
        "anyOf": [count, {
            "type": "object", "properties": {"min": count, "max": count}, "additionalProperties": false,
        }],
    });
    let if_version = json!({
        "description": "The version that each of these rows must have; there must be one at least.",
        "oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,19}$"},
            {"type": "integer", "minimum": 0, "maximum": JSON_INTEGER_MAX},
        ],
    });
    let from = json!({
        "type": "object",
        "description": "Columns with values that earlier operations made.",
        "additionalProperties": reference,
    });
    let operation = |verb: &str, mut members: Value, required: &[&str]| {
        members["op"] = json!({"const": verb});
        members["table"] = json!({"type": "string"});
        let required = [&["op", "table"], required].concat();
        json!({
            "type": "object",
            "properties": members,
            "required": required,
            "additionalProperties": false,
        })
    };
    let object = json!({"type": "object"});
    let mut update = operation(
        "update",
        json!({
            "filter": filter, "arguments": arguments, "set": object, "from": from, "matches": matches,
            "if_version": if_version, "select": select,
        }),
        &[],
    );
    update["anyOf"] = json!([{"required": ["set"]}, {"required": ["from"]}]);
    let mut check = operation(
        "check",
        json!({"filter": filter, "arguments": arguments, "matches": matches, "if_version": if_version}),
        &[],
    );
    check["anyOf"] = json!([{"required": ["matches"]}, {"required": ["if_version"]}]);
    let mut insert = operation(
        "insert",
        json!({
            "rows": {"anyOf": [object, {"type": "array", "items": object}]},
            "on_conflict": text("The columns of the unique key on which a row may meet another, `a,b`; the primary key without it."),
            "resolution": {"enum": ["merge-duplicates", "ignore-duplicates"]},
            "from": from,
            "select": select,
        }),
        &["rows"],
    );
    insert["dependentRequired"] = json!({"on_conflict": ["resolution"]});
    vec![
        operation(
            "select",
            json!({
                "filter": filter, "arguments": arguments, "select": select, "order": text("As the parameter `order`."),
                "limit": count, "offset": count, "matches": matches,
            }),
            &[],
        ),
        insert,
        update,
        operation(
            "delete",
            json!({
                "filter": filter, "arguments": arguments, "matches": matches, "if_version": if_version, "select": select,
            }),
            &[],
        ),
        check,
    ]
}
