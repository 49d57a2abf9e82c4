//! What the tokens of a date or time say together, by PostgreSQL's rules with `datestyle` `ISO, MDY`.

use super::calendar::{Civil, DAY_US, civil, days, days_in_month};
use super::lexer::{Token, tokens};
use super::words::{Special, Word, word};
use super::zone;
use crate::tables::time_zone::{TimeZone, fixed};
use crate::tables::{Environment, TableError, TableResult, code};

const SECOND_US: i64 = 1_000_000;
/// The Julian day of 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;

/// Why a text is no date or time.
#[derive(Debug)]
pub(super) enum Fault {
    /// It has not the form of one.
    Format,
    /// A field is out of its range.
    Field,
    /// A month or day is, perhaps because the order of the fields is another.
    MonthOrDay,
    /// An offset from UTC is.
    Offset,
    /// No zone has this name.
    Zone(String),
}

impl Fault {
    pub(super) fn error(self, r#type: &str, text: &str) -> TableError {
        let text = super::super::text::shown(text);
        let range = || format!("date/time field value out of range: \"{text}\"");
        match self {
            Self::Format => {
                TableError::new(code::INVALID_DATETIME, format!("invalid input syntax for type {type}: \"{text}\""))
            }
            Self::Field => TableError::new(code::DATETIME_OVERFLOW, range()),
            Self::MonthOrDay => TableError::new(code::DATETIME_OVERFLOW, range())
                .with_hint("Numbers are read as month, day, year; the form 2024-01-31 cannot be mistaken."),
            Self::Offset => TableError::new(
                code::TIME_ZONE_OFFSET_INVALID,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Self::Zone(name) => zone::unknown(&name),
        }
    }
}

/// What a text says.
pub(super) enum Reading {
    /// `epoch`, `infinity`, `-infinity`.
    Special(Special),
    /// Fields. A date is there unless only a time was asked for.
    Fields {
        /// Days since 1970-01-01.
        day: Option<i64>,
        /// Microseconds since midnight, at most those of a day.
        time_us: Option<i64>,
        /// The zone.
        zone: Option<TimeZone>,
    },
}

/// Which fields are set.
mod mask {
    pub(super) const YEAR: u8 = 1;
    pub(super) const MONTH: u8 = 2;
    pub(super) const DAY: u8 = 4;
    pub(super) const DATE: u8 = YEAR | MONTH | DAY;
    pub(super) const TIME: u8 = 8;
    pub(super) const ZONE: u8 = 16;
    pub(super) const DAY_OF_YEAR: u8 = 32;
    pub(super) const HALF_OF_DAY: u8 = 64;
    pub(super) const ERA: u8 = 128;
}

/// Reads a text; `wants_time` where only its time counts.
pub(super) fn read(text: &str, wants_time: bool, env: &Environment) -> Result<Reading, Fault> {
    let tokens = tokens(text).ok_or(Fault::Format)?;
    let mut fields = Fields { wants_time, ..Fields::default() };
    for (at, token) in tokens.iter().enumerate() {
        let set = fields.token(token, &tokens[at + 1..], env)?;
        if set & fields.mask != 0 {
            return Err(Fault::Format);
        }
        fields.mask |= set;
    }
    fields.finish()
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is known of a date apart from the others")]
struct Fields {
    wants_time: bool,
    mask: u8,
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    is_two_digit_year: bool,
    has_text_month: bool,
    is_julian: bool,
    is_before_christ: Option<bool>,
    is_afternoon: Option<bool>,
    hour: i64,
    minute: i64,
    second: i64,
    fraction_us: i64,
    zone: Option<TimeZone>,
    special: Option<Special>,
    follows: Option<Word>,
}

impl Fields {
    fn has(&self, mask: u8) -> bool {
        self.mask & mask == mask
    }

    /// Takes one token, and says which fields it sets.
    fn token(&mut self, token: &Token, after: &[Token], env: &Environment) -> Result<u8, Fault> {
        let follows = self.follows.take();
        match (token, follows) {
            (Token::Time(time), None | Some(Word::TimeFollows)) => self.time(time),
            (Token::Number(number), Some(Word::JulianFollows)) => self.julian(number),
            (Token::Number(number), Some(_)) => match self.run_together(number, self.mask | mask::DATE)? {
                mask::TIME => Ok(mask::TIME),
                _ => Err(Fault::Format),
            },
            (Token::Date(joined), Some(Word::TimeFollows)) => self.time_with_zone(joined),
            (_, Some(_)) => Err(Fault::Format),
            (Token::Number(number), None) => self.number_token(number, after),
            (Token::Date(joined), None) => self.joined(joined, after),
            (Token::Offset(offset), None) => {
                let seconds = zone::offset(offset).map_err(|()| Fault::Format)?.ok_or(Fault::Offset)?;
                self.zone = Some(fixed(seconds));
                Ok(mask::ZONE)
            }
            (Token::Word(text) | Token::SignedWord(text), None) => self.word(text, after, env),
        }
    }

    fn word(&mut self, text: &str, after: &[Token], env: &Environment) -> Result<u8, Fault> {
        let Some(word) = word(text) else {
            self.zone = Some(zone::named(text).ok_or(Fault::Format)?);
            return Ok(mask::ZONE);
        };
        match word {
            Word::Month(_) | Word::Day(_) | Word::Special(_) if self.wants_time => Err(Fault::Format),
            Word::Month(month) => {
                let mut set = mask::MONTH;
                // A number before the month's name was its day.
                if self.has(mask::MONTH)
                    && !self.has_text_month
                    && !self.has(mask::DAY)
                    && (1..=31).contains(&self.month)
                {
                    self.day = self.month;
                    set = mask::DAY;
                }
                self.has_text_month = true;
                self.month = month;
                Ok(set)
            }
            Word::Weekday | Word::Ignored => Ok(0),
            Word::Now => {
                let (local, offset) = zone::local_us(env.now_us, &env.time_zone);
                self.set_day(local.div_euclid(DAY_US));
                self.set_time(local.rem_euclid(DAY_US));
                self.zone = Some(fixed(offset));
                Ok(if self.wants_time { mask::TIME } else { mask::DATE | mask::TIME | mask::ZONE })
            }
            Word::Day(distance) => {
                let (local, _) = zone::local_us(env.now_us, &env.time_zone);
                self.set_day(local.div_euclid(DAY_US) + distance);
                Ok(mask::DATE)
            }
            Word::Midnight => {
                self.set_time(0);
                self.zone = Some(TimeZone::UTC);
                Ok(mask::TIME | mask::ZONE)
            }
            Word::Special(special) => {
                self.special = Some(special);
                Ok(mask::DATE | mask::TIME | mask::ZONE)
            }
            Word::Afternoon(is_afternoon) => {
                self.is_afternoon = Some(is_afternoon);
                Ok(mask::HALF_OF_DAY)
            }
            Word::BeforeChrist(is_before) => {
                self.is_before_christ = Some(is_before);
                Ok(mask::ERA)
            }
            Word::TimeFollows => {
                let is_sensible = (self.wants_time || self.has(mask::MONTH | mask::DAY))
                    && matches!(after.first(), Some(Token::Number(_) | Token::Time(_) | Token::Date(_)));
                self.follows = Some(word);
                if is_sensible { Ok(0) } else { Err(Fault::Format) }
            }
            Word::JulianFollows => {
                self.follows = Some(word);
                if after.is_empty() { Err(Fault::Format) } else { Ok(0) }
            }
            Word::Zone => {
                self.zone = zone::abbreviated(text);
                Ok(mask::ZONE)
            }
        }
    }

    fn set_day(&mut self, day: i64) {
        let civil = civil(day);
        (self.year, self.month, self.day) = (civil.year.into(), civil.month.into(), civil.day.into());
        self.is_julian = true;
    }

    fn set_time(&mut self, us: i64) {
        (self.hour, self.minute) = (us / 3600 / SECOND_US, us / 60 / SECOND_US % 60);
        (self.second, self.fraction_us) = (us / SECOND_US % 60, us % SECOND_US);
    }

    /// `hh:mm`, `hh:mm:ss`, `hh:mm:ss.fraction`, and `mm:ss.fraction`.
    fn time(&mut self, text: &str) -> Result<u8, Fault> {
        let (clock, fraction) = match text.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction_us(fraction)?)),
            None => (text, None),
        };
        // PostgreSQL reads `12:` as `12:00`.
        let part = |digits: &str| if digits.is_empty() { Ok(0) } else { integer(digits) };
        let parts = clock.split(':').map(part).collect::<Result<Vec<_>, _>>()?;
        (self.hour, self.minute, self.second) = match (parts.as_slice(), fraction) {
            ([hour, minute], None) => (*hour, *minute, 0),
            ([minute, second], Some(_)) => (0, *minute, *second),
            ([hour, minute, second], _) => (*hour, *minute, *second),
            _ => return Err(Fault::Format),
        };
        self.fraction_us = fraction.unwrap_or(0);
        if self.minute > 59 || self.second > 60 || (self.hour > 24 && !self.wants_time) {
            return Err(Fault::Field);
        }
        Ok(mask::TIME)
    }

    /// `hhmmss-zz`
    fn time_with_zone(&mut self, text: &str) -> Result<u8, Fault> {
        if self.has(mask::TIME) {
            return Err(Fault::Format);
        }
        let at = text.find('-').ok_or(Fault::Format)?;
        let seconds = zone::offset(&text[at..]).map_err(|()| Fault::Format)?.ok_or(Fault::Offset)?;
        self.zone = Some(fixed(seconds));
        match self.run_together(&text[..at], self.mask | mask::DATE)? {
            mask::TIME => Ok(mask::TIME | mask::ZONE),
            _ => Err(Fault::Format),
        }
    }

    fn julian(&mut self, number: &str) -> Result<u8, Fault> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let day = integer(whole)?;
        self.set_day(day - EPOCH_JULIAN);
        if fraction.is_empty() {
            return Ok(mask::DATE);
        }
        // A fraction of a day has at most as many digits as a text.
        let part = format!("0.{fraction}").parse::<f64>().map_err(|_| Fault::Format)?;
        #[allow(clippy::cast_possible_truncation, reason = "less than the microseconds of a day")]
        let us = (part * 86_400_000_000.0) as i64;
        self.set_time(us);
        Ok(mask::DATE | mask::TIME)
    }

    /// A date, a zone's name, or a time that runs together with its offset.
    fn joined(&mut self, text: &str, after: &[Token]) -> Result<u8, Fault> {
        let starts_with_digit = text.starts_with(|first: char| first.is_ascii_digit());
        let is_date = if self.wants_time {
            // A date is passed over where a time follows it.
            self.mask == 0 && matches!(after.first(), Some(Token::Time(_)))
                || matches!(after.last(), Some(Token::Date(_)))
        } else {
            !self.has(mask::MONTH | mask::DAY)
        };
        if is_date {
            return self.date(text);
        }
        if starts_with_digit {
            return self.time_with_zone(text);
        }
        self.zone = Some(zone::named(text).ok_or_else(|| Fault::Zone(text.to_owned()))?);
        Ok(mask::ZONE)
    }

    /// Year, month and day between delimiters, in the order in which they make sense.
    fn date(&mut self, text: &str) -> Result<u8, Fault> {
        let (known, mut mask_before) = (self.mask, self.mask);
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
            let Some(first) = rest.bytes().next() else { return Err(Fault::Format) };
            let is_same =
                |byte: u8| if first.is_ascii_digit() { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
            let end = rest.bytes().position(|byte| !is_same(byte)).unwrap_or(rest.len());
            parts.push(&rest[..end]);
            // The delimiter is one character, whichever.
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        let mut numbers = Vec::new();
        for part in parts {
            if part.starts_with(|first: char| first.is_ascii_digit()) {
                numbers.push(part);
                continue;
            }
            match word(part) {
                Some(Word::Ignored) => {}
                Some(Word::Month(month)) if mask_before & mask::MONTH == 0 => {
                    (self.month, self.has_text_month) = (month, true);
                    mask_before |= mask::MONTH;
                }
                _ => return Err(Fault::Format),
            }
        }
        for number in numbers {
            let set = self.number(number, mask_before)?;
            if mask_before & set != 0 {
                return Err(Fault::Format);
            }
            mask_before |= set;
        }
        // PostgreSQL wants the date before the time.
        if mask_before & !(mask::DAY_OF_YEAR | mask::ZONE) != mask::DATE {
            return Err(Fault::Format);
        }
        Ok(mask_before & !known)
    }

    fn number_token(&mut self, number: &str, after: &[Token]) -> Result<u8, Fault> {
        let point = number.find('.');
        if self.wants_time {
            let mask = self.mask | mask::DATE;
            return match point {
                Some(_) if self.mask == 0 && matches!(after.last(), Some(Token::Date(_))) => self.date(number),
                Some(..=2) => Err(Fault::Format),
                _ => self.run_together(number, mask),
            };
        }
        match point {
            Some(_) if self.mask & mask::DATE == 0 => self.date(number),
            Some(3..) => self.run_together(number, self.mask),
            None if number.len() >= 6 && (self.mask & mask::DATE == 0 || !self.has(mask::TIME)) => {
                self.run_together(number, self.mask)
            }
            _ => self.number(number, self.mask),
        }
    }

    /// One number of a date: which field it is follows from those that are known.
    fn number(&mut self, text: &str, known: u8) -> Result<u8, Fault> {
        let value = match text.split_once('.') {
            Some((whole, _)) if whole.len() > 2 => return self.run_together(text, known | mask::DATE),
            Some((whole, fraction)) => {
                self.fraction_us = fraction_us(fraction)?;
                integer(whole)?
            }
            None => integer(text)?,
        };
        let length = text.len();
        if length == 3 && known & mask::DATE == mask::YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return Ok(mask::DAY_OF_YEAR | mask::MONTH | mask::DAY);
        }
        let field = match known & mask::DATE {
            0 if length >= 3 => mask::YEAR,
            0 | mask::YEAR | mask::DAY => mask::MONTH,
            mask::MONTH if self.has_text_month && length >= 3 => mask::YEAR,
            mask::MONTH => mask::DAY,
            known if known == mask::YEAR | mask::MONTH => mask::DAY,
            known if known == mask::MONTH | mask::DAY => mask::YEAR,
            mask::DATE => return self.run_together(text, known),
            _ => return Err(Fault::Format),
        };
        match field {
            mask::YEAR => {
                self.year = value;
                self.is_two_digit_year = length <= 2;
            }
            mask::MONTH => self.month = value,
            _ => self.day = value,
        }
        Ok(field)
    }

    /// `yyyymmdd`, `yymmdd`, `hhmmss` or `hhmm`.
    fn run_together(&mut self, text: &str, known: u8) -> Result<u8, Fault> {
        let (digits, fraction) = match text.split_once('.') {
            Some((digits, fraction)) => (digits, Some(fraction_us(fraction)?)),
            None => (text, None),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Format);
        }
        let length = digits.len();
        if fraction.is_none() && known & mask::DATE != mask::DATE && length >= 6 {
            self.year = integer(&digits[..length - 4])?;
            self.month = integer(&digits[length - 4..length - 2])?;
            self.day = integer(&digits[length - 2..])?;
            self.is_two_digit_year = length == 6;
            return Ok(mask::DATE);
        }
        if known & mask::TIME != 0 || !matches!(length, 4 | 6) {
            return Err(Fault::Format);
        }
        self.hour = integer(&digits[..2])?;
        self.minute = integer(&digits[2..4])?;
        self.second = if length == 6 { integer(&digits[4..])? } else { 0 };
        self.fraction_us = fraction.unwrap_or(0);
        Ok(mask::TIME)
    }

    fn finish(mut self) -> Result<Reading, Fault> {
        if self.follows.is_some() {
            return Err(Fault::Format);
        }
        if let Some(special) = self.special {
            return Ok(Reading::Special(special));
        }
        self.check_date()?;
        if let Some(is_afternoon) = self.is_afternoon {
            match (self.hour, is_afternoon) {
                (13.., _) => return Err(Fault::Field),
                (12, false) => self.hour = 0,
                (..12, true) => self.hour += 12,
                _ => {}
            }
        }
        let time_us = ((self.hour * 60 + self.minute) * 60 + self.second) * SECOND_US + self.fraction_us;
        if self.hour > 24 || self.minute > 59 || self.second > 60 || time_us > DAY_US {
            return Err(Fault::Field);
        }
        let (has_date, has_time) = (self.has(mask::DATE), self.has(mask::TIME));
        if self.wants_time && !has_time || !self.wants_time && !has_date {
            return Err(Fault::Format);
        }
        let date = || {
            Some(Civil {
                year: i32::try_from(self.year).ok()?,
                month: u8::try_from(self.month).ok()?,
                day: u8::try_from(self.day).ok()?,
            })
        };
        let day = if has_date { Some(days(date().ok_or(Fault::Field)?)) } else { None };
        Ok(Reading::Fields { day, time_us: has_time.then_some(time_us), zone: self.zone })
    }

    fn check_date(&mut self) -> Result<(), Fault> {
        if self.has(mask::YEAR) && !self.is_julian {
            if self.is_before_christ == Some(true) {
                if self.year <= 0 {
                    return Err(Fault::Field);
                }
                self.year = 1 - self.year;
            } else if self.is_two_digit_year {
                self.year += if self.year < 70 { 2000 } else { 1900 };
            } else if self.year <= 0 {
                return Err(Fault::Field);
            }
        }
        if self.has(mask::DAY_OF_YEAR) {
            let year = i32::try_from(self.year).map_err(|_| Fault::Field)?;
            let date = civil(days(Civil { year, month: 1, day: 1 }) + self.day_of_year - 1);
            (self.year, self.month, self.day) = (date.year.into(), date.month.into(), date.day.into());
        }
        if self.has(mask::MONTH) && !(1..=12).contains(&self.month)
            || self.has(mask::DAY) && !(1..=31).contains(&self.day)
        {
            return Err(Fault::MonthOrDay);
        }
        if self.has(mask::DATE) && self.day > days_in_month(self.year, self.month) {
            return Err(Fault::Field);
        }
        Ok(())
    }
}

/// Digits, no more than any field may have.
fn integer(digits: &str) -> Result<i64, Fault> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    digits.parse::<i32>().map(i64::from).map_err(|_| Fault::Field)
}

/// The microseconds of a fraction of a second, rounded.
fn fraction_us(digits: &str) -> Result<i64, Fault> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    if digits.is_empty() {
        return Ok(0);
    }
    let fraction = format!("0.{digits}").parse::<f64>().map_err(|_| Fault::Format)?;
    #[allow(clippy::cast_possible_truncation, reason = "at most the microseconds of a second")]
    let us = (fraction * 1_000_000.0).round_ties_even() as i64;
    Ok(us)
}

impl Reading {
    /// Reads a text for a type that needs a date.
    pub(super) fn of(text: &str, r#type: &str, wants_time: bool, env: &Environment) -> TableResult<Self> {
        read(text, wants_time, env).map_err(|fault| fault.error(r#type, text))
    }
}
