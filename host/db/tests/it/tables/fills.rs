//! Columns with another value in each row, added to rows that are there.

use mantis_db::tables::WriteOptions;
use mantis_db::tables::feed::{FeedEvent, FeedScope, TableFeed};
use mantis_db::{Limits, Since, StorageOptions};
use mantis_dialect::Query;
use mantis_store::disk::MemoryDisk;

use super::changes::{alter, altered, change, filled, refused};
use super::races::Deed::{Delete, Patch, Post};
use super::races::{ROWS, Slow, beside_a_build, statement};
use super::support::{Tables, check_tables, get, post};
use crate::on_disk::{drive, open_with};
use crate::support::now;

/// The texts of a column, one for each row.
fn texts(answer: &str) -> Vec<&str> {
    answer.trim_matches(['[', ']']).split(',').collect()
}

#[track_caller]
fn are_unique(answer: &str, count: usize) {
    let mut found = texts(answer);
    assert_eq!(found.len(), count, "{answer}");
    assert!(!answer.contains("null"), "{answer}");
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), count, "{answer}");
}

#[test]
fn rows_get_numbers_in_their_order_and_the_counter_goes_on() {
    let mut tables = filled();
    tables.delete("orders?id=eq.2").unwrap();
    tables.post("orders", r#"{"id": -7, "total": 1}"#).unwrap();
    altered(
        &mut tables,
        "orders",
        r#"{"add_columns": [{"name": "n", "type": "serial"}], "drop_constraints": ["orders_pkey"],
            "add_primary_key": ["n"], "add_checks": [{"check": "n=gt.0"}]}"#,
    );
    let shown = r#"[{"id":-7,"n":1},{"id":1,"n":2},{"id":3,"n":3}]"#;
    assert_eq!(tables.get("orders?select=id,n&order=id"), shown);
    assert_eq!(tables.get("orders?select=id&n=eq.2"), r#"[{"id":1}]"#);
    assert_eq!(tables.post("orders", r#"{"id": 3, "n": 3, "total": 1}"#).unwrap_err().code, "23505");
    tables.post("orders", r#"{"id": 3, "total": 1}"#).unwrap();
    tables.delete("orders?n=eq.4").unwrap();
    tables.post("orders", r#"{"id": 3, "total": 1}"#).unwrap();
    assert_eq!(tables.get("orders?select=n&n=gt.3"), r#"[{"n":5}]"#);
    assert_eq!(tables.patch("orders?n=eq.5", r#"{"n": null}"#).unwrap_err().code, "23502");
    tables.check();
}

#[test]
fn each_row_gets_a_uuid_that_stays() {
    for default in ["uuid", "uuidv7"] {
        let mut tables = filled();
        let json = format!(
            r#"{{"add_columns": [{{"name": "u", "type": "uuid", "nullable": false, "default": {{"function": "{default}"}}}},
                {{"name": "t", "type": "uuid", "default": {{"function": "{default}"}}}}], "add_unique": [["u"]]}}"#
        );
        altered(&mut tables, "orders", &json);
        for column in ["u", "t"] {
            let first = tables.get(&format!("orders?select={column}&order=id"));
            are_unique(&first, 3);
            tables.patch("orders?id=eq.2", r#"{"memo": "x"}"#).unwrap();
            assert_eq!(tables.get(&format!("orders?select={column}&order=id")), first);
        }
        tables.check();
    }
}

#[test]
fn a_fill_that_a_row_objects_to_leaves_nothing() {
    let mut tables = filled();
    let json =
        r#"{"add_columns": [{"name": "n", "type": "serial"}], "add_checks": [{"name": "few", "check": "n=lt.3"}]}"#;
    let message = "check constraint \"few\" of relation \"orders\" is violated by some row";
    refused(&mut tables, "orders", json, "23514", message);
    // The next column of this name counts from the beginning.
    altered(&mut tables, "orders", r#"{"add_columns": [{"name": "n", "type": "serial"}]}"#);
    assert_eq!(tables.get("orders?select=n&order=id"), r#"[{"n":1},{"n":2},{"n":3}]"#);
}

#[test]
fn writers_beside_a_fill_give_rows_their_values() {
    let mut slow = Slow::new([0, 0]);
    let build = r#"{"add_columns":[{"name":"n","type":"bigserial"},
        {"name":"u","type":"uuid","nullable":false,"default":{"function":"uuidv7"}}],"add_unique":[["n"],["u"]]}"#;
    let built = beside_a_build(&mut slow, build, |database, session| {
        for deed in [
            Post("t", r#"{"id":0,"word":"new","up":7}"#),
            Patch("t?id=eq.1", r#"{"word":"other"}"#),
            Patch("t?id=eq.1150", r#"{"word":"late"}"#),
            Patch("t?id=eq.2", r#"{"id":5000}"#),
            Patch("t?id=eq.1100", r#"{"id":-5}"#),
            Delete("t?id=eq.3"),
            Delete("t?id=eq.1101"),
        ] {
            statement(database, session, deed).unwrap();
        }
        let shown = get(session, "t?id=eq.1199");
        assert_eq!(shown, r#"[{"id":1199,"word":"w1199","up":1199}]"#, "it is shown at the end");
    });
    assert_eq!(built, Ok(()));
    for column in ["n", "u"] {
        are_unique(&get(&mut slow.session, &format!("t?select={column}")), ROWS - 1);
    }
    statement(&slow.database, &mut slow.session, Post("t", r#"{"id":-1}"#)).unwrap();
    are_unique(&get(&mut slow.session, "t?select=n"), ROWS);
}

#[test]
fn rows_that_go_beside_a_fill_leave_no_key() {
    let mut slow = Slow::new([0, 0]);
    let build = r#"{"drop_constraints":["t_pkey"],"add_columns":[{"name":"n","type":"serial"}],"add_primary_key":["n"],
        "add_unique":[["id"]]}"#;
    let built = beside_a_build(&mut slow, build, |database, session| {
        for deed in [
            Delete("t?id=in.(3,1101,1102)"),
            Patch("t?id=eq.1100", r#"{"id":-5}"#),
            Patch("t?id=gt.1190", r#"{"up":null}"#),
            Post("t", r#"[{"id":3,"word":"new"},{"id":1101,"word":"new"}]"#),
        ] {
            statement(database, session, deed).unwrap();
        }
    });
    assert_eq!(built, Ok(()));
    are_unique(&get(&mut slow.session, "t?select=n"), ROWS - 1);
    assert_eq!(get(&mut slow.session, "t?select=id&n=eq.1"), r#"[{"id":1}]"#);
}

#[test]
fn followers_see_what_older_rows_get() {
    let mut tables = filled();
    altered(&mut tables, "clients", r#"{"changes": "full"}"#);
    let feed = FeedScope::Table(TableFeed::new("clients", Query::default()).unwrap());
    let since = Since::Cursor(now(tables.session.feed(&feed, &Since::Now, 1)).unwrap().cursor);
    altered(&mut tables, "clients", r#"{"add_columns": [{"name": "n", "type": "serial"}]}"#);
    let events = now(tables.session.feed(&feed, &since, 10)).unwrap().events;
    let rows = events.iter().filter_map(|event| match event {
        FeedEvent::Row(change) => {
            let text = |json: &Option<bytes::Bytes>| String::from_utf8(json.clone().unwrap().to_vec()).unwrap();
            Some(format!("{:?} {} {}", change.kind, text(&change.old), text(&change.row)))
        }
        _ => None,
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    let expected = [
        r#"Update {"id":1,"code":"a","n":null} {"id":1,"code":"a","n":1}"#,
        r#"Update {"id":2,"code":"b","n":null} {"id":2,"code":"b","n":2}"#,
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_type_with_too_few_numbers_is_refused() {
    let mut tables = Tables::new(&[]);
    tables.create("t", r#"{"columns": [{"name": "id", "type": "int"}], "primary_key": ["id"]}"#);
    for start in (0..33_000).step_by(3_000) {
        let rows: Vec<_> = (start..start + 3_000).map(|id| format!(r#"{{"id": {id}}}"#)).collect();
        tables.post("t", &format!("[{}]", rows.join(","))).unwrap();
    }
    let json = r#"{"add_columns": [{"name": "n", "type": "smallint", "identity": true}]}"#;
    let message = "nextval: reached maximum value of sequence \"t_n_seq\" (32767)";
    assert_eq!(alter(&mut tables.session, "t", json).unwrap_err().message, message);
    assert_eq!(tables.get("t?id=eq.1"), r#"[{"id":1}]"#);
    altered(&mut tables, "t", r#"{"add_columns": [{"name": "n", "type": "int", "identity": true}]}"#);
    assert_eq!(tables.get("t?id=gt.32998"), r#"[{"id":32999,"n":33000}]"#);
}

#[test]
fn filled_values_are_the_same_after_a_restart() {
    let disk = MemoryDisk::new();
    let open = || open_with(&disk, Limits::default(), StorageOptions::default());
    let database = open();
    let document = r#"{"columns": [{"name": "word", "type": "text"}]}"#;
    let document = mantis_db::tables::schema::TableDocument::read(document.as_bytes()).unwrap();
    drive(&database, database.session().create_table("t", &document), 5).unwrap().unwrap();
    let options = WriteOptions::default();
    let rows: Vec<_> = (0..700).map(|row| format!(r#"{{"word": "w{row}"}}"#)).collect();
    let add = |database: &mantis_db::Database, rows: &str| {
        let mut session = database.session();
        drive(database, post(&mut session, "t", rows, &options), 5).unwrap().unwrap();
    };
    add(&database, &format!("[{}]", rows.join(",")));
    let json = r#"{"add_columns": [{"name": "n", "type": "serial"}, {"name": "u", "type": "uuid", "default": {"function": "uuid"}}]}"#;
    drive(&database, database.session().alter_table("t", &change(json)), 30).unwrap().unwrap();
    let before = get(&mut database.session(), "t?order=n");
    are_unique(&get(&mut database.session(), "t?select=u"), 700);
    drop(database);
    let database = open();
    assert_eq!(get(&mut database.session(), "t?order=n"), before);
    add(&database, r#"{"word": "last"}"#);
    assert_eq!(
        get(&mut database.session(), "t?select=n,word&n=gt.699"),
        r#"[{"n":700,"word":"w699"},{"n":701,"word":"last"}]"#
    );
    drop(database);
    check_tables(&open());
    assert!(now(open().session().describe_table("t")).is_ok());
}
