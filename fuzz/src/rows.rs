//! Rows of JSON in a table with a column of each type: what is stored is shown, and what is shown can be stored again and is the same then.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use mantis_db::tables::query::{JsonForm, JsonRows};
use mantis_db::tables::rows::invariants::check_table_invariants;
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{Input, RowBatch, SelectOptions, TableResult, WriteOptions};
use mantis_db::{Database, Limits, ManualClock, SeededRandom, Session};
use mantis_dialect::Query;
use serde_json::value::RawValue;

use crate::ready;

/// The types of the columns `a`, `b`, ..
const TYPES: [&str; 22] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "numeric(8,3)",
    "text",
    "varchar(5)",
    "char(4)",
    "bytea",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "jsonb",
    "integer[]",
    "text[]",
    "numeric[]",
    "timestamptz[]",
];

/// Checks one input: rows of JSON.
///
/// # Panics
/// It is not read as it should be: that is what is looked for.
pub fn check(input: &[u8]) {
    let Ok(rows) = serde_json::from_slice::<Vec<HashMap<String, Box<RawValue>>>>(input) else { return };
    let (clock, random) = (Arc::new(ManualClock::new(1_000)), Arc::new(SeededRandom::new(3)));
    let database = Database::in_memory_with(Limits::default(), clock, random).unwrap();
    let mut session = database.session();
    for table in ["first", "second"] {
        ready(session.create_table(table, &TableDocument::read(definition().as_bytes()).unwrap())).unwrap();
    }
    // Each by itself: one that is refused keeps no other away.
    for row in &rows {
        let _ = insert(&mut session, "first", std::slice::from_ref(row));
    }
    let shown = select(&mut session, "first");
    check_table_invariants(&database).unwrap_or_else(|broken| panic!("{broken}"));
    let again: Vec<HashMap<String, Box<RawValue>>> =
        serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
    insert(&mut session, "second", &again).unwrap_or_else(|error| panic!("{error:?}: {shown}"));
    assert_eq!(select(&mut session, "second"), shown);
    check_table_invariants(&database).unwrap_or_else(|broken| panic!("{broken}"));
}

/// A table with all types, and an index on each column.
fn definition() -> String {
    let names = || (0..TYPES.len()).map(name);
    let columns: Vec<_> =
        names().zip(TYPES).map(|(name, r#type)| format!(r#"{{"name":"{name}","type":"{type}"}}"#)).collect();
    let indexes: Vec<_> = names()
        .enumerate()
        .map(|(place, name)| format!(r#"{{"columns":[{{"column":"{name}","descending":{}}}]}}"#, place % 2 == 0))
        .collect();
    format!(
        r#"{{"columns":[{{"name":"id","type":"bigint","identity":true}},{}],"primary_key":["id"],"indexes":[{}]}}"#,
        columns.join(","),
        indexes.join(",")
    )
}

fn name(place: usize) -> char {
    char::from(b"abcdefghijklmnopqrstuvwxyz"[place])
}

fn insert(session: &mut Session, table: &str, rows: &[HashMap<String, Box<RawValue>>]) -> TableResult<()> {
    let environment = session.database().environment(TimeZone::UTC);
    let mut columns: Vec<_> = rows.iter().flat_map(HashMap::keys).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut values = Vec::new();
    for row in rows {
        values
            .extend(columns.iter().map(|column| row.get(*column).map_or(Input::Missing, |raw| Input::Json(raw.get()))));
    }
    let columns: Vec<_> = columns.iter().map(|column| Cow::Borrowed(column.as_str())).collect();
    let batch = RowBatch { columns, values, rows: rows.len() };
    let mut table = session.rows(table, environment);
    ready(table.insert(&Query::default(), &batch, &WriteOptions::default(), None)).map(drop)
}

fn select(session: &mut Session, table: &str) -> String {
    let environment = session.database().environment(TimeZone::UTC);
    let mut sink = JsonRows::new(JsonForm::Array, false, 1 << 26, environment.clone());
    let query = mantis_dialect::Parser::default().query([("order", "id")]).unwrap();
    let mut rows = session.rows(table, environment);
    ready(rows.select(&query, &SelectOptions::default(), &mut sink)).unwrap();
    String::from_utf8(sink.into_bytes()).unwrap()
}
