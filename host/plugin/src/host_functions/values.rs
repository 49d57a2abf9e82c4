//! Between the values of `wit/tables.wit` and those of the database.

use std::borrow::Cow;

use mantis_db::tables::query::{Cell, OutputColumn};
use mantis_db::tables::types::{self, Type, Value};
use mantis_db::tables::{Environment, Input, Literal};

use super::bindings::tables;

/// Bytes of a value in a guest's memory, without those that it points to. A value counts as these and what it points to.
pub(super) const VALUE_BYTES: usize = 24;
/// Bytes of a row in a guest's memory, without its values.
pub(super) const ROW_BYTES: usize = 8;

/// The value of an argument. Decimals, JSON and arrays are read as the type beside them, as if their text stood in the query.
pub(super) fn argument(value: tables::Value) -> Value<'static> {
    match value {
        tables::Value::Null => Value::Null,
        tables::Value::Boolean(value) => Value::Boolean(value),
        tables::Value::Integer(value) => Value::Integer(value),
        tables::Value::Real(value) => Value::Real(value),
        tables::Value::Double(value) => Value::Double(value),
        tables::Value::Numeric(text)
        | tables::Value::Text(text)
        | tables::Value::Json(text)
        | tables::Value::Array(text) => Value::Text(Cow::Owned(text)),
        tables::Value::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes)),
        tables::Value::Timestamp(us) => Value::Timestamp(us),
        tables::Value::Date(days) => Value::Date(days),
        tables::Value::Time(us) => Value::Time(us),
        tables::Value::Uuid((first, last)) => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&first.to_be_bytes());
            bytes[8..].copy_from_slice(&last.to_be_bytes());
            Value::Uuid(bytes)
        }
    }
}

/// A value to write.
pub(super) fn input(value: tables::Value) -> Input<'static> {
    match value {
        tables::Value::Text(text) => Input::Text(Cow::Owned(text)),
        tables::Value::Numeric(text) => Input::Literal(Literal::Numeric, Cow::Owned(text)),
        tables::Value::Json(text) => Input::Literal(Literal::Json, Cow::Owned(text)),
        tables::Value::Array(text) => Input::Literal(Literal::Array, Cow::Owned(text)),
        value => Input::Value(argument(value)),
    }
}

/// What a value counts as.
pub(super) fn value_bytes(value: &tables::Value) -> usize {
    VALUE_BYTES
        + match value {
            tables::Value::Numeric(text)
            | tables::Value::Text(text)
            | tables::Value::Json(text)
            | tables::Value::Array(text) => text.len(),
            tables::Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
}

/// What a row counts as.
pub(super) fn row_bytes(row: &[tables::Value]) -> usize {
    ROW_BYTES + row.iter().map(value_bytes).sum::<usize>()
}

/// A place of an answer.
pub(super) fn shown(cell: &Cell<'_>, column: &OutputColumn, environment: &Environment) -> tables::Value {
    let value = match cell {
        Cell::Json(text) => return tables::Value::Json((*text).to_owned()),
        Cell::Value(value) => value,
    };
    match value {
        Value::Null => tables::Value::Null,
        Value::Boolean(value) => tables::Value::Boolean(*value),
        Value::Integer(value) => tables::Value::Integer(*value),
        Value::Real(value) => tables::Value::Real(*value),
        Value::Double(value) => tables::Value::Double(*value),
        Value::Numeric(_) => tables::Value::Numeric(text_of(value, column, environment)),
        Value::Text(text) => tables::Value::Text(text.clone().into_owned()),
        Value::Bytes(bytes) => tables::Value::Bytes(bytes.clone().into_owned()),
        Value::Timestamp(us) => tables::Value::Timestamp(*us),
        Value::Date(days) => tables::Value::Date(*days),
        Value::Time(us) => tables::Value::Time(*us),
        Value::Uuid(bytes) => {
            let [first, last] = *bytes.as_chunks().0 else { return tables::Value::Null };
            tables::Value::Uuid((u64::from_be_bytes(first), u64::from_be_bytes(last)))
        }
        Value::Json(text) => tables::Value::Json(text.clone().into_owned()),
        Value::Array(_) => tables::Value::Array(text_of(value, column, environment)),
    }
}

fn text_of(value: &Value<'_>, column: &OutputColumn, environment: &Environment) -> String {
    let mut text = String::new();
    types::write_text(value, column.r#type.unwrap_or(Type::TEXT), environment, &mut text);
    text
}

/// Appends a place of an answer in the form of `packed-rows`.
pub(super) fn pack(cell: &Cell<'_>, column: &OutputColumn, environment: &Environment, data: &mut Vec<u8>) {
    let value = match cell {
        Cell::Json(text) => return pack_bytes(9, text.as_bytes(), data),
        Cell::Value(value) => value,
    };
    match value {
        Value::Null => data.push(0),
        Value::Boolean(value) => data.push(1 + u8::from(*value)),
        Value::Integer(value) => pack_number(3, &value.to_le_bytes(), data),
        Value::Real(value) => pack_number(4, &value.to_le_bytes(), data),
        Value::Double(value) => pack_number(5, &value.to_le_bytes(), data),
        Value::Numeric(_) => pack_bytes(6, text_of(value, column, environment).as_bytes(), data),
        Value::Text(text) => pack_bytes(7, text.as_bytes(), data),
        Value::Bytes(bytes) => pack_bytes(8, bytes, data),
        Value::Json(text) => pack_bytes(9, text.as_bytes(), data),
        Value::Array(_) => pack_bytes(10, text_of(value, column, environment).as_bytes(), data),
        Value::Timestamp(us) => pack_number(11, &us.to_le_bytes(), data),
        Value::Date(days) => pack_number(12, &days.to_le_bytes(), data),
        Value::Time(us) => pack_number(13, &us.to_le_bytes(), data),
        Value::Uuid(bytes) => pack_number(14, bytes, data),
    }
}

fn pack_number(tag: u8, bytes: &[u8], data: &mut Vec<u8>) {
    data.push(tag);
    data.extend_from_slice(bytes);
}

fn pack_bytes(tag: u8, bytes: &[u8], data: &mut Vec<u8>) {
    data.push(tag);
    // The database's limits keep values far below 4 GiB.
    data.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    data.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mantis_db::tables::types::Scalar;
    use mantis_db::{Database, Limits, ManualClock, SeededRandom};

    use super::*;

    /// What the documentation of `packed-rows` says, byte for byte.
    #[test]
    fn packed_values_have_the_form_that_is_documented() {
        let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1)));
        let environment = Database::in_memory(Limits::default(), clock, random).unwrap().environment_utc();
        let column = |scalar| OutputColumn { name: "a".into(), r#type: Some(Type::scalar(scalar)) };
        let numeric = |text| types::from_text(text, Type::scalar(Scalar::Numeric(None)), &environment).unwrap();
        let cases: [(Value<'_>, Scalar, &[u8]); 10] = [
            (Value::Null, Scalar::Text, &[0]),
            (Value::Boolean(false), Scalar::Boolean, &[1]),
            (Value::Boolean(true), Scalar::Boolean, &[2]),
            (Value::Integer(-2), Scalar::Integer, &[3, 254, 255, 255, 255, 255, 255, 255, 255]),
            (Value::Real(1.0), Scalar::Real, &[4, 0, 0, 128, 63]),
            (numeric("1.50"), Scalar::Numeric(None), &[6, 4, 0, 0, 0, b'1', b'.', b'5', b'0']),
            (Value::Text("ä".into()), Scalar::Text, &[7, 2, 0, 0, 0, 0xc3, 0xa4]),
            (Value::Date(1), Scalar::Date, &[12, 1, 0, 0, 0]),
            (Value::Time(256), Scalar::Time, &[13, 0, 1, 0, 0, 0, 0, 0, 0]),
            (Value::Uuid([7; 16]), Scalar::Uuid, &[14, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]),
        ];
        for (value, scalar, expected) in cases {
            let mut data = Vec::new();
            pack(&Cell::Value(value.clone()), &column(scalar), &environment, &mut data);
            assert_eq!(data, expected, "{value:?}");
        }
    }
}
