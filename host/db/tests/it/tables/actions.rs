//! What happens to children when their parent goes or changes its key.

use super::support::{Tables, outcome};

const PARENT: &str = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"code","type":"text"},
  {"name":"note","type":"text"}],"primary_key":["id"],"unique":[["code"]]}"#;

/// A table of children with this action, with or without an index on the foreign key.
fn child(on_delete: &str, on_update: &str, is_indexed: bool) -> String {
    let indexes = if is_indexed { r#","indexes":[{"columns":["parent","id"]}]"# } else { "" };
    format!(
        r#"{{"columns":[{{"name":"id","type":"integer","nullable":false}},
             {{"name":"parent","type":"bigint","default":9}}],
            "primary_key":["id"]{indexes},
            "foreign_keys":[{{"columns":["parent"],"references":{{"table":"parent","columns":["id"]}},
                             "on_delete":"{on_delete}","on_update":"{on_update}"}}]}}"#
    )
}

/// Deletes parent 1, or gives it the key 5, and compares what is left of the children.
#[track_caller]
fn check(action: &str, after_delete: &str, after_update: &str) {
    for is_indexed in [true, false] {
        for deletes in [true, false] {
            let mut tables = Tables::new(&[("parent", PARENT), ("child", &child(action, action, is_indexed))]);
            tables.post("parent", r#"[{"id":1},{"id":2},{"id":9}]"#).unwrap();
            tables
                .post(
                    "child",
                    r#"[{"id":1,"parent":1},{"id":2,"parent":2},{"id":3,"parent":1},{"id":4,"parent":null}]"#,
                )
                .unwrap();
            let (answer, expected) = if deletes {
                (tables.delete("parent?id=eq.1"), after_delete)
            } else {
                (tables.patch("parent?id=eq.1", r#"{"id":5}"#), after_update)
            };
            let found = match answer {
                Ok(answer) => {
                    assert_eq!(answer.written.affected, 1, "what follows is not counted");
                    tables.get("child?order=id&select=id,parent")
                }
                Err(error) => error.code.to_owned(),
            };
            assert_eq!(found, expected, "{action}, index {is_indexed}, delete {deletes}");
            tables.check();
        }
    }
}

#[test]
fn each_action_does_what_its_name_says() {
    check("no action", "23503", "23503");
    check("restrict", "23503", "23503");
    check(
        "cascade",
        r#"[{"id":2,"parent":2},{"id":4,"parent":null}]"#,
        r#"[{"id":1,"parent":5},{"id":2,"parent":2},{"id":3,"parent":5},{"id":4,"parent":null}]"#,
    );
    let nulls = r#"[{"id":1,"parent":null},{"id":2,"parent":2},{"id":3,"parent":null},{"id":4,"parent":null}]"#;
    check("set null", nulls, nulls);
    let defaults = r#"[{"id":1,"parent":9},{"id":2,"parent":2},{"id":3,"parent":9},{"id":4,"parent":null}]"#;
    check("set default", defaults, defaults);
}

#[test]
fn a_default_that_has_no_parent_is_refused() {
    let mut tables = Tables::new(&[("parent", PARENT), ("child", &child("set default", "cascade", false))]);
    tables.post("parent", r#"{"id":1}"#).unwrap();
    tables.post("child", r#"{"id":1,"parent":1}"#).unwrap();
    assert_eq!(
        outcome(tables.delete("parent?id=eq.1")),
        "23503 insert or update on table \"child\" violates foreign key constraint \"child_parent_fkey\" | \
         Key (parent)=(9) is not present in table \"parent\"."
    );
    assert_eq!(tables.check(), 2);
}

#[test]
fn a_default_that_is_the_parent_that_goes_is_refused() {
    for is_indexed in [true, false] {
        let child = child("set default", "set default", is_indexed);
        let mut tables = Tables::new(&[("parent", PARENT), ("child", &child)]);
        tables.post("parent", r#"[{"id":1},{"id":9}]"#).unwrap();
        tables.post("child", r#"[{"id":1,"parent":9},{"id":2,"parent":1}]"#).unwrap();
        let refused = "23503 update or delete on table \"parent\" violates foreign key constraint \"child_parent_fkey\" on \
             table \"child\" | Key (id)=(9) is still referenced from table \"child\".";
        assert_eq!(outcome(tables.delete("parent?id=eq.9")), refused, "index {is_indexed}");
        assert_eq!(outcome(tables.patch("parent?id=eq.9", r#"{"id":8}"#)), refused, "index {is_indexed}");
        assert_eq!(tables.check(), 4);
    }
}

#[test]
fn only_a_change_of_the_referenced_columns_counts() {
    let child = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"code","type":"varchar"}],
      "primary_key":["id"],
      "foreign_keys":[{"columns":["code"],"references":{"table":"parent","columns":["code"]},"on_update":"restrict"}]}"#;
    let mut tables = Tables::new(&[("parent", PARENT), ("child", child)]);
    tables.post("parent", r#"[{"id":1,"code":"a"},{"id":2,"code":null}]"#).unwrap();
    tables.post("child", r#"[{"id":1,"code":"a"},{"id":2,"code":null}]"#).unwrap();
    tables.patch("parent?id=eq.1", r#"{"note":"n","code":"a","id":7}"#).unwrap();
    assert!(tables.patch("parent?id=eq.7", r#"{"code":"b"}"#).is_err());
    tables.patch("parent?id=eq.2", r#"{"code":"b"}"#).unwrap();
    tables.delete("parent?id=eq.2").unwrap();
    tables.check();
}

#[test]
fn cascades_run_through_circles_and_diamonds_and_end() {
    let node = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"up","type":"integer"}],
      "primary_key":["id"],"indexes":[{"columns":["up"]}],
      "foreign_keys":[{"columns":["up"],"references":{"table":"node","columns":["id"]},"on_delete":"cascade","on_update":"cascade"}]}"#;
    let leaf = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"a","type":"integer"},{"name":"b","type":"integer"}],
      "primary_key":["id"],
      "foreign_keys":[{"columns":["a"],"references":{"table":"node","columns":["id"]},"on_delete":"cascade"},
                      {"columns":["b"],"references":{"table":"node","columns":["id"]},"on_delete":"set null"}]}"#;
    let mut tables = Tables::new(&[("node", node), ("leaf", leaf)]);
    tables
        .post("node", r#"[{"id":1,"up":3},{"id":2,"up":1},{"id":3,"up":2},{"id":4,"up":1},{"id":5,"up":null}]"#)
        .unwrap();
    tables
        .post("leaf", r#"[{"id":1,"a":1,"b":2},{"id":2,"a":5,"b":4},{"id":3,"a":4,"b":4},{"id":4,"a":5,"b":5}]"#)
        .unwrap();
    tables.patch("node?id=eq.5", r#"{"up":5}"#).unwrap();
    assert_eq!(tables.delete("node?id=eq.2").unwrap().written.affected, 1);
    assert_eq!(tables.get("node"), r#"[{"id":5,"up":5}]"#);
    assert_eq!(tables.get("leaf?order=id"), r#"[{"id":2,"a":5,"b":null},{"id":4,"a":5,"b":5}]"#);
    tables.check();
}

#[test]
fn each_of_several_parents_is_looked_at() {
    for action in ["no action", "restrict"] {
        for is_indexed in [true, false] {
            let child = child(action, action, is_indexed);
            let mut tables = Tables::new(&[("parent", PARENT), ("child", &child)]);
            tables.post("parent", r#"[{"id":1},{"id":2},{"id":3}]"#).unwrap();
            tables.post("child", r#"{"id":1,"parent":3}"#).unwrap();
            assert!(tables.delete("parent?id=gte.1").is_err(), "{action}, {is_indexed}");
            tables.check();
        }
    }
}

#[test]
fn a_parent_that_is_back_at_the_end_is_no_reason_to_refuse() {
    let mut tables = Tables::new(&[("parent", PARENT), ("child", &child("no action", "no action", true))]);
    tables.post("parent", r#"[{"id":1},{"id":2},{"id":3}]"#).unwrap();
    tables.post("child", r#"[{"id":1,"parent":1}]"#).unwrap();
    tables.session_begin();
    assert!(tables.delete("parent?id=eq.1").is_err());
    tables.post("child", r#"{"id":2,"parent":2}"#).unwrap();
    tables.session_commit();
    assert_eq!(tables.get("child?order=id"), r#"[{"id":1,"parent":1},{"id":2,"parent":2}]"#);
    tables.check();
}

#[test]
fn more_rows_than_a_statement_may_change_are_refused_whole() {
    let mut tables =
        Tables::with_limits(&[("parent", PARENT), ("child", &child("cascade", "cascade", true))], |limits| {
            limits.statement_rows_max = 10;
        });
    tables.post("parent", r#"[{"id":1},{"id":2}]"#).unwrap();
    for start in [10, 20] {
        let rows: Vec<_> = (start..start + 8).map(|id| format!(r#"{{"id":{id},"parent":1}}"#)).collect();
        tables.post("child", &format!("[{}]", rows.join(","))).unwrap();
    }
    for refused in [tables.delete("parent?id=eq.1"), tables.patch("child", r#"{"parent":2}"#)] {
        let error = refused.unwrap_err();
        assert_eq!(error.code, "54000");
        assert!(error.message.contains("10") && error.hint.is_some(), "{error:?}");
    }
    assert_eq!(tables.check(), 18);
}

/// A table of rows that reference each other, without an index on what they reference by.
fn nodes(others: &str) -> Tables {
    let node = format!(
        r#"{{"columns":[{{"name":"id","type":"integer","nullable":false}},{{"name":"up","type":"integer"}},
                       {{"name":"friend","type":"integer"}}],
            "primary_key":["id"],
            "foreign_keys":[
              {{"columns":["up"],"references":{{"table":"node","columns":["id"]}},"on_delete":"cascade"}}{others}]}}"#
    );
    Tables::new(&[("node", &node)])
}

const CHAIN: u64 = 300;

#[test]
fn a_tree_without_an_index_is_not_looked_through_for_each_level() {
    let mut tables = nodes("");
    let rows: Vec<_> = (1..=CHAIN).map(|id| format!(r#"{{"id":{id},"up":{}}}"#, id.max(2) - 1)).collect();
    tables.post("node", &format!("[{}]", rows.join(","))).unwrap();
    // Children count as rows that are examined.
    tables.options.examined_max = Some(CHAIN - 1);
    assert_eq!(tables.delete("node?id=eq.1").unwrap_err().code, "57014");
    assert_eq!(tables.check(), CHAIN);
    tables.options.examined_max = Some(4 * CHAIN);
    tables.delete("node?id=eq.1").unwrap();
    assert_eq!(tables.check(), 0);
}

#[test]
fn a_child_that_an_action_has_removed_or_changed_counts_no_more() {
    let restrict = r#",{"columns":["friend"],"references":{"table":"node","columns":["id"]},"on_delete":"restrict"}"#;
    let mut tables = nodes(restrict);
    // Each level references the next one, and is gone by the time that one goes.
    let row = |id: i32| {
        let up = if id == 1 { "null".to_owned() } else { (id - 1).to_string() };
        format!(r#"{{"id":{id},"up":{up},"friend":{}}}"#, id + 1)
    };
    let rows: Vec<_> = (1..8).map(row).collect();
    tables.post("node", &format!(r#"[{{"id":8,"up":7}},{}]"#, rows.join(","))).unwrap();
    tables.delete("node?id=eq.1").unwrap();
    assert_eq!(tables.check(), 0);

    let nulls = r#",{"columns":["friend"],"references":{"table":"node","columns":["id"]},"on_delete":"set null"}"#;
    let mut tables = nodes(nulls);
    tables.post("node", r#"[{"id":1},{"id":2,"up":1},{"id":3,"up":2},{"id":4,"up":3},{"id":5,"up":4}]"#).unwrap();
    let friends: Vec<_> = (10..15).map(|id| format!(r#"{{"id":{id},"friend":{}}}"#, id - 9)).collect();
    tables.post("node", &format!("[{}]", friends.join(","))).unwrap();
    tables.delete("node?id=eq.1").unwrap();
    assert_eq!(tables.get("node?friend=not.is.null"), "[]");
    assert_eq!(tables.check(), 5);
}
