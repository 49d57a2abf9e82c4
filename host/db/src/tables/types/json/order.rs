//! PostgreSQL's order of jsonb.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::tree::Json;

/// PostgreSQL's order of two jsonb. Neither is expected to be other than canonical; a text that is none comes last.
pub(in crate::tables::types) fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (Json::parse(a), Json::parse(b)) {
        (Ok(a), Ok(b)) => compare_roots(&a, &b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// At the root a scalar counts as an array of one: it is before every array but the empty one.
fn compare_roots(a: &Json<'_>, b: &Json<'_>) -> Ordering {
    match (a, b) {
        (Json::Array(elements), b) if b.is_scalar() => {
            if elements.is_empty() {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (a, Json::Array(_)) if a.is_scalar() => compare_roots(b, a).reverse(),
        _ => compare_values(a, b),
    }
}

/// A member of an object.
type Member<'a> = (Cow<'a, str>, Json<'a>);

fn compare_values(a: &Json<'_>, b: &Json<'_>) -> Ordering {
    match (a, b) {
        (Json::Boolean(a), Json::Boolean(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => a.cmp(b),
        (Json::String(a), Json::String(b)) => a.cmp(b),
        (Json::Array(a), Json::Array(b)) => {
            let values = || a.iter().zip(b).map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne());
            a.len().cmp(&b.len()).then_with(|| values().unwrap_or(Ordering::Equal))
        }
        (Json::Object(a), Json::Object(b)) => {
            let member = |(a, b): (&Member<'_>, &Member<'_>)| a.0.cmp(&b.0).then_with(|| compare_values(&a.1, &b.1));
            let members = || a.iter().zip(b).map(member).find(|order| order.is_ne());
            a.len().cmp(&b.len()).then_with(|| members().unwrap_or(Ordering::Equal))
        }
        _ => a.rank().cmp(&b.rank()),
    }
}

/// Two scalars, for containment.
pub(super) fn compare_scalars(a: &Json<'_>, b: &Json<'_>) -> Ordering {
    compare_values(a, b)
}
