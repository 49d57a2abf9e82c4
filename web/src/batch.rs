//! `RawBatch`: many operations for one commit.

use mantis_db::{Op, Span};
use wasm_bindgen::prelude::*;

use crate::{input, output};

/// Operations, in order. `RawSession.apply` consumes and frees it.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct RawBatch(pub(crate) Vec<Op>);

#[wasm_bindgen]
impl RawBatch {
    /// An empty batch.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a key.
    pub fn get(&mut self, key: Vec<u8>) {
        self.0.push(Op::Get(key));
    }

    /// Sets a key.
    ///
    /// # Errors
    /// `media-type-invalid`, `ttl-invalid`.
    pub fn set(
        &mut self,
        key: Vec<u8>,
        value: Vec<u8>,
        media_type: Option<String>,
        ttl_ms: Option<f64>,
        expect: &str,
        version: Option<u64>,
    ) -> Result<(), JsValue> {
        let options = input::set_options(media_type, ttl_ms, input::expect(expect, version));
        self.0.push(Op::Set(key, value, options.map_err(|error| output::error(&error))?));
        Ok(())
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: Vec<u8>, expect: &str, version: Option<u64>) {
        self.0.push(Op::Delete(key, input::expect(expect, version)));
    }

    /// Deletes a span.
    #[wasm_bindgen(js_name = deleteSpan)]
    pub fn delete_span(&mut self, prefix: Option<Vec<u8>>, start: Option<Vec<u8>>, end: Option<Vec<u8>>) {
        self.0.push(Op::DeleteSpan(input::span(prefix, start, end)));
    }

    /// Adds to a number.
    pub fn increment(&mut self, key: Vec<u8>, by: i64) {
        self.0.push(Op::Increment(key, by));
    }

    /// Writes nothing; the batch fails if the condition does not hold.
    pub fn check(&mut self, key: Vec<u8>, expect: &str, version: Option<u64>) {
        self.0.push(Op::Check(key, input::expect(expect, version)));
    }
}

/// The key of an operation; empty for a span.
pub(crate) fn key_of(operation: &Op) -> &[u8] {
    match operation {
        Op::Get(key) | Op::Set(key, ..) | Op::Delete(key, _) | Op::Increment(key, _) | Op::Check(key, _) => key,
        Op::DeleteSpan(Span::All | Span::Prefix(_) | Span::Between { .. }) | _ => &[],
    }
}
