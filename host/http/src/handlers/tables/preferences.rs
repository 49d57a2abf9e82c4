//! `Prefer` (RFC 7240) as PostgREST reads it: which preferences a request has, and which were applied.

use http::{HeaderMap, HeaderValue};
use jiff::tz::TimeZone;
use mantis_db::tables::{Count, Resolution, TableError, TableResult, code, types};

use crate::protocol::end_mark;

/// What a request prefers. Of several values of one preference the first counts.
#[derive(Debug, Default)]
pub(super) struct Preferences {
    pub(super) resolution: Option<Resolution>,
    pub(super) missing: Option<Missing>,
    pub(super) representation: Option<Representation>,
    pub(super) count: Option<Count>,
    pub(super) transaction: Option<TransactionEnd>,
    pub(super) handling: Option<Handling>,
    pub(super) time_zone: Option<(String, TimeZone)>,
    pub(super) affected_max: Option<u64>,
    /// Whether lines are to have a mark of their end.
    pub(super) marks_end: bool,
}

/// What a missing value of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Default,
    Null,
}

/// What a write answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    Minimal,
    HeadersOnly,
    Full,
}

/// How a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionEnd {
    Commit,
    Rollback,
}

/// Whether unknown preferences are an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    Strict,
    Lenient,
}

/// Which preferences a kind of request can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applicable {
    Read,
    Insert,
    Update,
    Put,
    Delete,
    /// Of a function.
    Call,
}

impl Preferences {
    /// Reads all `Prefer` headers of a request.
    ///
    /// # Errors
    /// `PGRST122` for an unknown preference under `handling=strict`; `22023` for a time zone that is not known.
    pub(super) fn of(headers: &HeaderMap) -> TableResult<Self> {
        let mut preferences = Self::default();
        let mut invalid = Vec::new();
        let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        for token in values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty()) {
            if !preferences.take(token)? {
                invalid.push(token);
            }
        }
        if preferences.handling == Some(Handling::Strict) && !invalid.is_empty() {
            return Err(TableError::new(code::PREFERENCES_INVALID, "Invalid preferences given with handling=strict")
                .with_details(format!("Invalid preferences: {}", invalid.join(", "))));
        }
        if preferences.handling != Some(Handling::Strict) {
            preferences.affected_max = None;
        }
        Ok(preferences)
    }

    /// Takes one preference; false where it is none that is known.
    fn take(&mut self, token: &str) -> TableResult<bool> {
        match token {
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::Merge),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::Ignore),
            "missing=default" => first(&mut self.missing, Missing::Default),
            "missing=null" => first(&mut self.missing, Missing::Null),
            "return=representation" => first(&mut self.representation, Representation::Full),
            "return=headers-only" => first(&mut self.representation, Representation::HeadersOnly),
            "return=minimal" => first(&mut self.representation, Representation::Minimal),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "tx=commit" => first(&mut self.transaction, TransactionEnd::Commit),
            "tx=rollback" => first(&mut self.transaction, TransactionEnd::Rollback),
            "handling=strict" => first(&mut self.handling, Handling::Strict),
            end_mark::END => self.marks_end = true,
            "handling=lenient" => first(&mut self.handling, Handling::Lenient),
            _ => {
                if let Some(name) = token.strip_prefix("timezone=") {
                    let zone = types::time_zone(name).map_err(|error| {
                        TableError::new(error.code, format!("invalid value for parameter \"TimeZone\": \"{name}\""))
                    })?;
                    first(&mut self.time_zone, (name.to_owned(), zone));
                } else if let Some(count) = token.strip_prefix("max-affected=").and_then(|count| count.parse().ok()) {
                    first(&mut self.affected_max, count);
                } else {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// `Preference-Applied`: those that a request of this kind has applied, in PostgREST's order.
    pub(super) fn applied(&self, kind: Applicable, resolution_ignored: bool) -> Option<HeaderValue> {
        let (is_read, is_insert) = (kind == Applicable::Read, kind == Applicable::Insert);
        let limits_affected = matches!(kind, Applicable::Update | Applicable::Delete | Applicable::Call);
        let resolution =
            self.resolution.filter(|_| is_insert && !resolution_ignored).map(|resolution| match resolution {
                Resolution::Ignore => "resolution=ignore-duplicates",
                Resolution::Merge | Resolution::Fail => "resolution=merge-duplicates",
            });
        let missing = self.missing.filter(|_| is_insert || kind == Applicable::Update).map(|missing| match missing {
            Missing::Default => "missing=default",
            Missing::Null => "missing=null",
        });
        let representation = self.representation.filter(|_| !is_read).map(|representation| match representation {
            Representation::Minimal => "return=minimal",
            Representation::HeadersOnly => "return=headers-only",
            Representation::Full => "return=representation",
        });
        let count = self.count.and_then(|count| match count {
            Count::None => None,
            Count::Exact => Some("count=exact"),
            Count::Planned => Some("count=planned"),
            Count::Estimated => Some("count=estimated"),
        });
        let transaction = self.transaction.map(|transaction| match transaction {
            TransactionEnd::Commit => "tx=commit",
            TransactionEnd::Rollback => "tx=rollback",
        });
        let handling = self.handling.map(|handling| match handling {
            Handling::Strict => "handling=strict",
            Handling::Lenient => "handling=lenient",
        });
        let zone = self.time_zone.as_ref().map(|(name, _)| format!("timezone={name}"));
        let affected = self.affected_max.filter(|_| limits_affected).map(|max| format!("max-affected={max}"));
        let fixed = [resolution, missing, representation, count, transaction, handling];
        let applied: Vec<&str> =
            fixed.into_iter().flatten().chain(zone.as_deref()).chain(affected.as_deref()).collect();
        if applied.is_empty() { None } else { HeaderValue::from_str(&applied.join(", ")).ok() }
    }
}

/// Sets what is not set yet.
fn first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (http::HeaderName::from_static("prefer"), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[track_caller]
    fn check(values: &[&str], kind: Applicable, expected: Result<Option<&str>, &str>) {
        let applied = Preferences::of(&headers(values))
            .map(|preferences| preferences.applied(kind, false).map(|value| value.to_str().unwrap().to_owned()));
        assert_eq!(applied.as_ref().map(Option::as_deref).map_err(|error| error.code), expected, "{values:?}");
    }

    #[test]
    fn applied_preferences_are_named_in_one_order() {
        check(&[], Applicable::Read, Ok(None));
        check(&["count=exact, return=representation"], Applicable::Read, Ok(Some("count=exact")));
        check(
            &["count=exact", "return=representation"],
            Applicable::Insert,
            Ok(Some("return=representation, count=exact")),
        );
        check(
            &["return=minimal, resolution=merge-duplicates, return=representation"],
            Applicable::Insert,
            Ok(Some("resolution=merge-duplicates, return=minimal")),
        );
        check(
            &["handling=strict, max-affected=2, return=representation"],
            Applicable::Update,
            Ok(Some("return=representation, handling=strict, max-affected=2")),
        );
        check(&["handling=lenient, max-affected=2"], Applicable::Delete, Ok(Some("handling=lenient")));
        check(&["timezone=America/Lima"], Applicable::Read, Ok(Some("timezone=America/Lima")));
        check(&["count=none, anything"], Applicable::Read, Ok(None));
    }

    #[test]
    fn an_unknown_preference_is_an_error_where_handling_is_strict() {
        check(&["anything"], Applicable::Read, Ok(None));
        check(&["handling=strict, return=full"], Applicable::Update, Err("PGRST122"));
        check(&["handling=lenient, timezone=Nowhere/Town"], Applicable::Read, Err("22023"));
    }
}
