//! The queue of versions that superseded others, from which the pruner takes those that no reader can see.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::record::{Node, NodeExt, Record};
use super::registry::Registry;
use crate::mutants::mutant;
use crate::types::Version;

/// Capacity of a queue that is too small to be worth freeing.
const KEPT: usize = 1_024;

/// Versions that superseded others, in the order of their commits.
#[derive(Default)]
pub(crate) struct Garbage {
    /// Versions that were examined once, with a gap among them.
    kept: VecDeque<Superseding>,
    /// The versions after them, visible or not.
    fresh: VecDeque<Superseding>,
    /// How many have left the front of `kept`, modulo 2^32: a version notes its place as a number that stays the same.
    popped: u32,
    /// Where the sweep over `kept` continues.
    sweep: usize,
    /// Where the sweep moves versions that stay: the entries between this place and its own are unused.
    gap: usize,
}

/// A version that superseded others. It names its node, so that freeing what it superseded costs the same however long the chain above has
/// grown; and it has only what that needs, because all of it has left the processor's caches by then.
pub(crate) struct Superseding {
    pub(super) version: Version,
    /// `None` once the version itself was removed from the middle of its chain.
    pub(super) node: Option<Node>,
    /// For a deletion: the key may be removed with it.
    pub(super) deleted: Option<Record>,
}

/// An entry of a gap in the queue, which the front drops whatever is read.
const GAP: Superseding = Superseding { version: 0, node: None, deleted: None };

impl Superseding {
    fn new(record: &Record, node: &Node) -> Self {
        let about = node.about();
        let deleted = about.is_deletion.then(|| record.clone());
        Self { version: about.version, node: Some(node.clone()), deleted }
    }
}

impl Garbage {
    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.fresh.len()
    }

    /// Steps from one start of the sweep to the next.
    pub(super) fn sweep_len(&self) -> usize {
        self.kept.len() + 1
    }

    /// Frees memory of queues that have become short: a long-held snapshot leaves queues of millions.
    pub(super) fn shrink(&mut self) {
        shrink(&mut self.kept);
        shrink(&mut self.fresh);
    }

    /// Adds the newest version of a key, which superseded another.
    pub(crate) fn add(&mut self, record: &Record, node: &Node) {
        self.fresh.push_back(Superseding::new(record, node));
    }

    /// Adds a deletion whose turn has passed.
    pub(crate) fn add_first(&mut self, record: &Record, deletion: &Node) {
        self.popped = self.popped.wrapping_sub(1);
        (self.sweep, self.gap) = (self.sweep + 1, self.gap + 1);
        self.kept.push_front(Superseding::new(record, deletion));
        self.note_place(0);
    }

    /// Removes the versions after `version`, which were undone.
    pub(crate) fn forget_after(&mut self, version: Version) {
        while self.fresh.pop_back_if(|superseding| superseding.version > version).is_some() {}
    }

    /// The keys of the next deletions.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn next_deleted(&self, count: usize) -> impl Iterator<Item = &Record> {
        self.kept.iter().chain(&self.fresh).take(count).filter_map(|superseding| superseding.deleted.as_ref())
    }

    /// The next version that superseded something that no reader can see.
    pub(super) fn pop(&mut self, horizon: Version) -> Option<Superseding> {
        if self.kept.is_empty() {
            return self.fresh.pop_front_if(|superseding| superseding.version <= horizon);
        }
        let superseding = self.kept.pop_front_if(|superseding| superseding.version <= horizon)?;
        self.popped = self.popped.wrapping_add(1);
        (self.sweep, self.gap) = (self.sweep.saturating_sub(1), self.gap.saturating_sub(1));
        Some(superseding)
    }

    /// Examines the next version for the first time, if it is visible.
    pub(super) fn look_at_fresh(&mut self, visible: Version, thinned: &mut Thinned<'_>) -> bool {
        let Some(mut superseding) = self.fresh.pop_front_if(|next| next.version <= visible) else { return false };
        if self.is_of_use(&mut superseding, thinned) {
            self.kept.push_back(superseding);
            self.note_place(self.kept.len() - 1);
        }
        true
    }

    /// Examines the next version of the sweep. At the end, closes the gap and starts again.
    pub(super) fn sweep(&mut self, thinned: &mut Thinned<'_>) {
        let Some(superseding) = self.kept.get_mut(self.sweep) else {
            self.kept.truncate(self.gap);
            (self.sweep, self.gap) = (0, 0);
            return;
        };
        let mut superseding = std::mem::replace(superseding, GAP);
        if self.is_of_use(&mut superseding, thinned) {
            self.kept[self.gap] = superseding;
            self.note_place(self.gap);
            self.gap += 1;
        }
        self.sweep += 1;
    }

    /// Removes the versions that a version superseded from its chain, if no reader is between the two. Returns whether it still supersedes
    /// anything.
    fn is_of_use(&mut self, superseding: &mut Superseding, thinned: &mut Thinned<'_>) -> bool {
        if let Some(node) = &superseding.node {
            let Some(older) = node.older() else { return superseding.give_up(thinned) };
            let is_met = thinned.registry.is_any_between(older.about().version, superseding.version);
            if is_met && !mutant!("met-version-cut") {
                return true;
            }
            node.set_older(older.older());
            thinned.cut += 1;
            self.release(&older);
            if node.older().is_some() {
                return true;
            }
        }
        superseding.give_up(thinned)
    }

    /// Releases a version that was removed from its chain: its entry among those kept would keep it in memory.
    fn release(&mut self, node: &Node) {
        let index = node.about().place.load(Ordering::Relaxed).wrapping_sub(self.popped);
        if let Some(place) = self.kept.get_mut(index as usize)
            && place.node.as_ref().is_some_and(|there| std::ptr::eq(there.about(), node.about()))
        {
            place.node = None;
        }
    }

    /// Records a version's place in the queue in the version.
    fn note_place(&self, index: usize) {
        if let Some(node) = &self.kept[index].node {
            #[allow(clippy::cast_possible_truncation, reason = "of a queue shorter than 2^32 the lower half will do")]
            node.about().place.store(self.popped.wrapping_add(index as u32), Ordering::Relaxed);
        }
    }
}

impl Superseding {
    /// Returns a key of which only the deletion is left.
    fn give_up(&mut self, thinned: &mut Thinned<'_>) -> bool {
        thinned.dead.extend(self.deleted.take());
        false
    }
}

/// The result of examining superseded versions.
pub(super) struct Thinned<'r> {
    pub(super) registry: &'r Registry,
    pub(super) cut: usize,
    pub(super) dead: Vec<Record>,
}

/// Frees the memory of a queue that has become short.
pub(super) fn shrink<T>(queue: &mut VecDeque<T>) {
    let length = queue.len().max(KEPT);
    if queue.capacity() > 4 * length {
        queue.shrink_to(2 * length);
    }
}
