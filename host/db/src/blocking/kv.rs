//! [`Kv`].

use super::wait;
use crate::{
    Applied, AppliedEach, Counted, Deleted, Entry, Expect, KeyPage, Op, Outcome, Page, Result, ScanOptions, SetOptions,
    Span, Written, kv,
};

/// One bucket, through one session: as [`crate::Kv`], without futures.
#[derive(Debug)]
pub struct Kv<'s>(pub(super) kv::Kv<'s>);

impl<'s> Kv<'s> {
    /// The entry of `key`; none when it is missing or has expired.
    ///
    /// # Errors
    /// As [`crate::Kv::get`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Entry>> {
        wait(self.0.get(key))
    }

    /// The entries of several keys at one moment, in the keys' order.
    ///
    /// # Errors
    /// As [`crate::Kv::get_many`].
    pub fn get_many<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<Vec<Option<Entry>>> {
        wait(self.0.get_many(keys))
    }

    /// Sets `key`, whatever it was.
    ///
    /// # Errors
    /// As [`crate::Kv::set`].
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<Written> {
        wait(self.0.set(key, value))
    }

    /// Sets `key` if it is as expected.
    ///
    /// # Errors
    /// As [`crate::Kv::set_with`].
    pub fn set_with(&mut self, key: &[u8], value: &[u8], options: &SetOptions) -> Result<Outcome> {
        wait(self.0.set_with(key, value, options))
    }

    /// Deletes `key`.
    ///
    /// # Errors
    /// As [`crate::Kv::delete`].
    pub fn delete(&mut self, key: &[u8]) -> Result<Written> {
        wait(self.0.delete(key))
    }

    /// Deletes `key` if it is as expected.
    ///
    /// # Errors
    /// As [`crate::Kv::delete_if`].
    pub fn delete_if(&mut self, key: &[u8], expect: Expect) -> Result<Outcome> {
        wait(self.0.delete_if(key, expect))
    }

    /// Adds `by` to a decimal number kept as text. A missing key counts as 0.
    ///
    /// # Errors
    /// As [`crate::Kv::increment`].
    pub fn increment(&mut self, key: &[u8], by: i64) -> Result<Counted> {
        wait(self.0.increment(key, by))
    }

    /// Does many operations in one commit: all of them, or none if an expectation fails.
    ///
    /// # Errors
    /// As [`crate::Kv::apply`].
    pub fn apply(&mut self, operations: &[Op]) -> Result<Applied> {
        wait(self.0.apply(operations))
    }

    /// Does many independent operations one after the other.
    ///
    /// # Errors
    /// As [`crate::Kv::apply_each`].
    pub fn apply_each(&mut self, operations: &[Op]) -> Result<AppliedEach> {
        wait(self.0.apply_each(operations))
    }

    /// Deletes the keys of a span.
    ///
    /// # Errors
    /// As [`crate::Kv::delete_span`].
    pub fn delete_span(&mut self, span: &Span) -> Result<Deleted> {
        wait(self.0.delete_span(span))
    }

    /// How many keys the span has.
    ///
    /// # Errors
    /// As [`crate::Kv::count`].
    pub fn count(&mut self, span: &Span) -> Result<u64> {
        wait(self.0.count(span))
    }

    /// A page of entries.
    ///
    /// # Errors
    /// As [`crate::Kv::scan`].
    pub fn scan(&mut self, options: &ScanOptions) -> Result<Page> {
        wait(self.0.scan(options))
    }

    /// A page of keys.
    ///
    /// # Errors
    /// As [`crate::Kv::scan_keys`].
    pub fn scan_keys(&mut self, options: &ScanOptions) -> Result<KeyPage> {
        wait(self.0.scan_keys(options))
    }

    /// The entries of a scan, over all its pages.
    pub fn entries(self, options: ScanOptions) -> Entries<'s> {
        Entries(self.0.entries(options))
    }
}

/// The entries of a scan, read page by page as they are taken: as [`crate::Entries`].
#[derive(Debug)]
#[must_use = "nothing is read before an entry is asked for"]
pub struct Entries<'s>(kv::Entries<'s>);

impl Iterator for Entries<'_> {
    type Item = Result<(Vec<u8>, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_now().transpose()
    }
}
