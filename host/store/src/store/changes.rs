//! The change feed, and waiting for commits.

#[cfg(not(target_family = "wasm"))]
use tokio::sync::watch;

use crate::engine::{ChangePage, Compacted, Decision, Examined, FeedCursor, Store};
use crate::types::Version;

impl Store {
    /// At most `changes_max` changes after `since` whose key `wanted` accepts.
    ///
    /// Examines at most 16,384 changes a call: a page may be empty before the end of the feed.
    ///
    /// # Errors
    /// [`Compacted`] if the changes after `since` are no longer kept, or `since` is in the future.
    pub fn changes(
        &self,
        since: FeedCursor,
        changes_max: usize,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<ChangePage, Compacted> {
        self.changes_decided(since, changes_max, |change| wanted(change.key).into())
    }

    /// As [`changes`](Self::changes), for a caller that looks at values too: of the changes after `since` at most `changes_max` that `decide`
    /// takes, up to the one at which it stops.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn changes_decided(
        &self,
        since: FeedCursor,
        changes_max: usize,
        decide: impl FnMut(&Examined<'_>) -> Decision,
    ) -> Result<ChangePage, Compacted> {
        const EXAMINED_MAX: usize = 16_384;
        // The writer appends to the feed before it publishes: readers get neither a change nor a cursor that is ahead of the state.
        let visible = self.version();
        let dropped = self.0.feed.dropped();
        if since.version > visible.max(dropped) {
            return Err(Compacted { dropped });
        }
        self.0.feed.read(since, visible, changes_max, EXAMINED_MAX, decide)
    }

    /// The cursor before the oldest change that is still kept.
    #[must_use]
    pub fn feed_start(&self) -> FeedCursor {
        FeedCursor::after(self.0.feed.dropped())
    }

    /// Drops the commits up to `version` from the feed, as if they were too old: for an owner that can no longer interpret them.
    pub fn forget_changes(&self, version: Version) {
        self.0.feed.drop_through(version.min(self.version()));
    }

    /// Watches the version of the newest commit. Versions in between may be skipped; the newest is always seen.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Version> {
        self.0.watchers.add(|| self.version())
    }

    /// Wakes whoever waits for news of commits, although there is none: to look whether the owner has ended.
    #[cfg(not(target_family = "wasm"))]
    pub fn wake_watchers(&self) {
        self.0.watchers.wake();
    }
}
