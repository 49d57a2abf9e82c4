//! The functions of the header, each with what it lends and what it gets.
#![allow(unsafe_code, reason = "the functions of the header take pointers")]

use std::ffi::{CStr, c_char, c_void};
use std::mem::size_of;
use std::ptr::{from_ref, null, null_mut};
use std::slice;

use mantisdb_c::status::{MANTIS_NOT_FOUND, MANTIS_OK};
use mantisdb_c::types::flags as f;
use mantisdb_c::types::{
    mantis_conn, mantis_entry, mantis_error, mantis_page, mantis_pool, mantis_put_options, mantis_token, mantis_written,
};
use mantisdb_c::{
    mantis_conn_apply, mantis_conn_batch, mantis_conn_begin, mantis_conn_bucket_drop, mantis_conn_buckets,
    mantis_conn_changes, mantis_conn_commit, mantis_conn_count, mantis_conn_delete, mantis_conn_delete_span,
    mantis_conn_get, mantis_conn_get_many, mantis_conn_increment, mantis_conn_put, mantis_conn_release,
    mantis_conn_rollback, mantis_conn_row_changes, mantis_conn_rows, mantis_conn_scan, mantis_conn_set_grants,
    mantis_conn_table_alter, mantis_conn_table_create, mantis_conn_table_describe, mantis_conn_table_drop,
    mantis_conn_tables, mantis_pool_acquire,
};

use super::{Counted, condition, json_of};
use crate::answer::{Answer, Commit, Entry};
use crate::scenario::{Condition, Set};

pub(super) type Result<T> = std::result::Result<T, Failed>;

/// A `mantis_error`.
#[derive(Debug)]
pub(super) struct Failed {
    code: String,
    message: String,
    pub(super) operation: Option<usize>,
}

/// A page, copied out of the connection's memory.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) data: Vec<u8>,
    pub(super) cursor: Option<Vec<u8>>,
    pub(super) count: u64,
    pub(super) flags: u32,
    pub(super) total: u64,
    pub(super) version: u64,
}

/// A connection, and the structures that its calls fill.
pub(super) struct Connection {
    conn: mantis_conn,
    out: Outputs,
}

struct Outputs {
    entry: mantis_entry,
    page: mantis_page,
    written: mantis_written,
    error: mantis_error,
}

/// A text or bytes as a call takes them. What is empty is given all the same.
struct Lent(*const u8, usize);

impl Lent {
    fn text(&self) -> *const c_char {
        self.0.cast()
    }

    fn bytes(&self) -> *const c_void {
        self.0.cast()
    }
}

fn lend(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Lent {
    let bytes = bytes.as_ref();
    Lent(bytes.as_ptr(), bytes.len())
}

/// NULL is not given.
fn lend_if(bytes: Option<&[u8]>) -> Lent {
    bytes.map_or(Lent(null(), 0), lend)
}

fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap()
}

impl Outputs {
    fn new() -> Self {
        let (code, message, details, hint) = ([0; 40], [0; 512], [0; 512], [0; 272]);
        Self {
            entry: mantis_entry {
                size: size::<mantis_entry>(),
                flags: 0,
                version: 0,
                modified_ms: 0,
                expires_ms: 0,
                value_len: 0,
                value: null(),
                media_type: null(),
                media_type_len: 0,
            },
            page: mantis_page {
                size: size::<mantis_page>(),
                flags: 0,
                count: 0,
                data: null(),
                data_len: 0,
                cursor: null(),
                cursor_len: 0,
                total: 0,
                version: 0,
            },
            written: mantis_written { size: size::<mantis_written>(), ..mantis_written::default() },
            error: mantis_error {
                size: size::<mantis_error>(),
                status: 0,
                deleted: 0,
                index: 0,
                code,
                message,
                details,
                hint,
            },
        }
    }
}

/// Memory of the connection, until its next call.
///
/// # Safety
/// The connection has shown it, and no call was made since.
unsafe fn shown(data: *const u8, len: u64) -> Vec<u8> {
    let len = usize::try_from(len).unwrap();
    // SAFETY: the caller promises that it is there.
    if len == 0 { Vec::new() } else { unsafe { slice::from_raw_parts(data, len) }.to_vec() }
}

fn text(chars: &[c_char]) -> String {
    // SAFETY: the texts of an error end with a NUL.
    unsafe { CStr::from_ptr(chars.as_ptr()) }.to_str().unwrap().to_owned()
}

impl Failed {
    fn of(error: &mantis_error, status: i32) -> Self {
        assert_eq!(error.status, status, "the error says what was returned");
        let operation = (error.index != u64::MAX).then(|| usize::try_from(error.index).unwrap());
        Self { code: text(&error.code), message: text(&error.message), operation }
    }

    pub(super) fn answer(self) -> Answer {
        if mantis_db::tables::code::ALL.iter().any(|(known, _)| *known == self.code) {
            Answer::TableError { code: self.code, message: self.message }
        } else {
            Answer::Error(self.code)
        }
    }
}

/// The options of a set, of which the media type has no more bytes than there is place for.
pub(super) fn put_options(set: &Set) -> mantis_put_options {
    let (condition, if_version) = condition(set.r#if);
    let mut options = mantis_put_options {
        size: size::<mantis_put_options>(),
        condition,
        if_version,
        ..mantis_put_options::default()
    };
    if let Some(ttl_ms) = set.ttl_ms {
        options.flags |= f::MANTIS_PUT_TTL;
        options.ttl_ms = ttl_ms;
    }
    if let Some(media_type) = &set.media_type {
        options.flags |= f::MANTIS_PUT_MEDIA_TYPE;
        options.media_type_len = u32::try_from(media_type.len()).unwrap();
        for (place, byte) in options.media_type.iter_mut().zip(media_type.bytes()) {
            *place = c_char::from_ne_bytes([byte]);
        }
    }
    options
}

impl Connection {
    pub(super) fn acquire(pool: mantis_pool) -> Self {
        let mut conn = mantis_conn { id: 0 };
        // SAFETY: the connection is a place for one, and no error is wanted.
        let status = unsafe { mantis_pool_acquire(pool, 0, mantis_token { id: 0 }, &raw mut conn, null_mut()) };
        assert_eq!(status, MANTIS_OK);
        Self { conn, out: Outputs::new() }
    }

    /// Makes a call. What it is lent outlives it, and the structures that it fills are whole.
    fn call(&mut self, call: impl FnOnce(mantis_conn, &mut Outputs) -> i32) -> Result<i32> {
        self.out = Outputs::new();
        let status = call(self.conn, &mut self.out);
        if status < 0 { Err(Failed::of(&self.out.error, status)) } else { Ok(status) }
    }

    /// The page of the last call.
    fn page(&self) -> Page {
        let page = &self.out.page;
        // SAFETY: the last call has shown both.
        let (data, cursor) = unsafe { (shown(page.data, page.data_len), shown(page.cursor, page.cursor_len)) };
        Page {
            data,
            cursor: (!page.cursor.is_null()).then_some(cursor),
            count: page.count,
            flags: page.flags,
            total: page.total,
            version: page.version,
        }
    }

    pub(super) fn written(&self) -> mantis_written {
        self.out.written
    }

    pub(super) fn written_commit(&self) -> Commit {
        let written = &self.out.written;
        Commit { version: written.version, durable: written.flags & f::MANTIS_DURABLE != 0 }
    }

    fn counted(&self) -> Counted {
        (self.out.written.count, self.written_commit())
    }

    pub(super) fn set_grants(&mut self, grants: &str) {
        let lent = lend(grants);
        // SAFETY: as `call` says.
        let set =
            |conn, out: &mut Outputs| unsafe { mantis_conn_set_grants(conn, lent.text(), lent.1, &raw mut out.error) };
        assert_eq!(self.call(set).unwrap(), MANTIS_OK);
    }

    pub(super) fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Entry>> {
        let (bucket, key) = (lend(bucket), lend(key));
        // SAFETY: as `call` says.
        let status = self.call(|conn, out| unsafe {
            let (entry, error) = (&raw mut out.entry, &raw mut out.error);
            mantis_conn_get(conn, bucket.text(), bucket.1, key.bytes(), key.1, null_mut(), 0, entry, error)
        })?;
        if status == MANTIS_NOT_FOUND {
            return Ok(None);
        }
        let entry = &self.out.entry;
        // SAFETY: the last call has shown both.
        let (value, media_type) =
            unsafe { (shown(entry.value, entry.value_len), shown(entry.media_type.cast(), entry.media_type_len)) };
        Ok(Some(Entry {
            value,
            media_type: String::from_utf8(media_type).unwrap(),
            version: entry.version,
            modified_ms: entry.modified_ms,
            expires_at_ms: (entry.flags & f::MANTIS_ENTRY_EXPIRES != 0).then_some(entry.expires_ms),
        }))
    }

    pub(super) fn get_many(&mut self, bucket: &str, keys: &[u8], count: usize) -> Result<Page> {
        let (bucket, keys) = (lend(bucket), lend(keys));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (page, error) = (&raw mut out.page, &raw mut out.error);
            mantis_conn_get_many(conn, bucket.text(), bucket.1, keys.bytes(), keys.1, count, page, error)
        })?;
        Ok(self.page())
    }

    pub(super) fn put(
        &mut self,
        bucket: &str,
        key: &[u8],
        value: &[u8],
        options: Option<&mantis_put_options>,
    ) -> Result<i32> {
        let (bucket, key, value) = (lend(bucket), lend(key), lend(value));
        let options = options.map_or(null(), from_ref);
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (written, error) = (&raw mut out.written, &raw mut out.error);
            mantis_conn_put(
                conn,
                bucket.text(),
                bucket.1,
                key.bytes(),
                key.1,
                value.bytes(),
                value.1,
                options,
                written,
                error,
            )
        })
    }

    pub(super) fn delete(&mut self, bucket: &str, key: &[u8], expected: Condition) -> Result<i32> {
        let (bucket, key, (expected, version)) = (lend(bucket), lend(key), condition(expected));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (written, error) = (&raw mut out.written, &raw mut out.error);
            mantis_conn_delete(conn, bucket.text(), bucket.1, key.bytes(), key.1, expected, version, 0, written, error)
        })
    }

    pub(super) fn increment(&mut self, bucket: &str, key: &[u8], by: i64) -> Result<i64> {
        let (bucket, key) = (lend(bucket), lend(key));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (written, error) = (&raw mut out.written, &raw mut out.error);
            mantis_conn_increment(conn, bucket.text(), bucket.1, key.bytes(), key.1, by, 0, written, error)
        })?;
        Ok(self.out.written.number)
    }

    pub(super) fn scan(
        &mut self,
        bucket: &str,
        (span, start, end): (u32, Option<&[u8]>, Option<&[u8]>),
        flags: u32,
        limit: u32,
        cursor: Option<&[u8]>,
    ) -> Result<Page> {
        let (bucket, start, end, cursor) = (lend(bucket), lend_if(start), lend_if(end), lend_if(cursor));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (page, error) = (&raw mut out.page, &raw mut out.error);
            mantis_conn_scan(
                conn,
                bucket.text(),
                bucket.1,
                span,
                start.bytes(),
                start.1,
                end.bytes(),
                end.1,
                flags,
                limit,
                cursor.bytes(),
                cursor.1,
                page,
                error,
            )
        })?;
        Ok(self.page())
    }

    pub(super) fn count(
        &mut self,
        bucket: &str,
        (span, start, end): (u32, Option<&[u8]>, Option<&[u8]>),
    ) -> Result<u64> {
        let (bucket, start, end, mut count) = (lend(bucket), lend_if(start), lend_if(end), 0);
        let place = &raw mut count;
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let error = &raw mut out.error;
            mantis_conn_count(
                conn,
                bucket.text(),
                bucket.1,
                span,
                start.bytes(),
                start.1,
                end.bytes(),
                end.1,
                place,
                error,
            )
        })?;
        Ok(count)
    }

    pub(super) fn delete_span(
        &mut self,
        bucket: &str,
        (span, start, end): (u32, Option<&[u8]>, Option<&[u8]>),
    ) -> Result<Counted> {
        let (bucket, start, end) = (lend(bucket), lend_if(start), lend_if(end));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (written, error) = (&raw mut out.written, &raw mut out.error);
            mantis_conn_delete_span(
                conn,
                bucket.text(),
                bucket.1,
                span,
                start.bytes(),
                start.1,
                end.bytes(),
                end.1,
                written,
                error,
            )
        })?;
        Ok(self.counted())
    }

    pub(super) fn apply(&mut self, bucket: &str, operations: &[u8], count: usize) -> Result<(i32, Page)> {
        let (bucket, operations) = (lend(bucket), lend(operations));
        // SAFETY: as `call` says.
        let status = self.call(|conn, out| unsafe {
            let (page, written, error) = (&raw mut out.page, &raw mut out.written, &raw mut out.error);
            let (data, len) = (operations.bytes(), operations.1);
            mantis_conn_apply(conn, bucket.text(), bucket.1, data, len, count, 0, page, written, error)
        })?;
        Ok((status, self.page()))
    }

    pub(super) fn buckets(&mut self) -> Result<Vec<(String, u64)>> {
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe { mantis_conn_buckets(conn, &raw mut out.page, &raw mut out.error) })?;
        let listed = json_of(&self.page().data);
        let bucket = |bucket: &serde_json::Value| {
            (bucket["name"].as_str().unwrap().to_owned(), bucket["keys"].as_u64().unwrap())
        };
        Ok(listed.as_array().unwrap().iter().map(bucket).collect())
    }

    pub(super) fn drop_bucket(&mut self, bucket: &str) -> Result<Counted> {
        let bucket = lend(bucket);
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            mantis_conn_bucket_drop(conn, bucket.text(), bucket.1, &raw mut out.written, &raw mut out.error)
        })?;
        Ok(self.counted())
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe { mantis_conn_begin(conn, 0, &raw mut out.error) }).map(drop)
    }

    pub(super) fn commit(&mut self) -> Result<Commit> {
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe { mantis_conn_commit(conn, 0, &raw mut out.written, &raw mut out.error) })?;
        Ok(self.written_commit())
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe { mantis_conn_rollback(conn, &raw mut out.error) }).map(drop)
    }

    pub(super) fn changes(
        &mut self,
        bucket: Option<&str>,
        prefix: &[u8],
        since: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page> {
        let (bucket, prefix, (since, cursor)) = (lend_if(bucket.map(str::as_bytes)), lend(prefix), since_of(since));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (page, error) = (&raw mut out.page, &raw mut out.error);
            mantis_conn_changes(
                conn,
                bucket.text(),
                bucket.1,
                prefix.bytes(),
                prefix.1,
                since,
                cursor.bytes(),
                cursor.1,
                limit,
                page,
                error,
            )
        })?;
        Ok(self.page())
    }

    pub(super) fn row_changes(
        &mut self,
        table: Option<&str>,
        filter: &str,
        select: &str,
        since: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page> {
        let (table, filter, select) = (lend_if(table.map(str::as_bytes)), lend(filter), lend(select));
        let (since, cursor) = since_of(since);
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (page, error) = (&raw mut out.page, &raw mut out.error);
            mantis_conn_row_changes(
                conn,
                table.text(),
                table.1,
                filter.text(),
                filter.1,
                select.text(),
                select.1,
                since,
                cursor.bytes(),
                cursor.1,
                limit,
                page,
                error,
            )
        })?;
        Ok(self.page())
    }

    /// Whether the table is new.
    pub(super) fn create_table(&mut self, table: &str, definition: &str) -> Result<bool> {
        let (table, definition) = (lend(table), lend(definition));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (page, written, error) = (&raw mut out.page, &raw mut out.written, &raw mut out.error);
            mantis_conn_table_create(conn, table.text(), table.1, definition.text(), definition.1, page, written, error)
        })?;
        Ok(self.out.written.flags & f::MANTIS_CREATED != 0)
    }

    pub(super) fn alter_table(&mut self, table: &str, change: &str) -> Result<()> {
        let (table, change) = (lend(table), lend(change));
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            let (page, error) = (&raw mut out.page, &raw mut out.error);
            mantis_conn_table_alter(conn, table.text(), table.1, change.text(), change.1, page, error)
        })?;
        Ok(())
    }

    pub(super) fn drop_table(&mut self, table: &str) -> Result<()> {
        let table = lend(table);
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe { mantis_conn_table_drop(conn, table.text(), table.1, &raw mut out.error) })?;
        Ok(())
    }

    pub(super) fn describe_table(&mut self, table: &str) -> Result<Page> {
        let table = lend(table);
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe {
            mantis_conn_table_describe(conn, table.text(), table.1, &raw mut out.page, &raw mut out.error)
        })?;
        Ok(self.page())
    }

    pub(super) fn tables(&mut self) -> Result<Page> {
        // SAFETY: as `call` says.
        self.call(|conn, out| unsafe { mantis_conn_tables(conn, &raw mut out.page, &raw mut out.error) })?;
        Ok(self.page())
    }

    pub(super) fn rows(&mut self, statement: &str) -> Result<(i32, Page)> {
        let (statement, format) = (lend(statement), f::MANTIS_ROWS_JSON);
        // SAFETY: as `call` says.
        let status = self.call(|conn, out| unsafe {
            let (page, written, error) = (&raw mut out.page, &raw mut out.written, &raw mut out.error);
            mantis_conn_rows(conn, statement.text(), statement.1, format, page, written, error)
        })?;
        Ok((status, self.page()))
    }

    pub(super) fn batch(&mut self, operations: &str) -> Result<(i32, Page)> {
        let operations = lend(operations);
        // SAFETY: as `call` says.
        let status = self.call(|conn, out| unsafe {
            let (page, written, error) = (&raw mut out.page, &raw mut out.written, &raw mut out.error);
            mantis_conn_batch(conn, operations.text(), operations.1, page, written, error)
        })?;
        Ok((status, self.page()))
    }
}

fn since_of(cursor: Option<&[u8]>) -> (u32, Lent) {
    let since = if cursor.is_some() { f::MANTIS_SINCE_CURSOR } else { f::MANTIS_SINCE_EARLIEST };
    (since, lend_if(cursor))
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: no error is wanted.
        let status = unsafe { mantis_conn_release(self.conn, null_mut()) };
        assert!(status == MANTIS_OK || std::thread::panicking());
    }
}
