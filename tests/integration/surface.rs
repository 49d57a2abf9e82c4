//! How a scenario is run on a surface.

use std::sync::Arc;

use mantis_db::disk::MemoryDisk;
use mantis_db::{Access, Database, DiskThreads, Grants, Limits, ManualClock, Random, SeededRandom, StorageOptions};

use crate::answer::Answer;
use crate::scenario::{GrantedAccess, Scenario};

/// The start time of every scenario, in milliseconds since the epoch: 2025-06-15T15:06:40.123Z.
pub(crate) const START_MS: u64 = 1_750_000_000_123;

/// The storage of a scenario's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    /// On a disk, where every commit is synced before it is answered.
    Disk,
}

/// A way to the database.
pub(crate) trait Surface {
    /// As in `absent` and in the transcript's file name.
    const NAME: &'static str;

    /// Runs the steps in a new database and returns their answers, in order.
    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer>;
}

/// An empty database for one scenario, and its clock.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) database: Database,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) grants: Arc<Grants>,
    /// Write the log, if there is one.
    _threads: Arc<DiskThreads>,
}

impl Stage {
    pub(crate) fn new(scenario: &Scenario, place: Place) -> Self {
        Self::with_random(scenario, place, Arc::new(SeededRandom::new(1)))
    }

    pub(crate) fn with_random(scenario: &Scenario, place: Place, random: Arc<dyn Random>) -> Self {
        let (clock, limits) = (Arc::new(ManualClock::new(START_MS)), limits(scenario));
        let database = match place {
            Place::Memory => Database::in_memory_with(limits, clock.clone(), random).unwrap(),
            Place::Disk => {
                let disk = Arc::new(MemoryDisk::new());
                Database::open_with(limits, clock.clone(), random, disk, StorageOptions::default()).unwrap().0
            }
        };
        let threads = DiskThreads::start(database.store(), Box::new(|_| ())).unwrap();
        Self { database, clock, grants: Arc::new(grants(scenario)), _threads: Arc::new(threads) }
    }

    /// The same database under other grants.
    pub(crate) fn with_grants(&self, grants: Grants) -> Self {
        Self { grants: Arc::new(grants), ..self.clone() }
    }

    /// Lets time pass. Housekeeping runs at once, so that the commit that removes expired keys has the same number everywhere.
    pub(crate) fn advance_clock(&self, ms: u64) -> Answer {
        self.clock.advance_ms(ms);
        self.database.maintain();
        self.database.store().flush();
        Answer::Clock { now_ms: self.database.now_ms() }
    }

    pub(crate) fn close_for_writes(&self) -> Answer {
        self.database.close_for_writes();
        Answer::Closed
    }
}

pub(crate) fn limits(scenario: &Scenario) -> Limits {
    let mut limits = Limits::default();
    for (name, &value) in &scenario.limits {
        let size = usize::try_from(value).unwrap();
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
            other => panic!("{}: no scenario sets the limit {other}; add it here", scenario.name),
        }
    }
    limits
}

pub(crate) fn grants(scenario: &Scenario) -> Grants {
    let Some(granted) = &scenario.grants else { return Grants::all() };
    granted.iter().fold(Grants::none(), |grants, (name, access)| {
        let access = match access {
            GrantedAccess::Read => Access::Read,
            GrantedAccess::Write => Access::Write,
        };
        match name.strip_prefix("table/") {
            Some(table) => grants.table(table, access),
            None => grants.bucket(name, access),
        }
    })
}
