//! `RawSession` on tables. Queries come as the dialect's parameters, values and definitions as JSON. Every method throws
//! `{ code, message, details, hint }`.

use mantis_db::Session;
use mantis_db::tables::query::{Cell, JsonForm, JsonRows, OutputColumn, RowSink};
use mantis_db::tables::schema::{TableChange, TableDocument};
use mantis_db::tables::{Count, Environment, Input, Resolution, RowBatch, SelectOptions, TableResult, WriteOptions};
use mantis_dialect::{Parser, Query};
use wasm_bindgen::prelude::*;

use crate::output::number;
use crate::session::{Answer, RawSession};
use crate::table_output as output;

/// A query of parameters: a name, its value, and so on.
pub(crate) fn parsed(parameters: &[String]) -> TableResult<Query> {
    let pairs = parameters.chunks_exact(2).map(|pair| (&pair[0][..], &pair[1][..]));
    Ok(Parser::default().query(pairs)?)
}

/// A statement's time is now, its zone UTC.
fn environment(session: &Session) -> Environment {
    session.database().environment_utc()
}

/// Rows as JSON, and the version of the last one.
struct Shown {
    rows: JsonRows,
    version: u64,
}

impl Shown {
    fn new(session: &Session) -> Self {
        let rows =
            JsonRows::new(JsonForm::Array, false, session.database().limits().answer_bytes_max, environment(session));
        Self { rows, version: 0 }
    }
}

impl RowSink for Shown {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.rows.begin(columns)
    }

    fn version(&mut self, version: u64) {
        self.version = version;
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        self.rows.row(cells)
    }
}

/// The query of parameters; of the row with this primary key, if it has a value.
fn query_of(session: &mut Session, table: &str, key: &[String], parameters: &[String]) -> TableResult<Query> {
    let mut query = parsed(parameters)?;
    if !key.is_empty() {
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let environment = environment(session);
        query.root.filter = crate::ready(session.rows(table, environment).key_conditions(&key))?;
    }
    Ok(query)
}

fn answer<T>(result: TableResult<T>) -> Answer<T> {
    result.map_err(|error| output::table_error(&error))
}

#[allow(clippy::needless_pass_by_value, reason = "wasm-bindgen hands lists of texts over by value")]
#[wasm_bindgen]
impl RawSession {
    /// The rows that a query selects, or the one with the primary key `key`, if that has a value: `{ rows, total, version }`, the rows as JSON,
    /// the total where all are to be counted, the version of the last row.
    #[wasm_bindgen(js_name = selectRows)]
    pub fn select_rows(&mut self, table: &str, key: Vec<String>, parameters: Vec<String>, counts_all: bool) -> Answer {
        let session = &mut self.0;
        let mut rows = Shown::new(session);
        let count = if counts_all { Count::Exact } else { Count::None };
        let options = SelectOptions { count, ..SelectOptions::default() };
        let mut select = || {
            let query = query_of(session, table, &key, &parameters)?;
            let environment = environment(session);
            crate::ready(session.rows(table, environment).select(&query, &options, &mut rows))
        };
        let selected = answer(select())?;
        Ok(output::selected(&rows.rows.into_bytes(), selected.total, rows.version))
    }

    /// How many rows a query selects, whatever its limit.
    #[wasm_bindgen(js_name = countRows)]
    pub fn count_rows(&mut self, table: &str, parameters: Vec<String>) -> Answer<f64> {
        let session = &mut self.0;
        let mut count = || {
            let query = parsed(&parameters)?;
            let environment = environment(session);
            crate::ready(session.rows(table, environment).count(&query, Vec::new()))
        };
        answer(count()).map(number)
    }

    /// How a query would be executed, as text.
    #[wasm_bindgen(js_name = explainRows)]
    pub fn explain_rows(&mut self, table: &str, parameters: Vec<String>) -> Answer<String> {
        let session = &mut self.0;
        let mut explain = || {
            let query = parsed(&parameters)?;
            let environment = environment(session);
            crate::ready(session.rows(table, environment).explain(&query, &SelectOptions::default(), false))
        };
        Ok(answer(explain())?.to_text())
    }

    /// Writes rows, or the one with the primary key `key`, if that has a value. `verb` is `insert`, `merge` or `ignore` (inserts that may
    /// meet rows), `update`, `update-many` or `delete`. `values` has the values of all `rows` as JSON, a line for each of the `columns`,
    /// empty where none is given. Answers `{ count, version, durable, rows }`, the rows as JSON if they are `returned`.
    #[wasm_bindgen(js_name = writeRows)]
    #[allow(clippy::too_many_arguments, reason = "flat arguments are what crosses into WebAssembly cheaply")]
    pub fn write_rows(
        &mut self,
        verb: &str,
        table: &str,
        key: Vec<String>,
        parameters: Vec<String>,
        columns: Vec<String>,
        values: &str,
        rows: usize,
        returned: bool,
        if_version: Option<u64>,
    ) -> Answer {
        let session = &mut self.0;
        let mut shown = returned.then(|| Shown::new(session));
        let options = WriteOptions {
            resolution: match verb {
                "merge" => Resolution::Merge,
                "ignore" => Resolution::Ignore,
                _ => Resolution::Fail,
            },
            missing_is_default: true,
            needs_filter: true,
            if_version,
            ..WriteOptions::default()
        };
        let write = || {
            let query = query_of(session, table, &key, &parameters)?;
            let batch = batch_of(columns, values, rows);
            let environment = environment(session);
            let mut rows = session.rows(table, environment);
            let returning = shown.as_mut().map(|rows| rows as &mut dyn RowSink);
            match verb {
                "update" => crate::ready(rows.update(&query, &batch, &options, returning)),
                "update-many" => crate::ready(rows.update_many(&query, &batch, &options, returning)),
                "delete" => crate::ready(rows.delete(&query, &options, returning)),
                _ => crate::ready(rows.insert(&query, &batch, &options, returning)),
            }
        };
        let written = answer(write())?;
        Ok(output::rows_written(&written, shown.map(|shown| shown.rows.into_bytes()).as_deref()))
    }

    /// Makes a table, or confirms that it is there: its definition, and whether it is new.
    #[wasm_bindgen(js_name = createTable)]
    pub fn create_table(&mut self, name: &str, definition: &str) -> Answer {
        let session = &mut self.0;
        let mut create = || {
            let created = crate::ready(session.create_table(name, &TableDocument::read(definition.as_bytes())?))?;
            Ok((created.is_new, crate::ready(session.describe_table(name))?.to_json()))
        };
        let (is_new, definition) = answer(create())?;
        Ok(output::table_created(is_new, &definition))
    }

    /// Alters a table: its definition after that.
    #[wasm_bindgen(js_name = alterTable)]
    pub fn alter_table(&mut self, name: &str, change: &str) -> Answer<String> {
        let session = &mut self.0;
        let mut alter = || {
            crate::ready(session.alter_table(name, &TableChange::read(change.as_bytes())?))?;
            Ok(crate::ready(session.describe_table(name))?.to_json())
        };
        answer(alter())
    }

    /// Drops a table.
    #[wasm_bindgen(js_name = dropTable)]
    pub fn drop_table(&mut self, name: &str) -> Answer<()> {
        answer(crate::ready(self.0.drop_table(name))).map(drop)
    }

    /// The definition of a table.
    #[wasm_bindgen(js_name = describeTable)]
    pub fn describe_table(&mut self, name: &str) -> Answer<String> {
        Ok(answer(crate::ready(self.0.describe_table(name)))?.to_json())
    }

    /// The definitions of all tables.
    #[wasm_bindgen(js_name = describeTables)]
    pub fn describe_tables(&mut self) -> Answer<Vec<String>> {
        let documents = answer(crate::ready(self.0.describe_tables()))?;
        Ok(documents.iter().map(TableDocument::to_json).collect())
    }
}

/// The rows of a statement. JSON has no line breaks where JavaScript writes it.
pub(crate) fn batch_of<'v>(columns: Vec<String>, values: &'v str, rows: usize) -> RowBatch<'v> {
    let wanted = rows.saturating_mul(columns.len());
    let read = |line: &'v str| if line.is_empty() { Input::Missing } else { Input::Json(line) };
    let mut values: Vec<Input<'v>> = values.split('\n').map(read).take(wanted).collect();
    values.resize(wanted, Input::Missing);
    RowBatch { columns: columns.into_iter().map(Into::into).collect(), values, rows }
}
