//! Dates and times as text, in PostgreSQL's style `ISO`.

use super::calendar::{Civil, DAY_US, INFINITE_DAY, INFINITE_US, civil};
use super::zone::local_us;
use crate::tables::time_zone::TimeZone;

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tables::types) enum Style {
    /// `2024-01-15 12:00:00+00`
    Text,
    /// `2024-01-15T12:00:00+00:00`
    Json,
}

/// Two digits: the last of a number that is not negative.
fn push_two(number: i64, out: &mut String) {
    const DIGITS: &str = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748\
        4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798\
        99";
    let at = usize::try_from(number % 100 * 2).unwrap_or(0);
    out.push_str(&DIGITS[at..at + 2]);
}

/// At least four digits of a year that is not negative.
fn push_year(year: i64, out: &mut String) {
    if year > 9999 {
        out.push_str(&(year / 10_000).to_string());
    }
    push_two(year / 100 % 100, out);
    push_two(year % 100, out);
}

/// The day, and whether it is before Christ, which comes last.
fn push_date(days: i64, out: &mut String) -> bool {
    let Civil { year, month, day } = civil(days);
    let is_before = year <= 0;
    push_year(if is_before { 1 - i64::from(year) } else { i64::from(year) }, out);
    out.push('-');
    push_two(month.into(), out);
    out.push('-');
    push_two(day.into(), out);
    is_before
}

fn push_infinity<T: PartialEq + Copy>(value: T, positive: T, negative: T, out: &mut String) -> bool {
    let is_infinite = value == positive || value == negative;
    if is_infinite {
        out.push_str(if value == positive { "infinity" } else { "-infinity" });
    }
    is_infinite
}

/// A date.
pub(in crate::tables::types) fn write_date(day: i32, out: &mut String) {
    if !push_infinity(day, INFINITE_DAY, i32::MIN, out) && push_date(day.into(), out) {
        out.push_str(" BC");
    }
}

/// A time of day, with as many digits of a second as it has.
pub(in crate::tables::types) fn write_time(us: i64, out: &mut String) {
    let seconds = us / 1_000_000;
    push_two(seconds / 3600, out);
    out.push(':');
    push_two(seconds / 60 % 60, out);
    out.push(':');
    push_two(seconds % 60, out);
    let mut fraction = us % 1_000_000;
    if fraction != 0 {
        out.push('.');
        let mut unit = 100_000;
        while fraction != 0 {
            out.push(char::from(b'0' + u8::try_from(fraction / unit).unwrap_or(0)));
            (fraction, unit) = (fraction % unit, unit / 10);
        }
    }
}

/// A timestamp without a zone.
pub(in crate::tables::types) fn write_timestamp(us: i64, style: Style, out: &mut String) {
    write_at(us, None, style, out);
}

/// A timestamp in a zone, with its offset.
pub(in crate::tables::types) fn write_timestamptz(us: i64, zone: &TimeZone, style: Style, out: &mut String) {
    if us == INFINITE_US || us == i64::MIN {
        return write_at(us, None, style, out);
    }
    let (local, offset) = local_us(us, zone);
    write_at(local, Some(offset), style, out);
}

fn write_at(us: i64, offset: Option<i32>, style: Style, out: &mut String) {
    if push_infinity(us, INFINITE_US, i64::MIN, out) {
        return;
    }
    let is_before = push_date(us.div_euclid(DAY_US), out);
    out.push(if style == Style::Json { 'T' } else { ' ' });
    write_time(us.rem_euclid(DAY_US), out);
    if let Some(offset) = offset {
        let seconds = i64::from(offset.unsigned_abs());
        out.push(if offset < 0 { '-' } else { '+' });
        push_two(seconds / 3600, out);
        if style == Style::Json || seconds % 3600 != 0 {
            out.push(':');
            push_two(seconds / 60 % 60, out);
        }
        if seconds % 60 != 0 {
            out.push(':');
            push_two(seconds % 60, out);
        }
    }
    if is_before {
        out.push_str(" BC");
    }
}
