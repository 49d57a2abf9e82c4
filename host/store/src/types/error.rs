//! The errors of reads and commits.

/// Why a read or a commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another commit changed what the transaction had read. Run it again.
    #[error("another commit changed what this transaction read; run it again")]
    Conflict,
    /// The snapshot was held longer than [`Options::snapshot_age_ms_max`](crate::Options) and its versions may be gone. Take a new one.
    #[error("the snapshot is too old; take a new one and go on from there")]
    SnapshotTooOld,
    /// The transaction's scans visited more keys than [`Transaction::set_visits_max`](crate::Transaction) allows.
    #[error("the transaction exceeds its limit of scanned keys")]
    VisitsTooMany,
    /// The disk is full: the commit did not happen. Reads continue, and writes do once there is space again.
    #[error("the disk is full; nothing was written")]
    DiskFull,
    /// The disk failed. The commit is not visible; whether it was applied is unknown until the store is reopened, because
    /// parts of it may be on the disk. Nothing can be written before that; reads continue.
    #[error("the disk has failed; the store accepts no more writes")]
    StorageFailed,
    /// Under [`Durability::Always`](crate::Durability) nobody writes the log: [`DiskThreads`](crate::DiskThreads) were not started, or have ended. The commit did not happen.
    #[cfg(not(target_family = "wasm"))]
    #[error("no thread writes the store's log, so nothing was written; start DiskThreads first and keep them alive")]
    NoLogThread,
}
