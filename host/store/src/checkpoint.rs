//! Checkpoints: the whole store at one commit, in one file.
//!
//! Behind the header (see `log::header`) stand blocks, and at the end a block that tells how much there was:
//!
//! | bytes of a block | what |
//! |---|---|
//! | 0..8 | the checksum of all that follows, salted with the file's salt and the block's place |
//! | 8..12 | the length of the entries in bytes |
//! | 12..16 | how many there are; 0 in the last block, whose 8 bytes are the number of entries in the file |
//! | 16.. | the entries, in the order of their keys |
//!
//! An entry is the key, the version, the time and the deadline plus one (0: none) as numbers, and the value.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, read_full, write_all};
use crate::durable::Durable;
use crate::log::codec::{Reader, checksum, put_counted, put_number};
use crate::log::header::{BadHeader, HEADER_BYTES, Header, Kind};
use crate::log::names;
use crate::log::writer::Segment;
use crate::record::{Found, NEVER_MS, Node, NodeExt};
use crate::store::Inner;
use crate::{Direction, KeyRange, Snapshot, Store, Version};

/// Checkpoints that are kept.
const KEPT: usize = 2;
const BLOCK_BYTES: usize = 256 << 10;
const BLOCK_HEADER_BYTES: usize = 16;
/// A block that says it is longer is damaged: the largest entry has a key and a value of 4 GiB at most.
const BLOCK_BYTES_MAX: u64 = u32::MAX as u64;

/// What a checkpoint came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit that it shows.
    pub version: Version,
    /// Keys in it.
    pub entries: u64,
    /// Its length.
    pub bytes: u64,
}

/// Where and how a file is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
}

/// Why a checkpoint could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Damaged(Damage),
    Newer(u32),
    Io(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Which checkpoints there are, and when the next one is due.
pub(crate) struct Checkpoints {
    /// Oldest first; two of them.
    kept: Mutex<Vec<Checkpoint>>,
    log_bytes_max: u64,
    /// Bytes of log written when the next attempt is due.
    due_at_bytes: AtomicU64,
}

impl Checkpoints {
    pub(crate) fn new(log_bytes_max: u64, newest: Option<Checkpoint>) -> Self {
        let checkpoints = Self { kept: Mutex::default(), log_bytes_max, due_at_bytes: AtomicU64::new(log_bytes_max) };
        checkpoints.kept.lock().extend(newest);
        checkpoints
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<Checkpoint> {
        self.kept.lock().last().copied()
    }
}

struct Blocks<'d> {
    file: &'d dyn DiskFile,
    salt: u64,
    offset: u64,
    block: Vec<u8>,
    count: u32,
    entries: u64,
}

impl Blocks<'_> {
    fn put(&mut self, key: &[u8], node: &Node) -> io::Result<()> {
        put_entry(&mut self.block, key, node);
        self.count += 1;
        self.entries += 1;
        if self.block.len() >= BLOCK_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        let length = self.block.len() - BLOCK_HEADER_BYTES;
        let length = u32::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.block[8..12].copy_from_slice(&length.to_le_bytes());
        self.block[12..16].copy_from_slice(&self.count.to_le_bytes());
        let sum = checksum(self.salt, self.offset, &self.block[8..]);
        self.block[..8].copy_from_slice(&sum.to_le_bytes());
        write_all(self.file, &self.block, self.offset)?;
        self.offset += self.block.len() as u64;
        self.block.truncate(BLOCK_HEADER_BYTES);
        self.count = 0;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.count > 0 {
            self.write()?;
        }
        self.block.extend_from_slice(&self.entries.to_le_bytes());
        self.write()
    }
}

impl Store {
    /// Whether so much log was written since the last checkpoint that another one is due.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        let Some(durable) = &self.0.durable else { return false };
        durable.figures.bytes.load(Ordering::Relaxed) >= durable.checkpoints.due_at_bytes.load(Ordering::Relaxed)
    }

    /// Writes a checkpoint beside all other work, and removes the older ones but one, with the segments of the log that neither they
    /// nor the change feed need. None when nothing was committed since the last one, or the store is in memory.
    ///
    /// # Errors
    /// The disk's. All that the store needs is still there then, and an attempt is due again after an eighth of the log that is due
    /// otherwise; where only the removal failed, the checkpoint counts.
    pub fn checkpoint(&self) -> io::Result<Option<Checkpoint>> {
        let Some(durable) = &self.0.durable else { return Ok(None) };
        let mut kept = durable.checkpoints.kept.lock();
        let snapshot = Snapshot::take_ageless(&self.0);
        if kept.last().map_or(0, |newest| newest.version) == snapshot.version() {
            return Ok(None);
        }
        let written = durable.figures.bytes.load(Ordering::Relaxed);
        let wait = durable.checkpoints.log_bytes_max;
        durable.checkpoints.due_at_bytes.store(written + wait / 8, Ordering::Relaxed);
        // Behind a checkpoint there is no gap in the log, whatever the policy.
        self.0.sync_written(durable);
        if durable.is_failed() {
            return Err(io::Error::other("the disk has failed before"));
        }
        let checkpoint = self.0.write_checkpoint(&*durable.disk, durable.store, &snapshot)?;
        drop(snapshot);
        durable.checkpoints.due_at_bytes.store(written + wait.max(checkpoint.bytes / 2), Ordering::Relaxed);
        kept.push(checkpoint);
        if kept.len() > KEPT {
            kept.remove(0);
        }
        self.0.remove_unneeded(durable, &kept)?;
        Ok(Some(checkpoint))
    }
}

impl Inner {
    /// Removes checkpoints beyond those kept, and segments that nobody needs.
    fn remove_unneeded(&self, durable: &Durable, kept: &[Checkpoint]) -> io::Result<()> {
        for name in durable.disk.list()? {
            let is_kept = |version| kept.iter().any(|checkpoint| checkpoint.version == version);
            if names::checkpoint_of(&name).is_some_and(|version| !is_kept(version)) {
                durable.disk.remove(&name)?;
            }
        }
        durable.disk.sync_directory()?;
        // A single checkpoint has nothing to fall back on but the whole log.
        let Some(oldest) = kept.first().filter(|_| kept.len() == KEPT) else { return Ok(()) };
        let dropped = self.feed.dropped();
        let is_needed = |segment: &Segment| segment.last > oldest.version || segment.last > dropped;
        self.with_log(durable, |end| end.writer.remove_unneeded(is_needed)).map(drop)
    }

    /// Writes what `snapshot` shows into a file of its own, and gives it its name when all of it is durable.
    pub(crate) fn write_checkpoint(&self, disk: &dyn Disk, store: u64, snapshot: &Snapshot) -> io::Result<Checkpoint> {
        let version = snapshot.version();
        let name = names::checkpoint(version);
        let unfinished = format!("{name}{}", names::UNFINISHED);
        let written = self.write_unfinished(disk, store, version, &unfinished);
        let written = written.and_then(|checkpoint| {
            disk.rename(&unfinished, &name)?;
            disk.sync_directory()?;
            Ok(checkpoint)
        });
        if written.is_err() {
            // It may not even exist; the next start removes what is left of it.
            let _ = disk.remove(&unfinished);
        }
        written
    }

    fn write_unfinished(&self, disk: &dyn Disk, store: u64, version: Version, name: &str) -> io::Result<Checkpoint> {
        let salt = self.random.next_u64();
        // An attempt that failed at the same commit may have left something.
        match disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(name)?;
        let header = Header { store, salt, version, time_ms: self.clock.now_ms() };
        write_all(&*file, &header.encode(Kind::Checkpoint), 0)?;
        let block = vec![0; BLOCK_HEADER_BYTES];
        let mut blocks = Blocks { file: &*file, salt, offset: HEADER_BYTES as u64, block, count: 0, entries: 0 };
        let mut outcome = Ok(());
        self.walk(&KeyRange::all(), Direction::Forward, &mut |record| {
            if let Found::Node(put) = record.at(version, |node| {
                // What has expired is still there until a commit removes it.
                if node.about().is_deletion { Ok(()) } else { blocks.put(&record.key, node) }
            }) {
                outcome = put;
            }
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        outcome?;
        blocks.end()?;
        let checkpoint = Checkpoint { version, entries: blocks.entries, bytes: blocks.offset };
        file.sync()?;
        Ok(checkpoint)
    }
}

/// Shows `see` the entries of a checkpoint in order, and returns its header and what was in it.
///
/// Entries are shown before the end is known to be right: after an error they count for nothing.
pub(crate) fn read(file: &dyn DiskFile, mut see: impl FnMut(&[u8], Node)) -> Result<(Header, Checkpoint), Unreadable> {
    let size = file.size()?;
    let mut bytes = vec![0; HEADER_BYTES];
    let got = read_full(file, &mut bytes, 0)?;
    let header = Header::decode(Kind::Checkpoint, &bytes[..got]).map_err(|bad| match bad {
        BadHeader::Damaged => Unreadable::Damaged(Damage { offset: 0, what: "its header is not what was written" }),
        BadHeader::Newer(format) => Unreadable::Newer(format),
    })?;
    let (mut offset, mut entries) = (HEADER_BYTES as u64, 0);
    loop {
        let damaged = |what| Unreadable::Damaged(Damage { offset, what });
        read_block(file, &mut bytes, offset, size, header.salt)?;
        let count = Reader(&bytes[12..]).u32().unwrap_or(0);
        let mut reader = Reader(&bytes[BLOCK_HEADER_BYTES..]);
        if count == 0 {
            if reader.u64() != Some(entries) || !reader.is_empty() {
                return Err(damaged("it does not hold as many entries as it says"));
            }
            offset += bytes.len() as u64;
            if offset != size {
                return Err(Unreadable::Damaged(Damage { offset, what: "something follows its end" }));
            }
            return Ok((header, Checkpoint { version: header.version, entries, bytes: size }));
        }
        for _ in 0..count {
            let (key, node) = entry(&mut reader).ok_or_else(|| damaged("an entry is not one"))?;
            see(key, node);
        }
        if !reader.is_empty() {
            return Err(damaged("an entry is not one"));
        }
        entries += u64::from(count);
        offset += bytes.len() as u64;
    }
}

/// Reads the block at `offset` into `bytes`.
fn read_block(file: &dyn DiskFile, bytes: &mut Vec<u8>, offset: u64, size: u64, salt: u64) -> Result<(), Unreadable> {
    let damaged = |what| Unreadable::Damaged(Damage { offset, what });
    bytes.resize(BLOCK_HEADER_BYTES, 0);
    if read_full(file, bytes, offset)? < BLOCK_HEADER_BYTES {
        return Err(damaged("it ends too early"));
    }
    let length = Reader(&bytes[8..]).u32().map_or(BLOCK_BYTES_MAX, u64::from);
    if length > size - offset - BLOCK_HEADER_BYTES as u64 {
        return Err(damaged("it ends too early, or a block is not what was written"));
    }
    let length = usize::try_from(length).map_err(|_| damaged("a block does not fit into memory"))?;
    bytes.resize(BLOCK_HEADER_BYTES + length, 0);
    if read_full(file, &mut bytes[BLOCK_HEADER_BYTES..], offset + BLOCK_HEADER_BYTES as u64)? < length {
        return Err(damaged("it ends too early"));
    }
    if Reader(bytes).u64() != Some(checksum(salt, offset, &bytes[8..])) {
        return Err(damaged("a block is not what was written"));
    }
    Ok(())
}

pub(crate) fn put_entry(block: &mut Vec<u8>, key: &[u8], node: &Node) {
    let about = node.about();
    put_counted(block, key);
    put_number(block, about.version);
    put_number(block, about.time_ms);
    put_number(block, node.expires_at_ms().map_or(0, |at_ms| at_ms + 1));
    put_counted(block, &node.slice);
}

fn entry<'b>(reader: &mut Reader<'b>) -> Option<(&'b [u8], Node)> {
    let key = reader.counted()?;
    let (version, time_ms, deadline) = (reader.number()?, reader.number()?, reader.number()?);
    let value = reader.counted()?;
    let deadline_ms = if deadline == 0 { NEVER_MS } else { deadline - 1 };
    Some((key, Node::create(version, time_ms, deadline_ms, Some(value))))
}
