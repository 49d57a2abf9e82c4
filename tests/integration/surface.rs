//! How a scenario is run on a surface.

use std::sync::Arc;

use mantis_db::{Access, Database, Grants, Random, SeededRandom};
use mantisdb_c_testing::stage;

use crate::answer::Answer;
use crate::scenario::{GrantedAccess, Scenario};

pub(crate) use mantisdb_c_testing::stage::START_MS;

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
    pub(crate) grants: Arc<Grants>,
    opened: stage::Stage,
}

impl Stage {
    pub(crate) fn new(scenario: &Scenario, place: Place) -> Self {
        Self::with_random(scenario, place, Arc::new(SeededRandom::new(1)))
    }

    pub(crate) fn with_random(scenario: &Scenario, place: Place, random: Arc<dyn Random>) -> Self {
        let limits = stage::limits(&scenario.limits).unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
        let opened = stage::Stage::new(limits, place == Place::Disk, random);
        Self { database: opened.database.clone(), grants: Arc::new(grants(scenario)), opened }
    }

    /// The same database under other grants.
    pub(crate) fn with_grants(&self, grants: Grants) -> Self {
        Self { grants: Arc::new(grants), ..self.clone() }
    }

    /// Lets time pass, and does the housekeeping that is due.
    pub(crate) fn advance_clock(&self, ms: u64) -> Answer {
        Answer::Clock { now_ms: self.opened.advance_clock(ms) }
    }

    pub(crate) fn close_for_writes(&self) -> Answer {
        self.database.close_for_writes();
        Answer::Closed
    }
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
