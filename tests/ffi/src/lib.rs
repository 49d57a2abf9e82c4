//! The C library for tests: all functions of `mantisdb.h`, and those of `include/mantisdb_testing.h`, which set what a scenario sets.
//!
//! The shared library `libmantisdb_c_testing.so` is what a C or Go program of the tests loads in place of `libmantisdb_c.so`, which has
//! none of these functions: they are another crate's. `stage` is also where the scenarios of other surfaces begin.
#![deny(missing_docs)]
#![allow(unsafe_code, reason = "C calls these functions and gives them pointers")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub mod stage;

use std::ffi::c_char;
use std::slice;
use std::sync::Arc;

use mantis_db::{Grants, SeededRandom};
use mantisdb_c::testing;
use mantisdb_c::types::{mantis_conn, mantis_error};
use parking_lot::Mutex;
use serde::Deserialize;

use crate::stage::{Limited, Stage};

const OK: i32 = 0;
/// The settings, the text or the order of the calls is wrong. Standard error says what.
const WRONG: i32 = -1;

/// The stage that the last `mantis_test_stage` has made.
static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

/// The settings of a stage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    is_on_disk: bool,
    #[serde(default)]
    limits: Limited,
}

/// See the header.
///
/// # Safety
/// `settings` points to `settings_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_test_stage(settings: *const c_char, settings_len: usize) -> i32 {
    // SAFETY: the caller promises the same.
    let settings = unsafe { bytes(settings, settings_len) }.unwrap_or_default();
    told(|| {
        let settings: Settings = serde_json::from_slice(settings).map_err(|error| error.to_string())?;
        let limits = stage::limits(&settings.limits)?;
        let stage = Stage::new(limits, settings.is_on_disk, Arc::new(SeededRandom::new(1)));
        testing::open_next(stage.database.clone());
        testing::grant_next(None);
        *STAGE.lock() = Some(stage);
        Ok(())
    })
}

/// See the header.
///
/// # Safety
/// `grants` is NULL, or points to `grants_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_test_grants(grants: *const c_char, grants_len: usize) -> i32 {
    // SAFETY: the caller promises the same.
    let grants = unsafe { bytes(grants, grants_len) };
    told(|| {
        let parse = |text: &[u8]| match std::str::from_utf8(text) {
            Ok("") => Ok(Grants::none()),
            Ok(text) => text.parse().map_err(|error: mantis_db::GrantInvalid| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        testing::grant_next(grants.map(parse).transpose()?);
        Ok(())
    })
}

/// See the header.
///
/// # Safety
/// `now_ms` is NULL, or a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_test_advance_clock(ms: u64, now_ms: *mut u64) -> i32 {
    told(|| {
        let now = STAGE.lock().as_ref().ok_or("there is no stage")?.advance_clock(ms);
        if !now_ms.is_null() {
            // SAFETY: the caller gave a place for it.
            unsafe { now_ms.write(now) };
        }
        Ok(())
    })
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_test_close_for_writes() -> i32 {
    told(|| {
        STAGE.lock().as_ref().ok_or("there is no stage")?.database.close_for_writes();
        Ok(())
    })
}

/// See the header.
///
/// # Safety
/// `error` is as `mantisdb.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_test_panic(conn: mantis_conn, error: *mut mantis_error) -> i32 {
    // SAFETY: the caller promises the same.
    unsafe { testing::panic_in(conn, error) }
}

/// Bytes of a caller; none of NULL.
///
/// # Safety
/// `data` is NULL, or points to `len` bytes that stay for `'a`.
unsafe fn bytes<'a>(data: *const c_char, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller promises the same; a char of C and a byte have the same size.
    (!data.is_null()).then(|| unsafe { slice::from_raw_parts(data.cast(), len) })
}

fn told(work: impl FnOnce() -> Result<(), String>) -> i32 {
    match work() {
        Ok(()) => OK,
        Err(why) => {
            eprintln!("mantisdb_c_testing: {why}");
            WRONG
        }
    }
}
