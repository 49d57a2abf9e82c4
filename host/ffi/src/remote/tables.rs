//! Definitions of tables, and statements on rows.
//!
//! Reads, writes of one row and `update-many` are requests of `/tables/{table}`; all other writes are a batch of one operation, which says
//! how many rows are new, and takes arguments beside the filter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use mantis_db::tables::{TableError, code};
use mantis_db::{Code, Error};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::problem::{self, Lost};
use super::session::{Session, tag, written};
use super::url::Path;
use super::wire::{Answer, Request};
use super::{batch, dialect, form};
use crate::abi::status;
use crate::abi::types::flags as f;
use crate::failure::Failure;
use crate::far::{Far as _, RowsDone, RowsWritten, Shown, unsupported};
use crate::statements::{Row, Statement, Verb};

const JSON: &str = "application/json";
const PACKED: &str = "application/vnd.mantisdb.rows";
/// No columns, and the end.
const PACKED_NO_ROWS: &[u8] = b"\0\0\0\0\xff\xff\xff\xff";
/// Of the rows alone: other forms of a plan have the step that writes the document too.
const PLAN: &str = "application/vnd.pgrst.plan+text; for=\"application/x-ndjson\"";

/// Bytes of JSON as a page.
fn document(body: &[u8], count: u64) -> Shown {
    Shown { data: body.to_vec(), count, ..Shown::default() }
}

fn schema(table: &str) -> Result<Path, Failure> {
    if table.is_empty() {
        return Err(Failure::new(status::MANTIS_E_TABLE, code::NAME_INVALID, "a table has a name"));
    }
    Ok(Path::new("/schema/tables").part(table))
}

/// A request that defines; none is part of a transaction.
fn define(session: &mut Session, method: Method, table: &str, body: &str) -> Result<Answer, Failure> {
    if session.in_transaction() {
        let message = "a definition is not changed in a transaction";
        return Err(Failure::new(status::MANTIS_E_TABLE, code::ACTIVE_TRANSACTION, message));
    }
    let request = Request::write(method, schema(table)?);
    let request = if body.is_empty() { request } else { request.json(Bytes::copy_from_slice(body.as_bytes())) };
    Ok(session.send_alone(&request)?)
}

pub(super) fn create(session: &mut Session, table: &str, definition: &str) -> Result<(Shown, bool), Failure> {
    // An empty body would be no document in any case.
    let definition = if definition.is_empty() { " " } else { definition };
    let answer = define(session, Method::PUT, table, definition)?;
    Ok((document(answer.document()?, 1), answer.status == StatusCode::CREATED))
}

pub(super) fn alter(session: &mut Session, table: &str, change: &str) -> Result<Shown, Failure> {
    let change = if change.is_empty() { " " } else { change };
    Ok(document(define(session, Method::PATCH, table, change)?.document()?, 1))
}

pub(super) fn drop(session: &mut Session, table: &str) -> Result<(), Failure> {
    define(session, Method::DELETE, table, "").map(std::mem::drop)
}

pub(super) fn describe(session: &mut Session, table: &str) -> Result<Shown, Failure> {
    let answer = session.send_alone(&Request::get(schema(table)?))?;
    Ok(document(answer.document()?, 1))
}

pub(super) fn list(session: &mut Session) -> Result<Shown, Failure> {
    #[derive(Deserialize)]
    struct Listed<'a> {
        #[serde(borrow)]
        tables: &'a RawValue,
    }
    let answer = session.send_alone(&Request::get(Path::new("/schema/tables")))?;
    let Listed { tables } = answer.json()?;
    Ok(list_of(&form::list::<&RawValue>(tables, form::LISTED_MAX)?))
}

/// JSON texts as a list.
fn list_of(texts: &[&RawValue]) -> Shown {
    let texts: Vec<_> = texts.iter().map(|text| text.get()).collect();
    document(format!("[{}]", texts.join(",")).as_bytes(), texts.len() as u64)
}

pub(super) fn run(session: &mut Session, statement: &Statement<'_>, format: u32) -> Result<RowsDone, Failure> {
    let is_packed = format == f::MANTIS_ROWS_PACKED;
    let reads = matches!(statement.op, Verb::Select | Verb::Get | Verb::Count | Verb::Explain);
    if is_packed && !reads && statement.returns_rows() {
        return Err(unsupported("MANTIS_ROWS_PACKED of a write").with_hint("Ask for MANTIS_ROWS_JSON."));
    }
    if statement.table.is_empty() {
        return Err(Failure::new(status::MANTIS_E_TABLE, code::NO_TABLE, "a statement names a table"));
    }
    let mut done = match statement.op {
        Verb::Select | Verb::Count | Verb::Explain if statement.key.is_some() => {
            return Err(unsupported("a select, count or explain by `key`").with_hint("Use get, or a filter."));
        }
        Verb::Select => select(session, statement, is_packed)?,
        Verb::Get => get(session, statement, is_packed)?,
        Verb::Count => count(session, statement)?,
        Verb::Explain => {
            let request = Request::get(query(statement)).header("accept", PLAN);
            let answer = session.send(with_arguments(request, statement)?)?;
            RowsDone { shown: document(&answer.body, 0), written: None }
        }
        Verb::UpdateMany => update_many(session, statement)?,
        Verb::Update | Verb::Delete if statement.key.is_some() => write_row(session, statement)?,
        Verb::Insert | Verb::Update | Verb::Delete => write_rows(session, statement)?,
    };
    if is_packed && !reads {
        done.shown.data = PACKED_NO_ROWS.to_vec();
    }
    Ok(done)
}

/// A request with the arguments of a statement.
fn with_arguments(request: Request, statement: &Statement<'_>) -> Result<Request, Failure> {
    statement.check_arguments()?;
    if statement.arguments.is_empty() {
        return Ok(request);
    }
    Ok(request.header("mantisdb-arguments", dialect::arguments(&statement.arguments)?))
}

/// The path of the rows that a statement selects.
fn query(statement: &Statement<'_>) -> Path {
    let mut path = Path::new("/tables").part(&statement.table);
    for (name, condition) in dialect::parameters(&statement.filter) {
        path = path.with(name, condition);
    }
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    path.with_some("select", statement.select.as_deref().filter(|select| !select.is_empty()))
        .with_some("order", Some(&*statement.order).filter(|order| !order.is_empty()))
        .with_some("limit", number(statement.limit))
        .with_some("offset", number(statement.offset))
}

/// How many rows an answer shows, and how many there are if they were counted.
fn content_range(answer: &Answer) -> (u64, Option<u64>) {
    let range = answer.text("content-range").unwrap_or_default();
    let (rows, total) = range.split_once('/').unwrap_or((range, ""));
    let shown = rows.split_once('-').and_then(|(first, last)| {
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    });
    (shown.unwrap_or(0), total.parse().ok())
}

fn select(session: &mut Session, statement: &Statement<'_>, is_packed: bool) -> Result<RowsDone, Failure> {
    let accept = if is_packed { PACKED } else { JSON };
    let request = with_arguments(Request::get(query(statement)).header("accept", accept), statement)?;
    let request = if statement.count { request.header("prefer", "count=exact") } else { request };
    let answer = session.send(request)?;
    let (count, total) = content_range(&answer);
    Ok(RowsDone { shown: Shown { total, ..document(&answer.body, count) }, written: None })
}

/// Asks for the head of the rows' answer. An error there has no body, so it asks again.
fn count(session: &mut Session, statement: &Statement<'_>) -> Result<RowsDone, Failure> {
    let request = with_arguments(Request::get(query(statement)).header("accept", JSON), statement)?;
    let answer = match session.send(Request { method: Method::HEAD, ..request.clone() }) {
        Ok(answer) => answer,
        Err(Lost::Refused(_)) => session.send(request)?,
        Err(lost) => return Err(lost.into()),
    };
    let (count, _) = content_range(&answer);
    Ok(RowsDone { shown: Shown { total: Some(count), ..Shown::default() }, written: None })
}

/// The path of one row.
fn row(statement: &Statement<'_>) -> Result<Path, Failure> {
    let key = statement.key_texts().unwrap_or_default();
    if matches!(&*key, [key] if matches!(&**key, "" | "." | "..")) {
        return Err(unsupported("a key that is empty or of dots alone").with_hint("Select the row with a filter."));
    }
    let key: Vec<_> = key.iter().map(|value| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()).collect();
    let path = Path::new("/tables").part(&statement.table).then("/").then(&key.join(","));
    Ok(path.with_some("select", statement.select.as_deref().filter(|select| !select.is_empty())))
}

fn get(session: &mut Session, statement: &Statement<'_>, is_packed: bool) -> Result<RowsDone, Failure> {
    if statement.key.is_none() {
        return Err(Failure::misuse("a get names its row by `key`"));
    }
    let accept = if is_packed { PACKED } else { JSON };
    match session.send(Request::get(row(statement)?).header("accept", accept)) {
        Ok(answer) => {
            let version = tag(&answer.headers).unwrap_or(0);
            let shown = if is_packed { document(&answer.body, 1) } else { list_of_one(&answer.body) };
            Ok(RowsDone { shown: Shown { version, ..shown }, written: None })
        }
        Err(lost) if lost.code() == "row-not-found" => {
            let none: &[u8] = if is_packed { PACKED_NO_ROWS } else { b"[]" };
            Ok(RowsDone { shown: document(none, 0), written: None })
        }
        Err(lost) => Err(lost.into()),
    }
}

fn list_of_one(row: &[u8]) -> Shown {
    document(&[b"[", row, b"]"].concat(), 1)
}

/// An update or deletion of the row that `key` names.
fn write_row(session: &mut Session, statement: &Statement<'_>) -> Result<RowsDone, Failure> {
    if !statement.filter.is_empty() {
        return Err(unsupported("a write with a key and a filter"));
    }
    let method = if statement.op == Verb::Delete { Method::DELETE } else { Method::PATCH };
    let returned = if statement.returns_rows() { "return=representation" } else { "return=minimal" };
    let mut request = Request::write(method, row(statement)?).header("accept", JSON).header("prefer", returned);
    if statement.op == Verb::Update {
        request = request.json(object(&statement.set.clone().unwrap_or_default()));
    }
    if let Some(version) = statement.if_version {
        request = request.header("if-match", format!("\"v{version}\""));
    }
    let done = |count, shown, commit| Ok(RowsDone { shown, written: Some(RowsWritten { commit, count, inserted: 0 }) });
    match session.send(request) {
        Ok(answer) if statement.returns_rows() => done(1, list_of_one(&answer.body), written(&answer)),
        Ok(answer) => done(1, Shown::default(), written(&answer)),
        Err(Lost::Refused(refused)) if refused.problem.code == "row-not-found" => {
            let shown = if statement.returns_rows() { document(b"[]", 0) } else { Shown::default() };
            let nothing = mantis_db::Written { version: 0, durable: false, replaced: false };
            done(0, shown, nothing)
        }
        Err(Lost::Refused(refused)) if refused.problem.code == "precondition-failed" => Err(other_version()),
        Err(lost) => Err(lost.into()),
    }
}

fn other_version() -> Failure {
    Failure::new(
        status::MANTIS_E_TABLE,
        code::PRECONDITION_FAILED,
        "the row does not have the version that was asked for",
    )
}

fn update_many(session: &mut Session, statement: &Statement<'_>) -> Result<RowsDone, Failure> {
    if statement.if_version.is_some() {
        return Err(unsupported("an update of many rows with a version"));
    }
    let returned = if statement.returns_rows() { "return=representation" } else { "return=minimal" };
    let mut path = query(statement);
    if let Some(columns) = &statement.columns {
        path = path.with("columns", dialect::columns(columns.iter().map(AsRef::as_ref)));
    }
    let rows: Vec<_> = statement.rows.iter().flatten().map(object).collect();
    let request = Request::write(Method::PATCH, path)
        .header("accept", JSON)
        .header("prefer", format!("{returned},count=exact,missing=default"))
        .json(format!("[{}]", rows.join(",")));
    let answer = session.send(with_arguments(request, statement)?)?;
    let (_, count) = content_range(&answer);
    let count = count.ok_or_else(|| problem::malformed("it does not say how many rows were written"))?;
    let shown = if statement.returns_rows() { document(&answer.body, count) } else { Shown::default() };
    Ok(RowsDone { shown, written: Some(RowsWritten { commit: written(&answer), count, inserted: 0 }) })
}

/// A row as a JSON object.
fn object(row: &Row<'_>) -> String {
    let members: Vec<_> = row.iter().map(|(name, value)| format!("{}:{}", text(name), value.get())).collect();
    format!("{{{}}}", members.join(","))
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A write of any rows, as a batch of one operation.
fn write_rows(session: &mut Session, statement: &Statement<'_>) -> Result<RowsDone, Failure> {
    statement.check_arguments()?;
    if !statement.order.is_empty() || statement.limit.is_some() || statement.offset.is_some() {
        return Err(unsupported("an order, limit or offset of a write"));
    }
    let mut members: BTreeMap<&str, String> = BTreeMap::new();
    let op = match statement.op {
        Verb::Insert => "insert",
        Verb::Update => "update",
        _ => "delete",
    };
    members.insert("op", text(op));
    members.insert("table", text(&statement.table));
    if let Some(select) = &statement.select {
        members.insert("select", text(if select.is_empty() { "*" } else { select }));
    }
    if statement.op == Verb::Insert {
        let rows: Vec<_> = statement.rows.iter().flatten().map(|row| of_columns(statement, row)).collect();
        members.insert("rows", format!("[{}]", rows.join(",")));
        if let Some(resolution) = statement.resolution_name() {
            members.insert("resolution", text(resolution));
            if !statement.conflict_columns.is_empty() {
                let columns = dialect::columns(statement.conflict_columns.iter().map(AsRef::as_ref));
                members.insert("on_conflict", text(&columns));
            }
        }
    } else {
        if !statement.filter.is_empty() {
            members.insert("filter", text(&statement.filter));
        }
        if !statement.arguments.is_empty() {
            let arguments = statement.arguments.iter().map(|argument| dialect::argument_json(argument));
            members.insert("arguments", format!("[{}]", arguments.collect::<Result<Vec<_>, _>>()?.join(",")));
        }
        if let Some(version) = statement.if_version {
            members.insert("if_version", format!("\"{version}\""));
        }
    }
    if statement.op == Verb::Update {
        members.insert("set", of_columns(statement, &statement.set.clone().unwrap_or_default()));
    }
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let answer = match batch::send(session, &format!("{{{}}}", members.join(",")), true) {
        Ok(answer) => answer,
        Err(Lost::Refused(refused)) if refused.problem.code == "check-failed" => return Err(other_version()),
        Err(lost) => return Err(alone(lost.into())),
    };
    let [result] = &*batch::results(&answer, 1)? else {
        return Err(problem::malformed("a batch of one has one result"));
    };
    let result: batch::ResultIn<'_> = serde_json::from_str(result.get()).map_err(problem::malformed)?;
    let count = result.affected();
    let shown = result.rows.map_or_else(Shown::default, |rows| document(rows.get().as_bytes(), count));
    Ok(RowsDone { shown, written: Some(RowsWritten { commit: written(&answer), count, inserted: result.inserted }) })
}

/// A row with the columns that the statement names, if it does.
fn of_columns(statement: &Statement<'_>, row: &Row<'_>) -> String {
    match &statement.columns {
        None => object(row),
        Some(columns) => {
            let kept: Row<'_> = row
                .iter()
                .filter(|(name, _)| columns.contains(name))
                .map(|(name, value)| (Cow::Borrowed(&**name), *value))
                .collect();
            object(&kept)
        }
    }
}

/// A failure of a batch of one, without what only a batch says.
fn alone(failure: Failure) -> Failure {
    let of_store = [Code::StoreFull, Code::DiskFull, Code::MemoryFull];
    match of_store.into_iter().find(|code| code.as_str() == failure.code) {
        // A batch is refused with the code of keys before anybody looks at its operation.
        Some(code) => TableError::from(Error::new(code, failure.message)).into(),
        None => Failure { index: None, ..failure },
    }
}
