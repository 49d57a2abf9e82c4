//! A value of any type.

use std::borrow::Cow;

use super::Numeric;
use super::datetime::DAY_US;
use crate::tables::{TableError, TableResult, code};

/// A value, borrowed from an encoded row where that has its bytes. What the variants mean follows from the [`Type`](super::Type) beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// boolean
    Boolean(bool),
    /// smallint, integer, bigint
    Integer(i64),
    /// real
    Real(f32),
    /// double precision
    Double(f64),
    /// numeric
    Numeric(Numeric),
    /// text, varchar, char (padded)
    Text(Cow<'a, str>),
    /// bytea
    Bytes(Cow<'a, [u8]>),
    /// date: days since 1970-01-01; `i32::MIN` and `i32::MAX` are -infinity and infinity.
    Date(i32),
    /// time: microseconds since midnight, at most 86,400,000,000.
    Time(i64),
    /// timestamp, and timestamptz in UTC: microseconds since 1970-01-01T00:00:00; `i64::MIN` and `i64::MAX` are -infinity and infinity.
    Timestamp(i64),
    /// uuid
    Uuid([u8; 16]),
    /// jsonb: its canonical text, as PostgreSQL writes it.
    Json(Cow<'a, str>),
    /// An array.
    Array(Box<Array>),
}

/// An array: its elements in row-major order, and how many there are in each dimension.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Array {
    /// The length and the lower bound of each dimension, the outermost first; none for an empty array. At most 6.
    pub dimensions: Vec<(usize, i32)>,
    /// The elements; their number is the product of the lengths.
    pub elements: Vec<Value<'static>>,
}

impl Value<'_> {
    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Checks a time of day, which has no text beyond its range; other values are checked as their text is read.
    ///
    /// # Errors
    /// 22008.
    pub(crate) fn check_range(&self) -> TableResult<()> {
        match self {
            Self::Time(us) if !(0..=DAY_US).contains(us) => {
                Err(TableError::new(code::DATETIME_OVERFLOW, "time out of range"))
            }
            Self::Array(array) => array.elements.iter().try_for_each(Value::check_range),
            _ => Ok(()),
        }
    }

    /// The same value, which borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Real(value) => Value::Real(value),
            Self::Double(value) => Value::Double(value),
            Self::Numeric(value) => Value::Numeric(value),
            Self::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Self::Bytes(value) => Value::Bytes(Cow::Owned(value.into_owned())),
            Self::Date(value) => Value::Date(value),
            Self::Time(value) => Value::Time(value),
            Self::Timestamp(value) => Value::Timestamp(value),
            Self::Uuid(value) => Value::Uuid(value),
            Self::Json(value) => Value::Json(Cow::Owned(value.into_owned())),
            Self::Array(value) => Value::Array(value),
        }
    }
}
