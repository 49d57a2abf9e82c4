//! What readers of JSON and TOML say of a text that has not the form that it should have, as sentences for people.
//!
//! serde's readers name what they were to make of the text (`unknown variant`, `a sequence`, `u64`), in words of the program.

use std::fmt::Write as _;

/// Characters of a text that an error repeats.
const REPEATED_MAX: usize = 100;

/// Characters of a reader's own words.
const WORDS_MAX: usize = 400;

/// How a message begins, and what is said of its rest.
type Rule = (&'static str, fn(&str) -> String);

const RULES: &[Rule] = &[
    ("unknown variant ", |rest| {
        let (found, expected) = parted(rest);
        format!("{} is not known here; there is {expected}", shortened(found))
    }),
    ("unknown field ", |rest| {
        if let Some((found, _)) = rest.rsplit_once(", there are no fields") {
            return format!("there is no member {}", shortened(found));
        }
        let (found, expected) = parted(rest);
        format!("there is no member {}; there is {expected}", shortened(found))
    }),
    ("missing field ", |name| format!("the member {} is missing", shortened(name))),
    ("duplicate field ", |name| format!("the member {} is there twice", shortened(name))),
    ("invalid type: ", found_in_place),
    ("invalid value: ", found_in_place),
    ("invalid length ", |rest| {
        let (found, expected) = parted(rest);
        format!("found {found} of them, expected {}", kind(&expected))
    }),
    ("EOF while parsing ", |what| format!("the text ends within {}", kind(what))),
];

/// All messages of `serde_json` that stay the same, but for those on the end of the text.
const SENTENCES: &[(&str, &str)] = &[
    ("expected value", "here is no valid value"),
    ("expected ident", "here is no valid value"),
    ("expected `:`", "a colon is missing after a member's name"),
    ("expected `,` or `]`", "a comma or a closing bracket is missing after a value"),
    ("expected `,` or `}`", "a comma or a closing brace is missing after a member"),
    ("expected `\"`", "here must be a string in quotes"),
    ("invalid escape", "a backslash in a string begins no escape of JSON"),
    ("invalid number", "the number is not written as JSON writes numbers"),
    ("number out of range", "the number is beyond the range of a double"),
    ("invalid unicode code point", "the text is not UTF-8 here, or an escape in a string names no character"),
    (
        "control character (\\u0000-\\u001F) found while parsing a string",
        "a line break, a tab or another control character in a string must be written as an escape",
    ),
    ("lone leading surrogate in hex escape", "an escape in a string is half of a surrogate pair"),
    ("unexpected end of hex escape", "an escape in a string is cut off, or half of a surrogate pair"),
    ("invalid value: expected key to be a number in quotes", "a member's name must be a number in quotes"),
    ("float key must be finite (got NaN or +/-inf)", "a member's name must be a finite number"),
    ("key must be a string", "a member's name must be a string in quotes"),
    ("trailing comma", "there is a comma after the last of them"),
    ("trailing characters", "there is more after the end of the value"),
    ("recursion limit exceeded", "it is nested too deeply"),
];

/// What is wrong with a text that stands as base64 and is none.
pub const NOT_BASE64: &str = "the text in `base64` is not base64 (the standard alphabet, with padding)";

/// What is wrong with the encoding of a JSON text, if its first bytes show it: JSON is UTF-8 without a byte order mark (RFC 8259, 8.1).
#[must_use]
pub fn json_encoding_error(text: &[u8]) -> Option<&'static str> {
    match text {
        [0xef, 0xbb, 0xbf, ..] => Some("the text begins with a byte order mark; JSON is UTF-8 without one"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Some("the text looks like UTF-16 or UTF-32; JSON is UTF-8 without a byte order mark")
        }
        _ => None,
    }
}

/// What is wrong with a JSON text, and where.
///
/// ```
/// let error = serde_json::from_str::<Vec<u64>>("[1,\n-2]").unwrap_err();
/// assert_eq!(mantis_db::json_error(&error), "found the number -2, expected a whole number from 0 (line 2, column 2)");
/// ```
#[must_use]
pub fn json_error(error: &serde_json::Error) -> String {
    let (line, column, text) = (error.line(), error.column(), error.to_string());
    let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    if (line, column) == (1, 0) && error.is_eof() {
        return "it is empty".to_owned();
    }
    let mut said = reader_error(message);
    // Of what was seen before the reader took a character, or after the last of a line, there is no place.
    if line > 0 && column > 0 {
        let _ = write!(said, " (line {line}, column {column})");
    }
    said
}

/// The same of the message of any of serde's readers, without a place.
#[must_use]
pub fn reader_error(message: &str) -> String {
    if let Some((_, said)) = SENTENCES.iter().find(|(words, _)| *words == message) {
        return (*said).to_owned();
    }
    if let Some(said) = RULES.iter().find_map(|(start, say)| message.strip_prefix(start).map(say)) {
        return said;
    }
    match message {
        message if message.starts_with("data did not match any variant of untagged enum") => {
            "it has none of the forms that it may have".to_owned()
        }
        message => cut(message, WORDS_MAX),
    }
}

fn found_in_place(rest: &str) -> String {
    let (found, expected) = parted(rest);
    format!("found {}, expected {}", thing(found), kind(&expected))
}

/// What was found, and what there may be: `one of` stays away before a list.
fn parted(rest: &str) -> (&str, String) {
    let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "another"));
    let expected = expected.strip_prefix("one of ").unwrap_or(expected);
    (found, expected.to_owned())
}

/// Something that was found.
fn thing(found: &str) -> String {
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {}", shortened(text)),
        Some(("integer", number)) => format!("the number {}", number.trim_matches('`')),
        Some(("floating", point)) => format!("the number {}", point.trim_start_matches("point ").trim_matches('`')),
        Some(("boolean", value)) => value.trim_matches('`').to_owned(),
        _ => kind(found),
    }
}

/// Something that could be there.
fn kind(what: &str) -> String {
    let known = match what {
        "map" | "a map" | "an object" => "an object",
        "sequence" | "a sequence" | "a list" => "a list",
        "unit" | "unit value" | "null" => "null",
        "a borrowed string" | "a str" | "a string" | "variant identifier" | "field identifier" => "a string",
        "string or map" => "a string or an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        what if what.starts_with("struct ") || what.starts_with("internally tagged enum ") => "an object",
        what if what.starts_with("enum ") => "a string",
        what if what.starts_with("tuple ") || what.starts_with("a tuple ") => "a list",
        what => return cut(what, WORDS_MAX),
    };
    known.to_owned()
}

/// A text that was found, or its beginning.
fn shortened(text: &str) -> String {
    cut(text, REPEATED_MAX)
}

/// A text, or its beginning, with the quote at its end that it begins with.
fn cut(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        None => text.to_owned(),
        Some((end, _)) => {
            let quote = text.chars().next().filter(|first| matches!(first, '`' | '"')).map(String::from);
            format!("{}…{}", &text[..end], quote.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Verb {
        Read,
        Write,
        Check,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by nobody but serde")]
    struct Form {
        verb: Verb,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        inner: Option<Box<Form>>,
    }

    #[track_caller]
    fn check(json: &str, expected: &str) {
        assert_eq!(json_error(&serde_json::from_str::<Form>(json).unwrap_err()), expected, "{json}");
    }

    #[test]
    fn no_word_of_the_reader_reaches_people() {
        check(
            r#"{"verb":"wirte"}"#,
            "`wirte` is not known here; there is `read`, `write`, `check` (line 1, column 15)",
        );
        check(
            r#"{"verb":"read","nmaes":[]}"#,
            "there is no member `nmaes`; there is `verb`, `names`, `count`, `on`, `inner` (line 1, column 22)",
        );
        check("{}", "the member `verb` is missing (line 1, column 2)");
        check(r#"{"verb":"read","verb":"read"}"#, "the member `verb` is there twice (line 1, column 21)");
        check(r#"{"verb":"read","names":"a"}"#, "found the text \"a\", expected a list (line 1, column 26)");
        check(r#"{"verb":"read","names":{}}"#, "found an object, expected a list (line 1, column 23)");
        check(r#"{"verb":"read","names":[1]}"#, "found the number 1, expected a string (line 1, column 25)");
        check(
            r#"{"verb":"read","count":-1}"#,
            "found the number -1, expected a whole number from 0 (line 1, column 25)",
        );
        check(
            r#"{"verb":"read","count":1.5}"#,
            "found the number 1.5, expected a whole number from 0 (line 1, column 26)",
        );
        check(r#"{"verb":"read","on":null}"#, "found null, expected a boolean (line 1, column 24)");
        check(r#"{"verb":"read","inner":true}"#, "found true, expected an object (line 1, column 27)");
        check("", "it is empty");
        check(r#"{"verb":"read","names":["#, "the text ends within a list (line 1, column 24)");
        check(r#"{"verb":}"#, "here is no valid value (line 1, column 9)");
        check(r#"{"verb":"read"} x"#, "there is more after the end of the value (line 1, column 17)");
        check(r#"{"verb":"read","on":nope}"#, "here is no valid value (line 1, column 22)");
        check(r#"{"verb" 1}"#, "a colon is missing after a member's name (line 1, column 9)");
        check(r#"{"verb":"\q"}"#, "a backslash in a string begins no escape of JSON (line 1, column 11)");
        check(r#"{"count":1.}"#, "the number is not written as JSON writes numbers (line 1, column 12)");
        check("{1:2}", "a member's name must be a string in quotes (line 1, column 2)");
    }

    #[test]
    fn every_message_of_the_reader_is_a_sentence() {
        for json in [
            "nope",
            "tru",
            "[1 2]",
            "[1,]",
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,}"#,
            "{a:1}",
            r#""\x""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\u12"#,
            "\"\n\"",
            "01",
            "-",
            "[",
            "{",
            "\"",
            "1 1",
            "\u{feff}1",
        ] {
            let said = json_error(&serde_json::from_str::<serde_json::Value>(json).unwrap_err());
            let is_ours = SENTENCES.iter().any(|(_, sentence)| said.starts_with(sentence));
            assert!(is_ours || said.starts_with("the text ends within "), "{json}: {said}");
            assert!(!said.contains("column 0"), "{json}: {said}");
        }
        check_range();
        let said = json_error(&serde_json::from_slice::<serde_json::Value>(b"\"\xff\"").unwrap_err());
        assert!(said.starts_with("the text is not UTF-8 here"), "{said}");
    }

    fn check_range() {
        let said = json_error(&serde_json::from_str::<f64>("1e999").unwrap_err());
        assert!(said.starts_with("the number is beyond"), "{said}");
        let said = json_error(&serde_json::from_str::<(u8, u8)>("[]").unwrap_err());
        assert!(said.starts_with("found 0 of them, expected a list"), "{said}");
    }

    #[test]
    fn another_encoding_is_known_by_its_first_bytes() {
        for text in [&b"\xef\xbb\xbf1"[..], b"\xff\xfe{\0", b"\xfe\xff\0{", b"{\0", b"\0{", b"\0\0\0{"] {
            assert!(json_encoding_error(text).is_some(), "{text:?}");
        }
        for text in [&b""[..], b"1", b"[]", b"\"\xc3\xa4\""] {
            assert_eq!(json_encoding_error(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_repeated_in_part() {
        for json in [format!(r#"{{"verb":"{}"}}"#, "é".repeat(5_000)), format!(r#"{{"{}":1}}"#, "x".repeat(5_000))] {
            let said = json_error(&serde_json::from_str::<Form>(&json).unwrap_err());
            assert!(said.chars().count() < 250, "{said}");
            assert!(said.contains("…`"), "{said}");
        }
        let said = json_error(&serde_json::from_str::<Vec<u8>>(&format!("[\"{}\"]", "y".repeat(5_000))).unwrap_err());
        assert!(said.starts_with("found the text \"yyy") && said.contains("…\", expected a whole number"), "{said}");
    }
}
