//! Filters as parameters of a query, and the values of `$1` as the header that has them.

use std::fmt::Write;

use mantis_db::json_integer;
use mantis_db::tables::types::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::far::unsupported;
use crate::statements;

/// Arguments of more bytes are not sent: servers and proxies bound the head of a request.
const ARGUMENTS_BYTES_MAX: usize = 16 << 10;

/// The parts of a filter between `&`, outside of quotes: names and conditions.
pub(super) fn parameters(filter: &str) -> Vec<(&str, &str)> {
    split_unquoted(filter).into_iter().map(|part| part.split_once('=').unwrap_or((part, ""))).collect()
}

/// The arguments of a statement as `Mantisdb-Arguments` has them: a list in JSON of ASCII alone.
///
/// # Errors
/// One has no value; they are too long.
pub(super) fn arguments(given: &[&RawValue]) -> Result<String, Failure> {
    let mut list = String::from("[");
    for argument in given {
        if list.len() > 1 {
            list.push(',');
        }
        push_ascii(&argument_json(argument)?, &mut list);
    }
    list.push(']');
    if list.len() > ARGUMENTS_BYTES_MAX {
        return Err(unsupported("arguments of more than 16 KiB"));
    }
    Ok(list)
}

/// JSON with escapes in the place of other characters than ASCII's.
fn push_ascii(json: &str, list: &mut String) {
    for character in json.chars() {
        if character.is_ascii() && !character.is_ascii_control() {
            list.push(character);
        } else if character < ' ' {
            // A space between what stands there: a text has its own escapes.
            list.push(' ');
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(list, "\\u{unit:04x}");
            }
        }
    }
}

/// An argument as servers take it: a number of many digits is written as it is, a whole one without a point, which is none to the dialect.
///
/// # Errors
/// It has no value.
pub(super) fn argument_json(given: &RawValue) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Digits {
        number: String,
    }
    // Checked first, so that it ends nothing but itself.
    let value = statements::value(given.get())?;
    if let Ok(Digits { number }) = serde_json::from_str(given.get()) {
        let is_json = serde_json::from_str::<serde_json::Number>(&number).is_ok();
        return Ok(if is_json { number } else { serde_json::Value::from(number).to_string() });
    }
    Ok(match value {
        Value::Double(_) | Value::Numeric(_) => whole_number(given.get()),
        _ => given.get().to_owned(),
    })
}

/// A number of JSON, without a point where it is whole.
fn whole_number(json: &str) -> String {
    json_integer(json).map_or_else(|| json.to_owned(), |whole| whole.to_string())
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

/// A text in quotes.
fn push_quoted(text: &str, out: &mut String) {
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

    #[test]
    fn a_filter_has_its_parts_between_ampersands() {
        assert_eq!(parameters(""), []);
        assert_eq!(parameters("id=gte.1&name=eq.a b"), [("id", "gte.1"), ("name", "eq.a b")]);
        assert_eq!(
            parameters("name=eq.\"a&$1\"&$=eq.$&or=(a.eq.$1)"),
            [("name", "eq.\"a&$1\""), ("$", "eq.$"), ("or", "(a.eq.$1)")]
        );
        assert_eq!(columns(["a", "b c", "d"]), "a,\"b c\",d");
    }

    #[test]
    fn arguments_are_sent_in_ascii() {
        let given: Vec<&RawValue> = serde_json::from_str(
            r#"["é\n🦀",null,true,1.0, {"number":"1.10"},{"number":"NaN"},12345678901234567890.0]"#,
        )
        .unwrap();
        let sent = r#"["\u00e9\n\u007f\ud83e\udd80",null,true,1,1.10,"NaN",12345678901234567890]"#;
        assert_eq!(arguments(&given).unwrap(), sent);
        assert!(arguments(&[&RawValue::from_string(format!("\"{}\"", "a".repeat(1 << 14))).unwrap()]).is_err());
    }

    #[test]
    fn whole_numbers_have_no_point() {
        for (given, written) in [("1.0", "1"), ("-12e2", "-1200"), ("1.5", "1.5"), ("1e400", "1e400")] {
            assert_eq!(whole_number(given), written);
        }
    }
}
