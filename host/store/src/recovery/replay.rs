//! Applies the commits of the log again, on top of a checkpoint.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::files::{BAD_CHANGES, BAD_RECORD, MISPLACED, bad_header, read_file};
use super::outcome::{OpenError, Recovered};
use super::progress::Progress;
use crate::disk::Disk;
use crate::durability::Segment;
use crate::engine::{Fallen, FeedChange, Inner, Node, NodeExt, Record};
use crate::format::{BadHeader, End, HEADER_BYTES, Header, Kind, LoggedChange, names, scan};
use crate::types::{NEVER_MS, Update, Version};

/// Applies the segments of the log again.
pub(super) struct Replay<'r> {
    pub(super) inner: &'r Inner,
    pub(super) disk: &'r dyn Disk,
    pub(super) store: u64,
    /// The commit of the checkpoint.
    pub(super) base: Version,
    pub(super) progress: &'r Progress,
    pub(super) recovered: &'r mut Recovered,
    /// Files to remove once all checks have passed.
    pub(super) unfinished: &'r mut Vec<String>,
}

impl Replay<'_> {
    /// Returns the remaining segments, oldest first, without a torn end.
    pub(super) fn run(mut self, segments: &[Version]) -> Result<Vec<(Segment, u64)>, OpenError> {
        let mut done: Vec<(Segment, u64)> = Vec::new();
        // The feed gets the commits of the log.
        self.inner.feed.begin_after(segments.first().copied().unwrap_or(self.base));
        for (place, &after) in segments.iter().enumerate() {
            let is_last = place + 1 == segments.len();
            let name = names::segment(after);
            let bytes = read_file(self.disk, &name)?;
            let before = done.last().map(|(before, _)| *before);
            let is_empty = bytes.len() <= HEADER_BYTES;
            let is_abandoned = is_empty && before.is_some_and(|before| self.was_continued(&before, after));
            match &self.recovered.cut {
                Some((torn, offset, _)) if !is_abandoned => return Err(OpenError::damaged(torn, *offset, BAD_RECORD)),
                _ => {}
            }
            // No record is written before its segment's header is durable, and the first segment's header is durable before the identity is
            // written.
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

    /// Whether a segment was written to after the next one, begun after the commit `next`, had failed.
    fn was_continued(&self, segment: &Segment, next: Version) -> bool {
        segment.last > next || segment.last == next && self.recovered.cut.is_some()
    }

    /// Checks that nothing is missing between two segments, except what the checkpoint has.
    fn bridge(&self, before: Option<&Segment>, after: Version) -> Result<(), OpenError> {
        let Some(before) = before.filter(|before| before.last != after) else { return Ok(()) };
        if after < before.last || after > self.base {
            let what = format!("it ends with commit {}, and the next segment follows commit {after}", before.last);
            return Err(OpenError::damaged(&names::segment(before.after), before.bytes, what));
        }
        self.inner.feed.begin_after(after);
        Ok(())
    }

    /// Checks that the log and the checkpoint together reach the newest commit that any file mentions.
    fn check_complete(&self, end: Option<&Segment>) -> Result<(), OpenError> {
        let reached = self.inner.visible.load(Ordering::Acquire);
        if let Some((file, offset, what)) = self.recovered.passed_over.first()
            && names::checkpoint_of(file).is_none_or(|version| version > reached)
        {
            return Err(OpenError::damaged(file, *offset, *what));
        }
        let last = end.map_or(0, |end| end.last);
        if last > reached {
            let what = format!("commits after {reached} are missing");
            return Err(OpenError::damaged(&names::segment(last), 0, what));
        }
        if last < reached {
            // A checkpoint is made when the log is durable that far; what the log had beyond it is unknown.
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

    /// Applies the records of a segment again, and returns the newest and how the segment ends.
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
        // A checkpoint that was skipped is the actual damage.
        if let Some((file, offset, what)) = self.recovered.passed_over.first() {
            return OpenError::damaged(file, *offset, *what);
        }
        OpenError::damaged(name, offset, format!("the commits between {reached} and {after} are missing"))
    }
}

impl Inner {
    /// Applies a commit of the log again.
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
            let (previous, replaced) = (change.previous, replaced(change));
            redone.extend(applied.map(|applied| FeedChange { previous, replaced, ..applied }));
        }
        let pruned = redone.len();
        self.feed.push(version, time_ms, self.made_us(time_ms), redone, version, &mut Fallen::new());
        (writer.last, writer.given) = (version, version);
        self.visible.store(version, Ordering::Release);
        self.prune(&mut writer, pruned + 1, pruned + 1);
    }

    /// The time by the monotonic clock at which a commit of the log was made. That clock knows nothing of earlier runs, so the age comes
    /// from the wall clock, here only, and is 0 if that clock was set back since.
    fn made_us(&self, time_ms: u64) -> u64 {
        let age_ms = self.clock.now_ms().saturating_sub(time_ms);
        self.clock.monotonic_us().wrapping_sub(age_ms.saturating_mul(1_000))
    }

    /// Adds a commit to the feed whose outcome the checkpoint has.
    fn remember(&self, version: Version, time_ms: u64, changes: &[LoggedChange<'_>]) {
        let remembered = changes.iter().map(|change| {
            let node = Node::create(version, time_ms, change.expires_at_ms.unwrap_or(NEVER_MS), change.value, None);
            let record = Record::new(change.key, node.clone());
            FeedChange { record, node, previous: change.previous, replaced: replaced(change) }
        });
        self.feed.push(version, time_ms, self.made_us(time_ms), remembered.collect(), version, &mut Fallen::new());
    }
}

/// The version that a change replaced, where the log has its value.
fn replaced(change: &LoggedChange<'_>) -> Option<Node> {
    let version = change.previous.unwrap_or(0);
    change.replaced.map(|value| Node::create(version, 0, NEVER_MS, Some(value), None))
}
