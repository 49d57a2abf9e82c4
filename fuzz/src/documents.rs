//! Documents of schemas and of their changes: what a table is described as is its definition again, after changes too, and rows that were
//! there before a change hold to it.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::tz::TimeZone;
use mantis_db::tables::rows::invariants::check_table_invariants;
use mantis_db::tables::schema::{TableChange, TableDocument};
use mantis_db::tables::{Input, RowBatch, TableResult, WriteOptions};
use mantis_db::{Database, Limits, ManualClock, SeededRandom, Session};
use mantis_dialect::Query;

use crate::ready;

/// What a foreign key may reference.
const PARENT: &[u8] = br#"{"columns":[{"name":"id","type":"integer"},{"name":"code","type":"text"}],
    "primary_key":["id"],"unique":[["code"]]}"#;

/// Checks one input: lines, of which the first is a definition, and each of the others a change if it begins with `{`, or else a row as
/// fields with `=`, between tabs.
///
/// # Panics
/// It is not read as it should be: that is what is looked for.
pub fn check(input: &[u8]) {
    let mut lines = input.split(|&byte| byte == b'\n');
    let Some(Ok(document)) = lines.next().map(TableDocument::read) else { return };
    let (clock, random) = (Arc::new(ManualClock::new(1_000)), Arc::new(SeededRandom::new(3)));
    let database = Database::in_memory_with(Limits::default(), clock, random).unwrap();
    let mut session = database.session();
    ready(session.create_table("p", &TableDocument::read(PARENT).unwrap())).unwrap();
    for (column, value) in [("id", "1"), ("id", "2")] {
        insert(&mut session, "p", &[(column, value)]).unwrap();
    }
    if ready(session.create_table("t", &document)).is_err() {
        return;
    }
    check_described(&mut session, Some(&document));
    for line in lines.take(20) {
        if line.starts_with(b"{") {
            let Ok(change) = TableChange::read(line) else { continue };
            let before = described(&mut session);
            let changed = ready(session.alter_table("t", &change));
            if changed.is_err() {
                assert_eq!(described(&mut session), before, "a change that is refused changes nothing");
            }
            check_described(&mut session, None);
        } else if let Ok(line) = std::str::from_utf8(line) {
            let fields: Vec<_> = line.split('\t').filter_map(|field| field.split_once('=')).collect();
            let _ = insert(&mut session, "t", &fields);
        }
        check_table_invariants(&database).unwrap_or_else(|broken| panic!("{broken}"));
    }
}

fn insert(session: &mut Session, table: &str, fields: &[(&str, &str)]) -> TableResult<()> {
    let environment = session.database().environment(TimeZone::UTC);
    let batch = RowBatch {
        columns: fields.iter().map(|(name, _)| Cow::Borrowed(*name)).collect(),
        values: fields.iter().map(|(_, text)| Input::Text(Cow::Borrowed(*text))).collect(),
        rows: 1,
    };
    let mut rows = session.rows(table, environment);
    ready(rows.insert(&Query::default(), &batch, &WriteOptions::default(), None)).map(drop)
}

fn described(session: &mut Session) -> TableDocument {
    ready(session.describe_table("t")).unwrap()
}

/// The description is the table's definition, also once it was written and read; and so is what it was made of.
fn check_described(session: &mut Session, made_of: Option<&TableDocument>) {
    let document = described(session);
    let json = serde_json::to_vec(&document).unwrap();
    let again = TableDocument::read(&json).unwrap();
    assert_eq!(again, document);
    for same in made_of.into_iter().chain([&again]) {
        let created = ready(session.create_table("t", same));
        let created = created.unwrap_or_else(|error| panic!("{error:?}: {}", String::from_utf8_lossy(&json)));
        assert!(!created.is_new);
    }
}
