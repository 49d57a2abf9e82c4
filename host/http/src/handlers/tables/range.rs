//! Which part of the rows is asked for (`Range`, `limit`, `offset`), and which part is sent (`Content-Range`).

use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use mantis_db::tables::{Selected, TableError, TableResult, code};

/// Rows from `offset` on, at most `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) offset: u64,
    pub(super) limit: Option<u64>,
}

/// The rows that a request asks for: what `limit` and `offset` name, of that what the `Range` header names. The header counts for GET only;
/// one that cannot be read is ignored.
///
/// # Errors
/// `PGRST103` for a header whose end is before its beginning, and for parts that do not meet.
pub(super) fn window(
    method: &Method,
    headers: &HeaderMap,
    limit: Option<u64>,
    offset: Option<u64>,
) -> TableResult<Window> {
    let named = Window { offset: offset.unwrap_or(0), limit };
    // Several are a list, which cannot be read either.
    let mut ranges = headers.get_all(RANGE).iter();
    let range = ranges.next().filter(|_| method == Method::GET && ranges.next().is_none());
    let range = range.and_then(|value| value.to_str().ok());
    let Some((first, last)) = range.and_then(parse) else { return Ok(named) };
    if last.is_some_and(|last| last < first) {
        return Err(not_satisfiable(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
        ));
    }
    // Both are parts of all rows, as in PostgREST: the header does not count from `offset`.
    let offset = named.offset.max(first);
    let named_end = named.limit.map(|limit| named.offset.saturating_add(limit));
    let header_end = last.map(|last| last.saturating_add(1));
    let end = match (named_end, header_end) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if end.is_some_and(|end| end <= offset) && limit != Some(0) {
        return Err(not_satisfiable("The rows of the Range header and those of limit and offset have none in common."));
    }
    Ok(Window { offset, limit: end.map(|end| end.saturating_sub(offset)) })
}

/// `0-9`, `10-`.
fn parse(range: &str) -> Option<(u64, Option<u64>)> {
    let range = range.trim();
    // Some clients name the unit here too.
    let range = range.strip_prefix("items=").unwrap_or(range);
    let (first, last) = range.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !(last.is_empty() || is_number(last)) {
        return None;
    }
    let last = if last.is_empty() { None } else { Some(last.parse().unwrap_or(u64::MAX)) };
    Some((first.parse().unwrap_or(u64::MAX), last))
}

fn not_satisfiable(details: &str) -> TableError {
    TableError::new(code::RANGE_NOT_SATISFIABLE, "Requested range not satisfiable").with_details(details)
}

/// The status and the `Content-Range` of a page that was asked for from the row `first` on; an error for one beyond the end, whose total is sent with it.
pub(super) fn status_of_page(first: u64, selected: &Selected) -> (Result<StatusCode, TableError>, HeaderValue) {
    let rows = selected.rows;
    let header = content_range(rows.checked_sub(1).map(|last| (first, first.saturating_add(last))), selected.total);
    let status = match selected.total {
        Some(total) if first > total => {
            Err(not_satisfiable(&format!("An offset of {first} was requested, but there are only {total} rows.")))
        }
        Some(total) if rows < total => Ok(StatusCode::PARTIAL_CONTENT),
        _ => Ok(StatusCode::OK),
    };
    (status, header)
}

/// `0-9/100`, `*/*`.
pub(super) fn content_range(rows: Option<(u64, u64)>, total: Option<u64>) -> HeaderValue {
    let rows = match rows.filter(|_| total != Some(0)) {
        Some((first, last)) => format!("{first}-{last}"),
        None => "*".to_owned(),
    };
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    HeaderValue::from_str(&format!("{rows}/{total}")).unwrap_or(HeaderValue::from_static("*/*"))
}

/// The name of the header, for those who send it.
pub(super) const HEADER: http::HeaderName = CONTENT_RANGE;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, limit: Option<u64>, offset: Option<u64>, expected: Option<(u64, Option<u64>)>) {
        let mut headers = HeaderMap::new();
        if !range.is_empty() {
            headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        }
        let window = window(&Method::GET, &headers, limit, offset).ok();
        assert_eq!(window.map(|window| (window.offset, window.limit)), expected, "{range} {limit:?} {offset:?}");
    }

    #[test]
    fn the_header_and_the_parameters_intersect() {
        check("", None, None, Some((0, None)));
        check("", Some(5), Some(2), Some((2, Some(5))));
        check("0-0", None, None, Some((0, Some(1))));
        check("9-", None, None, Some((9, None)));
        check("items=0-4", None, None, Some((0, Some(5))));
        check("0-10", None, Some(10), Some((10, Some(1))));
        check("0-10", Some(3), Some(10), Some((10, Some(1))));
        check("1-0", None, None, None);
        check("0-4", None, Some(10), None);
        check("0-4", Some(0), None, Some((0, Some(0))));
        check("bytes=0-4", None, None, Some((0, None)));
        check("-5", None, None, Some((0, None)));
        check("0-99999999999999999999999", None, None, Some((0, Some(u64::MAX))));
    }

    #[track_caller]
    fn check_page(offset: u64, rows: u64, total: Option<u64>, expected: (Option<u16>, &str)) {
        let (status, header) = status_of_page(offset, &Selected { rows, total, ..Selected::default() });
        let status = status.ok().map(|status| status.as_u16());
        assert_eq!((status, header.to_str().unwrap()), expected, "{offset} {rows} {total:?}");
    }

    #[test]
    fn a_page_is_partial_where_the_total_is_known_and_larger() {
        check_page(0, 15, None, (Some(200), "0-14/*"));
        check_page(0, 15, Some(15), (Some(200), "0-14/15"));
        check_page(3, 2, Some(15), (Some(206), "3-4/15"));
        check_page(0, 0, None, (Some(200), "*/*"));
        check_page(12, 0, Some(12), (Some(206), "*/12"));
        check_page(0, 0, Some(0), (Some(200), "*/0"));
        check_page(1, 0, Some(0), (None, "*/0"));
        check_page(100, 0, Some(15), (None, "*/15"));
    }
}
