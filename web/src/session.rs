//! `RawSession`: operations, transactions and changes. Every method throws `{ code, kind, message }`.

use mantis_db::{ChangeFilter, Entry, Isolation, Kv, Session};
use wasm_bindgen::prelude::*;

use crate::batch::{RawBatch, key_of};
use crate::{input, output, ready};

/// The answer, or what is thrown.
pub(crate) type Answer<T = JsValue> = Result<T, JsValue>;

/// A session: identity, grants, an optional open transaction; with tables, the queries that were parsed lately.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RawSession(
    pub(crate) Session,
    #[cfg(feature = "tables")] pub(crate) std::sync::Arc<mantis_db::tables::QueryTexts>,
);

impl RawSession {
    // One copy of these two for all exports.
    #[inline(never)]
    fn kv<'s>(&'s mut self, bucket: &'s str) -> Answer<Kv<'s>> {
        answer(self.0.kv(bucket))
    }

    #[inline(never)]
    fn find(&mut self, bucket: &str, key: &[u8]) -> Answer<Option<Entry>> {
        answer(ready(self.kv(bucket)?.get(key)))
    }
}

/// The outcome of an operation, with its error as the object to throw.
fn answer<T>(result: mantis_db::Result<T>) -> Answer<T> {
    result.map_err(|error| output::error(&error))
}

#[wasm_bindgen]
impl RawSession {
    /// Checks that there is room to write so many bytes, before they are copied in.
    pub fn admit(&mut self, bytes: usize) -> Answer<()> {
        answer(self.0.database().check_room(bytes))
    }

    /// Checks the name of a bucket, and that the grants include it.
    pub fn check(&mut self, bucket: &str) -> Answer<()> {
        self.kv(bucket).map(drop)
    }

    /// The value, or null.
    pub fn get(&mut self, bucket: &str, key: &[u8]) -> Answer {
        let found = self.find(bucket, key)?;
        Ok(found.map_or(JsValue::NULL, |entry| output::bytes(&entry.value)))
    }

    /// The entry, or null.
    #[wasm_bindgen(js_name = getEntry)]
    pub fn get_entry(&mut self, bucket: &str, key: &[u8]) -> Answer {
        let found = self.find(bucket, key)?;
        Ok(output::entry_or_null(key, found.as_ref()))
    }

    /// The values in the order of the keys, with null for missing keys. `keys` has the bytes of all keys, one after the other.
    #[wasm_bindgen(js_name = getMany)]
    pub fn get_many(&mut self, bucket: &str, keys: &[u8], lengths: &[u32]) -> Answer<Vec<JsValue>> {
        let found = answer(ready(self.kv(bucket)?.get_many(&input::keys(keys, lengths))))?;
        Ok(found
            .iter()
            .map(|entry| entry.as_ref().map_or(JsValue::NULL, |entry| output::bytes(&entry.value)))
            .collect())
    }

    /// Sets a key.
    pub fn set(&mut self, bucket: &str, key: &[u8], value: &[u8]) -> Answer {
        answer(ready(self.kv(bucket)?.set(key, value))).map(output::written)
    }

    /// Sets a key if it is as expected.
    #[wasm_bindgen(js_name = setWith)]
    #[allow(clippy::too_many_arguments, reason = "flat arguments are what crosses into WebAssembly cheaply")]
    pub fn set_with(
        &mut self,
        bucket: &str,
        key: &[u8],
        value: &[u8],
        media_type: Option<String>,
        ttl_ms: Option<f64>,
        expect: &str,
        version: Option<u64>,
    ) -> Answer {
        let options = answer(input::set_options(media_type, ttl_ms, input::expect(expect, version)))?;
        let outcome = answer(ready(self.kv(bucket)?.set_with(key, value, &options)))?;
        Ok(output::outcome(key, &outcome))
    }

    /// Deletes a key.
    pub fn delete(&mut self, bucket: &str, key: &[u8]) -> Answer {
        answer(ready(self.kv(bucket)?.delete(key))).map(output::deleted)
    }

    /// Deletes a key if it is as expected.
    #[wasm_bindgen(js_name = deleteIf)]
    pub fn delete_if(&mut self, bucket: &str, key: &[u8], expect: &str, version: Option<u64>) -> Answer {
        let expect = input::expect(expect, version);
        let outcome = answer(ready(self.kv(bucket)?.delete_if(key, expect)))?;
        Ok(output::outcome(key, &outcome))
    }

    /// Adds to a number.
    pub fn increment(&mut self, bucket: &str, key: &[u8], by: i64) -> Answer {
        answer(ready(self.kv(bucket)?.increment(key, by))).map(output::counted)
    }

    /// A page of entries.
    #[allow(clippy::too_many_arguments, reason = "flat arguments are what crosses into WebAssembly cheaply")]
    pub fn scan(
        &mut self,
        bucket: &str,
        prefix: Option<Vec<u8>>,
        start: Option<Vec<u8>>,
        end: Option<Vec<u8>>,
        reverse: bool,
        limit: f64,
        cursor: Option<Vec<u8>>,
    ) -> Answer {
        let options = input::scan_options(input::span(prefix, start, end), reverse, limit, cursor);
        let page = answer(ready(self.kv(bucket)?.scan(&options)))?;
        let entries = page.entries.iter().map(|(key, entry)| output::entry(key, entry));
        Ok(output::page(entries, page.cursor.as_deref()))
    }

    /// A page of keys.
    #[wasm_bindgen(js_name = scanKeys)]
    #[allow(clippy::too_many_arguments, reason = "flat arguments are what crosses into WebAssembly cheaply")]
    pub fn scan_keys(
        &mut self,
        bucket: &str,
        prefix: Option<Vec<u8>>,
        start: Option<Vec<u8>>,
        end: Option<Vec<u8>>,
        reverse: bool,
        limit: f64,
        cursor: Option<Vec<u8>>,
    ) -> Answer {
        let options = input::scan_options(input::span(prefix, start, end), reverse, limit, cursor);
        let page = answer(ready(self.kv(bucket)?.scan_keys(&options)))?;
        Ok(output::page(page.keys.iter().map(|key| output::bytes(key)), page.cursor.as_deref()))
    }

    /// The number of keys in a span.
    pub fn count(
        &mut self,
        bucket: &str,
        prefix: Option<Vec<u8>>,
        start: Option<Vec<u8>>,
        end: Option<Vec<u8>>,
    ) -> Answer<f64> {
        let span = input::span(prefix, start, end);
        answer(ready(self.kv(bucket)?.count(&span))).map(output::number)
    }

    /// Deletes the keys of a span.
    #[wasm_bindgen(js_name = deleteSpan)]
    pub fn delete_span(
        &mut self,
        bucket: &str,
        prefix: Option<Vec<u8>>,
        start: Option<Vec<u8>>,
        end: Option<Vec<u8>>,
    ) -> Answer {
        let span = input::span(prefix, start, end);
        answer(ready(self.kv(bucket)?.delete_span(&span))).map(output::deleted_keys)
    }

    /// Runs many operations in one commit.
    pub fn apply(&mut self, bucket: &str, batch: RawBatch) -> Answer {
        let operations = batch.0;
        let applied = answer(ready(self.kv(bucket)?.apply(&operations)))?;
        Ok(output::applied(&applied, |index| operations.get(index).map_or(&[], key_of)))
    }

    /// Opens a transaction, with snapshot isolation or serialisable.
    pub fn begin(&mut self, snapshot_isolation: bool) -> Answer<()> {
        let isolation = if snapshot_isolation { Isolation::Snapshot } else { Isolation::Serializable };
        answer(ready(self.0.begin(isolation)))
    }

    /// Commits the open transaction.
    pub fn commit(&mut self) -> Answer {
        answer(ready(self.0.commit())).map(output::transaction)
    }

    /// Rolls back the open transaction, if there is one.
    pub fn rollback(&mut self) {
        self.0.rollback();
    }

    /// Committed changes after a cursor, from the next commit on if `since` is `now`, or from the oldest kept if it is `earliest`.
    pub fn changes(&mut self, bucket: Option<String>, prefix: Vec<u8>, since: String, limit: f64) -> Answer {
        let (since, limit) = (input::since(since), input::limit(limit));
        let changes = answer(ready(self.0.changes(&ChangeFilter { bucket, prefix }, &since, limit)))?;
        Ok(output::changes(&changes))
    }

    /// The buckets with their sizes.
    pub fn buckets(&mut self) -> Answer<Vec<JsValue>> {
        Ok(answer(ready(self.0.buckets()))?.iter().map(output::bucket).collect())
    }

    /// Drops a bucket.
    #[wasm_bindgen(js_name = dropBucket)]
    pub fn drop_bucket(&mut self, name: &str) -> Answer {
        answer(ready(self.0.drop_bucket(name))).map(output::deleted_keys)
    }
}
