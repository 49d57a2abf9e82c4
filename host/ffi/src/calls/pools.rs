//! Opening, closing, statistics, backup.

use std::ffi::c_char;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::time::Duration;

use super::call;
use crate::abi::status::{MANTIS_E_IO, MANTIS_OK, MANTIS_PENDING, MANTIS_REFUSED, Status};
use crate::abi::types::{mantis_error, mantis_pool, mantis_pool_config, mantis_stats};
use crate::failure::Failure;
use crate::far::FarStats;
use crate::opening;
use crate::pool::{Base, POOLS, Pool};
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
        let pool = Pool::of(pool.id)?;
        let own = stats_of(&pool);
        // The pool's own are there also where the server does not answer.
        out.write(&own);
        out.write(&with_database(own, &pool)?);
        Ok(MANTIS_OK)
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

fn stats_of(pool: &Pool) -> mantis_stats {
    let links = pool.links.stats();
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    mantis_stats {
        size: 0,
        max_connections: u32::try_from(links.max).unwrap_or(u32::MAX),
        total: links.total() as u64,
        active: links.active as u64,
        idle: links.idle as u64,
        creating: links.creating as u64,
        waiters: links.waiters as u64,
        created: links.created,
        closed: links.closed(),
        immediate: links.immediate,
        waited: links.waited,
        waits: links.waits,
        waits_granted: links.waits_granted,
        waits_timed_out: links.waits_timed_out,
        waits_refused: links.waits_refused,
        waits_abandoned: links.waits_abandoned,
        wait_us_total: us(links.wait_time_total),
        wait_us_max: us(links.wait_time_max),
        ..mantis_stats::default()
    }
}

/// The same with what the database says of itself.
fn with_database(own: mantis_stats, pool: &Pool) -> Result<mantis_stats, Failure> {
    let far = match &pool.base {
        Base::Near(database) => {
            let stats = database.stats();
            FarStats {
                version: database.version(),
                keys: stats.keys,
                bytes: stats.key_bytes + stats.value_bytes,
                snapshots: stats.snapshots,
            }
        }
        Base::Far(server) => server.stats()?,
    };
    Ok(mantis_stats { version: far.version, keys: far.keys, bytes: far.bytes, snapshots: far.snapshots, ..own })
}

/// Reads a backup that a server sent, up to its end mark.
fn check_backup(path: &str) -> Result<(), Failure> {
    let mut file =
        BufReader::new(File::open(path).map_err(|error| Failure::io(format!("cannot read {path}: {error}")))?);
    mantis_db::verify(&mut file).map(drop).map_err(|error| {
        let message = format!("the server's answer is not as expected: it is no whole backup: {error}");
        Failure::new(MANTIS_E_IO, "answer-malformed", message)
    })
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
        let mut take = |piece: &[u8]| {
            written += piece.len() as u64;
            file.write_all(piece)
        };
        let done = match &pool.base {
            Base::Near(database) => database.store().backup().try_for_each(|piece| take(&piece?)).map_err(failed),
            Base::Far(server) => server.backup(&mut take).and_then(|()| check_backup(path)),
        };
        if let Err(failure) = done.and_then(|()| file.sync_all().map_err(failed)) {
            // Half a backup is none. What cannot be removed is named by the failure.
            let _ = std::fs::remove_file(path);
            return Err(failure);
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
