//! The file that makes a directory a store: whose it is, and which versions are used up.
//!
//! Under [`Durability::Interval`] and [`Durability::Never`] a power cut may take commits whose versions were told to clients. Their
//! numbers must not come back for other commits: an entity tag or a cursor of the feed would then be taken for another's. So versions
//! are reserved in stretches, and the file says up to where, before a commit beyond that is visible. A store that was not closed in
//! peace goes on behind what was reserved.

use std::io;
use std::sync::atomic::Ordering;

use crate::disk::{Disk, write_all};
use crate::format::header::{Header, Kind};
use crate::format::names;
use crate::mutants::mutant;
use crate::store::Inner;
use crate::store::group_commit::Durable;
use crate::{Durability, Store, Version};

/// Versions that are reserved at a time: one small file is written for a million commits.
const STRETCH: Version = 1 << 20;

/// How far behind its newest commit a store goes on that was put together from a backup or from damaged files: what was committed later
/// is not there, but its versions were told to clients.
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

impl Inner {
    /// Makes sure that no version up to `last` is ever given to another commit.
    pub(crate) fn reserve(&self, durable: &Durable, last: Version) -> io::Result<()> {
        if mutant!("nothing-reserved")
            || durable.durability == Durability::Always
            || last <= durable.reserved.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        let reserved = last + STRETCH;
        write(&*durable.disk, durable.store, reserved, self.clock.now_ms())?;
        durable.reserved.store(reserved, Ordering::Relaxed);
        Ok(())
    }
}

impl Store {
    /// Makes every commit so far durable, and notes that nothing was lost, so that the next opening goes on with the next version.
    /// The store can go on being used. Does nothing in memory.
    ///
    /// # Errors
    /// The disk's. Nothing is lost then but numbers: the next opening leaves a gap in the versions.
    pub fn close(&self) -> io::Result<()> {
        let Some(durable) = self.0.durable() else { return Ok(()) };
        self.flush();
        self.0.with_log(durable, |end| {
            let last = end.writer.current.last;
            let is_complete = durable.synced.load(Ordering::Acquire) >= last;
            let given = self.0.lock_writer().given;
            // Until a commit is in the log whose number is higher, only this file tells which numbers an earlier life used up.
            let reserved = if given > last && !mutant!("reserved-freed") { given } else { 0 };
            let before = durable.reserved.load(Ordering::Relaxed);
            if durable.is_failed() || !is_complete || before == 0 || before == reserved {
                return Ok(());
            }
            write(&*durable.disk, durable.store, reserved, self.0.clock.now_ms())?;
            durable.reserved.store(reserved, Ordering::Relaxed);
            Ok(())
        })
    }
}
