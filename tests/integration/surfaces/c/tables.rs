//! Steps on tables: definitions, and statements as JSON.

use std::fmt::Write;

use mantisdb_c::status::MANTIS_NOT_FOUND;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::calls::{Connection, Result};
use super::json_of;
use crate::answer::{Answer, Rows, exact};
use crate::scenario::Operation;
use crate::scenario::tables::{Row, RowList, RowQuery, json_text};

pub(super) fn answer(connection: &mut Connection, operation: &Operation) -> Result<Answer> {
    match operation {
        Operation::CreateTable(create) => {
            Ok(Answer::Created(connection.create_table(&create.table, &create.schema.to_string())?))
        }
        Operation::AlterTable(alter) => {
            connection.alter_table(&alter.table, &alter.changes.to_string())?;
            Ok(Answer::Altered)
        }
        Operation::DropTable { table } => connection.drop_table(table).map(|()| Answer::Dropped),
        Operation::DescribeTable { table } => {
            let document = String::from_utf8(connection.describe_table(table)?.data).unwrap();
            Ok(Answer::Definition(exact(&RawValue::from_string(document).unwrap())))
        }
        Operation::Tables {} => {
            let documents = json_of(&connection.tables()?.data);
            let name = |document: &Value| document["name"].as_str().unwrap().to_owned();
            Ok(Answer::Tables(documents.as_array().unwrap().iter().map(name).collect()))
        }
        operation => on_rows(connection, operation),
    }
}

/// A statement's JSON, in which numbers keep their digits.
struct Statement(String);

impl Statement {
    fn new(op: &str, table: &str) -> Self {
        Self(format!("{{\"op\":{},\"table\":{}", json!(op), json!(table)))
    }

    fn with(mut self, name: &str, value: &Value) -> Self {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    fn with_some(self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.with(name, &value),
            None => self,
        }
    }

    /// Members whose texts, when empty, are as good as not given.
    fn with_texts<const N: usize>(self, texts: [(&str, &str); N]) -> Self {
        texts.into_iter().fold(
            self,
            |all, (name, text)| {
                if text.is_empty() { all } else { all.with(name, &json!(text)) }
            },
        )
    }

    fn with_exact(mut self, name: &str, value: &Value) -> Self {
        let _ = write!(self.0, ",\"{name}\":{}", json_text(value));
        self
    }

    fn with_row(self, row: &Row) -> Self {
        self.with_exact("set", &Value::Object(row.clone()))
    }

    fn with_rows(self, rows: &RowList, columns: Option<&Vec<String>>) -> Self {
        let list = rows.0.iter().cloned().map(Value::Object).collect();
        self.with_some("columns", columns.map(|columns| json!(columns))).with_exact("rows", &list)
    }

    fn text(self) -> String {
        self.0 + "}"
    }
}

fn on_rows(connection: &mut Connection, operation: &Operation) -> Result<Answer> {
    match operation {
        Operation::GetRow(asked) => {
            let statement = Statement::new("get", &asked.table).with_exact("key", &asked.key.clone().into());
            let statement = statement.with("select", &json!(asked.select));
            let (status, page) = connection.rows(&statement.text())?;
            let is_there = status != MANTIS_NOT_FOUND;
            assert_eq!(page.count, u64::from(is_there));
            Ok(Answer::Row(is_there.then(|| (Rows::read(&page.data), page.version))))
        }
        Operation::SelectRows(asked) => {
            let (_, page) = connection.rows(&query("select", asked))?;
            let rows = Rows::read(&page.data);
            assert_eq!(rows.rows.len() as u64, page.count);
            Ok(Answer::Rows(rows))
        }
        Operation::CountRows(asked) => Ok(Answer::Count(connection.rows(&query("count", asked))?.1.total)),
        Operation::ExplainRows(asked) => {
            let plan = String::from_utf8(connection.rows(&query("explain", asked))?.1.data).unwrap();
            Ok(Answer::Plan(plan.lines().map(str::to_owned).collect()))
        }
        Operation::InsertRows(insert) => {
            let statement = Statement::new("insert", &insert.table).with_rows(&insert.rows, insert.columns.as_ref());
            let statement = statement.with("on_conflict", &json!(insert.on_conflict));
            let columns = (!insert.conflict_columns.is_empty()).then(|| json!(insert.conflict_columns));
            write(connection, statement.with_some("conflict_columns", columns), insert.returning.as_deref())
        }
        Operation::UpdateRows(update) => {
            let statement = Statement::new("update", &update.table).with_row(&update.set);
            let statement = statement.with_texts([("filter", &update.filter), ("order", &update.order)]);
            write(connection, arguments(statement, &update.arguments), update.returning.as_deref())
        }
        Operation::UpdateRow(update) => {
            let statement = Statement::new("update", &update.table).with_row(&update.set);
            let statement = statement.with_exact("key", &update.key.clone().into());
            write(connection, version(statement, update.if_version), update.returning.as_deref())
        }
        Operation::UpdateManyRows(update) => {
            let statement = Statement::new("update-many", &update.table);
            write(connection, statement.with_rows(&update.rows, update.columns.as_ref()), None)
        }
        Operation::DeleteRows(delete) => {
            let statement = Statement::new("delete", &delete.table);
            let statement = statement.with_texts([("filter", &delete.filter), ("order", &delete.order)]);
            write(connection, arguments(statement, &delete.arguments), delete.returning.as_deref())
        }
        Operation::DeleteRow(delete) => {
            let statement = Statement::new("delete", &delete.table).with_exact("key", &delete.key.clone().into());
            write(connection, version(statement, delete.if_version), delete.returning.as_deref())
        }
        other => panic!("{other:?} is no operation on rows"),
    }
}

fn query(op: &str, asked: &RowQuery) -> String {
    let statement = Statement::new(op, &asked.table)
        .with_texts([("filter", &asked.filter), ("select", &asked.select), ("order", &asked.order)])
        .with_some("limit", asked.limit.map(|limit| json!(limit)))
        .with("offset", &json!(asked.offset));
    arguments(statement, &asked.arguments).text()
}

/// A number that must keep its digits stays the object that the scenarios have for it.
fn arguments(statement: Statement, arguments: &[Value]) -> Statement {
    if arguments.is_empty() { statement } else { statement.with("arguments", &json!(arguments)) }
}

fn version(statement: Statement, if_version: Option<u64>) -> Statement {
    statement.with_some("if_version", if_version.map(|version| json!(version)))
}

fn write(connection: &mut Connection, statement: Statement, returning: Option<&str>) -> Result<Answer> {
    let statement = statement.with_some("select", returning.map(|select| json!(select)));
    let (_, page) = connection.rows(&statement.text())?;
    let (count, commit) = (connection.written().count, connection.written_commit());
    Ok(Answer::Changed { count, commit, returned: returning.map(|_| Rows::read(&page.data)) })
}
