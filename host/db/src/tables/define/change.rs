//! What all changes of the catalogue share.

#[cfg(not(target_family = "wasm"))]
use crate::engine::Footprint;
use crate::engine::{Engine, Isolation, Transaction, Unsettled};
use crate::keyspace::{schema_key, tables as sections};
use crate::tables::query::bind;
use crate::tables::schema::{Table, history, stored};
use crate::tables::table::{SpaceId, TableSchema};
use crate::tables::time_zone::TimeZone;
use crate::tables::{Environment, TableError, TableResult, code};
use crate::{Access, Code, Database, Error, Session};

/// Attempts of a change before it holds all other writers up.
const ATTEMPTS_MAX: usize = 8;

/// The number of the first space.
const FIRST_SPACE: u32 = 16;

/// A change that is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) version: u64,
    pub(crate) durable: bool,
}

impl Session {
    /// Refuses a change of the table's definition inside a transaction, where the grants do not allow it, and where nothing is written.
    pub(super) fn check_definable(&self, name: &str, what: &str) -> TableResult<()> {
        if self.in_transaction() {
            let message = format!("{what} cannot run inside a transaction block");
            return Err(TableError::new(code::ACTIVE_TRANSACTION, message));
        }
        check_writable(self, name)?;
        Ok(self.database.check_open()?)
    }

    /// The surroundings of a definition: its times are in UTC, its statement is now.
    pub(super) fn defining(&self) -> Environment {
        self.database.environment(TimeZone::UTC)
    }
}

/// Refuses what would change a table, or what references it, without a grant to write.
pub(super) fn check_writable(session: &Session, name: &str) -> TableResult<()> {
    if crate::tables::schema::catalog::check_access(&session.grants, name, Access::Write)? {
        return Ok(());
    }
    Err(crate::tables::schema::catalog::not_found(name))
}

/// Runs `work` in a transaction of its own and commits it, again while other commits come first. An error of `work` ends it. `committed` learns
/// of the commit before it is final: also if this future is dropped then.
pub(super) async fn commit<T>(
    database: &Database,
    mut work: impl FnMut(&mut Transaction) -> TableResult<T>,
    mut committed: impl FnMut(&T),
) -> TableResult<(T, Changed)> {
    let engine = &database.0.engine;
    for _ in 0..ATTEMPTS_MAX {
        let mut transaction = engine.begin(Isolation::Snapshot);
        let value = work(&mut transaction)?;
        if transaction.puts() {
            database.check_room(transaction.written_bytes())?;
        }
        #[cfg(not(target_family = "wasm"))]
        if engine.has_turns() {
            let disturbs = |footprint: &Footprint| transaction.written_keys().any(|key| footprint.names(key));
            engine.wait_for_turns(&disturbs).await;
        }
        let kept = history::kept_in(&transaction);
        match transaction.commit_seen() {
            Ok(version) => {
                database.catalog().histories.kept(version, kept);
                committed(&value);
                return settled(engine, Ok((value, version))).await;
            }
            Err(lost) => {
                let error = Error::from(lost.error);
                if error.code() != Code::Conflict {
                    return Err(error.into());
                }
                #[cfg(not(target_family = "wasm"))]
                if lost.seen > 0 {
                    engine.rival_settled(lost.seen).await;
                }
            }
        }
    }
    let outcome = alone(database, &mut work);
    if let Ok((value, _)) = &outcome {
        committed(value);
    }
    settled(engine, outcome).await
}

/// Runs `work` while no other commit can happen.
pub(super) fn alone<T>(
    database: &Database,
    mut work: impl FnMut(&mut Transaction) -> TableResult<T>,
) -> Unsettled<T, TableError> {
    let mut kept = Vec::new();
    let outcome = database.0.engine.alone(|transaction| {
        let value = work(transaction)?;
        kept = history::kept_in(transaction);
        Ok(value)
    });
    if let Ok((_, version)) = &outcome {
        database.catalog().histories.kept(*version, kept);
    }
    outcome
}

async fn settled<T>(engine: &Engine, outcome: Unsettled<T, TableError>) -> TableResult<(T, Changed)> {
    let (value, version, durable) = engine.settle(outcome).await?;
    Ok((value, Changed { version, durable }))
}

/// The schema of a table as a transaction sees it, if there is one. The transaction is a conflict if it changes.
pub(crate) fn schema_in(transaction: &mut Transaction, name: &str) -> TableResult<Option<TableSchema>> {
    let stored = transaction.get_guarded(&schema_key(name)).map_err(Error::from)?;
    stored.map(|stored| stored::decode(&stored.value)).transpose()
}

/// Writes the schema of a table. The one before it is kept for the feed.
pub(super) fn put_schema(transaction: &mut Transaction, schema: &TableSchema) -> TableResult<()> {
    history::keep_replaced(transaction, &schema.name, Some(schema))?;
    transaction.put(&schema_key(&schema.name), stored::encode(schema)?, None);
    Ok(())
}

/// The number that the next space gets, and how many tables there are.
pub(super) struct Numbering {
    pub(super) next: u32,
    pub(super) tables: u32,
}

impl Numbering {
    pub(super) fn of(transaction: &mut Transaction) -> TableResult<Self> {
        let Some(stored) = transaction.get_guarded(&sections::NEXT_SPACE).map_err(Error::from)? else {
            return Ok(Self { next: FIRST_SPACE, tables: 0 });
        };
        let number = |range: std::ops::Range<usize>| {
            let bytes = stored.value.get(range).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_be_bytes).ok_or_else(|| {
                TableError::new(code::DATA_CORRUPTED, "the numbering of the catalogue of tables cannot be read")
            })
        };
        Ok(Self { next: number(0..4)?, tables: number(4..8)? })
    }

    /// A number for a space.
    pub(super) fn space(&mut self) -> TableResult<SpaceId> {
        let space = SpaceId(self.next);
        self.next = self.next.checked_add(1).ok_or_else(|| {
            TableError::new(code::LIMIT_EXCEEDED, "all numbers for tables and indexes have been used")
        })?;
        Ok(space)
    }

    pub(super) fn put(&self, transaction: &mut Transaction) {
        let bytes = [self.next.to_be_bytes(), self.tables.to_be_bytes()].concat();
        transaction.put(&sections::NEXT_SPACE, bytes, None);
    }
}

/// Refuses checks and filters whose values are none of their columns' types.
pub(super) fn check_bound(schema: &TableSchema, environment: &Environment) -> TableResult<()> {
    let filters = schema.indexes.iter().filter_map(|index| index.filter.as_ref());
    let mut filters = filters.chain(schema.checks.iter().map(|check| &check.filter)).peekable();
    if filters.peek().is_some() {
        let table = Table::new(schema.clone(), 0);
        for filter in filters {
            bind::predicate(&filter.conditions, &table, environment)?;
        }
    }
    Ok(())
}
