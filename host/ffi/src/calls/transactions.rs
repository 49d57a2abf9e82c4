//! Transactions, savepoints, deferred commits.

use std::ffi::c_char;
use std::sync::Arc;

use mantis_db::{Grants, Isolation, Written};

use super::call;
use super::keys::{deferred, deferring, unknown, written_far, written_of};
use crate::abi::status::{MANTIS_OK, MANTIS_PENDING, Status};
use crate::abi::types::flags as f;
use crate::abi::types::{mantis_conn, mantis_error, mantis_token, mantis_written};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::raw::{self, Out};
use crate::waiting::block::{self, Waited};
use crate::waiting::token::Token;

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_begin(conn: mantis_conn, flags: u32, error: *mut mantis_error) -> Status {
    let work = || {
        if flags & !(f::MANTIS_BEGIN_SNAPSHOT | f::MANTIS_BEGIN_AGAIN) != 0 {
            return Err(unknown("flags", flags));
        }
        let is_snapshot = flags & f::MANTIS_BEGIN_SNAPSHOT != 0;
        let isolation = if is_snapshot { Isolation::Snapshot } else { Isolation::Serializable };
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                return far.begin(isolation, flags & f::MANTIS_BEGIN_AGAIN != 0).map(|()| MANTIS_OK);
            }
            let session = conn.session();
            let retry = if flags & f::MANTIS_BEGIN_AGAIN == 0 { None } else { session.take_retry() };
            block::wait(async {
                match retry {
                    Some(retry) => session.begin_again(isolation, retry).await,
                    None => session.begin(isolation).await,
                }
            })??;
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
pub unsafe extern "C" fn mantis_conn_commit(
    conn: mantis_conn,
    flags: u32,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the structure is as the header says.
        let out = unsafe { Out::new(written, "written") }?;
        let deferred = deferred(flags)?;
        Conn::with_any(conn.id, |conn| {
            let deferred = deferred || conn.is_deferred;
            if let Some(far) = conn.far() {
                let commit = far.commit()?;
                out.write(&written_far(conn, commit, deferred));
                return Ok(MANTIS_OK);
            }
            let done = deferring(conn, deferred, async |conn| Ok(conn.session().commit().await?))?;
            let commit = Written { version: done.version, durable: done.durable, replaced: false };
            out.write(&written_of(commit, deferred));
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
pub unsafe extern "C" fn mantis_conn_rollback(conn: mantis_conn, error: *mut mantis_error) -> Status {
    let work = || {
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                return far.rollback().map(|()| MANTIS_OK);
            }
            conn.session().rollback();
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
pub unsafe extern "C" fn mantis_conn_savepoint(
    conn: mantis_conn,
    savepoint: *mut u64,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        raw::wanted(savepoint, "savepoint")?;
        Conn::with(conn.id, |conn| {
            let made = conn.session().savepoint()?;
            // SAFETY: the caller gave a place for it.
            unsafe { raw::write(savepoint, made) };
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
pub unsafe extern "C" fn mantis_conn_rollback_to(
    conn: mantis_conn,
    savepoint: u64,
    error: *mut mantis_error,
) -> Status {
    let work = || Conn::with(conn.id, |conn| Ok(conn.session().rollback_to(savepoint).map(|()| MANTIS_OK)?));
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_release_savepoint(
    conn: mantis_conn,
    savepoint: u64,
    error: *mut mantis_error,
) -> Status {
    let work = || Conn::with(conn.id, |conn| Ok(conn.session().release_savepoint(savepoint).map(|()| MANTIS_OK)?));
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_wait_settled(
    conn: mantis_conn,
    version: u64,
    timeout_ms: i64,
    token: mantis_token,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the structure is as the header says.
        let out = unsafe { Out::new(written, "written") }?;
        let token = Token::of(token.id)?;
        Conn::with_any(conn.id, |conn| {
            let waited_for = if version > 0 { vec![version] } else { conn.take_unsettled() };
            let settled = async {
                // Each by itself: a later one may have happened where an earlier one did not, if the disk had space again in between.
                let mut durable = true;
                for version in &waited_for {
                    durable &= conn.pool.0.settled(*version).await?.0;
                }
                Ok::<_, Failure>(durable)
            };
            let end = match block::wait_for(settled, timeout_ms, token.as_ref()) {
                Ok(Waited::Done(durable)) => durable,
                Ok(Waited::Canceled) => Err(Failure::canceled()),
                Err(failure) => Err(failure),
                Ok(Waited::TimeUp) => {
                    conn.keep_unsettled(waited_for, version);
                    return Ok(MANTIS_PENDING);
                }
            };
            let newest = waited_for.last().copied().unwrap_or(0);
            match end {
                Ok(durable) => {
                    let commit = Written { version: newest, durable: durable && newest > 0, replaced: false };
                    out.write(&written_of(commit, false));
                    Ok(MANTIS_OK)
                }
                Err(failure) => {
                    if failure.status == crate::abi::status::MANTIS_E_CANCELED {
                        conn.keep_unsettled(waited_for, version);
                    }
                    Err(failure)
                }
            }
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
pub unsafe extern "C" fn mantis_conn_set_deferred(
    conn: mantis_conn,
    is_deferred: u32,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        if is_deferred > 1 {
            return Err(unknown("is_deferred", is_deferred));
        }
        Conn::with_any(conn.id, |conn| {
            conn.is_deferred = is_deferred == 1;
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
pub unsafe extern "C" fn mantis_conn_set_grants(
    conn: mantis_conn,
    grants: *const c_char,
    grants_len: usize,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the text for this call.
        let grants = unsafe { raw::text(grants, grants_len, "grants") }?;
        let grants = if grants.is_empty() {
            Grants::none()
        } else {
            grants.parse().map_err(|invalid: mantis_db::GrantInvalid| Failure::misuse(invalid.to_string()))?
        };
        Conn::with(conn.id, |conn| {
            conn.session().set_grants(Arc::new(grants));
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}
