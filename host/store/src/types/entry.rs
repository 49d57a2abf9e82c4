//! The number of a commit, and a value with its version and times.

use bytes::Bytes;

/// No deadline: the value stays until it is deleted.
pub(crate) const NEVER_MS: u64 = u64::MAX;

/// Whether a value with this deadline is no longer served at `now_ms`: from the deadline's own millisecond on.
pub(crate) const fn is_past(deadline_ms: u64, now_ms: u64) -> bool {
    deadline_ms <= now_ms
}

/// The number of a commit: 1 for the first, and larger for each later one, mostly by one. A number that a client may have seen is never
/// given to another commit, even if a power cut took the first.
///
/// 0 is a write that is not committed yet: a transaction reads its own writes at this version.
pub type Version = u64;

/// A value with its version and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes. Cloning shares them.
    pub value: Bytes,
    /// The commit that wrote the value.
    pub version: Version,
    /// When that commit was made, in milliseconds since the epoch.
    pub modified_ms: u64,
    /// When the value stops being served, in milliseconds since the epoch.
    pub expires_at_ms: Option<u64>,
}

/// A value's version and times, without the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader {
    /// The commit that wrote the value.
    pub version: Version,
    /// When that commit was made, in milliseconds since the epoch.
    pub modified_ms: u64,
    /// When the value stops being served, in milliseconds since the epoch.
    pub expires_at_ms: Option<u64>,
}

impl Entry {
    /// What there is to know besides the value.
    #[must_use]
    pub fn header(&self) -> EntryHeader {
        EntryHeader { version: self.version, modified_ms: self.modified_ms, expires_at_ms: self.expires_at_ms }
    }
}
