//! The bounds of the HTTP surface that no configuration changes. What is configured is in `state/configuration.rs`; the limits of
//! keys, values and batches are the database's.

use std::time::Duration;

use mantis_db::tables::define::DescribeLimits;

pub(crate) use mantis_db::limits::{BUCKET_NAME_BYTES_MAX, KEY_BYTES_MAX, TABLE_NAME_BYTES_MAX, TTL_MS_MAX};

/// Bytes of a path and its query together: a key of 4,096 bytes with every byte escaped, and the rest.
pub(crate) const URI_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a client's `x-request-id` that is echoed.
pub(crate) const REQUEST_ID_BYTES_MAX: usize = 128;
/// Bytes of a refused body that are read and discarded, so that the client gets to read the refusal.
pub(crate) const DISCARD_BYTES_MAX: usize = 64 << 20;
/// Time for discarding a refused body.
pub(crate) const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a body that a connection is given at a time. It copies what it sends: a slow reader of a large value costs some pieces,
/// while the value itself stays shared.
pub(crate) const BODY_PIECE_BYTES_MAX: usize = 64 << 10;
/// Attempts at a conditional write whose key other writers change meanwhile.
pub(crate) const CONDITION_ATTEMPTS_MAX: usize = 32;

/// The share of the pool's sessions that transactions may hold; the rest is for requests without one.
pub(crate) const TRANSACTION_SESSIONS: (usize, usize) = (3, 4);
/// Ended transactions whose ending is remembered.
pub(crate) const ENDED_TRANSACTIONS_MAX: usize = 1_000;
/// Retry tokens that are kept; beyond it the oldest are dropped.
pub(crate) const RETRY_TOKENS_MAX: usize = 256;
/// Bytes of what the retry tokens refer to.
pub(crate) const RETRY_TOKEN_BYTES_MAX: usize = 4 << 20;

/// Time to live, in seconds.
pub(crate) const TTL_S_MAX: u64 = TTL_MS_MAX / 1000;
/// Entries of a page when the request does not say, unless the database's limit is lower.
pub(crate) const PAGE_ENTRIES_DEFAULT: usize = 100;
/// Bytes of a listing's cursor, as text: that of the longest key fits.
pub(crate) const KEYS_CURSOR_BYTES_MAX: usize = 2 * KEY_BYTES_MAX;
/// Bytes of a cursor of the change feed.
pub(crate) const CHANGES_CURSOR_BYTES_MAX: usize = 128;
/// Wait of a long poll, in seconds.
pub(crate) const WAIT_S_MAX: u64 = 30;
/// Changes that are read at once.
pub(crate) const CHANGES_PER_READ_MAX: usize = 100;
/// Bytes of keys and values after which a page of changes ends.
pub(crate) const CHANGES_PAGE_BYTES_MAX: usize = 1 << 20;

/// Tables that a document shows one by one. What is beyond is counted in it.
pub(crate) const DOCUMENT_TABLES: DescribeLimits =
    DescribeLimits { tables_max: 1_000, columns_max: 10_000, stored_bytes_max: 4 << 20 };

/// Bytes of the rows of an answer that is collected: in a transaction, of one row, and of rows that were written.
pub(crate) const TABLE_ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of the rows of any other answer that are collected; beyond them it is sent piece by piece.
pub(crate) const TABLE_COLLECTED_BYTES: usize = 1 << 20;
/// Bytes of such a piece, about: it ends with a row.
pub(crate) const TABLE_PIECE_BYTES: usize = 256 << 10;
/// Bytes of sorted and grouped rows that all answers hold together while they are sent piece by piece.
pub(crate) const STREAMS_HELD_BYTES_MAX: usize = 256 << 20;

/// Bytes of the `buckets` parameter: a hundred buckets with long names.
pub(crate) const GRANTS_BYTES_MAX: usize = 8 * 1024;

/// Rows that a query may examine on a thread that other requests wait for; a longer one starts over on a thread for long work.
pub(crate) const SHORT_QUERY_ROWS_MAX: u64 = 4_096;
/// Bytes of rows that are written on such a thread.
pub(crate) const SHORT_BODY_BYTES_MAX: usize = 64 << 10;
/// Operations of a batch that run on such a thread.
pub(crate) const SHORT_BATCH_OPERATIONS_MAX: usize = 64;

/// Bytes of statistics and metrics that are answered where the memory in flight is used up.
pub(crate) const SPARE_BYTES: usize = 4 << 20;
