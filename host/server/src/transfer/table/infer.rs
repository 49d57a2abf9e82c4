//! The types of a file's columns, inferred from the values that they have.
//!
//! A column gets the narrowest type that holds every value without changing it: `007` and `0041` are texts, `1e3` is a double
//! precision, an integer beyond 64 bits a numeric. A column without a value is text.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::rows::{Field, Fields};

/// A set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Types(u16);

/// The types, from the narrowest.
const NAMES: [&str; 10] =
    ["boolean", "bigint", "numeric", "double precision", "date", "timestamp", "timestamptz", "uuid", "text", "jsonb"];
const ALL: Types = Types((1 << NAMES.len()) - 1);
const BOOLEAN: Types = Types(1);
const INTEGER: Types = Types(0b1110);
const DECIMAL: Types = Types(0b1100);
const DOUBLE: Types = Types(0b1000);
const DATE: Types = Types(1 << 4);
const TIMESTAMP: Types = Types(1 << 5);
const TIMESTAMPTZ: Types = Types(1 << 6);
const UUID: Types = Types(1 << 7);
const TEXT: Types = Types(1 << 8);
const JSON: Types = Types(1 << 9);
const NONE: Types = Types(0);

impl Types {
    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is known of a file's columns.
#[derive(Debug, Default)]
pub(super) struct Inference {
    names: Vec<String>,
    places: HashMap<String, usize>,
    types: Vec<Types>,
    /// Whether the fields are texts: one that is a JSON object or list is meant so there, and a text in a JSON file is not.
    are_texts: bool,
    /// Rows that were looked at.
    pub(super) rows: u64,
}

impl Inference {
    /// Begins with the columns that are known already.
    pub(super) fn new(names: &[String]) -> Self {
        let mut inference = Self::default();
        for name in names {
            inference.place(name);
        }
        inference
    }

    fn place(&mut self, name: &str) -> usize {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        self.types.push(ALL);
        place
    }

    /// Looks at a row. `null` is what stands for null in CSV, beside nothing.
    pub(super) fn add(&mut self, fields: &Fields, null: Option<&str>) {
        self.rows += 1;
        match fields {
            Fields::Columns(fields) => {
                self.are_texts = true;
                for (types, Field { text, is_quoted }) in self.types.iter_mut().zip(fields) {
                    if !text.is_empty() && (*is_quoted || Some(&**text) != null) {
                        *types = types.and(of_text(text).or(TEXT));
                    }
                }
            }
            Fields::Object(object) => {
                for (name, value) in &object.0 {
                    let place = self.place(name);
                    self.types[place] = self.types[place].and(of_json(value));
                }
            }
        }
    }

    /// The columns with their types.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(&self.types).map(|(name, &types)| (name, self.name_of(types)))
    }

    fn name_of(&self, types: Types) -> &'static str {
        if types == ALL {
            return "text";
        }
        let types = if self.are_texts && types == TEXT.or(JSON) { JSON } else { types };
        let place = usize::try_from(types.0.trailing_zeros()).unwrap_or_default();
        NAMES.get(place).copied().unwrap_or("text")
    }

    /// The schema document of a table with these columns.
    pub(super) fn document(&self, primary_key: &[String]) -> Value {
        let columns: Vec<_> = self.columns().map(|(name, r#type)| json!({"name": name, "type": r#type})).collect();
        if primary_key.is_empty() {
            return json!({"columns": columns});
        }
        json!({"columns": columns, "primary_key": primary_key})
    }
}

fn of_json(value: &RawValue) -> Types {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'n') => ALL,
        Some(b't' | b'f') => BOOLEAN.or(JSON),
        Some(b'"') => {
            let text: String = serde_json::from_str(text).unwrap_or_default();
            of_moment(&text).or(TEXT).or(JSON)
        }
        Some(b'{' | b'[') => JSON,
        _ => of_number(text).or(JSON),
    }
}

/// What else than a text the text of a field can be.
fn of_text(text: &str) -> Types {
    match text.as_bytes() {
        b"true" | b"false" => BOOLEAN,
        [b'{' | b'[', ..] if serde_json::from_str::<&RawValue>(text).is_ok() => JSON,
        [b'-' | b'0'..=b'9', ..] if of_number(text) != NONE => of_number(text),
        _ => of_moment(text),
    }
}

/// A number as JSON writes it: without leading zeros or a plus sign, so that it comes out as it went in.
fn of_number(text: &str) -> Types {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // JSON takes spaces after a number too.
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits[1..].starts_with(['.', 'e', 'E']))
        && serde_json::from_str::<&RawValue>(text).is_ok();
    match text {
        _ if !is_number => NONE,
        text if text.contains(['e', 'E']) => DOUBLE,
        text if text.contains('.') || text == "-0" || text.parse::<i64>().is_err() => DECIMAL,
        _ => INTEGER,
    }
}

/// A day, a moment or a UUID in its usual form.
fn of_moment(text: &str) -> Types {
    let bytes = text.as_bytes();
    let has = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    if has(4, b'-') && has(7, b'-') {
        return match text.get(10..) {
            Some("") if text.parse::<Date>().is_ok() => DATE,
            Some(time) if time.starts_with(['T', ' ']) && !time.contains('[') => {
                if text.parse::<Timestamp>().is_ok() {
                    TIMESTAMPTZ
                } else if time.len() >= 6
                    && !time[1..].contains(['+', '-', 'Z', 'z'])
                    && text.parse::<DateTime>().is_ok()
                {
                    TIMESTAMP
                } else {
                    NONE
                }
            }
            _ => NONE,
        };
    }
    let is_uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_uuid { UUID } else { NONE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: &str) {
        let mut inference = Inference::new(&["c".to_owned()]);
        for value in values {
            let field = Field { text: (*value).to_owned(), is_quoted: false };
            inference.add(&Fields::Columns(vec![field]), Some("NULL"));
        }
        assert_eq!(inference.columns().collect::<Vec<_>>(), [("c", expected)], "{values:?}");
    }

    #[test]
    fn a_column_gets_the_narrowest_type_that_changes_no_value() {
        check(&["true", "", "false"], "boolean");
        check(&["1", "-20", "NULL", "9223372036854775807"], "bigint");
        check(&["1", "9223372036854775808"], "numeric");
        check(&["1", "0.50"], "numeric");
        check(&["1", "2.5e3"], "double precision");
        for text in ["007", "0041", "+1", "1_000", "1.", ".5", "0x1", "NaN", "1 ", "-"] {
            check(&["1", text], "text");
        }
        check(&["2024-02-29"], "date");
        check(&["2023-02-29"], "text");
        check(&["2024-02-29T10:00:00Z", "2024-02-29 10:00:00.5+02"], "timestamptz");
        check(&["2024-02-29 10:00"], "timestamp");
        check(&["2024-02-29 10:00", "2024-02-29T10:00:00Z"], "text");
        check(&["2024-02-29", "2024-02-29T10:00:00Z"], "text");
        check(&["6f9619ff-8b86-d011-b42d-00c04fc964ff"], "uuid");
        check(&["{\"a\":1}", "[]"], "jsonb");
        check(&["{\"a\":1}", "{a}"], "text");
        check(&["true", "1"], "text");
        check(&["", "NULL"], "text");
        check(&["ä-ö-ü 1234-56"], "text");
    }

    #[test]
    fn columns_of_json_have_the_types_of_their_values() {
        let mut inference = Inference::default();
        for row in [
            r#"{"n":1,"m":1,"b":true,"d":"2024-01-01","t":"1","j":{},"x":null}"#,
            r#"{"n":2.5,"m":"a","b":null,"d":"2024-01-02","t":"x","j":"s","y":"é"}"#,
        ] {
            inference.add(&Fields::Object(serde_json::from_str(row).unwrap()), None);
        }
        let columns: Vec<_> = inference.columns().collect();
        let expected = [
            ("n", "numeric"),
            ("m", "jsonb"),
            ("b", "boolean"),
            ("d", "date"),
            ("t", "text"),
            ("j", "jsonb"),
            ("x", "text"),
            ("y", "text"),
        ];
        assert_eq!(columns, expected);
    }
}
