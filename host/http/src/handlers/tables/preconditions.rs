//! `If-Match` and `If-None-Match` of one row.
//!
//! A tag of a row is `"v7"` or `"v7-SHOWN"`; for `If-Match` the version counts, whatever is shown of it.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};

use crate::protocol::conditions::{Tags, WEAK_HINT, tags};
use crate::protocol::problem::Result;

/// The conditions of a request for one row.
#[derive(Debug)]
pub(super) struct Preconditions {
    pub(super) if_match: Option<Versions>,
    pub(super) if_none_match: Option<Tags>,
    /// Whether `If-Match` has a weak tag, which matches nothing.
    pub(super) is_weak: bool,
}

/// Which versions of a row a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// Any that is there.
    Any,
    /// These. A tag that names no version, and a weak one, matches none.
    These(Vec<u64>),
}

impl Preconditions {
    /// Reads the headers.
    ///
    /// # Errors
    /// `header-invalid` for what is no list of tags.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let given = tags(headers, &IF_MATCH)?;
        let is_weak = given.as_ref().is_some_and(Tags::has_weak);
        let if_match = given.map(|tags| match tags.strong() {
            None => Versions::Any,
            Some(tags) => Versions::These(tags.filter_map(version_of).collect()),
        });
        Ok(Self { if_match, if_none_match: tags(headers, &IF_NONE_MATCH)?, is_weak })
    }

    /// What to do where they are not met, if it is not to read the row again.
    pub(super) fn hint(&self) -> Option<&'static str> {
        self.is_weak.then_some(WEAK_HINT)
    }
}

impl Versions {
    /// Whether the row's version is one of them.
    pub(super) fn have(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(versions) => versions.contains(&version),
        }
    }

    /// The version, where it is one.
    pub(super) fn only(&self) -> Option<u64> {
        match self {
            Self::These(versions) => <[u64; 1]>::try_from(&versions[..]).ok().map(|[version]| version),
            Self::Any => None,
        }
    }
}

/// The version of a tag of any form. There is one spelling of each.
fn version_of(tag: &[u8]) -> Option<u64> {
    let opaque = std::str::from_utf8(tag).ok()?.strip_prefix("\"v")?.strip_suffix('"')?;
    let digits = opaque.split('-').next()?;
    let is_canonical = (digits == "0" || !digits.starts_with('0')) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_canonical.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&'static str], expected: Option<&Versions>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_static(value));
        }
        assert_eq!(Preconditions::of(&headers).unwrap().if_match.as_ref(), expected, "{values:?}");
    }

    #[test]
    fn a_list_of_tags_names_several_versions() {
        check(&[], None);
        check(&["*"], Some(&Versions::Any));
        check(&["\"v7\""], Some(&Versions::These(vec![7])));
        check(&["\"v6\", \"v7-3af\" ,, W/\"v8\""], Some(&Versions::These(vec![6, 7])));
        check(&["\"v6\"", "\"v7\""], Some(&Versions::These(vec![6, 7])));
        check(&["\"x\", \"v07\", \"v\", \"v+7\""], Some(&Versions::These(vec![])));
        for malformed in ["", "v7", "\"v7\" \"v8\"", "*, \"v7\""] {
            let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static(malformed))]);
            assert!(Preconditions::of(&headers).is_err(), "{malformed:?}");
        }
    }
}
