//! What a write reports: its commit, and how many keys it deleted.

use http::{HeaderName, HeaderValue, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::common::{DURABLE, VERSION};
use crate::protocol::body::Body;
use crate::wire::numbers::NumberText;

/// Sets the headers that name the commit of a write and say whether it is durable.
pub(crate) fn set_commit_headers(response: &mut Response<Body>, version: u64, durable: bool) {
    response.headers_mut().extend(commit_headers(version, durable));
}

/// `mantisdb-version` and `mantisdb-durable`; none for what is not committed.
pub(crate) fn commit_headers(version: u64, durable: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let both = [
        (HeaderName::from_static(VERSION.name), HeaderValue::from(version)),
        (HeaderName::from_static(DURABLE.name), HeaderValue::from_static(if durable { "true" } else { "false" })),
    ];
    both.into_iter().filter(move |_| version != 0)
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Deleted {
    pub(crate) deleted: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Committed", deny_unknown_fields)]
pub(crate) struct CommittedOut {
    pub(crate) version: NumberText,
    pub(crate) durable: bool,
}
