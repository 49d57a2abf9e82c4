use super::World;
use crate::tables::query::execute::Paging;
use crate::tables::query::explain::{analyze, explain};

fn world() -> World {
    let mut world = World::new(&[
        (
            "clients",
            r#"{"columns":[{"name":"id","type":"integer"},{"name":"name","type":"text"}],"primary_key":["id"]}"#,
        ),
        (
            "orders",
            r#"{"columns":[{"name":"id","type":"integer"},{"name":"client","type":"integer"},{"name":"total","type":"numeric"}],
               "primary_key":["id"],"indexes":[{"columns":["client"]}],
               "foreign_keys":[{"columns":["client"],"references":{"table":"clients","columns":["id"]}}]}"#,
        ),
    ]);
    world.insert("clients", r#"[[1,"a"],[2,"b"]]"#);
    world.insert("orders", "[[1,1,5],[2,2,7],[3,1,9]]");
    world
}

#[track_caller]
fn check(query: &str, expected: &str) {
    let world = world();
    let bound = world.bind("orders", query).unwrap();
    let explanation = explain(&bound.select, &world.context(), Paging::default());
    let lines: Vec<String> = explanation.to_text().lines().map(without_cost).collect();
    assert_eq!(lines.join("\n"), expected, "{query}");
    let json: serde_json::Value = serde_json::from_str(&explanation.to_json()).expect("JSON");
    assert!(json[0]["Plan"]["Node Type"].is_string() && json[0]["Plan"]["Total Cost"].is_number(), "{json}");
}

fn without_cost(line: &str) -> String {
    line.split("  (cost").next().unwrap_or_default().to_owned()
}

#[test]
fn plans_are_told_in_the_words_of_postgresql() {
    check("id=eq.1", "Index Scan using orders_pkey on orders\n  Index Cond: (id = 1)");
    check(
        "client=eq.1&total=gt.5",
        "Index Scan using orders_client_idx on orders\n  Filter: ((client = 1) AND (total > '5'::numeric))",
    );
    check("total=gt.5&limit=2", "Limit\n  ->  Seq Scan on orders\n        Filter: (total > '5'::numeric)");
    check(
        "order=total.desc&limit=2",
        "Limit\n  ->  Sort\n        Sort Key: total DESC\n        ->  Seq Scan on orders",
    );
    check("order=id.desc&limit=2", "Limit\n  ->  Index Scan Backward using orders_pkey on orders");
    check(
        "select=id,clients!inner(name)&limit=2",
        "Limit\n  ->  Nested Loop\n        Join Type: Inner\n        ->  Seq Scan on orders\n        ->  Index Scan using clients_pkey on clients clients_1\n              Join Filter: (clients_1.id = orders.client)",
    );
    check(
        "select=id,c:clients!inner()&c.name=in.(a,b)&limit=1",
        "Limit\n  ->  Nested Loop\n        Join Type: Inner\n        ->  Seq Scan on orders\n        ->  Index Scan using clients_pkey on clients clients_1\n              Join Filter: ((clients_1.id = orders.client) AND (clients_1.name = ANY ('{a,b}'::text[])))",
    );
    check("select=client,total.sum()", "Aggregate\n  Strategy: Sorted\n  Group Key: client\n  ->  Seq Scan on orders");
}

#[test]
fn an_executed_plan_tells_what_became_of_it() {
    let world = world();
    let bound = world.bind("orders", "client=eq.1").unwrap();
    let snapshot = world.engine.snapshot();
    let explanation = analyze(&bound.select, &mut &snapshot, &world.context(), Paging::default()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&explanation.to_json()).expect("JSON");
    assert_eq!(json[0]["Plan"]["Actual Rows"], 2);
    assert!(json[0]["Execution Time"].is_number());
    assert!(explanation.to_text().contains("Actual Rows: 2"));
}
