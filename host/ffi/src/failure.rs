//! [`Failure`]: what becomes a `mantis_error`.

use mantis_db::tables::TableError;
use mantis_db::{Code, Error, OpenError};
use mantis_forms::FormError;

use crate::abi::plain::cut;
use crate::abi::status::{self, Status};
use crate::abi::types::mantis_error;

/// A call that failed: its result, and the texts for the caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: String,
    pub(crate) hint: String,
    pub(crate) deleted: u64,
    /// The operation of a batch.
    pub(crate) index: Option<usize>,
}

impl Failure {
    pub(crate) fn new(status: Status, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), ..Self::default() }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// An argument that the header forbids.
    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self::new(status::MANTIS_E_MISUSE, "misuse", message)
    }

    /// A handle that is none, or was given back.
    pub(crate) fn stale(what: &str) -> Self {
        Self::new(
            status::MANTIS_E_STALE,
            "stale-handle",
            format!("this is no {what}, or one that was given back or destroyed"),
        )
    }

    pub(crate) fn closed() -> Self {
        Self::new(status::MANTIS_E_CLOSED, "pool-closed", "the pool is closed")
    }

    pub(crate) fn canceled() -> Self {
        Self::new(status::MANTIS_E_CANCELED, "canceled", "the wait was cancelled")
    }

    pub(crate) fn io(message: impl Into<String>) -> Self {
        Self::new(status::MANTIS_E_IO, "io", message)
    }

    /// The structure of the header. Its size is not written.
    pub(crate) fn to_c(&self) -> mantis_error {
        mantis_error {
            size: 0,
            status: self.status,
            deleted: self.deleted,
            index: self.index.map_or(u64::MAX, |index| index as u64),
            code: cut(&self.code),
            message: cut(&self.message),
            details: cut(&self.details),
            hint: cut(&self.hint),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.code() {
            Code::StorageFailed => status::MANTIS_E_OUTCOME_UNKNOWN,
            _ => status::of_kind(error.kind()),
        };
        Self {
            deleted: error.deleted(),
            hint: error.code().remedy().to_owned(),
            ..Self::new(status, error.code().as_str(), error.message())
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        let status = if error.code == mantis_db::tables::code::SERIALIZATION_FAILURE {
            status::MANTIS_E_CONFLICT
        } else {
            status::MANTIS_E_TABLE
        };
        Self {
            details: error.details.clone().unwrap_or_default(),
            hint: error.hint.clone().unwrap_or_default(),
            ..Self::new(status, error.code, error.message.clone())
        }
    }
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Db(error) => error.into(),
            FormError::Table(error) => error.into(),
            other => Self::new(status::MANTIS_E_INVALID, other.code(), other.message()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let (code, hint) = match &error {
            OpenError::InUse | OpenError::InUseHere => {
                ("in-use", "Close the other pool or program that has this directory open.")
            }
            OpenError::Newer { .. } => ("newer", "Use a newer release."),
            OpenError::Damaged { .. } => {
                ("damaged", "Nothing was changed; restore a backup, or run `mantisdb check --repair`.")
            }
            OpenError::Options(_) => ("options-invalid", "Change the named setting."),
            _ => ("open-failed", "Check the directory and its permissions."),
        };
        Self::new(status::MANTIS_E_OPEN, code, error.to_string()).with_hint(hint)
    }
}
