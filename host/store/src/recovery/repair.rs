//! Repairs a damaged store: copies the longest intact prefix of its commits to another disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backup::Backup;
use super::checkpoint::write_backup;
use super::files::{Files, lock, read_file as read_whole};
use super::open::{attachments_of, load, show_entries};
use super::outcome::{Doing, OpenError, Part};
use super::progress::Progress;
use super::restore::{RestoreError, write_store};
use crate::attachments::{read_file, write_file};
use crate::disk::{Disk, read_full};
use crate::engine::{Inner, Snapshot};
use crate::format::{
    FORMAT_ATTACHMENTS, FORMAT_PLAIN, HEADER_BYTES, Header, Kind, LogRecord, Unreadable, names, salvage,
};
use crate::types::{AttachmentId, Checkpoint, Options, Version};

/// What a repair kept, and what it left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The commit of the checkpoint that the log was applied to; 0 for the log alone.
    pub base: Version,
    /// Commits of the log applied to it.
    pub commits: u64,
    /// The new store: its version, its keys, and the length of its file.
    pub kept: Checkpoint,
    /// The newest commit that any file mentions. The commits between [`kept`](Self::kept) and it are lost.
    pub newest_seen: Version,
    /// Whole commits after those that were kept. They build on lost ones, so they were left out.
    pub commits_left_out: u64,
    /// Attachments that the new store refers to and does not have: their files are missing or damaged.
    pub attachments_lost: Vec<AttachmentId>,
}

/// Why a store was not repaired. It is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The damaged store could not be read.
    #[error(transparent)]
    Read(#[from] OpenError),
    /// There is no whole checkpoint, and no log that begins with the first commit.
    #[error("nothing can be repaired: there is neither a whole checkpoint nor a log from the first commit on")]
    NothingWhole,
    /// The identity cannot be read, and the other files do not agree on one.
    #[error("the files belong to several stores, and store.mantis cannot be read to say which")]
    Mixed,
    /// The new store could not be written.
    #[error(transparent)]
    Write(#[from] RestoreError),
}

/// Copies the longest intact prefix of the commits of the store on `disk` to the disk `into`, which must hold no store.
///
/// The prefix begins with an intact checkpoint, or with the first commit, whichever gets further, and ends before the first commit that is
/// missing or damaged. The new store holds what the damaged one held at that commit. Nothing changes on `disk`. The new store has an
/// identity of its own and skips 2^32 versions, as after [`restore`](crate::restore). Takes as much memory as opening the store. Of
/// `options` only the clock and the randomness matter.
///
/// # Errors
/// [`RepairError`].
pub fn repair(disk: &dyn Disk, into: &dyn Disk, options: &Options) -> Result<Repaired, RepairError> {
    repair_showing(disk, into, options, &mut |_| {})
}

/// As [`repair`], and shows the entries that are kept.
///
/// # Errors
/// As [`repair`].
pub fn repair_showing(
    disk: &dyn Disk,
    into: &dyn Disk,
    options: &Options,
    show: &mut dyn FnMut(Part<'_>),
) -> Result<Repaired, RepairError> {
    let _lock = lock(disk)?;
    let options = &Options { feed_bytes_max: 0, ..options.clone() };
    let progress = Progress::new(options);
    let Plan { store, log, base, inner } = Plan::of(disk, options, &progress)?;
    let chain = log.chain(base);
    redo(disk, store, &inner, &chain, &progress)?;
    show_entries(&inner, show);
    let snapshot = Snapshot::take_ageless(&Arc::new(inner));
    let reached = snapshot.version();
    let attachments = attachments_of(snapshot.store());
    let format = if attachments.is_empty() { FORMAT_PLAIN } else { FORMAT_ATTACHMENTS };
    let mut attachments_lost = Vec::new();
    let kept = write_store(into, options, (format, reached), |store, file| {
        for id in attachments {
            match read_file(disk, id) {
                Ok(bytes) => write_file(into, id, &bytes)?,
                Err(_) => attachments_lost.push(id),
            }
        }
        Ok(write_backup(file, Backup::new(snapshot, store), &mut || ())?)
    })?;
    let commits_left_out = log.commits.values().filter(|commit| commit.version > reached).count() as u64;
    let newest_seen = log.newest_seen.max(reached);
    Ok(Repaired { base, commits: chain.len() as u64, kept, newest_seen, commits_left_out, attachments_lost })
}

/// The newest commit that [`repair`] of the store on `disk` would keep; 0 if it would keep none. Changes nothing. Reads the log and a
/// checkpoint, and takes as much memory as opening the store.
///
/// # Errors
/// Why [`repair`] would refuse: [`RepairError`], except [`RepairError::Write`].
pub fn repairable(disk: &dyn Disk, options: &Options) -> Result<Version, RepairError> {
    let _lock = lock(disk)?;
    let options = &Options { feed_bytes_max: 0, ..options.clone() };
    let plan = Plan::of(disk, options, &Progress::new(options))?;
    Ok(plan.log.reach(plan.base))
}

/// The starting point of a repair.
struct Plan {
    /// The damaged store's identity.
    store: u64,
    log: Log,
    /// The commit that the log is applied to, and the store at that commit.
    base: Version,
    inner: Inner,
}

impl Plan {
    fn of(disk: &dyn Disk, options: &Options, progress: &Progress) -> Result<Self, RepairError> {
        let files = Files::list(disk)?;
        let store = identity(disk, &files)?;
        let log = Log::read(disk, store, &files, progress)?;
        let (base, inner) = log.best_base(disk, store, &files, options, progress)?;
        Ok(Self { store, log, base, inner })
    }
}

/// The store's identity; if its file is damaged, the one that all other files agree on.
fn identity(disk: &dyn Disk, files: &Files) -> Result<u64, RepairError> {
    match files.identity(disk) {
        Ok(Some(header)) => return Ok(header.store),
        Ok(None) => return Err(RepairError::NothingWhole),
        Err(OpenError::Damaged { .. }) => {}
        Err(other) => return Err(other.into()),
    }
    let segments = files.segments.iter().map(|&after| (Kind::Segment, names::segment(after)));
    let checkpoints = files.checkpoints.iter().map(|&version| (Kind::Checkpoint, names::checkpoint(version)));
    let mut store = None;
    for (kind, name) in segments.chain(checkpoints) {
        if let Some(header) = header(disk, kind, &name)?
            && *store.get_or_insert(header.store) != header.store
        {
            return Err(RepairError::Mixed);
        }
    }
    store.ok_or(RepairError::NothingWhole)
}

fn header(disk: &dyn Disk, kind: Kind, name: &str) -> Result<Option<Header>, OpenError> {
    let mut bytes = vec![0; HEADER_BYTES];
    let read = disk.open(name).and_then(|file| read_full(&*file, &mut bytes, 0));
    let got = read.doing(|| format!("reading {name}"))?;
    Ok(Header::decode(kind, &bytes[..got]).ok())
}

/// A whole commit, and its place in the log.
#[derive(Debug, Clone, Copy)]
struct Commit {
    version: Version,
    segment: Version,
    offset: u64,
}

/// Every whole commit of the log.
struct Log {
    /// By the previous commit.
    commits: BTreeMap<Version, Commit>,
    /// Whether the log's first segment, which has the first commit, is readable.
    begins_at_first: bool,
    newest_seen: Version,
}

impl Log {
    fn read(disk: &dyn Disk, store: u64, files: &Files, progress: &Progress) -> Result<Self, OpenError> {
        // A name proves nothing: only contents with a valid checksum count.
        let mut log = Self { commits: BTreeMap::new(), begins_at_first: false, newest_seen: 0 };
        progress.expect(disk, files.segments.iter().map(|&segment| names::segment(segment)));
        for &segment in &files.segments {
            let Some((bytes, header)) = read_segment(disk, store, segment)? else { continue };
            log.begins_at_first |= segment == 0;
            log.newest_seen = log.newest_seen.max(segment);
            salvage(&bytes, header.salt, |offset, record| {
                let about = record.header;
                log.newest_seen = log.newest_seen.max(about.version);
                if record.changes().is_some() {
                    log.commits.entry(about.after).or_insert(Commit { version: about.version, segment, offset });
                }
            });
            progress.add(bytes.len() as u64);
        }
        Ok(log)
    }

    /// The commits that follow `base` without a gap.
    fn chain(&self, base: Version) -> Vec<Commit> {
        let next = |before: Version| self.commits.get(&before).copied();
        std::iter::successors(next(base), |commit| next(commit.version)).collect()
    }

    fn reach(&self, base: Version) -> Version {
        self.chain(base).last().map_or(base, |commit| commit.version)
    }

    /// The commit from which the log reaches furthest, and the store at that commit.
    fn best_base(
        &self,
        disk: &dyn Disk,
        store: u64,
        files: &Files,
        options: &Options,
        progress: &Progress,
    ) -> Result<(Version, Inner), RepairError> {
        let mut bases = files.checkpoints.clone();
        // The furthest reach first, then the least work.
        bases.sort_by_key(|&base| std::cmp::Reverse((self.reach(base), base)));
        let first = || Ok((0, Inner::new(options)));
        for base in bases {
            if self.begins_at_first && self.reach(0) > self.reach(base) {
                return first();
            }
            let name = names::checkpoint(base);
            progress.expect(disk, [name.clone()]);
            let loaded = disk.open(&name).map_err(Unreadable::from).and_then(|file| load(options, &*file, progress));
            match loaded {
                Ok((inner, header, _)) if header.store == store && header.version == base => return Ok((base, inner)),
                Ok(_) | Err(Unreadable::Damaged(_) | Unreadable::Newer(_)) => {}
                Err(Unreadable::Io(error)) => {
                    return Err(OpenError::Io { doing: format!("reading {name}"), error }.into());
                }
            }
        }
        if self.begins_at_first { first() } else { Err(RepairError::NothingWhole) }
    }
}

/// A segment with a trustworthy header: without it, none of its contents can be trusted.
fn read_segment(disk: &dyn Disk, store: u64, segment: Version) -> Result<Option<(Vec<u8>, Header)>, OpenError> {
    let bytes = read_whole(disk, &names::segment(segment))?;
    let header = Header::decode(Kind::Segment, &bytes).ok();
    let header = header.filter(|header| header.store == store && header.version == segment);
    Ok(header.map(|header| (bytes, header)))
}

/// Applies the commits of `chain` again.
fn redo(disk: &dyn Disk, store: u64, inner: &Inner, chain: &[Commit], progress: &Progress) -> Result<(), OpenError> {
    let segments = || chain.chunk_by(|commit, next| commit.segment == next.segment);
    progress.expect(disk, segments().map(|commits| names::segment(commits[0].segment)));
    for commits in segments() {
        let segment = commits[0].segment;
        let name = names::segment(segment);
        let changed = || OpenError::damaged(&name, 0, "it changes while it is read");
        let (bytes, header) = read_segment(disk, store, segment)?.ok_or_else(changed)?;
        for commit in commits {
            let bytes = usize::try_from(commit.offset).ok().and_then(|offset| bytes.get(offset..));
            let record = bytes.and_then(|bytes| LogRecord::decode(bytes, commit.offset, header.salt));
            let record = record.filter(|record| record.header.version == commit.version).ok_or_else(changed)?;
            let changes = record.changes().ok_or_else(changed)?;
            inner.redo(commit.version, record.header.time_ms, &changes);
        }
        progress.add(bytes.len() as u64);
    }
    Ok(())
}
