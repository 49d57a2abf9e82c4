//! One JSON object per line: as `export` and the API write them, or any objects with a member for the key.

use std::io;

use super::line_reader::{BYTE_ORDER_MARK, LineReader};
use super::record::{Found, LineEnd, Piece, Record};
use crate::client::object::Object;
use crate::client::text::JsonBytes;

pub(in crate::transfer) struct Reader {
    lines: LineReader,
    /// The member for the key; the value is then the whole line.
    key: Option<String>,
    now_s: i64,
}

/// Whether a file begins with a line that `export` writes: an object whose first member is `key`, and whose second `value`. A line
/// longer than `sample` is judged by its beginning.
pub(in crate::transfer) fn is_exported(sample: &[u8]) -> bool {
    let sample = sample.strip_prefix(BYTE_ORDER_MARK).unwrap_or(sample).trim_ascii_start();
    let line = sample.split(|&byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    if let Ok(object) = serde_json::from_slice::<Object>(line) {
        return object.get("key").is_some() && object.get("value").is_some();
    }
    line.len() == sample.len()
        && [&b"{\"key\":\""[..], b"{\"key\":{\"base64\":\""].iter().any(|begin| line.starts_with(begin))
}

impl Reader {
    pub(in crate::transfer) fn new(lines: LineReader, key: Option<String>, now_s: i64) -> Self {
        Self { lines, key, now_s }
    }

    pub(in crate::transfer) fn next(&mut self) -> io::Result<Option<Found>> {
        let mut raw = Vec::new();
        if !self.lines.read_onto(&mut raw)? {
            return Ok(None);
        }
        let (text, end) = LineEnd::split(&raw);
        let piece = if text.trim_ascii().is_empty() {
            Ok(Piece::Text(raw))
        } else {
            match &self.key {
                Some(member) => by_member(text, member, end),
                None => self.by_form(text, end),
            }
        };
        Ok(Some(Found { line: self.lines.line, piece }))
    }

    fn by_form(&self, text: &[u8], end: LineEnd) -> Result<Piece, String> {
        let object = object(text).map_err(|message| {
            format!("{message}; a line is {{\"key\": .., \"value\": ..}}, or any object with --key MEMBER")
        })?;
        // Of a member that occurs twice the last counts. Other members are ignored.
        let member = |name: &str| {
            let value = object.0.iter().rfind(|(found, _)| found == name).map(|(_, value)| value.get());
            value.filter(|&value| value != "null")
        };
        let bytes = |name: &str, text: &str| {
            let form = "a string, {\"base64\": \"..\"}, or a list of bytes";
            serde_json::from_str::<JsonBytes>(text).map_err(|_| format!("the member {name:?} is not {form}"))
        };
        let key = member("key").ok_or("the line has no \"key\"; --key MEMBER names the member to use")?;
        let key = non_empty(bytes("key", key)?.0)?;
        let value = member("value").ok_or("the line has no \"value\"; was the file written without values?")?;
        let mut record = Record::new(key, bytes("value", value)?.0, end);
        if let Some(text) = member("media_type").or_else(|| member("content_type")) {
            let media_type = serde_json::from_str(text).map_err(|_| "the member \"media_type\" is not a string")?;
            record.media_type = Some(media_type);
        }
        // A record that has expired since gets one second: it must not become one that never expires.
        let left = member("expires_at").map(|text| {
            let moment =
                serde_json::from_str::<String>(text).ok().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            moment.map(|at| (at.as_second() + 1).saturating_sub(self.now_s).max(1).unsigned_abs())
        });
        let left =
            left.map(|left| left.ok_or("the member \"expires_at\" is not a moment, as in \"2030-01-31T12:00:00Z\""));
        let left = left.transpose()?;
        let ttl = member("ttl").map(str::parse::<u64>);
        let ttl = ttl.transpose().map_err(|_| "the member \"ttl\" is not a whole number of seconds, as in 3600")?;
        record.ttl_ms = ttl.or(left).map(|seconds| seconds.saturating_mul(1_000));
        Ok(Piece::Record(record))
    }
}

/// The object of a line, whose number is told apart.
fn object(text: &[u8]) -> Result<Object, String> {
    serde_json::from_slice(text)
        .map_err(|error| mantis_db::json_error(&error).replace("(line 1, column ", "(character "))
}

fn by_member(text: &[u8], member: &str, end: LineEnd) -> Result<Piece, String> {
    let object = object(text)?;
    // Of a member that occurs twice the last counts.
    let value = object.0.iter().rfind(|(name, _)| name == member).map(|(_, value)| value.get());
    let key = match value.map(|text| (text, text.as_bytes().first())) {
        Some((text, Some(b'"'))) => serde_json::from_str(text).map_err(|error| mantis_db::json_error(&error))?,
        // As it is written: a number keeps all its digits, and 1e2 is another key than 100.
        Some((text, Some(b'-' | b'0'..=b'9' | b't' | b'f'))) => text.to_owned(),
        Some(_) => return Err(format!("the member {member:?} is neither a string nor a number")),
        None => return Err(format!("there is no member {member:?}")),
    };
    Ok(Piece::Record(Record::new(non_empty(key.into_bytes())?, text.to_vec(), end)))
}

fn non_empty(key: Vec<u8>) -> Result<Vec<u8>, String> {
    if key.is_empty() { Err("the key is empty; a key has at least one byte".to_owned()) } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::transfer::read::Contents;

    #[track_caller]
    fn check(line: &str, key: Option<&str>, expected: Result<(&str, &str, Option<u64>), &str>) {
        let lines = LineReader::new(Box::new(Cursor::new(line.to_owned().into_bytes())), Contents::Text);
        let mut reader = Reader::new(lines, key.map(str::to_owned), 1_000);
        let found = reader.next().unwrap().unwrap().piece;
        match (&found, expected) {
            (Ok(Piece::Record(record)), Ok((key, value, ttl_ms))) => {
                assert_eq!((&record.key[..], &record.value[..]), (key.as_bytes(), value.as_bytes()), "{line}");
                assert_eq!(record.ttl_ms, ttl_ms.map(|seconds| seconds * 1_000), "{line}");
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{line}: {message}"),
            _ => panic!("{line}: {found:?}"),
        }
    }

    #[test]
    fn lines_of_the_api() {
        check(r#"{"key":"a","value":"b"}"#, None, Ok(("a", "b", None)));
        check(r#"{"key":"a","value":[98],"version":"7","expires_at":null}"#, None, Ok(("a", "b", None)));
        check(r#"{"key":{"base64":"YQ=="},"value":"","ttl":5}"#, None, Ok(("a", "", Some(5))));
        check(r#"{"key":"a","value":"b","expires_at":"1970-01-01T00:17:00.5Z"}"#, None, Ok(("a", "b", Some(21))));
        check(r#"{"key":"a","value":"b","expires_at":"1970-01-01T00:00:00Z"}"#, None, Ok(("a", "b", Some(1))));
        check(r#"{"key":"a"}"#, None, Err("no \"value\""));
        check(r#"{"key":"","value":"b"}"#, None, Err("empty"));
        check("nonsense", None, Err("a line is"));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_a_sentence() {
        for (line, expected) in [
            (r#"{"key":"a","value":"b","ttl":-1}"#, "the member \"ttl\" is not a whole number of seconds, as in 3600"),
            (
                r#"{"key":{"base64":"!"},"value":"b"}"#,
                "the member \"key\" is not a string, {\"base64\": \"..\"}, or a list of bytes",
            ),
            (
                r#"{"key":"a","value":{"a":1}}"#,
                "the member \"value\" is not a string, {\"base64\": \"..\"}, or a list of bytes",
            ),
            (r#"{"key":"a","value":"b","media_type":1}"#, "the member \"media_type\" is not a string"),
            (
                r#"{"key":"a","value":"b","expires_at":"soon"}"#,
                "the member \"expires_at\" is not a moment, as in \"2030-01-31T12:00:00Z\"",
            ),
        ] {
            let lines = LineReader::new(Box::new(Cursor::new(line.to_owned().into_bytes())), Contents::Text);
            let found = Reader::new(lines, None, 1_000).next().unwrap().unwrap().piece;
            assert_eq!(found, Err(expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn an_export_is_known_by_its_first_line() {
        let long = format!("{{\"key\":\"a\",\"value\":\"{}", "x".repeat(100_000));
        for (file, expected) in [
            ("{\"key\":\"a\",\"value\":\"b\"}\nrest", true),
            ("\u{feff}\n{\"key\":{\"base64\":\"/w==\"},\"value\":[1]}", true),
            (&long, true),
            ("{\"key\":\"a\"}\n", false),
            ("{\"key\":\"a\n", false),
            ("key,value\n", false),
            ("", false),
        ] {
            assert_eq!(is_exported(file.as_bytes()), expected, "{file:.40}");
        }
    }

    #[test]
    fn a_member_of_an_object_can_be_its_key() {
        let line = r#"{"id": 17, "name": "Ada"}"#;
        check(line, Some("name"), Ok(("Ada", line, None)));
        check(line, Some("id"), Ok(("17", line, None)));
        for number in ["123456789012345678901", "1e2", "1E+2", "0.10", "-0", "100", "true", "0.1000000000000000055"] {
            let line = format!("{{\"id\": {number} }}");
            check(&line, Some("id"), Ok((number, &line, None)));
        }
        check(r#"{"id":1,"id":2}"#, Some("id"), Ok(("2", r#"{"id":1,"id":2}"#, None)));
        check("[1]", Some("id"), Err("found a list"));
        check(line, Some("email"), Err("no member"));
        check(r#"{"id":null}"#, Some("id"), Err("neither a string"));
    }
}
