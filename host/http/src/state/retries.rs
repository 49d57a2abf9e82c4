//! Retry tokens: what a transaction that lost a conflict passes on to its next attempt.

use std::collections::VecDeque;

use mantis_db::Retry;
use parking_lot::Mutex;

use crate::limits;
use crate::state::transactions::TransactionId;

/// The tokens, oldest first. A dropped one costs its client its place in the queue, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Retries(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    token: TransactionId,
    bytes: usize,
    retry: Retry,
}

impl Retries {
    /// Keeps the retry of a transaction under a random token.
    pub(crate) fn keep(&self, token: TransactionId, retry: Retry) {
        let new = Kept { token, bytes: retry.bytes(), retry };
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

    /// Takes the retry of a token, if it is still kept.
    pub(crate) fn take(&self, token: TransactionId) -> Option<Retry> {
        let mut kept = self.0.lock();
        let place = kept.iter().position(|kept| kept.token == token)?;
        kept.remove(place).map(|kept| kept.retry)
    }
}
