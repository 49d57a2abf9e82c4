//! Rows as the JSON that the server takes.

use std::io::Write as _;

use serde_json::Value;
use serde_json::value::RawValue;

use super::rows::{Field, Fields, Row};

/// What a column's values look like in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A string, which may be empty.
    Text,
    /// Any JSON.
    Json,
    /// A string that the server reads as the column's type.
    Other,
}

/// Makes JSON of rows.
#[derive(Debug)]
pub(super) struct Encoder {
    /// For each column of the file its name as JSON, and what it holds.
    columns: Vec<(String, Kind)>,
    null: Option<String>,
}

impl Encoder {
    /// For files of these columns and a table of this schema document. `null` is what stands for null, beside nothing.
    ///
    /// # Errors
    /// A column that the table does not have.
    pub(super) fn new(names: &[String], document: &Value, null: Option<String>) -> Result<Self, String> {
        let known = document["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
        let column = |name: &String| {
            let column = known.iter().find(|column| column["name"] == **name).ok_or_else(|| {
                let names: Vec<_> = known.iter().filter_map(|column| column["name"].as_str()).collect();
                format!("the table has no column {name:?}; its columns are {}", names.join(", "))
            })?;
            Ok((Value::from(&**name).to_string(), kind(column["type"].as_str().unwrap_or_default())))
        };
        Ok(Self { columns: names.iter().map(column).collect::<Result<_, String>>()?, null })
    }

    /// A row's JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn encode(&self, row: &Row) -> Result<Vec<u8>, String> {
        match &row.fields {
            Err(message) => Err(message.clone()),
            Ok(Fields::Object(_)) => Ok(row.raw.clone()),
            Ok(Fields::Columns(fields)) => {
                let mut json = Vec::with_capacity(row.raw.len() + 16 * fields.len());
                for ((name, kind), field) in self.columns.iter().zip(fields) {
                    json.push(if json.is_empty() { b'{' } else { b',' });
                    json.extend_from_slice(name.as_bytes());
                    json.push(b':');
                    self.push(&mut json, *kind, field).map_err(|error| format!("the column {name}: {error}"))?;
                }
                json.push(b'}');
                Ok(json)
            }
        }
    }

    fn push(&self, json: &mut Vec<u8>, kind: Kind, field: &Field) -> Result<(), serde_json::Error> {
        let Field { text, is_quoted } = field;
        let is_null = !is_quoted && self.null.as_ref() == Some(text) || text.is_empty() && kind != Kind::Text;
        match kind {
            _ if is_null => json.extend_from_slice(b"null"),
            Kind::Json => json.extend_from_slice(serde_json::from_str::<&RawValue>(text)?.get().as_bytes()),
            Kind::Text | Kind::Other => serde_json::to_writer(json.by_ref(), text)?,
        }
        Ok(())
    }
}

fn kind(r#type: &str) -> Kind {
    match r#type {
        "text" | "bytea" => Kind::Text,
        "json" | "jsonb" => Kind::Json,
        array if array.ends_with("[]") => Kind::Other,
        other if other.starts_with("char") || other.starts_with("varchar") => Kind::Text,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(r#type: &str, field: (&str, bool), null: Option<&str>, expected: Result<&str, &str>) {
        let document = json!({"columns": [{"name": "\"c", "type": r#type}]});
        let encoder = Encoder::new(&["\"c".to_owned()], &document, null.map(str::to_owned)).unwrap();
        let fields = Ok(Fields::Columns(vec![Field { text: field.0.to_owned(), is_quoted: field.1 }]));
        let encoded = encoder.encode(&Row { line: 1, raw: Vec::new(), fields });
        match (encoded, expected) {
            (Ok(json), Ok(value)) => {
                assert_eq!(String::from_utf8(json).unwrap(), format!("{{\"\\\"c\":{value}}}"));
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (encoded, _) => panic!("{encoded:?}"),
        }
    }

    #[test]
    fn nothing_is_null_where_the_column_is_no_text() {
        check("text", ("", false), None, Ok("\"\""));
        check("text", ("", false), Some(""), Ok("null"));
        check("text", ("", true), Some(""), Ok("\"\""));
        check("varchar(3)", ("", false), None, Ok("\"\""));
        check("bigint", ("", false), None, Ok("null"));
        check("bigint", ("", true), None, Ok("null"));
        check("text[]", ("", false), None, Ok("null"));
        check("text", ("NULL", false), Some("NULL"), Ok("null"));
        check("text", ("NULL", true), Some("NULL"), Ok("\"NULL\""));
        check("text", ("NULL", false), None, Ok("\"NULL\""));
    }

    #[test]
    fn values_are_read_as_the_column_has_them() {
        check("bigint", ("12345678901234567890", false), None, Ok("\"12345678901234567890\""));
        check("jsonb", (" {\"a\": 1.50}", true), None, Ok("{\"a\": 1.50}"));
        check("jsonb", ("a", false), None, Err("the column \"\\\"c\""));
        assert!(Encoder::new(&["x".to_owned()], &json!({"columns": [{"name": "a"}]}), None).is_err());
    }
}
