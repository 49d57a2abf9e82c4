//! [`RowSet`]: rows that are no table's, queried as if they were.

use std::sync::Arc;

use mantis_dialect::Query;

use super::options::SelectOptions;
use crate::Database;
use crate::tables::query::bind::{self, Scope};
use crate::tables::query::execute::{self, Paging, QueryContext, StoredRow};
use crate::tables::query::{RowSink, Selected};
use crate::tables::schema::Table;
use crate::tables::schema::catalog::not_found;
use crate::tables::schema::resolve::plain_schema;
use crate::tables::types::{Type, Value};
use crate::tables::{Environment, TableResult};

/// Rows that are in memory, such as the result of a function, queried as a table of their own. No foreign key leads from them, so nothing is
/// embedded.
///
/// ```
/// # use std::sync::Arc;
/// # use mantis_db::{Database, Limits, ManualClock, SeededRandom};
/// use mantis_db::tables::query::{JsonForm, JsonRows};
/// use mantis_db::tables::types::{Scalar, Type, Value};
/// use mantis_db::tables::{RowSet, SelectOptions};
///
/// # let database = Database::in_memory_with(Limits::default(), Arc::new(ManualClock::new(0)), Arc::new(SeededRandom::new(7)))?;
/// let mut rows = RowSet::new("standings", [("player", Type::TEXT), ("score", Type::scalar(Scalar::BigInt))]);
/// rows.push(&[Value::Text("ida".into()), Value::Integer(9)])?;
/// rows.push(&[Value::Text("jon".into()), Value::Integer(7)])?;
///
/// let query = mantis_dialect::Parser::default().query([("select", "player"), ("score", "gt.8")])?;
/// let environment = database.environment_utc();
/// let mut answer = JsonRows::new(JsonForm::Array, false, 1 << 20, environment.clone());
/// rows.select(&database, &environment, &query, &SelectOptions::default(), &mut answer)?;
/// assert_eq!(answer.into_bytes(), br#"[{"player":"ida"}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RowSet {
    table: Arc<Table>,
    /// The encoded rows, one behind the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl RowSet {
    /// No rows of these columns. `name` stands for the table in errors.
    #[must_use]
    pub fn new<N: Into<String>>(name: &str, columns: impl IntoIterator<Item = (N, Type)>) -> Self {
        let columns = columns.into_iter().map(|(name, r#type)| (name.into(), r#type));
        Self { table: Arc::new(Table::new(plain_schema(name, columns), 0)), bytes: Vec::new(), ends: Vec::new() }
    }

    /// Adds a row: a value for each column, of its type.
    ///
    /// # Errors
    /// 42804 where the values are others; 54000 for a row of 4 GiB.
    pub fn push(&mut self, values: &[Value<'_>]) -> TableResult<()> {
        let (layout, shape) = self.table.reader.today()?;
        shape.encode(layout, values, &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Shows `sink` the rows that the query selects, in the order in which they were added where it names no other. `database` lends its
    /// limits and its clock. Every count is exact.
    ///
    /// # Errors
    /// Those of binding (names, types; PGRST200 for an embed), of the limits, of the sink.
    pub fn select(
        &self,
        database: &Database,
        environment: &Environment,
        query: &Query,
        options: &SelectOptions,
        sink: &mut dyn RowSink,
    ) -> TableResult<Selected> {
        let mut scope = Scope {
            tables: &mut |name| Err(not_found(name)),
            environment,
            arguments: &options.arguments,
            without_aggregates: options.without_aggregates,
        };
        let bound = bind::select(query, Arc::clone(&self.table), &mut scope)?;
        let starts = std::iter::once(&0).chain(&self.ends);
        let stored = |(&start, &end)| StoredRow { key: &[], version: 0, bytes: &self.bytes[start..end] };
        let rows: Vec<_> = starts.zip(&self.ends).map(stored).collect();
        let mut context = QueryContext::new(&database.0.engine, environment, &database.0.limits);
        context.lower_examined_max(options.examined_max);
        let snapshot = database.0.engine.snapshot();
        let paging = Paging { count: options.count, rows_max: options.rows_max };
        let mut selected = execute::select_given(&bound.select, &rows, &mut &snapshot, &context, paging, sink)?;
        selected.warnings.extend(bound.warnings);
        Ok(selected)
    }
}
