//! Where a scenario begins: an empty database whose clock stands still.

use std::collections::BTreeMap;
use std::sync::Arc;

use mantis_db::disk::MemoryDisk;
use mantis_db::{Database, DiskThreads, Limits, ManualClock, Random, StorageOptions};

/// The start time of every scenario, in milliseconds since the epoch: 2025-06-15T15:06:40.123Z.
pub const START_MS: u64 = 1_750_000_000_123;

/// Limits that differ from the default, by their names in [`Limits`].
pub type Limited = BTreeMap<String, u64>;

/// An empty database, and its clock.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "its threads have none")]
pub struct Stage {
    /// The database.
    pub database: Database,
    clock: Arc<ManualClock>,
    /// Write the log, if there is one.
    _threads: Arc<DiskThreads>,
}

impl Stage {
    /// A database in memory, or on a disk where every commit is synced before it is answered.
    ///
    /// # Panics
    /// Threads are refused.
    #[must_use]
    pub fn new(limits: Limits, is_on_disk: bool, random: Arc<dyn Random>) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let opened = if is_on_disk {
            let disk = Arc::new(MemoryDisk::new());
            let opened = Database::open_with(limits, clock.clone(), random, disk, StorageOptions::default());
            opened.map(|(database, _)| database).map_err(|error| error.to_string())
        } else {
            Database::in_memory_with(limits, clock.clone(), random).map_err(|error| error.to_string())
        };
        let database = opened.expect("an empty database opens");
        let threads = DiskThreads::start(database.store(), Box::new(|_| ())).expect("threads start");
        Self { database, clock, _threads: Arc::new(threads) }
    }

    /// Lets time pass, and returns the new time. Housekeeping runs at once, so that the commit that removes expired keys has the same
    /// number everywhere.
    #[must_use]
    pub fn advance_clock(&self, ms: u64) -> u64 {
        self.clock.advance_ms(ms);
        self.database.maintain();
        self.database.store().flush();
        self.database.now_ms()
    }
}

/// The default limits but for those given.
///
/// # Errors
/// The name of a limit that no scenario sets, or a number that is too large for this machine.
pub fn limits(given: &Limited) -> Result<Limits, String> {
    let mut limits = Limits::default();
    for (name, &value) in given {
        let size = usize::try_from(value).map_err(|error| format!("{name}: {error}"))?;
        match name.as_str() {
            "answer_bytes_max" => limits.answer_bytes_max = size,
            "buckets_max" => limits.buckets_max = size,
            "cursor_age_ms_max" => limits.cursor_age_ms_max = value,
            "feed_bytes_max" => limits.feed_bytes_max = size,
            "page_bytes_max" => limits.page_bytes_max = size,
            "store_bytes_max" => limits.store_bytes_max = value,
            "query_bytes_max" => limits.query_bytes_max = size,
            "query_depth_max" => limits.query_depth_max = size,
            "query_rows_max" => limits.query_rows_max = value,
            "statement_bytes_max" => limits.statement_bytes_max = size,
            "statement_rows_max" => limits.statement_rows_max = size,
            "table_transaction_bytes_max" => limits.table_transaction_bytes_max = size,
            "table_transaction_reads_max" => limits.table_transaction_reads_max = size,
            "tables_max" => limits.tables_max = size,
            "transaction_age_ms_max" => limits.transaction_age_ms_max = value,
            "transaction_bytes_max" => limits.transaction_bytes_max = size,
            "transaction_reads_max" => limits.transaction_reads_max = size,
            "transaction_writes_max" => limits.transaction_writes_max = size,
            other => return Err(format!("no scenario sets the limit {other}; add it here")),
        }
    }
    Ok(limits)
}
