//! A transaction until it commits: reads at a snapshot, and buffered writes.
//!
//! Optimistic concurrency control with backward validation (Kung and Robinson 1981): a transaction remembers which keys it read and which
//! ranges it scanned, and commits only if both would read the same at the moment of its commit. Scanned ranges catch phantoms.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::overlay::{Overlay, Show, pending};
use super::savepoint::{Savepoint, Undo};
use crate::engine::{KeptSpans, RangeRead, ReadSet, ReadTimes, Seen, Shown, Snapshot, Store, WriteSet};
use crate::hash::HashMap;
#[cfg(not(target_family = "wasm"))]
use crate::types::Reservation;
use crate::types::{Direction, Entry, EntryHeader, Error, KeyRange, NEVER_MS, Update, Version};

/// The isolation of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Serialisable: the outcome is as if transactions ran one after the other.
    #[default]
    Serializable,
    /// It sees one snapshot, and of two that write the same key the first to commit wins, unless the key holds again what it held. Of its
    /// reads only guarded ones are validated: write skew can happen.
    Snapshot,
}

/// What a write or a read takes besides its key and value, about, in bytes.
#[cfg(not(target_family = "wasm"))]
const OVERHEAD_BYTES: usize = 96;
/// Bytes of a transaction that are taken from no budget: most are smaller, and cost nothing more.
#[cfg(not(target_family = "wasm"))]
const RESERVED_BYTES_MIN: usize = 16 << 10;
/// A reservation grows in such steps.
#[cfg(not(target_family = "wasm"))]
const RESERVED_BYTES_STEP: usize = 64 << 10;

#[derive(Debug)]
pub(crate) enum View {
    Pinned(Snapshot),
    /// The writer lock is held: nothing changes meanwhile.
    Exclusive(Version),
}

/// A unit of reads and writes. Dropping it discards the writes.
#[derive(Debug)]
pub struct Transaction {
    pub(crate) store: Store,
    pub(crate) view: View,
    pub(crate) isolation: Isolation,
    pub(crate) reads: ReadSet,
    pub(crate) writes: WriteSet,
    /// Where the feed gets the replaced values too.
    pub(crate) kept: KeptSpans,
    pub(super) written_bytes: usize,
    /// Bytes of the keys in `reads`.
    #[cfg(not(target_family = "wasm"))]
    read_bytes: usize,
    /// What it holds of the store's budget; none as long as it is small.
    #[cfg(not(target_family = "wasm"))]
    reservation: Option<Reservation>,
    /// One for each savepoint, oldest first.
    pub(super) undo: Vec<Undo>,
    walked: u64,
    visits_max: u64,
    /// The newest version read under the writer lock: an outcome without writes rests on it.
    seen: Version,
}

impl Transaction {
    pub(crate) fn new(store: Store, isolation: Isolation) -> Self {
        let view = View::Pinned(Snapshot::take(&store.0));
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
            kept: KeptSpans::default(),
            written_bytes: 0,
            #[cfg(not(target_family = "wasm"))]
            read_bytes: 0,
            #[cfg(not(target_family = "wasm"))]
            reservation: None,
            undo: Vec::new(),
            walked: 0,
            visits_max: u64::MAX,
            seen: 0,
        }
    }

    /// Bounds the keys that all scans together may visit, including deleted ones that are not removed yet. Unbounded at first.
    pub fn set_visits_max(&mut self, visits_max: u64) {
        self.visits_max = visits_max;
    }

    /// Keys that scans have visited so far, including deleted ones that are not removed yet: what validation may have to visit again.
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

    /// Keys and ranges that would be validated now.
    #[must_use]
    pub fn read_count(&self) -> usize {
        self.reads.keys.len() + self.reads.ranges.len()
    }

    /// Keys that [`visit`](Self::visit) has visited so far, including those that the transaction itself has deleted: a measure of its work.
    #[must_use]
    pub fn walked_count(&self) -> u64 {
        self.walked
    }

    /// Keys that would be written now.
    #[must_use]
    pub fn write_count(&self) -> usize {
        self.writes.len()
    }

    /// Bytes of the keys and values that would be written now, and of replaced values that are kept.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Takes from [`Options::in_flight`](crate::Options) what the transaction holds and `more` bytes that it is about to write. False where
    /// that has no room: then the caller does not write. Small transactions take nothing, and it is given back when the transaction ends.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn reserve(&mut self, more: usize) -> bool {
        let count = self.writes.len() + self.read_count();
        let bytes = self.written_bytes + self.read_bytes + more + OVERHEAD_BYTES * count;
        let is_covered = bytes <= self.reservation.as_ref().map_or(RESERVED_BYTES_MIN, Reservation::bytes);
        is_covered || self.grow_reservation(bytes)
    }

    /// As [`reserve`](Self::reserve) elsewhere; a page has no budget yet.
    #[cfg(target_family = "wasm")]
    #[must_use]
    #[allow(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "a page has no budget yet")]
    pub fn reserve(&mut self, _more: usize) -> bool {
        true
    }

    #[cfg(not(target_family = "wasm"))]
    fn grow_reservation(&mut self, bytes: usize) -> bool {
        let reservation = self.reservation.get_or_insert_with(|| self.store.0.in_flight.reservation());
        reservation.grow_ahead(bytes, RESERVED_BYTES_STEP)
    }

    /// What [`write_count`](Self::write_count) and [`written_bytes`](Self::written_bytes) would be after a write of `value_bytes` (0 for a
    /// deletion) to `key`.
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

    /// The value of `key`: the transaction's own write, at version 0, or the snapshot's value.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`].
    pub fn get(&mut self, key: &[u8]) -> Result<Option<Entry>, Error> {
        if let Some(update) = self.writes.get(key) {
            return Ok(pending(update, self.store.0.clock.now_ms()));
        }
        let entry = self.look(key)?;
        if self.isolation == Isolation::Serializable && matches!(self.reads.keys.get(key), None | Some(Seen::Present)) {
            self.note_read(key, entry.as_ref());
        }
        Ok(entry)
    }

    /// The value of a key that the transaction has not written.
    fn look(&mut self, key: &[u8]) -> Result<Option<Entry>, Error> {
        Ok(match &self.view {
            View::Pinned(snapshot) => snapshot.get(key)?,
            View::Exclusive(_) => self.store.0.get_newest(key, &mut self.seen),
        })
    }

    fn note_read(&mut self, key: &[u8], entry: Option<&Entry>) {
        self.note(key, Seen::of(entry.map(|entry| entry.version)), entry);
    }

    fn note(&mut self, key: &[u8], seen: Seen, entry: Option<&Entry>) {
        let before = self.reads.keys.insert(key.into(), seen);
        #[cfg(not(target_family = "wasm"))]
        if before.is_none() {
            self.read_bytes += key.len();
        }
        #[cfg(target_family = "wasm")]
        let _ = before;
        // A value without a deadline is the same at any time.
        if entry.is_none_or(|entry| entry.expires_at_ms.is_some()) {
            self.reads.times = self.reads.times.with(ReadTimes::at(self.store.0.clock.now_ms()));
        }
    }

    /// Like [`get`](Self::get); the commit is a conflict if another one has changed the key by then, whatever the isolation.
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

    /// Whether `key` has a value; the commit is a conflict if another one has changed that by then, whatever the isolation. Another value
    /// in its place is none.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`].
    pub fn exists_guarded(&mut self, key: &[u8]) -> Result<bool, Error> {
        if let Some(update) = self.writes.get(key) {
            return Ok(pending(update, self.store.0.clock.now_ms()).is_some());
        }
        let entry = self.look(key)?;
        // What was read of it already says more.
        if matches!(self.view, View::Pinned(_)) && !self.reads.keys.contains_key(key) {
            let seen = if entry.is_some() { Seen::Present } else { Seen::Absent };
            self.note(key, seen, entry.as_ref());
        }
        Ok(entry.is_some())
    }

    /// Shows `see` the keys and values of `range` in order, own writes included, until it returns `Break` or the range ends.
    ///
    /// # Errors
    /// [`Error::SnapshotTooOld`], [`Error::VisitsTooMany`].
    pub fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&[u8], &EntryHeader, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let is_noted = self.isolation == Isolation::Serializable;
        self.visit_merged(range, direction, is_noted, &mut |key, shown| see(key, &shown.header(), shown.bytes()))
    }

    /// As [`visit`](Self::visit), with values that share the store's memory for as long as they are kept.
    ///
    /// # Errors
    /// As [`visit`](Self::visit).
    pub fn visit_shared(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let is_noted = self.isolation == Isolation::Serializable;
        self.visit_merged(range, direction, is_noted, &mut |key, shown| see(key, shown.into_entry()))
    }

    /// Like [`visit`](Self::visit); the commit is a conflict when another one has changed, added or removed a key in what was shown by
    /// then, under every isolation.
    ///
    /// # Errors
    /// As [`visit`](Self::visit).
    pub fn visit_guarded(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        mut see: impl FnMut(&[u8], &EntryHeader, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        // Nothing changes under the writers' lock.
        let is_noted = matches!(self.view, View::Pinned(_));
        self.visit_merged(range, direction, is_noted, &mut |key, shown| see(key, &shown.header(), shown.bytes()))
    }

    /// One copy of [`visit`](Self::visit) for all that entries are shown to. A range that is noted is validated by the commit.
    fn visit_merged(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        is_noted: bool,
        see: &mut Show<'_>,
    ) -> Result<(), Error> {
        if range.is_empty() {
            return Ok(());
        }
        let now_ms = self.store.0.clock.now_ms();
        let mut stopped_at: Option<Box<[u8]>> = None;
        let mut own = Overlay::new(&self.writes, range, direction);
        let mut show = |key: &[u8], shown: Shown<'_>| {
            let flow = see(key, shown);
            if flow.is_break() {
                stopped_at = Some(key.into());
            }
            flow
        };
        let (mut broke, mut walked) = (false, 0);
        let mut merge = |key: &[u8], shown: Shown<'_>| {
            walked += 1;
            let flow = own.before(key, now_ms, &mut show);
            let flow = match flow {
                ControlFlow::Continue(()) => match own.replaces(key, now_ms, &mut show) {
                    ControlFlow::Continue(true) => ControlFlow::Continue(()),
                    ControlFlow::Continue(false) => show(key, shown),
                    ControlFlow::Break(()) => ControlFlow::Break(()),
                },
                ControlFlow::Break(()) => ControlFlow::Break(()),
            };
            broke = flow.is_break();
            flow
        };
        let visits_left = self.visits_max.saturating_sub(self.reads.visited);
        let visited = match &self.view {
            View::Pinned(snapshot) => snapshot.visit_shown(range, direction, visits_left, &mut merge)?,
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
        if is_noted {
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
        self.store.0.clock.now_ms()
    }

    /// The state of the transaction's writes, to return to with [`rollback_to`](Self::rollback_to).
    #[must_use]
    pub fn savepoint(&mut self) -> Savepoint {
        self.undo.push(Undo { replaced: HashMap::default(), written_bytes: self.written_bytes });
        Savepoint { depth: self.undo.len() }
    }

    /// Discards the writes since the savepoint, and the savepoints after it. Reads stay. The cost is proportional to those writes.
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

    /// Keeps the writes since the savepoint, which can no longer be returned to. The cost is proportional to those writes.
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

    /// Keeps the values that the transaction replaces or deletes under keys that begin with `prefix`: the change feed and the log get them
    /// beside the new ones. `bytes` of them are counted as [written](Self::written_bytes): those of a value that the transaction is about
    /// to replace.
    pub fn keep_replaced(&mut self, prefix: &[u8], bytes: usize) {
        self.kept.add(prefix);
        self.written_bytes += bytes;
    }

    /// The newest version read under the writer lock.
    pub(crate) fn seen(&self) -> Version {
        self.seen
    }

    pub(crate) fn into_writes(self) -> (WriteSet, KeptSpans) {
        (self.writes, self.kept)
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

pub(super) fn value_bytes(update: &Update) -> usize {
    match update {
        Update::Put { value, .. } => value.len(),
        Update::Delete => 0,
    }
}
