//! Values of columns as Rust's types.

use crate::bindings::mantis::db::tables::Value;
use crate::{Error, Result};

/// A type that a column's value may have.
pub trait FromValue: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// The code `value-mismatch` if it has another type, is null, or does not fit.
    fn from_value(value: Value) -> Result<Self>;
}

/// A type whose values a column or an argument may be given.
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

fn mismatch(wanted: &str, value: &Value) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) => "an integer",
        Value::Real(_) => "a real",
        Value::Double(_) => "a double",
        Value::Numeric(_) => "a numeric",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
        Value::Timestamp(_) => "a timestamp",
        Value::Date(_) => "a date",
        Value::Time(_) => "a time",
        Value::Uuid(_) => "a uuid",
        Value::Json(_) => "json",
        Value::Array(_) => "an array",
    };
    Error::invalid("value-mismatch", format!("the value is {found}, and not {wanted}"))
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl IntoValue for &[u8] {
    fn into_value(self) -> Value {
        Value::Bytes(self.to_owned())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        if let Value::Null = value { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

/// A type that is one case of [`Value`].
macro_rules! case {
    ($type:ty, $case:ident, $wanted:literal) => {
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                if let Value::$case(inner) = value { Ok(inner) } else { Err(mismatch($wanted, &value)) }
            }
        }

        impl IntoValue for $type {
            fn into_value(self) -> Value {
                Value::$case(self)
            }
        }
    };
}

case!(bool, Boolean, "a boolean");
case!(i64, Integer, "an integer");
case!(f32, Real, "a real");
case!(f64, Double, "a double");
case!(String, Text, "a text");
case!(Vec<u8>, Bytes, "bytes");

/// An integer that is smaller than a column's may be.
macro_rules! integer {
    ($type:ty, $wanted:literal) => {
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                let Value::Integer(number) = value else { return Err(mismatch($wanted, &value)) };
                Self::try_from(number)
                    .map_err(|_| Error::invalid("value-mismatch", format!("{number} is too large for {}", $wanted)))
            }
        }

        impl IntoValue for $type {
            fn into_value(self) -> Value {
                Value::Integer(self.into())
            }
        }
    };
}

integer!(i16, "a smallint");
integer!(i32, "an integer of 32 bits");
integer!(u32, "a positive integer of 32 bits");

/// A type around what a case of [`Value`] holds.
macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $case:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl FromValue for $name {
            fn from_value(value: Value) -> Result<Self> {
                if let Value::$case(inner) = value { Ok(Self(inner)) } else { Err(mismatch($wanted, &value)) }
            }
        }

        impl IntoValue for $name {
            fn into_value(self) -> Value {
                Value::$case(self.0)
            }
        }
    };
}

newtype!(
    /// An exact decimal: its digits, such as `12.50`.
    Numeric, String, Numeric, "a numeric"
);
newtype!(
    /// JSON text. Embedded rows are JSON too.
    Json, String, Json, "json"
);
newtype!(
    /// An array as PostgreSQL writes it: `{1,2,NULL}`.
    Array, String, Array, "an array"
);
newtype!(
    /// Microseconds since 1970-01-01T00:00:00, in UTC for `timestamptz`; the smallest and the largest number are -infinity and
    /// infinity.
    Timestamp, i64, Timestamp, "a timestamp"
);
newtype!(
    /// Days since 1970-01-01; the smallest and the largest number are -infinity and infinity.
    Date, i32, Date, "a date"
);
newtype!(
    /// Microseconds since midnight.
    Time, i64, Time, "a time"
);

/// A UUID: its bytes, most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl FromValue for Uuid {
    fn from_value(value: Value) -> Result<Self> {
        let Value::Uuid((first, last)) = value else { return Err(mismatch("a uuid", &value)) };
        Ok(Self((u128::from(first) << 64 | u128::from(last)).to_be_bytes()))
    }
}

impl IntoValue for Uuid {
    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    fn into_value(self) -> Value {
        let number = u128::from_be_bytes(self.0);
        Value::Uuid(((number >> 64) as u64, number as u64))
    }
}
