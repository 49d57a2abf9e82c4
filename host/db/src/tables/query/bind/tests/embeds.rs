//! Embeds and spreads: what is shown of them, and the filters, orders and limits that are about them.

use super::check::{Asked, check, check_warned, refuse, refuse_with_hint, refused};
use crate::tables::code;

const CITY: &str = "cities: one city_id=id cities";
const BOOKS: &str = "books: many id=author_id books";

#[test]
fn embeds_come_after_columns() {
    check("authors?select=cities(name),id", &format!("authors[id, cities:{{0}}] {{{CITY}[name]}}"));
    check(
        "authors?select=*,town:cities(*)&id=eq.1",
        "authors[id, name, city_id, teacher_id, born, alive, mood, rank, town:{0}] where id = 1 {town: one city_id=id cities[id, name, \
         country]}",
    );
    check(
        "cities?select=name,authors(name,books(title))",
        &format!(
            "cities[name, authors:{{0}}] {{authors: many id=city_id authors[name, books:{{0}}] {{{BOOKS}[title]}}}}"
        ),
    );
}

#[test]
fn parameters_follow_paths() {
    check(
        "cities?select=id,authors(id,books(title))&authors.books.pages=gte.150&authors.order=id&authors.books.order=id.desc&order=id\
         &authors.limit=5&authors.offset=1&authors.or=(alive.is.true,rank.gt.3)",
        "cities[id, authors:{0}] order id {authors: many id=city_id authors[id, books:{0}] where (alive is true or rank > 3) order id limit \
         5 offset 1 {books: many id=author_id books[title] where pages >= 150 order id desc nulls first}}",
    );
    check(
        "authors?select=name,cities!inner(country)&cities.country=eq.Portugal",
        "authors[name, cities:{0}] {cities: inner one city_id=id cities[country] where country = 'Portugal'}",
    );
}

#[test]
fn an_alias_hides_the_table() {
    check(
        "cities?select=id,crew:authors(id)&crew.order=id&crew.alive=is.true",
        "cities[id, crew:{0}] {crew: many id=city_id authors[id] where alive is true order id}",
    );
    check_warned(
        "cities?select=id,crew:authors(id)&authors.alive=is.true&crew.order=id&authors.rank=gt.1",
        "change 'authors' to 'crew'",
        "cities[id, crew:{0}] {crew: many id=city_id authors[id] where (alive is true and rank > 1) order id}",
    );
    // The one without an alias has the name, wherever it stands.
    check(
        "cities?select=young:authors(id),authors(id)&authors.rank=gt.1",
        "cities[young:{0}, authors:{1}] {young: many id=city_id authors[id]; authors: many id=city_id authors[id] where rank > 1}",
    );
}

#[test]
fn what_is_not_embedded_has_no_parameters() {
    let refuse = |text, name: &str| {
        let message = format!("'{name}' is not an embedded resource in this request");
        let hint = format!("Verify that '{name}' is included in the 'select' query parameter.");
        refuse_with_hint(text, code::NOT_EMBEDDED, &message, &hint);
    };
    refuse("cities?select=*&nothing.name=like.*x*", "nothing");
    refuse("cities?authors.limit=1", "authors");
    refuse("cities?select=id,authors(id,books(id))&authors.books2.title=eq.x", "books2");
    refuse("cities?select=id,authors(id)&books.order=title", "books");
    refuse("authors?select=name&order=cities(name)", "cities");
    refuse("authors?select=name,town:cities(name)&order=cities(name)", "cities");
}

#[test]
fn an_embed_for_a_filter_shows_nothing() {
    check("authors?select=id,books()", &format!("authors[id] {{{BOOKS}[]}}"));
    check(
        "cities?select=id,authors(books())",
        "cities[id] {authors: many id=city_id authors[] {books: many id=author_id books[]}}",
    );
    check(
        "cities?select=authors(name,books())",
        "cities[authors:{0}] {authors: many id=city_id authors[name] {books: many id=author_id books[]}}",
    );
    check("authors?select=id,...books()", &format!("authors[id] {{{BOOKS}[]}}"));
    check("authors?select=id,...cities()", &format!("authors[id] {{{CITY}[]}}"));
    check("authors?select=cities()", &format!("authors[] {{{CITY}[]}}"));
}

#[test]
fn rows_are_filtered_by_whether_embeds_have_rows() {
    check(
        "authors?select=id,books()&books.pages=gt.9&books=is.null",
        "authors[id] where not {0} {books: many id=author_id books[] where pages > 9}",
    );
    check("authors?select=id,books()&books=not.is.null", &format!("authors[id] where not not {{0}} {{{BOOKS}[]}}"));
    check("authors?select=id,b:books()&b=is.not_null", "authors[id] where {0} {b: many id=author_id books[]}");
    check(
        "authors?select=id,passports(),books()&or=(passports.not.is.null,and(books.is.null,id.gt.1))",
        "authors[id] where (not not {0} or (not {1} and id > 1)) {passports: one id=author_id passports[]; books: many id=author_id \
         books[]}",
    );
    check(
        "cities?select=id,authors(id,books())&authors.books=is.null",
        "cities[id, authors:{0}] {authors: many id=city_id authors[id] where not {0} {books: many id=author_id books[]}}",
    );
    check(
        "authors?select=id,...books(title)&books=is.null",
        &format!("authors[id, title:{{0}}.0] where not {{0}} {{{BOOKS}[title]}}"),
    );
    let message = "Bad operator on the 'books' embedded resource";
    let error = refuse("authors?select=id,books()&books=eq.1", code::EMBED_FILTER, message);
    assert_eq!(error.details.as_deref(), Some("Only is null or not is null filters are allowed on embedded resources"));
    refuse("authors?select=id,books()&or=(books.not.eq.1,id.eq.1)", code::EMBED_FILTER, message);
    // A column keeps its filters where an embed goes by its name.
    check(
        "flights?select=*,origin_id(name)&origin_id=eq.2&origin_id=not.is.null",
        "flights[id, origin_id, target_id, seats, origin_id:{0}] where (origin_id = 2 and not not {0}) {origin_id: one origin_id=id \
         cities[name]}",
    );
}

#[test]
fn orders_by_embedded_rows() {
    check(
        "authors?select=name,cities(name)&order=cities(name).desc",
        &format!("authors[name, cities:{{0}}] order 0>name desc nulls first {{{CITY}[name]}}"),
    );
    check("authors?select=id,cities()&order=cities(country)", &format!("authors[id] order 0>country {{{CITY}[]}}"));
    check(
        "authors?select=id,t:cities(n:name)&order=t(n),t(name)",
        "authors[id, t:{0}] order 0>name, 0>name {t: one city_id=id cities[n:name]}",
    );
    // What is shown under a name comes before the column of that name.
    check(
        "authors?select=id,cities(name:country)&order=cities(name)",
        &format!("authors[id, cities:{{0}}] order 0>country {{{CITY}[name:country]}}"),
    );
    check(
        "authors?select=id,...cities(n:name)&order=cities(n)",
        &format!("authors[id, n:0>name] order 0>name {{{CITY}[]}}"),
    );
    check(
        "book_genres?select=weight,books(m:meta->a)&order=books(m->b),books(meta->>c)",
        "book_genres[weight, books:{0}] order 0>meta->a->b, 0>meta->>c {books: one book_id=id books[m:meta->a]}",
    );
    check(
        "cities?select=id,authors(id,cities(name))&authors.order=cities(name),id",
        &format!(
            "cities[id, authors:{{0}}] {{authors: many id=city_id authors[id, cities:{{0}}] order 0>name, id {{{CITY}[name]}}}}"
        ),
    );
    let message = "A related order on 'authors' is not possible";
    let error = refuse("cities?select=*,authors(*)&order=authors(id)", code::RELATED_ORDER, message);
    let details = "'cities' and 'authors' do not form a many-to-one or one-to-one relationship";
    assert_eq!((error.details.as_deref(), &error.hint), (Some(details), &None));
    refuse("cities?select=*,a:authors(*)&order=a(id)", code::RELATED_ORDER, "A related order on 'a' is not possible");
    refuse(
        "authors?select=cities(name)&order=cities(nope)",
        code::COLUMN_UNDEFINED,
        "column cities_1.nope does not exist",
    );
}

#[test]
fn names_the_columns_of_embedded_tables_as_the_statement_does() {
    let nearest = "Perhaps you meant to reference the column \"cities_1.name\".";
    let error = refuse("authors?select=cities(nam)", code::COLUMN_UNDEFINED, "column cities_1.nam does not exist");
    assert_eq!(error.hint.as_deref(), Some(nearest));
    refuse("authors?select=cities()&cities.nope=eq.1", code::COLUMN_UNDEFINED, "column cities_1.nope does not exist");
    refuse("cities?select=a:authors(books(nope))", code::COLUMN_UNDEFINED, "column books_2.nope does not exist");
    refuse("cities?select=authors(id,cities(nope))", code::COLUMN_UNDEFINED, "column cities_2.nope does not exist");
    refuse("cities?select=nope,authors(id)", code::COLUMN_UNDEFINED, "column cities.nope does not exist");
}

#[test]
fn orders_by_aggregates_of_embedded_rows() {
    check(
        "authors?select=id,books(title)&order=books(pages.sum()).desc,books(count())",
        &format!("authors[id, books:{{0}}] order {{0}}.sum(pages) desc nulls first, {{0}}.count() {{{BOOKS}[title]}}"),
    );
    check(
        "authors?select=id,cities()&order=cities(name.max())",
        &format!("authors[id] order {{0}}.max(name) {{{CITY}[]}}"),
    );
    let asked = Asked { without_aggregates: true, ..Asked::new("authors?select=id,books()&order=books(pages.sum())") };
    refused(&asked, code::AGGREGATES_OFF, "Use of aggregate functions is not allowed");
}

#[test]
fn a_to_one_spread_is_columns() {
    check(
        "authors?select=id,...cities(town:name,country)",
        &format!("authors[id, town:0>name, country:0>country] {{{CITY}[]}}"),
    );
    check(
        "books?select=title,...authors(name,...cities(town:name))",
        "books[title, name:0>name, town:0>0>name] {authors: one author_id=id authors[] {cities: one city_id=id cities[]}}",
    );
    check(
        "books?select=title,...authors(cities(name),passports(number))",
        "books[title, cities:0>{0}, passports:0>{1}] {authors: one author_id=id authors[] {cities: one city_id=id cities[name]; passports: \
         one id=author_id passports[number]}}",
    );
    check(
        "cities?select=id,authors(name,...passports(number))",
        "cities[id, authors:{0}] {authors: many id=city_id authors[name, number:0>number] {passports: one id=author_id passports[]}}",
    );
    check(
        "authors?select=id,...cities(*)&cities.country=eq.x",
        "authors[id, id:0>id, name:0>name, country:0>country] {cities: one city_id=id cities[] where country = 'x'}",
    );
}

#[test]
fn a_to_many_spread_is_arrays() {
    check(
        "authors?select=id,...books(title,p:pages)&books.order=sold.desc.nullslast",
        "authors[id, title:{0}.0, p:{0}.1] {books: many id=author_id books[title, p:pages] order sold desc}",
    );
    check("authors?select=id,...books(meta->>key)", &format!("authors[id, key:{{0}}.0] {{{BOOKS}[key:meta->>key]}}"));
    check(
        "books?select=id,...book_genres(weight,...genres(label))",
        "books[id, weight:{0}.0, label:{0}.1] {book_genres: many id=book_id book_genres[weight, label:0>label] {genres: one genre_id=id \
         genres[]}}",
    );
    check(
        "cities?select=id,...authors(name,...cities(country),...books(title),passports(number))",
        "cities[id, name:{0}.0, country:{0}.1, title:{0}.2, passports:{0}.3] {authors: many id=city_id authors[name, country:0>country, \
         title:{1}.0, passports:{2}] {cities: one city_id=id cities[]; books: many id=author_id books[title]; passports: one id=author_id \
         passports[number]}}",
    );
    check(
        "books?select=id,...authors(...books(title))",
        "books[id, title:0>{0}.0] {authors: one author_id=id authors[] {books: many id=author_id books[title]}}",
    );
}
