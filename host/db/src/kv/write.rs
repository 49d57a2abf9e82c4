//! Writes of one key within a transaction, which read the key first.

use bytes::Bytes;

use crate::engine::{Expect, StoredEntry, Transaction, Update};
use crate::keyspace::BucketId;
use crate::kv::transaction_limits::{check_reads, check_writes, reserve};
use crate::kv::value::{self, Entry, MediaType};
use crate::{Code, Error, Limits, Result};

/// Why a write did not happen.
pub(crate) enum WriteStop {
    Refused(Option<Entry>),
    Failed(Error),
}

impl From<Error> for WriteStop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Writes one key if it is as expected, and returns whether it had a value before.
pub(crate) fn write(
    transaction: &mut Transaction,
    bucket: BucketId,
    key: &[u8],
    update: Update,
    expect: Expect,
    limits: &Limits,
) -> std::result::Result<bool, WriteStop> {
    let encoded = bucket.key(key);
    let stored = read(transaction, &encoded, limits)?;
    if !expect.holds(stored.as_ref().map(|stored| stored.version)) {
        return Err(WriteStop::Refused(stored.map(value::entry).transpose()?));
    }
    match update {
        Update::Put { value, expires_at_ms } => put(transaction, &encoded, value, expires_at_ms, limits)?,
        Update::Delete if stored.is_some() => {
            check_writes(transaction.size_with(&encoded, 0), limits)?;
            reserve(transaction, encoded.len())?;
            transaction.delete(&encoded);
        }
        Update::Delete => {}
    }
    Ok(stored.is_some())
}

/// Reads a key, and fails before anything is done with it if that is one read too many.
pub(crate) fn read(transaction: &mut Transaction, encoded: &[u8], limits: &Limits) -> Result<Option<StoredEntry>> {
    let stored = transaction.get(encoded)?;
    check_reads(transaction, limits)?;
    Ok(stored)
}

pub(crate) fn put(
    transaction: &mut Transaction,
    encoded: &[u8],
    value: Bytes,
    expires_at_ms: Option<u64>,
    limits: &Limits,
) -> Result<()> {
    // Far from the limits it does not matter whether the key is written again.
    let most = (transaction.write_count() + 1, transaction.written_bytes() + encoded.len() + value.len());
    if check_writes(most, limits).is_err() {
        check_writes(transaction.size_with(encoded, value.len()), limits)?;
    }
    reserve(transaction, encoded.len() + value.len())?;
    transaction.put(encoded, value, expires_at_ms);
    Ok(())
}

/// Adds to a number, and returns the sum and whether the key had a value before.
pub(crate) fn increment(
    transaction: &mut Transaction,
    bucket: BucketId,
    key: &[u8],
    by: i64,
    limits: &Limits,
) -> Result<(i64, bool)> {
    let encoded = bucket.key(key);
    let stored = read(transaction, &encoded, limits)?;
    let expires_at_ms = stored.as_ref().and_then(|stored| stored.expires_at_ms);
    let replaced = stored.is_some();
    let number = stored.map_or(Ok(0), |stored| {
        let (_, bytes) = value::decode(stored.value)?;
        parse_number(&bytes)
    })?;
    let sum = number
        .checked_add(by)
        .ok_or_else(|| Error::new(Code::IntegerOverflow, format!("{number} + {by} does not fit into 64 bits")))?;
    put(transaction, &encoded, number_text(sum), expires_at_ms, limits)?;
    Ok((sum, replaced))
}

/// A decimal number of 64 bits as `-?[0-9]+`, without spaces or a plus sign.
fn parse_number(bytes: &[u8]) -> Result<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|_| digits.first().is_some_and(u8::is_ascii_digit));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Code::NotAnInteger.into())
}

/// A number as increments store it: decimal text.
fn number_text(number: i64) -> Bytes {
    value::encode(&MediaType::TEXT, number.to_string().as_bytes())
}
