//! Reads of versions on the chains: at a version, of the newest one, and along a range.

use std::ops::ControlFlow;

use super::inner::Inner;
use super::record::{Found, NodeExt, Record};
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
        mut see: impl FnMut(usize, Entry) -> ControlFlow<()>,
    ) {
        let version = mutant!("read-beyond-snapshot" => Version::MAX, or version);
        self.map.find_many(keys, |place, record| match record.at(version, |node| node.live(|| self.clock.now_ms())) {
            Found::Node(Some(entry)) | Found::Older(Some(entry)) => see(place, entry),
            Found::Node(None) | Found::Older(None) | Found::NotVisible => ControlFlow::Continue(()),
        });
    }

    /// Shows `see` at most `records_max` records, and returns how many there were: one more if the range continues.
    pub(crate) fn visit_at(
        &self,
        version: Version,
        range: &KeyRange,
        direction: Direction,
        records_max: u64,
        mut see: impl FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) -> u64 {
        let mut visited = 0;
        self.walk(range, direction, &mut |record| {
            visited += 1;
            if visited > records_max {
                return ControlFlow::Break(());
            }
            let found = record.at(version, |node| node.live(|| self.clock.now_ms()));
            match found {
                Found::Node(Some(entry)) | Found::Older(Some(entry)) => see(record.key(), entry),
                Found::Node(None) | Found::Older(None) | Found::NotVisible => ControlFlow::Continue(()),
            }
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
        see: &mut dyn FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) {
        self.walk(range, direction, &mut |record| {
            let entry = record.newest(|node| {
                *seen = node.about().version.max(*seen);
                node.live(|| self.clock.now_ms())
            });
            entry.map_or(ControlFlow::Continue(()), |entry| see(record.key(), entry))
        });
    }

    /// The version that a reader would get who comes after every commit so far. Only for the holder of the writer lock.
    pub(crate) fn newest_live_version(&self, key: &[u8]) -> Option<Version> {
        let now_ms = self.clock.now_ms();
        self.map.find(key, |record| record.newest(|node| node.live_version(now_ms))).flatten()
    }
}
