//! The header that every file of the engine begins with.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `MANTISDB` |
//! | 8..12 | the kind of file: `STOR`, `SEGM` or `CKPT` |
//! | 12..16 | the version of the format: 2 for a store that has had attachments and a backup that carries some, else 1 |
//! | 16..24 | the store's identity, random |
//! | 24..32 | the salt of the file's checksums, random |
//! | 32..40 | the newest commit before the segment's first, the commit that a checkpoint shows, or the newest version that a store has used up beyond its log |
//! | 40..48 | when the file was made, in ms since the epoch |
//! | 48..56 | 0 |
//! | 56..64 | the checksum of the bytes before |
//!
//! Numbers are little-endian.

use super::codec::{Reader, checksum};
use crate::types::Version;

/// The length of a header, and the offset after it.
pub(crate) const HEADER_BYTES: usize = 64;
/// The newest version of the format.
pub(crate) const FORMAT: u32 = 2;
/// The version of a file that knows of no attachments. A file has the oldest version that it fits in, so that older programs read what
/// they understand.
pub(crate) const FORMAT_PLAIN: u32 = 1;
/// The first version with attachments.
pub(crate) const FORMAT_ATTACHMENTS: u32 = 2;

const MAGIC: &[u8; 8] = b"MANTISDB";
/// The seed of a header's checksum, because the salt is not known yet.
const HEADER_SALT: u64 = 0;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Store,
    Segment,
    Checkpoint,
}

impl Kind {
    fn tag(self) -> &'static [u8; 4] {
        match self {
            Self::Store => b"STOR",
            Self::Segment => b"SEGM",
            Self::Checkpoint => b"CKPT",
        }
    }
}

/// The format, identity, salt, version and time in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) store: u64,
    pub(crate) salt: u64,
    pub(crate) version: Version,
    pub(crate) time_ms: u64,
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// It is incomplete or damaged.
    Damaged,
    /// A later program wrote it, in this version of the format.
    Newer(u32),
}

impl Header {
    pub(crate) fn encode(self, kind: Kind) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(kind.tag());
        bytes[12..16].copy_from_slice(&self.format.to_le_bytes());
        for (place, number) in [self.store, self.salt, self.version, self.time_ms].into_iter().enumerate() {
            bytes[16 + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(HEADER_SALT, 0, &bytes[..56]);
        bytes[56..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(BadHeader::Damaged)?;
        let read = || {
            let mut reader = Reader(bytes);
            let begins_right = reader.take(8)? == MAGIC && reader.take(4)? == kind.tag();
            let format = reader.u32()?;
            let (store, salt, version, time_ms) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
            let header = Self { format, store, salt, version, time_ms };
            let is_whole = reader.u64()? == 0 && reader.u64()? == checksum(HEADER_SALT, 0, &bytes[..56]);
            begins_right.then_some((format, is_whole, header))
        };
        match read() {
            // The layout after the version is the later program's choice.
            Some((format, ..)) if format > FORMAT => Err(BadHeader::Newer(format)),
            Some((FORMAT_PLAIN..=FORMAT, true, header)) => Ok(header),
            _ => Err(BadHeader::Damaged),
        }
    }
}
