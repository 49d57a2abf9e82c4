//! A bound query as text: `table[outputs] where .. order .. limit ..`, and its embeds between braces. What is looked at through an embed
//! has its place before it: `0>city`.

#![allow(clippy::format_push_string, clippy::format_collect, reason = "a test may take its time")]

use mantis_dialect::JsonStep;

use crate::tables::query::bind::column::function_name;
use crate::tables::query::bound::{
    AggregateCall, Comparison, Embed, Expression, Order, OrderBy, Output, Predicate, Select, Source, Subject, Test,
};
use crate::tables::schema::Table;
use crate::tables::types::Value;

pub(super) fn written(select: &Select) -> String {
    let outputs: Vec<String> = select.output.iter().map(|one| output(select, one)).collect();
    let mut text = format!("{}[{}]", select.table.schema.name, outputs.join(", "));
    if select.is_grouped {
        text += " grouped";
    }
    for (word, filter) in [("where", &select.filter), ("having", &select.having)] {
        if let Some(filter) = filter {
            text += &format!(" {word} {}", predicate(select, filter));
        }
    }
    if !select.order.is_empty() {
        let terms: Vec<String> = select.order.iter().map(|term| order(select, term)).collect();
        text += &format!(" order {}", terms.join(", "));
    }
    if let Some(limit) = select.limit {
        text += &format!(" limit {limit}");
    }
    if select.offset > 0 {
        text += &format!(" offset {}", select.offset);
    }
    if !select.embeds.is_empty() {
        let embeds: Vec<String> = select.embeds.iter().map(|embed| embedded(&select.table, embed)).collect();
        text += &format!(" {{{}}}", embeds.join("; "));
    }
    text
}

fn names(table: &Table, columns: &[usize]) -> String {
    columns.iter().map(|&column| &*table.schema.columns[column].name).collect::<Vec<_>>().join(",")
}

fn embedded(table: &Table, embed: &Embed) -> String {
    let Embed { name, relation, select, is_inner } = embed;
    let other = &select.table;
    let (local, remote) = (names(table, &relation.local), names(other, &relation.remote));
    let through = relation.junction.as_ref().map_or_else(String::new, |junction| {
        let (near, far) = (names(&junction.table, &junction.near), names(&junction.table, &junction.far));
        format!("{near}|{}|{far}=", junction.table.schema.name)
    });
    let (inner, one) = (if *is_inner { "inner " } else { "" }, if relation.is_to_one { "one" } else { "many" });
    format!("{name}: {inner}{one} {local}={through}{remote} {}", written(select))
}

fn output(select: &Select, output: &Output) -> String {
    let shown = match &output.source {
        Source::Expression(one) => expression(select, one),
        Source::Aggregate(call) => aggregate(select, call),
        Source::Embed { through, embed } => format!("{}{{{embed}}}", way(through)),
        Source::SpreadMany { through, embed, output } => format!("{}{{{embed}}}.{output}", way(through)),
    };
    if shown == output.name { shown } else { format!("{}:{shown}", output.name) }
}

fn way(through: &[usize]) -> String {
    through.iter().map(|place| format!("{place}>")).collect()
}

fn expression(select: &Select, expression: &Expression) -> String {
    let mut table = &select.table;
    let mut embeds = &select.embeds;
    for &place in &expression.through {
        (table, embeds) = (&embeds[place].select.table, &embeds[place].select.embeds);
    }
    let mut text = way(&expression.through) + &table.schema.columns[expression.column].name;
    for step in &expression.path {
        text += &match step {
            JsonStep::Member { name, is_text } => format!("{}{name}", if *is_text { "->>" } else { "->" }),
            JsonStep::Element { index, is_text } => format!("{}{index}", if *is_text { "->>" } else { "->" }),
        };
    }
    if let Some(cast) = expression.cast {
        text += &format!("::{cast}");
    }
    text
}

fn aggregate(select: &Select, call: &AggregateCall) -> String {
    let argument = call.argument.as_ref().map_or_else(String::new, |argument| expression(select, argument));
    let cast = call.cast.map_or_else(String::new, |cast| format!("::{cast}"));
    format!("{}({argument}){cast}", function_name(call.function))
}

fn order(select: &Select, order: &Order) -> String {
    let by = match &order.by {
        OrderBy::Expression(one) => expression(select, one),
        OrderBy::Aggregate(call) => aggregate(select, call),
        OrderBy::EmbedAggregate { embed, call } => {
            format!("{{{embed}}}.{}", aggregate(&select.embeds[*embed].select, call))
        }
    };
    let nulls = if order.nulls_first { " nulls first" } else { "" };
    format!("{by}{}{nulls}", if order.is_descending { " desc" } else { "" })
}

fn predicate(select: &Select, one: &Predicate) -> String {
    let list = |all: &[Predicate], word| all.iter().map(|one| predicate(select, one)).collect::<Vec<_>>().join(word);
    match one {
        Predicate::And(all) if all.is_empty() => "always".to_owned(),
        Predicate::Or(all) if all.is_empty() => "never".to_owned(),
        Predicate::And(all) => format!("({})", list(all, " and ")),
        Predicate::Or(all) => format!("({})", list(all, " or ")),
        Predicate::Not(inner) => format!("not {}", predicate(select, inner)),
        Predicate::Exists(place) => format!("{{{place}}}"),
        Predicate::Test { subject, test: of_it } => {
            let subject = match subject {
                Subject::Expression(one) => expression(select, one),
                Subject::Aggregate(call) => aggregate(select, call),
            };
            format!("{subject} {}", test(of_it))
        }
    }
}

fn test(one: &Test) -> String {
    let list = |all: &[Test]| all.iter().map(test).collect::<Vec<_>>().join(", ");
    match one {
        Test::IsNull => "is null".to_owned(),
        Test::IsNotNull => "is not null".to_owned(),
        Test::IsBoolean(truth) => format!("is {truth}"),
        Test::IsDistinct(operand) => format!("is distinct from {}", value(operand)),
        Test::Compare(comparison, operand) => {
            let symbol = match comparison {
                Comparison::Equal => "=",
                Comparison::NotEqual => "<>",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!("{symbol} {}", value(operand))
        }
        Test::In(values) => format!("in ({})", values.iter().map(value).collect::<Vec<_>>().join(", ")),
        Test::Like(_) => "like ..".to_owned(),
        Test::Match(_) => "match ..".to_owned(),
        Test::Contains(operand) => format!("@> {}", value(operand)),
        Test::ContainedIn(operand) => format!("<@ {}", value(operand)),
        Test::Overlaps(operand) => format!("&& {}", value(operand)),
        Test::Any(tests) => format!("any({})", list(tests)),
        Test::All(tests) => format!("all({})", list(tests)),
        Test::Unknown => "unknown".to_owned(),
    }
}

fn value(one: &Value<'_>) -> String {
    match one {
        Value::Null => "null".to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        Value::Json(text) => format!("json {text}"),
        Value::Array(array) => format!("{{{}}}", array.elements.iter().map(value).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}
