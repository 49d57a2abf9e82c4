//! Percent-encoding: paths and queries carry bytes.
//!
//! A raw text is decoded exactly once, and `+` is a plus sign everywhere: keys are bytes, and a form's habit of writing a space so
//! would make two spellings of one key.

use std::borrow::Cow;

/// A `%` that two hexadecimal digits do not follow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MalformedEscape;

/// Decodes a raw part of a path or query.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, [u8]>, MalformedEscape> {
    let bytes = raw.as_bytes();
    let Some(first) = bytes.iter().position(|&byte| byte == b'%') else {
        return Ok(Cow::Borrowed(bytes));
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let (digits, tail) = tail.split_first_chunk::<2>().ok_or(MalformedEscape)?;
            decoded.push(hex(digits[0])? << 4 | hex(digits[1])?);
            rest = tail;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    Ok(Cow::Owned(decoded))
}

/// Decodes a name or value of a form, where `+` is a space; none where it is malformed or not UTF-8.
///
/// Browsers' `URLSearchParams` and forms write spaces so.
pub(crate) fn decode_form(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Some(Cow::Borrowed(raw));
    }
    let spaced = raw.replace('+', " ");
    let bytes = decode(&spaced).ok()?.into_owned();
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Result<u8, MalformedEscape> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(MalformedEscape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Option<&[u8]>) {
        assert_eq!(decode(raw).as_deref().ok(), expected, "{raw:?}");
    }

    #[test]
    fn decodes_exactly_once_and_normalises_nothing() {
        check("plain", Some(b"plain"));
        check("a/b//c/./..", Some(b"a/b//c/./.."));
        check("a%2Fb", Some(b"a/b"));
        check("%00%ff", Some(&[0, 255]));
        check("%252F", Some(b"%2F"));
        check("1+1", Some(b"1+1"));
        check("gr\u{fc}n", Some("gr\u{fc}n".as_bytes()));
        check("100%", None);
        check("%2", None);
        check("%zz", None);
        check("%%41", None);
    }
}
