//! Which foreign keys join two tables, and which of them an embed means, by `PostgREST`'s rules: a target is a table, a foreign key or the
//! one column of a foreign key; a hint is a foreign key, the one column of one on either side, or a junction.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::column;
use super::nearest::shown;
use crate::tables::query::bound::{Junction, Relation};
use crate::tables::schema::Table;
use crate::tables::schema::names::nearest;
use crate::tables::sort::sort_by;
use crate::tables::table::{ForeignKey, Reference};
use crate::tables::{TableError, TableResult, code};

/// Gives the table of a name.
pub(super) type Tables<'a> = dyn FnMut(&str) -> TableResult<Arc<Table>> + 'a;

/// Tables that a hint about a missing relationship looks at.
const HINTED_TABLES_MAX: usize = 100;

/// A table that belongs to another one, and how.
pub(super) struct Found {
    pub(super) table: Arc<Table>,
    pub(super) relation: Relation,
}

/// One way from a table to another one.
struct Candidate {
    cardinality: Cardinality,
    /// The other table.
    table: String,
    /// The foreign key; of a junction that to this table.
    foreign_key: String,
    /// Columns here, and those over there that equal them; with a junction, those that equal the columns of its second foreign key.
    local: Vec<String>,
    remote: Vec<String>,
    junction: Option<Between>,
}

/// A junction, and its foreign key to the other table.
struct Between {
    table: Arc<Table>,
    near: Vec<usize>,
    far_key: String,
    far: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cardinality {
    ManyToOne,
    OneToMany,
    OneToOne,
    ManyToMany,
}

impl Cardinality {
    fn name(self) -> &'static str {
        match self {
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::OneToOne => "one-to-one",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// The table that an embed in `table` means.
///
/// # Errors
/// PGRST200 where there is none, PGRST201 where there are several.
pub(super) fn find(table: &Table, target: &str, hint: Option<&str>, tables: &mut Tables<'_>) -> TableResult<Found> {
    let mut candidates = referenced(table, target, hint, tables)?;
    candidates.extend(referencing(table, target, hint, tables)?);
    // A target that is a foreign key or a column leads to no junction.
    if candidates.is_empty() || candidates.iter().any(|candidate| candidate.table == target) {
        candidates.extend(through_junctions(table, target, hint, tables)?);
    }
    match candidates.len() {
        0 => Err(none(table, target, hint, tables)?),
        1 => {
            let candidate = candidates.remove(0);
            match visible(tables, &candidate.table)? {
                Some(other) => resolved(table, other, candidate),
                None => Err(none(table, target, hint, tables)?),
            }
        }
        _ => Err(ambiguous(&table.schema.name, target, &candidates)),
    }
}

/// A table for the search; none where the statement cannot see it.
fn visible(tables: &mut Tables<'_>, name: &str) -> TableResult<Option<Arc<Table>>> {
    match tables(name) {
        Ok(table) => Ok(Some(table)),
        Err(error) if error.code == code::NO_TABLE => Ok(None),
        Err(error) => Err(error),
    }
}

/// A table for the search that the embed does not name: one without access is as good as none.
fn accessible(tables: &mut Tables<'_>, name: &str) -> TableResult<Option<Arc<Table>>> {
    match visible(tables, name) {
        Err(error) if error.code == code::INSUFFICIENT_PRIVILEGE => Ok(None),
        outcome => outcome,
    }
}

/// Along the foreign keys of this table.
fn referenced(table: &Table, target: &str, hint: Option<&str>, tables: &mut Tables<'_>) -> TableResult<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for key in &table.schema.foreign_keys {
        let local = names(table, &key.columns);
        let (here, there) = (only(&local), only(&key.target_columns));
        let is_self = key.target == table.schema.name;
        let is_meant = match hint {
            // By the name of the table a self reference leads the other way.
            None if is_self => key.name == target || here == Some(target),
            None => key.target == target || key.name == target || here == Some(target),
            Some(_) if is_self => false,
            Some(hint) => key.target == target && (key.name == hint || here == Some(hint) || there == Some(hint)),
        };
        let is_seen = is_meant && visible(tables, &key.target)?.is_some();
        if is_seen {
            let cardinality = if is_unique(table, key) { Cardinality::OneToOne } else { Cardinality::ManyToOne };
            candidates.push(Candidate {
                cardinality,
                table: key.target.clone(),
                foreign_key: key.name.clone(),
                local,
                remote: key.target_columns.clone(),
                junction: None,
            });
        }
    }
    Ok(candidates)
}

/// Against the foreign keys of other tables, and of this one.
fn referencing(
    table: &Table,
    target: &str,
    hint: Option<&str>,
    tables: &mut Tables<'_>,
) -> TableResult<Vec<Candidate>> {
    let mut candidates = Vec::new();
    let is_column = table.column(target).is_some();
    for reference in &table.schema.referenced_by {
        let is_self = reference.table == table.schema.name;
        let may_be_meant =
            reference.table == target || !is_self && hint.is_none() && (reference.foreign_key == target || is_column);
        if !may_be_meant {
            continue;
        }
        let other = if reference.table == target { visible } else { accessible }(tables, &reference.table)?;
        let Some(other) = other else { continue };
        let Some(key) = foreign_key(&other, reference) else { continue };
        let remote = names(&other, &key.columns);
        let (here, there) = (only(&key.target_columns), only(&remote));
        let is_meant = match hint {
            None if is_self => true,
            None => reference.table == target || key.name == target || here == Some(target),
            Some(hint) if is_self => key.name == hint || there == Some(hint),
            Some(hint) => key.name == hint || here == Some(hint) || there == Some(hint),
        };
        if is_meant {
            let cardinality = if is_unique(&other, key) { Cardinality::OneToOne } else { Cardinality::OneToMany };
            candidates.push(Candidate {
                cardinality,
                table: reference.table.clone(),
                foreign_key: key.name.clone(),
                local: key.target_columns.clone(),
                remote,
                junction: None,
            });
        }
    }
    Ok(candidates)
}

/// Through a table with foreign keys to both, whose columns are all part of its primary key.
fn through_junctions(
    table: &Table,
    target: &str,
    hint: Option<&str>,
    tables: &mut Tables<'_>,
) -> TableResult<Vec<Candidate>> {
    let mut candidates = Vec::new();
    // A junction from a table to itself is read in two steps: through the junction and back.
    if target == table.schema.name || table.schema.referenced_by.is_empty() {
        return Ok(candidates);
    }
    let Some(other) = accessible(tables, target)? else { return Ok(candidates) };
    for name in junctions(table, &other) {
        if hint.is_some_and(|hint| hint != name) {
            continue;
        }
        let Some(junction) = accessible(tables, name)? else { continue };
        let keys = junction.schema.foreign_keys.iter();
        let keys = keys.filter(|key| is_within_primary_key(&junction, key) && !is_unique(&junction, key));
        let keys: Vec<&ForeignKey> = keys.collect();
        for near in keys.iter().filter(|key| key.target == table.schema.name) {
            for far in keys.iter().filter(|key| key.target == target && key.name != near.name) {
                let between = Between {
                    table: Arc::clone(&junction),
                    near: near.columns.clone(),
                    far_key: far.name.clone(),
                    far: far.columns.clone(),
                };
                candidates.push(Candidate {
                    cardinality: Cardinality::ManyToMany,
                    table: target.to_owned(),
                    foreign_key: near.name.clone(),
                    local: near.target_columns.clone(),
                    remote: far.target_columns.clone(),
                    junction: Some(between),
                });
            }
        }
    }
    Ok(candidates)
}

/// The tables that reference both.
fn junctions<'a>(table: &'a Table, other: &Table) -> BTreeSet<&'a str> {
    // Collecting would bring a page the code that sorts a list of texts.
    let mut of_other = BTreeSet::new();
    of_other.extend(other.schema.referenced_by.iter().map(|reference| &*reference.table));
    let names = table.schema.referenced_by.iter().map(|reference| &*reference.table);
    let mut of_both = BTreeSet::new();
    of_both.extend(names.filter(|name| of_other.contains(name)));
    of_both
}

fn foreign_key<'t>(table: &'t Table, reference: &Reference) -> Option<&'t ForeignKey> {
    table.schema.foreign_keys.iter().find(|key| key.name == reference.foreign_key)
}

fn names(table: &Table, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|&column| table.schema.columns[column].name.clone()).collect()
}

/// The one column of a key; none where it has several.
fn only(columns: &[String]) -> Option<&str> {
    match columns {
        [one] => Some(one),
        _ => None,
    }
}

/// Whether at most one row has the same values in the columns of a foreign key: they are the primary key or a unique key.
fn is_unique(table: &Table, key: &ForeignKey) -> bool {
    let sorted = |columns: &mut dyn Iterator<Item = usize>| {
        let mut columns: Vec<usize> = columns.collect();
        sort_by(&mut columns, Ord::cmp);
        columns
    };
    let of_key = sorted(&mut key.columns.iter().copied());
    let primary = table.schema.primary_key.as_ref();
    let is_primary = primary.is_some_and(|primary| sorted(&mut primary.columns.iter().copied()) == of_key);
    let mut unique = table.schema.indexes.iter().filter(|index| {
        let is_whole = index.filter.is_none() && index.keys.iter().all(|key| key.path.is_empty());
        index.is_unique && is_whole && !index.is_building
    });
    is_primary || unique.any(|index| sorted(&mut index.keys.iter().map(|key| key.column)) == of_key)
}

fn is_within_primary_key(table: &Table, key: &ForeignKey) -> bool {
    let primary = table.schema.primary_key.as_ref();
    primary.is_some_and(|primary| key.columns.iter().all(|column| primary.columns.contains(column)))
}

fn resolved(table: &Table, other: Arc<Table>, candidate: Candidate) -> TableResult<Found> {
    let places = |table: &Table, names: &[String]| -> TableResult<Vec<usize>> {
        names.iter().map(|name| column::place(table, name)).collect()
    };
    let local = places(table, &candidate.local)?;
    let remote = places(&other, &candidate.remote)?;
    // A self reference to a unique key is one-to-one in both directions.
    let is_to_one = matches!(candidate.cardinality, Cardinality::ManyToOne | Cardinality::OneToOne);
    let junction = candidate.junction.map(|Between { table, near, far, .. }| Junction { table, near, far });
    Ok(Found { table: other, relation: Relation { is_to_one, local, junction, remote } })
}

fn ambiguous(name: &str, target: &str, candidates: &[Candidate]) -> TableError {
    let details: Vec<_> = candidates.iter().map(|candidate| described(name, candidate)).collect();
    let ways: Vec<String> = candidates
        .iter()
        .map(|candidate| {
            let way = candidate.junction.as_ref().map_or(&candidate.foreign_key, |between| &between.table.schema.name);
            format!("'{}!{way}'", candidate.table)
        })
        .collect();
    let message = format!("Could not embed because more than one relationship was found for '{name}' and '{target}'");
    let hint = format!(
        "Try changing '{target}' to one of the following: {}. Find the desired relationship in the 'details' key.",
        ways.join(", ")
    );
    TableError::new(code::AMBIGUOUS_RELATIONSHIP, message)
        .with_json_details(serde_json::Value::Array(details).to_string())
        .with_hint(hint)
}

fn described(name: &str, candidate: &Candidate) -> serde_json::Value {
    let Candidate { cardinality, table, foreign_key, local, remote, junction } = candidate;
    let relationship = match junction {
        None => {
            let (local, remote) = (local.join(", "), remote.join(", "));
            format!("{foreign_key} using {name}({local}) and {table}({remote})")
        }
        Some(Between { table: junction, near, far_key, far }) => {
            let (near, far) = (names(junction, near).join(", "), names(junction, far).join(", "));
            format!("{} using {foreign_key}({near}) and {far_key}({far})", junction.schema.name)
        }
    };
    json!({
        "cardinality": cardinality.name(),
        "embedding": format!("{name} with {table}"),
        "relationship": relationship,
    })
}

/// That there is no relationship. Fails itself where a table cannot be read.
fn none(table: &Table, target: &str, hint: Option<&str>, tables: &mut Tables<'_>) -> TableResult<TableError> {
    let (name, target) = (&table.schema.name, shown(target));
    let using = hint.map_or_else(String::new, |hint| format!("' using the hint '{}", shown(hint)));
    let message = format!("Could not find a relationship between '{name}' and '{target}' in the schema cache");
    let details = format!(
        "Searched for a foreign key relationship between '{name}' and '{target}{using}' in the schema 'public', but no matches were \
         found."
    );
    let error = TableError::new(code::NO_RELATIONSHIP, message).with_details(details);
    let neighbours = neighbours(table, tables)?;
    // Where the table itself can be embedded, the hint was wrong.
    let near = if neighbours.contains(target) { None } else { nearest(target, neighbours) };
    Ok(match near {
        Some(near) => error.with_hint(format!("Perhaps you meant '{near}' instead of '{target}'.")),
        None => error,
    })
}

/// The names of tables that this one can embed, up to a bound.
fn neighbours(table: &Table, tables: &mut Tables<'_>) -> TableResult<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    names.extend(table.schema.foreign_keys.iter().map(|key| key.target.clone()));
    for reference in table.schema.referenced_by.iter().take(HINTED_TABLES_MAX) {
        let Some(other) = accessible(tables, &reference.table)? else { continue };
        names.insert(reference.table.clone());
        let keys = other.schema.foreign_keys.iter().filter(|key| is_within_primary_key(&other, key));
        names.extend(keys.map(|key| key.target.clone()).filter(|target| *target != table.schema.name));
    }
    let mut seen = BTreeSet::new();
    for name in names.into_iter().take(HINTED_TABLES_MAX) {
        if accessible(tables, &name)?.is_some() {
            seen.insert(name);
        }
    }
    Ok(seen)
}
