//! Statements on rows as JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_STANDARD, Engine};
use mantis_db::limits::TABLE_COLUMNS_MAX;
use mantis_db::tables::types::{Numeric, Value};
use mantis_db::tables::{Input, Query, QueryText, QueryTexts, Resolution, RowBatch};
use mantis_forms::numbers::Whole;
use mantis_forms::operation::VersionIn;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use crate::abi::status;
use crate::failure::Failure;

/// Bytes of a statement or batch.
pub(crate) const STATEMENT_BYTES_MAX: usize = 64 << 20;
/// Values of the rows of a statement: each takes memory, also one that is not given.
const VALUES_MAX: usize = 1_000_000;
/// Arguments of a statement.
const ARGUMENTS_MAX: usize = mantis_forms::batch::ARGUMENTS_MAX;

/// A row as it is given.
pub(crate) type Row<'s> = BTreeMap<Cow<'s, str>, &'s RawValue>;

/// A statement on the rows of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement<'s> {
    pub(crate) op: Verb,
    #[serde(borrow)]
    pub(crate) table: Cow<'s, str>,
    #[serde(borrow, default)]
    pub(crate) filter: Cow<'s, str>,
    #[serde(borrow, default)]
    pub(crate) arguments: Vec<&'s RawValue>,
    #[serde(borrow, default)]
    pub(crate) select: Option<Cow<'s, str>>,
    #[serde(borrow, default)]
    pub(crate) order: Cow<'s, str>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) limit: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    pub(crate) offset: Option<u64>,
    /// The primary key.
    #[serde(borrow, default)]
    pub(crate) key: Option<Vec<&'s RawValue>>,
    /// Whether a select counts all rows too.
    #[serde(default)]
    pub(crate) count: bool,
    #[serde(borrow, default)]
    pub(crate) columns: Option<Vec<Cow<'s, str>>>,
    #[serde(borrow, default)]
    pub(crate) rows: Option<Vec<Row<'s>>>,
    #[serde(borrow, default)]
    pub(crate) set: Option<Row<'s>>,
    #[serde(default)]
    on_conflict: OnConflict,
    #[serde(borrow, default)]
    pub(crate) conflict_columns: Vec<Cow<'s, str>>,
    #[serde(default, deserialize_with = "version")]
    pub(crate) if_version: Option<u64>,
}

/// A count, also where JSON writes it as `1.0`.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(Whole(number)) = Option::deserialize(deserializer)? else { return Ok(None) };
    number.try_into().map(Some).map_err(|_| D::Error::custom("a count is not negative"))
}

/// A version, as text too.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<VersionIn>::deserialize(deserializer)?.map(|VersionIn(version)| version))
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
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnConflict {
    #[default]
    Fail,
    Ignore,
    Merge,
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

    pub(crate) fn check_arguments(&self) -> Result<(), Failure> {
        if self.arguments.len() > ARGUMENTS_MAX {
            return Err(invalid(format!("a statement has at most {ARGUMENTS_MAX} arguments")));
        }
        Ok(())
    }

    /// The same as the API names it; none for an error.
    pub(crate) fn resolution_name(&self) -> Option<&'static str> {
        match self.on_conflict {
            OnConflict::Fail => None,
            OnConflict::Ignore => Some("ignore-duplicates"),
            OnConflict::Merge => Some("merge-duplicates"),
        }
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
pub(crate) fn value(json: &str) -> Result<Value<'static>, Failure> {
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

/// Bytes as JSON: a text where they are one.
pub(crate) fn data_json(bytes: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => serde_json::json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(status::MANTIS_E_INVALID, "statement-invalid", message)
}
