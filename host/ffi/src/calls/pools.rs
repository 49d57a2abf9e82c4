//! Opening, closing, statistics, backup.

use std::ffi::c_char;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use super::call;
use crate::abi::status::{MANTIS_OK, MANTIS_PENDING, MANTIS_REFUSED, Status};
use crate::abi::types::{mantis_error, mantis_pool, mantis_pool_config, mantis_stats};
use crate::failure::Failure;
use crate::opening;
use crate::pool::{POOLS, Pool};
use crate::process;
use crate::raw::{self, Out};
use crate::waiting::block::{self, Waited};

/// See the header.
///
/// # Safety
/// `config` points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_config_init(config: *mut mantis_pool_config, size: usize) -> Status {
    let work = || {
        raw::wanted(config, "config")?;
        let size = u32::try_from(size).map_err(|_| Failure::misuse("`size` is not that of a mantis_pool_config"))?;
        // SAFETY: the structure begins with its size; the caller promises that as much is writable.
        unsafe { raw::write(config.cast::<u32>(), size) };
        // SAFETY: as much is writable as its size, just set, says.
        unsafe { Out::new(config, "config") }?.write(&mantis_pool_config::default());
        Ok(MANTIS_OK)
    };
    // SAFETY: there is no error to write.
    unsafe { call(std::ptr::null_mut(), work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_new(
    location: *const c_char,
    location_len: usize,
    config: *const mantis_pool_config,
    pool: *mut mantis_pool,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        raw::wanted(pool, "pool")?;
        // SAFETY: the caller lends the text and the settings for this call.
        let location = unsafe { raw::text(location, location_len, "location") }?;
        // SAFETY: as above.
        let config = unsafe { raw::structure(config, mantis_pool_config::default(), "config") }?;
        process::note_use();
        let id = POOLS
            .insert(Pool::open(location, &config)?)
            .map_err(|_| Failure::misuse("too many pools are open; destroy those that are not used"))?;
        // SAFETY: the caller gave a place for it.
        unsafe { raw::write(pool, mantis_pool { id }) };
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_close(pool: mantis_pool, timeout_ms: i64, error: *mut mantis_error) -> Status {
    let work = || {
        let pool = Pool::of(pool.id)?;
        match block::wait_for(pool.close(), timeout_ms, Some(&pool.end))? {
            Waited::Done(()) | Waited::Canceled => Ok(MANTIS_OK),
            Waited::TimeUp => Ok(MANTIS_PENDING),
        }
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_destroy(pool: mantis_pool, error: *mut mantis_error) -> Status {
    let work = || {
        let Some(taken) = POOLS.take_if(pool.id, |pool| pool.end_uses()) else { return Err(Failure::stale("pool")) };
        let Some(pool) = taken else { return Ok(MANTIS_REFUSED) };
        pool.end().map(|()| MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_stats(
    pool: mantis_pool,
    stats: *mut mantis_stats,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller's structure is as the header says.
        let out = unsafe { Out::new(stats, "stats") }?;
        out.write(&stats_of(&*Pool::of(pool.id)?));
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

fn stats_of(pool: &Pool) -> mantis_stats {
    let (sessions, database) = (pool.sessions.stats(), pool.database.stats());
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    mantis_stats {
        size: 0,
        max_connections: u32::try_from(sessions.max).unwrap_or(u32::MAX),
        total: sessions.total() as u64,
        active: sessions.active as u64,
        idle: sessions.idle as u64,
        creating: sessions.creating as u64,
        waiters: sessions.waiters as u64,
        created: sessions.created,
        closed: sessions.closed(),
        immediate: sessions.immediate,
        waited: sessions.waited,
        waits: sessions.waits,
        waits_granted: sessions.waits_granted,
        waits_timed_out: sessions.waits_timed_out,
        waits_refused: sessions.waits_refused,
        waits_abandoned: sessions.waits_abandoned,
        wait_us_total: us(sessions.wait_time_total),
        wait_us_max: us(sessions.wait_time_max),
        version: pool.database.version(),
        keys: database.keys,
        bytes: database.key_bytes + database.value_bytes,
        snapshots: database.snapshots,
    }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_pool_backup(
    pool: mantis_pool,
    path: *const c_char,
    path_len: usize,
    bytes: *mut u64,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the text for this call.
        let path = unsafe { raw::text(path, path_len, "path") }?;
        let pool = Pool::of(pool.id)?;
        let failed = |error: std::io::Error| Failure::io(format!("cannot write {path}: {error}"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
        let mut written = 0;
        let mut write = || {
            for piece in pool.database.store().backup() {
                let piece = piece?;
                file.write_all(&piece)?;
                written += piece.len() as u64;
            }
            file.sync_all()
        };
        if let Err(error) = write() {
            // Half a backup is none. What cannot be removed is named by the failure.
            let _ = std::fs::remove_file(path);
            return Err(failed(error));
        }
        // SAFETY: the caller gave a place for it, or NULL.
        unsafe { raw::write(bytes, written) };
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_restore(
    backup: *const c_char,
    backup_len: usize,
    directory: *const c_char,
    directory_len: usize,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the texts for this call.
        let (backup, directory) =
            unsafe { (raw::text(backup, backup_len, "backup")?, raw::text(directory, directory_len, "directory")?) };
        opening::restore_into(backup, directory)?;
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}
