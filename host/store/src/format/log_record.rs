//! The bytes of a commit in the log.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | the checksum of all that follows, salted with the segment's salt and the record's place |
//! | 8..16 | the checksum of bytes 16 to 56, salted likewise |
//! | 16..20 | the length of the changes in bytes |
//! | 20..24 | how many changes there are |
//! | 24..32 | the commit's version |
//! | 32..40 | the version of the commit before it |
//! | 40..48 | when it was made, in ms since the epoch |
//! | 48..56 | the newest commit that was durable when this was written |
//! | 56.. | the changes |
//!
//! A change is a byte of flags (1: a value, 2: a deadline, 4: a previous version, 8: the value that it replaced), the key, and the flagged
//! fields in that order. Keys and values follow their length; lengths and numbers are LEB128.
//!
//! The newest durable commit in each record distinguishes a torn end from damage: see [`super::scan`]. The second checksum is for the
//! search for records after damage: a value full of bytes that look like long records must not make that slow.

use super::codec::{Reader, checksum, put_counted, put_number};
use crate::mutants::mutant;
use crate::types::{NEVER_MS, Version};

/// Length of a record before its changes.
pub(crate) const RECORD_HEADER_BYTES: usize = 56;

/// Offset of the checksummed part of the header.
const SAYS: usize = 16;

const HAS_VALUE: u8 = 1;
const HAS_DEADLINE: u8 = 2;
const HAS_PREVIOUS: u8 = 4;
const HAS_REPLACED: u8 = 8;

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) length: usize,
    pub(crate) count: u32,
    pub(crate) version: Version,
    pub(crate) after: Version,
    pub(crate) time_ms: u64,
    pub(crate) synced: Version,
}

/// An intact record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogRecord<'b> {
    pub(crate) header: RecordHeader,
    changes: &'b [u8],
}

/// A change in the form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedChange<'b> {
    pub(crate) key: &'b [u8],
    pub(crate) value: Option<&'b [u8]>,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) previous: Option<Version>,
    /// The value of the version `previous`, where it is kept.
    pub(crate) replaced: Option<&'b [u8]>,
}

/// Appends a commit. [`seal`] fills in its place, its checksum and what is durable.
///
/// # Errors
/// The length, if it exceeds the 4 GiB of a record.
pub(crate) fn encode<'c>(
    buffer: &mut Vec<u8>,
    version: Version,
    after: Version,
    time_ms: u64,
    changes: impl ExactSizeIterator<Item = LoggedChange<'c>>,
) -> Result<(), usize> {
    let (start, count) = (buffer.len(), changes.len());
    buffer.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
    for change in changes {
        encode_change(buffer, &change);
    }
    let length = buffer.len() - start - RECORD_HEADER_BYTES;
    let (Ok(length), Ok(count)) = (u32::try_from(length), u32::try_from(count)) else {
        buffer.truncate(start);
        return Err(length);
    };
    let header = &mut buffer[start..start + RECORD_HEADER_BYTES];
    header[SAYS..20].copy_from_slice(&length.to_le_bytes());
    header[20..24].copy_from_slice(&count.to_le_bytes());
    for (place, number) in [version, after, time_ms].into_iter().enumerate() {
        header[24 + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
    }
    Ok(())
}

fn encode_change(buffer: &mut Vec<u8>, change: &LoggedChange<'_>) {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    buffer.push(
        flag(change.value.is_some(), HAS_VALUE)
            | flag(change.expires_at_ms.is_some(), HAS_DEADLINE)
            | flag(change.previous.is_some(), HAS_PREVIOUS)
            | flag(change.replaced.is_some(), HAS_REPLACED),
    );
    put_counted(buffer, change.key);
    if let Some(value) = change.value {
        put_counted(buffer, value);
    }
    for number in [change.expires_at_ms, change.previous].into_iter().flatten() {
        put_number(buffer, number);
    }
    if let Some(replaced) = change.replaced {
        put_counted(buffer, replaced);
    }
}

/// Completes the records in `buffer`, which are about to be written at `offset` of a segment.
pub(crate) fn seal(buffer: &mut [u8], offset: u64, salt: u64, synced: Version) {
    let mut start = 0;
    while let Some(header) = RecordHeader::decode(&buffer[start..]) {
        let end = start + RECORD_HEADER_BYTES + header.length;
        let record = &mut buffer[start..end];
        record[48..56].copy_from_slice(&synced.to_le_bytes());
        let header_sum = checksum(salt, offset + start as u64, &record[SAYS..RECORD_HEADER_BYTES]);
        record[8..SAYS].copy_from_slice(&header_sum.to_le_bytes());
        let sum = checksum(salt, offset + start as u64, &record[8..]);
        record[..8].copy_from_slice(&sum.to_le_bytes());
        start = end;
    }
}

impl RecordHeader {
    /// The header at the start of `bytes`, intact or not.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.get(SAYS..RECORD_HEADER_BYTES)?);
        Some(Self {
            length: usize::try_from(reader.u32()?).ok()?,
            count: reader.u32()?,
            version: reader.u64()?,
            after: reader.u64()?,
            time_ms: reader.u64()?,
            synced: reader.u64()?,
        })
    }

    /// The header at the start of `bytes`, from `offset` of a segment, if it is intact.
    pub(crate) fn decode_whole(bytes: &[u8], offset: u64, salt: u64) -> Option<Self> {
        let header = Self::decode(bytes).filter(Self::is_plausible)?;
        let sum = Reader(&bytes[8..]).u64()?;
        (sum == checksum(salt, offset, &bytes[SAYS..RECORD_HEADER_BYTES])).then_some(header)
    }

    /// Whether a writer could have produced this header.
    pub(crate) fn is_plausible(&self) -> bool {
        self.count > 0 && self.after < self.version && self.synced <= self.after
    }

    /// The length of the whole record.
    pub(crate) fn record_bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.length
    }
}

impl<'b> LogRecord<'b> {
    /// The record at the start of `bytes`, from `offset` of a segment, if it is whole and intact.
    pub(crate) fn decode(bytes: &'b [u8], offset: u64, salt: u64) -> Option<Self> {
        let header = RecordHeader::decode(bytes).filter(RecordHeader::is_plausible)?;
        let bytes = bytes.get(..header.record_bytes())?;
        let sum = Reader(bytes).u64()?;
        let is_whole = sum == checksum(salt, offset, &bytes[8..]) || mutant!("checksum-ignored");
        is_whole.then_some(Self { header, changes: &bytes[RECORD_HEADER_BYTES..] })
    }

    /// The changes. `None` if they do not have the format, which a valid checksum rules out, except for a bug in the program that wrote
    /// them.
    pub(crate) fn changes(&self) -> Option<Vec<LoggedChange<'b>>> {
        /// A change without a value under the empty key: its flags and the key's length.
        const CHANGE_BYTES_MIN: usize = 2;
        let mut reader = Reader(self.changes);
        let count = usize::try_from(self.header.count).unwrap_or(usize::MAX);
        // Never more capacity than the bytes can fill, whatever the record says; growth by doubling would take half as much again.
        let mut changes = Vec::with_capacity(count.min(self.changes.len() / CHANGE_BYTES_MIN));
        for _ in 0..self.header.count {
            changes.push(decode_change(&mut reader)?);
        }
        reader.is_empty().then_some(changes)
    }
}

fn decode_change<'b>(reader: &mut Reader<'b>) -> Option<LoggedChange<'b>> {
    let flags = reader.byte()?;
    if flags > HAS_VALUE | HAS_DEADLINE | HAS_PREVIOUS | HAS_REPLACED {
        return None;
    }
    let key = reader.counted()?;
    let when = |flag: u8, reader: &mut Reader<'b>| {
        if flags & flag == 0 { Some(None) } else { reader.number().map(Some) }
    };
    let value = if flags & HAS_VALUE == 0 { None } else { Some(reader.counted()?) };
    let expires_at_ms = when(HAS_DEADLINE, reader)?;
    // A value that never expires is written without a deadline.
    if expires_at_ms == Some(NEVER_MS) {
        return None;
    }
    let previous = when(HAS_PREVIOUS, reader)?;
    let replaced = if flags & HAS_REPLACED == 0 { None } else { Some(reader.counted()?) };
    // What was replaced had a version.
    if replaced.is_some() && previous.is_none() {
        return None;
    }
    Some(LoggedChange { key, value, expires_at_ms, previous, replaced })
}
