//! Savepoints: states of a transaction's writes to return to.

use crate::hash::HashMap;
use crate::types::Update;

/// A state of a transaction to return to. Costs nothing; each key's first write after it keeps the replaced one until the savepoint is
/// [released](crate::Transaction::release) or [rolled back to](crate::Transaction::rollback_to).
#[derive(Debug)]
pub struct Savepoint {
    /// Its index among the transaction's savepoints.
    pub(super) depth: usize,
}

/// The writes that those since a savepoint replaced.
#[derive(Debug)]
pub(super) struct Undo {
    pub(super) replaced: HashMap<Box<[u8]>, Option<Update>>,
    /// `Transaction::written_bytes` at the savepoint.
    pub(super) written_bytes: usize,
}
