//! Compares the server's rows and definitions with the books, and its reads by indexes with each other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::super::book::{Book, Effect, Held, Recorded};
use super::super::client::Connection;
use super::model::{CHILD, COLUMNS, PARENT, TABLES, canonical};
use super::work::{ids_from, note_key};
use super::{BALLAST, BALLAST_FROM, CLIENTS, Stage, alter};

impl Stage<'_> {
    /// Compares the server's data with the books, and begins new books with it.
    pub(super) fn check(&mut self, address: SocketAddr) {
        let mut connection = Connection::new(address).unwrap();
        let tables = [0, 1, 2].map(|table| {
            let path = format!("/tables/{}?select={}&order=id&id=lt.{BALLAST_FROM}", TABLES[table], COLUMNS[table]);
            connection.get(&path).as_array().unwrap().clone()
        });
        for client in 0..CLIENTS {
            let found = self.found(&mut connection, &tables, client);
            let path = self.books[client].clone();
            let (answered, is_open) = self.compare(&path, &found);
            self.counts.answered += answered;
            self.counts.open += u64::from(is_open);
        }
        let own = 0..CLIENTS;
        let is_own = |row: &Value| own.clone().any(|client| is_of(client, row));
        if let Some(row) = tables.iter().flatten().find(|row| !is_own(row)) {
            self.fail(&format!("{row} was never sent"));
        }
        let definition = connection.get("/schema/tables/child");
        let (altered, was_altering) = self.compare(&self.schema_book.clone(), &alter::found(&definition));
        self.counts.altered += altered;
        self.counts.altering += u64::from(was_altering);
        self.check_reads(&mut connection, &tables);
        let ballast = connection.get(&format!("/tables/child?select=count()&id=gte.{BALLAST_FROM}"));
        self.agree("the ballast", &ballast, &json!([{ "count": BALLAST }]));
        if alter::found(&definition).contains_key("schema/extra") {
            let others = connection.get("/tables/child?select=id&extra=isdistinct.7");
            self.agree("rows without their default", &others, &json!([]));
        }
    }

    /// A client's rows, and its key.
    fn found(&self, connection: &mut Connection, tables: &[Vec<Value>; 3], client: usize) -> BTreeMap<String, Held> {
        let mut found = BTreeMap::new();
        for (name, rows) in TABLES.iter().zip(tables) {
            for row in rows.iter().filter(|row| is_of(client, row)) {
                found.insert(format!("{name}/{}", row["id"]), Held::lasting(canonical(row)));
            }
        }
        let key = note_key(client);
        let note = connection.send("GET", &format!("/{key}"), "Accept: text/plain, */*\r\n", "").unwrap();
        if note.status == 200 {
            let text: Value = note.json();
            found.insert(key, Held::lasting(text.as_str().unwrap().to_owned()));
        } else if note.status != 404 {
            self.fail(&note.head);
        }
        found
    }

    /// What was answered is there, and what was open is there as a whole or not at all. How much was answered, and whether any was open.
    fn compare(&self, path: &Path, found: &BTreeMap<String, Held>) -> (u64, bool) {
        let mut recorded = Recorded::read(path);
        let open = recorded.open.take();
        if let Some(open) = &open {
            let is_after = |(key, held): &Effect| found.get(key) == held.as_ref();
            let is_before = |(key, _): &Effect| found.get(key) == recorded.held.get(key);
            if open.iter().all(is_after) {
                recorded.apply(open, None);
            } else if !open.iter().all(is_before) {
                self.fail(&format!("a statement is there in parts: {open:?} of {:?}, and {found:?}", recorded.held));
            }
        }
        for key in recorded.held.keys().chain(found.keys()) {
            let (recorded, found) = (recorded.held.get(key), found.get(key));
            // The first definition is not in the notes.
            let is_first = recorded.is_none() && key == "schema/w" && found.is_some_and(|held| held.value == "integer");
            if recorded != found && !is_first {
                self.fail(&format!("{key} is {found:?}; it was {recorded:?}"));
            }
        }
        Book::begin(path, found);
        (recorded.done.len() as u64, open.is_some())
    }

    /// Reads by each index have what reading all rows has.
    fn check_reads(&self, connection: &mut Connection, tables: &[Vec<Value>; 3]) {
        let children = &tables[CHILD];
        let own = format!("select={}&id=lt.{BALLAST_FROM}&order=id", COLUMNS[CHILD]);
        for parent in &tables[PARENT] {
            let path =
                format!("/tables/parent?select={}&code=eq.{}", COLUMNS[PARENT], parent["code"].as_str().unwrap());
            self.agree(&path, &connection.get(&path), &json!([parent]));
            let path = format!("/tables/child?{own}&parent=eq.{}", parent["id"]);
            let expected: Vec<_> = children.iter().filter(|row| row["parent"] == parent["id"]).collect();
            self.agree(&path, &connection.get(&path), &json!(expected));
        }
        for child in children {
            let path = format!("/tables/child?{own}&tag=eq.{}", child["tag"].as_str().unwrap());
            self.agree(&path, &connection.get(&path), &json!([child]));
        }
        for kind in ["red", "green", "blue"] {
            let path = format!("/tables/child?{own}&data-%3E%3Ekind=eq.{kind}");
            let expected: Vec<_> = children.iter().filter(|row| row["data"]["kind"] == kind).collect();
            self.agree(&path, &connection.get(&path), &json!(expected));
        }
        let path = format!("/tables/child?select=id&n=gt.5&id=lt.{BALLAST_FROM}&order=n.desc,id");
        let mut large: Vec<_> = children.iter().filter(|row| row["n"].as_i64() > Some(5)).collect();
        large.sort_by_key(|row| (-row["n"].as_i64().unwrap(), row["id"].as_i64()));
        let expected: Vec<_> = large.iter().map(|row| json!({ "id": row["id"] })).collect();
        self.agree(&path, &connection.get(&path), &json!(expected));
    }

    #[track_caller]
    fn agree(&self, what: &str, found: &Value, expected: &Value) {
        if found != expected {
            self.fail(&format!("{what}: {found}, not {expected}"));
        }
    }
}

fn is_of(client: usize, row: &Value) -> bool {
    let from = ids_from(client);
    row["id"].as_i64().is_some_and(|id| (from..from + 1_000).contains(&id))
}
