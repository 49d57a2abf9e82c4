//! An entry as JSON, and its headers.

use bytes::Bytes;
use http::HeaderValue;
use mantis_db::Entry;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;

use crate::api::description::{AnswerHeader, Content, Shape};
use crate::protocol::media;
use crate::wire::bytes::{BytesIn, BytesOut, Encoding, NumbersOut};
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
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Entry", deny_unknown_fields)]
pub(crate) struct EntryOut<'a, V> {
    pub(crate) key: BytesOut<'a>,
    pub(crate) value: V,
    /// The commit that wrote it. Null for what a transaction has written and not committed.
    pub(crate) version: Option<NumberText>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) expires_at: Option<String>,
}

/// The JSON form under the name that no stored document has.
pub(crate) const ENTRY_CONTENT: Content =
    Content { media: media::ENTRY_JSON, shape: Shape::Schema(SchemaGenerator::subschema_for::<EntryOut<'_, BytesIn>>) };

/// An entry of a listing.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedEntry", deny_unknown_fields)]
pub(crate) struct ListedEntryOut<'a> {
    key: BytesOut<'a>,
    value: BytesOut<'a>,
    /// The commit that wrote it. Null for what a transaction has written and not committed.
    version: Option<NumberText>,
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<String>,
    /// With `details=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    media_type: Option<&'a str>,
    /// With `details=true`: when it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    modified_at: Option<String>,
}

impl<'a> ListedEntryOut<'a> {
    pub(crate) fn of(key: &'a [u8], entry: &'a Entry, encoding: Encoding, details: bool) -> Self {
        Self {
            key: BytesOut(key, encoding),
            value: BytesOut(&entry.value, encoding),
            version: version_text(entry.version),
            expires_at: entry.expires_at_ms.map(time::rfc3339),
            media_type: details.then(|| entry.media_type.as_str()),
            modified_at: details.then(|| time::rfc3339(entry.modified_ms)),
        }
    }
}

/// The JSON form of an entry whose value is written as `value`.
pub(crate) fn entry_json(key: BytesOut<'_>, value: impl Serialize, entry: &Entry) -> Bytes {
    let out = EntryOut {
        key,
        value,
        version: version_text(entry.version),
        expires_at: entry.expires_at_ms.map(time::rfc3339),
    };
    Bytes::from(serde_json::to_vec(&out).unwrap_or_default())
}

/// The JSON form with the value as numbers.
pub(crate) fn entry_with_numbers(key: &[u8], entry: &Entry) -> Bytes {
    entry_json(BytesOut(key, Encoding::Text), NumbersOut(&entry.value), entry)
}

/// The header with the expiry of an entry.
pub(crate) fn expires_header(entry: &Entry) -> Option<HeaderValue> {
    entry.expires_at_ms.and_then(|ms| HeaderValue::from_str(&time::rfc3339(ms)).ok())
}
