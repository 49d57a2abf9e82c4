//! A single byte `Range` (RFC 9110, section 14).

use std::ops::Range;

use http::header::{CONTENT_RANGE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// The part of a value of `length` bytes that is asked for. `None` is all of it: also for several ranges and for what cannot be
/// read, which RFC 9110 lets a server pass over, and when `If-Range` names another tag than that of the stored bytes.
pub(crate) fn wanted(
    headers: &HeaderMap,
    length: usize,
    etag: impl FnOnce() -> Option<HeaderValue>,
) -> Result<Option<Range<usize>>> {
    // Lines of one name are a list: several ranges, as with commas.
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Ok(None) };
    if let Some(condition) = headers.get(IF_RANGE)
        && Some(condition) != etag().as_ref()
    {
        return Ok(None);
    }
    match range.to_str().ok().and_then(parse) {
        None => Ok(None),
        Some(wanted) => match resolve(wanted, length) {
            Some(range) => Ok(Some(range)),
            None => Err(unsatisfiable(length)),
        },
    }
}

/// `Content-Range` of a part.
pub(crate) fn content_range(range: &Range<usize>, length: usize) -> HeaderValue {
    let text = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("bytes */*"))
}

fn unsatisfiable(length: usize) -> Problem {
    let value = HeaderValue::from_str(&format!("bytes */{length}")).unwrap_or(HeaderValue::from_static("bytes */*"));
    Problem::new(Code::RangeUnsatisfiable).detail(format!("the value has {length} bytes")).header(CONTENT_RANGE, value)
}

/// First and last position, or a negative count from the end as `(None, count)`.
fn parse(text: &str) -> Option<(Option<usize>, Option<usize>)> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| -> Option<Option<usize>> {
        if text.is_empty() {
            return Some(None);
        }
        // A position beyond what can be counted is beyond the end.
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(usize::MAX)))
    };
    match (number(first)?, number(last)?) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        wanted => Some(wanted),
    }
}

fn resolve((first, last): (Option<usize>, Option<usize>), length: usize) -> Option<Range<usize>> {
    let range = match first {
        None => length.saturating_sub(last?)..length,
        Some(first) => first..last.map_or(length, |last| last.saturating_add(1)).min(length),
    };
    (range.start < range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &std::result::Result<Option<Range<usize>>, &str>) {
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_str(text).unwrap())]);
        let outcome = wanted(&headers, 10, || None).map_err(|problem| problem.code().as_str());
        assert_eq!(&outcome, expected, "{text}");
    }

    #[test]
    fn one_range_of_bytes() {
        check("bytes=0-3", &Ok(Some(0..4)));
        check("bytes=4-", &Ok(Some(4..10)));
        check("bytes=-3", &Ok(Some(7..10)));
        check("bytes=-99", &Ok(Some(0..10)));
        check("bytes=9-99999999999999999999999", &Ok(Some(9..10)));
        check("bytes=10-", &Err("range-unsatisfiable"));
        check("bytes=-0", &Err("range-unsatisfiable"));
    }

    #[test]
    fn any_other_range_yields_the_whole_value() {
        for text in ["bytes=0-1,3-4", "lines=1-2", "bytes=3-1", "bytes=-", "bytes", "bytes=a-b"] {
            check(text, &Ok(None));
        }
    }
}
