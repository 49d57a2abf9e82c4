//! CSV as the server writes it, which is PostgreSQL's text of a record, to CSV as RFC 4180 and everybody's programs read it.
//!
//! The server doubles backslashes as well as quotes, and quotes what has a space. Null stays nothing and an empty text `""`.

/// The records of the server's CSV, the header first. The last one has no line end, so that a line end has a record after it.
#[derive(Debug, Default)]
pub(crate) struct Records<'a> {
    rest: Option<&'a str>,
}

/// A field: none for null.
pub(crate) type Field = Option<String>;

impl<'a> Records<'a> {
    /// The records of an answer. Of no rows it is a single line end.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: Some(text).filter(|text| !text.is_empty() && *text != "\n") }
    }

    /// At least one record, if only of a null, from the middle of an answer.
    pub(crate) fn amid(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }
}

impl Iterator for Records<'_> {
    type Item = Vec<Field>;

    fn next(&mut self) -> Option<Vec<Field>> {
        let mut text = self.rest.take()?;
        let mut fields = Vec::new();
        loop {
            let (field, rest) = if let Some(quoted) = text.strip_prefix('"') {
                let (field, rest) = unquote(quoted);
                (Some(field), rest)
            } else {
                let (field, rest) = text.split_at(text.find([',', '\n']).unwrap_or(text.len()));
                (Some(field).filter(|field| !field.is_empty()).map(str::to_owned), rest)
            };
            fields.push(field);
            let Some(next) = rest.strip_prefix(',') else {
                self.rest = rest.strip_prefix('\n');
                return Some(fields);
            };
            text = next;
        }
    }
}

/// The text up to the closing quote, and what follows.
fn unquote(text: &str) -> (String, &str) {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some(at) = rest.find(['"', '\\']) else {
            field.push_str(rest);
            return (field, "");
        };
        let (mark, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        field.push_str(&rest[..at]);
        if after.as_bytes().first() == Some(&mark) {
            field.push(char::from(mark));
            rest = &after[1..];
        } else if mark == b'"' {
            // Up to the next delimiter nothing follows a closing quote.
            return (field, after.find([',', '\n']).map_or("", |end| &after[end..]));
        } else {
            field.push('\\');
            rest = after;
        }
    }
}

/// Appends a record with its line end.
pub(crate) fn push_record(record: &[Field], delimiter: char, out: &mut String) {
    for (place, field) in record.iter().enumerate() {
        if place > 0 {
            out.push(delimiter);
        }
        let Some(field) = field else { continue };
        let is_plain = !field.is_empty() && !field.contains(['"', delimiter, '\n', '\r']);
        // Spaces at the ends are lost in some programs without quotes.
        if is_plain && field.trim() == field {
            out.push_str(field);
        } else {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server: &str, expected: &str) {
        let mut written = String::new();
        Records::new(server).for_each(|record| push_record(&record, ',', &mut written));
        assert_eq!(written, expected, "{server:?}");
    }

    #[test]
    fn others_read_what_the_server_means() {
        check("id,name\n1,plain", "id,name\n1,plain\n");
        check("a,b,c\n1,,\"\"", "a,b,c\n1,,\"\"\n");
        check("a\n\"two words\"\n\"(x)\"", "a\ntwo words\n(x)\n");
        check("a\n\"back\\\\slash\"\n\"say \"\"hi\"\"\"", "a\nback\\slash\n\"say \"\"hi\"\"\"\n");
        check("a,b\n\"line\nbreak\",\"x, y\"", "a,b\n\"line\nbreak\",\"x, y\"\n");
        check("a,b\n,", "a,b\n,\n");
        check("a\n\" x\"", "a\n\" x\"\n");
        check("a\n", "a\n\n");
        check("\n", "");
        check("a\n\"open", "a\nopen\n");
        check("a\n\"\\x\"y,1", "a\n\\x,1\n");
        check("", "");
        let mut tabs = String::new();
        push_record(&[Some("a,b".to_owned()), None, Some("c\td".to_owned())], '\t', &mut tabs);
        assert_eq!(tabs, "a,b\t\t\"c\td\"\n");
        assert_eq!(Records::amid("").count(), 1);
        assert_eq!(Records::amid("\n").count(), 2);
    }
}
