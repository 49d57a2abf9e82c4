//! An entry as JSON, and its headers.

use bytes::Bytes;
use http::HeaderValue;
use mantis_db::Entry;
use serde::Serialize;

use crate::api::description::AnswerHeader;
use crate::wire::bytes::{BytesOut, Encoding, NumbersOut};
use crate::wire::numbers::{NumberText, version_text};
use crate::wire::time;

/// When a value stops being served: RFC 3339, because `Expires` means something else and has only seconds.
pub(crate) static EXPIRES: AnswerHeader = AnswerHeader {
    name: "mantisdb-expires",
    required: false,
    pattern: None,
    description: "When the value stops being served (RFC 3339), if it does.",
};

/// The JSON form of an entry.
#[derive(Serialize)]
pub(crate) struct EntryOut<'a, V> {
    pub(crate) key: BytesOut<'a>,
    pub(crate) value: V,
    pub(crate) version: Option<NumberText>,
    pub(crate) expires_at: Option<String>,
    #[serde(flatten)]
    pub(crate) details: Option<DetailsOut<'a>>,
}

/// What is shown of an entry on request.
#[derive(Serialize)]
pub(crate) struct DetailsOut<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) modified_at: String,
}

impl<'a> DetailsOut<'a> {
    pub(crate) fn of(entry: &'a Entry) -> Self {
        Self { media_type: entry.media_type.as_str(), modified_at: time::rfc3339(entry.modified_ms) }
    }
}

/// The JSON form of an entry whose value is written as `value`.
pub(crate) fn entry_json(key: BytesOut<'_>, value: impl Serialize, entry: &Entry) -> Bytes {
    let out = EntryOut {
        key,
        value,
        version: version_text(entry.version),
        expires_at: entry.expires_at_ms.map(time::rfc3339),
        details: None,
    };
    Bytes::from(serde_json::to_vec(&out).unwrap_or_default())
}

/// The JSON form with the value as numbers.
pub(crate) fn entry_with_numbers(key: &[u8], entry: &Entry) -> Bytes {
    entry_json(BytesOut(key, Encoding::Text), NumbersOut(&entry.value), entry)
}

/// The header that says when an entry expires.
pub(crate) fn expires_header(entry: &Entry) -> Option<HeaderValue> {
    entry.expires_at_ms.and_then(|ms| HeaderValue::from_str(&time::rfc3339(ms)).ok())
}
