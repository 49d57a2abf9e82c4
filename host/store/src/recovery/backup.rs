//! Backups: the whole store at one commit, handed out in pieces while the store is in use.

use std::io::{self, Read};
use std::ops::ControlFlow;

use crate::engine::{NodeExt, Snapshot, Store};
use crate::format::{BlockWriter, Header, Kind, StoredEntry, Unreadable, read_checkpoint};
use crate::mutants::mutant;
use crate::types::{Checkpoint, Direction, KeyRange, Version};

/// Approximate bytes of an entry besides key and value: lengths, version, time, deadline.
const ENTRY_BYTES: u64 = 12;

/// The bytes of a checkpoint file in pieces: the header, blocks of about 256 KiB, and a block that marks the end.
///
/// The versions that it shows stay in memory while pieces are taken. Between two pieces there may be as much time as a snapshot may be held
/// ([`Options::snapshot_age_ms_max`](crate::Options)), however long the backup takes in all. It delays nobody.
///
/// ```
/// # use std::sync::Arc;
/// # use mantis_store::{ManualClock, Options, SeededRandom, Store, verify};
/// # let store = Store::new(Options::new(Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(1))));
/// let file = store.backup().collect::<Result<Vec<_>, _>>()?.concat();
/// assert_eq!(verify(&mut &file[..])?.entries, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Backup {
    snapshot: Snapshot,
    /// `None` after it was handed out.
    header: Option<Header>,
    /// The keys that are left.
    rest: Option<KeyRange>,
    blocks: BlockWriter,
    is_complete: bool,
}

impl Backup {
    /// The contents of `snapshot`, as a file of the store `store`.
    pub(crate) fn new(snapshot: Snapshot, store: u64) -> Self {
        let inner = snapshot.store();
        let (salt, time_ms) = (inner.random.next_u64(), inner.clock.now_ms());
        let header = Header { store, salt, version: snapshot.version(), time_ms };
        let (rest, blocks) = (Some(KeyRange::all()), BlockWriter::new(salt));
        Self { snapshot, header: Some(header), rest, blocks, is_complete: false }
    }

    /// The commit that it shows.
    #[must_use]
    pub fn version(&self) -> Version {
        self.snapshot.version()
    }

    /// What was handed out so far.
    #[must_use]
    pub fn so_far(&self) -> Checkpoint {
        Checkpoint { version: self.version(), entries: self.blocks.entries(), bytes: self.blocks.bytes() }
    }

    /// The approximate number of bytes in all.
    #[must_use]
    pub fn bytes_estimate(&self) -> u64 {
        let stats = self.snapshot.store().lock_writer().stats.clone();
        stats.key_bytes + stats.value_bytes + stats.keys * ENTRY_BYTES
    }

    fn piece(&mut self) -> io::Result<Vec<u8>> {
        self.fill();
        // Checked after the read, as always.
        if self.snapshot.still_pinned().is_err() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the backup was not continued for too long"));
        }
        self.snapshot.renew();
        if self.blocks.is_empty() {
            self.is_complete = true;
            return self.blocks.end();
        }
        self.blocks.take()
    }

    /// Adds entries to the current block until it is full or there are no more.
    fn fill(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        let version = mutant!("backup-of-no-moment" => Version::MAX, or self.snapshot.version());
        let blocks = &mut self.blocks;
        let mut last: Option<Box<[u8]>> = None;
        self.snapshot.store().walk(&rest, Direction::Forward, &mut |record| {
            record.at(version, |node| {
                // Expired keys are still there until a commit removes them.
                if !node.about().is_deletion {
                    let about = node.about();
                    blocks.put(&StoredEntry {
                        key: record.key(),
                        version: about.version,
                        time_ms: about.time_ms,
                        deadline_ms: about.deadline_ms,
                        value: &node.slice,
                    });
                }
            });
            if blocks.is_full() {
                last = Some(record.key().into());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.rest = last.map(|last| rest.after(&last, Direction::Forward));
    }
}

impl Iterator for Backup {
    type Item = io::Result<Vec<u8>>;

    /// The next piece. [`TimedOut`](io::ErrorKind::TimedOut) if the caller waited too long, and
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) for an entry that exceeds the format's 4 GiB: nothing follows these.
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(header) = self.header.take() {
            return Some(Ok(header.encode(Kind::Checkpoint).to_vec()));
        }
        if self.is_complete {
            return None;
        }
        let piece = self.piece();
        self.is_complete |= piece.is_err();
        Some(piece)
    }
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("so_far", &self.so_far()).finish_non_exhaustive()
    }
}

impl Store {
    /// A backup of the store's current visible state.
    #[must_use]
    pub fn backup(&self) -> Backup {
        // A store in memory has no identity, and no backup of it needs one.
        Backup::new(Snapshot::take(&self.0), self.identity().unwrap_or(0))
    }
}

/// Reads a whole backup, and returns what is in it.
///
/// # Errors
/// It is damaged or incomplete; a later program wrote it; reading failed.
pub fn verify(backup: &mut dyn Read) -> Result<Checkpoint, Unreadable> {
    read_checkpoint(backup, |_| {}).map(|(_, whole)| whole)
}
