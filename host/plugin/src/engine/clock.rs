//! The one place that asks for the time. Deadlines are wall-clock time of this process, not the store's.

use std::time::Instant;

#[allow(clippy::disallowed_methods, reason = "this crate never runs in a page")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
