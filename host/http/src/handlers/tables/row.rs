//! `/tables/{table}/{row}`: one row by its primary key, with an entity tag.
//!
//! The tag names the version of the row, and which of its columns are shown in which form: `"v7"` for all of them as JSON,
//! `"v7-SHOWN"` for anything else. With embedded rows there is no tag: they change by themselves.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, VARY};
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::tables::query::{Cell, OutputColumn, RowSink};
use mantis_db::tables::{Input, RowBatch, SelectOptions, TableError, TableResult, WriteOptions, Written, code};
use mantis_db::{Interrupt, Session};
use mantis_dialect::{Condition, Operand, Query, Selection};

use super::answer::AnswerRows;
use super::body::{self, Columns, Format};
use super::headers::VARIES_BY;
use super::media::{Form, Media};
use super::preconditions::{Preconditions, Versions};
use super::preferences::{Applicable, Missing, Representation, TransactionEnd};
use super::request::TableRequest;
use crate::api::blocking::blocking_for_client;
use crate::api::common;
use crate::api::request::Request;
use crate::limits::{CONDITION_ATTEMPTS_MAX, SHORT_BODY_BYTES_MAX, SHORT_QUERY_ROWS_MAX};
use crate::protocol::body::Body;
use crate::protocol::errors::Code;
use crate::protocol::path;
use crate::protocol::problem::{Problem, Result};
use crate::protocol::respond;
use crate::state::State;
use crate::wire::written;

/// How many rows a statement may examine, and what interrupts it.
type Bounds<'i> = (Option<u64>, Interrupt<'i>);

/// A request for one row, read but for its body.
struct RowRequest {
    asked: TableRequest,
    table: String,
    /// The values of its primary key.
    key: Vec<String>,
    form: Form,
}

impl RowRequest {
    fn read(state: &State, request: &Request, profile: &str) -> Result<Self> {
        let head = &request.head;
        let asked = TableRequest::read(state, &head.uri, &head.headers, profile)?;
        let root = &asked.query.root;
        if !root.filter.is_empty() || !root.order.is_empty() || root.limit.is_some() || root.offset.is_some() {
            return Err(TableError::new(
                code::PARSE,
                "the path names the row: it takes no filter, order, limit or offset",
            )
            .into());
        }
        let form = match asked.media {
            Media::Rows(Form::Json | Form::Array { strips_nulls: false }) => Form::Object { strips_nulls: false },
            Media::Rows(Form::Array { strips_nulls: true }) => Form::Object { strips_nulls: true },
            Media::Rows(form) => form,
            Media::Plan(_) => return Err(Code::NotAcceptable.into()),
        };
        let raw = request.captures.get(head.uri.path(), &common::ROW);
        let key = raw.split(',').map(decoded).collect::<Result<_>>()?;
        Ok(Self { asked, table: request.path_text(&common::TABLE)?.into_owned(), key, form })
    }

    /// The row's conditions become the query's filter.
    async fn select_row(&mut self, session: &mut Session) -> TableResult<()> {
        let texts: Vec<&str> = self.key.iter().map(String::as_str).collect();
        let conditions = session.rows(&self.table, self.asked.environment.clone()).key_conditions(&texts).await?;
        self.asked.query.root.filter = conditions;
        Ok(())
    }

    /// The columns of the primary key and their values.
    fn key_columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.asked.query.root.filter.iter().filter_map(|condition| match condition {
            Condition::Compare(comparison) => match &comparison.operand {
                Operand::Text(text) => Some((&*comparison.subject.field.name, &**text)),
                _ => None,
            },
            _ => None,
        })
    }

    /// The tag of the row in the form that is asked for, at a version.
    fn tag(&self, version: u64) -> Option<HeaderValue> {
        let select = self.asked.query.select.as_deref();
        let embeds = select.is_some_and(|select| select.iter().any(|shown| matches!(shown, Selection::Embed(_))));
        if version == 0 || embeds {
            return None;
        }
        let is_plain = select.is_none() && self.form == (Form::Object { strips_nulls: false });
        let zone = self.asked.preferences.time_zone.as_ref().map(|(name, _)| name.as_str());
        let tag = if is_plain && zone.is_none() {
            format!("\"v{version}\"")
        } else {
            let mut hasher = DefaultHasher::new();
            (format!("{select:?}{:?}", self.form), zone).hash(&mut hasher);
            format!("\"v{version}-{:x}\"", hasher.finish())
        };
        HeaderValue::from_str(&tag).ok()
    }
}

fn decoded(raw: &str) -> Result<String> {
    let bytes = path::decode(raw)?.into_owned();
    String::from_utf8(bytes).map_err(|_| TableError::new(code::TEXT_INVALID, "the row's key is not UTF-8").into())
}

/// Rows that also note the version of the last one.
struct Versioned {
    rows: AnswerRows,
    version: u64,
}

impl RowSink for Versioned {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.version = 0;
        self.rows.begin(columns)
    }

    fn version(&mut self, version: u64) {
        self.version = version;
        self.rows.version(version);
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        self.rows.row(cells)
    }
}

pub(super) async fn show(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let mut row = RowRequest::read(state, request, "accept-profile")?;
    let conditions = Preconditions::of(request.headers())?;
    let mut session = state.session_for(request).await?;
    row.select_row(&mut session).await?;
    let row = Arc::new(row);
    let shown = match show_row(&row, &mut session, (Some(SHORT_QUERY_ROWS_MAX), Interrupt::default())).await {
        // Embedded rows may be many.
        Err(error) if error.code == code::QUERY_CANCELED => {
            let row = Arc::clone(&row);
            blocking_for_client(move |absence| async move {
                let is_gone = || absence.is_known();
                Ok(show_row(&row, &mut session, (None, Interrupt::when(&is_gone))).await?)
            })
            .await?
        }
        shown => shown?,
    };
    let Some(shown) = shown else { return Err(Code::RowNotFound.into()) };
    let tag = row.tag(shown.version);
    if conditions.if_match.as_ref().is_some_and(|versions| !versions.have(shown.version)) {
        let problem =
            Problem::new(Code::PreconditionFailed).detail("the row has another version than those in `If-Match`");
        return Err(match conditions.hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }
    let is_known = conditions.if_none_match.is_some_and(|known| known.match_form(tag.as_ref()));
    let mut response = if is_known {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = Response::new(Body::full(shown.rows.into_bytes()));
        response.headers_mut().insert(CONTENT_TYPE, row.form.content_type());
        response
    };
    describe(&mut response, &row, tag, Applicable::Read);
    Ok(response)
}

/// The row, if it is there and no more than so many rows have to be examined, until it is interrupted.
async fn show_row(
    row: &RowRequest,
    session: &mut Session,
    (examined_max, interrupt): Bounds<'_>,
) -> TableResult<Option<Versioned>> {
    let rows = AnswerRows::new(row.form, &row.asked.environment, &row.asked.in_flight);
    let mut shown = Versioned { rows, version: 0 };
    let options = SelectOptions { without_aggregates: true, examined_max, ..SelectOptions::default() };
    let mut rows = session.rows(&row.table, row.asked.environment.clone()).interrupted(interrupt);
    let selected = rows.select(&row.asked.query, &options, &mut shown).await?;
    Ok((selected.rows > 0).then_some(shown))
}

fn describe(response: &mut Response<Body>, row: &RowRequest, tag: Option<HeaderValue>, kind: Applicable) {
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static(VARIES_BY));
    if let Some(tag) = tag {
        headers.insert(ETAG, tag);
    }
    if let Some(applied) = row.asked.preferences.applied(kind, false) {
        headers.insert("preference-applied", applied);
    }
}

pub(super) async fn write(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let mut row = RowRequest::read(state, request, "content-profile")?;
    let conditions = Preconditions::of(request.headers())?;
    let method = request.head.method.clone();
    if !state.config.tables.transaction_end {
        row.asked.preferences.transaction = None;
    }
    let preferences = &row.asked.preferences;
    let options = WriteOptions {
        missing_is_default: method == Method::PUT || preferences.missing == Some(Missing::Default),
        is_rolled_back: preferences.transaction == Some(TransactionEnd::Rollback),
        replaces: method == Method::PUT,
        ..WriteOptions::default()
    };
    let shows = preferences.representation == Some(Representation::Full);
    let (bytes, format) = if method == Method::DELETE {
        (Bytes::new(), Format::Json)
    } else {
        let bytes = request.read_body(state.config.body_bytes_max, state.config.body_timeout_ms).await?;
        (bytes, Format::of(request.media_type().as_deref())?)
    };
    let mut session = state.session_for(request).await?;
    row.select_row(&mut session).await?;
    let short = bytes.len() <= SHORT_BODY_BYTES_MAX;
    let writing = Arc::new(Writing { row, conditions, kind: kind_of(&method), options, shows, bytes, format });
    let done = if short {
        Some(writing.write(&mut session, (Some(SHORT_QUERY_ROWS_MAX), Interrupt::default())).await)
    } else {
        None
    };
    let (written, shown) = match done {
        // What turns out to be long starts over.
        Some(Err(error)) if error.code != code::QUERY_CANCELED => return Err(error.into()),
        Some(Ok(done)) => done,
        _ => {
            let writing = Arc::clone(&writing);
            // Without its client it stops, and nothing of it is left.
            blocking_for_client(move |absence| async move {
                let is_gone = || absence.is_known();
                Ok(writing.write(&mut session, (None, Interrupt::when(&is_gone))).await?)
            })
            .await?
        }
    };
    if written.affected == 0 {
        // What does not exist has no version either.
        return Err(if writing.conditions.if_match.is_some() {
            Problem::new(Code::PreconditionFailed)
                .detail("the row does not exist, and so has none of the versions in `If-Match`")
                .hint("`PUT` without `If-Match` makes it.")
        } else {
            Code::RowNotFound.into()
        });
    }
    Ok(answer(&writing.row, writing.kind, &writing.options, &written, shown))
}

fn kind_of(method: &Method) -> Applicable {
    match *method {
        Method::PUT => Applicable::Put,
        Method::PATCH => Applicable::Update,
        _ => Applicable::Delete,
    }
}

/// A write of one row, with its body.
struct Writing {
    row: RowRequest,
    conditions: Preconditions,
    kind: Applicable,
    options: WriteOptions,
    shows: bool,
    bytes: Bytes,
    format: Format,
}

impl Writing {
    /// Writes, and examines at most so many rows, until it is interrupted.
    async fn write(&self, session: &mut Session, bounds: Bounds<'_>) -> TableResult<(Written, Option<Versioned>)> {
        let Preconditions { if_match, if_none_match, .. } = &self.conditions;
        let only = if_match.as_ref().and_then(Versions::only);
        let is_put = self.kind == Applicable::Put;
        // To change or delete nothing is an error anyway, so that `*` needs a look at the row for PUT alone.
        let is_open = if_none_match.is_some()
            || match if_match {
                None => false,
                Some(Versions::Any) => is_put,
                Some(Versions::These(_)) => only.is_none(),
            };
        if !is_open {
            return self.write_version(session, bounds, only).await;
        }
        for _ in 0..CONDITION_ATTEMPTS_MAX {
            let version = self.version_there(session).await?;
            match self.write_version(session, bounds, version).await {
                // Another write came first: what there is now may meet the conditions too.
                Err(error) if error.code == code::PRECONDITION_FAILED => {}
                written => return written,
            }
        }
        Err(TableError::new(code::SERIALIZATION_FAILURE, "could not serialize access due to concurrent update"))
    }

    /// The version of the row that is there, which meets the conditions; none if none is.
    ///
    /// # Errors
    /// PT412 where they are not met.
    async fn version_there(&self, session: &mut Session) -> TableResult<Option<u64>> {
        let row = &self.row;
        let mut query = Query { select: Some(Vec::new()), ..Query::default() };
        query.root.filter.clone_from(&row.asked.query.root.filter);
        let mut found = Versioned { rows: AnswerRows::counted(), version: 0 };
        let mut rows = session.rows(&row.table, row.asked.environment.clone());
        let is_there = rows.select(&query, &SelectOptions::default(), &mut found).await?.rows > 0;
        let Preconditions { if_match, if_none_match, .. } = &self.conditions;
        let is_asked = if_match.as_ref().is_none_or(|versions| is_there && versions.have(found.version));
        let tag = row.tag(found.version);
        let is_excluded = is_there && if_none_match.as_ref().is_some_and(|tags| tags.match_form(tag.as_ref()));
        if !is_asked || is_excluded {
            let message = "The row does not meet `If-Match` or `If-None-Match`";
            let error = TableError::new(code::PRECONDITION_FAILED, message);
            return Err(match self.conditions.hint() {
                Some(hint) => error.with_hint(hint),
                None => error,
            });
        }
        Ok(is_there.then_some(found.version))
    }

    /// Writes the row, which must have this version if one is given.
    async fn write_version(
        &self,
        session: &mut Session,
        (examined_max, interrupt): Bounds<'_>,
        if_version: Option<u64>,
    ) -> TableResult<(Written, Option<Versioned>)> {
        let row = &self.row;
        let environment = &row.asked.environment;
        let collect = || AnswerRows::new(row.form, environment, &row.asked.in_flight);
        let mut shown = self.shows.then(|| Versioned { rows: collect(), version: 0 });
        let returning = shown.as_mut().map(|shown| shown as &mut dyn RowSink);
        let mut rows = session.rows(&row.table, environment.clone()).interrupted(interrupt);
        let (query, options) = (&row.asked.query, &WriteOptions { examined_max, if_version, ..self.options.clone() });
        let body = || one_row(&self.bytes, self.format, row);
        let written = match self.kind {
            Applicable::Put => {
                let mut batch = body()?;
                add_key(&mut batch, row);
                if self.conditions.if_none_match.is_some() && if_version.is_none() {
                    // Not over a row that another write has made meanwhile.
                    return Ok((rows.insert(query, &batch, options, returning).await?, shown));
                }
                rows.put(query, &batch, options, returning).await?
            }
            Applicable::Update => rows.update(query, &body()?, options, returning).await?,
            _ => rows.delete(query, options, returning).await?,
        };
        Ok((written, shown))
    }
}

fn answer(
    row: &RowRequest,
    kind: Applicable,
    options: &WriteOptions,
    written: &Written,
    shown: Option<Versioned>,
) -> Response<Body> {
    let is_new = kind == Applicable::Put && written.inserted > 0;
    let status = match (&shown, is_new) {
        (_, true) => StatusCode::CREATED,
        (Some(_), false) => StatusCode::OK,
        (None, false) => StatusCode::NO_CONTENT,
    };
    let mut response = respond::empty(status);
    if let Some(shown) = shown {
        *response.body_mut() = Body::full(shown.rows.into_bytes());
        response.headers_mut().insert(CONTENT_TYPE, row.form.content_type());
    }
    let is_kept = kind != Applicable::Delete && !options.is_rolled_back;
    describe(&mut response, row, if is_kept { row.tag(written.version) } else { None }, kind);
    if !options.is_rolled_back {
        written::set_commit_headers(&mut response, written.version, written.durable);
    }
    response
}

/// The one row of a body.
fn one_row<'b>(bytes: &'b [u8], format: Format, row: &RowRequest) -> TableResult<RowBatch<'b>> {
    let columns = row.asked.query.columns.as_deref().map_or(Columns::Same, Columns::Named);
    let rows = body::read(bytes, format, columns)?;
    if rows.is_list || rows.batch.rows != 1 {
        return Err(TableError::new(code::BODY_INVALID, "the body is one object: the path names one row"));
    }
    Ok(rows.batch)
}

/// Adds the key that the path names where the body does not.
fn add_key(batch: &mut RowBatch<'_>, row: &RowRequest) {
    for (column, value) in row.key_columns() {
        if !batch.columns.iter().any(|named| named == column) {
            batch.columns.push(column.to_owned().into());
            batch.values.push(Input::Text(value.to_owned().into()));
        }
    }
}
