//! Conditions: operands read as the type of what they are compared with.

use std::borrow::Cow;

use super::check::{Asked, check, check_with, refuse, refuse_with_hint, refused};
use crate::tables::query::bind::predicate;
use crate::tables::types::{Array, Numeric, Value};
use crate::tables::{TableError, code};

/// Checks the filter that conditions on a table make.
#[track_caller]
fn filter(table: &str, conditions: &str, expected: &str) {
    let first = super::library::tables()[table].schema.columns[0].name.clone();
    check(&format!("{table}?select={first}&{conditions}"), &format!("{table}[{first}] where {expected}"));
}

#[test]
fn operands_have_the_type_of_the_subject() {
    filter("books", "id=eq.5", "id = 5");
    filter("books", "id=not.gte.5", "not id >= 5");
    filter("books", "id=gte.1&id=lt.9", "(id >= 1 and id < 9)");
    filter("books", "title=neq.5", "title <> '5'");
    filter("books", "title=eq.", "title = ''");
    filter("books", "title=eq.null", "title = 'null'");
    filter("authors", "alive=eq.yes", "alive = true");
    filter("books", "meta->>lang=eq.pt", "meta->>lang = 'pt'");
    filter("books", "meta->size=gt.5", "meta->size > json 5");
    filter("books", "meta=eq.{\"a\" :1}", "meta = json {\"a\": 1}");
    filter("books", "tags=eq.{a,\"b c\"}", "tags = {'a', 'b c'}");
    filter("books", "tags->0=eq.\"a\"", "tags->0 = json \"a\"");
    refuse("books?id=eq.", code::TEXT_INVALID, "invalid input syntax for type integer: \"\"");
    refuse("books?id=eq.null", code::TEXT_INVALID, "invalid input syntax for type integer: \"null\"");
    refuse(
        "books?id=gt.99999999999",
        code::NUMERIC_OUT_OF_RANGE,
        "value \"99999999999\" is out of range for type integer",
    );
    refuse("books?meta=eq.{a", code::TEXT_INVALID, "invalid input syntax for type json");
    refuse("authors?born=eq.1999-13-45", code::DATETIME_OVERFLOW, "date/time field value out of range: \"1999-13-45\"");
    refuse("books?mark=eq.x", code::TEXT_INVALID, "invalid input syntax for type uuid: \"x\"");
}

#[test]
fn modifiers_do_not_change_operands() {
    filter("books", "isbn=eq.1234567890", "isbn = '1234567890'");
    filter("books", "code=eq.ab", "code = 'ab '");
    filter("books", "code=eq.ab     ", "code = 'ab '");
    filter("books", "code=eq.abcd", "code = 'abcd'");
    filter("books", "price=eq.1.005", "price = Numeric(Small { unscaled: 1005, scale: 3 })");
}

#[test]
fn only_allowed_texts_compare() {
    filter("authors", "mood=eq.calm", "mood = 'calm'");
    filter("authors", "mood=in.(wild,calm)", "mood in ('calm', 'wild')");
    filter("authors", "mood=like.c*", "mood like ..");
    refuse("authors?mood=eq.sad", code::TEXT_INVALID, "invalid input value for enum mood: \"sad\"");
    refuse("authors?mood=in.(calm,sad)", code::TEXT_INVALID, "invalid input value for enum mood: \"sad\"");
}

#[test]
fn lists_are_sets() {
    filter("books", "id=in.(5,1,3,1)", "id in (1, 3, 5)");
    filter("books", "title=in.(\"a, b\",c)", "title in ('a, b', 'c')");
    filter("books", "id=in.( 1, 2 )", "id in (1, 2)");
    filter("books", "id=in.()", "never");
    filter("books", "id=in.(  )", "never");
    filter("books", "id=not.in.()", "not never");
    refuse("books?id=in.( ,3,4)", code::TEXT_INVALID, "invalid input syntax for type integer: \"\"");
}

#[test]
fn quantifiers_take_array_literals() {
    filter("books", "id=gt(all).{4,3}", "id all(> 4, > 3)");
    filter("books", "id=eq(any).{4,null}", "id any(= 4, unknown)");
    filter("books", "id=not.eq(any).{4}", "not id any(= 4)");
    filter("books", "title=not.like(any).{B*,T*}", "not title any(like .., like ..)");
    filter("books", "title=match(all).{a,b}", "title all(match .., match ..)");
    filter("books", "id=eq(any).{}", "never");
    filter("books", "id=lt(all).{}", "always");
    refuse("books?id=eq(any).{1,x}", code::TEXT_INVALID, "invalid input syntax for type integer: \"x\"");
    refuse("books?id=eq(any).5", code::TEXT_INVALID, "malformed array literal: \"5\"");
}

#[test]
fn is_asks_for_null_or_a_truth() {
    filter("books", "title=is.null", "title is null");
    filter("books", "title=is.not_null", "title is not null");
    filter("books", "title=not.is.null", "not title is null");
    filter("authors", "alive=is.TRUE", "alive is true");
    filter("authors", "alive=is.unknown", "alive is null");
    let message = "argument of IS TRUE must be type boolean, not type integer";
    refuse("books?id=is.true", code::DATATYPE_MISMATCH, message);
    let message = "argument of IS UNKNOWN must be type boolean, not type text";
    refuse("books?meta->>a=is.unknown", code::DATATYPE_MISMATCH, message);
}

#[test]
fn distinct_compares_literals() {
    filter("books", "id=isdistinct.2", "id is distinct from 2");
    filter("books", "title=not.isdistinct.null", "not title is distinct from 'null'");
}

#[test]
fn operators_that_a_type_does_not_have() {
    let hint = "No operator matches the given name and argument types. You might need to add explicit type casts.";
    let refuse = |text, message| refuse_with_hint(text, code::OPERATOR_UNDEFINED, message, hint);
    refuse("books?id=like.5*", "operator does not exist: integer ~~ unknown");
    refuse("books?meta=ilike.5*", "operator does not exist: jsonb ~~* unknown");
    refuse("books?tags=match.x", "operator does not exist: text[] ~ unknown");
    refuse("books?sold=imatch.x", "operator does not exist: timestamp with time zone ~* unknown");
    refuse("books?title=cs.{x}", "operator does not exist: text @> unknown");
    refuse("books?id=cd.{1}", "operator does not exist: integer <@ unknown");
    refuse("books?meta=ov.{1}", "operator does not exist: jsonb && unknown");
}

#[test]
fn arrays_and_json_contain() {
    filter("books", "tags=cs.{a,\"b,c\"}", "tags @> {'a', 'b,c'}");
    filter("books", "tags=cd.{a}", "tags <@ {'a'}");
    filter("books", "tags=ov.{a,b}", "tags && {'a', 'b'}");
    filter("books", "meta=cs.{\"b\":1,\"a\":[2]}", "meta @> json {\"a\": [2], \"b\": 1}");
    filter("books", "meta->a=cd.[1]", "meta->a <@ json [1]");
    assert_eq!(refuse("books?tags=cs.x", code::TEXT_INVALID, "malformed array literal: \"x\"").hint, None);
}

#[test]
fn conditions_nest() {
    filter("books", "or=(id.lt.2,id.gt.3)", "(id < 2 or id > 3)");
    filter("books", "not.and=(id.lt.2,title.is.null)", "not (id < 2 and title is null)");
    filter(
        "books",
        "or=(not.and(title.eq.\"x,y\",id.eq.2),id.in.(1,4))&id=neq.7",
        "((not (title = 'x,y' and id = 2) or id in (1, 4)) and id <> 7)",
    );
}

#[test]
fn arguments_are_values() {
    let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
    let array = |elements: Vec<Value<'static>>| {
        Value::Array(Box::new(Array { dimensions: vec![(elements.len(), 1)], elements }))
    };
    let filter = |conditions: &str, arguments: &[Value<'static>], expected: &str| {
        check_with(&format!("books?select=id&{conditions}"), arguments, &format!("books[id] where {expected}"));
    };
    filter("id=eq.$1", &[Value::Integer(5)], "id = 5");
    filter("id=eq.$2", &[Value::Null, text("7")], "id = 7");
    filter("title=eq.$1", &[Value::Integer(5)], "title = '5'");
    filter("title=eq.$1", &[text("null")], "title = 'null'");
    filter("price=gt.$1", &[Value::Integer(5)], "price > Numeric(Small { unscaled: 5, scale: 0 })");
    filter("id=eq.$1", &[Value::Numeric(Numeric::Small { unscaled: 5, scale: 0 })], "id = 5");
    filter("id=eq.$1", &[Value::Null], "id unknown");
    filter("id=isdistinct.$1", &[Value::Null], "id is distinct from null");
    filter("id=in.$1", &[array(vec![Value::Integer(2), Value::Integer(1)])], "id in (1, 2)");
    filter("id=in.$1", &[array(vec![Value::Integer(2), Value::Null])], "id any(in (2), unknown)");
    filter("id=in.$1", &[text("{3,4}")], "id in (3, 4)");
    filter("id=in.$1", &[Value::Null], "id unknown");
    filter("id=in.($1,$2)", &[Value::Integer(3), text("4")], "id in (3, 4)");
    filter("id=lt(any).$1", &[array(vec![Value::Integer(3), Value::Null])], "id any(< 3, unknown)");
    filter("title=like.$1", &[text("a*")], "title like ..");
    filter("tags=cs.$1", &[array(vec![text("a b"), text("null")])], "tags @> {'a b', 'null'}");
    filter("meta=cs.$1", &[Value::Json(Cow::Borrowed("{\"a\": 1}"))], "meta @> json {\"a\": 1}");
    let refuse = |text: &str, arguments: &[Value<'static>], code, message: &str| {
        refused(&Asked { arguments, ..Asked::new(text) }, code, message);
    };
    refuse("books?id=eq.$2", &[Value::Null], code::PARAMETER_UNDEFINED, "there is no parameter $2");
    refuse("books?id=in.$1", &[Value::Integer(1)], code::DATATYPE_MISMATCH, "argument $1 must be an array");
    let message = "invalid input syntax for type integer: \"1.5\"";
    refuse("books?id=eq.$1", &[Value::Double(1.5)], code::TEXT_INVALID, message);
    let message = "value \"70000\" is out of range for type smallint";
    refuse("authors?rank=eq.$1", &[Value::Integer(70_000)], code::NUMERIC_OUT_OF_RANGE, message);
}

#[test]
fn checks_are_about_one_table() {
    let library = super::library::tables();
    let bind = |text: &str| -> Result<String, TableError> {
        let conditions = mantis_dialect::Parser::default().filter(text).unwrap();
        predicate(&conditions, &library["books"], &super::check::environment()).map(|bound| format!("{bound:?}"))
    };
    assert!(bind("pages=gt.0").unwrap().contains("Compare(Greater, Integer(0))"));
    assert_eq!(bind("").unwrap(), "And([])");
    assert_eq!(bind("nope=gt.0").unwrap_err().code, code::COLUMN_UNDEFINED);
    assert_eq!(bind("authors=is.null").unwrap_err().code, code::COLUMN_UNDEFINED);
}

#[test]
fn columns_of_an_insert() {
    let library = super::library::tables();
    let columns = |names: &[&str]| crate::tables::query::bind::columns(names, &library["cities"]);
    assert_eq!(columns(&["name", "id"]), Ok(vec![1, 0]));
    let error = columns(&["name", "nope"]).unwrap_err();
    assert_eq!(error.code, code::NO_COLUMN);
    assert_eq!(error.message, "Could not find the 'nope' column of 'cities' in the schema cache");
    assert_eq!(columns(&["id", "id"]).unwrap_err().code, code::COLUMN_DUPLICATE);
}
