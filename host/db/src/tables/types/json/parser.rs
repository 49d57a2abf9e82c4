//! A JSON text to a tree.

use std::borrow::Cow;

use super::tree::Json;
use crate::tables::types::Numeric;
use crate::tables::types::text::shown;
use crate::tables::{TableError, TableResult, code};

/// How deep arrays and objects may be nested.
pub const JSON_DEPTH_MAX: usize = 512;

impl<'a> Json<'a> {
    /// Takes a text apart.
    ///
    /// # Errors
    /// 22P02 where it is no JSON, 22P05 for U+0000 in a string, 22003 for a number of too many digits, 54000 where it is too deep.
    pub(in crate::tables::types) fn parse(text: &'a str) -> TableResult<Self> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.skip_blanks();
        if parser.peek().is_some() {
            return Err(parser.unexpected("Expected end of input"));
        }
        Ok(value)
    }
}

/// The canonical text of a JSON text.
///
/// # Errors
/// As [`Json::parse`].
pub(in crate::tables::types) fn canonical(text: &str) -> TableResult<String> {
    let mut out = String::with_capacity(text.len());
    Json::parse(text)?.write(&mut out);
    Ok(out)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

fn invalid(details: impl Into<String>) -> TableError {
    TableError::new(code::TEXT_INVALID, "invalid input syntax for type json").with_details(details)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip_while(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_part) {
            self.at += 1;
        }
    }

    /// The token here, for an error.
    fn token(&self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = match rest.bytes().next() {
            Some(byte) if is_word(byte) => rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len()),
            _ => rest.chars().next().map_or(0, char::len_utf8),
        };
        &rest[..end]
    }

    fn unexpected(&mut self, expected: &str) -> TableError {
        // A token that is none is the first fault.
        let start = self.at;
        let token = match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number().map(|_| ()),
            _ => Ok(()),
        };
        let end = std::mem::replace(&mut self.at, start);
        match token {
            Err(error) => return error,
            Ok(()) if end > start => {
                return invalid(format!("{expected}, but found \"{}\".", shown(&self.text[start..end])));
            }
            Ok(()) => {}
        }
        match self.token() {
            "" => invalid("The input string ended unexpectedly."),
            token @ ("{" | "}" | "[" | "]" | "," | ":" | "true" | "false" | "null") => {
                invalid(format!("{expected}, but found \"{token}\"."))
            }
            token => invalid(format!("Token \"{}\" is invalid.", shown(token))),
        }
    }

    fn value(&mut self, depth: usize) -> TableResult<Json<'a>> {
        if depth > JSON_DEPTH_MAX {
            return Err(TableError::new(code::LIMIT_EXCEEDED, "JSON is nested too deeply")
                .with_hint(format!("Arrays and objects may be nested {JSON_DEPTH_MAX} deep.")));
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if is_word(byte) => {
                let start = self.at;
                self.skip_while(is_word);
                match &self.text[start..self.at] {
                    "null" => Ok(Json::Null),
                    "true" => Ok(Json::Boolean(true)),
                    "false" => Ok(Json::Boolean(false)),
                    word => Err(invalid(format!("Token \"{}\" is invalid.", shown(word)))),
                }
            }
            _ => Err(self.unexpected("Expected JSON value")),
        }
    }

    fn array(&mut self, depth: usize) -> TableResult<Json<'a>> {
        self.at += 1;
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(elements));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"]\"")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> TableResult<Json<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                let expected = if members.is_empty() { "Expected string or \"}\"" } else { "Expected string" };
                return Err(self.unexpected(expected));
            }
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("Expected \":\""));
            }
            self.at += 1;
            members.push((key, self.value(depth + 1)?));
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::object(members));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"}\"")),
            }
        }
    }

    fn number(&mut self) -> TableResult<Json<'a>> {
        let start = self.at;
        let mut is_valid = true;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = |parser: &mut Self| {
            let start = parser.at;
            parser.skip_while(|byte| byte.is_ascii_digit());
            parser.at > start
        };
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => is_valid &= digits(self),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_valid &= digits(self);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            is_valid &= digits(self);
        }
        let end = self.at;
        self.skip_while(is_word);
        let text = &self.text[start..self.at];
        if !is_valid || end < self.at {
            return Err(invalid(format!("Token \"{}\" is invalid.", shown(text))));
        }
        Numeric::parse(text).map(Json::Number)
    }

    fn string(&mut self) -> TableResult<Cow<'a, str>> {
        let quote = self.at;
        self.at += 1;
        let start = self.at;
        self.skip_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f));
        if self.peek() == Some(b'"') {
            let plain = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut decoded = self.text[start..self.at].to_owned();
        loop {
            let start = self.at;
            self.skip_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f));
            decoded.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(decoded));
                }
                Some(b'\\') => self.escaped(quote, &mut decoded)?,
                Some(control) => return Err(invalid(format!("Character with value 0x{control:02x} must be escaped."))),
                None => return Err(invalid(format!("Token \"{}\" is invalid.", shown(&self.text[quote..])))),
            }
        }
    }

    /// What is after a backslash in the string that began at `quote`.
    fn escaped(&mut self, quote: usize, decoded: &mut String) -> TableResult<()> {
        self.at += 1;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let character = match rest.chars().next() {
            Some(character @ ('"' | '\\' | '/')) => character,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                decoded.push(self.unicode(quote)?);
                return Ok(());
            }
            Some(other) => return Err(invalid(format!("Escape sequence \"\\{other}\" is invalid."))),
            None => return Err(invalid(format!("Token \"{}\" is invalid.", shown(&self.text[quote..])))),
        };
        self.at += 1;
        decoded.push(character);
        Ok(())
    }

    /// `uXXXX`, or two of them for one character.
    fn unicode(&mut self, quote: usize) -> TableResult<char> {
        let first = self.code_unit(quote)?;
        let character = match first {
            0 => {
                return Err(TableError::new(code::JSON_CHARACTER_INVALID, "unsupported Unicode escape sequence")
                    .with_details("\\u0000 cannot be converted to text."));
            }
            0xd800..=0xdbff => {
                let rest = &self.text[self.at..];
                if rest.is_empty() {
                    return Err(invalid(format!("Token \"{}\" is invalid.", shown(&self.text[quote..]))));
                }
                if !rest.starts_with("\\u") {
                    return Err(invalid("Unicode low surrogate must follow a high surrogate."));
                }
                self.at += 1;
                match self.code_unit(quote)? {
                    second @ 0xdc00..=0xdfff => char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)),
                    0xd800..=0xdbff => {
                        return Err(invalid("Unicode high surrogate must not follow a high surrogate."));
                    }
                    _ => None,
                }
            }
            _ => char::from_u32(first),
        };
        character.ok_or_else(|| invalid("Unicode low surrogate must follow a high surrogate."))
    }

    fn code_unit(&mut self, quote: usize) -> TableResult<u32> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            let is_cut = self.text.as_bytes()[self.at + 1..].iter().all(u8::is_ascii_hexdigit);
            if is_cut {
                return Err(invalid(format!("Token \"{}\" is invalid.", shown(&self.text[quote..]))));
            }
            return Err(invalid("\"\\u\" must be followed by four hexadecimal digits."));
        };
        let value = digits.iter().fold(0, |value, digit| value * 16 + char::from(*digit).to_digit(16).unwrap_or(0));
        self.at += 5;
        Ok(value)
    }
}
