//! A client: as that of keys, with statements whose effects its model knows.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::super::Numbers;
use super::super::book::{Book, Done, Line, Recorded};
use super::super::client::{Answer, Connection, JSON};
use super::CLIENTS;
use super::model::{CHILD, Change, LINE, PARENT, Rows};

/// The first id of a client's rows.
pub(super) fn ids_from(client: usize) -> i64 {
    1_000 * (i64::try_from(client).unwrap() + 1)
}

pub(super) fn note_key(client: usize) -> String {
    format!("kv/r{client}")
}

/// Makes a client's changes up.
struct Author {
    client: usize,
    numbers: Numbers,
}

impl Author {
    fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.numbers.below(u64::try_from(bound).unwrap())).unwrap()
    }

    fn id(&mut self, count: i64) -> i64 {
        ids_from(self.client) + self.below(count)
    }

    /// An id of a parent, which may not be there, or null.
    fn some_parent(&mut self) -> Value {
        if self.below(4) == 0 { Value::Null } else { self.id(5).into() }
    }

    fn parent(&mut self) -> Value {
        let (id, n) = (self.id(5), self.below(9));
        let code = match self.below(6) {
            0 => format!("shared-{}", n % 3),
            _ => format!("c{}-{n}", self.client),
        };
        json!({ "id": id, "code": code, "n": n })
    }

    fn child(&mut self) -> Value {
        let (id, n, kind) = (self.id(12), self.below(9), self.kind());
        let (parent, twin) = (self.some_parent(), self.some_parent());
        json!({
            "id": id, "parent": parent, "twin": twin, "n": n, "w": id + 10_000 * self.below(9), "tag": format!("t{id}"),
            "data": { "kind": kind }
        })
    }

    fn line(&mut self) -> Value {
        json!({ "id": self.id(12), "child": self.id(12), "amount": self.below(100) })
    }

    fn kind(&mut self) -> &'static str {
        ["red", "green", "blue"][usize::try_from(self.below(3)).unwrap()]
    }

    fn change(&mut self) -> Change {
        match self.below(14) {
            0..3 => Change::Upsert { table: PARENT, rows: vec![self.parent()] },
            3 => Change::Insert { table: PARENT, rows: vec![self.parent()] },
            4..7 => {
                let mut rows: Vec<_> = (0..3).map(|_| self.child()).collect();
                rows.sort_by_key(|row| row["id"].as_i64());
                rows.dedup_by_key(|row| row["id"].as_i64());
                Change::Upsert { table: CHILD, rows }
            }
            7 => Change::Insert { table: CHILD, rows: vec![self.child()] },
            8 | 9 => Change::Upsert { table: LINE, rows: vec![self.line()] },
            10 => Change::MoveParent { from: self.id(5), to: self.id(5) },
            11 => Change::DeleteParent { id: self.id(5) },
            12 if self.below(2) == 0 => {
                let from = ids_from(self.client);
                Change::DeleteChildren { above: 4 + self.below(5), from, to: from + 1_000 }
            }
            12 => {
                let first = self.id(11);
                let patch = |id: i64, n: i64| json!({ "id": id, "n": n });
                Change::PatchMany { rows: vec![patch(first, self.below(9)), patch(first + 1, self.below(9))] }
            }
            _ => Change::PatchChildren { parent: self.id(5), n: self.below(9), kind: self.kind() },
        }
    }
}

/// Works until the server is gone.
pub(super) fn work(address: SocketAddr, path: &Path, client: usize, cycle: u64) {
    let mut author = Author { client, numbers: Numbers(cycle * CLIENTS as u64 + client as u64) };
    let mut book = Book::open(path);
    let mut rows = Rows::of(&Recorded::read(path).held);
    let Ok(mut connection) = Connection::new(address) else { return };
    for number in 0.. {
        let mut changes = vec![author.change()];
        let is_transaction = author.below(6) == 0;
        if is_transaction {
            changes.push(author.change());
            changes.push(Change::Note { key: note_key(client), text: format!("{cycle}-{number}") });
        }
        let mut after = rows.clone();
        let is_allowed = changes.iter().all(|change| after.apply(change));
        // What is refused is refused as a whole.
        let after = if is_allowed { after } else { rows.clone() };
        book.note(&Line::Intent(rows.effects(&after, &note_key(client))));
        let may_fail = is_transaction || changes.iter().any(Change::is_contended);
        let sent =
            if is_transaction { transact(&mut connection, &changes) } else { statement(&mut connection, &changes[0]) };
        let Ok(is_done) = sent else { return };
        assert!(
            is_done == is_allowed || (may_fail && !is_done),
            "{is_allowed} was expected of {changes:?} on {rows:?}"
        );
        if is_done {
            book.note(&Line::Done(Done { version: 0, expires_ms: None }));
            rows = after;
        } else {
            book.note(&Line::Refused);
        }
    }
}

fn send(connection: &mut Connection, change: &Change, transaction: &str) -> io::Result<Answer> {
    let (method, path, prefer, body) = change.request();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    connection.send(method, &path, &format!("{JSON}{prefer}{transaction}"), &body)
}

const GOOD: &[u16] = &[200, 201, 204];

/// Whether a statement was applied; otherwise a key was in its way.
fn statement(connection: &mut Connection, change: &Change) -> io::Result<bool> {
    let answer = send(connection, change, "")?;
    if answer.status == 409 {
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert!(["23503", "23505"].contains(&&*code), "{change:?}: {code}");
        return Ok(false);
    }
    answer.must_be(GOOD);
    Ok(true)
}

/// Whether a transaction was committed: a key or a change of the schema may be in its way.
fn transact(connection: &mut Connection, changes: &[Change]) -> io::Result<bool> {
    let begun = connection.send("POST", "/transactions", "", "")?;
    begun.must_be(&[201]);
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    for change in changes {
        let answer = send(connection, change, &format!("Mantisdb-Transaction: {id}\r\n"))?;
        if answer.status == 409 {
            connection.send("DELETE", &format!("/transactions/{id}"), "", "")?.must_be(&[204]);
            return Ok(false);
        }
        answer.must_be(GOOD);
    }
    let committed = connection.send("POST", &format!("/transactions/{id}/commit"), "", "")?;
    committed.must_be(&[200, 409]);
    Ok(committed.status == 200)
}
