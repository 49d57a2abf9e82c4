//! A statement that writes: in the open transaction, or in transactions of its own until one commits.

use std::sync::Arc;

use mantis_dialect::Query;

use super::options::{WriteOptions, Written};
use super::read::{check_reads, outside_transaction};
use super::rows::Rows;

use crate::engine::{Isolation, Transaction};
#[cfg(not(target_family = "wasm"))]
use crate::retry::Retry;
use crate::tables::query::RowSink;
use crate::tables::query::bind::{self, Bound, Scope};
use crate::tables::query::execute::{self, StoredRow};
use crate::tables::rows::{Changed, Statement, Stored, Target};
use crate::tables::types;
use crate::tables::{TableError, TableResult, code};
use crate::{Access, Code, Committed};

/// Attempts of a statement beside others; after that it runs while no other can commit. Most of them have a turn, so that only a statement
/// that takes longer than a turn comes that far.
#[cfg(not(target_family = "wasm"))]
const ATTEMPTS_BESIDE_OTHERS: u32 = 8;

/// What a statement does with the rows of its table. May be called several times; only the last time counts.
pub(super) type Work<'w> = dyn FnMut(&mut Statement<'_>, &Arc<Target>, Option<&Bound>) -> TableResult<()> + Send + 'w;

/// What makes up a statement besides its work.
pub(super) struct Request<'q> {
    pub(super) query: &'q Query,
    pub(super) options: &'q WriteOptions,
    /// Whether its query says which rows it is about.
    pub(super) matches_rows: bool,
}

/// What was done, once it is committed.
struct Done {
    written: Written,
    stored: Vec<Stored>,
}

impl Rows<'_> {
    /// Runs a statement, and shows `returning` its rows before the commit.
    pub(super) async fn write(
        &mut self,
        request: &Request<'_>,
        returning: Option<&mut (dyn RowSink + '_)>,
        work: &mut Work<'_>,
    ) -> TableResult<Written> {
        self.session.database.check_open()?;
        let Some(mut transaction) = self.session.transaction.take() else {
            return self.write_alone(request, returning, work).await;
        };
        let savepoint = transaction.savepoint();
        let done = check_reads(&mut transaction, &self.session.database)
            .and_then(|()| self.attempt(&mut transaction, request, returning, work));
        if done.is_err() || request.options.is_rolled_back {
            transaction.rollback_to(savepoint);
        } else {
            transaction.release(savepoint);
        }
        self.session.transaction = Some(transaction);
        done.map(|done| done.written)
    }

    /// Runs a statement that is no part of a transaction.
    #[cfg(not(target_family = "wasm"))]
    async fn write_alone(
        &mut self,
        request: &Request<'_>,
        mut returning: Option<&mut (dyn RowSink + '_)>,
        work: &mut Work<'_>,
    ) -> TableResult<Written> {
        let mut retry: Option<Retry> = None;
        for _ in 0..ATTEMPTS_BESIDE_OTHERS {
            match retry.take() {
                Some(retry) => self.session.begin_again(Isolation::Snapshot, retry).await?,
                None => self.session.begin(Isolation::Snapshot).await?,
            }
            let done = self.attempt_begun(request, returning.as_deref_mut(), work)?;
            if request.options.is_rolled_back {
                self.session.rollback();
                return Ok(done.written);
            }
            match self.session.commit().await {
                Ok(committed) => return Ok(self.committed(done, committed)),
                Err(error) if error.code() == Code::Conflict => retry = self.session.take_retry(),
                Err(error) => return Err(outside_transaction(error.into())),
            }
        }
        self.write_exclusively(request, returning, work).await
    }

    /// Runs a statement while no other commit can happen.
    #[cfg(not(target_family = "wasm"))]
    async fn write_exclusively(
        &mut self,
        request: &Request<'_>,
        returning: Option<&mut (dyn RowSink + '_)>,
        work: &mut Work<'_>,
    ) -> TableResult<Written> {
        let database = self.session.database.clone();
        let mut rolled_back = None;
        let outcome = database.0.engine.alone(|transaction| {
            transaction.set_visits_max(database.0.limits.transaction_visits_max);
            let done = self.attempt(transaction, request, returning, work)?;
            if request.options.is_rolled_back {
                rolled_back = Some(done.written);
                return Err(TableError::new(code::INTERNAL, "rolled back as asked for"));
            }
            if transaction.puts() {
                database.check_room(transaction.written_bytes())?;
            }
            Ok(done)
        });
        let settled = self.session.settle(outcome).await;
        if let Some(written) = rolled_back {
            return Ok(written);
        }
        let (done, version, durable) = settled.map_err(outside_transaction)?;
        Ok(self.committed(done, Committed { version, durable }))
    }

    /// Runs a statement that is no part of a transaction: a page has no other writers.
    #[cfg(target_family = "wasm")]
    async fn write_alone(
        &mut self,
        request: &Request<'_>,
        returning: Option<&mut (dyn RowSink + '_)>,
        work: &mut Work<'_>,
    ) -> TableResult<Written> {
        self.session.begin(Isolation::Snapshot).await?;
        let done = self.attempt_begun(request, returning, work)?;
        if request.options.is_rolled_back {
            self.session.rollback();
            return Ok(done.written);
        }
        let committed = self.session.commit().await?;
        Ok(self.committed(done, committed))
    }

    /// An attempt in the transaction that has just begun; an error ends that.
    fn attempt_begun(
        &mut self,
        request: &Request<'_>,
        returning: Option<&mut (dyn RowSink + '_)>,
        work: &mut Work<'_>,
    ) -> TableResult<Done> {
        let Some(mut transaction) = self.session.transaction.take() else {
            return Err(TableError::from(crate::Error::from(Code::TransactionNotOpen)));
        };
        match self.attempt(&mut transaction, request, returning, work) {
            Ok(done) => {
                self.session.transaction = Some(transaction);
                Ok(done)
            }
            Err(error) => {
                self.session.rollback();
                Err(outside_transaction(error))
            }
        }
    }

    fn committed(&self, done: Done, committed: Committed) -> Written {
        for stored in done.stored {
            stored.committed(&self.session.database);
        }
        Written { version: committed.version, durable: committed.durable, ..done.written }
    }

    /// Runs a statement in a transaction, with all that it must hold to; what it wrote is to be undone if it fails.
    fn attempt(
        &self,
        transaction: &mut Transaction,
        request: &Request<'_>,
        returning: Option<&mut (dyn RowSink + '_)>,
        work: &mut Work<'_>,
    ) -> TableResult<Done> {
        let Request { query, options, matches_rows } = *request;
        let (database, grants) = (&self.session.database, &self.session.grants);
        database.catalog().shown(transaction, grants, self.table, Access::Write)?;
        let mut statement = Statement::new(transaction, database, &self.environment, returning.is_some());
        statement.context.interrupt = self.interrupt;
        statement.context.lower_examined_max(options.examined_max);
        let target = statement.target(self.table)?;
        let mut bound = if matches_rows || returning.is_some() {
            let transaction = &mut *statement.transaction;
            let mut scope = Scope {
                tables: &mut |name| database.catalog().shown(transaction, grants, name, Access::Read),
                environment: &self.environment,
                arguments: &options.arguments,
                without_aggregates: options.without_aggregates,
            };
            Some(bind::select(query, Arc::clone(&target.table), &mut scope)?)
        } else {
            None
        };
        work(&mut statement, &target, bound.as_ref())?;
        check_affected(options, statement.affected())?;
        let changed = statement.finish()?;
        let mut shown = changed.affected;
        if let (true, Some(bound)) = (matches_rows, &mut bound) {
            // The rows before it were not changed.
            bound.select.offset = 0;
        }
        if let (Some(sink), Some(bound)) = (returning, &bound) {
            let rows: Vec<_> = changed.rows.iter().map(StoredRow::from).collect();
            shown = execute::show_rows(&bound.select, &rows, statement.transaction, &statement.context, sink)?.rows;
        }
        check_singular(options, shown)?;
        let written = Written {
            affected: changed.affected,
            inserted: changed.inserted,
            key: self.key(&target, &changed)?,
            version: 0,
            durable: false,
            resolution_ignored: changed.resolution_ignored,
            warnings: bound.map_or_else(Vec::new, |bound| bound.warnings),
        };
        Ok(Done { written, stored: changed.stored })
    }

    /// The primary key of the only row, as filters.
    fn key(&self, target: &Target, changed: &Changed) -> TableResult<Option<Vec<(String, String)>>> {
        let (1, [row], Some(key)) = (changed.affected, &changed.rows[..], &target.table.schema.primary_key) else {
            return Ok(None);
        };
        let row = target.table.reader.open(&row.bytes)?;
        let filter = |&column: &usize| {
            let definition = &target.table.schema.columns[column];
            let mut text = String::from("eq.");
            types::write_text(&row.column(column)?, definition.r#type, &self.environment, &mut text);
            Ok((definition.name.clone(), text))
        };
        key.columns.iter().map(filter).collect::<TableResult<_>>().map(Some)
    }
}

fn check_affected(options: &WriteOptions, affected: u64) -> TableResult<()> {
    if options.affected_max.is_none_or(|max| affected <= max) {
        return Ok(());
    }
    Err(TableError::new(code::MAX_AFFECTED, "Query result exceeds max-affected preference constraint")
        .with_details(format!("The query affects {affected} rows")))
}

fn check_singular(options: &WriteOptions, rows: u64) -> TableResult<()> {
    if !options.is_singular || rows == 1 {
        return Ok(());
    }
    Err(TableError::not_singular(rows))
}
