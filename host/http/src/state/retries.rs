//! What transactions that have lost take along to their next attempt, by the token that their clients were given.

use std::collections::VecDeque;

use mantis_db::Retry;
use parking_lot::Mutex;

use crate::limits;
use crate::state::transactions::TransactionId;

/// The tokens, oldest first. To forget one costs its client the place that it would have had, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Retries(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    token: TransactionId,
    bytes: usize,
    loss: Retry,
}

impl Retries {
    /// Keeps what a transaction lost, under a token that nobody can guess.
    pub(crate) fn keep(&self, token: TransactionId, loss: Retry) {
        let new = Kept { token, bytes: loss.bytes(), loss };
        let mut kept = self.0.lock();
        let mut bytes = new.bytes + kept.iter().map(|kept| kept.bytes).sum::<usize>();
        let mut forgotten = Vec::new();
        while (kept.len() >= limits::RETRY_TOKENS_MAX || bytes > limits::RETRY_TOKEN_BYTES_MAX)
            && let Some(oldest) = kept.pop_front()
        {
            bytes -= oldest.bytes;
            forgotten.push(oldest);
        }
        if bytes <= limits::RETRY_TOKEN_BYTES_MAX {
            kept.push_back(new);
        }
        drop(kept);
        drop(forgotten);
    }

    /// Takes what a token stands for, if that is still known.
    pub(crate) fn take(&self, token: TransactionId) -> Option<Retry> {
        let mut kept = self.0.lock();
        let place = kept.iter().position(|kept| kept.token == token)?;
        kept.remove(place).map(|kept| kept.loss)
    }
}
