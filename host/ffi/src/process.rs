//! Whether this process is a fork of the one that used the library. A fork has none of the threads, and its locks may be held by nobody.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::abi::status;
use crate::failure::Failure;

static IS_FORK: AtomicBool = AtomicBool::new(false);

extern "C" fn note_fork() {
    IS_FORK.store(true, Ordering::Relaxed);
}

/// Notes that the library is used: forks made from now on are refused.
pub(crate) fn note_use() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function of the program that stays as long as the library is loaded, and stores to an atomic, which
        // is allowed in the child of a process with threads. That it cannot be registered means that memory is out; forks are then not
        // found out.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(note_fork)) };
    });
}

/// Checks that this is not a fork.
///
/// # Errors
/// It is.
pub(crate) fn check() -> Result<(), Failure> {
    if !IS_FORK.load(Ordering::Relaxed) {
        return Ok(());
    }
    let message = "this process is a fork of the one that opened the database";
    let failure = Failure::new(status::MANTIS_E_FORKED, "forked", message);
    Err(failure.with_hint("Open a database after fork, or call exec."))
}
