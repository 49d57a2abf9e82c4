//! Time zones: by name, abbreviation or offset; local time to UTC and back.

#[cfg(feature = "zones")]
use jiff::tz::{AmbiguousOffset, Offset};

#[cfg(feature = "zones")]
use super::calendar::{Civil, DAY_US, civil};
use crate::tables::time_zone::{self, TimeZone, fixed, fixed_offset};
use crate::tables::{TableError, TableResult, code};

/// The greatest offset from UTC that a text may have, in seconds (exclusive).
const OFFSET_MAX_S: i64 = 16 * 3600;

/// Abbreviations of zones with their offset in minutes: those of PostgreSQL's default set that are used today.
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("acdt", 630),
    ("acst", 570),
    ("adt", -180),
    ("aedt", 660),
    ("aest", 600),
    ("akdt", -480),
    ("akst", -540),
    ("ast", -240),
    ("awst", 480),
    ("bst", 60),
    ("cadt", 630),
    ("cast", 570),
    ("cdt", -300),
    ("cest", 120),
    ("cet", 60),
    ("cetdst", 120),
    ("cst", -360),
    ("eat", 180),
    ("edt", -240),
    ("eest", 180),
    ("eet", 120),
    ("eetdst", 180),
    ("est", -300),
    ("gmt", 0),
    ("hkt", 480),
    ("hst", -600),
    ("ict", 420),
    ("idt", 180),
    ("ist", 120),
    ("jst", 540),
    ("kst", 540),
    ("mdt", -360),
    ("mest", 120),
    ("met", 60),
    ("metdst", 120),
    ("msd", 240),
    ("msk", 180),
    ("mst", -420),
    ("ndt", -150),
    ("nst", -210),
    ("nzdt", 780),
    ("nzst", 720),
    ("pdt", -420),
    ("pht", 480),
    ("pkt", 300),
    ("pst", -480),
    ("sast", 120),
    ("sgt", 480),
    ("uct", 0),
    ("ut", 0),
    ("utc", 0),
    ("wadt", 480),
    ("wast", 420),
    ("wat", 60),
    ("west", 60),
    ("wet", 0),
    ("wetdst", 60),
    ("z", 0),
    ("zulu", 0),
];

/// The zone of an abbreviation in lower case.
pub(super) fn abbreviated(word: &str) -> Option<TimeZone> {
    let at = ABBREVIATIONS.binary_search_by_key(&word, |(name, _)| name).ok()?;
    Some(fixed(ABBREVIATIONS[at].1 * 60))
}

/// A zone by its name (`Europe/Zurich`), abbreviation (`UTC`, `cet`) or hours from UTC (`+2`, `-03:30`), as `Prefer: timezone=` and a
/// cast of text name one. Names are known where the build has them.
///
/// # Errors
/// 22023 where there is no such zone.
pub fn time_zone(name: &str) -> TableResult<TimeZone> {
    let lower = name.trim().to_ascii_lowercase();
    if let Some(zone) = abbreviated(&lower) {
        return Ok(zone);
    }
    if lower.starts_with(['+', '-']) || lower.starts_with(|first: char| first.is_ascii_digit()) {
        let signed = if lower.starts_with(['+', '-']) { lower.clone() } else { format!("+{lower}") };
        if !signed[1..].starts_with(|first: char| first.is_ascii_digit()) {
            return Err(unknown(name));
        }
        return offset(&signed).ok().flatten().map(fixed).ok_or_else(|| unknown(name));
    }
    named(&lower).ok_or_else(|| unknown(name))
}

/// A zone by the name that the database of zones has for it, in any case.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    let is_name = name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+'))
        && name != "local";
    if is_name { time_zone::named(name) } else { None }
}

/// 22023
pub(super) fn unknown(name: &str) -> TableError {
    TableError::new(
        code::PARAMETER_INVALID,
        format!("time zone \"{}\" not recognized", super::super::text::shown(name)),
    )
}

/// An offset: a sign and `hh`, `hmm`, `hhmm`, `hh:mm` or `hh:mm:ss`, in seconds east of UTC. The inner none is one out of range.
pub(super) fn offset(text: &str) -> Result<Option<i32>, ()> {
    let (is_west, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => return Err(()),
    };
    let mut parts = rest.split(':');
    let first = parts.next().unwrap_or_default();
    let read = |digits: &str| -> Result<i64, ()> {
        if digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        // PostgreSQL reads `+2:` as `+2:00`.
        if digits.is_empty() { Ok(0) } else { digits.parse().map_err(|_| ()) }
    };
    let (hours, minutes, seconds) = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) if first.len() > 2 => {
            let number = read(first)?;
            (number / 100, number % 100, 0)
        }
        (None, ..) => (read(first)?, 0, 0),
        (Some(minutes), None, _) => (read(first)?, read(minutes)?, 0),
        (Some(minutes), Some(seconds), None) => (read(first)?, read(minutes)?, read(seconds)?),
        _ => return Err(()),
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    if hours > 15 || minutes > 59 || seconds > 59 || total >= OFFSET_MAX_S {
        return Ok(None);
    }
    let total = i32::try_from(total).map_err(|_| ())?;
    Ok(Some(if is_west { -total } else { total }))
}

/// UTC for a local time, both in microseconds since 1970. Of a local time that a change of clocks skips or repeats, standard time decides,
/// as in PostgreSQL: the offset before a gap, and the one after a fold.
pub(in crate::tables::types) fn utc_us(local_us: i64, zone: &TimeZone) -> i64 {
    let seconds = fixed_offset(zone).or_else(|| local_offset_s(local_us, zone)).unwrap_or(0);
    local_us.saturating_sub(i64::from(seconds) * 1_000_000)
}

/// How many seconds a zone with rules is ahead of UTC at a local time.
#[cfg(not(feature = "zones"))]
fn local_offset_s(_local_us: i64, _zone: &TimeZone) -> Option<i32> {
    None
}

/// How many seconds a zone with rules is ahead of UTC at a local time.
#[cfg(feature = "zones")]
fn local_offset_s(local_us: i64, zone: &TimeZone) -> Option<i32> {
    let (days, us) = (local_us.div_euclid(DAY_US), local_us.rem_euclid(DAY_US));
    let Civil { year, month, day } = civil(days);
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let (hour, minute, second) = (us / 3_600_000_000, us / 60_000_000 % 60, us / 1_000_000 % 60);
    let time = date.ok()?.at(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        i32::try_from(us % 1_000_000 * 1000).ok()?,
    );
    let offset = match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { after, .. } => after,
    };
    Some(Offset::seconds(offset))
}

/// The local time of a UTC time, and how many seconds it is ahead.
pub(in crate::tables::types) fn local_us(utc_us: i64, zone: &TimeZone) -> (i64, i32) {
    let seconds = fixed_offset(zone).unwrap_or_else(|| offset_s(utc_us, zone));
    (utc_us.saturating_add(i64::from(seconds) * 1_000_000), seconds)
}

/// How many seconds a zone with rules is ahead of UTC at a time.
#[cfg(not(feature = "zones"))]
fn offset_s(_utc_us: i64, _zone: &TimeZone) -> i32 {
    0
}

/// How many seconds a zone with rules is ahead of UTC at a time.
#[cfg(feature = "zones")]
fn offset_s(utc_us: i64, zone: &TimeZone) -> i32 {
    // Zones do not change in the last days of the year 9999.
    let clamped = utc_us.div_euclid(1_000_000).clamp(-377_705_023_201, 253_402_207_200);
    jiff::Timestamp::from_second(clamped).map_or(0, |timestamp| zone.to_offset(timestamp).seconds())
}
