//! The types beside PostgreSQL 15: what each text, cast, comparison and aggregate gives there and here, with all errors.
//!
//! Needs a server and `psql`: `MANTIS_POSTGRESQL="host=/tmp/pg user=postgres" cargo test -p mantis-db --test postgresql`. A server that was
//! made by `initdb --no-locale --encoding UTF8` orders texts by bytes as we do. `MANTIS_POSTGRESQL_VALUES` says how many values each
//! type gets (default 700).
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests are native programs with a clock")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "random numbers may be cut as they fall"
)]

mod corpus;
mod server;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use corpus::{Dice, TYPES, seeds, text};
use mantis_db::SeededRandom;
use mantis_db::tables::types::{self, Type, Value};
use mantis_db::tables::{Environment, TableError, TableResult};
use mantis_dialect::{Aggregate, JsonStep};
use server::{Answer, Question, ask, connection};

/// Where answers may differ, and why: each is in the reference.
const DEVIATIONS: &[Deviation] = &[
    ("a float has no hexadecimal form", |case, _, _| case.is_of("real double") && case.has("0x")),
    ("a numeric is not infinite", |_, ours, _| ours.says("a numeric cannot be infinite")),
    ("a numeric has at most 1,000 digits", |_, ours, _| ours.says("value overflows numeric format")),
    ("a numeric's exponent is digits alone, and the text is checked before its size", |case, ours, _| {
        case.is_of("numeric") && ours.says("invalid input syntax for type numeric") && case.has("eE")
    }),
    ("dates end with the year 9999", |_, ours, _| ours.is_error("22008") && ours.says("out of range")),
    ("zones by POSIX rules (est5edt) and words for units (12h) are not read", |case, ours, _| {
        case.is_of("date time") && (ours.is_error("22023") || ours.is_error("22007") && case.has_odd_letters())
    }),
    ("of several faults in a date another is named", |case, ours, theirs| {
        let is_date = |answer: &Answer| ["22007", "22008", "22009", "22023"].iter().any(|code| answer.is_error(code));
        case.is_of("date time") && is_date(ours) && is_date(theirs)
    }),
    ("of several faults in an array the depth is named first", |_, ours, theirs| {
        ours.is_error("54000") && matches!(theirs, Answer::Error { .. })
    }),
    ("bounds of an array are digits with a sign", |case, ours, _| {
        case.is_of("[]") && ours.is_error("22P02") && case.has("[")
    }),
    ("char(n) orders with its blanks", |case, _, _| case.name.contains("char(4)") && case.has("\n\t\u{1}")),
    ("an average of doubles overflows only where their sum does", |case, _, theirs| {
        case.name.starts_with("avg(double") && theirs.says("value out of range: overflow")
    }),
    ("there is no interval", |case, _, _| case.name.starts_with("sum(time)") || case.name.starts_with("avg(time)")),
    ("a pattern that ends in its escape is refused before anything is compared", |_, ours, _| ours.is_error("22025")),
];

/// Why answers differ, and which do for this reason.
type Deviation = (&'static str, fn(&Case, &Answer, &Answer) -> bool);

impl Case {
    /// Whether its type begins with one of the words, or ends with it.
    fn is_of(&self, types: &str) -> bool {
        types.split(' ').any(|word| self.question.sql.contains(word))
    }

    /// Whether an argument has one of the characters.
    fn has(&self, characters: &str) -> bool {
        self.question.arguments.iter().any(|argument| argument.contains(|own| characters.contains(own)))
    }

    /// Whether a letter stands beside a digit or alone.
    fn has_odd_letters(&self) -> bool {
        self.question.arguments.iter().any(|argument| {
            let characters = argument.chars().collect::<Vec<_>>();
            let is_letter = |at: usize| characters.get(at).is_some_and(|own| own.is_alphabetic());
            let is_digit =
                |at: usize| characters.get(at).is_some_and(|own| own.is_ascii_digit() || matches!(own, ':' | '.'));
            (0..characters.len()).any(|at| {
                is_letter(at)
                    && (is_digit(at + 1)
                        || at > 0 && is_digit(at - 1)
                        || !is_letter(at + 1) && (at == 0 || !is_letter(at - 1)))
            })
        })
    }
}

impl Answer {
    fn is_error(&self, wanted: &str) -> bool {
        matches!(self, Self::Error { code, .. } if code == wanted)
    }

    fn says(&self, part: &str) -> bool {
        matches!(self, Self::Error { message, .. } if message.contains(part))
    }
}

struct Case {
    /// What was asked, for people.
    name: String,
    question: Question,
    ours: Answer,
}

fn environment(zone: &str) -> Environment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Environment {
        time_zone: types::time_zone(zone).unwrap(),
        now_us: i64::try_from(now).unwrap(),
        random: Arc::new(SeededRandom::new(1)),
    }
}

fn values_per_type() -> usize {
    std::env::var("MANTIS_POSTGRESQL_VALUES").map_or(700, |count| count.parse().unwrap())
}

fn refused(error: &TableError) -> Answer {
    let has_details = error.message == "invalid input syntax for type json";
    let details = error.details.as_deref().filter(|_| has_details).unwrap_or_default();
    Answer::Error { code: error.code.to_owned(), message: format!("{} {details}", error.message) }
}

fn answered(result: TableResult<Option<String>>) -> Answer {
    match result {
        Ok(Some(text)) => Answer::Text(text),
        Ok(None) => Answer::Null,
        Err(error) => refused(&error),
    }
}

fn written(value: &Value<'_>, r#type: Type, env: &Environment) -> Option<String> {
    let mut out = String::new();
    types::write_text(value, r#type, env, &mut out);
    (!value.is_null()).then_some(out)
}

fn compare_with(connection: &str, zone: &str, cases: &[Case]) {
    let questions = cases
        .iter()
        .map(|case| Question { sql: case.question.sql.clone(), arguments: case.question.arguments.clone() });
    let answers = ask(connection, zone, &questions.collect::<Vec<_>>());
    let (mut faults, mut deviations) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for (case, theirs) in cases.iter().zip(&answers) {
        if case.ours == *theirs {
            continue;
        }
        match DEVIATIONS.iter().find(|(_, is_meant)| is_meant(case, &case.ours, theirs)) {
            Some((reason, _)) => *deviations.entry(*reason).or_default() += 1,
            None => faults.push(format!("{}\n  ours:   {:?}\n  theirs: {theirs:?}", case.name, case.ours)),
        }
    }
    eprintln!("{} cases, {} differ; left out: {deviations:?}", cases.len(), faults.len());
    let shown = faults.iter().take(400).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} of {} differ:\n{shown}", faults.len(), cases.len());
}

fn texts_of(r#type: &str, count: usize, dice: &Dice) -> Vec<String> {
    let by_hand = seeds(r#type).iter().map(|&text| text.to_owned());
    by_hand.chain((0..count).map(|_| text(r#type, dice))).collect()
}

fn input_cases(zone: &str, output: fn(&Value<'_>, Type, &Environment) -> Option<String>, sql: &str) -> Vec<Case> {
    let (env, dice) = (environment(zone), Dice::new(1));
    let mut cases = Vec::new();
    for name in TYPES {
        let r#type = Type::parse(name).unwrap();
        for text in texts_of(name, values_per_type(), &dice) {
            let ours = types::from_text(&text, r#type, &env).map(|value| output(&value, r#type, &env));
            // In JSON a text is a jsonb string.
            let record = "json_to_record(json_build_object('c', $1[1])) as x(c TYPE)";
            let sql = if *name == "jsonb" {
                sql.replace(record, "(select $1[1]::jsonb as c) as x")
            } else {
                sql.replace("TYPE", name)
            };
            cases.push(Case {
                name: format!("{name} of {text:?} in {zone}"),
                question: Question { sql, arguments: vec![text] },
                ours: answered(ours),
            });
        }
    }
    cases
}

#[test]
fn texts_are_read_and_written() {
    let Some(connection) = connection() else { return };
    for zone in ["UTC", "America/New_York"] {
        let sql = "(select format('%s', c) from json_to_record(json_build_object('c', $1[1])) as x(c TYPE))";
        compare_with(&connection, zone, &input_cases(zone, written, sql));
    }
}

#[test]
fn values_become_json() {
    let Some(connection) = connection() else { return };
    let output = |value: &Value<'_>, r#type: Type, env: &Environment| {
        let mut out = Vec::new();
        types::write_json(value, r#type, env, &mut out);
        Some(String::from_utf8(out).unwrap())
    };
    let sql = "(select to_json(c) from json_to_record(json_build_object('c', $1[1])) as x(c TYPE))";
    compare_with(&connection, "Asia/Kathmandu", &input_cases("Asia/Kathmandu", output, sql));
}

#[test]
fn json_becomes_values() {
    const EXTRA: &[&str] = &[
        "1",
        "1.0",
        "1e2",
        "true",
        "\"true\"",
        "\"1\"",
        "\"a\"",
        "null",
        "[1,2]",
        "[[1,2],[3,4]]",
        "[[1],[2,3]]",
        "[1,[2]]",
        "[[1],2]",
        "[]",
        "[[]]",
        "[[],[]]",
        "\"{1,2}\"",
        "{\"a\":1}",
        "[null,1]",
        "[\"a\",\"b\"]",
        "[{\"a\":1},[1]]",
        "[[{\"a\":1}]]",
        "\"\\u00e4\"",
        "\"abcde\"",
        "\"2024-01-15\"",
        "[\"2024-01-15\"]",
        "[true,\"f\"]",
        "[ 1 , 2 ]",
        "{ \"a\" :  1 }",
        "[[[1]]]",
        "[[[[[[[1]]]]]]]",
        "\"[1]\"",
        "-0",
        "0.50",
        "\"\\u0000\"",
    ];
    let Some(connection) = connection() else { return };
    let (env, dice) = (environment("UTC"), Dice::new(2));
    let mut cases = Vec::new();
    for name in TYPES {
        let r#type = Type::parse(name).unwrap();
        let random = (0..values_per_type() / 4).map(|_| corpus::json(&dice, 3));
        let texts = (0..values_per_type() / 4).map(|_| serde_json::to_string(&text(name, &dice)).unwrap());
        for json in EXTRA.iter().map(|&json| json.to_owned()).chain(random).chain(texts) {
            let ours = types::from_json(&json, r#type, &env).map(|value| written(&value, r#type, &env));
            let sql = format!(
                "(select case when c is not null then format('%s', c) end from json_to_record(('{{\"c\":' || $1[1] || '}}')::json) as x(c {name}))"
            );
            cases.push(Case {
                name: format!("{name} of JSON {json}"),
                question: Question { sql, arguments: vec![json] },
                ours: answered(ours),
            });
        }
    }
    compare_with(&connection, "UTC", &cases);
}

#[test]
fn every_pair_of_types_casts() {
    let Some(connection) = connection() else { return };
    let (zone, dice) = ("Europe/Zurich", Dice::new(3));
    let env = environment(zone);
    let mut cases = Vec::new();
    for from_name in TYPES {
        let from = Type::parse(from_name).unwrap();
        let values = texts_of(from_name, values_per_type() / 4, &dice).into_iter();
        let values =
            values.filter_map(|text| Some((types::from_text(&text, from, &env).ok()?, text))).collect::<Vec<_>>();
        for to_name in TYPES {
            let to = Type::parse(to_name).unwrap();
            let count = if types::can_cast(from, to) { 40.max(values_per_type() / 10) } else { 1 };
            for _ in 0..count.min(values.len()) {
                let (value, text) = dice.one(&values);
                let ours = types::cast(value.clone(), from, to, &env).map(|value| written(&value, to, &env));
                // In JSON a text is a jsonb string.
                let record = if *from_name == "jsonb" {
                    "(select $1[1]::jsonb as c) as x".to_owned()
                } else {
                    format!("json_to_record(json_build_object('c', $1[1])) as x(c {from_name})")
                };
                let sql = format!(
                    "(select case when c::{to_name} is not null then format('%s', c::{to_name}) end from {record})"
                );
                cases.push(Case {
                    name: format!("{text:?}::{from_name}::{to_name}"),
                    question: Question { sql, arguments: vec![text.clone()] },
                    ours: answered(ours),
                });
            }
        }
    }
    compare_with(&connection, zone, &cases);
}

#[test]
fn values_have_one_order() {
    let Some(connection) = connection() else { return };
    let (env, dice) = (environment("UTC"), Dice::new(4));
    let mut cases = Vec::new();
    for name in TYPES {
        let r#type = Type::parse(name).unwrap();
        let values = texts_of(name, values_per_type(), &dice).into_iter();
        let values =
            values.filter_map(|text| Some((types::from_text(&text, r#type, &env).ok()?, text))).collect::<Vec<_>>();
        for _ in 0..values_per_type() {
            let ((a, a_text), (b, b_text)) = (dice.one(&values), dice.one(&values));
            let ours = match types::compare(a, b) {
                Ordering::Less => "<",
                Ordering::Equal => "=",
                Ordering::Greater => ">",
            };
            // An explicit cast would cut a text that is too long; there is none here.
            let sql = format!(
                "(select case when a < b then '<' when a = b then '=' when a > b then '>' end \
                 from (select $1[1]::{name} as a, $1[2]::{name} as b) as x)"
            );
            cases.push(Case {
                name: format!("{name} {a_text:?} with {b_text:?}"),
                question: Question { sql, arguments: vec![a_text.clone(), b_text.clone()] },
                ours: Answer::Text(ours.to_owned()),
            });
        }
    }
    compare_with(&connection, "UTC", &cases);
}

#[test]
fn one_contains_another() {
    let Some(connection) = connection() else { return };
    let (env, dice, steps) = (environment("UTC"), Dice::new(5), types::Steps::new(&|| Ok(())));
    let mut cases = Vec::new();
    for _ in 0..values_per_type() * 4 {
        let (a, b) = (corpus::json(&dice, 3), corpus::json(&dice, 2));
        cases.push(Case {
            name: format!("{a} @> {b}"),
            question: Question {
                sql: "$1[1]::jsonb @> $1[2]::jsonb".to_owned(),
                arguments: vec![a.clone(), b.clone()],
            },
            ours: Answer::Text(types::json_contains(&a, &b, &steps).unwrap().to_string()),
        });
    }
    for name in TYPES.iter().filter(|name| name.ends_with("[]")) {
        let r#type = Type::parse(name).unwrap();
        let values = texts_of(name, 100, &dice).into_iter();
        let values = values.filter_map(|text| match types::from_text(&text, r#type, &env).ok()? {
            Value::Array(array) => Some((array, text)),
            _ => None,
        });
        let values = values.collect::<Vec<_>>();
        for _ in 0..values_per_type() / 4 {
            let ((a, a_text), (b, b_text)) = (dice.one(&values), dice.one(&values));
            for (operator, ours) in [("@>", types::array_contains(a, b)), ("&&", types::array_overlaps(a, b))] {
                cases.push(Case {
                    name: format!("{name} {a_text:?} {operator} {b_text:?}"),
                    question: Question {
                        sql: format!("$1[1]::{name} {operator} $1[2]::{name}"),
                        arguments: vec![a_text.clone(), b_text.clone()],
                    },
                    ours: Answer::Text(ours.to_string()),
                });
            }
        }
    }
    compare_with(&connection, "UTC", &cases);
}

#[test]
fn paths_lead_into_json() {
    let Some(connection) = connection() else { return };
    let (env, dice) = (environment("UTC"), Dice::new(6));
    let r#type = Type::parse("jsonb").unwrap();
    let mut cases = Vec::new();
    for _ in 0..values_per_type() * 4 {
        let json = corpus::json(&dice, 3);
        let value = types::from_text(&json, r#type, &env).unwrap();
        let count = 1 + dice.below(3);
        let (mut steps, mut sql) = (Vec::new(), "$1[1]::jsonb".to_owned());
        for at in 1..=count {
            let is_text = at == count && dice.below(2) == 0;
            sql.push_str(if is_text { "->>" } else { "->" });
            if dice.below(2) == 0 {
                let name = *dice.one(&["a", "b", "aa", "", "zz"]);
                write!(sql, "'{name}'").unwrap();
                steps.push(JsonStep::Member { name: name.into(), is_text });
            } else {
                let index = dice.below(7) as i64 - 3;
                write!(sql, "({index})").unwrap();
                steps.push(JsonStep::Element { index, is_text });
            }
        }
        let found = types::json_path(&value, r#type, &steps);
        cases.push(Case {
            name: format!("{sql} of {json}"),
            question: Question { sql, arguments: vec![json] },
            ours: answered(Ok(written(&found, types::json_path_type(&steps), &env))),
        });
    }
    compare_with(&connection, "UTC", &cases);
}

#[test]
fn many_values_become_one() {
    let Some(connection) = connection() else { return };
    let (env, dice) = (environment("UTC"), Dice::new(7));
    let functions = [
        (Aggregate::Sum, "sum"),
        (Aggregate::Average, "avg"),
        (Aggregate::Count, "count"),
        (Aggregate::Minimum, "min"),
        (Aggregate::Maximum, "max"),
    ];
    let mut cases = Vec::new();
    for name in TYPES {
        let r#type = Type::parse(name).unwrap();
        let values = texts_of(name, values_per_type() / 4, &dice).into_iter();
        let values =
            values.filter_map(|text| Some((types::from_text(&text, r#type, &env).ok()?, text))).collect::<Vec<_>>();
        for _ in 0..(values_per_type() / 20).max(5) {
            let chosen = (0..dice.below(6)).map(|_| dice.one(&values)).collect::<Vec<_>>();
            for (function, function_name) in functions {
                let run = || {
                    let of = types::aggregate_type(function, Some(r#type))?;
                    let mut accumulator = types::Accumulator::new(function, Some(r#type));
                    for (value, _) in &chosen {
                        accumulator.add(value)?;
                    }
                    Ok(written(&accumulator.finish()?, of, &env))
                };
                let arguments = chosen.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
                let sql = format!("(select format('%s', {function_name}(t::{name})) from unnest($1) as t)");
                let ours = match answered(run()) {
                    // `format` writes nothing for null.
                    Answer::Null => Answer::Text(String::new()),
                    other => other,
                };
                cases.push(Case {
                    name: format!("{function_name}({name}) of {arguments:?}"),
                    question: Question { sql, arguments },
                    ours,
                });
            }
        }
    }
    compare_with(&connection, "UTC", &cases);
}

#[test]
fn patterns_match() {
    let Some(connection) = connection() else { return };
    let (dice, steps) = (Dice::new(8), types::Steps::new(&|| Ok(())));
    let random =
        |alphabet: &[char], length: usize| (0..dice.below(length)).map(|_| *dice.one(alphabet)).collect::<String>();
    let mut cases = Vec::new();
    for _ in 0..values_per_type() * 4 {
        // A server without a locale knows the case of ASCII letters alone, so there is no capital letter else.
        let text = random(&['a', 'b', 'A', 'ä', '日', '%', '_', '\\'], 9);
        let pattern = random(&['a', 'b', 'A', 'ä', '%', '%', '_', '\\'], 7);
        for (operator, ignore_case) in [("like", false), ("ilike", true)] {
            let ours = types::Like::new(&pattern, ignore_case)
                .map(|like| Some(like.matches(&text, &steps).unwrap().to_string()));
            cases.push(Case {
                name: format!("{text:?} {operator} {pattern:?}"),
                question: Question {
                    sql: format!("$1[1] {operator} $1[2]"),
                    arguments: vec![text.clone(), pattern.clone()],
                },
                ours: answered(ours),
            });
        }
    }
    compare_with(&connection, "UTC", &cases);
}

#[test]
fn names_of_types_are_known() {
    let Some(connection) = connection() else { return };
    let names = [
        "int2",
        "int4",
        "int8",
        "int",
        "smallint",
        "integer",
        "bigint",
        "float4",
        "float8",
        "float",
        "float(1)",
        "float(24)",
        "float(25)",
        "float(53)",
        "float(54)",
        "float(0)",
        "real",
        "double precision",
        "DOUBLE  PRECISION",
        "bool",
        "Boolean",
        "text",
        "varchar",
        "varchar(10)",
        "varchar ( 10 )",
        "character varying(10)",
        "char varying(3)",
        "varchar(0)",
        "varchar(10485760)",
        "varchar(10485761)",
        "char",
        "char(3)",
        "character",
        "character(3)",
        "bpchar",
        "bpchar(3)",
        "numeric",
        "numeric(5)",
        "numeric(5,2)",
        "numeric(5,-2)",
        "decimal(5,2)",
        "dec(5)",
        "numeric(0)",
        "numeric(1001)",
        "numeric(5,1001)",
        "numeric(1000,1000)",
        "numeric(1000,-1000)",
        "timestamp",
        "timestamp without time zone",
        "timestamp with time zone",
        "timestamptz",
        "date",
        "time",
        "time without time zone",
        "uuid",
        "jsonb",
        "bytea",
        "integer[]",
        "text[][]",
        "int4[3]",
        "integer array",
        "varchar(3)[]",
        "nosuch",
    ];
    let cases = names.iter().map(|name| Case {
        name: (*name).to_owned(),
        question: Question { sql: format!("pg_temp.described('{name}')"), arguments: Vec::new() },
        ours: answered(Type::parse(name).map(|r#type| Some(r#type.to_string()))),
    });
    compare_with(&connection, "UTC", &cases.collect::<Vec<_>>());
}
