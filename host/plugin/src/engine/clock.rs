//! The one place that asks for the time. Deadlines are wall-clock time of this process, not the store's; whether a run is quick is
//! judged by processor time, because on a busy machine the wall clock makes everybody look slow.

use std::time::{Duration, Instant};

use rustix::time::ClockId;

#[allow(clippy::disallowed_methods, reason = "this crate never runs in a page")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Processor time that this thread has used. A call into the system.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
