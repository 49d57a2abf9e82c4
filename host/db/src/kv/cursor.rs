//! Scan cursors: opaque positions, and the snapshots that make the pages of one scan show one moment.
//!
//! A cursor holds a format byte, the direction, the bucket's number, the snapshot's version, and the last key shown with its length.
//! While the snapshot is kept the scan goes on in it; after that the scan goes on by key in the newest state. Nothing in a cursor is
//! trusted: a made-up one can at most begin a scan somewhere else in the bucket that the caller may read anyway.

use std::collections::BTreeMap;
use std::sync::Arc;

use mantis_store::{Direction, Snapshot, Version};

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

/// Snapshots kept for cursors, by version: scans that began at the same commit share one.
#[derive(Debug)]
pub(crate) struct CursorSnapshots {
    kept: BTreeMap<Version, Kept>,
    count_max: usize,
    age_ms_max: u64,
}

#[derive(Debug)]
struct Kept {
    snapshot: Arc<Snapshot>,
    /// By the monotonic clock.
    used_us: u64,
}

impl CursorSnapshots {
    pub(crate) fn new(count_max: usize, age_ms_max: u64) -> Self {
        Self { kept: BTreeMap::new(), count_max, age_ms_max }
    }

    /// The snapshot at `version`, if it is still kept.
    pub(crate) fn get(&mut self, version: Version, now_us: u64) -> Option<Arc<Snapshot>> {
        let kept = self.kept.get_mut(&version)?;
        kept.used_us = now_us;
        Some(Arc::clone(&kept.snapshot))
    }

    /// Keeps a snapshot for the next page. When there is no room the one that was used longest ago goes, and is returned.
    pub(crate) fn keep(&mut self, snapshot: &Arc<Snapshot>, now_us: u64) -> Option<Arc<Snapshot>> {
        if self.count_max == 0 {
            return None;
        }
        let mut gone = None;
        if self.kept.len() >= self.count_max
            && !self.kept.contains_key(&snapshot.version())
            && let Some(idlest) = self.kept.iter().min_by_key(|(_, kept)| kept.used_us).map(|(&version, _)| version)
        {
            gone = self.kept.remove(&idlest).map(|kept| kept.snapshot);
        }
        self.kept.insert(snapshot.version(), Kept { snapshot: Arc::clone(snapshot), used_us: now_us });
        gone
    }

    /// Forgets a snapshot, because it turned out too old.
    pub(crate) fn forget(&mut self, version: Version) {
        self.kept.remove(&version);
    }

    /// Takes out those that nobody has used for the configured time.
    pub(crate) fn take_idle(&mut self, now_us: u64) -> Vec<Arc<Snapshot>> {
        let idle: Vec<_> = self
            .kept
            .iter()
            .filter(|(_, kept)| now_us.saturating_sub(kept.used_us) / 1_000 > self.age_ms_max)
            .map(|(&version, _)| version)
            .collect();
        idle.iter().filter_map(|version| self.kept.remove(version)).map(|kept| kept.snapshot).collect()
    }
}
