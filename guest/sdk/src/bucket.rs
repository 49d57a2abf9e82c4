//! A named set of keys.

use crate::bindings::mantis::db::{kv, types};
use crate::{Batch, Counted, Deleted, Entry, Expect, Outcome, Result, Scan, SetOptions, Span, Written};

/// A named set of keys. Keys are 1 to 4,096 bytes, ordered as unsigned bytes; values are bytes.
#[derive(Debug)]
pub struct Bucket(kv::Bucket);

impl Bucket {
    /// Opens the bucket `name`. The first write creates a bucket.
    ///
    /// # Errors
    /// `bucket-not-found` if the plugin's grants do not name it, `bucket-name-invalid`, `handles-too-many`.
    pub fn open(name: &str) -> Result<Self> {
        kv::Bucket::open(name).map(Self)
    }

    pub(crate) fn from_handle(handle: kv::Bucket) -> Self {
        Self(handle)
    }

    /// The value of `key`; none if it is missing or expired.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        self.0.get(key.as_ref())
    }

    /// The value of `key`, with its version, media type and times.
    pub fn get_entry(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry>> {
        self.0.get_entry(key.as_ref())
    }

    /// The values of up to 1,000 keys at one version of the database, in the keys' order.
    pub fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        self.0.get_many(keys)
    }

    /// Sets `key` unconditionally.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Written> {
        self.0.set(key.as_ref(), value.as_ref())
    }

    /// Sets `key` if it is as expected, with a media type or a time to live.
    pub fn set_with(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, options: &SetOptions) -> Result<Outcome> {
        self.0.set_with(key.as_ref(), value.as_ref(), options)
    }

    /// Deletes `key`. Returns whether it existed, and the write.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<Deleted> {
        self.0.delete(key.as_ref())
    }

    /// Deletes `key` if it is as expected.
    pub fn delete_if(&self, key: impl AsRef<[u8]>, expect: Expect) -> Result<Outcome> {
        self.0.delete_if(key.as_ref(), expect)
    }

    /// Adds to a decimal number stored as text. A missing key counts as 0. Returns the sum, and the write.
    ///
    /// # Errors
    /// `not-an-integer`, `integer-overflow`.
    pub fn increment(&self, key: impl AsRef<[u8]>, by: i64) -> Result<Counted> {
        self.0.increment(key.as_ref(), by)
    }

    /// All entries in key order; the scan's methods narrow it.
    #[must_use]
    pub fn scan(&self) -> Scan<'_> {
        Scan::new(&self.0)
    }

    /// The number of keys in a span. Takes time in proportion to it.
    pub fn count(&self, span: &Span) -> Result<u64> {
        self.0.count(span)
    }

    /// Many operations, applied atomically.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(&self.0)
    }
}

impl Default for SetOptions {
    /// `application/octet-stream`, without expiry or condition.
    fn default() -> Self {
        types::SetOptions { media_type: None, ttl_ms: None, expect: Expect::Anything }
    }
}
