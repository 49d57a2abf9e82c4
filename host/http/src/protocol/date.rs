//! HTTP dates, which have seconds.

use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;
use httpdate::HttpDate;

/// Milliseconds since the epoch as headers have it, as in `Sat, 31 Jan 2026 23:59:59 GMT`.
pub(crate) fn http_date(ms: u64) -> HeaderValue {
    // The last second that an HTTP date can name.
    const LAST_S: u64 = 253_402_300_799;
    let time = UNIX_EPOCH + Duration::from_secs((ms / 1000).min(LAST_S));
    // Every date has the same length: it is written on the stack, and copied once.
    let mut text = [0; "Sat, 31 Jan 2026 23:59:59 GMT".len()];
    let written = write!(&mut text[..], "{}", HttpDate::from(time));
    debug_assert!(written.is_ok());
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Seconds since the epoch of an HTTP date; `None` for any other text and for times before.
pub(crate) fn seconds(date: &HeaderValue) -> Option<u64> {
    let time = httpdate::parse_http_date(date.to_str().ok()?).ok()?;
    time.duration_since(UNIX_EPOCH).ok().as_ref().map(Duration::as_secs)
}
