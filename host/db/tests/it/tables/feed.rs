//! The change feed of rows: what a follower of a table sees, however rows and definitions change, and what it does not see.

use std::sync::Arc;

use mantis_db::tables::feed::{FeedError, FeedEvent, FeedScope, RowChangeKind, TableEventKind, TableFeed};
use mantis_db::tables::schema::TableChange;
use mantis_db::tables::{Resolution, WriteOptions};
use mantis_db::{Access, ChangeFilter, Code, Database, Grants, Limits, Session, Since, StorageOptions};
use mantis_dialect::Parser;
use mantis_store::disk::MemoryDisk;

use super::support::{Tables, delete, patch, post};
use crate::on_disk::{drive, open_with};
use crate::support::{Short, now};

const FULL: &str = r#"{"columns": [{"name": "id", "type": "int"}, {"name": "status", "type": "text"}],
    "primary_key": ["id"], "indexes": [{"columns": ["status"]}], "changes": "full"}"#;
const NEW: &str = r#"{"columns": [{"name": "id", "type": "int"}, {"name": "status", "type": "text"}],
    "primary_key": ["id"], "unique": [["status"]]}"#;

/// The changes of a table that `query` selects.
fn of(table: &str, query: &str) -> FeedScope {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    FeedScope::Table(TableFeed::new(table, Parser::default().query(pairs).unwrap()).unwrap())
}

/// Everything from `since` on, in pages of two.
fn read(session: &mut Session, scope: &FeedScope, since: Since) -> Result<Vec<FeedEvent>, FeedError> {
    let (mut since, mut events) = (since, Vec::new());
    loop {
        let page = now(session.feed(scope, &since, 2))?;
        assert!(page.events.len() <= 2);
        events.extend(page.events);
        if page.at_end {
            return Ok(events);
        }
        since = Since::Cursor(page.cursor);
    }
}

fn text(json: Option<&bytes::Bytes>) -> String {
    json.map_or_else(|| "-".to_owned(), |json| String::from_utf8(json.to_vec()).unwrap().replace('"', ""))
}

/// A change in a line: what happened, the key, the old row, the new row, and which of the two matches.
fn line(event: &FeedEvent) -> String {
    match event {
        FeedEvent::Key(change) => format!("key {}", String::from_utf8_lossy(&change.key)),
        FeedEvent::Row(change) => {
            let kind = match change.kind {
                RowChangeKind::Insert => '+',
                RowChangeKind::Update => '~',
                RowChangeKind::Delete => '-',
            };
            let (old, new) = (change.matches.old, change.matches.new);
            let old = old.map_or('?', |old| if old { 't' } else { 'f' });
            let rows = [text(change.key.as_ref()), text(change.old.as_ref()), text(change.row.as_ref())].join(" ");
            format!("{kind} {rows} {old}{}", if new { 't' } else { 'f' })
        }
        FeedEvent::Table(event) => {
            let kind = match event.kind {
                TableEventKind::Create => "create",
                TableEventKind::Alter => "alter",
                TableEventKind::Drop => "drop",
            };
            assert_eq!(event.schema.is_none(), event.kind == TableEventKind::Drop);
            format!("{kind} {} {}", event.table, event.schema_version)
        }
        _ => "other".to_owned(),
    }
}

#[track_caller]
fn check(session: &mut Session, scope: &FeedScope, expected: &[&str]) {
    let events = read(session, scope, Since::Earliest).unwrap();
    assert_eq!(events.iter().map(line).collect::<Vec<_>>(), expected, "{scope:?}");
    // From every cursor the rest follows.
    for (place, event) in events.iter().enumerate() {
        let rest = read(session, scope, Since::Cursor(event.cursor().to_owned())).unwrap();
        assert_eq!(rest, events[place + 1..], "after {place}");
    }
}

fn alter(session: &mut Session, table: &str, json: &str) {
    now(session.alter_table(table, &TableChange::read(json.as_bytes()).unwrap())).unwrap();
}

/// Inserts, updates, an upsert and deletes.
fn changed(document: &str) -> Tables {
    let mut tables = Tables::new(&[("orders", document)]);
    tables.post("orders", r#"[{"id": 1, "status": "open"}, {"id": 2, "status": "paid"}]"#).unwrap();
    tables.patch("orders?id=eq.1", r#"{"status": "paid too"}"#).unwrap();
    tables.upsert(Resolution::Merge, "orders", r#"{"id": 2, "status": "sent"}"#).unwrap();
    tables.delete("orders?id=eq.2").unwrap();
    tables
}

#[test]
fn a_table_that_keeps_old_rows_shows_them() {
    let mut tables = changed(FULL);
    let all = [
        "create orders 1",
        "+ {id:1} - {id:1,status:open} ft",
        "+ {id:2} - {id:2,status:paid} ft",
        "~ {id:1} {id:1,status:open} {id:1,status:paid too} tt",
        "~ {id:2} {id:2,status:paid} {id:2,status:sent} tt",
        "- {id:2} {id:2,status:sent} - tf",
    ];
    check(&mut tables.session, &of("orders", ""), &all);
    check(&mut tables.session, &FeedScope::All, &all);
    check(&mut tables.session, &FeedScope::Keys(ChangeFilter::default()), &[]);
}

#[test]
fn a_row_that_matched_only_before_or_only_after_is_shown() {
    let mut tables = changed(FULL);
    let shown = |lines: &[&'static str]| [&["create orders 1"], lines].concat();
    for (query, expected) in [
        ("status=eq.paid&select=s:status", vec!["+ {id:2} - {s:paid} ft", "~ {id:2} {s:paid} {s:sent} tf"]),
        ("status=like.paid*&id=eq.1&select=id", vec!["~ {id:1} {id:1} {id:1} ft"]),
        ("or=(id.eq.7,status.eq.sent)&select=id", vec!["~ {id:2} {id:2} {id:2} ft", "- {id:2} {id:2} - tf"]),
        ("not.or=(id.eq.1,id.eq.2)", vec![]),
    ] {
        check(&mut tables.session, &of("orders", query), &shown(&expected));
    }
}

#[test]
fn without_old_rows_what_is_not_known_is_shown_as_unknown() {
    let mut tables = changed(NEW);
    check(
        &mut tables.session,
        &of("orders", "status=eq.paid&id=eq.2"),
        &["create orders 1", "+ {id:2} - {id:2,status:paid} ft", "~ {id:2} - {id:2,status:sent} ?f", "- {id:2} - - ?f"],
    );
    // The key is known.
    check(
        &mut tables.session,
        &of("orders", "id=eq.2&select=id"),
        &["create orders 1", "+ {id:2} - {id:2} ft", "~ {id:2} - {id:2} tt", "- {id:2} - - tf"],
    );
    check(&mut tables.session, &of("orders", "id=gt.2&status=eq.paid"), &["create orders 1"]);
}

#[test]
fn a_new_primary_key_is_a_delete_and_an_insert() {
    let mut tables = Tables::new(&[("orders", FULL)]);
    tables.post("orders", r#"{"id": 1, "status": "open"}"#).unwrap();
    tables.patch("orders?id=eq.1", r#"{"id": 5}"#).unwrap();
    check(
        &mut tables.session,
        &of("orders", ""),
        &[
            "create orders 1",
            "+ {id:1} - {id:1,status:open} ft",
            "- {id:1} {id:1,status:open} - tf",
            "+ {id:5} - {id:5,status:open} ft",
        ],
    );
}

#[test]
fn cascades_and_tables_without_a_primary_key_are_shown() {
    let child = r#"{"columns": [{"name": "of", "type": "int"}], "changes": "full", "foreign_keys":
        [{"columns": ["of"], "references": {"table": "orders", "columns": ["id"]}, "on_delete": "cascade"}]}"#;
    let mut tables = Tables::new(&[("orders", NEW), ("lines", child)]);
    tables.post("orders", r#"{"id": 1, "status": "open"}"#).unwrap();
    tables.post("lines", r#"[{"of": 1}, {"of": 1}]"#).unwrap();
    tables.delete("orders?id=eq.1").unwrap();
    check(
        &mut tables.session,
        &of("lines", "of=eq.1"),
        &["create lines 1", "+ - - {of:1} ft", "+ - - {of:1} ft", "- - {of:1} - tf", "- - {of:1} - tf"],
    );
    // That another table references it shows in its schema alone.
    check(
        &mut tables.session,
        &of("orders", ""),
        &["create orders 1", "+ {id:1} - {id:1,status:open} ft", "- {id:1} - - tf"],
    );
}

#[test]
fn what_a_transaction_takes_back_or_overwrites_is_not_shown() {
    let mut tables = Tables::new(&[("orders", FULL)]);
    tables.post("orders", r#"[{"id": 1, "status": "a"}, {"id": 2, "status": "a"}]"#).unwrap();
    tables.session_begin();
    tables.patch("orders", r#"{"status": "b"}"#).unwrap();
    tables.session.rollback();
    tables.session_begin();
    tables.patch("orders?id=eq.1", r#"{"status": "c"}"#).unwrap();
    tables.patch("orders?id=eq.1", r#"{"status": "d"}"#).unwrap();
    tables.delete("orders?id=eq.2").unwrap();
    tables.post("orders", r#"[{"id": 2, "status": "again"}, {"id": 3, "status": "gone"}]"#).unwrap();
    tables.delete("orders?id=eq.3").unwrap();
    tables.session_commit();
    check(
        &mut tables.session,
        &of("orders", ""),
        &[
            "create orders 1",
            "+ {id:1} - {id:1,status:a} ft",
            "+ {id:2} - {id:2,status:a} ft",
            "~ {id:1} {id:1,status:a} {id:1,status:d} tt",
            "~ {id:2} {id:2,status:a} {id:2,status:again} tt",
        ],
    );
}

#[test]
fn a_change_is_shown_by_the_definition_of_its_time() {
    let document = FULL.replace(r#""indexes": [{"columns": ["status"]}], "#, "");
    let mut tables = Tables::new(&[("orders", &document)]);
    tables.post("orders", r#"{"id": 1, "status": "5"}"#).unwrap();
    alter(&mut tables.session, "orders", r#"{"rename_columns": {"status": "state"}}"#);
    tables.patch("orders", r#"{"state": "6"}"#).unwrap();
    let more = r#"{"add_columns": [{"name": "note", "type": "text", "default": "x"}], "add_indexes": [{"columns": ["note"]}]}"#;
    alter(&mut tables.session, "orders", more);
    alter(
        &mut tables.session,
        "orders",
        r#"{"drop_columns": ["note"], "alter_columns": [{"name": "state", "type": "int"}]}"#,
    );
    tables.patch("orders", r#"{"state": 7}"#).unwrap();
    let session = &mut tables.session;
    let events: Vec<_> = read(session, &of("orders", ""), Since::Earliest).unwrap().iter().map(line).collect();
    let rows: Vec<_> = events.iter().filter(|line| !line.starts_with("alter")).map(String::as_str).collect();
    assert_eq!(
        rows,
        [
            "create orders 1",
            "+ {id:1} - {id:1,status:5} ft",
            "~ {id:1} {id:1,state:5} {id:1,state:6} tt",
            "~ {id:1} {id:1,state:6} {id:1,state:7} tt",
        ]
    );
    assert!(events.iter().filter(|line| line.starts_with("alter")).count() >= 3, "{events:?}");
    // By its new name, and by the old one where it was that.
    let matching = |session: &mut Session, query: &str| {
        let events = read(session, &of("orders", query), Since::Earliest).unwrap();
        events.iter().filter(|event| matches!(event, FeedEvent::Row(_))).map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        matching(session, "state=eq.5&select=state"),
        ["+ {id:1} - {state:5} ft", "~ {id:1} {state:5} {state:6} tf"]
    );
}

#[test]
fn a_column_that_was_added_later_is_read_as_today() {
    let mut tables = Tables::new(&[("orders", FULL)]);
    tables.post("orders", r#"{"id": 1, "status": "open"}"#).unwrap();
    alter(&mut tables.session, "orders", r#"{"add_columns": [{"name": "kind", "type": "text", "default": "x"}]}"#);
    tables.post("orders", r#"{"id": 2, "status": "open", "kind": "y"}"#).unwrap();
    let lines = ["create orders 1", "+ {id:1} - {id:1,status:open} ft", "alter orders 2"];
    check(&mut tables.session, &of("orders", "kind=eq.x"), &lines);
    check(
        &mut tables.session,
        &of("orders", "kind=eq.y"),
        &["create orders 1", "alter orders 2", "+ {id:2} - {id:2,status:open,kind:y} ft"],
    );
    let error = read(&mut tables.session, &of("orders", "no=eq.1"), Since::Now).unwrap_err();
    assert!(matches!(error, FeedError::Table(error) if error.code == "42703"));
}

#[test]
fn a_dropped_table_is_decoded_and_its_successor_is_another_one() {
    let mut tables = changed(FULL);
    now(tables.session.drop_table("orders")).unwrap();
    tables.stage.database.maintain();
    let other =
        r#"{"columns": [{"name": "code", "type": "text"}, {"name": "id", "type": "text"}], "primary_key": ["code"]}"#;
    tables.create("orders", other);
    tables.post("orders", r#"{"code": "a", "id": "b"}"#).unwrap();
    check(
        &mut tables.session,
        &of("orders", ""),
        &[
            "create orders 1",
            "+ {id:1} - {id:1,status:open} ft",
            "+ {id:2} - {id:2,status:paid} ft",
            "~ {id:1} {id:1,status:open} {id:1,status:paid too} tt",
            "~ {id:2} {id:2,status:paid} {id:2,status:sent} tt",
            "- {id:2} {id:2,status:sent} - tf",
            "drop orders 1",
            "create orders 1",
            "+ {code:a} - {code:a,id:b} ft",
        ],
    );
    // A column of the successor is null in what was before it.
    check(
        &mut tables.session,
        &of("orders", "code=eq.a&select=code"),
        &["create orders 1", "drop orders 1", "create orders 1", "+ {code:a} - {code:a} ft"],
    );
    // One of the dropped table alone finds its rows; the feed ends where a table without it has some.
    let scope = of("orders", "status=eq.open&select=id");
    let page = now(tables.session.feed(&scope, &Since::Earliest, 10)).unwrap();
    let lines: Vec<_> = page.events.iter().map(line).collect();
    let expected =
        ["create orders 1", "+ {id:1} - {id:1} ft", "~ {id:1} {id:1} {id:1} tf", "drop orders 1", "create orders 1"];
    assert_eq!(lines, expected);
    let error = now(tables.session.feed(&scope, &Since::Cursor(page.cursor), 10)).unwrap_err();
    assert!(matches!(error, FeedError::Table(error) if error.code == "42703"));
    for (query, since) in [("status=eq.open", Since::Now), ("nothing=eq.open", Since::Earliest)] {
        let error = now(tables.session.feed(&of("orders", query), &since, 10)).unwrap_err();
        assert!(matches!(error, FeedError::Table(error) if error.code == "42703"), "{query}");
    }
}

#[test]
fn grants_decide_about_tables_by_their_names() {
    let mut tables = Tables::new(&[("orders", FULL), ("secret", NEW)]);
    tables.post("secret", r#"{"id": 1, "status": "open"}"#).unwrap();
    tables.post("orders", r#"{"id": 1, "status": "open"}"#).unwrap();
    tables.session.put("b", "a", "1");
    let grants = Grants::none().table("orders", Access::Read);
    let mut session = tables.stage.database.session_with(Arc::new(grants));
    let expected = ["create orders 1", "+ {id:1} - {id:1,status:open} ft"];
    check(&mut session, &FeedScope::All, &expected);
    for since in [Since::Now, Since::Earliest] {
        let outcome = read(&mut session, &of("secret", ""), since);
        assert!(matches!(outcome, Err(FeedError::Table(error)) if error.code == "PGRST205"));
    }
}

#[test]
fn what_changes_do_not_have_is_refused() {
    for query in ["order=id", "limit=1", "select=id,lines(id)", "select=count()", "select=id.sum()", "columns=id"] {
        let pairs = [query.split_once('=').unwrap()];
        assert!(TableFeed::new("orders", Parser::default().query(pairs).unwrap()).is_err(), "{query}");
    }
    let mut tables = Tables::new(&[("orders", FULL)]);
    let outcome = now(tables.session.feed(&of("orders", "select=count"), &Since::Earliest, 10));
    assert!(matches!(outcome, Err(FeedError::Table(_))));
    let outcome = now(tables.session.feed(&of("no_table", ""), &Since::Now, 10));
    assert!(matches!(outcome, Err(FeedError::Table(error)) if error.code == "PGRST205"));
}

#[test]
fn old_rows_count_in_the_size_of_a_transaction() {
    let written = |document: &str| {
        let limit = |limits: &mut Limits| limits.table_transaction_bytes_max = 4_000;
        let mut tables = Tables::with_limits(&[("orders", document)], limit);
        let long = format!(r#"{{"id": 1, "status": "{}"}}"#, "x".repeat(2_500));
        tables.post("orders", &long).unwrap();
        tables.patch("orders", &format!(r#"{{"status": "{}"}}"#, "y".repeat(1_800))).map(drop)
    };
    assert!(written(&FULL.replace(r#""indexes": [{"columns": ["status"]}], "#, "")).is_err());
    assert!(written(&NEW.replace(r#""unique": [["status"]]"#, r#""checks": []"#)).is_ok());
}

#[test]
fn definitions_are_kept_as_long_as_the_feed_has_changes_of_their_time() {
    let mut tables = Tables::with_limits(&[("orders", FULL)], |limits| limits.feed_age_ms_max = 1_000);
    tables.post("orders", r#"{"id": 1, "status": "open"}"#).unwrap();
    let start = tables.stage.database.store().stats().entries;
    for (from, to) in [("status", "a"), ("a", "b"), ("b", "status")] {
        alter(&mut tables.session, "orders", &format!(r#"{{"rename_columns": {{"{from}": "{to}"}}}}"#));
        tables.stage.database.maintain();
    }
    assert_eq!(tables.stage.database.store().stats().entries, start + 3);
    let cursor = now(tables.session.feed(&FeedScope::All, &Since::Earliest, 1)).unwrap().cursor;
    tables.stage.clock.advance_ms(2_000);
    tables.stage.database.maintain();
    tables.stage.database.maintain();
    assert_eq!(tables.stage.database.store().stats().entries, start + 1, "the mark of what was forgotten");
    let outcome = now(tables.session.feed(&FeedScope::All, &Since::Cursor(cursor), 10));
    assert!(matches!(outcome, Err(FeedError::Feed(error)) if error.code() == Code::Compacted));
    tables.patch("orders", r#"{"status": "new"}"#).unwrap();
    check(&mut tables.session, &of("orders", ""), &["~ {id:1} {id:1,status:open} {id:1,status:new} tt"]);
}

/// What the future is ready with once the log is written.
#[track_caller]
fn done<T>(database: &Database, future: impl Future<Output = T>) -> T {
    drive(database, future, 100).expect("it is ready once the log is written")
}

#[test]
fn a_restart_shows_the_same_changes_from_every_cursor() {
    let (disk, options) = (MemoryDisk::new(), WriteOptions::default());
    let open = || open_with(&disk, Limits::default(), StorageOptions::default());
    let scopes = || [FeedScope::All, of("orders", ""), of("orders", "status=eq.paid")];
    let before = {
        let database = open();
        let mut session = database.session();
        let document = mantis_db::tables::schema::TableDocument::read(FULL.as_bytes()).unwrap();
        done(&database, session.create_table("orders", &document)).unwrap();
        let rows = r#"[{"id": 1, "status": "open"}, {"id": 2, "status": "paid"}]"#;
        done(&database, post(&mut session, "orders", rows, &options)).unwrap();
        let change = TableChange::read(br#"{"rename_columns": {"status": "state"}}"#).unwrap();
        done(&database, session.alter_table("orders", &change)).unwrap();
        done(&database, patch(&mut session, "orders?id=eq.1", r#"{"state": "paid"}"#, &options)).unwrap();
        database.store().checkpoint().unwrap();
        done(&database, delete(&mut session, "orders?id=eq.2", &options)).unwrap();
        let change = TableChange::read(br#"{"rename_columns": {"state": "status"}}"#).unwrap();
        done(&database, session.alter_table("orders", &change)).unwrap();
        let all = scopes().map(|scope| read(&mut session, &scope, Since::Earliest).unwrap());
        done(&database, session.drop_table("orders")).unwrap();
        all
    };
    let database = open();
    database.maintain();
    database.store().flush();
    let mut session = database.session();
    for (scope, before) in scopes().iter().zip(before) {
        let after = read(&mut session, scope, Since::Earliest).unwrap();
        assert!(before.len() > 2 && after.starts_with(&before), "{scope:?}: {after:?}");
        for (place, event) in before.iter().enumerate() {
            let rest = read(&mut session, scope, Since::Cursor(event.cursor().to_owned())).unwrap();
            assert_eq!(rest, after[place + 1..]);
        }
    }
}

#[test]
fn a_restart_with_more_room_does_not_show_what_it_cannot_decode() {
    let (disk, options) = (MemoryDisk::new(), WriteOptions::default());
    let open = |feed_bytes_max: usize| {
        let mut limits = Limits::default();
        limits.feed_bytes_max = feed_bytes_max;
        open_with(&disk, limits, StorageOptions::default())
    };
    {
        let database = open(0);
        let mut session = database.session();
        let document = mantis_db::tables::schema::TableDocument::read(FULL.as_bytes()).unwrap();
        done(&database, session.create_table("orders", &document)).unwrap();
        done(&database, post(&mut session, "orders", r#"{"id": 1, "status": "open"}"#, &options)).unwrap();
        let change = TableChange::read(br#"{"rename_columns": {"status": "state"}}"#).unwrap();
        done(&database, session.alter_table("orders", &change)).unwrap();
        done(&database, patch(&mut session, "orders", r#"{"state": "paid"}"#, &options)).unwrap();
        for _ in 0..3 {
            database.maintain();
            database.store().flush();
        }
    }
    let database = open(1 << 20);
    let mut session = database.session();
    let events = read(&mut session, &FeedScope::All, Since::Earliest).unwrap();
    assert_eq!(
        events.iter().map(line).collect::<Vec<_>>(),
        ["alter orders 2", "~ {id:1} {id:1,state:open} {id:1,state:paid} tt"],
        "not what was before the definition that is forgotten"
    );
}

#[test]
fn a_page_is_bounded_by_what_it_shows() {
    let mut tables = Tables::new(&[("orders", NEW)]);
    let rows: Vec<_> = (0..40).map(|id| format!(r#"{{"id": {id}, "status": "{id}{}"}}"#, "x".repeat(2_000))).collect();
    tables.post("orders", &format!("[{}]", rows.join(","))).unwrap();
    let select = vec!["status"; 100].join(",");
    let scope = of("orders", &format!("select={select}"));
    let (mut since, mut shown) = (Since::Earliest, 0);
    loop {
        let page = now(tables.session.feed(&scope, &since, 100)).unwrap();
        let bytes = |event: &FeedEvent| match event {
            FeedEvent::Row(change) => change.row.as_ref().map_or(0, bytes::Bytes::len),
            _ => 0,
        };
        let bytes: usize = page.events.iter().map(bytes).sum();
        assert!(bytes < (1 << 20) + 250_000, "{bytes} bytes of {} events", page.events.len());
        shown += page.events.iter().filter(|event| matches!(event, FeedEvent::Row(_))).count();
        if page.at_end {
            break;
        }
        since = Since::Cursor(page.cursor);
    }
    assert_eq!(shown, 40, "every change is shown once");
}

#[test]
fn what_comes_before_a_change_that_cannot_be_shown_is_shown() {
    let mut tables = Tables::new(&[("orders", NEW)]);
    for (id, status) in [(1, "10"), (2, "20"), (3, "x")] {
        tables.post("orders", &format!(r#"{{"id": {id}, "status": "{status}"}}"#)).unwrap();
    }
    let scope = of("orders", "select=status::integer");
    let page = now(tables.session.feed(&scope, &Since::Earliest, 100)).unwrap();
    let lines: Vec<_> = page.events.iter().map(line).collect();
    assert_eq!(lines, ["create orders 1", "+ {id:1} - {status:10} ft", "+ {id:2} - {status:20} ft"]);
    assert!(!page.at_end);
    assert!(now(tables.session.feed(&scope, &Since::Cursor(page.cursor), 100)).is_err());
}
