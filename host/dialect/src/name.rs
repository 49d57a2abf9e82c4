//! Names, the ways into JSON, and casts.

use winnow::Parser as _;
use winnow::token::{take_till, take_while};

use crate::text::{Input, Parsed, expect, fail, next, rest, skip, takes};
use crate::tree::{Aggregate, Aggregation, Cast, Field, JsonStep, Name, Subject};
use crate::value::quoted;

const A_NAME: &str = "a name";

/// A name as it was written.
pub(crate) struct Written {
    pub(crate) name: Name,
    /// Quotes make a name of any text, also of a word of the language.
    pub(crate) is_quoted: bool,
}

/// A name: in quotes, or letters, digits, `_`, `$`, spaces within it, and dashes that begin no arrow.
pub(crate) fn written(input: &mut Input<'_>) -> Parsed<Written> {
    if next(input) == Some('"') {
        return Ok(Written { name: quoted(input)?.into(), is_quoted: true });
    }
    let text = rest(input);
    let mut end = 0;
    for (at, character) in text.char_indices() {
        let is_dash = character == '-' && !text[at..].starts_with("->");
        if !(is_dash || character.is_alphanumeric() || matches!(character, '_' | '$' | ' ')) {
            break;
        }
        end = at + character.len_utf8();
    }
    let name = text[..end].trim_matches(' ');
    if name.is_empty() {
        return fail(&[A_NAME]);
    }
    skip(input, end);
    Ok(Written { name: name.into(), is_quoted: false })
}

/// A name, however it was written.
pub(crate) fn name(input: &mut Input<'_>) -> Parsed<Name> {
    written(input).map(|written| written.name)
}

/// Steps into JSON, as many as follow.
pub(crate) fn json_path(input: &mut Input<'_>) -> Parsed<Vec<JsonStep>> {
    let mut path = Vec::new();
    loop {
        let is_text = if takes(input, "->>") {
            true
        } else if takes(input, "->") {
            false
        } else {
            return Ok(path);
        };
        input.state.take_node()?;
        path.push(match element(input) {
            Some(index) => JsonStep::Element { index, is_text },
            None => JsonStep::Member { name: member(input)?, is_text },
        });
    }
}

/// The place of an element: a whole number, after which the step ends.
fn element(input: &mut Input<'_>) -> Option<i64> {
    let text = rest(input);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let length = text.len() - digits.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let ends = text[length..].is_empty()
        || ["->", "::", ".", ",", ")"].iter().any(|follows| text[length..].starts_with(follows));
    let index = text[..length].parse().ok().filter(|_| ends)?;
    skip(input, length);
    Some(index)
}

fn member(input: &mut Input<'_>) -> Parsed<Name> {
    if next(input) == Some('"') {
        return quoted(input).map(Name::from);
    }
    let text = rest(input);
    let ends = |(at, character): &(usize, char)| {
        matches!(character, '(' | ')' | ':' | '.' | ',' | '>') || text[*at..].starts_with("->")
    };
    let end = text.char_indices().find(ends).map_or(text.len(), |(at, _)| at);
    let name = text[..end].trim_matches(' ');
    if name.is_empty() {
        return fail(&["the name of a member", "the place of an element"]);
    }
    skip(input, end);
    Ok(name.into())
}

/// A column, and the way into its JSON.
pub(crate) fn field(input: &mut Input<'_>) -> Parsed<Field> {
    Ok(Field { name: name(input)?, path: json_path(input)? })
}

/// `::type`, if it comes next.
pub(crate) fn cast(input: &mut Input<'_>) -> Parsed<Option<Cast>> {
    if !takes(input, "::") {
        return Ok(None);
    }
    let name = name(input)?;
    let is_of_a_type = |character: char| character.is_alphanumeric() || matches!(character, '_' | ' ' | '$');
    let mut cast = match name.trim() {
        // In quotes it could be anything, which would read as something else when it is written.
        name if !name.is_empty() && name.chars().all(is_of_a_type) => String::from(name),
        _ => return fail(&["the name of a type"]),
    };
    if takes(input, "(") {
        let modifier: &str = take_till(1.., ')').context("the length or precision of a type").parse_next(input)?;
        expect(input, ")", "\")\"")?;
        cast.extend(["(", modifier, ")"]);
    }
    while takes(input, "[]") {
        cast.push_str("[]");
    }
    Ok(Some(cast.into()))
}

/// `.sum()` and its like, if that comes next. A name followed by parentheses is nothing else there.
pub(crate) fn aggregate(input: &mut Input<'_>) -> Option<Aggregate> {
    const FUNCTIONS: [(&str, Aggregate); 5] = [
        (".sum()", Aggregate::Sum),
        (".avg()", Aggregate::Average),
        (".count()", Aggregate::Count),
        (".min()", Aggregate::Minimum),
        (".max()", Aggregate::Maximum),
    ];
    FUNCTIONS.into_iter().find(|(text, _)| takes(input, text)).map(|(_, function)| function)
}

/// Whether `count()` comes next, and takes it.
pub(crate) fn takes_count(input: &mut Input<'_>) -> bool {
    takes(input, "count()")
}

/// `count()`, of rows.
pub(crate) fn count_of_rows() -> Subject {
    let aggregate = Aggregation { function: Aggregate::Count, argument_cast: None };
    Subject { field: Field { name: Name::default(), path: Vec::new() }, aggregate: Some(aggregate) }
}

/// `count()`, or a column with the way into its JSON and a function of it.
pub(crate) fn subject(input: &mut Input<'_>) -> Parsed<Subject> {
    if takes_count(input) {
        return Ok(count_of_rows());
    }
    let field = field(input)?;
    let aggregate = aggregate(input).map(|function| Aggregation { function, argument_cast: None });
    Ok(Subject { field, aggregate })
}

/// Names between commas.
pub(crate) fn names(input: &mut Input<'_>) -> Parsed<Vec<Name>> {
    crate::text::list(input, name)
}

/// A whole number that is not negative.
pub(crate) fn count(input: &mut Input<'_>) -> Parsed<u64> {
    let text = rest(input);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && text.starts_with('-') {
        return Err(crate::text::fatal(crate::error::ErrorKind::Negative));
    }
    let number: &str = take_while(0.., '0'..='9').parse_next(input)?;
    match number.parse() {
        Ok(number) => Ok(number),
        Err(_) => fail(&["a whole number below 2^64"]),
    }
}
