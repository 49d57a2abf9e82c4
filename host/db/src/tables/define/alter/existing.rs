//! Older rows, some at a time: each commit takes a few milliseconds at most.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::engine::{Direction, KeyRange, Transaction, View};
use crate::limits::{EXISTING_BYTES_PER_COMMIT, EXISTING_ROWS_PER_COMMIT, EXISTING_US_PER_COMMIT};
use crate::tables::rows::{Statement, Stored};
use crate::tables::schema::catalog::not_found;
use crate::tables::table::SpaceId;
use crate::tables::{Environment, TableError, TableResult, code};
use crate::{Database, Interrupt};

/// Looks at all rows of a table whose schema has something pending.
///
/// # Errors
/// That of the first row that objects; PGRST205 where the table is dropped meanwhile; 57014.
pub(super) async fn check_all(
    database: &Database,
    name: &str,
    rows: SpaceId,
    environment: &Environment,
    interrupt: Interrupt<'_>,
) -> TableResult<()> {
    let mut range = KeyRange::prefix(&rows.prefix());
    loop {
        interrupt.check()?;
        database.check_open()?;
        let outcome = database.0.engine.alone(|transaction| {
            let rest = check_some(transaction, database, name, rows, environment, &range)?;
            if transaction.puts() {
                database.check_room(transaction.written_bytes())?;
            }
            Ok::<_, TableError>(rest)
        });
        let (rest, stored) = database.0.engine.settle(outcome).await?.0;
        for identity in stored {
            identity.committed(database);
        }
        match rest {
            Some(rest) => range = rest,
            None => return interrupt.check(),
        }
        database.0.engine.yield_to_writers();
    }
}

/// Looks at rows from the beginning of a range, until it has taken its time. Returns the rest of the range, and the identities that it stores.
fn check_some(
    transaction: &mut Transaction,
    database: &Database,
    name: &str,
    rows: SpaceId,
    environment: &Environment,
    range: &KeyRange,
) -> TableResult<(Option<KeyRange>, Vec<Stored>)> {
    let engine = &database.0.engine;
    let began_us = engine.monotonic_us();
    let mut found: Vec<(Box<[u8]>, Bytes)> = Vec::new();
    let (mut bytes, mut is_last) = (0, true);
    View::visit_shared(transaction, range, Direction::Forward, &mut |key, stored| {
        bytes += key.len() + stored.value.len();
        found.push((key.into(), stored.value));
        is_last = found.len() < EXISTING_ROWS_PER_COMMIT && bytes < EXISTING_BYTES_PER_COMMIT;
        if is_last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let mut statement = Statement::new(transaction, database, environment, false);
    let target = statement.target(name)?;
    if target.table.schema.rows != rows {
        return Err(not_found(name));
    }
    if target.table.schema.pending.is_none() {
        return Err(TableError::new(code::OBJECT_IN_USE, format!("the change of table \"{name}\" was taken back")));
    }
    for (place, (key, bytes)) in found.iter().enumerate() {
        statement.check_existing(&target, key, bytes)?;
        if place + 1 < found.len() && engine.monotonic_us().saturating_sub(began_us) > EXISTING_US_PER_COMMIT {
            return Ok((Some(range.after(key, Direction::Forward)), statement.take_stored()?));
        }
    }
    let last = found.last().filter(|_| !is_last);
    Ok((last.map(|(key, _)| range.after(key, Direction::Forward)), statement.take_stored()?))
}
