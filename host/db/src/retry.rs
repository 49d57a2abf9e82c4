//! What a transaction that ended in a conflict carries into its next attempt.

use std::sync::Arc;

use crate::engine::{Footprint, Turn};

/// What a transaction that has lost takes along to its next attempt.
#[derive(Debug)]
pub struct Loss {
    /// In a row, since the last turn that passed.
    pub(crate) losses: u32,
    pub(crate) footprint: Arc<Footprint>,
    /// Its turn, where it still goes on.
    pub(crate) turn: Option<Turn>,
}

impl Loss {
    /// How often in a row the transaction has lost, since it let a turn pass.
    #[must_use]
    pub fn losses(&self) -> u32 {
        self.losses
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.footprint.bytes()
    }
}

/// What a session knows of the losses of its transaction.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Before the open transaction began.
    pub(crate) before: u32,
    /// Of the last of these.
    pub(crate) footprint: Option<Arc<Footprint>>,
    pub(crate) turn: Option<Turn>,
    /// The last commit was a conflict.
    pub(crate) last: Option<Loss>,
}

impl Losses {
    /// Notes that a commit was a conflict.
    pub(crate) fn add(&mut self, footprint: Option<Arc<Footprint>>) {
        let had_turn = self.turn.is_some();
        let turn = self.turn.take().filter(Turn::goes_on);
        // Who has let a turn pass has to lose as often again: turns in a row would hold others up for as long as somebody likes.
        let losses = if had_turn && turn.is_none() { 1 } else { self.before + 1 };
        self.last = footprint.map(|footprint| Loss { losses, footprint, turn });
    }
}
