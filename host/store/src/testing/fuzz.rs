//! Fuzzing of the code that reads files: whatever the bytes are, it neither panics nor hangs nor takes much memory, what it reads would be
//! written as the same bytes, and a change without a new checksum is never taken for something else.
//!
//! A [`Target`] is something that reads bytes, with these properties. Two make inputs for it: the tests here, which change bytes at random,
//! and libFuzzer in `fuzz/`, which is guided by code coverage and uses this module through the feature `testing`.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "what is not as it should be is found by a panic")]

use std::convert::Infallible;

use crate::format::{
    BadHeader, End, HEADER_BYTES, Header, Kind, LogRecord, LoggedChange, RECORD_HEADER_BYTES, Reader, RecordHeader,
    StoredEntry, Unreadable, checksum, encode_commit, put_counted, put_entry, put_number, read_checkpoint, salvage,
    scan, seal,
};
use crate::types::NEVER_MS;

mod change;
#[cfg(test)]
mod tests;

pub use change::Chance;
use change::{Frame, change};

/// The maximum length of an input.
pub const INPUT_BYTES_MAX: usize = 16 << 10;
/// The maximum memory of reading: this many times the input, and a block.
const MEMORY_FACTOR: u64 = 64;
const MEMORY_BYTES: u64 = 128 << 10;

/// Something that reads bytes.
pub struct Target {
    name: &'static str,
    /// The bytes before a block, if there are blocks.
    frame: Option<Frame>,
    /// Reads them and nothing more; its memory is measured.
    read: fn(&[u8]),
    /// Reads and checks them, and returns the outcome, which distinguishes inputs of different kinds.
    explore: fn(&[u8]) -> String,
    /// Fixes the checksums, and sometimes other fields that would stop a reader at once.
    reseal: fn(&mut [u8], &mut Chance),
    /// What it reads from the bytes, if they are whole; after a change it may read less, but nothing else.
    contents: fn(&[u8]) -> Contents,
}

/// What was read from bytes.
struct Contents {
    is_whole: bool,
    parts: Vec<Vec<u8>>,
}

impl Target {
    /// Segments of the log, record by record.
    pub const SEGMENT: Self = Self {
        name: "segment",
        frame: Some(Frame { bytes: RECORD_HEADER_BYTES, length_at: 16 }),
        read: |bytes| {
            records(bytes, |_, record| drop(record.changes()));
        },
        explore: explore_segment,
        reseal: reseal_segment,
        contents: |bytes| {
            let mut parts = Vec::new();
            let read = records(bytes, |offset, record| {
                let changes = record.changes();
                parts.push(format!("{offset} {:?} {changes:?}", record.header).into_bytes());
            });
            Contents { is_whole: read.is_some_and(|(end, _)| end == End::Whole), parts }
        },
    };

    /// Checkpoints, and backups, which have the same format.
    pub const CHECKPOINT: Self = Self {
        name: "checkpoint",
        frame: Some(Frame { bytes: 16, length_at: 8 }),
        read: |bytes| {
            let _ = entries(bytes, |_| ());
        },
        explore: explore_checkpoint,
        reseal: reseal_checkpoint,
        // Entries count only if the whole file is intact.
        contents: |bytes| match entries(bytes, |_| ()) {
            Ok(_) => Contents { is_whole: true, parts: vec![bytes.to_vec()] },
            Err(_) => Contents { is_whole: false, parts: Vec::new() },
        },
    };

    /// Numbers of variable length, and bytes after their length.
    pub const CODEC: Self = Self {
        name: "codec",
        frame: None,
        read: |bytes| drop(explore_codec(&bytes[..bytes.len().min(64)])),
        explore: explore_codec,
        reseal: |_, _| (),
        // Without a checksum a change is not noticed.
        contents: |_| Contents { is_whole: false, parts: Vec::new() },
    };

    /// Reads an input and nothing more. [`check_memory`](Self::check_memory) checks how much memory that takes.
    pub fn read(&self, input: &[u8]) {
        (self.read)(input);
    }

    /// Checks that reading held no more memory than the input justifies.
    pub fn check_memory(&self, input: &[u8], held_bytes: u64) {
        let bound = MEMORY_FACTOR * input.len() as u64 + MEMORY_BYTES;
        assert!(held_bytes <= bound, "{}: {held_bytes} bytes were held for {} bytes", self.name, input.len());
    }

    /// Reads an input, checks the result, and returns the outcome, which distinguishes inputs of different kinds.
    #[must_use]
    pub fn explore(&self, input: &[u8]) -> String {
        (self.explore)(input)
    }

    /// Whether the whole input is intact.
    #[must_use]
    pub fn is_whole(&self, input: &[u8]) -> bool {
        (self.contents)(input).is_whole
    }

    /// Changes an input without fixing its checksums, and checks that what is read then is a prefix of what was there.
    pub fn check_damage(&self, input: &[u8], chance: &mut Chance) {
        let original = (self.contents)(input).parts;
        let mut damaged = input.to_vec();
        (0..=chance.below(3)).for_each(|_| change(&mut damaged, None, chance));
        let parts = (self.contents)(&damaged).parts;
        assert!(original.starts_with(&parts), "something else was read: {parts:?}, not {original:?}");
    }

    /// Fixes an input's checksums, and sometimes other fields that would stop a reader at once.
    pub fn reseal(&self, input: &mut [u8], chance: &mut Chance) {
        (self.reseal)(input, chance);
    }

    /// Lets `change` change one of an input's blocks, and fixes the block's length. Returns whether there was a block.
    pub fn change_block(
        &self,
        input: &mut Vec<u8>,
        chance: &mut Chance,
        change: impl FnOnce(&mut Vec<u8>, &mut Chance),
    ) -> bool {
        self.frame.is_some_and(|frame| change::change_block(input, frame, chance, change))
    }
}

fn put_u64(bytes: &mut [u8], place: usize, number: u64) {
    bytes[place..place + 8].copy_from_slice(&number.to_le_bytes());
}

/// Fixes a file's header, and returns its salt and version.
fn reseal_header(bytes: &mut [u8]) -> Option<(u64, u64)> {
    let header = bytes.get_mut(..HEADER_BYTES)?;
    let sum = checksum(0, 0, &header[..56]);
    put_u64(header, 56, sum);
    let mut reader = Reader(&header[24..]);
    Some((reader.u64()?, reader.u64()?))
}

fn records(bytes: &[u8], mut see: impl FnMut(u64, &LogRecord<'_>)) -> Option<(End, Header)> {
    let header = Header::decode(Kind::Segment, bytes).ok()?;
    let end = scan(bytes, header.salt, header.version, |offset, record| {
        see(offset, record);
        Ok::<_, Infallible>(())
    });
    end.ok().map(|end| (end, header))
}

fn explore_segment(bytes: &[u8]) -> String {
    let salt = match Header::decode(Kind::Segment, bytes) {
        Ok(header) => header.salt,
        Err(BadHeader::Damaged) => return "damaged header".to_owned(),
        Err(BadHeader::Newer(_)) => return "newer".to_owned(),
    };
    let (mut kind, mut count, mut seen) = (String::new(), 0_u32, Vec::new());
    let mut reached = HEADER_BYTES as u64;
    let read = records(bytes, |offset, record| {
        assert_eq!(offset, reached);
        let length = record.header.record_bytes();
        reached += length as u64;
        count += 1;
        seen.push((offset, record.header));
        let Some(changes) = record.changes() else { return "no changes".clone_into(&mut kind) };
        let place = usize::try_from(offset).unwrap();
        assert_eq!(encoded(&record.header, &changes, offset, salt), bytes[place..place + length], "{changes:?}");
        let last = changes[changes.len() - 1];
        kind = format!(
            "{} {} {} {}",
            last.value.map_or(0, |value| 1 + value.len().min(1)),
            last.expires_at_ms.is_some(),
            last.previous.is_some(),
            last.key.is_empty()
        );
    });
    let mut salvaged = Vec::new();
    salvage(bytes, salt, |offset, record| salvaged.push((offset, record.header)));
    assert!(salvaged.starts_with(&seen), "{salvaged:?} were salvaged, {seen:?} were read");
    match read.map(|(end, _)| end) {
        Some(End::Whole) => assert_eq!(reached, bytes.len() as u64),
        Some(End::Torn { offset } | End::Damaged { offset }) => {
            assert!(offset == reached && reached < bytes.len() as u64);
        }
        None => {}
    }
    let end = read.map(|(end, _)| match end {
        End::Whole => "whole",
        End::Torn { .. } => "torn",
        End::Damaged { .. } => "damaged",
    });
    format!("{} {kind} {end:?}", count.min(3))
}

/// A record in the form of the log.
fn encoded(header: &RecordHeader, changes: &[LoggedChange<'_>], offset: u64, salt: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_commit(&mut bytes, header.version, header.after, header.time_ms, changes.iter().copied()).unwrap();
    seal(&mut bytes, offset, salt, header.synced);
    bytes
}

fn reseal_segment(bytes: &mut [u8], chance: &mut Chance) {
    let Some((salt, mut last)) = reseal_header(bytes) else { return };
    let mut offset = HEADER_BYTES;
    while let Some(header) = RecordHeader::decode(&bytes[offset..]) {
        let record = &mut bytes[offset..];
        let room = record.len() - RECORD_HEADER_BYTES;
        let length = if header.length > room || chance.percent(5) { room } else { header.length };
        record[16..20].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        let mut synced = header.synced;
        if chance.percent(90) {
            let version = if header.version > last { header.version } else { last.saturating_add(1) };
            synced = synced.min(last);
            put_u64(record, 24, version);
            put_u64(record, 32, last);
            last = version;
        }
        let end = RECORD_HEADER_BYTES + length;
        seal(&mut record[..end], offset as u64, salt, synced);
        offset += end;
    }
}

/// Reads a checkpoint, and shows its entries.
fn entries(mut bytes: &[u8], see: impl FnMut(StoredEntry<'_>)) -> Result<u64, Unreadable> {
    let read = read_checkpoint(&mut bytes, see);
    read.map(|(_, checkpoint)| checkpoint.entries)
}

fn explore_checkpoint(bytes: &[u8]) -> String {
    let (mut count, mut again, mut deadlines) = (0_u64, Vec::new(), 0);
    let read = entries(bytes, |entry| {
        count += 1;
        deadlines += u64::from(entry.deadline_ms != NEVER_MS);
        put_entry(&mut again, &entry);
    });
    let outcome = match read {
        Ok(entries) => {
            assert_eq!(entries, count);
            assert_eq!(again, bodies(bytes), "{count} entries");
            "whole".to_owned()
        }
        Err(Unreadable::Damaged(damage)) => {
            assert!(damage.offset <= bytes.len() as u64);
            damage.what.to_owned()
        }
        Err(Unreadable::Newer(_)) => "newer".to_owned(),
        Err(Unreadable::Io(error)) => panic!("{error}"),
    };
    format!("{} {} {outcome}", count.min(3), deadlines > 0)
}

/// The blocks of an intact checkpoint, without the bytes before their entries.
fn bodies(bytes: &[u8]) -> Vec<u8> {
    let (mut offset, mut bodies) = (HEADER_BYTES, Vec::new());
    loop {
        let mut reader = Reader(&bytes[offset + 8..]);
        let (length, count) = (reader.u32().unwrap() as usize, reader.u32().unwrap());
        if count == 0 {
            return bodies;
        }
        bodies.extend_from_slice(&bytes[offset + 16..][..length]);
        offset += 16 + length;
    }
}

fn reseal_checkpoint(bytes: &mut [u8], chance: &mut Chance) {
    let Some((salt, _)) = reseal_header(bytes) else { return };
    let (mut offset, mut entries) = (HEADER_BYTES, 0_u64);
    while let Some(room) = bytes.len().checked_sub(offset + 16) {
        let block = &mut bytes[offset..];
        let mut says = Reader(&block[8..]);
        let (said, count) = (says.u32().unwrap() as usize, says.u32().unwrap());
        let length = if said > room || chance.percent(5) { room } else { said };
        block[8..12].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        entries += u64::from(count);
        if count == 0 && length == 8 && chance.percent(90) {
            put_u64(block, 16, entries);
        }
        let sum = checksum(salt, offset as u64, &block[8..16 + length]);
        put_u64(block, 0, sum);
        offset += 16 + length;
    }
}

/// Reads numbers and counted bytes in turn, as far as possible.
fn explore_codec(bytes: &[u8]) -> String {
    let mut reader = Reader(bytes);
    let mut said = String::new();
    loop {
        let (before, mut again) = (reader.0, Vec::new());
        if said.len().is_multiple_of(2) {
            let Some(number) = reader.number() else { break };
            put_number(&mut again, number);
        } else {
            let Some(counted) = reader.counted() else { break };
            put_counted(&mut again, counted);
        }
        let read = before.len() - reader.0.len();
        assert_eq!(again, before[..read]);
        said.push(char::from(b'0' + u8::try_from(read.min(12)).unwrap()));
        if said.len() > 8 {
            break;
        }
    }
    said.split_off(said.len().saturating_sub(2))
}
