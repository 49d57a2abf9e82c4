//! jsonb by example, and its laws.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::tables::types::Steps;
use crate::tables::{TableError, code};

#[track_caller]
fn reads(text: &str, expected: &str) {
    let found =
        canonical(text).unwrap_or_else(|error| format!("{} {}", error.code, error.details.clone().unwrap_or_default()));
    assert_eq!(found, expected, "{text}");
}

#[test]
fn text_is_as_postgresql_prints_it() {
    reads(r#"{"bb":1,"a":2,"c":[1,2]}"#, r#"{"a": 2, "c": [1, 2], "bb": 1}"#);
    reads(r#"{"a":1,"a":2,"a":3}"#, r#"{"a": 3}"#);
    reads("1e2", "100");
    reads("1.0", "1.0");
    reads("-0", "0");
    reads(r#""\u00e4\ud83d\ude00\/""#, "\"ä😀/\"");
    reads("\"\u{7f}\\u0001\"", "\"\u{7f}\\u0001\"");
    reads(" [ ] ", "[]");
    reads(r#""\u0000""#, "22P05 \\u0000 cannot be converted to text.");
    reads(r#""\ud83d""#, "22P02 Unicode low surrogate must follow a high surrogate.");
    reads("[1,]", "22P02 Expected JSON value, but found \"]\".");
    reads("{\"a\"", "22P02 The input string ended unexpectedly.");
    reads("nul", "22P02 Token \"nul\" is invalid.");
    reads("", "22P02 The input string ended unexpectedly.");
}

#[test]
fn depth_is_bounded_before_the_stack_is() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(canonical(&nested(JSON_DEPTH_MAX)).is_ok());
    assert_eq!(canonical(&nested(JSON_DEPTH_MAX + 2)).unwrap_err().code, "54000");
    assert_eq!(canonical(&"[".repeat(1_000_000)).unwrap_err().code, "54000");
    assert_eq!(canonical(&"{\"a\":".repeat(1_000_000)).unwrap_err().code, "54000");
    assert_eq!(items(&"[".repeat(1_000_000)).count(), 1);
}

fn contains(a: &str, b: &str) -> bool {
    json_contains(a, b, &Steps::new(&|| Ok(()))).unwrap()
}

#[test]
fn two_long_arrays_of_objects_are_compared_as_long_as_they_may() {
    let list = |member: &str| {
        format!("[{}]", (0..3_000).map(|n| format!("{{\"{member}\":{n}}}")).collect::<Vec<_>>().join(","))
    };
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        if asked.get() < 10 { Ok(()) } else { Err(TableError::new(code::QUERY_CANCELED, "too long")) }
    };
    let stopped = json_contains(&list("a"), &list("a"), &Steps::new(&stop)).unwrap_err();
    assert_eq!((stopped.code, asked.get()), (code::QUERY_CANCELED, 10));
}

#[test]
fn one_contains_another_as_in_postgresql() {
    for (a, b, expected) in [
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, true),
        (r#"{"a":1.0}"#, r#"{"a":1.00}"#, true),
        ("[1,2,[1,3]]", "[1,3]", false),
        ("[1,2,[1,3]]", "[[1,3]]", true),
        (r#"["foo","bar"]"#, r#""bar""#, true),
        (r#""bar""#, r#"["bar"]"#, false),
        ("[[1]]", "1", false),
        ("{}", "[]", false),
        ("[]", "{}", false),
        ("[1]", "{}", false),
        ("[1,1]", "[1,1,1]", true),
        (r#"{"a":[1,2]}"#, r#"{"a":1}"#, false),
        ("null", "null", true),
    ] {
        assert_eq!(contains(a, b), expected, "{a} @> {b}");
    }
}

#[test]
fn kinds_are_ordered_with_the_empty_array_before_scalars() {
    let ordered = [
        "[]",
        "null",
        "\"a\"",
        "\"b\"",
        "1",
        "2",
        "false",
        "true",
        "[1]",
        "[2]",
        "[1, 1]",
        "{}",
        "{\"a\": 1}",
        "{\"b\": 0}",
    ];
    for (at, a) in ordered.iter().enumerate() {
        for (other, b) in ordered.iter().enumerate() {
            assert_eq!(compare(a, b), at.cmp(&other), "{a}, {b}");
        }
    }
    assert!(compare("1.0", "1.00").is_eq());
}

fn a_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text.replace('\0', "")).unwrap()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|elements| format!("[{}]", elements.join(" ,\n"))),
            prop::collection::vec(("[ab]{0,2}", inner), 0..6).prop_map(|members| {
                let members = members.iter().map(|(key, value)| format!("\"{key}\":{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_is_a_fixed_point(text in a_json()) {
        let once = canonical(&text).unwrap();
        prop_assert_eq!(canonical(&once).unwrap(), once.clone());
        prop_assert!(compare(&text, &once).is_eq());
        prop_assert!(contains(&once, &text));
    }

    #[test]
    fn members_and_elements_are_found_without_a_tree(text in a_json(), name in "[ab]{0,2}", index in -3_i64..6) {
        let text = canonical(&text).unwrap();
        let expected = match Json::parse(&text).unwrap() {
            Json::Object(members) => members.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value),
            _ => None,
        };
        let shown = |value: Json<'_>| { let mut out = String::new(); value.write(&mut out); out };
        prop_assert_eq!(member(&text, &name).map(str::to_owned), expected.map(shown));
        let expected = match Json::parse(&text).unwrap() {
            Json::Array(mut elements) => {
                let length = i64::try_from(elements.len()).unwrap();
                let at = if index < 0 { length + index } else { index };
                (0..length).contains(&at).then(|| elements.swap_remove(usize::try_from(at).unwrap()))
            }
            _ => None,
        };
        prop_assert_eq!(element(&text, index).map(str::to_owned), expected.map(shown));
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:0-9eEa-z\\\\ .-]{0,40}|.{0,20}") {
        let _ = canonical(&text);
        let _ = items(&text).take(100).count();
        let _ = member(&text, "a");
        let _ = element(&text, -1);
    }
}
