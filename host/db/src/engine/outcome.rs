//! Outcomes of the engine: committed, conflict, unknown, and refused for lack of space.
//!
//! An outcome rests on a commit, its own or the newest one it has seen, that may not be final yet. Until [`Engine::settle`] has waited for
//! that commit, the outcome is [`Unsettled`], errors included: nothing is reported that could be undone.
//!
//! | outcome | error | the caller |
//! |---|---|---|
//! | committed | none | has the version |
//! | conflict | `conflict`, `transaction-too-old` | runs the transaction again |
//! | refused | `disk-full`, `transaction-too-large` | wrote nothing |
//! | unknown | `storage-failed` | reads the key after the next start |
//!
//! [`Engine::settle`]: super::Engine::settle

#[cfg(not(target_family = "wasm"))]
use mantis_store::StorageFailure;
use mantis_store::Version;

use crate::{Code, Error};

/// An outcome, and the newest commit that it rests on: 0 for none.
pub(crate) type Unsettled<T, E = Error> = Result<(T, Version), UnsettledError<E>>;

/// An error, and the newest commit that it rests on. An error that was found before anything was read, or in what is visible to all,
/// rests on none.
#[derive(Debug)]
pub(crate) struct UnsettledError<E> {
    pub(crate) error: E,
    pub(crate) seen: Version,
}

impl<E: From<Error>> From<Error> for UnsettledError<E> {
    fn from(error: Error) -> Self {
        Self { error: E::from(error), seen: 0 }
    }
}

/// An outcome that rests on the commit `seen`.
pub(crate) fn resting_on<T, E>(seen: Version, outcome: Result<T, E>) -> Unsettled<T, E> {
    match outcome {
        Ok(value) => Ok((value, seen)),
        Err(error) => Err(UnsettledError { error, seen }),
    }
}

impl From<mantis_store::Error> for Error {
    fn from(error: mantis_store::Error) -> Self {
        match error {
            mantis_store::Error::Conflict => Code::Conflict.into(),
            mantis_store::Error::VisitsTooMany => {
                Self::new(Code::TransactionTooLarge, "the transaction's scans pass over more keys than the limit")
            }
            mantis_store::Error::DiskFull => Code::DiskFull.into(),
            // A page has no disk, and would download the reasons.
            #[cfg(target_family = "wasm")]
            mantis_store::Error::StorageFailed(_) => Code::StorageFailed.into(),
            // Its owner closed it between the check and the commit.
            #[cfg(not(target_family = "wasm"))]
            mantis_store::Error::StorageFailed(StorageFailure::Closed) => {
                Self::new(Code::ReadOnly, "the database is shutting down and takes no writes")
            }
            #[cfg(not(target_family = "wasm"))]
            mantis_store::Error::StorageFailed(_)
            | mantis_store::Error::ReasonForgotten
            | mantis_store::Error::NoLogThread => Self::new(Code::StorageFailed, error.to_string()),
            // The engine's only other reason.
            _ => Code::TransactionTooOld.into(),
        }
    }
}
