//! Buckets.

use std::ffi::c_char;
use std::fmt::Write;

use super::call;
use super::keys::{bucket_of, deleted_of};
use crate::abi::status::{MANTIS_OK, Status};
use crate::abi::types::{mantis_conn, mantis_error, mantis_page, mantis_written};
use crate::conn::Conn;
use crate::far::Bucket;
use crate::raw::Out;
use crate::waiting::block;

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_buckets(
    conn: mantis_conn,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the structure is as the header says.
        let out = unsafe { Out::new(page, "page") }?;
        Conn::with_any(conn.id, |conn| {
            let buckets = if let Some(far) = conn.far() {
                far.buckets()?
            } else {
                let buckets = block::wait(conn.session().buckets())??.into_iter();
                buckets.map(|bucket| Bucket { name: bucket.name, keys: bucket.keys }).collect()
            };
            let mut json = String::from("[");
            for (index, bucket) in buckets.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // A bucket's name has no character that JSON escapes.
                let _ = write!(json, "{comma}{{\"name\":\"{}\",\"keys\":{}}}", bucket.name, bucket.keys);
            }
            json.push(']');
            (conn.page.data, conn.page.count) = (json.into_bytes(), buckets.len() as u64);
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
pub unsafe extern "C" fn mantis_conn_bucket_drop(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the name for this call, and the structure is as the header says.
        let (bucket, out) = unsafe { (bucket_of(bucket, bucket_len)?, Out::new(written, "written")?) };
        Conn::with_any(conn.id, |conn| {
            let deleted = match conn.far() {
                Some(far) => far.drop_bucket(bucket)?,
                None => block::wait(conn.session().drop_bucket(bucket))??,
            };
            out.write(&deleted_of(deleted, false));
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}
