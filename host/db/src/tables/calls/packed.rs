//! Values back to back, in the form of `packed-rows` of `wit/tables.wit`: a byte that says what follows, and that.

use std::borrow::Cow;

use crate::tables::query::{Cell, OutputColumn};
use crate::tables::types::{self, Type, Value};
use crate::tables::{Environment, Input, Literal};

const NUMERIC: u8 = 6;
const TEXT: u8 = 7;
const BYTES: u8 = 8;
const JSON: u8 = 9;
const ARRAY: u8 = 10;

/// The text of a value in its type's output form.
#[must_use]
pub fn text_of(value: &Value<'_>, column: &OutputColumn, environment: &Environment) -> String {
    let mut text = String::new();
    types::write_text(value, column.r#type.unwrap_or(Type::TEXT), environment, &mut text);
    text
}

/// Appends a place of an answer.
pub fn pack(cell: &Cell<'_>, column: &OutputColumn, environment: &Environment, data: &mut Vec<u8>) {
    let value = match cell {
        Cell::Json(text) => return pack_bytes(JSON, text.as_bytes(), data),
        Cell::Value(value) => value,
    };
    match value {
        Value::Null => data.push(0),
        Value::Boolean(value) => data.push(1 + u8::from(*value)),
        Value::Integer(value) => pack_number(3, &value.to_le_bytes(), data),
        Value::Real(value) => pack_number(4, &value.to_le_bytes(), data),
        Value::Double(value) => pack_number(5, &value.to_le_bytes(), data),
        Value::Numeric(_) => pack_bytes(NUMERIC, text_of(value, column, environment).as_bytes(), data),
        Value::Text(text) => pack_bytes(TEXT, text.as_bytes(), data),
        Value::Bytes(bytes) => pack_bytes(BYTES, bytes, data),
        Value::Json(text) => pack_bytes(JSON, text.as_bytes(), data),
        Value::Array(_) => pack_bytes(ARRAY, text_of(value, column, environment).as_bytes(), data),
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

/// Reads values that a plugin gives; none where these bytes are not values, one after the other.
#[must_use]
pub fn unpack(mut data: &[u8]) -> Option<Vec<Input<'_>>> {
    let mut values = Vec::new();
    while let Some((tag, rest)) = data.split_first() {
        data = rest;
        values.push(unpack_one(*tag, &mut data)?);
    }
    Some(values)
}

fn unpack_one<'d>(tag: u8, data: &mut &'d [u8]) -> Option<Input<'d>> {
    Some(Input::Value(match tag {
        0 => Value::Null,
        1 => Value::Boolean(false),
        2 => Value::Boolean(true),
        3 => Value::Integer(i64::from_le_bytes(number(data)?)),
        4 => Value::Real(f32::from_le_bytes(number(data)?)),
        5 => Value::Double(f64::from_le_bytes(number(data)?)),
        BYTES => Value::Bytes(Cow::Borrowed(bytes(data)?)),
        11 => Value::Timestamp(i64::from_le_bytes(number(data)?)),
        12 => Value::Date(i32::from_le_bytes(number(data)?)),
        13 => Value::Time(i64::from_le_bytes(number(data)?)),
        14 => Value::Uuid(number(data)?),
        TEXT => return Some(Input::Text(text(data)?)),
        NUMERIC => return Some(Input::Literal(Literal::Numeric, text(data)?)),
        JSON => return Some(Input::Literal(Literal::Json, text(data)?)),
        ARRAY => return Some(Input::Literal(Literal::Array, text(data)?)),
        _ => return None,
    }))
}

fn number<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = data.split_first_chunk::<N>()?;
    *data = rest;
    Some(*number)
}

fn bytes<'d>(data: &mut &'d [u8]) -> Option<&'d [u8]> {
    let length = usize::try_from(u32::from_le_bytes(number(data)?)).ok()?;
    let (bytes, rest) = data.split_at_checked(length)?;
    *data = rest;
    Some(bytes)
}

fn text<'d>(data: &mut &'d [u8]) -> Option<Cow<'d, str>> {
    std::str::from_utf8(bytes(data)?).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::tables::types::Scalar;
    use crate::{Database, Limits, ManualClock, SeededRandom};

    fn environment() -> Environment {
        let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1)));
        Database::in_memory_with(Limits::default(), clock, random).unwrap().environment_utc()
    }

    /// What the documentation of `packed-rows` says, byte for byte.
    #[test]
    fn packed_values_have_the_form_that_is_documented() {
        let environment = environment();
        let column = |scalar| OutputColumn { name: "a".into(), r#type: Some(Type::scalar(scalar)) };
        let numeric = |text| types::from_text(text, Type::scalar(Scalar::Numeric(None)), &environment).unwrap();
        let cases: [(Value<'_>, Scalar, &[u8]); 12] = [
            (Value::Null, Scalar::Text, &[0]),
            (Value::Boolean(false), Scalar::Boolean, &[1]),
            (Value::Boolean(true), Scalar::Boolean, &[2]),
            (Value::Integer(-2), Scalar::Integer, &[3, 254, 255, 255, 255, 255, 255, 255, 255]),
            (Value::Real(1.0), Scalar::Real, &[4, 0, 0, 128, 63]),
            (numeric("1.50"), Scalar::Numeric(None), &[6, 4, 0, 0, 0, b'1', b'.', b'5', b'0']),
            (Value::Text("ä".into()), Scalar::Text, &[7, 2, 0, 0, 0, 0xc3, 0xa4]),
            (Value::Bytes(vec![0, 9].into()), Scalar::Bytea, &[8, 2, 0, 0, 0, 0, 9]),
            (Value::Timestamp(-1), Scalar::TimestampTz, &[11, 255, 255, 255, 255, 255, 255, 255, 255]),
            (Value::Date(1), Scalar::Date, &[12, 1, 0, 0, 0]),
            (Value::Time(256), Scalar::Time, &[13, 0, 1, 0, 0, 0, 0, 0, 0]),
            (Value::Uuid([7; 16]), Scalar::Uuid, &[14, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]),
        ];
        for (value, scalar, expected) in cases {
            let mut data = Vec::new();
            pack(&Cell::Value(value.clone()), &column(scalar), &environment, &mut data);
            assert_eq!(data, expected, "{value:?}");
            let back = match value {
                Value::Text(text) => Input::Text(text),
                Value::Numeric(_) => Input::Literal(Literal::Numeric, "1.50".into()),
                value => Input::Value(value),
            };
            assert_eq!(unpack(&data), Some(vec![back]), "{data:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_values_are_refused_and_never_read_past(data in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpack(&data);
        }

        #[test]
        fn a_value_that_is_cut_short_is_none(text in ".{0,20}", cut in any::<prop::sample::Index>()) {
            let mut data = Vec::new();
            pack_bytes(TEXT, text.as_bytes(), &mut data);
            let end = cut.index(data.len());
            prop_assert_eq!(unpack(&data), Some(vec![Input::Text(text.as_str().into())]));
            if end > 0 {
                prop_assert_eq!(unpack(&data[..end]), None);
            }
        }
    }
}
