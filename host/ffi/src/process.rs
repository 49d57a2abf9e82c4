//! Whether this process is a fork of the one that used the library. A fork has none of the threads, and its locks may be held by nobody.
//!
//! A byte says so: it is 1, and 0 in a child. The kernel clears it, whichever way the child was made, where it can wipe a page in children
//! (Linux since 4.14); elsewhere a handler does, which runs for `fork` of the C library and not for a bare system call.

use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use crate::abi::status;
use crate::failure::Failure;

/// The byte where no page is wiped.
static OWN_BYTE: AtomicU8 = AtomicU8::new(1);
/// Where the byte is. What it points to stays as long as the process.
static BYTE: AtomicPtr<AtomicU8> = AtomicPtr::new((&raw const OWN_BYTE).cast_mut());

fn byte() -> &'static AtomicU8 {
    // SAFETY: it points to the static, or to a page that is never unmapped and that nothing but atomic accesses touch.
    unsafe { &*BYTE.load(Ordering::Acquire) }
}

extern "C" fn note_fork() {
    byte().store(0, Ordering::Relaxed);
}

/// Notes that the library is used: forks made from now on are refused.
pub(crate) fn note_use() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Some(page) = wiped_page() {
            BYTE.store(page, Ordering::Release);
        }
        // SAFETY: the handler is a function of the program that stays as long as the library is loaded, and stores to an atomic, which
        // is allowed in the child of a process with threads. That it cannot be registered means that memory is out; forks are then found
        // out by the page alone.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(note_fork)) };
    });
}

/// A byte of 1 in a page that children have as zeros; none where the system has no such pages.
#[cfg(target_os = "linux")]
fn wiped_page() -> Option<*mut AtomicU8> {
    let (length, access) = (size_of::<AtomicU8>(), libc::PROT_READ | libc::PROT_WRITE);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory of anybody.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping was just made, and is this function's alone.
    if unsafe { libc::madvise(page, length, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above. That it stays mapped would be a lost page.
        let _ = unsafe { libc::munmap(page, length) };
        return None;
    }
    let byte = page.cast::<AtomicU8>();
    // SAFETY: the mapping is writable and as long, and nobody else has it yet.
    unsafe { byte.write(AtomicU8::new(1)) };
    Some(byte)
}

#[cfg(not(target_os = "linux"))]
fn wiped_page() -> Option<*mut AtomicU8> {
    None
}

/// Checks that this is not a fork.
///
/// # Errors
/// It is.
pub(crate) fn check() -> Result<(), Failure> {
    if byte().load(Ordering::Relaxed) == 1 {
        return Ok(());
    }
    let message = "this process is a fork of the one that opened the database";
    let failure = Failure::new(status::MANTIS_E_FORKED, "forked", message);
    Err(failure.with_hint("Open a database after fork, or call exec."))
}
