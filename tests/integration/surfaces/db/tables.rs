//! Steps on tables, with the crate.

use jiff::tz::TimeZone;
use mantis_db::tables::query::{Cell, JsonForm, JsonRows, OutputColumn, RowSink};
use mantis_db::tables::schema::{TableChange, TableDocument};
use mantis_db::tables::types::{Numeric, Value};
use mantis_db::tables::{
    Input, QueryText, Resolution, RowBatch, SelectOptions, TableError, TableResult, WriteOptions, Written,
};
use mantis_db::{Database, Session};
use mantis_dialect::Query;
use serde_json::value::RawValue;

use crate::answer::{Answer, Commit, Rows, exact};
use crate::scenario::Operation;
use crate::scenario::tables::{
    DeleteRow, DeleteRows, GetRow, InsertRows, OnConflict, Row, RowQuery, UpdateManyRows, UpdateRow, UpdateRows,
    json_text,
};

/// A bound that no answer of a scenario reaches: HTTP's.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The answer of a failed step.
pub(super) fn failed(error: &TableError) -> Answer {
    Answer::TableError { code: error.code.to_owned(), message: error.message.clone() }
}

/// Does a step on tables. `shown` are the columns of the rows that it shows.
pub(super) async fn answer(
    database: &Database,
    session: &mut Session,
    operation: &Operation,
    shown: &mut Vec<OutputColumn>,
) -> TableResult<Answer> {
    match operation {
        Operation::CreateTable(create) => {
            let document = TableDocument::read(create.schema.to_string().as_bytes())?;
            Ok(Answer::Created(session.create_table(&create.table, &document).await?.is_new))
        }
        Operation::AlterTable(alter) => {
            let change = TableChange::read(alter.changes.to_string().as_bytes())?;
            session.alter_table(&alter.table, &change).await?;
            Ok(Answer::Altered)
        }
        Operation::DropTable { table } => session.drop_table(table).await.map(|_| Answer::Dropped),
        Operation::DescribeTable { table } => {
            let document = serde_json::to_string(&session.describe_table(table).await?).unwrap();
            Ok(Answer::Definition(exact(&RawValue::from_string(document).unwrap())))
        }
        Operation::Tables {} => {
            let documents = session.describe_tables().await?;
            Ok(Answer::Tables(documents.into_iter().filter_map(|document| document.name).collect()))
        }
        operation => Statement { database, session, shown }.run(operation).await,
    }
}

/// What a statement on rows needs.
struct Statement<'a> {
    database: &'a Database,
    session: &'a mut Session,
    shown: &'a mut Vec<OutputColumn>,
}

impl Statement<'_> {
    async fn run(mut self, operation: &Operation) -> TableResult<Answer> {
        match operation {
            Operation::GetRow(asked) => self.get(asked).await,
            Operation::SelectRows(asked) => {
                let mut rows = self.collected();
                let options = select_options(asked);
                self.rows(&asked.table).select(&query_of(asked)?, &options, &mut rows).await?;
                Ok(Answer::Rows(self.read(rows)))
            }
            Operation::CountRows(asked) => {
                let mut counted = Counted;
                let options = select_options(asked);
                let selected = self.rows(&asked.table).select(&query_of(asked)?, &options, &mut counted).await?;
                Ok(Answer::Count(selected.rows))
            }
            Operation::ExplainRows(asked) => {
                let options = select_options(asked);
                let plan = self.rows(&asked.table).explain(&query_of(asked)?, &options, false).await?;
                Ok(Answer::Plan(plan.to_text().lines().map(str::to_owned).collect()))
            }
            Operation::InsertRows(insert) => self.insert(insert).await,
            Operation::UpdateRows(update) => self.update(update).await,
            Operation::UpdateRow(update) => self.update_one(update).await,
            Operation::UpdateManyRows(update) => self.update_many(update).await,
            Operation::DeleteRows(delete) => self.delete(delete).await,
            Operation::DeleteRow(delete) => self.delete_one(delete).await,
            other => panic!("{other:?} is no operation on rows"),
        }
    }

    fn rows<'s>(&'s mut self, table: &'s str) -> mantis_db::tables::Rows<'s> {
        self.session.rows(table, self.database.environment(TimeZone::UTC))
    }

    fn collected(&self) -> Collected {
        let environment = self.database.environment(TimeZone::UTC);
        Collected {
            json: JsonRows::new(JsonForm::Array, false, ANSWER_BYTES_MAX, environment),
            columns: Vec::new(),
            version: 0,
        }
    }

    fn read(&mut self, rows: Collected) -> Rows {
        let (rows, columns) = rows.read();
        *self.shown = columns;
        rows
    }

    fn changed(&mut self, written: &Written, rows: Option<Collected>) -> Answer {
        let commit = Commit { version: written.version, durable: written.durable };
        Answer::Changed { count: written.affected, commit, returned: rows.map(|rows| self.read(rows)) }
    }

    /// A query for the row of this primary key.
    async fn query_of_row(
        &mut self,
        table: &str,
        key: &[serde_json::Value],
        select: Option<&str>,
    ) -> TableResult<Query> {
        let texts: Vec<_> = key.iter().map(text).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let mut query = query("", select, "")?;
        query.root.filter = self.rows(table).key_conditions(&texts).await?;
        Ok(query)
    }

    async fn get(&mut self, asked: &GetRow) -> TableResult<Answer> {
        let query = self.query_of_row(&asked.table, &asked.key, Some(&asked.select)).await?;
        let mut rows = self.collected();
        self.rows(&asked.table).select(&query, &SelectOptions::default(), &mut rows).await?;
        let version = rows.version;
        let rows = self.read(rows);
        Ok(Answer::Row((!rows.rows.is_empty()).then_some((rows, version))))
    }

    async fn insert(&mut self, insert: &InsertRows) -> TableResult<Answer> {
        let columns = insert.rows.columns(insert.columns.as_ref());
        let texts = texts_of(&columns, &insert.rows.0);
        let batch = batch_of(&columns, &texts, insert.rows.0.len());
        let returning = insert.returning.as_deref();
        let mut query = query("", returning, "")?;
        if !insert.conflict_columns.is_empty() {
            query.on_conflict = Some(insert.conflict_columns.iter().map(|column| column.as_str().into()).collect());
        }
        let resolution = match insert.on_conflict {
            OnConflict::Fail => Resolution::Fail,
            OnConflict::Ignore => Resolution::Ignore,
            OnConflict::Merge => Resolution::Merge,
        };
        let options = WriteOptions { resolution, ..WriteOptions::default() };
        let mut rows = returning.map(|_| self.collected());
        let written = self.rows(&insert.table).insert(&query, &batch, &options, sink(&mut rows)).await?;
        Ok(self.changed(&written, rows))
    }

    async fn update(&mut self, update: &UpdateRows) -> TableResult<Answer> {
        let returning = update.returning.as_deref();
        let query = query(&update.filter, returning, &update.order)?;
        let options = write_options(&update.arguments, None);
        self.update_by(&query, &update.table, &update.set, &options, returning).await
    }

    async fn update_one(&mut self, update: &UpdateRow) -> TableResult<Answer> {
        let returning = update.returning.as_deref();
        let query = self.query_of_row(&update.table, &update.key, returning).await?;
        self.update_by(&query, &update.table, &update.set, &write_options(&[], update.if_version), returning).await
    }

    async fn update_by(
        &mut self,
        query: &Query,
        table: &str,
        set: &Row,
        options: &WriteOptions,
        returning: Option<&str>,
    ) -> TableResult<Answer> {
        let columns: Vec<_> = set.keys().cloned().collect();
        let texts = texts_of(&columns, std::slice::from_ref(set));
        let mut rows = returning.map(|_| self.collected());
        let batch = batch_of(&columns, &texts, 1);
        let written = self.rows(table).update(query, &batch, options, sink(&mut rows)).await?;
        Ok(self.changed(&written, rows))
    }

    async fn update_many(&mut self, update: &UpdateManyRows) -> TableResult<Answer> {
        let columns = update.rows.columns(update.columns.as_ref());
        let texts = texts_of(&columns, &update.rows.0);
        let batch = batch_of(&columns, &texts, update.rows.0.len());
        let options = WriteOptions::default();
        let written = self.rows(&update.table).update_many(&Query::default(), &batch, &options, None).await?;
        Ok(self.changed(&written, None))
    }

    async fn delete(&mut self, delete: &DeleteRows) -> TableResult<Answer> {
        let returning = delete.returning.as_deref();
        let query = query(&delete.filter, returning, &delete.order)?;
        let mut rows = returning.map(|_| self.collected());
        let options = write_options(&delete.arguments, None);
        let written = self.rows(&delete.table).delete(&query, &options, sink(&mut rows)).await?;
        Ok(self.changed(&written, rows))
    }

    async fn delete_one(&mut self, delete: &DeleteRow) -> TableResult<Answer> {
        let returning = delete.returning.as_deref();
        let query = self.query_of_row(&delete.table, &delete.key, returning).await?;
        let mut rows = returning.map(|_| self.collected());
        let options = write_options(&[], delete.if_version);
        let written = self.rows(&delete.table).delete(&query, &options, sink(&mut rows)).await?;
        Ok(self.changed(&written, rows))
    }
}

fn query(filter: &str, select: Option<&str>, order: &str) -> TableResult<Query> {
    QueryText { filter, select: select.unwrap_or_default(), order }.parse()
}

fn query_of(asked: &RowQuery) -> TableResult<Query> {
    let mut query = query(&asked.filter, Some(&asked.select), &asked.order)?;
    query.root.limit = asked.limit.map(u64::from);
    query.root.offset = Some(asked.offset.into());
    Ok(query)
}

fn select_options(asked: &RowQuery) -> SelectOptions {
    SelectOptions { arguments: asked.arguments.iter().map(argument).collect(), ..SelectOptions::default() }
}

fn write_options(arguments: &[serde_json::Value], if_version: Option<u64>) -> WriteOptions {
    let arguments = arguments.iter().map(argument).collect();
    WriteOptions { arguments, if_version, needs_filter: true, ..WriteOptions::default() }
}

/// The value of an argument, of the type that JSON shows.
fn argument(value: &serde_json::Value) -> Value<'static> {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) if number.is_i64() => Value::Integer(number.as_i64().unwrap()),
        serde_json::Value::Number(number) => Value::Double(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Value::Text(text.clone().into()),
        digits => Value::Numeric(Numeric::parse(&json_text(digits)).unwrap()),
    }
}

/// A value of a primary key as text.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| json_text(value), str::to_owned)
}

/// The values of rows as JSON texts, row by row.
pub(super) fn texts_of(columns: &[String], rows: &[Row]) -> Vec<String> {
    let row = |row: &Row| {
        assert_eq!(row.len(), columns.len(), "a row has a value for each column: {row:?}");
        columns.iter().map(|column| json_text(&row[column])).collect::<Vec<_>>()
    };
    rows.iter().flat_map(row).collect()
}

pub(super) fn batch_of<'b>(columns: &'b [String], texts: &'b [String], rows: usize) -> RowBatch<'b> {
    RowBatch {
        columns: columns.iter().map(|column| column.as_str().into()).collect(),
        values: texts.iter().map(|text| Input::Json(text)).collect(),
        rows,
    }
}

fn sink(rows: &mut Option<Collected>) -> Option<&mut dyn RowSink> {
    rows.as_mut().map(|rows| rows as &mut dyn RowSink)
}

/// Rows as JSON, and the version of the last one.
struct Collected {
    json: JsonRows,
    columns: Vec<OutputColumn>,
    version: u64,
}

impl Collected {
    fn read(self) -> (Rows, Vec<OutputColumn>) {
        (Rows::read(&self.json.into_bytes()), self.columns)
    }
}

impl RowSink for Collected {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.columns = columns.to_vec();
        self.json.begin(columns)
    }

    fn version(&mut self, version: u64) {
        self.version = version;
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        self.json.row(cells)
    }
}

/// Takes no rows: they are counted.
struct Counted;

impl RowSink for Counted {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        Ok(())
    }

    fn wants_rows(&self) -> bool {
        false
    }

    fn row(&mut self, _cells: &[Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}
