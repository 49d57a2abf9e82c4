//! Whether one jsonb contains another.

use super::order::compare_scalars;
use super::tree::{Json, compare_keys};
use crate::tables::sort::sort_by;

/// Whether `a @> b`: each member of an object of b is one of a, each element of an array of b is one of a's, whatever their order. An
/// array also contains a scalar that is one of its elements, at the root alone. A text that is no JSON contains nothing.
#[must_use]
pub fn json_contains(a: &str, b: &str) -> bool {
    match (Json::parse(a), Json::parse(b)) {
        (Ok(a), Ok(b)) => match (&a, &b) {
            (Json::Array(_), Json::Array(_) | Json::Object(_)) => contains(&a, &b),
            (Json::Array(elements), scalar) => {
                elements.iter().any(|element| contains(element, scalar) && is_scalar(element))
            }
            _ => contains(&a, &b),
        },
        _ => false,
    }
}

fn is_scalar(value: &Json<'_>) -> bool {
    !matches!(value, Json::Array(_) | Json::Object(_))
}

fn contains(a: &Json<'_>, b: &Json<'_>) -> bool {
    match (a, b) {
        (Json::Object(members), Json::Object(wanted)) => {
            members.len() >= wanted.len()
                && wanted.iter().all(|(key, value)| {
                    let found = members.binary_search_by(|(other, _)| compare_keys(other, key));
                    found.is_ok_and(|at| contains(&members[at].1, value))
                })
        }
        (Json::Array(elements), Json::Array(wanted)) => {
            // Scalars are looked up, so that two long arrays of them don't cost the product of their lengths.
            let mut scalars = elements.iter().filter(|element| is_scalar(element)).collect::<Vec<_>>();
            sort_by(&mut scalars, |a, b| compare_scalars(a, b));
            wanted.iter().all(|value| {
                if is_scalar(value) {
                    return scalars.binary_search_by(|scalar| compare_scalars(scalar, value)).is_ok();
                }
                elements.iter().any(|element| !is_scalar(element) && contains(element, value))
            })
        }
        (Json::Array(_) | Json::Object(_), _) | (_, Json::Array(_) | Json::Object(_)) => false,
        (a, b) => compare_scalars(a, b).is_eq(),
    }
}
