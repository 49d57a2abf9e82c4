//! What a connection to a server does. Functions of the header that serve servers too ask [`Conn::far`](crate::conn::Conn::far) for it
//! first; all others refuse a server with `unsupported-remote`.
//!
//! The answers are those of `mantis-db`, so that what becomes of them is the same for both.

use std::pin::Pin;
use std::sync::Arc;

use mantis_db::{
    Applied, ChangeFilter, Changes, Counted, Deleted, Entry, Expect, Isolation, Op, Outcome, ScanOptions, SetOptions,
    Since, Span, Written,
};

use crate::abi::status;
use crate::failure::Failure;
use crate::statements::Statement;

/// What is there later. It is polled within the library's runtime.
pub(crate) type Later<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// A page of a scan.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Keys, with their entries unless keys alone were asked for.
    pub(crate) entries: Vec<(Vec<u8>, Option<Entry>)>,
    /// Where the next page begins.
    pub(crate) cursor: Option<Vec<u8>>,
}

/// A bucket and how many keys it has.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) keys: u64,
}

/// A page of JSON, or of rows in the form that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) data: Vec<u8>,
    pub(crate) count: u64,
    /// Rows that there are, where they were counted.
    pub(crate) total: Option<u64>,
    /// Of the row shown.
    pub(crate) version: u64,
}

/// What became of rows.
#[derive(Debug, Default)]
pub(crate) struct RowsDone {
    pub(crate) shown: Shown,
    /// Of a write.
    pub(crate) written: Option<RowsWritten>,
}

/// A write of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsWritten {
    pub(crate) commit: Written,
    pub(crate) count: u64,
    pub(crate) inserted: u64,
}

/// What became of a batch on keys and rows: its results, or which operations were refused.
#[derive(Debug)]
pub(crate) enum BatchDone {
    Committed(Shown, Written),
    Refused(Shown),
}

/// A page of changes as JSON.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) shown: Shown,
    pub(crate) cursor: Vec<u8>,
    pub(crate) at_end: bool,
}

/// A connection to a server. Every method waits for the answer, within the time that the pool's settings give it; each error is the
/// server's own by its code, or tells why there is no answer.
pub(crate) trait Far: Send {
    fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Entry>, Failure>;
    fn get_many(&mut self, bucket: &str, keys: &[&[u8]]) -> Result<Vec<Option<Entry>>, Failure>;
    /// An outcome that is refused has an entry of which only the version counts.
    fn set(&mut self, bucket: &str, key: &[u8], value: &[u8], options: &SetOptions) -> Result<Outcome, Failure>;
    /// As [`set`](Self::set).
    fn delete(&mut self, bucket: &str, key: &[u8], expect: Expect) -> Result<Outcome, Failure>;
    fn increment(&mut self, bucket: &str, key: &[u8], by: i64) -> Result<Counted, Failure>;
    fn scan(&mut self, bucket: &str, options: &ScanOptions, keys_only: bool) -> Result<Scanned, Failure>;
    fn count(&mut self, bucket: &str, span: &Span) -> Result<u64, Failure>;
    fn delete_span(&mut self, bucket: &str, span: &Span) -> Result<Deleted, Failure>;
    /// Refusals are as in [`set`](Self::set).
    fn apply(&mut self, bucket: &str, operations: &[Op]) -> Result<Applied, Failure>;
    fn buckets(&mut self) -> Result<Vec<Bucket>, Failure>;
    fn drop_bucket(&mut self, bucket: &str) -> Result<Deleted, Failure>;

    /// `is_again` after a conflict: the server is told which transaction lost.
    fn begin(&mut self, isolation: Isolation, is_again: bool) -> Result<(), Failure>;
    /// Ends the transaction in any case.
    fn commit(&mut self) -> Result<Written, Failure>;
    fn rollback(&mut self) -> Result<(), Failure>;
    fn in_transaction(&self) -> bool;
    /// Forgets what must not outlive a use. Does not wait.
    fn reset(&mut self);

    fn changes(&mut self, filter: &ChangeFilter, since: &Since, limit: usize) -> Result<Changes, Failure>;

    /// The definition, and whether the table is new.
    fn create_table(&mut self, table: &str, definition: &str) -> Result<(Shown, bool), Failure>;
    fn alter_table(&mut self, table: &str, change: &str) -> Result<Shown, Failure>;
    fn drop_table(&mut self, table: &str) -> Result<(), Failure>;
    fn describe_table(&mut self, table: &str) -> Result<Shown, Failure>;
    fn tables(&mut self) -> Result<Shown, Failure>;
    /// `format` is that of the header.
    fn rows(&mut self, statement: &Statement<'_>, format: u32) -> Result<RowsDone, Failure>;
    fn batch(&mut self, operations: &str) -> Result<BatchDone, Failure>;
    fn row_changes(
        &mut self,
        table: Option<&str>,
        filter: &str,
        select: &str,
        since: &Since,
        limit: usize,
    ) -> Result<Feed, Failure>;
}

/// Figures of a server's database.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FarStats {
    pub(crate) version: u64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    pub(crate) snapshots: u64,
}

/// A server, for the connections of a pool and for what belongs to none of them.
pub(crate) trait FarPool: Send + Sync {
    /// A connection, which reaches for the server with its first request.
    fn link(&self) -> Box<dyn Far>;
    fn stats(&self) -> Result<FarStats, Failure>;
    /// Hands a backup over, piece by piece.
    fn backup(&self, take: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), Failure>;
    /// Whether a commit is durable, once it is there.
    fn settled(self: Arc<Self>, version: u64) -> Later<bool>;
    /// The newest commit, once it is newer than `after`.
    fn newer(self: Arc<Self>, after: u64) -> Later<u64>;
}

/// What a connection to a server does not have.
pub(crate) fn unsupported(what: &str) -> Failure {
    Failure::new(
        status::MANTIS_E_OTHER,
        "unsupported-remote",
        format!("{what} is for a database in this process, and the connection is to a server"),
    )
}
