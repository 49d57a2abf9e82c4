//! Reports the progress of reading a store's files.

use std::cell::Cell;
use std::io::{self, Read};

use crate::disk::Disk;
use crate::types::{OnProgress, Options};

/// Bytes from one report to the next.
const STEP_BYTES: u64 = 256 << 10;

/// The progress of reading.
pub(crate) struct Progress {
    report: Option<OnProgress>,
    total: Cell<u64>,
    done: Cell<u64>,
    reported: Cell<u64>,
}

impl Progress {
    pub(crate) fn new(options: &Options) -> Self {
        let report = options.on_progress.clone();
        Self { report, total: Cell::new(0), done: Cell::new(0), reported: Cell::new(0) }
    }

    /// Adds the files that are to be read. Their sizes are determined only if progress is reported.
    pub(crate) fn expect(&self, disk: &dyn Disk, names: impl IntoIterator<Item = String>) {
        if self.report.is_some() {
            // A file whose length cannot be read is about to report that itself.
            let bytes = |name: String| disk.open(&name).and_then(|file| file.size()).unwrap_or(0);
            self.total.set(self.total.get() + names.into_iter().map(bytes).sum::<u64>());
        }
    }

    /// Counts this many bytes more.
    pub(crate) fn add(&self, bytes: u64) {
        self.reach(self.done.get() + bytes);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.get()
    }

    /// Counts up to this many bytes in all.
    pub(crate) fn reach(&self, done: u64) {
        let total = self.total.get();
        let done = done.max(self.done.get());
        self.done.set(done);
        if let Some(report) = &self.report
            && (done >= self.reported.get() + STEP_BYTES || done >= total)
        {
            self.reported.set(done);
            report(done.min(total), total);
        }
    }

    /// Counts the bytes read from `source`.
    pub(crate) fn count<R: Read>(&self, source: R) -> Counted<'_, R> {
        Counted { progress: self, source }
    }
}

/// Counts the bytes read through it.
pub(crate) struct Counted<'p, R> {
    progress: &'p Progress,
    source: R,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}
