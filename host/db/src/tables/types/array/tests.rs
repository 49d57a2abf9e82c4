//! Array literals by example.

use crate::tables::types::tests::{environment, read};
use crate::tables::types::{Type, Value, array_contains, array_overlaps, from_text};

#[track_caller]
fn reads(r#type: &str, text: &str, expected: &str) {
    assert_eq!(read(text, r#type, &environment("UTC")), expected, "{text} as {type}");
}

#[test]
fn literals_are_read_and_written() {
    reads("text[]", " { a , \"b c\" , NULL, \"NULL\" , \"\" } ", "{a,\"b c\",NULL,\"NULL\",\"\"}");
    reads("text[]", r#"{a\,b,"x\"y\\"}"#, r#"{"a,b","x\"y\\"}"#);
    reads("integer[]", "{{1,2},{3,NULL}}", "{{1,2},{3,NULL}}");
    reads("integer[]", "[0:1]={1,2}", "[0:1]={1,2}");
    reads("integer[]", "[1:2]={1,2}", "{1,2}");
    reads("integer[]", "{}", "{}");
    reads("timestamp[]", "{2024-01-15 12:00}", "{\"2024-01-15 12:00:00\"}");
    reads("numeric(3,1)[]", "{1.25}", "{1.3}");
}

#[test]
fn what_is_no_array_is_refused() {
    for text in [
        "",
        "1",
        "{",
        "}",
        "{1",
        "{1,}",
        "{,1}",
        "{1}{2}",
        "{{1},{2,3}}",
        "{{1},2}",
        "{{}}",
        "[2]={1}",
        "{\"a\"b}",
        "{1} x",
    ] {
        let error = from_text(text, Type::parse("text[]").unwrap(), &environment("UTC")).unwrap_err();
        assert_eq!(error.code, "22P02", "{text}");
    }
    reads("integer[]", "[2:1]={1}", "2202E: upper bound cannot be less than lower bound");
    reads("integer[]", "{{{{{{{1}}}}}}}", "54000: number of array dimensions (7) exceeds the maximum allowed (6)");
    reads("integer[]", &"{".repeat(1_000_000), "54000: number of array dimensions (7) exceeds the maximum allowed (6)");
    reads("integer[]", "{a}", "22P02: invalid input syntax for type integer: \"a\"");
}

#[test]
fn nulls_are_in_no_array() {
    let array = |text: &str| match from_text(text, Type::parse("integer[]").unwrap(), &environment("UTC")).unwrap() {
        Value::Array(array) => array,
        other => panic!("{other:?}"),
    };
    assert!(array_contains(&array("{1,2,3}"), &array("{3,1,1}")));
    assert!(array_contains(&array("{1}"), &array("{}")));
    assert!(!array_contains(&array("{1,NULL}"), &array("{NULL}")));
    assert!(array_overlaps(&array("{{1},{2}}"), &array("{2,9}")));
    assert!(!array_overlaps(&array("{NULL}"), &array("{NULL}")));
}
