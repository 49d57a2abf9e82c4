//! Attachments: bytes that are kept beside the key space, as long as a commit has their key.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::attachments::write_file;
use crate::durability::{Durable, identity};
use crate::engine::{Inner, Store};
use crate::format::{FORMAT_ATTACHMENTS, names};
use crate::types::AttachmentId;

/// Bytes that are kept until this is dropped, and after that as long as a commit has their key.
#[derive(Debug)]
pub struct Attached {
    store: Arc<Inner>,
    id: AttachmentId,
}

impl Attached {
    /// The name of the bytes.
    #[must_use]
    pub fn id(&self) -> AttachmentId {
        self.id
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.store.attachments.unpin(self.id);
    }
}

impl Store {
    /// Keeps `bytes`, durably in a store on a disk. Commit their [key](AttachmentId::key) before the result is dropped, and wait for that
    /// commit's outcome; nothing else keeps them afterwards. Waits for the disk, and hashes the bytes: some milliseconds for a megabyte.
    ///
    /// # Errors
    /// The disk's: nothing is kept. The store has failed.
    pub fn attach(&self, bytes: &Bytes) -> io::Result<Attached> {
        let id = AttachmentId::of(bytes);
        let inner = &self.0;
        inner.attachments.pin(id);
        let attached = Attached { store: Arc::clone(inner), id };
        let Some(durable) = inner.durable() else {
            // The caller's allocation may be shared or counted as in flight, and ends with the caller.
            inner.attachments.keep_in_memory(id, || Bytes::copy_from_slice(bytes));
            return Ok(attached);
        };
        let _files = inner.attachments.lock_files();
        durable.check().map_err(io::Error::other)?;
        inner.raise_format(durable).inspect_err(|error| durable.fail_if_displaced(error, "raising the format"))?;
        write_file(&*durable.disk, id, bytes)
            .inspect_err(|error| durable.fail_if_displaced(error, "writing an attachment"))?;
        Ok(attached)
    }

    /// The bytes of an attachment. Waits for the disk, and hashes them.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound); [`InvalidData`](io::ErrorKind::InvalidData) where its file is damaged; the disk's.
    pub fn attachment(&self, id: AttachmentId) -> io::Result<Bytes> {
        let inner = &self.0;
        inner.attachments.read(inner.durable().map(|durable| &*durable.disk), id)
    }

    /// Bytes of the attachments of a store in memory.
    #[must_use]
    pub fn attachment_bytes_in_memory(&self) -> u64 {
        self.0.attachments.bytes_in_memory()
    }

    /// Says that a commit has deleted the key of an attachment, so that
    /// [`remove_unused_attachments`](Self::remove_unused_attachments) looks at it. What is not said is found by the next opening.
    pub fn note_attachment_dropped(&self, id: AttachmentId) {
        self.0.attachments.note_dropped(id);
    }

    /// Removes attachments that nobody needs: the commit that deleted their key is durable, and no backup sends them. Call it a few times a
    /// second; it does nothing where nothing was dropped.
    pub fn remove_unused_attachments(&self) {
        let attachments = &self.0.attachments;
        let Some(_files) = attachments.try_lock_files() else { return };
        if self.has_failed() {
            return;
        }
        let _removal = attachments.lock_removal();
        for (id, seen) in attachments.take_dropped() {
            // In this order: what a commit names while it is pinned has its key before it is unpinned. Whoever unpins notes it again.
            if attachments.is_pinned(id) || self.get(&id.key()).is_some() {
                continue;
            }
            let seen = seen.unwrap_or_else(|| self.version());
            match self.0.durable() {
                None => attachments.forget_in_memory(id),
                // A power cut might bring the key back.
                Some(_) if seen > 0 && !self.is_durable(seen) => attachments.note_unnamed(id, seen),
                // What cannot be removed now is removed by the next opening.
                Some(durable) => drop(durable.disk.remove(&names::attachment(&id))),
            }
        }
    }
}

impl Inner {
    /// Makes sure that programs that know of no attachments refuse the store.
    fn raise_format(&self, durable: &Durable) -> io::Result<()> {
        if durable.format.load(Ordering::Acquire) >= FORMAT_ATTACHMENTS {
            return Ok(());
        }
        // The holder of the log writes the same file.
        self.with_log(durable, |_| {
            let reserved = durable.reserved.load(Ordering::Relaxed);
            identity::write(&*durable.disk, FORMAT_ATTACHMENTS, durable.store, reserved, self.clock.now_ms())?;
            durable.format.store(FORMAT_ATTACHMENTS, Ordering::Release);
            Ok(())
        })
    }
}
