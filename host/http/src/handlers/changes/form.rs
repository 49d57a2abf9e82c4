//! Changes as events, lines and pages.

use std::io::{self, Write};

use mantis_db::tables::feed::{FeedEvent, Matches, RowChange, RowChangeKind, TableEvent, TableEventKind};
use mantis_db::tables::schema::TableDocument;
use mantis_db::{Change, ChangeKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::problem::Problem;
use crate::wire::bytes::{BytesOut, Encoding};
use crate::wire::lines::write_line;
use crate::wire::numbers::NumberText;
use crate::wire::time;

/// How changes are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) values: bool,
    /// Whether lines show the cursor too.
    pub(super) progress: bool,
    pub(super) encoding: Encoding,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Events,
    Lines,
    /// One JSON object.
    Page,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Changes", deny_unknown_fields)]
pub(super) struct PageOut<'a> {
    changes: Vec<EventOut<'a>>,
    cursor: &'a str,
    more: bool,
}

/// The position of a reader of lines.
#[derive(Serialize)]
struct ProgressLine<'a> {
    cursor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
}

/// A change as JSON.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "AnyChange")]
pub(super) enum EventOut<'a> {
    Key(ChangeOut<'a>),
    Row(RowOut<'a>),
    Table(TableOut<'a>),
}

impl EventOut<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Key(change) => change.kind,
            Self::Row(change) => change.kind,
            Self::Table(event) => event.kind,
        }
    }
}

/// A change of a row.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RowChange", deny_unknown_fields)]
pub(super) struct RowOut<'a> {
    #[schemars(extend("enum" = ["insert", "update", "delete"]))]
    kind: &'static str,
    table: &'a str,
    /// The number of the definition by which it is shown.
    schema_version: u32,
    /// The primary key; null where the table has none.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    key: Option<&'a RawValue>,
    /// The row after the change; null where it is gone.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    row: Option<&'a RawValue>,
    /// The row before the change; null where it is new, or where the table keeps no old rows.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    old: Option<&'a RawValue>,
    matches: MatchesOut,
    /// The commit.
    version: NumberText,
    /// The version that it replaced or deleted; null for a new row.
    previous_version: Option<NumberText>,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    cursor: &'a str,
}

/// Which of the two rows the filter selects.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangeMatches", deny_unknown_fields)]
struct MatchesOut {
    /// Null where that is not known, because the table keeps no old rows.
    old: Option<bool>,
    new: bool,
}

/// A change of a table's definition.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TableDefinitionChange", deny_unknown_fields)]
pub(super) struct TableOut<'a> {
    #[schemars(extend("enum" = ["create", "alter", "drop"]))]
    kind: &'static str,
    table: &'a str,
    /// The number of the definition.
    schema_version: u32,
    /// The definition; null where the table is gone.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    schema: Option<&'a TableDocument>,
    /// The commit.
    version: NumberText,
    /// The version that it replaced or deleted; null for a new table.
    previous_version: Option<NumberText>,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    cursor: &'a str,
}

/// A change of a key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Change", deny_unknown_fields)]
pub(super) struct ChangeOut<'a> {
    #[schemars(extend("enum" = ["put", "delete"]))]
    kind: &'static str,
    bucket: &'a str,
    key: BytesOut<'a>,
    /// The commit.
    version: NumberText,
    /// The version that it replaced or deleted; null for a new key.
    previous_version: Option<NumberText>,
    #[schemars(extend("format" = "date-time"))]
    time: String,
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BytesOut<'a>")]
    value: Option<BytesOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    media_type: Option<&'a str>,
    cursor: &'a str,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    error: ErrorOut<'a>,
}

#[derive(Serialize)]
struct ErrorOut<'a> {
    code: &'a str,
    message: &'a str,
}

pub(super) fn event_out(event: &FeedEvent, view: View) -> Option<EventOut<'_>> {
    Some(match event {
        FeedEvent::Key(change) => EventOut::Key(change_out(change, view)),
        FeedEvent::Row(change) => EventOut::Row(row_out(change)),
        FeedEvent::Table(event) => EventOut::Table(table_out(event)),
        _ => return None,
    })
}

fn row_out(change: &RowChange) -> RowOut<'_> {
    let Matches { old, new } = change.matches;
    RowOut {
        kind: row_kind(change.kind),
        table: &change.table,
        schema_version: change.schema_version,
        key: raw(change.key.as_ref()),
        row: raw(change.row.as_ref()),
        old: raw(change.old.as_ref()),
        matches: MatchesOut { old, new },
        version: NumberText(change.version),
        previous_version: change.previous_version.map(NumberText),
        time: time::rfc3339(change.time_ms),
        cursor: &change.cursor,
    }
}

fn table_out(event: &TableEvent) -> TableOut<'_> {
    TableOut {
        kind: table_kind(event.kind),
        table: &event.table,
        schema_version: event.schema_version,
        schema: event.schema.as_ref(),
        version: NumberText(event.version),
        previous_version: event.previous_version.map(NumberText),
        time: time::rfc3339(event.time_ms),
        cursor: &event.cursor,
    }
}

/// The JSON that the database wrote.
fn raw(json: Option<&bytes::Bytes>) -> Option<&RawValue> {
    serde_json::from_slice(json?).ok()
}

fn row_kind(kind: RowChangeKind) -> &'static str {
    match kind {
        RowChangeKind::Insert => "insert",
        RowChangeKind::Update => "update",
        RowChangeKind::Delete => "delete",
    }
}

fn table_kind(kind: TableEventKind) -> &'static str {
    match kind {
        TableEventKind::Create => "create",
        TableEventKind::Alter => "alter",
        TableEventKind::Drop => "drop",
    }
}

pub(super) fn change_out(change: &Change, view: View) -> ChangeOut<'_> {
    let value = change.value.as_ref().filter(|_| view.values);
    ChangeOut {
        kind: name(change.kind),
        bucket: &change.bucket,
        key: BytesOut(&change.key, view.encoding),
        version: NumberText(change.version),
        previous_version: change.previous_version.map(NumberText),
        time: time::rfc3339(change.time_ms),
        expires_at: change.expires_at_ms.map(time::rfc3339),
        value: value.map(|(_, bytes)| BytesOut(bytes, view.encoding)),
        media_type: value.map(|(media_type, _)| media_type.as_str()),
        cursor: &change.cursor,
    }
}

fn name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Put => "put",
        ChangeKind::Delete => "delete",
    }
}

/// Each fails where the text has no room to grow.
impl Form {
    /// What a stream begins with: an event without data changes nothing but the client's cursor.
    pub(super) fn write_start(self, out: &mut impl Write, cursor: &str, view: View) -> io::Result<()> {
        if self == Self::Events {
            out.write_all(b"retry: 1000\n")?;
        }
        // Before the oldest change there is no cursor yet.
        if !cursor.is_empty() {
            self.write_cursor(out, cursor, None, view)?;
        }
        self.end_event(out)
    }

    /// Says where the reader is, where the form has a place for it and the reader expects it.
    fn write_cursor(self, out: &mut impl Write, cursor: &str, more: Option<bool>, view: View) -> io::Result<()> {
        if self == Self::Events {
            writeln!(out, "id: {cursor}")
        } else if view.progress {
            write_line(out, &ProgressLine { cursor, more })
        } else {
            Ok(())
        }
    }

    /// An empty line after an event.
    fn end_event(self, out: &mut impl Write) -> io::Result<()> {
        if self == Self::Events { out.write_all(b"\n") } else { Ok(()) }
    }

    /// All of an answer that ends.
    pub(super) fn write_page(
        self,
        out: &mut impl Write,
        changes: &[FeedEvent],
        cursor: &str,
        more: bool,
        view: View,
    ) -> io::Result<()> {
        if self == Self::Page {
            let changes = changes.iter().filter_map(|change| event_out(change, view)).collect();
            return write_line(out, &PageOut { changes, cursor, more });
        }
        self.write_changes(out, changes, view)?;
        self.write_cursor(out, cursor, Some(more), view)
    }

    pub(super) fn write_changes(self, out: &mut impl Write, changes: &[FeedEvent], view: View) -> io::Result<()> {
        for change in changes {
            let Some(shown) = event_out(change, view) else { continue };
            if self == Self::Events {
                write!(out, "id: {}\nevent: {}\ndata: ", change.cursor(), shown.kind())?;
            }
            // JSON has no line breaks, so that it is one line of data.
            write_line(out, &shown)?;
            self.end_event(out)?;
        }
        Ok(())
    }

    /// Says that the stream lives, and where it is: a filter may have passed over much without showing any of it.
    pub(super) fn write_pause(self, out: &mut impl Write, cursor: &str, view: View) -> io::Result<()> {
        if self == Self::Events {
            out.write_all(b": nothing new\n")?;
        }
        self.write_cursor(out, cursor, None, view)?;
        if self == Self::Events || !view.progress { out.write_all(b"\n") } else { Ok(()) }
    }

    /// The last event of a stream that cannot continue.
    pub(super) fn write_error(self, out: &mut impl Write, problem: &Problem) -> io::Result<()> {
        let error = ErrorOut { code: problem.code().as_str(), message: problem.message() };
        if self == Self::Events {
            out.write_all(b"event: error\ndata: ")?;
            write_line(out, &error)?;
            self.end_event(out)
        } else {
            write_line(out, &ErrorLine { error })
        }
    }
}
