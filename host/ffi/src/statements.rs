//! Statements on rows, and batches of operations on keys and rows, as JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_STANDARD, Engine};
use mantis_db::batch::{Argument, Matches, Operation, Reference, RowOperation, RowVerb};
use mantis_db::limits::TABLE_COLUMNS_MAX;
use mantis_db::tables::types::{Numeric, Value};
use mantis_db::tables::{Input, Query, QueryText, QueryTexts, Resolution, RowBatch};
use mantis_db::{DEFAULT_BUCKET, Expect, MediaType, Op, SetOptions, Span};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::abi::status;
use crate::failure::Failure;

/// Bytes of a statement or batch.
const STATEMENT_BYTES_MAX: usize = 64 << 20;
/// Values of the rows of a statement: each takes memory, also one that is not given.
const VALUES_MAX: usize = 1_000_000;
/// Arguments of a statement.
const ARGUMENTS_MAX: usize = 100;

/// A row as it is given.
type Row<'s> = BTreeMap<Cow<'s, str>, &'s RawValue>;

/// A statement on the rows of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement<'s> {
    pub(crate) op: Verb,
    #[serde(borrow)]
    pub(crate) table: Cow<'s, str>,
    #[serde(borrow, default)]
    filter: Cow<'s, str>,
    #[serde(borrow, default)]
    arguments: Vec<&'s RawValue>,
    #[serde(borrow, default)]
    select: Option<Cow<'s, str>>,
    #[serde(borrow, default)]
    order: Cow<'s, str>,
    #[serde(default)]
    limit: Option<u64>,
    #[serde(default)]
    offset: Option<u64>,
    /// The primary key.
    #[serde(borrow, default)]
    key: Option<Vec<&'s RawValue>>,
    /// Whether a select counts all rows too.
    #[serde(default)]
    pub(crate) count: bool,
    #[serde(borrow, default)]
    columns: Option<Vec<Cow<'s, str>>>,
    #[serde(borrow, default)]
    rows: Option<Vec<Row<'s>>>,
    #[serde(borrow, default)]
    set: Option<Row<'s>>,
    #[serde(default)]
    on_conflict: OnConflict,
    #[serde(borrow, default)]
    conflict_columns: Vec<Cow<'s, str>>,
    #[serde(default)]
    pub(crate) if_version: Option<u64>,
    /// Of a batch: how many rows there must be.
    #[serde(default)]
    matches: Option<MatchesIn>,
    /// Of a batch: columns with values that earlier operations made.
    #[serde(borrow, default)]
    from: BTreeMap<Cow<'s, str>, Made>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verb {
    Select,
    Get,
    Count,
    Explain,
    Insert,
    Update,
    UpdateMany,
    Delete,
    /// Of a batch alone.
    Check,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnConflict {
    #[default]
    Fail,
    Ignore,
    Merge,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum MatchesIn {
    Exactly(u64),
    Between {
        #[serde(default)]
        min: u64,
        #[serde(default)]
        max: Option<u64>,
    },
}

/// A column of the one row that an earlier operation wrote.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    operation: usize,
    column: String,
}

impl From<Made> for Reference {
    fn from(made: Made) -> Self {
        Self { operation: made.operation, column: made.column }
    }
}

/// Reads a JSON text of bounded size.
///
/// # Errors
/// Misuse: what is wrong, and where.
pub(crate) fn parse<'s, T: Deserialize<'s>>(text: &'s str, name: &str) -> Result<T, Failure> {
    if text.len() > STATEMENT_BYTES_MAX {
        let message = format!("`{name}` has {} bytes; the limit is {STATEMENT_BYTES_MAX}", text.len());
        return Err(Failure::new(status::MANTIS_E_LIMIT, "statement-too-large", message));
    }
    serde_json::from_str(text).map_err(|error| Failure {
        status: status::MANTIS_E_INVALID,
        code: "statement-invalid".to_owned(),
        message: format!("`{name}`: {error}"),
        ..Failure::default()
    })
}

impl<'s> Statement<'s> {
    /// The query of its texts.
    ///
    /// # Errors
    /// Those of the dialect.
    pub(crate) fn query(&self, texts: &QueryTexts) -> Result<Query, Failure> {
        let select = self.select.as_deref().unwrap_or_default();
        let parsed = texts.get(&QueryText { filter: &self.filter, select, order: &self.order })?;
        let mut query = Query::clone(&parsed);
        if self.limit.is_some() {
            query.root.limit = self.limit;
        }
        if self.offset.is_some() {
            query.root.offset = self.offset;
        }
        if !self.conflict_columns.is_empty() {
            query.on_conflict = Some(self.conflict_columns.iter().map(|column| column.as_ref().into()).collect());
        }
        Ok(query)
    }

    /// Whether a write returns rows.
    pub(crate) fn returns_rows(&self) -> bool {
        self.select.is_some()
    }

    /// The values of the primary key as texts, if it is given.
    pub(crate) fn key_texts(&self) -> Option<Vec<String>> {
        let text =
            |value: &&RawValue| serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
        self.key.as_ref().map(|key| key.iter().map(text).collect())
    }

    /// The values of the arguments.
    ///
    /// # Errors
    /// There are too many, or one has no value.
    pub(crate) fn arguments(&self) -> Result<Vec<Value<'static>>, Failure> {
        self.check_arguments()?;
        self.arguments.iter().map(|argument| value(argument.get())).collect()
    }

    fn check_arguments(&self) -> Result<(), Failure> {
        if self.arguments.len() > ARGUMENTS_MAX {
            return Err(invalid(format!("a statement has at most {ARGUMENTS_MAX} arguments")));
        }
        Ok(())
    }

    pub(crate) fn resolution(&self) -> Resolution {
        match self.on_conflict {
            OnConflict::Fail => Resolution::Fail,
            OnConflict::Ignore => Resolution::Ignore,
            OnConflict::Merge => Resolution::Merge,
        }
    }

    /// The rows of an insert or update.
    ///
    /// # Errors
    /// There are too many values.
    pub(crate) fn batch(&self) -> Result<RowBatch<'s>, Failure> {
        batch(self.rows.as_deref().unwrap_or(self.set.as_slice()), self.columns.as_deref())
    }

    /// The same as an operation of a batch.
    fn into_operation(self, texts: &QueryTexts) -> Result<RowOperation<'s>, Failure> {
        self.check_arguments()?;
        let query = self.query(texts)?;
        let arguments =
            self.arguments.iter().map(|argument| batch_argument(argument.get())).collect::<Result<_, _>>()?;
        let (returns_rows, resolution) = (self.returns_rows(), self.resolution());
        let matches = self.matches.map(|matches| match matches {
            MatchesIn::Exactly(rows) => Matches::exactly(rows),
            MatchesIn::Between { min, max } => Matches { min, max },
        });
        let rows = self.rows.or_else(|| self.set.map(|set| vec![set])).unwrap_or_default();
        let from = self.from.into_iter().map(|(column, made)| (column, made.into())).collect();
        let columns = self.columns;
        let rows = || batch(&rows, columns.as_deref());
        let verb = match self.op {
            Verb::Select | Verb::Get => RowVerb::Select,
            Verb::Insert => RowVerb::Insert { rows: rows()?, resolution, from },
            Verb::Update => RowVerb::Update { set: rows()?, from },
            Verb::Delete => RowVerb::Delete,
            Verb::Check => RowVerb::Check,
            Verb::Count | Verb::Explain | Verb::UpdateMany => {
                return Err(invalid("a batch has select, insert, update, delete and check"));
            }
        };
        let operation = RowOperation::new(self.table, query, verb);
        Ok(RowOperation { arguments, matches, if_version: self.if_version, returns_rows, ..operation })
    }
}

fn batch<'s>(rows: &[Row<'s>], columns: Option<&[Cow<'s, str>]>) -> Result<RowBatch<'s>, Failure> {
    let columns: Vec<Cow<'s, str>> = match columns {
        Some(columns) => columns.to_vec(),
        None => rows.iter().flat_map(BTreeMap::keys).cloned().collect::<BTreeSet<_>>().into_iter().collect(),
    };
    if columns.len() > TABLE_COLUMNS_MAX || columns.len().saturating_mul(rows.len()) > VALUES_MAX {
        let message = format!("the rows have more than {TABLE_COLUMNS_MAX} columns or {VALUES_MAX} values");
        return Err(Failure::new(status::MANTIS_E_LIMIT, "statement-too-large", message));
    }
    let input = |value: Option<&&'s RawValue>| value.map_or(Input::Missing, |value| Input::Json(value.get()));
    let values = rows.iter().flat_map(|row| columns.iter().map(move |column| input(row.get(column)))).collect();
    Ok(RowBatch { columns, values, rows: rows.len() })
}

/// The value of an argument, of the type that JSON shows; `{"number": "1.10"}` is the number with these digits, and so is a number with
/// more digits than a float holds.
fn value(json: &str) -> Result<Value<'static>, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Null,
        Boolean(bool),
        Integer(i64),
        Double(f64),
        Text(String),
        Digits { number: String },
    }
    let wrong = || invalid("an argument is null, a boolean, a number, a text or {\"number\": \"digits\"}");
    Ok(match serde_json::from_str(json).map_err(|_| wrong())? {
        Given::Null => Value::Null,
        Given::Boolean(value) => Value::Boolean(value),
        Given::Integer(value) => Value::Integer(value),
        Given::Double(value) => match (Numeric::parse(json.trim()), Numeric::parse(&value.to_string())) {
            (Ok(written), Ok(rounded)) if written != rounded => Value::Numeric(written),
            _ => Value::Double(value),
        },
        Given::Text(value) => Value::Text(value.into()),
        Given::Digits { number } => Value::Numeric(Numeric::parse(&number).map_err(|_| wrong())?),
    })
}

/// The value of an argument of a batch: what an earlier operation made, or a value, which is a text as in HTTP.
fn batch_argument(json: &str) -> Result<Argument, Failure> {
    if let Ok(made) = serde_json::from_str::<Made>(json) {
        return Ok(Argument::Reference(made.into()));
    }
    Ok(Argument::Value(match value(json)? {
        Value::Null => Value::Null,
        Value::Text(text) => Value::Text(text),
        Value::Numeric(_) | Value::Boolean(_) | Value::Integer(_) | Value::Double(_) => {
            Value::Text(digits(json).into())
        }
        other => other,
    }))
}

/// A number or a boolean as it is written.
fn digits(json: &str) -> String {
    #[derive(Deserialize)]
    struct Digits {
        number: String,
    }
    serde_json::from_str::<Digits>(json).map_or_else(|_| json.trim().to_owned(), |digits| digits.number)
}

/// An operation on a key, or on the keys of a span.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
enum KeyOperation {
    Get {
        #[serde(default)]
        bucket: Option<String>,
        key: Data,
    },
    Set {
        #[serde(default)]
        bucket: Option<String>,
        key: Data,
        value: Data,
        #[serde(default)]
        media_type: Option<String>,
        #[serde(default)]
        ttl_ms: Option<u64>,
        #[serde(default)]
        r#if: Condition,
    },
    Delete {
        #[serde(default)]
        bucket: Option<String>,
        key: Data,
        #[serde(default)]
        r#if: Condition,
    },
    DeleteSpan {
        #[serde(default)]
        bucket: Option<String>,
        span: SpanIn,
    },
    Increment {
        #[serde(default)]
        bucket: Option<String>,
        key: Data,
        by: i64,
    },
    Check {
        #[serde(default)]
        bucket: Option<String>,
        key: Data,
        r#if: Condition,
    },
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Condition {
    #[default]
    Anything,
    Absent,
    Present,
    Version(u64),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum SpanIn {
    #[default]
    All,
    Prefix(Data),
    Between {
        #[serde(default)]
        start: Option<Data>,
        #[serde(default)]
        end: Option<Data>,
    },
}

/// Bytes: a text, or `{"base64": ".."}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Text(String),
    Base64 { base64: String },
}

impl Data {
    fn bytes(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64 { base64 } => BASE64_STANDARD.decode(base64).map_err(|error| invalid(error.to_string())),
        }
    }
}

/// Bytes as JSON: a text where they are one.
pub(crate) fn data_json(bytes: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => serde_json::json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

impl KeyOperation {
    fn into_operation(self) -> Result<(Option<String>, Op), Failure> {
        let expect = |condition| match condition {
            Condition::Anything => Expect::Anything,
            Condition::Absent => Expect::Absent,
            Condition::Present => Expect::Present,
            Condition::Version(version) => Expect::Version(version),
        };
        Ok(match self {
            Self::Get { bucket, key } => (bucket, Op::Get(key.bytes()?)),
            Self::Set { bucket, key, value, media_type, ttl_ms, r#if } => {
                let media_type = media_type.as_deref().map_or(Ok(MediaType::default()), MediaType::new)?;
                let options = SetOptions { media_type, ttl_ms, expect: expect(r#if) };
                (bucket, Op::Set(key.bytes()?, value.bytes()?, options))
            }
            Self::Delete { bucket, key, r#if } => (bucket, Op::Delete(key.bytes()?, expect(r#if))),
            Self::Increment { bucket, key, by } => (bucket, Op::Increment(key.bytes()?, by)),
            Self::Check { bucket, key, r#if } => (bucket, Op::Check(key.bytes()?, expect(r#if))),
            Self::DeleteSpan { bucket, span } => {
                let bytes = |data: Option<Data>| data.map(Data::bytes).transpose();
                let span = match span {
                    SpanIn::All => Span::All,
                    SpanIn::Prefix(prefix) => Span::Prefix(prefix.bytes()?),
                    SpanIn::Between { start, end } => Span::Between { start: bytes(start)?, end: bytes(end)? },
                };
                (bucket, Op::DeleteSpan(span))
            }
        })
    }
}

/// Reads the operations of a batch.
///
/// # Errors
/// What is wrong with the first that is none, with its index.
pub(crate) fn operations<'s>(text: &'s str, max: usize, texts: &QueryTexts) -> Result<Vec<Operation<'s>>, Failure> {
    let listed: Vec<&'s RawValue> = parse(text, "operations")?;
    if listed.len() > max {
        return Err(Failure::from(mantis_db::Error::new(
            mantis_db::Code::OperationsTooMany,
            format!("the batch has {} operations; the limit is {max}", listed.len()),
        )));
    }
    let mut values_left = VALUES_MAX;
    let read = |(index, raw): (usize, &'s RawValue)| {
        operation(raw.get(), texts, &mut values_left).map_err(|failure| Failure { index: Some(index), ..failure })
    };
    listed.into_iter().enumerate().map(read).collect()
}

fn operation<'s>(text: &'s str, texts: &QueryTexts, values_left: &mut usize) -> Result<Operation<'s>, Failure> {
    #[derive(Deserialize)]
    struct Kind<'k> {
        #[serde(borrow, default)]
        table: Option<&'k RawValue>,
    }
    if parse::<Kind<'_>>(text, "operations")?.table.is_none() {
        let (bucket, op) = parse::<KeyOperation>(text, "operations")?.into_operation()?;
        return Ok(Operation::Key { bucket: bucket.map_or(DEFAULT_BUCKET.into(), Into::into), op });
    }
    let operation = parse::<Statement<'s>>(text, "operations")?.into_operation(texts)?;
    if let RowVerb::Insert { rows, .. } = &operation.verb {
        let values = rows.values.len().max(rows.rows);
        let too_many = || Failure::new(status::MANTIS_E_LIMIT, "statement-too-large", "the batch has too many values");
        *values_left = values_left.checked_sub(values).ok_or_else(too_many)?;
    }
    Ok(operation.into())
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(status::MANTIS_E_INVALID, "statement-invalid", message)
}
