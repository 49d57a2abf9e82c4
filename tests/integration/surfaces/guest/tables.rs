//! Steps on tables, in the component's form. A plugin's values have types, and the data's have not: what types a step meets is learnt from a
//! rehearsal with the crate, on a database of its own.

use jiff::tz::TimeZone;
use mantis_db::Grants;
use mantis_db::tables::Environment;
use mantis_db::tables::query::OutputColumn;
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::types::{Numeric, Scalar, Type, Value, from_json, from_text, write_json, write_text};
use serde_json::{Value as Json, json};

use super::{bytes_of, case, commit, number, signed};
use crate::answer::{Answer, Rows};
use crate::scenario::tables::{
    DeleteRow, DeleteRows, GetRow, InsertRows, OnConflict, Row, RowQuery, UpdateManyRows, UpdateRow, UpdateRows,
    json_text,
};
use crate::scenario::{Operation, Scenario, Step};
use crate::surface::{Place, Stage};
use crate::surfaces::db::{Player, prepare};

/// What is known of the types of a step on rows.
#[derive(Default)]
pub(crate) struct Types {
    /// The table, if there is one.
    table: Option<TableDocument>,
    /// The columns of the rows that the step shows.
    shown: Vec<OutputColumn>,
}

/// Does the steps with the crate, and returns the types that each meets.
pub(crate) async fn rehearse(scenario: &Scenario, place: Place) -> Vec<Types> {
    let stage = Stage::new(scenario, place);
    prepare(&stage, scenario).await;
    let everything = stage.with_grants(Grants::all());
    let mut player = Player::new(stage);
    let mut types = Vec::new();
    for step in &scenario.steps {
        let table = match table_of(&step.operation) {
            Some(name) => everything.database.session().describe_table(name).await.ok(),
            None => None,
        };
        player.play(step).await;
        types.push(Types { table, shown: std::mem::take(&mut player.shown) });
    }
    types
}

/// The table that a step on rows is about.
fn table_of(operation: &Operation) -> Option<&str> {
    Some(match operation {
        Operation::GetRow(GetRow { table, .. })
        | Operation::SelectRows(RowQuery { table, .. })
        | Operation::CountRows(RowQuery { table, .. })
        | Operation::ExplainRows(RowQuery { table, .. })
        | Operation::InsertRows(InsertRows { table, .. })
        | Operation::UpdateRows(UpdateRows { table, .. })
        | Operation::UpdateRow(UpdateRow { table, .. })
        | Operation::UpdateManyRows(UpdateManyRows { table, .. })
        | Operation::DeleteRows(DeleteRows { table, .. })
        | Operation::DeleteRow(DeleteRow { table, .. }) => table,
        _ => return None,
    })
}

/// A step on rows as the component takes it.
pub(super) fn operation(step: &Step, types: &Types) -> Json {
    let call = match &step.operation {
        Operation::GetRow(GetRow { key, select, .. }) => json!({ "get": [types.key(key), select] }),
        Operation::SelectRows(asked) => json!({ "select": query(asked) }),
        Operation::CountRows(asked) => json!({ "count": query(asked) }),
        Operation::ExplainRows(asked) => json!({ "explain": query(asked) }),
        Operation::InsertRows(insert) => {
            let columns = insert.rows.columns(insert.columns.as_ref());
            let on_conflict = match insert.on_conflict {
                OnConflict::Fail => "fail",
                OnConflict::Ignore => "ignore",
                OnConflict::Merge => "merge",
            };
            json!({ "insert": {
                "rows": types.rows(&columns, &insert.rows.0), "columns": columns, "on-conflict": on_conflict,
                "conflict-columns": insert.conflict_columns, "returning": insert.returning,
            } })
        }
        Operation::UpdateManyRows(update) => {
            let columns = update.rows.columns(update.columns.as_ref());
            json!({ "update-many": [columns, types.rows(&columns, &update.rows.0)] })
        }
        Operation::UpdateRows(UpdateRows { filter, arguments, set, returning, order, .. }) => {
            let asked = asked(filter, &arguments.iter().map(argument).collect::<Vec<_>>(), returning.as_ref(), order);
            json!({ "update": [asked, types.assigned(set), null] })
        }
        Operation::DeleteRows(DeleteRows { filter, arguments, returning, order, .. }) => {
            let asked = asked(filter, &arguments.iter().map(argument).collect::<Vec<_>>(), returning.as_ref(), order);
            json!({ "delete": [asked, null] })
        }
        Operation::UpdateRow(UpdateRow { key, set, if_version, returning, .. }) => {
            let asked = asked(&types.key_filter(), &types.key(key), returning.as_ref(), "");
            json!({ "update": [asked, types.assigned(set), version(*if_version)] })
        }
        Operation::DeleteRow(DeleteRow { key, if_version, returning, .. }) => {
            let asked = asked(&types.key_filter(), &types.key(key), returning.as_ref(), "");
            json!({ "delete": [asked, version(*if_version)] })
        }
        other => panic!("{other:?} is no operation on rows"),
    };
    json!({ "on-table": [table_of(&step.operation), call] })
}

fn version(version: Option<u64>) -> Json {
    version.map_or(Json::Null, |version| version.to_string().into())
}

fn query(asked: &RowQuery) -> Json {
    let RowQuery { filter, arguments, select, order, limit, offset, .. } = asked;
    let arguments: Vec<_> = arguments.iter().map(argument).collect();
    json!({ "filter": filter, "arguments": arguments, "select": select, "order": order, "limit": limit, "offset": offset })
}

/// Which rows are changed, and what is shown of them.
fn asked(filter: &str, arguments: &[Json], returning: Option<&String>, order: &str) -> Json {
    json!({ "filter": filter, "arguments": arguments, "select": returning.map_or("", String::as_str), "order": order,
            "limit": null, "offset": 0 })
}

/// An argument of the type that JSON shows.
fn argument(value: &Json) -> Json {
    match value {
        Json::Null => json!("null"),
        Json::Bool(value) => json!({ "boolean": value }),
        Json::Number(number) if number.is_i64() => json!({ "integer": number.to_string() }),
        Json::Number(number) => json!({ "double": number }),
        Json::String(text) => json!({ "text": text }),
        digits => json!({ "numeric": json_text(digits) }),
    }
}

impl Types {
    fn column(&self, name: &str) -> Option<Type> {
        let column = self.table.as_ref()?.columns.iter().find(|column| column.name == name)?;
        Type::parse(&column.r#type).ok()
    }

    fn key_columns(&self) -> &[String] {
        self.table.as_ref().and_then(|table| table.primary_key.as_ref()).map_or(&[], |key| &key.columns)
    }

    /// The values of a primary key.
    fn key(&self, key: &[Json]) -> Vec<Json> {
        let columns = self.key_columns();
        let value = |(place, value): (usize, &Json)| {
            let column = columns.get(place).and_then(|name: &String| self.column(name));
            typed(column, value)
        };
        key.iter().enumerate().map(value).collect()
    }

    /// A filter for the row whose key's values are the arguments.
    fn key_filter(&self) -> String {
        let condition = |(place, name): (usize, &String)| format!("\"{name}\"=eq.${}", place + 1);
        self.key_columns().iter().enumerate().map(condition).collect::<Vec<_>>().join("&")
    }

    fn rows(&self, columns: &[String], rows: &[Row]) -> Vec<Vec<Json>> {
        let row = |row: &Row| columns.iter().map(|name| typed(self.column(name), &row[name])).collect();
        rows.iter().map(row).collect()
    }

    fn assigned(&self, set: &Row) -> Vec<Json> {
        set.iter().map(|(name, value)| json!([name, typed(self.column(name), value)])).collect()
    }
}

/// A value of a column's type; what is none is a text, about which the host says what is wrong.
fn typed(column: Option<Type>, value: &Json) -> Json {
    if value.is_null() {
        return json!("null");
    }
    let unbounded = |r#type: Type| Type {
        scalar: match r#type.scalar {
            Scalar::Varchar(_) | Scalar::Char(_) => Scalar::Text,
            Scalar::Numeric(_) => Scalar::Numeric(None),
            scalar => scalar,
        },
        ..r#type
    };
    let text = json_text(value);
    let read = column.map(unbounded).and_then(|r#type| Some((from_json(&text, r#type, &utc()).ok()?, r#type)));
    match read {
        Some((value, r#type)) => written(&value, r#type),
        None => json!({ "text": value.as_str().map_or(text, str::to_owned) }),
    }
}

fn utc() -> Environment {
    Environment { time_zone: TimeZone::UTC, now_us: 0, random: std::sync::Arc::new(mantis_db::SeededRandom::new(1)) }
}

/// A value in the component's form.
fn written(value: &Value<'_>, r#type: Type) -> Json {
    match value {
        Value::Null => json!("null"),
        Value::Boolean(value) => json!({ "boolean": value }),
        Value::Integer(value) => json!({ "integer": value.to_string() }),
        Value::Real(value) if value.is_finite() => json!({ "real": value }),
        Value::Double(value) if value.is_finite() => json!({ "double": value }),
        Value::Real(_) => json!({ "real": text_of(value, r#type) }),
        Value::Double(_) => json!({ "double": text_of(value, r#type) }),
        Value::Numeric(_) => json!({ "numeric": text_of(value, r#type) }),
        Value::Text(value) => json!({ "text": value }),
        Value::Bytes(value) => json!({ "bytes": { "base64": super::base64(value) } }),
        Value::Timestamp(value) => json!({ "timestamp": value.to_string() }),
        Value::Date(value) => json!({ "date": value }),
        Value::Time(value) => json!({ "time": value }),
        Value::Uuid(bytes) => {
            let half = |half: &[u8]| u64::from_be_bytes(half.try_into().unwrap()).to_string();
            json!({ "uuid": [half(&bytes[..8]), half(&bytes[8..])] })
        }
        Value::Json(value) => json!({ "json": value }),
        Value::Array(_) => json!({ "array": text_of(value, r#type) }),
    }
}

fn text_of(value: &Value<'_>, r#type: Type) -> String {
    let mut text = String::new();
    write_text(value, r#type, &utc(), &mut text);
    text
}

/// The component's answer to a step on rows.
pub(super) fn shown(answer: &Json, types: &Types) -> Option<Answer> {
    let (case, payload) = case(answer);
    Some(match case {
        "row" if payload.is_null() => Answer::Row(None),
        "row" => Answer::Row(Some((types.read(&json!([payload[0]])), number(&payload[1])))),
        "rows" => Answer::Rows(types.read_named(payload)),
        "plan" => Answer::Plan(payload.as_str().unwrap().lines().map(str::to_owned).collect()),
        "changed" => Answer::Changed {
            count: number(&payload["count"]),
            commit: commit(&payload["written"]),
            returned: Some(&payload["returned"]).filter(|rows| !rows.is_null()).map(|rows| types.read_named(rows)),
        },
        "failed" => {
            let text = |name: &str| payload[name].as_str().unwrap().to_owned();
            // Details and a hint follow on lines of their own.
            Answer::TableError {
                code: text("code"),
                message: text("message").lines().next().unwrap_or_default().to_owned(),
            }
        }
        _ => return None,
    })
}

impl Types {
    fn read_named(&self, rows: &Json) -> Rows {
        let names = rows["columns"].as_array().unwrap();
        let expected: Vec<_> = self.shown.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(*names, expected, "the columns of the rows");
        self.read(&rows["rows"])
    }

    fn read(&self, rows: &Json) -> Rows {
        let row = |row: &Json| {
            let values = row.as_array().unwrap();
            assert_eq!(values.len(), self.shown.len(), "a value for each column");
            let member =
                |(column, value): (&OutputColumn, &Json)| format!("{}:{}", json!(column.name), read(value, column));
            format!("{{{}}}", self.shown.iter().zip(values).map(member).collect::<Vec<_>>().join(","))
        };
        let rows: Vec<_> = rows.as_array().unwrap().iter().map(row).collect();
        Rows::read(format!("[{}]", rows.join(",")).as_bytes())
    }
}

/// A value of the component as JSON, as HTTP writes it.
fn read(value: &Json, column: &OutputColumn) -> String {
    let (case, payload) = case(value);
    let text = || payload.as_str().unwrap();
    let float = || payload.as_f64().unwrap_or_else(|| text().parse().unwrap());
    let Some(r#type) = column.r#type else {
        assert!(["json", "null"].contains(&case), "embedded rows are JSON");
        return payload.as_str().unwrap_or("null").to_owned();
    };
    let value = match case {
        "null" => Value::Null,
        "boolean" => Value::Boolean(payload.as_bool().unwrap()),
        "integer" => Value::Integer(signed(payload)),
        #[allow(clippy::cast_possible_truncation, reason = "it was one")]
        "real" => Value::Real(float() as f32),
        "double" => Value::Double(float()),
        "numeric" => Value::Numeric(Numeric::parse(text()).unwrap()),
        "text" => Value::Text(text().into()),
        "bytes" => Value::Bytes(bytes_of(payload).unwrap().into()),
        "timestamp" => Value::Timestamp(signed(payload)),
        "date" => Value::Date(i32::try_from(signed(payload)).unwrap()),
        "time" => Value::Time(signed(payload)),
        "uuid" => {
            let halves = [number(&payload[0]), number(&payload[1])].map(u64::to_be_bytes);
            Value::Uuid(halves.concat().try_into().unwrap())
        }
        "json" => Value::Json(text().into()),
        "array" => from_text(text(), r#type, &utc()).unwrap(),
        other => panic!("the mirror answered {other}"),
    };
    let mut json = Vec::new();
    write_json(&value, r#type, &utc(), &mut json);
    String::from_utf8(json).unwrap()
}
