//! Bytes in JSON: keys and values are bytes, and bytes that are not text are written `{"base64": "..."}`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::{SerializeSeq as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::common::ENCODING;
use crate::api::query::Query;
use crate::wire::numbers::Whole;

/// Base64 without stray bits at the end.
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// What is wrong with other texts.
pub(crate) const NOT_BASE64: &str = "the text in `base64` is not base64 (the standard alphabet, with padding)";

/// Bytes that are not text, for their schema.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is of use")]
struct Base64 {
    #[schemars(regex(pattern = BASE64))]
    base64: String,
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
        let invalid = || {
            let hint = if self.lists { "; a JSON document is sent as text with its `media_type`" } else { "" };
            A::Error::custom(format!("the object is not {{\"base64\": \"...\"}} alone{hint}"))
        };
        let name: Cow<'de, str> = map.next_key()?.ok_or_else(invalid)?;
        if name != "base64" {
            return Err(invalid());
        }
        let encoded: Cow<'de, str> = map.next_value()?;
        if map.next_key::<Cow<'de, str>>()?.is_some() {
            return Err(invalid());
        }
        let bytes = STANDARD.decode(encoded.as_bytes()).map_err(|_| A::Error::custom(NOT_BASE64))?;
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
                // Written as it is encoded: as a text of its own it would take memory that nobody counts.
                let mut object = serializer.serialize_struct("Base64", 1)?;
                object.serialize_field("base64", &Encoded(self.0))?;
                object.end()
            }
        }
    }
}

/// Bytes as base64 text.
struct Encoded<'a>(&'a [u8]);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

impl BytesOut<'_> {
    /// The most that this many bytes can take as JSON: each one as `\u0000`.
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
pub(crate) fn escaped_length(byte: u8) -> usize {
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

impl Encoding {
    /// The encoding that the query asks for.
    pub(crate) fn of(query: &Query) -> Self {
        if query.text(&ENCODING) == Some("base64") { Self::Base64 } else { Self::Text }
    }
}

// By hand: a reader or writer of several forms has no structure to derive a schema from.
impl JsonSchema for BytesIn {
    fn schema_name() -> Cow<'static, str> {
        "BytesIn".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Text, base64, or a list of bytes.",
            "oneOf": [
                {"type": "string"},
                generator.subschema_for::<Base64>(),
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
            ],
        })
    }
}

impl JsonSchema for BytesOut<'_> {
    fn schema_name() -> Cow<'static, str> {
        "BytesOut".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Text where the bytes are UTF-8.",
            "oneOf": [{"type": "string"}, generator.subschema_for::<Base64>()],
        })
    }
}

impl JsonSchema for KeyIn {
    fn schema_name() -> Cow<'static, str> {
        "KeyIn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A key: 1 to {key_bytes_max} bytes.",
            "oneOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {"base64": {"type": "string", "minLength": 4, "pattern": BASE64}},
                    "required": ["base64"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// The schema of an end of a span: what a [`KeyIn`] takes, and the empty key, before which there is none.
pub(crate) struct SpanEnd;

impl JsonSchema for SpanEnd {
    fn schema_name() -> Cow<'static, str> {
        "SpanEnd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A prefix, or an end of a span: at most {key_bytes_max} bytes. All keys begin with an empty prefix, and follow an empty key.",
            "oneOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"base64": {"type": "string", "pattern": BASE64}},
                    "required": ["base64"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::parse;

    #[track_caller]
    fn check(json: &str, expected: std::result::Result<(&[u8], bool), &str>) {
        let outcome = parse::<BytesIn>(json.as_bytes());
        let outcome =
            outcome.as_ref().map(|read| (&read.bytes[..], read.text)).map_err(|problem| problem.code().as_str());
        assert_eq!(outcome, expected, "{json}");
    }

    #[test]
    fn bytes_are_parsed_from_text_base64_or_numbers() {
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
    fn keys_are_parsed_from_text_or_base64_only() {
        assert_eq!(parse::<KeyIn>(b"\"a\"").unwrap(), KeyIn(b"a".to_vec()));
        assert_eq!(parse::<KeyIn>(b"{\"base64\":\"YQ==\"}").unwrap(), KeyIn(b"a".to_vec()));
        assert_eq!(parse::<KeyIn>(b"[97]").unwrap_err().code().as_str(), "body-invalid");
    }

    #[test]
    fn bytes_are_written_as_text_if_they_are_utf_8() {
        let write = |bytes: &[u8], encoding| serde_json::to_string(&BytesOut(bytes, encoding)).unwrap();
        assert_eq!(write(b"a\"b", Encoding::Text), "\"a\\\"b\"");
        assert_eq!(write(&[255], Encoding::Text), "{\"base64\":\"/w==\"}");
        assert_eq!(write(b"a", Encoding::Base64), "{\"base64\":\"YQ==\"}");
        assert_eq!(serde_json::to_string(&NumbersOut(b"Hi")).unwrap(), "[72,105]");
    }

    #[test]
    fn the_written_length_of_bytes_is_computed_ahead() {
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
