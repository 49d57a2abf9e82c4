//! Writes the log: a thread does, or the owner by hand, and a last time at the end.

use std::io;
use std::sync::atomic::Ordering;
#[cfg(not(target_family = "wasm"))]
use std::time::Duration;

use crate::durability::identity;
use crate::engine::Store;
use crate::mutants::mutant;
#[cfg(not(target_family = "wasm"))]
use crate::types::{Durability, Error, StorageFailure};

impl Store {
    /// Writes and syncs every commit so far. Does nothing in memory.
    pub fn flush(&self) {
        if let Some(durable) = self.0.durable() {
            self.0.write_and_sync(durable);
        }
    }

    /// Makes every commit so far durable, and records that nothing was lost, so that the next opening continues with the next version. The
    /// store can still be used. Does nothing in memory.
    ///
    /// # Errors
    /// The disk's. Only numbers are lost then: the next opening leaves a gap in the versions.
    pub fn close(&self) -> io::Result<()> {
        let Some(durable) = self.0.durable() else { return Ok(()) };
        self.flush();
        self.0.with_log(durable, |end| {
            let last = end.writer.current.last;
            let is_complete = durable.synced.load(Ordering::Acquire) >= last;
            let given = self.0.lock_writer().given;
            // Until the log has a commit with a higher number, only this file records which numbers an earlier run used up.
            let reserved = if given > last && !mutant!("reserved-freed") { given } else { 0 };
            let before = durable.reserved.load(Ordering::Relaxed);
            if durable.is_failed() || !is_complete || before == 0 || before == reserved {
                return Ok(());
            }
            let format = durable.format.load(Ordering::Acquire);
            identity::write(&*durable.disk, format, durable.store, reserved, self.0.clock.now_ms())?;
            durable.reserved.store(reserved, Ordering::Relaxed);
            Ok(())
        })
    }
}

#[cfg(not(target_family = "wasm"))]
impl Store {
    /// Ends the store for all its handles: commits so far become durable, later ones are refused with
    /// [`StorageFailure::Closed`], and the directory's lock is released, so that others may open it. Reads continue in memory. A store in
    /// memory, and one in a child of the process that opened it, only stay as they are. Calling it again does nothing.
    ///
    /// # Errors
    /// [`Error::StorageFailed`](crate::Error::StorageFailed): the store failed before, or has just failed to write its last commits.
    pub fn shut_down(&self) -> Result<(), Error> {
        let Some(durable) = self.0.durable() else { return Ok(()) };
        if durable.driver.is_in_child() {
            return Ok(());
        }
        // If this fails, versions have a gap, which does no harm.
        let _ = self.close();
        // Whoever makes a checkpoint or writes an attachment ends before the lock does.
        let _making = durable.checkpoints.making.lock();
        let _files = self.0.attachments.lock_files();
        let failure = self.0.end_log(durable);
        durable.release_lock();
        if failure == StorageFailure::Closed { Ok(()) } else { Err(Error::StorageFailed(failure)) }
    }

    /// Declares that the store's owner writes its log by hand, with [`drive`](Self::drive) or [`flush`](Self::flush), for as long as it is
    /// open. Under [`Durability::Always`] a commit then waits for that, however long it takes. Without this call and without
    /// [`DiskThreads`](crate::DiskThreads), a commit that is waited for is refused with [`Error::NoLogThread`](crate::Error::NoLogThread).
    pub fn drive_by_hand(&self) {
        if let Some(durable) = self.0.durable() {
            durable.driver.drive_by_hand();
        }
    }

    /// Waits for work, for `idle` at most, and does it; the log's thread calls this in a loop. Under [`Durability::Always`] it writes and
    /// syncs commits; unless `idle` is zero it first waits for further ones if that has proved worth it, for up to half the time of a sync
    /// and 5 ms at most. Under [`Durability::Interval`] it syncs what was written. Under [`Durability::Never`] it syncs before the end of a
    /// segment, so that commits do not wait long there.
    pub fn drive(&self, idle: Duration) {
        let Some(durable) = self.0.durable() else { return };
        match durable.durability {
            Durability::Always => {
                durable.wait_for_commits(idle);
                self.0.write_and_sync(durable);
            }
            Durability::Interval { ms } => {
                durable.rest(Duration::from_millis(ms.max(1)));
                self.0.sync_written(durable);
            }
            Durability::Never => {
                if durable.rest(idle) {
                    self.0.sync_written(durable);
                }
            }
        }
    }

    /// Makes [`drive`](Self::drive) stop waiting for work.
    pub fn interrupt(&self) {
        if let Some(durable) = self.0.durable() {
            durable.interrupt();
        }
    }
}
