//! Primary keys that are added, dropped and replaced: what statements, foreign keys and followers make of them afterwards.

use mantis_db::tables::Resolution;
use mantis_db::tables::feed::{FeedEvent, FeedScope, RowChangeKind, TableFeed};
use mantis_db::tables::types::Value;
use mantis_db::{Since, StorageOptions};
use mantis_dialect::Query;
use mantis_store::disk::MemoryDisk;

use super::changes::{altered, refused};
use super::support::{Tables, check_tables, get, post};
use crate::on_disk::{drive, open_with};
use crate::support::now;

const LOG: (&str, &str) = (
    "log",
    r#"{"columns": [{"name": "id", "type": "int"}, {"name": "word", "type": "text"}, {"name": "n", "type": "int"}],
        "indexes": [{"columns": ["n"]}]}"#,
);

/// Three rows without a primary key.
fn log() -> Tables {
    let mut tables = Tables::new(&[LOG]);
    let rows = r#"[{"id": 3, "word": "c", "n": 1}, {"id": 1, "word": "a", "n": 2}, {"id": 2, "word": "b", "n": null}]"#;
    tables.post("log", rows).unwrap();
    tables
}

/// What statements make of the primary key `id` of rows 1, 2 and 3.
#[track_caller]
fn check_key(tables: &mut Tables) {
    let twice = tables.post("log", r#"{"id": 1, "word": "z"}"#).unwrap_err();
    assert_eq!((twice.code, twice.details.as_deref()), ("23505", Some("Key (id)=(1) already exists.")));
    assert!(twice.message.ends_with("\"log_pkey\""), "{twice:?}");
    assert_eq!(tables.post("log", r#"{"word": "z"}"#).unwrap_err().code, "23502");
    tables.upsert(Resolution::Merge, "log", r#"[{"id": 1, "word": "A"}, {"id": 4, "word": "d"}]"#).unwrap();
    tables.upsert(Resolution::Ignore, "log", r#"[{"id": 1, "word": "no"}, {"id": 5, "word": "e"}]"#).unwrap();
    tables.put("log?id=eq.2", r#"{"id": 2, "word": "B"}"#).unwrap();
    tables.put("log?id=eq.6", r#"{"id": 6, "word": "f"}"#).unwrap();
    tables.patch_many("log", r#"[{"id": 3, "n": 30}, {"id": 9, "n": 90}]"#).unwrap();
    tables.patch("log?id=eq.5", r#"{"id": 50}"#).unwrap();
    assert_eq!(tables.patch("log?id=eq.50", r#"{"id": 1}"#).unwrap_err().code, "23505");
    tables.check();
    let shown = "[{\"id\":1,\"word\":\"A\",\"n\":2},{\"id\":2,\"word\":\"B\",\"n\":null},\
                 {\"id\":3,\"word\":\"c\",\"n\":30},{\"id\":4,\"word\":\"d\",\"n\":null},\
                 {\"id\":6,\"word\":\"f\",\"n\":null},{\"id\":50,\"word\":\"e\",\"n\":null}]";
    assert_eq!(tables.get("log?order=id"), shown);
    assert_eq!(tables.get("log?id=eq.50&select=word"), r#"[{"word":"e"}]"#);
    let environment = tables.session.database().environment(jiff::tz::TimeZone::UTC);
    let row = now(tables.session.rows("log", environment).get(&[Value::Integer(4)])).unwrap();
    assert_eq!(row.unwrap()[1], Value::Text("d".into()));
    tables.delete("log?id=gt.3").unwrap();
    tables.put("log?id=eq.1", r#"{"id": 1, "word": "a", "n": 2}"#).unwrap();
    assert_eq!(tables.check(), 3);
}

#[test]
fn a_primary_key_is_added_to_rows_that_are_there() {
    let mut tables = log();
    altered(&mut tables, "log", r#"{"add_primary_key": ["id"]}"#);
    let shown = now(tables.session.describe_table("log")).unwrap();
    assert_eq!(shown.primary_key.unwrap().columns, ["id"]);
    assert_eq!((shown.columns[0].nullable, shown.unique.len(), shown.indexes.len()), (Some(false), 0, 1));
    check_key(&mut tables);
}

#[test]
fn a_table_without_rows_is_kept_by_the_key_that_it_gets() {
    let mut tables = Tables::new(&[LOG]);
    altered(&mut tables, "log", r#"{"add_primary_key": ["id"]}"#);
    tables.post("log", r#"[{"id": 3, "word": "c"}, {"id": 1, "word": "a", "n": 2}, {"id": 2, "word": "b"}]"#).unwrap();
    check_key(&mut tables);
}

#[test]
fn rows_stay_when_their_primary_key_is_dropped() {
    let mut tables = log();
    altered(&mut tables, "log", r#"{"add_primary_key": {"name": "k", "columns": ["id"]}}"#);
    altered(&mut tables, "log", r#"{"drop_constraints": ["k"]}"#);
    // As in PostgreSQL, its columns stay not nullable.
    assert_eq!(tables.post("log", r#"{"word": "z"}"#).unwrap_err().code, "23502");
    let mut kept = Tables::new(&[]);
    kept.create("log", &LOG.1.replace(r#""indexes""#, r#""primary_key": ["id"], "indexes""#));
    kept.post("log", r#"[{"id": 3, "word": "c"}, {"id": 1, "word": "a"}, {"id": 2, "word": "b"}]"#).unwrap();
    altered(
        &mut kept,
        "log",
        r#"{"drop_constraints": ["log_pkey"], "alter_columns": [{"name": "id", "nullable": true}]}"#,
    );
    for tables in [&mut tables, &mut kept] {
        // The same number twice, and one that a hidden id may have.
        tables.post("log", r#"[{"id": 1, "word": "x"}, {"id": 1, "word": "y"}, {"id": 7, "word": "z"}]"#).unwrap();
        tables.patch("log?word=eq.a", r#"{"id": 3}"#).unwrap();
        assert_eq!(
            tables.get("log?select=id,word&order=word"),
            "[{\"id\":3,\"word\":\"a\"},{\"id\":2,\"word\":\"b\"},{\"id\":3,\"word\":\"c\"},\
             {\"id\":1,\"word\":\"x\"},{\"id\":1,\"word\":\"y\"},{\"id\":7,\"word\":\"z\"}]"
        );
        let message = "could not create unique index \"log_pkey\"";
        refused(tables, "log", r#"{"add_primary_key": ["id"]}"#, "23505", message);
        tables.delete("log?id=eq.1").unwrap();
        tables.delete("log?word=in.(a,z)").unwrap();
        tables.post("log", r#"{"id": 1, "word": "a", "n": 2}"#).unwrap();
        altered(tables, "log", r#"{"add_primary_key": ["id"]}"#);
    }
    tables.patch("log?id=in.(2,3)", r#"{"n": null}"#).unwrap();
    check_key(&mut tables);
    check_key(&mut kept);
}

#[test]
fn row_ids_do_not_meet_keys_that_rows_had() {
    let mut tables = log();
    tables.delete("log?id=gt.0").unwrap();
    altered(&mut tables, "log", r#"{"add_primary_key": ["id"]}"#);
    tables.post("log", r#"[{"id": 4, "word": "d"}, {"id": 5, "word": "e"}, {"id": 6, "word": "f"}]"#).unwrap();
    altered(&mut tables, "log", r#"{"drop_constraints": ["log_pkey"]}"#);
    // Ids go on after 3.
    tables.post("log", r#"[{"id": 7, "word": "g"}, {"id": 8, "word": "h"}]"#).unwrap();
    assert_eq!(tables.check(), 5);
}

#[test]
fn a_primary_key_is_replaced_by_another_one() {
    let mut tables = Tables::new(&[]);
    tables.create("log", &LOG.1.replace(r#""indexes""#, r#""primary_key": ["word"], "indexes""#));
    tables.post("log", r#"[{"id": 3, "word": "c"}, {"id": 1, "word": "a", "n": 2}, {"id": 2, "word": "b"}]"#).unwrap();
    for key in [r#"["id"]"#, r#"["id", "word"]"#, r#"{"name": "log_pkey", "columns": ["id"]}"#] {
        altered(&mut tables, "log", &format!(r#"{{"drop_constraints": ["log_pkey"], "add_primary_key": {key}}}"#));
    }
    check_key(&mut tables);
    // The column goes with the key, and the key with the column.
    altered(&mut tables, "log", r#"{"drop_columns": ["id"]}"#);
    assert_eq!(now(tables.session.describe_table("log")).unwrap().primary_key, None);
    assert_eq!(tables.get("log?order=word"), r#"[{"word":"B","n":null},{"word":"a","n":2},{"word":"c","n":30}]"#);
}

#[test]
fn rows_object_to_a_primary_key_that_they_break() {
    let mut tables = log();
    tables.post("log", r#"{"id": 3, "word": null}"#).unwrap();
    let message = "could not create unique index \"log_pkey\"";
    let error = refused(&mut tables, "log", r#"{"add_primary_key": ["id"]}"#, "23505", message);
    assert_eq!(error.details.as_deref(), Some("Key (id)=(3) is duplicated."));
    let message = "column \"word\" of relation \"log\" contains null values";
    refused(&mut tables, "log", r#"{"add_primary_key": ["word"]}"#, "23502", message);
    let message = "column \"x\" named in key does not exist";
    refused(&mut tables, "log", r#"{"add_primary_key": ["x"]}"#, "42703", message);
    let json = r#"{"add_columns": [{"name": "key", "type": "int"}], "add_primary_key": ["key"]}"#;
    let message = "column \"key\" of relation \"log\" contains null values";
    refused(&mut tables, "log", json, "23502", message);
}

#[test]
fn a_key_that_others_reference_is_not_dropped() {
    let mut tables = log();
    altered(&mut tables, "log", r#"{"add_primary_key": ["id"]}"#);
    let child = r#"{"columns": [{"name": "log", "type": "int"}],
        "foreign_keys": [{"columns": ["log"], "references": {"table": "log"}, "on_delete": "cascade", "on_update": "cascade"}]}"#;
    tables.create("child", child);
    let message = "cannot drop columns id of table log because other objects depend on it";
    for change in [r#"{"drop_constraints": ["log_pkey"]}"#, r#"{"drop_columns": ["id"]}"#] {
        refused(&mut tables, "log", change, "2BP01", message);
    }
    let replaced = r#"{"drop_constraints": ["log_pkey"], "add_primary_key": ["word"]}"#;
    refused(&mut tables, "log", replaced, "2BP01", message);
    tables.post("child", r#"[{"log": 1}, {"log": 2}]"#).unwrap();
    assert_eq!(tables.post("child", r#"{"log": 9}"#).unwrap_err().code, "23503");
    tables.patch("log?id=eq.1", r#"{"id": 10}"#).unwrap();
    tables.delete("log?id=eq.2").unwrap();
    assert_eq!(tables.get("child"), r#"[{"log":10}]"#);
    assert_eq!(tables.get("child?select=log(word)"), r#"[{"log":{"word":"a"}}]"#);
    // Another key of the same columns does for it.
    altered(&mut tables, "log", r#"{"add_unique": [["id"]]}"#);
    altered(&mut tables, "log", replaced);
    assert_eq!(tables.post("child", r#"{"log": 9}"#).unwrap_err().code, "23503");
    // Of the table itself.
    let mut own = log();
    altered(&mut own, "log", r#"{"add_primary_key": ["id"], "drop_indexes": ["log_n_idx"]}"#);
    altered(
        &mut own,
        "log",
        r#"{"add_foreign_keys": [{"columns": ["n"], "references": {"table": "log", "columns": ["id"]}}]}"#,
    );
    let message = "cannot drop columns id of table log because other objects depend on it";
    refused(&mut own, "log", r#"{"drop_constraints": ["log_pkey"]}"#, "2BP01", message);
    altered(&mut own, "log", r#"{"drop_constraints": ["log_pkey", "log_n_fkey"]}"#);
}

#[test]
fn followers_see_the_primary_key_that_a_row_had() {
    let mut tables = log();
    altered(&mut tables, "log", r#"{"add_primary_key": ["id"]}"#);
    let feed = FeedScope::Table(TableFeed::new("log", Query::default()).unwrap());
    let since = Since::Now;
    let since = Since::Cursor(now(tables.session.feed(&feed, &since, 1)).unwrap().cursor);
    tables.patch("log?id=eq.1", r#"{"word": "x"}"#).unwrap();
    tables.patch("log?id=eq.1", r#"{"id": 11}"#).unwrap();
    // Within a transaction that has changed it before.
    tables.session_begin();
    tables.patch("log?id=eq.2", r#"{"word": "y"}"#).unwrap();
    tables.delete("log?id=eq.2").unwrap();
    tables.session_commit();
    let events = now(tables.session.feed(&feed, &since, 10)).unwrap().events;
    let seen = events.iter().map(|event| match event {
        FeedEvent::Row(change) => {
            let text = |json: &Option<bytes::Bytes>| {
                json.as_ref().map_or("-".into(), |json| String::from_utf8(json.to_vec()).unwrap())
            };
            let kind = match change.kind {
                RowChangeKind::Insert => '+',
                RowChangeKind::Update => '~',
                RowChangeKind::Delete => '-',
            };
            format!("{kind} {} {} {:?}", text(&change.key), text(&change.old), change.matches.old)
        }
        other => panic!("{other:?}"),
    });
    let mut seen: Vec<_> = seen.collect();
    seen[1..3].sort();
    assert_eq!(
        seen,
        [
            r#"~ {"id":1} - Some(true)"#,
            r#"+ {"id":11} - Some(false)"#,
            r#"- {"id":1} - Some(true)"#,
            r#"- {"id":2} - Some(true)"#,
        ]
    );
}

#[test]
fn hidden_row_ids_go_on_after_a_restart() {
    for document in [LOG.1.to_owned(), LOG.1.replace(r#""indexes""#, r#""primary_key": ["id"], "indexes""#)] {
        let disk = MemoryDisk::new();
        let open = || open_with(&disk, mantis_db::Limits::default(), StorageOptions::default());
        let database = open();
        let mut session = database.session();
        let document = mantis_db::tables::schema::TableDocument::read(document.as_bytes()).unwrap();
        drive(&database, session.create_table("log", &document), 5).unwrap().unwrap();
        let options = mantis_db::tables::WriteOptions::default();
        let add = |database: &mantis_db::Database, id: u32| {
            let mut session = database.session();
            let row = format!(r#"{{"id": {id}, "word": "w"}}"#);
            drive(database, post(&mut session, "log", &row, &options), 5).unwrap().unwrap();
        };
        let alter = |database: &mantis_db::Database, change: &str| {
            let change = super::changes::change(change);
            drive(database, database.session().alter_table("log", &change), 30).unwrap().unwrap();
        };
        add(&database, 1);
        add(&database, 2);
        if document.primary_key.is_some() {
            alter(&database, r#"{"drop_constraints": ["log_pkey"]}"#);
        }
        add(&database, 3);
        alter(&database, r#"{"add_primary_key": ["id"]}"#);
        add(&database, 4);
        drop(session);
        drop(database);
        let database = open();
        add(&database, 5);
        alter(&database, r#"{"drop_constraints": ["log_pkey"]}"#);
        add(&database, 5);
        let shown = r#"[{"id":1},{"id":2},{"id":3},{"id":4},{"id":5},{"id":5}]"#;
        assert_eq!(get(&mut database.session(), "log?select=id&order=id"), shown);
        check_tables(&database);
    }
}
