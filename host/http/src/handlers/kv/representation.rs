//! The form in which an entry is shown: its bytes, or the JSON form that holds them.

use http::HeaderMap;
use mantis_db::Entry;

use crate::protocol::conditions::Form;
use crate::protocol::problem::Result;
use crate::protocol::{accept, media};

/// What an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) form: Form,
    /// The media type of a JSON form: its general name, or that which is never a stored document's.
    pub(super) media: &'static str,
}

impl Shown {
    pub(super) const BYTES: Self = Self { form: Form::Bytes, media: "" };

    /// A JSON form.
    const fn json(form: Form, media: &'static str) -> Self {
        Self { form, media }
    }
}

/// How a read shows an entry.
///
/// `application/json` means a stored JSON document as it is, and the JSON form of any other value; the media type of entries always means
/// the JSON form. Any other range that fits the value's own media type means its bytes, and wins over `application/json` when both are liked
/// equally: many clients send `application/json, */*` with everything.
pub(super) fn for_read(headers: &HeaderMap, encoding: Option<&str>, entry: &Entry) -> Result<Shown> {
    if let Some(encoding) = encoding {
        accept::choose(headers, &[media::JSON, media::ENTRY_JSON])?;
        let form = if encoding == "base64" { Form::Base64 } else { Form::Text };
        return Ok(Shown::json(form, media_of_entries(headers)));
    }
    if !accept::is_given(headers) {
        return Ok(Shown::BYTES);
    }
    let is = |range: &str, media: &str| range.eq_ignore_ascii_case(media);
    let is_document = is_document(entry);
    let of_form = |range: &str| is(range, media::ENTRY_JSON) || !is_document && is(range, media::JSON);
    let own = accept::weight_by(headers, essence(entry), |range| !of_form(range));
    let envelope = accept::weight_by(headers, media::ENTRY_JSON, |range| is(range, media::ENTRY_JSON));
    let json = if is_document { 0 } else { accept::weight_by(headers, media::JSON, |range| is(range, media::JSON)) };
    match own.max(envelope).max(json) {
        // As in `application/*`, which does not fit a text: then its JSON form is what fits.
        0 if !is_document && accept::weight(headers, media::JSON) > 0 => Ok(Shown::json(Form::Numbers, media::JSON)),
        0 => Err(accept::not_acceptable(&[entry.media_type.as_str(), media::JSON, media::ENTRY_JSON])),
        best if best == envelope => Ok(Shown::json(Form::Numbers, media::ENTRY_JSON)),
        best if best == own => Ok(Shown::BYTES),
        _ => Ok(Shown::json(Form::Numbers, media::JSON)),
    }
}

/// Refuses what no answer to a write could show.
pub(super) fn check_for_write(headers: &HeaderMap) -> Result<()> {
    accept::choose(headers, &[media::JSON, media::ENTRY_JSON]).map(drop)
}

/// How an answer to a write shows what was written: as a read for JSON does.
pub(super) fn for_write(headers: &HeaderMap, entry: &Entry) -> Shown {
    match media_of_entries(headers) {
        media::JSON if is_document(entry) => Shown::BYTES,
        media => Shown::json(Form::Numbers, media),
    }
}

/// The name under which the JSON form is sent.
fn media_of_entries(headers: &HeaderMap) -> &'static str {
    let named = |range: &str| range.eq_ignore_ascii_case(media::ENTRY_JSON);
    let by_name = if accept::is_given(headers) { accept::weight_by(headers, media::ENTRY_JSON, named) } else { 0 };
    if by_name > 0 && by_name >= accept::weight(headers, media::JSON) { media::ENTRY_JSON } else { media::JSON }
}

/// Whether the value is a JSON document.
fn is_document(entry: &Entry) -> bool {
    essence(entry).eq_ignore_ascii_case(media::JSON)
}

/// The media type without its parameters.
fn essence(entry: &Entry) -> &str {
    entry.media_type.as_str().split(';').next().unwrap_or_default().trim()
}
