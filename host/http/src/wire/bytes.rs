//! Bytes in JSON: keys and values are bytes, and bytes that are not text are written `{"base64": "..."}`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use mantis_forms::bytes::Base64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{SerializeSeq as _, SerializeStruct as _};
use serde::{Serialize, Serializer};

use crate::api::common::ENCODING;
use crate::api::query::Query;

pub(crate) use mantis_forms::bytes::{BytesIn, NOT_BASE64};

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

// By hand: a writer of several forms has no structure to derive a schema from.
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

#[cfg(test)]
mod tests {
    use super::*;

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
