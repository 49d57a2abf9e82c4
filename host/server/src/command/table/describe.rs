//! `mantisdb table list` and `table describe`.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use hyper::Method;
use hyper::header::ACCEPT;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::grid::Grid;
use crate::cli::ServerArgs;
use crate::client::text::printable;
use crate::client::{Answer, Path};
use crate::command::context::{self, Output};
use crate::failure::Outcome;

pub(super) async fn list(server: &ServerArgs) -> Outcome {
    let mut output = Output::new();
    let Some(answer) = asked(&Path::new("/api/v1/schema/tables"), server, &mut output).await? else {
        return output.flush();
    };
    let answer: Value = answer.json()?;
    let mut grid = Grid::new(["table", "columns", "primary key", "comment"]);
    grid.align_right(1);
    for table in items(&answer["tables"]) {
        let columns = items(&table["columns"]).len().to_string();
        grid.row([text(&table["name"]), columns.into(), names(&table["primary_key"]).into(), text(&table["comment"])]);
    }
    output.grid(&grid.lines(Output::width()).collect::<Vec<_>>())?;
    output.flush()
}

pub(super) async fn run(name: &str, server: &ServerArgs) -> Outcome {
    let mut output = Output::new();
    let Some(answer) = asked(&Path::schema(name), server, &mut output).await? else { return output.flush() };
    let (table, written): (Value, Written<'_>) = (answer.json()?, answer.json_of()?);
    let mut defaults = written.columns.iter().map(|column| column.default);
    let mut grid = Grid::new(["column", "type", "null", "default", "comment"]);
    for column in items(&table["columns"]) {
        let null = if column["nullable"] == false { "no" } else { "yes" };
        grid.row([
            text(&column["name"]),
            text(&column["type"]),
            null.into(),
            default(column, defaults.next().flatten()).into(),
            text(&column["comment"]),
        ]);
    }
    output.grid(&grid.lines(Output::width()).collect::<Vec<_>>())?;
    for line in constraints(&table) {
        output.line(printable(&line))?;
    }
    output.flush()
}

/// What the server says; none where that was written out as the JSON that it is.
async fn asked(path: &Path, server: &ServerArgs, output: &mut Output) -> Outcome<Option<Answer>> {
    let headers = [(ACCEPT, "application/json")];
    let answer = context::client(server)?.request(Method::GET, path, &headers, Bytes::new()).await?;
    if !server.json {
        return Ok(Some(answer));
    }
    // As it came: numbers keep their digits, and members their order.
    output.json_text(answer.body.trim_ascii_end())?;
    Ok(None)
}

/// The columns' defaults as they were written: a number may have more digits than a `Value` keeps.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    columns: Vec<WrittenColumn<'a>>,
}

#[derive(Deserialize)]
struct WrittenColumn<'a> {
    #[serde(borrow)]
    default: Option<&'a RawValue>,
}

/// A line for each list of values, key, index and check.
fn constraints(table: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for column in items(&table["columns"]) {
        if let Some(values) = column["enum"].as_array() {
            let values: Vec<_> = values.iter().map(ToString::to_string).collect();
            lines.push(format!("enum {} {}", text(&column["name"]), values.join(", ")));
        }
    }
    if !table["primary_key"].is_null() {
        lines.push(format!("primary key {}", key(&table["primary_key"])));
    }
    lines.extend(items(&table["unique"]).iter().map(|unique| format!("unique {}", key(unique))));
    for index in items(&table["indexes"]) {
        let unique = if index["unique"] == true { "unique index" } else { "index" };
        let mut line = format!("{unique} {}", key(index));
        if let Some(filter) = index["filter"].as_str() {
            let _ = write!(line, " where {filter}");
        }
        lines.push(line);
    }
    for foreign in items(&table["foreign_keys"]) {
        let references = &foreign["references"];
        let mut line = format!(
            "foreign key {} references {} ({})",
            key(foreign),
            text(&references["table"]),
            names(&references["columns"])
        );
        for action in ["on_delete", "on_update"] {
            if let Some(what) = foreign[action].as_str() {
                let _ = write!(line, " {} {what}", action.replace('_', " "));
            }
        }
        lines.push(line);
    }
    for check in items(&table["checks"]) {
        lines.push(format!("check {} {}", text(&check["name"]), text(&check["check"])).replace("  ", " "));
    }
    lines.extend(table["comment"].as_str().map(|comment| format!("comment {comment}")));
    lines
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> Cow<'_, str> {
    value.as_str().unwrap_or_default().into()
}

/// The name and the columns of a key or index, which may be a list of columns alone.
fn key(key: &Value) -> String {
    match key["name"].as_str() {
        Some(name) => format!("{name} ({})", names(key)),
        None => format!("({})", names(key)),
    }
}

/// Columns with commas between them, of a list or of an object that has one.
fn names(key: &Value) -> String {
    let columns = key.as_array().or_else(|| key["columns"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let name = |column: &Value| match column["column"].as_str() {
        Some(name) if column["descending"] == true => format!("{name} desc"),
        Some(name) => name.to_owned(),
        None => text(column).into_owned(),
    };
    columns.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn default(column: &Value, written: Option<&RawValue>) -> String {
    match &column["default"] {
        _ if column["identity"] == true => "identity".to_owned(),
        Value::Null => String::new(),
        default => match default["function"].as_str() {
            Some(function) => format!("{function}()"),
            None => written.map_or_else(String::new, |written| written.get().to_owned()),
        },
    }
}
