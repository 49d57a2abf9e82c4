//! Altering a table.
//!
//! A change that older rows could object to takes several commits, between which others write:
//!
//! | commit | what |
//! |---|---|
//! | first | what is added holds for rows that are written from now on; the schema says what is pending |
//! | some | older rows are looked at, some in each commit, get values of their own in new columns, and are entered into new indexes |
//! | last | nothing is pending any more; what is dropped and renamed is so now |
//!
//! If a row objects, another commit takes back what the first one has added. So does housekeeping where a change was interrupted, and the next
//! start.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Session::alter_table`] |
//! | `replace` | one schema replaced by another in a commit, with what that means to other tables |
//! | `existing` | older rows, some at a time |
//! | `interrupted` | changes that nobody goes on with |

mod existing;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod interrupted;
mod replace;

use crate::engine::{Direction, KeyRange, Transaction, View};
use crate::tables::define::change::{Changed, commit, schema_in};
use crate::tables::define::create::referenced;
use crate::tables::define::drop::Left;
use crate::tables::schema::TableChange;
use crate::tables::schema::alter::{alter, begin, end};
use crate::tables::schema::catalog::not_found;
use crate::tables::table::SpaceId;
use crate::tables::{Environment, TableError, TableResult, code};
use crate::{Database, Interrupt, Session};

use replace::{Replaced, check_end, replace, take_back_in};

/// A table that is altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableAltered {
    /// The last commit of the change.
    pub version: u64,
    /// Whether that is certain to survive a power cut.
    pub durable: bool,
}

impl Session {
    /// Changes the definition of a table: all of `change`, or nothing. Older rows are looked at beside writers, in commits of a few
    /// milliseconds each, between which waiting writers go first; only a new column with another value in each row rewrites them.
    ///
    /// # Errors
    /// PGRST205; 2BP01 where something needs what goes; 23502, 23503, 23505, 23514 and those of casts where a row objects; 55006 while another
    /// change of the table is under way; 25001 inside a transaction; 42501; 0A000; those of definitions.
    pub async fn alter_table(&mut self, name: &str, change: &TableChange) -> TableResult<TableAltered> {
        self.alter_table_until(name, change, Interrupt::default()).await
    }

    /// As [`alter_table`](Self::alter_table), until `interrupt` stops it: a change that has not come to its last commit is taken back.
    ///
    /// # Errors
    /// Those of [`alter_table`](Self::alter_table); 57014.
    pub async fn alter_table_until(
        &mut self,
        name: &str,
        change: &TableChange,
        interrupt: Interrupt<'_>,
    ) -> TableResult<TableAltered> {
        interrupt.check()?;
        self.check_definable(name, "ALTER TABLE")?;
        let (session, environment) = (&*self, self.defining());
        let database = session.database.clone();
        let Some(mut under_way) = database.catalog().altering.begin(name) else {
            return Err(TableError::new(
                code::OBJECT_IN_USE,
                format!("another change of table \"{name}\" is under way"),
            ));
        };
        let mut left = Left::of(&database);
        let work = |transaction: &mut Transaction| begin_in(transaction, session, name, change, &environment);
        let (begun, mut changed) = commit(&database, work, |begun| {
            under_way.is_pending = begun.schema.pending.is_some();
            left.spaces.clone_from(&begun.dropped);
        })
        .await?;
        if begun.schema.pending.is_some() {
            let rows = begun.schema.rows;
            let checked = existing::check_all(&database, name, rows, &environment, interrupt).await;
            let ended = match checked {
                Ok(()) => commit_end(&database, name, rows, change, &mut left).await,
                Err(error) => Err(error),
            };
            changed = match ended {
                Ok(changed) => changed,
                Err(error) => {
                    let work = |transaction: &mut Transaction| take_back_in(transaction, name, Some(rows));
                    commit(&database, work, |dropped| left.spaces.extend(dropped)).await?;
                    under_way.is_pending = false;
                    left.remove(interrupt).await;
                    return Err(error);
                }
            };
            under_way.is_pending = false;
        }
        drop(under_way);
        left.remove(interrupt).await;
        let Changed { version, durable } = changed;
        Ok(TableAltered { version, durable })
    }
}

/// The first commit of a change.
fn begin_in(
    transaction: &mut Transaction,
    session: &Session,
    name: &str,
    change: &TableChange,
    environment: &Environment,
) -> TableResult<Replaced> {
    // Of an interrupted change: this process makes no other one now.
    let mut dropped = take_back_in(transaction, name, None)?;
    let schema = schema_in(transaction, name)?.ok_or_else(|| not_found(name))?;
    let has_rows = has_rows(transaction, schema.rows)?;
    let mut find = |target: &str| referenced(transaction, session, target);
    let altered = if has_rows {
        begin(&schema, change, environment, &mut find)?
    } else {
        alter(&schema, change, environment, &mut find)?
    };
    if altered.pending.is_some() {
        check_end(transaction, &altered, change, environment)?;
    }
    let replaced = replace(transaction, &schema, altered, change, environment)?;
    dropped.extend(&replaced.dropped);
    Ok(Replaced { dropped, ..replaced })
}

/// Whether the table has rows. The transaction is a conflict if it gets its first one.
fn has_rows(transaction: &mut Transaction, rows: SpaceId) -> TableResult<bool> {
    let mut has_rows = false;
    View::visit_guarded(transaction, &KeyRange::prefix(&rows.prefix()), Direction::Forward, &mut |_, _, _| {
        has_rows = true;
        std::ops::ControlFlow::Break(())
    })?;
    Ok(has_rows)
}

/// The last commit of a change.
async fn commit_end(
    database: &Database,
    name: &str,
    rows: SpaceId,
    change: &TableChange,
    left: &mut Left<'_>,
) -> TableResult<Changed> {
    let work = |transaction: &mut Transaction| {
        let schema =
            schema_in(transaction, name)?.filter(|schema| schema.rows == rows).ok_or_else(|| not_found(name))?;
        let ended = end(&schema, change)?;
        replace(transaction, &schema, ended, change, &Environment::neutral())
    };
    let (_, changed) = commit(database, work, |ended| left.spaces.extend(&ended.dropped)).await?;
    Ok(changed)
}
