//! Laws of all types: what is written is read again, the order is one, no text panics.

use std::cmp::Ordering;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::SeededRandom;
use crate::tables::Environment;

fn is_like(like: &Like, text: &str) -> bool {
    like.matches(text, &Steps::new(&|| Ok(()))).unwrap()
}

/// 2024-01-15T12:00:00Z, in a zone whose clocks change.
pub(super) fn environment(zone: &str) -> Environment {
    Environment {
        time_zone: time_zone(zone).unwrap(),
        now_us: 1_705_320_000_000_000,
        random: Arc::new(SeededRandom::new(1)),
    }
}

pub(super) const TYPES: &[&str] = &[
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "numeric(5,2)",
    "text",
    "varchar(4)",
    "char(4)",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "jsonb",
    "integer[]",
    "text[]",
    "timestamptz[]",
    "jsonb[]",
    "double precision[]",
    "bytea[]",
];

/// The value of a text as text, or the code and message of the error.
pub(super) fn read(text: &str, r#type: &str, env: &Environment) -> String {
    let r#type = Type::parse(r#type).unwrap();
    match from_text(text, r#type, env) {
        Ok(value) => written(&value, r#type, env),
        Err(error) => error.to_string(),
    }
}

pub(super) fn written(value: &Value<'_>, r#type: Type, env: &Environment) -> String {
    let mut out = String::new();
    write_text(value, r#type, env, &mut out);
    out
}

#[track_caller]
fn casts(text: &str, from: &str, to: &str, expected: &str) {
    let env = environment("Europe/Zurich");
    let (from, to) = (Type::parse(from).unwrap(), Type::parse(to).unwrap());
    let value = from_text(text, from, &env).unwrap();
    let found = match cast(value, from, to, &env) {
        Ok(value) => written(&value, to, &env),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{text}::{from}::{to}");
}

#[test]
fn casts_follow_postgresql() {
    casts("2.5", "numeric", "integer", "3");
    casts("-2.5", "numeric", "integer", "-3");
    casts("2.5", "double precision", "integer", "2");
    casts("3.5", "real", "bigint", "4");
    casts("1e300", "double precision", "real", "22003: value out of range: overflow");
    casts("NaN", "numeric", "integer", "0A000: cannot convert NaN to integer");
    casts("t", "boolean", "text", "true");
    casts("t", "boolean", "integer", "1");
    casts("t", "boolean", "bigint", "42846: cannot cast type boolean to bigint");
    casts("12345", "integer", "varchar(3)", "123");
    casts("ab", "char(4)", "text", "ab");
    casts("2024-07-01", "date", "timestamptz", "2024-07-01 00:00:00+02");
    casts("2024-07-01 12:00+00", "timestamptz", "time", "14:00:00");
    casts("infinity", "timestamp", "date", "infinity");
    casts("1.5", "jsonb", "smallint", "2");
    casts("\"a\"", "jsonb", "text", "\"a\"");
    casts("\"a\"", "jsonb", "integer", "22023: cannot cast jsonb string to type integer");
    casts("{1.5,NULL}", "numeric[]", "integer[]", "{2,NULL}");
    casts("{1,2}", "integer[]", "text", "{1,2}");
    casts("{1}", "text", "integer[]", "{1}");
    casts("{1}", "integer[]", "integer", "42846: cannot cast type integer[] to integer");
    casts("0.1", "real", "numeric", "0.1");
    casts("x", "text", "integer", "22P02: invalid input syntax for type integer: \"x\"");
}

#[track_caller]
fn from(json: &str, r#type: &str, expected: &str) {
    let env = environment("UTC");
    let r#type = Type::parse(r#type).unwrap();
    let found = match from_json(json, r#type, &env) {
        Ok(Value::Null) => "null".to_owned(),
        Ok(value) => written(&value, r#type, &env),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{json} as {type}");
}

#[test]
fn json_is_read_as_json_populate_record_does() {
    from("null", "jsonb", "null");
    from("\"null\"", "text", "null");
    from("1.0", "integer", "22P02: invalid input syntax for type integer: \"1.0\"");
    from("1.0", "text", "1.0");
    from("true", "boolean", "t");
    from("{ \"a\" :1}", "text", "{ \"a\" :1}");
    from("{ \"b\":1,\"a\":2}", "jsonb", "{\"a\": 2, \"b\": 1}");
    from("\"x\"", "jsonb", "\"x\"");
    from("\"{1,2}\"", "integer[]", "{1,2}");
    from("[[1,2],[3,null]]", "integer[]", "{{1,2},{3,NULL}}");
    from("[[1],[2,3]]", "integer[]", "22P02: malformed JSON array");
    from("[]", "text[]", "{}");
    from("1", "integer[]", "22P02: expected JSON array");
    from("[{\"a\":1},[1]]", "jsonb[]", "{\"{\\\"a\\\": 1}\",[1]}");
    from("\"\\u0000\"", "text", "22P05: unsupported Unicode escape sequence");
    from("\"abcd \"", "varchar(4)", "abcd");
    from("\"abcde\"", "varchar(4)", "22001: value too long for type character varying(4)");
}

#[track_caller]
fn to_json(text: &str, r#type: &str, expected: &str) {
    let env = environment("Asia/Kathmandu");
    let r#type = Type::parse(r#type).unwrap();
    let mut out = Vec::new();
    write_json(&from_text(text, r#type, &env).unwrap(), r#type, &env, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), expected, "{text} as {type}");
}

#[test]
fn values_become_json_as_to_json_does() {
    to_json("NaN", "double precision", "\"NaN\"");
    to_json("-Infinity", "real", "\"-Infinity\"");
    to_json("1.50", "numeric", "1.50");
    to_json("1e100", "double precision", "1e+100");
    to_json("2024-01-15 12:00+00", "timestamptz", "\"2024-01-15T17:45:00+05:45\"");
    to_json("0044-03-15 BC", "date", "\"0044-03-15 BC\"");
    to_json("infinity", "timestamp", "\"infinity\"");
    to_json("a\"\\\n\u{1}", "text", "\"a\\\"\\\\\\n\\u0001\"");
    to_json("{{1,2},{3,NULL}}", "integer[]", "[[1,2],[3,null]]");
    to_json("{a,NULL}", "text[]", "[\"a\",null]");
    to_json("\\x00ff", "bytea", "\"\\\\x00ff\"");
}

#[test]
fn names_of_types_are_postgresqls() {
    for (name, expected) in [
        ("INT4", "integer"),
        ("varchar ( 10 )", "character varying(10)"),
        ("numeric(5,-2)", "numeric(5,-2)"),
        ("timestamp(6) with time zone", "timestamp with time zone"),
        ("text[][]", "text[]"),
        ("integer ARRAY", "integer[]"),
        ("json", "jsonb"),
        ("char", "character(1)"),
        ("bpchar", "bpchar"),
    ] {
        assert_eq!(Type::parse(name).unwrap().to_string(), expected);
    }
    for (name, code, has_hint) in [
        ("nosuch", "42704", false),
        ("interval", "42704", true),
        ("inet", "42704", true),
        ("timestamp(3)", "42704", true),
        ("serial", "42704", true),
        ("varchar(0)", "22023", false),
        ("numeric(1001)", "22023", false),
        ("", "42704", false),
        ("]", "42704", false),
        ("int4(", "42704", false),
    ] {
        let error = Type::parse(name).unwrap_err();
        assert_eq!((error.code, error.hint.is_some()), (code, has_hint), "{name}: {error}");
    }
    assert_eq!(Type::parse_column("BigSerial").unwrap(), (Type::scalar(Scalar::BigInt), true));
    assert_eq!(Type::parse_column("text").unwrap(), (Type::TEXT, false));
}

#[test]
fn a_function_without_the_type_is_undefined() {
    use mantis_dialect::Aggregate;
    let of = |name: &str| Some(Type::parse(name).unwrap());
    assert_eq!(aggregate_type(Aggregate::Sum, of("integer")).unwrap().to_string(), "bigint");
    assert_eq!(aggregate_type(Aggregate::Sum, of("bigint")).unwrap().to_string(), "numeric");
    assert_eq!(aggregate_type(Aggregate::Average, of("real")).unwrap().to_string(), "double precision");
    let error = aggregate_type(Aggregate::Minimum, of("boolean")).unwrap_err();
    assert_eq!(error.to_string(), "42883: function min(boolean) does not exist");
    let mut sum = Accumulator::new(Aggregate::Sum, of("text"));
    assert_eq!(sum.add(&Value::Integer(1)).unwrap_err().code, "42883");
}

#[test]
fn sums_and_averages_have_postgresqls_types_and_scales() {
    use mantis_dialect::Aggregate::{Average, Count, Maximum, Sum};
    let env = environment("UTC");
    let run = |function, name: &str, texts: &[&str]| {
        let r#type = Type::parse(name).unwrap();
        let mut accumulator = Accumulator::new(function, Some(r#type));
        for text in texts {
            accumulator.add(&from_text(text, r#type, &env).unwrap()).unwrap();
        }
        accumulator.add(&Value::Null).unwrap();
        let of = aggregate_type(function, Some(r#type)).unwrap();
        accumulator.finish().map_or_else(|error| error.to_string(), |value| written(&value, of, &env))
    };
    assert_eq!(run(Average, "integer", &["1", "2"]), "1.5000000000000000");
    assert_eq!(run(Average, "integer", &["1", "1", "2"]), "1.3333333333333333");
    assert_eq!(run(Average, "numeric", &["1.50", "2.5"]), "2.0000000000000000");
    assert_eq!(run(Sum, "numeric", &["1.50", "2.5"]), "4.00");
    assert_eq!(run(Sum, "bigint", &["9223372036854775807", "1"]), "9223372036854775808");
    assert_eq!(run(Sum, "integer", &[]), "");
    assert_eq!(run(Count, "integer", &["1", "1"]), "2");
    assert_eq!(run(Maximum, "text", &["a", "b", "B"]), "b");
    assert_eq!(run(Maximum, "double precision", &["1", "NaN", "Infinity"]), "NaN");
}

#[test]
fn patterns_take_percent_underscore_and_backslash() {
    for (text, pattern, ignore_case, expected) in [
        ("abc", "abc", false, true),
        ("abc", "a%", false, true),
        ("abc", "%c", false, true),
        ("abc", "a_c", false, true),
        ("ac", "a_c", false, false),
        ("aXbXc", "a%b%c", false, true),
        ("ab", "a%b%b", false, false),
        ("aab", "a%ab", false, true),
        ("a%c", "a\\%c", false, true),
        ("abc", "a\\%c", false, false),
        ("日本語", "_本_", false, true),
        ("", "%", false, true),
        ("", "_", false, false),
        ("a\nb", "a%b", false, true),
        ("ÄB", "äb", true, true),
        ("straße", "STRA_E", true, true),
        ("xaybz", "%a_b%", false, true),
        ("xaabz", "%a_b%", false, true),
    ] {
        assert_eq!(is_like(&Like::new(pattern, ignore_case).unwrap(), text), expected, "{text} like {pattern}");
    }
    assert_eq!(Like::new("a\\", false).unwrap_err().code, "22025");
    assert!(is_like(&Like::from_dialect("a*c", false).unwrap(), "abbc"));
    let like = Like::new("ab%c", false).unwrap();
    assert_eq!((like.prefix(), like.is_exact()), (Some("ab"), false));
    let like = Like::new("ab_c%", false).unwrap();
    assert_eq!((like.prefix(), like.is_exact()), (Some("ab"), false));
    let like = Like::new("ab", false).unwrap();
    assert_eq!((like.prefix(), like.is_exact()), (Some("ab"), true));
    assert_eq!(Like::new("ab%", true).unwrap().prefix(), None);
    assert_eq!(Like::new("%ab", false).unwrap().prefix(), None);
}

#[test]
fn expressions_that_need_backtracking_are_refused_with_a_hint() {
    for regex in [r"(a)\1", r"(?=a)", r"(?<!a)b"] {
        let error = Pattern::new(regex, false).unwrap_err();
        assert!(error.code == "2201B" && error.hint.is_some(), "{error}");
    }
    for regex in ["(", "a{1000}{1000}", "[", &"(".repeat(100_000)] {
        assert_eq!(Pattern::new(regex, false).unwrap_err().code, "2201B");
    }
    assert!(Pattern::new("^a.b$", true).unwrap().matches("A\nB"));
}

#[test]
fn a_path_finds_what_is_there_and_null_elsewhere() {
    use mantis_dialect::JsonStep;
    let member = |name: &str, is_text| JsonStep::Member { name: name.into(), is_text };
    let element = |index, is_text| JsonStep::Element { index, is_text };
    let env = environment("UTC");
    let find = |text: &str, name: &str, steps: &[JsonStep]| {
        let r#type = Type::parse(name).unwrap();
        let found = json_path(&from_text(text, r#type, &env).unwrap(), r#type, steps);
        if found.is_null() { "null".to_owned() } else { written(&found, json_path_type(steps), &env) }
    };
    let json = r#"{"a":{"b":[1,{"c":"x\"y"},null]},"0":5}"#;
    assert_eq!(find(json, "jsonb", &[member("a", false), member("b", false), element(1, false)]), r#"{"c": "x\"y"}"#);
    assert_eq!(
        find(json, "jsonb", &[member("a", false), member("b", false), member("1", false), member("c", true)]),
        "x\"y"
    );
    assert_eq!(find(json, "jsonb", &[member("a", false), member("b", false), element(-1, true)]), "null");
    assert_eq!(find(json, "jsonb", &[element(0, false)]), "null");
    assert_eq!(find(json, "jsonb", &[member("0", true)]), "5");
    assert_eq!(find(json, "jsonb", &[member("nosuch", false), member("a", false)]), "null");
    assert_eq!(find("{{1,2},{3,4}}", "integer[]", &[element(1, false)]), "[3, 4]");
    assert_eq!(find("{a,b}", "text[]", &[element(1, true)]), "b");
    assert_eq!(find("{a,b}", "text[]", &[element(i64::MIN, true)]), "null");
}

fn a_type() -> impl Strategy<Value = &'static str> {
    prop::sample::select(TYPES)
}

/// Text that is near to a value of some type.
fn a_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+0-9.eE:/ TZ]{0,24}",
        "[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,7})?)?([+-][01][0-9]|Z)?)?( BC)?",
        "\\{(\"[a-z \\\\]{0,3}\"|[0-9]{1,2}|NULL|,|\\{|\\}){0,6}\\}",
        "[\\[\\]{}\",:0-9a-zA-Z\\\\ .-]{0,30}",
        "-?[0-9]{1,60}(\\.[0-9]{0,60})?(e-?[0-9]{1,3})?",
    ]
}

proptest! {
    #[test]
    fn any_text_is_a_value_or_an_error_and_what_is_written_is_read_again(name in a_type(), text in a_text()) {
        let (env, r#type) = (environment("America/New_York"), Type::parse(name).unwrap());
        if let Ok(value) = from_text(&text, r#type, &env) {
            let once = written(&value, r#type, &env);
            let again = from_text(&once, r#type, &env).unwrap();
            prop_assert_eq!(compare(&value, &again), Ordering::Equal);
            prop_assert_eq!(written(&again, r#type, &env), once.clone());
            let mut json = Vec::new();
            write_json(&value, r#type, &env, &mut json);
            let json = String::from_utf8(json).unwrap();
            prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&json).is_ok(), "{}", json);
            // The JSON form loses the bounds of an array, and a jsonb null is a null.
            if !once.starts_with('[') && json != "null" && name != "jsonb[]" {
                let again = from_json(&json, r#type, &env).unwrap();
                prop_assert_eq!(compare(&value, &again), Ordering::Equal, "{}", json);
            }
        }
    }

    #[test]
    fn any_text_as_json_is_a_value_or_an_error(name in a_type(), text in a_text()) {
        let (env, r#type) = (environment("UTC"), Type::parse(name).unwrap());
        let _ = from_json(&text, r#type, &env);
        let _ = from_json(&serde_json::to_string(&text).unwrap(), r#type, &env);
        let _ = from_json(&format!("[{text}]"), r#type, &env);
    }

    #[test]
    fn any_name_is_a_type_or_an_error(name in "[a-z0-9(), \\[\\]]{0,20}|.{0,20}") {
        if let Ok(r#type) = Type::parse(&name) {
            prop_assert_eq!(Type::parse(&r#type.to_string()).unwrap(), r#type);
        }
        let _ = time_zone(&name);
    }

    #[test]
    fn every_cast_is_a_value_or_an_error(from_name in a_type(), to_name in a_type(), text in a_text()) {
        let env = environment("Asia/Kathmandu");
        let (from, to) = (Type::parse(from_name).unwrap(), Type::parse(to_name).unwrap());
        if let Ok(value) = from_text(&text, from, &env) {
            let result = cast(value, from, to, &env);
            prop_assert_eq!(can_cast(from, to), result.as_ref().map_or_else(|error| error.code != "42846", |_| true));
        }
    }

    #[test]
    fn the_order_is_total(name in a_type(), texts in prop::collection::vec(a_text(), 3..12)) {
        let (env, r#type) = (environment("UTC"), Type::parse(name).unwrap());
        let mut values = texts.iter().filter_map(|text| from_text(text, r#type, &env).ok()).collect::<Vec<_>>();
        for a in &values {
            for b in &values {
                prop_assert_eq!(compare(a, b), compare(b, a).reverse());
                prop_assert_eq!(equal(a, b), compare(a, b).is_eq());
            }
        }
        values.sort_by(compare);
        for (at, a) in values.iter().enumerate() {
            prop_assert!(values[at..].iter().all(|b| compare(a, b).is_le()));
        }
    }

    #[test]
    fn like_agrees_with_a_regular_expression(text in "[abAä%_\\n]{0,10}", pattern in "([ab%_A]|\\\\%|\\\\_){0,8}", ignore_case: bool) {
        let mut regex = String::from("^(?s:");
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                '%' => regex.push_str(".*"),
                '_' => regex.push('.'),
                '\\' => regex.push(characters.next().unwrap()),
                other => regex.push(other),
            }
        }
        regex.push_str(")$");
        let expected = Pattern::new(&regex, ignore_case).unwrap().matches(&text);
        let like = Like::new(&pattern, ignore_case).unwrap();
        prop_assert_eq!(is_like(&like, &text), expected);
        if let Some(prefix) = like.prefix() && expected {
            prop_assert!(text.starts_with(prefix));
        }
    }

    #[test]
    fn any_path_into_any_value_is_a_value(text in a_text(), name in ".{0,3}", index: i64, name_of_type in a_type()) {
        use mantis_dialect::JsonStep;
        let (env, r#type) = (environment("UTC"), Type::parse(name_of_type).unwrap());
        let steps = [
            JsonStep::Element { index, is_text: false },
            JsonStep::Member { name: name.as_str().into(), is_text: true },
        ];
        for value in [Value::Json(text.clone().into()), from_text(&text, r#type, &env).unwrap_or(Value::Null)] {
            let _ = json_path(&value, r#type, &steps);
            let _ = json_path(&value, r#type, &steps[1..]);
            let _ = json_path(&value, r#type, &steps[..1]);
        }
    }
}
