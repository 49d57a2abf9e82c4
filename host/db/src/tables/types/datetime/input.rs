//! The value of a date or time from its text.

use super::calendar::{DAY_US, FIRST_DAY, INFINITE_DAY, INFINITE_US, LAST_DAY};
use super::fields::{Fault, Reading};
use super::words::Special;
use super::zone::utc_us;
use crate::tables::time_zone::fixed_offset;
use crate::tables::{Environment, TableError, TableResult, code};

/// The text, as days since 1970-01-01.
pub(in crate::tables::types) fn read_date(text: &str, env: &Environment) -> TableResult<i32> {
    if let Some(day) = plain_date(text) {
        return check_date(day, text);
    }
    match Reading::of(text, "date", false, env)? {
        Reading::Special(Special::Epoch) => Ok(0),
        Reading::Special(Special::Infinity) => Ok(INFINITE_DAY),
        Reading::Special(Special::NegativeInfinity) => Ok(i32::MIN),
        Reading::Fields { day, .. } => check_date(day.unwrap_or(i64::MAX), text),
    }
}

/// `yyyy-mm-dd`, as nearly every date comes.
fn plain_date(text: &str) -> Option<i64> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let number = |range: std::ops::Range<usize>| {
        bytes[range]
            .iter()
            .try_fold(0_i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let is_valid = bytes[4] == b'-' && bytes[7] == b'-' && year > 0 && (1..=12).contains(&month);
    if !is_valid || day < 1 || day > super::calendar::days_in_month(year, month) {
        return None;
    }
    let civil = super::calendar::Civil {
        year: i32::try_from(year).ok()?,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
    };
    Some(super::calendar::days(civil))
}

/// The text, as microseconds since midnight.
pub(in crate::tables::types) fn read_time(text: &str, env: &Environment) -> TableResult<i64> {
    match Reading::of(text, "time", true, env)? {
        // A zone whose offset changes says nothing without a date.
        Reading::Fields { day: None, zone: Some(zone), .. } if fixed_offset(&zone).is_none() => {
            Err(Fault::Format.error("time", text))
        }
        Reading::Fields { time_us: Some(time_us), .. } => Ok(time_us),
        _ => Err(Fault::Format.error("time", text)),
    }
}

/// The text, as microseconds since 1970; a zone in it does not count.
pub(in crate::tables::types) fn read_timestamp(text: &str, env: &Environment) -> TableResult<i64> {
    match Reading::of(text, "timestamp", false, env)? {
        Reading::Special(special) => Ok(special_us(special)),
        Reading::Fields { day, time_us, .. } => check_timestamp(local(day, time_us), text),
    }
}

/// The text, as microseconds since 1970 in UTC; without a zone it is in that of the statement.
pub(in crate::tables::types) fn read_timestamptz(text: &str, env: &Environment) -> TableResult<i64> {
    match Reading::of(text, "timestamp with time zone", false, env)? {
        Reading::Special(special) => Ok(special_us(special)),
        Reading::Fields { day, time_us, zone } => {
            let local = check_timestamp_near(local(day, time_us), text)?;
            check_timestamp(utc_us(local, zone.as_ref().unwrap_or(&env.time_zone)), text)
        }
    }
}

fn special_us(special: Special) -> i64 {
    match special {
        Special::Epoch => 0,
        Special::Infinity => INFINITE_US,
        Special::NegativeInfinity => i64::MIN,
    }
}

fn local(day: Option<i64>, time_us: Option<i64>) -> i64 {
    day.unwrap_or(i64::MAX).saturating_mul(DAY_US).saturating_add(time_us.unwrap_or(0))
}

/// A day within the range of dates.
///
/// # Errors
/// 22008
pub(in crate::tables::types) fn check_date(day: i64, text: &str) -> TableResult<i32> {
    i32::try_from(day).ok().filter(|day| (FIRST_DAY..=LAST_DAY).contains(day)).ok_or_else(|| out_of_range("date", text))
}

/// A time within the range of timestamps.
///
/// # Errors
/// 22008
pub(in crate::tables::types) fn check_timestamp(us: i64, text: &str) -> TableResult<i64> {
    let days = us.div_euclid(DAY_US);
    if (i64::from(FIRST_DAY)..=i64::from(LAST_DAY)).contains(&days) {
        Ok(us)
    } else {
        Err(out_of_range("timestamp", text))
    }
}

/// The same, one day more on both sides: what may be in range in UTC.
fn check_timestamp_near(us: i64, text: &str) -> TableResult<i64> {
    let days = us.div_euclid(DAY_US);
    let range = i64::from(FIRST_DAY) - 1..=i64::from(LAST_DAY) + 1;
    if range.contains(&days) { Ok(us) } else { Err(out_of_range("timestamp", text)) }
}

fn out_of_range(r#type: &str, text: &str) -> TableError {
    let message = if text.is_empty() {
        format!("{type} out of range")
    } else {
        format!("{type} out of range: \"{}\"", super::super::text::shown(text))
    };
    TableError::new(code::DATETIME_OVERFLOW, message)
}
