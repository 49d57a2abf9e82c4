//! Parameters to a query: which parameter is what, and the limits of a query.

use winnow::Parser as _;

use crate::error::{ErrorKind, ParseError};
use crate::filter::{condition_of, conditions, group_conditions};
use crate::name::{Written, count, json_path, names, written};
use crate::order::order;
use crate::select::select;
use crate::text::{Budget, Failure, Input, Parsed, fail, rest, spaces, takes};
use crate::tree::{Condition, EmbedQuery, Field, Name, Part, Query, Select};

/// How large a query may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one parameter's name or value.
    pub text_bytes_max: usize,
    /// Levels of parentheses: of conditions, and of embeds.
    pub depth_max: usize,
    /// Selections, conditions, terms of orders, steps into JSON, names and list elements together.
    pub nodes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes_max: 1 << 20, depth_max: 32, nodes_max: 100_000 }
    }
}

/// Makes queries of parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parser {
    limits: Limits,
    has_arguments: bool,
}

impl Parser {
    /// A parser with other limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, has_arguments: false }
    }

    /// Takes `$1` in the place of an operand for the first argument, whose value comes apart from the text. In quotes it is a text.
    #[must_use]
    pub fn with_arguments(self) -> Self {
        Self { has_arguments: true, ..self }
    }

    /// The query that `parameters` make: names and values, decoded, in the order in which they were sent.
    ///
    /// `select`, `columns`, `on_conflict`, `order`, `limit`, `offset`, `and`, `or`, `not.and`, `not.or` and `having` (where its value begins
    /// with a parenthesis) are words of the language; the last part of a name that begins with an embed's path may be `order`, `limit`,
    /// `offset`, `and` and `or`. Every other name is a condition's. Of a repeated word the first counts, of
    /// `limit` and `offset` the last; `and` and `or` may be repeated.
    ///
    /// # Errors
    /// [`ParseError`], the first in order.
    pub fn query<'p>(&self, parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Query, ParseError> {
        let mut building = self.building();
        for (name, value) in parameters {
            building.add(name, value)?;
        }
        Ok(building.query)
    }

    /// The query that three texts make, as programs give them: a filter of conditions between `&`, decoded, a select and an order. Empty
    /// ones say nothing.
    ///
    /// The filter may also say what [`query`](Self::query) takes of embedded tables and of groups: `items.order=line`,
    /// `having=(count().gt.1)`.
    ///
    /// # Errors
    /// [`ParseError`], also where the filter says a word of the language that is no condition.
    pub fn texts(&self, filter: &str, select: &str, order: &str) -> Result<Query, ParseError> {
        let mut building = self.building();
        building.add_filter(filter)?;
        let Query { select: selects, columns, on_conflict, root, .. } = &building.query;
        let words = [
            ("select", selects.is_some()),
            ("columns", columns.is_some()),
            ("on_conflict", on_conflict.is_some()),
            ("order", !root.order.is_empty()),
            ("limit", root.limit.is_some()),
            ("offset", root.offset.is_some()),
        ];
        if let Some((word, _)) = words.into_iter().find(|&(_, is_said)| is_said) {
            return Err(not_a_condition(word));
        }
        for (name, text) in [("select", select), ("order", order)] {
            if !text.trim().is_empty() {
                building.add(name, text)?;
            }
        }
        Ok(building.query)
    }

    /// The conditions of a filter by itself, as in a schema's check: `price=gt.0&or=(a.eq.1,b.is.null)`, decoded.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn filter(&self, text: &str) -> Result<Vec<Condition>, ParseError> {
        let mut building = self.building();
        for pair in pairs(text) {
            let (name, value) = pair?;
            let conditions_before = building.query.root.filter.len();
            building.add(name, value)?;
            // A word of the language, or a condition on an embed.
            if building.query.root.filter.len() == conditions_before {
                return Err(not_a_condition(name));
            }
        }
        Ok(building.query.root.filter)
    }

    /// A select by itself.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn select(&self, text: &str) -> Result<Select, ParseError> {
        parse("select", text, &self.budget(), self.limits, select)
    }

    fn building(&self) -> Building {
        Building { budget: self.budget(), limits: self.limits, query: Query::default() }
    }

    fn budget(&self) -> Budget {
        Budget::new(self.limits.nodes_max, self.limits.depth_max, self.has_arguments)
    }
}

struct Building {
    budget: Budget,
    limits: Limits,
    query: Query,
}

/// What a parameter's name says.
enum Key {
    /// A word of the language, of the embed that the path leads to.
    Word(Vec<Name>, Word),
    /// A field, of the embed that the path leads to.
    Field(Vec<Name>, Field),
}

#[derive(Clone, Copy)]
enum Word {
    Order,
    Limit,
    Offset,
    Logic { is_or: bool, is_negated: bool },
}

impl Building {
    fn add_filter(&mut self, text: &str) -> Result<(), ParseError> {
        for pair in pairs(text) {
            let (name, value) = pair?;
            self.add(name, value)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), ParseError> {
        match name {
            "select" if self.query.select.is_none() => {
                self.query.select = Some(self.parse(name, value, select)?);
            }
            "columns" if self.query.columns.is_none() => {
                self.query.columns = Some(self.parse(name, value, names)?);
            }
            "on_conflict" if self.query.on_conflict.is_none() => {
                self.query.on_conflict = Some(self.parse(name, value, names)?);
            }
            "select" | "columns" | "on_conflict" => {}
            "having" if value.trim_start().starts_with('(') => {
                let conditions = self.parse(name, value, group_conditions)?;
                self.query.having.extend(conditions);
            }
            _ => match parse(name, name, &self.budget, self.limits, key)? {
                Key::Word(path, word) => self.add_word(name, value, path, word)?,
                Key::Field(path, field) => {
                    let condition = self.parse(name, value, |input| condition_of(input, field.clone()))?;
                    self.part(path).filter.push(condition);
                }
            },
        }
        Ok(())
    }

    fn add_word(&mut self, name: &str, value: &str, path: Vec<Name>, word: Word) -> Result<(), ParseError> {
        match word {
            Word::Order => {
                let terms = self.parse(name, value, order)?;
                let part = self.part(path);
                if part.order.is_empty() {
                    part.order = terms;
                }
            }
            Word::Limit => {
                let limit = self.parse(name, value, count)?;
                self.part(path).limit = Some(limit);
            }
            Word::Offset => {
                let offset = self.parse(name, value, count)?;
                self.part(path).offset = Some(offset);
            }
            Word::Logic { is_or, is_negated } => {
                let all = self.parse(name, value, conditions)?;
                let condition = if is_or { Condition::Or(all) } else { Condition::And(all) };
                let condition = if is_negated { Condition::Not(Box::new(condition)) } else { condition };
                self.part(path).filter.push(condition);
            }
        }
        Ok(())
    }

    /// The part of the query that a path of embeds leads to.
    fn part(&mut self, path: Vec<Name>) -> &mut Part {
        if path.is_empty() {
            return &mut self.query.root;
        }
        let embeds = &mut self.query.embeds;
        let place = embeds.iter().position(|embed| embed.path == path).unwrap_or_else(|| {
            embeds.push(EmbedQuery { path, part: Part::default() });
            embeds.len() - 1
        });
        &mut embeds[place].part
    }

    fn parse<'t, T>(
        &'t self,
        name: &str,
        value: &'t str,
        parser: impl FnMut(&mut Input<'t>) -> Parsed<T>,
    ) -> Result<T, ParseError> {
        parse(name, value, &self.budget, self.limits, parser)
    }
}

/// Parses all of `text`, which belongs to the parameter `name`.
fn parse<'t, T>(
    name: &str,
    text: &'t str,
    budget: &'t Budget,
    limits: Limits,
    mut parser: impl FnMut(&mut Input<'t>) -> Parsed<T>,
) -> Result<T, ParseError> {
    let error = |offset, kind| ParseError { parameter: name.into(), text: text.into(), offset, kind };
    if name.len().max(text.len()) > limits.text_bytes_max {
        let kind = ErrorKind::TooLong { bytes_max: limits.text_bytes_max };
        return Err(ParseError {
            parameter: name.chars().take(64).collect::<String>().into(),
            text: "".into(),
            offset: 0,
            kind,
        });
    }
    let whole = |input: &mut Input<'t>| {
        let parsed = parser(input)?;
        if rest(input).is_empty() { Ok(parsed) } else { fail(&["the end"]) }
    };
    let parsed: Result<T, winnow::error::ParseError<Input<'t>, Failure>> =
        { whole }.parse(Input { input: text, state: budget });
    parsed.map_err(|failed| {
        let offset = failed.offset();
        error(offset, failed.into_inner().into_kind())
    })
}

/// What a parameter's name says: names between dots, the last of which is a word of the language or the beginning of a field.
fn key(input: &mut Input<'_>) -> Parsed<Key> {
    let mut path: Vec<Written> = Vec::new();
    loop {
        path.push(written(input)?);
        if !takes(input, ".") {
            break;
        }
        input.state.take_node()?;
    }
    let steps = json_path(input)?;
    spaces(input)?;
    let Some(last) = path.pop() else { return fail(&["a name"]) };
    let plain = |written: &Written, word: &str| !written.is_quoted && &*written.name == word;
    let word = match &*last.name {
        _ if last.is_quoted || !steps.is_empty() => None,
        "order" => Some(Word::Order),
        "limit" => Some(Word::Limit),
        "offset" => Some(Word::Offset),
        word @ ("and" | "or") => {
            let is_negated = path.last().is_some_and(|before| plain(before, "not"));
            if is_negated {
                path.pop();
            }
            Some(Word::Logic { is_or: word == "or", is_negated })
        }
        _ => None,
    };
    let path = path.into_iter().map(|written| written.name).collect();
    Ok(match word {
        Some(word) => Key::Word(path, word),
        None => Key::Field(path, Field { name: last.name, path: steps }),
    })
}

/// The names and values of a filter: between `&` and around the first `=`, outside of quotes.
fn pairs(text: &str) -> impl Iterator<Item = Result<(&str, &str), ParseError>> {
    let parts = split_outside_quotes(text, '&').filter(|part| !part.trim().is_empty());
    parts.map(|part| match split_outside_quotes_once(part, '=') {
        (name, Some(value)) => Ok((name, value)),
        (name, None) => {
            let kind = ErrorKind::Syntax { expected: vec!["\"=\"".into()] };
            Err(ParseError { parameter: name.into(), text: name.into(), offset: name.len(), kind })
        }
    })
}

fn not_a_condition(name: &str) -> ParseError {
    let kind = ErrorKind::Syntax { expected: vec!["a column".into()] };
    ParseError { parameter: name.into(), text: name.into(), offset: 0, kind }
}

/// The parts of a text between `separator`, which counts outside of quotes only.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (part, after) = split_outside_quotes_once(rest?, separator);
        rest = after;
        Some(part)
    })
}

fn split_outside_quotes_once(text: &str, separator: char) -> (&str, Option<&str>) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                return (&text[..at], Some(&text[at + character.len_utf8()..]));
            }
            _ => {}
        }
    }
    (text, None)
}
