//! Values of rows, and whether predicates hold of them, with three-valued logic: `None` is unknown.

use crate::tables::query::bound::{AggregateCall, Comparison, Expression, Predicate, Subject, Test};
use crate::tables::types::{self, Steps, Type, Value, compare};
use crate::tables::{Environment, TableError, TableResult, code};

/// A shorter JSON text is taken apart without asking for memory.
const LONG_JSON_BYTES: usize = 16 << 10;

/// Something that has values: a row alone, a row with what belongs to it, a group.
pub(super) trait Values {
    /// The value of an expression.
    fn value(&self, expression: &Expression) -> TableResult<Value<'_>>;

    /// The value of an aggregate; only groups have any.
    fn aggregate(&self, _call: &AggregateCall) -> TableResult<Value<'_>> {
        Err(misplaced("an aggregate"))
    }

    /// The value of an aggregate over the rows of the embed at this place.
    fn aggregate_of(&self, _embed: usize, _call: &AggregateCall) -> TableResult<Value<'_>> {
        Err(misplaced("an embedded table"))
    }

    /// Asks whether to stop, in the middle of a row; of what is only shown, never.
    fn go_on(&self) -> TableResult<()> {
        Ok(())
    }

    /// Takes memory for work on one value, for a while.
    fn borrow(&self, _bytes: usize) -> TableResult<()> {
        Ok(())
    }

    /// Whether the embed at this place has rows.
    fn exists(&self, _embed: usize) -> TableResult<bool> {
        Err(misplaced("an embedded table"))
    }
}

/// The planner lets only what a row can answer be asked of it.
#[cold]
pub(super) fn misplaced(what: &str) -> TableError {
    TableError::new(code::INTERNAL, format!("{what} was asked of a row that has none"))
}

/// A column's value, and on from there: into its JSON, and cast.
pub(super) fn refine<'v>(
    value: Value<'v>,
    column: Type,
    expression: &Expression,
    environment: &Environment,
) -> TableResult<Value<'v>> {
    let value = match expression.path.as_slice() {
        [] => value,
        path => types::json_path(&value, column, path),
    };
    match expression.cast {
        Some(target) if !value.is_null() => types::cast(value, expression.source_type, target, environment),
        _ => Ok(value),
    }
}

/// Whether the predicate holds.
pub(super) fn holds<V: Values + ?Sized>(predicate: &Predicate, row: &V) -> TableResult<Option<bool>> {
    match predicate {
        Predicate::And(parts) => all(parts, |part| holds(part, row)),
        Predicate::Or(parts) => any(parts, |part| holds(part, row)),
        Predicate::Not(part) => Ok(holds(part, row)?.map(|held| !held)),
        Predicate::Exists(embed) => row.exists(*embed).map(Some),
        Predicate::Test { subject, test } => {
            let value = match subject {
                Subject::Expression(expression) => row.value(expression)?,
                Subject::Aggregate(call) => row.aggregate(call)?,
            };
            if let Value::Json(json) = &value
                && json.len() > LONG_JSON_BYTES
                && !matches!(test, Test::IsNull | Test::IsNotNull)
            {
                row.borrow(types::json_parts_bytes(json))?;
            }
            passes(test, &value, &Steps::new(&|| row.go_on()))
        }
    }
}

/// Whether a value passes a test.
fn passes(test: &Test, value: &Value<'_>, steps: &Steps<'_>) -> TableResult<Option<bool>> {
    Ok(match test {
        Test::IsNull => Some(value.is_null()),
        Test::IsNotNull => Some(!value.is_null()),
        Test::IsBoolean(wanted) => Some(matches!(value, Value::Boolean(value) if value == wanted)),
        Test::IsDistinct(other) => Some(match (value.is_null(), other.is_null()) {
            (false, false) => compare(value, other).is_ne(),
            (is_null, other_is_null) => is_null != other_is_null,
        }),
        Test::Any(tests) => return any(tests, |test| passes(test, value, steps)),
        Test::All(tests) => return all(tests, |test| passes(test, value, steps)),
        Test::Unknown => None,
        _ if value.is_null() => None,
        Test::Compare(Comparison::Equal, other) => Some(types::equal(value, other)),
        Test::Compare(comparison, other) => Some(comparison.holds(compare(value, other))),
        Test::In(list) => Some(list.binary_search_by(|other| compare(other, value)).is_ok()),
        Test::Like(like) => Some(like.matches(text(value)?, steps)?),
        Test::Match(pattern) => Some(pattern.matches(text(value)?)),
        Test::Contains(other) => Some(contains(value, other, steps)?),
        Test::ContainedIn(other) => Some(contains(other, value, steps)?),
        Test::Overlaps(other) => match (value, other) {
            (Value::Array(left), Value::Array(right)) => Some(types::array_overlaps(left, right)),
            _ => return Err(misplaced("an array")),
        },
    })
}

fn text<'v>(value: &'v Value<'_>) -> TableResult<&'v str> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(misplaced("a text")),
    }
}

fn contains(whole: &Value<'_>, part: &Value<'_>, steps: &Steps<'_>) -> TableResult<bool> {
    match (whole, part) {
        (Value::Array(whole), Value::Array(part)) => Ok(types::array_contains(whole, part)),
        (Value::Json(whole), Value::Json(part)) => types::json_contains(whole, part, steps),
        _ => Err(misplaced("an array")),
    }
}

fn all<T>(parts: &[T], mut held: impl FnMut(&T) -> TableResult<Option<bool>>) -> TableResult<Option<bool>> {
    let mut outcome = Some(true);
    for part in parts {
        match held(part)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => outcome = None,
        }
    }
    Ok(outcome)
}

fn any<T>(parts: &[T], mut held: impl FnMut(&T) -> TableResult<Option<bool>>) -> TableResult<Option<bool>> {
    let mut outcome = Some(false);
    for part in parts {
        match held(part)? {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => outcome = None,
        }
    }
    Ok(outcome)
}
