use super::{World, described};

fn world() -> World {
    let mut world = World::new(&[(
        "orders",
        r#"{"columns":[{"name":"id","type":"bigint"},{"name":"client","type":"integer"},{"name":"status","type":"text"},
            {"name":"created","type":"timestamptz"},{"name":"total","type":"numeric","nullable":false},
            {"name":"email","type":"text","nullable":false},{"name":"data","type":"jsonb"}],
           "primary_key":["id"],"unique":[["email"]],
           "indexes":[{"columns":["client","created"]},
                      {"columns":["total"],"name":"paid","filter":"status=eq.paid"},
                      {"columns":["status"]},
                      {"columns":["data->>city"],"name":"city"}]}"#,
    )]);
    let rows: Vec<String> = (0..1_000)
        .map(|id| {
            let status = if id % 10 == 0 { "paid" } else { "open" };
            let created = format!("2024-01-{:02}T00:00:00Z", id % 28 + 1);
            format!(r#"[{id},{},"{status}","{created}",{}.5,"m{id}@x",{{"city":"c{}"}}]"#, id % 50, id % 97, id % 20)
        })
        .collect();
    world.insert("orders", &format!("[{}]", rows.join(",")));
    world
}

#[track_caller]
fn check(world: &World, query: &str, expected: &str) {
    let plan = world.plan("orders", query);
    assert_eq!(described(&plan, world.table("orders")), expected, "{query}");
}

#[test]
fn what_a_key_serves_is_read_by_it() {
    let world = world();
    check(&world, "id=eq.5", "1 keys");
    check(&world, "id=in.(5,3,9)", "3 keys");
    check(&world, "id=in.(5,3,9)&order=id.desc", "3 keys, reverse");
    check(&world, "or=(id.eq.5,id.eq.9)", "2 keys");
    check(&world, "id=gte.5&id=lt.9", "1 ranges of rows");
    check(&world, "id=eq.5&status=eq.paid", "1 keys, filtered");
    check(&world, "id=is.null", "1 keys");
    check(&world, "id=eq.5&id=eq.6", "nothing");
    check(&world, "id=in.()", "nothing");
    check(&world, "email=eq.m5@x", "1 entries of orders_email_key");
    check(&world, "email=like.m5*&limit=5", "1 ranges of orders_email_key, filtered");
    check(&world, "client=eq.3", "1 ranges of orders_client_created_idx");
    check(&world, "client=eq.3&created=gt.2024-01-05", "1 ranges of orders_client_created_idx");
    check(&world, "client=in.(3,4)&created=gt.2024-01-05", "2 ranges of orders_client_created_idx");
    check(&world, "client=is.null", "1 ranges of orders_client_created_idx");
    check(&world, "status=eq.open&total=gt.3&client=eq.3", "1 ranges of orders_client_created_idx, filtered");
    check(&world, "data->>city=eq.c3", "1 ranges of city");
    check(&world, "total=gt.3", "1 ranges of rows, filtered");
    check(&world, "status=eq.paid&total=gt.3&total=lt.5", "1 ranges of paid");
    check(&world, "status=in.(paid)&total=eq.3.5", "1 ranges of paid");
}

#[test]
fn an_order_that_a_key_has_is_not_sorted() {
    let world = world();
    check(&world, "order=id&limit=10", "1 ranges of rows");
    check(&world, "order=id.desc&limit=10", "1 ranges of rows, reverse");
    check(&world, "order=id.asc.nullsfirst&limit=10", "1 ranges of rows");
    check(&world, "order=email.desc&limit=10", "1 ranges of orders_email_key, reverse");
    check(&world, "order=email,client&limit=10", "1 ranges of orders_email_key");
    check(&world, "client=eq.3&order=created&limit=5", "1 ranges of orders_client_created_idx");
    check(&world, "client=eq.3&order=client.desc,created,id&limit=5", "1 ranges of orders_client_created_idx");
    check(&world, "client=eq.3&order=created.desc&limit=5", "1 ranges of orders_client_created_idx, reverse");
    check(&world, "order=client,created.desc&limit=5", "1 ranges of rows, sorted");
    check(&world, "order=client.desc.nullslast&limit=5", "1 ranges of rows, sorted");
    check(&world, "client=gt.3&order=client.desc.nullslast&limit=5", "1 ranges of orders_client_created_idx, reverse");
    check(&world, "order=client.desc&limit=5", "1 ranges of orders_client_created_idx, reverse");
    check(&world, "order=total&limit=5", "1 ranges of rows, sorted");
    check(&world, "status=eq.paid&order=total&limit=5", "1 ranges of paid");
}

#[test]
fn reading_stops_when_the_page_is_full() {
    let world = world();
    assert!(world.ask("orders", "order=email.desc&limit=5").examined <= 80);
    assert!(world.ask("orders", "client=eq.3&order=created&limit=5").examined <= 80);
    assert_eq!(world.ask("orders", "order=id.desc&limit=5").examined, 5);
    assert_eq!(world.ask("orders", "id=eq.5").examined, 1);
    assert_eq!(world.ask("orders", "id=in.(5,7)").examined, 2);
    assert_eq!(world.ask("orders", "email=eq.m5@x").examined, 2);
}

/// Without statistics a rare value and a common one look the same.
#[test]
fn a_rare_value_is_found_by_its_index_and_a_common_one_by_the_order() {
    let mut world = World::new(&[(
        "orders",
        r#"{"columns":[{"name":"id","type":"integer"},{"name":"status","type":"text"},{"name":"at","type":"integer"}],
           "primary_key":["id"],"indexes":[{"columns":["status"]},{"columns":["at"]}]}"#,
    )]);
    let status = |id: usize| if id % 7_000 == 6_999 { "rare" } else { "common" };
    let rows: Vec<String> =
        (0..20_000).map(|id| format!(r#"[{id},"{}",{}]"#, status(id), id * 7_919 % 20_011)).collect();
    world.insert("orders", &format!("[{}]", rows.join(",")));
    check(&world, "status=eq.rare&order=at&limit=25", "1 ranges of orders_status_idx, sorted");
    check(&world, "status=eq.common&order=at&limit=25", "1 ranges of orders_at_idx, filtered");
    check(&world, "status=eq.common&order=id&limit=25", "1 ranges of orders_status_idx");
    assert!(world.ask("orders", "status=eq.rare&order=at&limit=25").examined < 10);
    assert!(world.ask("orders", "status=eq.common&order=at&limit=25").examined < 100);
}
