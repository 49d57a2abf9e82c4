//! Changes of a column's type: which are possible, and what follows them.

use super::changes::{CLIENTS, ORDERS, altered, filled, refused};
use super::support::Tables;
use crate::support::now;

#[test]
fn types_change_where_all_values_can_be_cast() {
    let mut tables = filled();
    altered(&mut tables, "orders", r#"{"alter_columns": [{"name": "memo", "type": "int", "default": 4}]}"#);
    assert_eq!(
        tables.get("orders?select=memo&order=memo.desc.nullslast"),
        "[{\"memo\":7},{\"memo\":5},{\"memo\":null}]"
    );
    tables.post("orders", r#"{"id": 9, "total": 1}"#).unwrap();
    altered(
        &mut tables,
        "orders",
        r#"{"alter_columns": [{"name": "memo", "type": "text"}], "add_indexes": [{"columns": ["client"]}, {"columns": ["memo", "id"]}]}"#,
    );
    assert_eq!(tables.get("orders?select=memo&id=in.(1,9)&order=id"), "[{\"memo\":\"5\"},{\"memo\":\"4\"}]");
    // Keys that stay as they are.
    altered(
        &mut tables,
        "orders",
        r#"{"alter_columns": [{"name": "id", "type": "bigint"}, {"name": "client", "type": "smallint"}]}"#,
    );
    assert_eq!(tables.get("orders?select=id&client=eq.2"), r#"[{"id":2}]"#);
    tables.post("orders", r#"{"id": 5000000000, "total": 1, "memo": "long"}"#).unwrap();
    refused(
        &mut tables,
        "orders",
        r#"{"alter_columns": [{"name": "id", "type": "int"}]}"#,
        "22003",
        "integer out of range",
    );
    refused(
        &mut tables,
        "orders",
        r#"{"alter_columns": [{"name": "memo", "type": "varchar(3)"}]}"#,
        "22001",
        "value too long for type character varying(3)",
    );
    let message = "column \"memo\" cannot be cast automatically to type bytea";
    refused(
        &mut tables,
        "clients",
        r#"{"alter_columns": [{"name": "id", "type": "uuid"}]}"#,
        "42804",
        &message.replace("memo", "id").replace("bytea", "uuid"),
    );
}

#[test]
fn keys_and_checks_follow_the_type_of_their_column() {
    let mut tables = filled();
    altered(
        &mut tables,
        "orders",
        r#"{"alter_columns": [{"name": "memo", "type": "int"}, {"name": "total", "type": "int"}, {"name": "id", "type": "text"}],
            "add_unique": [["memo", "total"]], "add_indexes": [{"columns": ["client"], "filter": "memo=gt.5"}]}"#,
    );
    let shown = now(tables.session.describe_table("orders")).unwrap();
    assert_eq!((shown.indexes.len(), shown.unique.len(), shown.checks.len()), (2, 1, 1));
    assert_eq!(shown.primary_key.unwrap().columns, ["id"]);
    assert_eq!(
        tables.get("orders?order=memo"),
        "[{\"id\":\"1\",\"client\":1,\"memo\":5,\"total\":2},{\"id\":\"2\",\"client\":2,\"memo\":7,\"total\":2},\
         {\"id\":\"3\",\"client\":null,\"memo\":null,\"total\":0}]"
    );
    for (row, code) in [
        (r#"{"id": "1", "total": 1}"#, "23505"),
        (r#"{"id": "9", "total": 2, "memo": 7}"#, "23505"),
        (r#"{"id": "9", "total": -1}"#, "23514"),
    ] {
        assert_eq!(tables.post("orders", row).unwrap_err().code, code, "{row}");
    }
    tables.put("orders?id=eq.x", r#"{"id": "x", "total": 1, "memo": 50}"#).unwrap();
    // What was rounded stays so.
    altered(&mut tables, "orders", r#"{"alter_columns": [{"name": "total", "type": "numeric"}]}"#);
    assert_eq!(tables.get("orders?select=total&id=eq.1"), r#"[{"total":2}]"#);
    assert_eq!(tables.get("orders?select=id&memo=gte.7&order=memo"), r#"[{"id":"2"},{"id":"x"}]"#);
    // Values that were different become the same, and one cannot follow.
    let message = "could not create unique index \"orders_memo_total_key\"";
    tables.post("orders", r#"{"id": "y", "total": 1.2, "memo": 50}"#).unwrap();
    refused(&mut tables, "orders", r#"{"alter_columns": [{"name": "total", "type": "int"}]}"#, "23505", message);
    let message = "invalid input syntax for type integer: \"x\"";
    refused(&mut tables, "orders", r#"{"alter_columns": [{"name": "id", "type": "int"}]}"#, "22P02", message);
    tables.delete("orders?id=in.(x,y)").unwrap();
    altered(&mut tables, "orders", r#"{"alter_columns": [{"name": "id", "type": "int"}]}"#);
    assert_eq!(tables.get("orders?select=id&id=eq.3"), r#"[{"id":3}]"#);
    tables.check();
}

#[test]
fn a_foreign_key_keeps_the_types_of_its_columns_without_rows_too() {
    let mut tables = Tables::new(&[CLIENTS, ORDERS]);
    let key = r#"{"add_foreign_keys": [{"columns": ["client"], "references": {"table": "clients"}}]}"#;
    altered(&mut tables, "orders", key);
    let parent = r#"{"add_columns": [{"name": "above", "type": "int"}],
        "add_foreign_keys": [{"columns": ["above"], "references": {"table": "clients"}}]}"#;
    altered(&mut tables, "clients", parent);
    let message = "foreign key constraint \"orders_client_fkey\" cannot be implemented";
    let change = r#"{"alter_columns": [{"name": "client", "type": "numeric(4,1)"}]}"#;
    refused(&mut tables, "orders", change, "42804", message);
    let message = "foreign key constraint \"clients_above_fkey\" cannot be implemented";
    for column in ["id", "above"] {
        let change = format!(r#"{{"alter_columns": [{{"name": "{column}", "type": "text"}}]}}"#);
        refused(&mut tables, "clients", &change, "42804", message);
    }
    altered(&mut tables, "clients", r#"{"drop_constraints": ["clients_above_fkey"]}"#);
    let message = "foreign key constraint \"orders_client_fkey\" cannot be implemented";
    let change = r#"{"rename_columns": {"id": "number"}, "alter_columns": [{"name": "number", "type": "text"}]}"#;
    refused(&mut tables, "clients", change, "42804", message);
    altered(&mut tables, "clients", r#"{"alter_columns": [{"name": "id", "type": "bigint"}]}"#);
}

#[test]
fn a_foreign_key_keeps_the_types_of_its_columns() {
    let mut tables = filled();
    altered(
        &mut tables,
        "orders",
        r#"{"add_foreign_keys": [{"columns": ["client"], "references": {"table": "clients"}}]}"#,
    );
    let message = "foreign key constraint \"orders_client_fkey\" cannot be implemented";
    for (table, change) in [
        ("orders", r#"{"alter_columns": [{"name": "client", "type": "text"}]}"#),
        ("clients", r#"{"alter_columns": [{"name": "id", "type": "text"}]}"#),
    ] {
        refused(&mut tables, table, change, "42804", message);
    }
    altered(
        &mut tables,
        "orders",
        r#"{"drop_constraints": ["orders_client_fkey"], "alter_columns": [{"name": "client", "type": "text"}]}"#,
    );
    altered(&mut tables, "clients", r#"{"alter_columns": [{"name": "id", "type": "text"}]}"#);
    altered(
        &mut tables,
        "orders",
        r#"{"add_foreign_keys": [{"columns": ["client"], "references": {"table": "clients"}}]}"#,
    );
    assert_eq!(tables.post("orders", r#"{"id": 9, "client": "9", "total": 1}"#).unwrap_err().code, "23503");
}
