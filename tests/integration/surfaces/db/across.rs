//! Steps across keys and tables, with the crate.

use jiff::tz::TimeZone;
use mantis_db::batch::{
    Applied, Argument, BatchError, BatchOptions, Cause, Done, Found as FoundThere, Matches, Operation, Reference,
    RowOperation, RowVerb,
};
use mantis_db::tables::feed::{FeedError, FeedEvent, FeedScope, RowChangeKind, TableEventKind, TableFeed};
use mantis_db::tables::types::Value;
use mantis_db::tables::{QueryText, Resolution, RowBatch, TableResult};
use mantis_db::{ChangeKind, Database, Session, Since};
use mantis_dialect::{Parser, Query};

use super::tables::{batch_of, failed, texts_of};
use super::{batch_operation, result_of};
use crate::answer::{Answer, Change, Commit, Event, Found, Rows, RowsResult};
use crate::scenario::across::{self, Made, OperationAcross, RowChanges, RowsOperation, Verb};
use crate::scenario::tables::{OnConflict, Row, json_text};

/// Changes of a page: HTTP's number.
const PAGE_MAX: usize = 100;

pub(super) async fn batch(database: &Database, session: &mut Session, batch: &across::Batch) -> Answer {
    let sets: Vec<_> = batch.ops.iter().map(values).collect();
    let mut operations = Vec::new();
    for (index, (operation, values)) in batch.ops.iter().zip(&sets).enumerate() {
        match read(operation, values) {
            Ok(operation) => operations.push(operation),
            Err(error) => return stopped(Some(index), error),
        }
    }
    let options = BatchOptions { needs_filter: true, ..BatchOptions::default() };
    match session.batch(&operations, &database.environment(TimeZone::UTC), &options).await {
        Err(BatchError { index, cause }) => stopped(index, error_of(&cause)),
        Ok(Applied::Refused(refusals)) => Answer::BatchStopped(
            refusals
                .into_iter()
                .map(|refusal| (refusal.index, found(&operations[refusal.index], refusal.found)))
                .collect(),
        ),
        Ok(Applied::Committed { version, durable, results }) => Answer::BatchDone {
            commit: Commit { version, durable },
            results: operations.iter().zip(results).map(|(operation, done)| result(operation, done)).collect(),
        },
    }
}

fn stopped(operation: Option<usize>, error: Answer) -> Answer {
    Answer::BatchFailed { operation, error: Box::new(error) }
}

fn error_of(cause: &Cause) -> Answer {
    match cause {
        Cause::Db(error) => Answer::Error(error.code().as_str().to_owned()),
        Cause::Table(error) => failed(error),
    }
}

fn found(operation: &Operation<'_>, found: FoundThere) -> Found {
    match found {
        FoundThere::Key { version } => Found::Key { current: version },
        FoundThere::Rows { count, version } => {
            assert!(matches!(operation, Operation::Row(_)), "rows were counted");
            Found::Rows { matched: count, version }
        }
    }
}

fn result(operation: &Operation<'_>, done: Done) -> RowsResult {
    let returned = |rows: Option<Vec<u8>>| rows.map(|rows| Rows::read(&rows));
    match done {
        Done::Key(result) => RowsResult::Key(result_of(result)),
        Done::Checked => RowsResult::Checked,
        Done::Selected(rows) => RowsResult::Selected(Rows::read(&rows)),
        Done::Written { affected, inserted, rows } => match operation {
            Operation::Row(row) if matches!(row.verb, RowVerb::Insert { .. }) => {
                RowsResult::Inserted { inserted, updated: affected - inserted, returned: returned(rows) }
            }
            Operation::Row(row) if matches!(row.verb, RowVerb::Delete) => {
                RowsResult::Deleted { count: affected, returned: returned(rows) }
            }
            _ => RowsResult::Updated { count: affected, returned: returned(rows) },
        },
    }
}

/// The columns and values of an operation's rows, as JSON texts.
struct Values {
    columns: Vec<String>,
    texts: Vec<String>,
    rows: usize,
}

fn values(operation: &OperationAcross) -> Values {
    let OperationAcross::Rows(operation) = operation else {
        return Values { columns: Vec::new(), texts: Vec::new(), rows: 0 };
    };
    let set = operation.set.clone().map(|set| vec![set]);
    let rows = operation.rows.as_ref().map(|rows| rows.0.clone()).or(set).unwrap_or_else(|| vec![Row::new()]);
    let columns: Vec<_> = rows.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
    Values { texts: texts_of(&columns, &rows), columns, rows: rows.len() }
}

fn read<'o>(operation: &'o OperationAcross, values: &'o Values) -> Result<Operation<'o>, Answer> {
    match operation {
        OperationAcross::Keys(operation) => match batch_operation(&operation.operation) {
            Ok(op) => Ok(Operation::Key { bucket: operation.bucket.as_str().into(), op }),
            Err(error) => Err(Answer::Error(error.code().as_str().to_owned())),
        },
        OperationAcross::Rows(operation) => match on_rows(operation, values) {
            Ok(operation) => Ok(operation.into()),
            Err(error) => Err(failed(&error)),
        },
    }
}

fn on_rows<'o>(operation: &'o RowsOperation, values: &'o Values) -> TableResult<RowOperation<'o>> {
    let select = operation.select.as_deref().unwrap_or_default();
    let mut query = QueryText { filter: &operation.filter, select, order: &operation.order }.parse()?;
    query.root.limit = operation.limit;
    query.root.offset = operation.offset;
    if !operation.conflict_columns.is_empty() {
        query.on_conflict = Some(operation.conflict_columns.iter().map(|column| column.as_str().into()).collect());
    }
    let from = operation.from.iter().map(|(column, made)| (column.as_str().into(), reference(made))).collect();
    let rows: RowBatch<'_> = batch_of(&values.columns, &values.texts, values.rows);
    let verb = match operation.op {
        Verb::Select => RowVerb::Select,
        Verb::Delete => RowVerb::Delete,
        Verb::Check => RowVerb::Check,
        Verb::Update => RowVerb::Update { set: rows, from },
        Verb::Insert => RowVerb::Insert {
            rows,
            from,
            resolution: match operation.on_conflict {
                OnConflict::Fail => Resolution::Fail,
                OnConflict::Ignore => Resolution::Ignore,
                OnConflict::Merge => Resolution::Merge,
            },
        },
    };
    let matches = operation.matches.map(|matches| match matches {
        across::Matches::Exactly(rows) => Matches::exactly(rows),
        across::Matches::Between { min, max } => Matches { min, max },
    });
    Ok(RowOperation {
        arguments: operation.arguments.iter().map(argument_of).collect(),
        matches,
        if_version: operation.if_version,
        returns_rows: operation.select.is_some(),
        ..RowOperation::new(operation.table.as_str(), query, verb)
    })
}

fn argument_of(given: &serde_json::Value) -> Argument {
    if given.get("operation").is_some() {
        return Argument::Reference(reference(&serde_json::from_value(given.clone()).unwrap()));
    }
    // HTTP has no other types of arguments than texts.
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| json_text(value), str::to_owned);
    Argument::Value(match given {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| format!("{:?}", text(item))).collect();
            Value::Text(format!("{{{}}}", items.join(",")).into())
        }
        other => Value::Text(text(other).into()),
    })
}

fn reference(made: &Made) -> Reference {
    Reference { operation: usize::try_from(made.operation).unwrap(), column: made.column.clone() }
}

/// The changes after `since`, and the cursor to go on from.
pub(super) async fn changes(
    session: &mut Session,
    asked: &RowChanges,
    since: Since,
) -> Result<(Answer, String), Answer> {
    let scope = scope(asked).map_err(|error| failed(&error))?;
    let page = session.feed(&scope, &since, PAGE_MAX).await.map_err(|error| match error {
        FeedError::Feed(error) => Answer::Error(error.code().as_str().to_owned()),
        FeedError::Table(error) => failed(&error),
        other => panic!("{other}"),
    })?;
    assert!(page.at_end, "no scenario makes more changes than a page has");
    Ok((Answer::Events(page.events.into_iter().map(event).collect()), page.cursor))
}

fn scope(asked: &RowChanges) -> TableResult<FeedScope> {
    let Some(table) = &asked.table else { return Ok(FeedScope::All) };
    let mut query: Query = Parser::default().texts(&asked.filter, &asked.select, "")?;
    if asked.select.is_empty() {
        query.select = None;
    }
    Ok(FeedScope::Table(TableFeed::new(table, query)?))
}

fn event(event: FeedEvent) -> Event {
    let one = |json: Option<bytes::Bytes>| json.map(|json| Rows::read_one(&json));
    match event {
        FeedEvent::Key(change) => Event::Key(Change {
            kind: if change.kind == ChangeKind::Put { "put" } else { "delete" }.to_owned(),
            bucket: change.bucket,
            key: change.key,
            value: change.value.map(|(_, value)| value.to_vec()),
            version: change.version,
            previous_version: change.previous_version,
        }),
        FeedEvent::Row(change) => Event::Row {
            kind: match change.kind {
                RowChangeKind::Insert => "insert",
                RowChangeKind::Update => "update",
                RowChangeKind::Delete => "delete",
            }
            .to_owned(),
            table: change.table,
            schema_version: change.schema_version.into(),
            key: one(change.key),
            row: one(change.row),
            old: one(change.old),
            matches_old: change.matches.old,
            matches_new: change.matches.new,
            version: change.version,
            previous_version: change.previous_version,
        },
        FeedEvent::Table(event) => Event::Table {
            kind: match event.kind {
                TableEventKind::Create => "create",
                TableEventKind::Alter => "alter",
                TableEventKind::Drop => "drop",
            }
            .to_owned(),
            table: event.table,
            schema_version: event.schema_version.into(),
            columns: event.schema.map(|schema| schema.columns.into_iter().map(|column| column.name).collect()),
            version: event.version,
            previous_version: event.previous_version,
        },
        other => panic!("{other:?}"),
    }
}
