//! JSON on the wire: keys and values are bytes, and bytes that are not text are written `{"base64": "..."}`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// Reads a JSON body. What is no JSON is malformed; JSON of another form is invalid.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    // All text at once is checked faster than one string after the other.
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    parsed.map_err(|error| {
        let code = if error.is_data() { Code::BodyInvalid } else { Code::BodyMalformed };
        Problem::new(code).detail(error.to_string())
    })
}

/// A structure that is written as an object alone: serde would take a list of its members in their order as well.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// For members that may be left out but not be null.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Bytes of a request: text, `{"base64": "..."}`, or a list of numbers from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BytesIn {
    pub(crate) bytes: Vec<u8>,
    /// Whether they were given as text.
    pub(crate) text: bool,
}

/// A key of a request: text or `{"base64": "..."}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyIn(pub(crate) Vec<u8>);

/// Reads bytes; keys are not given as lists.
pub(crate) struct BytesVisitor {
    lists: bool,
}

impl BytesVisitor {
    pub(crate) const VALUE: Self = Self { lists: true };
    const KEY: Self = Self { lists: false };
}

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = BytesIn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or {\"base64\": \"...\"}")?;
        if self.lists { f.write_str(" or a list of numbers from 0 to 255") } else { Ok(()) }
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<BytesIn, E> {
        Ok(BytesIn { bytes: text.as_bytes().to_vec(), text: true })
    }

    fn visit_string<E>(self, text: String) -> std::result::Result<BytesIn, E> {
        Ok(BytesIn { bytes: text.into_bytes(), text: true })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<BytesIn, A::Error> {
        if !self.lists {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut bytes = Vec::new();
        while let Some(Whole(number)) = list.next_element()? {
            let byte = u8::try_from(number)
                .map_err(|_| A::Error::invalid_value(Unexpected::Signed(number), &"a number from 0 to 255"))?;
            bytes.push(byte);
        }
        Ok(BytesIn { bytes, text: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<BytesIn, A::Error> {
        let invalid = || A::Error::custom("expected {\"base64\": \"...\"} with nothing else in it");
        let (name, encoded): (Cow<'de, str>, Cow<'de, str>) = map.next_entry()?.ok_or_else(invalid)?;
        if name != "base64" || map.next_key::<Cow<'de, str>>()?.is_some() {
            return Err(invalid());
        }
        let bytes =
            STANDARD.decode(encoded.as_bytes()).map_err(|error| A::Error::custom(format!("base64: {error}")))?;
        Ok(BytesIn { bytes, text: false })
    }
}

impl<'de> Deserialize<'de> for BytesIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor::VALUE)
    }
}

impl<'de> Deserialize<'de> for KeyIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor::KEY).map(|read| Self(read.bytes))
    }
}

/// A whole number, also where JSON writes it as `1.0` or `1e3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) i64);

impl Whole {
    const EXPECTED: &'static str = "a whole number of 64 bits";

    pub(crate) fn from_u64<E: serde::de::Error>(number: u64) -> std::result::Result<Self, E> {
        i64::try_from(number).map(Self).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &Self::EXPECTED))
    }

    pub(crate) fn from_f64<E: serde::de::Error>(number: f64) -> std::result::Result<Self, E> {
        // Above this a float is not known to be the number that was written.
        const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
        if number.fract() != 0.0 || number.abs() > EXACT_MAX {
            return Err(E::invalid_value(Unexpected::Float(number), &Self::EXPECTED));
        }
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        Ok(Self(number as i64))
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

/// How bytes of an answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// As text where they are UTF-8, else as `{"base64": "..."}`.
    #[default]
    Text,
    /// As `{"base64": "..."}`.
    Base64,
}

/// Bytes of an answer.
#[derive(Debug)]
pub(crate) struct BytesOut<'a>(pub(crate) &'a [u8], pub(crate) Encoding);

impl Serialize for BytesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) if self.1 == Encoding::Text => serializer.serialize_str(text),
            _ => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

impl BytesOut<'_> {
    /// The most that so many bytes can take as JSON: each one as `\u0000`.
    pub(crate) const fn length_max(bytes: usize) -> usize {
        6 * bytes + "{\"base64\":\"\"}".len()
    }

    /// How many bytes this takes as JSON.
    pub(crate) fn length(&self) -> usize {
        match std::str::from_utf8(self.0) {
            Ok(text) if self.1 == Encoding::Text => 2 + text.bytes().map(escaped_length).sum::<usize>(),
            _ => "{\"base64\":\"\"}".len() + self.0.len().div_ceil(3) * 4,
        }
    }
}

/// How many bytes a byte of a text takes in a JSON string.
fn escaped_length(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// Bytes of an answer as a list of numbers.
#[derive(Debug)]
pub(crate) struct NumbersOut<'a>(pub(crate) &'a [u8]);

impl Serialize for NumbersOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for byte in self.0 {
            list.serialize_element(byte)?;
        }
        list.end()
    }
}

/// Bytes of an answer as base64 text.
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A number that could exceed what every JSON reader can hold, as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberText(pub(crate) u64);

impl Serialize for NumberText {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(itoa::Buffer::new().format(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: std::result::Result<(&[u8], bool), &str>) {
        let outcome = parse::<BytesIn>(json.as_bytes());
        let outcome =
            outcome.as_ref().map(|read| (&read.bytes[..], read.text)).map_err(|problem| problem.code().as_str());
        assert_eq!(outcome, expected, "{json}");
    }

    #[test]
    fn bytes_come_as_text_base64_or_numbers() {
        check("\"hi\"", Ok((b"hi", true)));
        check("\"\"", Ok((b"", true)));
        check("\"\\u0000\\n\"", Ok((b"\0\n", true)));
        check("[72,105]", Ok((b"Hi", false)));
        check("[72.0]", Ok((b"H", false)));
        check("[]", Ok((b"", false)));
        check("{\"base64\":\"/w==\"}", Ok((&[255], false)));
        for invalid in [
            "[256]",
            "[-1]",
            "[1.5]",
            "[\"a\"]",
            "5",
            "null",
            "true",
            "{}",
            "{\"base64\":\"?\"}",
            "{\"base64\":5}",
            "{\"base64\":\"\",\"a\":1}",
            "{\"base32\":\"\"}",
        ] {
            check(invalid, Err("body-invalid"));
        }
        for malformed in ["", "{", "[1,", "\"\\ud800\"", "nul"] {
            check(malformed, Err("body-malformed"));
        }
    }

    #[test]
    fn keys_come_as_text_or_base64_only() {
        assert_eq!(parse::<KeyIn>(b"\"a\"").unwrap(), KeyIn(b"a".to_vec()));
        assert_eq!(parse::<KeyIn>(b"{\"base64\":\"YQ==\"}").unwrap(), KeyIn(b"a".to_vec()));
        assert_eq!(parse::<KeyIn>(b"[97]").unwrap_err().code().as_str(), "body-invalid");
    }

    #[test]
    fn whole_numbers_have_several_spellings() {
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
    fn bytes_are_written_as_text_where_they_can_be() {
        let write = |bytes: &[u8], encoding| serde_json::to_string(&BytesOut(bytes, encoding)).unwrap();
        assert_eq!(write(b"a\"b", Encoding::Text), "\"a\\\"b\"");
        assert_eq!(write(&[255], Encoding::Text), "{\"base64\":\"/w==\"}");
        assert_eq!(write(b"a", Encoding::Base64), "{\"base64\":\"YQ==\"}");
        assert_eq!(serde_json::to_string(&NumbersOut(b"Hi")).unwrap(), "[72,105]");
    }

    #[test]
    fn the_length_of_bytes_is_known_before_they_are_written() {
        let every: Vec<u8> = (0..=255).collect();
        for bytes in
            [&b""[..], b"a", b"ab", b"abc", &every[..128], &every[..], "gr\u{fc}n \u{1f98a} \u{2028}".as_bytes()]
        {
            for encoding in [Encoding::Text, Encoding::Base64] {
                let out = BytesOut(bytes, encoding);
                assert_eq!(out.length(), serde_json::to_vec(&out).unwrap().len(), "{bytes:?} {encoding:?}");
                assert!(out.length() <= BytesOut::length_max(bytes.len()));
            }
        }
    }
}
