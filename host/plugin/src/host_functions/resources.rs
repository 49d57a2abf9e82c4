//! The objects that guests hold handles to.
#![allow(unreachable_pub, reason = "the generated bindings re-export these within the crate, and ask for `pub`")]

use mantis_db::Session;
use wasmtime::component::ResourceTable;

/// A bucket.
pub struct OpenBucket {
    pub(crate) name: Box<str>,
    /// The transaction that it belongs to; `None` for the session of the call.
    pub(crate) transaction: Option<TransactionPlace>,
}

/// A table of rows.
pub struct OpenTable {
    pub(crate) name: Box<str>,
    /// The transaction that it belongs to; `None` for the session of the call.
    pub(crate) transaction: Option<TransactionPlace>,
}

/// The place of a transaction in its table, and its number: a place is used again, a number never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransactionPlace {
    pub(crate) rep: u32,
    pub(crate) number: u64,
}

/// A transaction that a guest opened by hand.
pub struct OpenTransaction {
    pub(crate) session: Session,
    pub(crate) number: u64,
}

/// An empty table for this many entries.
pub(super) fn table(entries_max: usize) -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(entries_max);
    table
}
