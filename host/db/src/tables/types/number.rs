//! Integers and floats as text.

use std::fmt::{Display, LowerExp, Write};

use super::Scalar;
use super::text::{shown, syntax_error, trim};
use crate::tables::{TableError, TableResult, code};

/// The least and greatest value of a type of integers.
pub(super) fn integer_range(scalar: Scalar) -> (i64, i64) {
    match scalar {
        Scalar::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        Scalar::Integer => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

/// 22003: `integer out of range`.
pub(super) fn out_of_range(scalar: Scalar) -> TableError {
    TableError::new(code::NUMERIC_OUT_OF_RANGE, format!("{} out of range", scalar.base_name()))
}

/// The integer, where it is in the range of its type.
pub(super) fn in_range(number: i64, scalar: Scalar) -> TableResult<i64> {
    let (least, greatest) = integer_range(scalar);
    if (least..=greatest).contains(&number) { Ok(number) } else { Err(out_of_range(scalar)) }
}

/// Decimal digits with an optional sign, and blanks around them. What is too large is so whatever follows, as in PostgreSQL.
pub(super) fn read_integer(text: &str, scalar: Scalar) -> TableResult<i64> {
    let trimmed = trim(text);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let number = trimmed[..trimmed.len() - digits.len() + length].parse::<i128>().ok();
    let least = i128::from(integer_range(scalar).0);
    let is_too_large = length > 0 && number.is_none_or(|number| number.abs() > -least);
    if !is_too_large && (length == 0 || length < digits.len()) {
        return Err(syntax_error(scalar.base_name(), text));
    }
    let number = number.and_then(|number| in_range(i64::try_from(number).ok()?, scalar).ok());
    number.filter(|_| !is_too_large).ok_or_else(|| {
        let message = format!("value \"{}\" is out of range for type {}", shown(text), scalar.base_name());
        TableError::new(code::NUMERIC_OUT_OF_RANGE, message)
    })
}

/// How many bytes of a text without a sign are a decimal number.
fn number_length(unsigned: &str) -> usize {
    let digits = |from: usize| unsigned.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let byte = |at: usize| unsigned.as_bytes().get(at).copied();
    let mut at = digits(0);
    let mut count = at;
    if byte(at) == Some(b'.') {
        let fraction = digits(at + 1);
        count += fraction;
        at += 1 + fraction;
    }
    if count == 0 {
        return 0;
    }
    if matches!(byte(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(at + 1), Some(b'+' | b'-')));
        let exponent = unsigned.get(at + 1 + sign..).map_or(0, |_| digits(at + 1 + sign));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// A float as C reads one, without its hexadecimal form. What is too large or too small is so whatever follows, as in PostgreSQL.
fn read_float<F>(text: &str, r#type: &str, is_infinite: fn(F) -> bool) -> TableResult<F>
where
    F: std::str::FromStr + Default + PartialEq + Copy,
{
    let trimmed = trim(text);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let length = number_length(unsigned);
    let invalid = || syntax_error(r#type, text);
    if length == 0 {
        let is_word = ["inf", "infinity", "nan"].iter().any(|word| unsigned.eq_ignore_ascii_case(word));
        return trimmed.parse().ok().filter(|_| is_word).ok_or_else(invalid);
    }
    let read = &trimmed[..trimmed.len() - unsigned.len() + length];
    let number = read.parse::<F>().map_err(|_| invalid())?;
    let mut mantissa = read.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    if is_infinite(number) || (number == F::default() && mantissa.any(|byte| matches!(byte, b'1'..=b'9'))) {
        // PostgreSQL names the number or all of the text, by type.
        let named = if r#type == "real" { text } else { read };
        let message = format!("\"{}\" is out of range for type {type}", shown(named));
        return Err(TableError::new(code::NUMERIC_OUT_OF_RANGE, message));
    }
    if length == unsigned.len() { Ok(number) } else { Err(invalid()) }
}

pub(super) fn read_real(text: &str) -> TableResult<f32> {
    read_float(text, "real", f32::is_infinite)
}

pub(super) fn read_double(text: &str) -> TableResult<f64> {
    read_float(text, "double precision", f64::is_infinite)
}

/// The shortest digits that read as the same float, in PostgreSQL's layout.
pub(super) fn write_real(number: f32, out: &mut String) {
    // From here on two neighbours are two apart, and a short number may lie halfway between them.
    let is_coarse = number.abs() >= 16_777_216.0;
    write_float(number, 6, is_coarse, 9, |digits| digits.parse() == Ok(number), out);
}

/// See [`write_real`].
pub(super) fn write_double(number: f64, out: &mut String) {
    let is_coarse = number.abs() >= 9_007_199_254_740_992.0;
    write_float(number, 15, is_coarse, 17, |digits| digits.parse() == Ok(number), out);
}

/// `digits_max` is the first decimal exponent that is written with `e`; `significant` is how many digits name every float.
fn write_float<F: Display + LowerExp + Copy>(
    number: F,
    digits_max: i32,
    is_coarse: bool,
    significant: usize,
    reads_same: impl Fn(&str) -> bool,
    out: &mut String,
) {
    let mut shown = String::with_capacity(24);
    // Writing to a string does not fail.
    let _ = write!(shown, "{number:e}");
    let Some((mantissa, exponent)) = shown.split_once('e') else {
        out.push_str(match shown.as_str() {
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            other => other,
        });
        return;
    };
    let Ok(exponent) = exponent.parse::<i32>() else { return };
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    if digits + 2 >= significant {
        // Of two numbers that are as near, PostgreSQL takes the one with the even digit.
        let nearest = format!("{number:.*e}", digits - 1);
        if let Some((mantissa, exponent)) = nearest.split_once('e')
            && let Ok(exponent) = exponent.parse()
            && reads_same(&nearest)
            && (!is_coarse || is_inside(mantissa, exponent, &reads_same))
        {
            return write_layout(mantissa, exponent, digits_max, out);
        }
    }
    if is_coarse && !is_inside(mantissa, exponent, &reads_same) {
        // PostgreSQL takes no digits that lie exactly between two floats.
        for digits in digits + 1..=significant {
            let longer = format!("{number:.*e}", digits - 1);
            if let Some((mantissa, exponent)) = longer.split_once('e')
                && let Ok(exponent) = exponent.parse()
                && is_inside(mantissa, exponent, &reads_same)
            {
                return write_layout(mantissa, exponent, digits_max, out);
            }
        }
    }
    write_layout(mantissa, exponent, digits_max, out);
}

/// Whether numbers a little less and a little more than these digits read as the same float.
fn is_inside(mantissa: &str, exponent: i32, reads_same: impl Fn(&str) -> bool) -> bool {
    // Far less than the distance of two floats, whose digits are at most 17.
    let point = if mantissa.contains('.') { "" } else { "." };
    let more = format!("{mantissa}{point}00000000000000000001e{exponent}");
    let mut less = mantissa.replace('.', "").into_bytes();
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    // One less in the last digit, then nines: the last digit is no zero, unless it is the only one.
    if let Some(last) = less.last_mut() {
        *last = last.saturating_sub(1).max(b'0');
    }
    let less = String::from_utf8(less).unwrap_or_default();
    let less = format!("{less}.99999999999999999999e{}", exponent - i32::try_from(fraction).unwrap_or(0));
    reads_same(&more) && reads_same(&less)
}

fn write_layout(mantissa: &str, exponent: i32, digits_max: i32, out: &mut String) {
    let (sign, unsigned) = mantissa.strip_prefix('-').map_or(("", mantissa), |unsigned| ("-", unsigned));
    out.push_str(sign);
    if !(-4..digits_max).contains(&exponent) {
        // Writing to a string does not fail.
        let _ = write!(out, "{unsigned}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
        return;
    }
    let (first, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    match usize::try_from(exponent) {
        Err(_) => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', usize::try_from(-exponent - 1).unwrap_or(0)));
            out.push_str(first);
            out.push_str(fraction);
        }
        Ok(exponent) if fraction.len() <= exponent => {
            out.push_str(first);
            out.push_str(fraction);
            out.extend(std::iter::repeat_n('0', exponent - fraction.len()));
        }
        Ok(exponent) => {
            out.push_str(first);
            out.push_str(&fraction[..exponent]);
            out.push('.');
            out.push_str(&fraction[exponent..]);
        }
    }
}
