//! Probes whether a disk that was full has space again, when no write would find out.

use std::io;

use crate::disk::{Disk, write_all};
use crate::engine::Store;
use crate::format::names;
use crate::types::Random;

/// The most that is written to find out, in bytes. A larger write may still be refused.
const TRIED_BYTES_MAX: usize = 1 << 20;

impl Store {
    /// Whether the last write was refused because the disk is full. Ends with the next that is taken, and with
    /// [`probe_space`](Self::probe_space).
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.0.durable().is_some_and(|durable| durable.errors.full_bytes().is_some())
    }

    /// Where the disk was full, tries whether it would take as much again as it refused, up to 1 MiB, without writing any of it to the
    /// log. The owner calls this about once a second; [`DiskThreads`](crate::DiskThreads) does so by itself.
    pub fn probe_space(&self) {
        let Some(durable) = self.0.durable() else { return };
        let Some(bytes) = durable.errors.full_bytes().filter(|_| !durable.is_failed()) else { return };
        // With the log held, no write is refused for want of the space that this takes up.
        self.0.with_log(durable, |_| match try_bytes(&*durable.disk, &*self.0.random, bytes.min(TRIED_BYTES_MAX)) {
            Ok(()) => durable.note_room(),
            Err(error) => durable.fail_if_displaced(&error, "probing for space"),
        });
    }
}

/// Writes so many bytes to a file of their own, which is removed again.
fn try_bytes(disk: &dyn Disk, random: &dyn Random, bytes: usize) -> io::Result<()> {
    let name = format!("{}{}", names::SPACE_PROBE, names::UNFINISHED);
    // An attempt that failed may have left something.
    match disk.remove(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&name)?;
    // A file system that compresses would take zeros for nothing.
    let mut tried = vec![0; bytes];
    random.fill(&mut tried);
    let written = write_all(&*file, &tried, 0);
    drop(file);
    disk.remove(&name)?;
    written
}
