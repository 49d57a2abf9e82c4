//! Commits in memory: puts versions on chains, counts them, and undoes those that the disk refused.

use std::io;
use std::sync::atomic::Ordering;

use super::feed::FeedChange;
use super::inner::Inner;
use super::kept_spans::KeptSpans;
use super::record::{Node, NodeExt, Record};
use super::writer::{Deadline, Writer};
use crate::format::encode_commit;
use crate::mutants::mutant;
use crate::types::{NEVER_MS, StorageFailure, Update, Version};

/// Superseded versions that a commit frees besides its own: pruning catches up, and no commit does the work of many others.
const PRUNE_PER_COMMIT: usize = 1;

/// Deleted keys that may wait before a commit that deletes nothing removes those of others.
const DEAD_MAX: usize = 1_024;

/// Bytes that a key occupies besides itself and its value, and that count with them. In a page, whose memory is small and has an end that
/// cannot be survived: 190 to 230 as measured, with what the allocator adds. Elsewhere nothing counts besides keys and values.
const KEY_MEMORY_BYTES: u64 = if cfg!(target_family = "wasm") { 200 } else { 0 };

/// Applies a write of a commit, by its version, time and key, if it was prepared.
pub(crate) type ApplyPrepared<'p> = dyn FnMut(&mut Writer, Version, u64, &[u8]) -> Option<FeedChange> + 'p;

impl Inner {
    /// Puts `writes` on the chains as the next commit and makes it visible. Without any change there is no new commit.
    pub(crate) fn apply<'w>(
        &self,
        writer: &mut Writer,
        writes: impl IntoIterator<Item = (&'w [u8], &'w Update)>,
        kept: &KeptSpans,
    ) -> Version {
        self.apply_all(writer, &mut writes.into_iter(), kept, &mut |_, _, _, _| None)
    }

    /// Not generic over the source of writes: there is one copy of this large code. The feed and the log get the values replaced under keys
    /// of `kept` too.
    pub(crate) fn apply_all(
        &self,
        writer: &mut Writer,
        writes: &mut dyn Iterator<Item = (&[u8], &Update)>,
        kept: &KeptSpans,
        prepared: &mut ApplyPrepared<'_>,
    ) -> Version {
        #[cfg(not(target_family = "wasm"))]
        let submission = writer.submission.take();
        let version = writer.given + 1;
        let time_ms = self.clock.now_ms();
        let mut changes: Vec<FeedChange> = Vec::with_capacity(writes.size_hint().0);
        for (key, update) in writes {
            let change = prepared(writer, version, time_ms, key);
            let change = change.or_else(|| self.apply_one(writer, version, time_ms, key, update));
            changes.extend(change.map(|mut change| {
                if change.previous.is_some() && kept.has(key) {
                    change.replaced = change.node.older();
                }
                change
            }));
        }
        if changes.is_empty() {
            return writer.last;
        }
        let pruned = changes.len() + PRUNE_PER_COMMIT;
        // Removing a key costs ten times as much as freeing a version, so commits that delete do it.
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
            } else if let Err(bytes) =
                encode_commit(&mut writer.pending, version, writer.last, time_ms, logged.iter().map(FeedChange::logged))
            {
                let error = io::Error::new(io::ErrorKind::FileTooLarge, format!("{bytes} bytes in one commit"));
                durable.fail(&error, "encoding a commit", StorageFailure::CommitTooLarge);
            }
            durable.note_pending();
            #[cfg(not(target_family = "wasm"))]
            writer.submitted.extend(submission);
        }
        // In memory no commit is ever undone.
        let kept_after = if self.durable().is_none() { version } else { self.visible.load(Ordering::Relaxed) };
        let made_us = writer.made_us(time_ms, &*self.clock);
        self.feed.push(version, time_ms, made_us, changes, kept_after, &mut writer.fallen);
        (writer.last, writer.given) = (version, version);
        writer.stats.commits += 1;
        if self.durable().is_none() {
            self.visible.store(version, Ordering::Release);
            #[cfg(not(target_family = "wasm"))]
            if let Some(submission) = submission {
                self.commit_times.count(submission, self.clock.monotonic_us());
            }
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
        Some(FeedChange { record, node, previous, replaced: None })
    }

    /// Undoes [`apply_one`](Self::apply_one) for a commit that no reader has seen.
    pub(crate) fn undo(&self, writer: &mut Writer, change: &FeedChange) {
        let (record, node) = (&change.record, &change.node);
        self.take_out(writer, record, node);
        writer.stats.versions -= 1;
        let Some(older) = node.older() else {
            self.map.remove(record.key());
            return;
        };
        // A deletion supersedes something. If that is gone, the deletion's turn to be pruned passed while it was not the newest version.
        if older.about().is_deletion && older.older().is_none() {
            writer.garbage.add_first(record, &older);
        }
        self.put_in(writer, record, &older);
        record.pop(older);
    }

    /// Counts a version that has become its key's newest, and registers its expiry.
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

    /// Adds a key with its value to the statistics, or removes it from them.
    fn account(&self, writer: &mut Writer, key: &[u8], value_bytes: usize, added: bool) {
        let change = |count: &mut u64, by: usize| {
            *count = if added { *count + by as u64 } else { *count - by as u64 };
        };
        change(&mut writer.stats.keys, usize::from((self.counts)(key)));
        change(&mut writer.stats.entries, 1);
        change(&mut writer.stats.key_bytes, key.len());
        change(&mut writer.stats.value_bytes, value_bytes);
        let stats = &writer.stats;
        let bytes = stats.key_bytes + stats.value_bytes + stats.entries * KEY_MEMORY_BYTES;
        self.bytes.store(bytes, Ordering::Relaxed);
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
}
