//! Columns of tables as JSON schemas.

use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::schema::document::{ColumnDocument, DefaultForm};
use mantis_db::tables::types::{Scalar, Type};
use serde_json::{Map, Value, json};

/// What a row of the table is in an answer: all its columns.
pub(super) fn row(table: &TableDocument) -> Value {
    let properties: Map<_, _> = table.columns.iter().map(|column| (column.name.clone(), read(table, column))).collect();
    let required: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    described(json!({"type": "object", "properties": properties, "required": required}), table.comment.as_deref())
}

/// What a row may be in a request: any of its columns.
pub(super) fn input(table: &TableDocument) -> Value {
    let properties: Map<_, _> =
        table.columns.iter().map(|column| (column.name.clone(), written(table, column))).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// The columns that a new row must name.
pub(super) fn required(table: &TableDocument) -> Vec<&str> {
    let must_be_named =
        |column: &&ColumnDocument| !is_nullable(table, column) && column.default.is_none() && !column.identity;
    table.columns.iter().filter(must_be_named).map(|column| column.name.as_str()).collect()
}

/// Whether a column may be null.
pub(super) fn is_nullable(table: &TableDocument, column: &ColumnDocument) -> bool {
    let is_key = table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column.name));
    column.nullable.unwrap_or(!column.identity && !is_key)
}

/// A column's default, if it is a value and no function.
pub(super) fn default(column: &ColumnDocument) -> Option<Value> {
    match column.default.as_ref()?.form() {
        DefaultForm::Literal(json) => serde_json::from_str(json).ok(),
        DefaultForm::Function(_) => None,
    }
}

/// The values of a column in answers.
fn read(table: &TableDocument, column: &ColumnDocument) -> Value {
    let is_nullable = is_nullable(table, column);
    let mut schema = match Type::parse(&column.r#type) {
        Ok(Type { scalar, is_array: true }) => {
            let items = json!({"anyOf": [plain(scalar, column), {"type": "null"}, {"type": "array"}]});
            json!({"type": if is_nullable { json!(["array", "null"]) } else { json!("array") }, "items": items})
        }
        Ok(Type { scalar: Scalar::Jsonb, .. }) | Err(_) => json!({}),
        Ok(Type { scalar, .. }) => {
            let schema = plain(scalar, column);
            if is_nullable { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
        }
    };
    schema["format"] = column.r#type.as_str().into();
    if let Some(default) = default(column) {
        schema["default"] = default;
    }
    described(schema, column.comment.as_deref())
}

fn plain(scalar: Scalar, column: &ColumnDocument) -> Value {
    match scalar {
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt => json!({"type": "integer"}),
        Scalar::Real | Scalar::Double | Scalar::Numeric(_) => {
            json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
        }
        Scalar::Jsonb => json!({}),
        _ => match &column.allowed {
            Some(values) => json!({"type": "string", "enum": values}),
            None => json!({"type": "string"}),
        },
    }
}

/// The values of a column in requests: in JSON's own types, or as texts.
fn written(table: &TableDocument, column: &ColumnDocument) -> Value {
    let types: &[&str] = match Type::parse(&column.r#type) {
        Ok(Type { is_array: true, .. }) => &["array", "string"],
        Ok(Type { scalar, .. }) => match scalar {
            Scalar::Boolean => &["boolean", "string", "number"],
            Scalar::SmallInt | Scalar::Integer | Scalar::BigInt => &["integer", "string"],
            Scalar::Real
            | Scalar::Double
            | Scalar::Numeric(_)
            | Scalar::Date
            | Scalar::Time
            | Scalar::Timestamp
            | Scalar::TimestampTz => &["number", "string"],
            Scalar::Uuid => &["string"],
            // They take the text of any value.
            _ => &[],
        },
        Err(_) => &[],
    };
    let mut schema = json!({"format": column.r#type});
    if !types.is_empty() {
        let null = is_nullable(table, column).then_some("null");
        schema["type"] = types.iter().copied().chain(null).collect::<Vec<_>>().into();
    }
    described(schema, column.comment.as_deref())
}

fn described(mut schema: Value, comment: Option<&str>) -> Value {
    if let Some(comment) = comment {
        schema["description"] = comment.into();
    }
    schema
}
