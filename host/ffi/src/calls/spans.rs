//! Keys of a span: pages, counts, deletion.

use std::ffi::{c_char, c_void};

use mantis_db::{Direction, ScanOptions, Span};

use super::call;
use super::keys::{at_once, bucket_of, deferring, deleted_of, unknown};
use crate::abi::status::{MANTIS_OK, Status};
use crate::abi::types::flags as f;
use crate::abi::types::{mantis_conn, mantis_error, mantis_page, mantis_written};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::packed;
use crate::raw::{self, Out};

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_scan(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    span: u32,
    start: *const c_void,
    start_len: usize,
    end: *const c_void,
    end_len: usize,
    flags: u32,
    limit: u32,
    cursor: *const c_void,
    cursor_len: usize,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structure is as the header says.
        let (bucket, span, cursor, out) = unsafe {
            (
                bucket_of(bucket, bucket_len)?,
                span_of(span, start, start_len, end, end_len)?,
                raw::optional_bytes(cursor.cast(), cursor_len, "cursor")?,
                Out::new(page, "page")?,
            )
        };
        if flags & !(f::MANTIS_SCAN_REVERSE | f::MANTIS_SCAN_KEYS) != 0 {
            return Err(unknown("flags", flags));
        }
        let is_reverse = flags & f::MANTIS_SCAN_REVERSE != 0;
        let direction = if is_reverse { Direction::Reverse } else { Direction::Forward };
        let options = ScanOptions { span, direction, limit: limit as usize, cursor: cursor.map(<[u8]>::to_vec) };
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                let found = far.scan(bucket, &options, flags & f::MANTIS_SCAN_KEYS != 0)?;
                for (key, entry) in &found.entries {
                    match entry {
                        Some(entry) => packed::entry(key, Some(entry.borrowed()), &mut conn.page.data),
                        None => packed::key(key, &mut conn.page.data),
                    }
                }
                (conn.page.count, conn.page.cursor) = (found.entries.len() as u64, found.cursor);
            } else if flags & f::MANTIS_SCAN_KEYS != 0 {
                let found = at_once(conn.session().kv(bucket)?.scan_keys(&options))?;
                for key in &found.keys {
                    packed::key(key, &mut conn.page.data);
                }
                (conn.page.count, conn.page.cursor) = (found.keys.len() as u64, found.cursor);
            } else {
                let found = at_once(conn.session().kv(bucket)?.scan(&options))?;
                for (key, entry) in &found.entries {
                    packed::entry(key, Some(entry.borrowed()), &mut conn.page.data);
                }
                (conn.page.count, conn.page.cursor) = (found.entries.len() as u64, found.cursor);
            }
            out.write(&conn.page.to_c());
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_count(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    span: u32,
    start: *const c_void,
    start_len: usize,
    end: *const c_void,
    end_len: usize,
    count: *mut u64,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call.
        let (bucket, span) =
            unsafe { (bucket_of(bucket, bucket_len)?, span_of(span, start, start_len, end, end_len)?) };
        Conn::with_any(conn.id, |conn| {
            let counted = match conn.far() {
                Some(far) => far.count(bucket, &span)?,
                None => at_once(conn.session().kv(bucket)?.count(&span))?,
            };
            // SAFETY: the caller gave a place for it, or NULL.
            unsafe { raw::write(count, counted) };
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_delete_span(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    span: u32,
    start: *const c_void,
    start_len: usize,
    end: *const c_void,
    end_len: usize,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structure is as the header says.
        let (bucket, span, out) = unsafe {
            (
                bucket_of(bucket, bucket_len)?,
                span_of(span, start, start_len, end, end_len)?,
                Out::new(written, "written")?,
            )
        };
        Conn::with_any(conn.id, |conn| {
            let deferred = conn.is_deferred;
            let deleted = match conn.far() {
                Some(far) => far.delete_span(bucket, &span)?,
                None => {
                    deferring(conn, deferred, async |conn| Ok(conn.session().kv(bucket)?.delete_span(&span).await?))?
                }
            };
            out.write(&deleted_of(deleted, deferred));
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// # Safety
/// As [`raw::bytes`], for both bounds.
unsafe fn span_of(
    span: u32,
    start: *const c_void,
    start_len: usize,
    end: *const c_void,
    end_len: usize,
) -> Result<Span, Failure> {
    // SAFETY: the caller of this function promises the same.
    let (start, end) = unsafe {
        (raw::optional_bytes(start.cast(), start_len, "start")?, raw::optional_bytes(end.cast(), end_len, "end")?)
    };
    packed::span(span, start, end).ok_or_else(|| unknown("span", span))
}
