//! The JSON of a batch of operations on keys and rows, for its schema: `mantis_forms` reads it.

use schemars::JsonSchema;

#[derive(JsonSchema)]
#[schemars(rename = "Operations", deny_unknown_fields)]
#[allow(dead_code, reason = "only its schema is of use")]
pub(crate) struct BatchForm {
    operations: Operations,
}

/// The operations, whose schema is written by hand.
pub(super) struct Operations;
