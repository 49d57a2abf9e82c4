//! The JSON of a batch of operations on keys and rows, and how it becomes operations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use mantis_db::batch::{Argument, Matches, Operation, Reference, RowOperation, RowVerb};
use mantis_db::limits::JSON_INTEGER_MAX;
use mantis_db::tables::types::Value;
use mantis_db::tables::{Resolution, RowBatch, TableError, code};
use mantis_db::{Code, DEFAULT_BUCKET, Limits};
use mantis_dialect::{Parser, Query};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{FormError, Result};
use crate::json;
use crate::numbers::Whole;
use crate::operation::{OperationForm, VersionIn};
use crate::rows::{self, Columns, VALUES_MAX};

/// Arguments of the filter of an operation.
pub const ARGUMENTS_MAX: usize = 100;

/// What is wrong with a batch.
#[derive(Debug)]
pub struct BatchFailed {
    /// The operation, if it is one.
    pub index: Option<usize>,
    /// Why.
    pub error: FormError,
}

impl From<FormError> for BatchFailed {
    fn from(error: FormError) -> Self {
        Self { index: None, error }
    }
}

/// Reads the operations of a batch: `{"operations": [..]}`.
///
/// # Errors
/// `body-malformed`, `body-invalid`, `operations-too-many`, and what can be wrong with an operation before it runs, with its index.
pub fn read<'b>(body: &'b [u8], limits: &Limits) -> std::result::Result<Vec<Operation<'b>>, BatchFailed> {
    let json::Object(BatchForm { operations }) = json::parse(body)?;
    let Operations { read, failed, count, .. } = json::parse::<Operations<'_>>(operations.get().as_bytes())?;
    let max = limits.batch_operations_max;
    if count > max {
        let message = format!("the batch has {count} operations; the limit is {max}");
        return Err(FormError::Db(mantis_db::Error::new(Code::OperationsTooMany, message)).into());
    }
    failed.map_or(Ok(read), Err)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchForm<'b> {
    #[serde(borrow)]
    operations: &'b RawValue,
}

/// The operations of a batch. Each is converted as soon as it is read: there may be thousands.
struct Operations<'b> {
    /// Up to the first that is none.
    read: Vec<Operation<'b>>,
    /// What is wrong with that one.
    failed: Option<BatchFailed>,
    /// All of them.
    count: usize,
    /// Values that the rows of inserts may still have.
    values_left: usize,
}

impl<'b> Operations<'b> {
    fn add(&mut self, raw: &'b RawValue) -> Result<()> {
        let operation = operation(raw)?;
        if let Operation::Row(operation) = &operation
            && let RowVerb::Insert { rows, .. } = &operation.verb
        {
            let values = rows.values.len().max(rows.rows);
            self.values_left = self.values_left.checked_sub(values).ok_or_else(too_many_values)?;
        }
        self.read.push(operation);
        Ok(())
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for Operations<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OperationsVisitor;

        impl<'de> Visitor<'de> for OperationsVisitor {
            type Value = Operations<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Self::Value, A::Error> {
                let mut all = Operations { read: Vec::new(), failed: None, count: 0, values_left: VALUES_MAX };
                while let Some(raw) = list.next_element::<&RawValue>()? {
                    if all.failed.is_none()
                        && let Err(error) = all.add(raw)
                    {
                        all.failed = Some(BatchFailed { index: Some(all.count), error });
                    }
                    all.count += 1;
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(OperationsVisitor)
    }
}

/// What tells an operation on rows from one on keys.
#[derive(Deserialize)]
struct Kind<'b> {
    #[serde(borrow, default)]
    op: Option<&'b RawValue>,
    #[serde(borrow, default)]
    table: Option<&'b RawValue>,
}

/// An operation on the rows of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowForm<'b> {
    op: Verb,
    table: String,
    #[serde(default, deserialize_with = "json::given")]
    filter: Option<String>,
    #[serde(borrow, default, deserialize_with = "json::given")]
    arguments: Option<Vec<&'b RawValue>>,
    #[serde(default, deserialize_with = "json::given")]
    select: Option<String>,
    #[serde(default, deserialize_with = "json::given")]
    order: Option<String>,
    #[serde(default, deserialize_with = "json::given")]
    limit: Option<Whole>,
    #[serde(default, deserialize_with = "json::given")]
    offset: Option<Whole>,
    #[serde(borrow, default, deserialize_with = "json::given")]
    rows: Option<&'b RawValue>,
    #[serde(default, deserialize_with = "json::given")]
    on_conflict: Option<String>,
    #[serde(default, deserialize_with = "json::given")]
    resolution: Option<ResolutionIn>,
    #[serde(borrow, default, deserialize_with = "json::given")]
    set: Option<&'b RawValue>,
    #[serde(default, deserialize_with = "json::given")]
    from: Option<BTreeMap<String, json::Object<ReferenceIn>>>,
    #[serde(default, deserialize_with = "json::given")]
    matches: Option<MatchesIn>,
    #[serde(default, deserialize_with = "json::given")]
    if_version: Option<VersionIn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Select,
    Insert,
    Update,
    Delete,
    Check,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ResolutionIn {
    MergeDuplicates,
    IgnoreDuplicates,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceIn {
    operation: Whole,
    column: String,
}

/// A number of rows, or a range of them.
enum MatchesIn {
    Exactly(Whole),
    Between(json::Object<RangeIn>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeIn {
    #[serde(default, deserialize_with = "json::given")]
    min: Option<Whole>,
    #[serde(default, deserialize_with = "json::given")]
    max: Option<Whole>,
}

// By hand: an untagged enum makes floats of numbers before it tries its forms.
impl<'de> Deserialize<'de> for MatchesIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?;
        let read = if json.get().starts_with('{') {
            serde_json::from_str(json.get()).map(Self::Between)
        } else {
            Whole::read(json).map(Self::Exactly)
        };
        read.map_err(|_: serde_json::Error| {
            D::Error::custom("`matches` is a whole number, or an object of `min` and `max`")
        })
    }
}

/// One operation.
fn operation(raw: &RawValue) -> Result<Operation<'_>> {
    let bytes = raw.get().as_bytes();
    let json::Object(Kind { op, table }) = json::parse(bytes)?;
    if table.is_some() {
        let json::Object(form) = json::parse::<json::Object<RowForm<'_>>>(bytes)?;
        return form.into_operation().map(Operation::from);
    }
    if let Some(op) = op.map(RawValue::get).filter(|op| matches!(*op, "\"select\"" | "\"insert\"" | "\"update\"")) {
        return Err(invalid(format!("`{}` needs a `table`", op.trim_matches('"'))));
    }
    let json::Object(mut form) = json::parse::<json::Object<OperationForm>>(bytes)?;
    let bucket = form.bucket.take().map_or(Cow::Borrowed(DEFAULT_BUCKET), Cow::Owned);
    Ok(Operation::Key { bucket, op: form.into_op()? })
}

impl<'b> RowForm<'b> {
    fn into_operation(self) -> Result<RowOperation<'b>> {
        self.check_members()?;
        let query = self.query()?;
        let from = self.from.unwrap_or_default().into_iter();
        let from = from.map(|(column, json::Object(reference))| Ok((column.into(), reference.read()?)));
        let from = from.collect::<Result<Vec<_>>>()?;
        let verb = match self.op {
            Verb::Select => RowVerb::Select,
            Verb::Delete => RowVerb::Delete,
            Verb::Check => RowVerb::Check,
            Verb::Insert => {
                RowVerb::Insert { rows: inserted(self.rows)?, resolution: resolution(self.resolution), from }
            }
            Verb::Update => RowVerb::Update { set: set(self.set)?, from },
        };
        let arguments = self.arguments.unwrap_or_default();
        check_arguments(arguments.len())?;
        Ok(RowOperation {
            arguments: arguments.into_iter().map(argument).collect::<Result<_>>()?,
            matches: self.matches.map(MatchesIn::read).transpose()?,
            if_version: self.if_version.map(|VersionIn(version)| version),
            returns_rows: self.select.is_some(),
            ..RowOperation::new(self.table, query, verb)
        })
    }

    /// Refuses members that the operation does not use, and asks for those that it needs.
    fn check_members(&self) -> Result<()> {
        let (taken, verb): (&[&str], _) = match self.op {
            Verb::Select => (&["filter", "arguments", "select", "order", "limit", "offset", "matches"], "select"),
            Verb::Insert => (&["select", "rows", "on_conflict", "resolution", "from"], "insert"),
            Verb::Update => (&["filter", "arguments", "select", "set", "from", "matches", "if_version"], "update"),
            Verb::Delete => (&["filter", "arguments", "select", "matches", "if_version"], "delete"),
            Verb::Check => (&["filter", "arguments", "matches", "if_version"], "check"),
        };
        let given = [
            ("filter", self.filter.is_some()),
            ("arguments", self.arguments.is_some()),
            ("select", self.select.is_some()),
            ("order", self.order.is_some()),
            ("limit", self.limit.is_some()),
            ("offset", self.offset.is_some()),
            ("rows", self.rows.is_some()),
            ("on_conflict", self.on_conflict.is_some()),
            ("resolution", self.resolution.is_some()),
            ("set", self.set.is_some()),
            ("from", self.from.is_some()),
            ("matches", self.matches.is_some()),
            ("if_version", self.if_version.is_some()),
        ];
        if let Some((name, _)) = given.into_iter().find(|(name, given)| *given && !taken.contains(name)) {
            return Err(invalid(format!("`{verb}` of rows takes no `{name}`")));
        }
        let missing = match self.op {
            Verb::Insert if self.rows.is_none() => "`insert` needs `rows`: an object or a list of objects",
            Verb::Insert if self.on_conflict.is_some() && self.resolution.is_none() => {
                "`on_conflict` needs a `resolution`: \"merge-duplicates\" or \"ignore-duplicates\""
            }
            Verb::Update if self.set.is_none() && self.from.is_none() => "`update` needs `set`: an object of values",
            Verb::Check if self.matches.is_none() && self.if_version.is_none() => {
                "`check` of rows needs `matches` or `if_version`"
            }
            _ => return Ok(()),
        };
        Err(invalid(missing))
    }

    fn query(&self) -> Result<Query> {
        let parser = Parser::default().with_arguments();
        let texts = [("select", &self.select), ("order", &self.order), ("on_conflict", &self.on_conflict)];
        let given = texts.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?)));
        let mut query = parser.query(given).map_err(TableError::from)?;
        let root = &mut query.root;
        root.filter = parser.filter(self.filter.as_deref().unwrap_or_default()).map_err(TableError::from)?;
        root.limit = self.limit.map(|limit| count(limit, "limit")).transpose()?;
        root.offset = self.offset.map(|offset| count(offset, "offset")).transpose()?;
        Ok(query)
    }
}

/// The rows of an insert.
fn inserted(raw: Option<&RawValue>) -> Result<RowBatch<'_>> {
    let Some(raw) = raw else { return Ok(RowBatch::default()) };
    Ok(rows::read_json(raw.get().as_bytes(), Columns::All)?.batch)
}

/// The values of an update, as its one row.
fn set(raw: Option<&RawValue>) -> Result<RowBatch<'_>> {
    let Some(raw) = raw else { return Ok(RowBatch { rows: 1, ..RowBatch::default() }) };
    let rows::Rows { batch, is_list } = rows::read_json(raw.get().as_bytes(), Columns::Same)?;
    if is_list {
        return Err(invalid("`set` is one object: columns and their values"));
    }
    Ok(batch)
}

fn resolution(given: Option<ResolutionIn>) -> Resolution {
    match given {
        None => Resolution::Fail,
        Some(ResolutionIn::MergeDuplicates) => Resolution::Merge,
        Some(ResolutionIn::IgnoreDuplicates) => Resolution::Ignore,
    }
}

impl ReferenceIn {
    fn read(self) -> Result<Reference> {
        let operation = count(self.operation, "operation")?;
        Ok(Reference { operation: usize::try_from(operation).unwrap_or(usize::MAX), column: self.column })
    }
}

impl MatchesIn {
    fn read(self) -> Result<Matches> {
        match self {
            Self::Exactly(rows) => count(rows, "matches").map(Matches::exactly),
            Self::Between(json::Object(RangeIn { min, max })) => Ok(Matches {
                min: min.map(|min| count(min, "min")).transpose()?.unwrap_or(0),
                max: max.map(|max| count(max, "max")).transpose()?,
            }),
        }
    }
}

/// The values of a filter's arguments: a list in JSON, each a scalar or a list of scalars.
///
/// # Errors
/// It is none, has too many, or names what an operation made.
pub fn values(text: &str) -> Result<Vec<Value<'static>>> {
    let given = json::parse::<Vec<&RawValue>>(text.as_bytes())?;
    check_arguments(given.len())?;
    let value = |raw: &RawValue| match raw.get().as_bytes().first() {
        Some(b'{') => Err(invalid("an argument is a scalar, or a list of them")),
        _ => match argument(raw)? {
            Argument::Value(value) => Ok(value),
            Argument::Reference(_) => unreachable!("it is written as an object"),
        },
    };
    given.into_iter().map(value).collect()
}

fn check_arguments(count: usize) -> Result<()> {
    if count > ARGUMENTS_MAX {
        return Err(invalid(format!("there are {count} arguments; the limit is {ARGUMENTS_MAX}")));
    }
    Ok(())
}

/// The value of an argument: the text of a scalar, of a list PostgreSQL's literal; an object names what an earlier operation made.
fn argument(raw: &RawValue) -> Result<Argument> {
    let json = raw.get();
    let value = match json.as_bytes().first() {
        Some(b'{') => {
            let json::Object(reference) = json::parse::<json::Object<ReferenceIn>>(json.as_bytes())?;
            return reference.read().map(Argument::Reference);
        }
        Some(b'[') => {
            let elements = json::parse::<Vec<&RawValue>>(json.as_bytes())?;
            let elements = elements.into_iter().map(scalar).collect::<Result<Vec<_>>>()?;
            Some(array_literal(&elements))
        }
        _ => scalar(raw)?,
    };
    Ok(Argument::Value(value.map_or(Value::Null, |text| Value::Text(text.into()))))
}

/// The text of a scalar; none for null. A number's is what was written, whatever its precision.
fn scalar(raw: &RawValue) -> Result<Option<String>> {
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => json::parse(json.as_bytes()).map(Some),
        Some(b'[' | b'{') => Err(invalid("a list among the arguments holds scalars only")),
        _ => Ok(Some(json.to_owned())),
    }
}

/// A list as PostgreSQL's literal: `{"a","b",NULL}`.
fn array_literal(elements: &[Option<String>]) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let Some(element) = element else {
            text.push_str("NULL");
            continue;
        };
        text.push('"');
        for character in element.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    text
}

/// A number that is not negative, and exact in every JSON reader.
fn count(Whole(number): Whole, member: &str) -> Result<u64> {
    let count = u64::try_from(number).ok().filter(|&count| count <= JSON_INTEGER_MAX);
    count.ok_or_else(|| invalid(format!("`{member}` is {number}; it must be 0 to {JSON_INTEGER_MAX}")))
}

fn invalid(message: impl Into<Cow<'static, str>>) -> FormError {
    FormError::invalid(message)
}

fn too_many_values() -> FormError {
    let message = format!("the rows of one batch have more than {VALUES_MAX} values");
    let error = TableError::new(code::LIMIT_EXCEEDED, message);
    error.with_hint("Go in steps, each with a part of the rows.").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the operation is read.
    #[track_caller]
    fn check(json: &str, expected: std::result::Result<(), &str>) {
        let body = format!(r#"{{"operations":[{json}]}}"#);
        let outcome = read(body.as_bytes(), &Limits::default()).map(|_| ());
        let outcome = outcome.map_err(|BatchFailed { index, error }| (index, error.message().to_owned()));
        let outcome = outcome.as_ref().copied().map_err(|(index, message)| (*index, message.as_str()));
        assert_eq!(outcome, expected.map_err(|message| (Some(0), message)), "{json}");
    }

    #[test]
    fn operations_parse_in_one_way_only() {
        for json in [
            r#"{"op":"get","key":"k"}"#,
            r#"{"op":"get","bucket":"b","key":"k"}"#,
            r#"{"op":"check","key":"k","absent":true}"#,
            r#"{"op":"delete-span","bucket":"b"}"#,
            r#"{"op":"select","table":"t"}"#,
            r#"{"op":"select","table":"t","filter":"a=eq.1&or=(b.is.null,b.gt.2)","select":"a,c(*)","order":"a","limit":1,"offset":2}"#,
            r#"{"op":"select","table":"t","filter":"a=in.$1","arguments":[["x",1,null]],"matches":{"min":1}}"#,
            r#"{"op":"insert","table":"t","rows":{"a":1}}"#,
            r#"{"op":"insert","table":"t","rows":[{"a":1},{"b":2}],"on_conflict":"a","resolution":"merge-duplicates"}"#,
            r#"{"op":"insert","table":"t","rows":{},"from":{"a":{"operation":0,"column":"id"}},"select":"*"}"#,
            r#"{"op":"update","table":"t","filter":"a=eq.$1","arguments":[{"operation":0,"column":"id"}],"set":{"a":null}}"#,
            r#"{"op":"update","table":"t","set":{"a":1},"matches":1.0,"if_version":"7"}"#,
            r#"{"op":"delete","table":"t","filter":"","matches":{"min":1,"max":2}}"#,
            r#"{"op":"check","table":"t","if_version":7}"#,
        ] {
            check(json, Ok(()));
        }
    }

    #[test]
    fn an_operation_that_is_none_says_why() {
        for (json, message) in [
            (r#"{"op":"insert","key":"k"}"#, "`insert` needs a `table`"),
            (r#"{"op":"insert","table":"t"}"#, "`insert` needs `rows`: an object or a list of objects"),
            (
                r#"{"op":"insert","table":"t","rows":{},"on_conflict":"a"}"#,
                r#"`on_conflict` needs a `resolution`: "merge-duplicates" or "ignore-duplicates""#,
            ),
            (r#"{"op":"insert","table":"t","rows":{},"filter":"a=eq.1"}"#, "`insert` of rows takes no `filter`"),
            (r#"{"op":"update","table":"t"}"#, "`update` needs `set`: an object of values"),
            (r#"{"op":"update","table":"t","set":[{"a":1}]}"#, "`set` is one object: columns and their values"),
            (r#"{"op":"check","table":"t","filter":"a=eq.1"}"#, "`check` of rows needs `matches` or `if_version`"),
            (r#"{"op":"check","table":"t","matches":-1}"#, "`matches` is -1; it must be 0 to 9007199254740991"),
            (r#"{"op":"select","table":"t","if_version":"7"}"#, "`select` of rows takes no `if_version`"),
            (r#"{"op":"check","key":"k"}"#, "`check` needs `if_version` or `absent`"),
        ] {
            check(json, Err(message));
        }
        for json in [
            r#"["get","k"]"#,
            "null",
            r#"{"op":"select","table":"t","filter":null}"#,
            r#"{"op":"select","table":"t","key":"k"}"#,
            r#"{"op":"select","table":"t","matches":{"least":1}}"#,
            r#"{"op":"select","table":"t","matches":1.0000000000000000001}"#,
            r#"{"op":"select","table":"t","matches":{"min":1.0000000000000000001}}"#,
            r#"{"op":"select","table":"t","limit":1.0000000000000000001}"#,
            r#"{"op":"select","table":"t","offset":1e-400}"#,
            r#"{"op":"delete","table":"t","filter":"a=eq.1","if_version":7.0000000000000000001}"#,
            r#"{"op":"update","table":"t","set":{},"from":{"a":{"operation":1e-400,"column":"id"}}}"#,
            r#"{"op":"increment","key":"k","by":1.0000000000000000001}"#,
            r#"{"op":"select","table":"t","arguments":[{"operation":0}]}"#,
            r#"{"op":"select","table":"t","filter":"limit=1"}"#,
            r#"{"op":"select","table":"t","filter":"a"}"#,
            r#"{"op":"select","table":"t","select":"a,,b"}"#,
            r#"{"op":"get","bucket":null,"key":"k"}"#,
            r#"{"op":"insert","table":"t","rows":[1]}"#,
            r#"{"op":"insert","table":"t","rows":{},"resolution":"merge"}"#,
        ] {
            let body = format!(r#"{{"operations":[{json}]}}"#);
            let failed = read(body.as_bytes(), &Limits::default()).map(|_| ()).unwrap_err();
            assert_eq!(failed.index, Some(0), "{json}: {}", failed.error.message());
        }
    }

    #[test]
    fn a_list_of_arguments_is_quoted() {
        let element = |text: &str| Some(text.to_owned());
        let literal = array_literal(&[element("a\"b"), None, element("c\\,{}"), element("NULL")]);
        assert_eq!(literal, r#"{"a\"b",NULL,"c\\,{}","NULL"}"#);
        assert_eq!(array_literal(&[]), "{}");
    }
}
