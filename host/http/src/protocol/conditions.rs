//! Conditional requests (RFC 9110, section 13): `If-Match`, `If-None-Match` and the two dates.

use http::header::{ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderValue};
use mantis_db::{Entry, Expect, Kv};

use crate::limits;
use crate::protocol::date;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// The conditions of a request.
#[derive(Debug, Default)]
#[allow(clippy::struct_field_names, reason = "they are the headers' names")]
pub(crate) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_unmodified_since_s: Option<u64>,
    if_modified_since_s: Option<u64>,
}

/// The tags of a header.
#[derive(Debug)]
pub(crate) enum Tags {
    Any,
    These(Vec<Tag>),
}

/// An entity tag of a condition. Foreign tags name no version, and match nothing.
#[derive(Debug)]
pub(crate) struct Tag {
    weak: bool,
    /// With its quotes.
    text: Box<[u8]>,
    version: Option<u64>,
}

/// A form in which a value is shown. A strong tag names bytes, so each form has its own: `"v7"` for the stored bytes, `"v7-json"`
/// for their JSON form, followed by the coding where it is compressed, as in `"v7-gzip"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Bytes,
    Numbers,
    Text,
    Base64,
}

impl Form {
    const JSON: [Self; 3] = [Self::Numbers, Self::Text, Self::Base64];

    /// The part of its tags after the version.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Bytes => "",
            Self::Numbers => "-json",
            Self::Text => "-json-utf8",
            Self::Base64 => "-json-base64",
        }
    }
}

/// The outcome of the conditions of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answer,
    NotModified,
    Failed,
}

impl Conditions {
    /// Reads the headers.
    ///
    /// A list of tags that is not one is refused: to ignore it would make a guarded write an unguarded one. A date that is not
    /// one is ignored, as RFC 9110 has it.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self> {
        static NAMES: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
        // Most requests have none, and a look at the few headers that they have is cheaper than four searches.
        if !headers.keys().any(|name| NAMES.contains(name)) {
            return Ok(Self::default());
        }
        let date = |name: HeaderName| headers.get(name).and_then(date::seconds);
        let (if_match, if_none_match) = (tags(headers, &IF_MATCH)?, tags(headers, &IF_NONE_MATCH)?);
        Ok(Self {
            if_unmodified_since_s: if if_match.is_none() { date(IF_UNMODIFIED_SINCE) } else { None },
            if_modified_since_s: if if_none_match.is_none() { date(IF_MODIFIED_SINCE) } else { None },
            if_match,
            if_none_match,
        })
    }

    /// Whether no condition applies to writes.
    pub(crate) fn is_empty(&self) -> bool {
        self.expect() == Some(Expect::Anything)
    }

    /// What is to be done with a read of something that exists. `If-Match` takes the tag of any form of the version; `If-None-Match`
    /// only that of the form that would be sent, which `shown` says: whoever has another one does not have these bytes.
    pub(crate) fn for_read(
        &self,
        version: u64,
        modified_ms: u64,
        shown: impl FnOnce() -> Option<HeaderValue>,
    ) -> Verdict {
        let modified_s = modified_ms / 1000;
        if self.if_match.as_ref().is_some_and(|tags| !tags.match_strongly(version))
            || self.if_unmodified_since_s.is_some_and(|since_s| modified_s > since_s)
        {
            return Verdict::Failed;
        }
        if self.if_none_match.as_ref().is_some_and(|tags| tags.match_form(shown().as_ref()))
            || self.if_modified_since_s.is_some_and(|since_s| modified_s <= since_s)
        {
            return Verdict::NotModified;
        }
        Verdict::Answer
    }

    fn allow_write(&self, current: Option<&Entry>) -> bool {
        let matches = |tags: &Tags, strongly: bool| {
            current.is_some_and(|entry| {
                if strongly { tags.match_strongly(entry.version) } else { tags.match_weakly(entry.version) }
            })
        };
        let modified_since =
            self.if_unmodified_since_s.zip(current).is_some_and(|(since_s, entry)| entry.modified_ms / 1000 > since_s);
        let matched = self.if_match.as_ref().is_none_or(|tags| matches(tags, true));
        let excluded = self.if_none_match.as_ref().is_some_and(|tags| matches(tags, false));
        matched && !excluded && !modified_since
    }

    /// What must hold of the key for a write to proceed, where that can be said without reading it.
    fn expect(&self) -> Option<Expect> {
        match self {
            Self { if_unmodified_since_s: Some(_), .. } | Self { if_match: Some(_), if_none_match: Some(_), .. } => {
                None
            }
            Self { if_match: None, if_none_match: None, .. } => Some(Expect::Anything),
            Self { if_match: Some(Tags::Any), .. } => Some(Expect::Present),
            Self { if_none_match: Some(Tags::Any), .. } => Some(Expect::Absent),
            Self { if_match: Some(Tags::These(tags)), .. } => match &tags[..] {
                [Tag { weak: false, version: Some(version), .. }] => Some(Expect::Version(*version)),
                _ => None,
            },
            Self { if_none_match: Some(Tags::These(_)), .. } => None,
        }
    }

    /// What must hold of something with a revision, as a plugin, for a write to proceed. `current` is that revision; none where there is
    /// nothing, or nothing that has one. The dates do not apply.
    ///
    /// # Errors
    /// `precondition-failed`, with the current tag.
    pub(crate) fn expect_revision(&self, current: Option<u64>) -> Result<Expect> {
        if self.if_match.is_none() && self.if_none_match.is_none() {
            return Ok(Expect::Anything);
        }
        let matches = |tags: &Tags, strongly: bool| {
            current.is_some_and(|now| if strongly { tags.match_strongly(now) } else { tags.match_weakly(now) })
        };
        let is_met = self.if_match.as_ref().is_none_or(|tags| matches(tags, true))
            && !self.if_none_match.as_ref().is_some_and(|tags| matches(tags, false));
        if is_met { Ok(current.map_or(Expect::Absent, Expect::Version)) } else { Err(self.explain_revision(current)) }
    }

    /// The problem of conditions that do not hold of something with this revision.
    fn explain_revision(&self, current: Option<u64>) -> Problem {
        let problem = revision_failed(current);
        let Some(now) = current else { return problem };
        let unmet = self.if_match.as_ref().filter(|tags| !tags.match_strongly(now));
        match (unmet, &self.if_none_match) {
            (Some(tags), _) if tags.match_weakly(now) => problem.detail(WEAK_TAG).hint(WEAK_HINT),
            (Some(_), _) => problem,
            (None, Some(Tags::Any)) => problem
                .detail("it exists, and `If-None-Match: *` asks that it does not")
                .hint("To replace it, send the `ETag` of this answer in `If-Match`, or no condition."),
            (None, _) => problem.detail("it still has a revision in `If-None-Match`"),
        }
    }

    /// The response to a failed condition of a write; `ETag` has the current version.
    fn failed(&self, current: Option<&Entry>) -> Problem {
        let Some(entry) = current else {
            let hint =
                "To create it, leave `If-Match` out; `If-None-Match: *` creates it only if it still does not exist.";
            return Problem::new(Code::PreconditionFailed).detail("the key does not exist").hint(hint);
        };
        let problem = self.explain(entry.version);
        match etag(entry.version, Form::Bytes) {
            Some(tag) => problem.header(ETAG, tag),
            None => problem,
        }
    }

    /// The problem of conditions that do not hold of this version of an existing key: which one, and what to do about it.
    pub(crate) fn explain(&self, version: u64) -> Problem {
        let problem = Problem::new(Code::PreconditionFailed);
        if let Some(tags) = self.if_match.as_ref().filter(|tags| !tags.match_strongly(version)) {
            return if version == 0 {
                problem
                    .detail("what this transaction has written has no version before it commits")
                    .hint("Within a transaction only `If-Match: *` matches what it has written itself.")
            } else if tags.match_weakly(version) {
                problem.detail(WEAK_TAG).hint(WEAK_HINT)
            } else if tags.name_no_version() {
                problem.detail("no tag in `If-Match` names a version of a value").hint(
                    "Send the `ETag` of an answer as it was, as in `If-Match: \"v7\"`; this answer has the current one.",
                )
            } else {
                problem.detail("the key has another version than those in `If-Match`")
            };
        }
        match &self.if_none_match {
            Some(Tags::Any) => problem
                .detail("the key exists, and `If-None-Match: *` asks that it does not")
                .hint("To replace its value, send the `ETag` of this answer in `If-Match`, or no condition."),
            Some(tags) if tags.match_weakly(version) => {
                problem.detail("the key still has a version in `If-None-Match`").hint(
                    "The condition asks for a version that is not among them; send no condition to write in any case.",
                )
            }
            _ => problem.detail("the key was written after the time in `If-Unmodified-Since`"),
        }
    }

    /// The way through a write under these conditions.
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard { conditions: self, attempts: 0 }
    }
}

/// The loop of a conditional write: [`expect`](Self::expect) says what must hold of the key, the write is tried, and
/// [`refused`](Self::refused) says whether to retry because another write came first.
#[derive(Debug)]
pub(crate) struct Guard<'c> {
    conditions: &'c Conditions,
    attempts: usize,
}

impl Guard<'_> {
    pub(crate) async fn expect(&mut self, kv: &mut Kv<'_>, key: &[u8]) -> Result<Expect> {
        if let Some(expect) = self.conditions.expect() {
            return Ok(expect);
        }
        let current = kv.get(key).await?;
        if !self.conditions.allow_write(current.as_ref()) {
            return Err(self.conditions.failed(current.as_ref()));
        }
        Ok(current.map_or(Expect::Absent, |entry| Expect::Version(entry.version)))
    }

    pub(crate) fn refused(&mut self, current: Option<&Entry>) -> Result<()> {
        self.attempts += 1;
        if self.conditions.expect().is_some() {
            return Err(self.conditions.failed(current));
        }
        if self.attempts >= limits::CONDITION_ATTEMPTS_MAX {
            return Err(mantis_db::Code::Conflict.into());
        }
        Ok(())
    }
}

impl Tags {
    fn match_strongly(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| !tag.weak && tag.version == Some(version)),
        }
    }

    /// The texts of the tags that compare strongly, with their quotes; none of `*`.
    pub(crate) fn strong(&self) -> Option<impl Iterator<Item = &[u8]>> {
        match self {
            Self::Any => None,
            Self::These(tags) => Some(tags.iter().filter(|tag| !tag.weak).map(|tag| &*tag.text)),
        }
    }

    /// Compares the whole tag, weakly: what is not committed has none, and only `*` matches it.
    pub(crate) fn match_form(&self, shown: Option<&HeaderValue>) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => shown.is_some_and(|shown| tags.iter().any(|tag| *tag.text == *shown.as_bytes())),
        }
    }

    /// Whether there are tags, and none is one of ours.
    fn name_no_version(&self) -> bool {
        matches!(self, Self::These(tags) if tags.iter().all(|tag| tag.version.is_none()))
    }

    /// Whether a tag is weak.
    pub(crate) fn has_weak(&self) -> bool {
        matches!(self, Self::These(tags) if tags.iter().any(|tag| tag.weak))
    }

    fn match_weakly(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| tag.version == Some(version)),
        }
    }
}

/// What to do about a weak tag in `If-Match`.
pub(crate) const WEAK_HINT: &str = "Send the tag without `W/`, as in `If-Match: \"v7\"`. This server sends no weak tags: proxies that compress \
                                    answers make them weak.";

const WEAK_TAG: &str = "`If-Match` has the current version in a weak tag, and it compares strongly (RFC 9110)";

/// As [`failed`], of something with a revision.
pub(crate) fn revision_failed(current: Option<u64>) -> Problem {
    let problem = Problem::new(Code::PreconditionFailed);
    match current.and_then(|revision| etag(revision, Form::Bytes)) {
        Some(tag) => problem.detail("it has another revision, which `ETag` names").header(ETAG, tag),
        None => problem.detail("it does not exist, or has no revision"),
    }
}

/// The tag of a form of a version that is not compressed. A value that is not committed yet has no version, and so no tag.
pub(crate) fn etag(version: u64, form: Form) -> Option<HeaderValue> {
    if version == 0 {
        return None;
    }
    let mut digits = itoa::Buffer::new();
    let mut text = [0; 40];
    let mut end = 0;
    for part in ["\"v", digits.format(version), form.suffix(), "\""] {
        text[end..end + part.len()].copy_from_slice(part.as_bytes());
        end += part.len();
    }
    HeaderValue::from_bytes(&text[..end]).ok()
}

/// The tags of a header; none where it is not there.
///
/// # Errors
/// `header-invalid` for what is no list of tags: to ignore it would make a guarded write an unguarded one.
pub(crate) fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>> {
    let mut found: Option<Tags> = None;
    for value in headers.get_all(name) {
        let malformed = || {
            let detail = format!("`{name}` must be `*` or a list of entity tags such as `\"v7\"`");
            Problem::new(Code::HeaderInvalid).detail(detail)
        };
        let parsed = parse_tags(value.as_bytes()).ok_or_else(malformed)?;
        found = Some(match (found, parsed) {
            (None, parsed) => parsed,
            (Some(Tags::These(mut all)), Tags::These(more)) => {
                all.extend(more);
                Tags::These(all)
            }
            _ => return Err(malformed()),
        });
    }
    Ok(found)
}

/// `*`, or tags with commas between them; empty elements are allowed, an empty list is not.
fn parse_tags(value: &[u8]) -> Option<Tags> {
    let mut rest = value.trim_ascii();
    if rest == b"*" {
        return Some(Tags::Any);
    }
    let mut tags = Vec::new();
    loop {
        while let [b',' | b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(Tags::These(tags)).filter(|tags| !matches!(tags, Tags::These(tags) if tags.is_empty()));
        }
        let (weak, quoted) = rest.strip_prefix(b"W/").map_or((false, rest), |quoted| (true, quoted));
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| byte == b'"')?;
        let (opaque, after) = (&inner[..end], inner[end + 1..].trim_ascii_start());
        if !opaque.iter().all(|&byte| byte == 0x21 || byte >= 0x23 && byte != 0x7f)
            || !(after.is_empty() || after[0] == b',')
        {
            return None;
        }
        tags.push(Tag { weak, text: quoted[..end + 2].into(), version: version_of(opaque) });
        rest = after;
    }
}

/// The version of a tag of any form, compressed or not.
fn version_of(opaque: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(opaque).ok()?.strip_prefix('v')?;
    let text = ["-gzip", "-br", "-zstd"].iter().find_map(|coding| text.strip_suffix(coding)).unwrap_or(text);
    let digits = Form::JSON.iter().find_map(|form| text.strip_suffix(form.suffix())).unwrap_or(text);
    // Tags are compared byte for byte: there is one spelling of each version. That of what a transaction has written itself is 0.
    let is_canonical = (digits == "0" || !digits.starts_with('0')) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_canonical.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, strongly: bool, weakly: bool) {
        let tags = parse_tags(value.as_bytes()).expect("well-formed");
        assert_eq!((tags.match_strongly(7), tags.match_weakly(7)), (strongly, weakly), "{value}");
    }

    #[test]
    fn tags_compare_strongly_and_weakly() {
        check("*", true, true);
        check("\"v7\"", true, true);
        check(" \"v7\" ", true, true);
        check("W/\"v7\"", false, true);
        check("\"v7-gzip\"", true, true);
        check("\"v6\", \"v7\"", true, true);
        check("\"v6\",,W/\"v7\"", false, true);
        check("\"v8\"", false, false);
        check("\"7\"", false, false);
        check("\"v07\"", false, false);
        check("\"v007-gzip\"", false, false);
        check("\"v+7\"", false, false);
        check("\"V7\"", false, false);
        check("\"v7-gzip-gzip\"", false, false);
        check("\"v7-json\"", true, true);
        check("\"v7-json-utf8\"", true, true);
        check("W/\"v7-json-base64-zstd\"", false, true);
        for unknown in
            ["v7-json-json", "v7-utf8", "v7-gzip-json", "v7-json-", "v7-JSON", "v7-json-utf8-base64", "v-json"]
        {
            check(&format!("\"{unknown}\""), false, false);
        }
        check("\"\"", false, false);
        check("\"a,b\", \"v7\"", true, true);
    }

    #[test]
    fn a_malformed_list_of_tags_is_refused() {
        for value in ["", " ", ",", "v7", "\"v7", "\"v7\" \"v8\"", "*, \"v7\"", "w/\"v7\"", "\"a b\"", "**"] {
            assert!(parse_tags(value.as_bytes()).is_none(), "{value:?}");
        }
    }

    #[test]
    fn a_tag_shows_the_version_and_the_form() {
        assert_eq!(etag(7, Form::Bytes).unwrap(), "\"v7\"");
        assert_eq!(etag(7, Form::Numbers).unwrap(), "\"v7-json\"");
        assert_eq!(etag(7, Form::Text).unwrap(), "\"v7-json-utf8\"");
        assert_eq!(etag(u64::MAX, Form::Base64).unwrap(), "\"v18446744073709551615-json-base64\"");
        assert!(etag(0, Form::Bytes).is_none());
    }

    #[test]
    fn not_modified_needs_the_tag_of_the_same_form() {
        let has = |value: &str| {
            let tags = parse_tags(value.as_bytes()).expect("well-formed");
            tags.match_form(etag(7, Form::Numbers).as_ref())
        };
        assert!(has("\"v7-json\"") && has("\"v7\", W/\"v7-json\"") && has("*"));
        assert!(!has("\"v7\"") && !has("\"v7-json-utf8\", \"v7-json-gzip\"") && !has("\"v6-json\""));
        assert!(!parse_tags(b"\"v0\"").expect("well-formed").match_form(None));
    }
}
