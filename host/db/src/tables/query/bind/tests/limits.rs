//! What is too large to be bound.

use super::check::{check, refuse};
use crate::limits::{EMBEDS_MAX, OUTPUTS_MAX, QUERY_DEPTH_MAX};
use crate::tables::code;

#[test]
fn embeds_are_bounded() {
    let nested = |levels: usize| {
        let mut text = "id".to_owned();
        for level in 0..levels {
            text = if level % 2 == levels % 2 { format!("cities({text})") } else { format!("authors({text})") };
        }
        format!("cities?select={text}")
    };
    let message =
        format!("a query embeds at most {EMBEDS_MAX} tables, in at most {QUERY_DEPTH_MAX} levels of each other");
    refuse(&nested(QUERY_DEPTH_MAX + 1), code::LIMIT_EXCEEDED, &message);
    assert!(super::check::Asked::new(&nested(QUERY_DEPTH_MAX)).bind().is_ok());
    let beside = |count: usize| format!("cities?select={}", vec!["authors()"; count].join(","));
    refuse(&beside(EMBEDS_MAX + 1), code::LIMIT_EXCEEDED, &message);
    assert!(super::check::Asked::new(&beside(EMBEDS_MAX)).bind().is_ok());
}

#[test]
fn outputs_are_bounded() {
    let message = format!("a row of an answer has at most {OUTPUTS_MAX} columns");
    refuse(&format!("cities?select={}", vec!["*"; OUTPUTS_MAX / 3 + 1].join(",")), code::LIMIT_EXCEEDED, &message);
    let spread = vec!["*"; OUTPUTS_MAX / 3].join(",");
    refuse(&format!("authors?select=id,name,rank,...cities({spread})"), code::LIMIT_EXCEEDED, &message);
    check("plans?select=*", "plans[id, name]");
}
