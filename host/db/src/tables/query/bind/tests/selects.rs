//! What is shown: columns, aliases, casts, paths into JSON.

use super::check::{Asked, check, refuse, refuse_with_hint};
use crate::tables::code;
use crate::tables::query::bound::Source;

#[test]
fn columns_in_the_order_of_the_select() {
    let all = "cities[id, name, country]";
    check("cities", all);
    check("cities?select=", all);
    check("cities?select=*", all);
    check("cities?select=name,id", "cities[name, id]");
    check("cities?select=name,*", "cities[name, id, name, country]");
    check("cities?select=id,id", "cities[id, id]");
    check("cities?select=town:name,name", "cities[town:name, name]");
    check("Mixed Names?select=\"Full Name\",n:Id,a-b", "Mixed Names[Full Name, n:Id, a-b]");
    check("cities?limit=3&offset=2&order=name", "cities[id, name, country] order name limit 3 offset 2");
    check("cities?limit=0", "cities[id, name, country] limit 0");
}

#[test]
fn casts() {
    check("cities?select=id::text", "cities[id:id::text]");
    check("cities?select=n:id::int8", "cities[n:id::bigint]");
    check("books?select=meta->>size::numeric(4,1)", "books[size:meta->>size::numeric(4,1)]");
    check("books?select=meta->>a::json", "books[a:meta->>a::jsonb]");
    refuse("cities?select=id::strange", code::OBJECT_UNDEFINED, "type \"strange\" does not exist");
    refuse("authors?select=alive::date", code::CANNOT_COERCE, "cannot cast type boolean to date");
}

#[test]
fn the_last_name_of_a_path_names_the_result() {
    check("books?select=meta->a->>b", "books[b:meta->a->>b]");
    check("books?select=meta->pages->>0", "books[pages:meta->pages->>0]");
    check("books?select=meta->1->mycol->>2", "books[mycol:meta->1->mycol->>2]");
    check("books?select=meta->3", "books[meta:meta->3]");
    check("books?select=last:tags->-1", "books[last:tags->-1]");
    // Columns of other types are looked at as if they were jsonb.
    check("books?select=title->x", "books[x:title->x]");
    let hint = "No operator matches the given name and argument types. You might need to add explicit type casts.";
    let refuse = |text, message| refuse_with_hint(text, code::OPERATOR_UNDEFINED, message, hint);
    refuse("books?select=meta->>c->1", "operator does not exist: text -> integer");
    refuse("books?select=meta->>c->b", "operator does not exist: text -> unknown");
    refuse("books?select=meta->a->>c->>b", "operator does not exist: text ->> unknown");
    refuse("books?meta->>c->b=eq.1", "operator does not exist: text -> unknown");
    refuse("books?order=meta->>c->b", "operator does not exist: text -> unknown");
}

#[test]
fn a_column_that_does_not_exist() {
    let message = |name: &str| format!("column cities.{name} does not exist");
    refuse("cities?select=id,nonexistent", code::COLUMN_UNDEFINED, &message("nonexistent"));
    refuse("cities?order=nope", code::COLUMN_UNDEFINED, &message("nope"));
    refuse("cities?Name2=eq.1", code::COLUMN_UNDEFINED, &message("Name2"));
    let one = "Perhaps you meant to reference the column \"cities.country\".";
    refuse_with_hint("cities?select=contry", code::COLUMN_UNDEFINED, &message("contry"), one);
    let two = "Perhaps you meant to reference the column \"jobs.site_id\" or the column \"jobs.plan_id\".";
    assert_eq!(
        refuse("jobs?select=sian_id", code::COLUMN_UNDEFINED, "column jobs.sian_id does not exist").hint.as_deref(),
        Some(two)
    );
    // Case counts.
    refuse("Mixed Names?id=eq.1", code::COLUMN_UNDEFINED, "column Mixed Names.id does not exist");
    let long = "x".repeat(10_000);
    refuse(&format!("cities?select={long}"), code::COLUMN_UNDEFINED, &message(&long[..63]));
}

#[test]
fn outputs_have_the_types_of_their_casts() {
    let bound =
        Asked::new("books?select=id,n:id::text,meta->a,meta->>a,pages.sum(),pages.avg(),count(),sold.max()::text");
    let types = bound.bind().unwrap().select.output.into_iter().map(|output| match output.source {
        Source::Expression(expression) => expression.r#type().to_string(),
        Source::Aggregate(call) => call.cast.unwrap_or(call.source_type).to_string(),
        Source::Embed { .. } | Source::SpreadMany { .. } => String::new(),
    });
    let expected = ["integer", "text", "jsonb", "text", "bigint", "numeric", "bigint", "text"];
    assert_eq!(types.collect::<Vec<_>>(), expected);
}

#[test]
fn orders() {
    check(
        "cities?select=id&order=name.desc,country.nullsfirst,id.desc.nullslast",
        "cities[id] order name desc nulls first, country nulls first, id desc",
    );
    check(
        "books?select=id&order=meta->>lang.nullsfirst,meta->size.desc",
        "books[id] order meta->>lang nulls first, meta->size desc nulls first",
    );
}
