//! Answers about tables as JavaScript objects, each made by one call of a function in `table_output.js`.

use mantis_db::tables::{TableError, Written};
use wasm_bindgen::prelude::*;

use crate::output::number;

#[wasm_bindgen(module = "/src/table_output.js")]
extern "C" {
    #[wasm_bindgen(js_name = failure)]
    fn make_failure(code: &str, message: &str, details: Option<&str>, is_json: bool, hint: Option<&str>) -> JsValue;
    #[wasm_bindgen(js_name = selected)]
    fn make_selected(rows: &[u8], total: Option<f64>, version: u64) -> JsValue;
    #[wasm_bindgen(js_name = written)]
    fn make_written(count: f64, version: u64, durable: bool, rows: Option<&[u8]>) -> JsValue;
    #[wasm_bindgen(js_name = created)]
    fn make_created(is_new: bool, definition: &str) -> JsValue;
}

/// The error to throw: `{ code, message, details, hint }`.
pub(crate) fn table_error(error: &TableError) -> JsValue {
    make_failure(error.code, &error.message, error.details.as_deref(), error.details_are_json, error.hint.as_deref())
}

pub(crate) fn selected(rows: &[u8], total: Option<u64>, version: u64) -> JsValue {
    make_selected(rows, total.map(number), version)
}

pub(crate) fn rows_written(written: &Written, rows: Option<&[u8]>) -> JsValue {
    make_written(number(written.affected), written.version, written.durable, rows)
}

pub(crate) fn table_created(is_new: bool, definition: &str) -> JsValue {
    make_created(is_new, definition)
}
