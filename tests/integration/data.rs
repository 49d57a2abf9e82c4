//! Keys and values as the data writes them.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// Values longer than this that repeat one byte are shown as `{"repeat":["x",4096]}`.
const REPEAT_BYTES_MIN: usize = 64;

/// Bytes, written as `"text"`, `{"base64":"AP8="}` or `{"repeat":["x",4096]}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Data(pub(crate) Vec<u8>);

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Written {
    Text(String),
    Base64 { base64: String },
    Repeat { repeat: (String, usize) },
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text.into_bytes(),
            Written::Base64 { base64 } => BASE64_STANDARD.decode(base64).map_err(serde::de::Error::custom)?,
            Written::Repeat { repeat: (text, count) } => text.repeat(count).into_bytes(),
        }))
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shown(&self.0).serialize(serializer)
    }
}

/// How a transcript shows bytes: the shortest of the three forms, the same for the same bytes.
pub(crate) fn shown(bytes: &[u8]) -> Value {
    match (std::str::from_utf8(bytes), bytes.first()) {
        (Ok(text), Some(first)) if text.len() > REPEAT_BYTES_MIN && bytes.iter().all(|byte| byte == first) => {
            json!({ "repeat": [char::from(*first).to_string(), bytes.len()] })
        }
        (Ok(text), _) => text.into(),
        (Err(_), _) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}
