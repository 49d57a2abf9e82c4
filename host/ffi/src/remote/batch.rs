//! Batches of operations on keys and rows: the JSON of the header's form as that of `POST /batch`, and back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::dialect;
use super::form::{Data, Number, push_text};
use super::problem::{self, Lost};
use super::session::{Session, written};
use super::url::Path;
use super::wire::{Answer, Request};
use crate::failure::Failure;
use crate::far::{BatchDone, Shown};
use crate::statements::{self, data_json};

/// The members of an operation, each as it was written.
type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

pub(super) fn run(session: &mut Session, operations: &str) -> Result<BatchDone, Failure> {
    let listed: Vec<&RawValue> = statements::parse(operations, "operations")?;
    let mut json = String::new();
    let mut is_write = false;
    for (index, operation) in listed.iter().enumerate() {
        let at = |failure: Failure| Failure { index: Some(index), ..failure };
        let members = operation_of(operation).map_err(at)?;
        is_write |= !matches!(members.get("op").map(AsRef::as_ref), Some("\"get\"" | "\"check\"" | "\"select\""));
        json.push_str(if index == 0 { "{" } else { ",{" });
        for (place, (name, value)) in members.iter().enumerate() {
            if place > 0 {
                json.push(',');
            }
            push_text(name, &mut json);
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
    }
    match send(session, &json, is_write) {
        Ok(answer) => {
            let results = results(&answer)?;
            if results.len() != listed.len() {
                return Err(problem::malformed(format!("{} results of {} operations", results.len(), listed.len())));
            }
            let shown = results.iter().zip(&listed).map(|(result, operation)| result_of(operation, result));
            let shown = shown.collect::<Result<Vec<_>, _>>()?;
            Ok(BatchDone::Committed(page(&shown), written(&answer)))
        }
        Err(Lost::Refused(refused)) if refused.problem.code == "check-failed" => {
            let shown: Vec<_> = refused.problem.operations.iter().map(refusal_of).collect();
            Ok(BatchDone::Refused(page(&shown)))
        }
        Err(lost) => Err(lost.into()),
    }
}

fn page(texts: &[String]) -> Shown {
    Shown { data: format!("[{}]", texts.join(",")).into_bytes(), count: texts.len() as u64, ..Shown::default() }
}

/// Sends operations in the form of the API.
///
/// # Errors
/// What the server says, or why it says nothing.
pub(super) fn send(session: &mut Session, operations: &str, is_write: bool) -> Result<Answer, Lost> {
    let path = Path::new("/batch").with("encoding", "base64").with("numbers", "string");
    let request = Request { is_write, is_safe: !is_write, ..Request::read(Method::POST, path) };
    session.send(request.json(format!("{{\"operations\":[{operations}]}}")))
}

/// The results of an answer.
///
/// # Errors
/// It has another form.
pub(super) fn results(answer: &Answer) -> Result<Vec<&RawValue>, Failure> {
    #[derive(Deserialize)]
    struct Results<'a> {
        #[serde(borrow)]
        results: Vec<&'a RawValue>,
    }
    answer.json::<Results<'_>>().map(|answer| answer.results)
}

/// An operation with the members that the API has: `if`, `span`, `on_conflict` and numbers of many digits are written otherwise there.
fn operation_of<'a>(operation: &'a RawValue) -> Result<Members<'a>, Failure> {
    let mut members: BTreeMap<Cow<'a, str>, &'a RawValue> = statements::parse(operation.get(), "operations")?;
    let is_of_rows = members.contains_key("table");
    let condition = if is_of_rows { None } else { members.remove("if") };
    let span = if is_of_rows { None } else { members.remove("span") };
    let is_merging = members.get("on_conflict").map(|given| given.get());
    let conflict = if is_of_rows { is_merging } else { None };
    if let Some(word) = conflict
        && matches!(word, "\"fail\"" | "\"ignore\"" | "\"merge\"")
    {
        members.remove("on_conflict");
    }
    let columns = if is_of_rows { members.remove("conflict_columns") } else { None };
    let mut out: Members<'a> = members.iter().map(|(name, value)| (name.clone(), value.get().into())).collect();
    match conflict {
        Some("\"merge\"") => drop(out.insert("resolution".into(), "\"merge-duplicates\"".into())),
        Some("\"ignore\"") => drop(out.insert("resolution".into(), "\"ignore-duplicates\"".into())),
        _ => {}
    }
    if let Some(columns) = columns {
        let columns: Vec<Cow<'_, str>> = statements::parse(columns.get(), "conflict_columns")?;
        let columns = dialect::columns(columns.iter().map(AsRef::as_ref));
        out.insert("on_conflict".into(), serde_json::Value::from(columns).to_string().into());
    }
    if let (true, Some(arguments)) = (is_of_rows, members.get("arguments")) {
        let arguments: Vec<&RawValue> = statements::parse(arguments.get(), "arguments")?;
        let arguments = arguments.into_iter().map(argument).collect::<Result<Vec<_>, _>>()?;
        out.insert("arguments".into(), format!("[{}]", arguments.join(",")).into());
    }
    if let Some(condition) = condition {
        push_condition(condition.get(), &mut out)?;
    }
    if let Some(span) = span {
        push_span(span.get(), &mut out)?;
    }
    // A list of JSON is text in the form of the header, and a list of bytes in that of the API.
    Ok(out)
}

/// An argument: a number of many digits is written as it is.
///
/// # Errors
/// It has no value.
pub(super) fn argument(given: &RawValue) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Digits {
        number: String,
    }
    let Ok(Digits { number }) = serde_json::from_str(given.get()) else { return Ok(given.get().to_owned()) };
    // Checked, so that it ends nothing but itself.
    statements::value(given.get())?;
    let is_json = serde_json::from_str::<serde_json::Number>(&number).is_ok();
    Ok(if is_json { number } else { serde_json::Value::from(number).to_string() })
}

fn push_condition(condition: &str, out: &mut Members<'_>) -> Result<(), Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Condition {
        Anything,
        Absent,
        Present,
        Version(u64),
    }
    let (name, value) = match statements::parse(condition, "if")? {
        Condition::Anything => return Ok(()),
        Condition::Absent => ("absent", "true".into()),
        Condition::Present => ("absent", "false".into()),
        Condition::Version(version) => ("if_version", format!("\"{version}\"").into()),
    };
    out.insert(name.into(), value);
    Ok(())
}

fn push_span(span: &str, out: &mut Members<'_>) -> Result<(), Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    enum Span<'a> {
        All,
        #[serde(borrow)]
        Prefix(&'a RawValue),
        Between {
            #[serde(borrow, default)]
            start: Option<&'a RawValue>,
            #[serde(borrow, default)]
            end: Option<&'a RawValue>,
        },
    }
    let bounds = match statements::parse(span, "span")? {
        Span::All => [None, None],
        Span::Prefix(prefix) => [Some(("prefix", prefix)), None],
        Span::Between { start, end } => [start.map(|start| ("start", start)), end.map(|end| ("end", end))],
    };
    for (name, bound) in bounds.into_iter().flatten() {
        out.insert(name.into(), bound.get().to_owned().into());
    }
    Ok(())
}

/// A result as the API writes it.
#[derive(Deserialize)]
pub(super) struct ResultIn<'a> {
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    version: Option<Number>,
    #[serde(default)]
    deleted: u64,
    #[serde(default)]
    pub(super) inserted: u64,
    #[serde(default)]
    updated: u64,
    #[serde(borrow, default)]
    pub(super) rows: Option<&'a RawValue>,
}

impl ResultIn<'_> {
    /// Rows that were written.
    pub(super) fn affected(&self) -> u64 {
        self.inserted.saturating_add(self.updated).saturating_add(self.deleted)
    }
}

/// A result as the header's form has it.
fn result_of(operation: &RawValue, result: &RawValue) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        op: Cow<'a, str>,
        #[serde(borrow, default)]
        table: Option<&'a RawValue>,
    }
    let kind: Kind<'_> = serde_json::from_str(operation.get()).map_err(problem::malformed)?;
    let result: ResultIn<'_> = serde_json::from_str(result.get()).map_err(problem::malformed)?;
    let data = |value: Option<&RawValue>| {
        let data = value.map(|value| serde_json::from_str::<Data>(value.get())).transpose();
        data.map_err(problem::malformed)
    };
    Ok(match (&*kind.op, kind.table.is_some()) {
        ("get", false) => match data(result.value.filter(|value| value.get() != "null"))? {
            None => "{\"value\":null}".to_owned(),
            Some(Data(value)) => {
                let version = result.version.unwrap_or_default().0;
                serde_json::json!({ "value": data_json(&value), "version": version }).to_string()
            }
        },
        ("increment", false) => {
            let number = data(result.value)?.and_then(|Data(text)| String::from_utf8(text).ok()?.parse::<i64>().ok());
            let number = number.ok_or_else(|| problem::malformed("an increment has no number"))?;
            format!("{{\"number\":{number}}}")
        }
        ("delete" | "delete-span", false) => format!("{{\"deleted\":{}}}", result.deleted),
        (_, false) | ("check", true) => "{}".to_owned(),
        ("select", true) => format!("{{\"rows\":{}}}", result.rows.map_or("[]", RawValue::get)),
        (_, true) => {
            let (count, inserted) = (result.affected(), result.inserted);
            match result.rows {
                None => serde_json::json!({ "count": count, "inserted": inserted }).to_string(),
                Some(rows) => format!("{{\"count\":{count},\"inserted\":{inserted},\"rows\":{}}}", rows.get()),
            }
        }
    })
}

fn refusal_of(refused: &problem::RefusedIn) -> String {
    let version = refused.version.map(|version| version.0);
    match refused.matched {
        None => serde_json::json!({ "index": refused.index, "version": version }),
        Some(count) => serde_json::json!({ "index": refused.index, "count": count, "version": version }),
    }
    .to_string()
}
