//! The bytes of a checkpoint; a backup has the same format.
//!
//! After the header (see [`super::header`]) come blocks, and at the end a block with the number of entries:
//!
//! | bytes of a block | what |
//! |---|---|
//! | 0..8 | the checksum of all that follows, salted with the file's salt and the block's place |
//! | 8..12 | the length of the entries in bytes |
//! | 12..16 | how many there are; 0 in the last block, whose 8 bytes are the number of entries in the file |
//! | 16.. | the entries, in the order of their keys |
//!
//! A backup of format 2 goes on with the attachments that its entries refer to, in blocks with the same first 12 bytes:
//!
//! | bytes of a block | what |
//! |---|---|
//! | 12..16 | 1; 0 in the last block, whose 8 bytes are the number of attachments in the file |
//! | 16..48 | the name of an attachment |
//! | 48.. | its next bytes; what follows under the same name continues it |
//!
//! Attachments are in the order of their names, each once.
//!
//! An entry is the key, the version, the time and the deadline plus one (0: none) as numbers, and the value.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::codec::{Reader, checksum, put_counted, put_number};
use super::header::{BadHeader, FORMAT, FORMAT_ATTACHMENTS, HEADER_BYTES, Header, Kind};
use crate::mutants::mutant;
use crate::types::{AttachmentId, Checkpoint, NEVER_MS, Version};

const BLOCK_BYTES: usize = 256 << 10;
const BLOCK_HEADER_BYTES: usize = 16;
/// Bytes of an attachment in a block.
#[cfg(not(target_family = "wasm"))]
pub(crate) const PIECE_BYTES: usize = 256 << 10;
/// Bytes of a block that are read first, then doubled while there are more: a damaged length costs little more memory than the file has
/// bytes.
const STEP_BYTES: usize = 64 << 10;

/// The place and kind of damage in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("offset {offset}: {what}")]
pub struct Damage {
    /// The offset in bytes.
    pub offset: u64,
    /// The damage.
    pub what: &'static str,
}

/// Why a checkpoint or a backup could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is damaged or incomplete.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A later program wrote it, in this version of the format.
    #[error("it is in format {0}, which this program cannot read (it reads format {known})", known = FORMAT)]
    Newer(u32),
    /// Reading failed.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

/// Writes blocks.
pub(crate) struct BlockWriter {
    salt: u64,
    /// The start of the current block.
    offset: u64,
    block: Vec<u8>,
    count: u32,
    entries: u64,
}

impl BlockWriter {
    /// Starts after the header of a file with this salt.
    pub(crate) fn new(salt: u64) -> Self {
        Self { salt, offset: HEADER_BYTES as u64, block: vec![0; BLOCK_HEADER_BYTES], count: 0, entries: 0 }
    }

    pub(crate) fn put(&mut self, entry: &StoredEntry<'_>) {
        put_entry(&mut self.block, entry);
        self.count += 1;
        self.entries += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.block.len() >= BLOCK_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Completes the current block, and begins the next.
    ///
    /// # Errors
    /// It exceeds the 4 GiB of a block.
    pub(crate) fn take(&mut self) -> io::Result<Vec<u8>> {
        let mut block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES + (BLOCK_BYTES >> 4)));
        self.block.resize(BLOCK_HEADER_BYTES, 0);
        let length = u32::try_from(block.len() - BLOCK_HEADER_BYTES).map_err(|_| io::ErrorKind::FileTooLarge)?;
        block[8..12].copy_from_slice(&length.to_le_bytes());
        block[12..16].copy_from_slice(&self.count.to_le_bytes());
        let sum = checksum(self.salt, self.offset, &block[8..]);
        block[..8].copy_from_slice(&sum.to_le_bytes());
        self.offset += block.len() as u64;
        self.count = 0;
        Ok(block)
    }

    /// The last block.
    pub(crate) fn end(&mut self) -> io::Result<Vec<u8>> {
        self.block.extend_from_slice(&self.entries.to_le_bytes());
        self.take()
    }

    /// A block with the next bytes of an attachment, after the last block of entries.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn piece(&mut self, id: &AttachmentId, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.block.extend_from_slice(id.hash());
        self.block.extend_from_slice(bytes);
        self.count = 1;
        self.take()
    }

    /// The last block after attachments.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn end_of_attachments(&mut self, attachments: u64) -> io::Result<Vec<u8>> {
        self.block.extend_from_slice(&attachments.to_le_bytes());
        self.take()
    }

    /// Entries so far.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes of the file so far, without the current block.
    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }
}

pub(crate) fn put_entry(block: &mut Vec<u8>, entry: &StoredEntry<'_>) {
    put_counted(block, entry.key);
    put_number(block, entry.version);
    put_number(block, entry.time_ms);
    let has_deadline = entry.deadline_ms != NEVER_MS && !mutant!("checkpoint-without-deadlines");
    put_number(block, if has_deadline { entry.deadline_ms + 1 } else { 0 });
    put_counted(block, entry.value);
}

/// An entry in the form of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredEntry<'b> {
    pub(crate) key: &'b [u8],
    pub(crate) version: Version,
    pub(crate) time_ms: u64,
    /// [`NEVER_MS`] if there is none.
    pub(crate) deadline_ms: u64,
    pub(crate) value: &'b [u8],
}

impl<'b> StoredEntry<'b> {
    fn decode(reader: &mut Reader<'b>) -> Option<Self> {
        let key = reader.counted()?;
        let (version, time_ms, deadline) = (reader.number()?, reader.number()?, reader.number()?);
        let deadline_ms = if deadline == 0 { NEVER_MS } else { deadline - 1 };
        Some(Self { key, version, time_ms, deadline_ms, value: reader.counted()? })
    }
}

/// Reads blocks in order.
pub(crate) struct BlockReader<'s> {
    source: &'s mut dyn Read,
    pub(crate) header: Header,
    /// The last block read, in the form of the file.
    pub(crate) block: Vec<u8>,
    /// Its offset.
    pub(crate) offset: u64,
    entries: u64,
    last_key: Option<Vec<u8>>,
    /// Whole attachments so far.
    attachments: u64,
    /// The attachment that is being read, and its hash so far.
    attachment: Option<(AttachmentId, Sha256)>,
}

impl<'s> BlockReader<'s> {
    /// Reads the header.
    pub(crate) fn begin(source: &'s mut dyn Read) -> Result<Self, Unreadable> {
        let mut bytes = vec![0; HEADER_BYTES];
        let got = fill(source, &mut bytes)?;
        let header = Header::decode(Kind::Checkpoint, &bytes[..got]).map_err(|bad| match bad {
            BadHeader::Damaged => Unreadable::Damaged(Damage { offset: 0, what: "its header is damaged" }),
            BadHeader::Newer(format) => Unreadable::Newer(format),
        })?;
        Ok(Self {
            source,
            header,
            block: bytes,
            offset: 0,
            entries: 0,
            last_key: None,
            attachments: 0,
            attachment: None,
        })
    }

    /// Reads a block and shows `see` its entries. Returns `None`, or after the last block what the file has in all.
    pub(crate) fn next(
        &mut self,
        mut see: impl FnMut(StoredEntry<'_>),
    ) -> Result<Option<(Header, Checkpoint)>, Unreadable> {
        self.offset += self.block.len() as u64;
        let damaged = Damages(self.offset);
        self.read_block()?;
        let count = Reader(&self.block[12..]).u32().unwrap_or(0);
        let mut reader = Reader(&self.block[BLOCK_HEADER_BYTES..]);
        if count == 0 {
            if reader.u64() != Some(self.entries) || !reader.is_empty() {
                return damaged.say("its number of entries is wrong");
            }
            let bytes = self.offset + self.block.len() as u64;
            if !self.has_attachments() {
                self.check_end(bytes)?;
            }
            let whole = Checkpoint { version: self.header.version, entries: self.entries, bytes };
            return Ok(Some((self.header, whole)));
        }
        for _ in 0..count {
            let Some(entry) = StoredEntry::decode(&mut reader) else { return damaged.say("an entry is malformed") };
            if entry.version == 0 || entry.version > self.header.version {
                return damaged.say("an entry has a version that the file cannot contain");
            }
            if self.last_key.as_ref().is_some_and(|last| last[..] >= *entry.key) {
                return damaged.say("its keys are out of order");
            }
            let last_key = self.last_key.get_or_insert_default();
            last_key.clear();
            last_key.extend_from_slice(entry.key);
            see(entry);
        }
        if !reader.is_empty() {
            return damaged.say("an entry is malformed");
        }
        self.entries += u64::from(count);
        Ok(None)
    }

    /// Whether attachments follow the entries.
    pub(crate) fn has_attachments(&self) -> bool {
        self.header.format >= FORMAT_ATTACHMENTS
    }

    /// Reads a block after the entries: an attachment, and its next bytes. Returns the length of the file after the last block, when every
    /// attachment was whole.
    pub(crate) fn next_piece(&mut self) -> Result<Piece<'_>, Unreadable> {
        self.offset += self.block.len() as u64;
        let damaged = Damages(self.offset);
        self.read_block()?;
        let end = self.offset + self.block.len() as u64;
        let mut reader = Reader(&self.block[12..]);
        let count = reader.u32().unwrap_or(0);
        if count == 0 {
            let number = reader.u64().filter(|_| reader.is_empty());
            self.attachments += u64::from(self.attachment.is_some());
            self.finish_attachment()?;
            if number != Some(self.attachments) {
                return damaged.say("its number of attachments is wrong");
            }
            self.check_end(end)?;
            return Ok(Piece::End { bytes: end });
        }
        let id = reader.take(AttachmentId::BYTES).and_then(|hash| hash.try_into().ok()).map(AttachmentId::from_hash);
        let Some(id) = id.filter(|_| count == 1) else { return damaged.say("a block of an attachment is malformed") };
        match &self.attachment {
            Some((last, _)) if *last == id => {}
            Some((last, _)) if *last > id => return damaged.say("its attachments are out of order"),
            _ => {
                self.attachments += u64::from(self.attachment.is_some());
                self.finish_attachment()?;
                self.attachment = Some((id, Sha256::new()));
            }
        }
        let bytes = &self.block[BLOCK_HEADER_BYTES + AttachmentId::BYTES..];
        if let Some((_, hash)) = &mut self.attachment {
            hash.update(bytes);
        }
        Ok(Piece::Bytes { id, bytes })
    }

    /// Checks the attachment that has just ended against its name.
    fn finish_attachment(&mut self) -> Result<(), Unreadable> {
        let Some((id, hash)) = self.attachment.take() else { return Ok(()) };
        if AttachmentId::from_hash(hash.finalize().into()) == id {
            return Ok(());
        }
        Damages(self.offset).say("the attachment before is not what its name says")
    }

    fn check_end(&mut self, bytes: u64) -> Result<(), Unreadable> {
        if fill(self.source, &mut [0])? > 0 { Damages(bytes).say("there are bytes after its end") } else { Ok(()) }
    }

    fn read_block(&mut self) -> Result<(), Unreadable> {
        let damaged = Damages(self.offset);
        let block = &mut self.block;
        block.resize(BLOCK_HEADER_BYTES, 0);
        if fill(self.source, block)? < BLOCK_HEADER_BYTES {
            return damaged.say("it is truncated");
        }
        let end = Reader(&block[8..]).u32().and_then(|length| usize::try_from(length).ok());
        let Some(end) = end.and_then(|length| length.checked_add(BLOCK_HEADER_BYTES)) else {
            return damaged.say("a block does not fit into memory");
        };
        while block.len() < end {
            let had = block.len();
            block.resize(end.min(had + had.max(STEP_BYTES)), 0);
            if fill(self.source, &mut block[had..])? < block.len() - had {
                return damaged.say("it is truncated, or a block is damaged");
            }
        }
        if Reader(block).u64() != Some(checksum(self.header.salt, self.offset, &block[8..])) {
            return damaged.say("a block is damaged");
        }
        Ok(())
    }
}

/// A block after the entries.
pub(crate) enum Piece<'b> {
    /// The next bytes of this attachment.
    Bytes { id: AttachmentId, bytes: &'b [u8] },
    /// The last block; the length of the file.
    End { bytes: u64 },
}

/// Makes errors about one offset.
#[derive(Clone, Copy)]
struct Damages(u64);

impl Damages {
    fn say<T>(self, what: &'static str) -> Result<T, Unreadable> {
        Err(Damage { offset: self.0, what }.into())
    }
}

/// Shows `see` the entries of a checkpoint in order, and returns its header and what was in it.
///
/// Entries are shown before the end is verified: after an error they are worthless.
pub(crate) fn read(
    source: &mut dyn Read,
    mut see: impl FnMut(StoredEntry<'_>),
) -> Result<(Header, Checkpoint), Unreadable> {
    read_parts(source, &mut |part| {
        if let BlockPart::Entry(entry) = part {
            see(entry);
        }
    })
}

/// What [`read_parts`] shows.
pub(crate) enum BlockPart<'b> {
    Entry(StoredEntry<'b>),
    /// The next bytes of this attachment are there.
    Attachment(AttachmentId),
}

/// As [`read`], and shows the attachments as well, each once or more.
pub(crate) fn read_parts(
    source: &mut dyn Read,
    see: &mut dyn FnMut(BlockPart<'_>),
) -> Result<(Header, Checkpoint), Unreadable> {
    let mut reader = BlockReader::begin(source)?;
    loop {
        if let Some((header, mut whole)) = reader.next(|entry| see(BlockPart::Entry(entry)))? {
            while reader.has_attachments() {
                match reader.next_piece()? {
                    Piece::Bytes { id, .. } => see(BlockPart::Attachment(id)),
                    Piece::End { bytes } => {
                        whole.bytes = bytes;
                        break;
                    }
                }
            }
            return Ok((header, whole));
        }
    }
}

/// Fills `buffer` as far as there are bytes, and returns how many were read.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match source.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
