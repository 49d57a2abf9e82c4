//! `POST`, `PATCH`, `PUT` and `DELETE` of a table.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, LOCATION, VARY};
use http::{HeaderValue, Response, StatusCode};
use mantis_db::Session;
use mantis_db::tables::query::RowSink;
use mantis_db::tables::{Resolution, RowBatch, TableError, TableResult, WriteOptions, Written, code};
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
use crate::api::request::Request;
use crate::limits::{SHORT_BODY_BYTES_MAX, SHORT_QUERY_ROWS_MAX};
use crate::protocol::body::Body;
use crate::protocol::problem::Result;
use crate::protocol::respond;
use crate::state::State;
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
            .then(|| AnswerRows::new(self.form, &self.asked.environment))
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
async fn read_body(state: &State, request: &mut Request) -> Result<(bytes::Bytes, Format)> {
    let format = Format::of(request.media_type().as_deref())?;
    let body = request.read_body(state.config.body_bytes_max, state.config.body_timeout_ms).await?;
    Ok((body, format))
}

pub(super) async fn insert(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let writing = Writing::read(state, request, Applicable::Insert)?;
    let (bytes, format) = read_body(state, request).await?;
    let mut session = state.session_for(request).await?;
    let is_long = bytes.len() > SHORT_BODY_BYTES_MAX;
    let work = move || async move {
        let mut rows = writing.rows();
        let batch = body::read(&bytes, format, writing.columns())?.batch;
        let mut table = session.rows(&writing.table, writing.asked.environment.clone());
        let written = table.insert(&writing.asked.query, &batch, &writing.options, returning(&mut rows)).await;
        let written = written.map_err(|error| misread(error, format))?;
        Ok((writing, written, rows))
    };
    let (writing, written, rows) = if is_long { blocking(work).await? } else { work().await? };
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
    let mut session = state.session_for(request).await?;
    let short = (bytes.len() <= SHORT_BODY_BYTES_MAX).then_some(SHORT_QUERY_ROWS_MAX);
    let writing = Arc::new(writing);
    let done = match short {
        Some(_) => Some(update_rows(&writing, &mut session, &bytes, format, short).await),
        None => None,
    };
    let (written, rows) = match done {
        Some(done) if !is_long(&done) => done?,
        _ => {
            let writing = Arc::clone(&writing);
            let work = move || async move { Ok(update_rows(&writing, &mut session, &bytes, format, None).await?) };
            blocking(work).await?
        }
    };
    let shown = written.affected.checked_sub(1).map(|last| (0, last));
    Ok(writing.answer(status_of(rows.is_some()), Applicable::Update, &written, rows, shown))
}

/// Rows written, and those to show.
type Done = TableResult<(Written, Option<AnswerRows>)>;

/// Whether a statement is to start over on a thread for long work.
fn is_long(done: &Done) -> bool {
    done.as_ref().is_err_and(|error| error.code == code::QUERY_CANCELED)
}

async fn update_rows(
    writing: &Writing,
    session: &mut Session,
    bytes: &[u8],
    format: Format,
    examined_max: Option<u64>,
) -> Done {
    let body::Rows { batch, is_list } = body::read(bytes, format, writing.columns())?;
    let mut rows = writing.rows();
    let mut table = session.rows(&writing.table, writing.asked.environment.clone());
    let options = &WriteOptions { examined_max, ..writing.options.clone() };
    let written = if is_list {
        table.update_many(&writing.asked.query, &batch, options, returning(&mut rows)).await?
    } else {
        table.update(&writing.asked.query, &batch, options, returning(&mut rows)).await?
    };
    Ok((written, rows))
}

async fn delete_rows(writing: &Writing, session: &mut Session, examined_max: Option<u64>) -> Done {
    let mut rows = writing.rows();
    let mut table = session.rows(&writing.table, writing.asked.environment.clone());
    let options = WriteOptions { examined_max, ..writing.options.clone() };
    let written = table.delete(&writing.asked.query, &options, returning(&mut rows)).await?;
    Ok((written, rows))
}

fn status_of(shows_rows: bool) -> StatusCode {
    if shows_rows { StatusCode::OK } else { StatusCode::NO_CONTENT }
}

pub(super) async fn put(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let writing = Writing::read(state, request, Applicable::Put)?;
    let (bytes, format) = read_body(state, request).await?;
    let batch = body::read(&bytes, format, writing.columns())?.batch;
    check_one(&batch)?;
    let mut rows = writing.rows();
    let mut session = state.session_for(request).await?;
    let written = session
        .rows(&writing.table, writing.asked.environment.clone())
        .put(&writing.asked.query, &batch, &writing.options, returning(&mut rows))
        .await?;
    drop(session);
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
    let mut session = state.session_for(request).await?;
    let writing = Arc::new(writing);
    let mut done = delete_rows(&writing, &mut session, Some(SHORT_QUERY_ROWS_MAX)).await;
    if is_long(&done) {
        let writing = Arc::clone(&writing);
        done = Ok(blocking(move || async move { Ok(delete_rows(&writing, &mut session, None).await?) }).await?);
    }
    let (written, rows) = done?;
    Ok(writing.answer(status_of(rows.is_some()), Applicable::Delete, &written, rows, None))
}
