//! Aggregates: what groups are by, where they count, and where they are refused.

use super::check::{Asked, check, refuse, refuse_with_hint, refused};
use crate::tables::code;

#[test]
fn the_other_columns_group() {
    check(
        "books?select=author_id,n:count(),pages.sum()&order=author_id",
        "books[author_id, n:count(), sum:sum(pages)] grouped order author_id",
    );
    check("books?select=meta->>key,count()", "books[key:meta->>key, count:count()] grouped");
    check("books?select=count(),pages.sum()&id=gt.100", "books[count:count(), sum:sum(pages)] grouped where id > 100");
    check(
        "books?select=*,count()",
        "books[id, author_id, title, pages, price, meta, tags, code, isbn, sold, file, mark, count:count()] grouped",
    );
    check("books?select=s:meta->>n::integer.sum()::text", "books[s:sum(meta->>n::integer)::text] grouped");
    check(
        "books?select=pages.min(),pages.max(),pages.avg(),title.count()",
        "books[min:min(pages), max:max(pages), avg:avg(pages), count:count(title)] grouped",
    );
    check(
        "books?select=author_id,total:pages.sum(),authors(name)&order=author_id",
        "books[author_id, total:sum(pages), authors:{0}] grouped order author_id {authors: one author_id=id authors[name]}",
    );
    let hint = "No function matches the given name and argument types. You might need to add explicit type casts.";
    refuse_with_hint("books?select=title.sum()", code::OPERATOR_UNDEFINED, "function sum(text) does not exist", hint);
    refuse("books?select=nope.sum()", code::COLUMN_UNDEFINED, "column books.nope does not exist");
}

#[test]
fn a_column_called_count_comes_before_the_number_of_rows() {
    check("books?select=count", "books[count:count()] grouped");
    check("books?select=n:count::text", "books[n:count()::text] grouped");
    check(
        "authors?select=id,books(count)",
        "authors[id, books:{0}] {books: many id=author_id books[count:count()] grouped}",
    );
    check("readings?select=count", "readings[count]");
    check("readings?select=count()", "readings[count:count()] grouped");
    check("books?select=author_id,count()&order=count", "books[author_id, count:count()] grouped order count()");
    refuse("books?select=id&order=count", code::COLUMN_UNDEFINED, "column books.count does not exist");
}

#[test]
fn groups_of_embedded_rows() {
    check(
        "authors?select=id,books(count(),pages.sum())&order=id",
        "authors[id, books:{0}] order id {books: many id=author_id books[count:count(), sum:sum(pages)] grouped}",
    );
    check(
        "authors?select=id,books(title,count())&books.order=count().desc&books.limit=1",
        "authors[id, books:{0}] {books: many id=author_id books[title, count:count()] grouped order count() desc nulls first limit 1}",
    );
}

#[test]
fn aggregates_of_a_to_one_spread_count_where_it_is_spread() {
    check(
        "books?select=...authors(city_id,count())&order=authors(city_id)",
        "books[city_id:0>city_id, count:count(0>id)] grouped order 0>city_id {authors: one author_id=id authors[]}",
    );
    check(
        "books?select=total:pages.sum(),...authors(name,best:rank.max())&order=authors(name)",
        "books[total:sum(pages), name:0>name, best:max(0>rank)] grouped order 0>name {authors: one author_id=id authors[]}",
    );
    check(
        "book_genres?select=...books(title,...authors(rank.sum(),...cities(count())))",
        "book_genres[title:0>title, sum:sum(0>0>rank), count:count(0>0>0>id)] grouped {books: one book_id=id books[] {authors: one \
         author_id=id authors[] {cities: one city_id=id cities[]}}}",
    );
    check(
        "cities?select=id,authors(...cities(country,count()))",
        "cities[id, authors:{0}] {authors: many id=city_id authors[country:0>country, count:count(0>id)] grouped {cities: one city_id=id \
         cities[]}}",
    );
    check(
        "books?select=...authors(alias:city_id,count())&order=authors(alias)",
        "books[alias:0>city_id, count:count(0>id)] grouped order 0>city_id {authors: one author_id=id authors[]}",
    );
}

#[test]
fn aggregates_of_a_to_many_spread_are_not_there() {
    let refuse = |text| {
        let error = refuse(text, code::NOT_IMPLEMENTED, "Feature not implemented");
        let details = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
        assert_eq!(error.details.as_deref(), Some(details), "{text}");
    };
    refuse("authors?select=name,...books(count())");
    refuse("authors?select=name,...books(count)");
    refuse("books?select=title,...genres(label.max())");
    refuse("authors?select=name,...books(title,...authors(rank.sum()))");
    refuse("authors?select=name,...books(title)&books.order=count()");
    // An embed within one has groups of its own.
    check(
        "cities?select=id,...authors(name,books(count()))",
        "cities[id, name:{0}.0, books:{0}.1] {authors: many id=city_id authors[name, books:{0}] {books: many id=author_id \
         books[count:count()] grouped}}",
    );
}

#[test]
fn groups_are_filtered_and_ordered() {
    check(
        "books?select=author_id,count()&having=(count().gt.1,pages.sum().gte.10)&order=pages.sum().desc",
        "books[author_id, count:count()] grouped having (count() > 1 and sum(pages) >= 10) order sum(pages) desc nulls first",
    );
    check("books?select=author_id&having=(count().gt.1)", "books[author_id] grouped having count() > 1");
    check("books?select=author_id&order=count()", "books[author_id] grouped order count()");
    check(
        "books?select=author_id,count()&having=(or(author_id.is.null,count().eq.3))",
        "books[author_id, count:count()] grouped having (author_id is null or count() = 3)",
    );
    let hint = "Select 'title' to group by it.";
    let message = "column \"books.title\" must appear in the GROUP BY clause or be used in an aggregate function";
    refuse_with_hint("books?select=author_id,count()&order=title", code::GROUPING, message, hint);
    refuse_with_hint("books?select=author_id,count()&having=(title.eq.x)", code::GROUPING, message, hint);
    let message = "column \"authors.rank\" must appear in the GROUP BY clause or be used in an aggregate function";
    refuse("books?select=count(),...authors(name)&order=authors(rank)", code::GROUPING, message);
    refuse(
        "books?select=author_id&having=(pages.sum().gt.x)",
        code::TEXT_INVALID,
        "invalid input syntax for type bigint: \"x\"",
    );
}

#[test]
fn aggregates_can_be_off() {
    let refuse = |text| {
        let asked = Asked { without_aggregates: true, ..Asked::new(text) };
        refused(&asked, code::AGGREGATES_OFF, "Use of aggregate functions is not allowed");
    };
    refuse("books?select=count()");
    refuse("books?select=author_id,pages.sum()");
    refuse("authors?select=id,books(count())");
    refuse("books?select=author_id&order=count()");
    refuse("books?select=author_id&having=(count().gt.1)");
}
