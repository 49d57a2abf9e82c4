//! Whether one jsonb contains another.

use super::order::compare_scalars;
use super::tree::{Json, compare_keys};
use crate::tables::TableResult;
use crate::tables::sort::sort_by;
use crate::tables::types::steps::Steps;

/// Whether `a @> b`: each member of an object of b is one of a, each element of an array of b is one of a's, whatever their order. An
/// array also contains a scalar that is one of its elements, at the root alone. A text that is no JSON contains nothing.
///
/// # Errors
/// That of `steps`.
pub fn json_contains(a: &str, b: &str, steps: &Steps<'_>) -> TableResult<bool> {
    match (Json::parse(a), Json::parse(b)) {
        (Ok(a), Ok(b)) => match (&a, &b) {
            (Json::Array(_), Json::Array(_) | Json::Object(_)) => contains(&a, &b, steps),
            (Json::Array(elements), scalar) if is_scalar(scalar) => {
                Ok(elements.iter().any(|element| is_scalar(element) && compare_scalars(element, scalar).is_eq()))
            }
            _ => contains(&a, &b, steps),
        },
        _ => Ok(false),
    }
}

fn is_scalar(value: &Json<'_>) -> bool {
    !matches!(value, Json::Array(_) | Json::Object(_))
}

fn contains(a: &Json<'_>, b: &Json<'_>, steps: &Steps<'_>) -> TableResult<bool> {
    match (a, b) {
        (Json::Object(members), Json::Object(wanted)) => {
            if members.len() < wanted.len() {
                return Ok(false);
            }
            steps.take(wanted.len())?;
            for (key, value) in wanted {
                let Ok(at) = members.binary_search_by(|(other, _)| compare_keys(other, key)) else { return Ok(false) };
                if !contains(&members[at].1, value, steps)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Array(elements), Json::Array(wanted)) => {
            steps.take(elements.len() + wanted.len())?;
            // Scalars are looked up, so that two long arrays of them don't cost the product of their lengths.
            let mut scalars = elements.iter().filter(|element| is_scalar(element)).collect::<Vec<_>>();
            sort_by(&mut scalars, |a, b| compare_scalars(a, b));
            let has = |value| scalars.binary_search_by(|scalar| compare_scalars(scalar, value)).is_ok();
            for value in wanted {
                let is_one = if is_scalar(value) { has(value) } else { any_contains(elements, value, steps)? };
                if !is_one {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Array(_) | Json::Object(_), _) | (_, Json::Array(_) | Json::Object(_)) => Ok(false),
        (a, b) => Ok(compare_scalars(a, b).is_eq()),
    }
}

fn any_contains(elements: &[Json<'_>], value: &Json<'_>, steps: &Steps<'_>) -> TableResult<bool> {
    for element in elements {
        steps.take(1)?;
        if !is_scalar(element) && contains(element, value, steps)? {
            return Ok(true);
        }
    }
    Ok(false)
}
