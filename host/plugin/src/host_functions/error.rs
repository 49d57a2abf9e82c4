//! What host functions fail with: an error for the guest, or a reason to stop it.

use mantis_db::Kind;

use super::bindings::types;
use crate::Limit;

/// How a host function fails.
pub(crate) enum Failed {
    /// The guest is told.
    Error(types::Error),
    /// The guest is stopped.
    Stop(Stop),
}

/// Why a guest was stopped from outside. Travels through the engine as an error and is found again in what a call returns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the slice on the caller's thread is over")]
    Slice,
    #[error("the deadline is over")]
    Deadline,
    #[error("nobody waits for the answer any more")]
    Abandoned,
    #[error("the {0} limit: {1}")]
    Limit(Limit, String),
    #[error("{0}")]
    Misuse(&'static str),
}

impl Failed {
    pub(crate) fn with_code(code: &str, kind: fn(types::Failure) -> types::Error, message: impl Into<String>) -> Self {
        Self::Error(kind(types::Failure { code: code.into(), message: message.into() }))
    }
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<mantis_db::Error> for Failed {
    fn from(error: mantis_db::Error) -> Self {
        let kind = match error.kind() {
            Kind::NotFound => types::Error::NotFound,
            Kind::AccessDenied => types::Error::AccessDenied,
            Kind::Invalid => types::Error::Invalid,
            Kind::Limit => types::Error::Limit,
            Kind::Constraint => types::Error::Constraint,
            Kind::Conflict => types::Error::Conflict,
            Kind::ReadOnly => types::Error::ReadOnly,
            _ => types::Error::Other,
        };
        Self::with_code(error.code().as_str(), kind, error.message())
    }
}
