//! Numerics beside integers, and by PostgreSQL's examples.

use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;

use super::*;
use crate::tables::types::NumericModifier;

fn number(text: &str) -> Numeric {
    Numeric::parse(text).unwrap()
}

#[track_caller]
fn reads(text: &str, expected: &str) {
    let found = Numeric::parse(text).map_or_else(|error| error.to_string(), |number| number.to_string());
    assert_eq!(found, expected, "{text}");
}

#[test]
fn texts_keep_their_scale() {
    reads("1.50", "1.50");
    reads(" -0.0 ", "0.0");
    reads(".5", "0.5");
    reads("5.", "5");
    reads("1e3", "1000");
    reads("1.50e1", "15.0");
    reads("1e-3", "0.001");
    reads("NaN", "NaN");
    reads("0e-5", "0.00000");
    reads("00012", "12");
    reads("infinity", "22003: a numeric cannot be infinite");
    reads("1e1000000", "22003: value overflows numeric format");
    reads("1e-1001", "22003: value overflows numeric format");
    reads(&"9".repeat(1000), &"9".repeat(1000));
    reads(&"9".repeat(1001), "22003: value overflows numeric format");
    reads("1e99999999999999999999", "22003: value overflows numeric format");
    reads("1e", "22P02: invalid input syntax for type numeric: \"1e\"");
    reads("", "22P02: invalid input syntax for type numeric: \"\"");
}

#[test]
fn quotients_have_the_scale_of_postgresql() {
    for (a, b, expected) in [
        ("1", "3", "0.33333333333333333333"),
        ("10", "3", "3.3333333333333333"),
        ("1", "3.00", "0.33333333333333333333"),
        ("100000", "7", "14285.714285714286"),
        ("1e-20", "3", "0.0000000000000000000033333333333333333333"),
        ("2", "3", "0.66666666666666666667"),
        ("-2", "3", "-0.66666666666666666667"),
        ("0", "3", "0.00000000000000000000"),
    ] {
        assert_eq!(number(a).div(&number(b)).unwrap().to_string(), expected, "{a} / {b}");
    }
    assert_eq!(number("1").div(&number("0.00")).unwrap_err().code, "22012");
}

#[test]
fn modifiers_round_and_bound() {
    let with = |text: &str, precision, scale| {
        let modified = number(text).with_modifier(NumericModifier { precision, scale });
        modified.map_or_else(
            |error| format!("{} {}", error.code, error.details.as_deref().unwrap()),
            |number| number.to_string(),
        )
    };
    assert_eq!(with("999.994", 5, 2), "999.99");
    assert_eq!(
        with("999.995", 5, 2),
        "22003 A field with precision 5, scale 2 must round to an absolute value less than 10^3."
    );
    assert_eq!(with("149", 3, -2), "100");
    assert_eq!(with("150", 3, -2), "200");
    assert_eq!(
        with("0.00995", 2, 4),
        "22003 A field with precision 2, scale 4 must round to an absolute value less than 10^-2."
    );
    assert_eq!(with("0.00994", 2, 4), "0.0099");
    assert_eq!(with("1", 2, 1), "1.0");
}

#[test]
fn what_fits_is_small() {
    let greatest = number(&i128::MAX.to_string());
    assert!(matches!(greatest, Numeric::Small { .. }));
    let more = greatest.add(&number("1")).unwrap();
    assert!(matches!(more, Numeric::Large(_)));
    assert!(matches!(more.sub(&number("1")).unwrap(), Numeric::Small { .. }));
    assert!(matches!(number(&i128::MIN.to_string()), Numeric::Small { .. }));
    assert_eq!(number(&i128::MIN.to_string()).negated().negated(), number(&i128::MIN.to_string()));
    assert!(number("NaN") > number(&"9".repeat(1000)));
}

#[test]
fn floats_are_shown_with_the_digits_that_they_hold() {
    assert_eq!(Numeric::from_f64(0.1).unwrap().to_string(), "0.1");
    assert_eq!(Numeric::from_f64(1e20).unwrap().to_string(), "100000000000000000000");
    assert_eq!(Numeric::from_f32(16_777_216.0).unwrap().to_string(), "16777200");
    assert_eq!(Numeric::from_f64(f64::INFINITY).unwrap_err().code, "22003");
    assert!(Numeric::from_f64(f64::NAN).unwrap().is_nan());
    assert!(number("1e400").to_f64().is_infinite());
    assert_eq!((number("2.5").to_i64(), number("-2.5").to_i64(), number("1e30").to_i64()), (Some(3), Some(-3), None));
}

fn a_number() -> impl Strategy<Value = Numeric> {
    prop_oneof!["-?[0-9]{1,8}(\\.[0-9]{0,4})?", "-?[0-9]{1,60}(\\.[0-9]{0,60})?"].prop_map(|text| number(&text))
}

proptest! {
    #[test]
    fn sums_and_products_are_exact(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000, scale in 0_u16..6) {
        let with = |unscaled: i64| Numeric::Small { unscaled: unscaled.into(), scale };
        prop_assert_eq!(with(a).add(&with(b)).unwrap(), with(a + b));
        prop_assert_eq!(with(a).sub(&with(b)).unwrap(), with(a - b));
        let product = Numeric::Small { unscaled: i128::from(a) * i128::from(b), scale: scale * 2 };
        prop_assert_eq!(with(a).mul(&with(b)).unwrap().to_string(), product.to_string());
    }

    #[test]
    fn a_quotient_times_the_divisor_is_near_the_dividend(a in a_number(), b in a_number()) {
        prop_assume!(b != Numeric::ZERO);
        let quotient = a.div(&b).unwrap();
        let unit = Numeric::Small { unscaled: 1, scale: quotient.scale() };
        let below = quotient.sub(&unit).unwrap().mul(&b).unwrap();
        let above = quotient.add(&unit).unwrap().mul(&b).unwrap();
        prop_assert!((below <= a && a <= above) || (above <= a && a <= below), "{} / {} = {}", a, b, quotient);
    }

    #[test]
    fn equal_numbers_have_equal_hashes(a in a_number(), zeros in 0_i16..40) {
        let state = RandomState::new();
        let padded = a.round(i16::try_from(a.scale()).unwrap() + zeros).unwrap();
        prop_assert_eq!(&a, &padded);
        prop_assert_eq!(state.hash_one(&a), state.hash_one(&padded));
        prop_assert_eq!(number(&padded.to_string()).to_string(), padded.to_string());
        let is_small = match &padded { Numeric::Large(decimal) => i128::try_from(decimal.as_bigint_and_scale().0.as_ref()).is_ok(), _ => false };
        prop_assert!(!is_small);
    }

    #[test]
    fn order_is_that_of_the_difference(a in a_number(), b in a_number()) {
        prop_assert_eq!(a.cmp(&b), a.sub(&b).unwrap().cmp(&Numeric::ZERO));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
}
