//! `mantisdb table create`: from a schema document, or from options.

use hyper::Method;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::schema;
use crate::cli::TableCreateArgs;
use crate::command::context;
use crate::failure::{Failure, Outcome};

pub(super) async fn run(args: TableCreateArgs) -> Outcome {
    let body = match &args.file {
        Some(file) => context::read_input(file)?,
        None => document(&args)?.into(),
    };
    schema::write(&args.server, Method::PUT, &args.name, body, "created").await
}

#[derive(Serialize)]
struct Document<'a> {
    columns: Vec<Column<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    primary_key: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign_keys: Vec<Value>,
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nullable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<bool>,
    /// As it is written: its numbers keep their digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Box<RawValue>>,
}

/// The schema that the options describe.
fn document(args: &TableCreateArgs) -> Outcome<String> {
    let columns = args.column.iter().map(|text| column(text)).collect::<Outcome<Vec<_>>>()?;
    let foreign_keys = args.foreign_key.iter().map(|text| foreign_key(text)).collect::<Outcome<Vec<_>>>()?;
    let document = Document { columns, primary_key: &args.primary_key, foreign_keys };
    serde_json::to_string(&document).map_err(|error| Failure::usage(error.to_string()))
}

/// `NAME:TYPE[:not-null][:identity][:default=VALUE]`. A default is the last option, since it may have colons.
fn column(text: &str) -> Outcome<Column<'_>> {
    let failed = |reason: &str| {
        Failure::usage(format!("--column {text:?}: {reason}")).hint(
            "a column is NAME:TYPE, and then :not-null, :identity or :default=VALUE; --file takes all of a schema",
        )
    };
    let (name, rest) = text.split_once(':').ok_or_else(|| failed("it has no type"))?;
    let (rest, default) = match rest.split_once(":default=") {
        Some((rest, default)) => (rest, Some(default)),
        None => (rest, None),
    };
    let mut parts = rest.split(':');
    let r#type = parts.next().unwrap_or_default();
    if name.is_empty() || r#type.is_empty() {
        return Err(failed("its name or type is empty"));
    }
    let mut column = Column { name, r#type, nullable: None, identity: None, default: None };
    for option in parts {
        match option {
            "not-null" => column.nullable = Some(false),
            "identity" => column.identity = Some(true),
            _ => return Err(failed(&format!("there is no option {option:?}"))),
        }
    }
    column.default = default.map(default_value).transpose().map_err(|error| failed(&error.to_string()))?;
    Ok(column)
}

/// A function as in `now()`, JSON, or else text.
fn default_value(text: &str) -> serde_json::Result<Box<RawValue>> {
    if let Some(function) = text.strip_suffix("()") {
        return to_raw_value(&json!({ "function": function }));
    }
    match serde_json::from_str(text) {
        // With more digits than a float has: its column reads them from a text as well.
        Ok(Value::Number(number)) if number.to_string() != text => to_raw_value(text),
        _ => serde_json::from_str(text).or_else(|_| to_raw_value(text)),
    }
}

/// `COLUMN=TABLE.COLUMN`
fn foreign_key(text: &str) -> Outcome<Value> {
    let parts = text.split_once('=').and_then(|(column, rest)| Some((column, rest.split_once('.')?)));
    let Some((column, (table, referenced))) = parts else {
        return Err(Failure::usage(format!("--foreign-key {text:?} is not COLUMN=TABLE.COLUMN"))
            .hint("as in country=countries.code; --file takes keys of several columns"));
    };
    Ok(json!({ "columns": [column], "references": { "table": table, "columns": [referenced] } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Value, &str>) {
        match (column(text), expected) {
            (Ok(column), Ok(expected)) => assert_eq!(json!(column), expected, "{text}"),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{}", failure.message),
            (column, _) => {
                panic!("{text}: {:?}", column.map(|column| json!(column)).map_err(|failure| failure.message))
            }
        }
    }

    #[test]
    fn columns_from_options() {
        check("id:bigint:identity", Ok(json!({"name": "id", "type": "bigint", "identity": true})));
        check(
            "p:numeric(10,2):not-null:default=1.5",
            Ok(json!({"name": "p", "type": "numeric(10,2)", "nullable": false, "default": 1.5})),
        );
        check(
            "n:numeric:default=12345678901234567890.10",
            Ok(json!({"name": "n", "type": "numeric", "default": "12345678901234567890.10"})),
        );
        check("t:text:default=a:b", Ok(json!({"name": "t", "type": "text", "default": "a:b"})));
        check(
            "m:timestamptz:default=now()",
            Ok(json!({"name": "m", "type": "timestamptz", "default": {"function": "now"}})),
        );
        let written = serde_json::to_string(&column(r#"j:jsonb:default={"a": [1.10]}"#).unwrap()).unwrap();
        assert_eq!(written, r#"{"name":"j","type":"jsonb","default":{"a": [1.10]}}"#);
        check("id", Err("no type"));
        check(":text", Err("empty"));
        check("id:bigint:unique", Err("no option \"unique\""));
    }

    #[test]
    fn foreign_keys_from_options() {
        let key = json!({"columns": ["a"], "references": {"table": "t", "columns": ["b"]}});
        assert_eq!(foreign_key("a=t.b").unwrap(), key);
        assert!(foreign_key("a=t").is_err() && foreign_key("t.b").is_err());
    }
}
