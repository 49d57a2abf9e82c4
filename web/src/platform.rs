//! The page's clock and randomness, for the engine.

use std::sync::atomic::{AtomicU64, Ordering};

use mantis_db::{Clock, Random};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    /// Fills at most [`RANDOM_BYTES_MAX`].
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(buffer: &mut [u8]) -> Result<(), JsValue>;

    /// A function of the page.
    #[wasm_bindgen(typescript_type = "Function")]
    pub type Function;

    #[wasm_bindgen(method, catch)]
    fn call(this: &Function, receiver: &JsValue) -> Result<JsValue, JsValue>;
}

/// The most bytes of one call of `crypto.getRandomValues`.
const RANDOM_BYTES_MAX: usize = 65_536;

/// `Date.now`, or a function of the page instead.
pub(crate) struct PageClock {
    function: Option<Function>,
    last_ms: AtomicU64,
}

impl PageClock {
    pub(crate) fn new(function: Option<Function>) -> Self {
        Self { function, last_ms: AtomicU64::new(0) }
    }
}

impl Clock for PageClock {
    /// If the function throws or returns no time, the clock keeps its last value: the engine needs a time.
    fn now_ms(&self) -> u64 {
        let shown = match &self.function {
            None => Some(date_now()),
            Some(function) => function.call(&JsValue::NULL).ok().and_then(|value| value.as_f64()),
        };
        if let Some(now_ms) = shown.and_then(crate::input::whole) {
            self.last_ms.store(now_ms, Ordering::Relaxed);
        }
        self.last_ms.load(Ordering::Relaxed)
    }

    /// With a function of the page, ages follow that function too.
    fn monotonic_us(&self) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it begins at 0 with the page")]
        let now_ms = if self.function.is_none() { performance_now() as u64 } else { self.now_ms() };
        now_ms.wrapping_mul(1_000)
    }
}

/// `crypto.getRandomValues`.
pub(crate) struct PageRandom;

impl Random for PageRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(RANDOM_BYTES_MAX) {
            if get_random_values(chunk).is_err() {
                // Predictable bytes would be worse than a failure; every browser has this function.
                wasm_bindgen::throw_str("crypto.getRandomValues failed");
            }
        }
    }
}
