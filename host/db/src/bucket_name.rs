//! The rule for bucket names.

use crate::limits::BUCKET_NAME_BYTES_MAX;
use crate::{Code, Result};

/// The bucket that always exists.
pub const DEFAULT_BUCKET: &str = "default";

/// A bucket's name as a regular expression, without anchors.
pub const BUCKET_NAME_PATTERN: &str = "[a-z0-9][a-z0-9._-]{0,62}";

/// Whether a bucket may have this name: 1 to 63 characters of `a-z`, `0-9`, `-`, `_` and `.`, the first a letter or digit.
///
/// ```
/// use mantis_db::is_bucket_name;
/// assert!(is_bucket_name("scores.2026"));
/// assert!(!is_bucket_name("-scores") && !is_bucket_name("Scores") && !is_bucket_name(""));
/// ```
#[must_use]
pub fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= BUCKET_NAME_BYTES_MAX
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

pub(crate) fn check_bucket_name(name: &str) -> Result<()> {
    if is_bucket_name(name) { Ok(()) } else { Err(Code::BucketNameInvalid.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_states_the_limit_and_the_alphabet() {
        assert_eq!(BUCKET_NAME_PATTERN, format!("[a-z0-9][a-z0-9._-]{{0,{}}}", BUCKET_NAME_BYTES_MAX - 1));
        let (longest, too_long) = ("a".repeat(BUCKET_NAME_BYTES_MAX), "a".repeat(BUCKET_NAME_BYTES_MAX + 1));
        for (name, is_name) in [(longest.as_str(), true), (&too_long, false), (DEFAULT_BUCKET, true), ("_a", false)] {
            assert_eq!(is_bucket_name(name), is_name, "{name}");
        }
        for byte in 0..=u8::MAX {
            let (first, second) = (char::from(byte).to_string(), format!("a{}", char::from(byte)));
            let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9');
            assert_eq!(is_bucket_name(&first), plain, "{first:?}");
            assert_eq!(is_bucket_name(&second), plain || b"-_.".contains(&byte), "{second:?}");
        }
    }
}
