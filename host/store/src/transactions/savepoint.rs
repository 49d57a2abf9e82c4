//! Savepoints: what a transaction has written, to return to.

use crate::hash::HashMap;
use crate::types::Update;

/// A moment in a transaction, to return to. Costs nothing; each key's first write after it keeps what it replaces until the
/// savepoint is [released](crate::Transaction::release) or [rolled back to](crate::Transaction::rollback_to).
#[derive(Debug)]
pub struct Savepoint {
    /// Its index among the transaction's savepoints.
    pub(super) depth: usize,
}

/// What the writes since a savepoint replaced.
#[derive(Debug)]
pub(super) struct Undo {
    pub(super) replaced: HashMap<Box<[u8]>, Option<Update>>,
    /// `Transaction::written_bytes` at the savepoint.
    pub(super) written_bytes: usize,
}
