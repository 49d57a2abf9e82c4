//! Headers that several answers of tables have.

use std::fmt::Write as _;

use http::header::WARNING;
use http::{HeaderMap, HeaderValue};

use super::request::ARGUMENTS;

/// What the answers of tables vary by.
pub(super) const VARIES_BY: &str = "Accept, Prefer, Range";

/// What the answer to a request for any rows varies by: by arguments only where they are given, since other conditions have none.
pub(super) fn varies_by(request: &HeaderMap) -> HeaderValue {
    let has_arguments = request.contains_key(ARGUMENTS);
    HeaderValue::from_static(if has_arguments { "Accept, Prefer, Range, Mantisdb-Arguments" } else { VARIES_BY })
}

/// `Warning: 299` for names that an alias hides.
pub(super) fn warn(headers: &mut HeaderMap, warnings: &[String]) {
    for warning in warnings {
        let mut text = String::from("299 - \"");
        for character in warning.chars() {
            let _ = match character {
                '"' | '\\' => write!(text, "\\{character}"),
                ' '..='~' => write!(text, "{character}"),
                _ => write!(text, "?"),
            };
        }
        text.push('"');
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(WARNING, value);
        }
    }
}
