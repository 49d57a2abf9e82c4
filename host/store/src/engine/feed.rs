//! The change feed: the latest commits, in version order, in a ring of bounded size.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::record::{Header, Node, NodeExt, Record};
use crate::format::LoggedChange;
use crate::mutants::mutant;
use crate::sync::RwLock;
use crate::types::Version;

/// Commits that have fallen out of the change feed. In a feed that is full, a small commit takes the place of one or two.
#[cfg(not(target_family = "wasm"))]
pub(crate) type Fallen = smallvec::SmallVec<[Arc<FeedCommit>; 2]>;
/// Commits that have fallen out of the change feed.
#[cfg(target_family = "wasm")]
pub(crate) type Fallen = Vec<Arc<FeedCommit>>;

/// Commits that a reader takes at a time while writers wait to append.
const PART_COMMITS_MAX: usize = 128;

/// Bytes of commits that the ring keeps beyond its size for readers that hold them.
const HELD_BYTES_MAX: usize = 64 << 20;

/// A position in the feed: after the `index`-th change of the commit `version`, or after all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedCursor {
    /// The commit.
    pub version: Version,
    /// Number of its changes delivered; `u32::MAX` after the whole commit.
    pub index: u32,
}

impl FeedCursor {
    /// After all changes of the commit `version`.
    #[must_use]
    pub fn after(version: Version) -> Self {
        Self { version, index: u32::MAX }
    }
}

/// One key that a commit changed.
#[derive(Debug, Clone)]
pub struct Change {
    record: Record,
    /// The new value; `None` when the key was deleted or has expired.
    pub value: Option<Bytes>,
    /// When the new value will expire, in milliseconds since the epoch.
    pub expires_at_ms: Option<u64>,
    /// The commit that made the change.
    pub version: Version,
    /// The commit that wrote the previous value, if there was one and it had not expired.
    pub previous: Option<Version>,
    /// The value that it replaced or deleted, where the transaction [asked for it](crate::Transaction::keep_replaced).
    pub replaced: Option<Bytes>,
    /// When the commit was made, in milliseconds since the epoch.
    pub time_ms: u64,
    /// The position right after this change.
    pub cursor: FeedCursor,
}

/// A change, for a reader of the feed to decide about.
#[derive(Debug, Clone, Copy)]
pub struct Examined<'f> {
    /// The key that changed.
    pub key: &'f [u8],
    /// As [`Change::value`].
    pub value: Option<&'f [u8]>,
    /// As [`Change::replaced`].
    pub replaced: Option<&'f [u8]>,
    /// As [`Change::version`].
    pub version: Version,
    /// As [`Change::previous`].
    pub previous: Option<Version>,
}

/// What a reader of the feed decides about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is in the page.
    Take,
    /// It is passed over.
    Pass,
    /// The page ends before it.
    Stop,
}

impl From<bool> for Decision {
    fn from(is_wanted: bool) -> Self {
        if is_wanted { Self::Take } else { Self::Pass }
    }
}

impl Change {
    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.record.key()
    }
}

/// A page of changes, and where the next one begins.
#[derive(Debug, Clone)]
pub struct ChangePage {
    /// The changes that the caller's filter accepted, in order.
    pub changes: Vec<Change>,
    /// The position after the last change examined.
    pub cursor: FeedCursor,
    /// Whether the end of the feed was reached.
    pub at_end: bool,
}

/// The feed no longer has the changes after the cursor. Read the whole state again and follow from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("changes up to version {dropped} are no longer kept")]
pub struct Compacted {
    /// The newest commit that was dropped.
    pub dropped: Version,
}

pub(crate) struct FeedChange {
    pub(crate) record: Record,
    pub(crate) node: Node,
    pub(crate) previous: Option<Version>,
    /// The version `previous`, where the transaction asked for it.
    pub(crate) replaced: Option<Node>,
}

pub(crate) struct FeedCommit {
    pub(crate) version: Version,
    time_ms: u64,
    made_us: u64,
    bytes: usize,
    pub(crate) changes: Vec<FeedChange>,
}

impl FeedCommit {
    /// The cursor after the change at `index`.
    fn cursor_after(&self, index: usize) -> FeedCursor {
        let repeated = usize::from(mutant!("feed-repeats"));
        let delivered = u32::try_from(index + 1 - repeated).ok().filter(|_| index + 1 < self.changes.len());
        FeedCursor { version: self.version, index: delivered.unwrap_or(u32::MAX) }
    }
}

impl FeedChange {
    /// The change in the form of the log.
    pub(crate) fn logged(&self) -> LoggedChange<'_> {
        let value = if self.node.about().is_deletion { None } else { Some(&self.node.slice) };
        LoggedChange {
            key: self.record.key(),
            value,
            expires_at_ms: self.node.expires_at_ms(),
            previous: self.previous,
            replaced: self.replaced.as_ref().map(|replaced| &replaced.slice),
        }
    }

    fn examined(&self, commit: &FeedCommit) -> Examined<'_> {
        let LoggedChange { key, value, previous, replaced, .. } = self.logged();
        Examined { key, value, replaced, version: commit.version, previous }
    }

    /// Bytes of its key and values.
    fn bytes(&self) -> usize {
        let replaced = self.replaced.as_ref().map_or(0, |replaced| size_of::<Header>() + replaced.slice.len());
        self.record.key().len() + self.node.slice.len() + replaced
    }

    fn delivered(&self, commit: &FeedCommit, cursor: FeedCursor) -> Change {
        Change {
            record: self.record.clone(),
            value: self.node.value(),
            expires_at_ms: self.node.expires_at_ms(),
            version: commit.version,
            previous: self.previous,
            replaced: self.replaced.as_ref().and_then(Node::value),
            time_ms: commit.time_ms,
            cursor,
        }
    }
}

impl Ring {
    /// Drops the oldest commit, unless it is newer than `visible` or a reader holds it.
    fn drop_oldest(&mut self, visible: Version, held_bytes_max: usize) -> Option<Arc<FeedCommit>> {
        let held = self.holds.first().filter(|_| self.bytes <= held_bytes_max);
        let droppable = held.map_or(visible, |&held| visible.min(held));
        let oldest = self.commits.pop_front_if(|oldest| oldest.version <= droppable)?;
        self.bytes -= oldest.bytes;
        self.dropped = oldest.version;
        Some(oldest)
    }
}

/// The ring.
pub(crate) struct Feed {
    ring: RwLock<Ring>,
    bytes_max: usize,
    age_ms_max: u64,
}

#[derive(Default)]
struct Ring {
    /// Shared, so that a reader can examine commits after it releases the ring.
    commits: VecDeque<Arc<FeedCommit>>,
    bytes: usize,
    dropped: Version,
    /// The versions after which commits are held, sorted, one for each [`Hold`].
    holds: Vec<Version>,
    /// How often commits were undone.
    undone: u64,
}

/// Keeps the commits after a version in the ring while a reader examines them, as long as they exceed the ring's size by at most
/// [`HELD_BYTES_MAX`].
#[cfg(not(target_family = "wasm"))]
pub(crate) struct Hold<'f> {
    feed: &'f Feed,
    version: Version,
    /// How often commits had been undone when the hold began.
    undone: u64,
}

#[cfg(not(target_family = "wasm"))]
impl Hold<'_> {
    /// The commits after the held version, oldest first, in parts; `None` if some were dropped, or if a commit was undone since: a lookup
    /// in between may have seen its effect.
    pub(crate) fn commits(&self) -> Option<Vec<Arc<FeedCommit>>> {
        let ring = self.feed.ring.read();
        if ring.dropped > self.version || ring.undone != self.undone {
            return None;
        }
        let start = ring.commits.partition_point(|commit| commit.version <= self.version);
        Some(ring.commits.range(start..).take(PART_COMMITS_MAX).cloned().collect())
    }

    /// The number of commits after the held version.
    pub(crate) fn commits_after(&self) -> usize {
        let ring = self.feed.ring.read();
        ring.commits.len() - ring.commits.partition_point(|commit| commit.version <= self.version)
    }

    /// The number of changes in the commits after the held version, at most `changes_max`.
    pub(crate) fn changes_after(&self, changes_max: usize) -> usize {
        let ring = self.feed.ring.read();
        let newest_first = ring.commits.iter().rev().take_while(|commit| commit.version > self.version);
        let mut changes = 0;
        for commit in newest_first {
            changes += commit.changes.len();
            if changes >= changes_max {
                return changes_max;
            }
        }
        changes
    }

    /// Releases the commits up to `version`.
    pub(crate) fn move_to(&mut self, version: Version) {
        let mut ring = self.feed.ring.write();
        ring.release(self.version);
        ring.hold(version);
        self.version = version;
    }
}

#[cfg(not(target_family = "wasm"))]
impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.feed.ring.write().release(self.version);
    }
}

#[cfg(not(target_family = "wasm"))]
impl Ring {
    fn hold(&mut self, version: Version) {
        let place = self.holds.partition_point(|&held| held <= version);
        self.holds.insert(place, version);
    }

    fn release(&mut self, version: Version) {
        if let Ok(place) = self.holds.binary_search(&version) {
            self.holds.remove(place);
        }
    }
}

impl Feed {
    pub(crate) fn new(bytes_max: usize, age_ms_max: u64) -> Self {
        Self { ring: RwLock::default(), bytes_max, age_ms_max }
    }

    /// Appends the commit `version`, which must be newer than the last. Its age counts from `made_us` of the monotonic clock, which may lie
    /// before that clock's start: then it has wrapped. Commits after `visible` stay whatever their size, because they may be undone.
    /// Dropped commits go into `fallen`, to be freed when nobody waits.
    pub(crate) fn push(
        &self,
        version: Version,
        time_ms: u64,
        made_us: u64,
        changes: Vec<FeedChange>,
        visible: Version,
        fallen: &mut Fallen,
    ) {
        const CHANGE_BYTES: usize = size_of::<FeedChange>() + size_of::<Record>() + size_of::<Header>();
        let bytes = size_of::<FeedCommit>() + changes.iter().map(|change| CHANGE_BYTES + change.bytes()).sum::<usize>();
        let commit = Arc::new(FeedCommit { version, time_ms, made_us, bytes, changes });
        mutant!("feed-gap" => if version.is_multiple_of(7) { return });
        let mut ring = self.ring.write();
        ring.bytes += bytes;
        ring.commits.push_back(commit);
        while ring.bytes > self.bytes_max
            && let Some(oldest) = ring.drop_oldest(visible, self.held_bytes_max())
        {
            fallen.push(oldest);
        }
    }

    /// Drops commits that are too old at the time `now_us` of the monotonic clock.
    pub(crate) fn drop_aged(&self, now_us: u64, visible: Version) {
        let age_ms =
            |commit: &FeedCommit| now_us.wrapping_sub(commit.made_us).cast_signed().max(0).cast_unsigned() / 1_000;
        let mut ring = self.ring.write();
        let mut gone = Vec::new();
        while ring.commits.front().is_some_and(|oldest| age_ms(oldest) > self.age_ms_max)
            && let Some(oldest) = ring.drop_oldest(visible, self.held_bytes_max())
        {
            gone.push(oldest);
        }
        drop(ring);
        drop(gone);
    }

    fn held_bytes_max(&self) -> usize {
        self.bytes_max.saturating_add(HELD_BYTES_MAX)
    }

    /// Holds the commits after `version`; `None` if some of them were dropped.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn hold(&self, version: Version) -> Option<Hold<'_>> {
        let mut ring = self.ring.write();
        if ring.dropped > version {
            return None;
        }
        ring.hold(version);
        Some(Hold { feed: self, version, undone: ring.undone })
    }

    /// Holds the commits after the newest one.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn hold_newest(&self) -> Hold<'_> {
        let mut ring = self.ring.write();
        let version = ring.commits.back().map_or(ring.dropped, |newest| newest.version);
        ring.hold(version);
        Hold { feed: self, version, undone: ring.undone }
    }

    /// Drops the commits up to `version`, which is visible, held ones too: their readers start again.
    pub(crate) fn drop_through(&self, version: Version) {
        let mut ring = self.ring.write();
        let mut gone = Vec::new();
        while let Some(oldest) = ring.drop_oldest(version, 0) {
            gone.push(oldest);
        }
        drop(ring);
        drop(gone);
    }

    /// Records that nothing up to `version` is kept. For an empty feed.
    pub(crate) fn begin_after(&self, version: Version) {
        let mut ring = self.ring.write();
        ring.commits.clear();
        ring.bytes = 0;
        ring.dropped = version;
    }

    /// Removes the commits after `version`, and returns them newest first.
    pub(crate) fn take_after(&self, version: Version) -> Vec<Arc<FeedCommit>> {
        let mut ring = self.ring.write();
        let mut taken = Vec::new();
        while let Some(newest) = ring.commits.pop_back_if(|newest| newest.version > version) {
            ring.bytes -= newest.bytes;
            taken.push(newest);
        }
        ring.undone += u64::from(!taken.is_empty());
        taken
    }

    /// The newest commit after `version` with a key that `concerns` accepts; 0 if there is none.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn newest_after(&self, version: Version, concerns: impl Fn(&[u8]) -> bool) -> Version {
        let later: Vec<_> = {
            let ring = self.ring.read();
            ring.commits.iter().rev().take_while(|commit| commit.version > version).cloned().collect()
        };
        let touches = |commit: &FeedCommit| commit.changes.iter().any(|change| concerns(change.record.key()));
        later.iter().find(|commit| touches(commit)).map_or(0, |commit| commit.version)
    }

    /// The number of commits after `version`.
    pub(crate) fn count_after(&self, version: Version) -> u64 {
        let ring = self.ring.read();
        (ring.commits.len() - ring.commits.partition_point(|commit| commit.version <= version)) as u64
    }

    /// The number of kept commits, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let ring = self.ring.read();
        (ring.commits.len(), ring.bytes)
    }

    /// The newest commit that was dropped.
    pub(crate) fn dropped(&self) -> Version {
        self.ring.read().dropped
    }

    /// At most `changes_max` changes after `since`, up to the commit `until`, that `decide` takes. Examines at most `examined_max`
    /// changes.
    pub(crate) fn read(
        &self,
        since: FeedCursor,
        until: Version,
        changes_max: usize,
        examined_max: usize,
        mut decide: impl FnMut(&Examined<'_>) -> Decision,
    ) -> Result<ChangePage, Compacted> {
        let mut page = ChangePage { changes: Vec::new(), cursor: since, at_end: false };
        let mut examined = 0;
        loop {
            let commits = match self.commits_after(page.cursor, until) {
                // The changes read so far are in order; the next call reports the gap.
                Err(_) if examined > 0 => return Ok(page),
                Err(_) if mutant!("silent-feed") => return Ok(ChangePage { at_end: true, ..page }),
                commits => commits?,
            };
            for commit in &commits {
                let delivered = if commit.version == page.cursor.version { page.cursor.index as usize } else { 0 };
                for (index, change) in commit.changes.iter().enumerate().skip(delivered) {
                    if page.changes.len() == changes_max || examined == examined_max {
                        return Ok(page);
                    }
                    examined += 1;
                    let decision = decide(&change.examined(commit));
                    if decision == Decision::Stop {
                        return Ok(page);
                    }
                    page.cursor = commit.cursor_after(index);
                    if decision == Decision::Take {
                        page.changes.push(change.delivered(commit, page.cursor));
                    }
                }
            }
            if commits.len() < PART_COMMITS_MAX {
                page.at_end = true;
                return Ok(page);
            }
        }
    }

    /// The next few commits with changes after `since`, up to the commit `until`.
    fn commits_after(&self, since: FeedCursor, until: Version) -> Result<Vec<Arc<FeedCommit>>, Compacted> {
        let ring = self.ring.read();
        // A cursor after the whole of the last dropped commit has missed nothing, nor has one before the first commit.
        if ring.dropped > 0 && since < FeedCursor::after(ring.dropped) {
            return Err(Compacted { dropped: ring.dropped });
        }
        let is_done = since.index == u32::MAX;
        let mut start = ring.commits.partition_point(|commit| commit.version < since.version);
        // The commits that followed one that a power cut took are not those that follow it here.
        match ring.commits.get(start) {
            Some(commit) if commit.version == since.version => start += usize::from(is_done),
            _ if since.version == ring.dropped => {}
            _ if mutant!("lost-commit-followed") => {}
            _ => return Err(Compacted { dropped: since.version.max(ring.dropped) }),
        }
        let later = ring.commits.range(start..).take_while(|commit| commit.version <= until);
        Ok(later.take(PART_COMMITS_MAX).cloned().collect())
    }
}
