//! Request ids, by which a client's report is found in the log.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::limits;

/// The header with a request's id.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Makes names: eight random digits of this process, and a number.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: [u8; 8],
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(random: [u8; 4]) -> Self {
        let mut prefix = [0; 8];
        for (pair, byte) in prefix.chunks_exact_mut(2).zip(random) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { prefix, next: AtomicU64::new(1) }
    }

    /// The client's name for the request if it is a plain one, or a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(X_REQUEST_ID) {
            Some(given) if is_plain(given.as_bytes()) => given.clone(),
            _ => self.make(),
        }
    }

    /// A new name.
    pub(crate) fn make(&self) -> HeaderValue {
        let mut number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut text = [b'0'; 20];
        text[..8].copy_from_slice(&self.prefix);
        for place in text[8..].iter_mut().rev() {
            *place = DIGITS[(number & 15) as usize];
            number >>= 4;
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// Letters, digits and a few marks: nothing that could mean something to a log or a page.
fn is_plain(name: &[u8]) -> bool {
    (1..=limits::REQUEST_ID_BYTES_MAX).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, echoed: bool) {
        let ids = RequestIds::new([0xde, 0xad, 0xbe, 0xef]);
        let headers = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(given).unwrap())]);
        let expected = if echoed { given } else { "deadbeef000000000001" };
        assert_eq!(ids.of(&headers), expected);
    }

    #[test]
    fn a_plain_name_is_echoed_and_any_other_replaced() {
        check("abc-123", true);
        check("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true);
        check("", false);
        check("<script>", false);
        check("a b", false);
        check(&"x".repeat(129), false);
    }
}
