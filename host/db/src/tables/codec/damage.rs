//! The error of stored bytes that cannot be read.

use crate::tables::{TableError, code};

/// Bytes of a table that are not what the codec writes: XX001.
#[cold]
pub(super) fn damaged(what: &str) -> TableError {
    TableError::new(code::DATA_CORRUPTED, format!("a stored {what} cannot be read"))
        .with_hint("Check the files with `mantisdb check`.")
}
