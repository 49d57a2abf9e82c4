use super::World;
use crate::tables::query::Count;

fn world(with_indexes: bool) -> World {
    let orders = format!(
        r#"{{"columns":[{{"name":"id","type":"integer"}},{{"name":"client_id","type":"bigint"}},
            {{"name":"total","type":"integer"}},{{"name":"note","type":"text"}}],"primary_key":["id"],
            "indexes":[{}],
            "foreign_keys":[{{"columns":["client_id"],"references":{{"table":"clients","columns":["id"]}}}}]}}"#,
        if with_indexes { r#"{"columns":["client_id","total"]}"# } else { "" },
    );
    let mut world = World::new(&[
        (
            "clients",
            r#"{"columns":[{"name":"id","type":"bigint"},{"name":"name","type":"text"}],"primary_key":["id"]}"#,
        ),
        ("orders", &orders),
        ("tags", r#"{"columns":[{"name":"id","type":"integer"},{"name":"label","type":"text"}],"primary_key":["id"]}"#),
        (
            "order_tags",
            r#"{"columns":[{"name":"order_id","type":"integer"},{"name":"tag_id","type":"integer"}],
                "primary_key":["order_id","tag_id"],
                "foreign_keys":[{"columns":["order_id"],"references":{"table":"orders","columns":["id"]}},
                                {"columns":["tag_id"],"references":{"table":"tags","columns":["id"]}}]}"#,
        ),
    ]);
    world.insert("clients", r#"[[1,"ann"],[2,"bob"],[3,"cyd"]]"#);
    world.insert("orders", r#"[[10,1,5,"x"],[11,1,7,null],[12,2,5,"y"],[13,null,1,"z"]]"#);
    world.insert("tags", r#"[[1,"red"],[2,"big"]]"#);
    world.insert("order_tags", "[[10,1],[10,2],[12,2]]");
    world
}

#[track_caller]
fn check(table: &str, query: &str, expected: &str) {
    for with_indexes in [false, true] {
        let world = world(with_indexes);
        for scans_only in [false, true] {
            let answer = world.run(table, query, Count::Exact, scans_only);
            let answer = answer.unwrap_or_else(|error| panic!("{table}?{query}: {error:?}"));
            assert_eq!(answer.json, expected, "{table}?{query} {with_indexes} {scans_only}");
        }
    }
}

#[test]
fn a_parent_is_an_object_or_null() {
    check(
        "orders",
        "select=id,clients(name)&order=id",
        r#"[{"id":10,"clients":{"name":"ann"}},{"id":11,"clients":{"name":"ann"}},{"id":12,"clients":{"name":"bob"}},{"id":13,"clients":null}]"#,
    );
    check("orders", "select=id,clients!inner(name)&clients.name=eq.bob", r#"[{"id":12,"clients":{"name":"bob"}}]"#);
    check(
        "orders",
        "select=id,...clients(who:name)&order=clients(name).desc,id&limit=2",
        r#"[{"id":13,"who":null},{"id":12,"who":"bob"}]"#,
    );
}

#[test]
fn children_are_an_array() {
    check(
        "clients",
        "select=name,orders(total)&order=id&orders.order=total.desc",
        r#"[{"name":"ann","orders":[{"total":7},{"total":5}]},{"name":"bob","orders":[{"total":5}]},{"name":"cyd","orders":[]}]"#,
    );
    check(
        "clients",
        "select=name,orders(total)&order=id&orders.order=total&orders.limit=1&limit=1",
        r#"[{"name":"ann","orders":[{"total":5}]}]"#,
    );
    check(
        "clients",
        "select=name,orders(total)&order=id&orders.order=total&orders.offset=1",
        r#"[{"name":"ann","orders":[{"total":7}]},{"name":"bob","orders":[]},{"name":"cyd","orders":[]}]"#,
    );
    check("clients", "select=name,orders!inner(id)&orders.total=eq.7", r#"[{"name":"ann","orders":[{"id":11}]}]"#);
    check("clients", "select=name,orders()&orders=is.null", r#"[{"name":"cyd"}]"#);
    check("clients", "select=name,orders()&orders=not.is.null&order=name.desc", r#"[{"name":"bob"},{"name":"ann"}]"#);
}

#[test]
fn a_junction_is_passed_through() {
    check(
        "orders",
        "select=id,tags(label)&order=id&tags.order=label",
        r#"[{"id":10,"tags":[{"label":"big"},{"label":"red"}]},{"id":11,"tags":[]},{"id":12,"tags":[{"label":"big"}]},{"id":13,"tags":[]}]"#,
    );
    check("tags", "select=label,orders!inner(id)&orders.total=lt.5", "[]");
    check(
        "tags",
        "select=label,orders(id,clients(name))&order=id",
        r#"[{"label":"red","orders":[{"id":10,"clients":{"name":"ann"}}]},{"label":"big","orders":[{"id":10,"clients":{"name":"ann"}},{"id":12,"clients":{"name":"bob"}}]}]"#,
    );
}

#[test]
fn embedded_groups_and_spreads() {
    check(
        "clients",
        "select=name,orders(count())&order=id",
        r#"[{"name":"ann","orders":[{"count":2}]},{"name":"bob","orders":[{"count":1}]},{"name":"cyd","orders":[{"count":0}]}]"#,
    );
    check(
        "clients",
        "select=name,...orders(totals:total,note)&order=id&orders.order=total",
        r#"[{"name":"ann","totals":[5,7],"note":["x",null]},{"name":"bob","totals":[5],"note":["y"]},{"name":"cyd","totals":[],"note":[]}]"#,
    );
    check(
        "orders",
        "select=...clients(name),total.sum()&order=total.sum().desc",
        r#"[{"sum":12,"name":"ann"},{"sum":5,"name":"bob"},{"sum":1,"name":null}]"#,
    );
}

#[test]
fn parents_are_ordered_by_their_children() {
    check(
        "clients",
        "select=name,orders()&order=orders(count()).desc,name",
        r#"[{"name":"ann"},{"name":"bob"},{"name":"cyd"}]"#,
    );
    check(
        "clients",
        "select=name,orders()&order=orders(total.max()).desc.nullslast,name&limit=1",
        r#"[{"name":"ann"}]"#,
    );
}

#[test]
fn a_batch_that_is_too_much_to_hold_is_shown_in_parts() {
    let mut world = world(true);
    world.limits.query_bytes_max = 600;
    let answer = world.ask("clients", "select=name,orders(total,note)&order=id");
    assert_eq!(answer.selected.rows, 3);
}
