//! Dates and times: their ranges, PostgreSQL's forms of them as text, and time zones.
//!
//! | module | holds |
//! |---|---|
//! | `calendar` | days and microseconds to year, month, day, hour, and back |
//! | `lexer` | a text as words, numbers, dates, times and offsets |
//! | `words` | names of months, days, zones; `today`, `infinity` |
//! | `fields` | what these say together: a date, a time, a zone |
//! | `input` | the value of each type from that |
//! | `output` | the text of each type |
//! | `zone` | time zones by name and abbreviation; local time to UTC and back |

mod calendar;
mod fields;
mod input;
mod lexer;
mod output;
mod words;
mod zone;

#[cfg(test)]
mod tests;

pub(super) use calendar::{DAY_US, INFINITE_DAY, INFINITE_US};
pub(super) use input::{check_date, check_timestamp, read_date, read_time, read_timestamp, read_timestamptz};
pub(super) use output::{Style, write_date, write_time, write_timestamp, write_timestamptz};
pub use zone::time_zone;
pub(super) use zone::{local_us, utc_us};
