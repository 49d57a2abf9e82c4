//! Steps on tables, over HTTP.

use http::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH};
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::percent_encode;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answers::{code, commit, json_of, list};
use super::{Answered, Client, IN_QUERY, JSON};
use crate::answer::{Answer, Rows, exact};
use crate::scenario::tables::{
    DeleteRow, DeleteRows, GetRow, InsertRows, OnConflict, Row, RowList, RowQuery, UpdateManyRows, UpdateRow,
    UpdateRows, json_text, parameters,
};
use crate::scenario::{Operation, Step};

const PREFER: HeaderName = HeaderName::from_static("prefer");
// Of the rows alone; other forms have the step that writes the document too.
const PLAN: &str = "application/vnd.pgrst.plan+text; for=\"application/x-ndjson\"";

type Header = (HeaderName, HeaderValue);

impl Client {
    pub(super) async fn on_definition(&mut self, step: &Step, operation: &Operation) -> Answer {
        let json = || vec![(CONTENT_TYPE, HeaderValue::from_static(JSON))];
        match operation {
            Operation::CreateTable(create) => {
                let (path, body) = (schema(&create.table), create.schema.to_string());
                let answer = self.send_body(step, Method::PUT, &path, json(), body.into()).await;
                succeeded(&answer, |answer| Answer::Created(answer.status() == StatusCode::CREATED))
            }
            Operation::AlterTable(alter) => {
                let (path, body) = (schema(&alter.table), alter.changes.to_string());
                let answer = self.send_body(step, Method::PATCH, &path, json(), body.into()).await;
                succeeded(&answer, |_| Answer::Altered)
            }
            Operation::DropTable { table } => {
                let path = schema(table);
                let answer = self.send(step, Method::DELETE, &path, []).await;
                succeeded(&answer, |_| Answer::Dropped)
            }
            Operation::DescribeTable { table } => {
                let answer = self.send(step, Method::GET, &schema(table), []).await;
                succeeded(&answer, |answer| {
                    let document: Box<RawValue> = serde_json::from_slice(answer.body()).unwrap();
                    Answer::Definition(exact(&document))
                })
            }
            _ => {
                let answer = self.send(step, Method::GET, "/api/v1/schema/tables", []).await;
                succeeded(&answer, |answer| {
                    let name = |table: &Value| table["name"].as_str().unwrap().to_owned();
                    Answer::Tables(list(&json_of(answer)["tables"], name))
                })
            }
        }
    }

    pub(super) async fn on_rows(&mut self, step: &Step, operation: &Operation) -> Answer {
        match operation {
            Operation::GetRow(asked) => self.get_row(step, asked).await,
            Operation::SelectRows(asked) => {
                let answer = self.send(step, Method::GET, &page(asked), []).await;
                succeeded(&answer, |answer| Answer::Rows(Rows::read(answer.body())))
            }
            Operation::CountRows(asked) => {
                let answer = self.send(step, Method::HEAD, &page(asked), []).await;
                if answer.status().is_success() {
                    return Answer::Count(range(&answer).0);
                }
                // The answer to HEAD has no message.
                let same = self.send(step, Method::GET, &page(asked), []).await;
                assert_eq!(same.status(), answer.status());
                failed(&same)
            }
            Operation::ExplainRows(asked) => {
                let answer =
                    self.send(step, Method::GET, &page(asked), [(ACCEPT, HeaderValue::from_static(PLAN))]).await;
                succeeded(&answer, |answer| {
                    let text = std::str::from_utf8(answer.body()).unwrap();
                    Answer::Plan(text.lines().map(str::to_owned).collect())
                })
            }
            Operation::InsertRows(insert) => self.insert_rows(step, insert).await,
            Operation::UpdateRows(UpdateRows { table, filter, arguments, set, returning, order }) => {
                let path = path(table, &changed_pairs(filter, arguments, returning.as_ref(), order));
                self.change(step, Method::PATCH, &path, returning.as_ref(), object(set)).await
            }
            Operation::UpdateManyRows(UpdateManyRows { table, columns, rows }) => {
                let path = path(table, &column_pairs(columns.as_ref()));
                self.change(step, Method::PATCH, &path, None, array(rows)).await
            }
            Operation::DeleteRows(DeleteRows { table, filter, arguments, returning, order }) => {
                let path = path(table, &changed_pairs(filter, arguments, returning.as_ref(), order));
                self.change(step, Method::DELETE, &path, returning.as_ref(), String::new()).await
            }
            Operation::UpdateRow(UpdateRow { table, key, set, if_version, returning }) => {
                let path = row_path(table, key, returning.as_deref());
                self.change_row(step, Method::PATCH, &path, *if_version, returning.as_ref(), object(set)).await
            }
            Operation::DeleteRow(DeleteRow { table, key, if_version, returning }) => {
                let path = row_path(table, key, returning.as_deref());
                self.change_row(step, Method::DELETE, &path, *if_version, returning.as_ref(), String::new()).await
            }
            other => panic!("{other:?} is no operation on rows"),
        }
    }

    async fn get_row(&mut self, step: &Step, GetRow { table, key, select }: &GetRow) -> Answer {
        let path = row_path(table, key, Some(select));
        let answer = self.send(step, Method::GET, &path, []).await;
        match answer.status() {
            StatusCode::NOT_FOUND if code(&answer) == "row-not-found" => Answer::Row(None),
            _ => succeeded(&answer, |answer| Answer::Row(Some((Rows::read_one(answer.body()), version(answer))))),
        }
    }

    async fn insert_rows(&mut self, step: &Step, insert: &InsertRows) -> Answer {
        let InsertRows { table, columns, rows, on_conflict, conflict_columns, returning } = insert;
        let mut pairs = column_pairs(columns.as_ref());
        if !conflict_columns.is_empty() {
            pairs.push(("on_conflict".to_owned(), conflict_columns.join(",")));
        }
        pairs.extend(select_pair(returning.as_ref()));
        let resolution = match on_conflict {
            OnConflict::Fail => None,
            OnConflict::Ignore => Some("resolution=ignore-duplicates"),
            OnConflict::Merge => Some("resolution=merge-duplicates"),
        };
        let mut headers = preferences(returning.as_ref());
        headers.extend(resolution.map(|resolution| (PREFER, HeaderValue::from_static(resolution))));
        let answer = self.send_body(step, Method::POST, &path(table, &pairs), headers, array(rows).into()).await;
        changed(&answer, returning.as_ref())
    }

    async fn change(
        &mut self,
        step: &Step,
        method: Method,
        path: &str,
        returning: Option<&String>,
        body: String,
    ) -> Answer {
        let answer = self.send_body(step, method, path, preferences(returning), body.into()).await;
        changed(&answer, returning)
    }

    /// One row: HTTP says whether there is one by its status.
    async fn change_row(
        &mut self,
        step: &Step,
        method: Method,
        path: &str,
        if_version: Option<u64>,
        returning: Option<&String>,
        body: String,
    ) -> Answer {
        let mut headers = preferences(returning);
        headers
            .extend(if_version.map(|version| (IF_MATCH, HeaderValue::from_str(&format!("\"v{version}\"")).unwrap())));
        let answer = self.send_body(step, method, path, headers, body.into()).await;
        if answer.status() == StatusCode::NOT_FOUND && code(&answer) == "row-not-found" {
            let returned = returning.map(|_| Rows::default());
            return Answer::Changed { count: 0, commit: commit(&answer), returned };
        }
        succeeded(&answer, |answer| {
            let returned = returning.map(|_| Rows::read_one(answer.body()));
            Answer::Changed { count: 1, commit: commit(answer), returned }
        })
    }
}

/// Rows have PostgREST's form of errors, definitions that of problems.
fn failed(answer: &Answered) -> Answer {
    assert!(!answer.status().is_success());
    let body = json_of(answer);
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let message = text("message").or_else(|| text("detail")).unwrap();
    Answer::TableError { code: code(answer), message }
}

fn succeeded(answer: &Answered, shown: impl FnOnce(&Answered) -> Answer) -> Answer {
    if answer.status().is_success() { shown(answer) } else { failed(answer) }
}

fn changed(answer: &Answered, returning: Option<&String>) -> Answer {
    succeeded(answer, |answer| Answer::Changed {
        count: range(answer).1.unwrap(),
        commit: commit(answer),
        returned: returning.map(|_| Rows::read(answer.body())),
    })
}

/// How many rows `Content-Range` names, and how many there are in all if it says so.
fn range(answer: &Answered) -> (u64, Option<u64>) {
    let (rows, total) = answer.headers()[CONTENT_RANGE].to_str().unwrap().split_once('/').unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap();
    let rows = rows.split_once('-').map_or(0, |(first, last)| number(last) - number(first) + 1);
    (rows, (total != "*").then(|| number(total)))
}

/// The version in a row's tag, which for a part of its columns has a suffix. What is not committed has no tag.
fn version(answer: &Answered) -> u64 {
    let Some(tag) = answer.headers().get(ETAG) else { return 0 };
    let tag = tag.to_str().unwrap().strip_prefix("\"v").and_then(|rest| rest.strip_suffix('"')).unwrap();
    tag.split('-').next().unwrap().parse().unwrap()
}

fn preferences(returning: Option<&String>) -> Vec<Header> {
    let returning = if returning.is_some() { "return=representation, count=exact" } else { "count=exact" };
    vec![(CONTENT_TYPE, HeaderValue::from_static(JSON)), (PREFER, HeaderValue::from_static(returning))]
}

pub(super) fn object(row: &Row) -> String {
    json_text(&Value::Object(row.clone()))
}

pub(super) fn array(rows: &RowList) -> String {
    json_text(&rows.0.iter().map(|row| Value::Object(row.clone())).collect())
}

type Pairs = Vec<(String, String)>;

fn select_pair(select: Option<&String>) -> Option<(String, String)> {
    select.filter(|select| !select.is_empty()).map(|select| ("select".to_owned(), select.clone()))
}

fn column_pairs(columns: Option<&Vec<String>>) -> Pairs {
    columns.map(|columns| ("columns".to_owned(), columns.join(","))).into_iter().collect()
}

fn changed_pairs(filter: &str, arguments: &[Value], returning: Option<&String>, order: &str) -> Pairs {
    let mut pairs = filter_pairs(filter, arguments);
    pairs.extend(select_pair(returning));
    pairs.extend((!order.is_empty()).then(|| ("order".to_owned(), order.to_owned())));
    pairs
}

fn page(asked: &RowQuery) -> String {
    let mut pairs = changed_pairs(&asked.filter, &asked.arguments, Some(&asked.select), &asked.order);
    pairs.extend(asked.limit.map(|limit| ("limit".to_owned(), limit.to_string())));
    if asked.offset > 0 {
        pairs.push(("offset".to_owned(), asked.offset.to_string()));
    }
    path(&asked.table, &pairs)
}

/// A filter's parameters with its arguments in their places.
fn filter_pairs(filter: &str, arguments: &[Value]) -> Pairs {
    let pair = |(name, value): (&str, &str)| {
        let is_group = ["and", "or"].iter().any(|word| name == *word || name.ends_with(&format!(".{word}")));
        (name.to_owned(), with_arguments(value, arguments, is_group))
    };
    parameters(filter).into_iter().map(pair).collect()
}

/// Replaces `$1`: within parentheses by a quoted text.
fn with_arguments(value: &str, arguments: &[Value], is_group: bool) -> String {
    let mut out = String::new();
    let (mut rest, mut is_quoted, mut depth) = (value, false, usize::from(is_group));
    while let Some(character) = rest.chars().next() {
        if let Some(named) = rest.strip_prefix('$').filter(|_| !is_quoted) {
            let digits = named.bytes().take_while(u8::is_ascii_digit).count();
            let place: usize = named[..digits].parse().unwrap();
            out += &written(&arguments[place - 1], depth > 0);
            rest = &named[digits..];
            continue;
        }
        match character {
            '"' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth -= 1,
            _ => {}
        }
        out.push(character);
        rest = &rest[character.len_utf8()..];
    }
    out
}

fn written(argument: &Value, is_nested: bool) -> String {
    let text = argument.as_str().map_or_else(|| json_text(argument), str::to_owned);
    if !is_nested {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), &IN_QUERY).to_string()
}

fn schema(table: &str) -> String {
    format!("/api/v1/schema/tables/{}", encoded(table))
}

fn path(table: &str, pairs: &Pairs) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let path = format!("/api/v1/tables/{}", encoded(table));
    if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) }
}

fn row_path(table: &str, key: &[Value], select: Option<&str>) -> String {
    let key: Vec<_> = key.iter().map(|value| encoded(&written(value, false))).collect();
    let path = format!("/api/v1/tables/{}/{}", encoded(table), key.join(","));
    match select {
        None | Some("") => path,
        Some(select) => format!("{path}?select={}", encoded(select)),
    }
}
