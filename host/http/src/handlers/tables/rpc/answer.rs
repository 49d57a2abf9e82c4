//! The result of a call in the form that the client asked for.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use mantis_db::tables::{Count, SelectOptions, Selected, TableError, TableResult, code};
use mantis_plugin::Field;
use serde_json::Value;

use super::rows;
use crate::handlers::tables::answer::AnswerRows;
use crate::handlers::tables::headers::{VARIES_BY, warn};
use crate::handlers::tables::media::Form;
use crate::handlers::tables::preferences::{Applicable, Representation};
use crate::handlers::tables::range::{self, Window};
use crate::handlers::tables::read::unmeasured;
use crate::handlers::tables::request::TableRequest;
use crate::protocol::body::Body;
use crate::protocol::problem::{Problem, Result};
use crate::protocol::respond;
use crate::state::State;

/// What becomes of a result, whatever it is.
pub(super) struct Answer<'a> {
    pub(super) state: &'a State,
    /// The function's name.
    pub(super) name: &'a str,
    pub(super) asked: &'a TableRequest,
    pub(super) form: Form,
    pub(super) window: Window,
    /// The columns of its rows, if it returns rows.
    pub(super) fields: Option<&'a [Field]>,
    pub(super) returns_nothing: bool,
    pub(super) is_head: bool,
}

impl Answer<'_> {
    /// Checks what can be checked before there is a result: names, types, and whether the result can have the form at all.
    pub(super) fn check(&self) -> TableResult<()> {
        if let Some(fields) = self.fields {
            self.select(fields, &Value::Null, &mut AnswerRows::counted())?;
            return Ok(());
        }
        let query = &self.asked.query;
        let asks_for_part = query.select.is_some()
            || !query.having.is_empty()
            || !query.embeds.is_empty()
            || !query.root.filter.is_empty()
            || !query.root.order.is_empty()
            || query.root.limit.is_some()
            || self.window.offset > 0;
        if asks_for_part {
            return Err(TableError::new(code::NOT_IMPLEMENTED, "Feature not implemented").with_details(format!(
                "{} returns no rows: select, filters, order, limit, offset and ranges are for functions that return a list of records.",
                self.name
            )));
        }
        if self.asked.preferences.affected_max.is_some() {
            let message =
                "Function must return SETOF or TABLE when max-affected preference is used with handling=strict";
            return Err(TableError::new(code::MAX_AFFECTED_CALL, message));
        }
        if matches!(self.form, Form::Csv | Form::Packed) {
            let message = format!("None of these media types are available: {}", self.form.name());
            return Err(TableError::new(code::MEDIA_UNAVAILABLE, message));
        }
        Ok(())
    }

    /// The response that a result makes.
    pub(super) fn response(&self, result: &Value) -> Result<Response<Body>> {
        let preferences = &self.asked.preferences;
        let is_minimal =
            matches!(preferences.representation, Some(Representation::Minimal | Representation::HeadersOnly));
        let mut response = match self.fields {
            Some(fields) => self.rows(fields, result)?,
            None if self.returns_nothing => respond::empty(StatusCode::NO_CONTENT),
            None => self.value(result),
        };
        if is_minimal && !self.is_head {
            let headers = std::mem::take(response.headers_mut());
            response = respond::empty(StatusCode::NO_CONTENT);
            response.headers_mut().extend(headers);
            response.headers_mut().remove(CONTENT_TYPE);
        }
        if let Some(applied) = preferences.applied(Applicable::Call, false) {
            response.headers_mut().insert("preference-applied", applied);
        }
        Ok(response)
    }

    fn rows(&self, fields: &[Field], result: &Value) -> Result<Response<Body>> {
        let count = result.as_array().map_or(0, Vec::len) as u64;
        if self.asked.preferences.affected_max.is_some_and(|max| count > max) {
            let message = "Query result exceeds max-affected preference constraint";
            let error = TableError::new(code::MAX_AFFECTED, message);
            return Err(error.with_details(format!("The query affects {count} rows")).into());
        }
        let is_counted = self.is_head && !self.form.is_singular();
        let mut rows = if is_counted {
            AnswerRows::counted()
        } else {
            AnswerRows::new(self.form, &self.asked.environment, &self.asked.in_flight)
        };
        let selected = self.select(fields, result, &mut rows)?;
        let (status, content_range) = range::status_of_page(self.window.offset, &selected);
        let status = match status {
            Ok(_) if self.form.is_singular() && selected.rows != 1 => {
                return Err(TableError::not_singular(selected.rows).into());
            }
            Ok(status) => status,
            Err(error) => return Err(Problem::from(error).header(range::HEADER, content_range)),
        };
        let mut response = if self.is_head { unmeasured(status) } else { whole(status, rows.into_bytes()) };
        self.describe(response.headers_mut(), content_range);
        warn(response.headers_mut(), &selected.warnings);
        Ok(response)
    }

    fn select(&self, fields: &[Field], result: &Value, sink: &mut AnswerRows) -> TableResult<Selected> {
        let environment = &self.asked.environment;
        let rows = rows::row_set(self.name, fields, result, environment)?;
        let options = SelectOptions {
            count: self.asked.preferences.count.unwrap_or_default(),
            rows_max: self.state.config.tables.rows_max,
            without_aggregates: !self.state.config.tables.aggregates,
            ..SelectOptions::default()
        };
        rows.select(&self.state.database, environment, &self.asked.query, &options, sink)
    }

    /// Its memory is bounded by what a call may return: it is not asked for, since the call may have been committed.
    fn value(&self, result: &Value) -> Response<Body> {
        let stripped = self.form.strips_nulls().then(|| without_nulls(result));
        let mut text = stripped.as_ref().unwrap_or(result).to_string();
        if self.form == Form::Lines {
            text.push('\n');
        }
        let is_counted = self.asked.preferences.count.is_some_and(|count| count != Count::None);
        let mut response = whole(StatusCode::OK, text.into_bytes().into());
        self.describe(response.headers_mut(), range::content_range(Some((0, 0)), is_counted.then_some(1)));
        response
    }

    fn describe(&self, headers: &mut HeaderMap, content_range: HeaderValue) {
        headers.insert(range::HEADER, content_range);
        headers.insert(CONTENT_TYPE, self.form.content_type());
        headers.insert(VARY, HeaderValue::from_static(VARIES_BY));
    }
}

fn whole(status: StatusCode, text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    response
}

/// The value without the members of objects that are null.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
