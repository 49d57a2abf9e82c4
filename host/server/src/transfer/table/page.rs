//! Some rows, as the server sent them.

use bytes::Bytes;

use super::csv::Field;
use crate::client::ClientError;
use crate::failure::Failure;

/// The rows of a page.
#[derive(Debug)]
pub(super) enum Page {
    /// JSON objects, a line each.
    Lines(Vec<Bytes>),
    /// The header, and the records.
    Records(Vec<Vec<Field>>),
}

impl Page {
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.len() as u64,
            Self::Records(records) => records.len().saturating_sub(1) as u64,
        }
    }
}

/// An answer that no server gives.
pub(super) fn unexpected(reason: String) -> Failure {
    Failure::from(ClientError::Unexpected { reason })
}
