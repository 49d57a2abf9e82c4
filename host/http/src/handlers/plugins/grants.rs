//! A plugin's grants as text (`scores:write,users:read`), in the query parameter and in JSON.

use mantis_db::{GrantInvalid, Grants};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::description::{Kind, Parameter, Pattern, Role};
use crate::limits;
use crate::protocol::problem::Result;

/// The text for no grants.
const NONE: &str = "none";

pub(super) static BUCKETS: Parameter = Parameter {
    name: "buckets",
    kind: Kind::Text { pattern: Pattern::Grants, bytes_max: limits::GRANTS_BYTES_MAX },
    description: "The buckets that the plugin may read or write: `scores:write,users:read`. `*:write` allows everything, `none` nothing.",
    role: Role::Optional,
};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant", deny_unknown_fields)]
pub(super) struct GrantOut<'a> {
    bucket: &'a str,
    #[schemars(extend("enum" = ["read", "write"]))]
    access: &'static str,
}

/// Reads `scores:write,users:read`, or `none`.
pub(super) fn read(text: &str) -> Result<Grants> {
    if text == NONE {
        return Ok(Grants::none());
    }
    text.parse().map_err(|invalid: GrantInvalid| BUCKETS.invalid(&format!("is invalid: {invalid}")))
}

/// The grants in the words of the query parameter that gave them.
pub(super) fn shown(grants: &Grants) -> Vec<GrantOut<'_>> {
    grants.pairs().map(|(bucket, access)| GrantOut { bucket, access: access.as_str() }).collect()
}
