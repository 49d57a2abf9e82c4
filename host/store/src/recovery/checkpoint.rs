//! Checkpoints: the whole store at one commit, in one file. Its bytes are described in `format/blocks.rs`.

use std::io;
use std::sync::atomic::Ordering;

use super::backup::Backup;
use crate::disk::{Disk, DiskFile, write_all};
use crate::durability::{Durable, KEPT, Segment, log_bytes_due};
use crate::engine::{Inner, Snapshot, Store};
use crate::format::names;
use crate::mutants::mutant;
use crate::types::{Checkpoint, Version};

/// Bytes after which a file is synced: the disk gets them evenly, not in one burst at the end.
const SYNC_EVERY_BYTES: u64 = 1 << 20;

impl Store {
    /// Whether the log has grown enough since the last checkpoint for another one.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        let Some(durable) = self.0.durable() else { return false };
        durable.stats.bytes.load(Ordering::Relaxed) >= durable.checkpoints.due_at_bytes.load(Ordering::Relaxed)
    }

    /// Writes a checkpoint while the store is in use, and removes all older ones but one, with the segments of the log that neither they
    /// nor the change feed need. `None` if nothing was committed since the last one, or the store is in memory.
    ///
    /// # Errors
    /// The disk's. Everything that the store needs is still there, and the next attempt is due after an eighth of the usual log growth; if
    /// only the removal failed, the checkpoint counts.
    pub fn checkpoint(&self) -> io::Result<Option<Checkpoint>> {
        self.checkpoint_with_rests(&mut || ())
    }

    /// As [`checkpoint`](Self::checkpoint), with a call of `rest` after every block of some 256 KiB until the log has grown by half of what
    /// makes the next checkpoint due: from then on it hurries, so that the log stays short. `rest` may ask for statistics, but not for
    /// another checkpoint.
    ///
    /// # Errors
    /// As for [`checkpoint`](Self::checkpoint).
    pub fn checkpoint_with_rests(&self, rest: &mut dyn FnMut()) -> io::Result<Option<Checkpoint>> {
        let Some(durable) = self.0.durable() else { return Ok(None) };
        let _making = durable.checkpoints.making.lock();
        let snapshot = Snapshot::take_ageless(&self.0);
        let newest = durable.checkpoints.newest();
        if newest.map_or(0, |newest| newest.version) == snapshot.version() {
            return Ok(None);
        }
        let written = durable.stats.bytes.load(Ordering::Relaxed);
        let wait = durable.checkpoints.log_bytes_max;
        durable.checkpoints.due_at_bytes.store(written + wait / 8, Ordering::Relaxed);
        // After a checkpoint the log has no gap, whatever the policy.
        self.0.sync_written(durable);
        if durable.is_failed() {
            return Err(io::Error::other("the disk has already failed"));
        }
        let begun = self.0.clock.monotonic_us();
        let stats = &durable.stats;
        let backup = Backup::new(snapshot, durable.store);
        let hurries_at = written + log_bytes_due(wait, newest) / 2;
        let mut rest_in_time = || {
            if stats.bytes.load(Ordering::Relaxed) < hurries_at {
                rest();
            }
        };
        let attempt = write(&*durable.disk, backup.version(), |file| write_backup(file, backup, &mut rest_in_time))
            .inspect_err(|error| durable.fail_if_displaced(error, "writing a checkpoint"));
        let outcomes = if attempt.is_ok() { &stats.checkpoints } else { &stats.checkpoint_failures };
        outcomes.fetch_add(1, Ordering::Relaxed);
        let checkpoint = attempt?;
        stats.checkpoint_us.store(self.0.clock.monotonic_us().saturating_sub(begun), Ordering::Relaxed);
        durable.checkpoints.due_at_bytes.store(written + log_bytes_due(wait, Some(checkpoint)), Ordering::Relaxed);
        let kept = durable.checkpoints.add(checkpoint);
        self.0
            .remove_unneeded(durable, &kept)
            .inspect_err(|error| durable.fail_if_displaced(error, "removing what a checkpoint replaces"))?;
        Ok(Some(checkpoint))
    }
}

impl Inner {
    /// Removes checkpoints beyond those kept, and segments that are no longer needed.
    fn remove_unneeded(&self, durable: &Durable, kept: &[Checkpoint]) -> io::Result<()> {
        for name in durable.disk.list()? {
            let is_kept = |version| kept.iter().any(|checkpoint| checkpoint.version == version);
            if names::checkpoint_of(&name).is_some_and(|version| !is_kept(version)) {
                durable.disk.remove(&name)?;
            }
        }
        durable.disk.sync_directory()?;
        // With a single checkpoint, the only fallback is the whole log.
        let Some(oldest) = kept.first().filter(|_| kept.len() == KEPT) else { return Ok(()) };
        let oldest = mutant!("segments-removed-too-early" => kept.last().unwrap_or(oldest), or oldest);
        let dropped = self.feed.dropped();
        let is_needed = |segment: &Segment| segment.last > oldest.version || segment.last > dropped;
        self.with_log(durable, |end| {
            let removed = end.writer.remove_unneeded(is_needed);
            durable.stats.note_log(&end.writer);
            removed.map(drop)
        })
    }
}

/// Writes a checkpoint's file with `contents`, and gives it its name when all of it is durable.
pub(crate) fn write<T, E: From<io::Error>>(
    disk: &dyn Disk,
    version: Version,
    contents: impl FnOnce(&dyn DiskFile) -> Result<T, E>,
) -> Result<T, E> {
    let name = names::checkpoint(version);
    let unfinished = format!("{name}{}", names::UNFINISHED);
    let written = write_unfinished(disk, &unfinished, contents).and_then(|written| {
        disk.rename(&unfinished, &name)?;
        disk.sync_directory()?;
        Ok(written)
    });
    if written.is_err() {
        // It may not even exist; the next start removes any remains.
        let _ = disk.remove(&unfinished);
    }
    written
}

fn write_unfinished<T, E: From<io::Error>>(
    disk: &dyn Disk,
    name: &str,
    contents: impl FnOnce(&dyn DiskFile) -> Result<T, E>,
) -> Result<T, E> {
    // A failed attempt at the same commit may have left a file.
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = disk.create(name)?;
    let written = contents(&*file)?;
    mutant!("checkpoint-unsynced" => (), or file.sync()?);
    Ok(written)
}

/// Writes all of `backup`, and calls `rest` after each piece.
pub(crate) fn write_backup(file: &dyn DiskFile, mut backup: Backup, rest: &mut dyn FnMut()) -> io::Result<Checkpoint> {
    let (mut offset, mut synced) = (0, 0);
    for piece in &mut backup {
        let piece = piece?;
        write_all(file, &piece, offset)?;
        offset += piece.len() as u64;
        if offset - synced >= SYNC_EVERY_BYTES {
            file.sync()?;
            synced = offset;
        }
        rest();
    }
    Ok(backup.so_far())
}
