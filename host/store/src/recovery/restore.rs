//! Restores a backup to a disk that holds no store.

use std::io;

use super::backup::verify_showing;
use super::checkpoint;
use super::files::Files;
use super::outcome::{OpenError, Part};
use crate::disk::{Disk, DiskFile, Sequential, write_all};
use crate::durability::{create_segment, identity};
use crate::format::{BlockReader, FORMAT_PLAIN, Header, Kind, Piece, Unreadable, names};
use crate::types::{AttachmentId, Checkpoint, Options, Version};

/// Why a store was not restored. Unless an error says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The backup cannot be trusted.
    #[error("the backup: {0}")]
    Backup(#[from] Unreadable),
    /// Another process has the directory.
    #[error("another process is using the directory")]
    InUse,
    /// This process has a store open in the directory.
    #[error("this process has a store open in the directory")]
    InUseHere,
    /// The disk holds a store, or a part of one.
    #[error("the directory already holds a store or a part of one: {file}")]
    NotEmpty {
        /// A file of it.
        file: String,
    },
    /// Writing to the disk failed. What was written is removed as far as possible; the remains do not open as a store, unless they are
    /// complete.
    #[error("writing the store: {0}")]
    Write(#[from] io::Error),
}

/// Restores `backup` to `disk`, which must hold no store, and returns its contents. Versions, times and deadlines stay. What an
/// interrupted restore has left is removed first.
///
/// The whole backup is read and checked before anything is written, and once more while it is copied. The store gets an identity of its
/// own: its further commits differ from those of the store that was backed up, so a cursor of that one's change feed is answered
/// `compacted`. Its next commit is 2^32 versions further, so that no version that a client knows of a lost commit (as an entity tag) is
/// given to another one. Of `options` only the clock and the randomness matter.
///
/// # Errors
/// [`RestoreError`]. An interrupted restore leaves nothing that opens as a store, or all of it.
pub fn restore(backup: &dyn DiskFile, disk: &dyn Disk, options: &Options) -> Result<Checkpoint, RestoreError> {
    restore_showing(backup, disk, options, &mut |_| {})
}

/// As [`restore`], and shows every entry and attachment of the backup while it is checked: before anything is written.
///
/// # Errors
/// As [`restore`].
pub fn restore_showing(
    backup: &dyn DiskFile,
    disk: &dyn Disk,
    options: &Options,
    show: &mut dyn FnMut(Part<'_>),
) -> Result<Checkpoint, RestoreError> {
    let version = verify_showing(&mut Sequential::new(backup), show)?.version;
    let format = BlockReader::begin(&mut Sequential::new(backup))?.header.format;
    write_store(disk, options, (format, version), |store, file| {
        let mut source = Sequential::new(backup);
        let mut blocks = BlockReader::begin(&mut source)?;
        // Checksums depend on the salt and the place, which stay.
        write_all(file, &Header { format: FORMAT_PLAIN, store, ..blocks.header }.encode(Kind::Checkpoint), 0)?;
        loop {
            let end = blocks.next(|_| {})?;
            write_all(file, &blocks.block, blocks.offset)?;
            match end {
                Some((header, whole)) if (header.format, header.version) == (format, version) => {
                    restore_attachments(&mut blocks, disk)?;
                    return Ok(whole);
                }
                Some(_) => return Err(io::Error::other("the backup changes while it is read").into()),
                None => {}
            }
        }
    })
}

/// Marks a disk that holds no store as one that is being restored to, before [`restore`] has a backup to read: until then it neither
/// opens as a store nor as the place for a new one. What an interrupted restore has left is removed.
///
/// # Errors
/// Those of [`restore`] about the disk.
pub fn begin_restore(disk: &dyn Disk, options: &Options) -> Result<(), RestoreError> {
    let _lock = lock(disk)?;
    make_free(disk)?;
    let (store, salt, time_ms) = (options.random.next_u64(), options.random.next_u64(), options.clock.now_ms());
    // That of a new store begins with version 0, which is the remains of its creation.
    create_segment(disk, &Header { format: FORMAT_PLAIN, store, salt, version: 1, time_ms })?;
    Ok(())
}

/// Removes the mark of [`begin_restore`], and what an interrupted restore has left.
///
/// # Errors
/// The disk holds a store, or fails.
pub fn abandon_restore(disk: &dyn Disk) -> Result<(), RestoreError> {
    let _lock = lock(disk)?;
    make_free(disk)
}

fn lock(disk: &dyn Disk) -> Result<Box<dyn std::any::Any + Send + Sync>, RestoreError> {
    disk.lock().map_err(|error| match error.kind() {
        #[cfg(unix)]
        io::ErrorKind::WouldBlock if crate::disk::is_open_here(&error) => RestoreError::InUseHere,
        io::ErrorKind::WouldBlock => RestoreError::InUse,
        _ => RestoreError::Write(error),
    })
}

/// Removes what an interrupted restore has left. The disk must hold nothing else of a store.
fn make_free(disk: &dyn Disk) -> Result<(), RestoreError> {
    let remains = Files::list(disk).map_err(of_disk)?;
    if remains.is_half_restored(disk).map_err(of_disk)? {
        remains.remove_all(disk).map_err(of_disk)?;
    }
    match disk.list()?.into_iter().find(|name| names::is_ours(name)) {
        Some(file) => Err(RestoreError::NotEmpty { file }),
        None => Ok(()),
    }
}

/// Writes the attachments that follow the entries, each into a file of its own. Their names are durable with that of the checkpoint.
fn restore_attachments(blocks: &mut BlockReader<'_>, disk: &dyn Disk) -> Result<(), RestoreError> {
    let mut current: Option<(AttachmentId, Box<dyn DiskFile>, u64)> = None;
    while blocks.has_attachments() {
        // The reader has checked an attachment when it shows the next one, or the end.
        match blocks.next_piece()? {
            Piece::Bytes { id, bytes } => {
                if current.as_ref().is_none_or(|(last, ..)| *last != id) {
                    finish_attachment(disk, current.take())?;
                    current = Some((id, disk.create(&unfinished(id))?, 0));
                }
                if let Some((_, file, offset)) = &mut current {
                    write_all(&**file, bytes, *offset)?;
                    *offset += bytes.len() as u64;
                }
            }
            Piece::End { .. } => {
                finish_attachment(disk, current.take())?;
                break;
            }
        }
    }
    Ok(())
}

fn finish_attachment(disk: &dyn Disk, whole: Option<(AttachmentId, Box<dyn DiskFile>, u64)>) -> io::Result<()> {
    let Some((id, file, _)) = whole else { return Ok(()) };
    file.sync()?;
    disk.rename(&unfinished(id), &names::attachment(&id))
}

fn unfinished(id: AttachmentId) -> String {
    format!("{}{}", names::attachment(&id), names::UNFINISHED)
}

/// Removes the attachments of a store that was not finished, as far as possible.
fn remove_attachments(disk: &dyn Disk) {
    let is_attachment = |name: &String| names::attachment_of(name.trim_end_matches(names::UNFINISHED)).is_some();
    for name in disk.list().unwrap_or_default().iter().filter(|name| is_attachment(name)) {
        let _ = disk.remove(name);
    }
}

fn of_disk(error: OpenError) -> RestoreError {
    RestoreError::Write(match error {
        OpenError::Io { error, .. } => error,
        other => io::Error::other(other),
    })
}

/// Creates a store with a new identity, of this format and at this version, whose checkpoint `contents` writes into a file.
pub(crate) fn write_store(
    disk: &dyn Disk,
    options: &Options,
    (format, version): (u32, Version),
    contents: impl FnOnce(u64, &dyn DiskFile) -> Result<Checkpoint, RestoreError>,
) -> Result<Checkpoint, RestoreError> {
    let _lock = lock(disk)?;
    make_free(disk)?;
    let (store, salt, time_ms) = (options.random.next_u64(), options.random.next_u64(), options.clock.now_ms());
    // With a segment and no identity, the directory is neither a store nor free for a new one, until all the rest is durable.
    create_segment(disk, &Header { format: FORMAT_PLAIN, store, salt, version, time_ms })?;
    let written = checkpoint::write(disk, version, |file| contents(store, file));
    if written.is_err() {
        let _ = disk.remove(&names::checkpoint(version));
        let _ = disk.remove(&names::segment(version));
        remove_attachments(disk);
    }
    let written = written?;
    identity::write(disk, format, store, version.saturating_add(identity::LOST_MAX), time_ms)?;
    Ok(written)
}
