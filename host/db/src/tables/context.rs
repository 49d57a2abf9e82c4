//! What a statement sees of the world besides the store: its time, its time zone, randomness.

use std::sync::Arc;

use crate::tables::time_zone::TimeZone;
use crate::{Database, Random};

/// The surroundings of one statement. All its rows see the same time.
#[derive(Clone)]
pub struct Environment {
    /// The time zone in which times with a zone are written, and read where they name none.
    pub time_zone: TimeZone,
    /// The statement's time, in microseconds since 1970-01-01T00:00:00Z: what `now` is.
    pub now_us: i64,
    /// Randomness for `uuid` and `uuidv7`.
    pub random: Arc<dyn Random>,
}

impl Environment {
    /// The surroundings of what belongs to no statement: stored values, and casts of rows. Times are in UTC; none asks for the present.
    pub(crate) fn neutral() -> Self {
        Self { time_zone: TimeZone::UTC, now_us: 0, random: Arc::new(crate::SeededRandom::new(0)) }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("now_us", &self.now_us).finish_non_exhaustive()
    }
}

impl Database {
    /// The surroundings of a statement that begins now, in UTC.
    #[must_use]
    pub fn environment_utc(&self) -> Environment {
        self.environment(TimeZone::UTC)
    }

    /// The surroundings of a statement that begins now.
    #[must_use]
    pub fn environment(&self, time_zone: TimeZone) -> Environment {
        let now_us = i64::try_from(self.now_ms().saturating_mul(1_000)).unwrap_or(i64::MAX);
        Environment { time_zone, now_us, random: Arc::clone(&self.0.random) }
    }
}
