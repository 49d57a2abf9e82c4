//! A plugin as JSON.

use mantis_plugin::{FunctionInfo, PluginInfo, PluginLimits, Statistics};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::handlers::plugins::grants::{self, GrantOut};
use crate::wire::counts::Counts;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plugin")]
pub(super) struct InfoOut<'a> {
    name: &'a str,
    component_bytes: usize,
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    sha256: &'a str,
    imports: &'a [String],
    #[schemars(schema_with = "functions")]
    functions: &'a [FunctionInfo],
    skipped: Vec<SkippedOut<'a>>,
    own_transactions: bool,
    grants: Vec<GrantOut<'a>>,
    #[schemars(schema_with = "limits")]
    limits: PluginLimits,
    reuse: bool,
    #[schemars(with = "Counts")]
    statistics: Statistics,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SkippedFunction")]
struct SkippedOut<'a> {
    name: &'a str,
    reason: &'a str,
}

impl<'a> InfoOut<'a> {
    pub(super) fn of(info: &'a PluginInfo) -> Self {
        let skipped = info.skipped.iter();
        Self {
            name: &info.name,
            component_bytes: info.component_bytes,
            sha256: &info.sha256,
            imports: &info.imports,
            functions: &info.functions,
            skipped: skipped.map(|skipped| SkippedOut { name: &skipped.name, reason: &skipped.reason }).collect(),
            own_transactions: info.own_transactions,
            grants: grants::shown(&info.grants),
            limits: info.limits,
            reuse: info.reuse,
            statistics: info.statistics,
        }
    }
}

/// The functions, whose types the plugin host describes.
fn functions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "object", "required": ["name", "params"]}})
}

fn limits(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}
