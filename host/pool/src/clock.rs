//! The pool's clock: as exact as the settings need, and no dearer.
//!
//! A look at the system's clock takes longer than all else in a hand-out. While maintenance runs, it therefore
//! leaves the time here every [`TICK`], and hand-outs read that, if no setting is so short that it would tell.
//! Without maintenance, or when it stops, hand-outs look at the system's clock themselves.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::Config;

const TICK: Duration = Duration::from_millis(500);
/// Settings from this length on are at most 5 percent off by a tick.
const TICKABLE: Duration = Duration::from_secs(10);

/// Nanoseconds since the pool was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Before any other: what the time is when nobody needs to know.
    pub(crate) const UNKNOWN: Self = Self(0);
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn from_raw(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(crate) fn raw(self) -> u64 {
        self.0
    }

    /// `None` is never.
    pub(crate) fn after(self, delay: Option<Duration>) -> Self {
        delay.map_or(Self::NEVER, |delay| Self(self.0.saturating_add(nanos(delay))))
    }

    /// As an instant, for a clock that began at `built_at`; `None` for [`UNKNOWN`](Self::UNKNOWN).
    pub(crate) fn instant(self, built_at: Instant) -> Option<Instant> {
        // What does not fit is unknown too.
        (self != Self::UNKNOWN).then(|| built_at.checked_add(Duration::from_nanos(self.0 - 1))).flatten()
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

pub(crate) struct Clock {
    pub(crate) built_at: Instant,
    /// Whether handing out an object has to know the time.
    is_needed: bool,
    may_tick: bool,
    /// The latest tick; 0 while nobody ticks.
    tick: AtomicU64,
}

impl Clock {
    pub(crate) fn new(config: &Config) -> Self {
        let used_at_hand_out =
            [config.max_lifetime, config.validate_after_idle, config.health_check_interval, config.leak_threshold];
        Self {
            built_at: Instant::now(),
            is_needed: used_at_hand_out.iter().any(Option::is_some),
            may_tick: used_at_hand_out.iter().flatten().all(|setting| *setting >= TICKABLE),
            tick: AtomicU64::new(0),
        }
    }

    /// The time, exactly.
    pub(crate) fn now(&self) -> Moment {
        // From 1 on, as 0 is taken.
        Moment(nanos(Instant::now().saturating_duration_since(self.built_at)).saturating_add(1))
    }

    /// The time as far as a hand-out has to know it.
    #[inline]
    pub(crate) fn now_at_hand_out(&self) -> Moment {
        if !self.is_needed {
            return Moment::UNKNOWN;
        }
        match self.tick.load(Relaxed) {
            0 => self.now(),
            tick => Moment(tick),
        }
    }

    /// Ticks until it is dropped, if the settings allow it.
    pub(crate) async fn keep_ticking(&self) {
        if !self.may_tick {
            return;
        }
        let _stop = StopTicking(self);
        loop {
            self.tick.store(self.now().0, Relaxed);
            sleep(TICK).await;
        }
    }
}

/// No ticks are better than the last one for ever.
struct StopTicking<'a>(&'a Clock);

impl Drop for StopTicking<'_> {
    fn drop(&mut self) {
        self.0.tick.store(0, Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
