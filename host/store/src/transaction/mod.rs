//! Transactions: reads at a snapshot, buffered writes, and validation when they commit.
//!
//! Optimistic concurrency control with backward validation (Kung and Robinson 1981): a transaction remembers which keys it read and
//! which stretches of ranges it scanned, and commits only if both would read the same at the moment of its commit. Scanned
//! stretches catch phantoms.

#[cfg(not(target_family = "wasm"))]
pub(crate) mod prepare;
pub(crate) mod validation;

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};
#[cfg(not(target_family = "wasm"))]
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::record::NEVER_MS;
#[cfg(not(target_family = "wasm"))]
use crate::engine::turns::Footprint;
use crate::store::Store;
use crate::{Direction, Entry, Error, KeyRange, Snapshot, Update, Version};

/// What a transaction is protected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// From everything: the outcome is as if transactions ran one after the other.
    #[default]
    Serializable,
    /// It sees one snapshot, and of two that write the same key the first to commit wins, unless the key holds again what it held. Its reads are not validated: write skew
    /// can happen.
    Snapshot,
}

pub(crate) type WriteSet = BTreeMap<Box<[u8]>, Update>;

/// What a transaction read.
#[derive(Debug)]
pub(crate) struct ReadSet {
    /// Keys, and the version that was seen; `None` where there was no value.
    pub(crate) keys: HashMap<Box<[u8]>, Option<Version>>,
    pub(crate) ranges: Vec<RangeRead>,
    /// All that a deadline could have decided was read between these times.
    pub(crate) times: ReadTimes,
    /// Records that the scans of `ranges` came by: what scanning them again costs.
    pub(crate) visited: u64,
}

#[derive(Debug)]
pub(crate) struct RangeRead {
    pub(crate) range: KeyRange,
    pub(crate) times: ReadTimes,
}

/// When something was read, by the clock, which may be set back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadTimes {
    pub(crate) earliest_ms: u64,
    pub(crate) latest_ms: u64,
}

impl ReadTimes {
    /// Of nothing that was read.
    const NONE: Self = Self { earliest_ms: u64::MAX, latest_ms: 0 };

    fn at(now_ms: u64) -> Self {
        Self { earliest_ms: now_ms, latest_ms: now_ms }
    }

    /// The times from the first to the last of both.
    fn with(self, other: Self) -> Self {
        Self { earliest_ms: self.earliest_ms.min(other.earliest_ms), latest_ms: self.latest_ms.max(other.latest_ms) }
    }

    /// Whether a value with this deadline is served at `now_ms` if, and only if, it was served at both times.
    pub(crate) fn sees_alike(self, deadline_ms: u64, now_ms: u64) -> bool {
        let is_live = deadline_ms > now_ms;
        (deadline_ms > self.earliest_ms) == is_live && (deadline_ms > self.latest_ms) == is_live
    }
}

impl ReadSet {
    fn new() -> Self {
        Self { keys: HashMap::new(), ranges: Vec::new(), times: ReadTimes::NONE, visited: 0 }
    }
}

/// A page has no other clients that a long validation could hold up, and would download 3 KB more for the sorting.
#[cfg(not(target_family = "wasm"))]
impl ReadSet {
    /// Makes one of stretches that overlap: validation visits no key twice, however often it was read, and finds a key's stretch by
    /// bisection.
    ///
    /// The one counts as read at each of their times: a key that only the later of two scans covers, and that expired between them, is
    /// a conflict too, though nothing that was read has changed. Trying again gets over it.
    pub(crate) fn merge_ranges(&mut self) {
        self.ranges.sort_unstable_by(|a, b| a.range.starts().cmp(&b.range.starts()));
        self.ranges.dedup_by(|next, merged| {
            let shared = KeyRange { start: next.range.start.clone(), end: merged.range.end.clone() };
            if shared.is_empty() {
                return false;
            }
            if next.range.ends() > merged.range.ends() {
                std::mem::swap(&mut merged.range.end, &mut next.range.end);
            }
            merged.times = merged.times.with(next.times);
            true
        });
    }

    /// The scanned stretch that `key` lies in, once stretches are merged.
    pub(crate) fn range_of(&self, key: &[u8]) -> Option<&RangeRead> {
        let begun = self.ranges.partition_point(|read| read.range.reaches(key, Direction::Reverse));
        let last = self.ranges[..begun].last()?;
        last.range.reaches(key, Direction::Forward).then_some(last)
    }

    /// Whether something in `range` was read.
    pub(crate) fn meets(&self, range: &KeyRange) -> bool {
        self.ranges.iter().any(|read| read.range.overlaps(range)) || self.keys.keys().any(|key| range.contains(key))
    }

    /// Whether `key` was read, by itself or in a stretch. Once the stretches are [merged](Self::merge_ranges).
    pub(crate) fn touches(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key) || self.range_of(key).is_some()
    }
}

#[derive(Debug)]
enum View {
    Pinned(Snapshot),
    /// The writer lock is held: nothing changes underneath.
    Exclusive(Version),
}

/// A moment in a transaction, to return to. Costs nothing; each key's first write behind it keeps what it replaces until the
/// savepoint is [released](Transaction::release) or [rolled back to](Transaction::rollback_to).
#[derive(Debug)]
pub struct Savepoint {
    /// Its place among the transaction's savepoints.
    depth: usize,
}

/// What the writes since a savepoint replaced.
#[derive(Debug)]
struct Undo {
    replaced: HashMap<Box<[u8]>, Option<Update>>,
    /// [`Transaction::written_bytes`] at the savepoint.
    written_bytes: usize,
}

/// A commit that did not happen.
#[derive(Debug)]
pub struct Uncommitted {
    /// Why.
    pub error: Error,
    /// The newest commit that this rests on and that is not visible yet, 0 where there is none: who begins anew when that has
    /// [settled](Store::settled) does not lose against it again.
    pub seen: Version,
    /// After a conflict what was read and would have been written, to [wait for a turn](Store::turn) with.
    #[cfg(not(target_family = "wasm"))]
    pub footprint: Option<Arc<Footprint>>,
}

/// A unit of reads and writes. Dropping it forgets what it wrote.
#[derive(Debug)]
pub struct Transaction {
    store: Store,
    view: View,
    isolation: Isolation,
    reads: ReadSet,
    writes: WriteSet,
    written_bytes: usize,
    /// One for each savepoint, oldest first.
    undo: Vec<Undo>,
    walked: u64,
    visits_max: u64,
    /// The newest version that was met under the writer lock: what an outcome rests on where nothing is written.
    seen: Version,
}

impl Transaction {
    pub(crate) fn new(store: Store, isolation: Isolation) -> Self {
        let view = View::Pinned(store.snapshot());
        Self::over(store, view, isolation)
    }

    pub(crate) fn under_writer_lock(store: Store, version: Version) -> Self {
        Self::over(store, View::Exclusive(version), Isolation::Snapshot)
    }

    fn over(store: Store, view: View, isolation: Isolation) -> Self {
        Self {
            store,
            view,
            isolation,
            reads: ReadSet::new(),
            writes: WriteSet::new(),
            written_bytes: 0,
            undo: Vec::new(),
            walked: 0,
            visits_max: u64::MAX,
            seen: 0,
        }
    }

    /// Bounds the keys that all scans together may come by, those included that were deleted and are not removed yet. No bound at
    /// first.
    pub fn set_visits_max(&mut self, visits_max: u64) {
        self.visits_max = visits_max;
    }

    /// Keys that scans have come by so far, those included that were deleted and are not removed yet: what validation may have to
    /// come by again.
    #[must_use]
    pub fn visited_count(&self) -> u64 {
        self.reads.visited
    }

    /// The commit that the transaction reads at.
    #[must_use]
    pub fn version(&self) -> Version {
        match &self.view {
            View::Pinned(snapshot) => snapshot.version(),
            View::Exclusive(version) => *version,
        }
    }

    /// Keys and stretches that would be validated now.
    #[must_use]
    pub fn read_count(&self) -> usize {
        self.reads.keys.len() + self.reads.ranges.len()
    }

    /// Keys that [`visit`](Self::visit) has come by so far, also those that the transaction itself has deleted: a measure of its work.
    #[must_use]
    pub fn walked_count(&self) -> u64 {
        self.walked
    }

    /// Keys that would be written now.
    #[must_use]
    pub fn write_count(&self) -> usize {
        self.writes.len()
    }

    /// Bytes of the keys and values that would be written now.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// What [`write_count`](Self::write_count) and [`written_bytes`](Self::written_bytes) would be after writing `value_bytes` to
    /// `key`; a deletion writes none.
    #[must_use]
    pub fn size_with(&self, key: &[u8], value_bytes: usize) -> (usize, usize) {
        match self.writes.get(key) {
            None => (self.writes.len() + 1, self.written_bytes + key.len() + value_bytes),
            Some(replaced) => (self.writes.len(), self.written_bytes + value_bytes - self::value_bytes(replaced)),
        }
    }

    /// The keys that would be written now, in order.
    pub fn written_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.writes.keys().map(|key| &key[..])
    }

    /// Whether anything but deletions would be written now.
    #[must_use]
    pub fn puts(&self) -> bool {
        self.writes.values().any(|update| matches!(update, Update::Put { .. }))
    }

    /// The value of `key`: what the transaction wrote itself, at version 0, or what its snapshot holds.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Entry>, Error> {
        if let Some(update) = self.writes.get(key) {
            return Ok(pending(update, self.store.now_ms()));
        }
        let entry = match &self.view {
            View::Pinned(snapshot) => snapshot.get(key)?,
            View::Exclusive(_) => self.store.0.get_newest(key, &mut self.seen),
        };
        if self.isolation == Isolation::Serializable && !self.reads.keys.contains_key(key) {
            self.note_read(key, entry.as_ref());
        }
        Ok(entry)
    }

    fn note_read(&mut self, key: &[u8], entry: Option<&Entry>) {
        self.reads.keys.insert(key.into(), entry.map(|entry| entry.version));
        // A value without a deadline is the same at any time.
        if entry.is_none_or(|entry| entry.expires_at_ms.is_some()) {
            self.reads.times = self.reads.times.with(ReadTimes::at(self.store.now_ms()));
        }
    }

    /// Like [`get`](Self::get); the commit is a conflict when another one has changed the key by then, under every isolation.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`].
    pub fn get_guarded(&mut self, key: &[u8]) -> Result<Option<Entry>, Error> {
        let entry = self.get(key)?;
        let guards_nothing = matches!(self.view, View::Exclusive(_)) || self.writes.contains_key(key);
        if self.isolation == Isolation::Snapshot && !guards_nothing {
            self.note_read(key, entry.as_ref());
        }
        Ok(entry)
    }

    /// Shows `see` the keys and values of `range` in order, own writes included, until it answers `Break` or the range ends.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`], [`Error::VisitsTooMany`].
    pub fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if range.is_empty() {
            return Ok(());
        }
        let now_ms = self.store.now_ms();
        let mut stopped_at: Option<Box<[u8]>> = None;
        let mut own = Overlay::new(&self.writes, range, direction);
        let mut show = |key: &[u8], entry: Entry| {
            let flow = see(key, entry);
            if flow.is_break() {
                stopped_at = Some(key.into());
            }
            flow
        };
        let (mut broke, mut walked) = (false, 0);
        let mut merge = |key: &[u8], entry: Entry| {
            walked += 1;
            let flow = own.before(key, now_ms, &mut show);
            let flow = match flow {
                ControlFlow::Continue(()) => match own.replaces(key, now_ms, &mut show) {
                    ControlFlow::Continue(true) => ControlFlow::Continue(()),
                    ControlFlow::Continue(false) => show(key, entry),
                    ControlFlow::Break(()) => ControlFlow::Break(()),
                },
                ControlFlow::Break(()) => ControlFlow::Break(()),
            };
            broke = flow.is_break();
            flow
        };
        let visits_left = self.visits_max.saturating_sub(self.reads.visited);
        let visited = match &self.view {
            View::Pinned(snapshot) => snapshot.visit_some(range, direction, visits_left, &mut merge)?,
            View::Exclusive(_) => {
                self.store.0.visit_newest(range, direction, &mut self.seen, &mut merge);
                0
            }
        };
        self.reads.visited += visited;
        if visited > visits_left {
            return Err(Error::VisitsTooMany);
        }
        if !broke {
            let _ = own.rest(now_ms, &mut show);
        }
        self.walked += walked;
        if self.isolation == Isolation::Serializable {
            let range = stopped_at.map_or_else(|| range.clone(), |key| range.until(&key, direction));
            let times = ReadTimes::at(now_ms);
            self.reads.times = self.reads.times.with(times);
            self.reads.ranges.push(RangeRead { range, times });
        }
        Ok(())
    }

    /// The clock's time, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.now_ms()
    }

    /// What the transaction has written so far, to return to with [`rollback_to`](Self::rollback_to).
    #[must_use]
    pub fn savepoint(&mut self) -> Savepoint {
        self.undo.push(Undo { replaced: HashMap::new(), written_bytes: self.written_bytes });
        Savepoint { depth: self.undo.len() }
    }

    /// Forgets what was written since the savepoint, and the savepoints behind it. What was read stays read. Costs as much as was
    /// written since.
    #[allow(clippy::needless_pass_by_value, reason = "a savepoint is used up")]
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        while self.undo.len() >= savepoint.depth
            && let Some(undo) = self.undo.pop()
        {
            for (key, replaced) in undo.replaced {
                match replaced {
                    Some(update) => drop(self.writes.insert(key, update)),
                    None => drop(self.writes.remove(&key)),
                }
            }
            self.written_bytes = undo.written_bytes;
        }
    }

    /// Keeps what was written since the savepoint, which cannot be returned to any more. Costs as much as was written since.
    #[allow(clippy::needless_pass_by_value, reason = "a savepoint is used up")]
    pub fn release(&mut self, savepoint: Savepoint) {
        while self.undo.len() >= savepoint.depth
            && let Some(released) = self.undo.pop()
        {
            let Some(outer) = self.undo.last_mut() else { break };
            for (key, replaced) in released.replaced {
                outer.replaced.entry(key).or_insert(replaced);
            }
        }
    }

    /// Gives `key` a value when the transaction commits, until `expires_at_ms` if that is set.
    pub fn put(&mut self, key: &[u8], value: impl Into<Bytes>, expires_at_ms: Option<u64>) {
        let expires_at_ms = expires_at_ms.filter(|&at_ms| at_ms != NEVER_MS);
        self.buffer(key, Update::Put { value: value.into(), expires_at_ms });
    }

    /// Deletes `key` when the transaction commits.
    pub fn delete(&mut self, key: &[u8]) {
        self.buffer(key, Update::Delete);
    }

    /// Makes the writes one commit, and returns its version.
    ///
    /// Without writes there is nothing to validate: everything was read at one moment, whose version is returned.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another commit changed what was read, [`Error::SnapshotTooOld`].
    pub fn commit(self) -> Result<Version, Error> {
        self.commit_seen().map_err(|uncommitted| uncommitted.error)
    }

    /// As [`commit`](Self::commit), and says beside the error what helps to begin anew.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    #[cfg_attr(target_family = "wasm", expect(unused_mut, reason = "only merging changes the reads"))]
    pub fn commit_seen(self) -> Result<Version, Uncommitted> {
        let Self { store, view, isolation, mut reads, writes, .. } = self;
        match view {
            View::Pinned(snapshot) if !writes.is_empty() => {
                #[cfg(not(target_family = "wasm"))]
                reads.merge_ranges();
                let mut seen = 0;
                let committed = store.commit(snapshot, isolation, &reads, &writes, &mut seen);
                committed.map_err(|error| Uncommitted {
                    error,
                    seen,
                    #[cfg(not(target_family = "wasm"))]
                    footprint: (error == Error::Conflict).then(|| Arc::new(Footprint::new(reads, writes))),
                })
            }
            View::Pinned(snapshot) => Ok(snapshot.version()),
            View::Exclusive(version) => Ok(version),
        }
    }

    /// What was met under the writer lock.
    pub(crate) fn seen(&self) -> Version {
        self.seen
    }

    pub(crate) fn into_writes(self) -> WriteSet {
        self.writes
    }

    fn buffer(&mut self, key: &[u8], update: Update) {
        self.written_bytes += key.len() + value_bytes(&update);
        let replaced = self.writes.insert(key.into(), update);
        if let Some(replaced) = &replaced {
            self.written_bytes -= key.len() + value_bytes(replaced);
        }
        if let Some(undo) = self.undo.last_mut()
            && !undo.replaced.contains_key(key)
        {
            undo.replaced.insert(key.into(), replaced);
        }
    }
}

fn value_bytes(update: &Update) -> usize {
    match update {
        Update::Put { value, .. } => value.len(),
        Update::Delete => 0,
    }
}

/// A buffered write as its own transaction reads it.
fn pending(update: &Update, now_ms: u64) -> Option<Entry> {
    match update {
        Update::Put { expires_at_ms: Some(at_ms), .. } if *at_ms <= now_ms => None,
        Update::Put { value, expires_at_ms } => {
            Some(Entry { value: value.clone(), version: 0, modified_ms: now_ms, expires_at_ms: *expires_at_ms })
        }
        Update::Delete => None,
    }
}

/// The transaction's own writes in a range, merged into a walk over the snapshot.
struct Overlay<'w, I: Iterator<Item = (&'w Box<[u8]>, &'w Update)>> {
    writes: std::iter::Peekable<I>,
    direction: Direction,
}

impl<'w> Overlay<'w, Box<dyn Iterator<Item = (&'w Box<[u8]>, &'w Update)> + 'w>> {
    fn new(writes: &'w WriteSet, range: &KeyRange, direction: Direction) -> Self {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
            (range.start.as_ref().map(|key| &key[..]), range.end.as_ref().map(|key| &key[..]));
        let within = writes.range::<[u8], _>(bounds);
        let writes: Box<dyn Iterator<Item = _>> = match direction {
            Direction::Forward => Box::new(within),
            Direction::Reverse => Box::new(within.rev()),
        };
        Self { writes: writes.peekable(), direction }
    }
}

type Show<'s> = dyn FnMut(&[u8], Entry) -> ControlFlow<()> + 's;

impl<'w, I: Iterator<Item = (&'w Box<[u8]>, &'w Update)>> Overlay<'w, I> {
    /// Shows the own writes that come before `key`.
    fn before(&mut self, key: &[u8], now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        let direction = self.direction;
        let earlier = |own: &[u8]| match direction {
            Direction::Forward => own < key,
            Direction::Reverse => own > key,
        };
        while let Some((own, update)) = self.writes.next_if(|(own, _)| earlier(own)) {
            show_pending(own, update, now_ms, show)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether an own write replaces what the snapshot holds for `key`; shows it in that case.
    fn replaces(&mut self, key: &[u8], now_ms: u64, show: &mut Show<'_>) -> ControlFlow<(), bool> {
        match self.writes.next_if(|(own, _)| own[..] == *key) {
            Some((own, update)) => {
                show_pending(own, update, now_ms, show)?;
                ControlFlow::Continue(true)
            }
            None => ControlFlow::Continue(false),
        }
    }

    fn rest(&mut self, now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        for (own, update) in self.writes.by_ref() {
            show_pending(own, update, now_ms, show)?;
        }
        ControlFlow::Continue(())
    }
}

fn show_pending(key: &[u8], update: &Update, now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
    match pending(update, now_ms) {
        Some(entry) => show(key, entry),
        None => ControlFlow::Continue(()),
    }
}
