//! Entries in key order, as an iterator over pages.

use crate::bindings::mantis::db::{kv, types::ScanOptions};
use crate::{Result, Span};

/// Entries of a page: the host's limit.
const PAGE_ENTRIES: u32 = 1_000;
/// Bytes in front of each entry: the lengths of key and value, and the version.
const HEADER_BYTES: usize = 16;

/// An iterator over keys and values in key order. Fetches packed pages of up to 1,000 entries.
///
/// It ends after its first error.
#[derive(Debug)]
pub struct Scan<'b> {
    bucket: &'b kv::Bucket,
    options: ScanOptions,
    /// Entries that it may still return.
    left: u64,
    page: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<'b> Scan<'b> {
    pub(crate) fn new(bucket: &'b kv::Bucket) -> Self {
        let options = ScanOptions { span: Span::All, reverse: false, limit: PAGE_ENTRIES, cursor: None };
        Self { bucket, options, left: u64::MAX, page: Vec::new(), at: 0, ended: false }
    }

    /// Only keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.options.span = Span::Prefix(prefix.into());
        self
    }

    /// Only keys from `start` (included) to `end` (excluded), where given.
    #[must_use]
    pub fn between(mut self, start: Option<Vec<u8>>, end: Option<Vec<u8>>) -> Self {
        self.options.span = Span::Between((start, end));
        self
    }

    /// From the largest key down.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.options.reverse = true;
        self
    }

    /// At most this many entries.
    #[must_use]
    pub fn limit(mut self, entries: u64) -> Self {
        self.left = entries;
        self
    }

    fn fetch(&mut self) -> Result<()> {
        self.options.limit = u32::try_from(self.left).unwrap_or(PAGE_ENTRIES).min(PAGE_ENTRIES);
        let page = self.bucket.scan_packed(&self.options)?;
        self.ended = page.cursor.is_none();
        self.options.cursor = page.cursor;
        (self.page, self.at) = (page.data, 0);
        Ok(())
    }

    /// The next entry of the current page.
    fn unpack(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        let rest = self.page.get(self.at..)?;
        let (header, rest) = rest.split_at_checked(HEADER_BYTES)?;
        let length = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?) as usize);
        let (key, rest) = rest.split_at_checked(length(0)?)?;
        let value = rest.get(..length(4)?)?;
        self.at += HEADER_BYTES + key.len() + value.len();
        Some((key.to_vec(), value.to_vec()))
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        loop {
            if let Some(entry) = self.unpack() {
                self.left -= 1;
                return Some(Ok(entry));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.fetch() {
                self.left = 0;
                return Some(Err(error));
            }
        }
    }
}
