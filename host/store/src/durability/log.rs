//! Writes the log: one segment at a time, from start to end.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, write_all};
use crate::format::{FORMAT_PLAIN, HEADER_BYTES, Header, Kind, names, seal};
use crate::mutants::mutant;
use crate::types::Version;

/// A segment that is full or complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The newest commit before its first record; its name.
    pub(crate) after: Version,
    /// Its newest commit.
    pub(crate) last: Version,
    pub(crate) bytes: u64,
    /// When it was made, in ms since the epoch.
    pub(crate) time_ms: u64,
}

/// The end of the log.
pub(crate) struct LogWriter {
    disk: Arc<dyn Disk>,
    store: u64,
    /// Segments that are no longer written, oldest first.
    pub(crate) older: Vec<Segment>,
    file: Arc<dyn DiskFile>,
    salt: u64,
    pub(crate) current: Segment,
}

impl LogWriter {
    /// Begins a segment after the commit `after`.
    ///
    /// # Errors
    /// The file cannot be made durable; it is removed as far as possible.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        store: u64,
        salt: u64,
        after: Version,
        time_ms: u64,
        older: Vec<Segment>,
    ) -> io::Result<Self> {
        let file = create_segment(&*disk, &Header { format: FORMAT_PLAIN, store, salt, version: after, time_ms })?;
        let current = Segment { after, last: after, bytes: HEADER_BYTES as u64, time_ms };
        Ok(Self { disk, store, older, file, salt, current })
    }

    /// Continues a segment whose records end where the file does.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        store: u64,
        salt: u64,
        current: Segment,
        older: Vec<Segment>,
    ) -> io::Result<Self> {
        let file = Arc::from(disk.open(&names::segment(current.after))?);
        Ok(Self { disk, store, older, file, salt, current })
    }

    /// Writes records, sealing them; the newest is the commit `last`. `synced` is the newest durable commit.
    ///
    /// # Errors
    /// The disk's. What was written of the records is cut off again; [`Uncut`](AppendError::Uncut) if that failed too.
    pub(crate) fn append(&mut self, records: &mut [u8], last: Version, synced: Version) -> Result<(), AppendError> {
        seal(records, self.current.bytes, self.salt, synced);
        if let Err(error) = write_all(&*self.file, records, self.current.bytes) {
            // A refused record must not return at the next start.
            mutant!("refused-record-left-in-the-log" => return Err(AppendError::Cut(error)));
            let cut = self.file.set_size(self.current.bytes).and_then(|()| self.file.sync());
            return Err(if cut.is_ok() { AppendError::Cut(error) } else { AppendError::Uncut(error) });
        }
        self.current.bytes += records.len() as u64;
        self.current.last = last;
        Ok(())
    }

    /// The file that records are written to, for syncing it.
    pub(crate) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Begins the next segment. The current one has been synced.
    ///
    /// # Errors
    /// The new file cannot be made durable; the current one stays in use.
    pub(crate) fn rotate(&mut self, salt: u64, time_ms: u64) -> io::Result<()> {
        let after = self.current.last;
        let header = Header { format: FORMAT_PLAIN, store: self.store, salt, version: after, time_ms };
        self.file = create_segment(&*self.disk, &header)?;
        self.older.push(self.current);
        self.salt = salt;
        self.current = Segment { after, last: after, bytes: HEADER_BYTES as u64, time_ms };
        Ok(())
    }

    /// Removes the oldest segments that `is_needed` rejects, and returns how many.
    ///
    /// # Errors
    /// The disk's. Segments that still exist stay in the list.
    pub(crate) fn remove_unneeded(&mut self, is_needed: impl Fn(&Segment) -> bool) -> io::Result<usize> {
        let mut removed = 0;
        while let Some(oldest) = self.older.first().filter(|oldest| !is_needed(oldest)) {
            self.disk.remove(&names::segment(oldest.after))?;
            self.older.remove(0);
            removed += 1;
        }
        if removed > 0 {
            self.disk.sync_directory()?;
        }
        Ok(removed)
    }

    /// Bytes of all segments.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn bytes(&self) -> u64 {
        self.older.iter().map(|segment| segment.bytes).sum::<u64>() + self.current.bytes
    }
}

/// Why records could not be written.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The log is unchanged.
    Cut(io::Error),
    /// The log may hold a part of them: nothing more may be written.
    Uncut(io::Error),
}

/// Creates an empty segment.
///
/// # Errors
/// The file cannot be made durable; it is removed as far as possible.
pub(crate) fn create_segment(disk: &dyn Disk, header: &Header) -> io::Result<Arc<dyn DiskFile>> {
    let name = names::segment(header.version);
    let file = disk.create(&name)?;
    let written = write_all(&*file, &header.encode(Kind::Segment), 0)
        .and_then(|()| file.sync())
        .and_then(|()| mutant!("segment-name-left-unsynced" => Ok(()), or disk.sync_directory()));
    match written {
        Ok(()) => Ok(Arc::from(file)),
        Err(error) => {
            // It would be in the way of the next attempt.
            let _ = disk.remove(&name);
            Err(error)
        }
    }
}
