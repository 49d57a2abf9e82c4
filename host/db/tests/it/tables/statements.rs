//! What statements do besides their constraints: figures, defaults, versions, transactions, grants.

use std::sync::Arc;

use mantis_db::tables::{TableResult, WriteOptions};
use mantis_db::{Access, Grants};

use super::support::{Answer, Tables, outcome};
use crate::support::now;

const ITEMS: &str = r#"{"columns":[
    {"name":"id","type":"integer","identity":true},
    {"name":"name","type":"text","default":"new"},
    {"name":"made","type":"timestamptz","default":{"function":"now"}},
    {"name":"day","type":"date","default":{"function":"now"}}],
  "primary_key":["id"],"indexes":[{"columns":["name"]}]}"#;

fn items() -> Tables {
    let mut tables = Tables::new(&[("items", ITEMS)]);
    tables.post("items", r#"[{"name":"a"},{"name":"b"},{"name":"c"}]"#).unwrap();
    tables
}

fn with(tables: &mut Tables, options: WriteOptions, run: impl FnOnce(&mut Tables) -> TableResult<Answer>) -> String {
    tables.options = options;
    let answer = outcome(run(tables));
    tables.options = WriteOptions::default();
    answer
}

#[test]
fn what_is_not_given_is_drawn_or_defaulted() {
    let mut tables = items();
    let answer = tables.post("items?select=id,name,made,day", r#"{"id":10}"#).unwrap();
    assert_eq!(answer.rows, r#"[{"id":10,"name":"new","made":"1970-01-01T00:16:40+00:00","day":"1970-01-01"}]"#);
    assert_eq!(answer.written.key, Some(vec![("id".to_owned(), "eq.10".to_owned())]));
    // One past the largest that was ever there.
    assert_eq!(tables.post("items?select=id", "{}").unwrap().rows, r#"[{"id":11}]"#);
    tables.delete("items?id=eq.11").unwrap();
    tables.patch("items?id=eq.10", r#"{"id":20}"#).unwrap();
    assert_eq!(tables.post("items?select=id", "[{},{}]").unwrap().rows, r#"[{"id":21},{"id":22}]"#);
    // Columns that other rows name are null where a row does not, unless defaults are asked for.
    let rows = r#"[{"id":30,"name":"x"},{"id":31}]"#;
    assert_eq!(tables.post("items?select=name", rows).unwrap().rows, r#"[{"name":"x"},{"name":null}]"#);
    tables.delete("items?id=gte.30").unwrap();
    let defaults = WriteOptions { missing_is_default: true, ..WriteOptions::default() };
    let answer = with(&mut tables, defaults, |tables| tables.post("items?select=name", rows));
    assert_eq!(answer, r#"[{"name":"x"},{"name":"new"}]"#);
    tables.check();
}

#[test]
fn columns_that_the_query_names_are_those_that_count() {
    let mut tables = items();
    let body = r#"{"name":"z","made":"yesterday","helicopter":1}"#;
    assert_eq!(tables.post("items?columns=name&select=name", body).unwrap().rows, r#"[{"name":"z"}]"#);
    assert!(outcome(tables.post("items?columns=helicopter", body)).starts_with("PGRST204"));
    assert_eq!(tables.patch("items?id=eq.1&columns=name&select=name", body).unwrap().rows, r#"[{"name":"z"}]"#);
}

#[test]
fn a_statement_that_breaks_what_its_caller_asked_for_writes_nothing() {
    let mut tables = items();
    let options = WriteOptions { affected_max: Some(2), ..WriteOptions::default() };
    assert_eq!(
        with(&mut tables, options, |tables| tables.patch("items", r#"{"name":"z"}"#)),
        "PGRST124 Query result exceeds max-affected preference constraint | The query affects 3 rows"
    );
    let singular = || WriteOptions { is_singular: true, ..WriteOptions::default() };
    for (target, rows) in [("items?id=lt.3", 2), ("items?id=eq.9", 0)] {
        let expected =
            format!("PGRST116 Cannot coerce the result to a single JSON object | The result contains {rows} rows");
        assert_eq!(with(&mut tables, singular(), |tables| tables.delete(target)), expected);
    }
    let needs_filter = || WriteOptions { needs_filter: true, ..WriteOptions::default() };
    assert_eq!(
        with(&mut tables, needs_filter(), |tables| tables.patch("items", r#"{"name":"z"}"#)),
        "21000 UPDATE requires a WHERE clause"
    );
    assert_eq!(
        with(&mut tables, needs_filter(), |tables| tables.delete("items")),
        "21000 DELETE requires a WHERE clause"
    );
    let undone = WriteOptions { is_rolled_back: true, ..WriteOptions::default() };
    assert_eq!(with(&mut tables, undone, |tables| tables.delete("items?id=eq.1&select=id")), r#"[{"id":1}]"#);
    assert_eq!(
        tables.get("items?select=id,name&order=id"),
        r#"[{"id":1,"name":"a"},{"id":2,"name":"b"},{"id":3,"name":"c"}]"#
    );
}

#[test]
fn a_version_that_is_not_that_of_the_row_is_refused() {
    let mut tables = items();
    let version = tables.patch("items?id=eq.1", r#"{"name":"z"}"#).unwrap().written.version;
    let at = |version| WriteOptions { if_version: Some(version), ..WriteOptions::default() };
    let wrong = with(&mut tables, at(version + 1), |tables| tables.delete("items?id=eq.1"));
    assert_eq!(
        wrong,
        format!("PT412 The row does not have the version that was asked for | Its version is {version}.")
    );
    assert!(with(&mut tables, at(version), |tables| tables.delete("items?id=eq.9")).starts_with("PT412"));
    assert!(with(&mut tables, at(version), |tables| tables.delete("items")).starts_with("PT412"));
    assert!(with(&mut tables, at(1), |tables| tables.put("items?id=eq.1", r#"{"id":1}"#)).starts_with("PT412"));
    assert_eq!(with(&mut tables, at(version), |tables| tables.delete("items?id=eq.1&select=id")), r#"[{"id":1}]"#);
}

#[test]
fn a_put_names_exactly_its_row() {
    let mut tables = items();
    for (target, body, expected) in [
        ("items?id=eq.1&select=id,name", r#"{"id":1,"name":"z"}"#, r#"[{"id":1,"name":"z"}]"#),
        ("items?id=eq.1&select=id,name", r#"[{"id":2,"name":"no"},{"id":1}]"#, r#"[{"id":1,"name":null}]"#),
        ("items?id=eq.2&select=id,name", r#"{"id":2}"#, r#"[{"id":2,"name":"b"}]"#),
        ("items?id=eq.8&select=id,name", r#"{"id":8}"#, r#"[{"id":8,"name":"new"}]"#),
        ("items?id=eq.1", r#"{"id":2}"#, "PGRST115 Payload values do not match URL in primary key column(s)"),
        ("items?id=eq.1", r#"{"name":"x"}"#, "PGRST115 Payload values do not match URL in primary key column(s)"),
        (
            "items?id=gt.1",
            r#"{"id":2}"#,
            "PGRST105 Filters must include all and only primary key columns with 'eq' operators",
        ),
        (
            "items?id=eq.1&name=eq.a",
            r#"{"id":1}"#,
            "PGRST105 Filters must include all and only primary key columns with 'eq' operators",
        ),
        ("items", r#"{"id":1}"#, "PGRST105 Filters must include all and only primary key columns with 'eq' operators"),
    ] {
        assert_eq!(outcome(tables.put(target, body)), expected, "{target} {body}");
    }
    let replaces = WriteOptions { replaces: true, ..WriteOptions::default() };
    let answer = with(&mut tables, replaces, |tables| tables.put("items?id=eq.2&select=id,name", r#"{"id":2}"#));
    assert_eq!(answer, r#"[{"id":2,"name":"new"}]"#);
    tables.check();
}

#[test]
fn rows_of_a_bulk_update_get_what_each_names() {
    let mut tables = items();
    let answer = tables.patch_many(
        "items?select=id,name",
        r#"[{"id":2,"name":"y"},{"id":1,"name":null},{"id":3},{"id":9,"name":"z"}]"#,
    );
    let answer = answer.unwrap();
    assert_eq!(answer.rows, r#"[{"id":2,"name":"y"},{"id":1,"name":null},{"id":3,"name":"c"}]"#);
    assert_eq!((answer.written.affected, answer.written.inserted), (3, 0));
    for (target, body, expected) in [
        ("items?id=gt.2&select=id,name", r#"[{"id":2,"name":"no"},{"id":3,"name":"d"}]"#, r#"[{"id":3,"name":"d"}]"#),
        ("items", r#"[{"id":1},{"id":1}]"#, "21000 UPDATE command cannot affect row a second time"),
        (
            "items",
            r#"[{"name":"x"}]"#,
            "PGRST102 Each row of a bulk update must have its primary key | The primary key is (id).",
        ),
    ] {
        assert_eq!(outcome(tables.patch_many(target, body)), expected, "{target} {body}");
    }
    tables.check();
}

#[test]
fn in_a_transaction_only_the_failed_statement_is_undone() {
    let mut tables = items();
    tables.session_begin();
    tables.post("items?select=id", r#"{"id":7,"name":"seven"}"#).unwrap();
    assert!(tables.post("items", r#"[{"id":8},{"id":7}]"#).is_err());
    let undone = WriteOptions { is_rolled_back: true, ..WriteOptions::default() };
    with(&mut tables, undone, |tables| tables.delete("items"));
    assert_eq!(tables.get("items?select=id&order=id"), r#"[{"id":1},{"id":2},{"id":3},{"id":7}]"#);
    assert_eq!(tables.get("items?name=eq.seven&select=id"), r#"[{"id":7}]"#);
    tables.session_commit();
    assert_eq!(tables.check(), 4);
}

#[test]
fn grants_name_the_table_that_is_written_not_those_that_follow() {
    let mut tables = Tables::new(&[
        ("parent", r#"{"columns":[{"name":"id","type":"integer","nullable":false}],"primary_key":["id"]}"#),
        (
            "child",
            r#"{"columns":[{"name":"id","type":"integer","nullable":false}],"primary_key":["id"],
           "foreign_keys":[{"columns":["id"],"references":{"table":"parent","columns":["id"]},"on_delete":"cascade"}]}"#,
        ),
    ]);
    tables.post("parent", r#"[{"id":1},{"id":2}]"#).unwrap();
    let grants = |grants: Grants| Arc::new(grants);
    tables.session.set_grants(grants(Grants::none().table("child", Access::Write)));
    tables.post("child", r#"{"id":1}"#).unwrap();
    assert!(outcome(tables.post("parent", r#"{"id":3}"#)).starts_with("PGRST205"));
    assert!(outcome(tables.post("child?select=id,parent(id)", r#"{"id":2}"#)).starts_with("PGRST200"));
    tables.session.set_grants(grants(Grants::none().table("parent", Access::Write)));
    tables.delete("parent?id=eq.1").unwrap();
    tables.session.set_grants(grants(Grants::none().table("child", Access::Read)));
    assert_eq!(tables.get("child"), "[]");
    assert!(outcome(tables.delete("child")).starts_with("42501"));
}

#[test]
fn programs_read_single_rows_by_key() {
    use mantis_db::tables::types::Value;
    let mut tables = items();
    let environment = tables.stage.database.environment(jiff::tz::TimeZone::UTC);
    let mut rows = tables.session.rows("items", environment);
    let row = now(rows.get(&[Value::Integer(2)])).unwrap().unwrap();
    assert_eq!(row[1], Value::Text("b".into()));
    assert!(now(rows.get(&[Value::Integer(9)])).unwrap().is_none());
    assert_eq!(now(rows.get(&[])).unwrap_err().code, "42P10");
    assert_eq!(now(rows.count(&mantis_dialect::Query::default(), Vec::new())).unwrap(), 3);
}

#[test]
fn rows_without_a_key_do_not_take_each_others_place() {
    let document = r#"{"columns":[{"name":"a","type":"integer"}],"indexes":[{"columns":["a"]}]}"#;
    let mut tables = Tables::new(&[("t", document)]);
    tables.post("t", r#"[{"a":1},{"a":2}]"#).unwrap();
    tables.post("t", r#"[{"a":3},{"a":4}]"#).unwrap();
    assert_eq!(tables.check(), 4);
}
