//! Limits of one transaction: keys and bytes written, keys and ranges read.

use crate::engine::Transaction;
use crate::{Code, Error, Limits, Result};

/// Checks that a transaction may grow to so many keys and bytes. Called before it does: a refused write must not stay in it.
pub(crate) fn check_writes((keys, bytes): (usize, usize), limits: &Limits) -> Result<()> {
    check_count("write", keys, limits.transaction_writes_max, "keys")?;
    check_count("write", bytes, limits.transaction_bytes_max, "bytes")
}

/// Checks that a transaction is within its limit of reads.
pub(crate) fn check_reads(transaction: &Transaction, limits: &Limits) -> Result<()> {
    check_count("read", transaction.read_count(), limits.transaction_reads_max, "keys and ranges")
}

pub(crate) fn check_count(verb: &str, count: usize, max: usize, unit: &str) -> Result<()> {
    if count > max {
        let message = format!("the transaction would {verb} {count} {unit}; the limit is {max}");
        return Err(Error::new(Code::TransactionTooLarge, message));
    }
    Ok(())
}
