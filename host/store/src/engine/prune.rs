//! Pruning: superseded versions and deleted keys that no reader can meet are taken out.
//!
//! A version that superseded another stands in a queue, in the order of commits. What it superseded goes when every reader is at that
//! commit or a later one (the horizon). A snapshot that is held for long holds the horizon back, and with it the queue; but of a key
//! that is written again and again it can only meet one version. So what a version superseded is also taken out of the middle of the
//! chain when no reader is between the two: as soon as the version is visible, or, where a reader was there then, when a sweep over
//! the queue comes by. Chains stay as long as there are snapshots that meet different versions of them, and reading far behind
//! costs as little as that.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use crate::Version;
use crate::engine::record::{Node, NodeExt, Record};
use crate::engine::snapshot::Registry;
use crate::engine::writer::Writer;
use crate::mutants::mutant;
use crate::store::Inner;

/// Room in a queue of what is to be pruned that is not worth giving back.
const KEPT: usize = 1_024;

/// Versions that the sweep looks at beside each commit, at least: more than come to be kept.
const SWEPT_MIN: usize = 2;

/// Versions that superseded others, in the order of their commits.
#[derive(Default)]
pub(crate) struct Garbage {
    /// Those that have been looked at once, and a gap among them.
    kept: VecDeque<Superseding>,
    /// Those that follow, visible or not.
    fresh: VecDeque<Superseding>,
    /// How many have left `kept` at its front, modulo 2^32: a version notes its place as a number that stays the same.
    popped: u32,
    /// Where the sweep over `kept` goes on.
    sweep: usize,
    /// Where the sweep puts what stays: between this place and its own there is nothing of use.
    gap: usize,
}

/// A version that superseded others. It names its node, so that taking out what it superseded costs the same however long the chain
/// above has grown; and only what is needed for that, as all of it has left the processor's caches by then.
pub(crate) struct Superseding {
    version: Version,
    /// None once the version itself was taken out of the middle of its chain.
    node: Option<Node>,
    /// Of a deletion: the key may go with it.
    deleted: Option<Record>,
}

/// What there is in a gap of the queue: it leaves at the front whoever reads what.
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

    /// Forgets the versions behind `version`, which were taken back.
    pub(crate) fn forget_behind(&mut self, version: Version) {
        while self.fresh.pop_back_if(|superseding| superseding.version > version).is_some() {}
    }

    /// The keys of the next deletions.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn next_deleted(&self, count: usize) -> impl Iterator<Item = &Record> {
        self.kept.iter().chain(&self.fresh).take(count).filter_map(|superseding| superseding.deleted.as_ref())
    }

    /// The next version that superseded what no reader can meet.
    fn pop(&mut self, horizon: Version) -> Option<Superseding> {
        if self.kept.is_empty() {
            return self.fresh.pop_front_if(|superseding| superseding.version <= horizon);
        }
        let superseding = self.kept.pop_front_if(|superseding| superseding.version <= horizon)?;
        self.popped = self.popped.wrapping_add(1);
        (self.sweep, self.gap) = (self.sweep.saturating_sub(1), self.gap.saturating_sub(1));
        Some(superseding)
    }

    /// Looks at the next version that has not been looked at, if it is visible.
    fn look_at_fresh(&mut self, visible: Version, thinned: &mut Thinned<'_>) -> bool {
        let Some(mut superseding) = self.fresh.pop_front_if(|next| next.version <= visible) else { return false };
        if self.is_of_use(&mut superseding, thinned) {
            self.kept.push_back(superseding);
            self.note_place(self.kept.len() - 1);
        }
        true
    }

    /// Looks at the next version of the sweep. At the end the gap is closed, and the sweep begins again.
    fn sweep(&mut self, thinned: &mut Thinned<'_>) {
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

    /// Takes what a version superseded out of its chain, if no reader is between the two, and says whether it still supersedes
    /// something.
    fn is_of_use(&mut self, superseding: &mut Superseding, thinned: &mut Thinned<'_>) -> bool {
        if let Some(node) = &superseding.node {
            let Some(older) = node.older() else { return superseding.give_up(thinned) };
            let is_met = thinned.registry.is_any_between(older.about().version, superseding.version);
            if is_met && !mutant!("met-version-cut") {
                return true;
            }
            node.set_older(older.older());
            thinned.cut += 1;
            self.let_go(&older);
            if node.older().is_some() {
                return true;
            }
        }
        superseding.give_up(thinned)
    }

    /// Lets go of a version that was taken out of its chain: its place among those kept would keep it in memory.
    fn let_go(&mut self, node: &Node) {
        let index = node.about().place.load(Ordering::Relaxed).wrapping_sub(self.popped);
        if let Some(place) = self.kept.get_mut(index as usize)
            && place.node.as_ref().is_some_and(|there| std::ptr::eq(there.about(), node.about()))
        {
            place.node = None;
        }
    }

    /// Notes in a version where it stands.
    fn note_place(&self, index: usize) {
        if let Some(node) = &self.kept[index].node {
            #[allow(clippy::cast_possible_truncation, reason = "of a queue shorter than 2^32 the lower half will do")]
            node.about().place.store(self.popped.wrapping_add(index as u32), Ordering::Relaxed);
        }
    }
}

impl Superseding {
    /// Hands over a key of which nothing but the deletion is left.
    fn give_up(&mut self, thinned: &mut Thinned<'_>) -> bool {
        thinned.dead.extend(self.deleted.take());
        false
    }
}

/// What looking at superseded versions came to.
struct Thinned<'r> {
    registry: &'r Registry,
    cut: usize,
    dead: Vec<Record>,
}

impl Inner {
    /// Takes out up to `versions_max` superseded versions that no reader can meet, oldest first, and up to `keys_max` of the keys that were
    /// deleted. How many of the two it looked at, whichever is more.
    pub(crate) fn prune(&self, writer: &mut Writer, versions_max: usize, keys_max: usize) -> usize {
        let visible = self.visible.load(Ordering::Acquire);
        let horizon = mutant!("pruned-too-early" => visible, or self.registry.horizon(&self.visible));
        let (mut versions, mut keys, mut cut) = (0, 0, 0);
        while versions < versions_max
            && let Some(Superseding { node, deleted, .. }) = writer.garbage.pop(horizon)
        {
            versions += 1;
            cut += node.map_or(0, |node| node.cut_older());
            writer.dead.extend(deleted);
        }
        // Without a snapshot that holds the horizon back, none is left that is visible.
        if horizon < visible {
            let mut thinned = Thinned { registry: &self.registry, cut: 0, dead: Vec::new() };
            while versions < versions_max && writer.garbage.look_at_fresh(visible, &mut thinned) {
                versions += 1;
            }
            let swept = SWEPT_MIN.max(versions_max - versions).min(writer.garbage.kept.len() + 1);
            (0..swept).for_each(|_| writer.garbage.sweep(&mut thinned));
            cut += thinned.cut;
            writer.dead.extend(thinned.dead);
        }
        while keys < keys_max
            && let Some(record) = writer.dead.pop_front()
        {
            keys += 1;
            // A key that was deleted, removed and written again has a new record: the old one must not take it along.
            let is_current = || self.map.find(record.key(), |current| current.is_same(&record)) == Some(true);
            if record.is_dead(horizon, visible) && is_current() {
                self.map.remove(record.key());
                cut += 1;
            }
        }
        writer.stats.pruned += cut as u64;
        writer.stats.versions -= cut as u64;
        // A snapshot held for long leaves queues of millions behind: their memory goes when they have gone.
        shrink(&mut writer.garbage.kept);
        shrink(&mut writer.garbage.fresh);
        shrink(&mut writer.dead);
        versions.max(keys)
    }
}

fn shrink<T>(queue: &mut VecDeque<T>) {
    let length = queue.len().max(KEPT);
    if queue.capacity() > 4 * length {
        queue.shrink_to(2 * length);
    }
}
