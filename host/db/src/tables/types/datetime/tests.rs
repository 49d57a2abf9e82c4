//! Dates and times by example, and what no example shows: the calendar over its whole range.

use proptest::prelude::*;

use super::calendar::{FIRST_DAY, LAST_DAY, civil, days};
use super::*;
use crate::tables::types::tests::{environment, read};

#[track_caller]
fn reads(r#type: &str, text: &str, expected: &str) {
    assert_eq!(read(text, r#type, &environment("Europe/Zurich")), expected, "{text} as {type}");
}

#[test]
fn dates_are_read_in_the_common_forms() {
    for text in [
        "1999-01-08",
        "January 8, 1999",
        "1/8/1999",
        "1999-Jan-08",
        "08-Jan-1999",
        "Jan-08-1999",
        "19990108",
        "990108",
        "1999.008",
        "J2451187",
        "1999-01-08T23:59:59Z",
        "8 Jan 99",
        "Friday, January 8, 1999",
    ] {
        reads("date", text, "1999-01-08");
    }
    reads("date", "today", "2024-01-15");
    reads("date", "tomorrow", "2024-01-16");
    reads("date", "epoch", "1970-01-01");
    reads("date", "-infinity", "-infinity");
    reads("date", "0044-03-15 bc", "0044-03-15 BC");
    reads("date", "4714-11-24 BC", "4714-11-24 BC");
    reads("date", "4714-11-23 BC", "22008: date out of range: \"4714-11-23 BC\"");
    reads("date", "10000-01-01", "22008: date out of range: \"10000-01-01\"");
    reads("date", "2023-02-29", "22008: date/time field value out of range: \"2023-02-29\"");
    reads("date", "2023-13-01", "22008: date/time field value out of range: \"2023-13-01\"");
    reads("date", "x", "22007: invalid input syntax for type date: \"x\"");
    reads("date", "0000-01-01", "22008: date/time field value out of range: \"0000-01-01\"");
}

#[test]
fn times_are_read_in_the_common_forms() {
    reads("time", "04:05:06.789", "04:05:06.789");
    reads("time", "040506", "04:05:06");
    reads("time", "04:05 PM", "16:05:00");
    reads("time", "12:00 AM", "00:00:00");
    reads("time", "24:00:00", "24:00:00");
    reads("time", "23:59:60", "24:00:00");
    reads("time", "24:00:01", "22008: date/time field value out of range: \"24:00:01\"");
    reads("time", "2024-01-15 04:05:06+02", "04:05:06");
    reads("time", "now", "13:00:00");
}

#[test]
fn timestamps_are_read_and_shown_in_the_zone_of_the_statement() {
    reads("timestamptz", "2024-01-15 12:00:00", "2024-01-15 12:00:00+01");
    reads("timestamptz", "2024-01-15T12:00:00Z", "2024-01-15 13:00:00+01");
    reads("timestamptz", "2024-07-15 12:00 America/New_York", "2024-07-15 18:00:00+02");
    reads("timestamptz", "now", "2024-01-15 13:00:00+01");
    // A gap takes the offset before it, a fold the one after it.
    reads("timestamptz", "2024-03-31 02:30:00", "2024-03-31 03:30:00+02");
    reads("timestamptz", "2024-10-27 02:30:00", "2024-10-27 02:30:00+01");
    reads("timestamptz", "9999-12-31 23:59:59.999999+00", "10000-01-01 00:59:59.999999+01");
    reads("timestamptz", "4714-11-24 00:00:00+00 BC", "4714-11-24 00:34:08+00:34:08 BC");
    reads("timestamptz", "infinity", "infinity");
    reads("timestamptz", "2024-01-15 12:00 Nowhere/Here", "22023: time zone \"nowhere/here\" not recognized");
    reads("timestamp", "2024-01-15T12:00:00+05", "2024-01-15 12:00:00");
    reads("timestamp", "2024-12-31 24:00", "2025-01-01 00:00:00");
    reads("timestamp", "2024-12-31 23:59:60", "2025-01-01 00:00:00");
    reads("timestamp", "2024-01-15 12:00+16", "22009: time zone displacement out of range: \"2024-01-15 12:00+16\"");
}

#[test]
fn zones_are_named_in_any_case_or_by_hours() {
    for name in ["europe/zurich", "UTC", "z", "+02", "-03:30", "5"] {
        assert!(time_zone(name).is_ok(), "{name}");
    }
    for name in ["", "nowhere", "../etc/passwd", "+16", "local", "+", "Europe/Zurich\0"] {
        assert_eq!(time_zone(name).unwrap_err().code, "22023", "{name}");
    }
}

#[test]
fn every_day_is_the_day_after_the_one_before() {
    let mut before = civil(i64::from(FIRST_DAY) - 1);
    for day in i64::from(FIRST_DAY)..=i64::from(LAST_DAY) {
        let date = civil(day);
        assert_eq!(days(date), day);
        let is_next = (date.year, date.month, date.day) == (before.year, before.month, before.day + 1)
            || (date.year, date.month, date.day) == (before.year, before.month + 1, 1)
            || (date.year, date.month, date.day) == (before.year + 1, 1, 1) && (before.month, before.day) == (12, 31);
        assert!(is_next, "{before:?}, {date:?}");
        before = date;
    }
}

proptest! {
    #[test]
    fn a_time_in_any_zone_is_read_as_it_was_written(us in -210_866_803_200_000_000_i64..253_402_300_800_000_000, zone in
        prop::sample::select(&["UTC", "Europe/Zurich", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "+05:30"][..]))
    {
        let env = environment(zone);
        let mut text = String::new();
        write_timestamptz(us, &env.time_zone, Style::Text, &mut text);
        prop_assert_eq!(read_timestamptz(&text, &env).unwrap(), us, "{}", text);
        text.clear();
        write_timestamptz(us, &env.time_zone, Style::Json, &mut text);
        prop_assert_eq!(read_timestamptz(&text, &env).unwrap(), us, "{}", text);
    }
}
