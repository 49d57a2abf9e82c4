//! The store: point reads, and the ways to write.

pub(crate) mod group_commit;
pub(crate) mod space_probe;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use tokio::sync::watch;

use crate::engine::feed::Feed;
use crate::engine::map::KeyMap;
use crate::engine::record::{Found, NodeExt};
use crate::engine::snapshot::Registry;
#[cfg(not(target_family = "wasm"))]
use crate::engine::turns::{Footprint, Turn, Turns};
use crate::engine::writer_lock::{WriterGuard, WriterLock};
use crate::mutants::mutant;
use crate::store::group_commit::Durable;
#[cfg(not(target_family = "wasm"))]
use crate::transaction::prepare::Prepared;
#[cfg(not(target_family = "wasm"))]
use crate::transaction::validation::Ahead;
use crate::transaction::validation::{Checks, Lost};
use crate::transaction::{Isolation, ReadSet, Transaction, WriteSet};
use crate::{
    ChangePage, Clock, Compacted, DiskEvent, DiskStats, Durability, Entry, Error, Expect, FeedCursor, Options, Random,
    Refused, Snapshot, Space, Stats, Update, Version, Written,
};

/// An ordered, versioned key space in memory. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) map: KeyMap,
    /// The newest commit that readers may see. Stored after everything that belongs to the commit is in place.
    pub(crate) visible: AtomicU64,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) feed: Feed,
    pub(crate) commits: watch::Sender<Version>,
    pub(crate) snapshot_age_ms_max: u64,
    pub(crate) space_prefix_bytes: usize,
    #[cfg(not(target_family = "wasm"))]
    validated_under_lock_max: u64,
    /// Bytes of all keys and values.
    pub(crate) bytes: AtomicU64,
    /// For [`durable`](Self::durable).
    pub(crate) durable: Option<Durable>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) writer: WriterLock,
    #[cfg(not(target_family = "wasm"))]
    turns: Arc<Turns>,
}

/// Lookups and writes of a commit that takes about as long as one write.
#[cfg(not(target_family = "wasm"))]
const SHORT_COMMIT_MAX: u64 = 8;

/// Keys that are brought near before a commit: as many as a cache of 1 MiB holds with what leads to them.
#[cfg(not(target_family = "wasm"))]
const NEAR_WRITES_MAX: usize = 4_096;

/// Keys that are brought near before they are removed by themselves, which walks the order too.
#[cfg(not(target_family = "wasm"))]
const NEAR_DUE_MAX: usize = 64;

impl Inner {
    /// An empty store that is not durable yet.
    pub(crate) fn new(options: &Options) -> Self {
        let seeds = std::array::from_fn(|_| options.random.next_u64());
        Self {
            map: KeyMap::new(seeds),
            visible: AtomicU64::new(0),
            registry: Registry::default(),
            clock: Arc::clone(&options.clock),
            feed: Feed::new(options.feed_bytes_max, options.feed_age_ms_max),
            commits: watch::Sender::new(0),
            snapshot_age_ms_max: options.snapshot_age_ms_max,
            space_prefix_bytes: options.space_prefix_bytes,
            #[cfg(not(target_family = "wasm"))]
            validated_under_lock_max: options.validated_under_lock_max,
            bytes: AtomicU64::new(0),
            durable: None,
            random: Arc::clone(&options.random),
            #[cfg(not(target_family = "wasm"))]
            writer: WriterLock::new(Arc::clone(&options.clock)),
            #[cfg(target_family = "wasm")]
            writer: WriterLock::new(),
            #[cfg(not(target_family = "wasm"))]
            turns: Arc::new(Turns::new(Arc::clone(&options.clock))),
        }
    }

    /// What makes commits durable; none for a store in memory, whose commits are visible at once. In a page all are, and the compiler
    /// leaves out what there would be to do (`docs/decisions.md`, 38).
    #[cfg_attr(target_family = "wasm", allow(clippy::unused_self, reason = "a page has no disk yet"))]
    pub(crate) fn durable(&self) -> Option<&Durable> {
        #[cfg(not(target_family = "wasm"))]
        return self.durable.as_ref();
        #[cfg(target_family = "wasm")]
        None
    }

    /// Waits for the right to write.
    pub(crate) fn lock_writer(&self) -> WriterGuard<'_> {
        self.writer.lock()
    }

    /// Waits for the right to write, for work that may take long.
    pub(crate) fn lock_writer_for_long(&self) -> WriterGuard<'_> {
        self.writer.lock_for_long()
    }

    /// Takes the writers' lock for the commit of `writes`, while `checks` hold.
    #[cfg(not(target_family = "wasm"))]
    fn lock_validated(&self, checks: &Checks<'_>, writes: &WriteSet) -> Result<(Prepared<'_>, WriterGuard<'_>), Lost> {
        let few = self.validated_under_lock_max;
        let mut ahead = if checks.lookups() > few { Some(Ahead::new(checks, self)?) } else { None };
        let prepared = self.prepare(writes);
        self.bring_near(writes);
        if ahead.is_none() {
            let is_short = checks.lookups() + writes.len() as u64 <= SHORT_COMMIT_MAX;
            let writer = if is_short { self.lock_writer() } else { self.lock_writer_for_long() };
            if self.validate(&writer, checks, few.saturating_mul(4))? {
                return Ok((prepared, writer));
            }
            drop(writer);
            ahead = Some(Ahead::new(checks, self)?);
        }
        match ahead {
            Some(ahead) => Ok((prepared, ahead.lock()?)),
            None => Err(Lost),
        }
    }

    /// Takes the writers' lock for the commit of `writes`, while `checks` hold.
    #[cfg(target_family = "wasm")]
    fn lock_validated(&self, checks: &Checks<'_>, _: &WriteSet) -> Result<((), WriterGuard<'_>), Lost> {
        let writer = self.lock_writer_for_long();
        self.validate(&writer, checks, u64::MAX)?;
        Ok(((), writer))
    }

    /// The newest commit that is not visible yet and that changed what a transaction read, or, where its writes are validated, wrote.
    /// None in a page, where every commit is visible at once.
    #[cfg_attr(
        target_family = "wasm",
        allow(unused_variables, clippy::unused_self, reason = "nothing is waited for in a page")
    )]
    fn newest_rival(&self, isolation: Isolation, reads: &ReadSet, writes: &WriteSet) -> Version {
        #[cfg(not(target_family = "wasm"))]
        if self.durable().is_some() {
            let validates_writes = isolation == Isolation::Snapshot;
            return self.feed.newest_behind(self.visible.load(Ordering::Acquire), |key| {
                reads.touches(key) || validates_writes && writes.contains_key(key)
            });
        }
        0
    }

    /// Looks up the keys of a commit together, so that the writer does not wait for memory at one after the other.
    #[cfg_attr(
        target_family = "wasm",
        allow(unused_variables, clippy::unused_self, reason = "a page has no hash index")
    )]
    fn bring_near(&self, writes: &WriteSet) {
        #[cfg(not(target_family = "wasm"))]
        if writes.len() > 1 {
            self.map.bring_near(writes.keys().take(NEAR_WRITES_MAX).map(|key| &key[..]));
        }
    }

    /// Looks up the keys that are next to be removed, so that they are in the processor's caches when writers have to wait for that.
    #[cfg(not(target_family = "wasm"))]
    fn bring_due_near(&self, keys_max: usize) {
        let count = keys_max.min(NEAR_DUE_MAX);
        let near: Vec<_> = {
            let writer = self.lock_writer();
            let due = writer.due(self.clock.now_ms()).take(count).map(|deadline| &deadline.record);
            let deleted = writer.garbage.next_deleted(count);
            due.chain(deleted).chain(writer.dead.iter().take(count)).cloned().collect()
        };
        for record in near {
            self.map.visit(record.key());
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("visible", &self.visible).finish_non_exhaustive()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Store {
    /// An empty store in memory.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a store's options are made for it")]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Inner::new(&options)))
    }

    /// The newest value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        let inner = &*self.0;
        loop {
            let visible = inner.visible.load(Ordering::Acquire);
            match inner.map.find(key, |record| record.at(visible, |node| node.live(|| inner.clock.now_ms())))? {
                Found::Node(entry) => return entry,
                // Either newer versions are not published yet, or what `visible` stood for was pruned meanwhile.
                Found::Older(entry) if inner.visible.load(Ordering::Acquire) == visible => return entry,
                Found::OnlyNewer if inner.visible.load(Ordering::Acquire) == visible => return None,
                Found::Older(_) | Found::OnlyNewer => {}
            }
        }
    }

    /// The newest commit.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.visible.load(Ordering::Acquire)
    }

    /// The newest commit, visible or not. Takes the writer lock.
    #[must_use]
    pub fn newest(&self) -> Version {
        self.0.lock_writer().last
    }

    /// Waits until the commit `version` is as durable as the store's policy promises, and visible. Ready at once in memory.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and, where nobody writes the log, `NoLogThread`: the commit did not happen. [`Error::StorageFailed`]: nobody sees it now, and what became of it is open
    /// until the store is opened anew, when it may be there.
    pub async fn settled(&self, version: Version) -> Result<(), Error> {
        self.0.settled(version, false).await
    }

    /// As [`settled`](Self::settled), for a transaction that has lost against the commit `version`: woken before whoever made it.
    ///
    /// # Errors
    /// As there.
    pub async fn settled_rival(&self, version: Version) -> Result<(), Error> {
        self.0.settled(version, true).await
    }

    /// When commits are acknowledged; none in memory, where nothing is durable.
    #[must_use]
    pub fn durability(&self) -> Option<Durability> {
        self.0.durable().map(|durable| durable.durability)
    }

    /// Whether the commit `version` is certain to survive a power cut.
    #[must_use]
    pub fn is_durable(&self, version: Version) -> bool {
        self.0.durable().is_some_and(|durable| version <= durable.synced.load(Ordering::Acquire))
    }

    /// The store's identity, which stays the same from one opening to the next; none in memory.
    #[must_use]
    pub fn identity(&self) -> Option<u64> {
        self.0.durable().map(|durable| durable.store)
    }

    /// Writes and syncs every commit so far. Does nothing in memory.
    pub fn flush(&self) {
        if let Some(durable) = self.0.durable() {
            self.0.write_and_sync(durable);
        }
    }

    /// Whether the disk has failed for good.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.0.check_disk().is_err()
    }

    /// What the disk said when something failed last, and whether that was the end of writing.
    #[must_use]
    pub fn disk_failure(&self) -> Option<(String, bool)> {
        let durable = self.0.durable()?;
        durable.failures.said().map(|said| (said, durable.is_failed()))
    }

    /// What became of the disk since this was asked last, oldest first, to be told to whoever keeps it up. Checkpoints are not among it:
    /// whoever has one made is told of it. [`DiskThreads`](crate::DiskThreads) asks by itself.
    #[must_use]
    pub fn take_disk_events(&self) -> Vec<DiskEvent> {
        self.0.durable().map_or_else(Vec::new, |durable| durable.failures.take_events())
    }

    /// Bytes of all keys and values, expired ones included until they are removed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The size of the space whose keys begin with `prefix`.
    #[must_use]
    pub fn space(&self, prefix: &[u8]) -> Space {
        self.0.lock_writer().spaces.get(prefix).copied().unwrap_or_default()
    }

    /// The clock's time, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// The time by the clock that is never set, in microseconds since some moment.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.0.clock.monotonic_us()
    }

    /// Pins the store as it is now for reading.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.0)
    }

    /// Starts a serialisable transaction.
    #[must_use]
    pub fn begin(&self) -> Transaction {
        self.begin_with(Isolation::Serializable)
    }

    /// Starts a transaction.
    #[must_use]
    pub fn begin_with(&self, isolation: Isolation) -> Transaction {
        Transaction::new(self.clone(), isolation)
    }

    /// Writes one key in a commit of its own if it is as expected and every key of `unchanged` still has the version named with it.
    ///
    /// # Errors
    /// [`Refused`] with what the key is, when it is not as expected. [`Error::Conflict`], inside, when a key of `unchanged` differs.
    pub fn write(
        &self,
        key: &[u8],
        update: Update,
        expect: Expect,
        unchanged: Option<(&[u8], Version)>,
    ) -> Result<Result<Written, Refused>, Error> {
        Ok(self.write_seen(key, update, expect, unchanged)?.0)
    }

    /// As [`write`](Self::write), and names beside what came of it the version that this rests on, which is what has to be waited for
    /// before anybody is told: the commit; where there was nothing to do, the newest commit that can be seen, or the one behind it that
    /// left nothing to do; where the key was not as expected, the commit that made it what it is, 0 for a key that never was.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[allow(clippy::needless_pass_by_value, reason = "an engine behind a network would keep it")]
    pub fn write_seen(
        &self,
        key: &[u8],
        update: Update,
        expect: Expect,
        unchanged: Option<(&[u8], Version)>,
    ) -> Result<(Result<Written, Refused>, Version), Error> {
        let inner = &*self.0;
        inner.check_disk()?;
        let mut writer = inner.lock_writer();
        if let Some((key, version)) = unchanged
            && inner.newest_live_version(key) != Some(version)
        {
            writer.stats.conflicts += 1;
            return Err(Error::Conflict);
        }
        let mut seen = 0;
        let newest = inner.get_newest(key, &mut seen);
        let previous = mutant!("stale-expectation" => self.get(key), or newest);
        if !expect.holds(previous.as_ref().map(|entry| entry.version)) {
            return Ok((Err(Refused { current: previous, seen: writer.last }), seen));
        }
        let before = writer.last;
        let version = inner.apply(&mut writer, std::iter::once((key, &update)));
        let seen = if version > before { version } else { seen.max(self.version()) };
        inner.after_commit(writer, version);
        Ok((Ok(Written { version, previous }), seen))
    }

    /// Runs `work` while no other commit can happen, and commits what it wrote when it succeeds.
    ///
    /// For short, bounded work that must not lose a race (a counter, a batch): it holds up all other writers. `work` sees what was
    /// committed and is not visible yet: before its outcome is told to anybody, wait for the version that is returned or, after an
    /// error, for [`newest`](Self::newest), or only for what it rests on ([`exclusively_seen`](Self::exclusively_seen)). It must not call [`write`](Self::write), [`stats`](Self::stats), [`space`](Self::space)
    /// or [`maintain`](Self::maintain): they wait for the lock that it holds.
    ///
    /// # Errors
    /// Whatever `work` returns; then nothing is written.
    pub fn exclusively<T, E>(&self, work: impl FnOnce(&mut Transaction) -> Result<T, E>) -> Result<(T, Version), E> {
        let (outcome, newest, _) = self.run_exclusively(work);
        outcome.map(|value| (value, newest))
    }

    /// As [`exclusively`](Self::exclusively), and names beside the outcome the version that it rests on, which is what has to be waited
    /// for before anybody is told: the commit; where nothing was written, the newest commit that can be seen, or the newest one behind
    /// it that `work` met; after an error the newest that it met, 0 for none.
    pub fn exclusively_seen<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> (Result<T, E>, Version) {
        let (outcome, _, seen) = self.run_exclusively(work);
        (outcome, seen)
    }

    /// Besides the outcome the newest commit, and the version that the outcome rests on.
    fn run_exclusively<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> (Result<T, E>, Version, Version) {
        let writer = self.0.lock_writer_for_long();
        let mut transaction = Transaction::under_writer_lock(self.clone(), writer.last);
        let outcome = work(&mut transaction);
        let (newest, seen) = self.end_exclusive(writer, transaction, outcome.is_ok());
        (outcome, newest, seen)
    }

    /// One copy of the code for all kinds of work.
    fn end_exclusive(&self, mut writer: WriterGuard<'_>, transaction: Transaction, keep: bool) -> (Version, Version) {
        let (inner, before, seen) = (&*self.0, writer.last, transaction.seen());
        if !keep {
            return (before, seen);
        }
        let writes = transaction.into_writes();
        inner.bring_near(&writes);
        let version = inner.apply(&mut writer, by_reference(&writes));
        let seen = if version > before { version } else { seen.max(self.version()) };
        inner.after_commit(writer, version);
        (version, seen)
    }

    /// Queues a transaction that has lost, by what its last attempt read and wrote, and waits for its turn: behind those that queued before
    /// and meet it, for two seconds at most. None at once where the clock cannot wake who waits, or too many queue: then it goes on
    /// without one.
    #[cfg(not(target_family = "wasm"))]
    pub async fn turn(&self, footprint: Arc<Footprint>) -> Option<Turn> {
        self.0.turns.turn(footprint).await
    }

    /// Whether transactions queue for turns or have them: others then [give way](Self::give_way) before they commit.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn has_turns(&self) -> bool {
        self.0.turns.are_there()
    }

    /// Waits until no turn is in the way of a commit, for [`TURN_MS`](crate::TURN_MS) at most. `disturbs` says whether the commit changes
    /// what a footprint names. Who has a turn does not ask.
    #[cfg(not(target_family = "wasm"))]
    pub async fn give_way(&self, disturbs: &(dyn Fn(&Footprint) -> bool + Sync)) {
        self.0.turns.give_way(disturbs).await;
    }

    /// At most `changes_max` changes behind `since` whose key `wanted` lets through.
    ///
    /// Looks at no more than 16,384 changes a call: a page may be empty before the end of the feed.
    ///
    /// # Errors
    /// [`Compacted`] when what follows `since` is no longer kept, or `since` lies in the future.
    pub fn changes(
        &self,
        since: FeedCursor,
        changes_max: usize,
        wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<ChangePage, Compacted> {
        const EXAMINED_MAX: usize = 16_384;
        // The writer appends to the feed before it publishes: readers get neither a change nor a cursor that is ahead of the state.
        let visible = self.version();
        let dropped = self.0.feed.dropped();
        if since.version > visible.max(dropped) {
            return Err(Compacted { dropped });
        }
        self.0.feed.read(since, visible, changes_max, EXAMINED_MAX, wanted)
    }

    /// Where the oldest change that is still kept can be read from.
    #[must_use]
    pub fn feed_start(&self) -> FeedCursor {
        FeedCursor::after(self.0.feed.dropped())
    }

    /// Drops the commits up to `version` from the feed, as if they were too old for it: for whoever cannot tell any more what they mean.
    pub fn forget_changes(&self, version: Version) {
        self.0.feed.drop_through(version.min(self.version()));
    }

    /// Tells of every commit, by its version. Commits may be skipped over; the newest is always seen.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Version> {
        let receiver = self.0.commits.subscribe();
        // Either the next commit sees the receiver, or this sees the commit; see `after_commit`.
        fence(Ordering::SeqCst);
        self.0.announce(self.version());
        receiver
    }

    /// Housekeeping: removes up to `keys_max` expired keys in one commit, revokes snapshots that are too old, and prunes.
    ///
    /// The owner calls this a few times a second. Returns how many keys were removed: when it is `keys_max`, more may be due.
    #[allow(clippy::must_use_candidate, reason = "most callers come again anyway")]
    pub fn maintain(&self, keys_max: usize) -> usize {
        let inner = &*self.0;
        let revoked = inner.registry.revoke_older_than(inner.snapshot_age_ms_max, inner.clock.monotonic_us());
        #[cfg(not(target_family = "wasm"))]
        inner.bring_due_near(keys_max);
        let mut writer = inner.lock_writer_for_long();
        writer.stats.snapshots_revoked += revoked as u64;
        let now_ms = inner.clock.now_ms();
        inner.feed.drop_aged(inner.clock.monotonic_us(), inner.visible.load(Ordering::Acquire));
        let removable = if inner.check_disk().is_ok() { keys_max } else { 0 };
        let due: Vec<_> = writer.due(now_ms).take(removable).map(|deadline| deadline.record.clone()).collect();
        let removed = due.len();
        writer.stats.expired += removed as u64;
        let version = inner.apply(&mut writer, due.iter().map(|record| (record.key(), &Update::Delete)));
        let fallen = std::mem::take(&mut writer.fallen);
        // Writers that have waited for long come first, here and behind the next step.
        writer.unlock_fair();
        drop(fallen);
        inner.tell_commit(version);
        self.prune(keys_max);
        removed
    }

    /// Frees up to `versions_max` versions that were superseded and that no reader can meet any more, and as many keys that were deleted.
    /// Returns how many of either it looked at: when it is `versions_max`, there may be more. Commits free one version more than they
    /// make, and [`maintain`](Self::maintain) as many as it makes; more are left where a snapshot kept them for long.
    #[allow(clippy::must_use_candidate, reason = "most callers come again anyway")]
    pub fn prune(&self, versions_max: usize) -> usize {
        let inner = &*self.0;
        let mut writer = inner.lock_writer_for_long();
        let pruned = inner.prune(&mut writer, versions_max, versions_max);
        writer.unlock_fair();
        KeyMap::free_removed();
        pruned
    }

    /// The figures of the moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let writer = self.0.lock_writer();
        let mut stats = writer.stats.clone();
        // A commit that is not visible yet may still be taken back.
        stats.version = self.version();
        stats.deadlines = writer.deadlines.len() as u64;
        stats.prune_backlog = (writer.garbage.len() + writer.dead.len()) as u64;
        drop(writer);
        let (snapshots, since_us) = self.0.registry.census();
        let (feed_commits, feed_bytes) = self.0.feed.size();
        stats.snapshots = snapshots as u64;
        stats.oldest_snapshot_age_ms =
            since_us.map_or(0, |since_us| self.0.clock.monotonic_us().saturating_sub(since_us) / 1_000);
        stats.feed_commits = feed_commits as u64;
        stats.feed_bytes = feed_bytes as u64;
        #[cfg(not(target_family = "wasm"))]
        {
            stats.writer_holds = self.0.writer.holds();
        }
        stats
    }

    /// The disk's figures of the moment; none in memory.
    #[must_use]
    pub fn disk_stats(&self) -> Option<DiskStats> {
        let durable = self.0.durable()?;
        // None of them takes a lock that is held while the disk works.
        let figures = &durable.figures;
        Some(DiskStats {
            synced_version: durable.synced.load(Ordering::Acquire),
            log_segments: figures.log_segments.load(Ordering::Relaxed),
            log_bytes: figures.log_bytes.load(Ordering::Relaxed),
            log_bytes_written: figures.bytes.load(Ordering::Relaxed),
            log_groups: figures.groups.load(Ordering::Relaxed),
            log_syncs: figures.syncs.load(Ordering::Relaxed),
            log_sync_us: figures.sync_us.load(Ordering::Relaxed),
            log_sync_us_max: figures.sync_us_max.load(Ordering::Relaxed),
            checkpoints: figures.checkpoints.load(Ordering::Relaxed),
            checkpoint_failures: figures.checkpoint_failures.load(Ordering::Relaxed),
            checkpoint_us: figures.checkpoint_us.load(Ordering::Relaxed),
            commits_undone: figures.commits_undone.load(Ordering::Relaxed),
            checkpoint: durable.checkpoints.newest(),
            is_driven: durable.is_driven(),
        })
    }

    /// Commits what a transaction wrote, if what it read still holds; sets `seen` to what a conflict rests on, as
    /// [`newest_rival`](Inner::newest_rival).
    pub(crate) fn commit(
        &self,
        snapshot: Snapshot,
        isolation: Isolation,
        reads: &ReadSet,
        writes: &WriteSet,
        seen: &mut Version,
    ) -> Result<Version, Error> {
        let inner = &*self.0;
        inner.check_disk()?;
        // Under snapshot isolation the reads are those that were guarded.
        let unwritten = (isolation == Isolation::Snapshot).then_some(writes);
        let checks = Checks { version: snapshot.version(), reads, unwritten };
        let locked = inner.lock_validated(&checks, writes);
        // Pruning needs the lock that is held now; a pin that was revoked before no longer keeps what validation looks for.
        snapshot.still_pinned()?;
        // What the commit supersedes is then kept for others only.
        drop(snapshot);
        #[cfg_attr(
            target_family = "wasm",
            allow(unused_variables, unused_mut, reason = "nothing is prepared in a page")
        )]
        // The guard goes first, whatever happens: what was prepared and not used takes the lock again.
        let Ok((mut prepared, mut writer)) = locked else {
            inner.lock_writer().stats.conflicts += 1;
            *seen = inner.newest_rival(isolation, reads, writes);
            return Err(Error::Conflict);
        };
        #[cfg(not(target_family = "wasm"))]
        let version = inner.apply_prepared(&mut writer, writes, &mut prepared);
        #[cfg(target_family = "wasm")]
        let version = inner.apply(&mut writer, by_reference(writes));
        inner.after_commit(writer, version);
        Ok(version)
    }
}

fn by_reference(writes: &WriteSet) -> impl Iterator<Item = (&[u8], &Update)> {
    writes.iter().map(|(key, update)| (&key[..], update))
}
