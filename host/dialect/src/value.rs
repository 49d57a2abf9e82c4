//! Operands: texts with and without quotes, lists, array literals.

use std::borrow::Cow;

use winnow::Parser as _;
use winnow::token::take_while;

use crate::error::ErrorKind;
use crate::text::{Input, Parsed, expect, fail, fatal, next, rest, takes};
use crate::tree::Operand;

/// Characters of an argument that there cannot be, in its error.
const ARGUMENT_SHOWN: usize = 20;

/// A text in double quotes, in which a backslash takes the character after it as it is.
pub(crate) fn quoted(input: &mut Input<'_>) -> Parsed<String> {
    expect(input, "\"", "a quote")?;
    let mut text = String::new();
    loop {
        let plain: &str = take_while(0.., |character| character != '"' && character != '\\').parse_next(input)?;
        text.push_str(plain);
        if takes(input, "\"") {
            return Ok(text);
        }
        expect(input, "\\", "a closing quote")?;
        match winnow::token::any.parse_next(input) {
            Ok(character) => text.push(character),
            Err(error) => {
                let _: winnow::error::ErrMode<crate::text::Failure> = error;
                return fail(&["the character after a backslash"]);
            }
        }
    }
}

/// An unquoted text as an operand: an argument where the parser takes those, else a text. `$` and digits alone are meant as an argument.
fn operand<'t>(input: &mut Input<'t>, text: &str, before: Input<'t>) -> Parsed<Operand> {
    let digits =
        text.strip_prefix('$').filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    match digits {
        Some(digits) if input.state.has_arguments => match digits.parse() {
            Ok(number @ 1..) if !digits.starts_with('0') => Ok(Operand::Argument(number)),
            _ => {
                input.input = before.input;
                let written = text.chars().take(ARGUMENT_SHOWN).collect();
                Err(fatal(ErrorKind::NoArgument { written }))
            }
        },
        _ => Ok(Operand::Text(text.into())),
    }
}

/// All that is left, as it is: the operand of a parameter's own condition.
pub(crate) fn whole(input: &mut Input<'_>) -> Parsed<Operand> {
    let before = *input;
    let text: &str = winnow::token::rest.parse_next(input)?;
    operand(input, text, before)
}

/// An operand within parentheses: in quotes, an array literal, or what comes before a comma or the end.
pub(crate) fn within(input: &mut Input<'_>) -> Parsed<Operand> {
    match next(input) {
        Some('"') => quoted_element(input),
        Some('{') => {
            let text = rest(input);
            let length = array_length(text);
            match length.filter(|&length| matches!(text[length..].chars().next(), None | Some(',' | ')' | ' '))) {
                Some(length) => {
                    let literal: &str = winnow::token::take(text[..length].chars().count()).parse_next(input)?;
                    Ok(Operand::Text(literal.into()))
                }
                None => element(input),
            }
        }
        _ => element(input),
    }
}

/// `(a,"b c",..)`; `()` has no element. Spaces count within it but before the first element.
pub(crate) fn parenthesised(input: &mut Input<'_>) -> Parsed<Operand> {
    crate::text::spaces(input)?;
    expect(input, "(", "\"(\"")?;
    crate::text::spaces(input)?;
    if takes(input, ")") {
        return Ok(Operand::List(Vec::new()));
    }
    let mut elements = Vec::new();
    loop {
        input.state.take_node()?;
        elements.push(if next(input) == Some('"') { quoted_element(input)? } else { element(input)? });
        if takes(input, ")") {
            return Ok(Operand::List(elements));
        }
        if !takes(input, ",") {
            return fail(&["\",\"", "\")\""]);
        }
    }
}

/// A text in quotes that ends with its closing quote. Where it goes on after that, the quotes are part of a text like any other.
fn quoted_element(input: &mut Input<'_>) -> Parsed<Operand> {
    let before = *input;
    match quoted(input) {
        Ok(text) if matches!(next(input), None | Some(',' | ')' | ' ')) => Ok(Operand::Text(text.into())),
        Ok(_) => {
            *input = before;
            element(input)
        }
        Err(error) => Err(error),
    }
}

fn element(input: &mut Input<'_>) -> Parsed<Operand> {
    let before = *input;
    let text: &str = take_while(0.., |character| character != ',' && character != ')').parse_next(input)?;
    operand(input, text, before)
}

/// How long the array literal at the beginning of a text is; none where its braces do not close.
fn array_length(text: &str) -> Option<usize> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '{' if !is_quoted => depth += 1,
            '}' if !is_quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The elements of a PostgreSQL array literal of one dimension, `{a,"b c",NULL}`; none where it is no such literal. A null is
/// an element that is not there.
///
/// ```
/// use mantis_dialect::array_elements;
///
/// let elements = array_elements(r#"{4, "a,b" ,null}"#).unwrap();
/// assert_eq!(elements, [Some("4".into()), Some("a,b".into()), None]);
/// assert_eq!(array_elements("{}"), Some(vec![]));
/// assert_eq!(array_elements("{a"), None);
/// ```
#[must_use]
pub fn array_elements(literal: &str) -> Option<Vec<Option<Cow<'_, str>>>> {
    let inside = literal.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut elements, mut rest) = (Vec::new(), inside);
    loop {
        let (element, after) = array_element(rest.trim_start())?;
        elements.push(element);
        match after.trim_start() {
            "" => return Some(elements),
            after => rest = after.strip_prefix(',')?,
        }
    }
}

fn array_element(text: &str) -> Option<(Option<Cow<'_, str>>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (element, after) = (text[..end].trim_end(), &text[end..]);
        if element.contains('\\') {
            return Some((Some(unescaped(element)?.into()), after));
        }
        if element.is_empty() || element.contains(['{', '}', '"']) {
            return None;
        }
        let is_null = element.eq_ignore_ascii_case("null");
        return Some(((!is_null).then_some(Cow::Borrowed(element)), after));
    };
    let mut is_escaped = false;
    let end = quoted.char_indices().find(|&(_, character)| {
        let is_end = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_end
    });
    let (end, _) = end?;
    let element = if quoted[..end].contains('\\') {
        Cow::Owned(unescaped(&quoted[..end])?)
    } else {
        Cow::Borrowed(&quoted[..end])
    };
    Some((Some(element), &quoted[end + 1..]))
}

fn unescaped(text: &str) -> Option<String> {
    let (mut plain, mut characters) = (String::with_capacity(text.len()), text.chars());
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next()? } else { character });
    }
    Some(plain)
}
