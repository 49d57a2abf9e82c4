//! The checkpoints of a store, and when the next one is due.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use crate::mutants::mutant;
use crate::types::Checkpoint;

/// The number of checkpoints kept.
pub(crate) const KEPT: usize = 2;

/// The checkpoints of a store, and when the next one is due.
pub(crate) struct Checkpoints {
    /// Held while one is made.
    pub(crate) making: Mutex<()>,
    /// Oldest first; two of them.
    kept: Mutex<Vec<Checkpoint>>,
    pub(crate) log_bytes_max: u64,
    /// Bytes of log, counted since the store was opened, at which the next attempt is due.
    pub(crate) due_at_bytes: AtomicU64,
}

impl Checkpoints {
    /// `log_bytes` are in the log after the newest checkpoint. The next start would read them all, so they count whichever run wrote them.
    pub(crate) fn new(log_bytes_max: u64, newest: Option<Checkpoint>, log_bytes: u64) -> Self {
        let log_bytes = mutant!("log-of-former-lives-uncounted" => 0, or log_bytes);
        let due_at_bytes = log_bytes_due(log_bytes_max, newest).saturating_sub(log_bytes);
        Self {
            making: Mutex::default(),
            kept: Mutex::new(Vec::from_iter(newest)),
            log_bytes_max,
            due_at_bytes: AtomicU64::new(due_at_bytes),
        }
    }

    /// Adds one, and returns those that are kept.
    pub(crate) fn add(&self, checkpoint: Checkpoint) -> Vec<Checkpoint> {
        let mut kept = self.kept.lock();
        kept.push(checkpoint);
        if kept.len() > KEPT {
            kept.remove(0);
        }
        kept.clone()
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Option<Checkpoint> {
        self.kept.lock().last().copied()
    }
}

/// Bytes of log after a checkpoint at which the next one is due.
pub(crate) fn log_bytes_due(log_bytes_max: u64, newest: Option<Checkpoint>) -> u64 {
    log_bytes_max.max(newest.map_or(0, |newest| newest.bytes / 2))
}
