//! The attachments of a backup: each is read in pieces, so that what a backup holds does not grow with them.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::attachments::Pieces;
use crate::engine::{Inner, NodeExt, Snapshot};
use crate::format::{BlockWriter, PIECE_BYTES, names};
use crate::types::{AttachmentId, Direction, KeyRange};

/// The attachments that a backup sends, which stay until it is dropped.
pub(super) struct Sent {
    store: Arc<Inner>,
    pinned: Vec<AttachmentId>,
    bytes: u64,
    /// Those that are left.
    left: std::vec::IntoIter<AttachmentId>,
    /// The one that is being sent.
    current: Option<(AttachmentId, Pieces)>,
    done: u64,
    /// Those whose files are missing or damaged.
    left_out: Vec<AttachmentId>,
}

impl Sent {
    /// Those that a snapshot refers to, if there are any. None was removed since the snapshot was taken.
    pub(super) fn of(snapshot: &Snapshot) -> Option<Self> {
        let store = Arc::clone(snapshot.store());
        let mut pinned = Vec::new();
        store.walk(&KeyRange::prefix(AttachmentId::keys()), Direction::Forward, &mut |record| {
            record.at(snapshot.version(), |node| {
                if !node.about().is_deletion {
                    pinned.extend(AttachmentId::in_key(record.key()));
                }
            });
            ControlFlow::Continue(())
        });
        if pinned.is_empty() {
            return None;
        }
        for &id in &pinned {
            store.attachments.pin(id);
        }
        let size = |id: &AttachmentId| match store.durable() {
            Some(durable) => durable.disk.open(&names::attachment(id)).and_then(|file| file.size()).unwrap_or(0),
            None => store.attachments.read(None, *id).map_or(0, |bytes| bytes.len() as u64),
        };
        let bytes = pinned.iter().map(size).sum();
        let left = pinned.clone().into_iter();
        Some(Self { store, pinned, bytes, left, current: None, done: 0, left_out: Vec::new() })
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn left_out(&self) -> &[AttachmentId] {
        &self.left_out
    }

    /// The next block, and whether it is the last.
    ///
    /// # Errors
    /// The disk's. What is only unreadable for now is not taken for lost.
    pub(super) fn piece(&mut self, blocks: &mut BlockWriter) -> io::Result<(Vec<u8>, bool)> {
        while self.current.is_none() {
            let Some(id) = self.left.next() else { return Ok((blocks.end_of_attachments(self.done)?, true)) };
            let disk = self.store.durable().map(|durable| &*durable.disk);
            match self.store.attachments.pieces(disk, id) {
                Ok(pieces) => {
                    self.current = Some((id, pieces));
                    self.done += 1;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                    self.left_out.push(id);
                }
                Err(error) => return Err(error),
            }
        }
        let Some((id, mut pieces)) = self.current.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let block = blocks.piece(&id, &pieces.next(PIECE_BYTES)?)?;
        self.current = Some((id, pieces)).filter(|(_, pieces)| !pieces.is_at_end());
        Ok((block, false))
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        for &id in &self.pinned {
            self.store.attachments.unpin(id);
        }
    }
}
