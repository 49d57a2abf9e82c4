//! The file that makes a directory a store: whose it is, and which versions are used up.
//!
//! Under [`Durability::Interval`] and [`Durability::Never`] a power cut may take commits whose versions clients have seen. Their
//! numbers must not come back for other commits: an entity tag or a cursor of the feed would then be taken for another's. So versions
//! are reserved in ranges, and the file says up to where, before a commit beyond that is visible. After an
//! unclean shutdown, versions resume after the reserved range.

use std::io;
use std::sync::atomic::Ordering;

use super::durable::Durable;
use crate::disk::{Disk, write_all};
use crate::format::{Header, Kind, names};
use crate::mutants::mutant;
use crate::types::{Clock, Durability, Version};

/// Versions that are reserved at a time: one small file is written for a million commits.
const RANGE: Version = 1 << 20;

/// How many versions a store skips after it was restored from a backup or repaired: later commits are lost, but clients may have seen
/// their versions.
pub(crate) const LOST_MAX: Version = 1 << 32;

/// Writes the file, durably, in place of the one before.
pub(crate) fn write(disk: &dyn Disk, store: u64, reserved: Version, time_ms: u64) -> io::Result<()> {
    let header = Header { store, salt: 0, version: reserved, time_ms };
    let unfinished = format!("{}{}", names::STORE, names::UNFINISHED);
    // An attempt that failed may have left something.
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
        write(&*self.disk, self.store, reserved, clock.now_ms())?;
        self.reserved.store(reserved, Ordering::Relaxed);
        Ok(())
    }
}
