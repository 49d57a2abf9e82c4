//! Reads of one version: through a snapshot, or through a transaction, which also sees its own writes.

use std::ops::ControlFlow;

use mantis_store::{Direction, Entry as StoredEntry, KeyRange, Snapshot, Transaction};

use crate::Result;

/// A consistent state to read.
pub(crate) trait View {
    fn get(&mut self, key: &[u8]) -> Result<Option<StoredEntry>>;

    fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        see: &mut dyn FnMut(&[u8], StoredEntry) -> ControlFlow<()>,
    ) -> Result<()>;
}

impl View for &Snapshot {
    fn get(&mut self, key: &[u8]) -> Result<Option<StoredEntry>> {
        Ok(Snapshot::get(self, key)?)
    }

    fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        see: &mut dyn FnMut(&[u8], StoredEntry) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(Snapshot::visit(self, range, direction, see)?)
    }
}

impl View for Transaction {
    fn get(&mut self, key: &[u8]) -> Result<Option<StoredEntry>> {
        Ok(Transaction::get(self, key)?)
    }

    fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        see: &mut dyn FnMut(&[u8], StoredEntry) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(Transaction::visit(self, range, direction, see)?)
    }
}
