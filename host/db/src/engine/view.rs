//! Reads of one version: through a snapshot, or through a transaction, which also sees its own writes.

#![cfg_attr(not(feature = "tables"), allow(dead_code, reason = "only tables use all of it"))]

use std::ops::ControlFlow;

use mantis_store::{Direction, Entry as StoredEntry, EntryHeader, KeyRange, Snapshot, Transaction};

use crate::Result;

/// What a visit shows of each entry: key and value, shared.
pub(crate) type SeeShared<'s> = dyn FnMut(&[u8], StoredEntry) -> ControlFlow<()> + 's;

/// What is shown of each of several keys: its place among them, header and value, borrowed.
pub(crate) type SeeAt<'s> = dyn FnMut(usize, &EntryHeader, &[u8]) -> ControlFlow<()> + 's;

/// What a visit shows of each entry: key, header and value, borrowed.
pub(crate) type SeeEntry<'s> = dyn FnMut(&[u8], &EntryHeader, &[u8]) -> ControlFlow<()> + 's;

/// A consistent state to read.
pub(crate) trait View {
    fn get(&mut self, key: &[u8]) -> Result<Option<StoredEntry>>;

    /// As [`get`](Self::get), and a transaction that writes is a conflict if another commit changes the key by then, under every
    /// isolation.
    fn get_guarded(&mut self, key: &[u8]) -> Result<Option<StoredEntry>> {
        self.get(key)
    }

    /// Whether there is such a key, and a transaction that writes is a conflict if another commit changes that by then, under every
    /// isolation.
    fn exists_guarded(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.get_guarded(key)?.is_some())
    }

    /// As [`visit`](Self::visit), and a transaction that writes is a conflict if another commit changes what was shown, or adds to it, by
    /// then, under every isolation.
    fn visit_guarded(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeEntry<'_>) -> Result<()> {
        self.visit(range, direction, see)
    }

    /// Shows `see` the entries of `range` in order until it answers `Break` or the range ends, without sharing their values.
    fn visit(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeEntry<'_>) -> Result<()>;

    /// As [`visit`](Self::visit), with values that are kept.
    fn visit_shared(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeShared<'_>) -> Result<()>;

    /// Shows `see` the entry of each of `keys` by its place among them, where there is one.
    fn get_many(&mut self, keys: &[&[u8]], see: &mut SeeAt<'_>) -> Result<()> {
        for (place, key) in keys.iter().enumerate() {
            if let Some(entry) = self.get(key)?
                && see(place, &entry.header(), &entry.value).is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

impl View for &Snapshot {
    fn get(&mut self, key: &[u8]) -> Result<Option<StoredEntry>> {
        Ok(Snapshot::get(self, key)?)
    }

    fn get_many(&mut self, keys: &[&[u8]], see: &mut SeeAt<'_>) -> Result<()> {
        Ok(Snapshot::get_many(self, keys, see)?)
    }

    fn visit(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeEntry<'_>) -> Result<()> {
        Ok(Snapshot::visit(self, range, direction, see)?)
    }

    fn visit_shared(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeShared<'_>) -> Result<()> {
        Ok(Snapshot::visit_shared(self, range, direction, see)?)
    }
}

impl View for Transaction {
    fn get(&mut self, key: &[u8]) -> Result<Option<StoredEntry>> {
        Ok(Transaction::get(self, key)?)
    }

    fn get_guarded(&mut self, key: &[u8]) -> Result<Option<StoredEntry>> {
        Ok(Transaction::get_guarded(self, key)?)
    }

    fn exists_guarded(&mut self, key: &[u8]) -> Result<bool> {
        Ok(Transaction::exists_guarded(self, key)?)
    }

    fn visit_guarded(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeEntry<'_>) -> Result<()> {
        Ok(Transaction::visit_guarded(self, range, direction, see)?)
    }

    fn visit(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeEntry<'_>) -> Result<()> {
        Ok(Transaction::visit(self, range, direction, see)?)
    }

    fn visit_shared(&mut self, range: &KeyRange, direction: Direction, see: &mut SeeShared<'_>) -> Result<()> {
        Ok(Transaction::visit_shared(self, range, direction, see)?)
    }
}
