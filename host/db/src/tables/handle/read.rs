//! Reads: of what a query selects, and of single rows for programs.

use mantis_dialect::{Comparison, Condition, Field, Operand, Operator, Query, Subject};

use super::options::SelectOptions;
use super::rows::Rows;
use crate::Access;
use crate::engine::View;
use crate::tables::query::bind::{self, Bound, Scope};
use crate::tables::query::execute::{self, Paging, QueryContext};
use crate::tables::query::{Count, Explanation, OutputColumn, RowSink, Selected, explain};
use crate::tables::rows;
use crate::tables::types::Value;
use crate::tables::{TableError, TableResult, code};

impl Rows<'_> {
    /// Shows `sink` the rows that the query selects.
    ///
    /// # Errors
    /// Those of binding (names, types), of the limits, of the sink.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn select(
        &mut self,
        query: &Query,
        options: &SelectOptions,
        sink: &mut dyn RowSink,
    ) -> TableResult<Selected> {
        let paging = Paging { count: options.count, rows_max: options.rows_max };
        self.read(|rows, view| {
            let bound = rows.bind(view, query, options)?;
            let context = rows.context(options);
            let mut selected = execute::select(&bound.select, view, &context, paging, sink)?;
            selected.warnings.extend(bound.warnings);
            Ok(selected)
        })
    }

    /// How the query would be executed; `is_analyzed`: executed too, with what became of it. Its rows go nowhere.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn explain(
        &mut self,
        query: &Query,
        options: &SelectOptions,
        is_analyzed: bool,
    ) -> TableResult<Explanation> {
        let paging = Paging { count: options.count, rows_max: options.rows_max };
        self.read(|rows, view| {
            let bound = rows.bind(view, query, options)?;
            let context = rows.context(options);
            if is_analyzed {
                explain::analyze(&bound.select, view, &context, paging)
            } else {
                Ok(explain::explain(&bound.select, &context, paging))
            }
        })
    }

    /// How many rows the query selects, whatever its limit.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub async fn count(&mut self, query: &Query, arguments: Vec<Value<'static>>) -> TableResult<u64> {
        let options = SelectOptions { count: Count::Exact, arguments, ..SelectOptions::default() };
        let selected = self.select(query, &options, &mut CountsOnly).await?;
        Ok(selected.total.unwrap_or(selected.rows))
    }

    /// Checks that there is such a table, and that the grants show it.
    ///
    /// # Errors
    /// PGRST205.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn check(&mut self) -> TableResult<()> {
        self.read(|rows, view| {
            let database = &rows.session.database;
            database.catalog().shown(view, &rows.session.grants, rows.table, Access::Read).map(drop)
        })
    }

    /// The row with this primary key: a value for each column, in the order of the schema.
    ///
    /// # Errors
    /// PGRST205, 42501, 42P10 where the table has no primary key of so many columns, those of the values' types.
    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    pub async fn get(&mut self, key: &[Value<'_>]) -> TableResult<Option<Vec<Value<'static>>>> {
        self.read(|rows, view| {
            let database = &rows.session.database;
            let table = database.catalog().shown(view, &rows.session.grants, rows.table, Access::Read)?;
            let Some(key) = rows::key_of(view, &table, key, &rows.environment)? else { return Ok(None) };
            let Some(stored) = view.get(&key)? else { return Ok(None) };
            let row = table.reader.open(&stored.value)?;
            let values = (0..row.column_count()).map(|column| row.column(column).map(Value::into_owned));
            values.collect::<TableResult<_>>().map(Some)
        })
    }

    /// The conditions of the row with this primary key, a text for each of its columns: what a query's filter selects it by.
    ///
    /// # Errors
    /// PGRST205, 42501, 42P10 where the table has no primary key of so many columns.
    pub async fn key_conditions(&mut self, key: &[&str]) -> TableResult<Vec<Condition>> {
        self.conditions_of_key(key.len(), |place| Operand::Text(key[place].into())).await
    }

    /// The same, where the values are the query's first arguments.
    ///
    /// # Errors
    /// As [`key_conditions`](Self::key_conditions).
    pub async fn key_arguments(&mut self, count: usize) -> TableResult<Vec<Condition>> {
        self.conditions_of_key(count, |place| Operand::Argument(u16::try_from(place + 1).unwrap_or(u16::MAX))).await
    }

    #[allow(clippy::unused_async, reason = "an engine behind a network has to ask")]
    async fn conditions_of_key(
        &mut self,
        count: usize,
        operand: impl Fn(usize) -> Operand,
    ) -> TableResult<Vec<Condition>> {
        self.read(|rows, view| {
            let database = &rows.session.database;
            let table = database.catalog().shown(view, &rows.session.grants, rows.table, Access::Read)?;
            let columns = table.schema.primary_key.as_ref().map_or(&[][..], |key| &key.columns);
            if columns.is_empty() || columns.len() != count {
                let message = format!("the primary key has {} columns, and {count} values are given", columns.len());
                return Err(TableError::new(code::NO_CONFLICT_KEY, message));
            }
            let equal = |(place, &column): (usize, &usize)| {
                let field = Field { name: table.schema.columns[column].name.as_str().into(), path: Vec::new() };
                Condition::Compare(Comparison {
                    subject: Subject { field, aggregate: None },
                    operator: Operator::Equal,
                    quantifier: None,
                    operand: operand(place),
                })
            };
            Ok(columns.iter().enumerate().map(equal).collect())
        })
    }

    /// Reads in the open transaction, or the newest commit.
    fn read<T>(&mut self, work: impl FnOnce(&Self, &mut dyn View) -> TableResult<T>) -> TableResult<T> {
        let Some(mut transaction) = self.session.transaction.take() else {
            let snapshot = self.session.database.0.engine.snapshot();
            return work(self, &mut &snapshot).map_err(outside_transaction);
        };
        let read = check_reads(&mut transaction, &self.session.database).and_then(|()| work(self, &mut *transaction));
        self.session.transaction = Some(transaction);
        read
    }

    pub(super) fn bind(&self, view: &mut dyn View, query: &Query, options: &SelectOptions) -> TableResult<Bound> {
        let (catalog, grants) = (self.session.database.catalog(), &self.session.grants);
        let table = catalog.shown(view, grants, self.table, Access::Read)?;
        let mut scope = Scope {
            tables: &mut |name| catalog.shown(view, grants, name, Access::Read),
            environment: &self.environment,
            arguments: &options.arguments,
            without_aggregates: options.without_aggregates,
        };
        bind::select(query, table, &mut scope)
    }

    fn context(&self, options: &SelectOptions) -> QueryContext<'_> {
        let database = &self.session.database.0;
        let mut context = QueryContext::new(&database.engine, &self.environment, &database.limits);
        context.lower_examined_max(options.examined_max);
        context.interrupt = self.interrupt;
        context
    }
}

/// Checks that a transaction may read more: what it reads is kept until it ends.
///
/// # Errors
/// 54000, 53000.
pub(super) fn check_reads(transaction: &mut crate::engine::Transaction, database: &crate::Database) -> TableResult<()> {
    if !transaction.reserve(0) {
        return Err(crate::Error::from(crate::Code::MemoryFull).into());
    }
    let max = database.limits().table_transaction_reads_max;
    if transaction.read_count() <= max {
        return Ok(());
    }
    let message = format!("the transaction reads more than {max} keys and ranges (table_transaction_reads_max)");
    Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint("Commit, and go on in another one."))
}

/// The error of a statement that is no part of a transaction: nothing tells its caller to run one again.
pub(super) fn outside_transaction(error: TableError) -> TableError {
    if error.code != code::SERIALIZATION_FAILURE {
        return error;
    }
    TableError::new(code::QUERY_CANCELED, "canceling statement due to statement timeout")
        .with_details("It took longer than a snapshot is kept.")
        .with_hint("Go in steps, each with a part of the rows.")
}

/// Takes no rows: they are only counted.
struct CountsOnly;

impl RowSink for CountsOnly {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        Ok(())
    }

    fn wants_rows(&self) -> bool {
        false
    }

    fn row(&mut self, _cells: &[crate::tables::query::Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}
