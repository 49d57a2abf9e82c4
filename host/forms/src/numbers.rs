//! Numbers in JSON.

use std::borrow::Cow;

use mantis_db::json_integer;
use mantis_db::limits::JSON_INTEGER_MAX;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Expected, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A whole number, also where JSON writes it as `1.0` or `1e3`. It is read from its text: a float would have rounded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(
    /// The number.
    pub i64,
);

/// Characters of a number that a message repeats.
const SHOWN_MAX: usize = 40;

impl Whole {
    const EXPECTED: &'static str = "a whole number of 64 bits";

    /// The number that the JSON is.
    ///
    /// # Errors
    /// It is none, is not whole, has more than 64 bits, or is written so that it may not be the one that was meant.
    pub fn read<E: serde::de::Error>(json: &RawValue) -> std::result::Result<Self, E> {
        match number_of(json) {
            Some(number) => Self::parse(number),
            None => Err(other_type(json, &Self::EXPECTED)),
        }
    }

    fn parse<E: serde::de::Error>(number: &str) -> std::result::Result<Self, E> {
        // Bytes and other small numbers come in long lists.
        if number.len() < 10
            && let Ok(whole) = number.parse::<i32>()
        {
            return Ok(Self(whole.into()));
        }
        let is_plain = !number.contains(['.', 'e', 'E']);
        let whole = json_integer(number).and_then(|whole| i64::try_from(whole).ok());
        match whole {
            // Who writes a larger one so has it from a float, which need not be the number that was meant.
            Some(whole) if !is_plain && whole.unsigned_abs() > JSON_INTEGER_MAX => {
                Err(E::custom("a whole number beyond 2^53 - 1 must be written without a point and an exponent"))
            }
            Some(whole) => Ok(Self(whole)),
            None => {
                let kind = if is_plain { "integer" } else { "floating point" };
                let cut = if number.len() > SHOWN_MAX { "…" } else { "" };
                let found = format!("{kind} `{}{cut}`", &number[..number.len().min(SHOWN_MAX)]);
                Err(E::invalid_value(Unexpected::Other(&found), &Self::EXPECTED))
            }
        }
    }
}

/// The text of a number, if the JSON is one.
pub(crate) fn number_of(json: &RawValue) -> Option<&str> {
    let text = json.get();
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then_some(text)
}

/// The error of JSON of another type.
pub(crate) fn other_type<E: serde::de::Error>(json: &RawValue, expected: &dyn Expected) -> E {
    let text: String;
    let found = match json.get().as_bytes().first() {
        Some(b'[') => Unexpected::Seq,
        Some(b'{') => Unexpected::Map,
        Some(b't') => Unexpected::Bool(true),
        Some(b'f') => Unexpected::Bool(false),
        Some(b'"') => {
            text = serde_json::from_str(json.get()).unwrap_or_default();
            Unexpected::Str(&text)
        }
        _ => Unexpected::Unit,
    };
    E::invalid_type(found, expected)
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::read(<&RawValue>::deserialize(deserializer)?)
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

    fn of_text(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = (1..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole { text.parse().ok().map(Self) } else { None }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?;
        if !json.get().starts_with('"') {
            return Whole::read(json).map(|Whole(number)| Self(number));
        }
        let text = serde_json::from_str::<Cow<'_, str>>(json.get()).map_err(D::Error::custom)?;
        Self::of_text(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &Whole::EXPECTED))
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
        // The nearest float of some of them is whole.
        for json in [
            "5.5",
            "1.0000000000000000001",
            "0.99999999999999999999",
            "9007199254740990.9999",
            "1e-400",
            "1e400",
            "9223372036854775808",
            "-9223372036854775809",
            "9007199254740992.0",
            "1e19",
            "\"5\"",
            "null",
        ] {
            assert!(parse::<Whole>(json.as_bytes()).is_err(), "{json}");
            assert!(parse::<Amount>(json.as_bytes()).is_err() || json == "\"5\"", "{json}");
        }
        let long = format!("1.{}1", "0".repeat(100_000));
        let refused = parse::<Whole>(long.as_bytes()).unwrap_err();
        assert!(refused.message().len() < 200, "{}", refused.message());
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
