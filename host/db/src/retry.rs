//! What a transaction that ended in a conflict carries into its next attempt.

use std::sync::Arc;

use crate::engine::{Footprint, Turn};

/// What a transaction that ended in a conflict carries into its next attempt: how often that happened, and what it read and wrote.
#[derive(Debug)]
pub struct Retry {
    /// In a row, since the last turn that passed.
    pub(crate) conflicts: u32,
    pub(crate) footprint: Arc<Footprint>,
    /// Its turn, if that has not ended.
    pub(crate) turn: Option<Turn>,
}

impl Retry {
    /// Conflicts in a row, since the transaction let a turn pass.
    #[must_use]
    pub fn conflicts(&self) -> u32 {
        self.conflicts
    }

    /// Bytes of memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.footprint.bytes()
    }
}

/// The attempts of a session's transaction so far.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Conflicts before the open transaction began.
    pub(crate) conflicts: u32,
    /// Of the last attempt.
    pub(crate) footprint: Option<Arc<Footprint>>,
    pub(crate) turn: Option<Turn>,
    /// Set when the last commit was a conflict.
    pub(crate) retry: Option<Retry>,
}

impl Attempts {
    /// Records that a commit was a conflict.
    pub(crate) fn add_conflict(&mut self, footprint: Option<Arc<Footprint>>) {
        let had_turn = self.turn.is_some();
        let turn = self.turn.take().filter(Turn::goes_on);
        // A transaction that let its turn pass needs as many conflicts again: consecutive turns would delay others without end.
        let conflicts = if had_turn && turn.is_none() { 1 } else { self.conflicts + 1 };
        self.retry = footprint.map(|footprint| Retry { conflicts, footprint, turn });
    }
}
