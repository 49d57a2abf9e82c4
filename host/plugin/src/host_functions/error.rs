//! How a host function fails: with an error for the guest, or with a reason to stop the guest.

use mantis_db::Kind;

use crate::Limit;

/// Why a host function failed.
pub(crate) enum Failed {
    /// The guest gets an error and continues.
    Error(GuestError),
    /// The guest is stopped.
    Stop(Stop),
}

/// An error for the guest, before it becomes one of `wit/`.
pub(crate) struct GuestError {
    pub(crate) kind: Kind,
    /// Stable: kebab-case, or the SQLSTATE of a failure of tables.
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Why a guest is stopped from outside. It passes through the engine as an error, and is found again in the call's outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the slice on the caller's thread is over")]
    Slice,
    #[error("the deadline is over")]
    Deadline,
    #[error("the caller has gone away")]
    Abandoned,
    #[error("the {0} limit: {1}")]
    Limit(Limit, String),
    #[error("{0}")]
    Misuse(&'static str),
    #[error("it ended itself with exit code {0}")]
    Exit(u8),
}

impl Stop {
    pub(crate) const NO_CALL: Self = Self::Misuse("no call is under way");
    pub(crate) const UNKNOWN_HANDLE: Self = Self::Misuse("the guest used a handle that it does not hold");
}

impl Failed {
    /// A limit whose error the guest gets.
    pub(crate) fn limit(code: &str, message: impl Into<String>) -> Self {
        Self::Error(GuestError { kind: Kind::Limit, code: code.into(), message: message.into() })
    }
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<mantis_db::Error> for Failed {
    fn from(error: mantis_db::Error) -> Self {
        let (code, message) = (error.code().as_str().into(), error.message().into());
        Self::Error(GuestError { kind: error.kind(), code, message })
    }
}

impl From<mantis_db::tables::TableError> for Failed {
    fn from(error: mantis_db::tables::TableError) -> Self {
        Self::Error(GuestError { kind: error.kind(), code: error.code.into(), message: error.to_lines() })
    }
}
