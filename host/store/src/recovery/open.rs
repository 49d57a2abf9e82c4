//! Opening a store on a disk: what is there is read, checked and put back into memory.
//!
//! 1. The directory is locked. The file `store.mantis` says that it is a store, of which identity and in which format.
//! 2. The newest checkpoint that is whole is read; behind a damaged one stands an older one.
//! 3. The records of the log that are newer are done again, in order and without a gap. Older ones fill the change feed.
//! 4. A torn end of the last segment is cut off. Anything else that is not what was written ends the opening: nothing is changed
//!    then, and the error names file and offset.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fmt, io};

use bytes::Bytes;

use crate::disk::{Disk, DiskFile, read_full};
use crate::durability::identity;
use crate::durability::log::{LogWriter, Segment};
use crate::engine::feed::FeedChange;
use crate::engine::record::{NEVER_MS, Node, NodeExt, Record};
use crate::engine::writer::{Fallen, Writer};
use crate::format::blocks::{self, Sequential, Unreadable};
use crate::format::header::{BadHeader, HEADER_BYTES, Header, Kind};
use crate::format::log_record::LoggedChange;
use crate::format::names;
use crate::format::scan::{End, scan};
use crate::mutants::mutant;
use crate::recovery::checkpoint::Checkpoint;
use crate::recovery::progress::Progress;
use crate::store::Inner;
use crate::store::group_commit::Durable;
use crate::{Durability, Options, Store, Update, Version};

pub(crate) const BAD_RECORD: &str = "a record that was durable is not what was written";
pub(crate) const BAD_CHANGES: &str = "a record's changes are not what the format says";
pub(crate) const BAD_HEADER: &str = "its header is not what was written";
const NO_LOG: &str = "the store has neither a segment of the log nor a checkpoint, and it was made with a segment";
pub(crate) const MISPLACED: &str = "it belongs to another store, or was given another's name";

/// What was found when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Whether there was no store before.
    pub is_new: bool,
    /// The checkpoint that the rest was built on.
    pub checkpoint: Option<Checkpoint>,
    /// Damaged checkpoints that were passed over: the file, the offset, and what is wrong.
    pub passed_over: Vec<(String, u64, &'static str)>,
    /// Segments of the log that were read.
    pub segments: usize,
    /// Commits that were done again on top of the checkpoint.
    pub commits: u64,
    /// The bytes of these commits in the log.
    pub log_bytes: u64,
    /// What was cut off the end of the log: the file, the offset, and how many bytes. Nobody had been told that they are durable.
    pub cut: Option<(String, u64, u64)>,
    /// The newest commit.
    pub version: Version,
    /// Keys in the store.
    pub keys: u64,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_new {
            return write!(f, "new store");
        }
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(f, "{} key{} at version {}", self.keys, plural(self.keys), self.version)?;
        if let Some(checkpoint) = &self.checkpoint {
            write!(f, ", from the checkpoint at version {}", checkpoint.version)?;
        }
        let (commits, segments) = (self.commits, self.segments);
        write!(
            f,
            ", {commits} commit{} from {segments} segment{} of the log",
            plural(commits),
            plural(segments as u64)
        )?;
        for (file, offset, what) in &self.passed_over {
            write!(f, "; passed over {file}: {what} (offset {offset})")?;
        }
        if let Some((file, offset, bytes)) = &self.cut {
            write!(f, "; cut {bytes} bytes of an unfinished write off {file} at offset {offset}")?;
        }
        Ok(())
    }
}

/// Why a store was not opened. Nothing was changed on the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the directory.
    #[error("another process is using the store")]
    InUse,
    /// This process has a store open in the directory.
    #[error("this process has opened the store already, and not let go of it")]
    InUseHere,
    /// A later program wrote it.
    #[error("{file} is in format {format}, which this program does not know (it knows {known})", known = crate::format::header::FORMAT)]
    Newer {
        /// The file.
        file: String,
        /// The version of its format.
        format: u32,
    },
    /// Something that was durable is not what was written.
    #[error("{file}, offset {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// What the store was to be opened with is not what one can work with.
    #[error("{0}")]
    Options(Box<dyn std::error::Error + Send + Sync>),
    /// The disk did not do what was asked.
    #[error("{doing}: {error}")]
    Io {
        /// What was asked.
        doing: String,
        /// What the disk said.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.into(), offset, what: what.into() }
    }
}

/// What the disk said, with what was asked.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, OpenError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, OpenError> {
        self.map_err(|error| OpenError::Io { doing: what(), error })
    }
}

impl Store {
    /// Opens the store on `disk`, or makes one where there is none.
    ///
    /// Nothing is written by itself then: under [`Durability::Always`] a thread has to call [`drive`](Self::drive), as one of
    /// [`DiskThreads`](crate::DiskThreads) does, or the owner, who says so with `drive_by_hand`. Commits are refused where neither is there.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed. In a page always, which keeps stores in memory.
    #[allow(clippy::needless_pass_by_value, reason = "a store's options are made for it")]
    pub fn open(options: Options, disk: Arc<dyn Disk>, durability: Durability) -> Result<(Self, Recovered), OpenError> {
        if cfg!(target_family = "wasm") {
            // A page's build has no code that would write: see `Inner::durable`.
            return Err(io::Error::from(io::ErrorKind::Unsupported)).doing(|| "opening a store in a page".into());
        }
        let lock = lock(&*disk)?;
        let Recovery { mut inner, identity, segments, mut files, recovered } =
            recover(&options, &*disk, &Progress::new(&options))?;
        files.tidy(&*disk)?;
        let (store, reserved) =
            identity.map_or_else(|| (options.random.next_u64(), 0), |header| (header.store, header.version));
        // A name that was found may not have been durable so far, and all that follows builds on it.
        disk.sync_directory().doing(|| "syncing the store's directory".into())?;
        let writer = log_end(&disk, store, &options, segments)?;
        if identity.is_none() {
            // After the log's first segment, so that a store without one has lost it. Where this fails the segment stays, for the name
            // may have been given all the same; the next opening replaces it.
            identity::write(&*disk, store, 0, options.clock.now_ms()).doing(|| "making a store".into())?;
        }
        let end = inner.writer.get_mut();
        end.given = end.given.max(reserved);
        let durable = Durable::new(disk, (store, reserved), durability, &options, writer, &recovered, lock);
        inner.durable = Some(durable);
        Ok((Self(Arc::new(inner)), recovered))
    }
}

pub(crate) fn lock(disk: &dyn Disk) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    mutant!("lock-not-taken" => return Ok(Box::new(())));
    disk.lock().map_err(|error| match error.kind() {
        #[cfg(unix)]
        io::ErrorKind::WouldBlock if crate::disk::is_open_here(&error) => OpenError::InUseHere,
        io::ErrorKind::WouldBlock => OpenError::InUse,
        _ => OpenError::Io { doing: "locking the store".into(), error },
    })
}

/// What is on a disk, read and checked. So far nothing was changed.
pub(crate) struct Recovery {
    inner: Inner,
    /// What the store says of itself; none where there is no store.
    identity: Option<Header>,
    segments: Vec<(Segment, u64)>,
    /// Of which those are to be removed that a crash left unfinished.
    files: Files,
    pub(crate) recovered: Recovered,
}

/// Reads what is on `disk`.
pub(crate) fn recover(options: &Options, disk: &dyn Disk, progress: &Progress) -> Result<Recovery, OpenError> {
    let mut files = Files::list(disk)?;
    let mut recovered = Recovered::default();
    let Some(header) = files.identity(disk)? else {
        let (inner, segments) = (Inner::new(options), Vec::new());
        let abandoned = std::mem::take(&mut files.segments);
        files.unfinished.extend(abandoned.into_iter().map(names::segment));
        recovered.is_new = true;
        return Ok(Recovery { inner, identity: None, segments, files, recovered });
    };
    if files.segments.is_empty() && files.checkpoints.is_empty() && !mutant!("lost-log-taken-for-a-new-store") {
        return Err(OpenError::damaged(&names::segment(0), 0, NO_LOG));
    }
    progress.expect(disk, files.read_first());
    let store = header.store;
    let mut inner = newest_checkpoint(options, disk, store, &files, progress, &mut recovered)?;
    let base = recovered.checkpoint.map_or(0, |checkpoint| checkpoint.version);
    let segments = std::mem::take(&mut files.segments);
    let unfinished = &mut files.unfinished;
    let replay = Replay { inner: &inner, disk, store, base, progress, recovered: &mut recovered, unfinished };
    let segments = replay.run(&segments)?;
    let writer = inner.writer.get_mut();
    (recovered.version, recovered.keys) = (writer.last, writer.stats.keys);
    Ok(Recovery { inner, identity: Some(header), segments, files, recovered })
}

/// The engine's files in a directory.
pub(crate) struct Files {
    has_identity: bool,
    /// Oldest first.
    pub(crate) segments: Vec<Version>,
    /// Oldest first.
    pub(crate) checkpoints: Vec<Version>,
    unfinished: Vec<String>,
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
            unfinished: all.iter().filter(|name| names::is_unfinished(name)).cloned().collect(),
        })
    }

    /// What the store says of itself; none where there is no store.
    pub(crate) fn identity(&self, disk: &dyn Disk) -> Result<Option<Header>, OpenError> {
        if !self.has_identity {
            return match (&self.segments[..], &self.checkpoints[..]) {
                ([], []) => Ok(None),
                ([0], []) if is_without_records(disk, &names::segment(0))? => Ok(None),
                _ => Err(OpenError::damaged(names::STORE, 0, "the file is missing, and others of a store are there")),
            };
        }
        let bytes = read_file(disk, names::STORE)?;
        let header = Header::decode(Kind::Store, &bytes).map_err(|bad| bad_header(names::STORE, bad))?;
        if bytes.len() != HEADER_BYTES {
            return Err(OpenError::damaged(names::STORE, HEADER_BYTES as u64, "something follows its end"));
        }
        Ok(Some(header))
    }

    /// What opening reads, as long as the newest checkpoint is whole.
    fn read_first(&self) -> impl Iterator<Item = String> {
        let newest = self.checkpoints.last().map(|&version| names::checkpoint(version));
        newest.into_iter().chain(self.segments.iter().map(|&after| names::segment(after)))
    }

    /// Removes what a crash left unfinished.
    fn tidy(&mut self, disk: &dyn Disk) -> Result<(), OpenError> {
        for name in self.unfinished.drain(..) {
            disk.remove(&name).doing(|| format!("removing {name}"))?;
        }
        Ok(())
    }
}

/// Whether a segment has at most a header: what is left of a store that was being made.
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

fn bad_header(file: &str, bad: BadHeader) -> OpenError {
    match bad {
        BadHeader::Damaged => OpenError::damaged(file, 0, BAD_HEADER),
        BadHeader::Newer(format) => OpenError::Newer { file: file.into(), format },
    }
}

/// A store with the contents of the newest checkpoint that is whole.
fn newest_checkpoint(
    options: &Options,
    disk: &dyn Disk,
    store: u64,
    files: &Files,
    progress: &Progress,
    recovered: &mut Recovered,
) -> Result<Inner, OpenError> {
    for &version in files.checkpoints.iter().rev() {
        let name = names::checkpoint(version);
        let file = disk.open(&name).doing(|| format!("reading {name}"))?;
        match load(options, &*file, progress) {
            Ok((_, header, _)) if header.store != store || header.version != version => {
                recovered.passed_over.push((name, 0, MISPLACED));
            }
            Ok((inner, _, checkpoint)) => {
                recovered.checkpoint = Some(checkpoint);
                return Ok(inner);
            }
            Err(Unreadable::Damaged(damage)) => recovered.passed_over.push((name, damage.offset, damage.what)),
            Err(Unreadable::Newer(format)) => return Err(OpenError::Newer { file: name, format }),
            Err(Unreadable::Io(error)) => return Err(OpenError::Io { doing: format!("reading {name}"), error }),
        }
    }
    Ok(Inner::new(options))
}

/// A store with the contents of a checkpoint.
pub(crate) fn load(
    options: &Options,
    file: &dyn DiskFile,
    progress: &Progress,
) -> Result<(Inner, Header, Checkpoint), Unreadable> {
    let mut inner = Inner::new(options);
    let mut writer = Writer::default();
    let (header, checkpoint) = blocks::read(&mut progress.count(Sequential::new(file)), |entry| {
        let node = entry.node();
        let record = Record::new(entry.key, node.clone());
        inner.map.insert(&record);
        inner.put_in(&mut writer, &record, &node);
        writer.stats.versions += 1;
    })?;
    (writer.last, writer.given) = (header.version, header.version);
    *inner.writer.get_mut() = writer;
    inner.visible.store(header.version, Ordering::Release);
    inner.feed.begin_behind(header.version);
    Ok((inner, header, checkpoint))
}

/// The segments of the log, being done again.
struct Replay<'r> {
    inner: &'r Inner,
    disk: &'r dyn Disk,
    store: u64,
    /// The commit of the checkpoint.
    base: Version,
    progress: &'r Progress,
    recovered: &'r mut Recovered,
    /// Files to remove when everything is right.
    unfinished: &'r mut Vec<String>,
}

impl Replay<'_> {
    /// Returns what is left of the segments, oldest first, without a torn end.
    fn run(mut self, segments: &[Version]) -> Result<Vec<(Segment, u64)>, OpenError> {
        let mut done: Vec<(Segment, u64)> = Vec::new();
        // The feed has what the log has.
        self.inner.feed.begin_behind(segments.first().copied().unwrap_or(self.base));
        for (place, &after) in segments.iter().enumerate() {
            let is_last = place + 1 == segments.len();
            let name = names::segment(after);
            let bytes = read_file(self.disk, &name)?;
            let before = done.last().map(|(before, _)| *before);
            let is_empty = bytes.len() <= HEADER_BYTES;
            let is_abandoned = is_empty && before.is_some_and(|before| self.has_gone_on(&before, after));
            match &self.recovered.cut {
                Some((torn, offset, _)) if !is_abandoned => return Err(OpenError::damaged(torn, *offset, BAD_RECORD)),
                _ => {}
            }
            // No record is written before the header is durable, and the first segment's is durable before the store is one.
            let may_be_torn = is_empty && is_last && place > 0;
            let header = match Header::decode(Kind::Segment, &bytes) {
                Err(BadHeader::Damaged) if is_abandoned || may_be_torn => None,
                decoded => Some(decoded.map_err(|bad| bad_header(&name, bad))?),
            };
            if header.is_some_and(|header| header.store != self.store || header.version != after) {
                return Err(OpenError::damaged(&name, 0, MISPLACED));
            }
            let Some(header) = header.filter(|_| !is_abandoned) else {
                if !is_abandoned {
                    self.bridge(before.as_ref(), after)?;
                    self.recovered.cut = Some((name.clone(), 0, bytes.len() as u64));
                }
                self.unfinished.push(name);
                continue;
            };
            self.bridge(before.as_ref(), after)?;
            let (newest, end) = self.segment(&name, &bytes, &header)?;
            self.progress.add(HEADER_BYTES as u64);
            let size = match end {
                End::Whole => bytes.len() as u64,
                End::Torn { offset } => {
                    self.recovered.cut = Some((name.clone(), offset, bytes.len() as u64 - offset));
                    offset
                }
                End::Damaged { offset } => return Err(OpenError::damaged(&name, offset, BAD_RECORD)),
            };
            self.recovered.segments += 1;
            done.push((Segment { after, last: newest, bytes: size, time_ms: header.time_ms }, header.salt));
        }
        self.check_complete(done.last().map(|(end, _)| end))?;
        Ok(done)
    }

    /// Whether a segment was written to after the next one had been begun behind the commit `next`, which came to nothing.
    fn has_gone_on(&self, segment: &Segment, next: Version) -> bool {
        segment.last > next || segment.last == next && self.recovered.cut.is_some()
    }

    /// Between two segments there is nothing missing, except what the checkpoint has.
    fn bridge(&self, before: Option<&Segment>, after: Version) -> Result<(), OpenError> {
        let Some(before) = before.filter(|before| before.last != after) else { return Ok(()) };
        if after < before.last || after > self.base {
            let what = format!("it ends with commit {}, and the next segment follows commit {after}", before.last);
            return Err(OpenError::damaged(&names::segment(before.after), before.bytes, what));
        }
        self.inner.feed.begin_behind(after);
        Ok(())
    }

    /// What the log and the checkpoint came to is as new as every file says that it should be.
    fn check_complete(&self, end: Option<&Segment>) -> Result<(), OpenError> {
        let reached = self.inner.visible.load(Ordering::Acquire);
        if let Some((file, offset, what)) = self.recovered.passed_over.first()
            && names::checkpoint_of(file).is_none_or(|version| version > reached)
        {
            return Err(OpenError::damaged(file, *offset, *what));
        }
        let last = end.map_or(0, |end| end.last);
        if last > reached {
            let what = format!("commits behind {reached} are missing");
            return Err(OpenError::damaged(&names::segment(last), 0, what));
        }
        if last < reached {
            // A checkpoint is made when the log is durable that far: what else the log had is not known.
            let (file, offset) = match (&self.recovered.cut, end) {
                (Some((file, offset, _)), _) => (file.clone(), *offset),
                (None, Some(end)) => (names::segment(end.after), end.bytes),
                (None, None) => (names::segment(reached), 0),
            };
            let what =
                format!("the log ends with commit {last}, and was longer when commit {reached} went into a checkpoint");
            return Err(OpenError::damaged(&file, offset, what));
        }
        Ok(())
    }

    /// Does the records of a segment again, and says which was the newest and how it ends.
    fn segment(&mut self, name: &str, bytes: &[u8], header: &Header) -> Result<(Version, End), OpenError> {
        let mut newest = header.version;
        let end = scan(bytes, header.salt, header.version, |offset, record| {
            let changes = record.changes().ok_or_else(|| OpenError::damaged(name, offset, BAD_CHANGES))?;
            let about = record.header;
            newest = about.version;
            self.progress.add(about.record_bytes() as u64);
            if about.version <= self.base {
                self.inner.remember(about.version, about.time_ms, &changes);
                return Ok(());
            }
            let reached = self.inner.visible.load(Ordering::Acquire);
            if about.after != reached {
                return Err(self.gap(name, offset, reached, about.after));
            }
            self.inner.redo(about.version, about.time_ms, &changes);
            self.recovered.commits += 1;
            self.recovered.log_bytes += about.record_bytes() as u64;
            Ok(())
        })?;
        Ok((newest, end))
    }

    fn gap(&self, name: &str, offset: u64, reached: Version, after: Version) -> OpenError {
        // Where a checkpoint was passed over, that is what is wrong.
        if let Some((file, offset, what)) = self.recovered.passed_over.first() {
            return OpenError::damaged(file, *offset, *what);
        }
        OpenError::damaged(name, offset, format!("the commits between {reached} and {after} are missing"))
    }
}

impl Inner {
    /// Does a commit of the log again.
    pub(crate) fn redo(&self, version: Version, time_ms: u64, changes: &[LoggedChange<'_>]) {
        let mut writer = self.lock_writer();
        let mut redone = Vec::with_capacity(changes.len());
        for change in changes {
            let update = match change.value {
                Some(value) => {
                    Update::Put { value: Bytes::copy_from_slice(value), expires_at_ms: change.expires_at_ms }
                }
                None => Update::Delete,
            };
            let applied = self.apply_one(&mut writer, version, time_ms, change.key, &update);
            redone.extend(applied.map(|applied| FeedChange { previous: change.previous, ..applied }));
        }
        let pruned = redone.len();
        self.feed.push(version, time_ms, self.made_us(time_ms), redone, version, &mut Fallen::new());
        (writer.last, writer.given) = (version, version);
        self.visible.store(version, Ordering::Release);
        self.prune(&mut writer, pruned + 1, pruned + 1);
    }

    /// When by the monotonic clock a commit of the log was made. That clock knows nothing of earlier lives of the store: the age comes from
    /// the wall clock, here and never again, and is nothing where that clock was set back since.
    fn made_us(&self, time_ms: u64) -> u64 {
        let age_ms = self.clock.now_ms().saturating_sub(time_ms);
        self.clock.monotonic_us().wrapping_sub(age_ms.saturating_mul(1_000))
    }

    /// Puts a commit into the feed that the checkpoint has the outcome of.
    fn remember(&self, version: Version, time_ms: u64, changes: &[LoggedChange<'_>]) {
        let remembered = changes.iter().map(|change| {
            let node = Node::create(version, time_ms, change.expires_at_ms.unwrap_or(NEVER_MS), change.value, None);
            let record = Record::new(change.key, node.clone());
            FeedChange { record, node, previous: change.previous }
        });
        self.feed.push(version, time_ms, self.made_us(time_ms), remembered.collect(), version, &mut Fallen::new());
    }
}

/// The end of the log, ready for the next record: the last segment goes on where it ends for certain.
fn log_end(
    disk: &Arc<dyn Disk>,
    store: u64,
    options: &Options,
    mut segments: Vec<(Segment, u64)>,
) -> Result<LogWriter, OpenError> {
    let current = segments.pop();
    if let Some((last, _)) = &current {
        // What was read must stay: the records that follow say that it is durable.
        let name = names::segment(last.after);
        let sync = || {
            let file = disk.open(&name)?;
            if file.size()? > last.bytes && !mutant!("torn-end-kept") {
                file.set_size(last.bytes)?;
            }
            file.sync()
        };
        sync().doing(|| format!("cutting off the end of {name}"))?;
    }
    let older = segments.into_iter().map(|(segment, _)| segment).collect();
    let (salt, now_ms) = (options.random.next_u64(), options.clock.now_ms());
    match current {
        Some((segment, salt)) => LogWriter::resume(Arc::clone(disk), store, salt, segment, older),
        None => LogWriter::begin(Arc::clone(disk), store, salt, 0, now_ms, older),
    }
    .doing(|| "beginning a segment of the log".into())
}
