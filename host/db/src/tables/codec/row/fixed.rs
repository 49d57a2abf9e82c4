//! Bits, and values of fixed size.

use crate::tables::types::{Scalar, Value};
use crate::tables::{TableError, TableResult, code};

/// What a row has of a column, without a value made of it: for comparisons on many rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    /// Null
    Null,
    /// boolean
    Boolean(bool),
    /// smallint, integer, bigint, date, time, timestamp, timestamptz, as in [`Value`]
    Integer(i64),
    /// real
    Real(f32),
    /// double precision
    Double(f64),
    /// uuid, bytea; text, varchar, char with its blanks, and jsonb, of which is not seen that they are UTF-8; numeric and arrays in the form
    /// that they have in rows.
    Bytes(&'a [u8]),
}

/// Bytes of a scalar of fixed size; 0 for booleans.
pub(super) fn scalar_bytes(scalar: Scalar) -> Option<usize> {
    Some(match scalar {
        Scalar::Boolean => 0,
        Scalar::SmallInt => 2,
        Scalar::Integer | Scalar::Real | Scalar::Date => 4,
        Scalar::BigInt | Scalar::Double | Scalar::Time | Scalar::Timestamp | Scalar::TimestampTz => 8,
        Scalar::Uuid => 16,
        Scalar::Numeric(_) | Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_) | Scalar::Bytea | Scalar::Jsonb => {
            return None;
        }
    })
}

/// Writes a value of fixed size to the start of `out`.
pub(super) fn write_fixed(out: &mut [u8], scalar: Scalar, value: &Value<'_>) -> TableResult<()> {
    let mut put = |bytes: &[u8]| out[..bytes.len()].copy_from_slice(bytes);
    match (scalar, value) {
        (Scalar::SmallInt, Value::Integer(value)) => {
            put(&i16::try_from(*value).map_err(|_| mismatch())?.to_le_bytes());
        }
        (Scalar::Integer, Value::Integer(value)) => {
            put(&i32::try_from(*value).map_err(|_| mismatch())?.to_le_bytes());
        }
        (Scalar::BigInt, Value::Integer(value))
        | (Scalar::Time, Value::Time(value))
        | (Scalar::Timestamp | Scalar::TimestampTz, Value::Timestamp(value)) => put(&value.to_le_bytes()),
        (Scalar::Real, Value::Real(value)) => put(&value.to_le_bytes()),
        (Scalar::Double, Value::Double(value)) => put(&value.to_le_bytes()),
        (Scalar::Date, Value::Date(days)) => put(&days.to_le_bytes()),
        (Scalar::Uuid, Value::Uuid(bytes)) => put(bytes),
        _ => return Err(mismatch()),
    }
    Ok(())
}

/// The value of fixed size that the bytes begin with.
#[inline]
pub(super) fn read_fixed(bytes: &[u8], scalar: Scalar) -> Option<Value<'static>> {
    Some(match scalar {
        Scalar::SmallInt => Value::Integer(i16::from_le_bytes(*bytes.first_chunk()?).into()),
        Scalar::Integer => Value::Integer(i32::from_le_bytes(*bytes.first_chunk()?).into()),
        Scalar::BigInt => Value::Integer(i64::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Real => Value::Real(f32::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Double => Value::Double(f64::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Date => Value::Date(i32::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Time => Value::Time(i64::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Timestamp | Scalar::TimestampTz => Value::Timestamp(i64::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Uuid => Value::Uuid(*bytes.first_chunk()?),
        _ => return None,
    })
}

/// As [`read_fixed`], as it is compared.
#[inline]
pub(super) fn read_raw(bytes: &[u8], scalar: Scalar) -> Option<Raw<'_>> {
    Some(match scalar {
        Scalar::SmallInt => Raw::Integer(i16::from_le_bytes(*bytes.first_chunk()?).into()),
        Scalar::Integer | Scalar::Date => Raw::Integer(i32::from_le_bytes(*bytes.first_chunk()?).into()),
        Scalar::BigInt | Scalar::Time | Scalar::Timestamp | Scalar::TimestampTz => {
            Raw::Integer(i64::from_le_bytes(*bytes.first_chunk()?))
        }
        Scalar::Real => Raw::Real(f32::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Double => Raw::Double(f64::from_le_bytes(*bytes.first_chunk()?)),
        Scalar::Uuid => Raw::Bytes(bytes.get(..16)?),
        _ => return None,
    })
}

/// A bit of a bitmap that has it.
pub(super) fn bit(body: &[u8], bit: usize) -> bool {
    body[bit / 8] >> (bit % 8) & 1 == 1
}

#[cold]
pub(super) fn mismatch() -> TableError {
    TableError::new(code::DATATYPE_MISMATCH, "a value is not of the type of its column")
}
