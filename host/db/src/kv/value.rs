//! Values: bytes plus a media type, and their stored form, in which the media type comes first.
//!
//! Layout: one byte that names a common media type, or [`CUSTOM`], a length byte and the media type itself; then the value.

use std::fmt;

use bytes::{Buf, Bytes};

use crate::engine::{EntryHeader, StoredEntry};
use crate::limits::MEDIA_TYPE_BYTES_MAX;
use crate::{Code, Error, Result};

const CUSTOM: u8 = 0xff;

/// Media types that take one byte. Their indexes are part of the stored form: only append.
const COMMON: &[&str] = &[
    "application/octet-stream",
    "text/plain; charset=utf-8",
    "application/json",
    "text/plain",
    "text/html",
    "text/csv",
    "application/x-www-form-urlencoded",
    "image/png",
    "image/jpeg",
    "image/svg+xml",
    "text/html; charset=utf-8",
];

/// The kind of a value's bytes, as in RFC 9110 (`type/subtype; parameter`). Kept as given, not interpreted.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaType(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Common(u8),
    /// Visible ASCII, checked when it was made.
    Custom(Bytes),
}

impl MediaType {
    /// `application/octet-stream`: bytes without a description.
    pub const BYTES: Self = Self(Repr::Common(0));
    /// `text/plain; charset=utf-8`.
    pub const TEXT: Self = Self(Repr::Common(1));
    /// `application/json`.
    pub const JSON: Self = Self(Repr::Common(2));

    /// The media type of a Content-Type header.
    ///
    /// # Errors
    /// `media-type-invalid` unless it has 1 to 255 bytes of visible ASCII and spaces.
    pub fn new(text: &str) -> Result<Self> {
        if let Some(index) = COMMON.iter().position(|&common| common == text) {
            return Ok(Self(Repr::Common(u8::try_from(index).unwrap_or(0))));
        }
        let well_formed = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if text.is_empty() || text.len() > MEDIA_TYPE_BYTES_MAX || !well_formed {
            return Err(Code::MediaTypeInvalid.into());
        }
        Ok(Self(Repr::Custom(Bytes::copy_from_slice(text.as_bytes()))))
    }

    /// The media type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Common(index) => COMMON.get(usize::from(*index)).unwrap_or(&COMMON[0]),
            Repr::Custom(bytes) => std::str::from_utf8(bytes).unwrap_or(COMMON[0]),
        }
    }
}

impl Default for MediaType {
    fn default() -> Self {
        Self::BYTES
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// A value with its media type, version and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes. Cloning shares them.
    pub value: Bytes,
    /// Their media type.
    pub media_type: MediaType,
    /// The commit that wrote them; 0 for a write of the transaction that reads it.
    pub version: u64,
    /// The time of that commit, in milliseconds since the epoch.
    pub modified_ms: u64,
    /// When they expire, in milliseconds since the epoch.
    pub expires_at_ms: Option<u64>,
}

/// An entry that is borrowed while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// Their media type as text.
    pub media_type: &'a str,
    /// As in [`Entry`].
    pub version: u64,
    /// As in [`Entry`].
    pub modified_ms: u64,
    /// As in [`Entry`].
    pub expires_at_ms: Option<u64>,
}

impl<'a> EntryRef<'a> {
    /// A stored value.
    pub(crate) fn new(header: &EntryHeader, stored: &'a [u8]) -> Result<Self> {
        let (media_type, value) = decode_borrowed(stored)?;
        let &EntryHeader { version, modified_ms, expires_at_ms } = header;
        Ok(Self { value, media_type, version, modified_ms, expires_at_ms })
    }
}

impl Entry {
    /// The same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> EntryRef<'_> {
        EntryRef {
            value: &self.value,
            media_type: self.media_type.as_str(),
            version: self.version,
            modified_ms: self.modified_ms,
            expires_at_ms: self.expires_at_ms,
        }
    }
}

/// The stored form of a value.
pub(crate) fn encode(media_type: &MediaType, value: &[u8]) -> Bytes {
    let (number, text): (&[u8], &[u8]) = match &media_type.0 {
        Repr::Common(index) => (&[*index], &[]),
        Repr::Custom(text) => (&[CUSTOM, u8::try_from(text.len()).unwrap_or(u8::MAX)], text),
    };
    // Of exact length: otherwise sharing it takes one more allocation.
    [number, text, value].concat().into()
}

/// Splits a stored value; both parts share its memory.
pub(crate) fn decode(mut stored: Bytes) -> Result<(MediaType, Bytes)> {
    let damaged = || Error::new(Code::ReadOnly, "a stored value has no media type: it is damaged");
    match stored.first().copied().ok_or_else(damaged)? {
        CUSTOM => {
            let length = usize::from(stored.get(1).copied().ok_or_else(damaged)?);
            if stored.len() < 2 + length {
                return Err(damaged());
            }
            stored.advance(2);
            Ok((MediaType(Repr::Custom(stored.split_to(length))), stored))
        }
        index => {
            // Cheaper than a slice, which would be shared once more and dropped again.
            stored.advance(1);
            Ok((MediaType(Repr::Common(index)), stored))
        }
    }
}

/// As [`decode`], without sharing.
fn decode_borrowed(stored: &[u8]) -> Result<(&str, &[u8])> {
    let damaged = || Error::new(Code::ReadOnly, "a stored value has no media type: it is damaged");
    let (&index, rest) = stored.split_first().ok_or_else(damaged)?;
    if index != CUSTOM {
        return Ok((COMMON.get(usize::from(index)).unwrap_or(&COMMON[0]), rest));
    }
    let (&length, rest) = rest.split_first().ok_or_else(damaged)?;
    let (text, value) = rest.split_at_checked(usize::from(length)).ok_or_else(damaged)?;
    Ok((std::str::from_utf8(text).unwrap_or(COMMON[0]), value))
}

pub(crate) fn entry(stored: StoredEntry) -> Result<Entry> {
    let StoredEntry { value, version, modified_ms, expires_at_ms } = stored;
    let (media_type, value) = decode(value)?;
    Ok(Entry { value, media_type, version, modified_ms, expires_at_ms })
}
