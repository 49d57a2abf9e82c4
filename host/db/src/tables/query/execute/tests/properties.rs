//! Every plan gives the rows of the full scan.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{World, described};
use crate::tables::query::Count;

const COLUMNS: &str = r#"{"name":"id","type":"integer"},{"name":"a","type":"integer"},{"name":"b","type":"text"},
    {"name":"c","type":"numeric"},{"name":"d","type":"boolean"},{"name":"e","type":"character(3)"},
    {"name":"f","type":"double precision"},{"name":"j","type":"jsonb"},{"name":"g","type":"smallint"}"#;

const INDEXES: &[&str] = &[
    r#"{"columns":["a"]}"#,
    r#"{"columns":["a","b"]}"#,
    r#"{"columns":[{"column":"a","descending":true},"c"]}"#,
    r#"{"columns":["b"]}"#,
    r#"{"columns":[{"column":"b","descending":true},{"column":"a","descending":true}]}"#,
    r#"{"columns":["c","d","a"]}"#,
    r#"{"columns":["d"]}"#,
    r#"{"columns":["e","f"]}"#,
    r#"{"columns":[{"column":"f","descending":true}]}"#,
    r#"{"columns":["j->>k"]}"#,
    r#"{"columns":["j->n","a"]}"#,
    r#"{"columns":["b"],"filter":"a=gt.0"}"#,
    r#"{"columns":["a"],"filter":"b=not.is.null"}"#,
    r#"{"columns":["c"],"filter":"d=is.true"}"#,
    r#"{"columns":["a","id"],"unique":true}"#,
    r#"{"columns":["id","b"],"unique":true}"#,
];

const KEYS: &[&str] = &[r#""primary_key":["id"],"#, r#""primary_key":["g","id"],"#, ""];

const CONDITIONS: &[&str] = &[
    "a=eq.1",
    "a=eq.0",
    "a=neq.1",
    "a=gt.0",
    "a=gte.1",
    "a=lt.1",
    "a=lte.0",
    "a=in.(0,2,-1)",
    "a=is.null",
    "a=not.is.null",
    "a=not.in.(0,1)",
    "a=not.gt.0",
    "a=isdistinct.1",
    "a=gt(any).{0,1}",
    "a=eq(any).{2,0}",
    "a=lt(all).{2,1}",
    "b=eq.ab",
    "b=eq.",
    "b=like.a*",
    "b=like.ab*",
    "b=like.*b",
    "b=like.a_*",
    "b=ilike.A*",
    "b=match.^a",
    "b=gt.a",
    "b=lt.ab",
    "b=is.null",
    "b=in.(a,ab,\"\")",
    "b=not.like.a*",
    "c=eq.1.5",
    "c=eq.1.50",
    "c=gte.1",
    "c=lt.2.25",
    "c=in.(1,1.5)",
    "d=is.true",
    "d=not.is.true",
    "d=eq.false",
    "d=is.null",
    "e=eq.x",
    "e=gt.x",
    "e=in.(x,xy)",
    "e=like.x*",
    "f=eq.0",
    "f=gt.0",
    "f=lt.NaN",
    "f=eq.NaN",
    "f=gte.-1",
    "j->>k=eq.v",
    "j->>k=is.null",
    "j->>k=like.v*",
    "j->n=eq.1",
    "j->n=gt.1",
    "j=cs.{\"k\":\"v\"}",
    "id=eq.3",
    "id=in.(1,5,7)",
    "id=gt.4",
    "id=lte.6",
    "id=eq.3000",
    "b=not.is.null",
    "g=eq.1",
    "g=in.(0,1)",
    "or=(a.eq.1,a.eq.2)",
    "or=(a.eq.1,b.is.null)",
    "and=(a.gte.0,a.lte.1)",
    "not.and=(a.gte.0,b.eq.ab)",
    "not.or=(a.eq.1,d.is.true)",
    "or=(id.eq.2,id.in.(4,9))",
];

const TERMS: &[&str] = &[
    "a",
    "a.desc",
    "a.nullsfirst",
    "a.desc.nullslast",
    "b",
    "b.desc",
    "c",
    "c.desc",
    "d",
    "e",
    "e.desc",
    "f.desc",
    "f",
    "j->>k",
    "j->n.desc",
    "id",
    "id.desc",
    "g",
    "g.desc",
    "b.nullsfirst",
];

const SHAPES: &[&str] =
    &["select=id,a,b", "select=*", "select=id,j->k,c::text", "select=count()", "select=a,n:count(),c.sum(),b.max()"];

fn row() -> impl Strategy<Value = String> {
    (
        select(&["null", "-1", "0", "1", "2"][..]),
        select(&["null", r#""""#, r#""a""#, r#""ab""#, r#""abc""#, r#""b""#, r#""Ab""#][..]),
        select(&["null", "1", "1.5", "1.50", "2.25", "-3"][..]),
        select(&["null", "true", "false"][..]),
        select(&["null", r#""x""#, r#""xy""#, r#""y""#, r#""xyz""#][..]),
        select(&["null", "0", "-0.0", "1.5", "-1", r#""NaN""#, r#""Infinity""#][..]),
        select(&["null", "{}", r#"{"k":"v"}"#, r#"{"k":"va","n":1}"#, r#"{"n":1.0}"#, r#"{"n":[1]}"#][..]),
        select(&["0", "1"][..]),
    )
        .prop_map(|(a, b, c, d, e, f, j, g)| format!("{a},{b},{c},{d},{e},{f},{j},{g}"))
}

#[derive(Debug)]
struct Case {
    definition: String,
    rows: String,
    query: String,
}

fn case() -> impl Strategy<Value = Case> {
    let table = (select(KEYS), subsequence(INDEXES.to_vec(), 0..6), vec(row(), 0..40));
    let query = (select(SHAPES), vec(select(CONDITIONS), 0..4), vec(select(TERMS), 0..4));
    (table, query, proptest::option::of(0..12_u64), 0..5_u64).prop_map(
        |((key, indexes, rows), (shape, conditions, terms), limit, offset)| {
            let rows: Vec<String> = rows.iter().enumerate().map(|(id, row)| format!("[{id},{row}]")).collect();
            let mut parts: Vec<String> = [&[shape], &conditions[..]].concat().into_iter().map(str::to_owned).collect();
            if !shape.contains("()") {
                // The last term tells all rows apart.
                parts.push(format!("order={}", [&terms[..], &["id"]].concat().join(",")));
            }
            parts.extend(limit.map(|limit| format!("limit={limit}")));
            parts.push(format!("offset={offset}"));
            Case {
                definition: format!(r#"{{"columns":[{COLUMNS}],{key}"indexes":[{}]}}"#, indexes.join(",")),
                rows: format!("[{}]", rows.join(",")),
                query: parts.join("&"),
            }
        },
    )
}

proptest! {
    #[test]
    fn every_plan_gives_the_rows_of_the_full_scan(case in case()) {
        let mut world = World::new(&[("t", &case.definition)]);
        world.insert("t", &case.rows);
        for count in [Count::None, Count::Exact] {
            let planned = world.run("t", &case.query, count, false);
            let scanned = world.run("t", &case.query, count, true);
            let plan = described(&world.plan("t", &case.query), world.table("t"));
            match (planned, scanned) {
                (Ok(planned), Ok(scanned)) => {
                    prop_assert_eq!(planned.json, scanned.json, "{}", plan);
                    prop_assert_eq!(planned.selected, scanned.selected, "{}", plan);
                }
                (planned, scanned) => prop_assert!(false, "{}: {:?} {:?}", plan, planned, scanned),
            }
        }
    }
}

const CHILD_INDEXES: &[&str] = &[
    r#"{"columns":["parent"]}"#,
    r#"{"columns":["parent","n"]}"#,
    r#"{"columns":["parent",{"column":"n","descending":true}]}"#,
    r#"{"columns":["n"]}"#,
    r#"{"columns":["parent"],"filter":"n=gt.1"}"#,
];

const EMBEDS: &[&str] = &[
    "select=id,children(id,n)&children.order=n,id",
    "select=id,children(id)&children.order=n.desc,id.desc&children.limit=2",
    "select=id,children(id)&children.order=n,id&children.offset=1&children.limit=1",
    "select=id,children(id)&children.order=id&children.n=gt.1",
    "select=id,children!inner(id)&children.order=id&children.n=gte.2",
    "select=id,children()&children=is.null",
    "select=id,children()&children=not.is.null",
    "select=id,children()&or=(children.is.null,id.gt.5)",
    "select=id,children(n,count())&children.order=n",
    "select=id,...children(ns:n)&children.order=n,id",
    "select=id,children(id,parents(id))&children.order=id&children.limit=3",
];

const PARENTS: &[&str] = &[
    "select=id,parents(id)&order=id.desc",
    "select=id,parents!inner(id)&parents.id=gt.2&order=id",
    "select=id,...parents(up:id)&order=parents(id).desc,id&limit=4",
    "select=id,parents(id,children(id))&order=n,id&parents.children.order=id&limit=5&offset=1",
    "select=id,parents()&parents=is.null&order=id",
];

proptest! {
    #[test]
    fn every_way_to_embedded_rows_gives_the_same(
        indexes in subsequence(CHILD_INDEXES.to_vec(), 0..4),
        children in vec((proptest::option::of(0..8_i64), 0..4), 0..30),
        parents in 0..8,
        embed in select(EMBEDS),
        other in select(PARENTS),
    ) {
        let child = format!(
            r#"{{"columns":[{{"name":"id","type":"integer"}},{{"name":"parent","type":"bigint"}},{{"name":"n","type":"integer"}}],
                "primary_key":["id"],"indexes":[{}],
                "foreign_keys":[{{"columns":["parent"],"references":{{"table":"parents","columns":["id"]}}}}]}}"#,
            indexes.join(",")
        );
        let parent = r#"{"columns":[{"name":"id","type":"bigint"}],"primary_key":["id"]}"#;
        let mut world = World::new(&[("parents", parent), ("children", &child)]);
        let rows: Vec<String> = (0..parents).map(|id| format!("[{id}]")).collect();
        world.insert("parents", &format!("[{}]", rows.join(",")));
        let rows: Vec<String> = children
            .iter()
            .enumerate()
            .map(|(id, (parent, n)): (usize, &(Option<i64>, i32))| format!("[{id},{},{n}]", parent.map_or("null".to_owned(), |id| id.to_string())))
            .collect();
        world.insert("children", &format!("[{}]", rows.join(",")));
        for (table, query) in [("parents", format!("{embed}&order=id")), ("children", other.to_owned())] {
            let planned = world.run(table, &query, Count::Exact, false);
            let scanned = world.run(table, &query, Count::Exact, true);
            match (planned, scanned) {
                (Ok(planned), Ok(scanned)) => {
                    prop_assert_eq!(planned.json, scanned.json, "{}?{}", table, query);
                    prop_assert_eq!(planned.selected, scanned.selected, "{}?{}", table, query);
                }
                (planned, scanned) => prop_assert!(false, "{}?{}: {:?} {:?}", table, query, planned, scanned),
            }
        }
    }
}
