//! The helpers of the tests.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use mantis_dialect::Parser;

use super::library;
use super::written::written;
use crate::tables::query::bind::{Bound, Scope, select};
use crate::tables::schema::Table;
use crate::tables::types::Value;
use crate::tables::{Environment, TableError, TableResult, code};

#[derive(Debug)]
struct NoRandom;

impl crate::Random for NoRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// The tables of the library, made once.
fn library() -> &'static BTreeMap<String, Arc<Table>> {
    static LIBRARY: LazyLock<BTreeMap<String, Arc<Table>>> = LazyLock::new(library::tables);
    &LIBRARY
}

pub(super) fn environment() -> Environment {
    Environment { time_zone: crate::tables::TimeZone::UTC, now_us: 0, random: Arc::new(NoRandom) }
}

/// A query over a table of the library: `table?select=..&name=eq.x`, undecoded.
pub(super) struct Asked<'a> {
    pub(super) text: &'a str,
    pub(super) arguments: &'a [Value<'static>],
    pub(super) without_aggregates: bool,
}

impl<'a> Asked<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, arguments: &[], without_aggregates: false }
    }

    pub(super) fn bind(&self) -> TableResult<Bound> {
        let (table, parameters) = self.text.split_once('?').unwrap_or((self.text, ""));
        let pairs = parameters.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
        let query = Parser::default().with_arguments().query(pairs).unwrap_or_else(|error| panic!("{error}"));
        let library = library();
        let mut tables = |name: &str| match library.get(name).filter(|_| name != library::HIDDEN) {
            Some(table) => Ok(Arc::clone(table)),
            None => Err(TableError::new(code::NO_TABLE, format!("no table {name}"))),
        };
        let environment = environment();
        let mut scope = Scope {
            tables: &mut tables,
            environment: &environment,
            arguments: self.arguments,
            without_aggregates: self.without_aggregates,
        };
        select(&query, Arc::clone(&library[table]), &mut scope)
    }
}

/// Checks what a query is bound to.
#[track_caller]
pub(super) fn check(text: &str, expected: &str) {
    let bound = Asked::new(text).bind().unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(bound.warnings, [""; 0], "{text}");
    assert_eq!(written(&bound.select), expected, "{text}");
}

/// The same with a warning.
#[track_caller]
pub(super) fn check_warned(text: &str, warning: &str, expected: &str) {
    let bound = Asked::new(text).bind().unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(bound.warnings.len(), 1, "{text}");
    assert!(bound.warnings[0].contains(warning), "{text}: {:?}", bound.warnings);
    assert_eq!(written(&bound.select), expected, "{text}");
}

/// Checks what a query with arguments is bound to.
#[track_caller]
pub(super) fn check_with(text: &str, arguments: &[Value<'static>], expected: &str) {
    let bound = Asked { arguments, ..Asked::new(text) }.bind().unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(written(&bound.select), expected, "{text}");
}

/// Checks that a query is refused with a code and a message.
#[track_caller]
pub(super) fn refuse(text: &str, code: &str, message: &str) -> TableError {
    refused(&Asked::new(text), code, message)
}

#[track_caller]
pub(super) fn refused(asked: &Asked<'_>, code: &str, message: &str) -> TableError {
    let text = asked.text;
    match asked.bind() {
        Ok(bound) => panic!("{text} is bound to {}", written(&bound.select)),
        Err(error) => {
            assert_eq!((error.code, &*error.message), (code, message), "{text}");
            error
        }
    }
}

/// Checks that a query is refused, and with which hint.
#[track_caller]
pub(super) fn refuse_with_hint(text: &str, code: &str, message: &str, hint: &str) {
    assert_eq!(refuse(text, code, message).hint.as_deref(), Some(hint), "{text}");
}
