//! Reads a segment: its records, and the meaning of the place where they end.
//!
//! The last segment may end in a record that is incomplete or damaged. Either the power failed while it was written, and it was never
//! acknowledged as durable; or it was durable and has been damaged since. Every record says what was durable when it was written. So if a
//! record after the bad place says that commits from there on had been durable, damage has lost them; otherwise the end is torn, and
//! cutting it off loses nothing that was promised.

use super::header::HEADER_BYTES;
use super::log_record::{LogRecord, RecordHeader};
use crate::mutants::mutant;
use crate::types::Version;

/// The end of a segment's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The end of the file.
    Whole,
    /// The bytes from `offset` were never acknowledged as durable.
    Torn { offset: u64 },
    /// The bytes from `offset` were durable and are damaged.
    Damaged { offset: u64 },
}

/// Shows `see` the records of a segment with their offsets, in order, and returns how they end.
///
/// `bytes` are the whole file; `last` is the newest commit before the segment.
///
/// # Errors
/// The error of `see`.
pub(crate) fn scan<'b, E>(
    bytes: &'b [u8],
    salt: u64,
    mut last: Version,
    mut see: impl FnMut(u64, &LogRecord<'b>) -> Result<(), E>,
) -> Result<End, E> {
    let mut offset = HEADER_BYTES;
    while offset < bytes.len() {
        // A segment's records are a chain, which a lost or misplaced record breaks.
        let whole =
            LogRecord::decode(&bytes[offset..], offset as u64, salt).filter(|record| record.header.after == last);
        let Some(record) = whole else {
            return Ok(judge(bytes, offset, salt, last));
        };
        see(offset as u64, &record)?;
        last = record.header.version;
        offset += record.header.record_bytes();
    }
    Ok(End::Whole)
}

/// Shows `see` every whole record of a segment with its offset, including those after damage.
pub(crate) fn salvage<'b>(bytes: &'b [u8], salt: u64, mut see: impl FnMut(u64, &LogRecord<'b>)) {
    let mut offset = HEADER_BYTES;
    while offset < bytes.len() {
        let (rest, place) = (&bytes[offset..], offset as u64);
        // The header first: see `judge`.
        let is_likely = RecordHeader::decode_whole(rest, place, salt).is_some();
        match if is_likely { LogRecord::decode(rest, place, salt) } else { None } {
            Some(record) => {
                see(place, &record);
                offset += record.header.record_bytes();
            }
            None => offset += 1,
        }
    }
}

/// Classifies the bad bytes at `offset`, after the commit `last`.
fn judge(bytes: &[u8], offset: usize, salt: u64, last: Version) -> End {
    let bad = offset as u64;
    mutant!("damage-taken-for-a-torn-end" => return End::Torn { offset: bad });
    for place in offset + 1..bytes.len() {
        // An intact header is evidence enough, whatever happened to its changes; a search that also checked those would take forever on a
        // value full of bytes that look like long records.
        let header = RecordHeader::decode_whole(&bytes[place..], place as u64, salt);
        if header.is_some_and(|header| header.synced > last) {
            return End::Damaged { offset: bad };
        }
    }
    End::Torn { offset: bad }
}
