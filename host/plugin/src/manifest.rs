//! Manifests: the file beside a component that says what the plugin may do and how it runs.

use std::collections::BTreeMap;
use std::path::Path;

use mantis_db::{Access, GrantInvalid, Grants, json_error, reader_error};
use serde::Deserialize;

use crate::error::LoadError;
use crate::limits::{MANIFEST_BYTES_MAX, PluginLimits};
use crate::options::PluginOptions;

/// The grants, limits and way of running of a plugin, as written in a file. Every part is optional; without grants a plugin sees no
/// bucket and no table.
///
/// ```
/// let manifest: mantis_plugin::Manifest = toml::from_str(r#"
///     reuse = false
///
///     [grants]                # buckets and tables; "*" = "write", alone, is all of them
///     leaderboard = "write"
///     players = "read"
///     "table/orders" = "write"
///
///     [limits]
///     call_deadline_ms = 500
/// "#)?;
/// let options = mantis_plugin::PluginOptions::try_from(manifest)?;
/// assert_eq!(options.limits.call_deadline_ms, Some(500));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// The buckets and tables (`table/NAME`) that it sees, and the access to each.
    pub grants: BTreeMap<String, ManifestAccess>,
    /// Limits of its own.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: bool,
}

/// The access to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestAccess {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl From<ManifestAccess> for Access {
    fn from(access: ManifestAccess) -> Self {
        match access {
            ManifestAccess::Read => Self::Read,
            ManifestAccess::Write => Self::Write,
        }
    }
}

impl TryFrom<Manifest> for PluginOptions {
    type Error = GrantInvalid;

    fn try_from(manifest: Manifest) -> Result<Self, Self::Error> {
        let grants = Grants::from_pairs(manifest.grants.into_iter().map(|(bucket, access)| (bucket, access.into())))?;
        Ok(PluginOptions::new(grants).limits(manifest.limits).reuse(manifest.reuse))
    }
}

/// The options of the component `NAME.wasm`: those in `NAME.toml` or `NAME.json` beside it, and the default ones if there is neither.
pub(crate) fn options_of(component: &Path) -> Result<PluginOptions, LoadError> {
    let (toml_path, json_path) = (component.with_extension("toml"), component.with_extension("json"));
    let (path, manifest) = match (toml_path.exists(), json_path.exists()) {
        (false, false) => return Ok(PluginOptions::default()),
        (true, true) => return Err(invalid(&json_path, &"there is a .toml as well; keep one of them")),
        (true, false) => {
            let manifest = toml::from_str::<Manifest>(&text(&toml_path)?);
            let said =
                |error: toml::de::Error| error.to_string().replace(error.message(), &reader_error(error.message()));
            let manifest = manifest.map_err(|error| invalid(&toml_path, &said(error)))?;
            (toml_path, manifest)
        }
        (false, true) => {
            let manifest = serde_json::from_str::<Manifest>(&text(&json_path)?);
            let manifest = manifest.map_err(|error| invalid(&json_path, &json_error(&error)))?;
            (json_path, manifest)
        }
    };
    manifest.try_into().map_err(|reason| invalid(&path, &reason))
}

fn invalid(path: &Path, reason: &dyn ToString) -> LoadError {
    LoadError::Manifest { path: path.to_owned(), reason: reason.to_string() }
}

fn text(path: &Path) -> Result<String, LoadError> {
    let read = |error| LoadError::Read { path: path.to_owned(), error };
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes > MANIFEST_BYTES_MAX {
        return Err(LoadError::TooLarge { path: path.to_owned(), bytes, max: MANIFEST_BYTES_MAX });
    }
    let bytes = std::fs::read(path).map_err(read)?;
    String::from_utf8(bytes).map_err(|_| invalid(path, &"it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&Grants>) {
        let manifest: Result<Manifest, _> = toml::from_str(text);
        let options = manifest.ok().and_then(|manifest| PluginOptions::try_from(manifest).ok());
        assert_eq!(options.as_ref().map(|options| &options.grants), expected, "{text}");
    }

    #[test]
    fn grants_name_buckets_or_all_of_them() {
        check("", Some(&Grants::none()));
        check("[grants]\na = \"read\"", Some(&Grants::none().bucket("a", Access::Read)));
        let both = Grants::none().bucket("a", Access::Read).bucket("b", Access::Write);
        check("[grants]\na = \"read\"\nb = \"write\"", Some(&both));
        check("[grants]\n\"table/a\" = \"write\"", Some(&Grants::none().table("a", Access::Write)));
        check("[grants]\n\"*\" = \"write\"", Some(&Grants::all()));
        for text in ["\"*\" = \"read\"", "\"*\" = \"write\"\na = \"read\"", "a = \"own\"", "a = \"READ\"", "a = 1"] {
            check(&format!("[grants]\n{text}"), None);
        }
    }

    #[test]
    fn limits_have_the_names_of_their_fields() {
        let manifest: Manifest = toml::from_str(
            "[limits]\ncall_deadline_ms = 1\nmemory_bytes_max = 2\nhandles_max = 3\ntransfer_bytes_max = 4\nlog_lines_max = 5",
        )
        .unwrap();
        let PluginLimits { call_deadline_ms, memory_bytes_max, handles_max, transfer_bytes_max, log_lines_max } =
            manifest.limits;
        assert_eq!((call_deadline_ms, memory_bytes_max, handles_max), (Some(1), Some(2), Some(3)));
        assert_eq!((transfer_bytes_max, log_lines_max), (Some(4), Some(5)));
        for text in ["grant = {}", "[limits]\nstack_bytes_max = 1", "[limits]\nhandles_max = -1"] {
            assert!(toml::from_str::<Manifest>(text).is_err(), "{text}");
        }
    }
}
