//! Changes of definitions: of empty tables and of tables with rows, refused, beside writers, and interrupted.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mantis_db::tables::schema::TableChange;
use mantis_db::tables::{TableError, TableResult, WriteOptions};
use mantis_db::{Database, Interrupt, Limits, Session, StorageOptions};
use mantis_store::disk::MemoryDisk;

use super::support::{Tables, check_tables, create, delete, key_count, patch, post};
use crate::on_disk::{drive, open_with};
use crate::support::now;

pub(super) const CLIENTS: (&str, &str) = (
    "clients",
    r#"{"columns": [{"name": "id", "type": "int"}, {"name": "code", "type": "text"}], "primary_key": ["id"],
        "unique": [["code"]]}"#,
);
pub(super) const ORDERS: (&str, &str) = (
    "orders",
    r#"{"columns": [{"name": "id", "type": "int"}, {"name": "client", "type": "int"}, {"name": "memo", "type": "text"},
          {"name": "total", "type": "numeric", "nullable": false}], "primary_key": ["id"],
        "checks": [{"name": "positive", "check": "total=gte.0"}], "indexes": [{"columns": ["memo"]}]}"#,
);

/// Two clients and three orders.
pub(super) fn filled() -> Tables {
    let mut tables = Tables::new(&[CLIENTS, ORDERS]);
    tables.post("clients", r#"[{"id": 1, "code": "a"}, {"id": 2, "code": "b"}]"#).unwrap();
    let rows = r#"[{"id": 1, "client": 1, "memo": "5", "total": 1.5}, {"id": 2, "client": 2, "memo": "7", "total": 2},
                   {"id": 3, "client": null, "memo": null, "total": 0}]"#;
    tables.post("orders", rows).unwrap();
    tables
}

pub(super) fn change(json: &str) -> TableChange {
    TableChange::read(json.as_bytes()).unwrap()
}

pub(super) fn alter(session: &mut Session, table: &str, json: &str) -> TableResult<()> {
    now(session.alter_table(table, &change(json))).map(drop)
}

#[track_caller]
pub(super) fn altered(tables: &mut Tables, table: &str, json: &str) {
    alter(&mut tables.session, table, json).unwrap_or_else(|error| panic!("{json}: {error:?}"));
    let shown = now(tables.session.describe_table(table)).unwrap();
    assert!(!now(tables.session.create_table(table, &shown)).unwrap().is_new, "{json}: it is as it is shown");
    tables.check();
}

/// The change is refused, and nothing is changed.
#[track_caller]
pub(super) fn refused(tables: &mut Tables, table: &str, json: &str, code: &str, message: &str) -> TableError {
    let definitions = now(tables.session.describe_tables()).unwrap();
    let (rows, keys) = (tables.get(table), key_count(&tables.stage.database));
    let error = alter(&mut tables.session, table, json).expect_err(json);
    assert_eq!((error.code, error.message.as_str()), (code, message), "{json}");
    assert_eq!(now(tables.session.describe_tables()).unwrap(), definitions, "{json}");
    assert_eq!((tables.get(table), key_count(&tables.stage.database)), (rows, keys), "{json}");
    tables.check();
    error
}

#[test]
fn added_columns_have_their_default_in_older_rows() {
    let mut tables = filled();
    altered(
        &mut tables,
        "orders",
        r#"{"add_columns": [{"name": "note", "type": "text"}, {"name": "kind", "type": "text", "nullable": false,
            "default": "x", "check": "kind=neq.y"}, {"name": "at", "type": "timestamptz", "default": {"function": "now"}}]}"#,
    );
    assert_eq!(
        tables.get("orders?select=note,kind,at&id=lte.2"),
        r#"[{"note":null,"kind":"x","at":"1970-01-01T00:16:40+00:00"},{"note":null,"kind":"x","at":"1970-01-01T00:16:40+00:00"}]"#
    );
    tables.patch("orders?id=eq.1", r#"{"note": "n", "kind": "z"}"#).unwrap();
    assert_eq!(tables.patch("orders?id=eq.1", r#"{"kind": "y"}"#).unwrap_err().code, "23514");
    // The default of older rows is what it was.
    altered(&mut tables, "orders", r#"{"alter_columns": [{"name": "kind", "default": "new"}]}"#);
    tables.post("orders", r#"{"id": 9, "total": 1}"#).unwrap();
    assert_eq!(
        tables.get("orders?select=id,kind,note&order=id"),
        "[{\"id\":1,\"kind\":\"z\",\"note\":\"n\"},{\"id\":2,\"kind\":\"x\",\"note\":null},\
         {\"id\":3,\"kind\":\"x\",\"note\":null},{\"id\":9,\"kind\":\"new\",\"note\":null}]"
    );
    refused(
        &mut tables,
        "orders",
        r#"{"add_columns": [{"name": "must", "type": "int", "nullable": false}]}"#,
        "23502",
        "column \"must\" of relation \"orders\" contains null values",
    );
}

#[test]
fn a_table_without_rows_takes_any_change_at_once() {
    let mut tables = Tables::new(&[CLIENTS, ORDERS]);
    altered(
        &mut tables,
        "orders",
        r#"{"drop_columns": ["memo"], "rename_columns": {"client": "buyer"}, "drop_constraints": ["positive"],
            "add_columns": [{"name": "must", "type": "serial"}, {"name": "u", "type": "uuid", "nullable": false}],
            "add_unique": [["buyer", "u"]], "alter_columns": [{"name": "total", "type": "text", "nullable": true}],
            "add_foreign_keys": [{"columns": ["buyer"], "references": {"table": "clients"}}], "comment": "c"}"#,
    );
    let shown = now(tables.session.describe_table("orders")).unwrap();
    let columns: Vec<_> = shown.columns.iter().map(|column| (column.name.as_str(), column.r#type.as_str())).collect();
    assert_eq!(
        columns,
        [("id", "integer"), ("buyer", "integer"), ("total", "text"), ("must", "integer"), ("u", "uuid")]
    );
    assert_eq!((shown.unique[0].name.as_deref(), shown.indexes.len()), (Some("orders_buyer_u_key"), 0));
}

#[test]
fn dropped_columns_take_their_indexes_and_checks_along() {
    let mut tables = filled();
    altered(&mut tables, "orders", r#"{"drop_columns": ["memo", "total"]}"#);
    let shown = now(tables.session.describe_table("orders")).unwrap();
    assert_eq!((shown.columns.len(), shown.indexes.len(), shown.checks.len()), (2, 0, 0));
    // One of the same name is another one.
    altered(&mut tables, "orders", r#"{"add_columns": [{"name": "memo", "type": "text"}]}"#);
    assert_eq!(tables.get("orders?select=memo&id=eq.1"), r#"[{"memo":null}]"#);
    let message = "column \"x\" of relation \"orders\" does not exist";
    refused(&mut tables, "orders", r#"{"drop_columns": ["x"]}"#, "42703", message);
}

#[test]
fn renamed_columns_keep_their_values_keys_and_checks() {
    let mut tables = filled();
    altered(
        &mut tables,
        "orders",
        r#"{"add_foreign_keys": [{"columns": ["client"], "references": {"table": "clients", "columns": ["id"]}}],
            "add_indexes": [{"columns": ["id"], "filter": "memo=eq.5"}]}"#,
    );
    altered(&mut tables, "orders", r#"{"rename_columns": {"client": "memo", "memo": "client", "total": "sum of it"}}"#);
    assert_eq!(tables.get("orders?select=memo,client,sum of it&id=eq.2"), r#"[{"memo":2,"client":"7","sum of it":2}]"#);
    altered(&mut tables, "clients", r#"{"rename_columns": {"id": "number"}}"#);
    let shown = now(tables.session.describe_table("orders")).unwrap();
    assert_eq!(shown.foreign_keys[0].references.columns, ["number"]);
    assert_eq!(tables.post("orders", r#"{"id": 9, "memo": 9, "sum of it": 1}"#).unwrap_err().code, "23503");
    assert_eq!(tables.post("orders", r#"{"id": 9, "memo": 1, "sum of it": -1}"#).unwrap_err().code, "23514");
    let message = "column \"id\" of relation \"orders\" already exists";
    refused(&mut tables, "orders", r#"{"rename_columns": {"client": "id"}}"#, "42701", message);
}

#[test]
fn older_rows_object_to_what_they_break() {
    let mut tables = filled();
    tables.post("clients", r#"{"id": 3, "code": null}"#).unwrap();
    tables.patch("orders?id=eq.2", r#"{"client": 9}"#).unwrap();
    for (json, code, message) in [
        (
            r#"{"alter_columns": [{"name": "memo", "nullable": false}]}"#,
            "23502",
            "column \"memo\" of relation \"orders\" contains null values",
        ),
        (
            r#"{"add_checks": [{"name": "more", "check": "total=gt.0"}]}"#,
            "23514",
            "check constraint \"more\" of relation \"orders\" is violated by some row",
        ),
        (
            r#"{"add_foreign_keys": [{"columns": ["client"], "references": {"table": "clients"}}]}"#,
            "23503",
            "insert or update on table \"orders\" violates foreign key constraint \"orders_client_fkey\"",
        ),
        (
            r#"{"alter_columns": [{"name": "memo", "enum": ["5", "6"]}]}"#,
            "22P02",
            "invalid input value for enum memo: \"7\"",
        ),
    ] {
        refused(&mut tables, "orders", json, code, message);
    }
    tables.patch("orders?id=eq.2", r#"{"memo": "5"}"#).unwrap();
    let error = refused(
        &mut tables,
        "orders",
        r#"{"add_unique": [["memo"]], "add_columns": [{"name": "more", "type": "int"}], "comment": "x"}"#,
        "23505",
        "could not create unique index \"orders_memo_key\"",
    );
    assert_eq!(error.details.as_deref(), Some("Key (memo)=(5) is duplicated."));
    // After that, rows are written as before.
    tables.post("orders", r#"{"id": 10, "memo": "5", "client": 77, "total": 0}"#).unwrap();
    tables.check();
}

#[test]
fn what_older_rows_allow_holds_from_then_on() {
    let mut tables = filled();
    altered(
        &mut tables,
        "orders",
        r#"{"add_unique": [["memo"]], "add_indexes": [{"columns": [{"column": "total", "descending": true}], "filter": "client=not.is.null"}],
            "add_foreign_keys": [{"columns": ["client"], "references": {"table": "clients"}, "on_delete": "cascade"}],
            "add_checks": [{"check": "total=lt.100"}], "alter_columns": [{"name": "memo", "enum": ["5", "7", "9"]}],
            "drop_indexes": ["orders_memo_idx"], "drop_constraints": ["positive"]}"#,
    );
    for (row, code) in [
        (r#"{"id": 9, "memo": "5", "total": 1}"#, "23505"),
        (r#"{"id": 9, "client": 3, "total": 1}"#, "23503"),
        (r#"{"id": 9, "total": 100}"#, "23514"),
        (r#"{"id": 9, "memo": "6", "total": 1}"#, "22P02"),
    ] {
        assert_eq!(tables.post("orders", row).unwrap_err().code, code, "{row}");
    }
    tables.post("orders", r#"{"id": 9, "memo": "9", "client": 1, "total": -1}"#).unwrap();
    tables.delete("clients?id=eq.1").unwrap();
    assert_eq!(tables.get("orders?select=id&order=id"), "[{\"id\":2},{\"id\":3}]");
    tables.check();
}

#[test]
fn keys_that_others_reference_stay() {
    let mut tables = filled();
    let json = r#"{"columns": [{"name": "code", "type": "text"}],
        "foreign_keys": [{"columns": ["code"], "references": {"table": "clients", "columns": ["code"]}}]}"#;
    tables.create("codes", json);
    let message = "cannot drop columns code of table clients because other objects depend on it";
    refused(&mut tables, "clients", r#"{"drop_columns": ["code"]}"#, "2BP01", message);
    refused(&mut tables, "clients", r#"{"drop_constraints": ["clients_code_key"]}"#, "2BP01", message);
    altered(&mut tables, "codes", r#"{"drop_constraints": ["codes_code_fkey"]}"#);
    altered(&mut tables, "clients", r#"{"drop_columns": ["code"]}"#);
    now(tables.session.drop_table("clients")).unwrap();
}

#[test]
fn changes_that_mean_nothing_are_refused() {
    let mut tables = filled();
    for (json, code, message) in [
        (r#"{"drop_indexes": ["x"]}"#, "42704", "index \"x\" does not exist"),
        (r#"{"drop_constraints": ["x"]}"#, "42704", "constraint \"x\" of relation \"orders\" does not exist"),
        (
            r#"{"drop_indexes": ["orders_pkey"]}"#,
            "2BP01",
            "cannot drop index orders_pkey because constraint orders_pkey on table orders requires it",
        ),
        (r#"{"add_primary_key": ["total"]}"#, "42P16", "multiple primary keys for table \"orders\" are not allowed"),
        (
            r#"{"add_columns": [{"name": "id", "type": "int"}]}"#,
            "42701",
            "column \"id\" of relation \"orders\" already exists",
        ),
        (r#"{"alter_columns": [{"name": "id", "nullable": true}]}"#, "42P16", "column \"id\" is in a primary key"),
        (r#"{"add_checks": [{"check": "total=gt.x"}]}"#, "22P02", "invalid input syntax for type numeric: \"x\""),
    ] {
        refused(&mut tables, "orders", json, code, message);
    }
    assert_eq!(TableChange::read(b"{\"drop_colums\": []}").unwrap_err().code, "42601");
    altered(&mut tables, "orders", "{}");
}

#[test]
fn a_counter_can_be_added_and_goes_on_after_the_largest() {
    let mut tables = filled();
    altered(&mut tables, "orders", r#"{"alter_columns": [{"name": "id", "identity": true}]}"#);
    tables.post("orders", r#"{"total": 1}"#).unwrap();
    assert_eq!(tables.get("orders?select=id&id=gt.3"), r#"[{"id":4}]"#);
}

#[test]
fn a_counter_that_paused_goes_on_after_what_was_stored_meanwhile() {
    const COUNTS: &str = r#"{"alter_columns": [{"name": "id", "identity": true}]}"#;
    const PAUSES: &str = r#"{"alter_columns": [{"name": "id", "identity": false}]}"#;
    let mut tables = filled();
    altered(&mut tables, "orders", COUNTS);
    tables.post("orders", r#"{"total": 1}"#).unwrap();
    altered(&mut tables, "orders", PAUSES);
    tables.post("orders", r#"[{"id": 5, "total": 1}, {"id": 6, "total": 1}, {"id": 90, "total": 1}]"#).unwrap();
    altered(&mut tables, "orders", COUNTS);
    tables.post("orders", r#"[{"total": 1}, {"total": 1}]"#).unwrap();
    assert_eq!(tables.get("orders?select=id&id=gt.6&order=id"), r#"[{"id":90},{"id":91},{"id":92}]"#);
    // What went while it counted does not come again.
    tables.delete("orders?id=gt.6").unwrap();
    altered(&mut tables, "orders", PAUSES);
    altered(&mut tables, "orders", COUNTS);
    tables.post("orders", r#"{"total": 1}"#).unwrap();
    assert_eq!(tables.get("orders?select=id&id=gt.6"), r#"[{"id":93}]"#);
    tables.check();
}

#[test]
fn another_column_counts_by_itself() {
    let mut tables = filled();
    altered(&mut tables, "orders", r#"{"alter_columns": [{"name": "id", "identity": true}]}"#);
    tables.post("orders", r#"{"id": 2000000000, "total": 1}"#).unwrap();
    tables.delete("orders?id=gt.3").unwrap();
    tables.patch("orders?client=is.null", r#"{"client": 7}"#).unwrap();
    let moved = r#"{"alter_columns": [{"name": "id", "identity": false}, {"name": "client", "identity": true, "nullable": false}]}"#;
    altered(&mut tables, "orders", moved);
    tables.post("orders", r#"{"id": 4, "total": 1}"#).unwrap();
    assert_eq!(tables.get("orders?select=client&id=eq.4"), r#"[{"client":8}]"#);
    altered(&mut tables, "orders", r#"{"drop_columns": ["client"]}"#);
    tables.delete("orders?id=gt.0").unwrap();
    altered(&mut tables, "orders", r#"{"add_columns": [{"name": "client", "type": "serial"}]}"#);
    tables.post("orders", r#"{"id": 4, "total": 1}"#).unwrap();
    assert_eq!(tables.get("orders?select=client"), r#"[{"client":1}]"#);
}

const ROWS: u32 = 3_000;

/// A table with so many rows, whose groups occur several times, and whose `word` is another in each.
fn many(session: &mut Session) {
    create(
        session,
        "t",
        r#"{"columns": [{"name": "id", "type": "int"}, {"name": "word", "type": "text"},
        {"name": "group", "type": "int"}], "primary_key": ["id"]}"#,
    );
    let rows: Vec<_> = (0..ROWS).map(|id| format!(r#"{{"id": {id}, "word": "w{id}", "group": {}}}"#, id % 7)).collect();
    now(post(session, "t", &format!("[{}]", rows.join(",")), &WriteOptions::default())).unwrap();
}

const BUILD: &str = r#"{"add_unique": [["word"]], "add_indexes": [{"columns": ["group"], "filter": "group=gt.2"}]}"#;

#[test]
fn an_index_is_built_beside_writers() {
    let tables = Tables::new(&[]);
    many(&mut tables.stage.session());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3_u32 {
            let (tables, is_done) = (&tables, &is_done);
            scope.spawn(move || {
                let mut session = tables.stage.session();
                let options = WriteOptions::default();
                let mut place = writer * 997;
                while !is_done.load(Ordering::Relaxed) {
                    place = (place * 31 + 17) % ROWS;
                    let (row, other) = (format!("t?id=eq.{place}"), ROWS + place);
                    // Rows go and come, exchange words with new ones, and move to other keys.
                    let _ = now(patch(&mut session, &row, &format!(r#"{{"word": "x{writer}-{place}"}}"#), &options));
                    let copy = format!(r#"{{"id": {other}, "word": "w{place}", "group": 5}}"#);
                    let _ = now(post(&mut session, "t", &copy, &options));
                    let _ = now(patch(&mut session, &row, &format!(r#"{{"id": {}}}"#, 3 * ROWS + place), &options));
                    let _ = now(delete(&mut session, &format!("t?id=eq.{other}"), &options));
                    let back = format!(r#"{{"id": {place}, "word": "w{place}", "group": 3}}"#);
                    let _ = now(patch(&mut session, &format!("t?id=eq.{}", 3 * ROWS + place), &back, &options));
                }
            });
        }
        let mut session = tables.stage.session();
        let mut built = 0;
        for _ in 0..8 {
            match alter(&mut session, "t", BUILD) {
                Ok(()) => {
                    built += 1;
                    check_tables(&tables.stage.database);
                    alter(
                        &mut session,
                        "t",
                        r#"{"drop_constraints": ["t_word_key"], "drop_indexes": ["t_group_idx"]}"#,
                    )
                    .unwrap();
                }
                // Without the key, words may occur twice.
                Err(error) => assert_eq!(error.code, "23505", "{error:?}"),
            }
            check_tables(&tables.stage.database);
        }
        is_done.store(true, Ordering::Relaxed);
        let _ = built;
    });
    let mut session = tables.stage.session();
    now(delete(&mut session, &format!("t?id=gte.{ROWS}"), &WriteOptions::default())).unwrap();
    alter(&mut session, "t", BUILD).unwrap();
    tables.check();
}

#[test]
fn one_change_of_a_table_at_a_time() {
    let tables = Tables::new(&[]);
    let mut session = tables.stage.session();
    many(&mut session);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let alter_one = |column: &'static str| {
            let mut session = tables.stage.session();
            move || alter(&mut session, "t", &format!(r#"{{"add_indexes": [{{"columns": ["{column}"]}}]}}"#))
        };
        let threads: Vec<_> =
            ["word", "group", "id"].map(|column| scope.spawn(alter_one(column))).into_iter().collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.iter().any(Result::is_ok));
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(error.code, "55006");
    }
    let indexes = now(session.describe_table("t")).unwrap().indexes.len();
    assert_eq!(indexes, outcomes.iter().filter(|outcome| outcome.is_ok()).count());
    tables.check();
}

pub(super) fn open(disk: &MemoryDisk) -> Database {
    open_with(disk, Limits::default(), StorageOptions::default())
}

#[test]
fn a_change_that_is_interrupted_is_taken_back() {
    // Given up after each of its commits; with the process, and in it.
    for writes in 0..9 {
        for ends in [true, false] {
            let disk = MemoryDisk::new();
            let database = open(&disk);
            let mut session = database.session();
            let options = WriteOptions::default();
            let table = r#"{"columns": [{"name": "id", "type": "int"}, {"name": "word", "type": "text"}], "primary_key": ["id"]}"#;
            let document = mantis_db::tables::schema::TableDocument::read(table.as_bytes()).unwrap();
            drive(&database, session.create_table("t", &document), 1).unwrap().unwrap();
            let rows: Vec<_> = (0..1_200).map(|id| format!(r#"{{"id": {id}, "word": "w{id}"}}"#)).collect();
            drive(&database, post(&mut session, "t", &format!("[{}]", rows.join(",")), &options), 1).unwrap().unwrap();
            let (before, keys) = (now(session.describe_table("t")).unwrap(), key_count(&database));
            let build = change(
                r#"{"add_unique": [["word"]], "add_columns": [{"name": "more", "type": "int", "default": 1}],
                    "alter_columns": [{"name": "word", "nullable": false}]}"#,
            );
            let done = drive(&database, session.alter_table("t", &build), writes);
            drop(session);
            let database = if ends {
                drop(database);
                open(&disk)
            } else {
                database
            };
            for _ in 0..10 {
                database.maintain();
                database.store().flush();
            }
            let mut session = database.session();
            let shown = now(session.describe_table("t")).unwrap();
            check_tables(&database);
            if shown.unique.is_empty() {
                assert_eq!((shown, key_count(&database)), (before, keys), "{writes}, {ends}");
            } else {
                // The last commit, whose maker gave up before it was final.
                assert!(writes >= 4, "{writes}, {ends}: {done:?}");
            }
            // And it can be begun again.
            if done.is_none() {
                let again = drive(&database, session.alter_table("t", &build), 20).unwrap();
                assert!(again.is_ok() || again.as_ref().is_err_and(|error| error.code == "42701"), "{again:?}");
            }
            let twice = post(&mut session, "t", r#"{"id": 5000, "word": "w1"}"#, &options);
            assert_eq!(drive(&database, twice, 3).unwrap().unwrap_err().code, "23505", "{writes}, {ends}");
            check_tables(&database);
        }
    }
}

#[test]
fn a_change_that_is_stopped_is_taken_back() {
    let mut tables = filled();
    let before = now(tables.session.describe_table("orders")).unwrap();
    let keys = key_count(&tables.stage.database);
    let build = change(r#"{"add_unique": [["memo"]], "add_columns": [{"name": "more", "type": "int", "default": 1}]}"#);
    // Before the first commit, before the rows are looked at, and before the last commit.
    for allowed in 0..3 {
        let asked = AtomicU32::new(0);
        let is_over = || asked.fetch_add(1, Ordering::Relaxed) >= allowed;
        let stopped = now(tables.session.alter_table_until("orders", &build, Interrupt::when(&is_over)));
        assert_eq!(stopped.unwrap_err().code, "57014", "after {allowed} questions");
        assert_eq!(now(tables.session.describe_table("orders")).unwrap(), before);
        tables.stage.database.maintain();
        assert_eq!(key_count(&tables.stage.database), keys);
        tables.check();
    }
    now(tables.session.alter_table("orders", &build)).unwrap();
}

#[test]
fn housekeeping_finishes_a_drop_that_is_stopped() {
    let mut tables = filled();
    let stopped = now(tables.session.drop_table_until("orders", Interrupt::when(&|| true)));
    assert_eq!(stopped.unwrap_err().code, "57014");
    now(tables.session.describe_table("orders")).unwrap();
    let asked = AtomicU32::new(0);
    let is_over = || asked.fetch_add(1, Ordering::Relaxed) > 0;
    let keys = key_count(&tables.stage.database);
    now(tables.session.drop_table_until("orders", Interrupt::when(&is_over))).unwrap();
    assert_eq!(now(tables.session.describe_table("orders")).unwrap_err().code, "PGRST205");
    let left = key_count(&tables.stage.database);
    tables.stage.database.maintain();
    let after = key_count(&tables.stage.database);
    assert!(left > after && keys > after, "{keys} keys, {left} after the drop, {after} after housekeeping");
}

#[test]
fn a_table_that_is_dropped_while_it_changes_is_gone() {
    let disk = MemoryDisk::new();
    let database = open(&disk);
    let mut session = database.session();
    let document = mantis_db::tables::schema::TableDocument::read(CLIENTS.1.as_bytes()).unwrap();
    drive(&database, session.create_table("t", &document), 1).unwrap().unwrap();
    let options = WriteOptions::default();
    drive(&database, post(&mut session, "t", r#"{"id": 1, "code": "a"}"#, &options), 1).unwrap().unwrap();
    let build = change(r#"{"add_indexes": [{"columns": ["code"]}]}"#);
    let mut other = database.session();
    {
        let mut altering = std::pin::pin!(session.alter_table("t", &build));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(altering.as_mut().poll(&mut context).is_pending());
        database.store().flush();
        drive(&database, other.drop_table("t"), 9).unwrap().unwrap();
        let error = drive(&database, altering, 9).unwrap().unwrap_err();
        assert_eq!(error.code, "PGRST205");
    }
    for _ in 0..5 {
        database.maintain();
        database.store().flush();
    }
    // The numbering, and the schema for readers of the feed.
    assert_eq!(key_count(&database), 2);
}

/// Prints how long an index on a table with a million rows takes, and how long a writer waits meanwhile. For
/// `cargo test --release -p mantis-db --test it -- --ignored --nocapture building_an_index_on_a_million_rows`.
#[test]
#[ignore = "it measures"]
fn building_an_index_on_a_million_rows() {
    use std::time::Instant;
    let (clock, random) =
        (std::sync::Arc::new(RealClock(Instant::now())), std::sync::Arc::new(mantis_db::SeededRandom::new(3)));
    let database = Database::in_memory_with(Limits::default(), clock, random).unwrap();
    let mut session = database.session();
    create(
        &mut session,
        "t",
        r#"{"columns": [{"name": "id", "type": "int"}, {"name": "word", "type": "text"}],
        "primary_key": ["id"]}"#,
    );
    let rows: u32 = std::env::var("ROWS").map_or(1_000_000, |rows| rows.parse().unwrap());
    for first in (0..rows).step_by(10_000) {
        let rows: Vec<_> = (first..first + 10_000)
            .map(|id| format!(r#"{{"id": {id}, "word": "{:08x}"}}"#, id.wrapping_mul(2_654_435_761)))
            .collect();
        now(post(&mut session, "t", &format!("[{}]", rows.join(",")), &WriteOptions::default())).unwrap();
    }
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut session, mut waits) = (database.session(), Vec::new());
            while !is_done.load(Ordering::Relaxed) {
                let began = Instant::now();
                now(session.kv("default").unwrap().set(b"key", b"value")).unwrap();
                waits.push(began.elapsed());
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            waits.sort_unstable();
            waits
        });
        let began = Instant::now();
        alter(&mut session, "t", r#"{"add_unique": [["word"]]}"#).unwrap();
        let took = began.elapsed();
        is_done.store(true, Ordering::Relaxed);
        let waits = writer.join().unwrap();
        println!(
            "{rows} rows in {took:?}; of {} writes meanwhile the median took {:?}, the longest {:?}",
            waits.len(),
            waits[waits.len() / 2],
            waits[waits.len() - 1]
        );
    });
    check_tables(&database);
}

/// A clock that goes.
struct RealClock(std::time::Instant);

impl mantis_db::Clock for RealClock {
    fn now_ms(&self) -> u64 {
        1_000_000 + self.monotonic_us() / 1_000
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
}
