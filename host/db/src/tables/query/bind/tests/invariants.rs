//! Whatever is asked: binding does not panic, and what it makes holds together.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::check::Asked;
use crate::tables::query::bound::{AggregateCall, Expression, OrderBy, Predicate, Select, Source, Subject};

/// Where an expression looks: through embeds that are to-one, at a column that is there.
fn check_expression(select: &Select, expression: &Expression) {
    let mut here = select;
    for &place in &expression.through {
        let embed = &here.embeds[place];
        assert!(embed.relation.is_to_one, "through a to-many embed");
        here = &embed.select;
    }
    let column = &here.table.schema.columns[expression.column];
    assert!(!expression.path.is_empty() || expression.source_type == column.r#type);
}

fn check_aggregate(select: &Select, call: &AggregateCall) {
    if let Some(argument) = &call.argument {
        check_expression(select, argument);
    }
}

fn check_predicate(select: &Select, predicate: &Predicate) {
    match predicate {
        Predicate::And(all) | Predicate::Or(all) => all.iter().for_each(|one| check_predicate(select, one)),
        Predicate::Not(inner) => check_predicate(select, inner),
        Predicate::Exists(place) => assert!(*place < select.embeds.len()),
        Predicate::Test { subject: Subject::Expression(expression), .. } => check_expression(select, expression),
        Predicate::Test { subject: Subject::Aggregate(call), .. } => {
            assert!(select.is_grouped, "an aggregate of no group");
            check_aggregate(select, call);
        }
    }
}

fn embedded<'s>(select: &'s Select, through: &[usize], place: usize) -> &'s Select {
    let holder = through.iter().fold(select, |select, &place| {
        assert!(select.embeds[place].relation.is_to_one);
        &select.embeds[place].select
    });
    &holder.embeds[place].select
}

fn check_select(select: &Select) {
    let grouped_by = |expression: &Expression| {
        let mut outputs = select.output.iter();
        outputs.any(|output| matches!(&output.source, Source::Expression(by) if by == expression))
    };
    for output in &select.output {
        match &output.source {
            Source::Expression(expression) => check_expression(select, expression),
            Source::Aggregate(call) => {
                assert!(select.is_grouped, "an aggregate of no group");
                check_aggregate(select, call);
            }
            Source::Embed { through, embed } => {
                embedded(select, through, *embed);
            }
            Source::SpreadMany { through, embed, output } => {
                assert!(*output < embedded(select, through, *embed).output.len());
            }
        }
    }
    for order in &select.order {
        match &order.by {
            OrderBy::Expression(expression) => {
                check_expression(select, expression);
                assert!(!select.is_grouped || grouped_by(expression), "ordered by what is not grouped by");
            }
            OrderBy::Aggregate(call) => {
                assert!(select.is_grouped, "an aggregate of no group");
                check_aggregate(select, call);
            }
            OrderBy::EmbedAggregate { embed, call } => {
                assert!(!select.is_grouped);
                check_aggregate(&select.embeds[*embed].select, call);
            }
        }
    }
    for predicate in select.filter.iter().chain(&select.having) {
        check_predicate(select, predicate);
    }
    for embed in &select.embeds {
        assert!(!embed.relation.is_to_one || embed.relation.junction.is_none());
        assert!(!embed.relation.local.is_empty());
        check_select(&embed.select);
    }
}

/// What may be asked of each table: its columns, and its embeds with the table that each leads to.
#[allow(clippy::type_complexity, reason = "a table of a test")]
const TABLES: &[(&str, &[&str], &[(&str, &str)])] = &[
    ("cities", &["id", "name", "country"], &[("authors", "authors"), ("flights!origin_id", "flights")]),
    (
        "authors",
        &["id", "name", "rank", "mood", "born", "city_id"],
        &[
            ("cities", "cities"),
            ("city_id", "cities"),
            ("authors", "authors"),
            ("teacher_id", "authors"),
            ("books", "books"),
            ("passports", "passports"),
        ],
    ),
    (
        "books",
        &["id", "title", "pages", "meta", "tags", "price"],
        &[("authors", "authors"), ("genres", "genres"), ("book_genres", "book_genres")],
    ),
    ("genres", &["id", "label"], &[("books", "books"), ("parent", "genres"), ("genres", "genres")]),
    ("book_genres", &["book_id", "weight"], &[("books", "books"), ("genres", "genres")]),
    ("passports", &["author_id", "number"], &[("authors", "authors")]),
    ("flights", &["id", "seats"], &[("origin_id", "cities"), ("cities!target_id", "cities")]),
];

/// A query that throws make: most of it is valid, some is not.
struct Writer<'t> {
    throws: std::slice::Iter<'t, u8>,
    parameters: Vec<String>,
}

impl Writer<'_> {
    /// One of them; the first where there are no throws left.
    fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.throws.next().map_or(0, |throw| usize::from(*throw) % choices.len())]
    }

    fn happens(&mut self, in_256: u8) -> bool {
        self.throws.next().is_some_and(|throw| *throw < in_256)
    }

    fn column(&mut self, columns: &[&str]) -> String {
        let name = if self.happens(4) { "nope" } else { self.pick(columns) };
        format!("{name}{}", self.pick(&["", "", "", "", "->a", "->>a", "->0"]))
    }

    fn table(&mut self, table: &str, path: &str, depth: usize) -> String {
        let (_, columns, embeds) = TABLES.iter().find(|(name, ..)| *name == table).unwrap();
        let mut shown = Vec::new();
        while self.happens(140) {
            let column = self.column(columns);
            let end = self.pick(&["", "", "", "", "::text", ".count()", ".max()", "->>a::int.sum()"]);
            shown.push(format!("{}{column}{end}", self.pick(&["", "", "", "x:", "name:"])));
        }
        for (choice, show) in [("*", 30), ("count()", 30)] {
            if self.happens(show) {
                shown.push(choice.to_owned());
            }
        }
        while depth < 3 && self.happens(110) {
            let place = usize::from(*self.throws.next().unwrap_or(&0)) % embeds.len();
            let (target, to) = embeds[place];
            let alias = self.pick(&["", "", "a:"]);
            let name = if alias.is_empty() { target.split('!').next().unwrap() } else { "a" };
            let inside = self.table(to, &format!("{path}{name}."), depth + 1);
            let (spread, inner) = (self.pick(&["", "", "..."]), self.pick(&["", "", "!inner"]));
            shown.push(format!("{spread}{alias}{target}{inner}({inside})"));
            if self.happens(70) {
                let test = self.pick(&["is.null", "not.is.null", "is.not_null", "eq.1"]);
                self.parameters.push(format!("{path}{name}={test}"));
            }
            if self.happens(70) {
                let (_, columns, _) = TABLES.iter().find(|(name, ..)| *name == to).unwrap();
                let column = self.column(columns);
                let end = self.pick(&["", "", ".max()"]);
                self.parameters.push(format!("{path}order={name}({column}{end})"));
            }
        }
        while self.happens(90) {
            let column = self.column(columns);
            let test = self.pick(&[
                "eq.1",
                "eq.1",
                "is.null",
                "in.(1,2)",
                "in.()",
                "like.a*",
                "gt(any).{1,2}",
                "cs.{1}",
                "isdistinct.1",
                "match.(",
            ]);
            let parameter = if self.happens(128) {
                format!("{path}{column}={test}")
            } else {
                format!("{path}or=({column}.{test},not.and(id.eq.1,{column}.not.{test}))")
            };
            self.parameters.push(parameter);
        }
        if self.happens(60) {
            let column = self.column(columns);
            let end = self.pick(&["", ".desc", ".count()"]);
            self.parameters.push(format!("{path}order={column}{end}"));
        }
        shown.join(",")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_bound_holds_together(throws in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut writer = Writer { throws: throws.iter(), parameters: Vec::new() };
        let table = writer.pick(&TABLES.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
        let mut text = format!("{table}?select={}", writer.table(table, "", 0));
        if writer.happens(20) {
            writer.parameters.push("having=(count().gt.1)".to_owned());
        }
        for parameter in &writer.parameters {
            write!(text, "&{parameter}").unwrap();
        }
        if let Ok(bound) = Asked::new(&text).bind() {
            check_select(&bound.select);
        }
    }
}
