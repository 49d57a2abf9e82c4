//! Whole numbers of 64 bits in 1 to 9 bytes.
//!
//! | number | bytes |
//! |---|---|
//! | 0 to 118 | `80`+n |
//! | larger, in b bytes | `f6`+b, the b bytes (BE) |
//! | below zero | the bytes of -1-n, inverted |

use super::buffer::KeyBuffer;
use super::reader::Reader;
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;

const ZERO: u8 = 0x80;
/// Before the bytes of a number comes this and how many they are.
const LONG: u8 = 0xf6;
const SHORT_MAX: u64 = (LONG - ZERO) as u64;

/// n, or -1-n below zero.
fn magnitude(value: i64) -> u64 {
    (value ^ (value >> 63)).cast_unsigned()
}

fn bytes_of(magnitude: u64) -> usize {
    8 - (magnitude.leading_zeros() / 8) as usize
}

pub(super) fn push<B: KeyBuffer>(out: &mut B, value: i64) {
    let magnitude = magnitude(value);
    let mask = if value < 0 { 0xff } else { 0 };
    if magnitude <= SHORT_MAX {
        let [short, ..] = magnitude.to_le_bytes();
        return out.put((ZERO + short) ^ mask);
    }
    let count = bytes_of(magnitude);
    let mut encoded = [0; 9];
    // The low bytes of a negative number are those of -1-n inverted.
    encoded[1..].copy_from_slice(&value.to_be_bytes());
    let start = 8 - count;
    let [lead, ..] = count.to_le_bytes();
    encoded[start] = (LONG + lead) ^ mask;
    out.put_slice(&encoded[start..]);
}

pub(super) fn decode(reader: &mut Reader<'_, '_>) -> TableResult<i64> {
    let lead = reader.byte()?;
    let mask = if lead < ZERO { 0xff } else { 0 };
    let fill = i64::from(mask != 0).wrapping_neg();
    let lead = lead ^ mask;
    if lead <= LONG {
        return Ok(i64::from(lead - ZERO) ^ fill);
    }
    let count = usize::from(lead - LONG);
    if count > 8 {
        return Err(damaged("number"));
    }
    let inversion = reader.mask();
    let mut value = fill;
    for &byte in reader.take(count)? {
        value = value << 8 | i64::from(byte ^ inversion);
    }
    let magnitude = magnitude(value);
    let is_canonical = value >> 63 == fill && magnitude > SHORT_MAX && bytes_of(magnitude) == count;
    if is_canonical { Ok(value) } else { Err(damaged("number")) }
}

/// A number of fewer bits.
pub(super) fn decode_narrow<N: TryFrom<i64>>(reader: &mut Reader<'_, '_>) -> TableResult<N> {
    N::try_from(decode(reader)?).map_err(|_| damaged("number"))
}

pub(super) fn skip(reader: &mut Reader<'_, '_>) -> TableResult<()> {
    let lead = reader.byte()?;
    let lead = if lead < ZERO { !lead } else { lead };
    reader.take(lead.saturating_sub(LONG).into()).map(drop)
}
