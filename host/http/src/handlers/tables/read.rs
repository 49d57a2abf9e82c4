//! `GET` and `HEAD` of a table: rows, their count, or the plan for finding them.

use std::sync::Arc;

use http::header::{CONTENT_LOCATION, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use mantis_db::Budget;
use mantis_db::tables::query::RowSink as _;
use mantis_db::tables::{Environment, Interrupt, SelectOptions, Selected, TableError, code};
use mantis_dialect::Query;

use super::answer::AnswerRows;
use super::headers::{varies_by, warn};
use super::media::{Form, Media};
use super::preferences::Applicable;
use super::request::{TableRequest, content_location};
use super::stream::Maker;
use super::{plan, range, stream};
use crate::api::blocking::blocking;
use crate::api::common;
use crate::api::presence::Presence;
use crate::api::request::Request;
use crate::limits::{SHORT_QUERY_ROWS_MAX, TABLE_COLLECTED_BYTES};
use crate::protocol::body::Body;
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{end_mark, respond};
use crate::state::State;
use crate::state::sessions::Held;
use crate::wire::lines::end_line;

pub(super) async fn read(state: &Arc<State>, request: &mut Request) -> Result<Response<Body>> {
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
        arguments: asked.arguments.clone(),
        ..SelectOptions::default()
    };
    let form = match asked.media {
        Media::Rows(form) => form,
        Media::Plan(plan) => return plan::explain(state, request, &table, &asked, &options, plan).await,
    };
    let is_head = request.head.method == Method::HEAD;
    let rows = if is_head && !form.is_singular() {
        AnswerRows::counted()
    } else {
        AnswerRows::new(form, &asked.environment, &asked.in_flight)
    };
    let (query, environment, in_flight) = (asked.query, asked.environment, asked.in_flight);
    let reading = Reading { table, query, environment, in_flight, options, form };
    let session = state.session_for(request).await?;
    let found = match session {
        // What it writes may change what it reads, so nothing of it is left to be read.
        Held::Leased(_) => reading.collected(session, rows).await?,
        Held::Pooled(_) => reading.begun(session, rows).await?,
    };
    let (selected, status) = (&found.selected, range::status_of_page(window.offset, &found.selected));
    let status = match status {
        (Ok(_), _) if form.is_singular() && selected.rows != 1 => {
            return Err(TableError::not_singular(selected.rows).into());
        }
        (Ok(status), content_range) => Ok((status, content_range)),
        (Err(error), content_range) => Err(Problem::from(error).header(range::HEADER, content_range)),
    };
    let (status, content_range) = status?;
    let mut response = if is_head { unmeasured(status) } else { with_rows(state, status, found.rows)? };
    let headers = response.headers_mut();
    headers.insert(range::HEADER, content_range);
    if let Ok(location) = HeaderValue::from_str(&content_location(&request.head.uri)) {
        headers.insert(CONTENT_LOCATION, location);
    }
    describe(headers, form, &found.selected);
    headers.insert(VARY, varies_by(&request.head.headers));
    if let Some(applied) = asked.preferences.applied(Applicable::Read, false) {
        headers.insert("preference-applied", applied);
    }
    if asked.preferences.marks_end && form == Form::Lines && !is_head {
        end_mark::apply(headers);
        let end = end_line(found.selected.rows);
        response = response.map(|body| body.followed_by(end));
    }
    Ok(response)
}

/// A select on its way.
struct Reading {
    table: String,
    query: Query,
    environment: Environment,
    in_flight: Budget,
    options: SelectOptions,
    form: Form,
}

/// What a select found.
struct Found {
    selected: Selected,
    rows: FoundRows,
}

enum FoundRows {
    Whole(AnswerRows),
    /// There is more of them than is collected.
    Begun(Box<Maker>),
}

impl Reading {
    /// Options of an attempt on a thread for requests, where a long one would hold up others.
    fn short(&self) -> SelectOptions {
        SelectOptions { examined_max: Some(SHORT_QUERY_ROWS_MAX), ..self.options.clone() }
    }

    /// All rows.
    async fn collected(self, mut session: Held, mut rows: AnswerRows) -> Result<Found> {
        let short = self.short();
        let selected = session.rows(&self.table, self.environment.clone()).select(&self.query, &short, &mut rows).await;
        match selected {
            Err(error) if error.code == code::QUERY_CANCELED => {}
            selected => return Ok(Found { selected: selected?, rows: FoundRows::Whole(rows) }),
        }
        let rows = self.again(&rows);
        let presence = Presence::new();
        let absence = presence.absence();
        blocking(move || async move {
            let mut rows = rows;
            let is_gone = || absence.is_known();
            let mut table = session.rows(&self.table, self.environment).interrupted(Interrupt::when(&is_gone));
            let selected = table.select(&self.query, &self.options, &mut rows).await?;
            Ok(Found { selected, rows: FoundRows::Whole(rows) })
        })
        .await
    }

    /// All rows, or the first of them and how many there are.
    async fn begun(self, mut session: Held, mut rows: AnswerRows) -> Result<Found> {
        rows.set_piece_bytes(TABLE_COLLECTED_BYTES);
        let table = session.rows(&self.table, self.environment.clone());
        let mut stream = table.stream(&self.query, self.short())?;
        let (mut maker, is_collected) = match stream.next(&mut rows, Interrupt::default()) {
            Ok(Some(selected)) => return Ok(Found { selected, rows: FoundRows::Whole(rows) }),
            Ok(None) => {
                stream.lift_examined_max();
                (Maker { stream, rows }, true)
            }
            Err(error) if error.code == code::QUERY_CANCELED => {
                let mut rows = self.again(&rows);
                rows.set_piece_bytes(TABLE_COLLECTED_BYTES);
                (Maker { stream: table.stream(&self.query, self.options)?, rows }, false)
            }
            Err(error) => return Err(error.into()),
        };
        drop(session);
        let presence = Presence::new();
        let absence = presence.absence();
        blocking(move || async move {
            let (selected, is_whole) = maker.first(is_collected, Interrupt::when(&|| absence.is_known()))?;
            let rows = if is_whole { FoundRows::Whole(maker.rows) } else { FoundRows::Begun(Box::new(maker)) };
            Ok(Found { selected, rows })
        })
        .await
    }

    /// The same kind of rows, from the beginning.
    fn again(&self, rows: &AnswerRows) -> AnswerRows {
        if rows.wants_rows() {
            AnswerRows::new(self.form, &self.environment, &self.in_flight)
        } else {
            AnswerRows::counted()
        }
    }
}

fn with_rows(state: &Arc<State>, status: StatusCode, rows: FoundRows) -> Result<Response<Body>> {
    let body = match rows {
        FoundRows::Whole(rows) => Body::full(rows.into_bytes()),
        FoundRows::Begun(maker) => stream::body(state, *maker)?,
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
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
    warn(headers, &selected.warnings);
}
