//! Every setting is checked, by name.

use std::time::Duration;

use mantis_pool::{Config, ConfigError, IdleOrder, Pool};

use crate::lab::{Lab, ms, secs};

#[track_caller]
fn check(config: Config, expected: &ConfigError, message: &str) {
    assert_eq!(config.validate(), Err(expected.clone()));
    assert_eq!(Pool::new(Lab::default(), config).map(drop).unwrap_err(), *expected);
    assert!(expected.to_string().contains(message), "{expected}");
}

#[test]
fn defaults_are_valid_and_as_documented() {
    let config = Config::default();
    assert_eq!(config.validate(), Ok(()));
    assert_eq!((config.min_idle, config.max, config.max_waiters), (10, 1000, 10_000));
    assert_eq!(config.idle_order, IdleOrder::Lifo);
    assert_eq!(config.acquire_timeout, Some(secs(30)));
    assert_eq!((config.wait_timeout, config.create_timeout), (Some(secs(10)), Some(secs(10))));
    assert_eq!((config.recycle_timeout, config.validate_timeout), (Some(secs(5)), Some(secs(5))));
    assert_eq!((config.idle_timeout, config.max_lifetime), (Some(secs(300)), Some(secs(3600))));
    assert_eq!(config.lifetime_jitter_percent, 10);
    assert_eq!((config.validate_after_idle, config.health_check_interval), (Some(secs(30)), Some(secs(30))));
    assert_eq!(config.maintenance_interval, secs(30));
    assert_eq!((config.create_backoff_initial, config.create_backoff_max), (ms(100), secs(5)));
    assert_eq!(config.leak_threshold, None);
}

#[test]
fn sizes() {
    check(Config { max: 0, min_idle: 0, ..Config::default() }, &ConfigError::MaxIsZero, "`max` is 0");
    check(
        Config { max: 5, ..Config::default() },
        &ConfigError::MinAboveMax { min_idle: 10, max: 5 },
        "`min_idle` (10) is above `max` (5)",
    );
}

#[test]
fn durations_of_zero() {
    type Set = fn(&mut Config, Duration);
    let settings: [(&'static str, Set); 13] = [
        ("acquire_timeout", |config, value| config.acquire_timeout = Some(value)),
        ("wait_timeout", |config, value| config.wait_timeout = Some(value)),
        ("create_timeout", |config, value| config.create_timeout = Some(value)),
        ("recycle_timeout", |config, value| config.recycle_timeout = Some(value)),
        ("validate_timeout", |config, value| config.validate_timeout = Some(value)),
        ("idle_timeout", |config, value| config.idle_timeout = Some(value)),
        ("max_lifetime", |config, value| config.max_lifetime = Some(value)),
        ("validate_after_idle", |config, value| config.validate_after_idle = Some(value)),
        ("health_check_interval", |config, value| config.health_check_interval = Some(value)),
        ("maintenance_interval", |config, value| config.maintenance_interval = value),
        ("create_backoff_initial", |config, value| config.create_backoff_initial = value),
        ("create_backoff_max", |config, value| config.create_backoff_max = value),
        ("leak_threshold", |config, value| config.leak_threshold = Some(value)),
    ];
    for (setting, set) in settings {
        let mut config = Config::default();
        set(&mut config, Duration::ZERO);
        check(config, &ConfigError::ZeroDuration { setting }, setting);
    }
}

#[test]
fn the_rest() {
    check(
        Config { create_backoff_initial: secs(6), ..Config::default() },
        &ConfigError::BackoffOrder { initial: secs(6), max: secs(5) },
        "`create_backoff_initial` (6s)",
    );
    check(
        Config { lifetime_jitter_percent: 51, ..Config::default() },
        &ConfigError::JitterTooHigh { percent: 51 },
        "above 50",
    );
    check(
        Config { health_check_interval: Some(secs(10)), ..Config::default() },
        &ConfigError::HealthCheckTooOften { interval: secs(10), maintenance_interval: secs(30) },
        "`maintenance_interval` (30s)",
    );
}

#[test]
fn durations_beyond_the_end_of_time_are_never() {
    let config = Config {
        acquire_timeout: Some(Duration::MAX),
        wait_timeout: Some(Duration::MAX),
        idle_timeout: Some(Duration::MAX),
        max_lifetime: Some(Duration::MAX),
        validate_after_idle: Some(Duration::MAX),
        ..Config::default()
    };
    let pool = Pool::new(Lab::default(), config).unwrap();
    drop(pool.try_acquire().unwrap().unwrap());
    assert!(pool.try_acquire().unwrap().is_some());
}
