//! The order of two values of one type: PostgreSQL's, with texts by their bytes.

use std::cmp::Ordering;

use super::{Array, Value, json};

/// The order of two values of one type that are not null. A null comes last, as it does inside an array; values of different types have
/// the order of their variants.
#[must_use]
pub fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => compare_floats(f64::from(*a), f64::from(*b)),
        (Value::Double(a), Value::Double(b)) => compare_floats(*a, *b),
        (Value::Numeric(a), Value::Numeric(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Json(a), Value::Json(b)) => json::compare(a, b),
        (Value::Array(a), Value::Array(b)) => compare_arrays(a, b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values of one type are equal. Two nulls are not asked for.
#[must_use]
pub fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    compare(a, b) == Ordering::Equal
}

fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Boolean(_) => 0,
        Value::Integer(_) => 1,
        Value::Real(_) => 2,
        Value::Double(_) => 3,
        Value::Numeric(_) => 4,
        Value::Text(_) => 5,
        Value::Bytes(_) => 6,
        Value::Date(_) => 7,
        Value::Time(_) => 8,
        Value::Timestamp(_) => 9,
        Value::Uuid(_) => 10,
        Value::Json(_) => 11,
        Value::Array(_) => 12,
        Value::Null => 13,
    }
}

/// NaN equals itself and is the greatest; the two zeros are equal.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// By elements, then by how many there are, then by dimensions.
fn compare_arrays(a: &Array, b: &Array) -> Ordering {
    let elements = a.elements.iter().zip(&b.elements).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
    elements
        .unwrap_or(Ordering::Equal)
        .then_with(|| a.elements.len().cmp(&b.elements.len()))
        .then_with(|| a.dimensions.len().cmp(&b.dimensions.len()))
        .then_with(|| {
            let lengths = a.dimensions.iter().zip(&b.dimensions).map(|((a, _), (b, _))| a.cmp(b));
            lengths.fold(Ordering::Equal, Ordering::then)
        })
        .then_with(|| {
            let bounds = a.dimensions.iter().zip(&b.dimensions).map(|((_, a), (_, b))| a.cmp(b));
            bounds.fold(Ordering::Equal, Ordering::then)
        })
}
