//! Types of single writes: the precondition, the change, and the result.

use bytes::Bytes;

use super::entry::{Entry, Version};

/// The precondition of a write. A key that has expired is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    Anything,
    /// The key does not exist.
    Absent,
    /// The key exists.
    Present,
    /// The key's value was written by this commit.
    Version(Version),
}

impl Expect {
    /// Whether a key whose value has this version (`None`: there is no value) is as expected.
    #[must_use]
    pub fn holds(self, current: Option<Version>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => current.is_none(),
            Self::Present => current.is_some(),
            Self::Version(version) => current == Some(version),
        }
    }
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Sets a value.
    Put {
        /// The value.
        value: Bytes,
        /// When it stops being served, in milliseconds since the epoch.
        expires_at_ms: Option<u64>,
    },
    /// Deletes the key.
    Delete,
}

/// A completed write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The commit, or the newest one if there was nothing to do (deleting an absent key).
    pub version: Version,
    /// The previous value, if any.
    pub previous: Option<Entry>,
}

/// A write whose precondition failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The current value of the key.
    pub current: Option<Entry>,
    /// The newest commit at that moment. It may not be visible yet: report the refusal to a client only when it is.
    pub seen: Version,
}
