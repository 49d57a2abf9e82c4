//! `POST`, `PATCH`, `PUT` and `DELETE` of a table.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, VARY};
use http::{HeaderValue, Response, StatusCode};
use mantis_db::Session;
use mantis_db::tables::query::RowSink;
use mantis_db::tables::{Interrupt, Resolution, RowBatch, TableError, TableResult, WriteOptions, Written, code};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::answer::AnswerRows;
use super::body::{self, Columns, Format};
use super::headers::{VARIES_BY, warn};
use super::media::{Form, Media};
use super::preferences::{Applicable, Missing, Representation, TransactionEnd};
use super::range;
use super::request::TableRequest;
use crate::api::blocking::blocking;
use crate::api::common;
use crate::api::presence::Presence;
use crate::api::request::Request;
use crate::limits::{SHORT_BODY_BYTES_MAX, SHORT_QUERY_ROWS_MAX};
use crate::protocol::body::Body;
use crate::protocol::problem::Result;
use crate::protocol::{memory, respond};
use crate::state::State;
use crate::state::sessions::Held;
use crate::wire::written;

/// What is escaped in the value of a filter within a `Location`.
const VALUE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>').add(b'=');

/// A request that writes, read but for its body.
struct Writing {
    asked: TableRequest,
    table: String,
    form: Form,
    options: WriteOptions,
}

impl Writing {
    fn read(state: &State, request: &Request, kind: Applicable) -> Result<Self> {
        let head = &request.head;
        let mut asked = TableRequest::read(state, &head.uri, &head.headers, "content-profile")?;
        if !state.config.tables.transaction_end {
            asked.preferences.transaction = None;
        }
        let root = &asked.query.root;
        if (root.limit.is_some() || root.offset.is_some()) && kind != Applicable::Insert {
            return Err(windowed(request.head.method.as_str(), kind).into());
        }
        let preferences = &asked.preferences;
        let form = match asked.media {
            Media::Rows(form) => form,
            // What a write would do is only known when it is done.
            Media::Plan(_) => {
                let message = "None of these media types are available: application/vnd.pgrst.plan";
                return Err(TableError::new(code::MEDIA_UNAVAILABLE, message)
                    .with_hint("Ask for the plan of a GET with the same filters.")
                    .into());
            }
        };
        let options = WriteOptions {
            resolution: preferences.resolution.filter(|_| kind == Applicable::Insert).unwrap_or_default(),
            missing_is_default: preferences.missing == Some(Missing::Default),
            affected_max: preferences.affected_max.filter(|_| matches!(kind, Applicable::Update | Applicable::Delete)),
            is_singular: form.is_singular(),
            is_rolled_back: preferences.transaction == Some(TransactionEnd::Rollback),
            needs_filter: state.config.tables.safe_update,
            without_aggregates: !state.config.tables.aggregates,
            arguments: asked.arguments.clone(),
            ..WriteOptions::default()
        };
        let table = request.path_text(&common::TABLE)?.into_owned();
        Ok(Self { asked, table, form, options })
    }

    fn representation(&self) -> Option<Representation> {
        self.asked.preferences.representation
    }

    /// Where the written rows are collected, if they are asked for.
    fn rows(&self) -> Option<AnswerRows> {
        (self.representation() == Some(Representation::Full))
            .then(|| AnswerRows::new(self.form, &self.asked.environment, &self.asked.in_flight))
    }

    /// How the columns of the body are found.
    fn columns(&self) -> Columns<'_> {
        match &self.asked.query.columns {
            Some(names) => Columns::Named(names),
            None if self.options.missing_is_default => Columns::All,
            None => Columns::Same,
        }
    }

    /// The answer to a write.
    fn answer(
        &self,
        status: StatusCode,
        kind: Applicable,
        written: &Written,
        rows: Option<AnswerRows>,
        shown: Option<(u64, u64)>,
    ) -> Response<Body> {
        let mut response = match rows {
            Some(rows) => {
                let mut response = Response::new(Body::full(rows.into_bytes()));
                response.headers_mut().insert(CONTENT_TYPE, self.form.content_type());
                response
            }
            None => respond::empty(status),
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if kind != Applicable::Put {
            let total = self.asked.preferences.count.map(|_| written.affected);
            headers.insert(range::HEADER, range::content_range(shown, total));
        }
        headers.insert(VARY, HeaderValue::from_static(VARIES_BY));
        warn(headers, &written.warnings);
        if let Some(applied) = self.asked.preferences.applied(kind, written.resolution_ignored) {
            headers.insert("preference-applied", applied);
        }
        if !self.options.is_rolled_back {
            written::set_commit_headers(&mut response, written.version, written.durable);
        }
        response
    }
}

fn windowed(method: &str, kind: Applicable) -> TableError {
    let message = format!("limit/offset querystring parameters are not allowed for {method}");
    let error = TableError::new(code::UPSERT_WINDOW, message);
    if kind == Applicable::Put { error } else { error.with_hint("Name the rows by their keys.") }
}

fn returning(rows: &mut Option<AnswerRows>) -> Option<&mut dyn RowSink> {
    rows.as_mut().map(|rows| rows as &mut dyn RowSink)
}

/// A body's bytes and what they are.
async fn read_body(state: &State, request: &mut Request) -> Result<(Bytes, Format)> {
    let format = Format::of(request.media_type().as_deref())?;
    let body = request.read_body(state.config.body_bytes_max, state.config.body_timeout_ms).await?;
    let parsed = request.reserve(memory::parsed_rows_bytes(&body))?;
    Ok((memory::held(body, parsed), format))
}

pub(super) async fn insert(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let writing = Writing::read(state, request, Applicable::Insert)?;
    let (bytes, format) = read_body(state, request).await?;
    let session = state.session_for(request).await?;
    let (writing, written, rows) = run(Applicable::Insert, writing, session, bytes, format).await?;
    let merged_only =
        writing.options.resolution == Resolution::Merge && written.inserted == 0 && !written.resolution_ignored;
    let status = if merged_only { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = writing.answer(status, Applicable::Insert, &written, rows, None);
    if let Some(key) = &written.key
        && matches!(writing.representation(), Some(Representation::HeadersOnly | Representation::Full))
    {
        let filters: Vec<_> = key.iter().map(|(name, filter)| format!("{name}={}", escaped(filter))).collect();
        let location = format!("{}?{}", request.head.uri.path(), filters.join("&"));
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(LOCATION, location);
        }
    }
    Ok(response)
}

/// The error of rows whose columns are not there: curl sends JSON as a form unless told otherwise.
fn misread(error: TableError, format: Format) -> TableError {
    if format == Format::Form && error.code == code::NO_COLUMN {
        return error.with_hint("The body was read as a form; JSON is sent with `Content-Type: application/json`.");
    }
    error
}

fn escaped(filter: &str) -> String {
    utf8_percent_encode(filter, VALUE).to_string()
}

pub(super) async fn update(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let writing = Writing::read(state, request, Applicable::Update)?;
    let (bytes, format) = read_body(state, request).await?;
    let session = state.session_for(request).await?;
    let (writing, written, rows) = run(Applicable::Update, writing, session, bytes, format).await?;
    let shown = written.affected.checked_sub(1).map(|last| (0, last));
    Ok(writing.answer(status_of(rows.is_some()), Applicable::Update, &written, rows, shown))
}

/// Rows written, and those to show.
type Done = TableResult<(Written, Option<AnswerRows>)>;

/// Runs a statement: on this thread if it is short, and else on a thread for long work.
async fn run(
    kind: Applicable,
    writing: Writing,
    mut session: Held,
    bytes: Bytes,
    format: Format,
) -> Result<(Arc<Writing>, Written, Option<AnswerRows>)> {
    let writing = Arc::new(writing);
    if bytes.len() <= SHORT_BODY_BYTES_MAX {
        let bounds = (Some(SHORT_QUERY_ROWS_MAX), Interrupt::default());
        let done = write_rows(kind, &writing, &mut session, &bytes, format, bounds).await;
        // What turns out to be long starts over.
        if !is_long(&done) {
            let (written, rows) = done?;
            return Ok((writing, written, rows));
        }
    }
    let shared = Arc::clone(&writing);
    // A statement whose client has gone stops, and nothing of it is left.
    let presence = Presence::new();
    let absence = presence.absence();
    let work = move || async move {
        let is_gone = || absence.is_known();
        let interrupt = Interrupt::when(&is_gone);
        Ok(write_rows(kind, &shared, &mut session, &bytes, format, (None, interrupt)).await?)
    };
    let (written, rows) = blocking(work).await?;
    Ok((writing, written, rows))
}

/// Whether a statement is to start over on a thread for long work.
fn is_long(done: &Done) -> bool {
    done.as_ref().is_err_and(|error| error.code == code::QUERY_CANCELED)
}

/// Runs a statement that examines at most so many rows, until it is interrupted.
async fn write_rows(
    kind: Applicable,
    writing: &Writing,
    session: &mut Session,
    bytes: &[u8],
    format: Format,
    (examined_max, interrupt): (Option<u64>, Interrupt<'_>),
) -> Done {
    let mut rows = writing.rows();
    let mut table = session.rows(&writing.table, writing.asked.environment.clone()).interrupted(interrupt);
    let (query, options) = (&writing.asked.query, &WriteOptions { examined_max, ..writing.options.clone() });
    let body = || body::read(bytes, format, writing.columns());
    let written = match kind {
        Applicable::Insert => {
            let batch = body()?.batch;
            let written = table.insert(query, &batch, options, returning(&mut rows)).await;
            written.map_err(|error| misread(error, format))?
        }
        Applicable::Put => {
            let batch = body()?.batch;
            check_one(&batch)?;
            table.put(query, &batch, options, returning(&mut rows)).await?
        }
        Applicable::Update => match body()? {
            body::Rows { batch, is_list: true } => {
                table.update_many(query, &batch, options, returning(&mut rows)).await?
            }
            body::Rows { batch, .. } => table.update(query, &batch, options, returning(&mut rows)).await?,
        },
        Applicable::Delete => table.delete(query, options, returning(&mut rows)).await?,
        Applicable::Read | Applicable::Call => {
            let message = "a request that writes nothing came to where rows are written";
            return Err(TableError::new(code::INTERNAL, message));
        }
    };
    Ok((written, rows))
}

fn status_of(shows_rows: bool) -> StatusCode {
    if shows_rows { StatusCode::OK } else { StatusCode::NO_CONTENT }
}

pub(super) async fn put(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let writing = Writing::read(state, request, Applicable::Put)?;
    let (bytes, format) = read_body(state, request).await?;
    let session = state.session_for(request).await?;
    let (writing, written, rows) = run(Applicable::Put, writing, session, bytes, format).await?;
    let status = match (rows.is_some(), written.inserted) {
        (false, _) => StatusCode::NO_CONTENT,
        (true, 0) => StatusCode::OK,
        (true, _) => StatusCode::CREATED,
    };
    Ok(writing.answer(status, Applicable::Put, &written, rows, None))
}

fn check_one(batch: &RowBatch<'_>) -> TableResult<()> {
    if batch.rows == 1 {
        return Ok(());
    }
    Err(TableError::new(code::UPSERT_KEYS, "Payload values do not match URL in primary key column(s)"))
}

pub(super) async fn delete(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let writing = Writing::read(state, request, Applicable::Delete)?;
    let session = state.session_for(request).await?;
    let (writing, written, rows) = run(Applicable::Delete, writing, session, Bytes::new(), Format::Json).await?;
    Ok(writing.answer(status_of(rows.is_some()), Applicable::Delete, &written, rows, None))
}
