//! Time, randomness and the log, from the host.

use crate::bindings::mantis::db::system;
pub use crate::bindings::mantis::db::system::{Level, log, now_ms};

/// `N` unpredictable bytes; `N` is at most 4,096.
///
/// # Panics
/// If `N` is larger: the host stops the plugin.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&system::random(u32::try_from(N).unwrap_or(u32::MAX)));
    bytes
}
