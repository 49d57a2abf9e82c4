//! Every plain type converts from JSON and back.

use mantis_plugin::{CallError, ValueType};
use serde_json::{Value, json};

use crate::support::{Fixture, writing};

/// The answer of a function of the fixture to one argument, or the argument's error as `place: reason`.
async fn call(fixture: &Fixture, function: &str, arguments: &Value) -> Result<Value, String> {
    match fixture.host.call("types", function, arguments.clone()).await {
        Ok(called) => Ok(called.value),
        Err(CallError::ArgumentsInvalid { place, reason }) => Err(format!("{place}: {reason}")),
        Err(error) => panic!("{function}{arguments}: {error}"),
    }
}

/// One JSON text may come back in another form: the right one.
#[tokio::test]
async fn every_type_echoes() {
    let fixture = Fixture::with_guest("types", &[]).await;
    let same: &[(&str, Value)] = &[
        ("echo-bool", json!(true)),
        ("echo-s8", json!(-128)),
        ("echo-u8", json!(255)),
        ("echo-s16", json!(-32_768)),
        ("echo-u16", json!(65_535)),
        ("echo-s32", json!(i32::MIN)),
        ("echo-u32", json!(u32::MAX)),
        ("echo-s64", json!(-9_007_199_254_740_991_i64)),
        ("echo-s64", json!("-9223372036854775808")),
        ("echo-u64", json!(9_007_199_254_740_991_u64)),
        ("echo-u64", json!("18446744073709551615")),
        // One beyond what every JSON reader has exactly.
        ("echo-s64", json!("-9007199254740992")),
        ("echo-u64", json!("9007199254740992")),
        ("echo-f32", json!(0.1)),
        ("echo-f32", json!("NaN")),
        ("echo-f64", json!(0.1)),
        ("echo-f64", json!(1e300)),
        ("echo-f64", json!("Infinity")),
        ("echo-f64", json!("-Infinity")),
        ("echo-char", json!("ß")),
        ("echo-char", json!("🦐")),
        ("echo-string", json!("")),
        ("echo-string", json!("zwei\u{0}Zeilen\n🦐")),
        ("echo-bytes", json!("text")),
        ("echo-bytes", json!({ "base64": "/wA=" })),
        ("echo-list", json!([[], [1, -2], [3]])),
        ("echo-tuple", json!([7, "seven", false])),
        ("echo-option", json!(null)),
        ("echo-option", json!(3)),
        ("echo-nested-option", json!(null)),
        ("echo-nested-option", json!({ "some": null })),
        ("echo-nested-option", json!({ "some": 3 })),
        ("echo-enum", json!("green-blue")),
        ("echo-flags", json!([])),
        ("echo-flags", json!(["read", "grant-others"])),
        ("echo-variant", json!("nothing")),
        ("echo-variant", json!({ "circle": 1.5 })),
        ("echo-variant", json!({ "sides": [3, 4, 5] })),
        ("echo-variant", json!({ "named": ["sky", "green-blue"] })),
        ("echo-variant", json!({ "maybe": null })),
        ("echo-variant", json!({ "maybe": "so" })),
        ("echo-list-of-results", json!([{ "ok": 1 }, { "err": "no" }])),
        (
            "echo-record",
            json!({
                "id": "18446744073709551615", "nick-name": "ada", "colors": ["red", "green-blue"], "rights": ["write"],
                "shape": { "circle": 2.0 }, "nested": { "some": 1 }, "outcome": { "err": "no" }, "bare": { "ok": null },
            }),
        ),
        (
            "echo-entry",
            json!({
                "key": "key", "value": { "base64": "/w==" }, "media-type": "text/plain", "version": 1, "modified-at-ms": 2,
                "expires-at-ms": null,
            }),
        ),
    ];
    for (function, value) in same {
        assert_eq!(call(&fixture, function, &json!([value])).await.as_ref(), Ok(value), "{function} {value}");
        assert_eq!(
            call(&fixture, function, &json!({ "value": value })).await.as_ref(),
            Ok(value),
            "{function} {value}"
        );
    }
    let other_forms: &[(&str, Value, Value)] = &[
        ("echo-s8", json!("-5"), json!(-5)),
        ("echo-u32", json!(2.0), json!(2)),
        ("echo-u64", json!(u64::MAX), json!("18446744073709551615")),
        ("echo-s64", json!("12"), json!(12)),
        ("echo-f64", json!(3), json!(3.0)),
        ("echo-bytes", json!([104, 105]), json!("hi")),
        ("echo-bytes", json!({ "base64": "aGk=" }), json!("hi")),
        ("echo-flags", json!(["write", "write"]), json!(["write"])),
        ("echo-variant", json!({ "nothing": null }), json!("nothing")),
        ("echo-variant", json!("maybe"), json!({ "maybe": null })),
    ];
    for (function, given, expected) in other_forms {
        assert_eq!(call(&fixture, function, &json!([given])).await.as_ref(), Ok(expected), "{function} {given}");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_named() {
    let fixture = Fixture::with_guest("types", &[]).await;
    let cases: &[(&str, Value, &str)] = &[
        ("echo-bool", json!([1]), "value: expected a boolean, got a number"),
        ("echo-s8", json!([128]), "value: expected an integer from -128 to 127"),
        ("echo-u32", json!([1.5]), "value: expected an integer from 0 to 4294967295"),
        ("echo-u64", json!(["-1"]), "value: expected an integer from 0 to 18446744073709551615"),
        ("echo-u64", json!([null]), "value: expected an integer, got null"),
        ("echo-f64", json!(["much"]), "value: expected a number, \"NaN\", \"Infinity\" or \"-Infinity\", got a string"),
        ("echo-char", json!(["ab"]), "value: expected a string of one character"),
        ("echo-char", json!([""]), "value: expected a string of one character"),
        ("echo-string", json!([1]), "value: expected a string, got a number"),
        (
            "echo-bytes",
            json!([{ "base64": "?" }]),
            "value: the text in `base64` is not base64 (the standard alphabet, with padding)",
        ),
        ("echo-bytes", json!([[1, 256]]), "value[1]: expected an integer from 0 to 255"),
        ("echo-list", json!([[[1], [2, true]]]), "value[1][1]: expected an integer, got a boolean"),
        ("echo-tuple", json!([[1, "a"]]), "value: expected an array of 3, got an array"),
        ("echo-enum", json!(["blue"]), "value: \"blue\" is not known here; there is red, green-blue"),
        ("echo-flags", json!([["own"]]), "value: \"own\" is not known here; there is read, write, grant-others"),
        ("echo-flags", json!([["read", "read", "read", "read"]]), "value: at most 3 flags can be set"),
        ("echo-variant", json!(["circle"]), "value: \"circle\" carries a value: {\"circle\": ..}"),
        ("echo-variant", json!([{ "nothing": 1 }]), "value: \"nothing\" carries nothing"),
        ("echo-variant", json!([{ "sides": [1, "x"] }]), "value.sides[1]: expected an integer from 0 to 4294967295"),
        (
            "echo-variant",
            json!([{ "sides": [], "circle": 1 }]),
            "value: expected one of nothing, circle, sides, named, maybe as {\"case\": ..} or \"case\", got an object",
        ),
        ("echo-nested-option", json!([1]), "value: expected {\"some\": ..} or null, got a number"),
        ("echo-list-of-results", json!([[{ "okay": 1 }]]), "value[0]: expected {\"ok\": ..} or {\"err\": ..}"),
        ("echo-record", json!([{ "id": 1 }]), "value.colors: it is missing"),
        ("shapes.mirrored", json!([{ "x": 1, "y": 2, "z": 3 }]), "point: \"z\" is not known here; there is x, y"),
        ("echo-bool", json!([]), "value: it is missing"),
        ("echo-bool", json!([true, false]), "arguments: expected 1 arguments, got 2"),
        ("echo-bool", json!({ "valu": true }), "arguments: \"valu\" is not known here; there is value"),
        ("echo-bool", json!({ "value": true, "more": 1 }), "arguments: \"more\" is not known here; there is value"),
        (
            "echo-bool",
            json!("true"),
            "arguments: expected an array of arguments, or an object by the parameters' names, got a string",
        ),
        ("nothing", json!([1]), "arguments: expected 0 arguments, got 1"),
    ];
    for (function, arguments, expected) in cases {
        let got = call(&fixture, function, arguments).await;
        assert_eq!(got, Err((*expected).to_owned()), "{function}{arguments}");
    }
}

/// The ends of each type of numbers go in and come out, and the next number beyond is refused. The OpenAPI document has the same ends.
#[tokio::test]
async fn numbers_end_where_their_types_do() {
    let fixture = Fixture::with_guest("types", &[]).await;
    let f32_max = mantis_plugin::F32_MAX;
    let inside = [
        ("echo-s64", json!(i64::MAX), json!(i64::MAX.to_string())),
        ("echo-s64", json!(i64::MIN), json!(i64::MIN.to_string())),
        ("echo-s64", json!(i64::MAX.to_string()), json!(i64::MAX.to_string())),
        ("echo-u64", json!(u64::MAX), json!(u64::MAX.to_string())),
        ("echo-u64", json!("0"), json!(0)),
        ("echo-s64", json!(9_007_199_254_740_991.0), json!(9_007_199_254_740_991_i64)),
        ("echo-f64", json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0)),
        ("echo-f64", json!(f64::MAX), json!(f64::MAX)),
        ("echo-f64", json!(-f64::MAX), json!(-f64::MAX)),
        ("echo-f64", json!(5e-324), json!(5e-324)),
        ("echo-f32", json!(f32_max), json!(f32_max)),
        ("echo-f32", json!(-f32_max), json!(-f32_max)),
        ("echo-f32", json!(1e-45), json!(1e-45)),
        ("echo-f32", json!(16_777_217), json!(16_777_216.0)),
        ("echo-f32", json!("-Infinity"), json!("-Infinity")),
    ];
    for (function, given, expected) in inside {
        assert_eq!(call(&fixture, function, &json!([given])).await, Ok(expected), "{function} {given}");
    }
    let outside = [
        ("echo-s8", json!(-129)),
        ("echo-u8", json!(256)),
        ("echo-u8", json!(-1)),
        ("echo-s16", json!(32_768)),
        ("echo-u16", json!(65_536)),
        ("echo-s32", json!(2_147_483_648_u64)),
        ("echo-u32", json!(4_294_967_296_u64)),
        ("echo-s64", json!(9_223_372_036_854_775_808_u64)),
        ("echo-s64", json!("9223372036854775808")),
        ("echo-s64", json!("-9223372036854775809")),
        ("echo-u64", json!("18446744073709551616")),
        ("echo-u64", json!(18_446_744_073_709_551_616.0)),
        // It may be the next one, which JSON readers take for it.
        ("echo-s64", json!(9_007_199_254_740_992.0)),
        ("echo-u64", json!("01")),
        ("echo-u64", json!("+1")),
        ("echo-s64", json!("-0")),
        ("echo-s64", json!("")),
        ("echo-f32", json!(3.402_823_6e38)),
        ("echo-f32", json!(-1e39)),
        ("echo-f32", json!(f64::MAX)),
        ("echo-f64", json!("1e400")),
    ];
    for (function, given) in outside {
        let answer = call(&fixture, function, &json!([given])).await;
        assert!(answer.is_err(), "{function} {given}: {answer:?}");
    }
}

/// The outermost result is the call's own.
#[tokio::test]
async fn a_returned_error_is_the_calls() {
    let fixture = Fixture::with_guest("types", &[]).await;
    let cases: &[(&str, Value, Result<Value, Value>)] = &[
        ("returned", json!({ "ok": 7 }), Ok(json!(7))),
        ("returned", json!({ "err": "no" }), Err(json!("no"))),
        ("returned-bare", json!({ "ok": null }), Ok(json!(null))),
        ("returned-bare", json!({ "err": null }), Err(json!(null))),
        ("returned-error-only", json!({ "ok": null }), Ok(json!(null))),
        ("returned-error-only", json!({ "err": { "circle": 1.0 } }), Err(json!({ "circle": 1.0 }))),
    ];
    for (function, argument, expected) in cases {
        let got = match fixture.host.call("types", function, json!([argument])).await {
            Err(CallError::Plugin(error)) => Err(error),
            outcome => Ok(outcome.unwrap().value),
        };
        assert_eq!(&got, expected, "{function} {argument}");
    }
}

#[tokio::test]
async fn arguments_may_be_left_out_where_they_are_optional() {
    let fixture = Fixture::with_guest("types", &[]).await;
    let cases: &[(&str, Value, Value)] = &[
        ("sum", json!([1, 2]), json!(3)),
        ("sum", json!([1]), json!(1)),
        ("sum", json!({ "b": 2, "a": 1 }), json!(3)),
        ("sum", json!({ "a": 1 }), json!(1)),
        ("nothing", json!([]), json!(null)),
        ("nothing", json!({}), json!(null)),
        ("nothing", json!(null), json!(null)),
        ("shapes.mirrored", json!([{ "x": 1, "y": 2 }]), json!({ "x": 2, "y": 1 })),
        ("more.mirrored", json!(["abc"]), json!("cba")),
    ];
    for (function, arguments, expected) in cases {
        assert_eq!(call(&fixture, function, arguments).await.as_ref(), Ok(expected), "{function}{arguments}");
    }
}

#[tokio::test]
async fn functions_are_described() {
    let fixture = Fixture::new();
    let info = fixture.install("types", writing(&[])).await;
    let described = |name: &str| info.functions.iter().find(|function| function.name == name).unwrap();
    let returned = described("returned");
    assert_eq!(returned.result, Some(ValueType::U8));
    assert_eq!(returned.error, Some(Some(ValueType::String)));
    assert_eq!(described("returned-bare").error, Some(None));
    assert_eq!(described("echo-bytes").params[0].value_type, ValueType::Bytes);
    let sum = described("sum");
    let names: Vec<_> = sum.params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!((names, &sum.error), (vec!["a", "b"], &None));
    assert_eq!(described("nothing").result, None);
    let skipped: Vec<_> = info.skipped.iter().map(|skipped| (skipped.name.as_str(), skipped.reason.as_str())).collect();
    assert_eq!(skipped, [("more.make", "it takes or returns a resource")]);
}

/// Arguments are bounded by what they take here, not by their length as JSON.
#[tokio::test]
async fn arguments_are_bounded_in_memory() {
    let fixture = Fixture::with(mantis_plugin::HostConfig { value_bytes_max: 1 << 20, ..crate::support::config() });
    fixture.install("types", writing(&[])).await;
    let fitting = json!(["x".repeat(20_000)]);
    assert!(call(&fixture, "echo-bytes", &fitting).await.is_ok());
    let refused = call(&fixture, "echo-bytes", &json!(["x".repeat(40_000)])).await;
    assert_eq!(refused, Err("value: the arguments take more than 1048576 bytes of memory".into()));
    let refused = call(&fixture, "echo-string", &json!(["x".repeat(1 << 20)])).await;
    assert_eq!(refused, Err("value: the arguments take more than 1048576 bytes of memory".into()));
}
