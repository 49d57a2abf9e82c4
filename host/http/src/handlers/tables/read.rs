//! `GET` and `HEAD` of a table: rows, their count, or the plan for finding them.

use http::header::{CONTENT_LOCATION, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use mantis_db::tables::query::RowSink as _;
use mantis_db::tables::{SelectOptions, Selected, TableError, code};

use super::answer::AnswerRows;
use super::headers::{VARIES_BY, warn};
use super::media::{Form, Media};
use super::preferences::Applicable;
use super::request::{TableRequest, content_location};
use super::{plan, range};
use crate::api::blocking::blocking;
use crate::api::common;
use crate::api::request::Request;
use crate::limits::SHORT_QUERY_ROWS_MAX;
use crate::protocol::body::Body;
use crate::protocol::problem::{Problem, Result};
use crate::protocol::respond;
use crate::state::State;

pub(super) async fn read(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let head = &request.head;
    let mut asked = TableRequest::read(state, &head.uri, &head.headers, "accept-profile")?;
    let root = &mut asked.query.root;
    let window = range::window(&head.method, &head.headers, root.limit, root.offset)?;
    (root.limit, root.offset) = (window.limit, Some(window.offset));
    let table = request.path_text(&common::TABLE)?.into_owned();
    let options = SelectOptions {
        count: asked.preferences.count.unwrap_or_default(),
        rows_max: state.config.tables.rows_max,
        without_aggregates: !state.config.tables.aggregates,
        ..SelectOptions::default()
    };
    let form = match asked.media {
        Media::Rows(form) => form,
        Media::Plan(plan) => return plan::explain(state, request, &table, &asked, &options, plan).await,
    };
    let is_head = request.head.method == Method::HEAD;
    let mut rows =
        if is_head && !form.is_singular() { AnswerRows::Counted } else { AnswerRows::new(form, &asked.environment) };
    let mut session = state.session_for(request).await?;
    let short = SelectOptions { examined_max: Some(SHORT_QUERY_ROWS_MAX), ..options.clone() };
    let selected = session.rows(&table, asked.environment.clone()).select(&asked.query, &short, &mut rows).await;
    let selected = match selected {
        // On a thread for requests it would hold up others.
        Err(error) if error.code == code::QUERY_CANCELED => {
            let (query, environment) = (asked.query.clone(), asked.environment.clone());
            let mut all = if rows.wants_rows() { AnswerRows::new(form, &environment) } else { AnswerRows::Counted };
            let done = blocking(move || async move {
                let selected = session.rows(&table, environment).select(&query, &options, &mut all).await?;
                Ok((selected, all))
            });
            let (selected, all) = done.await?;
            rows = all;
            selected
        }
        selected => selected?,
    };
    let (status, content_range) = range::status_of_page(window.offset, &selected);
    let status = match status {
        Ok(_) if form.is_singular() && selected.rows != 1 => return Err(TableError::not_singular(selected.rows).into()),
        Ok(status) => status,
        Err(error) => return Err(Problem::from(error).header(range::HEADER, content_range)),
    };
    let mut response = if is_head { unmeasured(status) } else { whole(status, rows) };
    let headers = response.headers_mut();
    headers.insert(range::HEADER, content_range);
    if let Ok(location) = HeaderValue::from_str(&content_location(&request.head.uri)) {
        headers.insert(CONTENT_LOCATION, location);
    }
    describe(headers, form, &selected);
    if let Some(applied) = asked.preferences.applied(Applicable::Read, false) {
        headers.insert("preference-applied", applied);
    }
    Ok(response)
}

fn whole(status: StatusCode, rows: AnswerRows) -> Response<Body> {
    let mut response = Response::new(Body::full(rows.into_bytes()));
    *response.status_mut() = status;
    response
}

/// An answer to HEAD whose length nobody has counted.
pub(super) fn unmeasured(status: StatusCode) -> Response<Body> {
    let mut response = respond::empty(status);
    *response.body_mut() = Body::stream(futures_util::stream::empty());
    response
}

/// Sets the headers of rows in this form.
fn describe(headers: &mut HeaderMap, form: Form, selected: &Selected) {
    headers.insert(CONTENT_TYPE, form.content_type());
    headers.insert(VARY, HeaderValue::from_static(VARIES_BY));
    warn(headers, &selected.warnings);
}
