//! A plugin as JSON.

use mantis_plugin::{FunctionInfo, PluginInfo, PluginLimits, PluginSource, PluginState, Statistics, VersionInfo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::handlers::plugins::grants::{self, GrantOut};
use crate::wire::counts::Counts;
use crate::wire::time;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plugin")]
pub(super) struct InfoOut<'a> {
    name: &'a str,
    #[schemars(extend("enum" = ["ready", "starting", "broken"]))]
    state: &'static str,
    /// Why it is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[schemars(extend("enum" = ["kept", "directory", "program"]))]
    source: &'static str,
    /// The number of the current version; none of a plugin that is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The revision in `ETag`, without quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^v[0-9]+$"))]
    revision: Option<String>,
    /// The versions that are kept, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions: Vec<VersionOut<'a>>,
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

/// A version of a plugin that is kept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PluginVersion", deny_unknown_fields)]
struct VersionOut<'a> {
    version: u64,
    current: bool,
    installed_at: String,
    component_bytes: u64,
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    sha256: &'a str,
}

impl<'a> VersionOut<'a> {
    fn of(info: &'a VersionInfo, current: u64) -> Self {
        Self {
            version: info.number,
            current: info.number == current,
            installed_at: time::rfc3339(info.installed_ms),
            component_bytes: info.component_bytes,
            sha256: &info.sha256,
        }
    }
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
        let kept = info.kept.as_ref();
        let (state, reason) = match &info.state {
            PluginState::Ready => ("ready", None),
            PluginState::Starting => ("starting", None),
            PluginState::Broken(reason) => ("broken", Some(&reason[..])),
            _ => ("broken", None),
        };
        Self {
            name: &info.name,
            state,
            reason,
            source: match info.source {
                PluginSource::Kept => "kept",
                PluginSource::File => "directory",
                _ => "program",
            },
            version: kept.map(|kept| kept.current),
            revision: kept.map(|kept| format!("v{}", kept.revision)),
            versions: kept.map_or_else(Vec::new, |kept| {
                kept.versions.iter().map(|version| VersionOut::of(version, kept.current)).collect()
            }),
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
