//! A list of records as rows, whose columns have PostgreSQL's types.

use std::borrow::Cow;

use mantis_db::tables::types::{self, Scalar, Type, Value as Cell};
use mantis_db::tables::{Environment, RowSet, TableResult};
use mantis_plugin::{Field, ValueType};
use serde_json::Value;

/// The type of a column whose values are of this type of WIT.
///
/// | WIT | column |
/// |---|---|
/// | bool; s8, u8, s16; u16, s32; u32, s64; u64 | boolean; smallint; integer; bigint; numeric |
/// | f32; f64; `list<u8>` | real; double precision; bytea |
/// | char, string, enum; flags | text; text[] |
/// | option | that of its value, and null |
/// | a list of these but bytes and flags | an array |
/// | anything else | jsonb |
pub(super) fn column_type(value_type: &ValueType) -> Type {
    let scalar = match value_type {
        ValueType::Bool => Scalar::Boolean,
        ValueType::S8 | ValueType::U8 | ValueType::S16 => Scalar::SmallInt,
        ValueType::U16 | ValueType::S32 => Scalar::Integer,
        ValueType::U32 | ValueType::S64 => Scalar::BigInt,
        ValueType::U64 => Scalar::Numeric(None),
        ValueType::F32 => Scalar::Real,
        ValueType::F64 => Scalar::Double,
        ValueType::Bytes => Scalar::Bytea,
        ValueType::Char | ValueType::String | ValueType::Enum(_) => Scalar::Text,
        ValueType::Flags(_) => return Type { is_array: true, ..Type::TEXT },
        ValueType::Option(inner) if !matches!(**inner, ValueType::Option(_)) => return column_type(inner),
        ValueType::List(element) => match column_type(element) {
            Type { is_array: true, .. } | Type { scalar: Scalar::Jsonb | Scalar::Bytea, .. } => Scalar::Jsonb,
            element => return Type { is_array: true, ..element },
        },
        _ => Scalar::Jsonb,
    };
    Type::scalar(scalar)
}

/// The rows that a list of records is. U+0000, which no column holds, is U+FFFD in them.
///
/// # Errors
/// Those of values that are none of their column's type.
pub(super) fn row_set(name: &str, fields: &[Field], list: &Value, environment: &Environment) -> TableResult<RowSet> {
    let types: Vec<_> = fields.iter().map(|field| column_type(&field.value_type)).collect();
    let mut rows = RowSet::new(name, fields.iter().zip(&types).map(|(field, &r#type)| (&*field.name, r#type)));
    for record in list.as_array().into_iter().flatten() {
        let cell = |(field, &r#type): (&Field, &Type)| match record.get(&field.name) {
            Some(value) => cell(value, r#type, environment),
            None => Ok(Cell::Null),
        };
        rows.push(&fields.iter().zip(&types).map(cell).collect::<TableResult<Vec<_>>>()?)?;
    }
    Ok(rows)
}

fn cell<'v>(value: &'v Value, r#type: Type, environment: &Environment) -> TableResult<Cell<'v>> {
    match (value, r#type.scalar) {
        (Value::Null, _) => Ok(Cell::Null),
        (_, Scalar::Bytea) => Ok(Cell::Bytes(bytes(value))),
        (Value::String(text), Scalar::Text) if !r#type.is_array && !text.contains('\0') => {
            Ok(Cell::Text(Cow::Borrowed(text)))
        }
        (Value::Bool(value), Scalar::Boolean) => Ok(Cell::Boolean(*value)),
        (Value::Number(number), Scalar::SmallInt | Scalar::Integer | Scalar::BigInt) if number.is_i64() => {
            Ok(Cell::Integer(number.as_i64().unwrap_or_default()))
        }
        _ => {
            let mut text = value.to_string();
            if text.contains("\\u0000") {
                text = without_nul(value).to_string();
            }
            types::from_json(&text, r#type, environment)
        }
    }
}

/// The value with U+FFFD in the place of U+0000.
fn without_nul(value: &Value) -> Value {
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    match value {
        Value::String(text) => plain(text).into(),
        Value::Array(items) => items.iter().map(without_nul).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (plain(name), without_nul(value))).collect(),
        other => other.clone(),
    }
}

/// The bytes that the plugin host shows as text where they are, and as base64 otherwise.
fn bytes(value: &Value) -> Cow<'_, [u8]> {
    use base64::Engine as _;
    match value {
        Value::String(text) => Cow::Borrowed(text.as_bytes()),
        other => {
            let text = other.get("base64").and_then(Value::as_str).unwrap_or_default();
            Cow::Owned(base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mantis_db::tables::SelectOptions;
    use mantis_db::tables::query::{JsonForm, JsonRows};
    use mantis_db::{Database, Limits, ManualClock, SeededRandom};
    use mantis_dialect::Query;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_character_that_no_column_holds_fails_no_answer() {
        let fields = [
            ("a", ValueType::String),
            ("b", ValueType::List(Box::new(ValueType::String))),
            ("c", ValueType::Record(vec![Field { name: "d".into(), value_type: ValueType::String }])),
        ];
        let fields = fields.map(|(name, value_type)| Field { name: name.into(), value_type });
        let list = json!([{"a": "x\0y", "b": ["\0", "\\u0000"], "c": {"d": "\0"}}]);
        let (clock, random) = (ManualClock::new(0), SeededRandom::new(1));
        let database = Database::in_memory_with(Limits::default(), Arc::new(clock), Arc::new(random)).unwrap();
        let environment = database.environment_utc();
        let rows = row_set("f", &fields, &list, &environment).unwrap();
        let mut json = JsonRows::new(JsonForm::Array, false, 1 << 10, environment.clone());
        rows.select(&database, &environment, &Query::default(), &SelectOptions::default(), &mut json).unwrap();
        let expected = json!([{"a": "x\u{fffd}y", "b": ["\u{fffd}", "\\u0000"], "c": {"d": "\u{fffd}"}}]);
        assert_eq!(serde_json::from_slice::<Value>(&json.into_bytes()).unwrap(), expected);
    }

    #[track_caller]
    fn check(value_type: &ValueType, expected: &str) {
        assert_eq!(column_type(value_type).to_string(), expected, "{value_type:?}");
    }

    #[test]
    fn every_type_of_a_field_is_one_of_a_column() {
        let list = |element| ValueType::List(Box::new(element));
        let option = |inner| ValueType::Option(Box::new(inner));
        check(&ValueType::U8, "smallint");
        check(&ValueType::U16, "integer");
        check(&ValueType::U32, "bigint");
        check(&ValueType::S64, "bigint");
        check(&ValueType::U64, "numeric");
        check(&ValueType::F32, "real");
        check(&ValueType::Enum(vec!["a".into()]), "text");
        check(&ValueType::Flags(vec!["a".into()]), "text[]");
        check(&ValueType::Bytes, "bytea");
        check(&option(ValueType::Char), "text");
        check(&option(option(ValueType::Char)), "jsonb");
        check(&list(ValueType::S64), "bigint[]");
        check(&list(option(ValueType::Bool)), "boolean[]");
        check(&list(list(ValueType::S64)), "jsonb");
        check(&list(ValueType::Bytes), "jsonb");
        check(&list(option(ValueType::Bytes)), "jsonb");
        check(&ValueType::Tuple(vec![ValueType::S8]), "jsonb");
    }
}
