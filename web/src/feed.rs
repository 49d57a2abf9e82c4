//! `RawSession`: the changes of one table, rows and definition.

use mantis_db::tables::feed::{
    FeedError, FeedEvent, FeedScope, RowChange, RowChangeKind, TableEvent, TableEventKind, TableFeed,
};
use mantis_db::tables::schema::TableDocument;
use wasm_bindgen::prelude::*;

use crate::output::number;
use crate::session::{Answer, RawSession};
use crate::{input, output, table_output, tables};

#[wasm_bindgen(module = "/src/feed.js")]
extern "C" {
    #[allow(clippy::too_many_arguments, reason = "one call makes the whole object")]
    #[wasm_bindgen(js_name = rowChange)]
    fn make_row_change(
        kind: &str,
        table: &str,
        schema_version: u32,
        key: Option<&[u8]>,
        row: Option<&[u8]>,
        old: Option<&[u8]>,
        matches_old: Option<bool>,
        matches_new: bool,
        version: u64,
        previous_version: Option<u64>,
        time_ms: f64,
        cursor: &str,
    ) -> JsValue;
    #[wasm_bindgen(js_name = tableChange)]
    fn make_table_change(
        kind: &str,
        table: &str,
        schema_version: u32,
        schema: Option<&str>,
        version: u64,
        previous_version: Option<u64>,
        time_ms: f64,
        cursor: &str,
    ) -> JsValue;
    #[wasm_bindgen(js_name = changes)]
    fn make_changes(items: Vec<JsValue>, cursor: &str, at_end: bool) -> JsValue;
}

#[wasm_bindgen]
impl RawSession {
    /// Committed changes of a table that a query's filter selects, shown by its select, after `since` as [`changes`](Self::changes) takes it.
    #[allow(clippy::needless_pass_by_value, reason = "wasm-bindgen hands lists of texts over by value")]
    #[wasm_bindgen(js_name = tableChanges)]
    pub fn table_changes(&mut self, table: &str, parameters: Vec<String>, since: String, limit: f64) -> Answer {
        let read = || {
            let scope = FeedScope::Table(TableFeed::new(table, tables::parsed(&parameters)?)?);
            crate::ready(self.0.feed(&scope, &input::since(since), input::limit(limit)))
        };
        let page = read().map_err(|error| match error {
            FeedError::Feed(error) => output::error(&error),
            FeedError::Table(error) => table_output::table_error(&error),
            _ => JsValue::NULL,
        })?;
        let shown = |event: &FeedEvent| match event {
            FeedEvent::Row(change) => Some(row_change(change)),
            FeedEvent::Table(event) => Some(table_change(event)),
            _ => None,
        };
        Ok(make_changes(page.events.iter().filter_map(shown).collect(), &page.cursor, page.at_end))
    }
}

fn row_change(change: &RowChange) -> JsValue {
    make_row_change(
        match change.kind {
            RowChangeKind::Insert => "insert",
            RowChangeKind::Update => "update",
            RowChangeKind::Delete => "delete",
        },
        &change.table,
        change.schema_version,
        change.key.as_deref(),
        change.row.as_deref(),
        change.old.as_deref(),
        change.matches.old,
        change.matches.new,
        change.version,
        change.previous_version,
        number(change.time_ms),
        &change.cursor,
    )
}

fn table_change(event: &TableEvent) -> JsValue {
    make_table_change(
        match event.kind {
            TableEventKind::Create => "create",
            TableEventKind::Alter => "alter",
            TableEventKind::Drop => "drop",
        },
        &event.table,
        event.schema_version,
        event.schema.as_ref().map(TableDocument::to_json).as_deref(),
        event.version,
        event.previous_version,
        number(event.time_ms),
        &event.cursor,
    )
}
