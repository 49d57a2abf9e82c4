//! [`Session::batch`]: a batch in the open transaction, or in transactions of its own until one commits.

use mantis_dialect::Query;

use super::operation::{BatchOptions, Matches, Operation, Reference, RowOperation, RowVerb};
use super::outcome::{Applied, BatchError, Cause, Done, Found, Refusal};
use super::reference::Keys;
use crate::engine::Isolation;
use crate::kv::{Entry, OpResult, WriteStop};
#[cfg(not(target_family = "wasm"))]
use crate::limits::TRANSACT_ATTEMPTS_MAX;
use crate::session::Committed;
use crate::tables::query::{Cell, JsonForm, JsonRows, OutputColumn, RowSink};
use crate::tables::{Environment, SelectOptions, TableError, TableResult, WriteOptions, Written, code};
#[cfg(not(target_family = "wasm"))]
use crate::{Code, Error};
use crate::{Limits, Session};

/// Why a batch did not happen.
enum Stop {
    Refused(Vec<Refusal>),
    Failed(BatchError),
}

impl Session {
    /// Does many operations on keys and rows of any buckets and tables in one commit: all of them, or none if a condition does not hold or
    /// one fails. Each sees the writes of those before it; what one of those wrote has no version that a condition could name. The rows
    /// that operations show are in `environment`'s time zone.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use mantis_db::{Database, Limits, ManualClock, SeededRandom};
    /// use mantis_db::batch::{Applied, Operation, Reference, RowOperation, RowVerb};
    /// use mantis_db::tables::{Input, RowBatch, Resolution, schema::TableDocument};
    /// use mantis_db::Op;
    /// # let (clock, random) = (Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)));
    /// # let database = Database::in_memory_with(Limits::default(), clock, random).unwrap();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut session = database.session();
    /// let orders = r#"{"columns": [{"name": "id", "type": "bigint", "identity": true}], "primary_key": ["id"]}"#;
    /// let lines = r#"{"columns": [{"name": "order_id", "type": "bigint"}, {"name": "what", "type": "text"}],
    ///     "foreign_keys": [{"columns": ["order_id"], "references": {"table": "orders", "columns": ["id"]}}]}"#;
    /// for (name, document) in [("orders", orders), ("lines", lines)] {
    ///     session.create_table(name, &TableDocument::read(document.as_bytes()).unwrap()).await.unwrap();
    /// }
    /// let insert = |rows, from| RowVerb::Insert { rows, resolution: Resolution::Fail, from };
    /// let order = RowBatch { rows: 1, ..RowBatch::default() };
    /// let line = RowBatch { columns: vec!["what".into()], values: vec![Input::Text("tea".into())], rows: 1 };
    /// let order_id = Reference { operation: 0, column: "id".to_owned() };
    /// let operations = [
    ///     RowOperation::new("orders", Default::default(), insert(order, vec![])).into(),
    ///     RowOperation::new("lines", Default::default(), insert(line, vec![("order_id".into(), order_id)])).into(),
    ///     Operation::Key { bucket: "default".into(), op: Op::Increment(b"orders".to_vec(), 1) },
    /// ];
    /// let applied = session.batch(&operations, &database.environment_utc(), &Default::default()).await?;
    /// assert!(matches!(applied, Applied::Committed { results, .. } if results.len() == 3));
    /// # Ok::<(), mantis_db::batch::BatchError>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of the single operations, each with its index; `operations-too-many`, `answer-too-large`; 57014 beyond `query_ms_max`; those
    /// of [`commit`](Self::commit), `conflict` only if the batch meets other commits for as long as that.
    pub async fn batch(
        &mut self,
        operations: &[Operation<'_>],
        environment: &Environment,
        options: &BatchOptions<'_>,
    ) -> Result<Applied, BatchError> {
        check(self.database.limits(), operations)?;
        let deadline_us = self.now_us().saturating_add(self.database.limits().query_ms_max.saturating_mul(1_000));
        let batch = Batch { operations, environment, options, deadline_us };
        if !self.in_transaction() {
            return self.batch_alone(&batch).await;
        }
        let savepoint = self.transaction.as_mut().map(|transaction| transaction.savepoint());
        let done = self.attempt_batch(&batch).await;
        if let (Some(transaction), Some(savepoint)) = (&mut self.transaction, savepoint) {
            if done.is_ok() { transaction.release(savepoint) } else { transaction.rollback_to(savepoint) }
        }
        applied(done.map(|results| (results, Committed { version: 0, durable: false })))
    }

    /// Runs a batch that is no part of a transaction.
    #[cfg(not(target_family = "wasm"))]
    async fn batch_alone(&mut self, batch: &Batch<'_>) -> Result<Applied, BatchError> {
        let mut retry = None;
        for _ in 0..TRANSACT_ATTEMPTS_MAX {
            match retry.take() {
                Some(retry) => self.begin_again(Isolation::Serializable, retry).await?,
                None => self.begin(Isolation::Serializable).await?,
            }
            let results = match self.attempt_batch(batch).await {
                Ok(results) => results,
                Err(stop) => {
                    self.rollback();
                    return applied(Err(stop.outside_transaction()));
                }
            };
            match self.commit().await {
                Ok(committed) => return applied(Ok((results, committed))),
                Err(error) if error.code() == Code::Conflict && self.now_us() < batch.deadline_us => {
                    retry = self.take_retry();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::new(Code::Conflict, "the batch met other commits again and again, also with turns of its own")
            .into())
    }

    /// Runs a batch that is no part of a transaction: a page has no other writers.
    #[cfg(target_family = "wasm")]
    async fn batch_alone(&mut self, batch: &Batch<'_>) -> Result<Applied, BatchError> {
        self.begin(Isolation::Serializable).await?;
        let results = match self.attempt_batch(batch).await {
            Ok(results) => results,
            Err(stop) => {
                self.rollback();
                return applied(Err(stop.outside_transaction()));
            }
        };
        let committed = self.commit().await?;
        applied(Ok((results, committed)))
    }

    /// Runs the operations in the open transaction. After a condition that does not hold the rest is still tried, so that every such one is
    /// named.
    async fn attempt_batch(&mut self, batch: &Batch<'_>) -> Result<Vec<Done>, Stop> {
        let mut results = Vec::with_capacity(batch.operations.len());
        let (mut refusals, mut keys, mut answer_bytes) = (Vec::new(), Keys::default(), 0);
        for (index, operation) in batch.operations.iter().enumerate() {
            let outcome = match self.check_time(batch) {
                Ok(()) => self.operate(operation, batch, &mut keys).await,
                Err(error) => Err(error.into()),
            };
            let outcome = outcome.and_then(|done| {
                self.database.limits().check_answer(&mut answer_bytes, batch.weight(&done))?;
                Ok(done)
            });
            match outcome {
                Ok(done) => results.push(done),
                Err(OperationStop::Refused(found)) => refusals.push(Refusal { index, found }),
                // A condition that does not hold is reported first: what it should have prevented may be why another operation failed.
                Err(OperationStop::Failed(_)) if !refusals.is_empty() => break,
                Err(OperationStop::Failed(cause)) => return Err(Stop::Failed(cause.at(index))),
            }
        }
        if !refusals.is_empty() {
            return Err(Stop::Refused(refusals));
        }
        // The last operation may have been long.
        let stop = |error: TableError| Stop::Failed(BatchError { index: None, cause: error.into() });
        batch.options.interrupt.check().map_err(stop)?;
        Ok(results)
    }

    async fn operate(
        &mut self,
        operation: &Operation<'_>,
        batch: &Batch<'_>,
        keys: &mut Keys,
    ) -> Result<Done, OperationStop> {
        match operation {
            Operation::Key { bucket, op } => {
                keys.push(None);
                let result = self.kv(bucket)?.apply_to_open(op)?;
                Ok(Done::Key(result))
            }
            Operation::Row(operation) => {
                let (done, written) = self.operate_on_rows(operation, batch, keys).await?;
                keys.push(written.as_ref());
                Ok(done)
            }
        }
    }

    /// One operation on rows; of one that writes also what it wrote.
    async fn operate_on_rows(
        &mut self,
        operation: &RowOperation<'_>,
        batch: &Batch<'_>,
        keys: &Keys,
    ) -> Result<(Done, Option<Written>), OperationStop> {
        let Batch { environment, options, .. } = batch;
        let selects = SelectOptions {
            rows_max: options.rows_max,
            examined_max: options.examined_max,
            arguments: keys.arguments(&operation.arguments)?,
            without_aggregates: options.without_aggregates,
            ..SelectOptions::default()
        };
        if let RowVerb::Select = operation.verb {
            let mut sink = batch.rows(self.database.limits());
            let mut rows = self.rows(&operation.table, (*environment).clone()).interrupted(options.interrupt);
            // One row more than there may be refuses the batch: the others need not be read.
            let counted = operation.matches.and_then(|matches| matches.max).map(|max| max.saturating_add(1));
            let rows_max = selects.rows_max.into_iter().chain(counted).min();
            let selects = SelectOptions { rows_max, ..selects };
            let count = rows.select(&operation.query, &selects, &mut sink).await?.rows;
            check_matches(operation.matches, count)?;
            return Ok((Done::Selected(sink.into_bytes()), None));
        }
        self.check_conditions(operation, &selects, batch).await?;
        let writes = WriteOptions {
            missing_is_default: true,
            examined_max: options.examined_max,
            needs_filter: options.needs_filter,
            without_aggregates: options.without_aggregates,
            arguments: selects.arguments,
            ..WriteOptions::default()
        };
        let mut sink = operation.returns_rows.then(|| batch.rows(self.database.limits()));
        let returning = sink.as_mut().map(|sink| sink as &mut dyn RowSink);
        let mut rows = self.rows(&operation.table, (*environment).clone()).interrupted(options.interrupt);
        let query = &operation.query;
        let written = match &operation.verb {
            RowVerb::Insert { rows: given, resolution, from } => {
                let writes = WriteOptions { resolution: *resolution, ..writes };
                rows.insert(query, &*keys.rows(given, from)?, &writes, returning).await?
            }
            RowVerb::Update { set, from } => rows.update(query, &*keys.rows(set, from)?, &writes, returning).await?,
            RowVerb::Delete => rows.delete(query, &writes, returning).await?,
            RowVerb::Select | RowVerb::Check => return Ok((Done::Checked, None)),
        };
        let (affected, inserted) = (written.affected, written.inserted);
        let done = Done::Written { affected, inserted, rows: sink.map(JsonRows::into_bytes) };
        Ok((done, Some(written)))
    }

    /// Checks that the filter selects as many rows as it must, of the version expected.
    async fn check_conditions(
        &mut self,
        operation: &RowOperation<'_>,
        options: &SelectOptions,
        batch: &Batch<'_>,
    ) -> Result<(), OperationStop> {
        let RowOperation { matches, if_version, .. } = operation;
        if (matches.is_none() && if_version.is_none()) || matches!(operation.verb, RowVerb::Insert { .. }) {
            return Ok(());
        }
        // All of them for their versions, unless one more than there may be refuses anyway.
        let counted = matches.as_ref().filter(|matches| if_version.is_none() || matches.max.is_some());
        let rows_max = counted.map(|matches| matches.rows_to_count());
        let mut query = Query { select: Some(Vec::new()), ..Query::default() };
        query.root.filter.clone_from(&operation.query.root.filter);
        let mut found = Versions { expected: *if_version, other: None };
        let options = SelectOptions { rows_max, ..options.clone() };
        let mut rows = self.rows(&operation.table, batch.environment.clone()).interrupted(batch.options.interrupt);
        let count = rows.select(&query, &options, &mut found).await?.rows;
        check_matches(*matches, count)?;
        if if_version.is_some() && (count == 0 || found.other.is_some()) {
            return Err(OperationStop::Refused(Found::Rows { count, version: found.other }));
        }
        Ok(())
    }

    fn check_time(&self, batch: &Batch<'_>) -> TableResult<()> {
        batch.options.interrupt.check()?;
        if self.now_us() < batch.deadline_us {
            return Ok(());
        }
        let ms = self.database.limits().query_ms_max;
        Err(canceled(format!("The batch takes longer than {ms} ms (query_ms_max).")))
    }

    fn now_us(&self) -> u64 {
        self.database.0.engine.monotonic_us()
    }
}

/// A batch that runs.
struct Batch<'b> {
    operations: &'b [Operation<'b>],
    environment: &'b Environment,
    options: &'b BatchOptions<'b>,
    /// When it is given up, on the clock that is never set.
    deadline_us: u64,
}

impl Batch<'_> {
    /// Where the rows of an operation are collected.
    fn rows(&self, limits: &Limits) -> JsonRows {
        JsonRows::new(JsonForm::Array, false, limits.answer_bytes_max, self.environment.clone())
    }

    /// Bytes of the answer that a result takes.
    fn weight(&self, done: &Done) -> usize {
        match done {
            Done::Key(OpResult::Entry(Some(entry))) => {
                self.options.weigh.map_or_else(|| entry.value.len(), |weigh| weigh(entry))
            }
            Done::Selected(rows) | Done::Written { rows: Some(rows), .. } => rows.len(),
            Done::Key(_) | Done::Checked | Done::Written { rows: None, .. } => 0,
        }
    }
}

/// Why an operation stops.
enum OperationStop {
    Refused(Found),
    Failed(Cause),
}

impl<E: Into<Cause>> From<E> for OperationStop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<WriteStop> for OperationStop {
    fn from(stop: WriteStop) -> Self {
        match stop {
            WriteStop::Refused(current) => {
                Self::Refused(Found::Key { version: current.as_ref().map(|entry: &Entry| entry.version) })
            }
            WriteStop::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl Stop {
    /// That of a batch that is no part of a transaction: nothing tells its caller to run one again.
    fn outside_transaction(self) -> Self {
        match self {
            Self::Failed(BatchError { index, cause: Cause::Table(error) })
                if error.code == code::SERIALIZATION_FAILURE =>
            {
                let cause = canceled("It took longer than a snapshot is kept.".to_owned()).into();
                Self::Failed(BatchError { index, cause })
            }
            stop => stop,
        }
    }
}

fn canceled(details: String) -> TableError {
    TableError::new(code::QUERY_CANCELED, "canceling statement due to statement timeout")
        .with_details(details)
        .with_hint("Go in steps, each with a part of the operations.")
}

fn applied(done: Result<(Vec<Done>, Committed), Stop>) -> Result<Applied, BatchError> {
    match done {
        Ok((results, Committed { version, durable })) => Ok(Applied::Committed { version, durable, results }),
        Err(Stop::Refused(refusals)) => Ok(Applied::Refused(refusals)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn check_matches(matches: Option<Matches>, count: u64) -> Result<(), OperationStop> {
    match matches {
        Some(matches) if !matches.holds(count) => Err(OperationStop::Refused(Found::Rows { count, version: None })),
        _ => Ok(()),
    }
}

/// Checks what needs no read.
fn check(limits: &Limits, operations: &[Operation<'_>]) -> Result<(), BatchError> {
    crate::kv::check_operations(limits, operations.len())?;
    for (index, operation) in operations.iter().enumerate() {
        match operation {
            Operation::Key { op, .. } => op.check(limits).map_err(|error| Cause::from(error).at(index))?,
            Operation::Row(operation) => {
                let unwritten = operation.references().find(|reference| {
                    let earlier = operations[..index].get(reference.operation);
                    !matches!(earlier, Some(Operation::Row(earlier)) if earlier.writes())
                });
                if let Some(Reference { operation, .. }) = unwritten {
                    let message = format!("operation {operation} is none before it that writes rows");
                    let error = TableError::new(code::CARDINALITY_VIOLATION, message);
                    return Err(Cause::from(error).at(index));
                }
            }
        }
    }
    Ok(())
}

/// Looks at the versions of rows.
struct Versions {
    expected: Option<u64>,
    /// The first that is another.
    other: Option<u64>,
}

impl RowSink for Versions {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        self.other = None;
        Ok(())
    }

    fn version(&mut self, version: u64) {
        if self.other.is_none() && self.expected.is_some_and(|expected| expected != version) {
            self.other = Some(version);
        }
    }

    fn row(&mut self, _cells: &[Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}
