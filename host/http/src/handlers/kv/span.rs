//! Ranges of keys.

use std::borrow::Cow;

use mantis_db::Span;

/// The keys with the prefix, from `start` (inclusive) to `end` (exclusive).
pub(crate) fn span(prefix: Option<&[u8]>, start: Option<&[u8]>, end: Option<&[u8]>) -> Span {
    let prefix = prefix.unwrap_or_default();
    if start.is_none() && end.is_none() {
        return if prefix.is_empty() { Span::All } else { Span::Prefix(prefix.to_vec()) };
    }
    let start = start.max((!prefix.is_empty()).then_some(prefix)).map(<[u8]>::to_vec);
    let end = match (end, end_of_prefix(prefix)) {
        (Some(end), Some(after)) => Some(end.min(&after).to_vec()),
        (Some(end), None) => Some(end.to_vec()),
        (None, after) => after.map(Cow::into_owned),
    };
    match (start, end) {
        // An empty range.
        (Some(start), Some(end)) if start > end => Span::Between { start: Some(end.clone()), end: Some(end) },
        (start, end) => Span::Between { start, end },
    }
}

/// End (exclusive) of the keys with a prefix; none when the range has no end.
fn end_of_prefix(prefix: &[u8]) -> Option<Cow<'_, [u8]>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(Cow::Owned(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &[u8], start: Option<&[u8]>, end: Option<&[u8]>, shown: &[&[u8]]) {
        const KEYS: &[&[u8]] = &[b"a", b"b", b"ba", b"bb", b"bz", b"c", &[255], &[255, 255], &[255, 255, 1]];
        let span = span(Some(prefix), start, end);
        let within = |key: &[u8]| match &span {
            Span::All => true,
            Span::Prefix(prefix) => key.starts_with(prefix),
            Span::Between { start, end } => {
                start.as_deref().is_none_or(|start| key >= start) && end.as_deref().is_none_or(|end| key < end)
            }
        };
        let found: Vec<_> = KEYS.iter().copied().filter(|key| within(key)).collect();
        assert_eq!(found, shown, "{span:?}");
    }

    #[test]
    fn prefix_start_and_end_all_apply() {
        check(b"b", None, None, &[b"b", b"ba", b"bb", b"bz"]);
        check(b"b", Some(b"ba"), None, &[b"ba", b"bb", b"bz"]);
        check(b"b", None, Some(b"bb"), &[b"b", b"ba"]);
        check(b"b", Some(b"a"), Some(b"z"), &[b"b", b"ba", b"bb", b"bz"]);
        check(b"b", Some(b"c"), None, &[]);
        check(b"", Some(b"bz"), Some(b"c"), &[b"bz"]);
        check(b"", Some(b"c"), Some(b"b"), &[]);
        check(&[255], Some(b"a"), None, &[&[255], &[255, 255], &[255, 255, 1]]);
        check(&[255, 255], None, Some(&[255, 255, 1]), &[&[255, 255]]);
    }
}
