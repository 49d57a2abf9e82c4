//! The laws of keys, of every type in both directions.

use std::cmp::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::tables::codec::samples::{any_part, any_type, compare, compare_part, value_of, values_of};
use crate::tables::codec::{KeyPart, KeyShape};
use crate::tables::types::{Array, Numeric};

fn encoded(part: KeyPart, value: &Value<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    push(&mut bytes, value, part.r#type, part.is_descending);
    bytes
}

fn key_of(parts: &[KeyPart], values: &[Value<'static>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    KeyShape::new(parts).push(&mut bytes, values);
    bytes
}

/// A part and two values of it.
fn two_values() -> impl Strategy<Value = (KeyPart, Value<'static>, Value<'static>)> {
    any_part().prop_flat_map(|part| (Just(part), value_of(part.r#type), value_of(part.r#type)))
}

/// The parts of a composite key, and two rows, of which some values are the same.
fn two_rows() -> impl Strategy<Value = (Vec<KeyPart>, Vec<Value<'static>>, Vec<Value<'static>>)> {
    vec(any_part(), 1..5).prop_flat_map(|parts| {
        let values = || values_of(parts.iter().map(|part| part.r#type).collect::<Vec<_>>());
        (Just(parts.clone()), values(), values(), vec(any::<bool>(), 4)).prop_map(|(parts, first, mut second, same)| {
            for (place, _) in same.iter().enumerate().filter(|(place, is_same)| **is_same && *place < parts.len()) {
                second[place] = first[place].clone();
            }
            (parts, first, second)
        })
    })
}

/// What is decoded of the bytes is what they are the encoding of, and no other bytes are.
fn check_canonical(part: KeyPart, bytes: &[u8]) {
    let mut rest = bytes;
    let Ok(value) = decode(&mut rest, part.r#type, part.is_descending) else { return };
    let taken = &bytes[..bytes.len() - rest.len()];
    assert_eq!(encoded(part, &value), taken, "{part:?} {value:?}");
    let mut skipped = bytes;
    skip(&mut skipped, part.r#type, part.is_descending).unwrap();
    assert_eq!(skipped, rest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn keys_are_in_the_order_of_values((part, a, b) in two_values()) {
        prop_assert_eq!(encoded(part, &a).cmp(&encoded(part, &b)), compare_part(part, &a, &b));
    }

    #[test]
    fn composite_keys_are_in_the_order_of_rows((parts, a, b) in two_rows()) {
        let places = parts.iter().zip(a.iter().zip(&b));
        let order = places.map(|(&part, (a, b))| compare_part(part, a, b)).find(|order| order.is_ne());
        prop_assert_eq!(key_of(&parts, &a).cmp(&key_of(&parts, &b)), order.unwrap_or(Ordering::Equal));
    }

    #[test]
    fn no_key_begins_another((parts, a, b) in two_rows()) {
        let (a, b) = (key_of(&parts, &a), key_of(&parts, &b));
        prop_assert!(a == b || !b.starts_with(&a));
    }

    #[test]
    fn decoding_gives_back_what_was_encoded((part, value, other) in two_values()) {
        let mut bytes = encoded(part, &value);
        let behind = bytes.len();
        bytes.extend(encoded(part, &other));
        let mut rest = &bytes[..];
        let decoded = decode(&mut rest, part.r#type, part.is_descending).unwrap();
        prop_assert_eq!(rest, &bytes[behind..]);
        prop_assert_eq!(compare(part.r#type, &decoded, &value), Ordering::Equal);
        if is_exact(part.r#type) {
            prop_assert_eq!(format!("{decoded:?}"), format!("{value:?}"));
        }
        let mut rest = &bytes[..];
        skip(&mut rest, part.r#type, part.is_descending).unwrap();
        prop_assert_eq!(rest, &bytes[behind..]);
    }

    #[test]
    fn a_key_cut_short_is_refused((part, value, _) in two_values()) {
        let bytes = encoded(part, &value);
        // Of a long one not every length: each takes as long as what is left.
        let step = bytes.len() / 500 + 1;
        for length in (0..bytes.len()).step_by(step).chain(bytes.len().checked_sub(1)) {
            let refused = decode(&mut &bytes[..length], part.r#type, part.is_descending).unwrap_err();
            prop_assert_eq!(refused.code, "XX001");
            prop_assert!(skip(&mut &bytes[..length], part.r#type, part.is_descending).is_err());
        }
    }

    #[test]
    fn bytes_that_are_no_key_never_panic(part in any_part(), bytes in vec(any::<u8>(), 0..40)) {
        check_canonical(part, &bytes);
        let _ = skip(&mut &bytes[..], part.r#type, part.is_descending);
    }

    #[test]
    fn a_key_with_a_changed_byte_never_panics(
        (part, value, _) in two_values(), place in any::<prop::sample::Index>(), byte in any::<u8>(), other in any_type(),
    ) {
        let mut bytes = encoded(part, &value);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        check_canonical(part, &bytes);
        check_canonical(KeyPart { r#type: other, ..part }, &bytes);
    }
}

#[track_caller]
fn check_bytes(value: &Value<'_>, r#type: Type, bytes: &[u8]) {
    let ascending = KeyPart { r#type, is_descending: false };
    assert_eq!(encoded(ascending, value), bytes);
    let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    assert_eq!(encoded(KeyPart { is_descending: true, ..ascending }, value), inverted);
}

/// What is on disks must be read by later versions.
#[test]
fn the_bytes_of_keys_stay() {
    let integer = Type::scalar(Scalar::Integer);
    check_bytes(&Value::Null, integer, &[0xff]);
    check_bytes(&Value::Integer(0), integer, &[0x80]);
    check_bytes(&Value::Integer(118), integer, &[0xf6]);
    check_bytes(&Value::Integer(119), integer, &[0xf7, 0x77]);
    check_bytes(&Value::Integer(1_000_000), integer, &[0xf9, 0x0f, 0x42, 0x40]);
    check_bytes(&Value::Integer(-1), integer, &[0x7f]);
    check_bytes(&Value::Integer(-1_000), integer, &[0x07, 0xfc, 0x18]);
    check_bytes(&Value::Boolean(true), Type::scalar(Scalar::Boolean), &[2]);
    check_bytes(&Value::Double(1.0), Type::scalar(Scalar::Double), &[0xbf, 0xf0, 0, 0, 0, 0, 0, 0]);
    check_bytes(&Value::Double(f64::NAN), Type::scalar(Scalar::Double), &[0xfe, 0xff, 0xf8, 0, 0, 0, 0, 0, 0]);
    check_bytes(&Value::Text("a\0b".into()), Type::TEXT, &[b'a', 1, 1, b'b', 0]);
    check_bytes(&Value::Text("ab  ".into()), Type::scalar(Scalar::Char(4)), &[b'a', b'b', 0]);
    check_bytes(&Value::Bytes([0xff, 1][..].into()), Type::scalar(Scalar::Bytea), &[0xfe, 0xff, 1, 2, 0]);
    let numeric = Type::scalar(Scalar::Numeric(None));
    check_bytes(&Value::Numeric(Numeric::Small { unscaled: 1_250, scale: 2 }), numeric, &[0xc1, 25, 100]);
    check_bytes(&Value::Numeric(Numeric::Small { unscaled: -1_250, scale: 2 }), numeric, &[0x3e, !25, !100]);
    check_bytes(&Value::Numeric(Numeric::NaN), numeric, &[0xfe]);
    check_bytes(&Value::Json("[]".into()), Type::scalar(Scalar::Jsonb), &[1]);
    check_bytes(
        &Value::Json(r#"{"a": [1, null]}"#.into()),
        Type::scalar(Scalar::Jsonb),
        &[8, 0, 0, 0, 1, b'a', 0, 7, 0, 0, 0, 2, 4, 0xc1, 2, 2],
    );
    let array = Array { dimensions: vec![(2, 1)], elements: vec![Value::Integer(5), Value::Null] };
    check_bytes(
        &Value::Array(Box::new(array)),
        Type { scalar: Scalar::Integer, is_array: true },
        &[1, 0x85, 1, 0xff, 0, 1, 0x81],
    );
}

#[track_caller]
fn check_numeric(value: &Numeric, scalar: Scalar) {
    let part = KeyPart { r#type: Type::scalar(scalar), is_descending: false };
    let bytes = encoded(part, &Value::Numeric(value.clone()));
    assert_eq!(decode(&mut &bytes[..], part.r#type, false), Ok(Value::Numeric(value.clone())));
}

#[test]
fn numbers_of_38_digits_come_back_as_small_ones() {
    let largest = 10_i128.pow(38) - 1;
    for scale in [0, 1, 2, 3, 37, 38, 39] {
        for unscaled in [largest, -largest, largest / 10] {
            check_numeric(&Numeric::Small { unscaled, scale }, Scalar::Numeric(None));
        }
    }
    let modifier = crate::tables::types::NumericModifier { precision: 38, scale: 3 };
    for unscaled in [10_i128.pow(37) + 1, 10_i128.pow(37), largest, 0] {
        check_numeric(&Numeric::Small { unscaled, scale: 3 }, Scalar::Numeric(Some(modifier)));
    }
    let larger = Numeric::Large(Box::new("1".repeat(39).parse().unwrap()));
    check_numeric(&larger, Scalar::Numeric(None));
}

#[test]
fn deep_json_neither_overflows_the_stack_nor_takes_long() {
    let text = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let part = KeyPart { r#type: Type::scalar(Scalar::Jsonb), is_descending: true };
    let bytes = encoded(part, &Value::Json(text.as_str().into()));
    assert_eq!(decode(&mut &bytes[..], part.r#type, true), Ok(Value::Json(text.into())));
}

#[test]
fn a_short_key_that_means_a_long_number_is_refused() {
    let mut bytes = vec![0xfd];
    integer::push(&mut bytes, i64::MAX);
    bytes.push(2);
    let numeric = Type::scalar(Scalar::Numeric(None));
    assert_eq!(decode(&mut &bytes[..], numeric, false).unwrap_err().code, "XX001");
}
