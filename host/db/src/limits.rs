//! Every bound on what a client may ask for, in one place, with its unit in its name.

use crate::{Code, Error, Result};

/// The bounds that a [`Database`](crate::Database) enforces, on every surface alike.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a key: `key-too-long`. At most 4,096, the default.
    pub key_bytes_max: usize,
    /// Bytes of a value: `value-too-large`. Default 16 MiB.
    pub value_bytes_max: usize,
    /// Entries of a page: `limit-out-of-range`. Default 1,000.
    pub page_entries_max: usize,
    /// Bytes of keys, and of values where they are shown, after which a page ends early, with a cursor. Default 1 MiB.
    pub page_bytes_max: usize,
    /// Keys of one get-many: `keys-too-many`. Default 1,000.
    pub get_many_keys_max: usize,
    /// Bytes of the values that one get-many or batch answers: `answer-too-large`. Default 64 MiB.
    pub answer_bytes_max: usize,
    /// Operations of one batch: `operations-too-many`. Default 10,000.
    pub batch_operations_max: usize,
    /// Keys that one transaction may write: `transaction-too-large`. Default 100,000.
    pub transaction_writes_max: usize,
    /// Bytes of keys and values that one transaction may write: `transaction-too-large`. Default 64 MiB.
    pub transaction_bytes_max: usize,
    /// Keys and scanned stretches that one transaction may read: `transaction-too-large`. Default 100,000.
    pub transaction_reads_max: usize,
    /// Keys that the scans of one transaction may come by, those included that were deleted and are not removed yet:
    /// `transaction-too-large`. Default 10,000,000.
    pub transaction_visits_max: u64,
    /// Buckets: `buckets-too-many`. Default 10,000.
    pub buckets_max: usize,
    /// Bytes of all keys and values: `store-full`. Default: no bound but the machine's memory.
    pub store_bytes_max: u64,
    /// Snapshots that scan cursors keep, so that the pages of one scan show one moment. Default 256.
    pub cursor_snapshots_max: usize,
    /// How long a cursor keeps its snapshot after its last use, in milliseconds. Default 30,000.
    pub cursor_age_ms_max: u64,
    /// How long a transaction may stay open, in milliseconds: `transaction-too-old`. Default 60,000.
    pub transaction_age_ms_max: u64,
    /// Bytes of history that the change feed keeps. Default 64 MiB.
    pub feed_bytes_max: usize,
    /// How long the change feed keeps history, in milliseconds. Default a day.
    pub feed_age_ms_max: u64,
}

/// Bytes of a media type: its length is stored in one byte.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Characters of a bucket's name.
pub const BUCKET_NAME_BYTES_MAX: usize = 63;
/// A time to live: 100 years of 365.25 days, in milliseconds.
pub const TTL_MS_MAX: u64 = 3_155_760_000_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 4_096,
            value_bytes_max: 16 << 20,
            page_entries_max: 1_000,
            page_bytes_max: 1 << 20,
            get_many_keys_max: 1_000,
            answer_bytes_max: 64 << 20,
            batch_operations_max: 10_000,
            transaction_writes_max: 100_000,
            transaction_bytes_max: 64 << 20,
            transaction_reads_max: 100_000,
            transaction_visits_max: 10_000_000,
            buckets_max: 10_000,
            store_bytes_max: u64::MAX,
            cursor_snapshots_max: 256,
            cursor_age_ms_max: 30_000,
            transaction_age_ms_max: 60_000,
            feed_bytes_max: 64 << 20,
            feed_age_ms_max: 24 * 60 * 60 * 1_000,
        }
    }
}

impl Limits {
    pub(crate) fn check_key(&self, key: &[u8]) -> Result<()> {
        if key.is_empty() {
            return Err(Code::KeyEmpty.into());
        }
        if key.len() > self.key_bytes_max {
            let (bytes, max) = (key.len(), self.key_bytes_max);
            return Err(Error::new(Code::KeyTooLong, format!("the key has {bytes} bytes; the limit is {max}")));
        }
        Ok(())
    }

    pub(crate) fn check_value(&self, value: &[u8]) -> Result<()> {
        if value.len() > self.value_bytes_max {
            let (bytes, max) = (value.len(), self.value_bytes_max);
            return Err(Error::new(Code::ValueTooLarge, format!("the value has {bytes} bytes; the limit is {max}")));
        }
        Ok(())
    }

    pub(crate) fn check_page(&self, entries: usize) -> Result<()> {
        if entries == 0 || entries > self.page_entries_max {
            let max = self.page_entries_max;
            return Err(Error::new(Code::LimitOutOfRange, format!("the limit is {entries}; it must be 1 to {max}")));
        }
        Ok(())
    }

    /// Adds what an entry takes to the bytes of an answer.
    pub(crate) fn check_answer(&self, bytes: &mut usize, added: usize) -> Result<()> {
        *bytes += added;
        if *bytes > self.answer_bytes_max {
            let max = self.answer_bytes_max;
            return Err(Error::new(Code::AnswerTooLarge, format!("the values come to more than {max} bytes")));
        }
        Ok(())
    }

    /// The deadline that a time to live leads to.
    pub(crate) fn deadline_ms(ttl_ms: Option<u64>, now_ms: u64) -> Result<Option<u64>> {
        match ttl_ms {
            None => Ok(None),
            Some(ttl_ms @ 1..=TTL_MS_MAX) => Ok(Some(now_ms.saturating_add(ttl_ms))),
            Some(_) => Err(Code::TtlInvalid.into()),
        }
    }
}
