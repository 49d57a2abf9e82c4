//! What statements do to a client's rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::book::{Effect, Held};

pub(super) const PARENT: usize = 0;
pub(super) const CHILD: usize = 1;
pub(super) const LINE: usize = 2;
pub(super) const TABLES: [&str; 3] = ["parent", "child", "line"];
/// The columns that are compared: one is added and dropped all the time.
pub(super) const COLUMNS: [&str; 3] = ["id,code,n", "id,parent,twin,n,w,tag,data", "id,child,amount"];

/// A client's rows by table and id, and its key in the bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) tables: [BTreeMap<i64, Value>; 3],
    note: Option<String>,
}

/// A statement, or the write of the key.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Upsert {
        table: usize,
        rows: Vec<Value>,
    },
    Insert {
        table: usize,
        rows: Vec<Value>,
    },
    MoveParent {
        from: i64,
        to: i64,
    },
    DeleteParent {
        id: i64,
    },
    PatchChildren {
        parent: i64,
        n: i64,
        kind: &'static str,
    },
    /// By their ids; those that are not there are left out.
    PatchMany {
        rows: Vec<Value>,
    },
    DeleteChildren {
        above: i64,
        from: i64,
        to: i64,
    },
    Note {
        key: String,
        text: String,
    },
}

impl Rows {
    pub(super) fn of(held: &BTreeMap<String, Held>) -> Self {
        let mut rows = Self::default();
        for (key, held) in held {
            let (table, id) = key.split_once('/').unwrap();
            match TABLES.iter().position(|name| *name == table) {
                Some(table) => {
                    let row = serde_json::from_str(&held.value).unwrap();
                    rows.tables[table].insert(id.parse().unwrap(), row);
                }
                None => rows.note = Some(held.value.clone()),
            }
        }
        rows
    }

    /// What is different in `after`.
    pub(super) fn effects(&self, after: &Self, note_key: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (name, (before, after)) in TABLES.iter().zip(self.tables.iter().zip(&after.tables)) {
            let gone = before.keys().filter(|id| !after.contains_key(*id));
            effects.extend(gone.map(|id| (format!("{name}/{id}"), None)));
            let new = after.iter().filter(|(id, row)| before.get(id) != Some(row));
            effects.extend(new.map(|(id, row)| (format!("{name}/{id}"), Some(Held::lasting(row.to_string())))));
        }
        if self.note != after.note {
            effects.push((note_key.to_owned(), after.note.clone().map(Held::lasting)));
        }
        effects
    }

    /// Applies a change; false if it breaks a key.
    pub(super) fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Upsert { table, rows } => rows.iter().all(|row| self.put(*table, row)),
            Change::Insert { table, rows } => {
                rows.iter().all(|row| !self.tables[*table].contains_key(&id_of(row)) && self.put(*table, row))
            }
            Change::MoveParent { from, to } => self.move_parent(*from, *to),
            Change::DeleteParent { id } => {
                self.delete_parent(*id);
                true
            }
            Change::PatchChildren { parent, n, kind } => {
                for child in self.children("parent", *parent) {
                    let row = self.tables[CHILD].get_mut(&child).unwrap();
                    row["n"] = json!(n);
                    row["data"] = json!({ "kind": kind });
                }
                true
            }
            Change::PatchMany { rows } => {
                for patch in rows {
                    let Some(row) = self.tables[CHILD].get_mut(&id_of(patch)) else { continue };
                    let row = row.as_object_mut().unwrap();
                    row.extend(patch.as_object().unwrap().clone());
                }
                true
            }
            Change::DeleteChildren { above, .. } => {
                let children = self.tables[CHILD].iter();
                let large = children.filter(|(_, row)| row["n"].as_i64().unwrap() > *above).map(|(id, _)| *id);
                for child in large.collect::<Vec<_>>() {
                    self.delete_child(child);
                }
                true
            }
            Change::Note { text, .. } => {
                self.note = Some(text.clone());
                true
            }
        }
    }

    fn put(&mut self, table: usize, row: &Value) -> bool {
        let is_there =
            |table: usize, id: &Value| id.is_null() || self.tables[table].contains_key(&id.as_i64().unwrap());
        let is_allowed = match table {
            PARENT => {
                !self.tables[PARENT].values().any(|other| other["code"] == row["code"] && other["id"] != row["id"])
            }
            CHILD => is_there(PARENT, &row["parent"]) && is_there(PARENT, &row["twin"]),
            _ => is_there(CHILD, &row["child"]),
        };
        if is_allowed {
            self.tables[table].insert(id_of(row), row.clone());
        }
        is_allowed
    }

    fn move_parent(&mut self, from: i64, to: i64) -> bool {
        if from == to || !self.tables[PARENT].contains_key(&from) {
            return true;
        }
        if self.tables[PARENT].contains_key(&to) {
            return false;
        }
        let mut row = self.tables[PARENT].remove(&from).unwrap();
        row["id"] = json!(to);
        self.tables[PARENT].insert(to, row);
        for column in ["parent", "twin"] {
            for child in self.children(column, from) {
                self.tables[CHILD].get_mut(&child).unwrap()[column] = json!(to);
            }
        }
        true
    }

    fn delete_parent(&mut self, id: i64) {
        if self.tables[PARENT].remove(&id).is_none() {
            return;
        }
        for child in self.children("parent", id) {
            self.delete_child(child);
        }
        for child in self.children("twin", id) {
            self.tables[CHILD].get_mut(&child).unwrap()["twin"] = Value::Null;
        }
    }

    fn delete_child(&mut self, id: i64) {
        self.tables[CHILD].remove(&id);
        self.tables[LINE].retain(|_, line| line["child"] != json!(id));
    }

    fn children(&self, column: &str, parent: i64) -> Vec<i64> {
        let children = self.tables[CHILD].iter();
        children.filter(|(_, row)| row[column] == json!(parent)).map(|(id, _)| *id).collect()
    }
}

fn id_of(row: &Value) -> i64 {
    row["id"].as_i64().unwrap()
}

impl Change {
    /// Method, path, preference and body of the request.
    pub(super) fn request(&self) -> (&'static str, String, &'static str, Value) {
        const NONE: &str = "";
        match self {
            Self::Upsert { table, rows } => {
                let path = format!("/tables/{}?on_conflict=id", TABLES[*table]);
                ("POST", path, "Prefer: resolution=merge-duplicates\r\n", rows.clone().into())
            }
            Self::Insert { table, rows } => ("POST", format!("/tables/{}", TABLES[*table]), NONE, rows.clone().into()),
            Self::MoveParent { from, to } => {
                ("PATCH", format!("/tables/parent?id=eq.{from}"), NONE, json!({ "id": to }))
            }
            Self::DeleteParent { id } => ("DELETE", format!("/tables/parent?id=eq.{id}"), NONE, Value::Null),
            Self::PatchChildren { parent, n, kind } => {
                let body = json!({ "n": n, "data": { "kind": kind } });
                ("PATCH", format!("/tables/child?parent=eq.{parent}"), NONE, body)
            }
            Self::PatchMany { rows } => ("PATCH", "/tables/child".to_owned(), NONE, rows.clone().into()),
            Self::DeleteChildren { above, from, to } => {
                ("DELETE", format!("/tables/child?n=gt.{above}&id=gte.{from}&id=lt.{to}"), NONE, Value::Null)
            }
            Self::Note { key, text } => ("PUT", format!("/{key}?raw=true"), NONE, text.clone().into()),
        }
    }

    /// Whether it writes a code that other clients write too.
    pub(super) fn is_contended(&self) -> bool {
        match self {
            Self::Upsert { table: PARENT, rows } | Self::Insert { table: PARENT, rows } => {
                rows.iter().any(|row| row["code"].as_str().is_some_and(|code| code.starts_with("shared")))
            }
            _ => false,
        }
    }
}

/// A row as it is compared: its columns by name, whatever their order was.
pub(super) fn canonical(row: &Value) -> String {
    let row: Map<String, Value> = row.as_object().unwrap().clone().into_iter().collect();
    Value::Object(row).to_string()
}
