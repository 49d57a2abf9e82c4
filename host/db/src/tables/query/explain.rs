//! How a select is executed, as a document: PostgreSQL's `EXPLAIN`, in text and in JSON, as far as its readers go by it.

use std::fmt::Write as _;

use crate::engine::{Direction, View};
use crate::tables::query::bound::{Comparison, Embed, Expression, Order, OrderBy, Predicate, Select, Subject, Test};
use crate::tables::query::execute::{self, Paging, QueryContext};
use crate::tables::query::plan::{Access, Lookup, Plan, Sizes};
use crate::tables::query::{Cell, OutputColumn, RowSink, Selected};
use crate::tables::schema::Table;
use crate::tables::types::{Scalar, Type, Value, write_json, write_text};
use crate::tables::{Environment, TableResult};

/// Of the values of an `IN`, this many are shown.
const IN_VALUES_SHOWN: usize = 20;

/// How a select is executed.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    root: Node,
    /// How long it took, in milliseconds, where it was executed.
    executed_ms: Option<f64>,
}

/// A step, and those that it takes its rows from.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    /// What it does: `Index Scan`.
    kind: &'static str,
    fields: Vec<(&'static str, Field)>,
    cost: f64,
    rows: f64,
    steps: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Text(String),
    List(Vec<String>),
    Count(u64),
}

/// How a select would be executed.
pub(crate) fn explain(select: &Select, context: &QueryContext<'_>, paging: Paging) -> Explanation {
    let plan = execute::plan_of(select, context, paging);
    Explanation { root: node_of(select, &plan, paging, context), executed_ms: None }
}

/// How a select is executed, and what became of it: its rows go nowhere.
///
/// # Errors
/// Those of [`execute::select`].
pub(crate) fn analyze(
    select: &Select,
    view: &mut dyn View,
    context: &QueryContext<'_>,
    paging: Paging,
) -> TableResult<Explanation> {
    let mut explanation = explain(select, context, paging);
    let started_us = context.engine.monotonic_us();
    let Selected { rows, .. } = execute::select(select, view, context, paging, &mut Discarded)?;
    let took_us = context.engine.monotonic_us().saturating_sub(started_us);
    let actual = [("Actual Rows", rows), ("Actual Loops", 1), ("Rows Examined", context.rows_examined())];
    explanation.root.fields.extend(actual.map(|(name, count)| (name, Field::Count(count))));
    #[allow(clippy::cast_precision_loss, reason = "microseconds of one statement")]
    let executed_ms = took_us as f64 / 1_000.0;
    explanation.executed_ms = Some(executed_ms);
    Ok(explanation)
}

/// Takes rows as a client would, and forgets them.
struct Discarded;

impl RowSink for Discarded {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        Ok(())
    }

    fn row(&mut self, _cells: &[Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}

impl Node {
    fn new(kind: &'static str, cost: f64, rows: f64) -> Self {
        Self { kind, fields: Vec::new(), cost, rows, steps: Vec::new() }
    }

    /// A step that takes the rows of this one.
    fn then(self, kind: &'static str, cost: f64, rows: f64) -> Self {
        Self { steps: vec![self], ..Self::new(kind, cost, rows) }
    }

    fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.fields.push((name, Field::Text(text.into())));
        self
    }

    fn with_list(mut self, name: &'static str, list: Vec<String>) -> Self {
        self.fields.push((name, Field::List(list)));
        self
    }
}

/// How columns and values are written.
#[derive(Clone, Copy)]
struct Words<'a> {
    environment: &'a Environment,
    /// What the columns' table is called, where there are several.
    alias: Option<&'a str>,
}

fn node_of(select: &Select, plan: &Plan, paging: Paging, context: &QueryContext<'_>) -> Node {
    let environment = context.environment;
    let estimate = plan.estimate;
    let words = Words { environment, alias: None };
    let mut node = scan_of(select, plan, words);
    for embed in &select.embeds {
        node = joined(node, embed, (&select.table, &select.table.schema.name, 1), context);
    }
    let (mut cost, mut rows) = (node.cost, estimate.rows);
    if select.is_grouped {
        rows = if groups(select).is_empty() { 1.0 } else { (rows / 10.0).max(1.0_f64.min(rows)) };
        cost += estimate.rows * 0.1;
        node = node
            .then("Aggregate", cost, rows)
            .with("Strategy", if groups(select).is_empty() { "Plain" } else { "Sorted" });
        if !groups(select).is_empty() {
            node = node.with_list("Group Key", groups(select));
        }
        if let Some(having) = &select.having {
            node = node.with("Filter", said(having, &select.table, words));
        }
    }
    if !select.order.is_empty() && (select.is_grouped || !plan.is_ordered) {
        node = node.then("Sort", cost, rows).with_list("Sort Key", sort_keys(select));
    }
    let limit = select.limit.into_iter().chain(paging.rows_max).min();
    if limit.is_some() || select.offset > 0 {
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let limited = limit.map_or(rows, |limit| rows.min(limit as f64));
        node = node.then("Limit", cost, limited);
    }
    node
}

fn scan_of(select: &Select, plan: &Plan, words: Words<'_>) -> Node {
    let table = &select.table;
    let name = &table.schema.name;
    let key = || table.schema.clustering().map_or("", |key| key.name.as_str());
    let node =
        |kind| Node::new(kind, plan.estimate.cost, plan.estimate.rows).with("Relation Name", name).with("Alias", name);
    let direction = if plan.direction == Direction::Reverse { "Backward" } else { "Forward" };
    let by = |index: &str| node("Index Scan").with("Scan Direction", direction).with("Index Name", index);
    let (node, is_by_key) = match &plan.access {
        Access::Nothing => (Node::new("Result", 0.0, 0.0).with("One-Time Filter", "false"), false),
        Access::Rows(ranges) if is_whole(ranges, table) && plan.direction == Direction::Forward => {
            (node("Seq Scan"), false)
        }
        Access::Keys(_) | Access::Rows(_) => (by(key()), true),
        Access::Index { index, .. } | Access::Entries { index, .. } => (by(&table.schema.indexes[*index].name), true),
    };
    match &select.filter {
        Some(filter) if is_by_key && plan.is_covered => node.with("Index Cond", said(filter, table, words)),
        Some(filter) => node.with("Filter", said(filter, table, words)),
        None => node,
    }
}

fn is_whole(ranges: &[crate::engine::KeyRange], table: &Table) -> bool {
    let all = crate::tables::codec::KeyPrefix::of_space(table.schema.rows).all();
    ranges == [all]
}

/// The step that adds the rows of an embed to those of another table, which is called `outer`, at a depth. An embed is called by its table and its
/// depth, as in PostgREST's statements.
fn joined(
    node: Node,
    embed: &Embed,
    (outer_table, outer, depth): (&Table, &str, usize),
    context: &QueryContext<'_>,
) -> Node {
    let select = &embed.select;
    let table = &select.table;
    let alias = format!("{}_{depth}", table.schema.name);
    let words = Words { environment: context.environment, alias: Some(&alias) };
    let lookup = Lookup::of(table, &embed.relation.remote, &select.order);
    let rows = node.rows;
    let key = || table.schema.clustering().map_or("", |key| key.name.as_str());
    let (kind, mut inner) = if let Some(lookup) = lookup {
        let index = lookup.index.map_or_else(key, |index| &table.schema.indexes[index].name);
        ("Nested Loop", Node::new("Index Scan", rows * 3.0, rows).with("Index Name", index))
    } else {
        let all = f64_of(context.keys(table.schema.rows));
        ("Hash Join", Node::new("Seq Scan", all, rows))
    };
    inner = inner.with("Relation Name", &table.schema.name).with("Alias", &alias);
    let mut conditions = Vec::new();
    if let Some(junction) = &embed.relation.junction {
        inner = inner.with("Through", &junction.table.schema.name);
    } else {
        let (local, remote) = (&embed.relation.local, &embed.relation.remote);
        let name = |table: &Table, column: usize| table.schema.columns[column].name.clone();
        let pairs = local.iter().zip(remote).map(|(&own, &other)| (name(outer_table, own), name(table, other)));
        conditions.extend(pairs.map(|(own, other)| format!("({alias}.{other} = {outer}.{own})")));
    }
    conditions.extend(select.filter.as_ref().map(|filter| said(filter, table, words)));
    match &conditions[..] {
        [] => {}
        [one] => inner = inner.with("Join Filter", one),
        several => inner = inner.with("Join Filter", format!("({})", several.join(" AND "))),
    }
    for nested in &select.embeds {
        inner = joined(inner, nested, (table, &alias, depth + 1), context);
    }
    let cost = node.cost + inner.cost;
    let mut step = node.then(kind, cost, rows).with("Join Type", if embed.is_inner { "Inner" } else { "Left" });
    step.steps.push(inner);
    step
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn f64_of(count: u64) -> f64 {
    count as f64
}

fn groups(select: &Select) -> Vec<String> {
    use crate::tables::query::bound::Source;
    let keys = select.output.iter().filter(|output| !matches!(output.source, Source::Aggregate(_)));
    keys.map(|output| output.name.clone()).collect()
}

fn sort_keys(select: &Select) -> Vec<String> {
    let key = |Order { by, is_descending, nulls_first }: &Order| {
        let mut key = match by {
            OrderBy::Expression(expression) => named(expression, select),
            OrderBy::Aggregate(call) => format!("{:?}()", call.function).to_lowercase(),
            OrderBy::EmbedAggregate { embed, call } => {
                format!("{}({:?}())", select.embeds[*embed].name, call.function).to_lowercase()
            }
        };
        if *is_descending {
            key.push_str(" DESC");
        }
        if nulls_first != is_descending {
            key.push_str(if *nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        key
    };
    select.order.iter().map(key).collect()
}

/// An expression of a select, by the names of the embeds that lead to it.
fn named(expression: &Expression, select: &Select) -> String {
    let mut name = String::new();
    let mut of = select;
    for &embed in &expression.through {
        let _ = write!(name, "{}.", of.embeds[embed].name);
        of = &of.embeds[embed].select;
    }
    name + &column(expression, &of.table)
}

fn column(expression: &Expression, table: &Table) -> String {
    use mantis_dialect::JsonStep::{Element, Member};
    let column = table.schema.columns.get(expression.column);
    let mut text = column.map_or_else(String::new, |column| column.name.clone());
    for step in &expression.path {
        let _ = match step {
            Member { name, is_text } => write!(text, "{}{name}", if *is_text { "->>" } else { "->" }),
            Element { index, is_text } => write!(text, "{}{index}", if *is_text { "->>" } else { "->" }),
        };
    }
    if let Some(cast) = expression.cast {
        let _ = write!(text, "::{cast}");
    }
    text
}

/// A predicate in PostgreSQL's words.
fn said(predicate: &Predicate, table: &Table, words: Words<'_>) -> String {
    let list = |parts: &[Predicate], word: &str| {
        let parts: Vec<String> = parts.iter().map(|part| said(part, table, words)).collect();
        format!("({})", parts.join(word))
    };
    match predicate {
        Predicate::And(parts) => list(parts, " AND "),
        Predicate::Or(parts) => list(parts, " OR "),
        Predicate::Not(part) => format!("(NOT {})", said(part, table, words)),
        Predicate::Exists(embed) => format!("EXISTS(embed {})", embed + 1),
        Predicate::Test { subject: Subject::Expression(expression), test } if expression.through.is_empty() => {
            let alias = words.alias.map_or_else(String::new, |alias| format!("{alias}."));
            said_of(&(alias + &column(expression, table)), test, expression.r#type(), words.environment)
        }
        Predicate::Test { subject: Subject::Expression(expression), test } => {
            said_of("embedded column", test, expression.r#type(), words.environment)
        }
        Predicate::Test { subject: Subject::Aggregate(call), test } => {
            let name = format!("{:?}()", call.function).to_lowercase();
            said_of(&name, test, call.cast.unwrap_or(call.source_type), words.environment)
        }
    }
}

fn said_of(subject: &str, test: &Test, r#type: Type, environment: &Environment) -> String {
    let text_of = |value: &Value<'_>| {
        let mut text = String::new();
        write_text(value, r#type, environment, &mut text);
        text
    };
    let literal = |value: &Value<'_>| match value {
        Value::Null => format!("NULL::{type}"),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(number) if *number >= 0 && r#type == Type::scalar(Scalar::Integer) => number.to_string(),
        value => format!("'{}'::{type}", text_of(value).replace('\'', "''")),
    };
    let several = |tests: &[Test], word: &str| {
        let tests: Vec<String> = tests.iter().map(|test| said_of(subject, test, r#type, environment)).collect();
        format!("({})", tests.join(word))
    };
    match test {
        Test::IsNull => format!("({subject} IS NULL)"),
        Test::IsNotNull => format!("({subject} IS NOT NULL)"),
        Test::IsBoolean(value) => format!("({subject} IS {})", if *value { "TRUE" } else { "FALSE" }),
        Test::IsDistinct(value) => format!("({subject} IS DISTINCT FROM {})", literal(value)),
        Test::Compare(comparison, value) => format!("({subject} {} {})", operator(*comparison), literal(value)),
        Test::In(values) => {
            let mut texts: Vec<String> = values.iter().take(IN_VALUES_SHOWN).map(text_of).collect();
            if values.len() > IN_VALUES_SHOWN {
                texts.push("...".to_owned());
            }
            format!("({subject} = ANY ('{{{}}}'::{type}[]))", texts.join(",").replace('\'', "''"))
        }
        Test::Like(_) => format!("({subject} ~~ pattern)"),
        Test::Match(_) => format!("({subject} ~ pattern)"),
        Test::Contains(value) => format!("({subject} @> {})", literal(value)),
        Test::ContainedIn(value) => format!("({subject} <@ {})", literal(value)),
        Test::Overlaps(value) => format!("({subject} && {})", literal(value)),
        Test::Any(tests) => several(tests, " OR "),
        Test::All(tests) => several(tests, " AND "),
        Test::Unknown => "NULL".to_owned(),
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

impl Explanation {
    /// The plan of an answer that is one document: another step, `Aggregate`, writes all rows into it. PostgREST's plans
    /// begin so, as its statement gathers the rows with `json_agg`.
    #[must_use]
    pub fn gathered(mut self) -> Self {
        let cost = self.root.cost + self.root.rows * 0.01;
        self.root = self.root.then("Aggregate", cost, 1.0).with("Strategy", "Plain");
        self
    }

    /// As `EXPLAIN (FORMAT JSON)`: an array of one object, whose `Plan` has the last step and, in `Plans`, those before it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("[{\"Plan\":");
        write_node(&self.root, &mut out);
        if let Some(executed_ms) = self.executed_ms {
            let _ = write!(out, ",\"Execution Time\":{executed_ms:.3}");
        }
        out.push_str("}]");
        out
    }

    /// As `EXPLAIN (FORMAT TEXT)`: a line for each step, those that it takes its rows from below it, indented.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        write_lines(&self.root, 0, &mut out);
        if let Some(executed_ms) = self.executed_ms {
            let _ = writeln!(out, "Execution Time: {executed_ms:.3} ms");
        }
        out
    }
}

fn write_node(node: &Node, out: &mut String) {
    let _ = write!(out, "{{\"Node Type\":\"{}\",\"Parallel Aware\":false", node.kind);
    for (name, field) in &node.fields {
        let _ = write!(out, ",\"{name}\":");
        match field {
            Field::Text(text) => push_string(text, out),
            Field::Count(count) => {
                let _ = write!(out, "{count}");
            }
            Field::List(list) => {
                for (at, text) in list.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    push_string(text, out);
                }
                out.push(']');
            }
        }
    }
    let (cost, rows) = (node.cost, node.rows.round());
    let _ = write!(out, ",\"Startup Cost\":0.00,\"Total Cost\":{cost:.2},\"Plan Rows\":{rows},\"Plan Width\":0");
    for (at, step) in node.steps.iter().enumerate() {
        out.push_str(if at == 0 { ",\"Plans\":[" } else { "," });
        write_node(step, out);
    }
    out.push_str(if node.steps.is_empty() { "}" } else { "]}" });
}

fn push_string(text: &str, out: &mut String) {
    let mut json = Vec::new();
    write_json(&Value::Text(text.into()), Type::TEXT, &Environment::neutral(), &mut json);
    out.push_str(&String::from_utf8_lossy(&json));
}

fn write_lines(node: &Node, depth: usize, out: &mut String) {
    let text = |name: &str| {
        node.fields.iter().find(|(known, _)| *known == name).and_then(|(_, field)| match field {
            Field::Text(text) => Some(text.as_str()),
            Field::List(_) | Field::Count(_) => None,
        })
    };
    let indent = "      ".repeat(depth);
    let arrow = if depth == 0 { "" } else { "->  " };
    let _ = write!(out, "{}{arrow}{}", &indent[..indent.len().saturating_sub(4 * usize::from(depth > 0))], node.kind);
    if text("Scan Direction") == Some("Backward") {
        out.push_str(" Backward");
    }
    let _ = text("Index Name").map(|index| write!(out, " using {index}"));
    let table = text("Relation Name");
    let _ = table.map(|table| write!(out, " on {table}"));
    let _ = text("Alias").filter(|alias| Some(*alias) != table).map(|alias| write!(out, " {alias}"));
    let _ = writeln!(out, "  (cost=0.00..{:.2} rows={} width=0)", node.cost, node.rows.round());
    for (name, field) in &node.fields {
        if matches!(*name, "Index Name" | "Relation Name" | "Scan Direction" | "Alias") {
            continue;
        }
        let _ = match field {
            Field::Text(text) => writeln!(out, "{indent}  {name}: {text}"),
            Field::List(list) => writeln!(out, "{indent}  {name}: {}", list.join(", ")),
            Field::Count(count) => writeln!(out, "{indent}  {name}: {count}"),
        };
    }
    node.steps.iter().for_each(|step| write_lines(step, depth + 1, out));
}
