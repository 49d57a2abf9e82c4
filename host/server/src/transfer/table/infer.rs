//! The types of a file's columns, inferred from the values that they have.
//!
//! A column gets the narrowest type that holds every value without changing it: `007` and `0041` are texts, `1e3` is a double
//! precision, an integer beyond 64 bits a numeric, and so is `1e400`, which no double precision holds. A column without a value is text.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::rows::{Field, Fields};

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Types(u16);

/// The types, from the narrowest.
///
/// Numeric is there twice: of numbers with an exponent it is wider than double precision, which writes them as they were.
const NAMES: [&str; 11] = [
    "boolean",
    "bigint",
    "numeric",
    "double precision",
    "numeric",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "text",
    "jsonb",
];
const ALL: Types = Types((1 << NAMES.len()) - 1);
const BOOLEAN: Types = Types(1);
const BIGINT: Types = Types(1 << 1);
/// Numbers without an exponent.
const PLAIN_NUMERIC: Types = Types(1 << 2);
const DOUBLE: Types = Types(1 << 3);
const NUMERIC: Types = Types(1 << 4);
const DATE: Types = Types(1 << 5);
const TIMESTAMP: Types = Types(1 << 6);
const TIMESTAMPTZ: Types = Types(1 << 7);
const UUID: Types = Types(1 << 8);
const TEXT: Types = Types(1 << 9);
const JSON: Types = Types(1 << 10);
const NONE: Types = Types(0);
/// Digits of a number that a double precision holds, and of one that it writes as it was: with an exponent it has no other form.
const DOUBLE_DIGITS: usize = 15;
const DOUBLE_DIGITS_WRITTEN: usize = 17;
/// Digits of a numeric before and after its point, as PostgreSQL has it.
const NUMERIC_WHOLE_DIGITS: i64 = 131_072;
const NUMERIC_FRACTION_DIGITS: i64 = 16_383;
/// Digits of a fraction of a second.
const SECOND_DIGITS: usize = 6;

impl Types {
    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is known of a file's columns.
#[derive(Debug, Default)]
pub(super) struct Inference {
    names: Vec<String>,
    places: HashMap<String, usize>,
    types: Vec<Types>,
    /// Whether the fields are texts: one that is a JSON object or list is meant so there, and a text in a JSON file is not.
    are_texts: bool,
    /// Rows that were looked at.
    pub(super) rows: u64,
}

impl Inference {
    /// Begins with the columns that are known already.
    pub(super) fn new(names: &[String]) -> Self {
        let mut inference = Self::default();
        for name in names {
            inference.place(name);
        }
        inference
    }

    fn place(&mut self, name: &str) -> usize {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        self.types.push(ALL);
        place
    }

    /// Looks at a row. `null` is what stands for null in CSV, beside nothing.
    pub(super) fn add(&mut self, fields: &Fields, null: Option<&str>) {
        self.rows += 1;
        match fields {
            Fields::Columns(fields) => {
                self.are_texts = true;
                for (types, Field { text, is_quoted }) in self.types.iter_mut().zip(fields) {
                    if !text.is_empty() && (*is_quoted || Some(&**text) != null) {
                        *types = types.and(of_text(text).or(TEXT));
                    }
                }
            }
            Fields::Object(object) => {
                for (name, value) in &object.0 {
                    let place = self.place(name);
                    self.types[place] = self.types[place].and(of_json(value));
                }
            }
        }
    }

    /// The columns with their types.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(&self.types).map(|(name, &types)| (name, self.name_of(types)))
    }

    fn name_of(&self, types: Types) -> &'static str {
        if types == ALL {
            return "text";
        }
        let types = if self.are_texts && types == TEXT.or(JSON) { JSON } else { types };
        let place = usize::try_from(types.0.trailing_zeros()).unwrap_or_default();
        NAMES.get(place).copied().unwrap_or("text")
    }

    /// The schema document of a table with these columns.
    pub(super) fn document(&self, primary_key: &[String]) -> Value {
        let columns: Vec<_> = self.columns().map(|(name, r#type)| json!({"name": name, "type": r#type})).collect();
        if primary_key.is_empty() {
            return json!({"columns": columns});
        }
        json!({"columns": columns, "primary_key": primary_key})
    }
}

fn of_json(value: &RawValue) -> Types {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'n') => ALL,
        Some(b't' | b'f') => BOOLEAN.or(JSON),
        Some(b'"') => {
            let text: String = serde_json::from_str(text).unwrap_or_default();
            of_moment(&text).or(TEXT).or(JSON)
        }
        Some(b'{' | b'[') => JSON,
        _ => of_number(text).or(JSON),
    }
}

/// What else than a text the text of a field can be.
fn of_text(text: &str) -> Types {
    match text.as_bytes() {
        b"true" | b"false" => BOOLEAN,
        // A zero character is none of a text in jsonb.
        [b'{' | b'[', ..] if !text.contains("\\u0000") && serde_json::from_str::<&RawValue>(text).is_ok() => JSON,
        [b'-' | b'0'..=b'9', ..] if of_number(text) != NONE => of_number(text),
        _ => of_moment(text),
    }
}

/// A number as JSON writes it: without leading zeros or a plus sign, so that it comes out as it went in.
fn of_number(text: &str) -> Types {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // JSON takes spaces after a number too.
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits[1..].starts_with(['.', 'e', 'E']))
        && serde_json::from_str::<&RawValue>(text).is_ok();
    if !is_number {
        return NONE;
    }
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let numeric = if fits_numeric(mantissa, exponent) { NUMERIC } else { NONE };
    match exponent {
        Some(_) => double(text, mantissa, DOUBLE_DIGITS_WRITTEN).or(numeric),
        None if numeric == NONE => NONE,
        None => {
            let double = double(text, mantissa, DOUBLE_DIGITS);
            let is_integer = !text.contains('.') && text != "-0" && text.parse::<i64>().is_ok();
            numeric.or(PLAIN_NUMERIC).or(double).or(if is_integer { BIGINT } else { NONE })
        }
    }
}

/// Double precision, if the number is in its range and has no more digits than it keeps.
fn double(text: &str, mantissa: &str, digits_max: usize) -> Types {
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|&digit| digit == b'0').count();
    let is_zero = digits == 0;
    let is_in_range = text.parse::<f64>().is_ok_and(|number| number.is_finite() && (number.is_normal() || is_zero));
    if is_in_range && digits <= digits_max { DOUBLE } else { NONE }
}

/// Whether numeric has room for the digits of a number.
fn fits_numeric(mantissa: &str, exponent: Option<&str>) -> bool {
    let Ok(exponent) = exponent.unwrap_or("0").parse::<i64>() else { return false };
    let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
    let count = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    count(whole).saturating_add(exponent) <= NUMERIC_WHOLE_DIGITS
        && count(fraction).saturating_sub(exponent) <= NUMERIC_FRACTION_DIGITS
}

/// A day, a moment or a UUID in its usual form.
fn of_moment(text: &str) -> Types {
    let bytes = text.as_bytes();
    let has = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    if has(4, b'-') && has(7, b'-') {
        // The year 0 is none; jiff's days are the server's otherwise.
        let Some((day, time)) = text.split_at_checked(10).filter(|(day, _)| !day.starts_with("0000")) else {
            return NONE;
        };
        return match time {
            _ if day.parse::<Date>().is_err() => NONE,
            "" => DATE,
            time => of_time(text, time),
        };
    }
    let is_uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_uuid { UUID } else { NONE }
}

/// A moment with its time, as `T10:00`, ` 10:00:00.5` or `T10:00:00+02:00`. Leap seconds, more digits than are kept, and forms that
/// only some programs read make a text.
fn of_time(text: &str, time: &str) -> Types {
    let Some(clock) = time.strip_prefix(['T', ' ']) else { return NONE };
    let (clock, zone) = clock.split_at(clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len()));
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let is_two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = clock.split(':').collect();
    let is_clock = parts.iter().all(|part| is_two(part))
        && match (&parts[..], fraction) {
            ([_, _], None) => true,
            ([_, _, second], None) => *second != "60",
            ([_, _, second], Some(digits)) => {
                *second != "60"
                    && (1..=SECOND_DIGITS).contains(&digits.len())
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            _ => false,
        };
    if !is_clock {
        return NONE;
    }
    let offset: Vec<_> = zone.trim_start_matches(['+', '-']).split(':').collect();
    match zone {
        "" if text.parse::<DateTime>().is_ok() => TIMESTAMP,
        "" => NONE,
        "Z" | "z" => {
            if text.parse::<Timestamp>().is_ok() {
                TIMESTAMPTZ
            } else {
                NONE
            }
        }
        _ => {
            let is_offset =
                (1..=2).contains(&offset.len()) && offset.iter().all(|part| is_two(part)) && offset[0] < "16";
            if is_offset && text.parse::<Timestamp>().is_ok() { TIMESTAMPTZ } else { NONE }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: &str) {
        let mut inference = Inference::new(&["c".to_owned()]);
        for value in values {
            let field = Field { text: (*value).to_owned(), is_quoted: false };
            inference.add(&Fields::Columns(vec![field]), Some("NULL"));
        }
        assert_eq!(inference.columns().collect::<Vec<_>>(), [("c", expected)], "{values:?}");
    }

    #[test]
    fn a_column_gets_the_narrowest_type_that_changes_no_value() {
        check(&["true", "", "false"], "boolean");
        check(&["1", "-20", "NULL", "9223372036854775807"], "bigint");
        check(&["1", "9223372036854775808"], "numeric");
        check(&["1", "0.50"], "numeric");
        check(&["1", "2.5e3"], "double precision");
        check(&["1e400"], "numeric");
        check(&["2.5e3", "1e400"], "numeric");
        check(&["1e-400", "0.5"], "numeric");
        check(&["1e3", "0e0"], "double precision");
        check(&["1e3", "9007199254740993"], "numeric");
        check(&["1e3", "0.12345678901234567890"], "numeric");
        check(&["1.7976931348623157e308"], "double precision");
        check(&["1e200000"], "text");
        check(&["1e3", "1e99999999999999999999"], "text");
        check(&["0000-01-01"], "text");
        check(&["2024-02-29T10:00:00.123456"], "timestamp");
        check(&["2024-02-29T10:00:00.1234567"], "text");
        check(&["2016-12-31T23:59:60Z"], "text");
        check(&["2024-02-29T10:00:00+99"], "text");
        check(&["2024-02-29 10"], "text");
        check(&["{\"a\":\"\\u0000\"}"], "text");
        for text in ["007", "0041", "+1", "1_000", "1.", ".5", "0x1", "NaN", "1 ", "-"] {
            check(&["1", text], "text");
        }
        check(&["2024-02-29"], "date");
        check(&["2023-02-29"], "text");
        check(&["2024-02-29T10:00:00Z", "2024-02-29 10:00:00.5+02"], "timestamptz");
        check(&["2024-02-29 10:00"], "timestamp");
        check(&["2024-02-29 10:00", "2024-02-29T10:00:00Z"], "text");
        check(&["2024-02-29", "2024-02-29T10:00:00Z"], "text");
        check(&["6f9619ff-8b86-d011-b42d-00c04fc964ff"], "uuid");
        check(&["{\"a\":1}", "[]"], "jsonb");
        check(&["{\"a\":1}", "{a}"], "text");
        check(&["true", "1"], "text");
        check(&["", "NULL"], "text");
        check(&["ä-ö-ü 1234-56"], "text");
    }

    #[test]
    fn columns_of_json_have_the_types_of_their_values() {
        let mut inference = Inference::default();
        for row in [
            r#"{"n":1,"m":1,"b":true,"d":"2024-01-01","t":"1","j":{},"x":null}"#,
            r#"{"n":2.5,"m":"a","b":null,"d":"2024-01-02","t":"x","j":"s","y":"é"}"#,
        ] {
            inference.add(&Fields::Object(serde_json::from_str(row).unwrap()), None);
        }
        let columns: Vec<_> = inference.columns().collect();
        let expected = [
            ("n", "numeric"),
            ("m", "jsonb"),
            ("b", "boolean"),
            ("d", "date"),
            ("t", "text"),
            ("j", "jsonb"),
            ("x", "text"),
            ("y", "text"),
        ];
        assert_eq!(columns, expected);
    }
}
