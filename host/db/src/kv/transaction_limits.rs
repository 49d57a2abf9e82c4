//! Limits of one transaction: keys and bytes written, keys and ranges read.

use crate::engine::Transaction;
use crate::{Code, Error, Limits, Result};

/// Checks that a transaction may grow to so many keys and bytes. Called before it does: a refused write must not stay in it.
pub(crate) fn check_writes((keys, bytes): (usize, usize), limits: &Limits) -> Result<()> {
    check_count("write", keys, limits.transaction_writes_max, "keys")?;
    check_count("write", bytes, limits.transaction_bytes_max, "bytes")
}

/// Checks that the memory in flight has room for what a transaction holds and `more` bytes that it is about to write.
pub(crate) fn reserve(transaction: &mut Transaction, more: usize) -> Result<()> {
    if transaction.reserve(more) { Ok(()) } else { Err(Code::MemoryFull.into()) }
}

/// Checks that a transaction is within its limit of reads, and that the memory in flight has room for them.
pub(crate) fn check_reads(transaction: &mut Transaction, limits: &Limits) -> Result<()> {
    reserve(transaction, 0)?;
    check_count("read", transaction.read_count(), limits.transaction_reads_max, "keys and ranges")
}

pub(crate) fn check_count(verb: &str, count: usize, max: usize, unit: &str) -> Result<()> {
    if count > max {
        let message = format!("the transaction would {verb} {count} {unit}; the limit is {max}");
        return Err(Error::new(Code::TransactionTooLarge, message));
    }
    Ok(())
}
