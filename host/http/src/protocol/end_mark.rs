//! `Prefer: end=true` on answers of lines (`application/x-ndjson`): the last line is `{"end":true,"count":N}`, after N others.
//!
//! A client of HTTP/1.0, or behind a proxy that speaks it, cannot tell a connection that broke from the end of an answer without a
//! length. `Preference-Applied: end=true` says that the mark will come.

use http::{HeaderMap, HeaderValue};

/// The preference.
pub(crate) const END: &str = "end=true";

/// Whether the client asks for the mark.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ';'])).any(|part| part.trim().eq_ignore_ascii_case(END))
}

/// Says that the mark will come.
pub(crate) fn apply(headers: &mut HeaderMap) {
    const APPLIED: &str = "preference-applied";
    let others = headers.get(APPLIED).and_then(|value| value.to_str().ok());
    let all = others.map_or_else(|| END.to_owned(), |others| format!("{others}, {END}"));
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(APPLIED, value);
    }
}
