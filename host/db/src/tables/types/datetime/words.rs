//! Words in dates and times.

use super::zone;

/// A date that a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    Epoch,
    Infinity,
    NegativeInfinity,
}

/// What a word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Month(i64),
    Weekday,
    Ignored,
    Now,
    Day(i64),
    Midnight,
    Special(Special),
    Afternoon(bool),
    BeforeChrist(bool),
    /// `t`: a time follows.
    TimeFollows,
    /// `j`: a Julian day follows.
    JulianFollows,
    Zone,
}

/// The meaning of a word in lower case.
pub(super) fn word(text: &str) -> Option<Word> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    const WEEKDAYS: &[&str] = &[
        "sun",
        "sunday",
        "mon",
        "monday",
        "tue",
        "tues",
        "tuesday",
        "wed",
        "weds",
        "wednesday",
        "thu",
        "thur",
        "thurs",
        "thursday",
        "fri",
        "friday",
        "sat",
        "saturday",
    ];
    let month = MONTHS.iter().zip(1..).find(|(name, _)| text == **name || text == &name[..3]);
    if let Some((_, number)) = month {
        return Some(Word::Month(number));
    }
    Some(match text {
        "sept" => Word::Month(9),
        "at" | "on" => Word::Ignored,
        "now" => Word::Now,
        "yesterday" => Word::Day(-1),
        "today" => Word::Day(0),
        "tomorrow" => Word::Day(1),
        "allballs" => Word::Midnight,
        "epoch" => Word::Special(Special::Epoch),
        "infinity" => Word::Special(Special::Infinity),
        "-infinity" => Word::Special(Special::NegativeInfinity),
        "am" => Word::Afternoon(false),
        "pm" => Word::Afternoon(true),
        "ad" => Word::BeforeChrist(false),
        "bc" => Word::BeforeChrist(true),
        "t" => Word::TimeFollows,
        "j" | "jd" | "julian" => Word::JulianFollows,
        _ if WEEKDAYS.contains(&text) => Word::Weekday,
        _ if zone::abbreviated(text).is_some() => Word::Zone,
        _ => return None,
    })
}

/// Whether letters before digits are a word by themselves, and not the begin of a zone's name.
pub(super) fn is_known_word(text: &str) -> bool {
    word(text).is_some_and(|word| word != Word::Zone)
}
