//! Values that are no arrays.

use std::borrow::Cow;

use super::buffer::KeyBuffer;
use super::reader::Reader;
use super::{decimal, escaped, integer, json};
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;
use crate::tables::types::{Scalar, Value};

/// The byte of null, with which no other value begins.
pub(super) const NULL: u8 = 0xff;
/// Comes before bytes that would begin with it or with [`NULL`].
const GUARD: u8 = 0xfe;
const REAL_NAN: u32 = 0x7fc0_0000;
const DOUBLE_NAN: u64 = 0x7ff8_0000_0000_0000;

pub(super) fn push<B: KeyBuffer>(out: &mut B, value: &Value<'_>, scalar: Scalar) {
    match value {
        Value::Null => out.put(NULL),
        Value::Boolean(value) => out.put(1 + u8::from(*value)),
        Value::Integer(value) | Value::Time(value) | Value::Timestamp(value) => integer::push(out, *value),
        Value::Date(days) => integer::push(out, (*days).into()),
        Value::Real(value) => push_guarded(out, &sortable_real(*value).to_be_bytes()),
        Value::Double(value) => push_guarded(out, &sortable_double(*value).to_be_bytes()),
        Value::Numeric(value) => decimal::push(out, value),
        Value::Text(text) if matches!(scalar, Scalar::Char(_)) => {
            escaped::push(out, text.trim_end_matches(' ').as_bytes());
        }
        Value::Text(text) => escaped::push(out, text.as_bytes()),
        Value::Bytes(bytes) => {
            if bytes.first().is_some_and(|&first| first >= GUARD) {
                out.put(GUARD);
            }
            escaped::push(out, bytes);
        }
        Value::Uuid(bytes) => push_guarded(out, bytes),
        Value::Json(text) => json::push(out, text),
        Value::Array(_) => debug_assert!(false, "an array's elements are no arrays"),
    }
}

fn push_guarded<B: KeyBuffer>(out: &mut B, bytes: &[u8]) {
    if bytes[0] >= GUARD {
        out.put(GUARD);
    }
    out.put_slice(bytes);
}

fn sortable_real(value: f32) -> u32 {
    // Adding zero makes -0 of it 0.
    let bits = if value.is_nan() { REAL_NAN } else { (value + 0.0).to_bits() };
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn sortable_double(value: f64) -> u64 {
    let bits = if value.is_nan() { DOUBLE_NAN } else { (value + 0.0).to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

pub(super) fn decode<'a>(reader: &mut Reader<'_, 'a>, scalar: Scalar) -> TableResult<Value<'a>> {
    if reader.peek()? == NULL {
        reader.byte()?;
        return Ok(Value::Null);
    }
    Ok(match scalar {
        Scalar::Boolean => match reader.byte()? {
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            _ => return Err(damaged("boolean")),
        },
        Scalar::SmallInt => Value::Integer(integer::decode_narrow::<i16>(reader)?.into()),
        Scalar::Integer => Value::Integer(integer::decode_narrow::<i32>(reader)?.into()),
        Scalar::BigInt => Value::Integer(integer::decode(reader)?),
        Scalar::Date => Value::Date(integer::decode_narrow(reader)?),
        Scalar::Time => Value::Time(integer::decode(reader)?),
        Scalar::Timestamp | Scalar::TimestampTz => Value::Timestamp(integer::decode(reader)?),
        Scalar::Real => Value::Real(decode_real(reader)?),
        Scalar::Double => Value::Double(decode_double(reader)?),
        Scalar::Numeric(modifier) => {
            let scale = modifier.map_or(0, |modifier| u16::try_from(modifier.scale).unwrap_or(0));
            Value::Numeric(decimal::decode(reader, scale)?)
        }
        Scalar::Text | Scalar::Varchar(_) => Value::Text(escaped::decode_text(reader)?),
        Scalar::Char(characters) => {
            let text = escaped::decode_text(reader)?;
            if text.ends_with(' ') {
                return Err(damaged("char"));
            }
            Value::Text(padded(text, characters))
        }
        Scalar::Bytea => {
            let is_guarded = reader.peek()? == GUARD;
            if is_guarded {
                reader.byte()?;
            }
            let bytes = escaped::decode(reader)?;
            if is_guarded && bytes.first().is_none_or(|&first| first < GUARD) {
                return Err(damaged("bytea"));
            }
            Value::Bytes(bytes)
        }
        Scalar::Uuid => Value::Uuid(decode_guarded(reader)?),
        Scalar::Jsonb => Value::Json(Cow::Owned(json::decode(reader)?)),
    })
}

fn decode_guarded<const N: usize>(reader: &mut Reader<'_, '_>) -> TableResult<[u8; N]> {
    let is_guarded = reader.peek()? == GUARD;
    if is_guarded {
        reader.byte()?;
    }
    let bytes = reader.array::<N>()?;
    if is_guarded && bytes[0] < GUARD { Err(damaged("value of fixed size")) } else { Ok(bytes) }
}

fn decode_real(reader: &mut Reader<'_, '_>) -> TableResult<f32> {
    let bits = u32::from_be_bytes(decode_guarded(reader)?);
    let value = f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits });
    // Of NaN and zero there is one form each.
    if sortable_real(value) == bits { Ok(value) } else { Err(damaged("real")) }
}

fn decode_double(reader: &mut Reader<'_, '_>) -> TableResult<f64> {
    let bits = u64::from_be_bytes(decode_guarded(reader)?);
    let value = f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits });
    if sortable_double(value) == bits { Ok(value) } else { Err(damaged("double precision")) }
}

fn padded(text: Cow<'_, str>, characters: u32) -> Cow<'_, str> {
    let missing = (characters as usize).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    let mut text = text.into_owned();
    text.extend(std::iter::repeat_n(' ', missing));
    Cow::Owned(text)
}

pub(super) fn skip(reader: &mut Reader<'_, '_>, scalar: Scalar) -> TableResult<()> {
    let first = reader.peek()?;
    if first == NULL {
        return reader.byte().map(drop);
    }
    let guard = usize::from(first == GUARD);
    match scalar {
        Scalar::Boolean => reader.take(1).map(drop),
        Scalar::SmallInt
        | Scalar::Integer
        | Scalar::BigInt
        | Scalar::Date
        | Scalar::Time
        | Scalar::Timestamp
        | Scalar::TimestampTz => integer::skip(reader),
        Scalar::Real => reader.take(guard + 4).map(drop),
        Scalar::Double => reader.take(guard + 8).map(drop),
        Scalar::Uuid => reader.take(guard + 16).map(drop),
        Scalar::Numeric(_) => decimal::skip(reader),
        Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_) | Scalar::Bytea => escaped::skip(reader),
        Scalar::Jsonb => json::decode(reader).map(drop),
    }
}
