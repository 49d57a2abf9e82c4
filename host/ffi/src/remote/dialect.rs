//! Filters as parameters of a query, with the values of `$1` in their places.

use super::problem;
use crate::abi::status;
use crate::failure::Failure;
use crate::far::unsupported;
use crate::statements;
use mantis_db::json_integer;
use mantis_db::tables::code;
use mantis_db::tables::types::Value;
use serde_json::value::RawValue;

/// The parts of a filter between `&`, outside of quotes: names and conditions.
///
/// # Errors
/// An argument is not there, or cannot be written in a query.
pub(super) fn parameters(filter: &str, arguments: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let part = |part: &str| {
        let (name, condition) = part.split_once('=').unwrap_or((part, ""));
        let is_group = matches!(name.rsplit('.').next(), Some("and" | "or"));
        Ok((name.to_owned(), with_arguments(condition, arguments, is_group)?))
    };
    split_unquoted(filter).into_iter().map(part).collect()
}

/// The arguments of a statement as the dialect writes them.
///
/// # Errors
/// One has no value, or is null: in a query `null` is a text.
pub(super) fn arguments(given: &[&RawValue]) -> Result<Vec<String>, Failure> {
    let text = |given: &&RawValue| {
        Ok(match statements::value(given.get())? {
            Value::Text(text) => text.into_owned(),
            Value::Null => return Err(unsupported("an argument that is null")),
            Value::Numeric(_) if given.get().starts_with('{') => digits(given.get())?,
            Value::Double(_) | Value::Numeric(_) => number(given.get()),
            Value::Boolean(_) | Value::Integer(_) => given.get().to_owned(),
            _ => return Err(unsupported("an argument of this type")),
        })
    };
    given.iter().map(text).collect()
}

/// A number of JSON as the dialect writes it: to it `1.0` is no whole number, and to a statement it is.
pub(super) fn number(json: &str) -> String {
    json_integer(json).map_or_else(|| json.to_owned(), |whole| whole.to_string())
}

/// The digits of `{"number": ".."}`, which are a number.
fn digits(json: &str) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Digits {
        number: String,
    }
    serde_json::from_str::<Digits>(json).map(|digits| digits.number).map_err(problem::malformed)
}

fn split_unquoted(filter: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (index, character) in filter.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '&' if !is_quoted => {
                parts.push(&filter[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&filter[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Replaces `$1`: within parentheses or braces by a quoted text, so that no value ends its place.
fn with_arguments(condition: &str, arguments: &[String], is_group: bool) -> Result<String, Failure> {
    let mut out = String::with_capacity(condition.len());
    let (mut depth, mut is_quoted, mut is_escaped) = (usize::from(is_group), false, false);
    let mut rest = condition;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            '$' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                if end > 0 {
                    let place = rest[..end].parse::<usize>().ok().and_then(|place| place.checked_sub(1));
                    let Some(argument) = place.and_then(|place| arguments.get(place)) else {
                        let message = format!("there is no parameter ${}", &rest[..end]);
                        return Err(Failure::new(status::MANTIS_E_TABLE, code::PARAMETER_UNDEFINED, message));
                    };
                    if depth > 0 {
                        push_quoted(argument, &mut out);
                    } else {
                        out.push_str(argument);
                    }
                    rest = &rest[end..];
                    continue;
                }
            }
            _ => {}
        }
        out.push(character);
    }
    Ok(out)
}

/// A text in quotes.
pub(super) fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

/// Names of columns with commas between them, quoted where the dialect needs it.
pub(super) fn columns<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut list = String::new();
    for name in names {
        if !list.is_empty() {
            list.push(',');
        }
        if name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
            list.push_str(name);
        } else {
            push_quoted(name, &mut list);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, expected: &[(&str, &str)]) {
        let arguments = ["O\"Neill".to_owned(), "a),id.gt.(0".to_owned()];
        let given = parameters(filter, &arguments).unwrap();
        let given: Vec<_> = given.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(given, expected, "{filter}");
    }

    #[test]
    fn values_stay_in_their_places() {
        check("", &[]);
        check("id=gte.1&name=eq.a b", &[("id", "gte.1"), ("name", "eq.a b")]);
        check("name=eq.$1", &[("name", "eq.O\"Neill")]);
        check("name=in.($1,$2)", &[("name", "in.(\"O\\\"Neill\",\"a),id.gt.(0\")")]);
        check("or=(name.eq.$2,id.eq.1)", &[("or", "(name.eq.\"a),id.gt.(0\",id.eq.1)")]);
        check("name=eq(any).{$1}", &[("name", "eq(any).{\"O\\\"Neill\"}")]);
        check("name=eq.\"a&$1\"&$=eq.$", &[("name", "eq.\"a&$1\""), ("$", "eq.$")]);
        assert_eq!(parameters("id=eq.$3", &[]).unwrap_err().code, "42P02");
        assert_eq!(columns(["a", "b c", "d"]), "a,\"b c\",d");
    }

    #[test]
    fn whole_numbers_have_no_point() {
        for (given, written) in [("1.0", "1"), ("-12e2", "-1200"), ("1.5", "1.5"), ("1e400", "1e400")] {
            assert_eq!(number(given), written);
        }
    }
}
