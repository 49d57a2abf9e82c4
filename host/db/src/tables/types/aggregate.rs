//! Aggregates: one value of many, with PostgreSQL's types and scales.

use std::cmp::Ordering;

use mantis_dialect::Aggregate;

use super::{Numeric, Scalar, Type, Value, compare, number};
use crate::tables::{TableError, TableResult, code};

/// The type of an aggregate of values of a type; `count` needs none.
///
/// # Errors
/// 42883 where there is no such aggregate of the type.
pub fn aggregate_type(function: Aggregate, of: Option<Type>) -> TableResult<Type> {
    let scalar = match function {
        Aggregate::Count => Some(Scalar::BigInt),
        Aggregate::Minimum | Aggregate::Maximum => {
            return of.and_then(extreme_type).ok_or_else(|| undefined(function, of));
        }
        Aggregate::Sum => of.filter(|of| !of.is_array).and_then(|of| sum_type(of.scalar)),
        Aggregate::Average => of.filter(|of| !of.is_array).and_then(|of| average_type(of.scalar)),
    };
    scalar.map(Type::scalar).ok_or_else(|| undefined(function, of))
}

fn sum_type(of: Scalar) -> Option<Scalar> {
    match of {
        Scalar::SmallInt | Scalar::Integer => Some(Scalar::BigInt),
        Scalar::BigInt | Scalar::Numeric(_) => Some(Scalar::Numeric(None)),
        Scalar::Real | Scalar::Double => Some(of),
        _ => None,
    }
}

fn average_type(of: Scalar) -> Option<Scalar> {
    match of {
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt | Scalar::Numeric(_) => Some(Scalar::Numeric(None)),
        Scalar::Real | Scalar::Double => Some(Scalar::Double),
        _ => None,
    }
}

fn extreme_type(of: Type) -> Option<Type> {
    match of.scalar {
        _ if of.is_array => Some(of),
        Scalar::Boolean | Scalar::Bytea | Scalar::Uuid | Scalar::Jsonb => None,
        Scalar::Varchar(_) => Some(Type::TEXT),
        Scalar::Numeric(_) => Some(Type::scalar(Scalar::Numeric(None))),
        _ => Some(of),
    }
}

fn undefined(function: Aggregate, of: Option<Type>) -> TableError {
    let name = match function {
        Aggregate::Sum => "sum",
        Aggregate::Average => "avg",
        Aggregate::Count => "count",
        Aggregate::Minimum => "min",
        Aggregate::Maximum => "max",
    };
    let of = match of {
        Some(of) if of.is_array => format!("{}[]", of.scalar.base_name()),
        Some(of) => of.scalar.base_name().to_owned(),
        None => String::new(),
    };
    TableError::new(code::OPERATOR_UNDEFINED, format!("function {name}({of}) does not exist"))
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// One aggregate of one group, in constant space but for the greatest value itself.
#[derive(Debug, Clone)]
pub struct Accumulator {
    state: State,
    /// How many values were not null.
    count: i64,
}

#[derive(Debug, Clone)]
enum State {
    Count {
        rows: bool,
    },
    /// As bigint, where it is not numeric.
    Integers {
        sum: i128,
        is_bigint: bool,
    },
    Numerics(Numeric),
    Real(f32),
    Double(f64),
    IntegerAverage(i128),
    NumericAverage(Numeric),
    DoubleAverage(f64),
    Extreme {
        best: Option<Value<'static>>,
        keeps: Ordering,
    },
    Undefined(TableError),
}

impl Accumulator {
    /// The aggregate of no values yet. Of a type that it does not take, [`add`](Self::add) answers the error of [`aggregate_type`].
    #[must_use]
    pub fn new(function: Aggregate, of: Option<Type>) -> Self {
        let scalar = of.map(|of| of.scalar);
        let state = match (function, aggregate_type(function, of)) {
            (_, Err(error)) => State::Undefined(error),
            (Aggregate::Count, _) => State::Count { rows: of.is_none() },
            (Aggregate::Minimum, _) => State::Extreme { best: None, keeps: Ordering::Less },
            (Aggregate::Maximum, _) => State::Extreme { best: None, keeps: Ordering::Greater },
            (Aggregate::Sum, Ok(sum)) => match (scalar, sum.scalar) {
                (Some(Scalar::Numeric(_)), _) => State::Numerics(Numeric::ZERO),
                (_, Scalar::Real) => State::Real(0.0),
                (_, Scalar::Double) => State::Double(0.0),
                (_, sum) => State::Integers { sum: 0, is_bigint: sum == Scalar::BigInt },
            },
            (Aggregate::Average, Ok(average)) => match (scalar, average.scalar) {
                (Some(Scalar::Numeric(_)), _) => State::NumericAverage(Numeric::ZERO),
                (_, Scalar::Double) => State::DoubleAverage(0.0),
                _ => State::IntegerAverage(0),
            },
        };
        Self { state, count: 0 }
    }

    /// Adds a value. Nulls do not count, except by a `count` of rows.
    ///
    /// # Errors
    /// 22003 out of range; 42883 where there is no such aggregate.
    pub fn add(&mut self, value: &Value<'_>) -> TableResult<()> {
        if let State::Undefined(error) = &self.state {
            return Err(error.clone());
        }
        if value.is_null() && !matches!(self.state, State::Count { rows: true }) {
            return Ok(());
        }
        self.count += 1;
        match (&mut self.state, value) {
            (State::Integers { sum, .. } | State::IntegerAverage(sum), Value::Integer(number)) => {
                // As many 64-bit numbers as there may be don't fill 128 bits.
                *sum += i128::from(*number);
            }
            (State::Numerics(sum) | State::NumericAverage(sum), Value::Numeric(number)) => *sum = sum.add(number)?,
            (State::Real(sum), Value::Real(number)) => {
                let is_finite = sum.is_finite() && number.is_finite();
                *sum += number;
                check_finite(sum.is_finite() || !is_finite)?;
            }
            (State::Double(sum) | State::DoubleAverage(sum), Value::Real(_) | Value::Double(_)) => {
                let number = match value {
                    Value::Real(number) => f64::from(*number),
                    Value::Double(number) => *number,
                    _ => return Ok(()),
                };
                let is_finite = sum.is_finite() && number.is_finite();
                *sum += number;
                check_finite(sum.is_finite() || !is_finite)?;
            }
            // Of equal values the last stays, which shows where they differ in scale.
            (State::Extreme { best, keeps }, value)
                if best.as_ref().is_none_or(|best| compare(best, value) != *keeps) =>
            {
                *best = Some(value.clone().into_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// The aggregate of what was added: null of nothing, but a count of 0.
    ///
    /// # Errors
    /// 22003 out of range; 42883 where there is no such aggregate.
    pub fn finish(self) -> TableResult<Value<'static>> {
        if let State::Undefined(error) = self.state {
            return Err(error);
        }
        if self.count == 0 && !matches!(self.state, State::Count { .. }) {
            return Ok(Value::Null);
        }
        Ok(match self.state {
            State::Count { .. } => Value::Integer(self.count),
            State::Integers { sum, is_bigint: true } => {
                Value::Integer(i64::try_from(sum).map_err(|_| number::out_of_range(Scalar::BigInt))?)
            }
            State::Integers { sum, .. } => Value::Numeric(sum.into()),
            State::Numerics(sum) => Value::Numeric(sum),
            State::Real(sum) => Value::Real(sum),
            State::Double(sum) => Value::Double(sum),
            State::IntegerAverage(sum) => Value::Numeric(Numeric::from(sum).div(&self.count.into())?),
            State::NumericAverage(sum) => Value::Numeric(sum.div(&self.count.into())?),
            #[allow(clippy::cast_precision_loss, reason = "as exact as the sum")]
            State::DoubleAverage(sum) => Value::Double(sum / self.count as f64),
            State::Extreme { best, .. } => best.unwrap_or(Value::Null),
            State::Undefined(error) => return Err(error),
        })
    }
}

fn check_finite(is_finite: bool) -> TableResult<()> {
    if is_finite {
        return Ok(());
    }
    Err(TableError::new(code::NUMERIC_OUT_OF_RANGE, "value out of range: overflow"))
}
