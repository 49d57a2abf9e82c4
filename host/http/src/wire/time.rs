//! Times in JSON.

/// Milliseconds since the epoch as RFC 3339, as in `2026-01-31T23:59:59.999Z`.
pub(crate) fn rfc3339(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", timestamp.unwrap_or(jiff::Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_769_903_999_999), "2026-01-31T23:59:59.999Z");
    }
}
