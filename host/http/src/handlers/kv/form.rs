//! The JSON of a batch on one bucket.

use std::fmt;

use mantis_db::{Code as DbCode, Op};
use mantis_forms::operation::OperationForm;
use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::wire::json;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Batch")]
pub(crate) struct BatchForm {
    pub(crate) operations: Operations,
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub(crate) atomic: Option<bool>,
}

/// The operations of a batch. Each is converted as soon as it is read: its form is large, and there may be thousands.
pub(crate) struct Operations {
    /// Up to the first that is none.
    read: Vec<Op>,
    /// What is wrong with that one.
    failed: Option<Problem>,
    /// All of them.
    count: usize,
}

impl Operations {
    /// The operations, if there are no more than `operations_max`, and all of them are some.
    pub(crate) fn checked(self, operations_max: usize, key_bytes_max: usize) -> Result<Vec<Op>> {
        let Self { read, failed, count } = self;
        if count > operations_max {
            let detail = format!("the batch has {count} operations; the limit is {operations_max}");
            return Err(Problem::new(DbCode::OperationsTooMany).detail(detail));
        }
        for (index, operation) in read.iter().enumerate() {
            let problem = match key_of(operation).len() {
                0 if !matches!(operation, Op::DeleteSpan(_)) => DbCode::KeyEmpty.into(),
                bytes if bytes > key_bytes_max => {
                    let detail = format!("the key has {bytes} bytes; the limit is {key_bytes_max}");
                    Problem::new(DbCode::KeyTooLong).detail(detail)
                }
                _ => continue,
            };
            return Err(at(index, problem));
        }
        failed.map_or(Ok(read), Err)
    }
}

/// The key of an operation; empty for one on a range.
pub(crate) fn key_of(operation: &Op) -> &[u8] {
    match operation {
        Op::Get(key) | Op::Set(key, ..) | Op::Delete(key, _) | Op::Increment(key, _) | Op::Check(key, _) => key,
        _ => &[],
    }
}

/// A problem with the operation at this index.
fn at(index: usize, problem: Problem) -> Problem {
    let detail = format!("operation {index}: {}", problem.message());
    problem.detail(detail).in_body()
}

impl<'de> Deserialize<'de> for Operations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OperationsVisitor;

        impl<'de> Visitor<'de> for OperationsVisitor {
            type Value = Operations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Operations, A::Error> {
                let mut operations = Operations { read: Vec::new(), failed: None, count: 0 };
                while let Some(json::Object(form)) = list.next_element::<json::Object<OperationForm>>()? {
                    if operations.failed.is_none() {
                        match op_of_path(form) {
                            Ok(operation) => operations.read.push(operation),
                            Err(problem) => operations.failed = Some(at(operations.count, problem)),
                        }
                    }
                    operations.count += 1;
                }
                Ok(operations)
            }
        }
        deserializer.deserialize_seq(OperationsVisitor)
    }
}

/// The operation of a batch whose path names the bucket; its key is checked later.
fn op_of_path(form: OperationForm) -> Result<Op> {
    if form.bucket.is_some() {
        let detail = "the path names the bucket; `POST /api/v1/batch` takes operations on several";
        return Err(Problem::new(Code::BodyInvalid).detail(detail));
    }
    Ok(form.into_op()?)
}

#[cfg(test)]
mod tests {
    use mantis_db::{Expect, MediaType, SetOptions, Span};

    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&Op>) {
        let operations = json::parse::<Operations>(format!("[{json}]").as_bytes());
        let operations = operations.and_then(|operations| operations.checked(1, 4_096)).ok();
        assert_eq!(operations.as_deref().and_then(<[Op]>::first), expected, "{json}");
    }

    #[test]
    fn operations_parse_in_one_way_only() {
        let key = || b"k".to_vec();
        let set =
            |ttl_ms, expect| Op::Set(key(), b"v".to_vec(), SetOptions { media_type: MediaType::TEXT, ttl_ms, expect });
        check(r#"{"op":"get","key":"k"}"#, Some(&Op::Get(key())));
        check(r#"{"op":"set","key":"k","value":"v"}"#, Some(&set(None, Expect::Anything)));
        check(r#"{"op":"set","key":"k","value":"v","ttl":2}"#, Some(&set(Some(2000), Expect::Anything)));
        check(r#"{"op":"set","key":"k","value":"v","absent":true}"#, Some(&set(None, Expect::Absent)));
        check(r#"{"op":"set","key":"k","value":"v","if_version":"7"}"#, Some(&set(None, Expect::Version(7))));
        check(r#"{"op":"delete","key":"k","if_version":7}"#, Some(&Op::Delete(key(), Expect::Version(7))));
        check(r#"{"op":"increment","key":"k"}"#, Some(&Op::Increment(key(), 1)));
        check(r#"{"op":"increment","key":"k","by":-5}"#, Some(&Op::Increment(key(), -5)));
        check(r#"{"op":"increment","key":"k","by":"-5"}"#, Some(&Op::Increment(key(), -5)));
        check(r#"{"op":"increment","key":"k","by":"five"}"#, None);
        check(r#"{"op":"increment","key":"k","value":5}"#, Some(&Op::Increment(key(), 5)));
        check(r#"{"op":"check","key":"k","absent":false}"#, Some(&Op::Check(key(), Expect::Present)));
        let html =
            SetOptions { media_type: MediaType::new("text/html").unwrap(), ttl_ms: Some(5), expect: Expect::Anything };
        let form = r#"{"op":"set","key":"k","value":"v","media_type":"text/html","ttl_ms":5}"#;
        check(form, Some(&Op::Set(key(), b"v".to_vec(), html)));
        let nulls = r#"{"op":"set","key":"k","value":"v","ttl":null,"ttl_ms":null,"by":null,"if_version":null,"absent":null,"media_type":null}"#;
        check(nulls, Some(&set(None, Expect::Anything)));
        check(r#"{"op":"increment","key":"k","by":null}"#, Some(&Op::Increment(key(), 1)));
        check(r#"{"op":"delete-span"}"#, Some(&Op::DeleteSpan(Span::All)));
        check(r#"{"op":"delete-span","prefix":"k"}"#, Some(&Op::DeleteSpan(Span::Prefix(key()))));
        let from = Span::Between { start: Some(key()), end: None };
        check(r#"{"op":"delete-span","start":"k"}"#, Some(&Op::DeleteSpan(from)));
    }

    #[test]
    fn fields_of_other_operations_are_refused() {
        for json in [
            r#"["get","k"]"#,
            r#"{"op":{"get":null},"key":"k"}"#,
            r#"{"op":"get","key":"k","value":"v"}"#,
            r#"{"op":"get","key":"k","absent":true}"#,
            r#"{"op":"set","key":"k"}"#,
            r#"{"op":"set","key":"k","value":5}"#,
            r#"{"op":"set","key":"k","value":"v","by":1}"#,
            r#"{"op":"set","key":"k","value":"v","absent":true,"if_version":"7"}"#,
            r#"{"op":"set","key":"k","value":"v","if_version":"seven"}"#,
            r#"{"op":"set","key":"k","value":"v","if_version":""}"#,
            r#"{"op":"set","value":"v"}"#,
            r#"{"op":"set","key":"k","value":"v","ttl":1,"ttl_ms":1}"#,
            r#"{"op":"delete","key":"k","ttl":1}"#,
            r#"{"op":"delete","key":"k","media_type":"text/html"}"#,
            r#"{"op":"delete-span","key":"k"}"#,
            r#"{"op":"delete-span","prefix":"a","end":"b"}"#,
            r#"{"op":"increment","key":"k","by":1,"value":1}"#,
            r#"{"op":"increment","key":"k","by":1.5}"#,
            r#"{"op":"increment","key":"k","value":"1"}"#,
            r#"{"op":"check","key":"k"}"#,
            r#"{"op":"drop","key":"k"}"#,
            r#"{"op":"get","key":5}"#,
            r#"{"op":"get","key":"k","extra":1}"#,
            r#"{"op":"get","key":"k","value":null}"#,
            r#"{"op":"get","key":""}"#,
            r#"{"op":"check","key":"k","if_version":null}"#,
            r#"{"op":"delete-span","prefix":null}"#,
        ] {
            check(json, None);
        }
    }
}
