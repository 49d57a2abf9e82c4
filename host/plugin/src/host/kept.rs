//! Plugins that the database keeps: they are there after a restart, with all that they may do, and in backups.
//!
//! What the database has is the truth, and what can be called follows it: each change is committed first, and then the newest record says
//! what becomes callable. So the order in which two changes get there does not matter.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mantis_db::plugins::{NewPluginVersion, PluginError, PluginRecord, PluginVersion};
use mantis_db::{Database, Expect};

use super::expected::Expected;
use super::plugin_host::{PluginHost, check_name};
use crate::error::{Error, KeepError};
use crate::limits::KEEP_ATTEMPTS_MAX;
use crate::manifest::Manifest;
use crate::options::{OptionsChange, PluginOptions};
use crate::plugin::{KeptVersions, Plugin, PluginInfo, PluginSource, PluginState};

/// The pause until a busy compiler is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// A plugin after a change that the database keeps.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeptPlugin {
    /// Its description.
    pub info: PluginInfo,
    /// Whether there was none of its name before.
    pub is_new: bool,
}

impl PluginHost {
    /// As [`install`](Self::install), and the database keeps the plugin, as its next version: it is there after a restart. What `change` does
    /// not name stays as it was in the version before. `expect` is about the [revision](KeptVersions::revision).
    ///
    /// # Errors
    /// [`KeepError`]. What was there is unchanged. Dropping the future before the commit leaves everything as it was, too.
    pub async fn keep(
        &self,
        name: &str,
        component: Bytes,
        change: OptionsChange,
        expect: Expect,
    ) -> Result<KeptPlugin, KeepError> {
        check_name(name)?;
        for _ in 0..KEEP_ATTEMPTS_MAX {
            self.check_not_from_file(name)?;
            let before = self.database().plugin(name);
            self.database().expect_plugin(name, expect)?;
            let options = change.over(options_before(before.as_ref())?);
            let manifest = Manifest::from(&options).to_json();
            let plugin = self.prepare(name, component.clone(), options).await?;
            let host = self.clone();
            let (name, component) = (name.to_owned(), component.clone());
            let at = before.as_ref().map_or(Expect::Absent, |before| Expect::Version(before.revision));
            // A caller that goes away must not leave a committed version uncalled.
            let kept = tokio::spawn(async move {
                let database = host.database().clone();
                let written = blocking(move || database.write_component(&component)).await?;
                let new = NewPluginVersion { component: written?, manifest };
                let max = host.kept_max();
                let record = host.database().keep_plugin(&name, new, at, max).await?;
                Ok(host.activate(&name, plugin, &record))
            });
            match kept.await.unwrap_or_else(|error| Err(failed(&error))) {
                // Another change came first. It is not the one that the caller expected, unless any will do.
                Err(KeepError::Refused(_)) if matches!(expect, Expect::Anything | Expect::Present) => {}
                Ok(info) => return Ok(KeptPlugin { info, is_new: before.is_none() }),
                Err(error) => return Err(error),
            }
        }
        Err(KeepError::Db(mantis_db::Code::Conflict.into()))
    }

    /// Makes an older version of a plugin the current one, with the grants, limits and settings that it had: that of the number `to`, or the
    /// newest one before the current one. Calls under way end with the version that they began with.
    ///
    /// # Errors
    /// [`KeepError`]. What was there is unchanged.
    pub async fn roll_back(&self, name: &str, to: Option<u64>, expect: Expect) -> Result<PluginInfo, KeepError> {
        for _ in 0..KEEP_ATTEMPTS_MAX {
            self.check_not_from_file(name)?;
            let record = self.database().plugin(name).ok_or(KeepError::NotFound)?;
            self.database().expect_plugin(name, expect)?;
            let version = target(&record, to).ok_or(KeepError::VersionNotFound)?.clone();
            let number = version.number;
            let plugin = self.prepare_kept(name, version).await?;
            let (host, name, at) = (self.clone(), name.to_owned(), Expect::Version(record.revision));
            let rolled = tokio::spawn(async move {
                let record = host.database().roll_back_plugin(&name, Some(number), at).await?;
                Ok(host.activate(&name, plugin, &record))
            });
            match rolled.await.unwrap_or_else(|error| Err(failed(&error))) {
                Err(KeepError::Refused(_)) if matches!(expect, Expect::Anything | Expect::Present) => {}
                outcome => return outcome,
            }
        }
        Err(KeepError::Db(mantis_db::Code::Conflict.into()))
    }

    /// Removes a plugin, with all versions that the database keeps; calls under way end as they would.
    ///
    /// # Errors
    /// [`KeepError`].
    pub async fn forget(&self, name: &str, expect: Expect) -> Result<(), KeepError> {
        self.check_not_from_file(name)?;
        if self.database().plugin(name).is_none() && self.0.kept.state(name).is_none() {
            // One that the program installed.
            return match expect {
                Expect::Anything if self.remove(name) => Ok(()),
                Expect::Anything | Expect::Absent => Err(KeepError::NotFound),
                _ if self.plugin(name).is_some() => Err(KeepError::Refused(None)),
                _ => Err(KeepError::NotFound),
            };
        }
        let (host, name) = (self.clone(), name.to_owned());
        let forgotten = tokio::spawn(async move {
            host.database().forget_plugin(&name, expect).await?;
            host.deactivate(&name);
            Ok(())
        });
        forgotten.await.unwrap_or_else(|error| Err(failed(&error)))
    }

    /// Makes the plugins that the database keeps callable, when the returned future is run; until then they are starting, and calls wait.
    /// Those of which a file has the name stay kept and are passed over. What cannot be read or compiled is broken, and the others are not.
    /// Call it once, before the first request.
    pub fn load_kept(&self) -> impl Future<Output = ()> + Send + use<> {
        let host = self.clone();
        let (mut records, unreadable) = host.database().plugins().unwrap_or_else(|error| {
            tracing::error!(%error, "the plugins that are kept could not be listed");
            (Vec::new(), Vec::new())
        });
        for name in unreadable {
            tracing::error!(plugin = name, "the record of a plugin is damaged; remove the plugin and install it again");
            host.0.kept.set(
                &name,
                PluginState::Broken("its record is damaged; remove it and install it again".into()),
                None,
            );
        }
        for record in &records {
            host.0.kept.set(&record.name, PluginState::Starting, None);
        }
        // The quick ones first.
        records.sort_by_key(|record| record.current().map(|version| version.component_bytes));
        async move {
            for record in records {
                host.load(record).await;
            }
        }
    }

    /// Ends the claim of a file on its name, where the file could not be installed: a plugin of that name that the database keeps is started
    /// in its place. Returns whether there is one.
    pub async fn give_up_file(&self, file: &Expected) -> bool {
        let name = file.name();
        self.release_name_of_file(name);
        let Some(record) = self.database().plugin(name) else { return false };
        self.0.kept.set(name, PluginState::Starting, None);
        self.load(record).await;
        true
    }

    async fn load(&self, record: PluginRecord) {
        let name = record.name.clone();
        if self.is_from_file(&name) {
            tracing::warn!(
                plugin = name,
                "the plugin that is kept is not used: a file in the folder of plugins has its name"
            );
            return self.0.kept.remove(&name);
        }
        let Some(version) = record.current().cloned() else { return };
        let number = version.number;
        match self.prepare_patiently(&name, version).await {
            Ok(plugin) => {
                let info = self.activate(&name, plugin, &record);
                tracing::info!(plugin = name, version = number, functions = info.functions.len(), "started");
            }
            Err(error) => {
                tracing::error!(plugin = name, version = number, %error, "a plugin that is kept cannot be started");
                let _plugins = self.0.plugins.write();
                // Unless it was updated or removed meanwhile.
                if self.0.kept.state(&name) == Some(PluginState::Starting) {
                    self.0.kept.set(&name, PluginState::Broken(error.to_string()), None);
                }
            }
        }
    }

    /// A version that is kept, compiled, however long the compiler takes or is busy.
    async fn prepare_patiently(&self, name: &str, version: PluginVersion) -> Result<Arc<Plugin>, KeepError> {
        loop {
            match self.prepare_kept(name, version.clone()).await {
                Err(KeepError::Install(Error::CompileTimeout { .. })) => {}
                Err(KeepError::Install(Error::CompilerBusy { .. })) => tokio::time::sleep(BUSY_PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// A version that is kept, compiled.
    async fn prepare_kept(&self, name: &str, version: PluginVersion) -> Result<Arc<Plugin>, KeepError> {
        let options = options_of(&version)?;
        let database = self.database().clone();
        let component = blocking(move || database.plugin_component(&version)).await?;
        let component =
            component.map_err(|error| KeepError::Unreadable(format!("its component cannot be read: {error}")))?;
        Ok(self.prepare(name, component, options).await?)
    }

    /// Makes a version callable that was committed as `record`, unless a later commit has changed the plugin. Returns its description.
    fn activate(&self, name: &str, plugin: Arc<Plugin>, record: &PluginRecord) -> PluginInfo {
        let info = PluginInfo { source: PluginSource::Kept, kept: KeptVersions::of(record), ..plugin.info() };
        let mut plugins = self.0.plugins.write();
        let is_newest = self.database().plugin(name).is_some_and(|newest| newest.revision == record.revision);
        if !is_newest || self.is_from_file(name) {
            return info;
        }
        let replaced = plugins.insert(name.to_owned(), plugin);
        self.0.kept.set(name, PluginState::Ready, info.kept.clone());
        drop(plugins);
        self.retire(replaced);
        info
    }

    /// Lets a plugin go whose record is gone.
    fn deactivate(&self, name: &str) {
        let mut plugins = self.0.plugins.write();
        if self.database().plugin(name).is_some() || self.is_from_file(name) {
            return;
        }
        let removed = plugins.remove(name);
        self.0.kept.remove(name);
        drop(plugins);
        self.retire(removed);
    }

    /// The description of a plugin that the database keeps, which may not be callable.
    pub(super) fn kept_info(&self, name: &str, callable: Option<PluginInfo>) -> Option<PluginInfo> {
        let state = self.0.kept.state(name);
        match (state, callable) {
            (None, callable) => callable,
            (Some(PluginState::Ready), Some(info)) => {
                Some(PluginInfo { source: PluginSource::Kept, kept: self.0.kept.versions(name), ..info })
            }
            (Some(state), _) => {
                let record = self.database().plugin(name);
                // A damaged record has no versions.
                record.as_ref().map_or_else(
                    || Some(PluginInfo::unreadable(name, state.clone())),
                    |record| PluginInfo::unready(record, state.clone()),
                )
            }
        }
    }

    fn check_not_from_file(&self, name: &str) -> Result<(), KeepError> {
        if self.is_from_file(name) { Err(KeepError::FromFile) } else { Ok(()) }
    }

    pub(super) fn database(&self) -> &Database {
        &self.0.shared.database
    }
}

/// Runs work that waits for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, KeepError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> KeepError {
    KeepError::Install(Error::Engine(error.to_string()))
}

/// The version that a rollback returns to.
fn target(record: &PluginRecord, to: Option<u64>) -> Option<&PluginVersion> {
    let current = record.current()?.number;
    match to {
        Some(to) => record.versions.iter().find(|version| version.number == to),
        None => record.versions.iter().filter(|version| version.number < current).max_by_key(|version| version.number),
    }
}

/// The options of the version before an update; the default ones where there is none.
fn options_before(record: Option<&PluginRecord>) -> Result<PluginOptions, KeepError> {
    record.and_then(PluginRecord::current).map_or_else(|| Ok(PluginOptions::default()), options_of)
}

fn options_of(version: &PluginVersion) -> Result<PluginOptions, KeepError> {
    let unreadable = |reason: String| KeepError::Unreadable(format!("its manifest cannot be read: {reason}"));
    let manifest = Manifest::from_json(&version.manifest).map_err(unreadable)?;
    PluginOptions::try_from(manifest).map_err(|invalid| unreadable(invalid.to_string()))
}

impl From<PluginError> for KeepError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::NotFound => Self::NotFound,
            PluginError::Refused(revision) => Self::Refused(revision),
            PluginError::VersionNotFound => Self::VersionNotFound,
            PluginError::TooMany { max } => Self::Install(Error::PluginsTooMany { max }),
            PluginError::Db(error) => Self::Db(error),
            other => Self::Install(Error::Engine(other.to_string())),
        }
    }
}
