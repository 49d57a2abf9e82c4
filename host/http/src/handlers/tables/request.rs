//! What every request for rows has: its preferences, the form of its answer, and its query.

use http::HeaderMap;
use http::uri::Uri;
use jiff::tz::TimeZone;
use mantis_db::Budget;
use mantis_db::tables::types::Value;
use mantis_db::tables::{Environment, TableError, TableResult, code};
use mantis_dialect::{Parser, Query};
use mantis_forms::batch;

use super::media::{self, Media};
use super::preferences::Preferences;
use crate::protocol::path;
use crate::state::State;

/// A request for rows, read but for its body.
#[derive(Debug)]
pub(super) struct TableRequest {
    pub(super) preferences: Preferences,
    pub(super) media: Media,
    pub(super) query: Query,
    /// The values of `$1`, `$2`, .. in the conditions, in the order of their numbers.
    pub(super) arguments: Vec<Value<'static>>,
    pub(super) environment: Environment,
    /// What the memory for its answer is taken from.
    pub(super) in_flight: Budget,
}

/// The header that has the values of the conditions' arguments.
pub(super) const ARGUMENTS: &str = "mantisdb-arguments";

/// The only schema that there is, by the name that clients know.
const SCHEMA: &str = "public";

impl TableRequest {
    /// Reads the head of a request. `profile` is the header that names a schema: `accept-profile` or `content-profile`.
    ///
    /// # Errors
    /// Of the preferences, `PGRST106`, `PGRST107`, `PGRST100`.
    pub(super) fn read(state: &State, uri: &Uri, headers: &HeaderMap, profile: &str) -> TableResult<Self> {
        Self::of(state, headers, profile, &parameters(uri.query())?)
    }

    /// The same, where the parameters are decoded.
    pub(super) fn of(
        state: &State,
        headers: &HeaderMap,
        profile: &str,
        parameters: &[(String, String)],
    ) -> TableResult<Self> {
        check_profile(headers, profile)?;
        let preferences = Preferences::of(headers)?;
        let media = media::choose(headers)?;
        let borrowed = parameters.iter().map(|(name, value)| (&name[..], &value[..]));
        let (parser, arguments) = match arguments(headers)? {
            None => (Parser::default(), Vec::new()),
            Some(arguments) => (Parser::default().with_arguments(), arguments),
        };
        let query = parser.query(borrowed)?;
        let zone = preferences.time_zone.as_ref().map_or(TimeZone::UTC, |(_, zone)| zone.clone());
        let (environment, in_flight) = (state.database.environment(zone), state.database.in_flight().clone());
        Ok(Self { preferences, media, query, arguments, environment, in_flight })
    }
}

/// The values that `Mantisdb-Arguments` gives; none without it: `$` has no meaning then.
fn arguments(headers: &HeaderMap) -> TableResult<Option<Vec<Value<'static>>>> {
    let mut given = headers.get_all(ARGUMENTS).iter();
    let Some(header) = given.next() else { return Ok(None) };
    let wrong = |detail: &str| {
        TableError::new(code::PARSE, "the header `Mantisdb-Arguments` cannot be read")
            .with_details(detail)
            .with_hint("It is a list in JSON with ASCII alone, as in `[\"a\", 5, null, [1, 2]]`: other characters are `\\u` and four digits.")
    };
    if given.next().is_some() {
        return Err(wrong("It is there more than once."));
    }
    let text = header.to_str().map_err(|_| wrong("It has other bytes than those of ASCII."))?;
    batch::values(text).map(Some).map_err(|error| wrong(error.message()))
}

fn check_profile(headers: &HeaderMap, profile: &str) -> TableResult<()> {
    match headers.get(profile) {
        Some(name) if name != SCHEMA => {
            let name = String::from_utf8_lossy(name.as_bytes());
            Err(TableError::new(code::SCHEMA_UNKNOWN, format!("Invalid schema: {name}"))
                .with_hint(format!("Only the following schemas are exposed: {SCHEMA}")))
        }
        _ => Ok(()),
    }
}

/// The parameters of a query, decoded as forms are, in their order.
pub(crate) fn parameters(query: Option<&str>) -> TableResult<Vec<(String, String)>> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (path::decode_form(name), path::decode_form(value)) {
                (Some(name), Some(value)) => Ok((name.into_owned(), value.into_owned())),
                _ => Err(TableError::new(code::PARSE, "a parameter is not UTF-8, or has a `%` without two digits")),
            }
        })
        .collect()
}

/// `Content-Location`: the path, and the parameters sorted, as PostgREST writes it.
pub(super) fn content_location(uri: &Uri) -> String {
    let mut pairs: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    if pairs.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), pairs.join("&")) }
}
