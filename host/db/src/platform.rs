//! The one thing that is asked of the platform besides the engine's clock, randomness and disk.

/// Yields the processor to other threads now rather than while writers wait for the lock. Does nothing in a page, which has one thread.
#[allow(clippy::disallowed_methods, reason = "in a page, which has one thread, it does nothing")]
pub(crate) fn yield_now() {
    std::thread::yield_now();
}
