//! Members and elements of a JSON text that is known to be valid, without taking it apart. On any other text the answers are arbitrary,
//! but nothing panics.

use std::borrow::Cow;

use super::tree::Json;

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// The first value of a text, and what follows it.
fn split_value(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let end = match bytes.first() {
        Some(b'"') => string_end(bytes),
        Some(b'{' | b'[') => container_end(bytes),
        _ => bytes
            .iter()
            .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'))
            .unwrap_or(bytes.len()),
    };
    // The end is after an ASCII character or at the end.
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Where a string that begins here ends, after its quote.
fn string_end(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn container_end(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string_end(&bytes[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

pub(in crate::tables::types) fn is_array(text: &str) -> bool {
    skip_blanks(text).starts_with('[')
}

pub(in crate::tables::types) fn is_object(text: &str) -> bool {
    skip_blanks(text).starts_with('{')
}

/// The texts of an array's elements.
pub(in crate::tables::types) fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = skip_blanks(text).strip_prefix('[').map(skip_blanks).filter(|rest| !rest.starts_with(']'));
    std::iter::from_fn(move || {
        let (value, after) = split_value(skip_blanks(rest.take().filter(|rest| !rest.is_empty())?));
        rest = skip_blanks(after).strip_prefix(',');
        Some(value)
    })
}

/// The text of an array's element, from the end where negative.
pub(in crate::tables::types) fn element(text: &str, index: i64) -> Option<&str> {
    let index = match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => items(text).count().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    items(text).nth(index)
}

/// The text of an object's member.
pub(in crate::tables::types) fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = skip_blanks(text).strip_prefix('{').map(skip_blanks)?;
    loop {
        let (key, after) = split_value(rest);
        let (value, after) = split_value(skip_blanks(skip_blanks(after).strip_prefix(':')?));
        if string(key).as_deref() == Some(name) {
            return Some(value);
        }
        rest = skip_blanks(skip_blanks(after).strip_prefix(',')?);
    }
}

/// What a string says; none where the text is no string.
pub(in crate::tables::types) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    match Json::parse(text) {
        Ok(Json::String(decoded)) => Some(decoded),
        _ => None,
    }
}
