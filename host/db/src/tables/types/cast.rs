//! Explicit casts between types, as PostgreSQL's `::` does them.

use std::borrow::Cow;

use super::datetime::{DAY_US, INFINITE_DAY, INFINITE_US, check_date, check_timestamp, local_us, utc_us};
use super::text::fitted;
use super::{Array, Numeric, Scalar, Type, Value, from_text, json, number, write_text};
use crate::tables::{Environment, TableError, TableResult, code};

/// What casts know of a type: which of them there are depends on this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Number,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Uuid,
    Json,
}

fn kind(scalar: Scalar) -> Kind {
    match scalar {
        Scalar::Boolean => Kind::Boolean,
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt | Scalar::Real | Scalar::Double | Scalar::Numeric(_) => {
            Kind::Number
        }
        Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_) => Kind::Text,
        Scalar::Bytea => Kind::Bytes,
        Scalar::Date => Kind::Date,
        Scalar::Time => Kind::Time,
        Scalar::Timestamp | Scalar::TimestampTz => Kind::Timestamp,
        Scalar::Uuid => Kind::Uuid,
        Scalar::Jsonb => Kind::Json,
    }
}

/// Whether there is a cast between two types. Its value may still be one that does not fit.
#[must_use]
pub fn can_cast(from: Type, to: Type) -> bool {
    if from.is_array == to.is_array {
        return can_cast_scalar(from.scalar, to.scalar);
    }
    kind(if from.is_array { to.scalar } else { from.scalar }) == Kind::Text
}

fn can_cast_scalar(from: Scalar, to: Scalar) -> bool {
    match (kind(from), kind(to)) {
        (Kind::Text, _)
        | (_, Kind::Text)
        | (Kind::Json, Kind::Boolean | Kind::Number)
        | (Kind::Date, Kind::Timestamp)
        | (Kind::Timestamp, Kind::Date | Kind::Time) => true,
        (Kind::Boolean, Kind::Number) => to == Scalar::Integer,
        (Kind::Number, Kind::Boolean) => from == Scalar::Integer,
        (a, b) => a == b,
    }
}

/// Casts a value of one type to another.
///
/// # Errors
/// 42846 where there is no cast; what [`from_text`] answers for a text; 22003 and 22008 out of range; 22023 for a jsonb of another kind.
pub fn cast(value: Value<'_>, from: Type, to: Type, env: &Environment) -> TableResult<Value<'static>> {
    if !can_cast(from, to) {
        return Err(TableError::new(code::CANNOT_COERCE, format!("cannot cast type {} to {}", plain(from), plain(to))));
    }
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(array) if to.is_array => {
            let Array { dimensions, elements } = *array;
            let elements = elements.into_iter().map(|element| cast(element, from.element(), to.element(), env));
            Ok(Value::Array(Box::new(Array { dimensions, elements: elements.collect::<TableResult<_>>()? })))
        }
        value if to.is_array => from_text(&text_of(&value, from, env), to, env),
        value if kind(to.scalar) == Kind::Text => to_text(value, from, to.scalar, env),
        Value::Text(text) => from_text(&text, to, env),
        value => cast_scalar(value, from.scalar, to.scalar, env),
    }
}

/// The name of a type without its modifier.
fn plain(r#type: Type) -> String {
    let name = r#type.scalar.base_name();
    if r#type.is_array { format!("{name}[]") } else { name.to_owned() }
}

fn text_of(value: &Value<'_>, r#type: Type, env: &Environment) -> String {
    let mut text = String::new();
    write_text(value, r#type, env, &mut text);
    text
}

/// Any value as a text; what is too long is cut.
fn to_text(value: Value<'_>, from: Type, to: Scalar, env: &Environment) -> TableResult<Value<'static>> {
    let text = match value {
        Value::Text(text) => {
            if matches!(from.scalar, Scalar::Char(_)) {
                Cow::Owned(text.trim_end_matches(' ').to_owned())
            } else {
                text
            }
        }
        Value::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        value => Cow::Owned(text_of(&value, from, env)),
    };
    let text = match to {
        Scalar::Char(0) => text.trim_end_matches(' ').to_owned(),
        to => fitted(text, to, true)?.into_owned(),
    };
    Ok(Value::Text(Cow::Owned(text)))
}

fn cast_scalar(value: Value<'_>, from: Scalar, to: Scalar, env: &Environment) -> TableResult<Value<'static>> {
    Ok(match (value, to) {
        (Value::Boolean(value), Scalar::Integer) => Value::Integer(value.into()),
        (Value::Integer(number), Scalar::Boolean) => Value::Boolean(number != 0),
        (
            value @ (Value::Integer(_) | Value::Real(_) | Value::Double(_) | Value::Numeric(_)),
            Scalar::SmallInt | Scalar::Integer | Scalar::BigInt | Scalar::Real | Scalar::Double | Scalar::Numeric(_),
        ) => number_to(value, to)?,
        (Value::Date(day), Scalar::Timestamp | Scalar::TimestampTz) => {
            Value::Timestamp(date_to_timestamp(day, to, env)?)
        }
        (Value::Timestamp(us), _) => return timestamp_to(us, from, to, env),
        (Value::Json(text), Scalar::Boolean) => match json::Json::parse(&text)? {
            json::Json::Boolean(value) => Value::Boolean(value),
            other => return Err(wrong_json(&other, to)),
        },
        (Value::Json(text), to) if to != Scalar::Jsonb => match json::Json::parse(&text)? {
            json::Json::Number(number) => number_to(Value::Numeric(number), to)?,
            other => return Err(wrong_json(&other, to)),
        },
        (value, _) => value.into_owned(),
    })
}

fn wrong_json(value: &json::Json<'_>, to: Scalar) -> TableError {
    let kind = match value {
        json::Json::Null => "null",
        json::Json::Boolean(_) => "boolean",
        json::Json::Number(_) => "numeric",
        json::Json::String(_) => "string",
        json::Json::Array(_) => "array",
        json::Json::Object(_) => "object",
    };
    let message = format!("cannot cast jsonb {kind} to type {}", to.base_name());
    TableError::new(code::PARAMETER_INVALID, message)
}

/// A number as one of another type of numbers.
fn number_to(value: Value<'_>, to: Scalar) -> TableResult<Value<'static>> {
    Ok(match to {
        Scalar::Real => Value::Real(match value {
            #[allow(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
            Value::Integer(number) => number as f32,
            Value::Real(number) => number,
            Value::Double(number) => narrowed(number)?,
            Value::Numeric(number) => number::read_real(&number.to_string())?,
            _ => return Ok(Value::Null),
        }),
        Scalar::Double => Value::Double(match value {
            #[allow(clippy::cast_precision_loss, reason = "the nearest float is what is asked for")]
            Value::Integer(number) => number as f64,
            Value::Real(number) => number.into(),
            Value::Double(number) => number,
            Value::Numeric(number) => number::read_double(&number.to_string())?,
            _ => return Ok(Value::Null),
        }),
        Scalar::Numeric(modifier) => {
            let number = match value {
                Value::Integer(number) => number.into(),
                Value::Real(number) => Numeric::from_f32(number)?,
                Value::Double(number) => Numeric::from_f64(number)?,
                Value::Numeric(number) => number,
                _ => return Ok(Value::Null),
            };
            Value::Numeric(match modifier {
                Some(modifier) => number.with_modifier(modifier)?,
                None => number,
            })
        }
        _ => Value::Integer(match value {
            Value::Integer(number) => number::in_range(number, to)?,
            Value::Real(number) => float_to_integer(number.into(), to)?,
            Value::Double(number) => float_to_integer(number, to)?,
            Value::Numeric(Numeric::NaN) => {
                let message = format!("cannot convert NaN to {}", to.base_name());
                return Err(TableError::new(code::NOT_SUPPORTED, message));
            }
            Value::Numeric(number) => {
                let number = number.to_i64().ok_or_else(|| number::out_of_range(to))?;
                number::in_range(number, to)?
            }
            _ => return Ok(Value::Null),
        }),
    })
}

fn narrowed(number: f64) -> TableResult<f32> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the nearest float is what is asked for, and its range is checked"
    )]
    let narrow = number as f32;
    let fault = match () {
        () if narrow.is_infinite() && number.is_finite() => "overflow",
        () if narrow == 0.0 && number != 0.0 => "underflow",
        () => return Ok(narrow),
    };
    Err(TableError::new(code::NUMERIC_OUT_OF_RANGE, format!("value out of range: {fault}")))
}

/// The nearest integer; halves go to the even one.
fn float_to_integer(number: f64, to: Scalar) -> TableResult<i64> {
    let rounded = number.round_ties_even();
    // 2^63 is the first beyond; NaN is in no range.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return Err(number::out_of_range(to));
    }
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    let integer = rounded as i64;
    number::in_range(integer, to)
}

fn date_to_timestamp(day: i32, to: Scalar, env: &Environment) -> TableResult<i64> {
    match day {
        INFINITE_DAY => return Ok(INFINITE_US),
        i32::MIN => return Ok(i64::MIN),
        _ => {}
    }
    let local = i64::from(day) * DAY_US;
    check_timestamp(if to == Scalar::TimestampTz { utc_us(local, &env.time_zone) } else { local }, "")
        .map_err(|_| TableError::new(code::DATETIME_OVERFLOW, "date out of range for timestamp"))
}

fn timestamp_to(us: i64, from: Scalar, to: Scalar, env: &Environment) -> TableResult<Value<'static>> {
    if us == INFINITE_US || us == i64::MIN {
        return Ok(match to {
            Scalar::Date => Value::Date(if us == INFINITE_US { INFINITE_DAY } else { i32::MIN }),
            // Infinity is no time of a day.
            Scalar::Time => Value::Null,
            _ => Value::Timestamp(us),
        });
    }
    let local = if from == Scalar::TimestampTz { local_us(us, &env.time_zone).0 } else { us };
    Ok(match to {
        Scalar::Date => Value::Date(check_date(local.div_euclid(DAY_US), "")?),
        Scalar::Time => Value::Time(local.rem_euclid(DAY_US)),
        Scalar::TimestampTz if from == Scalar::Timestamp => {
            Value::Timestamp(check_timestamp(utc_us(local, &env.time_zone), "")?)
        }
        Scalar::Timestamp => Value::Timestamp(check_timestamp(local, "")?),
        _ => Value::Timestamp(us),
    })
}
