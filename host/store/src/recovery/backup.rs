//! Backups: the whole store at one commit, handed out piece by piece beside all other work.

use std::io::{self, Read};
use std::ops::ControlFlow;

use crate::engine::{NodeExt, Snapshot, Store};
use crate::format::{BlockWriter, Header, Kind, StoredEntry, Unreadable, read_checkpoint};
use crate::mutants::mutant;
use crate::types::{Checkpoint, Direction, KeyRange, Version};

/// Bytes of an entry beside key and value, about: lengths, version, time, deadline.
const ENTRY_BYTES: u64 = 12;

/// The bytes of a checkpoint file, piece by piece: the header, blocks of about 256 KiB, and a block that says that this was all.
///
/// The versions that it shows stay in memory while it is taken on: between two pieces there may be as much time as a snapshot may be
/// held ([`Options::snapshot_age_ms_max`](crate::Options)), however long it takes in all. It holds nobody up.
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
    /// None once it is handed out.
    header: Option<Header>,
    /// The keys that are still to come.
    rest: Option<KeyRange>,
    blocks: BlockWriter,
    is_complete: bool,
}

impl Backup {
    /// What `snapshot` shows, as a file of the store `store`.
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

    /// About how many bytes there will be in all.
    #[must_use]
    pub fn bytes_estimate(&self) -> u64 {
        let stats = self.snapshot.store().lock_writer().stats.clone();
        stats.key_bytes + stats.value_bytes + stats.keys * ENTRY_BYTES
    }

    fn piece(&mut self) -> io::Result<Vec<u8>> {
        self.fill();
        // After the read, as always.
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

    /// Puts entries into the block under way until it is full or there are no more.
    fn fill(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        let version = mutant!("backup-of-no-moment" => Version::MAX, or self.snapshot.version());
        let blocks = &mut self.blocks;
        let mut last: Option<Box<[u8]>> = None;
        self.snapshot.store().walk(&rest, Direction::Forward, &mut |record| {
            record.at(version, |node| {
                // What has expired is still there until a commit removes it.
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

    /// The next piece. [`TimedOut`](io::ErrorKind::TimedOut) when it was not taken on for too long, and
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) for an entry that is longer than the format can say (4 GiB): nothing comes then.
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
    /// A backup of the store as it is visible now.
    #[must_use]
    pub fn backup(&self) -> Backup {
        // A store in memory has no identity, and nobody asks a backup for it.
        Backup::new(Snapshot::take(&self.0), self.identity().unwrap_or(0))
    }
}

/// Reads a whole backup, and says what is in it.
///
/// # Errors
/// It is not what was written, or not all of it; a later program wrote it; reading failed.
pub fn verify(backup: &mut dyn Read) -> Result<Checkpoint, Unreadable> {
    read_checkpoint(backup, |_| {}).map(|(_, whole)| whole)
}
