//! `Accept` and `Accept-Encoding`, with their weights.

use http::header::{ACCEPT, AsHeaderName};
use http::{HeaderMap, HeaderValue};

use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// A weight in thousandths.
pub(crate) type Weight = u16;
const FULL: Weight = 1_000;

/// The elements of a header with their weights; an element without one has full weight. What cannot be read is left out.
pub(crate) fn weighted(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = (&str, Weight)> {
    let values = headers.get_all(name).into_iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((name, weight.map_or(Some(FULL), parse_weight)?))
    })
}

/// `0`, `1`, or either with up to three decimals.
pub(crate) fn parse_weight(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: Weight = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(FULL),
        _ => None,
    }
}

/// How well a media range fits a media type: 0 not at all, 3 exactly.
fn fit(range: &str, media: &str) -> u8 {
    if range == "*/*" {
        return 1;
    }
    if range.eq_ignore_ascii_case(media) {
        return 3;
    }
    let same_type = || {
        let (range_type, media_type) = (range.strip_suffix("/*")?, media.split('/').next()?);
        Some(range_type.eq_ignore_ascii_case(media_type))
    };
    if same_type() == Some(true) { 2 } else { 0 }
}

/// Whether `Accept` is given and not empty.
pub(crate) fn is_given(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| !value.as_bytes().trim_ascii().is_empty())
}

/// The weight that `Accept` gives a media type (without parameters), by the range that fits it best among those that `counts`
/// lets count. Full weight when there is no such header.
pub(crate) fn weight_by(headers: &HeaderMap, media: &str, counts: impl Fn(&str) -> bool) -> Weight {
    if !is_given(headers) {
        return FULL;
    }
    let fitting = weighted(headers, ACCEPT).filter(|(range, _)| counts(range));
    fitting
        .map(|(range, weight)| (fit(range, media), weight))
        .filter(|(fit, _)| *fit > 0)
        .max()
        .map_or(0, |(_, weight)| weight)
}

/// The weight that `Accept` gives a media type.
pub(crate) fn weight(headers: &HeaderMap, media: &str) -> Weight {
    weight_by(headers, media, |_| true)
}

/// Whether the client likes RFC 9457's form of errors better than plain JSON.
pub(crate) fn prefers_problem(headers: &HeaderMap) -> bool {
    let named = |range: &str| range.eq_ignore_ascii_case(crate::protocol::media::PROBLEM_JSON);
    is_given(headers) && weight_by(headers, crate::protocol::media::PROBLEM_JSON, named) > 0
}

/// The offered media type that the client likes best; of several the first.
pub(crate) fn choose(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str> {
    if !is_given(headers) {
        return offered.first().copied().ok_or_else(|| Code::NotAcceptable.into());
    }
    let mut best: Option<(Weight, &'static str)> = None;
    for &media in offered {
        let weight = weight(headers, media);
        if weight > 0 && best.is_none_or(|(other, _)| weight > other) {
            best = Some((weight, media));
        }
    }
    best.map(|(_, media)| media).ok_or_else(|| not_acceptable(offered))
}

pub(crate) fn not_acceptable(offered: &[&str]) -> Problem {
    let once = offered.iter().enumerate().filter(|(place, media)| !offered[..*place].contains(media));
    let offered: Vec<&str> = once.map(|(_, media)| *media).collect();
    Problem::new(Code::NotAcceptable).detail(format!("available as `{}`", offered.join("` or `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).unwrap())])
    }

    #[track_caller]
    fn check(accept: &str, offered: &[&'static str], expected: Option<&str>) {
        assert_eq!(choose(&headers(accept), offered).ok(), expected, "{accept:?}");
    }

    #[test]
    fn the_highest_weight_wins_and_the_first_of_equals() {
        const JSON: &str = "application/json";
        const LINES: &str = "application/x-ndjson";
        check("*/*", &[JSON, LINES], Some(JSON));
        check("application/x-ndjson", &[JSON, LINES], Some(LINES));
        check("Application/X-NDJSON", &[JSON, LINES], Some(LINES));
        check("application/json;q=0.5, application/x-ndjson", &[JSON, LINES], Some(LINES));
        check("application/*;q=0.5, application/json;q=0.1", &[JSON, LINES], Some(LINES));
        check("application/json;q=0, */*", &[JSON], None);
        check("text/html", &[JSON, LINES], None);
        check("application/json;charset=utf-8;q=0.2, application/x-ndjson;q=0.1", &[JSON, LINES], Some(JSON));
        check("application/json;q=2", &[JSON], None);
        check("", &[JSON, LINES], Some(JSON));
        check(" ", &[JSON, LINES], Some(JSON));
    }

    #[test]
    fn weights_are_parsed_to_three_decimals() {
        for (text, weight) in
            [("1", Some(1000)), ("0.5", Some(500)), ("0.001", Some(1)), ("1.000", Some(1000)), ("0", Some(0))]
        {
            assert_eq!(parse_weight(text), weight, "{text}");
        }
        for text in ["", "1.1", "0.0001", "2", "-1", "0.x"] {
            assert_eq!(parse_weight(text), None, "{text}");
        }
    }
}
