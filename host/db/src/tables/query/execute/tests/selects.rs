use super::World;
use crate::tables::code;
use crate::tables::query::Count;

fn world() -> World {
    let mut world = World::new(&[(
        "items",
        r#"{"columns":[{"name":"id","type":"integer"},{"name":"name","type":"text"},{"name":"price","type":"numeric"},
            {"name":"stock","type":"integer"},{"name":"tags","type":"text[]"},{"name":"data","type":"jsonb"}],
           "primary_key":["id"],"indexes":[{"columns":["stock"]}]}"#,
    )]);
    world.insert(
        "items",
        r#"[[1,"pen",1.50,10,["a","b"],{"k":1}],[2,"ink",4.25,null,null,{"k":null}],[3,"pad",2.00,10,[],null],
            [4,"cap",0.75,3,["b"],{"k":{"x":"y"}}],[5,null,9.99,7,["c"],{}]]"#,
    );
    world
}

#[track_caller]
fn check(query: &str, expected: &str) {
    let world = world();
    assert_eq!(world.ask("items", query).json, expected, "{query}");
    let scanned = world.run("items", query, Count::None, true).unwrap();
    assert_eq!(scanned.json, expected, "{query}, by a full scan");
}

#[test]
fn filters_orders_and_pages() {
    check("select=id&id=eq.3", r#"[{"id":3}]"#);
    check("select=id&id=eq.9", "[]");
    check("select=id,name&id=in.(4,1,9)&order=id", r#"[{"id":1,"name":"pen"},{"id":4,"name":"cap"}]"#);
    check("select=id&stock=eq.10&order=id.desc", r#"[{"id":3},{"id":1}]"#);
    check("select=id&stock=is.null", r#"[{"id":2}]"#);
    check("select=id&stock=gte.3&stock=lt.10&order=stock", r#"[{"id":4},{"id":5}]"#);
    check("select=id&name=like.p*&order=id", r#"[{"id":1},{"id":3}]"#);
    check("select=id&or=(stock.eq.3,price.gt.5)&order=id", r#"[{"id":4},{"id":5}]"#);
    check("select=id&not.or=(stock.eq.3,price.gt.5)&order=id", r#"[{"id":1},{"id":3}]"#);
    check("select=id&tags=cs.{b}&order=id", r#"[{"id":1},{"id":4}]"#);
    check("select=id&name=neq.pen&order=id", r#"[{"id":2},{"id":3},{"id":4}]"#);
    check("select=id&name=isdistinct.pen&order=id", r#"[{"id":2},{"id":3},{"id":4},{"id":5}]"#);
    check("select=id&order=name.nullsfirst&limit=2", r#"[{"id":5},{"id":4}]"#);
    check("select=id&order=name.desc&limit=2", r#"[{"id":5},{"id":1}]"#);
    check("select=id&order=stock.desc.nullslast,id&limit=3&offset=1", r#"[{"id":3},{"id":5},{"id":4}]"#);
    check("select=id&order=id&limit=2&offset=4", r#"[{"id":5}]"#);
    check("select=id&limit=0", "[]");
    check("select=x:data->k&id=in.(1,4)&order=id", r#"[{"x":1},{"x":{"x": "y"}}]"#);
    check("select=id&data->k->>x=eq.y", r#"[{"id":4}]"#);
}

#[test]
fn groups_and_aggregates() {
    check("select=count()", r#"[{"count":5}]"#);
    check("select=count()&id=gt.2", r#"[{"count":3}]"#);
    check("select=count()&id=gt.20", r#"[{"count":0}]"#);
    check("select=price.sum(),stock.max()&id=gt.20", r#"[{"sum":null,"max":null}]"#);
    check(
        "select=stock,count()&order=stock",
        r#"[{"stock":3,"count":1},{"stock":7,"count":1},{"stock":10,"count":2},{"stock":null,"count":1}]"#,
    );
    check("select=stock,price.sum()&stock=eq.10", r#"[{"stock":10,"sum":3.50}]"#);
    check(
        "select=stock,n:count()&order=count().desc,stock&limit=2&offset=1",
        r#"[{"stock":3,"n":1},{"stock":7,"n":1}]"#,
    );
    check("select=stock,count()&having=(count().gt.1)", r#"[{"stock":10,"count":2}]"#);
}

#[test]
fn counts_are_those_of_all_rows_that_pass() {
    let world = world();
    let total = |query: &str, count| world.run("items", query, count, false).unwrap().selected;
    for query in ["limit=1", "order=name&limit=1", "limit=0", "order=stock&offset=3&limit=1"] {
        let selected = total(query, Count::Exact);
        assert_eq!(selected.total, Some(5), "{query}");
    }
    assert_eq!(total("stock=eq.10&limit=1", Count::Exact).total, Some(2));
    assert_eq!(total("name=like.p*&limit=1", Count::Exact).total, Some(2));
    assert_eq!(total("name=like.p*&limit=1", Count::Estimated).total, Some(2));
    assert_eq!(total("", Count::Planned).total, Some(5));
    assert_eq!(total("", Count::None).total, None);
    let beyond = total("offset=7", Count::Exact);
    assert_eq!((beyond.rows, beyond.offset, beyond.total), (0, 5, Some(5)));
    assert_eq!(total("select=stock,count()&limit=1", Count::Exact).total, Some(4));
}

#[test]
fn rows_that_are_sorted_and_shown_in_pieces_are_counted_and_not_estimated() {
    let answer = world().run("items", "name=not.is.null&order=price,id", Count::Exact, false).unwrap();
    assert_eq!((answer.selected.rows, answer.selected.total), (4, Some(4)));
}

#[test]
fn more_rows_than_allowed_are_an_error() {
    let mut world = world();
    world.limits.query_rows_max = 3;
    assert_eq!(world.run("items", "price=gt.100", Count::None, false).unwrap_err().code, code::QUERY_CANCELED);
    assert_eq!(world.ask("items", "select=id&id=eq.1").json, r#"[{"id":1}]"#);
}

#[test]
fn more_bytes_than_allowed_are_an_error() {
    let mut world = world();
    world.limits.query_bytes_max = 200;
    for query in ["order=name", "select=name,count()"] {
        let error = world.run("items", query, Count::None, false).unwrap_err();
        assert_eq!(error.code, code::LIMIT_EXCEEDED, "{query}");
    }
    assert_eq!(world.ask("items", "select=id&order=id&limit=1").json, r#"[{"id":1}]"#);
}

#[test]
fn given_rows_are_shown_whatever_the_filter_says() {
    use crate::tables::query::execute::{StoredRow, show_rows};
    use crate::tables::query::{JsonForm, JsonRows};

    let world = world();
    let stored = world.stored("items");
    let rows: Vec<_> = stored.iter().map(|(key, version, bytes)| StoredRow { key, version: *version, bytes }).collect();
    let bound = world.bind("items", "select=id&id=eq.77&order=id.desc&limit=2").unwrap();
    let mut sink = JsonRows::new(JsonForm::Lines, false, usize::MAX, world.environment.clone());
    let snapshot = world.engine.snapshot();
    show_rows(&bound.select, &rows, &mut &snapshot, &world.context(), &mut sink).unwrap();
    assert_eq!(String::from_utf8(sink.into_bytes()).unwrap(), "{\"id\":5}\n{\"id\":4}\n");
}

#[test]
fn stored_rows_come_in_order_and_within_limits() {
    use crate::tables::query::execute::matching_rows;

    let world = world();
    let bound = world.bind("items", "stock=eq.10&order=name&limit=1").unwrap();
    let snapshot = world.engine.snapshot();
    let mut names = Vec::new();
    matching_rows(&bound.select, &mut &snapshot, &world.context(), &mut |_, header, bytes| {
        let row = world.table("items").reader.open(bytes)?;
        names.push((format!("{:?}", row.column(1)?), header.version > 0));
        Ok(())
    })
    .unwrap();
    assert_eq!(names, [(r#"Text("pad")"#.to_owned(), true)]);
}
