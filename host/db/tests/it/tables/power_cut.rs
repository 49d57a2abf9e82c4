//! The power goes after any operation on the disk: rows, entries and definitions are those of some prefix of the statements, with all that was
//! acknowledged.
//!
//! `MANTIS_TORTURE=n` takes n times as many workloads.

use std::cell::RefCell;

use mantis_db::tables::schema::{TableChange, TableDocument};
use mantis_db::tables::{Resolution, WriteOptions};
use mantis_db::{Database, Limits, Session, StorageOptions};
use mantis_store::disk::MemoryDisk;
use mantis_store::testing::{PowerCutDisk, Tearing, Wreck};

use super::support::{check_tables, delete, get, key_count, patch, post};
use crate::on_disk::{drive, open_with};
use crate::support::now;

const PARENT: &str = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"code","type":"text"}],
    "primary_key":["id"],"unique":[["code"]]}"#;
const CHILD: &str = r#"{"columns":[{"name":"id","type":"bigint","identity":true},{"name":"parent","type":"integer"},
      {"name":"n","type":"integer"},{"name":"code","type":"text"},{"name":"data","type":"jsonb"},
      {"name":"w","type":"integer","default":1}],
    "primary_key":["id"],
    "indexes":[{"columns":["parent","n"]},{"columns":[{"column":"n","descending":true}],"filter":"n=gt.3"},
               {"columns":["data->>k"]}],
    "foreign_keys":[{"columns":["parent"],"references":{"table":"parent","columns":["id"]},
                     "on_delete":"cascade","on_update":"cascade"},
                    {"columns":["code"],"references":{"table":"parent","columns":["code"]},
                     "on_delete":"set null","on_update":"set null"}]}"#;

/// Changes of `child`; each may be refused, by what is there and by a change that was interrupted.
const CHANGES: [&str; 9] = [
    r#"{"add_columns":[{"name":"more","type":"integer","default":7}],"add_checks":[{"name":"few","check":"n=lt.100"}]}"#,
    r#"{"drop_columns":["more"],"drop_constraints":["few"]}"#,
    r#"{"add_indexes":[{"name":"added","columns":["w",{"column":"id","descending":true}],"filter":"data->>k=neq.3"}]}"#,
    r#"{"drop_indexes":["added"]}"#,
    r#"{"alter_columns":[{"name":"w","type":"numeric(6,1)"}]}"#,
    r#"{"alter_columns":[{"name":"w","type":"integer"}]}"#,
    r#"{"add_unique":[{"name":"once","columns":["parent","n"]}]}"#,
    r#"{"drop_constraints":["once"]}"#,
    r#"{"drop_constraints":["child_pkey"],"add_primary_key":["id"]}"#,
];

const WORKLOADS: u64 = 6;
const STATEMENTS: u64 = 40;
/// Random images of each wreck.
const IMAGES: u64 = 3;

/// Pseudo-random numbers (`splitmix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn storage() -> StorageOptions {
    // Now and then a checkpoint, also in the middle of what is torn.
    StorageOptions { checkpoint_bytes: 4_000, ..StorageOptions::default() }
}

fn open(disk: &MemoryDisk) -> Database {
    open_with(disk, Limits::default(), storage())
}

#[track_caller]
fn define(database: &Database, session: &mut Session, name: &str, document: &str) {
    let document = TableDocument::read(document.as_bytes()).unwrap();
    drive(database, session.create_table(name, &document), 9).unwrap().unwrap();
}

/// All rows of both tables.
fn rows(database: &Database) -> [String; 2] {
    let mut session = database.session();
    ["parent?order=id", "child?order=id"].map(|target| get(&mut session, target))
}

/// The images of a wreck: nothing of what is uncertain, all of it, and some.
fn images(wreck: &Wreck, numbers: &mut Numbers, count: u64) -> Vec<MemoryDisk> {
    let mut images = vec![wreck.least()];
    if !wreck.is_certain() {
        images.push(wreck.most());
        for image in 0..count {
            let tearing = if image % 2 == 0 { Tearing::Sectors } else { Tearing::Bytes };
            images.push(wreck.disk(tearing, |ways| numbers.below(ways)));
        }
    }
    images
}

/// A random statement, driven to its end or given up before its commit is durable; whether it was acknowledged.
fn some_statement(database: &Database, session: &mut Session, numbers: &mut Numbers) -> bool {
    let merge = WriteOptions { resolution: Resolution::Merge, ..WriteOptions::default() };
    let plain = WriteOptions::default();
    let (id, other, n) = (numbers.below(5), numbers.below(5), numbers.below(8));
    let writes_max = if numbers.below(8) == 0 { 0 } else { 30 };
    let answer = match numbers.below(12) {
        0 | 1 => {
            let body = format!(r#"[{{"id":{id},"code":"c{n}"}},{{"id":{},"code":"d{n}"}}]"#, id + 5);
            drive(database, post(session, "parent", &body, &merge), writes_max)
        }
        2..6 => {
            let more = format!(r#""code":"c{other}","data":{{"k":{n}}}"#);
            let last = if n % 2 == 0 { more } else { r#""code":null,"data":null"#.to_owned() };
            let body = format!(
                r#"[{{"parent":{id},"n":{n}}},{{"parent":{other},"n":{}}},{{"parent":null,"n":{n},{last}}}]"#,
                n + 1
            );
            drive(database, post(session, "child", &body, &plain), writes_max)
        }
        6 => drive(
            database,
            patch(session, &format!("child?n=gte.{n}"), &format!(r#"{{"n":{other}}}"#), &plain),
            writes_max,
        ),
        7 => {
            let body = format!(r#"{{"id":{}}}"#, other + 5);
            drive(database, patch(session, &format!("parent?id=eq.{id}"), &body, &plain), writes_max)
        }
        8 => drive(database, delete(session, &format!("parent?id=eq.{id}"), &plain), writes_max),
        9 => drive(database, delete(session, &format!("child?n=eq.{n}"), &plain), writes_max),
        change => {
            let change = CHANGES[usize::try_from(n).unwrap() / 2 * 2 + usize::try_from(change).unwrap() % 2];
            let change = TableChange::read(change.as_bytes()).unwrap();
            let altered = drive(database, session.alter_table("child", &change), writes_max);
            // As the server does now and then: it takes back what was interrupted, and converts older rows.
            database.maintain();
            database.store().flush();
            return altered.is_some_and(|altered| altered.is_ok());
        }
    };
    // What was given up is a commit of its own, and not acknowledged.
    database.store().flush();
    // A refusal writes nothing, and is none of the states.
    answer.is_some_and(|answer| answer.is_ok())
}

#[test]
fn whenever_the_power_goes_statements_are_there_whole_or_not_at_all() {
    let times: u64 = std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap());
    let mut checked = 0;
    for seed in 0..WORKLOADS * times {
        let (disk, mut numbers) = (PowerCutDisk::new(), Numbers(seed));
        let database = open_with(&disk, Limits::default(), storage());
        let mut session = database.session();
        define(&database, &mut session, "parent", PARENT);
        define(&database, &mut session, "child", CHILD);
        let began = disk.operations();
        // The rows after each statement, and the operations that were done when it was acknowledged, if it was.
        let mut states = vec![(rows(&database), Some(began))];
        for step in 0..STATEMENTS {
            let is_acknowledged = some_statement(&database, &mut session, &mut numbers);
            states.push((rows(&database), is_acknowledged.then(|| disk.operations())));
            if step % 16 == 15 {
                database.store().checkpoint().unwrap();
            }
        }
        database.store().flush();
        check_tables(&database);
        disk.cuts(|operations, wreck| {
            if operations < began {
                return;
            }
            let due = states.iter().rposition(|(_, at)| at.is_some_and(|at| at <= operations)).unwrap();
            for image in images(wreck, &mut numbers, IMAGES) {
                let reopened = open(&image);
                let found = rows(&reopened);
                let is_one = states[due..].iter().any(|(rows, _)| *rows == found);
                assert!(is_one, "seed {seed}, after operation {operations}: {found:?} is none of {:?}", &states[due..]);
                check_tables(&reopened);
                checked += 1;
            }
        });
    }
    println!("{checked} images");
    assert!(checked >= 500 * times, "{checked} images are too few");
}

const FILLED: u32 = 700;

/// Cuts the power within a change of the table `t`, and shows `see` what is left once housekeeping is done.
fn cut_within(work: impl FnOnce(&Database, &mut Session), mut see: impl FnMut(&Database, bool)) {
    let (disk, mut numbers) = (PowerCutDisk::new(), Numbers(1));
    let database = open_with(&disk, Limits::default(), storage());
    let mut session = database.session();
    define(
        &database,
        &mut session,
        "t",
        r#"{"columns":[{"name":"id","type":"integer","nullable":false},
        {"name":"word","type":"text"},{"name":"n","type":"integer"}],"primary_key":["id"],"indexes":[{"columns":["word"]}]}"#,
    );
    let rows: Vec<_> = (0..FILLED).map(|id| format!(r#"{{"id":{id},"word":"w{id}","n":{}}}"#, id % 9)).collect();
    let body = format!("[{}]", rows.join(","));
    drive(&database, post(&mut session, "t", &body, &WriteOptions::default()), 9).unwrap().unwrap();
    let began = disk.operations();
    work(&database, &mut session);
    let ended = disk.operations();
    disk.cuts(|operations, wreck| {
        if operations < began {
            return;
        }
        for image in images(wreck, &mut numbers, 1) {
            let reopened = open(&image);
            check_tables(&reopened);
            for _ in 0..6 {
                reopened.maintain();
                reopened.store().flush();
            }
            check_tables(&reopened);
            see(&reopened, operations == ended);
        }
    });
}

#[test]
fn an_index_is_built_or_gone_whenever_the_power_goes() {
    let change = TableChange::read(br#"{"add_unique":[["word"]]}"#).unwrap();
    let (mut gone, mut built) = (0, 0);
    cut_within(
        |database, session| {
            drive(database, session.alter_table("t", &change), 30).unwrap().unwrap();
        },
        |database, is_ended| {
            let mut session = database.session();
            let is_built = !now(session.describe_table("t")).unwrap().unique.is_empty();
            let row = |database: &Database, body: &str| {
                let mut session = database.session();
                drive(database, post(&mut session, "t", body, &WriteOptions::default()), 9).unwrap()
            };
            // Nothing is left of a build that is gone, and writers do not keep it up.
            let keys = key_count(database);
            let entries = if is_built { 2 } else { 1 };
            assert_eq!(keys, u64::from(FILLED) * (1 + entries) + 3, "the rows, their entries, and the catalogue");
            row(database, r#"{"id":-1,"word":"new"}"#).unwrap();
            assert_eq!(key_count(database), keys + 1 + entries);
            assert_eq!(row(database, r#"{"id":-2,"word":"w1"}"#).is_err(), is_built);
            assert!(is_built || !is_ended, "it was acknowledged");
            *if is_built { &mut built } else { &mut gone } += 1;
            check_tables(database);
        },
    );
    assert!(gone > 5 && built > 0, "{gone} gone, {built} built");
}

#[test]
fn a_table_is_there_or_gone_whenever_the_power_goes() {
    let (mut there, mut gone) = (0, 0);
    cut_within(
        |database, session| {
            drive(database, session.drop_table("t"), 30).unwrap().unwrap();
        },
        |database, is_ended| {
            let mut session = database.session();
            let is_there = now(session.describe_table("t")).is_ok();
            let keys = key_count(database);
            // The numbering, and the schema for readers of the feed.
            assert_eq!(keys, if is_there { u64::from(FILLED) * 2 + 3 } else { 2 });
            assert!(!is_there || !is_ended, "it was acknowledged");
            *if is_there { &mut there } else { &mut gone } += 1;
        },
    );
    assert!(there > 0 && gone > 2, "{there} there, {gone} gone");
}

/// A change is made as a whole or not at all: the definition is the one before or the one after, and rows are as it says.
#[track_caller]
fn check_change(change: &str, row_after: impl Fn(u32) -> String) {
    let change = TableChange::read(change.as_bytes()).unwrap();
    let definition = |database: &Database| format!("{:?}", now(database.session().describe_table("t")).unwrap());
    let row_before = |id| format!(r#"{{"id":{id},"word":"w{id}","n":{}}}"#, id % 9);
    let rows = [(0..FILLED).map(row_before).collect::<Vec<_>>(), (0..FILLED).map(row_after).collect()];
    let rows = rows.map(|rows| format!("[{}]", rows.join(",")));
    let (definitions, mut met) = (RefCell::new(Vec::new()), [0, 0]);
    cut_within(
        |database, session| {
            definitions.borrow_mut().push(definition(database));
            drive(database, session.alter_table("t", &change), 60).unwrap().unwrap();
            definitions.borrow_mut().push(definition(database));
        },
        |database, is_ended| {
            let found = (definition(database), get(&mut database.session(), "t?order=id"));
            let definitions = definitions.borrow();
            let place = (0..2).find(|&place| found == (definitions[place].clone(), rows[place].clone()));
            let place = place.unwrap_or_else(|| panic!("{found:?} is neither before nor after"));
            assert!(place == 1 || !is_ended, "it was acknowledged");
            met[place] += 1;
        },
    );
    assert!(met[0] > 0 && met[1] > 0, "{met:?} images before and after");
}

#[test]
fn a_change_is_made_whole_or_not_at_all_whenever_the_power_goes() {
    check_change(r#"{"alter_columns":[{"name":"n","type":"numeric(5,2)"}]}"#, |id| {
        format!(r#"{{"id":{id},"word":"w{id}","n":{}.00}}"#, id % 9)
    });
    let several = r#"{"drop_columns":["n"],"rename_columns":{"word":"text"},
        "add_columns":[{"name":"more","type":"integer","default":7}],"add_checks":[{"check":"id=gte.0"}],
        "add_indexes":[{"columns":["id",{"column":"word","descending":true}],"filter":"id=gt.5"}]}"#;
    check_change(several, |id| format!(r#"{{"id":{id},"text":"w{id}","more":7}}"#));
    let retyped = r#"{"alter_columns":[{"name":"id","type":"numeric"},{"name":"word","type":"varchar(9)"},{"name":"n","type":"text"}],
        "add_indexes":[{"columns":["n","id"],"filter":"id=gt.5"}]}"#;
    let text = |id| format!(r#"{{"id":{id},"word":"w{id}","n":"{}"}}"#, id % 9);
    check_change(retyped, text);
    let row = |id| format!(r#"{{"id":{id},"word":"w{id}","n":{}}}"#, id % 9);
    check_change(r#"{"drop_constraints":["t_pkey"],"add_primary_key":["word","id"]}"#, row);
    let numbered = |id| format!(r#"{{"id":{id},"word":"w{id}","n":{},"number":{}}}"#, id % 9, id + 1);
    check_change(r#"{"add_columns":[{"name":"number","type":"serial"}],"add_unique":[["number"]]}"#, numbered);
}
