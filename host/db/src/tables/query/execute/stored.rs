//! A row as it is stored.

use crate::engine::EntryHeader;
use crate::tables::TableResult;

/// A row as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredRow<'a> {
    /// Its key, with the prefix of its space.
    pub(crate) key: &'a [u8],
    /// The commit that wrote it; 0 for the transaction's own write.
    pub(crate) version: u64,
    /// The encoded row.
    pub(crate) bytes: &'a [u8],
}

/// Sees a row: its key with the prefix of its space, its header (only the version is set), its bytes.
pub(crate) type SeeRow<'s> = dyn FnMut(&[u8], &EntryHeader, &[u8]) -> TableResult<()> + 's;
