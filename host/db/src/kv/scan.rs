//! Scans: pages of keys and entries in order, and counting.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::database::Inner;
use crate::engine::{Direction, EntryHeader, KeyRange, Snapshot, View};
use crate::keyspace::{BUCKET_PREFIX_BYTES, BucketId, Span};
use crate::kv::cursor::ScanCursor;
use crate::kv::handle::Kv;
use crate::kv::value::{self, Entry};
use crate::{Code, Error, Limits, Result};

/// Options of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanOptions {
    /// The keys to show.
    pub span: Span,
    /// From the smallest key up, or from the largest down.
    pub direction: Direction,
    /// Entries of a page: 1 to [`Limits::page_entries_max`].
    pub limit: usize,
    /// The cursor of the page before.
    pub cursor: Option<Vec<u8>>,
}

impl Default for ScanOptions {
    /// Everything, forward, 100 entries a page.
    fn default() -> Self {
        Self { span: Span::All, direction: Direction::Forward, limit: 100, cursor: None }
    }
}

/// Keys in order. Pages are bounded in bytes too: continue while there is a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<Vec<u8>>,
    /// The cursor of the next page; none at the end.
    pub cursor: Option<Vec<u8>>,
}

/// Entries in key order. Pages are bounded in bytes too: continue while there is a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys with their entries.
    pub entries: Vec<(Vec<u8>, Entry)>,
    /// The cursor of the next page; none at the end.
    pub cursor: Option<Vec<u8>>,
}

#[allow(
    clippy::unused_async,
    reason = "reads of the embedded engine never wait, but those of an engine behind a network will"
)]
impl Kv<'_> {
    /// A page of entries.
    ///
    /// # Errors
    /// `limit-out-of-range`, `cursor-invalid`; in a transaction `transaction-too-old`, `transaction-too-large`.
    pub async fn scan(&mut self, options: &ScanOptions) -> Result<Page> {
        self.scan_now(options)
    }

    pub(crate) fn scan_now(&mut self, options: &ScanOptions) -> Result<Page> {
        let mut entries = Vec::new();
        let cursor = self.page(options, &mut |scan, view| collect_entries(scan, view, &mut entries))?;
        Ok(Page { entries, cursor })
    }

    /// A page of keys.
    ///
    /// # Errors
    /// Those of [`scan`](Self::scan).
    pub async fn scan_keys(&mut self, options: &ScanOptions) -> Result<KeyPage> {
        let mut keys = Vec::new();
        let cursor = self.page(options, &mut |scan, view| collect_keys(scan, view, &mut keys))?;
        Ok(KeyPage { keys, cursor })
    }

    /// How many keys the span has. Costs a walk over them: about 100 ns a key.
    ///
    /// # Errors
    /// In a transaction `transaction-too-old`, `transaction-too-large`.
    pub async fn count(&mut self, span: &Span) -> Result<u64> {
        self.check_reads()?;
        let Some(bucket) = self.existing()? else { return Ok(0) };
        let range = bucket.id.range(span);
        let mut count = 0;
        let mut see = |_: &[u8], _: &EntryHeader, _: &[u8]| {
            count += 1;
            ControlFlow::Continue(())
        };
        match &mut self.session.transaction {
            None => View::visit(&mut &self.session.database.0.engine.snapshot(), &range, Direction::Forward, &mut see)?,
            Some(transaction) => View::visit(&mut **transaction, &range, Direction::Forward, &mut see)?,
        }
        self.check_reads()?;
        Ok(count)
    }

    /// Runs a page of a scan in the transaction, the snapshot of its cursor, or a new snapshot, and returns the cursor if there is more.
    /// `collect` is called again if the snapshot turns out too old.
    fn page(&mut self, options: &ScanOptions, collect: &mut Collect<'_>) -> Result<Option<Vec<u8>>> {
        self.limits().check_page(options.limit)?;
        self.check_reads()?;
        let Some(bucket) = self.existing()? else {
            // A cursor belongs to a bucket that exists.
            return if options.cursor.is_some() { Err(Code::CursorInvalid.into()) } else { Ok(None) };
        };
        let database = self.session.database.clone();
        let database = &*database.0;
        let scan = Scan::new(&database.limits, bucket.id, options)?;
        if let Some(transaction) = &mut self.session.transaction {
            let last = collect(&scan, &mut **transaction)?;
            let cursor = last.map(|key| scan.cursor_at(key, transaction.version()));
            self.check_reads()?;
            return Ok(cursor);
        }
        let mut snapshot = snapshot_of(database, scan.cursor.as_ref());
        let last = match collect(&scan, &mut &*snapshot) {
            // Kept for too long: the scan continues in the newest state.
            Err(error) if error.code() == Code::TransactionTooOld => {
                database.cursor_snapshots.lock().forget(snapshot.version());
                snapshot = Arc::new(database.engine.snapshot());
                collect(&scan, &mut &*snapshot)
            }
            last => last,
        };
        Ok(last?.map(|key| {
            let dropped = database.cursor_snapshots.lock().keep(&snapshot, database.engine.monotonic_us());
            drop(dropped);
            scan.cursor_at(key, snapshot.version())
        }))
    }
}

/// Collects a page of a scan from a view, and returns the last key if there is more.
type Collect<'c> = dyn FnMut(&Scan<'_>, &mut dyn View) -> Result<Option<Vec<u8>>> + 'c;

/// One page of a scan, whatever is collected from it.
struct Scan<'a> {
    limits: &'a Limits,
    bucket: BucketId,
    options: &'a ScanOptions,
    cursor: Option<ScanCursor>,
}

impl<'a> Scan<'a> {
    fn new(limits: &'a Limits, bucket: BucketId, options: &'a ScanOptions) -> Result<Self> {
        limits.check_page(options.limit)?;
        let cursor =
            options.cursor.as_deref().map(|bytes| ScanCursor::decode(bytes, bucket, options.direction)).transpose()?;
        let scan = Self { limits, bucket, options, cursor };
        if let Some(cursor) = &scan.cursor
            && !scan.bucket.range(&options.span).contains(&bucket.key(&cursor.last_key))
        {
            return Err(Code::CursorInvalid.into());
        }
        Ok(scan)
    }

    /// The keys that are left of the span.
    fn range(&self) -> KeyRange {
        let range = self.bucket.range(&self.options.span);
        match &self.cursor {
            Some(cursor) => range.after(&self.bucket.key(&cursor.last_key), self.options.direction),
            None => range,
        }
    }

    fn filling(&self) -> Filling<'_> {
        Filling { scan: self, shown: 0, bytes: 0, last: None, has_more: false, failure: None }
    }

    fn cursor_at(&self, last_key: Vec<u8>, version: u64) -> Vec<u8> {
        ScanCursor { direction: self.options.direction, bucket: self.bucket, version, last_key }.encode()
    }
}

/// A page on its way.
struct Filling<'s> {
    scan: &'s Scan<'s>,
    shown: usize,
    bytes: usize,
    /// The last key, once the page is full.
    last: Option<Vec<u8>>,
    has_more: bool,
    failure: Option<Error>,
}

impl Filling<'_> {
    fn is_full(&self) -> bool {
        self.shown == self.scan.options.limit || self.bytes >= self.scan.limits.page_bytes_max
    }

    /// Takes an entry to the page by `take`, which returns its bytes.
    fn add(&mut self, encoded: &[u8], take: impl FnOnce(&[u8]) -> Result<usize>) -> ControlFlow<()> {
        // The entry after the page: there is more. It is not shown.
        if self.is_full() {
            self.has_more = true;
            return ControlFlow::Break(());
        }
        let key = &encoded[BUCKET_PREFIX_BYTES..];
        self.shown += 1;
        match take(key) {
            Ok(taken) => self.bytes += taken,
            Err(error) => {
                self.failure = Some(error);
                return ControlFlow::Break(());
            }
        }
        if self.is_full() {
            self.last = Some(key.to_vec());
        }
        ControlFlow::Continue(())
    }

    /// The last key, if there is more.
    fn end(self) -> Result<Option<Vec<u8>>> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.last.filter(|_| self.has_more)),
        }
    }
}

/// The snapshot that a scan reads: the one that is kept for its cursor, or a new one.
fn snapshot_of(database: &Inner, cursor: Option<&ScanCursor>) -> Arc<Snapshot> {
    let kept =
        cursor.and_then(|cursor| database.cursor_snapshots.lock().get(cursor.version, database.engine.monotonic_us()));
    kept.unwrap_or_else(|| Arc::new(database.engine.snapshot()))
}

/// Replaces `entries` by those of a page, and returns the last key if there is more.
fn collect_entries(
    scan: &Scan<'_>,
    view: &mut dyn View,
    entries: &mut Vec<(Vec<u8>, Entry)>,
) -> Result<Option<Vec<u8>>> {
    entries.clear();
    let mut filling = scan.filling();
    view.visit_shared(&scan.range(), scan.options.direction, &mut |encoded, stored| {
        filling.add(encoded, |key| {
            let bytes = key.len() + stored.value.len();
            entries.push((key.to_vec(), value::entry(stored)?));
            Ok(bytes)
        })
    })?;
    filling.end()
}

/// Replaces `keys` by those of a page, and returns the last one if there is more.
fn collect_keys(scan: &Scan<'_>, view: &mut dyn View, keys: &mut Vec<Vec<u8>>) -> Result<Option<Vec<u8>>> {
    keys.clear();
    let mut filling = scan.filling();
    view.visit(&scan.range(), scan.options.direction, &mut |encoded, _, _| {
        filling.add(encoded, |key| {
            keys.push(key.to_vec());
            Ok(key.len())
        })
    })?;
    filling.end()
}
