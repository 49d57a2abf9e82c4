//! Bytes of any length that end by themselves.
//!
//! | byte | written as |
//! |---|---|
//! | `00` | `01 01` |
//! | `01` | `01 02` |
//! | others | as they are |
//! | the end | `00` |

use std::borrow::Cow;

use super::buffer::{KeyBuffer, invert};
use super::reader::Reader;
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;

const END: u8 = 0x00;
const ESCAPE: u8 = 0x01;

pub(super) fn push<B: KeyBuffer>(out: &mut B, bytes: &[u8]) {
    push_open(out, bytes);
    out.put(END);
}

/// Without the end: what the bytes of all longer ones begin with.
pub(super) fn push_open<B: KeyBuffer>(out: &mut B, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|&byte| byte <= ESCAPE) {
        out.put_slice(&rest[..place]);
        out.put_slice(&[ESCAPE, rest[place] + 1]);
        rest = &rest[place + 1..];
    }
    out.put_slice(rest);
}

pub(super) fn decode<'a>(reader: &mut Reader<'_, 'a>) -> TableResult<Cow<'a, [u8]>> {
    let first = take_plain(reader)?;
    if reader.mask() == 0 && reader.peek()? == END {
        reader.byte()?;
        return Ok(Cow::Borrowed(first));
    }
    let mut decoded = first.to_vec();
    loop {
        match reader.byte()? {
            END => break,
            // `take_plain` stops at nothing else.
            _ => decoded.push(escaped(reader.byte()?)? ^ reader.mask()),
        }
        decoded.extend_from_slice(take_plain(reader)?);
    }
    if reader.mask() != 0 {
        invert(&mut decoded);
    }
    Ok(Cow::Owned(decoded))
}

pub(super) fn decode_text<'a>(reader: &mut Reader<'_, 'a>) -> TableResult<Cow<'a, str>> {
    let text = match decode(reader)? {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.ok_or_else(|| damaged("text"))
}

/// The byte of which this is the second half.
fn escaped(byte: u8) -> TableResult<u8> {
    match byte {
        1 | 2 => Ok(byte - 1),
        _ => Err(damaged("text")),
    }
}

/// What comes before the next escape or end, as it stands there.
fn take_plain<'a>(reader: &mut Reader<'_, 'a>) -> TableResult<&'a [u8]> {
    let mask = reader.mask();
    let place = reader.rest().iter().position(|&byte| byte ^ mask <= ESCAPE).ok_or_else(|| damaged("text"))?;
    reader.take(place)
}

pub(super) fn skip(reader: &mut Reader<'_, '_>) -> TableResult<()> {
    let mask = reader.mask();
    let end = reader.rest().iter().position(|&byte| byte ^ mask == END).ok_or_else(|| damaged("text"))?;
    reader.take(end + 1).map(drop)
}
