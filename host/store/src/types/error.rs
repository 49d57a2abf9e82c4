//! The errors of reads and commits.

/// Why the engine did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another commit changed what the transaction had read. Run it again.
    #[error("another commit changed what this transaction read; run it again")]
    Conflict,
    /// The snapshot was held longer than [`Options::snapshot_age_ms_max`](crate::Options) and its versions may be gone. Take a new one.
    #[error("the snapshot is too old; take a new one and go on from there")]
    SnapshotTooOld,
    /// The transaction's scans came by more keys than [`Transaction::set_visits_max`](crate::Transaction) allows.
    #[error("the transaction has scanned more keys than it may")]
    VisitsTooMany,
    /// The disk is full: the commit did not happen, reads go on, and writes do when there is room again.
    #[error("the disk is full; nothing was written")]
    DiskFull,
    /// The disk failed. The commit is not visible, and whether it is there when the store is opened anew is open until then: what was
    /// written of it may be on the disk. Nothing can be written before; reads go on.
    #[error("the disk has failed; the store takes no more writes")]
    StorageFailed,
    /// Under [`Durability::Always`](crate::Durability) nobody writes the log: [`DiskThreads`](crate::DiskThreads) were not started, or have ended. The commit did not happen.
    #[cfg(not(target_family = "wasm"))]
    #[error("no thread writes the store's log, so nothing was written; start DiskThreads first, and keep them")]
    NoLogThread,
}
