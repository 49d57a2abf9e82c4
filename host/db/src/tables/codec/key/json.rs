//! jsonb in the order of PostgreSQL's btree: object > array > boolean > number > string > null, then the number of members or elements,
//! then these from the first, an object's each by name and then value. An empty array that is in nothing else comes before all.
//!
//! | value | bytes |
//! |---|---|
//! | empty array at the top | `01` |
//! | null | `02` |
//! | string | `03`, escaped |
//! | number | `04`, a decimal |
//! | false, true | `05`, `06` |
//! | array | `07`, the number of elements (u32 BE), the elements |
//! | object | `08`, the number of members (u32 BE), of each the name escaped and the value |
//!
//! The order of members is that of the text: canonical text has shorter names first, then in the order of their bytes. Neither direction
//! recurses, and the room for a number does not depend on it, so that nothing is moved when it is known: hostile nesting costs no more.

use std::borrow::Cow;
use std::fmt::Write;

use smallvec::SmallVec;

use super::buffer::KeyBuffer;
use super::decimal::{self, Decimal};
use super::escaped;
use super::reader::Reader;
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;

const EMPTY_ARRAY: u8 = 0x01;
const NULL: u8 = 0x02;
const STRING: u8 = 0x03;
const NUMBER: u8 = 0x04;
const FALSE: u8 = 0x05;
const TRUE: u8 = 0x06;
const ARRAY: u8 = 0x07;
const OBJECT: u8 = 0x08;
const COUNT_BYTES: usize = size_of::<u32>();

/// Longer text is not made of a key: a few bytes can be a long number.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// An array or object whose end has not been read yet.
struct Open {
    is_object: bool,
    count: u32,
    /// Where the count goes in what is written.
    place: usize,
}

/// Appends a value, of which this is the canonical text. What is no JSON is appended as a string.
pub(super) fn push<B: KeyBuffer>(out: &mut B, text: &str) {
    let start = out.written().len();
    if push_text(out, text, start).is_none() {
        debug_assert!(false, "jsonb is JSON");
        out.truncate(start);
        out.put(STRING);
        escaped::push(out, text.as_bytes());
    }
}

fn push_text<B: KeyBuffer>(out: &mut B, text: &str, start: usize) -> Option<()> {
    let mut rest = text.trim_ascii_start();
    let mut open: SmallVec<[Open; 8]> = SmallVec::new();
    loop {
        if let Some(innermost) = open.last_mut() {
            innermost.count = innermost.count.saturating_add(1);
        }
        let first = *rest.as_bytes().first()?;
        let is_object = first == b'{';
        if is_object || first == b'[' {
            out.put(if is_object { OBJECT } else { ARRAY });
            open.push(Open { is_object, count: 0, place: out.written().len() });
            out.put_slice(&[0; COUNT_BYTES]);
            rest = rest[1..].trim_ascii_start();
            if !rest.starts_with(if is_object { '}' } else { ']' }) {
                if is_object {
                    rest = push_name(out, rest)?;
                }
                continue;
            }
        } else {
            rest = push_scalar(out, rest)?;
        }
        // Behind a value, or at the end of what has none.
        loop {
            rest = rest.trim_ascii_start();
            let Some(innermost) = open.last() else {
                if out.written()[start..] == [ARRAY, 0, 0, 0, 0] {
                    out.truncate(start);
                    out.put(EMPTY_ARRAY);
                }
                return rest.is_empty().then_some(());
            };
            let closing = if innermost.is_object { '}' } else { ']' };
            if let Some(behind) = rest.strip_prefix(',') {
                rest = behind.trim_ascii_start();
                if innermost.is_object {
                    rest = push_name(out, rest)?;
                }
                break;
            }
            rest = rest.strip_prefix(closing)?;
            let Open { count, place, .. } = open.pop()?;
            out.written()[place..place + COUNT_BYTES].copy_from_slice(&count.to_be_bytes());
        }
    }
}

fn push_name<'t, B: KeyBuffer>(out: &mut B, text: &'t str) -> Option<&'t str> {
    let (name, rest) = take_string(text)?;
    escaped::push(out, name.as_bytes());
    Some(rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start())
}

fn push_scalar<'t, B: KeyBuffer>(out: &mut B, text: &'t str) -> Option<&'t str> {
    if text.starts_with('"') {
        let (string, rest) = take_string(text)?;
        out.put(STRING);
        escaped::push(out, string.as_bytes());
        return Some(rest);
    }
    for (word, byte) in [("null", NULL), ("false", FALSE), ("true", TRUE)] {
        if let Some(rest) = text.strip_prefix(word) {
            out.put(byte);
            return Some(rest);
        }
    }
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(text.len());
    let number = Decimal::from_text(&text[..end])?;
    out.put(NUMBER);
    decimal::push_decimal(out, &number);
    Some(&text[end..])
}

/// The string that the text begins with, and what comes after it.
fn take_string(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut has_escapes = false;
    let mut from = 0;
    let end = loop {
        let place = from + inner[from..].find(['"', '\\'])?;
        if inner.as_bytes()[place] == b'"' {
            break place;
        }
        has_escapes = true;
        // What is escaped is one ASCII character or begins with one.
        from = place + 2;
        inner.get(from..)?;
    };
    let string = if has_escapes {
        Cow::Owned(serde_json::from_str(&text[..end + 2]).ok()?)
    } else {
        Cow::Borrowed(&inner[..end])
    };
    Some((string, &inner[end + 1..]))
}

/// The canonical text of the value that comes next.
pub(super) fn decode(reader: &mut Reader<'_, '_>) -> TableResult<String> {
    /// What is left of an array or object.
    struct Left {
        is_object: bool,
        is_first: bool,
        count: u32,
    }
    let mut out = String::new();
    let mut open: SmallVec<[Left; 8]> = SmallVec::new();
    loop {
        match reader.byte()? {
            NULL => out.push_str("null"),
            FALSE => out.push_str("false"),
            TRUE => out.push_str("true"),
            STRING => write_string(&mut out, &escaped::decode_text(reader)?),
            NUMBER => decimal::decode_decimal(reader)?.write(&mut out),
            EMPTY_ARRAY if open.is_empty() => out.push_str("[]"),
            kind @ (ARRAY | OBJECT) => {
                let count = u32::from_be_bytes(reader.array()?);
                let is_object = kind == OBJECT;
                if count == 0 && open.is_empty() && !is_object {
                    return Err(damaged("jsonb"));
                }
                out.push(if is_object { '{' } else { '[' });
                open.push(Left { is_object, is_first: true, count });
            }
            _ => return Err(damaged("jsonb")),
        }
        if out.len() > TEXT_BYTES_MAX {
            return Err(damaged("jsonb"));
        }
        loop {
            let Some(innermost) = open.last_mut() else { return Ok(out) };
            if innermost.count == 0 {
                out.push(if innermost.is_object { '}' } else { ']' });
                open.pop();
                continue;
            }
            innermost.count -= 1;
            if !std::mem::take(&mut innermost.is_first) {
                out.push_str(", ");
            }
            if innermost.is_object {
                write_string(&mut out, &escaped::decode_text(reader)?);
                out.push_str(": ");
            }
            break;
        }
    }
}

fn write_string(out: &mut String, string: &str) {
    out.push('"');
    for character in string.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..'\u{20}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}
