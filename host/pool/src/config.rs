//! Every setting of a pool, its default, and the check that names what is wrong.

use std::time::Duration;

use crate::Step;

const LIFETIME_JITTER_PERCENT_MAX: u8 = 50;

/// Settings of a [`Pool`](crate::Pool). Sizes may change later with [`Pool::resize`](crate::Pool::resize).
///
/// A duration of `None` switches the limit off; a duration of zero is refused.
///
/// ```
/// use std::time::Duration;
/// use mantis_pool::Config;
///
/// let config = Config { max: 50, idle_timeout: Some(Duration::from_secs(60)), ..Config::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Idle objects that maintenance keeps ready, and below which idle timeouts do not go. Default 10.
    pub min_idle: usize,
    /// The most objects, those on loan, idle and being created together. Default 1000.
    pub max: usize,
    /// The most callers that may wait at once; one more gets [`Error::QueueFull`](crate::Error::QueueFull). Default 10000.
    pub max_waiters: usize,
    /// Which idle object is handed out next. Default [`IdleOrder::Lifo`].
    pub idle_order: IdleOrder,

    /// How long one acquisition may take as a whole, with all its waits, checks and creations; the limits of the steps
    /// hold within it. [`Pool::acquire_timeout`](crate::Pool::acquire_timeout) sets it for one call. Default 30 s.
    pub acquire_timeout: Option<Duration>,
    /// How long a caller waits in the queue. Default 10 s.
    pub wait_timeout: Option<Duration>,
    /// How long [`Manager::create`](crate::Manager::create) may take. Default 10 s.
    pub create_timeout: Option<Duration>,
    /// How long [`Manager::recycle`](crate::Manager::recycle) may take. Default 5 s.
    pub recycle_timeout: Option<Duration>,
    /// How long [`Manager::validate`](crate::Manager::validate) may take. Default 5 s.
    pub validate_timeout: Option<Duration>,

    /// An object idle for this long is closed, and not handed out any more, as long as more than `min_idle` are idle.
    /// Exact if it is shorter than ten `maintenance_interval`s. Longer, it is counted from the first maintenance that
    /// finds the object idle, which saves every release a look at the clock. Default 5 min.
    pub idle_timeout: Option<Duration>,
    /// An object older than this is closed instead of handed out. Default 1 h.
    pub max_lifetime: Option<Duration>,
    /// Each object's lifetime is shortened by a random share of up to this many percent, so that objects made
    /// together do not end together. 0 to 50; default 10.
    pub lifetime_jitter_percent: u8,
    /// An object that was last handed out or checked longer ago than this is validated before it is handed out.
    /// Default 30 s.
    pub validate_after_idle: Option<Duration>,
    /// Maintenance validates idle objects that were last handed out or checked longer ago than this. Default 30 s.
    pub health_check_interval: Option<Duration>,
    /// The longest time between two passes of [`Pool::run_maintenance`](crate::Pool::run_maintenance), which looks
    /// earlier where an object is due or `min_idle` is not reached. Default 30 s.
    pub maintenance_interval: Duration,

    /// The pause after a first failed creation; it doubles with each further failure. Default 100 ms.
    pub create_backoff_initial: Duration,
    /// The longest pause between two attempts to create an object. Default 5 s.
    pub create_backoff_max: Duration,

    /// Objects held for longer than this are listed by [`Pool::leaks`](crate::Pool::leaks). Default `None`: holders
    /// are not recorded.
    pub leak_threshold: Option<Duration>,
}

/// Which idle object is handed out next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdleOrder {
    /// The one released last: caches are warm, and the surplus ages until it is closed.
    #[default]
    Lifo,
    /// The one released first: all objects stay in use, as where a firewall cuts connections that are silent for long.
    Fifo,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_idle: 10,
            max: 1000,
            max_waiters: 10_000,
            idle_order: IdleOrder::Lifo,
            acquire_timeout: Some(Duration::from_secs(30)),
            wait_timeout: Some(Duration::from_secs(10)),
            create_timeout: Some(Duration::from_secs(10)),
            recycle_timeout: Some(Duration::from_secs(5)),
            validate_timeout: Some(Duration::from_secs(5)),
            idle_timeout: Some(Duration::from_mins(5)),
            max_lifetime: Some(Duration::from_hours(1)),
            lifetime_jitter_percent: 10,
            validate_after_idle: Some(Duration::from_secs(30)),
            health_check_interval: Some(Duration::from_secs(30)),
            maintenance_interval: Duration::from_secs(30),
            create_backoff_initial: Duration::from_millis(100),
            create_backoff_max: Duration::from_secs(5),
            leak_threshold: None,
        }
    }
}

impl Config {
    /// Checks every setting; [`Pool::new`](crate::Pool::new) does so itself.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be applied, by name, with what to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_sizes(self.min_idle, self.max)?;
        self.check_durations()?;
        if self.lifetime_jitter_percent > LIFETIME_JITTER_PERCENT_MAX {
            return Err(ConfigError::JitterTooHigh { percent: self.lifetime_jitter_percent });
        }
        Ok(())
    }

    pub(crate) fn step_timeout(&self, step: Step) -> Option<Duration> {
        match step {
            Step::Wait => self.wait_timeout,
            Step::Create => self.create_timeout,
            Step::Recycle => self.recycle_timeout,
            Step::Validate => self.validate_timeout,
            Step::Release => None,
        }
    }

    /// Whether releases look at the clock, so that idle times are exact.
    pub(crate) fn times_releases(&self) -> bool {
        self.idle_timeout.is_some_and(|timeout| timeout < self.maintenance_interval.saturating_mul(10))
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        let durations = [
            ("acquire_timeout", self.acquire_timeout),
            ("wait_timeout", self.wait_timeout),
            ("create_timeout", self.create_timeout),
            ("recycle_timeout", self.recycle_timeout),
            ("validate_timeout", self.validate_timeout),
            ("idle_timeout", self.idle_timeout),
            ("max_lifetime", self.max_lifetime),
            ("validate_after_idle", self.validate_after_idle),
            ("health_check_interval", self.health_check_interval),
            ("maintenance_interval", Some(self.maintenance_interval)),
            ("create_backoff_initial", Some(self.create_backoff_initial)),
            ("create_backoff_max", Some(self.create_backoff_max)),
            ("leak_threshold", self.leak_threshold),
        ];
        if let Some((setting, _)) = durations.into_iter().find(|(_, duration)| *duration == Some(Duration::ZERO)) {
            return Err(ConfigError::ZeroDuration { setting });
        }
        if self.create_backoff_initial > self.create_backoff_max {
            return Err(ConfigError::BackoffOrder {
                initial: self.create_backoff_initial,
                max: self.create_backoff_max,
            });
        }
        match self.health_check_interval {
            Some(interval) if interval < self.maintenance_interval => {
                Err(ConfigError::HealthCheckTooOften { interval, maintenance_interval: self.maintenance_interval })
            }
            _ => Ok(()),
        }
    }
}

/// The rules on sizes, shared with [`Pool::resize`](crate::Pool::resize).
pub(crate) fn check_sizes(min_idle: usize, max: usize) -> Result<(), ConfigError> {
    if max == 0 {
        return Err(ConfigError::MaxIsZero);
    }
    if min_idle > max {
        return Err(ConfigError::MinAboveMax { min_idle, max });
    }
    Ok(())
}

/// A setting that cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `max` is 0: nothing could ever be acquired.
    #[error("`max` is 0; a pool needs room for at least 1 object")]
    MaxIsZero,
    /// `min_idle` is above `max`.
    #[error("`min_idle` ({min_idle}) is above `max` ({max}); lower the one or raise the other")]
    MinAboveMax {
        /// The setting.
        min_idle: usize,
        /// The setting.
        max: usize,
    },
    /// A duration is zero.
    #[error("`{setting}` is zero; set it above zero, or to `None` to switch it off where the setting allows that")]
    ZeroDuration {
        /// The setting's name.
        setting: &'static str,
    },
    /// The first pause after a failed creation is longer than the longest.
    #[error("`create_backoff_initial` ({initial:?}) is above `create_backoff_max` ({max:?}); swap them")]
    BackoffOrder {
        /// The setting.
        initial: Duration,
        /// The setting.
        max: Duration,
    },
    /// `lifetime_jitter_percent` is out of range.
    #[error("`lifetime_jitter_percent` ({percent}) is above {LIFETIME_JITTER_PERCENT_MAX}")]
    JitterTooHigh {
        /// The setting.
        percent: u8,
    },
    /// Health checks are due more often than maintenance runs.
    #[error(
        "`health_check_interval` ({interval:?}) is below `maintenance_interval` ({maintenance_interval:?}), which \
         carries it out; lower the latter too"
    )]
    HealthCheckTooOften {
        /// The setting.
        interval: Duration,
        /// The setting.
        maintenance_interval: Duration,
    },
}
