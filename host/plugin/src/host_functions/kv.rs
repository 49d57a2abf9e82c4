//! `mantis:db/kv` for guests: each call is one operation of the session.

use bytes::Bytes;
use mantis_db::{Entry, ScanOptions};
use wasmtime::component::Resource;

use super::bindings::{kv, types};
use super::context::Context;
use super::convert;
use super::error::Failed;
use super::resources::OpenBucket;

type Result<T> = std::result::Result<T, Failed>;
type Bucket = Resource<OpenBucket>;

/// Keys that a count walks over between two readings of the clock.
const COUNT_PAGE_KEYS: usize = 1_000;

impl kv::Host for Context {}

impl Context {
    /// Counts the bytes of an answer.
    fn answer<T>(&mut self, value: T, bytes: usize) -> Result<T> {
        self.transfer(bytes)?;
        Ok(value)
    }
}

impl kv::HostBucket for Context {
    fn open(&mut self, name: String) -> Result<Bucket> {
        self.open_bucket(OpenBucket { name: name.into(), transaction: None })
    }

    fn get(&mut self, bucket: Bucket, key: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let entry = self.on_bucket(&bucket, key.len(), async |kv| kv.get(&key).await)?;
        let Some(entry) = entry else { return Ok(None) };
        self.transfer(entry.value.len())?;
        Ok(Some(entry.value.to_vec()))
    }

    fn get_entry(&mut self, bucket: Bucket, key: Vec<u8>) -> Result<Option<types::Entry>> {
        let entry = self.on_bucket(&bucket, key.len(), async |kv| kv.get(&key).await)?;
        self.transfer(entry.as_ref().map_or(0, |entry| entry.value.len()))?;
        Ok(entry.map(|entry| convert::entry(key, &entry)))
    }

    fn get_many(&mut self, bucket: Bucket, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        let bytes = keys.iter().map(Vec::len).sum();
        let entries = self.on_bucket(&bucket, bytes, async |kv| kv.get_many(&keys).await)?;
        self.transfer(entries.iter().flatten().map(|entry| entry.value.len()).sum())?;
        Ok(entries.into_iter().map(|entry| entry.map(|entry| entry.value.to_vec())).collect())
    }

    fn set(&mut self, bucket: Bucket, key: Vec<u8>, value: Vec<u8>) -> Result<types::Written> {
        let bytes = key.len() + value.len();
        self.on_bucket(&bucket, bytes, async |kv| kv.set(&key, &value).await).map(convert::written)
    }

    fn set_with(
        &mut self,
        bucket: Bucket,
        key: Vec<u8>,
        value: Vec<u8>,
        options: types::SetOptions,
    ) -> Result<types::Outcome> {
        let bytes = key.len() + value.len();
        let options = convert::set_options(&options).map_err(|error| self.note_conflict(error.into()))?;
        let outcome = self.on_bucket(&bucket, bytes, async |kv| kv.set_with(&key, &value, &options).await)?;
        let (outcome, bytes) = convert::outcome(&key, outcome);
        self.answer(outcome, bytes)
    }

    fn delete(&mut self, bucket: Bucket, key: Vec<u8>) -> Result<types::Deleted> {
        self.on_bucket(&bucket, key.len(), async |kv| kv.delete(&key).await).map(convert::deleted)
    }

    fn delete_if(&mut self, bucket: Bucket, key: Vec<u8>, expect: types::Expect) -> Result<types::Outcome> {
        let expect = convert::expect(&expect);
        let outcome = self.on_bucket(&bucket, key.len(), async |kv| kv.delete_if(&key, expect).await)?;
        let (outcome, bytes) = convert::outcome(&key, outcome);
        self.answer(outcome, bytes)
    }

    fn increment(&mut self, bucket: Bucket, key: Vec<u8>, by: i64) -> Result<types::Counted> {
        self.on_bucket(&bucket, key.len(), async |kv| kv.increment(&key, by).await).map(convert::counted)
    }

    fn scan(&mut self, bucket: Bucket, options: types::ScanOptions) -> Result<types::Page> {
        let options = convert::scan_options(options);
        let page = self.on_bucket(&bucket, 0, async |kv| kv.scan(&options).await)?;
        self.transfer(page_bytes(&page.entries))?;
        let entries = page.entries.into_iter().map(|(key, entry)| convert::entry(key, &entry)).collect();
        Ok(types::Page { entries, cursor: page.cursor })
    }

    fn scan_keys(&mut self, bucket: Bucket, options: types::ScanOptions) -> Result<types::KeyPage> {
        let options = convert::scan_options(options);
        let page = self.on_bucket(&bucket, 0, async |kv| kv.scan_keys(&options).await)?;
        self.transfer(page.keys.iter().map(Vec::len).sum())?;
        Ok(types::KeyPage { keys: page.keys, cursor: page.cursor })
    }

    fn scan_packed(&mut self, bucket: Bucket, options: types::ScanOptions) -> Result<types::PackedPage> {
        let options = convert::scan_options(options);
        let page = self.on_bucket(&bucket, 0, async |kv| kv.scan(&options).await)?;
        self.transfer(page_bytes(&page.entries))?;
        let count = u32::try_from(page.entries.len()).unwrap_or(u32::MAX);
        Ok(types::PackedPage { data: convert::pack(&page.entries), count, cursor: page.cursor })
    }

    /// In pages, because a walk over all keys of a large bucket must end at the call's deadline.
    fn count(&mut self, bucket: Bucket, span: types::Span) -> Result<u64> {
        let span = convert::span(span);
        let limit = COUNT_PAGE_KEYS.min(self.database.limits().page_entries_max);
        let mut options = ScanOptions { span, limit, ..ScanOptions::default() };
        let mut count = 0;
        loop {
            let page = self.on_bucket(&bucket, 0, async |kv| kv.scan_keys(&options).await)?;
            count += page.keys.len() as u64;
            options.cursor = page.cursor;
            if options.cursor.is_none() {
                return Ok(count);
            }
        }
    }

    fn apply(&mut self, bucket: Bucket, operations: Vec<types::Op>) -> Result<types::Applied> {
        let keys = convert::keys_of(&operations);
        let bytes = operations.iter().map(convert::op_bytes).sum();
        let operations: mantis_db::Result<Vec<_>> = operations.into_iter().map(convert::op).collect();
        let operations = operations.map_err(|error| self.note_conflict(error.into()))?;
        let applied = self.on_bucket(&bucket, bytes, async |kv| kv.apply(&operations).await)?;
        let (applied, bytes) = convert::applied(&keys, applied);
        self.answer(applied, bytes)
    }

    fn drop(&mut self, bucket: Bucket) -> wasmtime::Result<()> {
        let _ = self.handles.delete(bucket);
        Ok(())
    }
}

fn page_bytes(entries: &[(Vec<u8>, Entry)]) -> usize {
    entries.iter().map(|(key, entry)| key.len() + Bytes::len(&entry.value)).sum()
}
