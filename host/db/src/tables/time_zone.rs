//! [`TimeZone`]: what a time zone is. A build without the feature `zones` knows no names of zones and none of their rules: each is so
//! many seconds from UTC.

#[cfg(feature = "zones")]
use jiff::tz::Offset;
#[cfg(feature = "zones")]
pub use jiff::tz::TimeZone;

/// A time zone.
#[cfg(not(feature = "zones"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone {
    /// How far it is ahead of UTC.
    seconds: i32,
}

#[cfg(not(feature = "zones"))]
impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self { seconds: 0 };
}

/// The zone that is always that many seconds ahead of UTC.
#[cfg(feature = "zones")]
pub(crate) fn fixed(seconds: i32) -> TimeZone {
    Offset::from_seconds(seconds).map_or(TimeZone::UTC, TimeZone::fixed)
}

/// The zone that is always that many seconds ahead of UTC.
#[cfg(not(feature = "zones"))]
pub(crate) fn fixed(seconds: i32) -> TimeZone {
    TimeZone { seconds }
}

/// How many seconds a zone is ahead of UTC, if that is always the same.
#[cfg(feature = "zones")]
pub(crate) fn fixed_offset(zone: &TimeZone) -> Option<i32> {
    zone.to_fixed_offset().ok().map(Offset::seconds)
}

/// How many seconds a zone is ahead of UTC.
#[cfg(not(feature = "zones"))]
#[allow(clippy::unnecessary_wraps, reason = "zones with rules are not so simple")]
pub(crate) fn fixed_offset(zone: &TimeZone) -> Option<i32> {
    Some(zone.seconds)
}

/// The zone that the database of zones has by this name, in any case.
#[cfg(feature = "zones")]
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// No zone: there is no database of them.
#[cfg(not(feature = "zones"))]
pub(crate) fn named(_name: &str) -> Option<TimeZone> {
    None
}
