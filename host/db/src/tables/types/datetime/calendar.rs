//! The proleptic Gregorian calendar: days since 1970-01-01, and microseconds since its midnight.

/// Microseconds of a day.
pub(in crate::tables::types) const DAY_US: i64 = 86_400_000_000;
/// The date `infinity`; `-infinity` is the least `i32`.
pub(in crate::tables::types) const INFINITE_DAY: i32 = i32::MAX;
/// The timestamp `infinity`; `-infinity` is the least `i64`.
pub(in crate::tables::types) const INFINITE_US: i64 = i64::MAX;
/// 4714-11-24 BC, the day on which Julian days begin: PostgreSQL's first date.
pub(super) const FIRST_DAY: i32 = -2_440_588;
/// 9999-12-31
pub(super) const LAST_DAY: i32 = 2_932_896;

/// A date; the year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i32,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// Days since 1970-01-01, by Howard Hinnant's `days_from_civil`.
pub(super) fn days(civil: Civil) -> i64 {
    let (month, day) = (i64::from(civil.month), i64::from(civil.day));
    let year = i64::from(civil.year) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    // Years begin in March, so that the leap day is their last.
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date that many days after 1970-01-01, by Howard Hinnant's `civil_from_days`.
pub(super) fn civil(days: i64) -> Civil {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Civil {
        year: i32::try_from(year).unwrap_or(i32::MAX),
        month: u8::try_from(month).unwrap_or(1),
        day: u8::try_from(day).unwrap_or(1),
    }
}

/// How many days a month has.
pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}
