//! The JSON schema of the operations of a batch on one bucket.

use std::borrow::Cow;

use mantis_forms::operation::OperationForm;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::handlers::kv::form::Operations;

impl JsonSchema for Operations {
    fn schema_name() -> Cow<'static, str> {
        "Operations".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Vec<OperationForm>>()
    }
}
