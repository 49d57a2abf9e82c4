//! The tables of a library: each relationship that binding tells apart occurs in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::check::environment;
use crate::tables::schema::resolve::resolve;
use crate::tables::schema::{Table, TableDocument, TableSchema};
use crate::tables::table::Reference;
use crate::tables::{TableError, code};

/// Columns as `name: type` between semicolons, with `key` for a part of the primary key, `unique`, and `in a|b` for the only texts allowed; then
/// foreign keys as `name: columns -> table(columns)`.
const TABLES: &[(&str, &str, &[&str])] = &[
    ("cities", "id: integer key; name: text; country: text", &[]),
    (
        "authors",
        "id: integer key; name: text; city_id: integer; teacher_id: integer; born: date; alive: boolean; mood: text in calm|wild; \
         rank: smallint",
        &["authors_city_id_fkey: city_id -> cities(id)", "authors_teacher_id_fkey: teacher_id -> authors(id)"],
    ),
    ("passports", "author_id: integer key; number: text", &["passports_author_id_fkey: author_id -> authors(id)"]),
    (
        "books",
        "id: integer key; author_id: integer; title: text; pages: integer; price: numeric(8,2); meta: jsonb; tags: text[]; \
         code: character(3); isbn: character varying(5); sold: timestamptz; file: bytea; mark: uuid",
        &["books_author_id_fkey: author_id -> authors(id)"],
    ),
    ("genres", "id: integer key; label: text; parent: integer unique", &["genres_parent_fkey: parent -> genres(id)"]),
    (
        "book_genres",
        "book_id: integer key; genre_id: integer key; weight: integer",
        &["book_genres_book_id_fkey: book_id -> books(id)", "book_genres_genre_id_fkey: genre_id -> genres(id)"],
    ),
    (
        "flights",
        "id: integer key; origin_id: integer; target_id: integer; seats: integer",
        &["flights_origin_id_fkey: origin_id -> cities(id)", "flights_target_id_fkey: target_id -> cities(id)"],
    ),
    ("rooms", "house: text key; number: integer key; seats: integer", &[]),
    (
        "readings",
        "id: integer key; house: text; number: integer; count: integer",
        &["reading_room: house, number -> rooms(house, number)"],
    ),
    ("Mixed Names", "Id: integer key; Full Name: text; a-b: integer", &[]),
    ("plans", "id: integer key; name: text", &[]),
    ("sites", "id: integer key; main_plan_id: integer", &["main_plan: main_plan_id -> plans(id)"]),
    (
        "jobs",
        "site_id: integer key; plan_id: integer key",
        &["jobs_site_id_fkey: site_id -> sites(id)", "jobs_plan_id_fkey: plan_id -> plans(id)"],
    ),
    // Not a junction: its foreign keys are not part of its primary key.
    (
        "visits",
        "id: integer key; city_id: integer; plan_id: integer",
        &["visits_city_id_fkey: city_id -> cities(id)", "visits_plan_id_fkey: plan_id -> plans(id)"],
    ),
    ("secrets", "id: integer key; plan_id: integer", &["secrets_plan_id_fkey: plan_id -> plans(id)"]),
];

/// A table that statements of the tests may not see.
pub(super) const HIDDEN: &str = "secrets";

/// The tables by name.
pub(super) fn tables() -> BTreeMap<String, Arc<Table>> {
    let mut schemas: BTreeMap<String, TableSchema> = BTreeMap::new();
    for (name, columns, keys) in TABLES {
        let document = TableDocument::read(document(columns, keys).to_string().as_bytes()).unwrap();
        let mut find = |name: &str| match schemas.get(name) {
            Some(schema) => Ok(schema.clone()),
            None => Err(TableError::new(code::NO_TABLE, name)),
        };
        let schema =
            resolve(name, &document, &environment(), &mut find).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let references = schema
            .foreign_keys
            .iter()
            .map(|key| (key.target.clone(), Reference { table: schema.name.clone(), foreign_key: key.name.clone() }));
        let references: Vec<_> = references.collect();
        schemas.insert((*name).to_owned(), schema);
        for (target, reference) in references {
            let of_target = &mut schemas.get_mut(&target).unwrap().referenced_by;
            if !of_target.contains(&reference) {
                of_target.push(reference);
            }
        }
    }
    schemas.into_iter().map(|(name, schema)| (name, Arc::new(Table::new(schema, 1)))).collect()
}

fn document(columns: &str, keys: &[&str]) -> Value {
    let (mut primary, mut unique) = (Vec::new(), Vec::new());
    let mut documents = Vec::new();
    for text in columns.split("; ") {
        let (name, text) = text.split_once(": ").unwrap();
        let (text, allowed) = text.split_once(" in ").map_or((text, None), |(text, allowed)| (text, Some(allowed)));
        let (text, is_unique) = text.strip_suffix(" unique").map_or((text, false), |text| (text, true));
        let (text, is_key) = text.strip_suffix(" key").map_or((text, false), |text| (text, true));
        if is_key {
            primary.push(name);
        }
        if is_unique {
            unique.push([name]);
        }
        let mut document = json!({"name": name, "type": text});
        if let Some(allowed) = allowed {
            document["enum"] = allowed.split('|').collect();
        }
        documents.push(document);
    }
    let keys: Vec<Value> = keys.iter().map(|key| foreign_key(key)).collect();
    json!({"columns": documents, "primary_key": primary, "unique": unique, "foreign_keys": keys})
}

fn foreign_key(text: &str) -> Value {
    let (name, text) = text.split_once(": ").unwrap();
    let (columns, target) = text.split_once(" -> ").unwrap();
    let (target, target_columns) = target.strip_suffix(')').unwrap().split_once('(').unwrap();
    let names = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    json!({"name": name, "columns": names(columns), "references": {"table": target, "columns": names(target_columns)}})
}
