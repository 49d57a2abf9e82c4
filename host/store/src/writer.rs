//! The one writer: validating, putting versions on chains, making them visible, and taking out what nobody can read any more.

use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{Ordering, fence};

use parking_lot::MutexGuard;

use crate::feed::FeedChange;
use crate::log::record;
use crate::planted::planted;
use crate::record::{NEVER_MS, Node, NodeExt, Record};
use crate::store::Inner;
use crate::transaction::{RangeRead, ReadSet, WriteSet};
use crate::{Direction, Entry, Space, Stats, Update, Version};

/// Superseded versions that one commit takes out beside its own: pruning catches up, and no commit does the work of many others.
const PRUNE_PER_COMMIT: usize = 1;

/// Deleted keys that may wait before a commit that deletes nothing takes out those of others.
const DEAD_MAX: usize = 1_024;

/// Room in a queue of what is to be pruned that is not worth giving back.
const GARBAGE_KEPT: usize = 1_024;

fn shrink<T>(queue: &mut VecDeque<T>) {
    let length = queue.len().max(GARBAGE_KEPT);
    if queue.capacity() > 4 * length {
        queue.shrink_to(2 * length);
    }
}

/// What only the holder of the writer lock touches.
#[derive(Default)]
pub(crate) struct Writer {
    /// The newest commit, visible or not.
    pub(crate) last: Version,
    /// The newest version that was given to a commit, even if that was taken back: a version is given once.
    pub(crate) given: Version,
    /// Versions that superseded others, in the order of their commits.
    pub(crate) garbage: VecDeque<Superseding>,
    /// Keys that were deleted and whose values are gone: out of both indexes they go, unless they were written again.
    pub(crate) dead: VecDeque<Record>,
    pub(crate) deadlines: BTreeSet<Deadline>,
    pub(crate) spaces: HashMap<Box<[u8]>, Space>,
    /// Commits that wait to be written to the log, encoded.
    pub(crate) pending: Vec<u8>,
    pub(crate) stats: Stats,
}

/// A version that superseded others. It names its node, so that taking out what it superseded costs the same however long the chain
/// above has grown; and only what is needed for that, as all of it has left the processor's caches by then.
pub(crate) struct Superseding {
    pub(crate) version: Version,
    node: Node,
    /// Of a deletion: the key may go with it.
    pub(crate) deleted: Option<Record>,
}

impl Superseding {
    fn new(record: &Record, node: &Node) -> Self {
        let about = node.about();
        let deleted = about.is_deletion.then(|| record.clone());
        Self { version: about.version, node: node.clone(), deleted }
    }
}

/// When a key expires. Deadlines of one time are ordered by version, which rarely leaves keys to be compared: those lie elsewhere.
pub(crate) struct Deadline {
    pub(crate) at_ms: u64,
    version: Version,
    pub(crate) record: Record,
}

impl Deadline {
    /// When `node`, a version of `record`'s key, expires, if it does.
    fn of(record: &Record, node: &Node) -> Option<Self> {
        let at_ms = node.expires_at_ms()?;
        Some(Self { at_ms, version: node.about().version, record: record.clone() })
    }
}

impl Writer {
    /// What has expired at `now_ms` and is still there, soonest first.
    pub(crate) fn due(&self, now_ms: u64) -> impl Iterator<Item = &Deadline> {
        self.deadlines.iter().take_while(move |deadline| deadline.at_ms <= now_ms)
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Order {
        let numbers = (self.at_ms, self.version).cmp(&(other.at_ms, other.version));
        numbers.then_with(|| self.record.key().cmp(other.record.key()))
    }
}
impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}
impl Eq for Deadline {}

impl Inner {
    /// What a reader sees who comes after every commit so far. Only for the holder of the writer lock.
    pub(crate) fn newest_live(&self, key: &[u8]) -> Option<Entry> {
        self.map.find(key, |record| record.newest(|node| node.live(|| self.clock.now_ms()))).flatten()
    }

    /// Its version, without a hold on its value.
    pub(crate) fn newest_live_version(&self, key: &[u8]) -> Option<Version> {
        let now_ms = self.clock.now_ms();
        self.map.find(key, |record| record.newest(|node| node.live_version(now_ms))).flatten()
    }

    /// Whether everything that was read at `version` would be read the same now.
    pub(crate) fn still_holds(&self, writer: &Writer, version: Version, reads: &ReadSet) -> bool {
        let now_ms = self.clock.now_ms();
        let nothing_expired = writer.deadlines.first().is_none_or(|deadline| deadline.at_ms > now_ms);
        if writer.last == version && nothing_expired {
            return true;
        }
        let keys_hold =
            planted("lost-update") || reads.keys.iter().all(|(key, seen)| self.newest_live_version(key) == *seen);
        let nothing_came = |read: &RangeRead| {
            let mut holds = true;
            self.walk(&read.range, Direction::Forward, &mut |record| {
                holds = record.newest(|node| {
                    let about = node.about();
                    // The clock may have gone either way.
                    let is_live = about.deadline_ms > now_ms;
                    let as_live_as_then = [read.earliest_ms, read.latest_ms]
                        .iter()
                        .all(|&then_ms| (about.deadline_ms > then_ms) == is_live);
                    about.version <= version && (as_live_as_then || about.is_deletion)
                });
                if holds { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            holds
        };
        keys_hold && (planted("phantom") || reads.ranges.iter().all(nothing_came))
    }

    /// Whether no commit after `version` changed a key that `writes` changes.
    pub(crate) fn untouched_since(&self, version: Version, writes: &WriteSet) -> bool {
        writes.keys().all(|key| {
            self.map.find(key, |record| record.newest(|node| node.about().version <= version)) != Some(false)
        })
    }

    /// Puts `writes` on the chains as the next commit and makes it visible. Where they change nothing, there is no new commit.
    pub(crate) fn apply(&self, writer: &mut Writer, writes: impl IntoIterator<Item = (Box<[u8]>, Update)>) -> Version {
        self.apply_all(writer, &mut writes.into_iter())
    }

    /// One copy of the code for all that writes come from: it is large.
    fn apply_all(&self, writer: &mut Writer, writes: &mut dyn Iterator<Item = (Box<[u8]>, Update)>) -> Version {
        let version = writer.given + 1;
        let time_ms = self.clock.now_ms();
        let mut changes: Vec<FeedChange> = Vec::with_capacity(writes.size_hint().0);
        for (key, update) in writes {
            changes.extend(self.apply_one(writer, version, time_ms, &key, update));
        }
        if changes.is_empty() {
            return writer.last;
        }
        let pruned = changes.len() + PRUNE_PER_COMMIT;
        // Taking out a key costs ten times what taking out a version does: that is for whoever deletes.
        let deletes = changes.iter().any(|change| change.node.about().is_deletion);
        let too_many = writer.dead.len() > DEAD_MAX && !planted("dead-keys-left");
        let keys = if deletes || too_many { pruned } else { 0 };
        if let Some(durable) = &self.durable {
            let logged = match &changes[..] {
                [all @ .., _] if planted("torn-batch") && !all.is_empty() => all,
                all => all,
            };
            let is_expiry = planted("expiry-not-logged") && logged.iter().all(|change| change.node.about().is_deletion);
            if is_expiry {
                // Nothing is written.
            } else if let Err(bytes) = record::encode(&mut writer.pending, version, writer.last, time_ms, logged) {
                let error = io::Error::new(io::ErrorKind::FileTooLarge, format!("{bytes} bytes in one commit"));
                durable.fail(&error, "encoding a commit");
            }
            durable.has_pending();
        }
        // In memory there is nothing that could have to be taken back.
        let kept_behind = if self.durable.is_none() { version } else { self.visible.load(Ordering::Relaxed) };
        self.feed.push(version, time_ms, changes, kept_behind);
        (writer.last, writer.given) = (version, version);
        writer.stats.commits += 1;
        if self.durable.is_none() {
            self.visible.store(version, Ordering::Release);
        }
        self.prune(writer, pruned, keys);
        version
    }

    pub(crate) fn apply_one(
        &self,
        writer: &mut Writer,
        version: Version,
        time_ms: u64,
        key: &[u8],
        update: Update,
    ) -> Option<FeedChange> {
        let (value, expires_at_ms) = match update {
            Update::Put { value, expires_at_ms } => (Some(value), expires_at_ms.filter(|&at_ms| at_ms != NEVER_MS)),
            Update::Delete => (None, None),
        };
        let deadline_ms = expires_at_ms.unwrap_or(NEVER_MS);
        let create = |older| Node::create(version, time_ms, deadline_ms, value.as_deref(), older);
        let mut previous = None;
        let (record, node) = if let Some(record) = self.map.find(key, Record::clone) {
            let is_deleted = record.newest(|newest| newest.about().is_deletion);
            if is_deleted && value.is_none() {
                return None;
            }
            previous = record.newest(|old| {
                self.take_out(writer, &record, old);
                old.live_version(time_ms)
            });
            let node = create(Some(record.newest(Node::clone)));
            record.push(node.clone());
            writer.garbage.push_back(Superseding::new(&record, &node));
            (record, node)
        } else {
            value.as_ref()?;
            let node = create(None);
            let record = Record::new(key, node.clone());
            self.map.insert(&record);
            (record, node)
        };
        writer.stats.versions += 1;
        self.put_in(writer, &record, &node);
        Some(FeedChange { record, node, previous })
    }

    /// Takes back what [`apply_one`](Self::apply_one) did for a commit that no reader has met.
    pub(crate) fn undo(&self, writer: &mut Writer, change: &FeedChange) {
        let (record, node) = (&change.record, &change.node);
        self.take_out(writer, record, node);
        writer.stats.versions -= 1;
        let Some(older) = node.older() else {
            self.map.remove(record.key());
            return;
        };
        // A deletion supersedes something; where that is gone, its turn to be taken out has passed while it was not the newest.
        if older.about().is_deletion && older.older().is_none() {
            writer.garbage.push_front(Superseding::new(record, &older));
        }
        self.put_in(writer, record, &older);
        record.pop(older);
    }

    /// Counts a version that has become its key's newest, and minds its deadline.
    pub(crate) fn put_in(&self, writer: &mut Writer, record: &Record, node: &Node) {
        if !node.about().is_deletion {
            self.account(writer, record.key(), node.slice.len(), true);
        }
        if let Some(deadline) = Deadline::of(record, node) {
            writer.deadlines.insert(deadline);
        }
    }

    /// The opposite of [`put_in`](Self::put_in).
    fn take_out(&self, writer: &mut Writer, record: &Record, node: &Node) {
        if !node.about().is_deletion {
            self.account(writer, record.key(), node.slice.len(), false);
        }
        if let Some(deadline) = Deadline::of(record, node).filter(|_| !planted("deadline-left-behind")) {
            writer.deadlines.remove(&deadline);
        }
    }

    /// Adds a key with its value to the figures, or takes it out of them.
    fn account(&self, writer: &mut Writer, key: &[u8], value_bytes: usize, added: bool) {
        let change = |figure: &mut u64, by: usize| {
            *figure = if added { *figure + by as u64 } else { *figure - by as u64 };
        };
        change(&mut writer.stats.keys, 1);
        change(&mut writer.stats.key_bytes, key.len());
        change(&mut writer.stats.value_bytes, value_bytes);
        self.bytes.store(writer.stats.key_bytes + writer.stats.value_bytes, Ordering::Relaxed);
        if self.space_prefix_bytes == 0 || key.len() < self.space_prefix_bytes {
            return;
        }
        let prefix = &key[..self.space_prefix_bytes];
        let space = match writer.spaces.get_mut(prefix) {
            Some(space) => space,
            None => writer.spaces.entry(prefix.into()).or_default(),
        };
        change(&mut space.keys, 1);
        change(&mut space.key_bytes, key.len());
        change(&mut space.value_bytes, value_bytes);
        if space.keys == 0 {
            writer.spaces.remove(prefix);
        }
    }

    /// Takes out up to `versions_max` superseded versions that no reader can meet, oldest first, and up to `keys_max` of the keys that were
    /// deleted. How many of the two it looked at, whichever is more.
    pub(crate) fn prune(&self, writer: &mut Writer, versions_max: usize, keys_max: usize) -> usize {
        let mut horizon = self.registry.horizon(&self.visible);
        if planted("pruned-too-early") {
            horizon = self.visible.load(Ordering::Acquire);
        }
        let (mut versions, mut keys, mut cut) = (0, 0, 0);
        while versions < versions_max
            && let Some(Superseding { node, deleted, .. }) =
                writer.garbage.pop_front_if(|superseding| superseding.version <= horizon)
        {
            versions += 1;
            cut += node.cut_older();
            writer.dead.extend(deleted);
        }
        while keys < keys_max
            && let Some(record) = writer.dead.pop_front()
        {
            keys += 1;
            // A key that was deleted, removed and written again has a new record: the old one must not take it along.
            if record.is_dead(horizon) && self.map.find(record.key(), |current| current.is_same(&record)) == Some(true)
            {
                self.map.remove(record.key());
                cut += 1;
            }
        }
        writer.stats.pruned += cut as u64;
        writer.stats.versions -= cut as u64;
        // A snapshot held for long leaves queues of millions behind: their memory goes when they have gone.
        shrink(&mut writer.garbage);
        shrink(&mut writer.dead);
        versions.max(keys)
    }

    /// Lets the next writer in and tells those who wait for commits.
    pub(crate) fn after_commit(&self, writer: MutexGuard<'_, Writer>, version: Version) {
        drop(writer);
        self.tell_commit(version);
    }

    /// Tells those who wait for commits, or who write them down, of the newest.
    pub(crate) fn tell_commit(&self, version: Version) {
        match &self.durable {
            Some(durable) => self.hand_over(durable),
            None => self.announce_commit(version),
        }
    }

    /// Tells those who wait for commits that `version` is visible.
    pub(crate) fn announce_commit(&self, version: Version) {
        // Pairs with the fence in `Store::watch`.
        fence(Ordering::SeqCst);
        if self.commits.receiver_count() > 0 {
            self.announce(version);
        }
    }

    pub(crate) fn announce(&self, version: Version) {
        self.commits.send_if_modified(|newest| {
            let newer = version > *newest;
            *newest = version.max(*newest);
            newer
        });
    }
}
