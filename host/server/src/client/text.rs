//! Bytes in JSON and on terminals.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as the API's JSON writes them: a string where they are UTF-8, else `{"base64":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct JsonBytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    base64: String,
}

impl Serialize for JsonBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Base64 { base64: BASE64_STANDARD.encode(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for JsonBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

// By hand: an untagged enum would copy every value twice.
struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = JsonBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, {\"base64\":\"...\"}, or an array of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<JsonBytes, E> {
        Ok(JsonBytes(text.as_bytes().to_vec()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<JsonBytes, E> {
        Ok(JsonBytes(text.into_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<JsonBytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        Ok(JsonBytes(bytes))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<JsonBytes, A::Error> {
        let Base64 { base64 } = Base64::deserialize(MapAccessDeserializer::new(map))?;
        BASE64_STANDARD.decode(base64).map(JsonBytes).map_err(de::Error::custom)
    }
}

/// Bytes as one line of printable text, the inverse of [`unescape`]: `\n`, `\r`, `\t`, `\\`, and `\xNN` for other control
/// characters and for bytes that are not UTF-8.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                // Control characters of two bytes too: a terminal may obey them.
                control if control.is_control() => {
                    let mut buffer = [0; 4];
                    push_hex(&mut text, control.encode_utf8(&mut buffer).as_bytes());
                }
                plain => text.push(plain),
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    text
}

/// Whether a terminal would obey a character, or change the order of others for it.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON of one or several lines for a terminal: the same JSON, in which characters that it would obey are escaped.
#[must_use]
pub fn printable_json(json: &str) -> String {
    let mut printed = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '\t' => printed.push(character),
            // All of them are in the first plane.
            obeyed if is_obeyed(obeyed) => {
                let _ = write!(printed, "\\u{:04x}", u32::from(obeyed));
            }
            plain => printed.push(plain),
        }
    }
    printed
}

/// Text for a terminal: characters that a terminal would obey, or that change the order of others, as `\n`, `\r`, `\t` or `\u{..}`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => escaped.extend(character.escape_default()),
            obeyed if is_obeyed(obeyed) => escaped.extend(obeyed.escape_unicode()),
            plain => escaped.push(plain),
        }
    }
    Cow::Owned(escaped)
}

/// Text of several lines for a terminal: each is [`printable`], but for tabs.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for piece in text.split_inclusive(['\n', '\t']) {
        let end = piece.strip_suffix(['\n', '\t']).map_or(piece.len(), str::len);
        printed.push_str(&printable(&piece[..end]));
        printed.push_str(&piece[end..]);
    }
    printed
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// Decodes escaped text; none for an unknown escape.
#[must_use]
pub fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'\\' => b'\\',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [*rest.next()?, *rest.next()?];
                let digits = std::str::from_utf8(&digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
                u8::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], escaped: &str, json: &str) {
        assert_eq!(escape(bytes), escaped);
        assert_eq!(unescape(escaped.as_bytes()).unwrap(), bytes);
        let value = JsonBytes(bytes.to_vec());
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<JsonBytes>(json).unwrap(), value);
    }

    #[test]
    fn both_forms_decode_to_the_same_bytes() {
        check(b"plain", "plain", r#""plain""#);
        check("Käse\n\t\\".as_bytes(), "Käse\\n\\t\\\\", r#""Käse\n\t\\""#);
        check(b"\0\xff", "\\x00\\xff", r#"{"base64":"AP8="}"#);
        check("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m", "\"\u{9b}31m\"");
        check(b"", "", r#""""#);
    }

    #[test]
    fn an_array_of_bytes_is_accepted() {
        assert_eq!(serde_json::from_str::<JsonBytes>("[72,105]").unwrap().0, b"Hi");
        assert!(serde_json::from_str::<JsonBytes>("[256]").is_err());
        assert!(serde_json::from_str::<JsonBytes>(r#"{"base64":"?"}"#).is_err());
    }

    #[test]
    fn a_terminal_obeys_nothing_that_is_printable() {
        assert!(matches!(printable("naïve \\ 日本"), Cow::Borrowed("naïve \\ 日本")));
        assert_eq!(printable("a\x1b[31m\n\t\u{9b}\u{202e}\u{7f}"), r"a\u{1b}[31m\n\t\u{9b}\u{202e}\u{7f}");
    }

    #[test]
    fn json_for_a_terminal_is_the_same_json() {
        let json = serde_json::json!({"a\u{9b}": "\u{1b}[31m\u{7f}\u{202e}\u{200f} ä"});
        let printed = printable_json(&json.to_string());
        assert!(!printed.contains(is_obeyed) && printed.contains('ä'), "{printed}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), json);
    }

    #[test]
    fn unknown_escapes_are_refused() {
        for text in ["\\", "\\q", "\\x4", "\\xzz", "\\x+1"] {
            assert_eq!(unescape(text.as_bytes()), None, "{text}");
        }
    }
}
