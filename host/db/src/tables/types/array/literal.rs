//! Array literals: `{1,2}`, `{{a,b},{"c d",NULL}}`, `[0:1]={1,2}`.

use std::borrow::Cow;
use std::fmt::Write;

use crate::tables::types::text::{is_blank, shown};
use crate::tables::types::{Array, Value};
use crate::tables::{TableError, TableResult, code};

/// The most dimensions of an array.
pub(in crate::tables::types) const DIMENSIONS_MAX: usize = 6;

/// Reads a literal, whose elements `element` reads.
///
/// # Errors
/// 22P02 where it is no array, 2202E for bounds that are none, 54000 for too many dimensions, and what `element` answers.
pub(in crate::tables::types) fn read(
    text: &str,
    mut element: impl FnMut(&str) -> TableResult<Value<'static>>,
) -> TableResult<Array> {
    let mut reader = Reader { text, rest: text, depth_of_elements: None, lengths: Vec::new() };
    let bounds = reader.bounds()?;
    if !reader.rest.starts_with('{') {
        return Err(reader.malformed(if bounds.is_some() {
            "Array contents must start with \"{\"."
        } else {
            "Array value must start with \"{\" or dimension information."
        }));
    }
    // The braces are checked before any element is read.
    let mut texts = Vec::new();
    reader.text = reader.rest;
    reader.rest = &reader.rest[1..];
    reader.contents(1, &mut texts)?;
    reader.skip_blanks();
    if !reader.rest.is_empty() {
        return Err(reader.malformed("Junk after closing right brace."));
    }
    reader.text = text;
    let lengths = reader.lengths.iter().map(|length| length.unwrap_or(0)).collect::<Vec<_>>();
    let dimensions = match bounds {
        None if texts.is_empty() => Vec::new(),
        None => lengths.into_iter().map(|length| (length, 1)).collect(),
        Some(bounds) => {
            if bounds.iter().map(|(length, _)| *length).ne(lengths.iter().copied()) {
                return Err(reader.malformed("Specified array dimensions do not match array contents."));
            }
            bounds
        }
    };
    let elements = texts.iter().map(|text| text.as_deref().map_or(Ok(Value::Null), &mut element));
    let elements = elements.collect::<TableResult<Vec<_>>>()?;
    Ok(Array { dimensions, elements })
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    /// How many braces are around each element, as the first one says.
    depth_of_elements: Option<usize>,
    /// How many there are in each dimension, as far as one of it is closed.
    lengths: Vec<Option<usize>>,
}

impl<'a> Reader<'a> {
    fn malformed(&self, details: &str) -> TableError {
        TableError::new(code::TEXT_INVALID, format!("malformed array literal: \"{}\"", shown(self.text)))
            .with_details(details)
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(|character: char| character.is_ascii() && is_blank(character as u8));
    }

    /// `[1:2][0:3]=`: length and lower bound of each dimension.
    fn bounds(&mut self) -> TableResult<Option<Vec<(usize, i32)>>> {
        self.skip_blanks();
        let mut bounds = Vec::new();
        while self.rest.starts_with('[') {
            let (inside, after) = self.rest[1..]
                .split_once(']')
                .ok_or_else(|| self.malformed("Missing \"]\" after array dimensions."))?;
            if bounds.len() == DIMENSIONS_MAX {
                return Err(too_many_dimensions(bounds.len() + 1));
            }
            let (lower, upper) = inside.split_once(':').unwrap_or(("1", inside));
            let number = |text: &str| text.parse::<i32>();
            let (Ok(lower), Ok(upper)) = (number(lower), number(upper)) else {
                return Err(self.malformed("\"[\" must introduce explicitly-specified array dimensions."));
            };
            if upper < lower {
                return Err(TableError::new(code::ARRAY_SUBSCRIPT, "upper bound cannot be less than lower bound"));
            }
            let length = i64::from(upper) - i64::from(lower) + 1;
            let length = usize::try_from(length).map_err(|_| self.malformed("The array is too long."))?;
            bounds.push((length, lower));
            self.rest = after;
            self.skip_blanks();
        }
        if bounds.is_empty() {
            return Ok(None);
        }
        self.rest =
            self.rest.strip_prefix('=').ok_or_else(|| self.malformed("Missing \"=\" after array dimensions."))?;
        self.skip_blanks();
        Ok(Some(bounds))
    }

    /// What follows an opening brace, to the closing one.
    fn contents(&mut self, depth: usize, elements: &mut Vec<Option<Cow<'a, str>>>) -> TableResult<()> {
        if depth > DIMENSIONS_MAX {
            return Err(too_many_dimensions(depth));
        }
        if self.lengths.len() < depth {
            self.lengths.resize(depth, None);
        }
        let mut count = 0;
        self.skip_blanks();
        if let Some(rest) = self.rest.strip_prefix('}') {
            if depth > 1 {
                return Err(self.malformed("Unexpected \"}\" character."));
            }
            self.rest = rest;
        } else {
            loop {
                self.skip_blanks();
                if let Some(rest) = self.rest.strip_prefix('{') {
                    if self.depth_of_elements.is_some_and(|of_elements| of_elements <= depth) {
                        return Err(self.uneven());
                    }
                    self.rest = rest;
                    self.contents(depth + 1, elements)?;
                } else {
                    if *self.depth_of_elements.get_or_insert(depth) != depth || self.lengths.len() > depth {
                        return Err(self.uneven());
                    }
                    elements.push(self.element()?);
                }
                count += 1;
                self.skip_blanks();
                match self.rest.bytes().next() {
                    Some(b',') => self.rest = &self.rest[1..],
                    Some(b'}') => {
                        self.rest = &self.rest[1..];
                        break;
                    }
                    Some(_) => return Err(self.malformed("Unexpected array element.")),
                    None => return Err(self.malformed("Unexpected end of input.")),
                }
            }
        }
        match self.lengths[depth - 1] {
            Some(length) if length != count => Err(self.uneven()),
            _ => {
                self.lengths[depth - 1] = Some(count);
                Ok(())
            }
        }
    }

    fn uneven(&self) -> TableError {
        self.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
    }

    /// One element, quoted or not; none for `NULL`.
    fn element(&mut self) -> TableResult<Option<Cow<'a, str>>> {
        let start = self.rest;
        let mut text = String::new();
        let (mut is_quoted, mut in_quotes) = (false, false);
        // Blanks after the last character that is no blank, or is quoted or escaped, do not count.
        let mut kept = 0;
        let mut characters = start.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => {
                    let (_, next) = characters.next().ok_or_else(|| self.malformed("Unexpected end of input."))?;
                    text.push(next);
                    is_quoted = true;
                    kept = text.len();
                }
                '"' => {
                    if !in_quotes && (is_quoted || !text.is_empty()) {
                        return Err(self.malformed("Unexpected array element."));
                    }
                    in_quotes = !in_quotes;
                    if !in_quotes {
                        return self.after_quotes(&start[at + 1..], text);
                    }
                }
                _ if in_quotes => {
                    text.push(character);
                    kept = text.len();
                }
                ',' | '}' => {
                    self.rest = &start[at..];
                    text.truncate(kept);
                    if text.is_empty() {
                        return Err(self.malformed(&format!("Unexpected \"{character}\" character.")));
                    }
                    let is_null = !is_quoted && text.eq_ignore_ascii_case("null");
                    return Ok((!is_null).then_some(Cow::Owned(text)));
                }
                '{' => return Err(self.malformed("Unexpected \"{\" character.")),
                _ => {
                    text.push(character);
                    if !(character.is_ascii() && is_blank(character as u8)) {
                        kept = text.len();
                    }
                }
            }
        }
        Err(self.malformed("Unexpected end of input."))
    }

    /// After a quoted element only a comma or brace may come.
    fn after_quotes(&mut self, rest: &'a str, text: String) -> TableResult<Option<Cow<'a, str>>> {
        self.rest = rest;
        self.skip_blanks();
        match self.rest.bytes().next() {
            Some(b',' | b'}') => Ok(Some(Cow::Owned(text))),
            Some(_) => Err(self.malformed("Unexpected array element.")),
            None => Err(self.malformed("Unexpected end of input.")),
        }
    }
}

/// 54000
pub(in crate::tables::types) fn too_many_dimensions(count: usize) -> TableError {
    TableError::new(
        code::LIMIT_EXCEEDED,
        format!("number of array dimensions ({count}) exceeds the maximum allowed ({DIMENSIONS_MAX})"),
    )
}

/// Writes a literal, whose elements `element` writes.
pub(in crate::tables::types) fn write(
    array: &Array,
    mut element: impl FnMut(&Value<'static>, &mut String),
    out: &mut String,
) {
    if array.elements.is_empty() {
        out.push_str("{}");
        return;
    }
    if array.dimensions.iter().any(|(_, lower)| *lower != 1) {
        for &(length, lower) in &array.dimensions {
            let upper = i64::from(lower) + i64::try_from(length).unwrap_or(i64::MAX) - 1;
            // Writing to a string does not fail.
            let _ = write!(out, "[{lower}:{upper}]");
        }
        out.push('=');
    }
    let lengths = array.dimensions.iter().map(|(length, _)| *length).collect::<Vec<_>>();
    let mut text = String::new();
    for (at, value) in array.elements.iter().enumerate() {
        // As many braces as dimensions begin here.
        let begun = begins(at, &lengths);
        if at > 0 {
            out.extend(std::iter::repeat_n('}', begun));
            out.push(',');
        }
        out.extend(std::iter::repeat_n('{', begun));
        if value.is_null() {
            out.push_str("NULL");
            continue;
        }
        text.clear();
        element(value, &mut text);
        write_element(&text, out);
    }
    out.extend(std::iter::repeat_n('}', lengths.len().max(1)));
}

/// How many of the innermost dimensions begin anew at an element.
fn begins(at: usize, lengths: &[usize]) -> usize {
    if at == 0 {
        return lengths.len().max(1);
    }
    let mut size = 1_usize;
    lengths
        .iter()
        .rev()
        .take_while(|&&length| {
            size = size.saturating_mul(length.max(1));
            at.is_multiple_of(size)
        })
        .count()
}

fn write_element(text: &str, out: &mut String) {
    let is_plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',') || is_blank(byte));
    if is_plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}
