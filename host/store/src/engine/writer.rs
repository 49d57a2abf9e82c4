//! The one writer: validating, putting versions on chains, making them visible, and taking out what nobody can read any more.

use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
#[cfg(not(target_family = "wasm"))]
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::engine::feed::{FeedChange, FeedCommit};
use crate::engine::prune::Garbage;
use crate::engine::record::{NEVER_MS, Node, NodeExt, Record};
use crate::engine::writer_lock::WriterGuard;
use crate::format::log_record as record;
use crate::mutants::mutant;
use crate::store::Inner;
#[cfg(not(target_family = "wasm"))]
use crate::transaction::WriteSet;
#[cfg(not(target_family = "wasm"))]
use crate::transaction::prepare::Prepared;
use crate::transaction::validation::{Checks, Lost};
use crate::{Clock, Space, Stats, Update, Version};
use smallvec::SmallVec;

/// Superseded versions that one commit takes out beside its own: pruning catches up, and no commit does the work of many others.
const PRUNE_PER_COMMIT: usize = 1;

/// Deleted keys that may wait before a commit that deletes nothing takes out those of others.
const DEAD_MAX: usize = 1_024;

/// What only the holder of the writer lock touches.
#[derive(Default)]
pub(crate) struct Writer {
    /// The newest commit, visible or not.
    pub(crate) last: Version,
    /// The newest version that was given to a commit, even if that was taken back: a version is given once.
    pub(crate) given: Version,
    pub(crate) garbage: Garbage,
    /// Keys that were deleted and whose values are gone: out of both indexes they go, unless they were written again.
    pub(crate) dead: VecDeque<Record>,
    pub(crate) deadlines: BTreeSet<Deadline>,
    pub(crate) spaces: HashMap<Box<[u8]>, Space>,
    /// Commits that wait to be written to the log, encoded.
    pub(crate) pending: Vec<u8>,
    pub(crate) stats: Stats,
    /// Short holds of the lock, to measure some of them.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) short_holds: u64,
    /// What has fallen out of the change feed, to be freed without the lock.
    pub(crate) fallen: Fallen,
    /// When the newest commit was made, by both clocks.
    made: Made,
}

/// Commits that have fallen out of the change feed. In a feed that is full, a small commit takes the place of one or two.
pub(crate) type Fallen = SmallVec<[Arc<FeedCommit>; 2]>;

/// A moment by both clocks.
#[derive(Default)]
struct Made {
    time_ms: u64,
    monotonic_us: u64,
    /// How many commits have shared it.
    commits: u32,
}

/// Commits that share one reading of the monotonic clock, so that a wall clock that stands still does not stop the other one.
const SHARED_READING_MAX: u32 = 1_024;

/// When a key expires. Deadlines of one time are ordered by version, which rarely leaves keys to be compared: those lie elsewhere.
#[cfg_attr(not(target_family = "wasm"), derive(Clone))]
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

    /// Behind every deadline of that time.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn last_at(at_ms: u64) -> Self {
        let nobodys = Record::new(&[], Node::create(0, 0, NEVER_MS, None, None));
        Self { at_ms, version: Version::MAX, record: nobodys }
    }
}

impl Writer {
    /// The monotonic clock's time for a commit that is made at `time_ms`. Commits of one millisecond share a reading: each costs a tenth
    /// of a small commit, and the feed's ages are milliseconds.
    fn made_us(&mut self, time_ms: u64, clock: &dyn Clock) -> u64 {
        let made = &mut self.made;
        if made.time_ms != time_ms || made.commits >= SHARED_READING_MAX {
            *made = Made { time_ms, monotonic_us: clock.monotonic_us(), commits: 0 };
        }
        made.commits += 1;
        made.monotonic_us
    }

    /// The deadlines behind `from` and up to the time `to_ms`, soonest first.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn deadlines_after(&self, from: &Deadline, to_ms: u64) -> impl Iterator<Item = &Deadline> {
        let behind = self.deadlines.range((Bound::Excluded(from), Bound::Unbounded));
        behind.take_while(move |deadline| deadline.at_ms <= to_ms)
    }

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

/// Applies a write of a commit, by its version, time and key, if it was prepared.
type ApplyPrepared<'p> = dyn FnMut(&mut Writer, Version, u64, &[u8]) -> Option<FeedChange> + 'p;

impl Inner {
    /// The version of what a reader sees who comes after every commit so far. Only for the holder of the writer lock.
    pub(crate) fn newest_live_version(&self, key: &[u8]) -> Option<Version> {
        let now_ms = self.clock.now_ms();
        self.map.find(key, |record| record.newest(|node| node.live_version(now_ms))).flatten()
    }

    /// Whether `checks` hold of every commit so far. False where that took more than `visits_max` visits to records in scanned stretches.
    pub(crate) fn validate(&self, writer: &Writer, checks: &Checks<'_>, visits_max: u64) -> Result<bool, Lost> {
        let now_ms = self.clock.now_ms();
        let latest_ms = checks.reads.times.latest_ms.max(now_ms);
        let nothing_expired = writer.deadlines.first().is_none_or(|deadline| deadline.at_ms > latest_ms);
        if writer.last == checks.version && nothing_expired {
            return Ok(true);
        }
        checks.look_up(self, now_ms, visits_max)
    }

    /// Puts `writes` on the chains as the next commit and makes it visible. Where they change nothing, there is no new commit.
    pub(crate) fn apply<'w>(
        &self,
        writer: &mut Writer,
        writes: impl IntoIterator<Item = (&'w [u8], &'w Update)>,
    ) -> Version {
        self.apply_all(writer, &mut writes.into_iter(), &mut |_, _, _, _| None)
    }

    /// As [`apply`](Self::apply), with what was prepared for it.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn apply_prepared(
        &self,
        writer: &mut Writer,
        writes: &WriteSet,
        prepared: &mut Prepared<'_>,
    ) -> Version {
        let mut writes = writes.iter().map(|(key, update)| (&key[..], update));
        self.apply_all(writer, &mut writes, &mut |writer, version, time_ms, key| {
            prepared.apply(writer, version, time_ms, key)
        })
    }

    /// One copy of the code for all that writes come from: it is large.
    fn apply_all(
        &self,
        writer: &mut Writer,
        writes: &mut dyn Iterator<Item = (&[u8], &Update)>,
        prepared: &mut ApplyPrepared<'_>,
    ) -> Version {
        let version = writer.given + 1;
        let time_ms = self.clock.now_ms();
        let mut changes: Vec<FeedChange> = Vec::with_capacity(writes.size_hint().0);
        for (key, update) in writes {
            let change = prepared(writer, version, time_ms, key);
            changes.extend(change.or_else(|| self.apply_one(writer, version, time_ms, key, update)));
        }
        if changes.is_empty() {
            return writer.last;
        }
        let pruned = changes.len() + PRUNE_PER_COMMIT;
        // Taking out a key costs ten times what taking out a version does: that is for whoever deletes.
        let deletes = changes.iter().any(|change| change.node.about().is_deletion);
        let too_many = writer.dead.len() > DEAD_MAX && !mutant!("dead-keys-left");
        let keys = if deletes || too_many { pruned } else { 0 };
        if let Some(durable) = self.durable() {
            let logged = match &changes[..] {
                [all @ .., _] if mutant!("torn-batch") && !all.is_empty() => all,
                all => all,
            };
            let is_expiry = mutant!("expiry-not-logged") && logged.iter().all(|change| change.node.about().is_deletion);
            if is_expiry {
                // Nothing is written.
            } else if let Err(bytes) = record::encode(&mut writer.pending, version, writer.last, time_ms, logged) {
                let error = io::Error::new(io::ErrorKind::FileTooLarge, format!("{bytes} bytes in one commit"));
                durable.fail(&error, "encoding a commit");
            }
            durable.has_pending();
        }
        // In memory there is nothing that could have to be taken back.
        let kept_behind = if self.durable().is_none() { version } else { self.visible.load(Ordering::Relaxed) };
        let made_us = writer.made_us(time_ms, &*self.clock);
        self.feed.push(version, time_ms, made_us, changes, kept_behind, &mut writer.fallen);
        (writer.last, writer.given) = (version, version);
        writer.stats.commits += 1;
        if self.durable().is_none() {
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
        update: &Update,
    ) -> Option<FeedChange> {
        let (value, expires_at_ms) = match update {
            Update::Put { value, expires_at_ms } => (Some(value), expires_at_ms.filter(|&at_ms| at_ms != NEVER_MS)),
            Update::Delete => (None, None),
        };
        let deadline_ms = expires_at_ms.unwrap_or(NEVER_MS);
        let create = |older| Node::create(version, time_ms, deadline_ms, value.map(|value| &value[..]), older);
        let mut previous = None;
        let found = self.map.find(key, Record::clone);
        // Its place may have been prepared.
        #[cfg(not(target_family = "wasm"))]
        let unused = found.as_ref().filter(|record| record.is_unused());
        #[cfg(target_family = "wasm")]
        let unused: Option<&Record> = None;
        let (record, node) = if let Some(record) = unused {
            value.as_ref()?;
            let node = create(None);
            record.push(node.clone());
            (record.clone(), node)
        } else if let Some(record) = found {
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
            writer.garbage.add(&record, &node);
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
            writer.garbage.add_first(record, &older);
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
        if let Some(deadline) = Deadline::of(record, node).filter(|_| !mutant!("deadline-left-behind")) {
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

    /// Lets the next writer in and tells those who wait for commits.
    pub(crate) fn after_commit(&self, mut writer: WriterGuard<'_>, version: Version) {
        let fallen = std::mem::take(&mut writer.fallen);
        drop(writer);
        drop(fallen);
        self.tell_commit(version);
    }

    /// Tells those who wait for commits, or who write them down, of the newest.
    pub(crate) fn tell_commit(&self, version: Version) {
        match self.durable() {
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
