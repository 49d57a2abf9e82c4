//! Versions and names.

use std::ffi::c_char;

use crate::abi::status::{self, Status};
use crate::abi::types::flags::MANTIS_ABI_VERSION;

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_abi_version() -> u32 {
    MANTIS_ABI_VERSION
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn mantis_status_name(status: Status) -> *const c_char {
    status::name(status).as_ptr()
}
