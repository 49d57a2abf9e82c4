//! What reads run against: the newest state, a snapshot, or a transaction.

use std::ops::ControlFlow;

use mantis_store::{Direction, KeyRange, Snapshot, Transaction};

use crate::Result;

/// A consistent state that can be read.
pub(crate) trait View {
    fn get(&mut self, place: &[u8]) -> Result<Option<mantis_store::Entry>>;

    fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        see: impl FnMut(&[u8], mantis_store::Entry) -> ControlFlow<()>,
    ) -> Result<()>;
}

impl View for &Snapshot {
    fn get(&mut self, place: &[u8]) -> Result<Option<mantis_store::Entry>> {
        Ok(Snapshot::get(self, place)?)
    }

    fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        see: impl FnMut(&[u8], mantis_store::Entry) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(Snapshot::visit(self, range, direction, see)?)
    }
}

impl View for Transaction {
    fn get(&mut self, place: &[u8]) -> Result<Option<mantis_store::Entry>> {
        Ok(Transaction::get(self, place)?)
    }

    fn visit(
        &mut self,
        range: &KeyRange,
        direction: Direction,
        see: impl FnMut(&[u8], mantis_store::Entry) -> ControlFlow<()>,
    ) -> Result<()> {
        Ok(Transaction::visit(self, range, direction, see)?)
    }
}
