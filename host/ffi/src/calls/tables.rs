//! Tables: definitions, statements on rows, and changes.

use std::ffi::{c_char, c_void};

use mantis_db::tables::feed::{FeedError, FeedEvent, FeedScope, RowChangeKind, TableEventKind, TableFeed};
use mantis_db::tables::query::{Cell, JsonForm, JsonRows, OutputColumn, PackedRows, RowSink};
use mantis_db::tables::schema::{TableChange, TableDocument};
use mantis_db::tables::{Count, Environment, Query, QueryText, SelectOptions, TableResult, WriteOptions, Written};
use mantis_db::{ChangeFilter, ChangeKind, Since, Written as Commit};
use serde_json::json;

use super::keys::{at_once, deferring, unknown, written_far, written_of};
use super::{Answer, call};
use crate::abi::status::{MANTIS_NOT_FOUND, MANTIS_OK, Status};
use crate::abi::types::flags as f;
use crate::abi::types::{mantis_conn, mantis_error, mantis_page, mantis_written};
use crate::conn::Conn;
use crate::failure::Failure;
use crate::far::Shown;
use crate::raw::{self, Out};
use crate::statements::{self, Statement, Verb, data_json};
use crate::waiting::block;

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_table_create(
    conn: mantis_conn,
    table: *const c_char,
    table_len: usize,
    definition: *const c_char,
    definition_len: usize,
    page: *mut mantis_page,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the texts for this call, and the structures are as the header says.
        let (table, definition, page, out) = unsafe {
            (
                raw::text(table, table_len, "table")?,
                raw::text(definition, definition_len, "definition")?,
                Out::new(page, "page")?,
                Out::new(written, "written")?,
            )
        };
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                let (shown, is_new) = far.create_table(table, definition)?;
                let flags = if is_new { f::MANTIS_CREATED } else { 0 };
                out.write(&mantis_written { flags, ..mantis_written::default() });
                show_far(conn, shown, &page);
                return Ok(MANTIS_OK);
            }
            let created = block::wait(async {
                let document = TableDocument::read(definition.as_bytes())?;
                conn.session().create_table(table, &document).await
            })??;
            let flags = if created.is_new { f::MANTIS_CREATED } else { 0 };
            let durable = if created.durable { f::MANTIS_DURABLE } else { 0 };
            out.write(&mantis_written {
                flags: flags | durable,
                version: created.version,
                ..mantis_written::default()
            });
            describe(conn, table, &page)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_table_alter(
    conn: mantis_conn,
    table: *const c_char,
    table_len: usize,
    change: *const c_char,
    change_len: usize,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the texts for this call, and the structure is as the header says.
        let (table, change, page) = unsafe {
            (raw::text(table, table_len, "table")?, raw::text(change, change_len, "change")?, Out::new(page, "page")?)
        };
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                let shown = far.alter_table(table, change)?;
                show_far(conn, shown, &page);
                return Ok(MANTIS_OK);
            }
            block::wait(async {
                let change = TableChange::read(change.as_bytes())?;
                conn.session().alter_table(table, &change).await.map(drop)
            })??;
            describe(conn, table, &page)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_table_drop(
    conn: mantis_conn,
    table: *const c_char,
    table_len: usize,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the text for this call.
        let table = unsafe { raw::text(table, table_len, "table") }?;
        Conn::with_any(conn.id, |conn| match conn.far() {
            Some(far) => far.drop_table(table).map(|()| MANTIS_OK),
            None => Ok(block::wait(conn.session().drop_table(table))?.map(|_| MANTIS_OK)?),
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_table_describe(
    conn: mantis_conn,
    table: *const c_char,
    table_len: usize,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the text for this call, and the structure is as the header says.
        let (table, page) = unsafe { (raw::text(table, table_len, "table")?, Out::new(page, "page")?) };
        Conn::with_any(conn.id, |conn| describe(conn, table, &page))
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

fn describe(conn: &mut Conn, table: &str, page: &Out<mantis_page>) -> Answer {
    if let Some(far) = conn.far() {
        let shown = far.describe_table(table)?;
        show_far(conn, shown, page);
        return Ok(MANTIS_OK);
    }
    let document = block::wait(conn.session().describe_table(table))??;
    show(conn, document.to_json().into_bytes(), 1, page);
    Ok(MANTIS_OK)
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_tables(
    conn: mantis_conn,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the structure is as the header says.
        let page = unsafe { Out::new(page, "page") }?;
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                let shown = far.tables()?;
                show_far(conn, shown, &page);
                return Ok(MANTIS_OK);
            }
            let documents = block::wait(conn.session().describe_tables())??;
            let texts: Vec<_> = documents.iter().map(TableDocument::to_json).collect();
            show(conn, format!("[{}]", texts.join(",")).into_bytes(), texts.len(), &page);
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// Shows data as the connection's page.
pub(super) fn show(conn: &mut Conn, data: Vec<u8>, count: usize, page: &Out<mantis_page>) {
    (conn.page.data, conn.page.count) = (data, count as u64);
    page.write(&conn.page.to_c());
}

/// Shows a page of a server as the connection's.
pub(super) fn show_far(conn: &mut Conn, shown: Shown, page: &Out<mantis_page>) {
    (conn.page.total, conn.page.version) = (shown.total, shown.version);
    (conn.page.data, conn.page.count) = (shown.data, shown.count);
    page.write(&conn.page.to_c());
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_rows(
    conn: mantis_conn,
    statement: *const c_char,
    statement_len: usize,
    format: u32,
    page: *mut mantis_page,
    written: *mut mantis_written,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the text for this call, and the structures are as the header says.
        let (statement, page, out) = unsafe {
            (raw::text(statement, statement_len, "statement")?, Out::new(page, "page")?, Out::new(written, "written")?)
        };
        if format > f::MANTIS_ROWS_PACKED {
            return Err(unknown("format", format));
        }
        let statement: Statement<'_> = statements::parse(statement, "statement")?;
        Conn::with_any(conn.id, |conn| {
            let deferred = conn.is_deferred;
            if let Some(far) = conn.far() {
                let done = far.rows(&statement, format)?;
                if let Some(rows) = done.written {
                    let commit = written_far(conn, rows.commit, deferred);
                    out.write(&mantis_written { count: rows.count, inserted: rows.inserted, ..commit });
                }
                let is_missing = statement.op == Verb::Get && done.shown.count == 0;
                show_far(conn, done.shown, &page);
                return Ok(if is_missing { MANTIS_NOT_FOUND } else { MANTIS_OK });
            }
            let mut shown = Collected::new(conn, format);
            let done = deferring(conn, deferred, async |conn| run(conn, &statement, &mut shown).await)?;
            (conn.page.count, conn.page.version) = (shown.count, shown.version);
            conn.page.data = shown.into_bytes();
            let mut answer = MANTIS_OK;
            match done {
                Ran::Selected(total) => conn.page.total = total,
                Ran::Planned(plan) => conn.page.data = plan.into_bytes(),
                Ran::Written(done) => out.write(&rows_written(&done, deferred)),
            }
            if statement.op == Verb::Get && conn.page.count == 0 {
                answer = MANTIS_NOT_FOUND;
            }
            page.write(&conn.page.to_c());
            Ok(answer)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// What became of a statement, but its rows.
enum Ran {
    Selected(Option<u64>),
    Planned(String),
    Written(Box<Written>),
}

async fn run(conn: &mut Conn, statement: &Statement<'_>, shown: &mut Collected) -> Result<Ran, Failure> {
    let mut query = statement.query(&conn.pool.0.texts)?;
    let arguments = statement.arguments()?;
    let environment = shown.environment.clone();
    let mut rows = conn.session().rows(&statement.table, environment);
    if let Some(key) = statement.key_texts() {
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        query.root.filter = rows.key_conditions(&key).await?;
    } else if statement.op == Verb::Get {
        return Err(Failure::misuse("a get names its row by `key`"));
    }
    let count = if statement.count { Count::Exact } else { Count::None };
    let select = SelectOptions { count, arguments: arguments.clone(), ..SelectOptions::default() };
    let options = WriteOptions {
        resolution: statement.resolution(),
        missing_is_default: true,
        needs_filter: true,
        if_version: statement.if_version,
        arguments,
        ..WriteOptions::default()
    };
    let batch = statement.batch()?;
    let returning = if statement.returns_rows() { Some(&mut *shown as &mut dyn RowSink) } else { None };
    let written = match statement.op {
        Verb::Select | Verb::Get => return Ok(Ran::Selected(rows.select(&query, &select, shown).await?.total)),
        Verb::Count => return Ok(Ran::Selected(Some(rows.select(&query, &select, &mut Counted).await?.rows))),
        Verb::Explain => return Ok(Ran::Planned(rows.explain(&query, &select, false).await?.to_text())),
        Verb::Insert => rows.insert(&query, &batch, &options, returning).await?,
        Verb::Update => rows.update(&query, &batch, &options, returning).await?,
        Verb::UpdateMany => rows.update_many(&query, &batch, &options, returning).await?,
        Verb::Delete => rows.delete(&query, &options, returning).await?,
    };
    Ok(Ran::Written(Box::new(written)))
}

fn rows_written(done: &Written, deferred: bool) -> mantis_written {
    let commit = Commit { version: done.version, durable: done.durable, replaced: false };
    mantis_written { count: done.affected, inserted: done.inserted, ..written_of(commit, deferred) }
}

/// Rows in the form that the caller wants.
struct Collected {
    rows: Form,
    environment: Environment,
    count: u64,
    version: u64,
}

enum Form {
    Json(Box<JsonRows>),
    Packed(Box<PackedRows>),
}

impl Collected {
    fn new(conn: &Conn, format: u32) -> Self {
        let database = conn.database();
        let (environment, bytes_max) = (database.environment_utc(), database.limits().answer_bytes_max);
        let rows = if format == f::MANTIS_ROWS_JSON {
            Form::Json(Box::new(JsonRows::new(JsonForm::Array, false, bytes_max, environment.clone())))
        } else {
            Form::Packed(Box::new(PackedRows::new(bytes_max, environment.clone())))
        };
        Self { rows, environment, count: 0, version: 0 }
    }

    fn into_bytes(self) -> Vec<u8> {
        match self.rows {
            Form::Json(rows) => rows.into_bytes(),
            Form::Packed(rows) => rows.into_bytes(),
        }
    }
}

impl RowSink for Collected {
    fn begin(&mut self, columns: &[OutputColumn]) -> TableResult<()> {
        self.count = 0;
        match &mut self.rows {
            Form::Json(rows) => rows.begin(columns),
            Form::Packed(rows) => rows.begin(columns),
        }
    }

    fn version(&mut self, version: u64) {
        self.version = version;
        if let Form::Packed(rows) = &mut self.rows {
            rows.version(version);
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        self.count += 1;
        match &mut self.rows {
            Form::Json(rows) => rows.row(cells),
            Form::Packed(rows) => rows.row(cells),
        }
    }
}

/// Takes no rows: they are counted.
struct Counted;

impl RowSink for Counted {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        Ok(())
    }

    fn wants_rows(&self) -> bool {
        false
    }

    fn row(&mut self, _cells: &[Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_changes(
    conn: mantis_conn,
    bucket: *const c_char,
    bucket_len: usize,
    prefix: *const c_void,
    prefix_len: usize,
    since: u32,
    cursor: *const c_void,
    cursor_len: usize,
    limit: u32,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structure is as the header says.
        let (bucket, prefix, since, page) = unsafe {
            (
                raw::optional_text(bucket, bucket_len, "bucket")?,
                raw::bytes(prefix.cast(), prefix_len, "prefix")?,
                since_of(since, cursor, cursor_len)?,
                Out::new(page, "page")?,
            )
        };
        let filter = ChangeFilter { bucket: bucket.map(str::to_owned), prefix: prefix.to_vec() };
        Conn::with_any(conn.id, |conn| {
            let found = match conn.far() {
                Some(far) => far.changes(&filter, &since, limit as usize)?,
                None => at_once(conn.session().changes(&filter, &since, limit as usize))?,
            };
            for change in &found.changes {
                crate::packed::change(change, &mut conn.page.data);
            }
            conn.page.count = found.changes.len() as u64;
            conn.page.flags = if found.at_end { f::MANTIS_PAGE_AT_END } else { 0 };
            conn.page.cursor = Some(found.cursor.into_bytes());
            page.write(&conn.page.to_c());
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// See the header.
///
/// # Safety
/// Pointers are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mantis_conn_row_changes(
    conn: mantis_conn,
    table: *const c_char,
    table_len: usize,
    filter: *const c_char,
    filter_len: usize,
    select: *const c_char,
    select_len: usize,
    since: u32,
    cursor: *const c_void,
    cursor_len: usize,
    limit: u32,
    page: *mut mantis_page,
    error: *mut mantis_error,
) -> Status {
    let work = || {
        // SAFETY: the caller lends the inputs for this call, and the structure is as the header says.
        let (table, filter, select, since, page) = unsafe {
            (
                raw::optional_text(table, table_len, "table")?,
                raw::text(filter, filter_len, "filter")?,
                raw::text(select, select_len, "select")?,
                since_of(since, cursor, cursor_len)?,
                Out::new(page, "page")?,
            )
        };
        let scope = || match table {
            None => Ok::<_, Failure>(FeedScope::All),
            Some(table) => {
                let mut query: Query = QueryText { filter, select, order: "" }.parse()?;
                if select.is_empty() {
                    query.select = None;
                }
                Ok(FeedScope::Table(TableFeed::new(table, query)?))
            }
        };
        Conn::with_any(conn.id, |conn| {
            if let Some(far) = conn.far() {
                let feed = far.row_changes(table, filter, select, &since, limit as usize)?;
                conn.page.flags = if feed.at_end { f::MANTIS_PAGE_AT_END } else { 0 };
                conn.page.cursor = Some(feed.cursor);
                show_far(conn, feed.shown, &page);
                return Ok(MANTIS_OK);
            }
            let scope = scope()?;
            let found = block::wait(conn.session().feed(&scope, &since, limit as usize))?;
            let found = found.map_err(|error| match error {
                FeedError::Feed(error) => Failure::from(error),
                FeedError::Table(error) => Failure::from(error),
                other => Failure::new(crate::abi::status::MANTIS_E_OTHER, "feed", other.to_string()),
            })?;
            let events: Vec<_> = found.events.iter().map(event_json).collect();
            conn.page.flags = if found.at_end { f::MANTIS_PAGE_AT_END } else { 0 };
            conn.page.cursor = Some(found.cursor.into_bytes());
            show(conn, format!("[{}]", events.join(",")).into_bytes(), events.len(), &page);
            Ok(MANTIS_OK)
        })
    };
    // SAFETY: the caller's error is as the header says.
    unsafe { call(error, work) }
}

/// # Safety
/// As [`raw::bytes`].
unsafe fn since_of(since: u32, cursor: *const c_void, cursor_len: usize) -> Result<Since, Failure> {
    // SAFETY: the caller of this function promises the same.
    let cursor = unsafe { raw::text(cursor.cast(), cursor_len, "cursor") }?;
    match since {
        f::MANTIS_SINCE_NOW => Ok(Since::Now),
        f::MANTIS_SINCE_EARLIEST => Ok(Since::Earliest),
        f::MANTIS_SINCE_CURSOR => Ok(Since::Cursor(cursor.to_owned())),
        other => Err(unknown("since", other)),
    }
}

/// A change as JSON. Rows are JSON already, and kept as they are.
fn event_json(event: &FeedEvent) -> String {
    let raw = |json: &Option<_>| -> String {
        let json: Option<&bytes::Bytes> = json.as_ref();
        json.map_or("null".to_owned(), |json| String::from_utf8_lossy(json).into_owned())
    };
    match event {
        FeedEvent::Key(change) => json!({
            "type": "key",
            "kind": if change.kind == ChangeKind::Put { "put" } else { "delete" },
            "bucket": change.bucket,
            "key": data_json(&change.key),
            "value": change.value.as_ref().map(|(_, value)| data_json(value)),
            "media_type": change.value.as_ref().map(|(media_type, _)| media_type.as_str()),
            "expires_at_ms": change.expires_at_ms,
            "version": change.version,
            "previous_version": change.previous_version,
            "time_ms": change.time_ms,
            "cursor": change.cursor,
        })
        .to_string(),
        FeedEvent::Row(change) => {
            let kind = match change.kind {
                RowChangeKind::Insert => "insert",
                RowChangeKind::Update => "update",
                RowChangeKind::Delete => "delete",
            };
            let head = json!({
                "type": "row",
                "kind": kind,
                "table": change.table,
                "schema_version": change.schema_version,
                "matches_old": change.matches.old,
                "matches_new": change.matches.new,
                "version": change.version,
                "previous_version": change.previous_version,
                "time_ms": change.time_ms,
                "cursor": change.cursor,
            })
            .to_string();
            let rows = [raw(&change.key), raw(&change.row), raw(&change.old)];
            let head = head.trim_end_matches('}');
            format!("{head},\"key\":{},\"row\":{},\"old\":{}}}", rows[0], rows[1], rows[2])
        }
        FeedEvent::Table(event) => {
            let kind = match event.kind {
                TableEventKind::Create => "create",
                TableEventKind::Alter => "alter",
                TableEventKind::Drop => "drop",
            };
            let head = json!({
                "type": "table",
                "kind": kind,
                "table": event.table,
                "schema_version": event.schema_version,
                "version": event.version,
                "previous_version": event.previous_version,
                "time_ms": event.time_ms,
                "cursor": event.cursor,
            })
            .to_string();
            let schema = event.schema.as_ref().map_or("null".to_owned(), TableDocument::to_json);
            format!("{},\"schema\":{schema}}}", head.trim_end_matches('}'))
        }
        _ => "null".to_owned(),
    }
}
