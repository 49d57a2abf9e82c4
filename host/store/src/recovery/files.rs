//! The files of a store on a disk: which exist, and how they are read.

use std::any::Any;
use std::collections::BTreeSet;
use std::io;

use super::outcome::{Doing, HALF_RESTORED, OpenError};
use crate::disk::{Disk, read_full};
use crate::format::{BadHeader, HEADER_BYTES, Header, Kind, names};
use crate::mutants::mutant;
use crate::types::{AttachmentId, Version};

pub(crate) const BAD_RECORD: &str = "a durable record is damaged";
pub(crate) const BAD_CHANGES: &str = "a record's changes do not follow the format";
pub(crate) const BAD_HEADER: &str = "its header is damaged";
pub(crate) const MISPLACED: &str = "it belongs to another store, or was renamed";

/// The engine's files in a directory.
pub(crate) struct Files {
    pub(super) has_identity: bool,
    /// Oldest first.
    pub(crate) segments: Vec<Version>,
    /// Oldest first.
    pub(crate) checkpoints: Vec<Version>,
    pub(super) attachments: BTreeSet<AttachmentId>,
    pub(super) unfinished: Vec<String>,
}

impl Files {
    pub(crate) fn list(disk: &dyn Disk) -> Result<Self, OpenError> {
        let all = disk.list().doing(|| "listing the store's files".into())?;
        let numbers = |number: fn(&str) -> Option<Version>| {
            let mut versions: Vec<_> = all.iter().filter_map(|name| number(name)).collect();
            versions.sort_unstable();
            versions
        };
        Ok(Self {
            has_identity: all.iter().any(|name| name == names::STORE),
            segments: numbers(names::segment_of),
            checkpoints: numbers(names::checkpoint_of),
            attachments: all.iter().filter_map(|name| names::attachment_of(name)).collect(),
            unfinished: all.iter().filter(|name| names::is_unfinished(name)).cloned().collect(),
        })
    }

    /// The store's identity file; `None` if there is no store.
    pub(crate) fn identity(&self, disk: &dyn Disk) -> Result<Option<Header>, OpenError> {
        if !self.has_identity {
            return match (&self.segments[..], &self.checkpoints[..]) {
                ([], []) => Ok(None),
                ([0], []) if is_without_records(disk, &names::segment(0))? => Ok(None),
                _ if self.is_half_restored(disk)? => Err(OpenError::damaged(names::STORE, 0, HALF_RESTORED)),
                _ => Err(OpenError::damaged(names::STORE, 0, "the file is missing, but other files of a store exist")),
            };
        }
        let bytes = read_file(disk, names::STORE)?;
        let header = Header::decode(Kind::Store, &bytes).map_err(|bad| bad_header(names::STORE, bad))?;
        if bytes.len() != HEADER_BYTES {
            return Err(OpenError::damaged(names::STORE, HEADER_BYTES as u64, "there are bytes after its end"));
        }
        Ok(Some(header))
    }

    /// Whether these are what an interrupted restore or repair leaves: a segment without records, maybe the checkpoint that belongs to it,
    /// and no identity, which is written last. A store that lost its identity has more, unless nothing was ever written to it since it was
    /// restored.
    pub(super) fn is_half_restored(&self, disk: &dyn Disk) -> Result<bool, OpenError> {
        let &[segment] = &self.segments[..] else { return Ok(false) };
        let is_its_own = self.checkpoints.iter().all(|&checkpoint| checkpoint == segment);
        Ok(!self.has_identity && is_its_own && is_without_records(disk, &names::segment(segment))?)
    }

    /// Removes all of them.
    pub(super) fn remove_all(mut self, disk: &dyn Disk) -> Result<(), OpenError> {
        self.unfinished.extend(self.checkpoints.drain(..).map(names::checkpoint));
        self.unfinished.extend(self.segments.drain(..).map(names::segment));
        self.unfinished.extend(self.attachments.iter().map(names::attachment));
        self.tidy(disk)
    }

    /// The files that opening reads if the newest checkpoint is intact.
    pub(super) fn read_first(&self) -> impl Iterator<Item = String> {
        let newest = self.checkpoints.last().map(|&version| names::checkpoint(version));
        newest.into_iter().chain(self.segments.iter().map(|&after| names::segment(after)))
    }

    /// Lets attachments go that no commit names: the remains of a crash before it, or after one that dropped them.
    pub(super) fn abandon_attachments(&mut self, needed: &BTreeSet<AttachmentId>) {
        self.unfinished.extend(self.attachments.difference(needed).map(names::attachment));
    }

    /// Removes unfinished files that a crash left.
    pub(super) fn tidy(&mut self, disk: &dyn Disk) -> Result<(), OpenError> {
        for name in self.unfinished.drain(..) {
            disk.remove(&name).doing(|| format!("removing {name}"))?;
        }
        Ok(())
    }
}

/// Whether a segment has at most a header: the remains of a store that was being created.
fn is_without_records(disk: &dyn Disk, name: &str) -> Result<bool, OpenError> {
    let bytes = disk.open(name).and_then(|file| file.size()).doing(|| format!("reading {name}"))?;
    Ok(bytes <= HEADER_BYTES as u64)
}

pub(crate) fn read_file(disk: &dyn Disk, name: &str) -> Result<Vec<u8>, OpenError> {
    let read = || {
        let file = disk.open(name)?;
        let size = usize::try_from(file.size()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; size];
        let got = read_full(&*file, &mut bytes, 0)?;
        bytes.truncate(got);
        Ok(bytes)
    };
    read().doing(|| format!("reading {name}"))
}

pub(super) fn bad_header(file: &str, bad: BadHeader) -> OpenError {
    match bad {
        BadHeader::Damaged => OpenError::damaged(file, 0, BAD_HEADER),
        BadHeader::Newer(format) => OpenError::Newer { file: file.into(), format },
    }
}

/// Keeps others out of the store's directory.
pub(crate) fn lock(disk: &dyn Disk) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    mutant!("lock-not-taken" => return Ok(Box::new(())));
    disk.lock().map_err(|error| match error.kind() {
        #[cfg(unix)]
        io::ErrorKind::WouldBlock if crate::disk::is_open_here(&error) => OpenError::InUseHere,
        io::ErrorKind::WouldBlock => OpenError::InUse,
        _ => OpenError::Io { doing: "locking the store".into(), error },
    })
}
