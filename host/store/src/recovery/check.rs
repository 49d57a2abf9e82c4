//! Checks every file of a store, without changing anything.

use std::collections::BTreeSet;

use super::files::{BAD_CHANGES, BAD_HEADER, BAD_RECORD, Files, MISPLACED, lock, read_file};
use super::open::{recover, show_entries};
use super::outcome::{Doing, OpenError, Part, Recovered};
use super::progress::Progress;
use crate::disk::{Disk, Sequential};
use crate::format::{
    BadHeader, End, FORMAT, HEADER_BYTES, Header, Kind, Unreadable, names, read_checkpoint, salvage, scan,
};
use crate::types::{AttachmentId, Options, Version};

const UNUSED: &str = "begun and never written to; the next start removes it";

/// The result of a check of a directory.
#[derive(Debug)]
pub struct Report {
    /// The contents of each file, by name.
    pub files: Vec<FileReport>,
    /// What opening the store would find, or why it would fail.
    pub opening: Result<Recovered, OpenError>,
}

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Its kind, by its name.
    pub kind: FileKind,
    /// Its length.
    pub bytes: u64,
    /// The commit of a checkpoint; the first and last whole commit of a segment, up to the first damage.
    pub versions: Option<(Version, Version)>,
    /// Keys in a checkpoint; whole commits in a segment, up to the first damage.
    pub entries: u64,
    /// Notes on the file, and its damage.
    pub findings: Vec<Finding>,
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The file that makes a directory a store.
    Identity,
    /// The whole store at one commit.
    Checkpoint,
    /// Commits, in order.
    Segment,
    /// The bytes of an attachment.
    Attachment,
    /// A file that was being written when a process ended.
    Unfinished,
    /// Not a file of the engine.
    Other,
}

/// A note on a file, or damage in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its offset in bytes.
    pub offset: u64,
    /// What was found.
    pub what: String,
    /// Whether the file differs from what was written. Otherwise it is what a crash or a power cut may leave, and costs nothing that was
    /// promised.
    pub is_damage: bool,
}

impl Report {
    /// Whether every file is intact and the store would open.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.opening.is_ok() && self.files.iter().all(FileReport::is_right)
    }

    /// Whether the store would open with every entry, and lacks attachments that it refers to: the rest of the damage, if any, is in what is
    /// no longer needed.
    #[must_use]
    pub fn lacks_attachments(&self) -> bool {
        self.opening.is_ok() && self.damaged().any(|file| file.kind == FileKind::Attachment)
    }

    /// Whether nothing but attachments is damaged: a repair would bring nothing back.
    #[must_use]
    pub fn lacks_attachments_alone(&self) -> bool {
        self.lacks_attachments() && self.damaged().all(|file| file.kind == FileKind::Attachment)
    }

    fn damaged(&self) -> impl Iterator<Item = &FileReport> {
        self.files.iter().filter(|file| !file.is_right())
    }
}

impl FileReport {
    fn new(name: String) -> Self {
        let kind = match &*name {
            names::STORE => FileKind::Identity,
            name if names::segment_of(name).is_some() => FileKind::Segment,
            name if names::checkpoint_of(name).is_some() => FileKind::Checkpoint,
            name if names::attachment_of(name).is_some() => FileKind::Attachment,
            name if names::is_unfinished(name) => FileKind::Unfinished,
            _ => FileKind::Other,
        };
        Self { name, kind, bytes: 0, versions: None, entries: 0, findings: Vec::new() }
    }

    /// Whether the file is intact, apart from what a crash may leave.
    #[must_use]
    pub fn is_right(&self) -> bool {
        !self.findings.iter().any(|finding| finding.is_damage)
    }

    fn remark(&mut self, offset: u64, what: impl Into<String>) {
        self.findings.push(Finding { offset, what: what.into(), is_damage: false });
    }

    fn damage(&mut self, offset: u64, what: impl Into<String>) {
        self.findings.push(Finding { offset, what: what.into(), is_damage: true });
    }

    /// Its header, unless that is damaged.
    fn check_header(&mut self, kind: Kind, bytes: &[u8], store: Option<u64>) -> Option<Header> {
        match Header::decode(kind, bytes) {
            Ok(header) => self.is_in_place(header, store).then_some(header),
            Err(BadHeader::Damaged) => {
                self.damage(0, BAD_HEADER);
                None
            }
            Err(BadHeader::Newer(format)) => {
                self.damage(0, newer(format));
                None
            }
        }
    }

    /// Whether a file's header has the expected store and version.
    fn is_in_place(&mut self, header: Header, store: Option<u64>) -> bool {
        let version = names::segment_of(&self.name).or(names::checkpoint_of(&self.name)).unwrap_or(header.version);
        let is_in_place = header.version == version && store.is_none_or(|store| store == header.store);
        if !is_in_place {
            self.damage(0, MISPLACED);
        }
        is_in_place
    }
}

fn newer(format: u32) -> String {
    format!("it is in format {format}, which this program cannot read (it reads format {FORMAT})")
}

/// Reads every file of the store on `disk`, and finds out whether it would open. Changes nothing and creates no file.
///
/// Takes as much memory as opening the store. Of `options` only the clock and the randomness matter.
///
/// # Errors
/// [`OpenError::InUse`], [`OpenError::InUseHere`] and [`OpenError::Io`]: the store could not be read. Damage is in the report.
pub fn check(disk: &dyn Disk, options: &Options) -> Result<Report, OpenError> {
    check_showing(disk, options, &mut |_| {})
}

/// As [`check`], and shows the entries with which the store would open, and the attachments among them that are intact.
///
/// # Errors
/// As [`check`].
pub fn check_showing(disk: &dyn Disk, options: &Options, show: &mut dyn FnMut(Part<'_>)) -> Result<Report, OpenError> {
    let _lock = lock(disk)?;
    // The check needs no change feed.
    let options = Options { feed_bytes_max: 0, ..options.clone() };
    let progress = Progress::new(&options);
    let mut names = disk.list().doing(|| "listing the store's files".into())?;
    names.sort_unstable();
    progress.expect(disk, names.iter().cloned());
    let recovered = recover(&options, disk, &progress);
    let (opening, needed) = match recovered {
        Ok(recovery) => {
            show_entries(&recovery.inner, show);
            (Ok(recovery.recovered), Some(recovery.attachments))
        }
        Err(error) => (Err(error), None),
    };
    let list = Files::list(disk)?;
    let store = list.identity(disk).ok().flatten().map(|header| header.store);
    let (opens, segments) = (opening.is_ok(), list.segments);
    let mut check = Check { disk, store, opens, segments, log: None, base: 0, needed, progress, show };
    let mut files: Vec<_> = names.into_iter().map(|name| check.file(name)).collect();
    if let Ok(recovered) = &opening {
        files.extend(recovered.attachments_missing.iter().map(missing));
    }
    if let Err(error) = &opening {
        name_reason(&mut files, error);
    }
    Ok(Report { files, opening })
}

/// The end of the log after the segments read so far.
struct LogEnd {
    /// The newest segment.
    name: String,
    is_whole: bool,
    last: Version,
}

struct Check<'d> {
    disk: &'d dyn Disk,
    /// The identity, if it is known.
    store: Option<u64>,
    opens: bool,
    segments: Vec<Version>,
    log: Option<LogEnd>,
    /// The commit of the newest intact checkpoint. In the order of names checkpoints come before segments.
    base: Version,
    /// The attachments that the store refers to, if it opens.
    needed: Option<BTreeSet<AttachmentId>>,
    progress: Progress,
    show: &'d mut dyn FnMut(Part<'_>),
}

impl Check<'_> {
    fn file(&mut self, name: String) -> FileReport {
        let begun = self.progress.done();
        let mut report = FileReport::new(name);
        match report.kind {
            FileKind::Identity => self.identity(&mut report),
            FileKind::Checkpoint => self.checkpoint(&mut report),
            FileKind::Segment => self.segment(&mut report),
            FileKind::Attachment => self.attachment(&mut report),
            FileKind::Unfinished | FileKind::Other => {
                report.bytes = self.disk.open(&report.name).and_then(|file| file.size()).unwrap_or_default();
            }
        }
        if report.kind == FileKind::Unfinished {
            report.remark(0, "being written when a process ended; the next start removes it");
        }
        self.progress.reach(begun + report.bytes);
        report
    }

    fn identity(&self, report: &mut FileReport) {
        let Some(bytes) = self.read(report) else { return };
        if report.check_header(Kind::Store, &bytes, None).is_some() && bytes.len() > HEADER_BYTES {
            report.damage(HEADER_BYTES as u64, "there are bytes after its end");
        }
    }

    fn checkpoint(&mut self, report: &mut FileReport) {
        let read = self.disk.open(&report.name).map_err(Unreadable::from).and_then(|file| {
            report.bytes = file.size()?;
            read_checkpoint(&mut self.progress.count(Sequential::new(&*file)), |_| {})
        });
        match read {
            Ok((header, whole)) => {
                report.versions = Some((whole.version, whole.version));
                report.entries = whole.entries;
                if report.is_in_place(header, self.store) {
                    self.base = self.base.max(whole.version);
                }
            }
            Err(Unreadable::Damaged(damage)) => report.damage(damage.offset, damage.what),
            Err(Unreadable::Newer(format)) => report.damage(0, newer(format)),
            Err(Unreadable::Io(error)) => report.damage(0, error.to_string()),
        }
    }

    fn attachment(&mut self, report: &mut FileReport) {
        let (Some(id), Some(bytes)) = (names::attachment_of(&report.name), self.read(report)) else { return };
        if self.needed.as_ref().is_some_and(|needed| !needed.contains(&id)) {
            report.remark(0, "no commit names it; the next start removes it");
        } else if AttachmentId::of(&bytes) != id {
            report.damage(0, "its bytes are not those that its name says");
        } else {
            (self.show)(Part::Attachment(id));
        }
    }

    fn segment(&mut self, report: &mut FileReport) {
        let Some(bytes) = self.read(report) else { return };
        let after = names::segment_of(&report.name).unwrap_or_default();
        let is_last = self.segments.last() == Some(&after);
        if bytes.len() <= HEADER_BYTES && Header::decode(Kind::Segment, &bytes) == Err(BadHeader::Damaged) {
            // No record is written before its segment's header is durable, and the first segment's header is durable before the identity is
            // written.
            let may_be_torn = is_last && self.log.is_some();
            return if self.opens || may_be_torn { report.remark(0, UNUSED) } else { report.damage(0, BAD_HEADER) };
        }
        let Some(header) = report.check_header(Kind::Segment, &bytes, self.store) else { return };
        let was_continued = self.log.as_ref().is_some_and(|log| log.last > after);
        if bytes.len() == HEADER_BYTES && was_continued {
            return report.remark(0, UNUSED);
        }
        self.link(report, after);
        let scanned = scan(&bytes, header.salt, after, |offset, record| {
            let changes = record.changes();
            if changes.is_some() {
                let version = record.header.version;
                report.versions = Some((report.versions.map_or(version, |(first, _)| first), version));
                report.entries += 1;
            }
            changes.map(drop).ok_or(offset)
        });
        let is_unfinished = is_last || self.opens;
        match scanned {
            Ok(End::Whole) => {}
            Ok(End::Torn { offset }) if is_unfinished => {
                let bytes = bytes.len() as u64 - offset;
                report.remark(offset, format!("{bytes} bytes of an unfinished write; the next start cuts them off"));
            }
            Ok(End::Torn { offset } | End::Damaged { offset }) => {
                report.damage(offset, damage_at(&bytes, header.salt, offset));
            }
            Err(offset) => report.damage(offset, BAD_CHANGES),
        }
        let last = report.versions.map_or(after, |(_, last)| last);
        self.log = Some(LogEnd { name: report.name.clone(), is_whole: report.is_right(), last });
    }

    /// Reports where the previous segment does not lead up to this one.
    fn link(&self, report: &mut FileReport, after: Version) {
        // Damage in the previous segment explains the gap.
        let Some(log) = self.log.as_ref().filter(|log| log.is_whole && log.last != after) else { return };
        let what = format!("it follows commit {after}, and {} ends with commit {}", log.name, log.last);
        if log.last < after && after <= self.base {
            report.remark(0, format!("{what}; the checkpoint has what is missing"));
        } else {
            report.damage(0, what);
        }
    }

    fn read(&self, report: &mut FileReport) -> Option<Vec<u8>> {
        match read_file(self.disk, &report.name) {
            Ok(bytes) => {
                report.bytes = bytes.len() as u64;
                Some(bytes)
            }
            Err(error) => {
                report.damage(0, error.to_string());
                None
            }
        }
    }
}

/// The report on an attachment that the store refers to and that is not there.
fn missing(id: &AttachmentId) -> FileReport {
    let mut report = FileReport::new(names::attachment(id));
    report.damage(0, "it is missing, and the store refers to it");
    report
}

/// The damage at `offset`, and how many whole commits follow it.
fn damage_at(bytes: &[u8], salt: u64, offset: u64) -> String {
    let mut commits = 0;
    salvage(bytes, salt, |place, _| commits += u64::from(place > offset));
    if commits == 0 { BAD_RECORD.into() } else { format!("{BAD_RECORD}; {commits} whole commits follow in the file") }
}

/// Makes sure that the reason why the store does not open is listed with its file.
fn name_reason(files: &mut Vec<FileReport>, error: &OpenError) {
    let (name, offset, what) = match error {
        OpenError::Damaged { file, offset, what } => (file, *offset, what.clone()),
        OpenError::Newer { file, format } => (file, 0, newer(*format)),
        OpenError::InUse | OpenError::InUseHere | OpenError::Missing | OpenError::Options(_) | OpenError::Io { .. } => {
            return;
        }
    };
    let place = files.iter().position(|file| file.name == *name).unwrap_or_else(|| {
        files.push(FileReport::new(name.clone()));
        files.len() - 1
    });
    let file = &mut files[place];
    if !file.findings.iter().any(|finding| finding.is_damage && finding.offset == offset) {
        file.damage(offset, what);
    }
}
