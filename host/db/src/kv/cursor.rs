//! Scan cursors: opaque positions.
//!
//! A cursor holds a format byte, the direction, the bucket's number, the snapshot's version, and the last key shown with its length.
//! While the snapshot is kept, the scan continues in it; after that it continues by key in the newest state. Nothing in a cursor is
//! trusted: a forged one can at most start a scan elsewhere in a bucket that the caller may read anyway.

use crate::engine::{Direction, Version};
use crate::keyspace::BucketId;
use crate::{Code, Result};

const FORMAT: u8 = 2;
const HEAD_BYTES: usize = 1 + 1 + 4 + 8 + 2;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScanCursor {
    pub(crate) direction: Direction,
    pub(crate) bucket: BucketId,
    pub(crate) version: Version,
    pub(crate) last_key: Vec<u8>,
}

impl ScanCursor {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.last_key.len());
        bytes.push(FORMAT);
        bytes.push(u8::from(self.direction == Direction::Reverse));
        bytes.extend_from_slice(&self.bucket.0.to_be_bytes());
        bytes.extend_from_slice(&self.version.to_be_bytes());
        // Tells a cursor that was cut from one of a shorter key. Keys have at most 4,096 bytes.
        bytes.extend_from_slice(&u16::try_from(self.last_key.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(&self.last_key);
        bytes
    }

    /// Reads a cursor, which must belong to a scan of this bucket in this direction.
    pub(crate) fn decode(bytes: &[u8], bucket: BucketId, direction: Direction) -> Result<Self> {
        let cursor = Self::parse(bytes).ok_or(Code::CursorInvalid)?;
        if cursor.bucket == bucket && cursor.direction == direction {
            Ok(cursor)
        } else {
            Err(Code::CursorInvalid.into())
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, last_key) = bytes.split_at_checked(HEAD_BYTES)?;
        let direction = match (head[0], head[1]) {
            (FORMAT, 0) => Direction::Forward,
            (FORMAT, 1) => Direction::Reverse,
            _ => return None,
        };
        if usize::from(u16::from_be_bytes(head[14..16].try_into().ok()?)) != last_key.len() {
            return None;
        }
        Some(Self {
            direction,
            bucket: BucketId(u32::from_be_bytes(head[2..6].try_into().ok()?)),
            version: Version::from_be_bytes(head[6..14].try_into().ok()?),
            last_key: last_key.to_vec(),
        })
    }
}
