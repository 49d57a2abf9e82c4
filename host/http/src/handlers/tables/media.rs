//! The media types that rows are sent as, chosen by `Accept` with its parameters.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use mantis_db::tables::{TableError, TableResult, code};

/// What an answer is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// Rows in a form.
    Rows(Form),
    /// How the rows would be found.
    Plan(Plan),
}

/// The form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/json`: an array.
    Json,
    /// `application/vnd.pgrst.array+json`, maybe without nulls.
    Array { strips_nulls: bool },
    /// `application/vnd.pgrst.object+json`: exactly one row, maybe without nulls.
    Object { strips_nulls: bool },
    /// `application/x-ndjson`: a row a line.
    Lines,
    /// `text/csv`
    Csv,
    /// `application/vnd.mantisdb.rows`: bytes, each value in its type's own form.
    Packed,
}

/// `application/vnd.pgrst.plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// JSON, or text.
    pub(super) is_json: bool,
    /// Whether it is run too (`options=analyze`).
    pub(super) is_analyzed: bool,
    /// For rows of this form.
    pub(super) of: Form,
}

impl Form {
    /// Whether nulls are left out.
    pub(super) fn strips_nulls(self) -> bool {
        matches!(self, Self::Array { strips_nulls: true } | Self::Object { strips_nulls: true })
    }

    /// Whether there must be exactly one row.
    pub(super) fn is_singular(self) -> bool {
        matches!(self, Self::Object { .. })
    }

    /// The media type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Array { strips_nulls: false } => "application/vnd.pgrst.array+json",
            Self::Array { strips_nulls: true } => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object { strips_nulls: false } => "application/vnd.pgrst.object+json",
            Self::Object { strips_nulls: true } => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Packed => "application/vnd.mantisdb.rows",
        }
    }

    /// The `Content-Type` of rows in this form.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Array { strips_nulls: false } => "application/vnd.pgrst.array+json; charset=utf-8",
            Self::Array { strips_nulls: true } => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            Self::Object { strips_nulls: false } => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::Object { strips_nulls: true } => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            Self::Lines => "application/x-ndjson; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Packed => "application/vnd.mantisdb.rows",
        })
    }
}

impl Plan {
    /// The `Content-Type` of the plan.
    pub(super) fn content_type(self) -> HeaderValue {
        let syntax = if self.is_json { "json" } else { "text" };
        let options = if self.is_analyzed { "; options=analyze" } else { "" };
        let value = format!("application/vnd.pgrst.plan+{syntax}; for=\"{}\"{options}; charset=utf-8", self.of.name());
        HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("application/json"))
    }
}

/// The media type that the client likes best and that tables have; JSON where it names none.
///
/// # Errors
/// `PGRST107`: none of those that it names is available.
pub(super) fn choose(headers: &HeaderMap) -> TableResult<Media> {
    let values = || headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<&str> = values().flat_map(elements).filter(|range| !range.is_empty()).collect();
    if ranges.is_empty() {
        return Ok(Media::Rows(Form::Json));
    }
    let mut best: Option<(u16, Media)> = None;
    for range in &ranges {
        let Some((weight, media)) = read(range) else { continue };
        // Of several with one weight the first counts.
        if weight > 0 && best.is_none_or(|(other, _)| weight > other) {
            best = Some((weight, media));
        }
    }
    best.map(|(_, media)| media).ok_or_else(|| {
        let message = format!("None of these media types are available: {}", ranges.join(", "));
        TableError::new(code::MEDIA_UNAVAILABLE, message)
    })
}

/// The elements of a list: commas in quotes do not separate.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    split(value, ',')
}

fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    value
        .split(move |character| {
            is_quoted ^= character == '"';
            character == separator && !is_quoted
        })
        .map(str::trim)
}

/// A media range with its parameters: its weight in thousandths, and what it asks for; none where tables do not have it.
fn read(range: &str) -> Option<(u16, Media)> {
    let mut parts = split(range, ';');
    let name = parts.next()?.to_ascii_lowercase();
    let (mut weight, mut strips_nulls, mut of, mut is_analyzed) = (1_000, false, Form::Json, false);
    for part in parts {
        let Some((parameter, value)) = part.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match parameter.trim().to_ascii_lowercase().as_str() {
            "q" => weight = crate::protocol::accept::parse_weight(value)?,
            "nulls" => strips_nulls = value.eq_ignore_ascii_case("stripped"),
            "for" => {
                of = match read(value)? {
                    (_, Media::Rows(form)) => form,
                    (_, Media::Plan(_)) => return None,
                }
            }
            "options" => is_analyzed |= value.split('|').any(|option| option.eq_ignore_ascii_case("analyze")),
            _ => {}
        }
    }
    let media = match name.as_str() {
        // Who asks for errors in that form gets rows as JSON.
        "*/*" | "application/*" | "application/json" | "application/problem+json" => Media::Rows(Form::Json),
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Media::Rows(Form::Array { strips_nulls }),
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => {
            Media::Rows(Form::Object { strips_nulls })
        }
        "application/x-ndjson" => Media::Rows(Form::Lines),
        "text/csv" | "text/*" => Media::Rows(Form::Csv),
        "application/vnd.mantisdb.rows" => Media::Rows(Form::Packed),
        "application/vnd.pgrst.plan+json" => Media::Plan(Plan { is_json: true, is_analyzed, of }),
        "application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" => {
            Media::Plan(Plan { is_json: false, is_analyzed, of })
        }
        _ => return None,
    };
    Some((weight, media))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Media = Media::Rows(Form::Json);

    #[track_caller]
    fn check(accept: &str, expected: Option<Media>) {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).unwrap())]);
        assert_eq!(choose(&headers).ok(), expected, "{accept}");
    }

    #[test]
    fn the_best_liked_of_what_there_is_is_chosen() {
        check("", Some(JSON));
        check("*/*", Some(JSON));
        check("text/unknowntype", None);
        check("text/unknowntype, */*", Some(JSON));
        check("text/csv", Some(Media::Rows(Form::Csv)));
        check("TEXT/CSV; Header=Present", Some(Media::Rows(Form::Csv)));
        check("application/json;q=0.5, text/csv", Some(Media::Rows(Form::Csv)));
        check("application/json;q=0", None);
        check("application/json;q=0.9, application/vnd.mantisdb.rows", Some(Media::Rows(Form::Packed)));
        check(
            "application/vnd.pgrst.object+json; nulls=stripped",
            Some(Media::Rows(Form::Object { strips_nulls: true })),
        );
        check("application/vnd.pgrst.array+json", Some(Media::Rows(Form::Array { strips_nulls: false })));
    }

    #[test]
    fn a_plan_names_the_form_that_it_is_for() {
        let plan = |of, is_analyzed| Some(Media::Plan(Plan { is_json: true, is_analyzed, of }));
        check("application/vnd.pgrst.plan+json; for=\"application/json\"; options=;", plan(Form::Json, false));
        check("application/vnd.pgrst.plan+json; for=\"text/csv\"; options=analyze|verbose|;", plan(Form::Csv, true));
        check(
            "application/vnd.pgrst.plan+json; for=\"application/vnd.pgrst.object+json; nulls=stripped, x\"",
            plan(Form::Object { strips_nulls: false }, false),
        );
    }
}
