//! Whether a partial index has all rows that a filter lets pass.

use crate::tables::Environment;
use crate::tables::query::bind;
use crate::tables::query::bound::{Comparison, Predicate, Subject, Test};
use crate::tables::schema::Table;
use crate::tables::table::Index;
use crate::tables::time_zone::TimeZone;
use crate::tables::types::{Value, compare, equal};

/// Which rows a partial index has.
pub(super) fn filter_of(table: &Table, index: &Index, environment: &Environment) -> Option<Predicate> {
    let filter = index.filter.as_ref()?;
    // It means the same to every statement, whatever that's time zone is.
    let environment = Environment { time_zone: TimeZone::UTC, ..environment.clone() };
    bind::predicate(&filter.conditions, table, &environment).ok()
}

/// Whether `demanded` is true of every row of which `known` is. A `false` is no proof of the contrary.
pub(super) fn implies(known: &Predicate, demanded: &Predicate) -> bool {
    match (known, demanded) {
        (_, Predicate::And(parts)) => parts.iter().all(|part| implies(known, part)),
        (Predicate::Or(parts), _) => parts.iter().all(|part| implies(part, demanded)),
        (_, Predicate::Or(parts)) if parts.iter().any(|part| implies(known, part)) => true,
        (Predicate::And(parts), _) => parts.iter().any(|part| implies(part, demanded)),
        (Predicate::Not(known), Predicate::Not(demanded)) => is_same(known, demanded),
        (
            Predicate::Test { subject: Subject::Expression(known), test },
            Predicate::Test { subject: Subject::Expression(demanded), test: wanted },
        ) => known == demanded && test_implies(test, wanted),
        (Predicate::Test { subject: Subject::Expression(known), test }, Predicate::Not(demanded)) => matches!(
            &**demanded,
            Predicate::Test { subject: Subject::Expression(demanded), test: Test::IsNull }
                if known == demanded && excludes_null(test)
        ),
        _ => false,
    }
}

/// Whether two predicates say the same of the same values.
fn is_same(left: &Predicate, right: &Predicate) -> bool {
    match (left, right) {
        (
            Predicate::Test { subject: Subject::Expression(left), test: left_test },
            Predicate::Test { subject: Subject::Expression(right), test: right_test },
        ) => left == right && is_same_test(left_test, right_test),
        _ => false,
    }
}

fn is_same_test(left: &Test, right: &Test) -> bool {
    let same = |left: &Value<'_>, right: &Value<'_>| match (left.is_null(), right.is_null()) {
        (false, false) => equal(left, right),
        (left, right) => left && right,
    };
    match (left, right) {
        (Test::IsNull, Test::IsNull) | (Test::IsNotNull, Test::IsNotNull) => true,
        (Test::IsBoolean(left), Test::IsBoolean(right)) => left == right,
        (Test::Compare(left, value), Test::Compare(right, other)) => left == right && same(value, other),
        (Test::IsDistinct(left), Test::IsDistinct(right)) => same(left, right),
        (Test::In(left), Test::In(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => false,
    }
}

/// Whether a value that passes `known` passes `demanded`.
fn test_implies(known: &Test, demanded: &Test) -> bool {
    if is_same_test(known, demanded) {
        return true;
    }
    let passes = |value: &Value<'_>| passes(demanded, value);
    match (known, demanded) {
        (_, Test::IsNotNull) => excludes_null(known),
        (Test::Compare(Comparison::Equal, value), _) => passes(value),
        (Test::In(values), _) => values.iter().all(passes),
        (Test::IsBoolean(value), _) => passes(&Value::Boolean(*value)),
        (Test::Compare(known, value), Test::Compare(demanded, bound)) => {
            use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
            if value.is_null() || bound.is_null() {
                return false;
            }
            let order = compare(value, bound);
            match (known, demanded) {
                (Greater, Greater | GreaterOrEqual | NotEqual) | (GreaterOrEqual, GreaterOrEqual) => order.is_ge(),
                (Less, Less | LessOrEqual | NotEqual) | (LessOrEqual, LessOrEqual) => order.is_le(),
                (GreaterOrEqual, Greater | NotEqual) => order.is_gt(),
                (LessOrEqual, Less | NotEqual) => order.is_lt(),
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether a test that needs nothing but the value itself is passed for certain.
fn passes(test: &Test, value: &Value<'_>) -> bool {
    if value.is_null() {
        return false;
    }
    match test {
        Test::IsNotNull => true,
        Test::IsBoolean(wanted) => matches!(value, Value::Boolean(value) if value == wanted),
        Test::Compare(comparison, other) => !other.is_null() && comparison.holds(compare(value, other)),
        Test::In(values) => values.iter().any(|other| equal(value, other)),
        Test::IsDistinct(other) => other.is_null() || !equal(value, other),
        _ => false,
    }
}

/// Whether null does not pass.
fn excludes_null(test: &Test) -> bool {
    match test {
        Test::IsNull | Test::IsDistinct(_) => false,
        Test::Any(tests) => tests.iter().all(excludes_null),
        Test::All(tests) => tests.iter().any(excludes_null),
        _ => true,
    }
}
