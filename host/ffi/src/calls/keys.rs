//! Keys and values one by one, and batches of them.

use std::ffi::{c_char, c_void};

use mantis_db::{Applied, DEFAULT_BUCKET, Entry, EntryRef, Expect, Kv, MediaType, Outcome, SetOptions, Written};

use super::call;
use crate::abi::status::{MANTIS_NOT_FOUND, MANTIS_OK, MANTIS_REFUSED, MANTIS_TOO_SMALL, Status};
use crate::abi::types::flags as f;
use crate::abi::types::{mantis_conn, mantis_entry, mantis_error, mantis_page, mantis_put_options, mantis_written};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::far::Far;
use crate::packed;
use crate::raw::{self, Out};
use crate::waiting::block;

/// A value of more bytes is shared with the database while it is shown, which costs more than to copy a small one.
const SHOWN_AS_COPY_MAX: usize = 4 << 10;

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_get(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    capacity: usize,
    entry: *mut mantis_entry,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structure is as the header says.
        let (bucket, key, out) = unsafe {
            (bucket_of(bucket, bucket_len)?, raw::bytes(key.cast(), key_len, "key")?, Out::new(entry, "entry")?)
        };
        if buffer.is_null() && capacity > 0 {
            return Err(Failure::misuse("`buffer` is NULL with a capacity"));
        }
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                let Some(found) = far.get(bucket, key)? else { return Ok(MANTIS_NOT_FOUND) };
                // SAFETY: the caller's buffer has so many bytes, and the library has none of them.
                let is_copied = !buffer.is_null() && unsafe { raw::copy(&found.value, buffer.cast(), capacity) };
                let found = conn.entry.insert(found).borrowed();
                let shown = entry_of(found, found.media_type);
                out.write(&mantis_entry { value: if is_copied { std::ptr::null() } else { shown.value }, ..shown });
                return Ok(if is_copied || buffer.is_null() { MANTIS_OK } else { MANTIS_TOO_SMALL });
            }
            let (mut media_type, mut data) =
                (std::mem::take(&mut conn.media_type), std::mem::take(&mut conn.page.data));
            let read = conn.session().kv(bucket).and_then(|mut kv| {
                at_once(kv.read(key, |entry| {
                    media_type.clear();
                    media_type.push_str(entry.media_type);
                    let shown = entry_of(entry, &media_type);
                    if buffer.is_null() {
                        let is_small = entry.value.len() <= SHOWN_AS_COPY_MAX;
                        if is_small {
                            data.clear();
                            data.extend_from_slice(entry.value);
                            out.write(&mantis_entry { value: data.as_ptr(), ..shown });
                        }
                        return is_small;
                    }
                    out.write(&mantis_entry { value: std::ptr::null(), ..shown });
                    // SAFETY: the caller's buffer has so many bytes, and the database has none of them.
                    unsafe { raw::copy(entry.value, buffer.cast(), capacity) }
                }))
            });
            (conn.media_type, conn.page.data) = (media_type, data);
            match read? {
                Some(true) => return Ok(MANTIS_OK),
                None => return Ok(MANTIS_NOT_FOUND),
                // A large value is shared, and shown.
                Some(false) => {}
            }
            let Some(found) = at_once(conn.session().kv(bucket)?.get(key))? else { return Ok(MANTIS_NOT_FOUND) };
            let found = conn.entry.insert(found).borrowed();
            out.write(&entry_of(found, found.media_type));
            Ok(if buffer.is_null() { MANTIS_OK } else { MANTIS_TOO_SMALL })
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
pub unsafe extern "C" fn mantis_conn_get_many(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    keys: *const c_void,
    keys_len: usize,
    count: usize,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structure is as the header says.
        let (bucket, keys, out) = unsafe {
            (bucket_of(bucket, bucket_len)?, raw::bytes(keys.cast(), keys_len, "keys")?, Out::new(page, "page")?)
        };
        let keys = packed::keys(keys, count)?;
        Conn::with_any(conn.id, |conn| {
            let mut data = std::mem::take(&mut conn.page.data);
            let read = match conn.far() {
                Some(far) => far.get_many(bucket, &keys).map(|entries| {
                    for entry in &entries {
                        packed::entry(&[], entry.as_ref().map(Entry::borrowed), &mut data);
                    }
                }),
                None => conn
                    .session()
                    .kv(bucket)
                    .and_then(|mut kv| at_once(kv.read_many(&keys, &mut |entry| packed::entry(&[], entry, &mut data))))
                    .map_err(Failure::from),
            };
            conn.page.data = data;
            read?;
            conn.page.count = keys.len() as u64;
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
pub unsafe extern "C" fn mantis_conn_put(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
    options: *const mantis_put_options,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structures are as the header says.
        let (input, value, out) = unsafe {
            let input = Input::new(bucket, bucket_len, key, key_len)?;
            (input, raw::bytes(value.cast(), value_len, "value")?, Out::new(written, "written")?)
        };
        let (options, deferred) = if options.is_null() {
            (SetOptions::default(), false)
        } else {
            // SAFETY: the caller lends the options for this call.
            let given = unsafe { raw::structure(options, mantis_put_options::default(), "options") }?;
            set_options(&given)?
        };
        let far = |far: &mut dyn Far| far.set(input.bucket, input.key, value, &options);
        let near = async |kv: &mut Kv<'_>, key: &[u8]| kv.set_with(key, value, &options).await;
        input.write(conn, deferred, &out, far, near).map(|(answer, _)| answer)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_cas(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    key: *const c_void,
    key_len: usize,
    expected: u64,
    value: *const c_void,
    value_len: usize,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structures are as the header says.
        let (input, value, out) = unsafe {
            let input = Input::new(bucket, bucket_len, key, key_len)?;
            (input, raw::bytes(value.cast(), value_len, "value")?, Out::new(written, "written")?)
        };
        let expect = if expected == 0 { Expect::Absent } else { Expect::Version(expected) };
        let options = SetOptions { expect, ..SetOptions::default() };
        let far = |far: &mut dyn Far| far.set(input.bucket, input.key, value, &options);
        let near = async |kv: &mut Kv<'_>, key: &[u8]| kv.set_with(key, value, &options).await;
        input.write(conn, false, &out, far, near).map(|(answer, _)| answer)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_delete(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    key: *const c_void,
    key_len: usize,
    condition: u32,
    if_version: u64,
    flags: u32,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structures are as the header says.
        let (input, out) = unsafe { (Input::new(bucket, bucket_len, key, key_len)?, Out::new(written, "written")?) };
        let expect = packed::expect(condition, if_version).ok_or_else(|| unknown("condition", condition))?;
        let deferred = deferred(flags)?;
        let far = |far: &mut dyn Far| far.delete(input.bucket, input.key, expect);
        let near = async |kv: &mut Kv<'_>, key: &[u8]| kv.delete_if(key, expect).await;
        let deleted = input.write(conn, deferred, &out, far, near)?;
        Ok(if deleted == (MANTIS_OK, false) { MANTIS_NOT_FOUND } else { deleted.0 })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_increment(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    key: *const c_void,
    key_len: usize,
    by: i64,
    flags: u32,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structures are as the header says.
        let (input, out) = unsafe { (Input::new(bucket, bucket_len, key, key_len)?, Out::new(written, "written")?) };
        let deferred = deferred(flags)?;
        Conn::with_any(conn.id, |conn| {
            let deferred = deferred || conn.is_deferred;
            if let Some(far) = conn.far() {
                let counted = far.increment(input.bucket, input.key, by)?;
                let commit = written_far(conn, counted.written, deferred);
                out.write(&mantis_written { number: counted.number, ..commit });
                return Ok(MANTIS_OK);
            }
            let counted = deferring(conn, deferred, async |conn| {
                Ok(conn.session().kv(input.bucket)?.increment(input.key, by).await?)
            })?;
            out.write(&mantis_written { number: counted.number, ..written_of(counted.written, deferred) });
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
pub unsafe extern "C" fn mantis_conn_apply(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    operations: *const c_void,
    operations_len: usize,
    count: usize,
    flags: u32,
    page: *mut mantis_page,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structures are as the header says.
        let (bucket, operations, page, out) = unsafe {
            (
                bucket_of(bucket, bucket_len)?,
                raw::bytes(operations.cast(), operations_len, "operations")?,
                Out::new(page, "page")?,
                Out::new(written, "written")?,
            )
        };
        let (operations, deferred) = (packed::operations(operations, count)?, deferred(flags)?);
        Conn::with_any(conn.id, |conn| {
            let deferred = deferred || conn.is_deferred;
            let applied = match conn.far() {
                Some(far) => {
                    let applied = far.apply(bucket, &operations)?;
                    if let (Applied::Committed { version, .. }, true) = (&applied, deferred) {
                        conn.note_final(*version);
                    }
                    applied
                }
                None => {
                    deferring(conn, deferred, async |conn| Ok(conn.session().kv(bucket)?.apply(&operations).await?))?
                }
            };
            let answer = match applied {
                Applied::Committed { version, durable, results } => {
                    for result in &results {
                        packed::result(result, &mut conn.page.data);
                    }
                    conn.page.count = results.len() as u64;
                    let commit = Written { version, durable, replaced: false };
                    out.write(&mantis_written { count: results.len() as u64, ..written_of(commit, deferred) });
                    MANTIS_OK
                }
                Applied::Refused(refusals) => {
                    for refusal in &refusals {
                        packed::refusal(refusal, &mut conn.page.data);
                    }
                    conn.page.count = refusals.len() as u64;
                    out.write(&mantis_written::default());
                    MANTIS_REFUSED
                }
            };
            page.write(&conn.page.to_c());
            Ok(answer)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// An entry as in the header, whose media type is where it stays until the next call.
fn entry_of(entry: EntryRef<'_>, media_type: &str) -> mantis_entry {
    let expires = if entry.expires_at_ms.is_some() { f::MANTIS_ENTRY_EXPIRES } else { 0 };
    mantis_entry {
        size: 0,
        flags: f::MANTIS_ENTRY_EXISTS | expires,
        version: entry.version,
        modified_ms: entry.modified_ms,
        expires_ms: entry.expires_at_ms.unwrap_or(0),
        value_len: entry.value.len() as u64,
        value: entry.value.as_ptr(),
        media_type: media_type.as_ptr().cast(),
        media_type_len: media_type.len() as u64,
    }
}

/// A key in a bucket.
struct Input<'a> {
    bucket: &'a str,
    key: &'a [u8],
}

impl Input<'_> {
    /// # Safety
    /// As [`raw::bytes`].
    unsafe fn new(
        bucket: *const c_char,
        bucket_len: usize,
        key: *const c_void,
        key_len: usize,
    ) -> Result<Self, Failure> {
        // SAFETY: the caller of this function promises the same.
        unsafe { Ok(Self { bucket: bucket_of(bucket, bucket_len)?, key: raw::bytes(key.cast(), key_len, "key")? }) }
    }

    /// Does a write of one key.
    fn write(
        &self,
        conn: mantis_conn,
        deferred: bool,
        out: &Out<mantis_written>,
        far: impl FnOnce(&mut dyn Far) -> Result<Outcome, Failure>,
        near: impl AsyncFnOnce(&mut Kv<'_>, &[u8]) -> mantis_db::Result<Outcome>,
    ) -> Result<(Status, bool), Failure> {
        Conn::with_any(conn.id, |conn| {
            let deferred = deferred || conn.is_deferred;
            let outcome = match conn.far() {
                Some(link) => {
                    let outcome = far(link)?;
                    if let (Outcome::Written(done), true) = (&outcome, deferred) {
                        conn.note_final(done.version);
                    }
                    outcome
                }
                None => deferring(conn, deferred, async |conn| {
                    Ok(near(&mut conn.session().kv(self.bucket)?, self.key).await?)
                })?,
            };
            match outcome {
                Outcome::Written(done) => {
                    out.write(&written_of(done, deferred));
                    Ok((MANTIS_OK, done.replaced))
                }
                Outcome::Refused(current) => {
                    let flags = if current.is_some() { f::MANTIS_CURRENT_EXISTS } else { 0 };
                    let current_version = current.map_or(0, |entry| entry.version);
                    out.write(&mantis_written { flags, current_version, ..mantis_written::default() });
                    Ok((MANTIS_REFUSED, false))
                }
            }
        })
    }
}

/// The outcome of a read, which an embedded engine has at once.
pub(super) fn at_once<F: Future>(read: F) -> F::Output {
    match block::at_once(read) {
        Some(outcome) => outcome,
        None => unreachable!("reads of an embedded engine wait for nothing"),
    }
}

/// Does writes, deferred or not.
pub(super) fn deferring<T>(
    conn: &mut Conn,
    deferred: bool,
    work: impl AsyncFnOnce(&mut Conn) -> Result<T, Failure>,
) -> Result<T, Failure> {
    conn.session().set_deferred(deferred);
    let done = block::wait(work(conn));
    conn.session().set_deferred(false);
    if deferred {
        conn.note_unsettled();
    }
    done?
}

/// The name of a bucket; NULL is the default one.
///
/// # Safety
/// As [`raw::bytes`].
pub(super) unsafe fn bucket_of<'a>(bucket: *const c_char, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller of this function promises the same.
    Ok(unsafe { raw::optional_text(bucket, len, "bucket") }?.unwrap_or(DEFAULT_BUCKET))
}

fn set_options(given: &mantis_put_options) -> Result<(SetOptions, bool), Failure> {
    let flags = given.flags;
    if flags & !(f::MANTIS_DEFER | f::MANTIS_PUT_TTL | f::MANTIS_PUT_MEDIA_TYPE) != 0 {
        return Err(unknown("flags", flags));
    }
    let media_type = if flags & f::MANTIS_PUT_MEDIA_TYPE == 0 {
        MediaType::default()
    } else {
        let text = given.media_type.map(|byte| byte.to_ne_bytes()[0]);
        let text = text.get(..given.media_type_len as usize).and_then(|text| std::str::from_utf8(text).ok());
        // What is longer than the array, or no text, is no media type.
        MediaType::new(text.unwrap_or_default())?
    };
    let expect =
        packed::expect(given.condition, given.if_version).ok_or_else(|| unknown("condition", given.condition))?;
    let ttl_ms = (flags & f::MANTIS_PUT_TTL != 0).then_some(given.ttl_ms);
    Ok((SetOptions { media_type, ttl_ms, expect }, flags & f::MANTIS_DEFER != 0))
}

/// Whether the flags of a write say that it is deferred.
pub(super) fn deferred(flags: u32) -> Result<bool, Failure> {
    if flags & !f::MANTIS_DEFER == 0 { Ok(flags != 0) } else { Err(unknown("flags", flags)) }
}

pub(super) fn unknown(name: &str, value: u32) -> Failure {
    Failure::misuse(format!("`{name}` is {value:#x}, which this release does not know"))
}

pub(super) fn written_of(written: Written, deferred: bool) -> mantis_written {
    let mut flags = if written.replaced { f::MANTIS_REPLACED } else { 0 };
    flags |= if written.durable { f::MANTIS_DURABLE } else { 0 };
    flags |= if deferred && !written.durable && written.version > 0 { f::MANTIS_UNSETTLED } else { 0 };
    mantis_written { flags, version: written.version, ..mantis_written::default() }
}

/// A commit of a server, which is final when it is answered.
pub(super) fn written_far(conn: &mut Conn, commit: Written, deferred: bool) -> mantis_written {
    if deferred {
        conn.note_final(commit.version);
    }
    written_of(commit, deferred)
}

pub(super) fn deleted_of(deleted: mantis_db::Deleted, deferred: bool) -> mantis_written {
    let commit = Written { version: deleted.version, durable: deleted.durable, replaced: deleted.keys > 0 };
    mantis_written { count: deleted.keys, ..written_of(commit, deferred) }
}
