//! Answers to plugins' calls on tables as JavaScript objects, each made by one call of a function in `call_output.js`.

use mantis_db::tables::Written;
use mantis_db::tables::calls::PackedRows;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/call_output.js")]
extern "C" {
    #[wasm_bindgen(js_name = failure)]
    fn make_failure(code: &str, kind: &str, message: &str) -> JsValue;
    #[wasm_bindgen(js_name = rows)]
    fn make_rows(columns: Vec<String>, data: &[u8], count: u32, version: u64) -> JsValue;
    #[wasm_bindgen(js_name = changed)]
    fn make_changed(count: u64, version: u64, durable: bool, returned: JsValue) -> JsValue;
}

/// The error to throw: `{ code, kind, message }`.
pub(crate) fn failure(code: &str, kind: &str, message: &str) -> JsValue {
    make_failure(code, kind, message)
}

pub(crate) fn rows(rows: PackedRows) -> JsValue {
    let (count, version) = (rows.count, rows.version);
    let (columns, data) = rows.into_parts();
    make_rows(columns, &data, count, version)
}

pub(crate) fn changed(written: &Written, returned: Option<PackedRows>) -> JsValue {
    make_changed(written.affected, written.version, written.durable, returned.map_or(JsValue::UNDEFINED, rows))
}
