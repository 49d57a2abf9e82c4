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
    /// The store failed, for this reason. The commit is not visible; whether it was applied is unknown until the store is reopened,
    /// because parts of it may be on the disk. Nothing can be written before that; reads continue.
    #[error("{0}; the store accepts no writes until it is reopened")]
    StorageFailed(StorageFailure),
    /// The commit was undone, so many failures ago that their reason is forgotten: it may have been [`DiskFull`](Self::DiskFull) or
    /// [`StorageFailed`](Self::StorageFailed).
    #[cfg(not(target_family = "wasm"))]
    #[error(
        "the commit failed, and the reason is no longer known; whether it was applied is unknown until the store is reopened"
    )]
    ReasonForgotten,
    /// Under [`Durability::Always`](crate::Durability) nobody writes the log: [`DiskThreads`](crate::DiskThreads) were not started, or have ended. The commit did not happen.
    #[cfg(not(target_family = "wasm"))]
    #[error("no thread writes the store's log, so nothing was written; start DiskThreads first and keep them alive")]
    NoLogThread,
}

/// Why a store accepts no more writes: the part of the disk's error that clients may read. It names no paths; the system's own error is
/// in [`DiskEvent::Failed`](crate::DiskEvent::Failed), for the owner's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageFailure {
    /// What is written would not be found under the store's name.
    #[error("the data directory, or a file in it, was moved, replaced or removed")]
    Displaced,
    /// A write to the log failed, and what it left could not be removed.
    #[error("a write to the disk failed")]
    Write,
    /// A sync failed, after which nobody knows what is on the disk.
    #[error("the disk failed to sync")]
    Sync,
    /// The code that writes the log panicked.
    #[error("writing the log ended in an internal error")]
    Internal,
    /// Its owner closed it.
    #[cfg(not(target_family = "wasm"))]
    #[error("the store was closed")]
    Closed,
    /// A commit exceeds the 4 GiB of a record.
    #[error("a commit was too large for the log")]
    CommitTooLarge,
}
