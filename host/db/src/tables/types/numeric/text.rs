//! Numerics as text: PostgreSQL's input and output forms.

use std::fmt;

use num_bigint::BigInt;

use super::{DIGITS_MAX, Numeric, overflow};
use crate::tables::{TableError, TableResult, code};

impl Numeric {
    /// The number of a text such as `-1.50`, `1e3` or `NaN`, blanks around it ignored. Its scale is its digits after the point.
    ///
    /// # Errors
    /// 22P02 where it is none, 22003 for infinity and beyond [`DIGITS_MAX`] digits.
    pub fn parse(text: &str) -> TableResult<Self> {
        let trimmed = super::super::text::trim(text);
        let (is_negative, unsigned) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            return special(text, trimmed, unsigned);
        }
        let invalid = || syntax_error(text);
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], read_exponent(&unsigned[at + 1..]).ok_or_else(invalid)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
            return Err(invalid());
        }
        // PostgreSQL refuses these for any digits.
        if exponent.abs() > i64::from(i32::MAX / 2) {
            return Err(overflow());
        }
        Self::from_digits(is_negative, whole, fraction, exponent)
    }

    fn from_digits(is_negative: bool, whole: &str, fraction: &str, exponent: i64) -> TableResult<Self> {
        let length = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let scale = length.saturating_sub(exponent);
        let zeros = usize::try_from(scale.saturating_neg()).unwrap_or(0);
        let scale = usize::try_from(scale).unwrap_or(0);
        if whole.len() + fraction.len() + zeros <= 38 && scale <= DIGITS_MAX {
            let digits = whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0'));
            let mut unscaled = digits.fold(0, |number: i128, digit| number * 10 + digit);
            for _ in 0..zeros {
                unscaled *= 10;
            }
            let scale = u16::try_from(scale).map_err(|_| overflow())?;
            return Ok(Self::Small { unscaled: if is_negative { -unscaled } else { unscaled }, scale });
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Self::from_parts(BigInt::ZERO, scale);
        }
        if digits.len().saturating_add(zeros) > DIGITS_MAX || scale > DIGITS_MAX {
            return Err(overflow());
        }
        let unscaled = BigInt::parse_bytes(digits.as_bytes(), 10).ok_or_else(overflow)? * super::power_of_ten(zeros);
        Self::from_parts(if is_negative { -unscaled } else { unscaled }, scale)
    }
}

/// `NaN`, infinity, or nothing.
fn special(text: &str, trimmed: &str, unsigned: &str) -> TableResult<Numeric> {
    if trimmed.eq_ignore_ascii_case("nan") {
        return Ok(Numeric::NaN);
    }
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Err(infinite());
    }
    Err(syntax_error(text))
}

pub(super) fn infinite() -> TableError {
    TableError::new(code::NUMERIC_OUT_OF_RANGE, "a numeric cannot be infinite")
        .with_hint("double precision has infinities.")
}

fn syntax_error(text: &str) -> TableError {
    super::super::text::syntax_error("numeric", text)
}

/// An exponent; beyond what any number may have, its sign and size are all that matters.
fn read_exponent(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().map_or(1 << 40, |size| size.min(1 << 40));
    Some(if is_negative { -size } else { size })
}

impl fmt::Display for Numeric {
    /// All digits, as many after the point as the scale says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_negative, digits) = match self {
            Self::NaN => return f.write_str("NaN"),
            Self::Small { unscaled, scale: 0 } => return write!(f, "{unscaled}"),
            Self::Small { unscaled, .. } => (*unscaled < 0, unscaled.unsigned_abs().to_string()),
            Self::Large(decimal) => {
                let unscaled = decimal.as_bigint_and_scale().0;
                (unscaled.sign() == num_bigint::Sign::Minus, unscaled.magnitude().to_string())
            }
        };
        if is_negative {
            f.write_str("-")?;
        }
        let scale = usize::from(self.scale());
        if scale == 0 {
            return f.write_str(&digits);
        }
        match digits.len().checked_sub(scale) {
            Some(whole @ 1..) => write!(f, "{}.{}", &digits[..whole], &digits[whole..]),
            _ => write!(f, "0.{digits:0>scale$}"),
        }
    }
}
