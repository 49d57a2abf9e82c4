//! Every bound of this crate, with its unit in its name: on what a client may ask for, and on how much is done in one go.

use std::fmt;

use crate::{Code, Error, Result};

/// The limits that a [`Database`](crate::Database) enforces, on every surface alike.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a key: `key-too-long`. At most [`KEY_BYTES_MAX`], the default.
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
    /// Keys and scanned ranges that one transaction may read: `transaction-too-large`. Default 100,000.
    pub transaction_reads_max: usize,
    /// Keys that the scans of one transaction may pass over, deleted ones included that are not removed yet:
    /// `transaction-too-large`. Default 10,000,000.
    pub transaction_visits_max: u64,
    /// Rows and index entries that one query may examine: 57014. Default 10,000,000.
    pub query_rows_max: u64,
    /// Bytes of rows, groups and embedded rows that one query holds at a time: 54000. Default 64 MiB.
    pub query_bytes_max: usize,
    /// How long one query may take, in milliseconds: 57014. Default 30,000.
    pub query_ms_max: u64,
    /// How deep embeds may be nested: 54000. Default 10.
    pub query_depth_max: usize,
    /// Rows that one statement may insert, change or delete, those included that foreign keys' actions change: 54000. Default 1,000,000.
    pub statement_rows_max: usize,
    /// Bytes of rows that one statement may write, without index entries: 54000. Default 512 MiB.
    pub statement_bytes_max: usize,
    /// Bytes of keys and values that the statements of one transaction may write, index entries included: 54000. Default 1 GiB.
    pub table_transaction_bytes_max: usize,
    /// Keys and ranges that the statements of one transaction may read so that it has to hold them: 54000. Default 4,000,000.
    pub table_transaction_reads_max: usize,
    /// Buckets: `buckets-too-many`. Default 10,000.
    pub buckets_max: usize,
    /// Tables: code 54000. Default 10,000.
    pub tables_max: usize,
    /// Bytes of all keys and values: `store-full`. Default: no limit but the machine's memory.
    pub store_bytes_max: u64,
    /// Bytes of everything in flight together, on every surface: bodies, answers under construction, uncommitted writes: `memory-full`.
    /// Default: no limit.
    pub in_flight_bytes_max: usize,
    /// Snapshots kept for scan cursors, so that the pages of one scan show one version. Default 256.
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

/// The largest integer up to which every JSON reader is exact: 2^53 - 1, `Number.MAX_SAFE_INTEGER` in JavaScript. Beyond it integers are
/// written as decimal text, and a number without a fraction is not known to be the one that was written.
pub const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Bytes of a media type: its length is stored in one byte.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Characters of a bucket's name.
pub const BUCKET_NAME_BYTES_MAX: usize = 63;
/// Bytes of the name of a table, column, index or constraint, as in PostgreSQL.
pub const TABLE_NAME_BYTES_MAX: usize = 63;
/// Columns of a table.
pub const TABLE_COLUMNS_MAX: usize = 500;
/// Unique keys and indexes of a table.
pub const TABLE_INDEXES_MAX: usize = 64;
/// Foreign keys of a table, and its checks.
pub const CONSTRAINTS_MAX: usize = 64;
/// Tables' foreign keys that reference one table.
pub const REFERENCES_MAX: usize = 1_000;
/// Columns of a key or index, as in PostgreSQL.
pub const KEY_COLUMNS_MAX: usize = 32;
/// Values of a column's enum.
pub const ENUM_VALUES_MAX: usize = 1_000;
/// Bytes of a comment.
pub const COMMENT_BYTES_MAX: usize = 8_192;
/// Bytes of the filter of an index or check, and its parts.
pub const FILTER_BYTES_MAX: usize = 8_192;
#[cfg(feature = "tables")]
pub(crate) const FILTER_NODES_MAX: usize = 1_000;
/// Bytes of a table's definition, as it is stored.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// Layouts that rows of a table may have: a change of its columns adds one.
pub const LAYOUTS_MAX: usize = 1_000;
/// Older rows that a change of a table looks at in one commit, their bytes, and the time after which it ends early: other writers wait that
/// long.
#[cfg(feature = "tables")]
pub(crate) const EXISTING_ROWS_PER_COMMIT: usize = 512;
#[cfg(feature = "tables")]
pub(crate) const EXISTING_BYTES_PER_COMMIT: usize = 1 << 20;
#[cfg(feature = "tables")]
pub(crate) const EXISTING_US_PER_COMMIT: u64 = 2_000;
/// Tables whose definitions are kept ready.
#[cfg(feature = "tables")]
pub(crate) const TABLES_READY_MAX: usize = 1_024;
/// A time to live: 100 years of 365.25 days, in milliseconds.
pub const TTL_MS_MAX: u64 = 3_155_760_000_000;

/// Bytes of a key, whatever the limit: cursors, and paths in HTTP, have no room for a longer one.
pub const KEY_BYTES_MAX: usize = 4_096;
/// Bytes of a value, whatever the limit: one value and its header must fit into a record of the log.
const VALUE_BYTES_MAX: u64 = 1 << 30;
/// Bytes and keys of a transaction, whatever the limits: a commit is one record of the log, of less than 4 GiB, in which a key takes up to
/// 32 bytes besides itself and its value.
const TRANSACTION_BYTES_MAX: u64 = 2 << 30;
const TRANSACTION_WRITES_MAX: u64 = 1 << 24;
/// Levels of embeds in a select, whatever the limit (`54000`): each takes a few frames of the stack.
pub(crate) const QUERY_DEPTH_MAX: usize = 16;
/// The largest count: plugins and pages number entries, operations and buckets with 32 bits.
const COUNT_MAX: u64 = u32::MAX as u64;

/// Bytes in flight, at least, whatever the limit: below that not even one ordinary request would be served.
const IN_FLIGHT_BYTES_MIN: u64 = 1 << 20;

/// Keys that the deletion of a span or of a bucket removes in one commit, so that other writers are not delayed.
pub(crate) const DELETED_KEYS_PER_COMMIT: usize = 1_000;
/// Commits of independent operations that wait together to become final.
#[cfg(not(target_family = "wasm"))]
pub(crate) const COMMITS_UNSETTLED_MAX: usize = 64;
/// Conflicts in a row after which a transaction queues for a turn.
#[cfg(not(target_family = "wasm"))]
pub(crate) const CONFLICTS_BEFORE_TURN: u32 = 3;
/// Attempts of [`Session::transact`](crate::Session::transact): with a turn, only work that takes longer than a turn conflicts again.
#[cfg(not(target_family = "wasm"))]
pub(crate) const TRANSACT_ATTEMPTS_MAX: u32 = 64;

/// Expired keys that housekeeping removes in one commit: it delays a writer by some ten microseconds.
pub(crate) const EXPIRED_KEYS_PER_COMMIT: usize = 4;
/// Commits of expired keys in one call of housekeeping, which then takes at most some tenths of a second.
pub(crate) const EXPIRED_COMMITS_PER_CALL: usize = 4_000;
/// Versions that housekeeping frees under one hold of the writers' lock, and holds in one call.
pub(crate) const PRUNED_VERSIONS_PER_HOLD: usize = 8;
pub(crate) const PRUNED_HOLDS_PER_CALL: usize = 8_000;
/// Commits of interrupted drops in one call of housekeeping.
#[cfg(not(target_family = "wasm"))]
pub(crate) const DROP_COMMITS_PER_CALL: usize = 50;
/// Former names that housekeeping removes in one commit, and commits in one call.
pub(crate) const NAMES_PER_COMMIT: usize = 1_000;
pub(crate) const NAME_COMMITS_PER_CALL: usize = 50;

/// Embeds of a select at all levels together: `54000`.
#[cfg(feature = "tables")]
pub(crate) const EMBEDS_MAX: usize = 64;
/// Columns, aggregates and embeds that are shown of one table: `54000`. PostgreSQL's limit.
#[cfg(feature = "tables")]
pub(crate) const OUTPUTS_MAX: usize = 1_664;

/// Bytes of a log segment, at least, however small the log is kept.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 4 << 10;

/// A limit that no database can enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitInvalid {
    /// The field of [`Limits`].
    pub limit: &'static str,
    /// Its value.
    pub value: u64,
    /// The least value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

impl fmt::Display for LimitInvalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, value, min, max } = self;
        match *max {
            u64::MAX => write!(f, "{limit} is {value}; it must be at least {min}"),
            max => write!(f, "{limit} is {value}; it must be {min} to {max}"),
        }
    }
}

impl std::error::Error for LimitInvalid {}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// The default limits.
    pub const DEFAULT: Self = Self {
        key_bytes_max: KEY_BYTES_MAX,
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
        query_rows_max: 10_000_000,
        query_bytes_max: 64 << 20,
        query_ms_max: 30_000,
        query_depth_max: 10,
        statement_rows_max: 1_000_000,
        statement_bytes_max: 512 << 20,
        table_transaction_bytes_max: 1 << 30,
        table_transaction_reads_max: 4_000_000,
        buckets_max: 10_000,
        tables_max: 10_000,
        store_bytes_max: u64::MAX,
        in_flight_bytes_max: usize::MAX,
        cursor_snapshots_max: 256,
        cursor_age_ms_max: 30_000,
        transaction_age_ms_max: 60_000,
        feed_bytes_max: 64 << 20,
        feed_age_ms_max: 24 * 60 * 60 * 1_000,
    };

    /// Checks that a database can enforce these limits, as making one does.
    ///
    /// # Errors
    /// The first limit outside its range. 0 is outside where it would leave nothing to do, or would end a page without a cursor.
    pub fn check(&self) -> std::result::Result<(), LimitInvalid> {
        let count = |limit, value: usize| (limit, value as u64, 1, COUNT_MAX);
        let rows = [
            ("key_bytes_max", self.key_bytes_max as u64, 1, KEY_BYTES_MAX as u64),
            ("value_bytes_max", self.value_bytes_max as u64, 1, VALUE_BYTES_MAX),
            count("page_entries_max", self.page_entries_max),
            ("page_bytes_max", self.page_bytes_max as u64, 1, u64::MAX),
            count("get_many_keys_max", self.get_many_keys_max),
            ("answer_bytes_max", self.answer_bytes_max as u64, 1, u64::MAX),
            count("batch_operations_max", self.batch_operations_max),
            ("transaction_writes_max", self.transaction_writes_max as u64, 1, TRANSACTION_WRITES_MAX),
            ("transaction_bytes_max", self.transaction_bytes_max as u64, 1, TRANSACTION_BYTES_MAX),
            count("transaction_reads_max", self.transaction_reads_max),
            ("transaction_visits_max", self.transaction_visits_max, 1, u64::MAX),
            ("query_rows_max", self.query_rows_max, 1, u64::MAX),
            ("query_bytes_max", self.query_bytes_max as u64, 1, u64::MAX),
            ("query_ms_max", self.query_ms_max, 1, u64::MAX),
            ("query_depth_max", self.query_depth_max as u64, 0, QUERY_DEPTH_MAX as u64),
            count("statement_rows_max", self.statement_rows_max),
            ("statement_bytes_max", self.statement_bytes_max as u64, 1, TRANSACTION_BYTES_MAX),
            ("table_transaction_bytes_max", self.table_transaction_bytes_max as u64, 1, TRANSACTION_BYTES_MAX),
            count("table_transaction_reads_max", self.table_transaction_reads_max),
            ("in_flight_bytes_max", self.in_flight_bytes_max as u64, IN_FLIGHT_BYTES_MIN, u64::MAX),
            ("buckets_max", self.buckets_max as u64, 0, COUNT_MAX),
            ("tables_max", self.tables_max as u64, 0, COUNT_MAX),
            ("transaction_age_ms_max", self.transaction_age_ms_max, 1, u64::MAX),
        ];
        let invalid = rows.into_iter().find(|(_, value, min, max)| value < min || value > max);
        invalid.map_or(Ok(()), |(limit, value, min, max)| Err(LimitInvalid { limit, value, min, max }))
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

    /// Adds the bytes of an entry to those of an answer.
    pub(crate) fn check_answer(&self, bytes: &mut usize, added: usize) -> Result<()> {
        *bytes = bytes.saturating_add(added);
        if *bytes > self.answer_bytes_max {
            let max = self.answer_bytes_max;
            return Err(Error::new(Code::AnswerTooLarge, format!("the values have more than {max} bytes in all")));
        }
        Ok(())
    }

    /// The deadline of a time to live.
    pub(crate) fn deadline_ms(ttl_ms: Option<u64>, now_ms: u64) -> Result<Option<u64>> {
        match ttl_ms {
            None => Ok(None),
            Some(ttl_ms @ 1..=TTL_MS_MAX) => Ok(Some(now_ms.saturating_add(ttl_ms))),
            Some(_) => Err(Code::TtlInvalid.into()),
        }
    }
}
