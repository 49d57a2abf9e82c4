//! What reading any type from text needs: blanks, error messages, the length of texts.

use std::borrow::Cow;

use super::Scalar;
use crate::tables::{TableError, TableResult, code};

/// How much of a text an error message shows, in bytes.
const SHOWN_BYTES_MAX: usize = 1000;

/// What C's `isspace` takes for a blank.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The text without blanks around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_ascii() && is_blank(character as u8))
}

/// A text as an error message shows it.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let end = (0..=SHOWN_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// 22P02
pub(super) fn syntax_error(r#type: &str, text: &str) -> TableError {
    TableError::new(code::TEXT_INVALID, format!("invalid input syntax for type {type}: \"{}\"", shown(text)))
}

/// 22021 for U+0000, which no text holds.
pub(super) fn check_characters(text: &str) -> TableResult<()> {
    if text.contains('\0') {
        return Err(TableError::new(code::CHARACTER_INVALID, "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(())
}

/// A text as a column of a type of text holds it; `is_cast` cuts what is too long, which otherwise only blanks may be.
///
/// # Errors
/// 22001
pub(super) fn fitted(text: Cow<'_, str>, scalar: Scalar, is_cast: bool) -> TableResult<Cow<'_, str>> {
    let (length, is_padded) = match scalar {
        Scalar::Varchar(Some(length)) => (length as usize, false),
        Scalar::Char(length @ 1..) => (length as usize, true),
        _ => return Ok(text),
    };
    // A text has at most as many characters as bytes.
    if text.len() < length || (text.len() == length && text.is_ascii()) {
        return Ok(if is_padded { padded(text, length) } else { text });
    }
    let Some((end, _)) = text.char_indices().nth(length) else {
        return Ok(if is_padded { padded(text, length) } else { text });
    };
    if !is_cast && !text[end..].bytes().all(|byte| byte == b' ') {
        return Err(TableError::new(
            code::STRING_TRUNCATION,
            format!("value too long for type {}({length})", scalar.base_name()),
        ));
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    })
}

fn padded(text: Cow<'_, str>, length: usize) -> Cow<'_, str> {
    let missing = length.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    let mut text = text.into_owned();
    text.extend(std::iter::repeat_n(' ', missing));
    Cow::Owned(text)
}

/// A boolean: `true`, `false`, `yes`, `no`, `on`, `off`, `1`, `0` and what begins only one of them.
pub(super) fn read_boolean(text: &str) -> TableResult<bool> {
    let word = trim(text).to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    match () {
        () if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" => Ok(true),
        () if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" => Ok(false),
        () => Err(syntax_error("boolean", text)),
    }
}

/// bytea: `\x` and hexadecimal digits, or characters with `\\` and `\ooo`.
pub(super) fn read_bytes(text: &str) -> TableResult<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return read_hexadecimal(digits);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(TableError::new(code::TEXT_INVALID, "invalid input syntax for type bytea"));
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

fn read_hexadecimal(digits: &str) -> TableResult<Vec<u8>> {
    let invalid = |message: String| TableError::new(code::PARAMETER_INVALID, message);
    let (mut bytes, mut characters) = (Vec::with_capacity(digits.len() / 2), digits.chars());
    while let Some(first) = characters.next() {
        if first.is_ascii() && is_blank(first as u8) {
            continue;
        }
        let digit = |character: char| {
            character
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{character}\"")))
        };
        let high = digit(first)?;
        let second = characters.next();
        let second = second.ok_or_else(|| invalid("invalid hexadecimal data: odd number of digits".to_owned()))?;
        bytes.push(high << 4 | digit(second)?);
    }
    Ok(bytes)
}
