//! Pages of keys and entries in order.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::database::Inner;
use crate::engine::{Direction, Snapshot, StoredEntry, View};
use crate::keyspace::{BUCKET_PREFIX_BYTES, BucketId};
use crate::kv::cursor::ScanCursor;
use crate::kv::value;
use crate::{Code, Entry, Limits, Result, Span};

/// Where to scan, how, and how much at once.
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

/// Keys in order. Pages are bounded in bytes too: go on while there is a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<Vec<u8>>,
    /// Where to go on; none at the end.
    pub cursor: Option<Vec<u8>>,
}

/// Entries in key order. Pages are bounded in bytes too: go on while there is a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys with their entries.
    pub entries: Vec<(Vec<u8>, Entry)>,
    /// Where to go on; none at the end.
    pub cursor: Option<Vec<u8>>,
}

/// A scan's page before it is given its shape: shows keys and stored entries, and tells whether and where to go on.
pub(crate) struct Scan<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) bucket: BucketId,
    pub(crate) options: &'a ScanOptions,
    pub(crate) cursor: Option<ScanCursor>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(limits: &'a Limits, bucket: BucketId, options: &'a ScanOptions) -> Result<Self> {
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

    /// Shows the page to `see`, which says how many bytes it takes of each entry, and returns the last key when there is more.
    pub(crate) fn run(
        &self,
        view: &mut impl View,
        mut see: impl FnMut(&[u8], StoredEntry) -> Result<usize>,
    ) -> Result<Option<Vec<u8>>> {
        let mut range = self.bucket.range(&self.options.span);
        if let Some(cursor) = &self.cursor {
            range = range.after(&self.bucket.key(&cursor.last_key), self.options.direction);
        }
        let (mut shown, mut bytes) = (0, 0);
        let mut last: Option<Vec<u8>> = None;
        let mut more = false;
        let mut failure = None;
        view.visit(&range, self.options.direction, |place, stored| {
            // The entry after the page tells that there is more; it is not shown.
            if shown == self.options.limit || bytes >= self.limits.page_bytes_max {
                more = true;
                return ControlFlow::Break(());
            }
            let key = &place[BUCKET_PREFIX_BYTES..];
            shown += 1;
            match see(key, stored) {
                Ok(taken) => bytes += taken,
                Err(error) => {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
            if shown == self.options.limit || bytes >= self.limits.page_bytes_max {
                last = Some(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        Ok(last.filter(|_| more))
    }

    pub(crate) fn cursor_at(&self, last_key: Vec<u8>, version: u64) -> Vec<u8> {
        ScanCursor { direction: self.options.direction, bucket: self.bucket, version, last_key }.encode()
    }
}

/// What a page shows, and the last key when there is more.
pub(crate) type Collected<T> = (Vec<T>, Option<Vec<u8>>);

/// The snapshot that a scan runs in: the one that its cursor keeps, or a new one.
pub(crate) fn snapshot_of(database: &Inner, cursor: Option<&ScanCursor>) -> Arc<Snapshot> {
    let kept =
        cursor.and_then(|cursor| database.cursor_snapshots.lock().get(cursor.version, database.engine.monotonic_us()));
    kept.unwrap_or_else(|| Arc::new(database.engine.snapshot()))
}

pub(crate) fn collect_entries(scan: &Scan<'_>, view: &mut impl View) -> Result<Collected<(Vec<u8>, Entry)>> {
    let mut entries = Vec::new();
    let last = scan.run(view, |key, stored| {
        let bytes = key.len() + stored.value.len();
        entries.push((key.to_vec(), value::entry(stored)?));
        Ok(bytes)
    })?;
    Ok((entries, last))
}

pub(crate) fn collect_keys(scan: &Scan<'_>, view: &mut impl View) -> Result<Collected<Vec<u8>>> {
    let mut keys = Vec::new();
    let last = scan.run(view, |key, _| {
        keys.push(key.to_vec());
        Ok(key.len())
    })?;
    Ok((keys, last))
}
