//! The JSON schemas of the document: derived from the types that the table of routes names, and collected here.

use mantis_db::Limits;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::api::description::{Content, Shape};

/// The schemas that the document refers to. What is read and what is written differ in which members may be left out.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        let requests = settings.clone().for_deserialize().into_generator();
        Self { requests, responses: settings.for_serialize().into_generator() }
    }

    /// The schema of a response of this type.
    pub(super) fn of_response<T: JsonSchema>(&mut self) -> Value {
        self.responses.subschema_for::<T>().into()
    }

    /// The content of a request, by media type.
    pub(super) fn request(&mut self, content: &[Content]) -> Value {
        shown(content, &mut self.requests)
    }

    /// The content of a response, by media type.
    pub(super) fn response(&mut self, content: &[Content]) -> Value {
        shown(content, &mut self.responses)
    }

    /// All that were referred to, by name, with the limits in force.
    pub(super) fn all(mut self, limits: &Limits) -> Value {
        let mut all = self.requests.take_definitions(true);
        all.extend(self.responses.take_definitions(true));
        let mut all = Value::Object(all);
        for batch in ["Batch", "Operations"] {
            if let Some(operations) = all.pointer_mut(&format!("/{batch}/properties/operations")) {
                operations["maxItems"] = limits.batch_operations_max.into();
            }
        }
        if let Some(Value::String(description)) = all.pointer_mut("/KeyIn/description") {
            *description = description.replace("{key_bytes_max}", &limits.key_bytes_max.to_string());
        }
        all
    }
}

fn shown(content: &[Content], generator: &mut SchemaGenerator) -> Value {
    let media = content.iter().map(|Content { media, shape }| {
        let value = match shape {
            Shape::Schema(schema) => json!({"schema": schema(generator)}),
            Shape::Json => json!({"schema": {}}),
            Shape::Text => json!({"schema": {"type": "string"}}),
            // In OpenAPI 3.1 bytes have no schema.
            Shape::Bytes => json!({}),
        };
        ((*media).to_owned(), value)
    });
    Value::Object(media.collect())
}
