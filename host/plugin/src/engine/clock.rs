//! The one place that asks for the time. Deadlines are wall-clock time of this process, not the store's; whether a run is quick is
//! judged by processor time, because on a busy machine the wall clock makes everybody look slow.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::ClockId;

#[allow(clippy::disallowed_methods, reason = "this crate never runs in a page")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

thread_local! {
    /// How long this thread has slept for guests.
    static SLEPT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Puts this thread to sleep for a guest.
#[allow(clippy::disallowed_methods, reason = "this crate never runs in a page")]
pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
    SLEPT.set(SLEPT.get().saturating_add(duration));
}

/// Time for which guests have kept this thread from others: its processor time, and how long it slept for them.
pub(crate) fn thread_used() -> Duration {
    thread_cpu().saturating_add(SLEPT.get())
}

/// Processor time that this thread has used. A call into the system.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
