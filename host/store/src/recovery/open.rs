//! Opens a store on a disk: reads and checks its files, and loads their contents into memory.
//!
//! 1. The directory is locked. The file `store.mantis` identifies the store and its format.
//! 2. The newest checkpoint is read; if it is damaged, the older one.
//! 3. The records of the log that are newer are applied again, in order and without a gap. Older ones fill the change feed.
//! 4. A torn end of the last segment is cut off. Any other damage is an error that names file and offset, and nothing is changed.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::files::{Files, MISPLACED, lock};
use super::outcome::{Doing, OpenError, Part, Recovered};
use super::progress::Progress;
use super::replay::Replay;
use crate::disk::{Disk, DiskFile, Sequential};
use crate::durability::{Checkpoints, Durable, LogWriter, Segment, identity};
use crate::engine::{Inner, Node, NodeExt, Record, Store, Writer};
use crate::format::{FORMAT_PLAIN, Header, Unreadable, names, read_checkpoint};
use crate::mutants::mutant;
use crate::types::{AttachmentId, Checkpoint, Direction, Durability, KeyRange, Options};

const NO_LOG: &str = "the store has lost its log: there is neither a segment nor a checkpoint";

impl Store {
    /// Opens the store on `disk`, or creates one if there is none.
    ///
    /// Opening starts no thread: under [`Durability::Always`] a thread has to call [`drive`](Self::drive), as one of
    /// [`DiskThreads`](crate::DiskThreads) does, or the owner, who declares that with `drive_by_hand`. Without either, commits are refused.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed. Always in a page, which keeps stores in memory.
    #[allow(clippy::needless_pass_by_value, reason = "a store's options are made for it")]
    pub fn open(options: Options, disk: Arc<dyn Disk>, durability: Durability) -> Result<(Self, Recovered), OpenError> {
        if cfg!(target_family = "wasm") {
            // A page's build has no code that writes: see `Inner::durable`.
            return Err(io::Error::from(io::ErrorKind::Unsupported)).doing(|| "opening a store in a page".into());
        }
        let lock = lock(&*disk)?;
        let Recovery { mut inner, identity, segments, mut files, recovered, .. } =
            recover(&options, &*disk, &Progress::new(&options))?;
        files.tidy(&*disk)?;
        let found = identity.map(|header| (header.format, header.store, header.version));
        let (format, store, reserved) = found.unwrap_or_else(|| (FORMAT_PLAIN, options.random.next_u64(), 0));
        // Names that were found may not be durable yet, and everything that follows builds on them.
        disk.sync_directory().doing(|| "syncing the store's directory".into())?;
        let writer = log_end(&disk, store, &options, segments)?;
        if identity.is_none() {
            // After the log's first segment, so that a store without one has lost it. If this fails the segment stays, because the name may
            // have been given all the same; the next opening replaces it.
            identity::write(&*disk, format, store, 0, options.clock.now_ms()).doing(|| "making a store".into())?;
        }
        let end = inner.writer.get_mut();
        end.given = end.given.max(reserved);
        let checkpoints = Checkpoints::new(options.checkpoint_bytes, recovered.checkpoint, recovered.log_bytes);
        let durable = Durable::new(
            disk,
            (format, store, reserved),
            durability,
            options.segment_bytes_max,
            writer,
            checkpoints,
            lock,
        );
        inner.set_durable(durable);
        Ok((Self(Arc::new(inner)), recovered))
    }
}

#[cfg(not(target_family = "wasm"))]
impl Store {
    /// The store on `disk` as it is now, in memory. Nothing is changed, also later: a torn end of the log is ignored and not cut off, and
    /// commits stay in memory, so that an owner who wants none refuses them. The disk is locked while it is read, and not afterwards.
    ///
    /// # Errors
    /// [`OpenError`]: as [`open`](Self::open), and [`OpenError::Missing`].
    #[allow(clippy::needless_pass_by_value, reason = "a store's options are made for it")]
    pub fn open_read_only(options: Options, disk: &dyn Disk) -> Result<(Self, Recovered), OpenError> {
        let lock = lock(disk)?;
        let Recovery { inner, recovered, .. } = recover(&options, disk, &Progress::new(&options))?;
        drop(lock);
        if recovered.is_new {
            return Err(OpenError::Missing);
        }
        Ok((Self(Arc::new(inner)), recovered))
    }
}

/// The contents of a disk, read and checked. Nothing was changed so far.
pub(crate) struct Recovery {
    pub(super) inner: Inner,
    /// The store's identity; `None` if there is no store.
    identity: Option<Header>,
    segments: Vec<(Segment, u64)>,
    /// The files, among them unfinished ones of a crash to be removed.
    files: Files,
    /// The attachments that the store needs.
    pub(super) attachments: BTreeSet<AttachmentId>,
    pub(crate) recovered: Recovered,
}

/// Reads the contents of `disk`.
pub(crate) fn recover(options: &Options, disk: &dyn Disk, progress: &Progress) -> Result<Recovery, OpenError> {
    let mut files = Files::list(disk)?;
    let mut recovered = Recovered::default();
    let Some(header) = files.identity(disk)? else {
        let (inner, segments) = (Inner::new(options), Vec::new());
        let abandoned = std::mem::take(&mut files.segments);
        files.unfinished.extend(abandoned.into_iter().map(names::segment));
        let attachments = BTreeSet::new();
        files.abandon_attachments(&attachments);
        recovered.is_new = true;
        return Ok(Recovery { inner, identity: None, segments, files, attachments, recovered });
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
    let attachments = attachments_of(&inner);
    recovered.attachments_missing = attachments.difference(&files.attachments).copied().collect();
    files.abandon_attachments(&attachments);
    Ok(Recovery { inner, identity: Some(header), segments, files, attachments, recovered })
}

/// The attachments that a store's newest commit refers to.
pub(super) fn attachments_of(inner: &Inner) -> BTreeSet<AttachmentId> {
    let (mut found, newest) = (BTreeSet::new(), inner.visible.load(Ordering::Acquire));
    inner.walk(&KeyRange::prefix(AttachmentId::keys()), Direction::Forward, &mut |record| {
        record.at(newest, |node| {
            if !node.about().is_deletion {
                found.extend(AttachmentId::in_key(record.key()));
            }
        });
        ControlFlow::Continue(())
    });
    found
}

/// Shows the entries of a store at its newest commit.
pub(super) fn show_entries(inner: &Inner, show: &mut dyn FnMut(Part<'_>)) {
    let newest = inner.visible.load(Ordering::Acquire);
    inner.walk(&KeyRange::all(), Direction::Forward, &mut |record| {
        record.at(newest, |node| {
            if !node.about().is_deletion {
                show(Part::Entry { key: record.key(), version: node.about().version, value: &node.slice });
            }
        });
        ControlFlow::Continue(())
    });
}

/// A store with the contents of the newest intact checkpoint.
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
    let mut loading = inner.map.load_sorted();
    let (header, checkpoint) = read_checkpoint(&mut progress.count(Sequential::new(file)), |entry| {
        let node = Node::create(entry.version, entry.time_ms, entry.deadline_ms, Some(entry.value), None);
        let record = Record::new(entry.key, node.clone());
        loading.push(&record);
        inner.put_in(&mut writer, &record, &node);
        writer.stats.versions += 1;
    })?;
    (writer.last, writer.given) = (header.version, header.version);
    *inner.writer.get_mut() = writer;
    inner.visible.store(header.version, Ordering::Release);
    inner.feed.begin_after(header.version);
    Ok((inner, header, checkpoint))
}

/// The end of the log, ready for the next record: the last segment continues at its certain end.
fn log_end(
    disk: &Arc<dyn Disk>,
    store: u64,
    options: &Options,
    mut segments: Vec<(Segment, u64)>,
) -> Result<LogWriter, OpenError> {
    let current = segments.pop();
    if let Some((last, _)) = &current {
        // What was read must stay: the records that follow declare it durable.
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
