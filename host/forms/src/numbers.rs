//! Numbers in JSON.

use std::borrow::Cow;
use std::fmt;

use mantis_db::limits::JSON_INTEGER_MAX;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole number, also where JSON writes it as `1.0` or `1e3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(
    /// The number.
    pub i64,
);

impl Whole {
    const EXPECTED: &'static str = "a whole number of 64 bits";

    /// One that was read as unsigned.
    ///
    /// # Errors
    /// It has more than 63 bits.
    pub fn from_u64<E: serde::de::Error>(number: u64) -> std::result::Result<Self, E> {
        i64::try_from(number).map(Self).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &Self::EXPECTED))
    }

    /// One that was read as a float.
    ///
    /// # Errors
    /// It is not whole, or may not be the one that was written.
    pub fn from_f64<E: serde::de::Error>(number: f64) -> std::result::Result<Self, E> {
        let invalid = || E::invalid_value(Unexpected::Float(number), &Self::EXPECTED);
        if number.fract() != 0.0 || number.abs() > 2_f64.powi(62) {
            return Err(invalid());
        }
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        let whole = number as i64;
        // A larger float need not be the number that was written, nor is it repeated.
        if whole.unsigned_abs() > JSON_INTEGER_MAX {
            return Err(E::custom("a whole number beyond 2^53 - 1 must be written without a point and an exponent"));
        }
        Ok(Self(whole))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct WholeVisitor;

        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Whole::EXPECTED)
            }

            fn visit_i64<E>(self, number: i64) -> std::result::Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> std::result::Result<Whole, E> {
                Whole::from_u64(number)
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> std::result::Result<Whole, E> {
                Whole::from_f64(number)
            }
        }
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// A whole number, also as text: as `numbers=string` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(
    /// The number.
    pub i64,
);

impl Amount {
    /// How it is written as text; a few of the largest are left out, whose bounds no short pattern has.
    pub const PATTERN: &'static str = "^-?([0-9]{1,18}|[1-8][0-9]{18})$";
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct AmountVisitor;

        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Whole::EXPECTED)
            }

            fn visit_i64<E>(self, number: i64) -> std::result::Result<Amount, E> {
                Ok(Amount(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> std::result::Result<Amount, E> {
                Whole::from_u64(number).map(|Whole(number)| Amount(number))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> std::result::Result<Amount, E> {
                Whole::from_f64(number).map(|Whole(number)| Amount(number))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Amount, E> {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let is_whole = (1..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = if is_whole { text.parse().ok() } else { None };
                number.map(Amount).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let number = generator.subschema_for::<Whole>();
        json_schema!({"anyOf": [number, {"type": "string", "pattern": Self::PATTERN}]})
    }
}

/// A number that could exceed what every JSON reader can hold, as text.
#[derive(Debug, Clone, Copy)]
pub struct NumberText(
    /// The number.
    pub u64,
);

impl Serialize for NumberText {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(itoa::Buffer::new().format(self.0))
    }
}

/// A version for JSON; what is not committed has none.
#[must_use]
pub fn version_text(version: u64) -> Option<NumberText> {
    (version != 0).then_some(NumberText(version))
}

// By hand: the numbers are read and written by hand.
impl JsonSchema for Whole {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX})
    }
}

impl JsonSchema for NumberText {
    fn schema_name() -> Cow<'static, str> {
        "NumberText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn integers_parse_from_several_spellings() {
        for (json, number) in [
            ("5", 5),
            ("5.0", 5),
            ("-1e2", -100),
            ("2121112973836751.0", 2_121_112_973_836_751),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse::<Whole>(json.as_bytes()).unwrap(), Whole(number), "{json}");
        }
        // What is too large for an integer is read as a float, which rounds to what is not.
        for json in
            ["5.5", "9223372036854775808", "-9223372036854775809", "9007199254740992.0", "1e19", "\"5\"", "null"]
        {
            assert!(parse::<Whole>(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn an_amount_may_be_text_and_keeps_its_digits() {
        for (json, number) in [
            ("5", 5),
            ("\"5\"", 5),
            ("\"9007199254740993\"", 9_007_199_254_740_993),
            ("\"-9223372036854775808\"", i64::MIN),
        ] {
            assert_eq!(parse::<Amount>(json.as_bytes()).unwrap(), Amount(number), "{json}");
        }
        for json in ["\"\"", "\"-\"", "\"+5\"", "\"1.0\"", "\" 5\"", "\"9223372036854775808\"", "null", "[]"] {
            assert!(parse::<Amount>(json.as_bytes()).is_err(), "{json}");
        }
        let refused = parse::<Amount>(b"9007199254740993.0").unwrap_err();
        assert!(!refused.message().contains("9007199254740992"), "another number: {}", refused.message());
    }
}
