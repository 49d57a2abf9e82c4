//! Reads of versions on the chains: at a version, of the newest one, and along a range.

use std::ops::ControlFlow;

use super::inner::Inner;
use super::record::{Found, NodeExt, Record, Shown};
use crate::mutants::mutant;
use crate::types::{Direction, Entry, KeyRange, Version};

/// Records that a walk visits under one epoch guard.
const WALK_RECORDS_MAX: usize = 1_024;

/// Reads at a version that the caller keeps from being pruned, by a pin or by holding the writer lock.
impl Inner {
    pub(crate) fn get_at(&self, key: &[u8], version: Version) -> Option<Entry> {
        let version = mutant!("read-beyond-snapshot" => Version::MAX, or version);
        let found = self.map.find(key, |record| record.at(version, |node| node.live(|| self.clock.now_ms())));
        match found {
            Some(Found::Node(entry) | Found::Older(entry)) => entry,
            Some(Found::NotVisible) | None => None,
        }
    }

    /// Shows `see` the value of each of `keys` by its place among them, where there is one, until it answers `Break`.
    pub(crate) fn get_many_at(
        &self,
        keys: &[&[u8]],
        version: Version,
        mut see: impl FnMut(usize, Shown<'_>) -> ControlFlow<()>,
    ) {
        let version = mutant!("read-beyond-snapshot" => Version::MAX, or version);
        self.map.find_many(keys, |place, record| {
            let found = record.at(version, |node| {
                if node.is_live(|| self.clock.now_ms()) {
                    see(place, Shown::Stored(node))
                } else {
                    ControlFlow::Continue(())
                }
            });
            found.or_continue()
        });
    }

    /// Shows `see` at most `records_max` records, and returns how many there were: one more if the range continues.
    pub(crate) fn visit_at(
        &self,
        version: Version,
        range: &KeyRange,
        direction: Direction,
        records_max: u64,
        mut see: impl FnMut(&[u8], Shown<'_>) -> ControlFlow<()>,
    ) -> u64 {
        let mut visited = 0;
        self.walk(range, direction, &mut |record| {
            visited += 1;
            if visited > records_max {
                return ControlFlow::Break(());
            }
            let found = record.at(version, |node| {
                let is_live = node.is_live(|| self.clock.now_ms());
                if is_live { see(record.key(), Shown::Stored(node)) } else { ControlFlow::Continue(()) }
            });
            found.or_continue()
        });
        visited
    }

    /// Walks `range` in parts, each under its own epoch guard, so that a long walk does not delay the freeing of memory.
    pub(crate) fn walk(&self, range: &KeyRange, direction: Direction, see: &mut dyn FnMut(&Record) -> ControlFlow<()>) {
        enum Stop {
            Asked,
            Part(Box<[u8]>),
        }
        if range.is_empty() {
            return;
        }
        let mut rest = None;
        loop {
            let mut seen = 0;
            let stop = self.map.walk(rest.as_ref().unwrap_or(range), direction, |record| {
                if see(record).is_break() {
                    return ControlFlow::Break(Stop::Asked);
                }
                seen += 1;
                if seen < WALK_RECORDS_MAX {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(Stop::Part(record.key().into()))
                }
            });
            match stop {
                ControlFlow::Break(Stop::Part(last)) => rest = Some(range.after(&last, direction)),
                ControlFlow::Break(Stop::Asked) | ControlFlow::Continue(()) => return,
            }
        }
    }
}

/// Reads of the newest state, visible or not, for the holder of the writers' lock, and the commits that they rest on.
///
/// Each read raises `seen` to the version that it met. Deletions and expired values count, because an absence rests on them. Without a
/// record there was never a value, or everybody sees that it is gone.
impl Inner {
    pub(crate) fn get_newest(&self, key: &[u8], seen: &mut Version) -> Option<Entry> {
        let newest = self
            .map
            .find(key, |record| record.newest(|node| (node.about().version, node.live(|| self.clock.now_ms()))));
        let (version, entry) = newest?;
        *seen = version.max(*seen);
        entry
    }

    pub(crate) fn visit_newest(
        &self,
        range: &KeyRange,
        direction: Direction,
        seen: &mut Version,
        see: &mut dyn FnMut(&[u8], Shown<'_>) -> ControlFlow<()>,
    ) {
        self.walk(range, direction, &mut |record| {
            record.newest(|node| {
                *seen = node.about().version.max(*seen);
                let is_live = node.is_live(|| self.clock.now_ms());
                if is_live { see(record.key(), Shown::Stored(node)) } else { ControlFlow::Continue(()) }
            })
        });
    }

    /// The version that a reader would get who comes after every commit so far. Only for the holder of the writer lock.
    pub(crate) fn newest_live_version(&self, key: &[u8]) -> Option<Version> {
        let now_ms = self.clock.now_ms();
        self.map.find(key, |record| record.newest(|node| node.live_version(now_ms))).flatten()
    }
}
