//! Errors of each kind, and their parts: a stable code for programs, a message for people.

use crate::bindings::mantis::db::types::{Error, Failure};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $make:ident $kind:ident,)*) => {
        /// An error of each kind: `code` is kebab-case and stable, for programs; `message` is for people.
        impl Error {
            $(
                $(#[doc = $doc])*
                pub fn $make(code: impl Into<String>, message: impl Into<String>) -> Self {
                    Self::$kind(Failure { code: code.into(), message: message.into() })
                }
            )*
        }
    };
}

kinds! {
    /// Something that the call names does not exist.
    not_found NotFound,
    /// The caller may not do this.
    access_denied AccessDenied,
    /// An argument that is invalid whatever the data.
    invalid Invalid,
    /// More than may be.
    limit Limit,
    /// A rule of the data that the call would break.
    constraint Constraint,
    /// Another commit came first. The host runs a call that returns this again, in a new transaction.
    conflict Conflict,
    /// Nothing can be written now.
    read_only ReadOnly,
    /// Any other error of the plugin's own.
    other Other,
}

impl Error {
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
