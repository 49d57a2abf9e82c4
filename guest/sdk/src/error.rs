//! The parts of every error: a stable code for programs, a message for people.

use crate::bindings::mantis::db::types::{Error, Failure};

impl Error {
    /// An error of the plugin's own: `code` is kebab-case and stable, `message` is for people.
    pub fn other(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Other(Failure { code: code.into(), message: message.into() })
    }

    /// An argument that is invalid whatever the data.
    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Failure { code: code.into(), message: message.into() })
    }

    /// The code and the message.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        match self {
            Self::NotFound(failure)
            | Self::AccessDenied(failure)
            | Self::Invalid(failure)
            | Self::Limit(failure)
            | Self::Constraint(failure)
            | Self::Conflict(failure)
            | Self::ReadOnly(failure)
            | Self::Other(failure) => failure,
        }
    }

    /// The stable code: kebab-case, or of a failure of tables a SQLSTATE or PostgREST's code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.failure().code
    }

    /// What happened, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.failure().message
    }
}

/// For functions whose error is text: the code and the message.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        let Failure { code, message } = error.failure();
        format!("{code}: {message}")
    }
}
