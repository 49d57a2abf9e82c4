//! Whether a function has proved quick enough to run on the caller's thread.
//!
//! Runs are measured by the processor time of their thread: on a busy machine the wall clock would make quick functions look slow.
//! A function that has proved quick keeps its place through a few slow runs, but loses it at once when it overruns its slice.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Quick runs after which a function runs on the caller's thread.
pub(crate) const QUICK_RUNS: u32 = 16;
/// Quick runs that are remembered.
const QUICK_RUNS_MAX: u32 = 32;
/// Quick runs that a slow one undoes.
const SLOW_COSTS: u32 = 4;
/// The longest run that counts as quick.
const QUICK: Duration = Duration::from_micros(200);

#[derive(Debug, Default)]
pub(crate) struct History(AtomicU32);

impl History {
    pub(crate) fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= QUICK_RUNS
    }

    /// Notes a run that ended.
    pub(crate) fn note(&self, took: Duration) {
        // Threads may overwrite each other's notes; the number need not be exact.
        let quick_runs = self.0.load(Ordering::Relaxed);
        if took > QUICK {
            self.0.store(quick_runs.saturating_sub(SLOW_COSTS), Ordering::Relaxed);
        } else if quick_runs < QUICK_RUNS_MAX {
            self.0.store(quick_runs + 1, Ordering::Relaxed);
        }
    }

    /// Notes that a slice was too short.
    pub(crate) fn note_overrun(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(1);

    #[test]
    fn a_function_runs_inline_only_while_it_is_quick() {
        let history = History::default();
        for _ in 0..QUICK_RUNS {
            assert!(!history.is_quick());
            history.note(QUICK);
        }
        assert!(history.is_quick());
        history.note(SLOW);
        assert!(!history.is_quick(), "it has only just proved itself");
        for _ in 0..QUICK_RUNS_MAX {
            history.note(QUICK);
        }
        for _ in 0..4 {
            assert!(history.is_quick(), "it is known by now");
            history.note(SLOW);
        }
        assert!(history.is_quick());
        history.note_overrun();
        assert!(!history.is_quick());
    }
}
