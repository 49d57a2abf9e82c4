//! The file that identifies a store, and the versions that are used up.
//!
//! Under [`Durability::Interval`] and [`Durability::Never`] a power cut may take commits whose versions clients have seen. These numbers
//! must not return for other commits: an entity tag or a cursor of the feed would then match another commit. So versions are reserved in
//! ranges, and the file records the end of the range before a commit in it is visible. After an unclean shutdown, versions resume after the
//! reserved range.

use std::io;
use std::sync::atomic::Ordering;

use super::durable::Durable;
use crate::disk::{Disk, write_all};
use crate::format::{Header, Kind, names};
use crate::mutants::mutant;
use crate::types::{Clock, Durability, Version};

/// Versions reserved at a time: one write of a small file for a million commits.
const RANGE: Version = 1 << 20;

/// Versions that a store skips after a restore or a repair: later commits are lost, but clients may have seen their versions.
pub(crate) const LOST_MAX: Version = 1 << 32;

/// Writes the file durably, replacing the previous one. `format` is that of the whole store.
pub(crate) fn write(disk: &dyn Disk, format: u32, store: u64, reserved: Version, time_ms: u64) -> io::Result<()> {
    let header = Header { format, store, salt: 0, version: reserved, time_ms };
    let unfinished = format!("{}{}", names::STORE, names::UNFINISHED);
    // A failed attempt may have left a file.
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&unfinished)?;
    write_all(&*file, &header.encode(Kind::Store), 0)?;
    file.sync()?;
    disk.rename(&unfinished, names::STORE)?;
    disk.sync_directory()
}

impl Durable {
    /// Makes sure that no version up to `last` is ever given to another commit.
    pub(crate) fn reserve(&self, last: Version, clock: &dyn Clock) -> io::Result<()> {
        if mutant!("nothing-reserved")
            || self.durability == Durability::Always
            || last <= self.reserved.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        let reserved = last + RANGE;
        write(&*self.disk, self.format.load(Ordering::Acquire), self.store, reserved, clock.now_ms())?;
        self.reserved.store(reserved, Ordering::Relaxed);
        Ok(())
    }
}
