//! Probes whether a full disk has space again, when no write would find out.

use std::io;

use crate::disk::{Disk, write_all};
use crate::engine::Store;
use crate::format::names;
use crate::types::Random;

/// The most bytes written by a probe. A larger write may still be refused.
const TRIED_BYTES_MAX: usize = 1 << 20;

impl Store {
    /// Whether the last write was refused because the disk is full. Ends with the next successful write or
    /// [`probe_space`](Self::probe_space).
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.0.durable().is_some_and(|durable| durable.errors.full_bytes().is_some())
    }

    /// If the disk was full, checks whether it would now take the refused number of bytes, up to 1 MiB, without writing any of them to the
    /// log. The owner calls this about once a second; [`DiskThreads`](crate::DiskThreads) does so by itself.
    pub fn probe_space(&self) {
        let Some(durable) = self.0.durable() else { return };
        let Some(bytes) = durable.errors.full_bytes().filter(|_| !durable.is_failed()) else { return };
        // The log is held, so that no write is refused because of the space that the probe takes.
        self.0.with_log(durable, |_| match try_bytes(&*durable.disk, &*self.0.random, bytes.min(TRIED_BYTES_MAX)) {
            Ok(()) => durable.note_space(),
            Err(error) => durable.fail_if_displaced(&error, "probing for space"),
        });
    }
}

/// Writes this many bytes to a file of their own, which is removed again.
fn try_bytes(disk: &dyn Disk, random: &dyn Random, bytes: usize) -> io::Result<()> {
    let name = format!("{}{}", names::SPACE_PROBE, names::UNFINISHED);
    // A failed attempt may have left a file.
    match disk.remove(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&name)?;
    // A file system that compresses would store zeros in no space.
    let mut tried = vec![0; bytes];
    random.fill(&mut tried);
    let written = write_all(&*file, &tried, 0);
    drop(file);
    disk.remove(&name)?;
    written
}
