//! Manifests: the document that says what a plugin may do and how it runs. There is one form of it, with one reader: in a file beside the
//! component, as TOML or JSON, and as JSON in the record of a plugin that is kept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::Path;

use mantis_db::{Access, GrantInvalid, Grants, json_error, reader_error};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::LoadError;
use crate::limits::{MANIFEST_BYTES_MAX, PluginLimits};
use crate::options::PluginOptions;

/// The grants, limits and way of running of a plugin, as written in a file. Every part is optional; without grants a plugin sees no
/// bucket and no table. Nothing may be said twice.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// The buckets and tables (`table/NAME`) that it sees, and the access to each.
    #[serde(deserialize_with = "distinct")]
    pub grants: BTreeMap<String, ManifestAccess>,
    /// Limits of its own.
    pub limits: PluginLimits,
    /// Whether instances serve several calls.
    pub reuse: bool,
}

/// The access to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

impl From<Access> for ManifestAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
        }
    }
}

/// Grants of which none is given twice: a reader that kept the last of them would grant what another line takes back.
fn distinct<'d, D: Deserializer<'d>>(deserializer: D) -> Result<BTreeMap<String, ManifestAccess>, D::Error> {
    struct Distinct;

    impl<'d> Visitor<'d> for Distinct {
        type Value = BTreeMap<String, ManifestAccess>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("buckets and tables, each with `read` or `write`")
        }

        fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut grants = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                match grants.entry(name) {
                    Entry::Vacant(grant) => drop(grant.insert(map.next_value()?)),
                    Entry::Occupied(grant) => {
                        return Err(A::Error::custom(format_args!("`{}` is granted twice", grant.key())));
                    }
                }
            }
            Ok(grants)
        }
    }

    deserializer.deserialize_map(Distinct)
}

impl Manifest {
    /// The manifest in JSON.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| json_error(&error))
    }

    /// The manifest in a file, as JSON where its name ends with `.json`, and else as TOML.
    ///
    /// # Errors
    /// [`LoadError`], which names the file.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let text = text(path)?;
        if path.extension().is_some_and(|extension| extension == "json") {
            return Self::from_json(&text).map_err(|reason| invalid(path, &reason));
        }
        let said = |error: toml::de::Error| error.to_string().replace(error.message(), &reader_error(error.message()));
        toml::from_str(&text).map_err(|error| invalid(path, &said(error)))
    }

    /// As JSON, which [`from_json`](Self::from_json) reads.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<&PluginOptions> for Manifest {
    fn from(options: &PluginOptions) -> Self {
        let grants = options.grants.pairs().map(|(name, access)| (name.to_owned(), access.into()));
        Self { grants: grants.collect(), limits: options.limits, reuse: options.reuse }
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
    let path = match (toml_path.exists(), json_path.exists()) {
        (false, false) => return Ok(PluginOptions::default()),
        (true, true) => return Err(invalid(&json_path, &"there is a .toml as well; keep one of them")),
        (true, false) => toml_path,
        (false, true) => json_path,
    };
    Manifest::from_file(&path)?.try_into().map_err(|reason| invalid(&path, &reason))
}

fn invalid(path: &Path, reason: &dyn ToString) -> LoadError {
    LoadError::Manifest { path: path.to_owned(), reason: reason.to_string() }
}

fn text(path: &Path) -> Result<String, LoadError> {
    let read = |error| LoadError::Read { path: path.to_owned(), error };
    let metadata = std::fs::metadata(path).map_err(read)?;
    if !metadata.is_file() {
        return Err(read(std::io::Error::other("it is not a regular file")));
    }
    let bytes = metadata.len();
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
    fn nothing_is_granted_twice() {
        for text in [
            r#"{"grants": {"a": "write", "a": "read"}}"#,
            r#"{"grants": {"a": "read", "a": "read"}}"#,
            r#"{"grants": {"a": "read"}, "grants": {}}"#,
            r#"{"reuse": true, "reuse": false}"#,
            r#"{"limits": {"handles_max": 1, "handles_max": 2}}"#,
        ] {
            assert!(Manifest::from_json(text).is_err(), "{text}");
        }
        check("[grants]\na = \"read\"\na = \"write\"", None);
        assert!("a:read,a:write".parse::<Grants>().is_err());
    }

    #[test]
    fn options_are_kept_as_a_manifest() {
        let limits = PluginLimits { handles_max: Some(3), ..PluginLimits::default() };
        for grants in ["*:write", "a:read,b:write,table/*:read,table/x%25:write"] {
            let options = PluginOptions::new(grants.parse().unwrap()).limits(limits).reuse(true);
            let text = Manifest::from(&options).to_json();
            assert_eq!(Manifest::from_json(&text).unwrap().try_into(), Ok(options), "{text}");
        }
        let none = PluginOptions::default();
        assert_eq!(Manifest::from_json(&Manifest::from(&none).to_json()).unwrap().try_into(), Ok(none));
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
