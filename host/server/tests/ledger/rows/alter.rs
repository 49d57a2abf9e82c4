//! The client that alters the table `child`, most of the time building something.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::super::Numbers;
use super::super::book::{Book, Done, Effect, Held, Line, Recorded};
use super::super::client::{Answer, Connection, JSON};

/// What is added and dropped, by the name it has then.
const PARTS: [&str; 7] = ["by_kind", "large", "tag_once", "again", "small", "extra", "w"];

/// The parts of a definition that are changed here.
pub(super) fn found(definition: &Value) -> BTreeMap<String, Held> {
    let mut found = BTreeMap::new();
    for list in ["indexes", "unique", "foreign_keys", "checks", "columns"] {
        for part in definition[list].as_array().into_iter().flatten() {
            let name = part["name"].as_str().unwrap_or_default();
            if PARTS.contains(&name) {
                let text = if name == "w" { part["type"].as_str().unwrap() } else { "there" };
                found.insert(format!("schema/{name}"), Held::lasting(text.to_owned()));
            }
        }
    }
    found
}

/// The change that adds or drops a part, or changes the type; what it does to the notes.
fn change(part: &str, before: Option<&Held>) -> (Value, Effect) {
    let key = format!("schema/{part}");
    if part == "w" {
        let r#type = if before.is_none_or(|held| held.value == "integer") { "numeric" } else { "integer" };
        let change = json!({ "alter_columns": [{ "name": "w", "type": r#type }] });
        return (change, (key, Some(Held::lasting(r#type.to_owned()))));
    }
    let is_there = before.is_some();
    let parent = json!({ "table": "parent", "columns": ["id"] });
    let change = match part {
        "by_kind" | "large" if is_there => json!({ "drop_indexes": [part] }),
        "extra" if is_there => json!({ "drop_columns": [part] }),
        _ if is_there => json!({ "drop_constraints": [part] }),
        "by_kind" => json!({ "add_indexes": [{ "name": part, "columns": ["n", "data->>kind"] }] }),
        "large" => {
            let columns = json!([{ "column": "n", "descending": true }, "tag"]);
            json!({ "add_indexes": [{ "name": part, "columns": columns, "filter": "n=gt.5" }] })
        }
        "tag_once" => json!({ "add_unique": [{ "name": part, "columns": ["tag"] }] }),
        "again" => json!({
            "add_foreign_keys": [{
                "name": part, "columns": ["parent"], "references": parent, "on_delete": "cascade", "on_update": "cascade"
            }]
        }),
        "small" => json!({ "add_checks": [{ "name": part, "check": "n=lt.1000" }] }),
        _ => json!({ "add_columns": [{ "name": part, "type": "integer", "default": 7 }] }),
    };
    (change, (key, (!is_there).then(|| Held::lasting("there".to_owned()))))
}

/// Works until the server is gone.
pub(super) fn work(address: SocketAddr, path: &Path, cycle: u64) {
    let mut numbers = Numbers(cycle);
    let mut book = Book::open(path);
    let mut recorded = Recorded { held: Recorded::read(path).held, ..Recorded::default() };
    let Ok(mut connection) = Connection::new(address) else { return };
    loop {
        let place = usize::try_from(numbers.below(PARTS.len() as u64 + 2)).unwrap();
        if place > PARTS.len() {
            // The definition stays as it is, and rows are kept by hidden ids after the first time.
            let again = json!({ "drop_constraints": ["child_pkey"], "add_primary_key": ["id"] }).to_string();
            let Ok(answer) = connection.send("PATCH", "/schema/tables/child", JSON, &again) else { return };
            if !is_too_early(&answer) {
                answer.must_be(&[200]);
            }
            continue;
        }
        // The ballast has the same value of it many times, and no other row has one twice: meanwhile they keep to it already.
        let Some(part) = PARTS.get(place) else {
            let never = json!({ "add_unique": [{ "name": "never", "columns": ["w"] }] }).to_string();
            let Ok(answer) = connection.send("PATCH", "/schema/tables/child", JSON, &never) else { return };
            assert!(is_too_early(&answer) || answer.status == 409, "{}", answer.head);
            continue;
        };
        let (body, effect) = change(part, recorded.held.get(&format!("schema/{part}")));
        book.note(&Line::Intent(vec![effect.clone()]));
        let Ok(answer) = connection.send("PATCH", "/schema/tables/child", JSON, &body.to_string()) else { return };
        if is_too_early(&answer) {
            book.note(&Line::Refused);
            continue;
        }
        answer.must_be(&[200]);
        recorded.apply(&[effect], None);
        book.note(&Line::Done(Done { version: 0, expires_ms: None }));
    }
}

/// Whether the change that the kill hit is being taken back.
fn is_too_early(answer: &Answer) -> bool {
    answer.status == 400 && answer.json()["code"] == "55006"
}
