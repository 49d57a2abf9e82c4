//! The words of single writes: what must hold, what is to happen, and what came of it.

use bytes::Bytes;

use super::entry::{Entry, Version};

/// What must hold of a key for a write to happen. A key that has expired is absent.
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

/// What becomes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// It gets this value.
    Put {
        /// The value.
        value: Bytes,
        /// When it stops being served, in milliseconds since the epoch.
        expires_at_ms: Option<u64>,
    },
    /// It is deleted.
    Delete,
}

/// A write that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The commit, or the newest one where there was nothing to do (deleting what does not exist).
    pub version: Version,
    /// The value before, if there was one.
    pub previous: Option<Entry>,
}

/// A write that did not happen, because the key was not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the key is.
    pub current: Option<Entry>,
    /// The newest commit then. It may not be visible yet: what is told here may be told to others when it is.
    pub seen: Version,
}
