//! Backups: the whole store at one commit, handed out in pieces while the store is in use.

use std::io::{self, Read};
use std::ops::ControlFlow;

use super::outcome::Part;
#[cfg(not(target_family = "wasm"))]
use super::sent::Sent;
use crate::engine::{NodeExt, Snapshot, Store};
#[cfg(not(target_family = "wasm"))]
use crate::format::FORMAT_ATTACHMENTS;
use crate::format::{BlockPart, BlockWriter, FORMAT_PLAIN, Header, Kind, StoredEntry, Unreadable, read_parts};
use crate::mutants::mutant;
#[cfg(not(target_family = "wasm"))]
use crate::types::AttachmentId;
use crate::types::{Checkpoint, Direction, KeyRange, Version};

/// Approximate bytes of an entry besides key and value: lengths, version, time, deadline.
const ENTRY_BYTES: u64 = 12;

/// The bytes of a checkpoint file in pieces: the header, blocks of about 256 KiB, and a block that marks the end. Where the store has
/// attachments, they follow in blocks of the same kind. One whose file is missing or damaged is left out; [`verify_showing`] tells.
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
    /// The attachments, after the entries; none in a checkpoint.
    #[cfg(not(target_family = "wasm"))]
    sent: Option<Sent>,
    has_entries: bool,
    is_complete: bool,
}

impl Backup {
    /// The contents of `snapshot`, as a file of the store `store`.
    pub(crate) fn new(snapshot: Snapshot, store: u64) -> Self {
        let inner = snapshot.store();
        let (salt, time_ms) = (inner.random.next_u64(), inner.clock.now_ms());
        let header = Header { format: FORMAT_PLAIN, store, salt, version: snapshot.version(), time_ms };
        let (rest, blocks) = (Some(KeyRange::all()), BlockWriter::new(salt));
        Self {
            snapshot,
            header: Some(header),
            rest,
            blocks,
            #[cfg(not(target_family = "wasm"))]
            sent: None,
            has_entries: true,
            is_complete: false,
        }
    }

    /// With the attachments that the snapshot refers to.
    #[cfg(not(target_family = "wasm"))]
    fn with_attachments(mut self) -> Self {
        self.sent = Sent::of(&self.snapshot);
        if let (Some(header), Some(_)) = (&mut self.header, &self.sent) {
            header.format = FORMAT_ATTACHMENTS;
        }
        self
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

    /// Attachments that were left out so far: their files are missing or damaged.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn attachments_left_out(&self) -> &[AttachmentId] {
        self.sent.as_ref().map_or(&[], Sent::left_out)
    }

    /// The approximate number of bytes in all.
    #[must_use]
    pub fn bytes_estimate(&self) -> u64 {
        let stats = self.snapshot.store().lock_writer().stats.clone();
        #[cfg(not(target_family = "wasm"))]
        let attachments = self.sent.as_ref().map_or(0, Sent::bytes);
        #[cfg(target_family = "wasm")]
        let attachments = 0;
        stats.key_bytes + stats.value_bytes + stats.entries * ENTRY_BYTES + attachments
    }

    fn piece(&mut self) -> io::Result<Vec<u8>> {
        #[cfg(not(target_family = "wasm"))]
        if let (false, Some(sent)) = (self.has_entries, &mut self.sent) {
            let (piece, is_last) = sent.piece(&mut self.blocks)?;
            self.is_complete = is_last;
            return Ok(piece);
        }
        self.fill();
        // Checked after the read, as always.
        if self.snapshot.still_pinned().is_err() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the backup was not continued for too long"));
        }
        self.snapshot.renew();
        if self.blocks.is_empty() {
            self.has_entries = false;
            self.is_complete = !self.has_attachments();
            return self.blocks.end();
        }
        self.blocks.take()
    }

    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no attachments"))]
    fn has_attachments(&self) -> bool {
        #[cfg(not(target_family = "wasm"))]
        return self.sent.is_some();
        #[cfg(target_family = "wasm")]
        false
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
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) for an entry that exceeds the format's 4 GiB, and the disk's error where an attachment
    /// cannot be read now: nothing follows these.
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
        #[cfg(not(target_family = "wasm"))]
        let _removal = self.0.attachments.lock_removal();
        let backup = Backup::new(Snapshot::take(&self.0), self.identity().unwrap_or(0));
        #[cfg(not(target_family = "wasm"))]
        let backup = backup.with_attachments();
        backup
    }
}

/// Reads a whole backup, and returns what is in it.
///
/// # Errors
/// It is damaged or incomplete; a later program wrote it; reading failed.
pub fn verify(backup: &mut dyn Read) -> Result<Checkpoint, Unreadable> {
    verify_showing(backup, &mut |_| {})
}

/// As [`verify`], and shows every entry and attachment. They are shown before the end is verified: after an error they are worthless.
///
/// # Errors
/// As [`verify`].
pub fn verify_showing(backup: &mut dyn Read, show: &mut dyn FnMut(Part<'_>)) -> Result<Checkpoint, Unreadable> {
    let read = read_parts(backup, &mut |part| match part {
        BlockPart::Entry(StoredEntry { key, version, value, .. }) => show(Part::Entry { key, version, value }),
        BlockPart::Attachment(id) => show(Part::Attachment(id)),
    });
    read.map(|(_, whole)| whole)
}
