//! Definitions of tables: made, confirmed, shown and dropped, also across restarts and interruptions.

use std::sync::Arc;

use mantis_db::tables::define::DescribeLimits;
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{TableError, TableResult};
use mantis_db::{Access, Database, Grants, Isolation, Limits, Session, StorageOptions};
use mantis_store::disk::MemoryDisk;

use super::support::key_count;
use crate::on_disk::{drive, open_with};
use crate::support::{Short, Stage, now};

const CLIENTS: &str = r#"{"columns": [{"name": "id", "type": "integer"}], "primary_key": ["id"]}"#;
const ORDERS: &str = r#"{"columns": [{"name": "id", "type": "bigint", "identity": true}, {"name": "client", "type": "int"}],
    "primary_key": ["id"], "indexes": [{"columns": ["client"]}],
    "foreign_keys": [{"columns": ["client"], "references": {"table": "clients"}}]}"#;

fn document(json: &str) -> TableDocument {
    TableDocument::read(json.as_bytes()).unwrap()
}

#[track_caller]
fn create(session: &mut Session, name: &str, json: &str) -> bool {
    now(session.create_table(name, &document(json))).unwrap().is_new
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: TableResult<T>) -> TableError {
    result.expect_err("it should have failed")
}

fn names(session: &mut Session) -> Vec<String> {
    now(session.describe_tables()).unwrap().into_iter().filter_map(|table| table.name).collect()
}

#[test]
fn a_table_is_made_once_and_then_confirmed() {
    let stage = Stage::new();
    let mut session = stage.session();
    assert!(create(&mut session, "clients", CLIENTS));
    let version = stage.database.version();
    assert!(!create(&mut session, "clients", CLIENTS));
    let shown = now(session.describe_table("clients")).unwrap();
    assert!(!now(session.create_table("clients", &shown)).unwrap().is_new);
    assert_eq!(stage.database.version(), version, "nothing was written");
    let other = CLIENTS.replace("integer", "bigint");
    let error = refused(now(session.create_table("clients", &document(&other))));
    assert_eq!((error.code, error.message.as_str()), ("42P07", "relation \"clients\" already exists"));
    assert_eq!(error.details.as_deref(), Some("Column \"id\" is of type integer and not bigint."));
}

#[test]
fn definitions_are_shown_up_to_a_bound() {
    let stage = Stage::new();
    let mut session = stage.session();
    create(&mut session, "clients", CLIENTS);
    create(&mut session, "orders", ORDERS);
    let mut shown = |tables_max, columns_max, stored_bytes_max| {
        let limits = DescribeLimits { tables_max, columns_max, stored_bytes_max };
        let (tables, left_out) = now(session.describe_tables_within(limits)).unwrap();
        (tables.into_iter().filter_map(|table| table.name).collect::<Vec<_>>(), left_out)
    };
    assert_eq!(shown(2, 3, 9_999), (vec!["clients".to_owned(), "orders".to_owned()], 0));
    assert_eq!(shown(2, 2, 9_999), (vec!["clients".to_owned()], 1));
    assert_eq!(shown(1, 9, 9_999), (vec!["clients".to_owned()], 1));
    assert_eq!(shown(9, 0, 9_999), (Vec::new(), 2));
    assert_eq!(shown(9, 9, 9), (Vec::new(), 2));
}

#[test]
fn the_fingerprint_is_that_of_the_definitions() {
    let stage = Stage::new();
    let mut session = stage.session();
    let mut seen = vec![now(session.tables_fingerprint()).unwrap()];
    create(&mut session, "clients", CLIENTS);
    seen.push(now(session.tables_fingerprint()).unwrap());
    create(&mut session, "clients", CLIENTS);
    assert_eq!(now(session.tables_fingerprint()).unwrap(), seen[1], "nothing was written");
    create(&mut session, "others", CLIENTS);
    seen.push(now(session.tables_fingerprint()).unwrap());
    now(session.drop_table("others")).unwrap();
    assert_eq!(now(session.tables_fingerprint()).unwrap(), seen[1], "the same definitions");
    create(&mut session, "others", CLIENTS);
    seen.push(now(session.tables_fingerprint()).unwrap());
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_table_that_is_referenced_stays() {
    let stage = Stage::new();
    let mut session = stage.session();
    create(&mut session, "clients", CLIENTS);
    create(&mut session, "orders", ORDERS);
    let error = refused(now(session.drop_table("clients")));
    assert_eq!(error.code, "2BP01");
    let details = "constraint orders_client_fkey on table orders depends on table clients";
    assert_eq!(error.details.as_deref(), Some(details));
    now(session.drop_table("orders")).unwrap();
    now(session.drop_table("clients")).unwrap();
    assert!(names(&mut session).is_empty());
    let own = r#"{"columns": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}], "primary_key": ["a"],
        "foreign_keys": [{"columns": ["b"], "references": {"table": "own"}}]}"#;
    create(&mut session, "own", own);
    now(session.drop_table("own")).unwrap();
}

#[test]
fn a_table_that_is_not_there_is_named_with_its_nearest() {
    let stage = Stage::new();
    let mut session = stage.session();
    create(&mut session, "orders", &ORDERS.replace("\"clients\"", "\"orders\""));
    create(&mut session, "secrets", CLIENTS);
    let error = refused(now(session.describe_table("ordrs")));
    assert_eq!(
        (error.code, error.message.as_str()),
        ("PGRST205", "Could not find the table 'public.ordrs' in the schema cache")
    );
    assert_eq!(error.hint.as_deref(), Some("Perhaps you meant the table 'public.orders'"));
    session.set_grants(Arc::new(Grants::none().table("orders", Access::Read)));
    assert_eq!(refused(now(session.describe_table("secret"))).hint, None, "hidden tables are no hints");
    assert_eq!(refused(now(session.describe_table("secrets"))).code, "PGRST205");
    assert_eq!(names(&mut session), ["orders"]);
}

#[test]
fn grants_decide_about_definitions() {
    let stage = Stage::new();
    let mut session = stage.session();
    create(&mut session, "clients", CLIENTS);
    let grants =
        Grants::none().table("clients", Access::Read).table("orders", Access::Write).bucket("x", Access::Write);
    session.set_grants(Arc::new(grants));
    assert_eq!(refused(now(session.drop_table("clients"))).code, "42501");
    assert_eq!(refused(now(session.create_table("x", &document(CLIENTS)))).code, "PGRST205");
    // A foreign key keeps rows of the other table from going.
    assert_eq!(refused(now(session.create_table("orders", &document(ORDERS)))).code, "42501");
    create(&mut session, "orders", CLIENTS);
    now(session.drop_table("orders")).unwrap();
}

#[test]
fn definitions_belong_to_no_transaction() {
    let stage = Stage::new();
    let mut session = stage.session();
    create(&mut session, "clients", CLIENTS);
    now(session.begin(Isolation::Serializable)).unwrap();
    assert_eq!(refused(now(session.create_table("a", &document(CLIENTS)))).code, "25001");
    assert_eq!(refused(now(session.drop_table("clients"))).code, "25001");
    assert_eq!(names(&mut session), ["clients"]);
}

#[test]
fn buckets_and_tables_do_not_see_each_other() {
    let stage = Stage::new();
    let mut session = stage.session();
    create(&mut session, "clients", CLIENTS);
    session.put("clients", "a", "1");
    let buckets: Vec<_> = now(session.buckets()).unwrap().into_iter().map(|bucket| bucket.name).collect();
    assert_eq!(buckets, ["clients", "default"]);
    now(session.drop_bucket("clients")).unwrap();
    assert_eq!(names(&mut session), ["clients"]);
    session.put("orders", "a", "1");
    assert_eq!(refused(now(session.drop_table("orders"))).code, "PGRST205");
    now(session.drop_table("clients")).unwrap();
    assert_eq!(session.text("orders", "a").as_deref(), Some("1"));
}

#[test]
fn tables_are_limited() {
    let stage = Stage::with(|limits| limits.tables_max = 2);
    let mut session = stage.session();
    create(&mut session, "a", CLIENTS);
    create(&mut session, "b", CLIENTS);
    assert_eq!(refused(now(session.create_table("c", &document(CLIENTS)))).code, "54000");
    now(session.drop_table("a")).unwrap();
    create(&mut session, "c", CLIENTS);
    assert!(!create(&mut session, "c", CLIENTS));
}

fn open(disk: &MemoryDisk) -> Database {
    open_with(disk, Limits::default(), StorageOptions::default())
}

#[test]
fn definitions_survive_a_restart() {
    let disk = MemoryDisk::new();
    let database = open(&disk);
    let mut session = database.session();
    drive(&database, session.create_table("clients", &document(CLIENTS)), 1).unwrap().unwrap();
    drive(&database, session.create_table("orders", &document(ORDERS)), 1).unwrap().unwrap();
    let before = now(session.describe_tables()).unwrap();
    drop((session, database));
    let database = open(&disk);
    let mut session = database.session();
    assert_eq!(now(session.describe_tables()).unwrap(), before);
    assert_eq!(refused(drive(&database, session.drop_table("clients"), 3).unwrap()).code, "2BP01");
    drive(&database, session.drop_table("orders"), 9).unwrap().unwrap();
    drive(&database, session.drop_table("clients"), 9).unwrap().unwrap();
}

#[test]
fn an_interrupted_drop_of_a_table_is_finished() {
    for writes in 0..4 {
        for ends in [true, false] {
            let disk = MemoryDisk::new();
            let database = open(&disk);
            let mut session = database.session();
            drive(&database, session.create_table("clients", &document(CLIENTS)), 1).unwrap().unwrap();
            drive(&database, session.create_table("orders", &document(ORDERS)), 1).unwrap().unwrap();
            let done = drive(&database, session.drop_table("orders"), writes);
            assert_eq!(done.is_some(), writes > 2, "{writes}: {done:?}");
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
            let is_there = names(&mut database.session()) == ["clients", "orders"];
            // A drop of which nothing was durable did not happen.
            assert_eq!(is_there, writes == 0 && ends, "{writes}");
            // The numbering, of each table a schema and a name, and of a dropped one the schema for readers of its changes.
            assert_eq!(key_count(&database), if is_there { 5 } else { 4 }, "{writes}, {ends}: nothing else is left");
            let dropped = drive(&database, database.session().drop_table("clients"), 9).unwrap();
            assert_eq!(dropped.is_ok(), !is_there, "the reference goes with the table: {dropped:?}");
        }
    }
}

#[test]
fn futures_of_definitions_go_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let stage = Stage::new();
    let mut session = stage.session();
    let clients = document(CLIENTS);
    is_send(session.create_table("a", &clients));
    is_send(session.drop_table("a"));
    is_send(session.describe_table("a"));
    is_send(session.describe_tables());
}
