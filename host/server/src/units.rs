//! Sizes and times as people write them: `64MiB`, `1.5h`, `1h30m`.
//!
//! | unit | is |
//! |---|---|
//! | `KiB`, `MiB`, `GiB`, `TiB`; `Ki`, `Mi`, `Gi`, `Ti`; `k`, `M`, `G`, `T` alone | powers of 1024 bytes |
//! | `kB`, `MB`, `GB`, `TB` | powers of 1000 bytes |
//! | `B` | a byte |
//! | `ms`, `s`, `m` or `min`, `h`, `d`, `w` | times, of which several may follow each other |
//!
//! A number without a unit is what its place says: bytes, milliseconds or seconds. Cases of letters do not matter.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// Why a text is no size or time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is {reason}")]
pub struct UnitError {
    text: String,
    reason: String,
}

const SIZES: &[(&str, u64)] = &[
    ("b", 1),
    ("k", 1 << 10),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("ti", 1 << 40),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];
/// In milliseconds.
const TIMES: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
];
/// Digits after the point that count.
const DECIMALS_MAX: usize = 9;

/// Bytes of a text such as `64MiB`.
///
/// # Errors
/// It is none, or more than 2^64.
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let example = "not a size, as in 67108864, 64MiB or 1.5GB";
    let wrong = |reason: &str| UnitError { text: text.to_owned(), reason: reason.to_owned() };
    let (number, unit, rest) = part(text.trim()).ok_or_else(|| wrong(example))?;
    let factor = if unit.is_empty() { Some(1) } else { find(SIZES, unit) };
    match (factor, rest) {
        (Some(factor), "") => number.times(factor).ok_or_else(|| wrong("not a whole number of bytes below 2^64")),
        _ => Err(wrong(example)),
    }
}

/// Milliseconds of a text such as `1h30m`; a number alone is of units of `plain_ms`.
///
/// # Errors
/// It is none, or more than 2^64.
pub fn milliseconds(text: &str, plain_ms: u64) -> Result<u64, UnitError> {
    let example =
        if plain_ms == 1 { "not a time, as in 1500, 500ms or 1h30m" } else { "not a time, as in 90, 500ms or 1h30m" };
    let wrong = |reason: &str| UnitError { text: text.to_owned(), reason: reason.to_owned() };
    let too_long = || wrong("not a whole number of milliseconds below 2^64");
    let (mut rest, mut total, mut smallest) = (text.trim(), 0_u64, u64::MAX);
    loop {
        let (number, unit, after) = part(rest).ok_or_else(|| wrong(example))?;
        let factor = match unit {
            "" if smallest == u64::MAX && after.is_empty() => plain_ms,
            unit => find(TIMES, unit).filter(|&factor| factor < smallest).ok_or_else(|| wrong(example))?,
        };
        total = number.times(factor).and_then(|ms| total.checked_add(ms)).ok_or_else(too_long)?;
        (rest, smallest) = (after, factor);
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// Milliseconds of a text such as `2s`; a number alone is of milliseconds.
///
/// # Errors
/// Those of [`milliseconds`].
pub fn plain_milliseconds(text: &str) -> Result<u64, UnitError> {
    milliseconds(text, 1)
}

/// A count, which has no unit.
///
/// # Errors
/// It is no whole number, or more than 2^64.
pub fn whole(text: &str) -> Result<u64, UnitError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let reason = if is_number { "more than 18446744073709551615" } else { "not a whole number, as in 42" };
    let wrong = || UnitError { text: text.to_owned(), reason: reason.to_owned() };
    text.parse().ok().filter(|_| is_number).ok_or_else(wrong)
}

/// A count from 1.
///
/// # Errors
/// Those of [`whole`], and 0.
pub fn positive(text: &str) -> Result<u64, UnitError> {
    match whole(text)? {
        0 => Err(UnitError { text: text.to_owned(), reason: "not in 1..18446744073709551615".to_owned() }),
        number => Ok(number),
    }
}

fn find(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|&(_, factor)| factor)
}

/// A decimal number: `whole` and `fraction` in units of 10^-9.
struct Decimal {
    whole: u64,
    fraction: u64,
}

impl Decimal {
    /// This many times a factor, where that is whole.
    fn times(&self, factor: u64) -> Option<u64> {
        const ONE: u128 = 10_u128.pow(9);
        let scaled = u128::from(self.fraction) * u128::from(factor);
        if scaled % ONE != 0 {
            return None;
        }
        u64::try_from(u128::from(self.whole) * u128::from(factor) + scaled / ONE).ok()
    }
}

/// The number that a text begins with, its unit, and the rest.
fn part(text: &str) -> Option<(Decimal, &str, &str)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, mut rest) = text.split_at(digits(text));
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let (decimals, after) = after.split_at(digits(after));
        if decimals.is_empty() || decimals.len() > DECIMALS_MAX {
            return None;
        }
        fraction = decimals.parse::<u64>().ok()? * 10_u64.pow(u32::try_from(DECIMALS_MAX - decimals.len()).ok()?);
        rest = after;
    }
    let whole = whole.parse().ok()?;
    let rest = rest.trim_start();
    let (unit, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
    Some((Decimal { whole, fraction }, unit, rest.trim_start()))
}

/// A number of bytes, with or without a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<T>(pub T);

impl<T: TryFrom<u64>> FromStr for Bytes<T> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |_| UnitError { text: text.to_owned(), reason: "more than this machine can count".to_owned() };
        T::try_from(bytes(text)?).map(Self).map_err(wrong)
    }
}

/// Milliseconds, with or without a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milliseconds(pub u64);

impl FromStr for Milliseconds {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        milliseconds(text, 1).map(Self)
    }
}

/// A time, whose plain number is in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds {
    /// In milliseconds.
    pub ms: u64,
}

impl FromStr for Seconds {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        milliseconds(text, 1_000).map(|ms| Self { ms })
    }
}

/// Reads a whole number, or a text with a unit.
struct NumberOrText<T> {
    expected: &'static str,
    of_number: fn(u64) -> Option<T>,
    of_text: fn(&str) -> Result<T, UnitError>,
}

impl<T> Visitor<'_> for NumberOrText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.of_number)(number).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self.expected))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        let wrong = || E::invalid_value(de::Unexpected::Signed(number), &self.expected);
        u64::try_from(number).ok().and_then(self.of_number).ok_or_else(wrong)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.of_text)(text).map_err(E::custom)
    }
}

impl<'de, T: TryFrom<u64>> Deserialize<'de> for Bytes<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText {
            expected: "a number of bytes, or a size as in \"64MiB\"",
            of_number: |number| T::try_from(number).ok().map(Self),
            of_text: str::parse,
        })
    }
}

impl<'de> Deserialize<'de> for Milliseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText {
            expected: "a number of milliseconds, or a time as in \"1h\"",
            of_number: |number| Some(Self(number)),
            of_text: str::parse,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, size: Option<u64>, time: Option<u64>) {
        assert_eq!(bytes(text).ok(), size, "{text:?} as a size");
        assert_eq!(milliseconds(text, 1).ok(), time, "{text:?} as a time");
    }

    #[test]
    fn a_unit_multiplies_exactly() {
        check("0", Some(0), Some(0));
        check("67108864", Some(67_108_864), Some(67_108_864));
        check("64MiB", Some(64 << 20), None);
        check("64 mib", Some(64 << 20), None);
        check("1.5GB", Some(1_500_000_000), None);
        check("0.5KiB", Some(512), None);
        check("2k", Some(2_048), None);
        check("64Mi", Some(64 << 20), None);
        check("1w", None, Some(604_800_000));
        check("1w2d", None, Some(777_600_000));
        check("16777215TiB", Some(16_777_215 << 40), None);
        check("1h", None, Some(3_600_000));
        check("1h30m", None, Some(5_400_000));
        check("1h 30min", None, Some(5_400_000));
        check("1.5s", None, Some(1_500));
        check("2d", None, Some(172_800_000));
        check("250ms", None, Some(250));
        check("5m", Some(5 << 20), Some(300_000));
        assert_eq!(milliseconds("90", 1_000), Ok(90_000));
        assert_eq!(milliseconds("0.25", 1_000), Ok(250));
    }

    #[test]
    fn what_is_not_whole_or_too_much_or_no_number_is_refused() {
        for text in [
            "",
            " ",
            "lots",
            "MiB",
            "-1",
            "+1",
            "1e3",
            "0x10",
            "1_000",
            "1.",
            ".5",
            "1.0000000001",
            "1 2",
            "1h1h",
            "1m1h",
            "1h30",
            "1kk",
            "18446744073709551616",
            "16777216TiB",
            "1h\0",
            "١",
            "1ＭiB",
            "NaN",
            "1.5",
            "0.5B",
        ] {
            assert!(bytes(text).is_err() && milliseconds(text, 1).is_err(), "{text:?}");
        }
        assert!(milliseconds("0.0001s", 1).is_err() && milliseconds("213503982335d", 1).is_err());
        assert!("5000000000".parse::<Bytes<u32>>().is_err());
    }

    #[test]
    fn a_count_is_a_whole_number() {
        assert_eq!(whole("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(whole("007"), Ok(7));
        for (text, reason) in
            [("abc", "not a whole"), ("", "not a"), ("+1", "not a"), ("18446744073709551616", "more than")]
        {
            assert!(whole(text).unwrap_err().to_string().contains(reason), "{text}");
        }
        assert!(positive("0").unwrap_err().to_string().contains("not in 1.."));
    }
}
