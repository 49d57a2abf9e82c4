//! How a store is set up.

use std::sync::Arc;

use crate::{Clock, Random};

/// How a store is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// Bytes of history that the change feed keeps.
    pub feed_bytes_max: usize,
    /// How long a snapshot may be held, in milliseconds.
    pub snapshot_age_ms_max: u64,
    /// Keys that share this many first bytes form a space, whose size [`Store::space`](crate::Store::space) tells. 0: no spaces.
    pub space_prefix_bytes: usize,
}

impl Options {
    /// A feed of 64 MiB, and snapshots of at most a minute.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, feed_bytes_max: 64 << 20, snapshot_age_ms_max: 60_000, space_prefix_bytes: 0 }
    }
}
