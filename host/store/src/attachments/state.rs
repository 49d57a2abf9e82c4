//! Who uses an attachment, and which may be removed.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::files::read_file;
use super::pieces::Pieces;
use crate::disk::Disk;
use crate::types::{AttachmentId, Version};

/// The attachments of a store.
#[derive(Default)]
pub(crate) struct Attachments {
    /// Held while a file is written or removed.
    files: Mutex<()>,
    /// Held while attachments are removed, and while a backup begins. Taken after `files`.
    removal: Mutex<()>,
    /// How many use each, whether or not a commit names it.
    pins: Mutex<BTreeMap<AttachmentId, usize>>,
    /// Those that may be without a key; with the commit by which that was seen.
    dropped: Mutex<BTreeMap<AttachmentId, Option<Version>>>,
    /// Those of a store in memory.
    in_memory: Mutex<BTreeMap<AttachmentId, Bytes>>,
}

impl Attachments {
    /// Waits until nobody writes or removes a file.
    pub(crate) fn lock_files(&self) -> MutexGuard<'_, ()> {
        self.files.lock()
    }

    /// As [`lock_files`](Self::lock_files), for somebody who can come again.
    pub(crate) fn try_lock_files(&self) -> Option<MutexGuard<'_, ()>> {
        self.files.try_lock()
    }

    /// Waits until nobody removes attachments: a short time.
    pub(crate) fn lock_removal(&self) -> MutexGuard<'_, ()> {
        self.removal.lock()
    }

    /// Keeps an attachment from being removed until [`unpin`](Self::unpin).
    pub(crate) fn pin(&self, id: AttachmentId) {
        *self.pins.lock().entry(id).or_default() += 1;
    }

    /// Ends a [`pin`](Self::pin). No commit may have named it, or one may have dropped it meanwhile.
    pub(crate) fn unpin(&self, id: AttachmentId) {
        let mut pins = self.pins.lock();
        if let Some(count) = pins.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&id);
            }
        }
        drop(pins);
        self.note_dropped(id);
    }

    pub(crate) fn is_pinned(&self, id: AttachmentId) -> bool {
        self.pins.lock().contains_key(&id)
    }

    /// Notes that an attachment may be without a key.
    pub(crate) fn note_dropped(&self, id: AttachmentId) {
        self.dropped.lock().insert(id, None);
    }

    /// Notes again one that was without a key at the commit `seen`, unless it was noted anew meanwhile.
    pub(crate) fn note_unnamed(&self, id: AttachmentId, seen: Version) {
        self.dropped.lock().entry(id).or_insert(Some(seen));
    }

    pub(crate) fn take_dropped(&self) -> BTreeMap<AttachmentId, Option<Version>> {
        std::mem::take(&mut *self.dropped.lock())
    }

    /// Keeps an attachment in memory, unless it is there already.
    pub(crate) fn keep_in_memory(&self, id: AttachmentId, bytes: impl FnOnce() -> Bytes) {
        self.in_memory.lock().entry(id).or_insert_with(bytes);
    }

    pub(crate) fn forget_in_memory(&self, id: AttachmentId) {
        self.in_memory.lock().remove(&id);
    }

    /// Bytes of all attachments of a store in memory.
    pub(crate) fn bytes_in_memory(&self) -> u64 {
        self.in_memory.lock().values().map(|bytes| bytes.len() as u64).sum()
    }

    /// The bytes of an attachment, of a store on `disk` or in memory.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound); [`InvalidData`](io::ErrorKind::InvalidData) where they are not those of its name.
    pub(crate) fn read(&self, disk: Option<&dyn Disk>, id: AttachmentId) -> io::Result<Bytes> {
        match disk {
            None => self.in_memory.lock().get(&id).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()),
            Some(disk) => read_file(disk, id),
        }
    }

    /// The bytes of an attachment in pieces, of a store on `disk` or in memory. Looks at all of a file first.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub(crate) fn pieces(&self, disk: Option<&dyn Disk>, id: AttachmentId) -> io::Result<Pieces> {
        match disk {
            None => self.read(None, id).map(Pieces::of_bytes),
            Some(disk) => Pieces::of_file(disk, id),
        }
    }
}
