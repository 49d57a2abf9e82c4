//! Arrays, documents, quantifiers: what SQLite has not, by a naive evaluator.

use serde_json::{Value as Json, json};

use crate::conditions::{Leaf, Says, Tree};
use crate::dice::Dice;
use crate::world::{Ours, Parameters, shown};

const COLUMNS: &str = r#"{"name":"id","type":"integer"},{"name":"a","type":"integer"},{"name":"b","type":"text"},
    {"name":"r","type":"integer[]"},{"name":"s","type":"text[]"},{"name":"j","type":"jsonb"}"#;
const NAMES: &[&str] = &["id", "a", "b", "r", "s", "j"];
const INDEXES: &[&str] = &[
    r#"{"columns":["a"]}"#,
    r#"{"columns":["b","a"]}"#,
    r#"{"columns":["r"]}"#,
    r#"{"columns":["j->>k"]}"#,
    r#"{"columns":["j->n","a"]}"#,
    r#"{"columns":["a"],"filter":"b=not.is.null"}"#,
    r#"{"columns":["s"],"filter":"a=gt.0"}"#,
];
const TEXTS: &[&str] = &["a", "A", "ab", "aB", "b", "x y", "ä", "Ä", ""];
const DOCUMENTS: &[&str] = &[
    "null",
    "{}",
    r#"{"k":"a"}"#,
    r#"{"k":"ab","n":1}"#,
    r#"{"n":2.5,"m":{"x":[1,2,{"y":null}]}}"#,
    r#"{"k":null,"n":-1}"#,
    r#"{"k":7,"m":{"x":[2]}}"#,
    "[1,2]",
    r#"["a",[1]]"#,
    "3",
    r#""a""#,
    r#"{"n":1.0,"k":"a"}"#,
    "true",
];

pub(crate) fn run(dice: &mut Dice, queries: u64) {
    let mut ours = Ours::new();
    let key = dice.pick(&[r#""primary_key":["id"],"#, ""]);
    let indexes = dice.some(0, 4, |dice| dice.pick(INDEXES));
    ours.create("t", &format!(r#"{{"columns":[{COLUMNS}],{key}"indexes":[{}]}}"#, indexes.join(",")));
    let rows: Vec<Vec<Json>> = (0..dice.below(40))
        .map(|id| {
            let row =
                [json!(id), json!(number(dice)), json!(dice.pick(TEXTS)), numbers(dice), texts(dice), document(dice)];
            let row = row.into_iter().enumerate();
            row.map(|(place, value)| if place > 0 && dice.once_in(6) { Json::Null } else { value }).collect()
        })
        .collect();
    ours.insert("t", NAMES, &rows);
    // The null of a document and that of a column are one in an answer, and here.
    let rows: Vec<Json> = rows
        .iter()
        .map(|row| NAMES.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        .collect();
    for _ in 0..queries {
        let filters = dice.some(1, 3, |dice| Tree::random(dice, 2, &mut leaf));
        let mut query: Parameters = filters.iter().map(|filter| filter.parameter("")).collect();
        query.push(("select".to_owned(), "id".to_owned()));
        query.push(("order".to_owned(), "id".to_owned()));
        let expected: Vec<&Json> = rows
            .iter()
            .filter(|row| filters.iter().all(|filter| filter.says(row) == Some(true)))
            .map(|row| &row["id"])
            .collect();
        let (answer, _) = ours.select("t", &query).unwrap_or_else(|error| panic!("{}: {error:?}", shown(&query)));
        let answer: Vec<&Json> = answer.as_array().unwrap().iter().map(|row| &row["id"]).collect();
        assert_eq!(answer, expected, "{}\n{indexes:?}", shown(&query));
    }
    ours.check();
}

fn number(dice: &mut Dice) -> i64 {
    i64::try_from(dice.below(4)).unwrap()
}

fn numbers(dice: &mut Dice) -> Json {
    json!(dice.some(0, 3, number))
}

fn texts(dice: &mut Dice) -> Json {
    json!(dice.some(0, 3, |dice| dice.pick(TEXTS)))
}

fn document(dice: &mut Dice) -> Json {
    // A document that is null cannot be told from no document in this form.
    let document: Json = serde_json::from_str(dice.pick(DOCUMENTS)).unwrap();
    if document.is_null() { json!({}) } else { document }
}

fn made(subject: &str, text: String, says: Says) -> Leaf {
    Leaf { subject: subject.to_owned(), inside: text.clone(), outside: text, sql: String::new(), says: Some(says) }
}

/// A list as an array's text.
fn array_text(list: &Json) -> String {
    let members: Vec<String> = list.as_array().unwrap().iter().map(ToString::to_string).collect();
    format!("{{{}}}", members.join(","))
}

/// A value of the row, unless it is null.
fn of(row: &Json, name: &str) -> Option<Json> {
    Some(row[name].clone()).filter(|value| !value.is_null())
}

fn leaf(dice: &mut Dice) -> Leaf {
    match dice.below(11) {
        0 | 1 => of_lists(dice),
        2 => {
            let listed = numbers(dice);
            let (is_any, text) = (dice.once_in(2), array_text(&listed));
            let listed: Vec<i64> = listed.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect();
            let (operator, holds) = comparison(dice);
            let quantifier = if is_any { "any" } else { "all" };
            quoted_inside(made(
                "a",
                format!("{operator}({quantifier}).{text}"),
                Box::new(move |row| {
                    let mut held =
                        listed.iter().map(|&listed| of(row, "a").map(|a| holds(a.as_i64().unwrap(), listed)));
                    // Of no members, any is false and all is true, even of null.
                    match (listed.is_empty(), is_any) {
                        (true, is_any) => Some(!is_any),
                        (_, true) => held.try_fold(false, |any, held| Some(any | held?)),
                        (_, false) => held.try_fold(true, |all, held| Some(all & held?)),
                    }
                }),
            ))
        }
        3 => {
            let value = number(dice);
            made("a", format!("isdistinct.{value}"), Box::new(move |row| Some(row["a"] != json!(value))))
        }
        4 => {
            let text = dice.pick(TEXTS);
            quoted_inside(made(
                "b",
                format!("ilike.{text}*"),
                Box::new(move |row| Some(of(row, "b")?.as_str()?.to_lowercase().starts_with(&text.to_lowercase()))),
            ))
        }
        5 => {
            let text = dice.pick(&["a", "ab", "7", "x"]);
            made("j->>k", format!("eq.{text}"), Box::new(move |row| Some(as_text(&row["j"]["k"])? == text)))
        }
        6 => made("j->>k", "is.null".to_owned(), Box::new(|row| Some(row["j"]["k"].is_null()))),
        7 => {
            let value = number(dice);
            // Numbers of a document are compared by their values; what is no number orders by its kind, after text and before lists.
            made(
                "j->n",
                format!("eq.{value}"),
                Box::new(move |row| {
                    let found = row["j"].get("n")?;
                    Some(found.as_f64().is_some_and(|found| found.to_string() == value.to_string()))
                }),
            )
        }
        8 | 9 => {
            let (document, is_within) = (document(dice), dice.once_in(3));
            let operator = if is_within { "cd" } else { "cs" };
            quoted_inside(made(
                "j",
                format!("{operator}.{document}"),
                Box::new(move |row| {
                    let value = of(row, "j")?;
                    Some(if is_within { contains(&document, &value, true) } else { contains(&value, &document, true) })
                }),
            ))
        }
        _ => {
            let text = dice.pick(&["1", "2"]);
            made(
                "j->m->x->>0",
                format!("eq.{text}"),
                Box::new(move |row| Some(as_text(&row["j"]["m"]["x"][0])? == text)),
            )
        }
    }
}

fn comparison(dice: &mut Dice) -> (&'static str, fn(i64, i64) -> bool) {
    match dice.below(5) {
        0 => ("gt", |a, b| a > b),
        1 => ("gte", |a, b| a >= b),
        2 => ("lt", |a, b| a < b),
        3 => ("lte", |a, b| a <= b),
        _ => ("eq", |a, b| a == b),
    }
}

fn of_lists(dice: &mut Dice) -> Leaf {
    let (name, list) = if dice.once_in(2) { ("r", numbers(dice)) } else { ("s", texts(dice)) };
    let text = array_text(&list);
    let within = |few: &Json, many: &Json| {
        few.as_array().unwrap().iter().all(|member| many.as_array().unwrap().contains(member))
    };
    #[allow(clippy::type_complexity, reason = "an operator and what it means")]
    let (operator, holds): (&str, Box<dyn Fn(&Json, &Json) -> bool>) = match dice.below(4) {
        0 => ("cs", Box::new(move |value, list| within(list, value))),
        1 => ("cd", Box::new(within)),
        2 => ("eq", Box::new(|value, list| value == list)),
        _ => (
            "ov",
            Box::new(|value, list| {
                value.as_array().unwrap().iter().any(|member| list.as_array().unwrap().contains(member))
            }),
        ),
    };
    let says: Says = Box::new(move |row| Some(holds(&of(row, name)?, &list)));
    quoted_inside(made(name, format!("{operator}.{text}"), says))
}

/// Within `and=(..)` a value with commas stands in quotes.
fn quoted_inside(leaf: Leaf) -> Leaf {
    let (operator, value) = leaf.outside.split_once('.').unwrap();
    Leaf { inside: format!("{operator}.{}", crate::conditions::quoted(value)), ..leaf }
}

fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// `@>` of jsonb: members of lists in any order, and a list contains a scalar at the top.
fn contains(outer: &Json, inner: &Json, is_top: bool) -> bool {
    match (outer, inner) {
        (Json::Object(outer), Json::Object(inner)) => {
            inner.iter().all(|(key, inner)| outer.get(key).is_some_and(|outer| contains(outer, inner, false)))
        }
        (Json::Array(outer), Json::Array(inner)) => {
            inner.iter().all(|inner| outer.iter().any(|outer| contains(outer, inner, false)))
        }
        (Json::Array(outer), inner) if is_top && !inner.is_object() => {
            outer.iter().any(|outer| contains(outer, inner, false))
        }
        (Json::Number(outer), Json::Number(inner)) => outer.as_f64() == inner.as_f64(),
        (outer, inner) => !outer.is_object() && outer == inner,
    }
}
