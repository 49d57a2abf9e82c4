//! Bytes in JSON: keys and values are bytes, and bytes that are not text are written `{"base64": "..."}`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub use mantis_db::NOT_BASE64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::numbers::Whole;

/// Base64 without stray bits at the end.
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

/// Bytes that are not text, for their schema.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is of use")]
pub struct Base64 {
    #[schemars(regex(pattern = BASE64))]
    base64: String,
}

/// Bytes of a request: text, `{"base64": "..."}`, or a list of numbers from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BytesIn {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they were given as text.
    pub text: bool,
}

/// A key of a request: text or `{"base64": "..."}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIn(
    /// The key.
    pub Vec<u8>,
);

/// Reads bytes; keys are not given as lists.
#[derive(Debug)]
pub struct BytesVisitor {
    lists: bool,
}

impl BytesVisitor {
    /// Reads values.
    pub const VALUE: Self = Self { lists: true };
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

// By hand: a reader of several forms has no structure to derive a schema from.
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
#[derive(Debug)]
pub struct SpanEnd;

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
    use crate::json::parse;

    #[track_caller]
    fn check(json: &str, expected: std::result::Result<(&[u8], bool), &str>) {
        let outcome = parse::<BytesIn>(json.as_bytes());
        let outcome = outcome.as_ref().map(|read| (&read.bytes[..], read.text)).map_err(crate::FormError::code);
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
        assert_eq!(parse::<KeyIn>(b"[97]").unwrap_err().code(), "body-invalid");
    }
}
