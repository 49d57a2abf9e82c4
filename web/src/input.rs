//! Checks of arguments from JavaScript.

use mantis_db::limits::JSON_INTEGER_MAX;
use mantis_db::{Code, Direction, Error, Expect, MediaType, Result, ScanOptions, SetOptions, Since, Span};

#[allow(clippy::cast_precision_loss, reason = "it is the largest integer that is exact")]
const WHOLE_MAX: f64 = JSON_INTEGER_MAX as f64;

/// A whole number of at least 0; none for anything else.
pub(crate) fn whole(number: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked here")]
    (number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(&number)).then_some(number as u64)
}

/// The keys in `bytes`, which follow each other with these lengths.
pub(crate) fn keys<'k>(mut bytes: &'k [u8], lengths: &[u32]) -> Vec<&'k [u8]> {
    let next = |&length: &u32| {
        let (key, rest) = bytes.split_at_checked(length as usize)?;
        bytes = rest;
        Some(key)
    };
    lengths.iter().map_while(next).collect()
}

/// The expectation named `anything`, `absent`, `present`, or `version` with a version.
pub(crate) fn expect(name: &str, version: Option<u64>) -> Expect {
    match (name, version) {
        ("absent", _) => Expect::Absent,
        ("present", _) => Expect::Present,
        ("version", Some(version)) => Expect::Version(version),
        _ => Expect::Anything,
    }
}

pub(crate) fn set_options(media_type: Option<String>, ttl_ms: Option<f64>, expect: Expect) -> Result<SetOptions> {
    let media_type = media_type.map_or(Ok(MediaType::default()), |text| MediaType::new(&text))?;
    let ttl_ms = ttl_ms.map(|ttl_ms| whole(ttl_ms).ok_or_else(|| Error::from(Code::TtlInvalid))).transpose()?;
    Ok(SetOptions { media_type, ttl_ms, expect })
}

/// The span of a prefix, or of the two ends.
pub(crate) fn span(prefix: Option<Vec<u8>>, start: Option<Vec<u8>>, end: Option<Vec<u8>>) -> Span {
    match prefix {
        Some(prefix) => Span::Prefix(prefix),
        None if start.is_none() && end.is_none() => Span::All,
        None => Span::Between { start, end },
    }
}

pub(crate) fn scan_options(span: Span, reverse: bool, limit: f64, cursor: Option<Vec<u8>>) -> ScanOptions {
    let direction = if reverse { Direction::Reverse } else { Direction::Forward };
    let limit = self::limit(limit);
    ScanOptions { span, direction, limit, cursor }
}

/// The limit of a page. An invalid number becomes 0, which the database refuses as `limit-out-of-range`.
pub(crate) fn limit(limit: f64) -> usize {
    whole(limit).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0)
}

/// Where the change feed begins: `now`, `earliest`, or a cursor.
pub(crate) fn since(since: String) -> Since {
    match &since[..] {
        "now" => Since::Now,
        "earliest" => Since::Earliest,
        _ => Since::Cursor(since),
    }
}
